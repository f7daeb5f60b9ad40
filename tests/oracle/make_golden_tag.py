#!/usr/bin/env python3
"""Records the golden references of labels of tokens: a small random ...ForTokenClassification of the families, ragged texts with a label at every token
but the third, and what transformers computes of them in float64, one text at a time.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden_tag.py [NAME ...]

Writes tests/golden/tag/NAME/: the folder as transformers saves it, batch.safetensors (ids, types, cu_seqlens, tags: a label a token, -1 where there is
none; labels: nothing, one a text) and expected.safetensors (logits [tokens, 3], loss, gradients by the names of the file).
"""
import shutil
import sys
from pathlib import Path

import make_golden_answer as answer
import torch
import transformers
from make_golden_families import BERT_LIKE, LENGTHS, LLAMA_LIKE, everything_in_double, gradients_as_saved, make_batch, scale_up, write_folder
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification

OUT = Path(__file__).resolve().parent.parent / "golden" / "tag"
LABELS = 3


def tags(generator):
    drawn = [torch.randint(0, LABELS, (n,), generator=generator) for n in LENGTHS]
    for one in drawn:
        one[2:3] = -1
    return drawn


def record(name, family, pads=None, **settings):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    config = transformers.AutoConfig.for_model(family, num_labels=LABELS, attn_implementation="eager", **settings)
    config._attn_implementation = "eager"
    with everything_in_double():
        model = AutoModelForTokenClassification.from_config(config, attn_implementation="eager").double().eval()
    types = getattr(config, "type_vocab_size", 0) or 0
    scale_up(model, family, generator)
    sequences, _ = make_batch(config, generator, 2, types, pads)
    wanted = tags(generator)
    write_folder(folder, model, LABELS)
    logits = []
    for ids, kinds in sequences:
        extra = {"token_type_ids": kinds[None]} if types > 1 else {}
        with everything_in_double():
            logits.append(model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None], **extra).logits[0])
    logits = torch.cat(logits)
    loss = torch.nn.functional.cross_entropy(logits, torch.cat(wanted), ignore_index=-1)
    loss.backward()
    expected = gradients_as_saved(model)
    stored = set(load_file(folder / "model.safetensors"))
    assert set(expected) == stored, set(expected) ^ stored
    expected["logits"] = logits.detach().float().contiguous()
    expected["loss"] = loss.detach().reshape(1)
    save_file(expected, folder / "expected.safetensors")
    save_file({"ids": torch.cat([a for a, _ in sequences]).int(), "types": torch.cat([b for _, b in sequences]).to(torch.uint8),
               "cu_seqlens": torch.tensor([0] + LENGTHS).cumsum(0).int(), "tags": torch.cat(wanted).int(), "labels": torch.zeros(len(LENGTHS)).int()},
              folder / "batch.safetensors")
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: loss {loss.item():.4f}, {size // 1024} KiB, {sorted(k for k in stored if 'layer' not in k)}")


T5_LIKE = dict(d_model=18, d_kv=5, d_ff=29, num_layers=2, num_decoder_layers=2, num_heads=3, vocab_size=31, layer_norm_epsilon=1e-2,
               relative_attention_num_buckets=8, relative_attention_max_distance=11, pad_token_id=0, eos_token_id=6, decoder_start_token_id=9)
answer.record = record  # what its list of families calls
FAMILIES = {name: make for name, make in answer.FAMILIES.items() if name != "bart"} | {
    "mt5": lambda n: record(n, "mt5", feed_forward_proj="gated-gelu", **T5_LIKE),
    "nomic_bert": lambda n: record(n, "nomic_bert", type_vocab_size=2, pad_token_id=0, **answer.ROPE, **(BERT_LIKE | {"hidden_act": "silu"})),
    "phi3": lambda n: record(n, "phi3", pad_token_id=4, **answer.ROPE, **LLAMA_LIKE),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    for chosen in sys.argv[1:] or FAMILIES:
        FAMILIES[chosen](chosen)
