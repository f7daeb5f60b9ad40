#!/usr/bin/env python3
"""Records the golden references of masked language: a small random ...ForMaskedLM of every family of encoders, ragged texts with hidden tokens, and
what transformers computes in float64.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden_mask.py [NAME ...]

Writes tests/golden/mask/NAME/: the folder as transformers saves it, batch.safetensors (ids with the hidden tokens replaced, types, cu_seqlens;
targets: the word that was there, or -1; labels: nothing, one a sequence) and expected.safetensors (logits at the hidden tokens, loss, gradients by
the names of the file). The activation of the blocks is never the one that some heads have fixed; tests/golden/test_golden_mask.c flips the switches.
"""
import shutil
import sys
from pathlib import Path

import torch
import transformers
from make_golden_families import BERT_LIKE, LENGTHS, MODERN_ROPE, everything_in_double, gradients_as_saved, make_batch, scale_up, write_folder
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM

OUT = Path(__file__).resolve().parent.parent / "golden" / "mask"
MASK = 4


def hide(sequences, pad, generator):
    """A quarter of each text's words, at least one; most of them become the mask token."""
    rows, targets = [], []
    for ids, _ in sequences:
        hidden = torch.zeros(len(ids), dtype=torch.bool)
        hidden[torch.randperm(len(ids), generator=generator)[: max(1, len(ids) // 4)]] = True
        hidden &= ids != pad
        targets.append(torch.where(hidden, ids, torch.tensor(-1)))
        rows.append(torch.where(hidden & (torch.rand(len(ids), generator=generator) < 0.7), torch.tensor(MASK), ids))
    return rows, targets


def logits_of(model, rows, sequences, types):
    """Text by text, so that no padding is involved."""
    out = []
    for ids, (_, kinds) in zip(rows, sequences):
        extra = {"token_type_ids": kinds[None]} if types > 1 else {}
        with everything_in_double():
            out.append(model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None], **extra).logits[0])
    return torch.cat(out)


def record(name, family, pads=None, **settings):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    config = transformers.AutoConfig.for_model(family, attn_implementation="eager", **settings)
    config._attn_implementation = "eager"
    with everything_in_double():
        model = AutoModelForMaskedLM.from_config(config, attn_implementation="eager").double().eval()
    types = getattr(config, "type_vocab_size", 0) or 0
    scale_up(model, family, generator)
    table = model.get_input_embeddings().weight  # a classifier too: its answers shall be far from uniform
    table.data = (0.4 * torch.randn(table.shape, generator=generator)).float().double()
    sequences, _ = make_batch(config, generator, 2, types, pads)
    rows, targets = hide(sequences, config.pad_token_id, generator)
    wanted = torch.cat(targets)
    write_folder(folder, model, 2)
    logits = logits_of(model, rows, sequences, types)[wanted >= 0]
    loss = torch.nn.functional.cross_entropy(logits, wanted[wanted >= 0])
    loss.backward()
    expected = gradients_as_saved(model)
    stored = set(load_file(folder / "model.safetensors"))
    assert set(expected) == stored, set(expected) ^ stored
    expected["logits"] = logits.detach().float().contiguous()
    expected["loss"] = loss.detach().reshape(1)
    save_file(expected, folder / "expected.safetensors")
    save_file({"ids": torch.cat(rows).int(), "types": torch.cat([b for _, b in sequences]).to(torch.uint8),
               "cu_seqlens": torch.tensor([0] + LENGTHS).cumsum(0).int(), "targets": wanted.int(), "labels": torch.zeros(len(LENGTHS)).int()},
              folder / "batch.safetensors")
    (folder / "generation_config.json").unlink(missing_ok=True)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: loss {loss.item():.4f}, {len(logits)} hidden tokens, {size // 1024} KiB, {sorted(k for k in stored if 'layer' not in k)}")


DEBERTA = dict(pad_token_id=0, relative_attention=True, position_buckets=6, pos_att_type=["c2p", "p2c"], **BERT_LIKE)
MODERN = dict(pad_token_id=0, hidden_size=18, num_attention_heads=3, num_hidden_layers=2, intermediate_size=29, vocab_size=31,
              max_position_embeddings=25, norm_eps=1e-3, local_attention=7, **MODERN_ROPE)
FAMILIES = {
    "bert": lambda n: record(n, "bert", pad_token_id=0, **BERT_LIKE),
    "roberta": lambda n: record(n, "roberta", pads="inside", type_vocab_size=1, pad_token_id=1, **BERT_LIKE),
    "distilbert": lambda n: record(n, "distilbert", dim=18, n_heads=3, n_layers=2, hidden_dim=29, vocab_size=31, max_position_embeddings=25,
                                   activation="relu"),
    "electra": lambda n: record(n, "electra", embedding_size=11, type_vocab_size=2, **BERT_LIKE),
    "albert": lambda n: record(n, "albert", embedding_size=11, type_vocab_size=2, num_hidden_groups=2, pad_token_id=0,
                               **(BERT_LIKE | {"num_hidden_layers": 5})),
    "mpnet": lambda n: record(n, "mpnet", pads="inside", pad_token_id=1, **BERT_LIKE),
    "deberta-v2": lambda n: record(n, "deberta-v2", type_vocab_size=0, position_biased_input=False, share_att_key=True, **DEBERTA),
    "deberta-v2-new": lambda n: record(n, "deberta-v2", type_vocab_size=2, legacy=False, **DEBERTA),
    "modernbert": lambda n: record(n, "modernbert", hidden_activation="gelu", classifier_activation="silu", **MODERN),
    "modernbert-plain": lambda n: record(n, "modernbert", hidden_activation="gelu", norm_bias=True, classifier_bias=True, decoder_bias=False,
                                         classifier_activation="relu", **MODERN),
    "nomic_bert": lambda n: record(n, "nomic_bert", type_vocab_size=2, pad_token_id=0, rope_parameters={"rope_type": "default", "rope_theta": 50.0},
                                   **(BERT_LIKE | {"hidden_act": "silu"})),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    for chosen in sys.argv[1:] or FAMILIES:
        FAMILIES[chosen](chosen)
