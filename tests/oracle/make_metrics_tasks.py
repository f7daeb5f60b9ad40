"""Records reference metrics on random and odd cases, for the tasks beyond classification: tests/unit/data/metrics_{regress,multi,tag}.json.

regress: SciPy and scikit-learn; multi: scikit-learn with zero_division=0; tag: seqeval in its default and strict mode, scikit-learn for plain tags."""
import json
import pathlib
import warnings

import numpy as np
import scipy
import sklearn
from scipy import stats
from sklearn import metrics as M

OUT = pathlib.Path(__file__).parent.parent / "unit/data"
warnings.simplefilter("ignore")


def number(x):
    return None if x is None or not np.isfinite(x) else float(x)


def regress_cases(rng):
    cases = []
    for i in range(200):
        n = int(rng.integers(1, 40))
        truth = rng.normal(0, 1, n) * 10 ** float(rng.integers(-3, 5)) + float(rng.integers(-100, 100))
        answer = truth * rng.normal(1, 0.3) + rng.normal(0, 1, n) * truth.std()
        if i % 5 == 1:  # many ties
            truth, answer = rng.integers(0, 4, n).astype(float), rng.integers(0, 3, n).astype(float)
        if i % 10 == 2:
            answer = np.full(n, 3.5)  # one answer for everything
        if i % 10 == 3:
            answer = truth.copy()
        if i % 10 == 4:
            answer = -truth
        if i % 20 == 5:
            truth = np.full(n, 2.0)
        truth, answer = truth.round(6), answer.round(6)
        pearson = stats.pearsonr(truth, answer)[0] if n > 1 else None
        spearman = stats.spearmanr(truth, answer)[0] if n > 1 else None
        cases.append(dict(truth=truth.tolist(), answer=answer.tolist(), pearson=number(pearson), spearman=number(spearman),
                          mse=float(M.mean_squared_error(truth, answer)), mae=float(M.mean_absolute_error(truth, answer)),
                          r2=number(M.r2_score(truth, answer)) if n > 1 and len(set(truth)) > 1 else None))
    return cases


def multi_cases(rng):
    cases = []
    for i in range(200):
        k, n = int(rng.integers(2, 7)), int(rng.integers(1, 30))
        truth = (rng.random((n, k)) < rng.choice([0.1, 0.3, 0.7])).astype(int)
        logits = rng.normal(0, 2, (n, k)).round(2)
        if i % 4 == 0:
            logits += 3 * (2 * truth - 1)
        if i % 10 == 1:
            logits[:] = -5  # nothing is answered, every rank is equal
        if i % 10 == 2:
            truth[:] = 0
        if i % 10 == 3:
            truth[:] = 1
        if i % 10 == 4:
            logits = rng.integers(-1, 2, (n, k)).astype(float)  # ties
        if i % 10 == 5:
            logits = 10.0 * (2 * truth - 1)  # perfect
        shown = logits.round(2)
        logits = shown.astype(np.float32).astype(float)  # what a program holds that reads the numbers as floats
        threshold = [0.5] * k if i % 3 else [round(float(x), 2) for x in rng.uniform(0.2, 0.8, k)]
        answer = (1 / (1 + np.exp(-logits)) >= np.array(threshold)).astype(int)
        prf = {a: [float(x) for x in M.precision_recall_fscore_support(truth, answer, average=a, zero_division=0)[:3]]
               for a in ("micro", "macro", "weighted", "samples")}
        loss = np.mean(np.maximum(logits, 0) - logits * truth + np.log1p(np.exp(-abs(logits))))
        cases.append(dict(k=k, truth=truth.ravel().tolist(), logits=shown.ravel().tolist(), threshold=threshold, **prf,
                          subset=float((truth == answer).all(1).mean()), hamming=float(M.hamming_loss(truth, answer)),
                          ranking=float(M.label_ranking_average_precision_score(truth, logits)), loss=float(loss),
                          f1=[float(x) for x in M.f1_score(truth, answer, average=None, zero_division=0)]))
    return cases


PREFIXES = {"iob1": "BI", "iob2": "BI", "iobes": "BIES", "bilou": "BILU"}


def good_tags(rng, scheme, n, types):
    """A sentence as the scheme writes it."""
    tags = []
    while len(tags) < n:
        if rng.random() < 0.5:
            tags.append("O")
            continue
        kind, long = str(rng.choice(types)), int(min(rng.integers(1, 4), n - len(tags)))
        first, inside, last, single = {"iob1": "IIII", "iob2": "BIIB", "iobes": "BIES", "bilou": "BILU"}[scheme]
        if scheme == "iob1" and tags and tags[-1][2:] == kind:
            first = single = "B"
        part = [single] if long == 1 else [first] + [inside] * (long - 2) + [last]
        tags += [f"{p}-{kind}" for p in part]
    return tags


def spoil(rng, tags, scheme, types, share):
    """Random tags here and there: broken schemes, unseen types."""
    every = [f"{p}-{t}" for p in PREFIXES[scheme] for t in types + ["NEW"]] + ["O"]
    return [str(rng.choice(every)) if rng.random() < share else t for t in tags]


def tag_numbers(truth, answer, scheme, strict):
    import seqeval.metrics as S
    from seqeval import scheme as schemes
    kw = dict(mode="strict", scheme=getattr(schemes, scheme.upper())) if strict else {}
    report = S.classification_report(truth, answer, output_dict=True, zero_division=0, **kw)
    types = {k: [float(v["precision"]), float(v["recall"]), float(v["f1-score"]), int(v["support"])] for k, v in report.items() if not k.endswith(" avg")}
    finite = lambda x: float(x) if np.isfinite(x) else 0.0  # no part at all: seqeval's mean of nothing is NaN, ours is 0
    averages = {a: [finite(report[a + " avg"][k]) for k in ("precision", "recall", "f1-score")] for a in ("micro", "macro", "weighted")}
    return dict(types=types, accuracy=float(S.accuracy_score(truth, answer)), **averages)


def tag_cases(rng):
    cases = []
    for i in range(200):
        scheme, strict = [("iob1", 0), ("iob2", 0), ("iobes", 0), ("iob1", 1), ("iob2", 1), ("iobes", 1), ("bilou", 1), ("plain", 0), ("bilou", 0), ("iob2", 0)][i % 10]
        types = ["PER", "LOC", "A-B", "X"][: int(rng.integers(1, 5))]
        sentences = [int(n) for n in rng.integers(1, 12, int(rng.integers(1, 7)))]
        if scheme == "plain":
            names = ["NN", "VB", "O", "I-N"]
            truth = [[str(x) for x in rng.choice(names[: len(types) + 1], n)] for n in sentences]
            answer = [[str(x) if rng.random() < 0.7 else str(rng.choice(names + ["ZZ"])) for x in s] for s in truth]
            flat = sum(truth, []), sum(answer, [])
            prf = {a: [float(x) for x in M.precision_recall_fscore_support(*flat, average=a, zero_division=0)[:3]] for a in ("micro", "macro", "weighted")}
            numbers = dict(types={}, accuracy=float(M.accuracy_score(*flat)), **prf)
        else:
            truth = [good_tags(rng, scheme, n, types) for n in sentences]
            answer = [spoil(rng, s, scheme, types, float(rng.choice([0.1, 0.4, 1.0]))) for s in truth]
            if i % 4 == 1:
                truth = [spoil(rng, s, scheme, types, 0.3) for s in truth]  # broken gold
            if i % 20 == 2:
                answer = [["O"] * len(s) for s in truth]  # nothing is answered
            if i % 20 == 3:
                answer = [list(s) for s in truth]
            if i % 40 == 5:
                truth, answer = [["O"] * len(s) for s in truth], [["O"] * len(s) for s in truth]
                answer[0][0] = {"iobes": "S-PER", "bilou": "U-PER"}.get(scheme, "B-PER")
            numbers = tag_numbers(truth, answer, scheme, strict)
        cases.append(dict(scheme=scheme, strict=strict, truth=truth, answer=answer, **numbers))
    return cases


def write(name, made_with, cases):
    (OUT / name).write_text(json.dumps(dict(made_with=made_with, cases=cases), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    write("metrics_regress.json", f"SciPy {scipy.__version__}, scikit-learn {sklearn.__version__}", regress_cases(np.random.default_rng(21)))
    write("metrics_tag.json", f"seqeval 1.2.2, scikit-learn {sklearn.__version__}", tag_cases(np.random.default_rng(23)))
    write("metrics_multi.json", f"scikit-learn {sklearn.__version__}", multi_cases(np.random.default_rng(22)))
