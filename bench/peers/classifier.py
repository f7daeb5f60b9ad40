"""Saves a classifier as transformers makes it from a body, with a head drawn once: the start that both sides share.

    classifier.py FOLDER LABEL...
"""

import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "study"))

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

from common import model_folder  # noqa: E402


def main():
    if len(sys.argv) < 4:
        sys.exit("usage: classifier.py FOLDER LABEL LABEL...")
    folder, names = sys.argv[1], sorted(sys.argv[2:])
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(7)
    model = AutoModelForSequenceClassification.from_pretrained(
        model_folder(),
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )
    with torch.no_grad():
        getattr(model.classifier, "out_proj", model.classifier).weight *= 10  # losses that tell differences in the body, not ln 2 whatever it gives
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model_folder()).save_pretrained(folder)


if __name__ == "__main__":
    main()
