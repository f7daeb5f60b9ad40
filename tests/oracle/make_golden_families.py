#!/usr/bin/env python3
"""Records the golden references of every family but BERT (make_golden.py): small random classifiers and what transformers computes.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden_families.py [NAME ...]

Writes tests/golden/data/NAME/: the folder as transformers saves it, batch.safetensors (ids, types, cu_seqlens, labels),
expected.safetensors (hidden, logits, gradients by the names of the file) and expected.json (loss, losses of 10 AdamW steps). Everything is computed
in float64, sequence by sequence, so that no padding is involved. Sizes are odd, windows shorter than the texts, weights scaled up, so
that every switch of a family is felt; tests/golden/test_golden.c flips them one by one.
"""
import contextlib
import json
import math
import shutil
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

OUT = Path(__file__).resolve().parent.parent / "golden" / "data"
LENGTHS = [7, 1, 23, 2, 5, 9, 3, 6]
STEPS = 10


@contextlib.contextmanager
def everything_in_double():
    """Models round to float32 in places (norms, softmax, angles); the reference shall not."""
    kept = torch.float32, torch.float, torch.Tensor.float
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = kept


def scale_up(model, family, generator):
    """New weights in float32 precision, by what each is for."""
    normed = any("embed" in n and "norm" in n.lower() for n, _ in model.named_parameters())
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator, dtype=torch.float32).double()
        fan_in = p.shape[0] if "Conv1D" in type(model.get_submodule(name.rpartition(".")[0])).__name__ else p.shape[-1]
        if p.ndim == 1 and name.endswith("weight"):
            value = 0.2 * noise + (0 if family.startswith("gemma") else 1)
        elif p.ndim == 1:
            value = 0.1 * noise
        elif "relative_attention_bias" in name:
            value = 0.8 * noise
        elif isinstance(model.get_submodule(name.rpartition(".")[0]), torch.nn.Embedding):
            value = (0.02 if normed else 0.5) * noise
        elif any(part in name for part in (".q", ".k", "query", "key", "c_attn", "Wqkv")):
            value = 1.8 / math.sqrt(fan_in) * noise
        elif name.startswith(("classifier", "score")):
            value = 0.5 * noise
        else:
            value = 1 / math.sqrt(fan_in) * noise
        p.data = value.float().double()


def make_batch(config, generator, n_labels, types, pads):
    """`pads`: the padding token stands inside of two texts ("inside") or at the end of two ("end"), where it is a token like any other
    but for positions, or for the token that a decoder's classifier reads."""
    pad = config.pad_token_id if config.pad_token_id is not None else -1
    known = [i for i in range(config.vocab_size) if i != pad]
    sequences = []
    for i, n in enumerate(LENGTHS):
        ids = torch.tensor(known)[torch.randint(0, len(known), (n,), generator=generator)]
        kinds = torch.zeros(n, dtype=torch.long)
        if types > 1 and n > 4:
            kinds[n // 2 :] = 1
        if pads == "inside" and i in (0, 5):
            ids[2:4] = pad
        if pads == "end" and i in (0, 5):
            ids[-2:] = pad
        sequences.append((ids, kinds))
    return sequences, torch.randint(0, n_labels, (len(LENGTHS),), generator=generator)


def forward(model, sequences, types):
    """Last hidden states [tokens, hidden] and logits [sequences, labels]."""
    hidden, logits = [], []
    body = getattr(model, model.base_model_prefix)
    hook = body.register_forward_hook(lambda _m, _i, out: hidden.append(out[0][0]))
    for ids, kinds in sequences:
        extra = {"token_type_ids": kinds[None]} if types > 1 else {}
        with everything_in_double():
            logits.append(model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None], **extra).logits)
    hook.remove()
    return torch.cat(hidden), torch.cat(logits)


def train(model, sequences, labels, types):
    groups = [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01},
              {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=2e-4, betas=(0.9, 0.999), eps=1e-8)
    losses = []
    for step in range(STEPS):
        part = slice(step % 3, None, 3)
        loss = torch.nn.functional.cross_entropy(forward(model, sequences[part], types)[1], labels[part])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    return losses


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def write_folder(folder, model, n_labels):
    model.config.id2label = {i: f"class {chr(97 + i)}" for i in range(n_labels)}
    model.config.label2id = {v: k for k, v in model.config.id2label.items()}
    model.config.problem_type = "single_label_classification"
    model.float().save_pretrained(folder)
    model.double()
    config = json.loads((folder / "config.json").read_text())
    config.pop("transformers_version", None)
    write_json(folder / "config.json", config)


def record(name, family, n_labels, pads=None, config_class=None, **settings):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    config = transformers.AutoConfig.for_model(family, num_labels=n_labels, attn_implementation="eager", **settings)
    config._attn_implementation = "eager"
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager").double().eval()
    types = getattr(config, "type_vocab_size", 0) or 0
    scale_up(model, family, generator)
    sequences, labels = make_batch(config, generator, n_labels, types, pads)
    write_folder(folder, model, n_labels)
    hidden, logits = forward(model, sequences, types)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    stored = set(load_file(folder / "model.safetensors"))
    # Poolers that the classifier does not use and that get no gradient are left out.
    expected = {n: p.grad.float().contiguous() for n, p in model.named_parameters() if p.grad is not None}
    assert set(expected) <= stored, set(expected) - stored
    expected["hidden"] = hidden.detach().float().contiguous()
    expected["logits"] = logits.detach().float().contiguous()
    save_file(expected, folder / "expected.safetensors")
    lengths = torch.tensor([0] + LENGTHS).cumsum(0)
    save_file({"ids": torch.cat([a for a, _ in sequences]).int(), "types": torch.cat([b for _, b in sequences]).to(torch.uint8),
               "cu_seqlens": lengths.int(), "labels": labels.int()}, folder / "batch.safetensors")
    losses = train(model, sequences, labels, types)
    write_json(folder / "expected.json", {"loss": loss.item(), "adamw_losses": losses})
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: loss {loss.item():.4f}, last of {STEPS} {losses[-1]:.4f}, {size // 1024} KiB")


BERT_LIKE = dict(hidden_size=18, num_attention_heads=3, num_hidden_layers=2, intermediate_size=29, vocab_size=31,
                 max_position_embeddings=29, hidden_act="gelu_new", layer_norm_eps=1e-6)
FAMILIES = {
    "roberta": lambda n: record(n, "roberta", 3, pads="inside", type_vocab_size=1, pad_token_id=1, **BERT_LIKE),
    "xlm-roberta": lambda n: record(n, "xlm-roberta", 2, pads="inside", type_vocab_size=1, pad_token_id=2, **BERT_LIKE),
    "camembert": lambda n: record(n, "camembert", 2, type_vocab_size=1, pad_token_id=1, **BERT_LIKE),
    "distilbert": lambda n: record(n, "distilbert", 3, dim=18, n_heads=3, n_layers=2, hidden_dim=29, vocab_size=31,
                                   max_position_embeddings=25),
    "electra": lambda n: record(n, "electra", 3, embedding_size=11, type_vocab_size=2, **BERT_LIKE),
    "electra-wide": lambda n: record(n, "electra", 2, embedding_size=18, type_vocab_size=2, **BERT_LIKE),
    "albert": lambda n: record(n, "albert", 3, embedding_size=11, type_vocab_size=2, num_hidden_groups=2, pad_token_id=0,
                               **(BERT_LIKE | {"num_hidden_layers": 5})),
    "mpnet": lambda n: record(n, "mpnet", 3, pads="inside", pad_token_id=1, **BERT_LIKE),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    for chosen in sys.argv[1:] or FAMILIES:
        FAMILIES[chosen](chosen)
