"""When it pays to read a domain's own texts before the task: one JSON line a run in docs/results/adapt.jsonl, a table in docs/results.md.

    adapt.py [--only NAME]

Of each case the body is adapted once (`--task mask`) on texts without labels, none of them of the test file; then the task is learned
from few examples, on three subsets, once from the body as it was and once from the adapted one, with the same command. Two bodies: all-MiniLM-L6-v2,
made to tell how alike texts are; and a small one that has read nothing, random weights made here by transformers, which is what is left where no
published body knows the language of the texts. Stop it at any time; the same command goes on with the runs that are not recorded yet.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from statistics import mean, stdev

from attune_runs import PROGRAM, commit, log
from common import ROOT, append_result, data_source, key_of, model_folder, read_results, sha256_of, test_file, train_file
from subsets import LOADERS
from table import PAGE
from tasks import conll_sentences, score

WORK = ROOT / "build" / "study" / "adapt"
SEEDS = (10, 11, 12)
METHODS = ("direct", "adapted")
MINILM, NEW = "all-MiniLM-L6-v2", "new, 2 layers of 128"
SIZES = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512}
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


# name: data, body, task, examples, the figure, texts of the domain, (train, test) of a subset, settings of the reading
Case = namedtuple("Case", "data body task n metric texts task_files reading")
CASES = {
    "sms_spam": Case("sms_spam", MINILM, "classify", 100, "f1", sms_texts, sms_task, ["--epochs", 3]),
    "conll2003": Case("conll2003", MINILM, "tag", 300, "f1", conll_texts, conll_task, ["--epochs", 3]),
    "sms_spam-new-body": Case("sms_spam", NEW, "classify", 100, "f1", sms_texts, sms_task, ["--epochs", 40, "--learning-rate", 1e-3]),
}


def attune(log_file, *words):
    with open(log_file, "w", encoding="utf-8") as out:
        if subprocess.run([str(word) for word in (PROGRAM, *words, "--quiet")], stdout=out, stderr=subprocess.STDOUT).returncode:
            sys.exit(f"error: attune failed; see {log_file}; the same command goes on")


def new_body(folder):
    """A BERT of random weights with the words of the other body."""
    if not (folder / "model.safetensors").exists():
        import torch
        from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

        tokenizer = AutoTokenizer.from_pretrained(model_folder())
        tokenizer.save_pretrained(folder)
        torch.manual_seed(0)
        BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=512, **SIZES)).save_pretrained(folder)
    return folder


def body_of(case, folder, method):
    """The same command on a finished run says that it is done."""
    begin = new_body(folder / "begin") if case.body == NEW else model_folder()
    if method == "direct":
        return begin
    attune(folder / "body.log", "train", "--task", "mask", "--model", begin, "--train", case.texts(folder), "--output", folder / "body", *case.reading)
    return folder / "body"


def run_one(name, method, seed, done):
    case = CASES[name]
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    train, test = case.task_files(folder, seed)
    record = {"dataset": name, "n": str(case.n), "seed": seed, "method": method, "task": case.task, "metric": case.metric, "data": sha256_of(train, test)}
    if done.get(key_of(record), {}).get("data") == record["data"]:
        return
    body = body_of(case, folder, method)
    log(f"{name}, {method}, seed {seed}: starts")
    started, output, answers = time.monotonic(), folder / f"{method}-{seed}", folder / f"{method}-{seed}.jsonl"
    attune(folder / f"{method}-{seed}.log", "train", "--task", case.task, "--model", body, "--train", train, "--output", output, "--seed", seed)
    attune(folder / f"{method}-{seed}.log", "predict", "--model", output, "--input", test, "--output", answers)
    shutil.rmtree(output)
    values = score(case.task, test, answers)
    record.update(values=values, main=values[case.metric], seconds=round(time.monotonic() - started, 1), commit=commit())
    append_result("adapt", record)
    log(f"{name}, {method}, seed {seed}: {case.metric} {values[case.metric]:.4f}, {record['seconds']} s")


def cell(values):
    return f"{mean(values):.1f} ± {stdev(values) / len(values) ** 0.5:.1f}" if len(values) == len(SEEDS) else ""


def lines(records):
    yield "| body | data | labelled examples | figure | the body as it was | adapted first | difference |"
    yield "|---|---|---:|---|---:|---:|---:|"
    for name, case in CASES.items():
        direct, adapted = ([100 * records[key]["main"] for seed in SEEDS if (key := (name, str(case.n), seed, method)) in records] for method in METHODS)
        gains = [b - a for a, b in zip(direct, adapted)] if len(direct) == len(adapted) == len(SEEDS) else []
        yield f"| {case.body} | {case.data} | {case.n} | {case.metric} | {cell(direct)} | {cell(adapted)} | {'+' if gains and mean(gains) > 0 else ''}{cell(gains)} |"


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
