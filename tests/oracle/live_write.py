#!/usr/bin/env python3
"""Encoder-decoders through the program and back: what transformers says of what attune writes, judges and saves.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_write.py --program build/release/src/attune [NAME ...]

Each folder of tests/golden/seq2seq with a tokenizer of words. Ends with 1 where
  attune predict writes another text than transformers' generate              every row; greedily, with a forced first and last token, and
                                                                              with beams as generation_config.json and options ask for them
  attune generate writes other ids                                            one row
  attune eval finds another loss than transformers (labels shifted right)     1e-5, relative
  the folder saved by attune train is not opened, or has other names          none missing, none unexpected
  a tensor of it holds another number there, or a tie is another              bit by bit
  transformers' loss on that folder is not attune eval's                      1e-5, relative; on rows not trained on too
  the loss after a few steps is not that of the same steps in PyTorch         1e-4, relative; dropout off, all rows a step
"""
import csv
import json
import random
import sys
from pathlib import Path

import torch
from saved_folder import check, check_saved, compare_all, eval_loss, generated, make_folder, open_theirs, run, texts
from transformers import AutoModelForSeq2SeqLM

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "golden" / "seq2seq"
END, NEW = 2, 9
FORCED = {"forced_bos_token_id": 7, "forced_eos_token_id": 2, "min_length": 4, "no_repeat_ngram_size": 2}
BEAMS = FORCED | {"num_beams": 4, "early_stopping": True, "length_penalty": 2.0, "max_length": 13}  # as a BART for summaries asks
OTHER = {"num_beams": 3, "length_penalty": 0.5, "early_stopping": "never", "no_repeat_ngram_size": 0}  # and as a person may


def make_model(source, folder, **more):
    n = make_folder(source, folder, 1)
    settings = {"decoder_start_token_id": 3, "eos_token_id": 2, "pad_token_id": 4} | more
    (folder / "generation_config.json").write_text(json.dumps(settings))
    return n


def write_rows(path, n, count, seed):
    rows = list(zip(*(texts(n, count, 15, random.Random(seed + part)) for part in range(2))))
    with path.open("w", newline="") as out:
        csv.writer(out).writerows([["document", "summary"], *rows])
    return rows


def summed_loss(model, tokenizer, rows):
    total, n = 0, 0
    for source, target in rows:
        batch = tokenizer(source, return_tensors="pt", return_token_type_ids=False)
        labels = tokenizer(target, return_tensors="pt").input_ids
        total = total + model(**batch, labels=labels).loss * labels.numel()
        n += labels.numel()
    return total, n


def mean_loss(model, tokenizer, rows):
    with torch.no_grad():
        total, n = summed_loss(model, tokenizer, rows)
    return total.item() / n


def written(model, tokenizer, source, how):
    ids = tokenizer(source, return_tensors="pt", return_token_type_ids=False)
    return model.generate(**ids, do_sample=False, use_cache=False, **how)[0, 1:].tolist()


def compare_texts(args, name, folder, rows, file, work, **how):
    options = [word for key, value in how.items() for word in (f"--{key.replace('_', '-')}", value)]
    run(args.program, "predict", "--model", folder, "--input", file, *options, "--output", work / "said.csv", "--quiet")
    with (work / "said.csv").open(newline="") as said:
        mine = [row["output"] for row in csv.DictReader(said)]
    model, tokenizer = open_theirs(AutoModelForSeq2SeqLM, folder)
    ids = [written(model, tokenizer, source, how) for source, _ in rows]
    theirs = [tokenizer.decode(one, skip_special_tokens=True) for one in ids]
    different = [(a, b) for a, b in zip(mine, theirs) if a != b]
    check(f"{name}: texts {different[:1]}", len(different) + abs(len(mine) - len(theirs)), 0)
    own = generated(args.program, folder, rows[0][0], *options)
    check(f"{name}: ids {own}", int(own != [i for i in ids[0] if i != END]), 0)


def attune_loss(args, folder, file, work):
    return eval_loss(args.program, folder, file, work, "--max-new-tokens", 2)


def train_theirs(folder, rows, steps, rate):
    """Full batches: every step sees all rows, so that the order does not matter."""
    model, tokenizer = open_theirs(AutoModelForSeq2SeqLM, folder)
    groups = [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01},
              {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=rate)
    losses = []
    for _ in range(steps):
        total, n = summed_loss(model, tokenizer, rows)
        optimiser.zero_grad()
        (total / n).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(total.item() / n)
    return losses, mean_loss(model, tokenizer, rows)


def model_of(args, name, work):
    folder, forced, beams, file, held = (work / f"{name}{part}" for part in ("", "-forced", "-beams", ".csv", "-held.csv"))
    n = make_model(DATA / name, folder)
    make_model(DATA / name, forced, **FORCED)
    make_model(DATA / name, beams, **BEAMS)
    rows, others = (write_rows(path, n, 8, sum(map(ord, name)) + i) for i, path in enumerate((file, held)))
    compare_texts(args, name, folder, rows, file, work, max_new_tokens=NEW)
    compare_texts(args, f"{name}, forced", forced, rows, file, work, max_new_tokens=NEW)
    compare_texts(args, f"{name}, beams of its folder", beams, rows, file, work)
    compare_texts(args, f"{name}, beams as asked for", beams, rows, file, work, **OTHER)
    model, tokenizer = open_theirs(AutoModelForSeq2SeqLM, folder)
    want = mean_loss(model, tokenizer, rows)
    check(f"{name}: loss", abs(attune_loss(args, folder, file, work) / want - 1), 1e-5)
    saved, steps, rate = work / f"{name}-saved", 4, 1e-3
    run(args.program, "train", "--model", forced, "--train", file, "--eval", file, "--output", saved, "--max-steps", steps,
        "--learning-rate", rate, "--lr-scheduler-type", "constant", "--warmup-ratio", 0, "--batch-size", len(rows), "--dropout", 0,
        "--attention-dropout", 0, "--weight-decay", 0.01, "--eval-steps", steps, "--quiet")
    check_saved(AutoModelForSeq2SeqLM, saved, forced, name)
    losses, theirs = train_theirs(folder, rows, steps, rate), open_theirs(AutoModelForSeq2SeqLM, saved)
    mine, unseen = (attune_loss(args, saved, path, work) for path in (file, held))
    check(f"{name}: loss of what was saved", abs(mine / mean_loss(*theirs, rows) - 1), 1e-5)
    check(f"{name}: its loss on rows not trained on", abs(unseen / mean_loss(*theirs, others) - 1), 1e-5)
    check(f"{name}: loss after {steps} steps ({mine:.5f}, PyTorch {losses[1]:.5f})", abs(mine / losses[1] - 1), 1e-4)
    compare_texts(args, f"{name}, trained", saved, rows, file, work, max_new_tokens=NEW)


if __name__ == "__main__":
    sys.exit(compare_all(__doc__, DATA, ROOT, model_of))
