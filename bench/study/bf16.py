"""The quality of --precision bf16 beside fp32: SST-2 at 500 and 5,000 examples, ten paired seeds, 10,000 held-out rows.

    bf16.py [--sizes 500,5000] [--seeds 10] [--cpu auto] [--table]

A pair is one subset and one seed, trained with --method full in both precisions and judged on the same rows of SST-2's training file, none of
which is in a subset. Each run is one line of docs/results/bf16.jsonl; stop it at any time, the same command goes on. The table shows the mean
difference in points with its standard error.
"""

import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import ROOT, append_result, data_source, model_folder, read_results
from subsets import distinct, load_sst2, order, stratified

PROGRAM = Path(os.environ.get("ATTUNE", ROOT / "build" / "release" / "src" / "attune"))
WORK = ROOT / "build" / "study" / "bf16"
HELD_OUT = 10_000
PRECISIONS = ("fp32", "bf16")


def write(path, rows):
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    with partial.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([("text", "label"), *rows])
    partial.rename(path)
    return path


def files(n, seed):
    """A subset and the rows that no subset has."""
    train, held = WORK / f"{n}-{seed}.csv", WORK / "held-out.csv"
    if not (train.is_file() and held.is_file()):
        rows = order(distinct(load_sst2(data_source())[0]), "bf16:held-out")
        write(held, rows[:HELD_OUT])
        write(train, stratified(rows[HELD_OUT:], n, f"bf16:{n}:{seed}"))
    return train, held


def run(n, seed, precision, options):
    train, held = files(n, seed)
    output = WORK / f"{n}-{seed}-{precision}"
    call = [PROGRAM, "train", "--model", model_folder(), "--train", train, "--test", held, "--output", output, "--method", "full"]
    call += ["--folds", 1, "--seed", seed, "--precision", precision, "--cpu", options.cpu, "--json"]
    started = time.monotonic()
    done = subprocess.run([str(word) for word in call], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: attune train ended with {done.returncode}: {done.stderr.strip()}")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kernels = next(event["kernels"] for event in events if event["event"] == "plan")
    results = json.loads((output / "all_results.json").read_text(encoding="utf-8"))
    shutil.rmtree(output)
    return {"dataset": "sst2", "n": str(n), "seed": seed, "method": precision, "kernels": kernels, "accuracy": results["test_accuracy"],
            "loss": results["test_loss"], "seconds": round(time.monotonic() - started, 1)}


def table():
    done = read_results("bf16")
    lines = ["| examples | pairs | fp32 | bf16 | difference, points | kernels |", "|---:|---:|---:|---:|---:|---|"]
    for n in sorted({int(record["n"]) for record in done.values()}):
        pairs = [(done[("sst2", str(n), seed, "fp32")], done[("sst2", str(n), seed, "bf16")]) for seed in range(1000)
                 if ("sst2", str(n), seed, "fp32") in done and ("sst2", str(n), seed, "bf16") in done]
        if len(pairs) < 2:
            continue
        differences = [100 * (b["accuracy"] - a["accuracy"]) for a, b in pairs]
        error = statistics.stdev(differences) / len(pairs) ** 0.5
        means = [100 * statistics.mean(pair[side]["accuracy"] for pair in pairs) for side in (0, 1)]
        lines.append(f"| {n:,} | {len(pairs)} | {means[0]:.2f} | {means[1]:.2f} | {statistics.mean(differences):+.2f} ± {error:.2f} | {pairs[0][1]['kernels']} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="500,5000")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cpu", default="auto")
    parser.add_argument("--table", action="store_true", help="only show what is there")
    options = parser.parse_args()
    done = read_results("bf16")
    for n in [] if options.table else map(int, options.sizes.split(",")):
        for seed in range(options.seeds):
            for precision in PRECISIONS:
                if ("sst2", str(n), seed, precision) in done:
                    continue
                record = run(n, seed, precision, options)
                append_result("bf16", record)
                print(json.dumps(record), flush=True)
    print(table())


if __name__ == "__main__":
    main()
