"""attune's default recipe beside transformers on the tasks beyond single labels: one JSON line a run in docs/results/tasks.jsonl.

    tasks.py [--only NAME] [--peer | --attune] [--smoke]

Both start from the same body, get the same rows, and are judged by `attune score` on the answers they write to a file. The peer has the
settings of PEER, fixed beforehand: one rate, three epochs, batches of 32 grouped by length, linear decay after 10% of warm-up; its last state is taken. Stop it
at any time; the same command goes on with the runs that are not recorded yet. --smoke: a few rows, one seed, nothing is recorded.
"""

import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from attune_runs import PROGRAM, commit, log
from common import ROOT, append_result, claimed, data_source, key_of, model_folder, read_results, sha256_of

WORK = ROOT / "build" / "study" / "tasks"
SEEDS = (0, 1)
MORE_SEEDS = {"mrpc": (0, 1, 2, 3)}  # two runs of each are further apart there than the verdict is wide
PEER = {"rate": 1e-4, "epochs": 3, "batch": 32, "warmup": 0.1}
QUESTION_TOKENS, STRIDE, BEST, ANSWER_TOKENS = 384, 128, 20, 30

# ---- data: (train, test) as files that both read ----


def write_rows(path, columns, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(columns)
        out.writerows(rows)


def conll_sentences(path):
    words, tags = [], []
    for line in path.read_text(encoding="utf-8").splitlines() + [""]:
        fields = line.split()
        if fields and fields[0] != "-DOCSTART-":
            words.append(fields[0])
            tags.append(fields[-1])
        elif words:
            yield {"tokens": words, "ner_tags": tags}
            words, tags = [], []


def make_conll(folder, small):
    for name, source in (("train", "eng.train"), ("test", "eng.testb")):
        rows = list(conll_sentences(data_source() / "conll2003" / source))[: small or None]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "train.jsonl", folder / "test.jsonl"


def make_squad(folder, small):
    """4,000 questions to train on and 2,000 to judge by, drawn with a fixed seed."""
    for name, source, n in (("train", "train-v1.1.rebuilt.json", 4000), ("test", "dev-v1.1.rebuilt.json", 2000)):
        root = json.loads((data_source() / "squad" / source).read_text())
        rows = [{"id": q["id"], "question": q["question"], "context": p["context"],
                 "answers": {"text": [a["text"] for a in q["answers"]], "answer_start": [a["answer_start"] for a in q["answers"]]}}
                for article in root["data"] for p in article["paragraphs"] for q in p["qas"]]
        rows = random.Random(1).sample(rows, small or n)
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "train.jsonl", folder / "test.jsonl"


def make_stsb(folder, small):
    for name in ("train", "test"):
        lines = (data_source() / "stsb" / f"sts-{name}.csv").read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t") for line in lines][: small or None]
        write_rows(folder / f"{name}.csv", ("sentence1", "sentence2", "score"), [(r[5], r[6], r[4]) for r in rows])
    return folder / "train.csv", folder / "test.csv"


def make_mrpc(folder, small):
    for name in ("train", "test"):
        lines = (data_source() / "mrpc" / f"msr_paraphrase_{name}.txt").read_text(encoding="utf-8-sig").splitlines()[1:]
        rows = [line.split("\t") for line in lines][: small or None]
        write_rows(folder / f"{name}.csv", ("sentence1", "sentence2", "label"), [(r[3], r[4], r[0]) for r in rows])
    return folder / "train.csv", folder / "test.csv"


def make_clinc(folder, small):
    """Requests of one to three sentences, each of a domain: the labels are the domains."""
    source = data_source() / "clinc150"
    root, domains = json.loads((source / "data_full.json").read_text()), json.loads((source / "domains.json").read_text())
    domain_of = {intent: domain for domain, intents in domains.items() for intent in intents}
    for name, n in (("train", 4000), ("test", 2000)):
        draw, rows = random.Random(name), []
        for _ in range(small or n):
            parts = draw.sample(root[name], draw.randint(1, 3))
            labels = sorted({domain_of[intent] for _, intent in parts})
            rows.append({"text": ". ".join(text for text, _ in parts), "labels": labels})
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "train.jsonl", folder / "test.jsonl"


# name: task, how the data are made, the figure that is compared, what attune is told beside the files
TASKS = {
    "conll2003": ("tag", make_conll, "f1", []),
    "squad": ("answer", make_squad, "f1", ["--max-length", str(QUESTION_TOKENS)]),
    "stsb": ("regress", make_stsb, "pearson", []),
    "mrpc": ("classify", make_mrpc, "accuracy", []),
    "clinc150-domains": ("multi-label", make_clinc, "f1_micro", []),
}

# ---- judging: the same for both ----


def score(task, gold, answers):
    done = subprocess.run([PROGRAM, "score", "--task", task, "--gold", gold, "--pred", answers, "--json"], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        event = json.loads(line)
        if event["event"] == "eval":
            return {k: v for k, v in event["values"].items() if isinstance(v, (int, float))}
    sys.exit(f"error: {answers} could not be judged: {done.stderr}")


def run_attune(task, train, test, more, seed, folder, small):
    output, answers = folder / f"attune-{seed}", folder / f"attune-{seed}.jsonl"
    command = [PROGRAM, "train", "--task", task, "--model", model_folder(), "--train", train, "--output", output, "--seed", str(seed), "--quiet"]
    command += more + (["--epochs", "1", "--folds", "1"] if small else [])
    with open(folder / f"attune-{seed}.log", "w", encoding="utf-8") as out:
        for line in (command, [PROGRAM, "predict", "--model", output, "--input", test, "--output", answers, "--quiet"]):
            if subprocess.run([str(word) for word in line], stdout=out, stderr=subprocess.STDOUT).returncode:
                sys.exit(f"error: attune failed; see {out.name}; the same command goes on")
    shutil.rmtree(output)
    return answers


# ---- the peer ----


def read_rows(path):
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8") as f:
            return list(csv.DictReader(f))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Peer:
    """A task as transformers' own examples do it: features of rows, and answers of logits."""

    def __init__(self, task, rows, folder):
        import torch
        import transformers

        self.torch, self.task = torch, task
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        kinds = {"tag": "TokenClassification", "answer": "QuestionAnswering"}
        options = {}
        if task == "tag":
            self.labels = sorted({tag for row in rows for tag in row["ner_tags"]})
        elif task == "multi-label":
            self.labels = sorted({label for row in rows for label in row["labels"]})
            options["problem_type"] = "multi_label_classification"
        elif task == "classify":
            self.labels = sorted({row["label"] for row in rows})
        elif task == "regress":
            self.labels, options["problem_type"] = ["score"], "regression"
        if task != "answer":
            options["num_labels"] = len(self.labels)
        self.model = getattr(transformers, f"AutoModelFor{kinds.get(task, 'SequenceClassification')}").from_pretrained(folder, **options)

    def features(self, row):
        """Of one row, one or (answers) several: what the model takes, and `labels`, `spans`, or nothing."""
        if self.task == "tag":
            f = self.tokenizer(row["tokens"], is_split_into_words=True, truncation=True, max_length=512)
            words, seen = f.word_ids(), None
            labels = []
            for word in words:
                labels.append(-100 if word is None or word == seen else self.labels.index(row["ner_tags"][word]) if row["ner_tags"][word] in self.labels else -100)
                seen = word
            return [dict(f, labels=labels, words=words)]
        if self.task == "answer":
            return self.windows(row)
        if self.task == "multi-label":
            f = self.tokenizer(row["text"], truncation=True, max_length=256)
            return [dict(f, labels=[float(label in row["labels"]) for label in self.labels])]
        f = self.tokenizer(row["sentence1"], row["sentence2"], truncation=True, max_length=256)
        return [dict(f, labels=float(row["score"]) if self.task == "regress" else self.labels.index(row["label"]))]

    def windows(self, row):
        f = self.tokenizer(row["question"], row["context"], truncation="only_second", max_length=QUESTION_TOKENS, stride=STRIDE,
                           return_overflowing_tokens=True, return_offsets_mapping=True)
        start = row["answers"]["answer_start"][0]
        end, found = start + len(row["answers"]["text"][0]), []
        for i, offsets in enumerate(f["offset_mapping"]):
            inside = [k for k, part in enumerate(f.sequence_ids(i)) if part == 1]
            begin = [k for k in inside if offsets[k][0] <= start < offsets[k][1]]
            last = [k for k in inside if offsets[k][0] < end <= offsets[k][1]]
            whole = begin and last
            found.append({"input_ids": f["input_ids"][i], "token_type_ids": f["token_type_ids"][i], "offsets": offsets, "inside": inside,
                          "start_positions": begin[0] if whole else 0, "end_positions": last[-1] if whole else 0})
        return found

    def batch(self, features, targets):
        torch, longest = self.torch, max(len(f["input_ids"]) for f in features)
        pad = lambda key, value: torch.tensor([list(f[key]) + [value] * (longest - len(f[key])) for f in features])
        made = {"input_ids": pad("input_ids", self.tokenizer.pad_token_id), "token_type_ids": pad("token_type_ids", 0)}
        made["attention_mask"] = torch.tensor([[1] * len(f["input_ids"]) + [0] * (longest - len(f["input_ids"])) for f in features])
        if targets and self.task == "tag":
            made["labels"] = pad("labels", -100)
        elif targets and self.task == "answer":
            made |= {key: torch.tensor([f[key] for f in features]) for key in ("start_positions", "end_positions")}
        elif targets:
            made["labels"] = torch.tensor([f["labels"] for f in features])
        return made

    def train(self, rows, seed, epochs):
        from plain import epoch_batches
        from transformers import get_linear_schedule_with_warmup

        torch = self.torch
        features = [f for row in rows for f in self.features(row)]
        steps = epochs * -(-len(features) // PEER["batch"])
        plain = [p for n, p in self.model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
        others = [p for n, p in self.model.named_parameters() if not (n.endswith("bias") or "LayerNorm" in n)]
        optimizer = torch.optim.AdamW([{"params": others, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}], lr=PEER["rate"])
        schedule = get_linear_schedule_with_warmup(optimizer, int(PEER["warmup"] * steps), steps)
        self.model.train()
        lengths = [len(f["input_ids"]) for f in features]
        for epoch in range(epochs):
            for chosen in epoch_batches(lengths, PEER["batch"], True, seed, epoch):
                self.model(**self.batch([features[i] for i in chosen], True)).loss.backward()
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
        self.model.eval()

    def answers(self, rows):
        """One JSON object a row, with the columns that `attune score` looks for."""
        with self.torch.no_grad():
            for row in rows:
                features = self.features(row) if self.task != "classify" or row["label"] in self.labels else self.features(dict(row, label=self.labels[0]))
                yield self.answer(row, features, [self.model(**self.batch([f], False)) for f in features])

    def answer(self, row, features, outputs):
        if self.task == "answer":
            return {"id": row["id"], "answer": self.best_span(row, features, outputs)}
        logits = outputs[0].logits[0]
        if self.task == "tag":
            tags = ["O"] * len(row["tokens"])
            for k in range(len(features[0]["words"]) - 1, -1, -1):  # the first piece of a word has the last word
                if features[0]["words"][k] is not None:
                    tags[features[0]["words"][k]] = self.labels[int(logits[k].argmax())]
            return {"tokens": row["tokens"], "predicted_tags": tags}
        if self.task == "multi-label":
            return {"predicted_labels": [label for label, x in zip(self.labels, logits.tolist()) if x >= 0]}
        return {"prediction": float(logits[0]) if self.task == "regress" else self.labels[int(logits.argmax())]}

    def best_span(self, row, features, outputs):
        best, text = None, ""
        for f, out in zip(features, outputs):
            begin, end = out.start_logits[0], out.end_logits[0]
            firsts = [k for k in begin.argsort(descending=True)[:BEST].tolist() if k in f["inside"]]
            lasts = [k for k in end.argsort(descending=True)[:BEST].tolist() if k in f["inside"]]
            for a in firsts:
                for b in lasts:
                    value = float(begin[a] + end[b])
                    if a <= b < a + ANSWER_TOKENS and (best is None or value > best):
                        best, text = value, row["context"][f["offsets"][a][0]:f["offsets"][b][1]]
        return text


def run_peer(task, train, test, more, seed, folder, small):
    import torch

    torch.manual_seed(seed)
    rows, answers = read_rows(train), folder / f"peer-{seed}.jsonl"
    peer = Peer(task, rows, model_folder())
    peer.train(rows, seed, 1 if small else PEER["epochs"])
    answers.write_text("".join(json.dumps(answer) + "\n" for answer in peer.answers(read_rows(test))))
    return answers


# ---- the runs ----

METHODS = {"two-step": run_attune, "transformers": run_peer}


def seeds_of(name):
    return MORE_SEEDS.get(name, SEEDS)


def run_one(name, method, seed, done, small):
    task, make, metric, more = TASKS[name]
    folder = WORK / ("smoke" if small else "data") / name
    folder.mkdir(parents=True, exist_ok=True)
    train, test = make(folder, small)
    record = {"dataset": name, "n": "all", "seed": seed, "method": method, "task": task, "metric": metric, "data": sha256_of(train, test)}
    if not small and done.get(key_of(record), {}).get("data") == record["data"]:
        return
    with claimed(folder / f"{method}-{seed}.lock") as mine:
        if not mine:
            return
        log(f"{name}, {method}, seed {seed}: starts")
        started = time.monotonic()
        values = score(task, test, METHODS[method](task, train, test, more, seed, folder, small))
        record.update(values=values, main=values[metric], seconds=round(time.monotonic() - started, 1), commit=commit())
        if not small:
            append_result("tasks", record)
        log(f"{name}, {method}, seed {seed}: {metric} {values[metric]:.4f}, {record['seconds']} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=TASKS)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--attune", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    methods = ["transformers"] if arguments.peer else ["two-step"] if arguments.attune else list(METHODS)
    done, small = read_results("tasks"), 40 if arguments.smoke else 0
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for name in [arguments.only] if arguments.only else TASKS:
        for method in methods:
            for seed in seeds_of(name)[: 1 if small else None]:
                run_one(name, method, seed, done, small)


if __name__ == "__main__":
    main()
