"""Greedy generation of another program, for generate_side_by_side.py: one JSON object on standard output.

    generate_speed.py transformers|llama --model FILE.gguf [--dtype fp32|bf16] [--tokens 128] [--rounds 3] [--threads 2]

The time of the first token, which reads the prompt, is taken off.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
PROMPT = 16


def transformers_side(options):
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(options.threads)
    dtype = torch.bfloat16 if options.dtype == "bf16" else torch.float32
    model = transformers.AutoModelForCausalLM.from_pretrained(options.model.parent, gguf_file=options.model.name, dtype=dtype).to(dtype).eval()
    ids = torch.arange(PROMPT)[None] * 37 % model.config.vocab_size

    def generate(n):
        began = time.monotonic()
        with torch.inference_mode():
            model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, min_new_tokens=n, max_new_tokens=n, pad_token_id=0)
        return time.monotonic() - began

    return generate, transformers.__version__


def llama_side(options):
    import llama_cpp

    model = llama_cpp.Llama(str(options.model), n_ctx=PROMPT + options.tokens + 8, n_threads=options.threads, n_threads_batch=options.threads, verbose=False)

    def generate(n):
        model.reset()
        began = time.monotonic()
        steps = model.generate([i * 37 % model.n_vocab() for i in range(PROMPT)], temp=0.0, top_k=1)
        for _ in range(n):
            next(steps)
        return time.monotonic() - began

    return generate, llama_cpp.__version__


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=("transformers", "llama"))
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    for name, value in (("tokens", 128), ("rounds", 3), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    generate, version = {"transformers": transformers_side, "llama": llama_side}[options.peer](options)
    generate(2)
    seconds = min(generate(options.tokens) - generate(1) for _ in range(options.rounds))
    print(json.dumps({"tokens_per_second": (options.tokens - 1) / seconds, "version": version}))


if __name__ == "__main__":
    main()
