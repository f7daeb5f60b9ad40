"""Lists, as Markdown, where src/text/unicode_tables.inc (the `tokenizers` library) differs from a UnicodeData.txt.

    python3 tests/oracle/list_unicode_differences.py src/text/unicode_tables.inc UnicodeData.txt

The output is the list at the end of docs/tokenizer.md."""
import re
import sys

SPACE, DROP, PUNCT, NONSPACING, MARK = 1, 2, 4, 8, 16


def table(source, name):
    body = re.search(name + r"\[\] = \{(.*?)\n\};", source, re.S).group(1)
    return body


def numbers(body):
    return [[int(x, 0) for x in row.split(",")] for row in re.findall(r"\{([^}]*)\}", body)]


def unicode_data(path):
    data, first = {}, None
    for line in open(path):
        f = line.rstrip("\n").split(";")
        c = int(f[0], 16)
        if f[1].endswith("First>"):
            first = c
        elif f[1].endswith("Last>"):
            data.update({x: (f[2], 0, "", "") for x in range(first, c + 1)})
        else:
            data[c] = (f[2], int(f[3]), f[5], f[13])
    return data


def show(title, points):
    runs = []
    for c in sorted(points):
        if runs and c == runs[-1][1] + 1:
            runs[-1][1] = c
        else:
            runs.append([c, c])
    text = ", ".join(f"U+{a:04X}" if a == b else f"U+{a:04X}–{b:04X}" for a, b in runs)
    print(f"- {title} ({len(points)}): {text or 'none'}.")


def main():
    source, data = open(sys.argv[1]).read(), unicode_data(sys.argv[2])
    starts = [int(x, 0) for x in re.findall(r"0x[0-9a-f]+", table(source, "class_starts"))] + [0x110000 << 8]
    flags = {c: a & 255 for a, b in zip(starts, starts[1:]) for c in range(a >> 8, b >> 8) if not 0xD800 <= c < 0xE000}
    category = {c: data[c][0] if c in data else "Cn" for c in flags}

    def ascii_symbol(c):
        return 32 < c < 127 and not chr(c).isalnum()
    for flag, name, holds in (
            (PUNCT, "punctuation", lambda c: category[c][0] == "P" or ascii_symbol(c)),
            (NONSPACING, "accent (Mn) of BertNormalizer", lambda c: category[c] == "Mn"),
            (MARK, "mark (M) of StripAccents", lambda c: category[c][0] == "M"),
            (DROP, "removed by clean_text", lambda c: c in (0, 0xFFFD) or category[c] in ("Cf", "Co") or
             category[c] == "Cc" and c not in (9, 10, 13))):
        show(f"{name}: Unicode's, not the library's", [c for c in flags if holds(c) and not flags[c] & flag])
        show(f"{name}: the library's, not Unicode's", [c for c in flags if flags[c] & flag and not holds(c)])
    classes = {c: v for a, b, v in numbers(table(source, "combining_runs")) for c in range(a, b + 1)}
    show("combining class: Unicode's, 0 in the library", [c for c in data if data[c][1] and not classes.get(c)])
    newer = [c for a, b in numbers(table(source, "newer_runs")) for c in range(a, b + 1)]
    show("decomposition: Unicode's, none in the library", newer)
    lower = {c: c + d for a, b, s, d in numbers(table(source, "lower_runs")) for c in range(a, b + 1, s)}
    theirs = {c: int(data[c][3], 16) for c in data if data[c][3]}
    show("lower case: the library's (it is newer), not Unicode's", [c for c in lower if lower[c] != theirs.get(c)])
    show("lower case: Unicode's, not the library's", [c for c in theirs if c not in lower])


main()
