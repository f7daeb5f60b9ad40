#!/usr/bin/env python3
"""Every family's folder through attune and back: what transformers and sentence-transformers say of what attune saved.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_families.py --probe build/release/tests/attune_probe [NAME ...]

Of each folder of tests/golden/data (or those named): attune opens and saves it; transformers opens both. Ends with 1 where
  a tensor of the saved file differs, is missing or is too many         bit for bit, same names and shapes
  a key of the config differs                                           but for dtype's spelling
  logits of transformers on the saved folder, of attune on the other    1e-4
Then each encoder as sentence-transformers modules (Transformer, mean Pooling, Dense): attune's logits against theirs, and theirs on what
attune saved.
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

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "golden" / "data"
failures = []


def check(what, value, bound):
    if not value <= bound:
        failures.append(what)
        print(f"FAIL {what}: {value:.3g} (bound {bound:g})")


def sequences_of(folder):
    batch = load_file(folder / "batch.safetensors")
    cu = batch["cu_seqlens"].tolist()
    return [(batch["ids"][a:b].long(), batch["types"][a:b].long()) for a, b in zip(cu, cu[1:])]


def logits_of(model, sequences):
    types = getattr(model.config, "type_vocab_size", 0) or 0
    rows = []
    for ids, kinds in sequences:
        extra = {"token_type_ids": kinds[None]} if types > 1 else {}
        rows.append(model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None], **extra).logits[0])
    return torch.stack(rows).float()


def probe(program, folder, batch, saved):
    out = saved.parent / f"{saved.name}.safetensors"
    subprocess.run([str(c) for c in (program, folder, batch, out, saved)], check=True)
    return load_file(out)["logits"]


def compare_files(name, folder, saved):
    mine, theirs = load_file(saved / "model.safetensors"), load_file(folder / "model.safetensors")
    check(f"{name}: names of tensors {sorted(set(mine) ^ set(theirs))[:4]}", len(set(mine) ^ set(theirs)), 0)
    for key in set(mine) & set(theirs):
        check(f"{name}: {key}", int(not torch.equal(mine[key], theirs[key])), 0)
    a, b = (json.loads((f / "config.json").read_text()) for f in (folder, saved))
    for config in (a, b):
        config.pop("dtype", None), config.pop("torch_dtype", None)
    check(f"{name}: keys of the config {[k for k in a | b if a.get(k) != b.get(k)]}", int(a != b), 0)


def classifier(args, name, work):
    folder, saved = DATA / name, work / f"{name}-saved"
    answer = probe(args.probe, folder, folder / "batch.safetensors", saved)
    compare_files(name, folder, saved)
    model, info = AutoModelForSequenceClassification.from_pretrained(saved, output_loading_info=True, attn_implementation="eager")
    check(f"{name}: missing or unexpected names", sum(len(info[k]) for k in ("missing_keys", "unexpected_keys")), 0)
    with torch.no_grad():
        check(f"{name}: logits", (logits_of(model.eval(), sequences_of(folder)) - answer).abs().max().item(), 1e-4)
    return model


def write_tokenizer(folder, n):
    """Words w0 .. w(n-1) with the ids 0 .. n-1."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({f"w{i}": i for i in range(n)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="w0", unk_token="w0").save_pretrained(folder)


def modules(args, name, model, work):
    """The body as a sentence-transformers folder with a Dense on top, both ways."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer

    body, folder, saved = work / f"{name}-body", work / f"{name}-modules", work / f"{name}-modules-saved"
    getattr(model, model.base_model_prefix).save_pretrained(body)
    write_tokenizer(body, model.config.vocab_size)
    torch.manual_seed(3)
    transformer = Transformer(str(body))
    width = model.config.hidden_size
    dense = Dense(width, 3, activation_function=torch.nn.Identity())
    SentenceTransformer(modules=[transformer, Pooling(width, "mean"), dense], device="cpu").save(str(folder))
    config = json.loads((folder / "config.json").read_text())
    config |= {"id2label": {str(i): f"L{i}" for i in range(3)}, "label2id": {f"L{i}": i for i in range(3)}}
    (folder / "config.json").write_text(json.dumps(config))
    sequences = [ids for ids, _ in sequences_of(DATA / name) if (ids != 0).all()]  # w0 pads
    texts = [" ".join(f"w{i}" for i in ids.tolist()) for ids in sequences]
    lengths = torch.tensor([0] + [len(s) for s in sequences]).cumsum(0)
    batch = work / f"{name}-batch.safetensors"
    save_file({"ids": torch.cat(sequences).int(), "types": torch.zeros(int(lengths[-1]), dtype=torch.uint8), "cu_seqlens": lengths.int(),
               "labels": torch.zeros(len(sequences)).int()}, batch)
    answer = probe(args.probe, folder, batch, saved)
    for what, place in (("of modules", folder), ("of saved modules", saved)):
        opened = SentenceTransformer(str(place), device="cpu")
        theirs = torch.tensor(opened.encode(texts, batch_size=1, normalize_embeddings=False))
        check(f"{name}: logits {what}", (answer - theirs).abs().max().item(), 1e-4)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", default=ROOT / "build/release/tests/attune_probe", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    names = args.names or sorted(p.name for p in DATA.iterdir() if not (p / "modules.json").exists())
    with tempfile.TemporaryDirectory() as work:
        for name in names:
            before = len(failures)
            model = classifier(args, name, Path(work))
            if not getattr(model.config, "use_cache", None) or model.config.model_type in ("bert", "roberta", "xlm-roberta", "camembert", "electra"):
                modules(args, name, model, Path(work))
            print(f"{'ok  ' if len(failures) == before else 'FAIL'} {name}")
    print("failed: " + ", ".join(failures) if failures else "all equal")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
