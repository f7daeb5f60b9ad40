#!/usr/bin/env python3
"""Model folders go both ways between attune and transformers, by way of the program.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_folder.py --program build/release/src/attune [--model DIR]

A classifier that transformers saved is evaluated and predicted with by attune, which then goes on training it; what it leaves opens in
AutoModelForSequenceClassification and AutoTokenizer. A result with the mean head opens in sentence-transformers. Ends with 1 where
probabilities differ by more than 1e-4, or a label or a count at all.
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
import transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/support-sentiment"
LABELS = ["positive", "negative", "neutral"]  # not in order of the alphabet: the folder's own order holds
failures = []


def check(what, value, bound):
    print(f"{'ok  ' if value <= bound else 'FAIL'} {what}: {value:.3g} (bound {bound:g})")
    if not value <= bound:
        failures.append(what)


def take_rows(source, n):
    with open(source, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))[:n]


def write_rows(path, rows, columns):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def attune(program, *arguments):
    run = subprocess.run([str(a) for a in (program, *arguments)], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {run.returncode}\n{run.stdout}{run.stderr}")
    return run.stdout


def ask(program, folder, texts):
    """The lines of the answers, one an input row."""
    return [json.loads(line) for line in attune(program, "predict", "--model", folder, "--input", texts, "--format", "jsonl").splitlines()]


def compare(what, program, folder, texts, rows, logits, names):
    lines = ask(program, folder, texts)
    theirs = logits.double().softmax(-1)
    ours = torch.tensor([[line["probabilities"][name] for name in names] for line in lines], dtype=torch.float64)
    check(f"{what}: probabilities", (ours - theirs).abs().max().item(), 1e-4)
    sure = theirs.topk(2).values.diff().abs().squeeze(-1) > 1e-3
    answers = [names[i] for i in theirs.argmax(-1)]
    check(f"{what}: answers that differ", sum(s and a != line["label"] for s, a, line in zip(sure.tolist(), answers, lines)), 0)
    return sum(a == row["label"] for a, row in zip(answers, rows)) / len(rows)


def classifier_logits(folder, rows):
    model, info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    check(f"{folder.name}: names that transformers misses or does not know", sum(len(info[k]) for k in ("missing_keys", "unexpected_keys")), 0)
    limit = min(tokenizer.model_max_length, model.config.max_position_embeddings)
    with torch.no_grad():
        encoded = [tokenizer(row["text"], truncation=True, max_length=limit, return_tensors="pt") for row in rows]
        return torch.cat([model.eval()(**e).logits for e in encoded]), [model.config.id2label[i] for i in range(model.config.num_labels)]


def save_classifier(model, folder):
    torch.manual_seed(0)
    classifier = AutoModelForSequenceClassification.from_pretrained(model, num_labels=3, id2label=dict(enumerate(LABELS)),
                                                                    label2id={name: i for i, name in enumerate(LABELS)})
    torch.nn.init.normal_(classifier.classifier.weight, std=0.2)
    classifier.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)


def check_classifier(args, work, rows):
    theirs, trained = work / "theirs", work / "trained"
    save_classifier(args.model, theirs)
    logits, names = classifier_logits(theirs, rows)
    accuracy = compare("saved by transformers", args.program, theirs, work / "texts.csv", rows, logits, names)
    attune(args.program, "eval", "--model", theirs, work / "test.csv", "--output", work / "eval", "--quiet")
    results = json.loads((work / "eval/eval_results.json").read_text())
    check("saved by transformers: accuracy", abs(results["eval_accuracy"] - accuracy), 1e-9)
    attune(args.program, "train", "--model", theirs, "--train", work / "train.csv", "--output", trained, "--method", "full", "--epochs", "1", "--folds", "1", "--quiet")
    again, names = classifier_logits(trained, rows)
    check("trained on by attune: labels in another order", int(names != LABELS), 0)
    check("trained on by attune: the logits are the old ones", int((again - logits).abs().max().item() < 1e-3), 0)
    compare("trained on by attune", args.program, trained, work / "texts.csv", rows, again, names)


def check_mean(args, work, rows):
    from sentence_transformers import SentenceTransformer

    folder = work / "mean"
    attune(args.program, "train", "--model", args.model, "--train", work / "train.csv", "--output", folder, "--method", "two-step", "--head", "mean", "--epochs", "1",
           "--folds", "1", "--quiet")
    names = json.loads((folder / "config.json").read_text())["id2label"]
    logits = SentenceTransformer(str(folder), device="cpu").encode([row["text"] for row in rows], convert_to_tensor=True, normalize_embeddings=False)
    compare("mean head in sentence-transformers", args.program, folder, work / "texts.csv", rows, logits, [names[str(i)] for i in range(3)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build/release/src/attune", type=Path)
    parser.add_argument("--model", default=os.environ.get("ATTUNE_TEST_MODEL"), type=str)
    args = parser.parse_args()
    if not args.model:
        parser.error("--model or ATTUNE_TEST_MODEL says where the model is")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        rows = take_rows(EXAMPLE / "test.csv", 30)
        write_rows(work / "train.csv", take_rows(EXAMPLE / "train.csv", 60), ["text", "label"])
        write_rows(work / "test.csv", rows, ["text", "label"])
        write_rows(work / "texts.csv", rows, ["text"])
        check_classifier(args, work, rows)
        check_mean(args, work, rows)
    print("failed: " + ", ".join(failures) if failures else "all equal")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
