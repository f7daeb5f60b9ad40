"""Makes a model of the shape of BERT-base (12 layers of 768, random weights, the tokenizer of the study's model): what a step of that size costs.

    base_shape.py FOLDER
"""

import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "study"))

import torch  # noqa: E402
from transformers import AutoTokenizer, BertConfig, BertModel  # noqa: E402

from common import model_folder  # noqa: E402


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: base_shape.py FOLDER")
    folder = Path(sys.argv[1])
    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    BertModel(BertConfig(vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
