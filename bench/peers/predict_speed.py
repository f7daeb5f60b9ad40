"""Speed of a peer's prediction: JSON objects on standard output, one for every line of standard input.

    predict_speed.py pytorch|onnxruntime --texts TEXTS.csv --model CLASSIFIER-FOLDER [--threads 2]

Set up as a knowing user would: texts tokenised beforehand, batches sorted by length, inference mode, SDPA; of the batch
sizes 8, 16, 32 and 64 the one that is fastest on a sample. Counted are real tokens, not padding. ONNX Runtime runs the graph that
torch.onnx.export makes of the same classifier, with every optimisation of its own.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "study"))

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

from common import read_rows  # noqa: E402
from plain import pad, tokenize  # noqa: E402

SIZES = (8, 16, 32, 64)
SAMPLE = 512  # texts on which the batch size is chosen


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=("pytorch", "onnxruntime"))
    parser.add_argument("--texts", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def pytorch_forward(model):
    def forward(batch):
        with torch.inference_mode():
            return model(**batch).logits.numpy()

    return forward, {"torch": torch.__version__, "transformers": transformers.__version__}


class Logits(torch.nn.Module):
    """The classifier as a function of plain tensors, which is what a graph can be made of."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits


def onnx_forward(model, example, threads):
    import onnxruntime

    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch", 1: "length"} for name in names} | {"logits": {0: "batch"}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        inputs = tuple(example[name] for name in names)
        torch.onnx.export(Logits(model), inputs, str(path), input_names=names, output_names=["logits"],
                          dynamic_axes=axes, dynamo=False, opset_version=17)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])

    def forward(batch):
        return session.run(None, {name: batch[name].numpy() for name in names})[0]

    return forward, {"onnxruntime": onnxruntime.__version__, "torch": torch.__version__}


class Predictor:
    def __init__(self, options):
        rows = read_rows(options.texts)
        self.tokenizer = AutoTokenizer.from_pretrained(options.model)
        self.ids = tokenize(self.tokenizer, [text for text, _ in rows])
        self.by_length = sorted(range(len(self.ids)), key=lambda i: len(self.ids[i]))
        model = AutoModelForSequenceClassification.from_pretrained(options.model, attn_implementation="sdpa").eval()
        if options.peer == "pytorch":
            self.forward, self.versions = pytorch_forward(model)
        else:
            self.forward, self.versions = onnx_forward(model, self.batch([0, 1]), options.threads)
        spread = self.by_length[:: max(1, len(self.by_length) // SAMPLE)]
        self.size = min(SIZES, key=lambda size: self.timed(spread, size)[0])

    def batch(self, rows):
        padded = pad(self.tokenizer, [self.ids[i] for i in rows])
        return {**padded, "token_type_ids": torch.zeros_like(padded["input_ids"])}

    def timed(self, order, size):
        started, logits, padded = time.monotonic(), {}, 0
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            batch = self.batch(rows)
            padded += batch["input_ids"].numel()
            logits.update(zip(rows, self.forward(batch)))
        return time.monotonic() - started, logits, padded

    def round(self, with_logits):
        seconds, logits, padded = self.timed(self.by_length, self.size)
        tokens = sum(map(len, self.ids))
        said = {"tokens": tokens, "padded_tokens": padded, "seconds": seconds, "tokens_per_second": tokens / seconds}
        ordered = [float(x) for i in range(len(self.ids)) for x in logits[i]] if with_logits else []
        return {**said, "batch": self.size, "versions": self.versions, "logits": ordered}


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    predictor = Predictor(options)
    for number, _ in enumerate(sys.stdin):
        print(json.dumps(predictor.round(number == 0)), flush=True)


if __name__ == "__main__":
    main()
