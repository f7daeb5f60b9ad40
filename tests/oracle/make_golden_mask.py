#!/usr/bin/env python3
"""Records the golden reference of masked language: a small BertForMaskedLM, a ragged batch with given hidden tokens, and what transformers
computes in float64.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden_mask.py

Writes tests/golden/mask/: config.json and model.safetensors as a model folder, batch.safetensors (ids with the hidden tokens replaced, types,
cu_seqlens, labels: the word that was there, or -1) and expected.safetensors (loss, logits at the hidden tokens, gradients by file name).
"""
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM

OUT = Path(__file__).resolve().parent.parent / "golden" / "mask"
LENGTHS = [7, 2, 12, 5, 9]
MASK = 4


def scale_up(model, generator):
    """New weights in float32 precision, large enough that attention and answers are far from uniform."""
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator, dtype=torch.float32).double()
        norm = "LayerNorm.weight" in name
        scale = 0.2 if norm else 0.1 if name.endswith("bias") else 0.4 if "embeddings" in name else 0.3
        p.data = ((1 if norm else 0) + scale * noise).float().double()


def main():
    generator = torch.Generator().manual_seed(11)
    config = BertConfig(vocab_size=120, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, max_position_embeddings=16,
                        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = BertForMaskedLM(config).double().eval()
    scale_up(model, generator)
    rows, labels, types = [], [], []
    for n in LENGTHS:
        ids = torch.randint(5, config.vocab_size, (n,), generator=generator)
        hidden = torch.zeros(n, dtype=torch.bool)
        hidden[torch.randperm(n, generator=generator)[: max(1, n // 4)]] = True
        label = torch.where(hidden, ids, torch.tensor(-1))
        ids = torch.where(hidden & (torch.rand(n, generator=generator) < 0.7), torch.tensor(MASK), ids)
        types.append((torch.arange(n) > n // 2).long())
        rows.append(ids)
        labels.append(label)
    longest = max(LENGTHS)
    pad = lambda parts, value: torch.stack([torch.nn.functional.pad(p, (0, longest - len(p)), value=value) for p in parts])
    attention = pad([torch.ones(n, dtype=torch.long) for n in LENGTHS], 0)
    wanted = pad(labels, -1)
    out = model(input_ids=pad(rows, 0), attention_mask=attention, token_type_ids=pad(types, 0), labels=torch.where(wanted < 0, -100, wanted))
    out.loss.backward()
    expected = {"loss": out.loss.detach().reshape(1), "logits": out.logits.detach()[wanted >= 0]}
    for name, p in model.named_parameters():
        expected[f"gradient.{name}"] = p.grad
    OUT.mkdir(exist_ok=True)
    model.float().save_pretrained(OUT)
    (OUT / "generation_config.json").unlink(missing_ok=True)
    save_file({k: v.float().contiguous() for k, v in expected.items()}, OUT / "expected.safetensors")
    cu = torch.tensor([0] + LENGTHS).cumsum(0)
    save_file({"ids": torch.cat(rows).int(), "types": torch.cat(types).to(torch.uint8), "cu_seqlens": cu.int(), "labels": torch.cat(labels).int()}, OUT / "batch.safetensors")
    print(f"loss {out.loss.item():.6f}, {int((wanted >= 0).sum())} hidden tokens, files {sum(f.stat().st_size for f in OUT.iterdir())} bytes")


if __name__ == "__main__":
    main()
