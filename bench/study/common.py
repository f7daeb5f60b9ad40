"""What the study's scripts share: the rows, where things lie, and the result files."""

import contextlib
import csv
import fcntl
import hashlib
import json
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "build" / "study" / "data"
STATE = ROOT / "build" / "study" / "state"
RESULTS = ROOT / "docs" / "results"

MODEL_NAME = "models--sentence-transformers--all-MiniLM-L6-v2"

# (data set, training examples, seeds of the subsets); n None: all there is. Seeds 0 to 4 were in view while the recipe's
# constants were chosen: the figures are taken on subsets that were not.
ROWS = [
    ("sst2", 24, range(10, 15)),
    ("sst2", 100, range(10, 15)),
    ("sst2", 500, range(10, 15)),
    ("sst2", 5000, range(10, 11)),
    ("sst2", None, range(1)),
    ("ag_news", 100, range(10, 13)),
    ("ag_news", 500, range(10, 13)),
    ("sms_spam", 100, range(10, 20)),  # on three, chance was wider than what is judged
    ("sms_spam", 500, range(10, 13)),
    ("clinc150", None, range(1)),
]

# The project's own example data stand beside them, outside the verdicts: the same examples with three seeds.
EXAMPLE = ROOT / "examples" / "support-sentiment"
EXAMPLE_ROWS = [("support", None, range(3))] if (EXAMPLE / "test.csv").is_file() else []
ALL_ROWS = ROWS + EXAMPLE_ROWS

# What a run is; two runs with the same key are the same run.
KEY = ("dataset", "n", "seed", "method")


def data_source():
    return Path(os.environ.get("ATTUNE_TEST_DATA", ROOT.parent / "shared" / "data"))


def model_folder():
    """ATTUNE_TEST_MODEL, else the snapshot in the Hugging Face cache."""
    named = os.environ.get("ATTUNE_TEST_MODEL")
    if named:
        return Path(named)
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    repo = Path(os.environ.get("HF_HUB_CACHE", home / "hub")) / MODEL_NAME
    ref = repo / "refs" / "main"
    if not ref.is_file():
        raise SystemExit("error: no model: set ATTUNE_TEST_MODEL or run 'make model'")
    return repo / "snapshots" / ref.read_text().strip()


def size_name(n):
    return "all" if n is None else str(n)


def train_file(dataset, n, seed):
    return DATA / f"{dataset}-{size_name(n)}-{seed}.train.csv"


def test_file(dataset):
    return DATA / f"{dataset}.test.csv"


def read_rows(path):
    """[(text, label name)] of one of the study's CSV files."""
    with open(path, newline="", encoding="utf-8") as f:
        return [(row["text"], row["label"]) for row in csv.DictReader(f)]


def sha256_of(*paths):
    digest = hashlib.sha256()
    for path in paths:
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]


def key_of(record):
    return tuple(record[name] for name in KEY)


def read_results(name):
    """Records of docs/results/<name>.jsonl by key; a later line replaces an earlier one."""
    path = RESULTS / f"{name}.jsonl"
    if not path.is_file():
        return {}
    records = {}
    for line in path.read_text().split("\n")[:-1]:  # what follows the last newline was cut off mid-write
        record = json.loads(line)
        records[key_of(record)] = record
    return records


@contextlib.contextmanager
def claimed(path):
    """True while this process alone holds the run that `path` names; False where another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def append_result(name, record):
    """One line, written whole or not at all as far as a reader can see, and on the disk on return."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(record, sort_keys=True) + "\n").encode()
    fd = os.open(RESULTS / f"{name}.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        drop_cut_line(fd)
        if os.write(fd, line) != len(line):
            raise OSError("short write: is the disk full?")
        os.fsync(fd)
    finally:
        os.close(fd)


def drop_cut_line(fd):
    """Removes the unfinished last line that a stop in mid-write left."""
    size = os.fstat(fd).st_size
    kept = os.pread(fd, size, 0).rfind(b"\n") + 1
    if kept != size:
        os.ftruncate(fd, kept)
