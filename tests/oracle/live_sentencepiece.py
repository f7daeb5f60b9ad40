"""attune's reading of SentencePiece models against the `sentencepiece` library, live: ids and decoded text, for small models trained here
and the model of the test data, on nasty texts, random Unicode and the text the models come from.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_sentencepiece.py build/release/tests/tokenizer_driver

Texts with control symbols ("<s>") are left out: `transformers`, and so attune, takes them for the tokens, SentencePiece for text.
"""
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nasty_texts
import sentencepiece
from live_kinds import random_texts
from live_tokenizer import DATA

BOTCHAN = DATA / "tokenizers/sentencepiece/botchan.txt"


def train(**settings):
    out = io.BytesIO()
    lines = BOTCHAN.read_text(encoding="utf-8").split("\n")[:1500] + nasty_texts.texts(60)
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter([x for x in lines if "\0" not in x]), model_writer=out, minloglevel=2,
                                             hard_vocab_limit=False, num_threads=1, **settings)
    return out.getvalue()


def models():
    yield "test_model", (DATA / "tokenizers/sentencepiece/test_model.model").read_bytes()
    for kind in ("unigram", "bpe"):
        yield kind, train(model_type=kind, vocab_size=800)
        yield kind + ", bytes", train(model_type=kind, vocab_size=900, byte_fallback=True, character_coverage=0.98)
        yield kind + ", identity", train(model_type=kind, vocab_size=700, normalization_rule_name="identity", remove_extra_whitespaces=False)
        yield kind + ", nfkc_cf", train(model_type=kind, vocab_size=700, normalization_rule_name="nfkc_cf")
        yield kind + ", no prefix", train(model_type=kind, vocab_size=600, add_dummy_prefix=False, split_by_whitespace=False)
        yield kind + ", suffix", train(model_type=kind, vocab_size=600, treat_whitespace_as_suffix=True)


def main():
    texts = [t for t in nasty_texts.texts(400) + list(random_texts(1500, 5)) + BOTCHAN.read_text(encoding="utf-8").split("\n")[:800]
             if "<s>" not in t and "<unk>" not in t and "</s>" not in t and "\0" not in t]
    bad_models = 0
    for name, model in models():
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "tokenizer.model").write_bytes(model)
            lines = "".join(json.dumps([t, None, 0, 0]) + "\n" for t in texts)
            run = subprocess.run([sys.argv[1], folder], input=lines.encode(), stdout=subprocess.PIPE)
        answers, bad = run.stdout.decode().split("\n")[:-1], 0
        for text, answer in zip(texts, answers):
            got = [int(x.split(",")[0]) for x in answer.split(" ")] if answer else []
            want = processor.encode(text)
            if got != want:
                bad += 1
                if bad <= 3:
                    at = next((i for i, (g, w) in enumerate(zip(got, want)) if g != w), min(len(got), len(want)))
                    print(f"     {ascii(text)[:160]}: token {at} got {got[at:at + 5]} want {want[at:at + 5]} {processor.id_to_piece(want[at:at + 5])}")
        bad += len(answers) != len(texts)
        bad_models += bad > 0
        print(f"{'FAIL' if bad else 'ok  '} {name}: {len(texts)} texts, {bad} differ", flush=True)
    sys.exit(1 if bad_models else 0)


if __name__ == "__main__":
    main()
