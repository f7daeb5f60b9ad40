"""Runs the peers of the study, cheapest first, one JSON line each in docs/results/peers.jsonl.

Stop it at any time; the same command goes on. What is recorded with the same data is not run again. Several may run
side by side and share the work: on a machine busy with other things, two with --threads 1 beat one with 2.
"""

import argparse
import functools
import importlib.metadata
import os
import platform
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch  # noqa: E402  (the settings above are read at import)
import transformers  # noqa: E402
from sklearn.metrics import accuracy_score, f1_score  # noqa: E402

from common import (  # noqa: E402
    ALL_ROWS,
    STATE,
    append_result,
    claimed,
    key_of,
    model_folder,
    read_results,
    read_rows,
    sha256_of,
    size_name,
    test_file,
    train_file,
)
from frozen import run_frozen  # noqa: E402
from plain import run_plain  # noqa: E402

LARGE = 1000  # runs on more than this come after all that are small
SETFIT_SIZE = 24


@functools.cache
def versions():
    packages = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy", "setfit", "sentence-transformers")
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def log(message):
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)


def planned():
    """(dataset, n, seed, method), cheapest first."""
    runs = [(d, n, seed) for d, n, seeds in ALL_ROWS for seed in seeds]
    small = [run for run in runs if run[0] == "support" or (run[1] or sys.maxsize) <= LARGE]
    whole_sst2 = [run for run in runs if run[:2] == ("sst2", None)]
    middle = [run for run in runs if run not in small and run not in whole_sst2]
    yield from ((*run, "frozen") for run in small)
    yield from ((*run, "setfit") for run in small if run[0] == "sst2" and run[1] == SETFIT_SIZE)
    yield from ((*run, "plain") for run in sorted(small, key=lambda run: run[2]))  # a first run of every row early
    for method in ("plain", "frozen"):
        yield from ((*run, method) for run in middle)
    for method in ("frozen", "plain"):
        yield from ((*run, method) for run in whole_sst2)


def compute(method, folder, train, test, seed, state):
    names = sorted({label for _, label in train})
    if method == "frozen":
        return run_frozen(folder, train, test, seed)
    if method == "plain":
        return run_plain(folder, train, test, names, seed, state, log)
    from with_setfit import run_setfit

    return run_setfit(folder, train, test, names, seed)


def is_done(record):
    return read_results("peers").get(key_of(record), {}).get("data") == record["data"]


def run_one(dataset, n, seed, method):
    record = {"dataset": dataset, "n": size_name(n), "seed": seed, "method": method}
    files = train_file(dataset, n, seed), test_file(dataset)
    record["data"] = sha256_of(*files)
    name = f"{dataset}-{size_name(n)}-{seed}-{method}"
    with claimed(STATE / f"{name}.lock") as ours:
        if ours and not is_done(record):
            compute_and_record(record, name, files)


def compute_and_record(record, name, files):
    log(f"{name}: starts")
    method, seed = record["method"], record["seed"]
    train, test = (read_rows(path) for path in files)
    state = STATE / f"{name}-{record['data']}.pt"
    predicted, facts = compute(method, model_folder(), train, test, seed, state)
    true = [label for _, label in test]
    record.update(facts, n_train=len(train), n_test=len(test), threads=torch.get_num_threads(), versions=versions())
    record["accuracy"] = accuracy_score(true, predicted)
    record["macro_f1"] = f1_score(true, predicted, average="macro", labels=sorted(set(true)), zero_division=0)
    record["seconds"] = round(record["seconds"], 1)
    append_result("peers", record)
    state.unlink(missing_ok=True)
    log(f"{name}: accuracy {record['accuracy']:.4f}, {record['seconds']} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="METHOD", help="frozen, plain or setfit")
    parser.add_argument("--dataset", help="one data set only")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.use_deterministic_algorithms(True)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    failed = 0
    for dataset, n, seed, method in planned():
        if chosen.only not in (None, method) or chosen.dataset not in (None, dataset):
            continue
        if method == "setfit" and "setfit" not in versions():
            log("setfit is not installed: left out (bench/peers/setup.sh --setfit)")
            failed += 1
            continue
        run_one(dataset, n, seed, method)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
