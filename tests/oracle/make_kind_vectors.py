"""Writes tests/text/data/kinds.json: what the `tokenizers` library makes of nasty texts with small tokenizers of every kind, and what it
decodes of the ids, for tests/unit/test_tokenizer_kinds.c.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_kind_vectors.py

Many cases share a model: "models" has each once. An answer is the upper half of the 64-bit FNV-1a of the line that
tests/tokenizer_driver.c prints; a decoded text the same of its bytes.
"""
import itertools
import json
from pathlib import Path

import nasty_texts
import tokenizers
from live_kinds import byte_kinds, other_kinds, random_texts, reload
from live_tokenizer import expected

OUT = Path(__file__).resolve().parents[1] / "text/data/kinds.json"


def fnv(line):
    h = 0xcbf29ce484222325
    for byte in line.encode():
        h = (h ^ byte) * 0x100000001b3 & (1 << 64) - 1
    return f"{h >> 32:08x}"


def decoded(t, ids):
    try:
        return fnv(t.decode(ids, skip_special_tokens=False))
    except BaseException as e:
        if isinstance(e, KeyboardInterrupt):
            raise
        return "--------"  # the library panics


def take_charsmap(normalizer):
    """Leaves a name in the place of the large map, which all cases share."""
    found = None
    for part in (normalizer or {}).get("normalizers", []):
        if "precompiled_charsmap" in part:
            found, part["precompiled_charsmap"] = part["precompiled_charsmap"], "@"
    return found


def main():
    charsmap = None
    texts = nasty_texts.texts(230) + [t for t in random_texts(60, 3)]
    models, cases = [], []
    for name, t in itertools.chain(byte_kinds(), other_kinds()):
        if name.startswith("regex") and not name.endswith(("isolated False", "contiguous True", "merged_with_next False")):
            continue
        t = reload(t)
        t.no_truncation()
        parts = json.loads(t.to_str())
        model = parts.pop("model")
        if model not in models:
            models.append(model)
        encodings = [t.encode(text) for text in texts]
        charsmap = take_charsmap(parts["normalizer"]) or charsmap
        cases.append({"name": name, "parts": {k: v for k, v in parts.items() if k != "version"}, "model": models.index(model),
                      "hashes": "".join(fnv(expected(e)) for e in encodings),
                      "decoded": "".join(decoded(t, e.ids) for e in encodings[::5])})
    root = {"made_by": "tests/oracle/make_kind_vectors.py", "tokenizers": tokenizers.__version__, "charsmap": charsmap, "texts": texts, "models": models, "cases": cases}
    OUT.write_text(json.dumps(root, separators=(",", ":")).replace('},{"name"', '},\n{"name"') + "\n")
    print(OUT, OUT.stat().st_size, "bytes,", len(cases), "cases,", len(models), "models")


main()
