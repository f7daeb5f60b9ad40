#!/usr/bin/env python3
"""Records what transformers' logits processors leave of a distribution: tests/unit/data/sampling.json.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_sampling_vectors.py

Each case: logits, the tokens of the text so far, the settings, and the probabilities of every token (0: cannot be drawn), in the order and with
the processors that generate makes of its settings.
"""
import json
from pathlib import Path

import torch
from transformers import LogitsProcessorList, MinPLogitsWarper, RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

OUT = Path(__file__).resolve().parent.parent / "unit" / "data" / "sampling.json"
WORDS = 37
SETTINGS = [
    {"temperature": 1.0}, {"temperature": 0.6}, {"temperature": 2.5}, {"temperature": 1.0, "top_k": 1}, {"temperature": 1.0, "top_k": 5},
    {"temperature": 1.0, "top_k": 36}, {"temperature": 1.0, "top_k": 100}, {"temperature": 1.0, "top_p": 0.5}, {"temperature": 1.0, "top_p": 0.95},
    {"temperature": 1.0, "top_p": 0.01}, {"temperature": 1.0, "min_p": 0.1}, {"temperature": 0.7, "min_p": 0.02}, {"temperature": 1.0, "min_p": 1.0},
    {"temperature": 1.0, "repetition_penalty": 1.3}, {"temperature": 1.0, "repetition_penalty": 0.7},
    {"temperature": 0.8, "top_k": 20, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.1},
    {"temperature": 1.7, "top_k": 9, "top_p": 0.8}, {"temperature": 1.2, "top_p": 0.9, "min_p": 0.2},
]


def processors(s):
    made = LogitsProcessorList()
    if s.get("repetition_penalty", 1.0) != 1.0:
        made.append(RepetitionPenaltyLogitsProcessor(s["repetition_penalty"]))
    if s["temperature"] != 1.0:
        made.append(TemperatureLogitsWarper(s["temperature"]))
    if s.get("top_k", 0):
        made.append(TopKLogitsWarper(s["top_k"]))
    if s.get("top_p", 1.0) < 1:
        made.append(TopPLogitsWarper(s["top_p"]))
    if s.get("min_p", 0.0) > 0:
        made.append(MinPLogitsWarper(s["min_p"]))
    return made


def main():
    generator = torch.Generator().manual_seed(3)
    cases = []
    for n, settings in enumerate(SETTINGS * 2):
        logits = torch.randn(WORDS, generator=generator, dtype=torch.float32) * (1.0 + n % 4)
        if n % 3 == 0:
            logits[5] = logits[11]  # equal ones
        text = torch.randint(0, WORDS, (9,), generator=generator)
        scores = processors(settings)(text[None], logits[None].double())[0]
        cases.append({"settings": settings, "logits": logits.tolist(), "text": text.tolist(), "probabilities": scores.softmax(-1).tolist()})
    OUT.write_text(json.dumps(cases) + "\n")
    print(f"{len(cases)} cases, {OUT.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
