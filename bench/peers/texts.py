"""Makes the texts of the side-by-side (CSV, text and label), the same files for attune and for PyTorch.

    texts.py FOLDER

sst2.csv and ag_news.csv hold texts as they are; long.csv holds texts joined until they exceed 128 tokens, so that
truncation to 128 makes every sequence exactly that long.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "study"))

from common import data_source  # noqa: E402
from subsets import load_ag_news, load_sst2, order, write_rows  # noqa: E402

ROWS = 4096
LONG_WORDS = 140  # no tokenizer gives fewer tokens than words, so this is over 128 with [CLS] and [SEP]


def joined(rows):
    """Texts of at least LONG_WORDS words out of neighbours with the same label."""
    pending, long = {}, []
    for text, label in rows:
        words = pending.setdefault(label, [])
        words += text.split()
        if len(words) >= LONG_WORDS:
            long.append((" ".join(words), label))
            pending[label] = []
    return long


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: texts.py FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    sst2 = order(load_sst2(data_source())[0], "bench:sst2")
    write_rows(folder / "sst2.csv", sst2[:ROWS])
    write_rows(folder / "ag_news.csv", order(load_ag_news(data_source())[0], "bench:ag_news")[:ROWS])
    write_rows(folder / "long.csv", joined(sst2)[: ROWS // 4])


if __name__ == "__main__":
    main()
