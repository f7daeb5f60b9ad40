#!/usr/bin/env python3
"""Records the golden references of answers in a text: a small random ...ForQuestionAnswering of every family that has one, ragged texts with given
begins and ends, and what transformers computes of them in float64, one text at a time (its loss of a padded batch would count the padding).

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden_answer.py [NAME ...]

Writes tests/golden/answer/NAME/: the folder as transformers saves it, batch.safetensors (ids, types, cu_seqlens; spans: the rows, from the
text's first on, where each answer begins and ends; labels: nothing, one a text) and expected.safetensors (logits [tokens, 2], loss, gradients by the
names of the file).
"""
import shutil
import sys
from pathlib import Path

import torch
import transformers
from make_golden_families import (BERT_LIKE, LENGTHS, LLAMA_LIKE, MODERN_ROPE, everything_in_double, gradients_as_saved, make_batch, scale_up,
                                  write_folder)
from safetensors.torch import load_file, save_file
from transformers import AutoModelForQuestionAnswering

OUT = Path(__file__).resolve().parent.parent / "golden" / "answer"


def spans(generator):
    """Begin and end of each text's answer; of the third there is none in this window, which the first token says."""
    begins = [int(torch.randint(0, n, (), generator=generator)) for n in LENGTHS]
    begins[2] = 0
    return [(b, 0 if i == 2 else int(torch.randint(b, n, (), generator=generator))) for i, (b, n) in enumerate(zip(begins, LENGTHS))]


def record(name, family, pads=None, **settings):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    config = transformers.AutoConfig.for_model(family, num_labels=2, attn_implementation="eager", **settings)
    config._attn_implementation = "eager"
    with everything_in_double():
        model = AutoModelForQuestionAnswering.from_config(config, attn_implementation="eager").double().eval()
    types = getattr(config, "type_vocab_size", 0) or 0
    scale_up(model, family, generator)
    sequences, _ = make_batch(config, generator, 2, types, pads)
    wanted = spans(generator)
    write_folder(folder, model, 2)
    logits, losses = [], []
    for (ids, kinds), (begin, end) in zip(sequences, wanted):
        extra = {"token_type_ids": kinds[None]} if types > 1 else {}
        with everything_in_double():
            out = model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None], start_positions=torch.tensor([begin]), end_positions=torch.tensor([end]), **extra)
        logits.append(torch.stack([out.start_logits[0], out.end_logits[0]], 1))
        losses.append(out.loss)
    loss = torch.stack(losses).mean()
    loss.backward()
    expected = gradients_as_saved(model)
    stored = set(load_file(folder / "model.safetensors"))
    assert set(expected) == stored, set(expected) ^ stored
    expected["logits"] = torch.cat(logits).detach().float().contiguous()
    expected["loss"] = loss.detach().reshape(1)
    save_file(expected, folder / "expected.safetensors")
    save_file({"ids": torch.cat([a for a, _ in sequences]).int(), "types": torch.cat([b for _, b in sequences]).to(torch.uint8),
               "cu_seqlens": torch.tensor([0] + LENGTHS).cumsum(0).int(), "spans": torch.tensor(wanted).int(),
               "labels": torch.zeros(len(LENGTHS)).int()}, folder / "batch.safetensors")
    (folder / "generation_config.json").unlink(missing_ok=True)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: loss {loss.item():.4f}, {size // 1024} KiB, {sorted(k for k in stored if 'layer' not in k)}")


ROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 50.0}}
FAMILIES = {
    "bert": lambda n: record(n, "bert", pad_token_id=0, type_vocab_size=2, **BERT_LIKE),
    "roberta": lambda n: record(n, "roberta", pads="inside", type_vocab_size=1, pad_token_id=1, **BERT_LIKE),
    "distilbert": lambda n: record(n, "distilbert", dim=18, n_heads=3, n_layers=2, hidden_dim=29, vocab_size=31, max_position_embeddings=25),
    "electra": lambda n: record(n, "electra", embedding_size=11, type_vocab_size=2, **BERT_LIKE),
    "albert": lambda n: record(n, "albert", embedding_size=11, type_vocab_size=2, pad_token_id=0, **BERT_LIKE),
    "mpnet": lambda n: record(n, "mpnet", pads="inside", pad_token_id=1, **BERT_LIKE),
    "deberta-v2": lambda n: record(n, "deberta-v2", pad_token_id=0, type_vocab_size=0, relative_attention=True, position_buckets=6,
                                   pos_att_type=["c2p", "p2c"], position_biased_input=False, share_att_key=True, **BERT_LIKE),
    "modernbert": lambda n: record(n, "modernbert", pad_token_id=0, hidden_size=18, num_attention_heads=3, num_hidden_layers=2,
                                   intermediate_size=29, vocab_size=31, max_position_embeddings=25, hidden_activation="gelu",
                                   classifier_activation="silu", norm_eps=1e-3, local_attention=7, **MODERN_ROPE),
    "bart": lambda n: record(n, "bart", pads="inside", scale_embedding=True, d_model=18, encoder_layers=2, decoder_layers=2, encoder_attention_heads=3,
                             decoder_attention_heads=2, encoder_ffn_dim=29, decoder_ffn_dim=23, max_position_embeddings=25, vocab_size=31, pad_token_id=1,
                             eos_token_id=2, decoder_start_token_id=7),
    "t5": lambda n: record(n, "t5", d_model=18, d_kv=5, d_ff=29, num_layers=2, num_decoder_layers=2, num_heads=3, vocab_size=31, layer_norm_epsilon=1e-2,
                           relative_attention_num_buckets=8, relative_attention_max_distance=11, pad_token_id=0, eos_token_id=6,
                           decoder_start_token_id=9),
    "gpt2": lambda n: record(n, "gpt2", pads="end", pad_token_id=4, n_embd=18, n_head=3, n_layer=2, n_inner=29, vocab_size=31, n_positions=25,
                             layer_norm_epsilon=1e-3),
    "gpt_neox": lambda n: record(n, "gpt_neox", hidden_size=24, num_attention_heads=3, num_hidden_layers=2, intermediate_size=29, vocab_size=31,
                                 max_position_embeddings=25, layer_norm_eps=1e-3,
                                 rope_parameters={"rope_type": "default", "rope_theta": 30.0, "partial_rotary_factor": 0.5}),
    "llama": lambda n: record(n, "llama", pads="end", pad_token_id=4, **ROPE, **LLAMA_LIKE),
    "mistral": lambda n: record(n, "mistral", sliding_window=4, **ROPE, **LLAMA_LIKE),
    "qwen2": lambda n: record(n, "qwen2", use_sliding_window=True, sliding_window=5, max_window_layers=1, **ROPE, **LLAMA_LIKE),
    "qwen3": lambda n: record(n, "qwen3", head_dim=10, **ROPE, **LLAMA_LIKE),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    for chosen in sys.argv[1:] or FAMILIES:
        FAMILIES[chosen](chosen)
