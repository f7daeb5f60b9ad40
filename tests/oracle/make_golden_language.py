#!/usr/bin/env python3
"""Records ten training steps of small language models as transformers and PyTorch's AdamW take them, in float64.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden_language.py

Reads the folders of tests/golden/lm (make_golden_lm.py) and writes tests/golden/language.json: for each the losses. A step's sequences are those
of the batch whose index is the step's, modulo 3; its loss is the mean over all next words; gradients are clipped at a norm of 1; weights of two
dimensions decay.
"""
import json
from pathlib import Path

import torch
import transformers
from make_golden_families import everything_in_double, forget_lengths
from safetensors.torch import load_file

LM = Path(__file__).resolve().parent.parent / "golden" / "lm"
STEPS, RATE = 10, 2e-3


def sequences_of(folder):
    batch = load_file(folder / "batch.safetensors")
    cu = batch["cu_seqlens"].tolist()
    return [batch["ids"][a:b].long() for a, b in zip(cu, cu[1:])]


def train(folder):
    config = transformers.AutoConfig.from_pretrained(folder, attn_implementation="eager")
    config._attn_implementation = "eager"
    with everything_in_double():
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").double().eval()
    known = set(model.state_dict())
    stored = {k.replace("embed_out.", "lm_head."): v.double() for k, v in load_file(folder / "model.safetensors").items()}  # GPT-NeoX' own name
    values = {k if k in known else f"{model.base_model_prefix}.{k}": v for k, v in stored.items()}
    missing, strange = model.load_state_dict(values, strict=False)
    assert not strange and (not missing or config.tie_word_embeddings), (missing, strange)
    model.tie_weights()
    for module in model.modules():
        if hasattr(module, "embed_scale"):
            module.embed_scale = torch.tensor(model.config.hidden_size**0.5, dtype=torch.float64)
    still = [p for p in model.parameters() if p.ndim < 2]
    decaying = [p for p in model.parameters() if p.ndim >= 2]
    optimizer = torch.optim.AdamW([{"params": decaying, "weight_decay": 0.01}, {"params": still, "weight_decay": 0.0}], lr=RATE)
    sequences, losses = sequences_of(folder), []
    for step in range(STEPS):
        total, count = 0.0, 0
        for ids in sequences[step % 3 :: 3]:
            forget_lengths(model)
            with everything_in_double():
                logits = model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None]).logits[0]
            total = total + torch.nn.functional.cross_entropy(logits[:-1], ids[1:], reduction="sum")
            count += len(ids) - 1
        loss = total / count
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    found = {}
    for name in sorted(p.name for p in LM.iterdir()):
        found[name] = train(LM / name)
        print(name, f"{found[name][0]:.4f} -> {found[name][-1]:.4f}")
    (LM.parent / "language.json").write_text(json.dumps(found, indent=1) + "\n")
