#!/usr/bin/env python3
"""Records the golden references of tests/golden: two small BERTs, a ragged batch, and what transformers computes in float64.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden.py

Writes tests/golden/data/{pooler,mean}/: config.json and weights as a model folder, batch.safetensors (ids, types, cu_seqlens,
labels), expected.safetensors (hidden, logits, gradients by file name) and expected.json (loss, losses of 20 AdamW steps,
how peaked attention is). Weights are scaled up so that attention is far from uniform, and the embeddings kept small so
that the epsilon of the first norm is felt.
"""
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification, BertModel

OUT = Path(__file__).resolve().parent.parent / "golden" / "data"
LENGTHS = [7, 1, 12, 2, 5, 9, 3, 6]


class MeanHead(torch.nn.Module):
    """Mean of the tokens, then a linear layer: what sentence-transformers makes of Transformer, Pooling, Dense."""

    def __init__(self, config, n_labels):
        super().__init__()
        self.bert = BertModel(config, add_pooling_layer=False)
        self.linear = torch.nn.Linear(config.hidden_size, n_labels)

    def forward(self, hidden, mask):
        mask = mask.unsqueeze(-1).to(hidden.dtype)
        return self.linear((hidden * mask).sum(1) / mask.sum(1))


def scale_up(model, generator):
    """New weights in float32 precision, by what each is for."""
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator, dtype=torch.float32).double()
        if "LayerNorm.weight" in name:
            value = 1 + 0.2 * noise
        elif name.endswith("bias"):
            value = 0.1 * noise
        elif "embeddings" in name:
            value = 0.02 * noise
        elif "query" in name or "key" in name:
            value = 0.32 * noise
        elif "classifier" in name or name.startswith("linear"):
            value = 0.5 * noise
        else:
            value = 0.16 * noise
        p.data = value.float().double()


def make_batch(config, generator, n_labels):
    sequences = []
    for n in LENGTHS:
        ids = torch.randint(1, config.vocab_size, (n,), generator=generator)
        types = torch.zeros(n, dtype=torch.long)
        if n > 4:
            types[n // 2 :] = 1  # a pair
        sequences.append((ids, types))
    labels = torch.randint(0, n_labels, (len(LENGTHS),), generator=generator)
    return sequences, labels


def pad(sequences):
    longest = max(len(ids) for ids, _ in sequences)
    ids, types, mask = (torch.zeros(len(sequences), longest, dtype=torch.long) for _ in range(3))
    for i, (a, b) in enumerate(sequences):
        ids[i, : len(a)], types[i, : len(a)], mask[i, : len(a)] = a, b, 1
    return ids, types, mask


def forward(model, sequences):
    ids, types, mask = pad(sequences)
    out = model.bert(input_ids=ids, token_type_ids=types, attention_mask=mask, output_attentions=True)
    hidden = out.last_hidden_state
    if isinstance(model, MeanHead):
        logits = model(hidden, mask)
    else:
        logits = model.classifier(model.dropout(out.pooler_output))
    return hidden, logits, mask.bool(), out.attentions


def peak_of_attention(attentions, mask):
    """Mean over the queries of the largest probability, relative to uniform: 1 is uniform."""
    lengths = mask.sum(1)
    peaks = []
    for layer in attentions:
        top = layer.max(-1).values.mean(1)
        for i, n in enumerate(lengths):
            if n > 2:
                peaks.append(top[i, :n].mean() * n)
    return float(torch.stack(peaks).mean().detach())


def train(model, sequences, labels, steps=20):
    no_decay = ("bias", "LayerNorm.weight")
    groups = [
        {"params": [p for n, p in model.named_parameters() if not n.endswith(no_decay)], "weight_decay": 0.01},
        {"params": [p for n, p in model.named_parameters() if n.endswith(no_decay)], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=2e-4, betas=(0.9, 0.999), eps=1e-8)
    losses = []
    for step in range(steps):
        part = slice(step % 3, None, 3)
        _, logits, _, _ = forward(model, sequences[part])
        loss = torch.nn.functional.cross_entropy(logits, labels[part])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    return losses


def write_folder(folder, model, config, n_labels):
    names = {str(i): f"class {chr(97 + i)}" for i in range(n_labels)}
    config.id2label = {int(k): v for k, v in names.items()}
    config.label2id = {v: int(k) for k, v in names.items()}
    state = {k: v.float().contiguous() for k, v in model.state_dict().items() if "position_ids" not in k}
    if isinstance(model, MeanHead):
        config.architectures = ["BertModel"]
        body = {k[len("bert.") :]: v for k, v in state.items() if k.startswith("bert.")}
        save_file(body, folder / "model.safetensors", {"format": "pt"})
        (folder / "1_Pooling").mkdir()
        (folder / "2_Dense").mkdir()
        dense = {k: v for k, v in state.items() if k.startswith("linear.")}
        save_file(dense, folder / "2_Dense" / "model.safetensors", {"format": "pt"})
        write_json(folder / "1_Pooling/config.json",
                   {"word_embedding_dimension": config.hidden_size, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True})
        write_json(folder / "2_Dense/config.json",
                   {"in_features": config.hidden_size, "out_features": n_labels, "bias": True,
                    "activation_function": "torch.nn.modules.linear.Identity"})
        kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")]
        write_json(folder / "modules.json",
                   [{"idx": i, "name": str(i), "path": p, "type": f"sentence_transformers.models.{t}"} for i, (p, t) in enumerate(kinds)])
    else:
        config.architectures = ["BertForSequenceClassification"]
        config.problem_type = "single_label_classification"
        save_file(state, folder / "model.safetensors", {"format": "pt"})
    values = config.to_dict()
    values.pop("transformers_version", None)
    values["a_key_of_tomorrow"] = {"kept": True}
    write_json(folder / "config.json", values)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def record(name, kind, n_labels, seed, **sizes):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    config = BertConfig(num_labels=n_labels, attn_implementation="eager", **sizes)
    model = MeanHead(config, n_labels) if kind == "mean" else BertForSequenceClassification(config)
    model = model.double().eval()
    scale_up(model, generator)
    sequences, labels = make_batch(config, generator, n_labels)
    write_folder(folder, model, config, n_labels)
    hidden, logits, mask, attentions = forward(model, sequences)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    peak = peak_of_attention(attentions, mask)
    assert peak > 2, f"attention is too uniform: {peak}"
    expected = {n: p.grad.float().contiguous() for n, p in model.named_parameters()}
    expected["hidden"] = hidden[mask].detach().float().contiguous()
    expected["logits"] = logits.detach().float().contiguous()
    save_file(expected, folder / "expected.safetensors")
    lengths = torch.tensor([0] + LENGTHS).cumsum(0)
    save_file({"ids": torch.cat([a for a, _ in sequences]).int(), "types": torch.cat([b for _, b in sequences]).to(torch.uint8),
               "cu_seqlens": lengths.int(), "labels": labels.int()}, folder / "batch.safetensors")
    losses = train(model, sequences, labels)
    write_json(folder / "expected.json", {"loss": loss.item(), "adamw_losses": losses, "attention_peak": peak})
    print(name, "loss", loss.item(), "peak", peak, "last of 20", losses[-1])


if __name__ == "__main__":
    torch.set_num_threads(1)
    record("pooler", "pooler", 3, 1, hidden_size=32, num_attention_heads=4, num_hidden_layers=2, intermediate_size=48,
           vocab_size=40, max_position_embeddings=16, type_vocab_size=2, hidden_act="gelu", layer_norm_eps=1e-12)
    record("mean", "mean", 2, 2, hidden_size=30, num_attention_heads=3, num_hidden_layers=2, intermediate_size=51,
           vocab_size=37, max_position_embeddings=13, type_vocab_size=2, hidden_act="gelu_new", layer_norm_eps=1e-12)
