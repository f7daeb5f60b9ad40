"""Steps of PyTorch on a task beyond single labels, for task_side_by_side.py and language_side_by_side.py: JSON objects on standard output, one a line.

Set up as a knowing user would: transformers (tag, answer, language) and sentence-transformers (embed), fused AdamW, SDPA attention, dropout 0.1, clip 1, each batch padded to
its longest. The examples of every step are those that attune took (--order). Counted are real tokens; the first steps (--warm) are not timed; --check steps with
dropout off come before, their losses to be compared. For every line on standard input the same steps are timed once more.
"""

import argparse
import csv
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

import tasks  # noqa: E402
from common import read_rows  # noqa: E402
from plain import CLIP, optimizer_for  # noqa: E402
from step_speed import cut, peak_bytes, tell  # noqa: E402


class Heads:
    """tag and answer: one window of a text is one example, as attune counts them."""

    def __init__(self, task, rows, folder):
        self.peer = tasks.Peer(task, rows, folder)
        self.model = self.peer.model
        self.examples = [f for row in rows for f in self.peer.features(row)]
        self.lengths = [len(f["input_ids"]) for f in self.examples]

    def loss(self, chosen):
        batch = self.peer.batch([self.examples[i] for i in chosen], True)
        loss = self.spans(batch) if self.peer.task == "answer" else self.model(**batch).loss
        return loss, batch["input_ids"].numel()

    def spans(self, batch):
        """Cross-entropy over the tokens that are there: transformers' own counts padding as places, so that its loss depends on the batch."""
        targets = [batch.pop(name) for name in ("start_positions", "end_positions")]
        out, padding = self.model(**batch), batch["attention_mask"] == 0
        losses = [torch.nn.functional.cross_entropy(logits.masked_fill(padding, float("-inf")), target)
                  for logits, target in zip((out.start_logits, out.end_logits), targets)]
        return sum(losses) / 2


class Embed:
    """Pairs with a score; a text is an example, the two of a pair stand one after the other. Both sides of a batch are padded on their own."""

    def __init__(self, rows, folder):
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

        self.model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"attn_implementation": "sdpa"})
        self.model.max_seq_length = 128
        self.objective = CosineSimilarityLoss(self.model)
        self.pairs = [(row["sentence1"], row["sentence2"], float(row["score"]) / 5) for row in rows]
        ids = self.model.tokenizer([text for pair in self.pairs for text in pair[:2]], truncation=True, max_length=128)["input_ids"]
        self.lengths = [len(row) for row in ids]
        self.ids = ids

    def loss(self, chosen):
        pairs = [i // 2 for i in chosen[::2]]
        sides = [self.model.tokenizer.pad({"input_ids": [self.ids[2 * i + side] for i in pairs]}, return_tensors="pt") for side in (0, 1)]
        padded = sum(side["input_ids"].numel() for side in sides)
        return self.objective([dict(side) for side in sides], torch.tensor([self.pairs[i][2] for i in pairs])), padded


class Language:
    """The next token; texts of one length, so that nothing is padded."""

    def __init__(self, rows, folder):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa", dtype=torch.float32)
        self.ids = tokenizer([text for text, _ in rows])["input_ids"]
        self.lengths = [len(row) for row in self.ids]

    def loss(self, chosen):
        ids = torch.tensor([self.ids[i] for i in chosen])
        return self.model(input_ids=ids, labels=ids, use_cache=False).loss, ids.numel()


def load(task, data, folder):
    if task == "language":
        return Language(read_rows(data), folder)
    if task == "embed":
        with open(data, newline="", encoding="utf-8") as f:
            return Embed(list(csv.DictReader(f)), folder)
    return Heads(task, tasks.read_rows(Path(data)), folder)


class Peer:
    def __init__(self, options):
        self.work = load(options.task, options.data, options.model)
        self.optimizer = optimizer_for(self.work.model)
        order = json.loads(Path(options.order).read_text(encoding="utf-8"))
        steps = cut(order, options.batch)
        self.check, self.warm, self.timed = steps[:options.check], steps[:options.warm], steps[options.warm:options.warm + options.steps]

    def step(self, chosen):
        loss, padded = self.work.loss(chosen)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.work.model.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item(), padded

    def prepare(self):
        self.work.model.eval()
        losses = [self.step(chosen)[0] for chosen in self.check]
        self.work.model.train()
        for chosen in self.warm:
            self.step(chosen)
        return {"check_losses": losses}

    def round(self):
        result = {"step_seconds": [], "step_tokens": [], "losses": [], "padded_tokens": 0}
        for chosen in self.timed:
            started = time.monotonic()
            loss, padded = self.step(chosen)
            result["step_seconds"].append(time.monotonic() - started)
            result["step_tokens"].append(sum(self.work.lengths[i] for i in chosen))
            result["losses"].append(loss)
            result["padded_tokens"] += padded
        result["tokens"], result["seconds"] = sum(result["step_tokens"]), sum(result["step_seconds"])
        result["tokens_per_second"] = result["tokens"] / result["seconds"]
        result["peak_bytes"] = peak_bytes()
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=("tag", "embed", "answer", "language"), required=True)
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
