#!/usr/bin/env python3
"""What attune writes as GGUF, read by the `gguf` package and by transformers: tests/oracle/live_gguf.py build/release/src/attune [MODEL-FOLDER ...]

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_gguf.py build/release/src/attune ~/minilm

tiny.gguf goes out in every type; its numbers must be the bytes that gguf's quantize makes of the numbers that went in, its vocabulary and metadata the
same. Folders given beside it (BERT, or decoders with a tokenizer.json) go out in every type and are compared with their safetensors under gguf's names.
"""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import load_file

DATA = Path(__file__).resolve().parent.parent / "unit" / "data" / "gguf"
TYPES = {"f32": Type.F32, "f16": Type.F16, "bf16": Type.BF16, "q8_0": Type.Q8_0}


def export(program, model, kind, out):
    subprocess.run([program, "export", "--to", "gguf", "--type", kind, "--model", model, "--output", out], check=True, stdout=subprocess.DEVNULL)
    return gguf.GGUFReader(out)


def bytes_of(x, kind):
    return np.ascontiguousarray(x if kind == Type.F32 else gguf.quantize(x, kind)).view(np.uint8).reshape(-1)


def compare(reader, numbers, kind):
    names = {t.name for t in reader.tensors}
    assert names == set(numbers), names ^ set(numbers)
    for t in reader.tensors:
        want = np.float32(numbers[t.name])
        whole = want.ndim > 1 and not re.search("norm|position_embd|token_types", t.name)
        expected = Type.F32 if not whole else Type.F16 if kind == Type.Q8_0 and want.shape[-1] % 32 else kind
        assert t.tensor_type == expected, (t.name, t.tensor_type, expected)
        assert list(t.shape) == list(want.shape[::-1]), (t.name, t.shape, want.shape)
        assert np.array_equal(np.ascontiguousarray(t.data).view(np.uint8).reshape(-1), bytes_of(want, expected)), t.name


def fields(reader, pattern):
    return {k: f.contents() for k, f in reader.fields.items() if re.search(pattern, k)}


def check_tiny(program, work):
    source = gguf.GGUFReader(DATA / "tiny.gguf")
    numbers = {t.name: gguf.dequantize(t.data, t.tensor_type).reshape(t.shape[::-1]) for t in source.tensors}
    told = json.loads((DATA / "tiny.json").read_text())
    for kind, number in TYPES.items():
        reader = export(program, DATA / "tiny.gguf", kind, f"{work}/tiny-{kind}.gguf")
        compare(reader, numbers, number)
        before, after = fields(source, r"^(llama|tokenizer)\."), fields(reader, r"^(llama|tokenizer)\.")
        for key, value in before.items():
            assert key in after and (after[key] == value or abs(after[key] - value) < 1e-9), (key, value, after.get(key))
        model = transformers.AutoModelForCausalLM.from_pretrained(work, gguf_file=f"tiny-{kind}.gguf", dtype=torch.float32).eval()
        model.generation_config = transformers.GenerationConfig(do_sample=False, max_new_tokens=12, eos_token_id=None, pad_token_id=0)
        ids = torch.tensor([told["ids"]])
        new = model.generate(ids, attention_mask=torch.ones_like(ids))[0, ids.shape[1]:].tolist()
        assert kind in ("f16", "bf16") or new == told["new"], (kind, new)
        print(f"tiny {kind}: {len(reader.tensors)} tensors equal, transformers continues with {new}")


def check_folder(program, folder, work):
    config = json.loads((folder / "config.json").read_text())
    arch = {"gemma3_text": "gemma3", "mistral": "llama"}.get(config["model_type"], config["model_type"])
    kind = next(k for k, v in gguf.MODEL_ARCH_NAMES.items() if v == arch)
    names = gguf.get_tensor_name_map(kind, config.get("num_hidden_layers") or config["n_layer"])
    numbers = {}
    for key, w in load_file(folder / "model.safetensors").items():
        stem, _, suffix = key.rpartition(".")
        theirs = names.get_name(stem) or names.get_name(re.sub(r"^bert\.", "", stem))
        if theirs and not re.match("cls|pooler", theirs) and suffix in ("weight", "bias"):
            numbers[f"{theirs}.{suffix}"] = w
    for name, number in TYPES.items():
        reader = export(program, folder, name, f"{work}/folder-{name}.gguf")
        compare(reader, numbers, number)
        print(f"{folder.name} {name}: {len(reader.tensors)} tensors equal, {len(fields(reader, 'tokens')['tokenizer.ggml.tokens'])} tokens")


def main():
    transformers.utils.logging.set_verbosity_error()
    program = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as work:
        check_tiny(program, work)
        for folder in sys.argv[2:]:
            check_folder(program, Path(folder), work)


if __name__ == "__main__":
    main()
