#!/usr/bin/env python3
"""Vectors of whole folders against sentence-transformers, and what attune trains opened there.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_embed.py --program build/release/src/attune --model DIR

Ends with 1 where a number differs by more than its bound.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import numpy as np
import torch
from sentence_transformers import SentenceTransformer, models

TEXTS = ["A man is eating food.", "the sky", "Ein Satz mit Umlauten: äöü.", "?", "a " * 400, "Two dogs run across a field of snow, and a third one looks on.", "tab and  spaces"]
failures = []


def check(what, value, bound):
    print(f"{'ok  ' if value <= bound else 'FAIL'} {what}: {value:.3g} (bound {bound:g})")
    if not value <= bound:
        failures.append(what)


def attune(program, *arguments):
    run = subprocess.run([str(a) for a in (program, *arguments)], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {run.returncode}\n{run.stdout}{run.stderr}")
    return run.stdout


def compare(args, work, what, folder):
    """npy, JSONL and CSV of attune, and encode() in float64."""
    (work / "texts.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in TEXTS))
    model = SentenceTransformer(str(folder), device="cpu").double().eval()
    theirs = np.asarray(model.encode(TEXTS, convert_to_numpy=True, show_progress_bar=False), dtype=np.float64)
    for kind in ("npy", "jsonl", "csv"):
        attune(args.program, "embed", "--model", folder, "--input", work / "texts.jsonl", "--output", work / f"v.{kind}", "--quiet")
    ours = np.load(work / "v.npy")
    check(f"{what}: vectors, relative", np.max(np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)), 1e-5)
    rows = np.array([json.loads(line)["embedding"] for line in (work / "v.jsonl").read_text().splitlines()], dtype=np.float32)
    check(f"{what}: npy and JSONL differ", int((rows != ours).sum()), 0)
    import csv

    with open(work / "v.csv", newline="", encoding="utf-8") as file:
        table = list(csv.reader(file))
    check(f"{what}: npy and CSV differ", int((np.array([r[1:] for r in table[1:]], dtype=np.float32) != ours).sum()), 0)
    return model


def with_dense(source, folder):
    """The model with two Dense behind its pooling, as sentence-transformers writes it."""
    torch.manual_seed(5)
    model = SentenceTransformer(str(source), device="cpu")
    width = model.get_sentence_embedding_dimension()
    dense = [models.Dense(width, 96), models.Dense(96, 40, bias=False, activation_function=torch.nn.GELU())]
    SentenceTransformer(modules=[model[0], model[1], *dense, models.Normalize()], device="cpu").save(str(folder))


def t5_folders(work):
    """A small T5 of random weights with the words of t5-small: whole, and its encoder as sentence-t5's folders have it."""
    import transformers

    data = Path(os.environ.get("ATTUNE_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    torch.manual_seed(9)
    config = transformers.T5Config(vocab_size=32128, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu")
    whole, folder = work / "t5", work / "t5-encoder"
    transformers.T5ForConditionalGeneration(config).save_pretrained(whole)
    transformers.PreTrainedTokenizerFast(tokenizer_file=str(data / "tokenizers/t5-small/tokenizer.json"), pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
                                         model_max_length=512).save_pretrained(whole)
    body = models.Transformer(str(whole))
    SentenceTransformer(modules=[body, models.Pooling(32, "mean"), models.Dense(32, 24, bias=False, activation_function=torch.nn.Identity()), models.Normalize()],
                        device="cpu").save(str(folder))
    return whole, folder


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--model", required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        model = compare(args, work, "the model as it is", args.model)
        (work / "corpus.txt").write_text("\n".join(t for t in TEXTS) + "\n")
        found = json.loads(attune(args.program, "search", "--model", args.model, "--corpus", work / "corpus.txt", "--top", 3, "--format", "jsonl", "a dog in the snow").splitlines()[0])
        theirs = model.similarity(model.encode(["a dog in the snow"]), model.encode(TEXTS))[0].sort(descending=True)
        check("search: order", int([f["line"] - 1 for f in found["found"]] != theirs.indices[:3].tolist()), 0)
        check("search: cosines", max(abs(f["score"] - s) for f, s in zip(found["found"], theirs.values.tolist())), 1e-5)
        (work / "pairs.csv").write_text("anchor,positive\n" + "".join(f"the {a} is good,a good {a}\n" for a in ("cat", "dog", "house", "tree", "sea", "road", "sun", "moon")))
        with_dense(args.model, work / "dense")
        compare(args, work, "two Dense", work / "dense")
        attune(args.program, "train", "--model", work / "dense", "--train", work / "pairs.csv", "--eval", work / "pairs.csv", "--max-steps", 2, "--output",
               work / "dense-trained", "--quiet")
        compare(args, work, "two Dense, trained", work / "dense-trained")
        for pooling, normalize in (("cls", "no"), ("mean", "yes"), ("max", "yes"), ("last", "no")):
            folder = work / f"{pooling}-{normalize}"
            attune(args.program, "train", "--model", args.model, "--train", work / "pairs.csv", "--eval", work / "pairs.csv", "--max-steps", 2, "--pooling", pooling,
                   "--normalize", normalize, "--output", folder, "--quiet")
            compare(args, work, f"trained, {pooling}{', of length 1' if normalize == 'yes' else ''}", folder)
        whole, encoder = t5_folders(work)
        compare(args, work, "T5's encoder, a Dense", encoder)
        for what, source in (("T5, whole", whole), ("T5's encoder, a Dense", encoder)):
            folder = work / f"{source.name}-trained"
            attune(args.program, "train", "--model", source, "--task", "embed", "--train", work / "pairs.csv", "--eval", work / "pairs.csv", "--max-steps", 2, "--output", folder, "--quiet")
            trained = compare(args, work, f"{what}, trained", folder)
            check(f"{what}, trained: it has a decoder", int(any("decoder" in n for n, _ in trained.named_parameters())), 0)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
