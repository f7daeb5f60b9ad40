"""attune's tokenizer against the `tokenizers` library, live and exhaustively: ids, offsets, word ids, type ids, special
mask, on every line of the test texts, on every code point in several contexts and on nasty texts, for every setting.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_tokenizer.py build/release/tests/tokenizer_driver [part ...]

Parts: points, text, nasty (all by default). Differences that come from Unicode versions would stand in
tests/oracle/tokenizer_differences.txt, one code point a line; any other difference fails.
"""
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors  # noqa: E402

import nasty_texts  # noqa: E402

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("ATTUNE_TEST_DATA", HERE.parents[2] / "shared" / "data"))
KNOWN = {int(line.split()[0][2:], 16) for line in (HERE / "tokenizer_differences.txt").read_text().splitlines()
         if line.startswith("U+")}


def bert_vocab():
    return json.loads((DATA / "tokenizers/bert-base-uncased/tokenizer.json").read_text())["model"]["vocab"]


def cased_vocab():
    """The file at hand was once read as Windows-1252, stripped of no-break spaces and written as UTF-8: undone here."""
    def repair(line):
        raw = b"".join(bytes([ord(c)]) if ord(c) < 256 else c.encode("cp1252") for c in line)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return (raw + b"\xa0").decode()
    lines = (DATA / "tokenizers/bert-base-cased_vocab.txt").read_text(encoding="utf-8").split("\n")
    return {repair(token): i for i, token in enumerate(lines) if token}


def every_point_vocab():
    """A vocabulary in which every code point is a token, first and continuing: no difference hides behind [UNK]."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for c in range(0x20, 0x30000):
        if not 0xD800 <= c <= 0xDFFF:
            tokens += [chr(c), "##" + chr(c)]
    return {token: i for i, token in enumerate(tokens)}


def build(vocab, normalizer, pre=None, added=(), pair=True):
    t = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    if normalizer is not None:
        t.normalizer = normalizer
    t.pre_tokenizer = pre or pre_tokenizers.BertPreTokenizer()
    t.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    if added:
        t.add_tokens(list(added))
    cls, sep = vocab["[CLS]"], vocab["[SEP]"]
    t.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
    t.decoder = decoders.WordPiece()
    return t


def bert_settings():
    for lower, strip, han, clean in itertools.product((True, False), (None, True, False), (True, False), (True, False)):
        yield f"lower={lower} strip={strip} han={han} clean={clean}", normalizers.BertNormalizer(
            clean_text=clean, handle_chinese_chars=han, strip_accents=strip, lowercase=lower)


def expected(encoding):
    words = encoding.word_ids
    return " ".join(f"{i},{s},{e},{-1 if w is None else w},{t},{m}" for i, (s, e), w, t, m in zip(
        encoding.ids, encoding.offsets, words, encoding.type_ids, encoding.special_tokens_mask))


class Driver:
    def __init__(self, program):
        self.program = program
        self.failures = 0

    def compare(self, name, tokenizer, requests):
        """requests: (text, second or None, max_tokens)."""
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.no_truncation()
            tokenizer.no_padding()
            tokenizer.save(folder + "/tokenizer.json")
            lines = "".join(json.dumps([a, b, n, 0]) + "\n" for a, b, n in requests)
            run = subprocess.run([self.program, folder], input=lines.encode(), stdout=subprocess.PIPE, check=True)
        answers = run.stdout.decode().split("\n")[:-1]
        assert len(answers) == len(requests), (len(answers), len(requests))
        bad = 0
        for at in range(0, len(requests), 2000):
            part = requests[at:at + 2000]
            for (text, second, limit), got, want in zip(part, answers[at:at + 2000], self.encode(tokenizer, part)):
                if got == want:
                    continue
                if self.is_known(text):
                    continue
                bad += 1
                if bad <= 3:
                    self.show(text, second, limit, got, want)
        self.failures += bad
        print(f"{'FAIL' if bad else 'ok  '} {name}: {len(requests)} texts, {bad} differ", flush=True)

    @staticmethod
    def encode(tokenizer, part):
        out = []
        for limit, group in itertools.groupby(part, key=lambda r: r[2]):
            if limit:
                tokenizer.enable_truncation(limit)
            else:
                tokenizer.no_truncation()
            batch = [a if b is None else (a, b) for a, b, _ in group]
            out += [expected(e) for e in tokenizer.encode_batch(batch)]
        return out

    @staticmethod
    def is_known(text):
        return bool(KNOWN) and any(ord(c) in KNOWN for c in text)

    @staticmethod
    def show(text, second, limit, got, want):
        got, want = got.split(" "), want.split(" ")
        at = next((i for i, (g, w) in enumerate(zip(got, want)) if g != w), min(len(got), len(want)))
        print(f"     {ascii(text[:160])} + {ascii(second)} limit {limit}: token {at} got {got[at:at + 4]} want "
              f"{want[at:at + 4]} ({len(got)} / {len(want)} tokens)")


CONTEXTS = ["a{}b", "{}", "e{}\u0301x", "\u0316{}\u302a ", "\u1100\u1161{}"]
FULL = {"lower=True strip=None han=True clean=True", "lower=False strip=None han=True clean=True"}


def point_texts(context, size=40, full=False):
    """All code points, or those of the planes that have any special ones."""
    points = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and (
        full or c < 0x1FFFF or 0x2F700 <= c < 0x30000 or 0xE0000 <= c < 0xE0200 or c > 0x10FF00)]
    return [(" ".join(context.format(c) for c in points[i:i + size]), None, 0) for i in range(0, len(points), size)]


def run_points(driver):
    t = build(every_point_vocab(), None)
    for name, normalizer in bert_settings():
        contexts = CONTEXTS[:5 if "clean=True" in name and "han=True" in name else 1]
        t.normalizer = normalizer
        driver.compare(f"points {name}", t, [r for c in contexts for r in point_texts(c, full=name in FULL and c == "a{}b")])
    after = CONTEXTS + ["\uac00{}", "{}\u0338"]
    others = {"NFC": normalizers.NFC(), "NFD": normalizers.NFD(), "NFKC": normalizers.NFKC(), "NFKD": normalizers.NFKD(),
              "Lowercase": normalizers.Lowercase(), "StripAccents": normalizers.StripAccents(),
              "NFD+StripAccents": normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])}
    for name, normalizer in others.items():
        t.normalizer = normalizer
        driver.compare(f"points {name}", t, [r for c in after for r in point_texts(c)])
    t.normalizer = normalizers.Sequence([])
    for name, pre in nasty_texts.PRE_TOKENIZERS.items():
        t.pre_tokenizer = pre
        driver.compare(f"points {name}", t, point_texts("a{}b", 1000, True))


def text_lines():
    files = sorted((DATA / "text").glob("*.txt")) + [DATA / "tokenizers/sentencepiece/botchan.txt"]
    return {f.name: [(line, None, 0) for line in f.read_text(encoding="utf-8").split("\n")] for f in files}


def run_text(driver):
    uncased, cased = bert_vocab(), cased_vocab()
    for file, lines in text_lines().items():
        for name, normalizer in bert_settings():
            vocab = uncased if "lower=True" in name else cased
            driver.compare(f"text {file} {name}", build(vocab, normalizer), lines)


def run_nasty(driver):
    uncased, cased = bert_vocab(), cased_vocab()
    texts = [(text, None, 0) for text in nasty_texts.texts()]
    pairs = [(a, b, n) for n in range(3, 40) for a, b in nasty_texts.pairs()] + [(a, None, n) for n in range(2, 30)
                                                                                 for a, _ in nasty_texts.pairs()]
    for name, normalizer in bert_settings():
        vocab = uncased if "lower=True" in name else cased
        driver.compare(f"nasty {name}", build(vocab, normalizer), texts + pairs)
        driver.compare(f"nasty, added tokens {name}", build(vocab, normalizer, added=nasty_texts.added()), texts)
    for name, normalizer in nasty_texts.NORMALIZERS.items():
        driver.compare(f"nasty {name}", build(cased, normalizer), texts)
        driver.compare(f"nasty, added tokens {name}", build(cased, normalizer, added=nasty_texts.added()), texts)
    for name, normalizer in nasty_texts.NORMALIZERS.items():
        driver.compare(f"nasty, every token {name}", build(every_point_vocab(), normalizer), texts)
    for name, pre in nasty_texts.PRE_TOKENIZERS.items():
        driver.compare(f"nasty {name}", build(uncased, normalizers.Lowercase(), pre, nasty_texts.added()), texts)


def main():
    parts = sys.argv[2:] or ["nasty", "text", "points"]
    driver = Driver(sys.argv[1])
    for part in parts:
        {"points": run_points, "text": run_text, "nasty": run_nasty}[part](driver)
    sys.exit(f"{driver.failures} texts differ" if driver.failures else 0)


if __name__ == "__main__":
    main()
