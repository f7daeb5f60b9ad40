"""Writes tests/text/data/sentencepiece/: small models and the ids that the `sentencepiece` library gives nasty texts with them, for
tests/unit/test_tokenizer_sentencepiece.c; of models with pieces that the user defined also what it makes of the ids (null where one is unknown) and where
these pieces stand (live_sentencepiece.py).

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_sentencepiece_vectors.py
"""
import json
import os
from pathlib import Path

import nasty_texts
import sentencepiece
from live_kinds import random_texts
from live_sentencepiece import DEFINED, HARD, defined_places, fits, sprinkled, train

OUT = Path(__file__).resolve().parents[1] / "text/data/sentencepiece"
RULES = "41\t61\nC9\t65\n65 301\tE9\n3000\t20\n2460\t31\nFB01\t66 69\nA0\t20\n"


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    os.chdir(OUT)  # the path of the rules stands in the models
    rules = Path("rules.tsv")
    rules.write_text(RULES)
    own = {"normalization_rule_tsv": str(rules)}
    models = {"unigram": train(model_type="unigram", vocab_size=420, **own), "bpe": train(model_type="bpe", vocab_size=420, **own),
              "bytes": train(model_type="bpe", vocab_size=560, byte_fallback=True, character_coverage=0.98, **own),
              "unigram_bytes": train(model_type="unigram", vocab_size=560, byte_fallback=True, character_coverage=0.98, add_dummy_prefix=False, **own),
              "suffix": train(model_type="unigram", vocab_size=400, treat_whitespace_as_suffix=True, remove_extra_whitespaces=False,
                              normalization_rule_name="identity"),
              "defined_unigram": train(model_type="unigram", vocab_size=420, user_defined_symbols=DEFINED, **own),
              "defined_bpe": train(model_type="bpe", vocab_size=600, byte_fallback=True, character_coverage=0.98, user_defined_symbols=DEFINED,
                                   **own)}
    rules.unlink()
    plain = nasty_texts.texts(200) + list(random_texts(60, 9))
    texts = [t for t in plain + list(sprinkled(plain[::3], 4)) + HARD if fits(t)]
    answers, decoded, places = {}, {}, {}
    for name, model in models.items():
        (OUT / f"{name}.model").write_bytes(model)
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        answers[name] = processor.encode(texts)
        if name.startswith("defined"):
            decoded[name] = [None if processor.unk_id() in ids else processor.decode(ids) for ids in answers[name]]
            places[name] = [defined_places(processor, t) for t in texts]
    (OUT / "ids.json").write_text(json.dumps({"made_by": "tests/oracle/make_sentencepiece_vectors.py", "sentencepiece": sentencepiece.__version__,
                                              "texts": texts, "ids": answers, "decoded": decoded, "places": places}, separators=(",", ":")) + "\n")
    print(sum(f.stat().st_size for f in OUT.iterdir()), "bytes")


main()
