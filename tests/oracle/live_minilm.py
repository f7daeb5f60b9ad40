#!/usr/bin/env python3
"""A real model against transformers in float64: logits, loss, every gradient, and the folders that attune saves.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_minilm.py --probe build/release/tests/attune_probe [--model DIR]

The model folder (all-MiniLM-L6-v2 or another BERT) is --model or ATTUNE_TEST_MODEL. Texts come from the test data
(ATTUNE_TEST_DATA, default ../shared/data). Ends with 1 where a bound is broken:
  logits of 200 varied texts and pairs            max abs error 1e-4
  loss                                            1e-4 relative
  every parameter's gradient                      1e-4 of its own norm + 1e-6 of the global norm
  a saved pooler folder in transformers           the same logits, right labels
  a saved mean folder in sentence-transformers    the same logits
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertModel

ROOT = Path(__file__).resolve().parents[2]
LABELS = {0: "negative", 1: "neutral", 2: "positive"}
failures = []


def check(what, value, bound):
    print(f"{'ok  ' if value <= bound else 'FAIL'} {what}: {value:.3g} (bound {bound:g})")
    if not value <= bound:
        failures.append(what)


def varied_texts(n):
    data = Path(os.environ.get("ATTUNE_TEST_DATA", ROOT / "../shared/data"))
    texts = []
    for path in sorted(data.glob("sst2_glue/*.tsv")) + sorted(data.glob("sst2_glue/*.csv")) + sorted(data.glob("text/*.txt")):
        lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="ignore").splitlines() if line.strip()]
        texts += lines[1 :: max(1, len(lines) // (n // 2))]
    texts += ["", "a", "!!!", "naïve café — 你好 🙂", "word " * 600]
    texts = texts[-n:] if len(texts) > n else texts
    while len(texts) < n:
        i = len(texts)
        texts.append(" ".join(texts[(7 * i + k) % i] for k in range(1 + i % 4))[: 20 + 13 * i])
    return texts[:n]


def encode(tokenizer, texts, max_length):
    """Every third text as a pair with the one before it; the last ten, the longest among them, may be twice as long."""
    limit = lambda i: max_length * (1 + (i >= len(texts) - 10))
    return [tokenizer(texts[i - 1], texts[i], truncation=True, max_length=limit(i)) if i % 3 == 2
            else tokenizer(texts[i], truncation=True, max_length=limit(i)) for i in range(len(texts))]


def write_batch(path, encoded, labels):
    lengths = torch.tensor([0] + [len(e["input_ids"]) for e in encoded]).cumsum(0)
    join = lambda key: torch.tensor([x for e in encoded for x in e[key]])
    save_file({"ids": join("input_ids").int(), "types": join("token_type_ids").to(torch.uint8), "cu_seqlens": lengths.int(),
               "labels": torch.tensor(labels).int()}, path)


def probe(program, folder, encoded, labels, work, save=None):
    write_batch(work / "batch.safetensors", encoded, labels)
    command = [program, folder, work / "batch.safetensors", work / "out.safetensors"] + ([save] if save else [])
    subprocess.run([str(c) for c in command], check=True)
    return load_file(work / "out.safetensors")


def batches(encoded, size=8):
    """Batches of similar length, each with the places of its rows."""
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]["input_ids"]))
    for i in range(0, len(order), size):
        places = order[i : i + size]
        part = [encoded[j] for j in places]
        longest = max(len(e["input_ids"]) for e in part)
        pad = lambda key: torch.tensor([e[key] + [0] * (longest - len(e[key])) for e in part])
        yield places, dict(input_ids=pad("input_ids"), token_type_ids=pad("token_type_ids"), attention_mask=pad("attention_mask"))


def in_order(parts):
    places = torch.tensor([i for part, _ in parts for i in part])
    return torch.cat([rows for _, rows in parts])[places.argsort()]


def pooler_logits(model, encoded):
    return in_order([(places, model(**b).logits) for places, b in batches(encoded)])


def mean_logits(body, linear, encoded):
    rows = []
    for places, b in batches(encoded):
        mask = b["attention_mask"].unsqueeze(-1).to(linear.weight.dtype)
        rows.append((places, linear((body(**b).last_hidden_state * mask).sum(1) / mask.sum(1))))
    return in_order(rows)


def compare(kind, answer, logits, labels, parameters):
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
    check(f"{kind}: logits, max abs error", (answer["logits"].double() - logits).abs().max().item(), 1e-4)
    check(f"{kind}: loss, relative", abs(answer["loss"].item() - loss.item()) / loss.item(), 1e-4)
    loss.backward()
    grads = {n: p.grad for n, p in parameters.items() if p.grad is not None}
    total = torch.stack([g.norm() for g in grads.values()]).norm()
    worst, name = max(((answer[n].double() - g).norm() / (1e-4 * g.norm() + 1e-6 * total), n) for n, g in grads.items())
    check(f"{kind}: {len(grads)} gradients, worst over its bound ({name})", worst.item(), 1)


def check_pooler(args, tokenizer, encoded, labels, work):
    model = AutoModelForSequenceClassification.from_pretrained(args.model, num_labels=3, id2label=LABELS,
                                                               label2id={v: k for k, v in LABELS.items()})
    torch.nn.init.normal_(model.classifier.weight, std=0.2)
    folder, saved = work / "classifier", work / "classifier-saved"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    model = model.double().eval()
    answer = probe(args.probe, folder, encoded, labels, work, saved)
    with torch.no_grad():
        logits = pooler_logits(model, encoded)
    check("pooler: logits of all texts, max abs error", (answer["logits"].double() - logits).abs().max().item(), 1e-4)
    few, few_labels = encoded[:24], labels[:24]
    names = {n.removeprefix("bert."): p for n, p in model.named_parameters()}
    compare("pooler", probe(args.probe, folder, few, few_labels, work), pooler_logits(model, few), few_labels, names)
    opened, info = AutoModelForSequenceClassification.from_pretrained(saved, output_loading_info=True)
    check("pooler: missing or unexpected names in the saved folder", sum(len(info[k]) for k in ("missing_keys", "unexpected_keys")), 0)
    check("pooler: labels of the saved folder differ", int(opened.config.id2label != LABELS), 0)
    with torch.no_grad():
        again = pooler_logits(opened.double().eval(), encoded[:24])
    check("pooler: logits of the saved folder", (again - logits[:24]).abs().max().item(), 1e-9)
    check("pooler: tokenizer of the saved folder differs",
          int(AutoTokenizer.from_pretrained(saved)("Some text.")["input_ids"] != tokenizer("Some text.")["input_ids"]), 0)


def check_mean(args, encoded, labels, work):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

    sentence = SentenceTransformer(args.model, device="cpu")
    linear = torch.nn.Linear(sentence[0].auto_model.config.hidden_size, 3)
    torch.nn.init.normal_(linear.weight, std=0.5)
    dense = Dense(linear.in_features, 3, activation_function=torch.nn.Identity(), init_weight=linear.weight.data, init_bias=linear.bias.data)
    folder, saved = work / "mean", work / "mean-saved"
    SentenceTransformer(modules=[sentence[0], sentence[1], dense], device="cpu").save(str(folder))
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {str(k): v for k, v in LABELS.items()}
    config["label2id"] = {v: k for k, v in LABELS.items()}
    (folder / "config.json").write_text(json.dumps(config))
    few, few_labels = encoded[:24], labels[:24]
    answer = probe(args.probe, folder, few, few_labels, work, saved)
    body = BertModel.from_pretrained(folder, add_pooling_layer=False).double().eval()
    linear = linear.double()
    names = dict(body.named_parameters()) | {"classifier.weight": linear.weight, "classifier.bias": linear.bias}
    compare("mean", answer, mean_logits(body, linear, few), few_labels, names)
    opened = SentenceTransformer(str(saved), device="cpu")
    text = "A folder that two programs open."
    ids = opened[0].tokenizer(text)
    again = probe(args.probe, saved, [ids], [0], work)["logits"][0]
    theirs = torch.tensor(opened.encode(text, normalize_embeddings=False))
    check("mean: logits of the saved folder in sentence-transformers", (again - theirs).abs().max().item(), 1e-5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", default=ROOT / "build/release/tests/attune_probe", type=Path)
    parser.add_argument("--model", default=os.environ.get("ATTUNE_TEST_MODEL"), type=str)
    args = parser.parse_args()
    if not args.model:
        parser.error("--model or ATTUNE_TEST_MODEL says where the model is")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    encoded = encode(tokenizer, varied_texts(200), 128)
    labels = [(5 * i + 1) % 3 for i in range(len(encoded))]
    with tempfile.TemporaryDirectory() as work:
        check_pooler(args, tokenizer, encoded, labels, Path(work))
        check_mean(args, encoded, labels, Path(work))
    print("failed: " + ", ".join(failures) if failures else "all equal")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
