#!/usr/bin/env python3
"""Records what transformers' generate writes with beams: tests/golden/beams.json.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden_beams.py

For each folder of tests/golden/seq2seq and a few of tests/golden/lm: texts, settings, and the tokens that were written, with the end. A
case that float32 and float64 do not agree on stands on the edge and is left out.
"""
import json
import random
from pathlib import Path

import torch
import transformers
from make_golden_families import everything_in_double

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
NEW, START = 14, 3
WAYS = [{"num_beams": 2}, {"num_beams": 4, "early_stopping": True}, {"num_beams": 3, "length_penalty": 2.0},
        {"num_beams": 4, "length_penalty": -1.0, "early_stopping": "never"},
        {"num_beams": 5, "length_penalty": 0.0, "early_stopping": "never"}, {"num_beams": 7, "early_stopping": "never"},
        {"num_beams": 3, "repetition_penalty": 1.5}, {"num_beams": 4, "no_repeat_ngram_size": 2},
        {"num_beams": 4, "early_stopping": True, "length_penalty": 2.0, "no_repeat_ngram_size": 3, "min_new_tokens": 5}]
FORCED = {"num_beams": 4, "early_stopping": True, "min_new_tokens": 6, "no_repeat_ngram_size": 2, "forced_bos_token_id": 5,
          "forced_eos_token_id": 2}
DECODERS = ["gemma3_text", "gpt2", "llama", "qwen3-window"]


def written(model, text, how):
    begin = {"decoder_start_token_id": START} if model.config.is_encoder_decoder else {}
    model.generation_config = transformers.GenerationConfig(do_sample=False, max_new_tokens=NEW, pad_token_id=4, **how, **begin)
    ids = torch.tensor([text])
    with torch.no_grad():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), use_cache=False)[0].tolist()
    return out[1:] if model.config.is_encoder_decoder else out[len(text):]


def cases_of(folder, kind, ways):
    single = kind.from_pretrained(folder, attn_implementation="eager").eval()
    double = kind.from_pretrained(folder, attn_implementation="eager").double().eval()
    draw = random.Random(sum(map(ord, folder.name)))
    cases, left = [], 0
    for way in ways:
        for length in (3, 9):
            text = [draw.randint(5, 52) for _ in range(length)]
            how = way | {"eos_token_id": [2] + draw.sample(range(5, 53), draw.choice((0, 2, 4)))}
            ids = written(single, text, how)
            with everything_in_double():
                same = ids == written(double, text, how)
            left += not same
            if same:
                cases.append({"folder": f"{folder.parent.name}/{folder.name}", "text": text, "how": how, "ids": ids})
    print(f"{folder.name}: {len(cases)} cases, {sum(c['ids'][-1] in c['how']['eos_token_id'] for c in cases)} ended, {left} on the edge")
    return cases


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    found = []
    for place in sorted((GOLDEN / "seq2seq").iterdir()):
        found += cases_of(place, transformers.AutoModelForSeq2SeqLM, [*WAYS, FORCED])
    for name in DECODERS:
        found += cases_of(GOLDEN / "lm" / name, transformers.AutoModelForCausalLM, WAYS[1:6:2] + WAYS[6:])
    lines = ",\n".join(json.dumps(case) for case in found)
    (GOLDEN / "beams.json").write_text(f"[\n{lines}\n]\n")
