#!/usr/bin/env python3
"""Decoders that `attune train --task language` trained, in transformers.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_language.py --program build/release/src/attune [NAME ...]

Each folder of tests/golden/lm with a tokenizer of words goes on learning for a few steps. Ends with 1 where
  AutoModelForCausalLM misses a name, knows none, or holds another number       every tensor, bit by bit
  words that were tied are not, or the other way round
  AutoTokenizer gives other ids than that of the folder before                 (it reads some families' tokenizers as byte-level BPE: below,
                                                                                the ids are those of the tokenizers library)
  attune eval finds another loss than transformers on rows not trained on       1e-5, relative; whole and in windows that share tokens
  attune generate goes on with other tokens than greedy generate                every row
"""
import sys
from pathlib import Path

import torch
from make_golden_families import forget_lengths
from saved_folder import check, check_saved, compare_all, eval_loss, generated, make_folder, open_theirs, run, seeded, texts
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "golden" / "lm"
END, NEW = 2, 7


def windows(ids, limit, shared):
    """Parts of at most `limit` tokens and how many at the beginning of each are only read."""
    for at in range(0, len(ids), limit - shared):
        yield ids[at : at + limit], shared if at else 1
        if at + limit >= len(ids):
            return


def mean_loss(model, tokenizer, rows, limit, shared):
    total, n = 0, 0
    for row in rows:
        for ids, seen in windows(tokenizer.encode(row).ids + [END], limit, shared):
            labels = torch.tensor([-100] * seen + ids[seen:])
            forget_lengths(model)
            with torch.no_grad():
                loss = model(torch.tensor([ids]), labels=labels[None]).loss
            total, n = total + loss.item() * (len(ids) - seen), n + len(ids) - seen
    return total / n


def continued(model, tokenizer, text):
    ids = torch.tensor([tokenizer.encode(text).ids])
    stretches = forget_lengths(model) > 0  # then what was read of a shorter text stays as it is, which only a cache does
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, do_sample=False, use_cache=stretches, eos_token_id=END,
                         pad_token_id=4)
    new = out[0, ids.shape[1] :].tolist()
    return new[: new.index(END)] if END in new else new


def model_of(args, name, work):
    folder, saved, files = work / name, work / f"{name}-saved", [work / "train.txt", work / "held.txt"]
    draw = seeded(name)
    n = make_folder(DATA / name, folder, 0)
    rows = [texts(n, count, 15, draw) for count in (12, 8)]
    for file, lines in zip(files, rows):
        file.write_text("\n".join(lines) + "\n")
    run(args.program, "train", "--model", folder, "--task", "language", "--train", files[0], "--output", saved, "--max-steps", 4,
        "--learning-rate", 1e-2, "--batch-size", 4, "--folds", 1, "--quiet")
    check_saved(AutoModelForCausalLM, saved, folder, name)
    model, theirs = open_theirs(AutoModelForCausalLM, saved)
    before, tokenizer = AutoTokenizer.from_pretrained(folder), Tokenizer.from_file(str(saved / "tokenizer.json"))
    check(f"{name}: other ids", sum(theirs(row).input_ids != before(row).input_ids for row in rows[1]), 0)
    for limit, shared in ((20, 1), (6, 1), (7, 3)):
        mine = eval_loss(args.program, saved, files[1], work, "--max-length", limit, "--stride", shared)
        theirs = mean_loss(model, tokenizer, rows[1], limit, shared)
        check(f"{name}: loss in windows of {limit} ({mine:.6f}, transformers {theirs:.6f})", abs(mine / theirs - 1), 1e-5)
    prompts = rows[1][:3]
    other = [p for p in prompts if generated(args.program, saved, p, "--max-new-tokens", NEW) != continued(model, tokenizer, p)]
    check(f"{name}: other tokens behind {other[:1]}", len(other), 0)


if __name__ == "__main__":
    sys.exit(compare_all(__doc__, DATA, ROOT, model_of))
