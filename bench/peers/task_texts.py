"""The data and the start of the tasks' side-by-side, the same files for attune and for PyTorch.

    task_texts.py FOLDER

tag.jsonl: CoNLL sentences; embed.csv: STS-B pairs with their scores; answer.jsonl: SQuAD questions. tag/ and answer/ are folders with a head drawn once,
as transformers saves them; embed/ is the body with the modules of sentence-transformers and attune's word of what it is trained for.
"""

import json
import os
import random
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "study"))

import torch  # noqa: E402
import transformers  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402

from common import data_source, model_folder  # noqa: E402
from tasks import conll_sentences, write_rows  # noqa: E402

ROWS, QUESTIONS = 4096, 512


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def tag(folder):
    rows = random.Random(1).sample(list(conll_sentences(data_source() / "conll2003" / "eng.train")), ROWS)
    write_lines(folder / "tag.jsonl", rows)
    return sorted({tag for row in rows for tag in row["ner_tags"]})


def answer(folder):
    root = json.loads((data_source() / "squad" / "train-v1.1.rebuilt.json").read_text(encoding="utf-8"))
    rows = [{"id": q["id"], "question": q["question"], "context": p["context"],
             "answers": {"text": [a["text"] for a in q["answers"]], "answer_start": [a["answer_start"] for a in q["answers"]]}}
            for article in root["data"] for p in article["paragraphs"] for q in p["qas"]]
    write_lines(folder / "answer.jsonl", random.Random(1).sample(rows, QUESTIONS))


def embed(folder):
    rows = [line.split("\t") for line in (data_source() / "stsb" / "sts-train.csv").read_text(encoding="utf-8").splitlines()]
    write_rows(folder / "embed.csv", ("sentence1", "sentence2", "score"), [(r[5], r[6], r[4]) for r in rows[:ROWS]])


def save_start(folder, kind, **options):
    torch.manual_seed(7)
    model = getattr(transformers, f"AutoModelFor{kind}").from_pretrained(model_folder(), **options)
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(model_folder()).save_pretrained(folder)


def save_embed(folder):
    SentenceTransformer(str(model_folder()), device="cpu").save_pretrained(str(folder))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["attune"] = {"task": "embed", "loss": "cosine", "low": 0.0, "high": 5.0}
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: task_texts.py FOLDER")
    folder = Path(sys.argv[1])
    if (folder / "embed" / "model.safetensors").is_file():  # written last
        return
    folder.mkdir(parents=True, exist_ok=True)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    labels = tag(folder)
    answer(folder)
    embed(folder)
    names = {"num_labels": len(labels), "id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    save_start(folder / "tag", "TokenClassification", **names)
    save_start(folder / "answer", "QuestionAnswering")
    save_embed(folder / "embed")


if __name__ == "__main__":
    main()
