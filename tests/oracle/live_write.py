#!/usr/bin/env python3
"""Encoder-decoders through the program and back: what transformers says of what attune writes, judges and saves.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_write.py --program build/release/src/attune [NAME ...]

Each folder of tests/golden/seq2seq with a tokenizer of words. Ends with 1 where
  attune predict writes another text than transformers' greedy generate       every row; with a forced first and last token too
  attune eval finds another loss than transformers (labels shifted right)     1e-5, relative
  the folder saved by attune train is not opened, or has other names          none missing, none unexpected
  transformers' loss on that folder is not attune eval's                      1e-5, relative
  the loss after a few steps is not that of the same steps in PyTorch         1e-4, relative; dropout off, all rows a step
"""
import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "golden" / "seq2seq"
NEW = 9
failures = []


def check(what, value, bound):
    if not value <= bound:
        failures.append(what)
        print(f"FAIL {what}: {value:.3g} (bound {bound:g})")


def make_folder(source, folder, n, forced):
    """The golden folder with words w5 .. and a tokenizer that ends a text."""
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(source / name, folder / name)
    names = {0: "<unk>", 2: "</s>", 3: "<go>", 4: "<pad>"}
    tokenizer = Tokenizer(models.WordLevel({names.get(i, f"w{i}"): i for i in range(n)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="</s>", model_max_length=20)
    fast.save_pretrained(folder)
    settings = {"decoder_start_token_id": 3, "eos_token_id": 2, "pad_token_id": 4}
    if forced:
        settings |= {"forced_bos_token_id": 7, "forced_eos_token_id": 2, "min_length": 4, "no_repeat_ngram_size": 2}
    (folder / "generation_config.json").write_text(json.dumps(settings))


def write_rows(path, n, count, seed):
    draw = random.Random(seed)
    words = [f"w{i}" for i in range(5, n)]
    rows = [[" ".join(draw.choice(words) for _ in range(draw.randint(1, 15))) for _ in range(2)] for _ in range(count)]
    with path.open("w", newline="") as out:
        csv.writer(out).writerows([["document", "summary"]] + rows)
    return rows


def run(program, *words):
    done = subprocess.run([str(program), *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"attune {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def open_theirs(folder):
    model, info = AutoModelForSeq2SeqLM.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    unknown = sum(len(info[k]) for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return model.double().eval(), AutoTokenizer.from_pretrained(folder), unknown


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


def written(model, tokenizer, source):
    ids = tokenizer(source, return_tensors="pt", return_token_type_ids=False)
    out = model.generate(**ids, max_new_tokens=NEW, do_sample=False, use_cache=False)
    return tokenizer.decode(out[0, 1:], skip_special_tokens=True)


def compare_texts(args, name, folder, rows, file, work):
    run(args.program, "predict", "--model", folder, "--input", file, "--max-new-tokens", NEW, "--output", work / "said.csv", "--quiet")
    with (work / "said.csv").open(newline="") as said:
        mine = [row["output"] for row in csv.DictReader(said)]
    model, tokenizer, _ = open_theirs(folder)
    theirs = [written(model, tokenizer, source) for source, _ in rows]
    different = [(a, b) for a, b in zip(mine, theirs) if a != b]
    check(f"{name}: texts {different[:1]}", len(different) + abs(len(mine) - len(theirs)), 0)


def attune_loss(args, folder, file, work):
    run(args.program, "eval", "--model", folder, file, "--max-new-tokens", 2, "--output", work / "judged", "--quiet")
    return json.loads((work / "judged" / "eval_results.json").read_text())["eval_loss"]


def train_theirs(folder, rows, steps, rate):
    """Full batches: every step sees all rows, so that the order does not matter."""
    model, tokenizer, _ = open_theirs(folder)
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
    n = json.loads((DATA / name / "config.json").read_text())["vocab_size"]
    folder, forced, file = work / name, work / f"{name}-forced", work / f"{name}.csv"
    make_folder(DATA / name, folder, n, 0)
    make_folder(DATA / name, forced, n, 1)
    rows = write_rows(file, n, 8, sum(map(ord, name)))
    compare_texts(args, name, folder, rows, file, work)
    compare_texts(args, f"{name}, forced", forced, rows, file, work)
    model, tokenizer, _ = open_theirs(folder)
    want = mean_loss(model, tokenizer, rows)
    check(f"{name}: loss", abs(attune_loss(args, folder, file, work) / want - 1), 1e-5)
    saved, steps, rate = work / f"{name}-saved", 4, 1e-3
    run(args.program, "train", "--model", folder, "--train", file, "--eval", file, "--output", saved, "--max-steps", steps, "--learning-rate", rate,
        "--lr-scheduler-type", "constant", "--warmup-ratio", 0, "--batch-size", len(rows), "--dropout", 0, "--attention-dropout", 0,
        "--weight-decay", 0.01, "--eval-steps", steps, "--quiet")
    theirs, unknown = train_theirs(folder, rows, steps, rate), open_theirs(saved)
    check(f"{name}: missing or unexpected names", unknown[2], 0)
    mine = attune_loss(args, saved, file, work)
    check(f"{name}: loss of what was saved", abs(mine / mean_loss(unknown[0], unknown[1], rows) - 1), 1e-5)
    check(f"{name}: loss after {steps} steps ({mine:.5f}, PyTorch {theirs[1]:.5f})", abs(mine / theirs[1] - 1), 1e-4)
    compare_texts(args, f"{name}, trained", saved, rows, file, work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build/release/src/attune", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    with tempfile.TemporaryDirectory() as work:
        for name in args.names or sorted(p.name for p in DATA.iterdir()):
            before = len(failures)
            place = Path(work) / f"of-{name}"
            place.mkdir()
            model_of(args, name, place)
            print(f"{'ok  ' if len(failures) == before else 'FAIL'} {name}")
    print("failed: " + ", ".join(failures) if failures else "all equal")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
