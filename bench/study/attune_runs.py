"""Runs attune's default recipe on every subset of the study, one JSON line each in docs/results/attune.jsonl.

Stop it at any time; the same command goes on, inside a run too. What is recorded with the same data is not run
again, unless --renew is given: then what another commit recorded is.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from common import (
    ALL_ROWS,
    ROOT,
    append_result,
    key_of,
    model_folder,
    read_results,
    read_rows,
    sha256_of,
    size_name,
    test_file,
    train_file,
)

METHOD = "two-step"  # the default; no option is given
OUTPUTS = ROOT / "build" / "study" / "attune"
PROGRAM = Path(os.environ.get("ATTUNE", ROOT / "build" / "release" / "src" / "attune"))


def commit():
    def git(*words):
        return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "include", "CMakeLists.txt")
    return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")


def log(message):
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)


def run_one(dataset, n, seed, done, program_commit, renew):
    record = {"dataset": dataset, "n": size_name(n), "seed": seed, "method": METHOD}
    train, test = train_file(dataset, n, seed), test_file(dataset)
    record["data"] = sha256_of(train, test)
    old = done.get(key_of(record), {})
    if old.get("data") == record["data"] and not (renew and old.get("commit") != program_commit):
        return
    name = f"{dataset}-{size_name(n)}-{seed}"
    output = OUTPUTS / f"{name}-{program_commit}"
    output.parent.mkdir(parents=True, exist_ok=True)
    log(f"{name}: starts")
    command = [PROGRAM, "train", "--model", model_folder(), "--train", train, "--test", test, "--output", output]
    command += ["--seed", str(seed), "--json"]
    started = time.monotonic()
    with open(OUTPUTS / f"{name}.log", "w", encoding="utf-8") as out:
        status = subprocess.run([str(word) for word in command], stdout=out, stderr=subprocess.STDOUT).returncode
    if status != 0:
        sys.exit(f"error: {name}: attune ended with {status}; see {out.name}; the same command goes on")
    results = json.loads((output / "all_results.json").read_text())
    record.update(
        accuracy=results["test_accuracy"],
        macro_f1=results["test_f1"],
        n_train=len(read_rows(train)),
        n_test=len(read_rows(test)),
        seconds=round(time.monotonic() - started, 1),
        commit=program_commit,
        all_results={key: value for key, value in results.items() if isinstance(value, (int, float, str, bool))},
    )
    append_result("attune", record)
    shutil.rmtree(output)  # 90 MB a run, and the figures are recorded
    log(f"{name}: accuracy {record['accuracy']:.4f}, {record['seconds']} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--renew", action="store_true", help="run again what another commit recorded")
    parser.add_argument("--dataset", help="one data set only")
    parser.add_argument("--at-most", type=int, metavar="N", help="only subsets of at most N examples")
    chosen = parser.parse_args()
    if not PROGRAM.is_file():
        sys.exit(f"error: no {PROGRAM}: build it first (make)")
    done, program_commit = read_results("attune"), commit()
    for dataset, n, seeds in sorted(ALL_ROWS, key=lambda row: row[1] or sys.maxsize):
        if chosen.dataset not in (None, dataset) or (chosen.at_most and (n or sys.maxsize) > chosen.at_most):
            continue
        for seed in seeds:
            run_one(dataset, n, seed, done, program_commit, chosen.renew)


if __name__ == "__main__":
    main()
