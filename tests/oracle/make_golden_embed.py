#!/usr/bin/env python3
"""Records the golden reference of sentence embeddings: a small BERT, a ragged batch, and what sentence-transformers computes in float64: vectors of
every pooling, and for each loss its value and the gradient of every parameter. The loss of labelled texts is Khosla et al.'s, written out here.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden_embed.py

Writes tests/golden/embed-dense/, a folder that sentence-transformers saved, with two Dense (tanh and a bias; gelu and none) and Normalize behind the mean,
its vectors, loss and gradients; and tests/golden/embed/: config.json, model.safetensors, modules.json and 1_Pooling as a model folder, batch.safetensors (ids, cu_seqlens) and
expected.safetensors (vectors.POOLING, CASE.loss, CASE.gradient.NAME).
"""
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer, models
from sentence_transformers.sentence_transformer import losses
from transformers import BertConfig, BertModel, BertTokenizerFast

OUT = Path(__file__).resolve().parent.parent / "golden" / "embed"
DENSE = OUT.with_name("embed-dense")
LENGTHS = [7, 2, 12, 5, 9, 3, 4, 6, 8, 2, 5, 11]
SCORES = [1.0, 0.25, 0.25, 0.0, 0.6, 0.4]  # of pairs, with a tie
LABELS = [0, 1, 0, 2, 1, 0, 3, 2, 2, 0, 1, 4]  # of texts; two are alone


def scale_up(model, generator):
    """New weights in float32 precision, large enough that attention and vectors are far from uniform."""
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator, dtype=torch.float32).double()
        norm = "LayerNorm.weight" in name
        scale = 0.2 if norm else 0.1 if name.endswith("bias") else 0.4 if "embeddings" in name else 0.3
        p.data = ((1 if norm else 0) + scale * noise).float().double()


def body_folder(folder, generator):
    config = BertConfig(vocab_size=40, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12, max_position_embeddings=12,
                        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    body = BertModel(config, add_pooling_layer=False).double()
    scale_up(body, generator)
    body.float().save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(35)]) + "\n")
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)


def sentence_model(folder, pooling, normalize):
    transformer = models.Transformer(str(folder))
    parts = [transformer, models.Pooling(8, pooling_mode=pooling)] + ([models.Normalize()] if normalize else [])
    return SentenceTransformer(modules=parts, device="cpu").double().eval()


def features(rows):
    longest = max(len(r) for r in rows)
    pad = lambda r, value: torch.nn.functional.pad(r, (0, longest - len(r)), value=value)
    return {"input_ids": torch.stack([pad(r, 0) for r in rows]), "attention_mask": torch.stack([pad(torch.ones_like(r), 0) for r in rows])}


def columns(rows, n_texts):
    """Texts of a row follow each other."""
    return [features(rows[i::n_texts]) for i in range(n_texts)]


def of_labels(model, rows):
    x = torch.nn.functional.normalize(model(features(rows))["sentence_embedding"], dim=1)
    labels = torch.tensor(LABELS)
    s = (20 * x @ x.T).masked_fill(torch.eye(len(labels), dtype=torch.bool), -torch.inf)
    same = (labels[:, None] == labels[None]) & ~torch.eye(len(labels), dtype=torch.bool)
    each = torch.logsumexp(s, 1) - torch.where(same, s, 0).sum(1) / same.sum(1).clamp(min=1)
    return each[same.any(1)].mean()


def record_dense(body, rows, generator):
    """The folder is what sentence-transformers itself writes."""
    model = sentence_model(body, "mean", True)
    dense = [models.Dense(8, 7).double(), models.Dense(7, 6, bias=False, activation_function=torch.nn.GELU()).double()]  # the first: a bias, and tanh
    for module in dense:
        scale_up(module, generator)
    model = SentenceTransformer(modules=[model[0], model[1], *dense, models.Normalize()], device="cpu").double().eval()
    loss = losses.MultipleNegativesRankingLoss(model)(columns(rows, 2), None)
    loss.backward()
    expected = {"vectors": model(features(rows))["sentence_embedding"].detach(), "in-batch.loss": loss.detach().reshape(1)}
    projections = [(f"projection.{i}.{name.removeprefix('linear.')}", p) for i, module in enumerate(dense) for name, p in module.named_parameters()]
    for name, p in [*model[0].named_parameters(), *projections]:
        if "pooler" in name:
            continue
        short = name.split("model.", 1)[-1]
        expected[f"in-batch.gradient.{short}"] = p.grad if p.grad is not None else torch.zeros_like(p)
    print(f"in-batch behind two Dense: {loss.item():.6f}")
    with tempfile.TemporaryDirectory() as work:
        model.float().save(work)
        for name in ("config.json", "model.safetensors", "modules.json", "1_Pooling/config.json", *(f"{i}_Dense/{file}" for i in (2, 3) for file in ("config.json", "model.safetensors"))):
            (DENSE / name).parent.mkdir(parents=True, exist_ok=True)
            (DENSE / name).write_bytes((Path(work) / name).read_bytes())
    (DENSE / "vocab.txt").write_bytes((body / "vocab.txt").read_bytes())
    save_file({k: v.float().contiguous() for k, v in expected.items()}, DENSE / "expected.safetensors")
    save_file({"ids": torch.cat(rows).int(), "cu_seqlens": torch.tensor([0] + LENGTHS).cumsum(0).int()}, DENSE / "batch.safetensors")


def main():
    generator = torch.Generator().manual_seed(17)
    rows = [torch.randint(5, 40, (n,), generator=generator) for n in LENGTHS]
    scores = torch.tensor(SCORES, dtype=torch.float64)
    expected = {}
    with tempfile.TemporaryDirectory() as work:
        body = Path(work)
        body_folder(body, generator)
        for pooling in ("cls", "mean", "max", "lasttoken"):
            with torch.no_grad():
                expected[f"vectors.{pooling}"] = sentence_model(body, pooling, False)(features(rows))["sentence_embedding"]

        def record(case, pooling, normalize, value):
            model = sentence_model(body, pooling, normalize)
            loss = value(model)
            loss.backward()
            expected[f"{case}.loss"] = loss.detach().reshape(1)
            for name, p in model[0].named_parameters():
                if "pooler" in name:
                    continue
                short = name.split("model.", 1)[-1]
                expected[f"{case}.gradient.{short}"] = p.grad if p.grad is not None else torch.zeros_like(p)
            print(f"{case}: {loss.item():.6f}")

        pairs, triplets = columns(rows, 2), columns(rows, 3)
        record("in-batch", "mean", True, lambda m: losses.MultipleNegativesRankingLoss(m)(pairs, None))
        record("in-batch-cls", "cls", False, lambda m: losses.MultipleNegativesRankingLoss(m)(pairs, None))
        record("in-batch-triplets", "max", True, lambda m: losses.MultipleNegativesRankingLoss(m)(triplets, None))
        record("cosine", "mean", False, lambda m: losses.CosineSimilarityLoss(m)(pairs, scores))
        record("cosent", "mean", True, lambda m: losses.CoSENTLoss(m)(pairs, scores))
        record("triplet", "mean", False, lambda m: losses.TripletLoss(m)(triplets, None))
        record("triplet-unit", "lasttoken", True, lambda m: losses.TripletLoss(m)(triplets, None))
        record("labels", "mean", False, lambda m: of_labels(m, rows))
        record_dense(body, rows, generator)
        OUT.mkdir(exist_ok=True)
        for name in ("config.json", "model.safetensors", "vocab.txt"):
            (OUT / name).write_bytes((body / name).read_bytes())
    (OUT / "1_Pooling").mkdir(exist_ok=True)
    (OUT / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 8, "pooling_mode_max_tokens": True}, indent=2) + "\n")
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    modules = [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"} for i, (path, kind) in enumerate(kinds)]
    (OUT / "modules.json").write_text(json.dumps(modules, indent=2) + "\n")
    save_file({k: v.float().contiguous() for k, v in expected.items()}, OUT / "expected.safetensors")
    save_file({"ids": torch.cat(rows).int(), "cu_seqlens": torch.tensor([0] + LENGTHS).cumsum(0).int()}, OUT / "batch.safetensors")
    print(f"{sum(f.stat().st_size for f in OUT.rglob('*') if f.is_file())} bytes")


if __name__ == "__main__":
    main()
