"""attune's reading of SentencePiece models against the `sentencepiece` library, live: ids, decoded text (where no piece is the unknown one, which attune
writes as transformers does) and where pieces stand that the user defined, for small models trained here and the model of the test data, on nasty texts,
random Unicode and the text the models come from.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_sentencepiece.py build/release/tests/tokenizer_driver

Texts with control symbols ("<s>") are left out: `transformers`, and so attune, takes them for the tokens, SentencePiece for text.
"""
import io
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import nasty_texts
import sentencepiece
from live_kinds import random_texts
from live_tokenizer import DATA

BOTCHAN = DATA / "tokenizers/sentencepiece/botchan.txt"
META = "\u2581"
DEFINED = ["<sep>", "<s2>", "ab", "abc", "the", META * 2, META + "<x>", "foo bar", "é", "①", "ﬁ", "  ", "A", "日本", "!", "h2",
           "q", "z", "k9", "qzj", "jk9"]
# Which of several defined pieces; spaces before the first text that there is.
HARD = ["qzjk9 qzjk9", "aqzjk9z", META + "<x>n", META * 3 + "<x>abc", "  " + META * 2 + "the", " " + META + " ab" + META * 5 + "<x>"]


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
        own = {"user_defined_symbols": DEFINED}
        yield kind + ", defined", train(model_type=kind, vocab_size=800, **own)
        yield kind + ", defined, bytes", train(model_type=kind, vocab_size=900, byte_fallback=True, character_coverage=0.98, **own)
        yield kind + ", defined, identity", train(model_type=kind, vocab_size=700, normalization_rule_name="identity", remove_extra_whitespaces=False, **own)
        yield kind + ", defined, no prefix", train(model_type=kind, vocab_size=600, add_dummy_prefix=False, split_by_whitespace=False, **own)
        yield kind + ", defined, suffix", train(model_type=kind, vocab_size=600, treat_whitespace_as_suffix=True, **own)


def sprinkled(texts, seed):
    """The texts with pieces that the user defined in places."""
    draw = random.Random(seed)
    for text in texts:
        for _ in range(draw.randint(1, 4)):
            at = draw.randint(0, len(text))
            text = text[:at] + draw.choice(DEFINED) * draw.choice([1, 1, 2]) + text[at:]
        yield text


def fits(text):
    return not any(control in text for control in ("<s>", "<unk>", "</s>", "\0"))


def defined_places(processor, text):
    """Index, first character and end of the pieces that the user defined, where they stand in the text as they are and have no space: what the normaliser
    makes of others has no places of its own there, and what it leaves out belongs to what stands before it."""
    raw, pieces = text.encode(), processor.encode(text, return_type="proto").pieces
    return [[i, len(raw[: p.begin].decode()), len(raw[: p.end].decode())] for i, p in enumerate(pieces)
            if p.piece in DEFINED and META not in p.piece and raw[p.begin : p.end] == p.piece.encode()]


def difference(processor, text, want, answer, decoded, defined):
    """What attune says otherwise, in words; "" for nothing."""
    got = [[int(x) for x in token.split(",")[:3]] for token in answer.split(" ")] if answer else []
    ids = [g[0] for g in got]
    if ids != want:
        at = next((i for i, (g, w) in enumerate(zip(ids, want)) if g != w), min(len(ids), len(want)))
        return f"token {at} got {ids[at:at + 5]} want {want[at:at + 5]} {processor.id_to_piece(want[at:at + 5])}"
    places = defined_places(processor, text) if defined else []
    if [[i, *got[i][1:]] for i, _, _ in places] != places:
        return f"places of defined pieces: got {[[i, *got[i][1:]] for i, _, _ in places]} want {places}"
    text = processor.decode(want)
    if processor.unk_id() in want or [decoded[0], "".join(decoded[1])] == [text, text]:
        return ""
    return f"decoded {ascii(decoded)} want {ascii(text)}"


def main():
    plain = nasty_texts.texts(400) + list(random_texts(1500, 5)) + BOTCHAN.read_text(encoding="utf-8").split("\n")[:800]
    texts = [t for t in plain + list(sprinkled(plain[::2], 3)) + HARD if fits(t)]
    bad_models = 0
    for name, model in models():
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        wanted = [processor.encode(t) for t in texts]
        requests = [[t, None, 0, 0] for t in texts] + [{"decode": w, "skip": 0} for w in wanted]
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "tokenizer.model").write_bytes(model)
            run = subprocess.run([sys.argv[1], folder], input="".join(json.dumps(r) + "\n" for r in requests).encode(), stdout=subprocess.PIPE)
        answers, bad = run.stdout.decode().split("\n")[:-1], 0
        for text, want, answer, decoded in zip(texts, wanted, answers, answers[len(texts):]):
            found = difference(processor, text, want, answer, json.loads(decoded), "defined" in name)
            bad += found != ""
            if found and bad <= 3:
                print(f"     {ascii(text)[:160]}: {found}")
        bad += len(answers) != len(requests)
        bad_models += bad > 0
        print(f"{'FAIL' if bad else 'ok  '} {name}: {len(texts)} texts, {bad} differ", flush=True)
    sys.exit(1 if bad_models else 0)


if __name__ == "__main__":
    main()
