"""Writes tests/text/data/kinds.json: what the `tokenizers` library makes of nasty texts with small tokenizers of every kind, and what it
decodes of the ids, for tests/unit/test_tokenizer_kinds.c.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_kind_vectors.py

An answer is the upper half of the 64-bit FNV-1a of the line that tests/tokenizer_driver.c prints; a decoded text the same of its bytes. To keep
the file small, GROUP answers are recorded as the hash of their hashes, and what many cases share stands in "shared" once: parts of cases, and
vocabularies and merges of models, are indices into it.
"""
import base64
import itertools
import json
import struct
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


def charsmap_entries(units, texts):
    """Every key of a darts-clone double array with the text that it becomes."""
    step = lambda unit: (unit >> 10) << ((unit & (1 << 9)) >> 6)
    todo = [(step(units[0]), b"")]
    while todo:
        base, key = todo.pop()
        for byte in range(1, 256):
            at = base ^ byte
            if at >= len(units) or units[at] & 0x800000FF != byte:
                continue
            below = at ^ step(units[at])
            if units[at] >> 8 & 1:
                start = units[below] & 0x7FFFFFFF
                yield key + bytes([byte]), texts[start:texts.index(b"\0", start)]
            todo.append((below, key + bytes([byte])))


def double_array(entries):
    """Keys with numbers as darts-clone writes them, first fit; keys need not be few."""
    children, units, used, bases = {}, [0] * 256, {0}, set()
    for key, value in entries:
        node = children
        for byte in key:
            node = node.setdefault(byte, {})
        node[0] = value
    todo = [(0, children, 0)]
    while todo:
        at, node, label = todo.pop()
        base = next(b for b in itertools.count(1) if b not in bases and all(b ^ c not in used for c in node))
        bases.add(base)
        used |= {base ^ c for c in node}
        units += [0] * (((base | 255) + 1) - len(units))
        assert (at ^ base) < 1 << 21
        units[at] = label | (0 in node) << 8 | (at ^ base) << 10
        for byte, child in node.items():
            if byte:
                todo.append((base ^ byte, child, byte))
            else:
                units[base] = 1 << 31 | child
    return units


def pruned(charsmap, texts):
    """The map without characters that no text has: on these texts it does the same."""
    raw, seen = base64.b64decode(charsmap), set("".join(texts))
    size = struct.unpack_from("<I", raw)[0]
    units = struct.unpack(f"<{size // 4}I", raw[4:4 + size])
    kept, values = [], bytearray()
    for key, value in sorted(charsmap_entries(units, raw[4 + size:])):
        if set(key.decode()) <= seen:
            kept.append((key, len(values)))
            values += value + b"\0"
    units = double_array(kept)
    return base64.b64encode(struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + bytes(values)).decode()


GROUP = 10


def folded(hashes):
    """Hashes, 8 digits each, to one for each GROUP of them."""
    every = [hashes[i:i + 8] for i in range(0, len(hashes), 8)]
    return "".join(fnv("".join(every[i:i + GROUP])) for i in range(0, len(every), GROUP))


def compact(root):
    """What main() has collected, as it is written."""
    shared = []
    root["charsmap"] = pruned(root["charsmap"], root["texts"])

    def once(value):
        if value not in shared:
            shared.append(value)
        return shared.index(value)

    for model in root["models"]:
        for key in ("vocab", "merges"):
            if key in model:
                model[key] = once(model[key])
    for case in root["cases"]:
        case["parts"] = {k: once(v) for k, v in case["parts"].items() if v is not None}
        case["panics"] = [i // 8 for i in range(0, len(case["decoded"]), 8) if case["decoded"][i] == "-"]
        case["hashes"], case["decoded"] = folded(case["hashes"]), folded(case["decoded"])
    return root | {"shared": shared}


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
    root = compact(root)
    OUT.write_text(json.dumps(root, separators=(",", ":")).replace('},{"name"', '},\n{"name"') + "\n")
    print(OUT, OUT.stat().st_size, "bytes,", len(cases), "cases,", len(models), "models")


if __name__ == "__main__":
    main()
