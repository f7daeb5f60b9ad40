#!/usr/bin/env python3
"""Records ROUGE of random and odd texts by the package rouge_score, without stemming: tests/unit/data/rouge.json.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_rouge.py      (pip install rouge-score)
"""
import json
import pathlib
import random

from rouge_score import rouge_scorer

OUT = pathlib.Path(__file__).parent.parent / "unit/data/rouge.json"
WORDS = "the a cat dog sat on mat and saw big red house it's 3.5 co-op Mr. x_y U.S. 2024 he said: \"no\"!".split()


def main():
    draw = random.Random(5)
    pairs = [("", ""), ("", "a b"), ("a b", ""), ("...", "a"), ("a", "a"), ("The CAT", "the cat."), ("a b c d", "d c b a"), ("a a a", "a")]
    for _ in range(120):
        right = [draw.choice(WORDS) for _ in range(draw.randint(1, 25))]
        answer = [w for w in right if draw.random() < 0.7] if draw.random() < 0.5 else [draw.choice(WORDS) for _ in range(draw.randint(0, 25))]
        pairs.append((draw.choice([" ", "  ", "\n"]).join(right), " ".join(answer)))
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    cases = [[a, b] + [scorer.score(a, b)[k].fmeasure for k in ("rouge1", "rouge2", "rougeL")] for a, b in pairs]
    OUT.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
