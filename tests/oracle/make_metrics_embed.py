#!/usr/bin/env python3
"""Records how well texts are found by vectors, on random and odd cases: tests/unit/data/metrics_embed.json.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_metrics_embed.py

nDCG is scikit-learn's ndcg_score, the rest are plain counts; that all of them are those of sentence-transformers' InformationRetrievalEvaluator is
checked on cases without ties. Vectors are signs over the root of their width, so that equal products are equal in every precision; candidates of
equal products rank in their order.
"""
import json
from pathlib import Path

import numpy as np
from sklearn.metrics import ndcg_score

OUT = Path(__file__).resolve().parent.parent / "unit" / "data" / "metrics_embed.json"
AT = 10


def measure(vectors, queries, candidates, right):
    """right[q]: set of positions in candidates. Positions that are the query's own row are left out."""
    rows = []
    for q, query in enumerate(queries):
        left = [c for c in range(len(candidates)) if right["self"] is None or candidates[c] != query]
        good = right["sets"][q]
        if not good:
            continue
        s = np.array([vectors[query] @ vectors[candidates[c]] for c in left])
        order = np.argsort(-s, kind="stable")
        hits = np.array([left[i] in good for i in order[:AT]])
        first = np.flatnonzero(hits)
        # ndcg_score with k averages over ties; scores that fall with the rank have none
        truth = np.array([[1.0 if left[i] in good else 0.0 for i in order]])
        ndcg = ndcg_score(truth, -np.arange(len(order), dtype=float)[None], k=AT) if len(order) > 1 else float(truth[0, 0])
        logits = 20 * s
        loss = np.log(np.exp(logits - logits.max()).sum()) + logits.max() - np.mean([20 * (vectors[query] @ vectors[candidates[c]]) for c in good])
        rows.append([float(hits[0]), hits[:1].sum() / len(good), hits[:5].sum() / len(good), hits[:10].sum() / len(good),
                     1 / (first[0] + 1) if len(first) else 0.0, ndcg, loss])
    return len(rows), np.mean(rows, axis=0).tolist() if rows else None


def unit(rng, n, width):
    """Rows of length 1 whose products are exact: signs over a square number of columns."""
    return rng.choice([-1.0, 1.0], (n, width)) / np.sqrt(width)


def main():
    rng, cases = np.random.default_rng(23), []
    for i in range(200):
        n, width = int(rng.integers(3, 20)), int(rng.choice([4, 16]))
        vectors = unit(rng, n, width)
        if i % 10 == 1:
            vectors[:] = vectors[0]  # everything is equally near
        case = {"width": width, "vectors": "".join("+" if x > 0 else "-" for x in vectors.ravel())}
        if i % 2:
            labels = rng.integers(0, int(rng.integers(1, n + 1)), n)
            sets = [{c for c in range(n) if c != q and labels[c] == labels[q]} for q in range(n)]
            case["labels"] = labels.tolist()
            case["queries"], case["means"] = measure(vectors, range(n), list(range(n)), {"self": True, "sets": sets})
        else:
            n_queries = int(rng.integers(1, n))
            queries, candidates = list(range(n_queries)), list(range(n_queries, n))
            sets = [set(rng.choice(len(candidates), int(rng.integers(0, min(14, len(candidates)) + 1)), replace=False).tolist()) for _ in queries]
            case["right"] = [sorted(int(c) for c in s) for s in sets]
            case["queries"], case["means"] = measure(vectors, queries, candidates, {"self": None, "sets": sets})
        cases.append(case)
    OUT.write_text(json.dumps({"order": ["accuracy_at_1", "recall_at_1", "recall_at_5", "recall_at_10", "mrr_at_10", "ndcg_at_10", "loss"], "cases": cases}) + "\n")
    print(f"{len(cases)} cases, {OUT.stat().st_size} bytes; {check_evaluator(rng)} cases by sentence-transformers' own evaluator agree")


def check_evaluator(rng):
    """The counts above against InformationRetrievalEvaluator's own."""
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    done = 0
    for _ in range(20):
        vectors = rng.normal(0, 1, (40, 32))
        sets = [set(rng.choice(30, int(rng.integers(1, 14)), replace=False).tolist()) for _ in range(10)]
        evaluator = InformationRetrievalEvaluator({str(q): "q" for q in range(10)}, {str(c): "c" for c in range(30)}, {str(q): {str(c) for c in s} for q, s in enumerate(sets)},
                                                  accuracy_at_k=[1], precision_recall_at_k=[1, 5, 10], mrr_at_k=[10], ndcg_at_k=[10])
        found = []
        for q in range(10):
            s = vectors[q] @ vectors[10:].T
            found.append([{"corpus_id": str(c), "score": float(s[c])} for c in np.argsort(-s, kind="stable")])
        theirs = evaluator.compute_metrics(found)
        _, ours = measure(vectors, range(10), list(range(10, 40)), {"self": None, "sets": sets})
        got = [theirs["accuracy@k"][1], theirs["recall@k"][1], theirs["recall@k"][5], theirs["recall@k"][10], theirs["mrr@k"][10], theirs["ndcg@k"][10]]
        assert np.allclose(got, ours[:6], atol=1e-12), (got, ours)
        done += 1
    return done


if __name__ == "__main__":
    main()
