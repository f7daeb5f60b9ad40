#!/usr/bin/env python3
"""What attune writes as ONNX, run by ONNX Runtime, against attune's own answers.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_onnx.py [--program ..] [--probe ..] [--task-probe ..] [NAME ...]

Every folder of tests/golden/data (or those named) is exported as it is, a classifier; every encoder among them also with a head at each token,
with one for answers, for masked language, and as a body alone; every folder of tests/golden/answer and tests/golden/tag, decoders too, and T5's
encoder; and vectors of texts with every pooling. onnx.checker reads each file with full checks; ONNX Runtime
runs it on the texts one by one, in pairs and all in one batch, padded on the right with what the model pads with. Ends with 1 where
  an answer differs from attune's (of masked language and bodies: from transformers')      1e-4
  a name of an input or output is not what transformers' exporters call it
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import (AutoModel, AutoModelForMaskedLM, AutoModelForQuestionAnswering, AutoModelForTokenClassification)

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "golden" / "data"
ENCODERS = {"bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "albert", "mpnet", "deberta-v2", "modernbert", "nomic_bert"}
failures, worst, runs = [], 0.0, 0


def check(what, value, bound):
    global worst
    worst = max(worst, value if bound < 1 else 0)
    if not value <= bound:
        failures.append(what)
        print(f"FAIL {what}: {value:.3g} (bound {bound:g})")


def run(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}{done.stderr}")


def exported(args, folder, work, outputs):
    """A session on the file, its names checked."""
    path = work / "model.onnx"
    run(args.program, "export", "--to", "onnx", "--model", folder, "--output", path, "--quiet")
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    check(f"{folder.name}: outputs {[o.name for o in session.get_outputs()]}", int([o.name for o in session.get_outputs()] != outputs), 0)
    inputs = [i.name for i in session.get_inputs()]
    check(f"{folder.name}: inputs {inputs}", int(inputs not in (["input_ids", "attention_mask"], ["input_ids", "attention_mask", "token_type_ids"])), 0)
    return session


def answers(session, sequences, pad):
    """The outputs for one batch, each [text][..], padding taken away where an output has a place for every token."""
    global runs
    runs += 1
    length = max(len(ids) for ids, _ in sequences)
    ids = np.full((len(sequences), length), pad, np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for i, (text, kinds) in enumerate(sequences):
        ids[i, : len(text)], mask[i, : len(text)], types[i, : len(text)] = text, 1, kinds
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    found = session.run(None, {i.name: given[i.name] for i in session.get_inputs()})
    each = [o.shape[1] == "sequence_length" for o in session.get_outputs()]
    return [[f[i, : len(sequences[i][0])] if e else f[i] for i in range(len(sequences))] for f, e in zip(found, each)]


def compare(name, session, sequences, pad, right, bound=1e-4):
    """right [output][text]: of every text alone, in pairs, and all together."""
    n = len(sequences)
    for size in (1, 2, n):
        difference = 0.0
        for at in range(0, n, size):
            got = answers(session, sequences[at : at + size], pad)
            for g, r in zip(got, right):
                for a, b in zip(g, r[at : at + size]):
                    difference = max(difference, float(np.abs(a - np.asarray(b)).max()) if np.isfinite(a).all() else np.inf)
        check(f"{name}: batches of {size}", difference, bound)


def batch_of(folder):
    batch = load_file(folder / "batch.safetensors")
    cu = batch["cu_seqlens"].tolist()
    return batch, [(batch["ids"][a:b].numpy().astype(np.int64), batch["types"][a:b].numpy().astype(np.int64)) for a, b in zip(cu, cu[1:])], cu


def classifier(args, folder, work, pad):
    _, sequences, _ = batch_of(folder)
    out = work / "answer.safetensors"
    run(args.probe, folder, folder / "batch.safetensors", out)
    logits = load_file(out)["logits"].numpy()
    compare(folder.name, exported(args, folder, work, ["logits"]), sequences, pad, [list(logits)])


def other_head(args, kind, task, source, work, pad, outputs):
    """The folder's body with a new head at each token."""
    name = f"{source.name}-{task}"
    folder = work / name
    torch.manual_seed(7)
    model = kind.from_pretrained(source, num_labels=2 if task == "answer" else 5, ignore_mismatched_sizes=True)
    for module in (getattr(model, "classifier", None), getattr(model, "qa_outputs", None)):
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.3)
    model.save_pretrained(folder)
    batch, sequences, cu = batch_of(source)
    batch = {k: batch[k] for k in ("ids", "types", "cu_seqlens")} | {"labels": torch.zeros(len(batch["ids"])).int()}
    save_file(batch, work / "batch.safetensors")
    run(args.task_probe, folder, work / "batch.safetensors", work / "answer.safetensors", task)
    logits = load_file(work / "answer.safetensors")["logits"].numpy()
    right = [[logits[a:b] for a, b in zip(cu, cu[1:])]]
    if task == "answer":
        right = [[r[:, i] for r in right[0]] for i in (0, 1)]
    compare(name, exported(args, folder, work, outputs), sequences, pad, right)


def against_transformers(args, kind, what, source, work, pad, output):
    name = f"{source.name}-{what}"
    folder = work / name
    torch.manual_seed(8)
    model = kind.from_pretrained(source, attn_implementation="eager").eval()
    model.save_pretrained(folder)
    _, sequences, _ = batch_of(source)
    right = []
    for ids, types in sequences:
        extra = {"token_type_ids": torch.tensor(types)[None]} if (getattr(model.config, "type_vocab_size", 0) or 0) > 1 else {}
        with torch.no_grad():
            right.append(getattr(model(input_ids=torch.tensor(ids)[None], attention_mask=torch.ones(1, len(ids)).long(), **extra), output)[0].numpy())
    compare(name, exported(args, folder, work, [output]), sequences, pad, [right])


def recorded_answers(args, source, work, pad):
    """A folder of tests/golden/answer against the logits that are recorded with it."""
    _, sequences, cu = batch_of(source)
    logits = load_file(source / "expected.safetensors")["logits"].numpy()
    right = [[logits[a:b, i] for a, b in zip(cu, cu[1:])] for i in (0, 1)]
    compare(f"answer {source.name}", exported(args, source, work, ["start_logits", "end_logits"]), sequences, pad, right)


def recorded_tags(args, source, work, pad):
    """A folder of tests/golden/tag; of T5 its encoder."""
    _, sequences, cu = batch_of(source)
    logits = load_file(source / "expected.safetensors")["logits"].numpy()
    compare(f"tag {source.name}", exported(args, source, work, ["logits"]), sequences, pad, [[logits[a:b] for a, b in zip(cu, cu[1:])]])


def vectors(args, source, work, pad):
    """A sentence-transformers folder of every pooling, with and without Normalize; the vectors as PyTorch pools them."""
    folder = work / "vectors"
    model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()
    model.save_pretrained(folder)
    _, sequences, _ = batch_of(source)
    (folder / "1_Pooling").mkdir()
    pools = {"mean_tokens": lambda x: x.mean(0), "cls_token": lambda x: x[0], "max_tokens": lambda x: x.max(0).values, "lasttoken": lambda x: x[-1]}
    with torch.no_grad():
        hidden = [model(input_ids=torch.tensor(ids)[None], attention_mask=torch.ones(1, len(ids)).long(), token_type_ids=torch.tensor(types)[None]).last_hidden_state[0]
                  for ids, types in sequences]
    for mode, pool in pools.items():
        for normal in (False, True):
            kinds = ["Transformer", "Pooling"] + ["Normalize"] * normal
            (folder / "modules.json").write_text(json.dumps([{"idx": i, "name": str(i), "path": "" if not i else f"{i}_{k}", "type": f"sentence_transformers.models.{k}"}
                                                             for i, k in enumerate(kinds)]))
            (folder / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": model.config.hidden_size} | {
                f"pooling_mode_{m}": m == mode for m in pools}))
            right = [pool(h) for h in hidden]
            if normal:
                right = [torch.nn.functional.normalize(r, dim=0) for r in right]
            session = exported(args, folder, work, ["token_embeddings", "sentence_embedding"])
            compare(f"vectors {mode} {normal}", session, sequences, pad, [[h.numpy() for h in hidden], [r.numpy() for r in right]])


def heads(args, source, work, pad, family):
    other_head(args, AutoModelForTokenClassification, "tag", source, work, pad, ["logits"])
    if family != "nomic_bert":  # transformers has no class for answers of it
        other_head(args, AutoModelForQuestionAnswering, "answer", source, work, pad, ["start_logits", "end_logits"])
    against_transformers(args, AutoModelForMaskedLM, "mask", source, work, pad, "logits")
    against_transformers(args, AutoModel, "body", source, work, pad, "last_hidden_state")


def folders_of(root):
    """Models of one stack: a decoder beside an encoder is not written as ONNX."""
    return [f for f in sorted(root.iterdir()) if (f / "config.json").exists() and
            not getattr(transformers.AutoConfig.from_pretrained(f), "is_encoder_decoder", False)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/src/attune", type=Path)
    parser.add_argument("--probe", default="build/release/tests/attune_probe", type=Path)
    parser.add_argument("--task-probe", default="build/release/tests/attune_task_probe", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    folders = [f for f in folders_of(DATA) if not args.names or f.name in args.names]
    seen = set()
    for folder in folders:
        config = transformers.AutoConfig.from_pretrained(folder)
        pad = config.pad_token_id if config.pad_token_id is not None else 0
        seen.add(config.model_type)
        with tempfile.TemporaryDirectory() as work:
            classifier(args, folder, Path(work), pad)
            if config.model_type in ENCODERS and not (folder / "modules.json").exists():
                heads(args, folder, Path(work), pad, config.model_type)
            if folder.name == "pooler":
                vectors(args, folder, Path(work), pad)
    for folder in folders_of(DATA.parent / "answer"):
        if not args.names or folder.name in args.names:
            with tempfile.TemporaryDirectory() as work:
                recorded_answers(args, folder, Path(work), transformers.AutoConfig.from_pretrained(folder).pad_token_id or 0)
    for folder in sorted((DATA.parent / "tag").iterdir()):
        if not args.names or folder.name in args.names:
            with tempfile.TemporaryDirectory() as work:
                recorded_tags(args, folder, Path(work), transformers.AutoConfig.from_pretrained(folder).pad_token_id or 0)
                if folder.name == "t5":
                    against_transformers(args, transformers.T5EncoderModel, "body", DATA / "t5", Path(work), 0, "last_hidden_state")
    if not args.names:
        check(f"families without a folder: {sorted(ENCODERS - seen)}", len(ENCODERS - seen), 0)
    print(f"{len(folders)} folders, {runs} runs, worst difference {worst:.2g}; " + ("failed: " + ", ".join(failures) if failures else "all equal"))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
