#!/usr/bin/env python3
"""Records tests/unit/data/answer.json: exact match, F1 and thresholds by the algorithms of the SQuAD v1.1 and v2.0 evaluation scripts (those of
`evaluate`), and windows with their targets as transformers' run_qa makes them, on the tokenizers library.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_answer_vectors.py
"""
import collections
import json
import pathlib
import random
import re
import string

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

OUT = pathlib.Path(__file__).parent.parent / "unit/data/answer.json"
WORDS = ["the", "The", "a", "an", "A", "cat", "cat's", "Theatre", "an-other", "U.S.", "1,000", "$5", "Zürich", "ÉCOLE", "naïve", "I", "the\tend", "\u00a0x",
         "東京", "a_b", "(the)", "...", "—the", "the—", "“a”", "an\u0301", "", " ", "don't", "İstanbul", "ß", "x²", "the1", "_the"]
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list("abcdefgh") + ["##" + c for c in "abcdefgh"] + [".", ","]


def normalise(text):
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact(truth, answer):
    return int(normalise(truth) == normalise(answer))


def f1(truth, prediction, v2):
    p, t = normalise(prediction).split(), normalise(truth).split()
    if v2 and (not p or not t):
        return int(p == t)
    same = sum((collections.Counter(p) & collections.Counter(t)).values())
    if same == 0:
        return 0
    precision, recall = same / len(p), same / len(t)
    return 2 * precision * recall / (precision + recall)


def metric_case(rng):
    def text():
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(0, 5)))
    right = [text() for _ in range(rng.randint(0, 3))]
    answer = rng.choice(right) if right and rng.random() < 0.4 else text()
    if rng.random() < 0.1:
        answer = ""
    new = [g for g in right if normalise(g)] or [""]
    return dict(answer=answer, right=right, normalised=normalise(answer),
                new=[max(exact(g, answer) for g in new), max(f1(g, answer, True) for g in new)],
                old=[max([exact(g, answer) for g in right] or [0]), max([f1(g, answer, False) for g in right] or [0])])


def best_score(gain, difference, none):  # find_best_thresh of v2.0: the sum that the best threshold reaches
    best = now = none
    for i in sorted(range(len(gain)), key=lambda i: difference[i]):
        now += gain[i]
        best = max(best, now)
    return best


def threshold_case(rng):
    n = rng.randint(1, 30)
    difference = [round(rng.gauss(0, 3), 3) for _ in range(n)]
    has = [rng.random() < 0.6 for _ in range(n)]
    gain = [rng.choice([0, 0.5, 1.0]) if h else -1 for h in has]
    none = sum(not h for h in has)
    return dict(difference=difference, gain=gain, best=best_score(gain, difference, none), none=none)


def make_tokenizer():
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(VOCAB)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")


def window_case(rng, tokenizer):
    words = ["".join(rng.choice("abcdefgh") for _ in range(rng.randint(1, 4))) + rng.choice(["", "", ",", "."]) for _ in range(rng.randint(1, 30))]
    context = rng.choice(["", " "]) + " ".join(words)
    question = " ".join(rng.choice("abcdefgh") for _ in range(rng.randint(1, 5)))
    start = rng.randrange(len(context))
    end = rng.randint(start + 1, min(len(context), start + 12))
    if rng.random() < 0.7:  # mostly whole words
        first = rng.randrange(len(words))
        start = context.index(" ".join(words[first:first + 2]))
        end = start + len(" ".join(words[first:first + 2]))
    limit, stride = rng.choice([(24, 5), (32, 10), (20, 4)])
    enc = tokenizer(question, context, truncation="only_second", max_length=limit, stride=stride, return_overflowing_tokens=True, return_offsets_mapping=True)
    windows = []
    for i, offsets in enumerate(enc["offset_mapping"]):  # as run_qa
        ids, sequence = enc["input_ids"][i], enc.encodings[i].sequence_ids
        low, high = sequence.index(1), len(ids) - 1 - sequence[::-1].index(1)
        if not (offsets[low][0] <= start and offsets[high][1] >= end):
            place = [0, 0]
        else:
            while low < len(offsets) and sequence[low] == 1 and offsets[low][0] <= start:
                low += 1
            while sequence[high] == 1 and offsets[high][1] >= end:
                high -= 1
            place = [low - 1, high + 1]
        windows.append(dict(ids=ids, types=enc.encodings[i].type_ids, spans=[list(o) if sequence[k] == 1 else [-1, -1] for k, o in enumerate(offsets)], place=place))
    return dict(question=question, context=context, answer=context[start:end], start=start, limit=limit, stride=stride, windows=windows)


rng = random.Random(7)
tokenizer = make_tokenizer()
record = dict(vocab=VOCAB, metrics=[metric_case(rng) for _ in range(200)], thresholds=[threshold_case(rng) for _ in range(40)],
              windows=[window_case(rng, tokenizer) for _ in range(40)])
OUT.write_text(json.dumps(record, ensure_ascii=False, separators=(",", ":")).replace('},{"', '},\n{"') + "\n")
