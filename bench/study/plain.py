"""Plain full fine-tuning with transformers, as a knowing user of this body sets it up.

AdamW (no decay on biases and norms), 1e-4, 10% warm-up, linear to 0, dropout 0.1, clip 1.0, three epochs but at
least 300 steps, the last state taken. Long runs save their whole state every two minutes and go on from it.
"""

import os
import time

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

RATE, DECAY, CLIP, WARMUP = 1e-4, 0.01, 1.0, 0.1
EPOCHS, LEAST_STEPS, MAX_LENGTH = 3, 300, 128
SMALL = 500  # up to here batches of 16 as they come; beyond, batches of 32 grouped by length
SAVE_SECONDS = 120


def tokenize(tokenizer, texts):
    return tokenizer(list(texts), truncation=True, max_length=MAX_LENGTH)["input_ids"]


def pad(tokenizer, rows):
    return tokenizer.pad({"input_ids": rows}, return_tensors="pt")


def predict(model, tokenizer, texts, batch=64):
    """Logits in the order of the texts; batches sorted by length."""
    ids = tokenize(tokenizer, texts)
    by_length = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    logits = [None] * len(ids)
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(ids), batch):
            chosen = by_length[start : start + batch]
            for i, row in zip(chosen, model(**pad(tokenizer, [ids[i] for i in chosen])).logits):
                logits[i] = row
    return torch.stack(logits)


def epoch_batches(lengths, batch, grouped, seed, epoch):
    """Random batches of rows; grouped: sorted by length inside windows of 50 batches, the batches mixed again."""
    generator = torch.Generator().manual_seed(seed * 1000003 + epoch)
    rows = torch.randperm(len(lengths), generator=generator).tolist()
    if grouped:
        window = 50 * batch
        windows = [rows[start : start + window] for start in range(0, len(rows), window)]
        rows = [i for part in windows for i in sorted(part, key=lambda i: lengths[i])]
    batches = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    if grouped:
        batches = [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
    return batches


def optimizer_for(model):
    decayed, plain = [], []
    for name, parameter in model.named_parameters():
        (plain if name.endswith("bias") or "LayerNorm" in name else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8, fused=True)


class Run:
    """One fine-tuning run that can be put away and taken up between any two steps."""

    def __init__(self, folder, rows, names, seed):
        torch.manual_seed(seed)
        self.names, self.seed, self.seconds, self.step = names, seed, 0.0, 0
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(names))
        self.ids = tokenize(self.tokenizer, [text for text, _ in rows])
        self.labels = torch.tensor([names.index(label) for _, label in rows])
        self.batch = 16 if len(rows) <= SMALL else 32
        per_epoch = -(-len(rows) // self.batch)
        self.per_epoch, self.steps = per_epoch, max(LEAST_STEPS, EPOCHS * per_epoch)
        self.optimizer = optimizer_for(self.model)
        self.schedule = get_linear_schedule_with_warmup(self.optimizer, int(WARMUP * self.steps), self.steps)

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.tmp")
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, partial)
        os.replace(partial, path)

    def load(self, path):
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        self.step, self.seconds = state["step"], state["seconds"]

    def one_step(self, rows):
        loss = self.model(**pad(self.tokenizer, [self.ids[i] for i in rows]), labels=self.labels[rows]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.step += 1
        return loss.item()

    def train(self, state, log):
        if state.is_file():
            self.load(state)
            log(f"goes on at step {self.step} of {self.steps}")
        lengths = [len(row) for row in self.ids]
        self.model.train()
        started, saved = time.monotonic() - self.seconds, time.monotonic()
        epoch, batches = -1, None
        while self.step < self.steps:
            if self.step // self.per_epoch != epoch:
                epoch = self.step // self.per_epoch
                batches = epoch_batches(lengths, self.batch, len(lengths) > SMALL, self.seed, epoch)
            loss = self.one_step(batches[self.step % self.per_epoch])
            self.seconds = time.monotonic() - started
            if time.monotonic() - saved > SAVE_SECONDS:
                self.save(state)
                saved = time.monotonic()
                log(f"step {self.step} of {self.steps}, loss {loss:.4f}, {self.seconds:.0f} s")


def run_plain(folder, train, test, names, seed, state, log):
    """Predicted label of each test text, and what the run was."""
    run = Run(folder, train, names, seed)
    run.train(state, log)
    logits = predict(run.model, run.tokenizer, [text for text, _ in test])
    predicted = [names[i] for i in logits.argmax(dim=1).tolist()]
    return predicted, {"seconds": run.seconds, "steps": run.steps}
