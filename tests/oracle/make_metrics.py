"""Records scikit-learn's classification metrics on random and odd cases: tests/unit/data/metrics_classify.json."""
import json, pathlib, sys
import numpy as np, sklearn
from scipy.special import log_softmax
from sklearn import metrics as M

rng = np.random.default_rng(11)
cases = []
for i in range(200):
    k = int(rng.integers(2, 7)); n = int(rng.integers(1, 40))
    y = rng.integers(0, k, n)
    logits = rng.normal(0, 2, (n, k)).astype(np.float32).round(3)
    if i % 4 == 0: logits[np.arange(n), y] += 3            # good
    if i % 10 == 1: logits[:, 0] += 50                     # one class predicted
    if i % 10 == 2: y[:] = k - 1                           # one class true
    if i % 10 == 3: logits[np.arange(n), y] += 100         # perfect
    logits = logits.round(3)
    p = logits.argmax(1)
    z = logits.astype(np.float64); z = z - z.max(1, keepdims=True); q = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    conf, hit = q.max(1), (p == y)
    ece = sum(abs(conf[b].sum() - hit[b].sum()) for j in range(15) for b in [np.minimum((conf * 15).astype(int), 14) == j]) / n
    def prf(avg):
        a = M.precision_recall_fscore_support(y, p, average=avg, zero_division=0); return [float(x) for x in a[:3]]
    import warnings; warnings.simplefilter("ignore")
    per = M.precision_recall_fscore_support(y, p, labels=list(range(k)), zero_division=0)
    cases.append(dict(k=k, labels=y.tolist(), logits=[[round(float(v), 3) for v in r] for r in logits], accuracy=float(M.accuracy_score(y, p)),
        balanced=float(M.balanced_accuracy_score(y, p)), matthews=float(M.matthews_corrcoef(y, p)), macro=prf("macro"),
        weighted=prf("weighted"), micro_f1=float(M.f1_score(y, p, average="micro")), loss=float(-log_softmax(logits.astype(np.float64), axis=1)[np.arange(n), y].mean()),
        f1=[float(v) for v in per[2]], support=[int(v) for v in per[3]], ece=float(ece), confusion=M.confusion_matrix(y, p, labels=list(range(k))).ravel().tolist()))
out = pathlib.Path(__file__).parent.parent / "unit/data/metrics_classify.json"
out.write_text(json.dumps(dict(made_with="scikit-learn " + sklearn.__version__, cases=cases), separators=(",", ":")) + "\n")
