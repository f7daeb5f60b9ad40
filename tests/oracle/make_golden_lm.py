#!/usr/bin/env python3
"""Records the golden references of language models: the decoders of make_golden_families.py with their head over the vocabulary.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden_lm.py [NAME ...]

Writes tests/golden/lm/NAME/: the folder as transformers saves it, batch.safetensors (ids, types, cu_seqlens, labels: 0), and expected.safetensors:
logits [tokens, words], the loss of every next word, gradients by the names of the file, and `greedy`: what transformers' generate adds to
the first sequence. Computed in float64. Some classifiers are the table of words, some are their own.
"""
import copy
import json
import math
import shutil
import sys

import make_golden_families as families
import torch
import transformers
from make_golden_families import LENGTHS, everything_in_double, gradients_as_saved, make_batch, scale_up
from safetensors.torch import load_file, save_file

OUT = families.OUT.parent / "lm"
DECODERS = [n for n in families.FAMILIES if n.startswith(("gpt", "llama", "mistral", "qwen", "phi", "olmo", "gemma"))]
TIED = {"gpt2", "gpt_neox-serial", "llama", "llama-yarn", "mistral", "qwen2-plain", "qwen3", "phi3-long", "gemma2"}
NEW = 12


def greedy(model, ids):
    """The continuation, and the smallest lead of a chosen word over the next best."""
    model.generation_config = transformers.GenerationConfig(do_sample=False, max_new_tokens=NEW, output_scores=True, return_dict_in_generate=True)
    families.forget_lengths(model)
    with everything_in_double(), torch.no_grad():
        out = model.generate(ids[None], attention_mask=torch.ones_like(ids)[None])
    best = torch.stack(out.scores).squeeze(1).topk(2).values
    return out.sequences[0, len(ids):], (best[:, 0] - best[:, 1]).min().item()


def record(name, family, n_labels, pads=None, **settings):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(sum(map(ord, name)) + 1)
    settings |= {"vocab_size": 53, "tie_word_embeddings": name in TIED, "bos_token_id": None, "eos_token_id": None}
    if family == "gemma2":
        settings["final_logit_softcapping"] = 4.0
    config = transformers.AutoConfig.for_model(family, attn_implementation="eager", **settings)
    config._attn_implementation = "eager"
    with everything_in_double():
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").double().eval()
    for module in model.modules():
        if hasattr(module, "embed_scale"):
            module.embed_scale = torch.tensor(config.hidden_size**0.5, dtype=torch.float64)
    scale_up(model, family, generator)
    if name in TIED:  # or every word would be followed by itself
        model.get_input_embeddings().weight.data = (0.3 * model.get_input_embeddings().weight.data).float().double()
    sequences, _ = make_batch(config, generator, 2, 0, None)
    model.generation_config = transformers.GenerationConfig()
    copy.deepcopy(model).float().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    written = json.loads((folder / "config.json").read_text())
    written.pop("transformers_version", None)
    families.write_json(folder / "config.json", written)
    logits, losses = [], []
    for ids, _ in sequences:
        families.forget_lengths(model)
        with everything_in_double():
            out = model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None]).logits[0]
        logits.append(out)
        losses.append(torch.nn.functional.cross_entropy(out[:-1], ids[1:], reduction="sum"))
    loss = sum(losses) / (sum(LENGTHS) - len(LENGTHS))
    loss.backward()
    expected = gradients_as_saved(model)
    assert set(expected) == set(load_file(folder / "model.safetensors"))
    new, lead = greedy(model, sequences[0][0])
    expected |= {"logits": torch.cat(logits).detach().float(), "loss": loss.detach().reshape(1).float(), "greedy": new.int()}
    save_file({k: v.contiguous() for k, v in expected.items()}, folder / "expected.safetensors")
    lengths = torch.tensor([0] + LENGTHS).cumsum(0)
    save_file({"ids": torch.cat([a for a, _ in sequences]).int(), "types": torch.cat([b for _, b in sequences]).to(torch.uint8),
               "cu_seqlens": lengths.int(), "labels": torch.zeros(len(LENGTHS)).int()}, folder / "batch.safetensors")
    size = sum(f.stat().st_size for f in folder.iterdir())
    assert math.isfinite(loss.item())
    print(f"{name}: loss {loss.item():.4f}, greedy {new.tolist()} by {lead:.4f}, {'tied' if name in TIED else 'own'}, {size // 1024} KiB")


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    families.record = record
    for chosen in sys.argv[1:] or DECODERS:
        families.FAMILIES[chosen](chosen)
