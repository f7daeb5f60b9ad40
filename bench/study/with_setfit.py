"""SetFit with the defaults of its package: contrastive pairs train the body, then a logistic head is fitted."""

import tempfile
import time

from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments


def run_setfit(folder, train, test, names, seed):
    data = Dataset.from_dict({"text": [text for text, _ in train], "label": [label for _, label in train]})
    with tempfile.TemporaryDirectory() as scratch:
        started = time.monotonic()
        model = SetFitModel.from_pretrained(str(folder), labels=names)
        settings = TrainingArguments(
            output_dir=scratch, seed=seed, report_to="none", save_strategy="no", show_progress_bar=False
        )
        trainer = Trainer(model=model, args=settings, train_dataset=data)
        trainer.train()
        seconds = time.monotonic() - started
        steps = trainer.st_trainer.state.global_step
    predicted = [str(label) for label in model.predict([text for text, _ in test], show_progress_bar=False)]
    return predicted, {"seconds": seconds, "steps": steps}
