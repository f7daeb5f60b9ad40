#!/usr/bin/env python3
"""Records the golden reference of answers in a text: a small BertForQuestionAnswering, ragged sequences with given begins and ends, and what
transformers computes of them in float64, one sequence at a time (its loss of a padded batch would count the padding).

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden_answer.py

Writes tests/golden/answer/: config.json and model.safetensors as a model folder, batch.safetensors (ids, types, cu_seqlens, labels: 1 where the
answer begins, 2 where it ends, 3 both) and expected.safetensors (loss, logits [tokens, 2], gradients by file name).
"""
from pathlib import Path

import torch
from make_golden_mask import scale_up
from safetensors.torch import save_file
from transformers import BertConfig, BertForQuestionAnswering

OUT = Path(__file__).resolve().parent.parent / "golden" / "answer"
LENGTHS = [9, 4, 13, 6]
SPANS = [(4, 6), (0, 0), (12, 12), (2, 3)]  # of the second: no answer in this window


def main():
    generator = torch.Generator().manual_seed(13)
    config = BertConfig(vocab_size=80, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, max_position_embeddings=16,
                        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = BertForQuestionAnswering(config).double().eval()
    scale_up(model, generator)
    rows, types, labels, logits, total = [], [], [], [], 0
    for n, (begin, end) in zip(LENGTHS, SPANS):
        ids, kind = torch.randint(5, config.vocab_size, (n,), generator=generator), (torch.arange(n) > n // 3).long()
        out = model(input_ids=ids[None], token_type_ids=kind[None], start_positions=torch.tensor([begin]), end_positions=torch.tensor([end]))
        (out.loss / len(LENGTHS)).backward()
        total += out.loss.item() / len(LENGTHS)
        label = torch.zeros(n, dtype=torch.int32)
        label[begin] += 1
        label[end] += 2
        rows.append(ids)
        types.append(kind)
        labels.append(label)
        logits.append(torch.stack([out.start_logits[0], out.end_logits[0]], 1).detach())
    expected = {"loss": torch.tensor([total], dtype=torch.float64), "logits": torch.cat(logits)}
    for name, p in model.named_parameters():
        expected[f"gradient.{name}"] = p.grad
    OUT.mkdir(exist_ok=True)
    model.float().save_pretrained(OUT)
    (OUT / "generation_config.json").unlink(missing_ok=True)
    save_file({k: v.float().contiguous() for k, v in expected.items()}, OUT / "expected.safetensors")
    cu = torch.tensor([0] + LENGTHS).cumsum(0)
    save_file({"ids": torch.cat(rows).int(), "types": torch.cat(types).to(torch.uint8), "cu_seqlens": cu.int(), "labels": torch.cat(labels)}, OUT / "batch.safetensors")
    print(f"loss {total:.6f}, {sum(LENGTHS)} tokens, files {sum(f.stat().st_size for f in OUT.iterdir())} bytes")


if __name__ == "__main__":
    main()
