"""Sentence embeddings beside sentence-transformers: the same body, data, loss, batch size, rate, epochs and warm-up; Spearman on the STS-B test pairs.

    ${ATTUNE_VENV:-.venv}/bin/python bench/study/embed.py [--program build/release/src/attune] [--model DIR] [--data DIR] [--out docs/results/embed.jsonl]

Two trainings: the STS-B train pairs (CoSENT), and the MRPC pairs that are paraphrases (in-batch negatives). Each is run with both programs and
every seed; a line is written for each and what is there already is not run again; then the table in docs/results.md. --smoke: a few steps of each, to see that
all works; nothing is recorded. --table: the table alone.
Both are judged by attune's own evaluation and, for a check, by SciPy on the vectors of sentence-transformers.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

from common import model_folder
from table import PAGE

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SETTINGS = {"batch_size": 32, "learning_rate": 2e-5, "epochs": 4, "warmup_ratio": 0.1, "weight_decay": 0.01}
BEGIN, END = "<!-- embed: begin (written by bench/study/embed.py) -->", "<!-- embed: end -->"
TITLES = {"stsb": "STS-B, 5,749 pairs with scores", "mrpc": "MRPC, the paraphrases"}
PROGRAMS = ("attune", "sentence-transformers")
ALLOWED = 0.3  # points by which attune's mean may lie below
RUNS = [("stsb", "cosent"), ("mrpc", "in-batch")]


def stsb(data, part):
    with open(data / "stsb" / f"sts-{part}.csv", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return [(r[5], r[6], float(r[4])) for r in rows]


def mrpc(data):
    """The training pairs that are paraphrases."""
    with open(data / "mrpc" / "msr_paraphrase_train.txt", encoding="utf-8-sig") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    return [(r[3], r[4]) for r in rows if r[0] == "1"]


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(header)
        out.writerows(rows)


def training_rows(data, name, smoke):
    rows = stsb(data, "train") if name == "stsb" else mrpc(data)
    return rows[:96] if smoke else rows


def run_attune(args, work, name, loss, seed, rows, epochs):
    train, output = work / "train.csv", work / "attune"
    header = ["sentence1", "sentence2", "score"] if name == "stsb" else ["anchor", "positive"]
    write(train, header, rows)
    started = time.time()
    subprocess.run([args.program, "train", "--model", args.model, "--task", "embed", "--train", str(train), "--eval", str(work / "dev.csv"), "--loss", loss,
                    "--output", str(output), "--seed", str(seed), "--learning-rate", str(SETTINGS["learning_rate"]), "--batch-size", str(SETTINGS["batch_size"]),
                    "--epochs", str(epochs), "--warmup-ratio", str(SETTINGS["warmup_ratio"]), "--weight-decay", str(SETTINGS["weight_decay"]), "--quiet"], check=True)
    return output, time.time() - started


def run_peer(args, work, name, loss, seed, rows, epochs):
    """The same by sentence-transformers' trainer; the best epoch by the dev pairs is kept, as attune does."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer import losses
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

    model = SentenceTransformer(args.model, device="cpu")
    columns = {"sentence1": [r[0] for r in rows], "sentence2": [r[1] for r in rows]}
    if name == "stsb":
        columns["score"] = [r[2] / 5 for r in rows]
    kinds = {"cosent": losses.CoSENTLoss, "in-batch": losses.MultipleNegativesRankingLoss}
    dev = stsb(args.data, "dev")[: 64 if args.smoke else None]
    evaluator = EmbeddingSimilarityEvaluator([r[0] for r in dev], [r[1] for r in dev], [r[2] / 5 for r in dev], main_similarity="cosine", name="dev")
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(work / "peer-run"), num_train_epochs=epochs, per_device_train_batch_size=SETTINGS["batch_size"], learning_rate=SETTINGS["learning_rate"],
        warmup_ratio=SETTINGS["warmup_ratio"], weight_decay=SETTINGS["weight_decay"], seed=seed, eval_strategy="epoch", save_strategy="epoch", save_total_limit=1,
        load_best_model_at_end=True, metric_for_best_model="eval_dev_spearman_cosine", greater_is_better=True, report_to="none", disable_tqdm=True, use_cpu=True)
    started = time.time()
    trainer = SentenceTransformerTrainer(model=model, args=arguments, train_dataset=Dataset.from_dict(columns), loss=kinds[loss](model), evaluator=evaluator)
    trainer.train()
    output = work / "peer"
    model.save_pretrained(str(output))
    return output, time.time() - started


def judge(args, work, folder):
    """Spearman on the test pairs by attune, and by SciPy on the peer's vectors."""
    from scipy.stats import spearmanr
    from sentence_transformers import SentenceTransformer

    test = stsb(args.data, "test")[: 200 if args.smoke else None]
    write(work / "test.csv", ["sentence1", "sentence2", "score"], test)
    subprocess.run([args.program, "eval", "--model", str(folder), str(work / "test.csv"), "--output", str(work / "judged"), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    ours = json.loads((work / "judged" / "eval_results.json").read_text())["eval_spearman"]
    model = SentenceTransformer(str(folder), device="cpu")
    a, b = (model.encode([r[i] for r in test], normalize_embeddings=True, show_progress_bar=False) for i in range(2))
    theirs = spearmanr((a * b).sum(1), [r[2] for r in test])[0]
    if abs(ours - theirs) > 1e-4:
        sys.exit(f"{folder}: Spearman {ours} by attune, {theirs} by SciPy")
    return ours


def recorded(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def cell(values):
    return f"{mean(values):.2f} ({', '.join(f'{v:.2f}' for v in values)})" if values else ""


def table_lines(rows):
    yield (f"Spearman of the cosine on the STS-B test pairs, times 100; mean and the single runs. Rate {SETTINGS['learning_rate']:g}, {SETTINGS['epochs']} epochs, batches of "
           f"{SETTINGS['batch_size']}, {SETTINGS['warmup_ratio']:.0%} warm-up, the best epoch by the dev pairs, in both programs; the same body (all-MiniLM-L6-v2).")
    yield ""
    yield "| trained on | loss | attune | sentence-transformers | difference |"
    yield "|---|---|---:|---:|---:|"
    below, judged = [], 0
    for name, loss in RUNS:
        ours, theirs = ([100 * r["spearman"] for r in rows if (r["data"], r["loss"], r["program"]) == (name, loss, program)] for program in PROGRAMS)
        whole = ours and len(ours) == len(theirs)
        difference = mean(ours) - mean(theirs) if whole else None
        judged += bool(whole)
        below += [f"{name} {loss}"] if whole and difference < -ALLOWED else []
        yield f"| {TITLES[name]} | {loss} | {cell(ours)} | {cell(theirs)} | {f'{difference:+.2f}' if whole else ''} |"
    yield ""
    yield f"- Not below sentence-transformers by more than {ALLOWED} points: {'holds' if not below else 'does not hold: ' + ', '.join(below)}, on {judged} of {len(RUNS)} rows."


def write_table(rows):
    page, text = PAGE.read_text(), f"{BEGIN}\n\n" + "\n".join(table_lines(rows)) + f"\n\n{END}"
    if BEGIN in page:
        page = page[: page.index(BEGIN)] + text + page[page.index(END) + len(END) :]
    else:
        page = page.rstrip("\n") + "\n\n## Embeddings beside sentence-transformers\n\n" + text + "\n"
    PAGE.write_text(page)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/src/attune")
    parser.add_argument("--model", default=None)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("ATTUNE_TEST_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, default=Path("docs/results/embed.jsonl"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if args.table:
        return write_table(recorded(args.out))
    args.model = args.model or str(model_folder())
    done = [] if args.smoke else recorded(args.out)
    for name, loss in RUNS:
        for seed in range(42, 42 + (1 if args.smoke else args.seeds)):
            for program, run in (("attune", run_attune), ("sentence-transformers", run_peer)):
                key = {"data": name, "loss": loss, "seed": seed, "program": program}
                if any(all(row.get(k) == v for k, v in key.items()) for row in done):
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    work = Path(folder)
                    write(work / "dev.csv", ["sentence1", "sentence2", "score"], stsb(args.data, "dev")[: 64 if args.smoke else None])
                    rows = training_rows(args.data, name, args.smoke)
                    model, seconds = run(args, work, name, loss, seed, rows, 1 if args.smoke else SETTINGS["epochs"])
                    row = {**key, "rows": len(rows), "spearman": judge(args, work, model), "seconds": round(seconds, 1), **SETTINGS}
                print(json.dumps(row), flush=True)
                if not args.smoke:
                    args.out.parent.mkdir(parents=True, exist_ok=True)
                    with open(args.out, "a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
    if not args.smoke:
        write_table(recorded(args.out))


if __name__ == "__main__":
    main()
