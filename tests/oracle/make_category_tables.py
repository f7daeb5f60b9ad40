"""Writes src/text/category_tables.inc: general categories, numbers, scripts and grapheme joins as the `tokenizers` library has them.

Its regular expressions (Oniguruma), its Digits (Rust), its UnicodeScripts and its Precompiled each bring a Unicode version of their own.
Categories and graphemes are utf8proc's at run time, so only the code points that the library takes for something else are written.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_category_tables.py > src/text/category_tables.inc
"""
import base64
import ctypes
import json
import struct

import tokenizers
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
EVERYTHING = "".join(map(chr, POINTS))
# in the order of utf8proc_category_t
CATEGORIES = "Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co".split()
UTF8PROC = ctypes.CDLL("libutf8proc.so.2")


def runs_of(pairs):
    """(first, last, value) of neighbours with one value."""
    out = []
    for c, value in pairs:
        if out and out[-1][2] == value and c == out[-1][1] + 1:
            out[-1][1] = c
        else:
            out.append([c, c, value])
    return out


def matched(pattern):
    words = pre_tokenizers.Split(Regex(pattern), "removed", invert=True).pre_tokenize_str(EVERYTHING)
    return [POINTS[i] for _, (a, b) in words for i in range(a, b)]


def categories():
    found = {}
    for k, name in enumerate(CATEGORIES):
        if name != "Cs":
            for c in matched(r"\p{%s}+" % name):
                found[c] = k
    assert len(found) == len(POINTS)
    return found


def numbers(category):
    digits = pre_tokenizers.Digits(individual_digits=True)
    is_number = {c for c in POINTS if len(digits.pre_tokenize_str("a" + chr(c) + "a")) == 3}
    return [(c, int(c in is_number)) for c in POINTS if (c in is_number) != (category[c] in (9, 10, 11))]


# A character of each category that old versions know, for the eyes of PCRE2; of a script that expressions seldom name.
STAND_IN = {"Lu": 0x10400, "Ll": 0x10428, "Lt": 0x1F88, "Lm": 0xA717, "Lo": 0x10000, "Mn": 0x1D167, "Mc": 0x1D165, "Me": 0x20DD, "Nd": 0x104A0,
            "Nl": 0x10140, "No": 0x10107, "Pc": 0x203F, "Pd": 0x2E3A, "Ps": 0x2768, "Pe": 0x2769, "Pi": 0x2E02, "Pf": 0x2E03, "Po": 0x10100,
            "Sm": 0x2A00, "Sc": 0x20BF, "Sk": 0xA700, "So": 0x1D000, "Cf": 0xE0001, "Cn": 0x0378}


def pcre2_matched(pattern):
    lib = ctypes.CDLL("libpcre2-32.so.0")
    for name in ("compile", "match_data_create", "get_ovector_pointer"):
        getattr(lib, f"pcre2_{name}_32").restype = ctypes.c_void_p
    number, at = ctypes.c_int(), ctypes.c_size_t()
    text = (ctypes.c_uint32 * len(pattern))(*map(ord, pattern))
    code = ctypes.c_void_p(lib.pcre2_compile_32(text, ctypes.c_size_t(len(pattern)), 0x80000 | 0x20000, ctypes.byref(number), ctypes.byref(at), None))
    data = ctypes.c_void_p(lib.pcre2_match_data_create_32(ctypes.c_uint32(1), None))
    subject, out, start = (ctypes.c_uint32 * len(POINTS))(*POINTS), [], 0
    while lib.pcre2_match_32(code, subject, ctypes.c_size_t(len(POINTS)), ctypes.c_size_t(start), 0x40000000, data, None) >= 0:
        a, b = (ctypes.c_size_t * 2).from_address(lib.pcre2_get_ovector_pointer_32(data))
        out += POINTS[a:b]
        start = b
    return out


def stand_ins(category):
    """What PCRE2 10.42 (Unicode 14) sees in the place of what it does not know yet."""
    seen = {}
    for k, name in enumerate(CATEGORIES):
        if name != "Cs":
            for c in pcre2_matched(r"\p{%s}+" % name):
                seen[c] = k
    han = set(matched(r"\p{Han}+")) - set(pcre2_matched(r"\p{Han}+"))
    letters = set(matched("[[:alpha:]]+"))

    def stand_in(c):
        name = CATEGORIES[category[c]]
        if c in han or c not in letters:
            return 0x20000 if c in han else STAND_IN[name]
        return {"Mn": 0x10A01, "Mc": 0x11002}.get(name, STAND_IN[name])  # marks that count as letters

    return [(c, stand_in(c)) for c in POINTS if seen[c] != category[c] or c in han]


def tiny_charsmap():
    """A double array with the one key "a", which becomes "b"."""
    units = [0] * 1024
    units[0] = 256 << 10
    units[256 ^ 0x61] = 0x61 | 1 << 8 | (256 ^ 0x61 ^ 512) << 10
    units[512] = 0
    trie = struct.pack("<1024I", *units)
    return base64.b64encode(struct.pack("<I", len(trie)) + trie + b"b\0").decode()


def joins():
    """Code points that stay in one grapheme with a letter before them, where utf8proc says otherwise."""
    t = Tokenizer.from_str(json.dumps({"version": "1.0", "added_tokens": [], "normalizer": {
        "type": "Precompiled", "precompiled_charsmap": tiny_charsmap()}, "pre_tokenizer": None, "post_processor": None,
        "decoder": None, "model": {"type": "WordLevel", "vocab": {"u": 0}, "unk_token": "u"}}))
    out = []
    for c in POINTS:
        if c in (0, 10, 13):
            continue
        text = t.normalizer.normalize_str("a" + chr(c))
        if (text == "b") != (not UTF8PROC.utf8proc_grapheme_break(0x61, c)):
            out.append((c, int(text == "b")))
    return out


def scripts():
    split = pre_tokenizers.UnicodeScripts()
    alone = lambda a, b: len(split.pre_tokenize_str(chr(a) + chr(b))) == 2  # noqa: E731
    known, value, before = [], {}, None
    for c in POINTS:
        if not alone(0x61, c) and not alone(0x3042, c):
            value[c] = 0  # joins anything
        elif before is not None and not alone(before, c) and value[before]:
            value[c] = value[before]
        else:
            value[c] = next((k + 1 for k, r in enumerate(known) if not alone(r, c)), 0)
            if not value[c]:
                known.append(c)
                value[c] = len(known)
        before = c
    assert len(known) < 256
    out = []
    for c in POINTS:
        if not out or out[-1][1] != value[c]:
            out.append((c, value[c]))
    return out


def rows(name, kind, items, comment):
    print(f"/* {comment} */\nstatic const {kind} {name}[] = {{")
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > 120:
            print(line)
            line = "   "
        line += " " + item + ","
    print(line + "\n};\n")


def triples(runs):
    return [f"{{0x{a:x}, 0x{b:x}, {v}}}" for a, b, v in runs] + ["{0x110000, 0x110000, 0}"]  # beyond all: no table is empty


def main():
    print(f"/* Made by tests/oracle/make_category_tables.py from tokenizers {tokenizers.__version__}. Do not edit. */\n")
    category = categories()
    other = [(c, category[c]) for c in POINTS if UTF8PROC.utf8proc_category(c) != category[c]]
    rows("category_runs", "at_valued_run", triples(runs_of(other)), "first, last, general category of the library's regular expressions")
    rows("stand_in_runs", "at_valued_run", triples(runs_of(stand_ins(category))), "first, last, what PCRE2 is shown in their place")
    rows("numeric_runs", "at_valued_run", triples(runs_of(numbers(category))), "first, last, 1 where Digits splits and the category is none of N")
    rows("joining_runs", "at_valued_run", triples(runs_of(joins())), "first, last, 1 where it extends the grapheme before it")
    rows("script_starts", "uint32_t", [f"0x{(a << 8 | v):x}" for a, v in scripts()],
         "first code point << 8 | script, valid to the next entry; 0 joins any script")


main()
