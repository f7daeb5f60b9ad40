"""Speed of PyTorch and transformers on one case of the side-by-side: one JSON object on standard output.

Set up as a knowing user would: fused AdamW, SDPA attention, dropout 0.1, clip 1.0. Counted are real tokens, not
padding; the first steps (--warm) are not timed. One case a process, so that the peak of memory is that case's own.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

STARTED = time.monotonic()
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "study"))

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

from common import model_folder, read_rows  # noqa: E402
from plain import CLIP, epoch_batches, optimizer_for, pad, tokenize  # noqa: E402

IMPORTED = time.monotonic()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", required=True, help="CSV with the columns text and label (texts.py makes them)")
    parser.add_argument("--mode", choices=("full", "head", "forward"), default="full")
    parser.add_argument("--batching", choices=("padded", "grouped"), default="padded",
                        help="padded: random batches, each padded to its longest; grouped: batches of like length")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast")
    return parser.parse_args()


def load_model(names, mode):
    model = AutoModelForSequenceClassification.from_pretrained(
        model_folder(), num_labels=len(names), attn_implementation="sdpa"
    )
    if mode == "head":
        for name, parameter in model.named_parameters():
            parameter.requires_grad = "pooler" in name or name.startswith("classifier")
    return model.train(mode != "forward")


def endless_batches(lengths, options):
    epoch = 0
    while True:
        for batch in epoch_batches(lengths, options.batch, options.batching == "grouped", options.seed, epoch):
            if len(batch) == options.batch:
                yield batch
        epoch += 1


def train_step(model, optimizer, inputs, labels):
    loss = model(**inputs, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], CLIP)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def measure(options):
    rows = read_rows(options.texts)
    if len(rows) < options.batch:
        sys.exit(f"error: {options.texts}: {len(rows)} texts are less than one batch of {options.batch}")
    names = sorted({label for _, label in rows})
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    ids = tokenize(tokenizer, [text for text, _ in rows])
    labels = torch.tensor([names.index(label) for _, label in rows])
    model = load_model(names, options.mode)
    optimizer = optimizer_for(model)
    batches = endless_batches([len(row) for row in ids], options)
    result = {"step_seconds": [], "step_tokens": [], "padded_tokens": 0, "losses": []}
    context = torch.autocast("cpu", dtype=torch.bfloat16) if options.bf16 else contextlib.nullcontext()
    for step in range(options.warm + options.steps):
        chosen = next(batches)
        started = time.monotonic()
        inputs = pad(tokenizer, [ids[i] for i in chosen])
        with context:
            if options.mode == "forward":
                with torch.inference_mode():
                    loss = model(**inputs, labels=labels[chosen]).loss.item()
            else:
                loss = train_step(model, optimizer, inputs, labels[chosen])
        if step == 0:
            result["first_step_after"] = time.monotonic() - STARTED
        if step >= options.warm:
            result["step_seconds"].append(time.monotonic() - started)
            result["step_tokens"].append(sum(len(ids[i]) for i in chosen))
            result["padded_tokens"] += inputs["input_ids"].numel()
        result["losses"].append(loss)
    return result


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    result = {"peer": "pytorch", **vars(options), **measure(options)}
    result["tokens"] = sum(result["step_tokens"])
    result["seconds"] = sum(result["step_seconds"])
    result["tokens_per_second"] = result["tokens"] / result["seconds"]
    rates = [tokens / seconds for tokens, seconds in zip(result["step_tokens"], result["step_seconds"])]
    result["tokens_per_second_median"] = statistics.median(rates)
    result["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result["import_seconds"] = IMPORTED - STARTED
    result["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    json.dump(result, sys.stdout)
    print()


if __name__ == "__main__":
    main()
