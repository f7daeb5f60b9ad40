"""Speed of PyTorch and transformers on one case of the side-by-side: JSON objects on standard output, one a line.

Set up as a knowing user would: fused AdamW, SDPA attention, dropout 0.1, clip 1.0. Counted are real tokens, not
padding; the first steps (--warm) are not timed. One case a process, so that the peak of memory is that case's own.

side_by_side.py gives --order (the rows of each step, as attune took them) and --listen: for every line on standard
input the same steps are timed once more. --check steps with dropout off come before, their losses to be compared.
"""

import argparse
import contextlib
import json
import os
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
    parser.add_argument("--model", default=None, help="folder of the model; default: the body of the study")
    parser.add_argument("--order", help="JSON file: row numbers, step after step (default: random)")
    parser.add_argument("--check", type=int, default=0, help="steps with dropout off before the warm ones")
    parser.add_argument("--listen", action="store_true", help="time the steps once for every line of standard input")
    return parser.parse_args()


def load_model(folder, names, mode):
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=len(names), attn_implementation="sdpa"
    )
    if mode == "head":
        for name, parameter in model.named_parameters():
            parameter.requires_grad = "pooler" in name or name.startswith("classifier")
    return model


def random_order(n, steps, options):
    """Rows of whole random batches for so many steps."""
    order = []
    for epoch in range(steps * options.batch // n + 2):
        for batch in epoch_batches(range(n), options.batch, False, options.seed, epoch):
            order += batch if len(batch) == options.batch else []
    return order


def cut(rows, batch):
    return [rows[start : start + batch] for start in range(0, len(rows), batch)]


def timed_batches(rows, lengths, options):
    """The same rows in any case; grouped: in batches of like length, mixed."""
    if options.batching == "padded":
        return cut(rows, options.batch)
    by_place = epoch_batches([lengths[i] for i in rows], options.batch, True, options.seed, 0)
    return [[rows[place] for place in batch] for batch in by_place]


def peak_bytes():
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])


class Peer:
    def __init__(self, options):
        rows = read_rows(options.texts)
        if len(rows) < options.batch:
            sys.exit(f"error: {options.texts}: {len(rows)} texts are less than one batch of {options.batch}")
        folder = options.model or model_folder()
        names = sorted({label for _, label in rows})
        self.options = options
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.ids = tokenize(self.tokenizer, [text for text, _ in rows])
        self.labels = torch.tensor([names.index(label) for _, label in rows])
        self.model = load_model(folder, names, options.mode)
        self.optimizer = optimizer_for(self.model)
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        steps = max(options.check, options.warm + options.steps)
        order = random_order(len(rows), steps, options)
        if options.order:
            order = json.loads(Path(options.order).read_text(encoding="utf-8"))
        first, last = options.warm * options.batch, (options.warm + options.steps) * options.batch
        self.check = cut(order[: options.check * options.batch], options.batch)
        self.warm = cut(order[:first], options.batch)
        self.timed = timed_batches(order[first:last], [len(row) for row in self.ids], options)

    def step(self, chosen):
        """The loss and the number of tokens with padding."""
        inputs, labels = pad(self.tokenizer, [self.ids[i] for i in chosen]), self.labels[chosen]
        context = torch.autocast("cpu", dtype=torch.bfloat16) if self.options.bf16 else contextlib.nullcontext()
        forward = self.options.mode == "forward"
        with torch.inference_mode(forward):
            with context:
                loss = self.model(**inputs, labels=labels).loss
            if not forward:
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.trained, CLIP)
                self.optimizer.step()
                self.optimizer.zero_grad()
            return loss.item(), inputs["input_ids"].numel()

    def prepare(self):
        """The steps that are not timed."""
        self.model.eval()  # dropout off; nothing else of this model depends on it
        losses = [self.step(chosen)[0] for chosen in self.check]
        self.model.train(self.options.mode != "forward")
        for chosen in self.warm:
            self.step(chosen)
        return {"check_losses": losses}

    def round(self):
        result = {"step_seconds": [], "step_tokens": [], "losses": [], "padded_tokens": 0}
        for chosen in self.timed:
            started = time.monotonic()
            loss, padded = self.step(chosen)
            result["step_seconds"].append(time.monotonic() - started)
            result["step_tokens"].append(sum(len(self.ids[i]) for i in chosen))
            result["losses"].append(loss)
            result["padded_tokens"] += padded
        result["tokens"] = sum(result["step_tokens"])
        result["seconds"] = sum(result["step_seconds"])
        result["tokens_per_second"] = result["tokens"] / result["seconds"]
        rates = [tokens / seconds for tokens, seconds in zip(result["step_tokens"], result["step_seconds"])]
        result["tokens_per_second_median"] = statistics.median(rates)
        result["peak_bytes"] = peak_bytes()
        return result


def tell(result):
    print(json.dumps(result), flush=True)


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    peer = Peer(options)
    about = {"peer": "pytorch", **vars(options), **peer.prepare(), "import_seconds": IMPORTED - STARTED}
    about["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    if not options.listen:
        tell({**about, **peer.round()})
        return
    tell(about)
    for _ in sys.stdin:
        tell(peer.round())


if __name__ == "__main__":
    main()
