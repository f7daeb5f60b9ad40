"""Steps of PyTorch on a language model, for language_side_by_side.py: JSON objects on standard output, one a line.

AutoModelForCausalLM with SDPA attention, fused AdamW, clip 1. The texts of every step are those that attune took (--order); the first steps (--warm) are not timed;
--check steps come before, their losses to be compared. For every line on standard input the same steps are timed once more.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "study"))

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from common import read_rows  # noqa: E402
from plain import CLIP, optimizer_for  # noqa: E402
from step_speed import cut, peak_bytes, tell  # noqa: E402


class Peer:
    def __init__(self, options):
        tokenizer = AutoTokenizer.from_pretrained(options.model)
        self.ids = tokenizer([text for text, _ in read_rows(options.data)])["input_ids"]
        self.model = AutoModelForCausalLM.from_pretrained(options.model, attn_implementation="sdpa", dtype=torch.float32)
        self.optimizer = optimizer_for(self.model)
        steps = cut(json.loads(Path(options.order).read_text(encoding="utf-8")), options.batch)
        self.check, self.warm, self.timed = steps[:options.check], steps[:options.warm], steps[options.warm:options.warm + options.steps]

    def step(self, chosen):
        ids = torch.tensor([self.ids[i] for i in chosen])  # texts of one length: no padding
        loss = self.model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item(), ids.numel()

    def prepare(self):
        losses = [self.step(chosen)[0] for chosen in self.check]
        for chosen in self.warm:
            self.step(chosen)
        return {"check_losses": losses}

    def round(self):
        result = {"step_seconds": [], "step_tokens": [], "losses": [], "padded_tokens": 0}
        for chosen in self.timed:
            started = time.monotonic()
            loss, tokens = self.step(chosen)
            result["step_seconds"].append(time.monotonic() - started)
            result["step_tokens"].append(tokens)
            result["losses"].append(loss)
            result["padded_tokens"] += tokens
        result["tokens"], result["seconds"] = sum(result["step_tokens"]), sum(result["step_seconds"])
        result["tokens_per_second"] = result["tokens"] / result["seconds"]
        result["peak_bytes"] = peak_bytes()
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "model", "order"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("steps", "warm", "check", "batch", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(42)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    peer = Peer(options)
    tell({**peer.prepare(), "versions": {"torch": torch.__version__, "transformers": transformers.__version__}})
    for _ in sys.stdin:
        tell(peer.round())


if __name__ == "__main__":
    main()
