"""Writes tests/text/data/sentencepiece/: small models and the ids that the `sentencepiece` library gives nasty texts with them, for
tests/unit/test_tokenizer_sentencepiece.c.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_sentencepiece_vectors.py
"""
import json
from pathlib import Path

import nasty_texts
import sentencepiece
from live_kinds import random_texts
from live_sentencepiece import train

OUT = Path(__file__).resolve().parents[1] / "text/data/sentencepiece"
RULES = "41\t61\nC9\t65\n65 301\tE9\n3000\t20\n2460\t31\nFB01\t66 69\nA0\t20\n"


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rules = OUT / "rules.tsv"
    rules.write_text(RULES)
    own = {"normalization_rule_tsv": str(rules)}
    models = {"unigram": train(model_type="unigram", vocab_size=420, **own), "bpe": train(model_type="bpe", vocab_size=420, **own),
              "bytes": train(model_type="bpe", vocab_size=560, byte_fallback=True, character_coverage=0.98, **own),
              "unigram_bytes": train(model_type="unigram", vocab_size=560, byte_fallback=True, character_coverage=0.98, add_dummy_prefix=False, **own),
              "suffix": train(model_type="unigram", vocab_size=400, treat_whitespace_as_suffix=True, remove_extra_whitespaces=False,
                              normalization_rule_name="identity")}
    rules.unlink()
    texts = [t for t in nasty_texts.texts(200) + list(random_texts(60, 9)) if "<s>" not in t and "<unk>" not in t and "\0" not in t]
    answers = {}
    for name, model in models.items():
        (OUT / f"{name}.model").write_bytes(model)
        answers[name] = sentencepiece.SentencePieceProcessor(model_proto=model).encode(texts)
    (OUT / "ids.json").write_text(json.dumps({"made_by": "tests/oracle/make_sentencepiece_vectors.py", "sentencepiece": sentencepiece.__version__,
                                              "texts": texts, "ids": answers}, separators=(",", ":")) + "\n")
    print(sum(f.stat().st_size for f in OUT.iterdir()), "bytes")


main()
