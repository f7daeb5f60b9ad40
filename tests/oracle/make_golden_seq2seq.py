#!/usr/bin/env python3
"""Records the golden references of encoder-decoders: small random models and what transformers computes.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden_seq2seq.py [NAME ...]

Writes tests/golden/seq2seq/NAME/: the folder as transformers saves it, batch.safetensors (ids, types, cu_seqlens, labels: 0; decoder_ids,
decoder_cu, target: the next words, -100 where none is asked for), expected.safetensors (hidden states of encoder and decoder, logits, loss, gradients by the
names of the file, losses of 10 AdamW steps, `greedy`: what transformers' generate writes to the third text; `greedy_forced`, the same with a
first and a last token that are forced and a shortest length; `greedy_unrepeated`, with no pair of words twice). Computed in float64, pair by pair, so that no padding is involved.
"""
import copy
import json
import math
import shutil
import sys

import make_golden_families as families
import torch
import transformers
from make_golden_families import LENGTHS, STEPS, everything_in_double, gradients_as_saved, scale_up
from safetensors.torch import load_file, save_file

OUT = families.OUT.parent / "seq2seq"
TARGETS = [4, 9, 6, 1, 21, 3, 7, 5]
NEW = 12
START = 3  # decoder_start_token_id


def make_pairs(config, generator):
    """Texts and targets; the padding token stands inside of two texts, and two targets are not asked for everywhere."""
    pairs = []
    known = torch.tensor([i for i in range(config.vocab_size) if i != config.pad_token_id])
    for i, (n, m) in enumerate(zip(LENGTHS, TARGETS)):
        ids = known[torch.randint(0, len(known), (n,), generator=generator)]
        target = known[torch.randint(0, len(known), (m,), generator=generator)]
        if i in (0, 5):
            ids[2:4] = config.pad_token_id
        decoder = torch.cat([torch.tensor([START]), target[:-1]])
        if i in (1, 4):
            target = target.clone()
            target[1:3] = -100
        pairs.append((ids, decoder, target))
    return pairs


def forward(model, pairs):
    encoded, hidden, logits = [], [], []
    for ids, decoder, _ in pairs:
        with everything_in_double():
            out = model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None], decoder_input_ids=decoder[None],
                        decoder_attention_mask=torch.ones_like(decoder)[None], output_hidden_states=True, use_cache=False)
        encoded.append(out.encoder_last_hidden_state[0])
        hidden.append(out.decoder_hidden_states[-1][0])
        logits.append(out.logits[0])
    return torch.cat(encoded), torch.cat(hidden), torch.cat(logits)


def loss_of(model, pairs):
    return torch.nn.functional.cross_entropy(forward(model, pairs)[2], torch.cat([t for _, _, t in pairs]), ignore_index=-100)


def train(model, pairs):
    groups = [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01},
              {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=2e-4, betas=(0.9, 0.999), eps=1e-8)
    losses = []
    for step in range(STEPS):
        loss = loss_of(model, pairs[step % 3 :: 3])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.detach().double())
    return torch.stack(losses)


def greedy(model, ids, **how):
    """What is written behind the start token, and the smallest lead of a chosen word over the next best."""
    model.generation_config = transformers.GenerationConfig(do_sample=False, use_cache=False, max_new_tokens=NEW, decoder_start_token_id=START, pad_token_id=0,
                                                            output_scores=True, return_dict_in_generate=True, **how)
    with everything_in_double(), torch.no_grad():
        out = model.generate(ids[None], attention_mask=torch.ones_like(ids)[None])
    best = torch.stack(out.scores).squeeze(1).topk(2).values
    return out.sequences[0, 1:], (best[:, 0] - best[:, 1]).min().item()


def record(name, family, own=False, **settings):
    """`own`: the classifier is not the table of words."""
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    config = transformers.AutoConfig.for_model(family, vocab_size=53, pad_token_id=4, decoder_start_token_id=START, bos_token_id=None,
                                               eos_token_id=2, forced_eos_token_id=None, **settings)
    config._attn_implementation = "eager"
    with everything_in_double():
        model = transformers.AutoModelForSeq2SeqLM.from_config(config, attn_implementation="eager").double().eval()
    if own:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    scale_up(model, family, generator)
    words = model.get_input_embeddings().weight
    words.data = (0.3 * torch.randn(words.shape, generator=generator)).float().double()
    assert (model.lm_head.weight is words) != own
    if hasattr(model, "final_logits_bias"):
        model.final_logits_bias.data = (0.5 * torch.randn(model.final_logits_bias.shape, generator=generator)).float().double()
    pairs = make_pairs(config, generator)
    model.generation_config = transformers.GenerationConfig()
    copy.deepcopy(model).float().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    written = json.loads((folder / "config.json").read_text())
    for key in ("transformers_version", "id2label", "label2id"):
        written.pop(key, None)
    families.write_json(folder / "config.json", written)
    encoded, hidden, logits = forward(model, pairs)
    loss = torch.nn.functional.cross_entropy(logits, torch.cat([t for _, _, t in pairs]), ignore_index=-100)
    loss.backward()
    expected = gradients_as_saved(model)
    stored = set(load_file(folder / "model.safetensors"))
    assert set(expected) == stored, set(expected) ^ stored
    new, lead = greedy(model, pairs[2][0])
    forced, _ = greedy(model, pairs[2][0], forced_bos_token_id=5, forced_eos_token_id=2, eos_token_id=[2, int(new[6])], min_new_tokens=9)
    unrepeated, _ = greedy(model, pairs[2][0], no_repeat_ngram_size=2)
    expected |= {"encoded": encoded.detach().float(), "hidden": hidden.detach().float(), "logits": logits.detach().float(),
                 "loss": loss.detach().reshape(1), "greedy": new.int(), "greedy_forced": forced.int(), "greedy_end": new[6:7].int(),
                 "greedy_unrepeated": unrepeated.int()}
    expected["adamw_losses"] = train(model, pairs)
    save_file({k: v.contiguous() for k, v in expected.items()}, folder / "expected.safetensors")
    save_file({"ids": torch.cat([a for a, _, _ in pairs]).int(), "types": torch.zeros(sum(LENGTHS), dtype=torch.uint8),
               "cu_seqlens": torch.tensor([0] + LENGTHS).cumsum(0).int(), "labels": torch.zeros(len(LENGTHS)).int(),
               "decoder_ids": torch.cat([b for _, b, _ in pairs]).int(), "decoder_cu": torch.tensor([0] + TARGETS).cumsum(0).int(),
               "target": torch.cat([c for _, _, c in pairs]).int()}, folder / "batch.safetensors")
    size = sum(f.stat().st_size for f in folder.iterdir())
    assert math.isfinite(loss.item())
    print(f"{name}: loss {loss.item():.4f}, last {expected['adamw_losses'][-1]:.4f}, greedy {new.tolist()} by {lead:.4f}, "
          f"forced {forced.tolist()}, {size // 1024} KiB")


T5 = dict(d_model=18, d_kv=5, d_ff=29, num_layers=2, num_decoder_layers=3, num_heads=3, layer_norm_epsilon=1e-3,
          relative_attention_num_buckets=8, relative_attention_max_distance=11)
BART = dict(d_model=18, encoder_layers=2, decoder_layers=2, encoder_attention_heads=3, decoder_attention_heads=2, encoder_ffn_dim=29,
            decoder_ffn_dim=23, max_position_embeddings=25)
MODELS = {
    "t5": lambda n: record(n, "t5", **T5),
    "t5-gated": lambda n: record(n, "t5", own=True, tie_word_embeddings=False, feed_forward_proj="gated-gelu", **T5),
    "t5-silu": lambda n: record(n, "t5", tie_word_embeddings=False, feed_forward_proj="gated-silu",
                                **(T5 | dict(num_decoder_layers=2, relative_attention_num_buckets=11, relative_attention_max_distance=17))),
    "t5-own": lambda n: record(n, "t5", own=True, feed_forward_proj="gelu", **(T5 | dict(relative_attention_max_distance=7))),
    "mt5": lambda n: record(n, "mt5", own=True, tie_word_embeddings=False, **(T5 | dict(d_ff=31, num_decoder_layers=2, layer_norm_epsilon=1e-2))),
    "mt5-tied": lambda n: record(n, "mt5", feed_forward_proj="gated-silu", **(T5 | dict(num_decoder_layers=2))),
    "bart": lambda n: record(n, "bart", scale_embedding=True, **BART),
    "bart-plain": lambda n: record(n, "bart", activation_function="relu", **(BART | dict(decoder_layers=3, decoder_attention_heads=3))),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    for chosen in sys.argv[1:] or MODELS:
        MODELS[chosen](chosen)
