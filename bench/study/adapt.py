"""When it pays to read a domain's own texts before the task: one JSON line a run in docs/results/adapt.jsonl, a table in docs/results.md.

    adapt.py [--only NAME]

Of each case the body is adapted once (`--task mask`, defaults) on texts without labels, none of them of the test file; then the task is learned
from few examples, on three subsets, once from the body as it was and once from the adapted one, with the same command. Stop it at any
time; the same command goes on with the runs that are not recorded yet.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from statistics import mean, stdev

from attune_runs import PROGRAM, commit, log
from common import ROOT, append_result, data_source, key_of, model_folder, read_results, sha256_of, test_file, train_file
from subsets import LOADERS
from table import PAGE
from tasks import conll_sentences, score

WORK = ROOT / "build" / "study" / "adapt"
SEEDS = (10, 11, 12)
METHODS = ("direct", "adapted")
BEGIN, END = "<!-- adapt: begin (written by bench/study/adapt.py) -->", "<!-- adapt: end -->"


def write_texts(path, texts):
    path.write_text("".join(" ".join(text.split()) + "\n" for text in texts), encoding="utf-8")
    return path


def sms_texts(folder):
    """The messages that the test file does not hold."""
    return write_texts(folder / "texts.txt", [text for text, _ in LOADERS["sms_spam"](data_source())[0]])


def sms_task(folder, seed):
    return train_file("sms_spam", 100, seed), test_file("sms_spam")


def conll(part):
    return list(conll_sentences(data_source() / "conll2003" / part))


def conll_texts(folder):
    return write_texts(folder / "texts.txt", [" ".join(row["tokens"]) for row in conll("eng.train")])


def conll_task(folder, seed):
    for name, rows in ((f"train-{seed}", random.Random(seed).sample(conll("eng.train"), 300)), ("test", conll("eng.testb"))):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / f"train-{seed}.jsonl", folder / "test.jsonl"


# name: task, examples, the figure, texts of the domain, (train, test) of a subset
CASES = {
    "sms_spam": ("classify", 100, "f1", sms_texts, sms_task),
    "conll2003": ("tag", 300, "f1", conll_texts, conll_task),
}


def attune(log_file, *words):
    with open(log_file, "w", encoding="utf-8") as out:
        if subprocess.run([str(word) for word in (PROGRAM, *words, "--quiet")], stdout=out, stderr=subprocess.STDOUT).returncode:
            sys.exit(f"error: attune failed; see {log_file}; the same command goes on")


def adapted_body(folder, make_texts):
    """The same command on a finished run says that it is done."""
    texts, body = make_texts(folder), folder / "body"
    attune(folder / "body.log", "train", "--task", "mask", "--model", model_folder(), "--train", texts, "--output", body)
    return body


def run_one(name, method, seed, done):
    task, n, metric, make_texts, make_task = CASES[name]
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    train, test = make_task(folder, seed)
    record = {"dataset": name, "n": str(n), "seed": seed, "method": method, "task": task, "metric": metric, "data": sha256_of(train, test)}
    if done.get(key_of(record), {}).get("data") == record["data"]:
        return
    body = adapted_body(folder, make_texts) if method == "adapted" else model_folder()
    log(f"{name}, {method}, seed {seed}: starts")
    started, output, answers = time.monotonic(), folder / f"{method}-{seed}", folder / f"{method}-{seed}.jsonl"
    attune(folder / f"{method}-{seed}.log", "train", "--task", task, "--model", body, "--train", train, "--output", output, "--seed", seed)
    attune(folder / f"{method}-{seed}.log", "predict", "--model", output, "--input", test, "--output", answers)
    shutil.rmtree(output)
    values = score(task, test, answers)
    record.update(values=values, main=values[metric], seconds=round(time.monotonic() - started, 1), commit=commit())
    append_result("adapt", record)
    log(f"{name}, {method}, seed {seed}: {metric} {values[metric]:.4f}, {record['seconds']} s")


def cell(values):
    return f"{mean(values):.1f} ± {stdev(values) / len(values) ** 0.5:.1f}" if len(values) == len(SEEDS) else ""


def lines(records):
    yield "| data | labelled examples | figure | the body as it was | adapted first | difference |"
    yield "|---|---:|---|---:|---:|---:|"
    for name, (_, n, metric, _, _) in CASES.items():
        direct, adapted = ([100 * records[key]["main"] for seed in SEEDS if (key := (name, str(n), seed, method)) in records] for method in METHODS)
        gains = [b - a for a, b in zip(direct, adapted)] if len(direct) == len(adapted) == len(SEEDS) else []
        yield f"| {name} | {n} | {metric} | {cell(direct)} | {cell(adapted)} | {'+' if gains and mean(gains) > 0 else ''}{cell(gains)} |"


def write_table():
    page, text = PAGE.read_text(), f"{BEGIN}\n\n" + "\n".join(lines(read_results("adapt"))) + f"\n\n{END}"
    if BEGIN in page:
        page = page[: page.index(BEGIN)] + text + page[page.index(END) + len(END) :]
    else:
        page = page.rstrip("\n") + "\n\n## A domain's own texts first\n\n" + text + "\n"
    PAGE.write_text(page)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=CASES)
    arguments = parser.parse_args()
    done = read_results("adapt")
    for name in [arguments.only] if arguments.only else CASES:
        for method in METHODS:
            for seed in SEEDS:
                run_one(name, method, seed, done)
    write_table()


if __name__ == "__main__":
    main()
