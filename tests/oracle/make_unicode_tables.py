"""Writes src/text/unicode_tables.inc: what the `tokenizers` library takes each code point for.

The library mixes tables of several Unicode versions (8 for categories, 9 for normal forms, the newest for case and for
\\w), so every property is asked of the library itself, code point by code point. Decompositions and compositions come
from utf8proc at run time; the code points that it decomposes and the library (Unicode 9) does not are listed.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_unicode_tables.py UnicodeData.txt > src/text/unicode_tables.inc
"""
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

SPACE, DROP, PUNCT, NONSPACING, MARK, WORD, HAN = 1, 2, 4, 8, 16, 32, 64
POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
HAN_RANGES = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
              (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]
# Decompositions of Unicode 16 and 17, which the UnicodeData.txt at hand may not have yet.
LATER = [0x105C9, 0x105E4, 0x11383, 0x11385, 0x1138E, 0x11391, 0x113C5, 0x113C7, 0x113C8, *range(0x16121, 0x16129),
         0x16D68, 0x16D69, 0x16D6A]


def bert(clean=False, han=False, strip=False, lower=False):
    return normalizers.BertNormalizer(clean_text=clean, handle_chinese_chars=han, strip_accents=strip, lowercase=lower)


def flags():
    clean, han, strip = bert(clean=True), bert(han=True), bert(strip=True)
    accents, split, white = normalizers.StripAccents(), pre_tokenizers.BertPreTokenizer(), pre_tokenizers.WhitespaceSplit()
    single = Tokenizer(models.WordLevel({"u": 0}, unk_token="u"))
    single.add_tokens([AddedToken("q", single_word=True, normalized=False)])
    table = {}
    for c in POINTS:
        s, f = chr(c), 0
        if not white.pre_tokenize_str(s):
            f |= SPACE
        if clean.normalize_str(s) == "":
            f |= DROP
        if len(split.pre_tokenize_str("a" + s + "a")) == 3:
            f |= PUNCT
        if strip.normalize_str(s) == "":
            f |= NONSPACING
        if accents.normalize_str(s) == "":
            f |= MARK
        if single.encode(s + "q").tokens == ["u"]:
            f |= WORD
        if len(han.normalize_str(s)) == 3:
            f |= HAN
        assert bool(f & HAN) == any(a <= c <= b for a, b in HAN_RANGES), hex(c)
        table[c] = f
    return table


def runs_of(values):
    """(first, last, value) of neighbours with one value; surrogates join their neighbours."""
    out = []
    for c in POINTS:
        if out and out[-1][2] == values[c] and c - out[-1][1] in (1, 2049):
            out[-1][1] = c
        else:
            out.append([c, c, values[c]])
    return out


def lower_runs():
    lower = normalizers.Lowercase()
    out = []
    for c in POINTS:
        low = lower.normalize_str(chr(c))
        if low == chr(c) or c == 0x130:  # the one that becomes two, handled in the code
            continue
        assert len(low) == 1, hex(c)
        delta = ord(low) - c
        if out and out[-1][3] == delta and c - out[-1][1] in (1, 2):
            step = c - out[-1][1]
            if out[-1][2] in (0, step):
                out[-1][1], out[-1][2] = c, step
                continue
        out.append([c, c, 0, delta])
    assert lower.normalize_str("\u0130") == "i\u0307"
    return out


def non_starters():
    """Canonical combining classes as the library has them: it reorders exactly what it knows to be no starter."""
    nfd = normalizers.NFD()
    values = {c: 0 for c in POINTS}
    for c in POINTS:
        s = chr(c)
        high, low = "x\u0345" + s + "\u0334", "x" + s
        if nfd.normalize_str(s) == s and nfd.normalize_str(high) != high:
            values[c] = unicodedata.combining(s)
            assert values[c], hex(c)
        elif unicodedata.combining(s) and nfd.normalize_str(s) != s:
            values[c] = unicodedata.combining(s)  # decomposes, never met after decomposition
    return [r for r in runs_of(values) if r[2]]


def newer_decompositions(path):
    nfkd = normalizers.NFKD()
    found = set()
    for line in open(path):
        field = line.split(";")
        c = int(field[0], 16)
        if field[5] and nfkd.normalize_str(chr(c)) == chr(c):
            found.add(c)
    for c in LATER:
        assert nfkd.normalize_str(chr(c)) == chr(c)
        found.add(c)
    values = {c: int(c in found) for c in POINTS}
    return [r for r in runs_of(values) if r[2]]


def rows(name, kind, items, comment):
    print(f"/* {comment} */\nstatic const {kind} {name}[] = {{")
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > 120:
            print(line)
            line = "   "
        line += " " + item + ","
    print(line + "\n};\n")


def main():
    print(f"/* Made by tests/oracle/make_unicode_tables.py from tokenizers {tokenizers.__version__}. Do not edit. */\n")
    by_point = flags()
    rows("ascii_flags", "uint8_t", [str(by_point[c]) for c in range(128)], "flags of ASCII")
    table = runs_of(by_point)
    rows("class_starts", "uint32_t", [f"0x{(a << 8 | f):x}" for a, _, f in table],
         "first code point << 8 | flags, valid to the next entry")
    rows("lower_runs", "at_lower_run", [f"{{0x{a:x}, 0x{b:x}, {max(s, 1)}, {d}}}" for a, b, s, d in lower_runs()],
         "first, last, step, what to add")
    rows("combining_runs", "at_combining_run", [f"{{0x{a:x}, 0x{b:x}, {v}}}" for a, b, v in non_starters()],
         "first, last, canonical combining class")
    rows("newer_runs", "at_newer_run", [f"{{0x{a:x}, 0x{b:x}}}" for a, b, _ in newer_decompositions(sys.argv[1])],
         "decompose since a Unicode version later than the library's")


main()
