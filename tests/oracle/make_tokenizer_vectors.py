"""Writes tests/text/data/vectors.json: what the `tokenizers` library makes of nasty texts, for tests/unit/test_tokenizer_*.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_tokenizer_vectors.py

A case is a tokenizer (its tokenizer.json without the vocabulary), texts and answers: in full for two cases, else a hash of
each answer (the upper half of the 64-bit FNV-1a of the line that
tests/tokenizer_driver.c prints). "vocab" is a cut of bert-base-uncased and
bert-base-cased, so that most words of the texts are known; two further cases use the whole vocabularies.
"""
import json
from pathlib import Path

import nasty_texts
import tokenizers
from live_tokenizer import bert_settings, bert_vocab, build, cased_vocab, expected
from tokenizers import Tokenizer, normalizers, processors

OUT = Path(__file__).resolve().parents[1] / "text/data/vectors.json"


def fnv(line):
    h = 0xcbf29ce484222325
    for byte in line.encode():
        h = (h ^ byte) * 0x100000001b3 & (1 << 64) - 1
    return f"{h >> 32:08x}"


def cut_vocab(texts):
    """The tokens that the texts use in either vocabulary, and every character of them in every normal form."""
    used = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    seen = set(used)

    def use(tokens):
        for token in tokens:
            if token not in seen:
                seen.add(token)
                used.append(token)

    for vocab, lower in ((bert_vocab(), True), (cased_vocab(), False)):
        t = build(vocab, normalizers.BertNormalizer(lowercase=lower))
        for e in t.encode_batch(texts):
            use(e.tokens)
    forms = [normalizers.NFD(), normalizers.NFKC(), normalizers.Lowercase()]
    for c in sorted({c for text in texts for c in text if not c.isspace()}):
        for form in [None] + forms:
            for x in form.normalize_str(c) if form else c:
                if ord(x) >= 32:
                    use([x, "##" + x])
    return {token: i for i, token in enumerate(used)}


def parts(tokenizer):
    root = json.loads(tokenizer.to_str())
    root["model"]["vocab"] = {}
    return {k: v for k, v in root.items() if k not in ("version", "truncation", "padding")}


def case(name, tokenizer, requests, full=False, **more):
    answers = []
    for text, second, limit in requests:
        tokenizer.enable_truncation(limit) if limit else tokenizer.no_truncation()
        answers.append(expected(tokenizer.encode(text, second) if second is not None else tokenizer.encode(text)))
    tokenizer.no_truncation()
    return {"name": name, "parts": parts(tokenizer), **more, "answers" if full else "hashes":
            answers if full else "".join(map(fnv, answers))}


def main():
    texts = nasty_texts.texts()
    plain = [(text, None, 0) for text in texts]
    pairs = [(a, b, n) for n in range(3, 40) for a, b in nasty_texts.pairs()]
    pairs += [(a, None, n) for n in range(2, 30) for a, _ in nasty_texts.pairs()]
    vocab = cut_vocab(texts)
    uncased = normalizers.BertNormalizer()
    cases = [case("uncased", build(vocab, uncased), plain, full=True),
             case("cased", build(vocab, normalizers.BertNormalizer(lowercase=False)), plain, full=True),
             case("pairs", build(vocab, uncased), pairs, own_texts=pairs)]
    bert = build(vocab, uncased)
    bert.post_processor = processors.BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    some = pairs[::3]
    bare = json.loads(bert.to_str())
    bare["post_processor"] = None
    cases.append(case("pairs, BertProcessing", bert, some, own_texts=some))
    cases.append(case("pairs, no post-processor", Tokenizer.from_str(json.dumps(bare)), some, own_texts=some))
    for name, normalizer in bert_settings():
        cases.append(case(name, build(vocab, normalizer), plain))
    for name, normalizer in nasty_texts.NORMALIZERS.items():
        cases.append(case(name, build(vocab, normalizer), plain))
        cases.append(case(name + ", added tokens", build(vocab, normalizer, added=nasty_texts.added()), plain))
    cases.append(case("uncased, added tokens", build(vocab, uncased, added=nasty_texts.added()), plain))
    for name, pre in nasty_texts.PRE_TOKENIZERS.items():
        cases.append(case(name, build(vocab, uncased, pre, nasty_texts.added()), plain))
    t = build(vocab, uncased)
    ids = [e.ids for e in t.encode_batch(texts)]
    decoded = [{"ids": i, "all": t.decode(i, skip_special_tokens=False), "plain": t.decode(i)} for i in ids[:120]]
    whole = {"bert-base-uncased": case("bert-base-uncased", build(bert_vocab(), uncased), plain)["hashes"],
             "bert-base-cased": case("bert-base-cased", build(cased_vocab(), normalizers.BertNormalizer(lowercase=False)),
                                     plain)["hashes"]}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    root = {"made_by": "tests/oracle/make_tokenizer_vectors.py", "tokenizers": tokenizers.__version__,
            "vocab": sorted(vocab, key=vocab.get), "texts": texts, "cases": cases, "decoded": decoded, "whole": whole}
    OUT.write_text(json.dumps(root, separators=(",", ":")).replace('},{"name"', '},\n{"name"') + "\n")
    print(OUT, OUT.stat().st_size, "bytes,", len(cases), "cases,", len(vocab), "tokens")


main()
