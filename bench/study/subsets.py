"""Makes the study's training and test files (CSV, text and label name) in build/study/data.

Which rows a subset holds follows from hashes of (data set, size, seed, row), so the files are the same
on every machine and with every version of Python.
"""

import csv
import hashlib
import json
import os
import sys

from common import ALL_ROWS, DATA, EXAMPLE, data_source, read_rows, test_file, train_file

AG_NAMES = ["World", "Sports", "Business", "Sci/Tech"]  # classes 1 to 4 of test.csv
TEST_ROWS = 2000


def order(rows, name):
    """The rows in a random order that `name` decides."""
    ranked = [(hashlib.sha256(f"{name}:{i}".encode()).digest(), row) for i, row in enumerate(rows)]
    return [row for _, row in sorted(ranked)]


def distinct(rows, without=()):
    """The rows whose text was not seen before, neither in `without`: no test text is trained on."""
    seen = {text for text, _ in without}
    kept = []
    for text, label in rows:
        if text and text not in seen:
            seen.add(text)
            kept.append((text, label))
    return kept


def stratified(rows, n, name):
    """n random rows with the class shares of all (largest remainder; at least one of each class)."""
    by_label = {}
    for row in order(rows, name):
        by_label.setdefault(row[1], []).append(row)
    share = {label: n * len(members) / len(rows) for label, members in by_label.items()}
    count = {label: max(1, int(share[label])) for label in share}
    by_remainder = sorted(share, key=lambda label: (count[label] - share[label], label))
    for label in by_remainder[: max(0, n - sum(count.values()))]:
        count[label] += 1
    chosen = [row for label in sorted(by_label) for row in by_label[label][: count[label]]]
    return order(chosen, name + ":mixed")


def read_tsv(path, text_column, label_column, header):
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")[1 if header else 0 :]
    cells = [line.split("\t") for line in lines if line]
    return [(row[text_column].strip(), row[label_column].strip()) for row in cells]


def load_sst2(source):
    names = {"0": "negative", "1": "positive"}
    folder = source / "sst2_glue"
    train = [(t, names[y]) for t, y in read_tsv(folder / "train.tsv", 1, 0, header=True)]
    test = [(t, names[y]) for t, y in read_tsv(folder / "dev.tsv", 1, 0, header=True)]
    return train, test  # as they are: figures elsewhere are for these 67,349 and 872 rows


def load_ag_news(source):
    """Descriptions only: the training rows come without titles."""
    folder = source / "ag_news"
    with open(folder / "test.csv", newline="", encoding="utf-8") as f:
        test = [(row[2].strip(), AG_NAMES[int(row[0]) - 1]) for row in csv.reader(f)]
    test = order(distinct(test), "ag_news:test")[:TEST_ROWS]
    train = read_tsv(folder / "alps_dev.tsv", 0, 1, header=False)
    return distinct(train, without=test), test


def load_sms_spam(source):
    rows = order(distinct(read_tsv(source / "sms_spam" / "sms.tsv", 1, 0, header=False)), "sms_spam:test")
    return rows[TEST_ROWS:], rows[:TEST_ROWS]


def load_clinc150(source):
    data = json.loads((source / "clinc150" / "data_small.json").read_text(encoding="utf-8"))
    return [tuple(row) for row in data["train"]], [tuple(row) for row in data["test"]]


def load_support(_):
    return read_rows(EXAMPLE / "train.csv"), read_rows(EXAMPLE / "test.csv")


LOADERS = {
    "sst2": load_sst2,
    "ag_news": load_ag_news,
    "sms_spam": load_sms_spam,
    "clinc150": load_clinc150,
    "support": load_support,
}


def write_rows(path, rows):
    partial = path.with_name(f".{path.name}.tmp.{os.getpid()}")
    with open(partial, "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(["text", "label"])
        writer.writerows(rows)
    os.replace(partial, path)


def main():
    DATA.mkdir(parents=True, exist_ok=True)
    source = data_source()
    if not source.is_dir():
        sys.exit(f"error: no data in {source}: set ATTUNE_TEST_DATA")
    for dataset in dict.fromkeys(name for name, _, _ in ALL_ROWS):
        train, test = LOADERS[dataset](source)
        write_rows(test_file(dataset), test)
        for name, n, seeds in ALL_ROWS:
            if name != dataset:
                continue
            for seed in seeds:
                subset_name = f"{dataset}:{n}:{seed}"
                rows = train if n is None else stratified(train, n, subset_name)
                write_rows(train_file(dataset, n, seed), rows)
                print(f"{train_file(dataset, n, seed).name}: {len(rows)} rows; test {len(test)}")


if __name__ == "__main__":
    main()
