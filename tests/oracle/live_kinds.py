"""attune's tokenizer against the `tokenizers` library, live: small tokenizers of every kind, trained here, the tokenizers of the test data,
on nasty texts, random Unicode and the test texts; encoding (ids, offsets, word ids, type ids, special mask), decoding, streaming.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_kinds.py build/release/tests/tokenizer_driver [part ...]

Parts: kinds (every component in small tokenizers), random (ATTUNE_RANDOM strings for each, 2000 by default), files (the same for the tokenizers of
the test data alone, decoding all of them), text (the tokenizers of the test data on all test texts), points (every code point through the components
that have classes of their own).
"""
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import nasty_texts  # noqa: E402
from live_tokenizer import DATA, expected, text_lines  # noqa: E402
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,  # noqa: E402
                        trainers)

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
REGEXES = [O200K, r"\s+", r"\S+|\s", r"[A-Za-z]+", r"\w+|[^\w\s]+", r"\d{1,3}(?=(?:\d{3})*\b)", r"[一-龥\u3040-ゟ゠-ヿ]+", r"(?<=[a-z])(?=[A-Z])",
           r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"(?i)the|AN", r"^.|.$", r"[[:punct:]]", r"[[:alpha:]]+", r"\h{2}", r"(a|b)\1", r"x*",
           r"\p{Han}", r"a{2}?", r"[^\W\d_]+" if False else r"[^\s\d_]+", r"(?:a|e){1,2}+", r"\bun", r"\p{Lu}\p{Ll}*", r"[\-\]\[^$.]+"]
TRAINING = "wikitext-2_valid.txt"


def training_text():
    lines = (DATA / "text" / TRAINING).read_text(encoding="utf-8").split("\n")[:1500]
    return lines + nasty_texts.texts()


def reload(t):
    """As a file gives it: the library reads scores less exactly than it holds them."""
    return Tokenizer.from_str(t.to_str())


def trained(model, trainer, normalizer=None, pre=None, post=None, decoder=None, added=(), texts=None):
    t = Tokenizer(model)
    if normalizer is not None:
        t.normalizer = normalizer
    if pre is not None:
        t.pre_tokenizer = pre
    t.train_from_iterator(texts or training_text(), trainer)
    if added:
        t.add_tokens(list(added))
    if post is not None:
        t.post_processor = post
    if decoder is not None:
        t.decoder = decoder
    return t


def changed(t, **parts):
    """The same tokenizer with other parts."""
    root = json.loads(t.to_str())
    for key, value in parts.items():
        if key == "model":
            root["model"].update(value)
        else:
            root[key] = json.loads(value.__getstate__()) if value is not None else None
    return Tokenizer.from_str(json.dumps(root))


def bytelevel(**kinds):
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
                                  show_progress=False)
    return trained(models.BPE(), trainer, pre=pre_tokenizers.ByteLevel(add_prefix_space=False), decoder=decoders.ByteLevel(), **kinds)


def byte_kinds():
    base = bytelevel(added=nasty_texts.added())
    sequence, split = pre_tokenizers.Sequence, pre_tokenizers.Split
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    yield "ByteLevel", base
    for prefix, trim in itertools.product((True, False), (True, False)):
        pre = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
        yield f"roberta {prefix} {trim}", changed(base, pre_tokenizer=pre, post_processor=processors.RobertaProcessing(
            ("</s>", 2), ("<s>", 0), trim_offsets=trim, add_prefix_space=prefix))
        yield f"bytelevel post {prefix} {trim}", changed(base, pre_tokenizer=pre,
                                                         post_processor=processors.ByteLevel(trim_offsets=trim, add_prefix_space=prefix))
    template = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1",
                                             special_tokens=[("<s>", 0), ("</s>", 2)])
    bert = processors.BertProcessing(("</s>", 2), ("<s>", 0))
    level = processors.ByteLevel(trim_offsets=True)
    for name, post in {"level template": [level, template], "template level": [template, level], "bert level": [bert, level],
                       "level level": [level, level]}.items():
        yield name, changed(base, post_processor=processors.Sequence(post))
    for name, regex in {"llama3": LLAMA3, "qwen2": QWEN2, "gpt2 split": GPT2}.items():
        for how, invert in (("isolated", False), ("removed", True)):
            yield f"{name} {how}", changed(base, pre_tokenizer=sequence([split(Regex(regex), how, invert), plain]),
                                           normalizer=normalizers.NFC() if how == "isolated" else None,
                                           model={"ignore_merges": name == "llama3"})
        yield f"{name} general", changed(base, pre_tokenizer=sequence([split(Regex(f"(?:{regex})"), "isolated"), plain]))
    for k, regex in enumerate(REGEXES):
        for how in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
            for invert in (False, True):
                yield f"regex {k} {how} {invert}", changed(base, pre_tokenizer=sequence([split(Regex(regex), how, invert), plain]))
    for how in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        yield f"string {how}", changed(base, pre_tokenizer=sequence([split("e", how), split("th", how, True), plain]))
    pres = {"digits": pre_tokenizers.Digits(individual_digits=False), "individual digits": pre_tokenizers.Digits(individual_digits=True),
            "punctuation": pre_tokenizers.Punctuation(), "whitespace": pre_tokenizers.Whitespace(), "scripts": pre_tokenizers.UnicodeScripts(),
            "fixed": pre_tokenizers.FixedLength(length=3), "delimiter": pre_tokenizers.CharDelimiterSplit("e")}
    for name, pre in pres.items():
        yield name, changed(base, pre_tokenizer=sequence([pre, pre_tokenizers.ByteLevel(add_prefix_space=name == "digits", use_regex=True)]))
    yield "no regex", changed(base, pre_tokenizer=plain)
    yield "normalizer ByteLevel", changed(base, pre_tokenizer=None, normalizer=normalizers.ByteLevel())
    yield "normalizers", changed(base, normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Nmt(),
                                                                          normalizers.Replace(Regex(r"\s+"), " "), normalizers.Prepend("> ")]))
    for k, regex in enumerate([r"\s{2,}", r"[aeiou]", r"(?<=a)b|(?<=.)$", r"\p{P}+", r"(?i)THE"]):
        yield f"replace {k}", changed(base, normalizer=normalizers.Replace(Regex(regex), "<>"))
        yield f"replace by nothing {k}", changed(base, normalizer=normalizers.Replace(Regex(regex), ""))


def other_kinds():
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    spm = trained(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True),
                  trainers.BpeTrainer(vocab_size=800, special_tokens=specials, limit_alphabet=120, show_progress=False),
                  normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), texts=training_text()[:600],
                  decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]))
    yield "llama2", spm
    yield "no fallback", changed(spm, model={"byte_fallback": False})
    yield "no fallback, unfused", changed(spm, model={"byte_fallback": False, "fuse_unk": False})
    yield "no unknown", changed(spm, model={"byte_fallback": False, "unk_token": None})
    for scheme, split in itertools.product(("always", "first", "never"), (True, False)):
        yield f"metaspace {scheme} {split}", changed(spm, normalizer=None, pre_tokenizer=pre_tokenizers.Metaspace(
            prepend_scheme=scheme, split=split), decoder=decoders.Metaspace(prepend_scheme=scheme))
    words = trained(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>", continuing_subword_prefix="##"),
                    trainers.BpeTrainer(vocab_size=900, special_tokens=["<unk>"], end_of_word_suffix="</w>", continuing_subword_prefix="##",
                                        limit_alphabet=80, show_progress=False),
                    pre=pre_tokenizers.Whitespace(), decoder=decoders.BPEDecoder())
    yield "prefix and suffix", words
    yield "prefix and suffix, fused", changed(words, model={"fuse_unk": True})
    level = trained(models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(vocab_size=500, special_tokens=["<unk>"], show_progress=False),
                    pre=pre_tokenizers.Whitespace(), added=nasty_texts.added())
    yield "WordLevel", level
    yield "WordLevel, trimmed", changed(level, post_processor=processors.ByteLevel(trim_offsets=True))
    for name, decoder in {"ctc": decoders.CTC("a", "the", True), "ctc, no cleanup": decoders.CTC("a", "the", False), "fuse": decoders.Fuse(),
                          "strip": decoders.Sequence([decoders.Fuse(), decoders.Strip("a", 2, 1)]), "wordpiece": decoders.WordPiece("a", True),
                          "replace": decoders.Replace(Regex("[a-e]+"), "<>")}.items():
        yield "decoder " + name, changed(level, decoder=decoder)
    charsmap = json.loads((DATA / "tokenizers/t5-small/tokenizer.json").read_text())["normalizer"]["precompiled_charsmap"]
    import base64
    precompiled = normalizers.Precompiled(base64.b64decode(charsmap))
    specials = ["<pad>", "<unk>", "</s>"]
    for size, fallback in ((300, False), (1000, False), (500, True)):
        extra = [f"<0x{b:02X}>" for b in range(256)] if fallback else []
        uni = trained(models.Unigram(), trainers.UnigramTrainer(vocab_size=size + len(extra), special_tokens=specials + extra, unk_token="<unk>",
                                                                show_progress=False),
                      normalizer=normalizers.Sequence([precompiled, normalizers.Replace(Regex(" {2,}"), " ")]),
                      pre=pre_tokenizers.Metaspace(), texts=training_text()[:500], decoder=decoders.Metaspace())
        uni = changed(uni, model={"byte_fallback": fallback})
        yield f"Unigram {size}", uni
        yield f"Unigram {size}, unsplit", changed(uni, pre_tokenizer=pre_tokenizers.Metaspace(split=False, prepend_scheme="first"))
        yield f"Unigram {size}, words", changed(uni, pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(),
                                                                                            pre_tokenizers.Metaspace()]))
        yield f"Unigram {size}, trimmed", changed(uni, post_processor=processors.ByteLevel(trim_offsets=True))


def files():
    folder = DATA / "tokenizers"
    for name in ("roberta-base", "llama2", "t5-small", "bert-base-uncased"):
        root = json.loads((folder / name / "tokenizer.json").read_text())
        if "merges" in root["model"]:  # llama2 has three that the library does not read
            root["model"]["merges"] = [m for m in root["model"]["merges"] if len(m.split(" ")) == 2]
        yield name, Tokenizer.from_str(json.dumps(root))
    gpt2 = Tokenizer(models.BPE.from_file(str(folder / "gpt2/gpt2-vocab.json"), str(folder / "gpt2/gpt2-merges.txt")))
    gpt2.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    gpt2.decoder = decoders.ByteLevel()
    yield "gpt2", gpt2
    yield "gpt2 as llama3", changed(gpt2, pre_tokenizer=pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]))


RANGES = [(0x20, 0x7f, 30), (0x9, 0x20, 3), (0xa0, 0x250, 8), (0x300, 0x370, 4), (0x370, 0x600, 4), (0x900, 0xe80, 3), (0x1100, 0x1200, 1),
          (0x2000, 0x2100, 4), (0x2500, 0x2600, 1), (0x3000, 0x3200, 3), (0x4e00, 0x9fff, 4), (0xac00, 0xd7a3, 2), (0xf900, 0xfb00, 1),
          (0xff00, 0x10000, 2), (0x1f300, 0x1fa00, 3), (0x10000, 0x20000, 1), (0, 0x30000, 2), (0xe0000, 0x110000, 1)]


def random_texts(n, seed=7):
    draw = random.Random(seed)
    weights = [w for _, _, w in RANGES]
    pool = ["the", "The", "ing", "don't", "I'LL", "  ", "\n\n", "▁", "▁▁", "<s>", "<mask>", " <mask> ", "<0x41>", "<unk>", "1234", "a\u0301", "\u0e33",
            "Ġ", "##", "</w>", "\u200d", "aaaaaaaa", "\u00a0", "'s", "'ſ", "\r\n", "\u180e", "\u0085"]
    for _ in range(n):
        out = []
        for _ in range(draw.randint(0, 30)):
            if draw.random() < 0.25:
                out.append(draw.choice(pool))
                continue
            a, b, _ = draw.choices(RANGES, weights)[0]
            c = draw.randrange(a, b)
            out.append(chr(c) if not 0xD800 <= c <= 0xDFFF else " ")
        yield draw.choice(["", "", " "]).join(out)


class Driver:
    def __init__(self, program):
        self.program, self.failures = program, 0

    def run(self, t, requests):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "tokenizer.json").write_text(t.to_str())
            run = subprocess.run([self.program, folder], input="".join(json.dumps(r) + "\n" for r in requests).encode(), stdout=subprocess.PIPE)
        return run.stdout.decode().split("\n")[:-1]

    def compare(self, name, t, texts, pairs=(), n_decodes=400):
        t = reload(t)
        t.no_truncation()
        t.no_padding()
        requests = [[a, None, 0, 0] for a in texts] + [[a, b, n, s] for a, b, n, s in pairs]
        want, ids = [], []
        for a, b, limit, bare in requests:
            t.enable_truncation(limit) if limit else t.no_truncation()
            e = t.encode(a, b, add_special_tokens=not bare) if b is not None else t.encode(a, add_special_tokens=not bare)
            want.append(expected(e))
            ids.append(e.ids)
        t.no_truncation()
        decodes = [(i, skip) for k, i in enumerate(ids[:n_decodes]) for skip in ((0, 1) if k % 4 == 0 else (0,))]
        answers = self.run(t, requests + [{"decode": i, "skip": s} for i, s in decodes])
        bad = 0
        for request, got, right in itertools.zip_longest(requests, answers, want):
            if right is not None and got != right:
                bad += 1
                if bad <= 3:
                    self.show(request, got or "", right)
        for (i, skip), got in zip(decodes, answers[len(requests):]):
            try:
                right = t.decode(i, skip_special_tokens=bool(skip))
            except BaseException as e:  # the library panics where Strip or BPEDecoder gets nothing
                if isinstance(e, KeyboardInterrupt):
                    raise
                continue
            got = json.loads(got) if got.startswith("[") else [got, []]
            # a stream may stop on an unfinished character, and then gives it at the end
            if got[0] != right or "".join(got[1]) != right:
                bad += 1
                if bad <= 3:
                    print(f"     decode {i[:40]} skip {skip}: got {ascii(got)[:300]} want {ascii(right)[:200]}")
        self.failures += bad
        if bad or not name.startswith("regex"):
            print(f"{'FAIL' if bad else 'ok  '} {name}: {len(requests)} texts, {bad} differ", flush=True)

    @staticmethod
    def show(request, got, want):
        g, w = got.split(" "), want.split(" ")
        at = next((i for i, (x, y) in enumerate(zip(g, w)) if x != y), min(len(g), len(w)))
        print(f"     {ascii(request)[:200]}: token {at} got {g[at:at + 4]} want {w[at:at + 4]} ({len(g)} / {len(w)} tokens)")


def pairs():
    return [(a, b, n, s) for n, s in ((0, 0), (0, 1), (9, 0), (16, 0)) for a, b in nasty_texts.pairs()] + [
        (a, None, n, 0) for n in (5, 8) for a, _ in nasty_texts.pairs()]


def run_kinds(driver):
    texts = nasty_texts.texts(330) + list(random_texts(150, 3))
    only = os.environ.get("ATTUNE_ONLY", "")
    for name, t in itertools.chain(byte_kinds() if only != "other" else [], other_kinds(), files()):
        few = name.startswith("regex")
        driver.compare(name, t, texts[:200] + texts[330:400] if few else texts, [] if few else pairs())


def run_random(driver):
    texts = list(random_texts(int(os.environ.get("ATTUNE_RANDOM", "2000"))))
    keep = ("ByteLevel", "roberta True True", "llama3 isolated", "qwen2 isolated", "regex 0 isolated False")
    kinds = [k for k in byte_kinds() if k[0] in keep] + list(other_kinds()) + list(files())
    for name, t in kinds:
        driver.compare("random " + name, t, texts)


def run_files(driver, part=5000):
    texts = list(random_texts(int(os.environ.get("ATTUNE_RANDOM", "2000")), 11))
    for name, t in files():
        for at in range(0, len(texts), part):
            driver.compare(f"random {name}, from {at}", t, texts[at:at + part], n_decodes=part)


def run_text(driver):
    for file, lines in text_lines().items():
        for name, t in files():
            if name != "bert-base-uncased":
                driver.compare(f"text {file} {name}", t, [a for a, _, _ in lines])


def run_points(driver):
    vocab = {"<unk>": 0, "\u2581": 1}
    vocab.update({chr(c): c for c in range(2, 0x30000) if not 0xD800 <= c <= 0xDFFF and c != 0x2581 and c not in (0xa,)})
    t = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    sequence, split = pre_tokenizers.Sequence, pre_tokenizers.Split
    pres = {"digits": pre_tokenizers.Digits(individual_digits=True), "scripts": pre_tokenizers.UnicodeScripts(),
            "gpt2": split(Regex(GPT2), "isolated"), "llama3": split(Regex(LLAMA3), "isolated"), "gpt2 by PCRE2": split(Regex(f"(?:{GPT2})"), "isolated"),
            "o200k": split(Regex(O200K), "isolated"), "words": split(Regex(r"\w"), "isolated"), "spaces": split(Regex(r"\s"), "isolated"),
            "alpha": split(Regex(r"[[:alpha:]]"), "isolated"), "punct": split(Regex(r"[[:punct:]]"), "isolated"),
            "alnum": split(Regex(r"[[:alnum:]]"), "isolated"), "marks": split(Regex(r"\p{M}"), "isolated"), "Han": split(Regex(r"\p{Han}"), "isolated"),
            "upper": split(Regex(r"\p{Lu}|[[:lower:]]"), "isolated"), "boundary": split(Regex(r"\b"), "isolated")}
    points = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c <= 0xDFFF and (c < 0x1FFFF or c > 0xE0000 and c < 0xE0200 or c % 97 == 0)]
    texts = [form.format(c) for c in points for form in ("a{}1",)]
    texts = [" .".join(texts[i:i + 200]) for i in range(0, len(texts), 200)]
    for name, pre in pres.items():
        t.pre_tokenizer = sequence([pre])
        driver.compare("points " + name, t, texts)


def main():
    driver = Driver(sys.argv[1])
    for part in sys.argv[2:] or ["kinds", "random", "text", "points"]:
        {"kinds": run_kinds, "random": run_random, "files": run_files, "text": run_text, "points": run_points}[part](driver)
    sys.exit(f"{driver.failures} differ" if driver.failures else 0)


if __name__ == "__main__":
    main()
