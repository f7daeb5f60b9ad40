"""Writes tests/text/data/sentencepiece/classes.json and small models beside it: what the classes of `transformers` that read a SentencePiece file
(ALBERT, CamemBERT, DeBERTa-v2, Gemma, T5, XLM-RoBERTa) make of nasty texts, for tests/unit/test_tokenizer_sentencepiece.c.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_spm_class_vectors.py
"""
import json
import tempfile
from pathlib import Path

import nasty_texts
from transformers import AutoTokenizer
from transformers.convert_slow_tokenizer import import_protobuf

OUT = Path(__file__).resolve().parents[1] / "text/data/sentencepiece"
UNKNOWN, CONTROL, DEFINED = 2, 3, 4
BEGINS = {"class_roberta": [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)],
          "class_deberta": [("[PAD]", CONTROL), ("[CLS]", CONTROL), ("[SEP]", CONTROL), ("[UNK]", UNKNOWN)],
          "class_albert": [("<pad>", CONTROL), ("<unk>", UNKNOWN), ("[CLS]", CONTROL), ("[SEP]", CONTROL), ("[MASK]", CONTROL)] +
                          [(c, DEFINED) for c in '()"-.'],
          "class_t5": [("<pad>", CONTROL), ("</s>", CONTROL), ("<unk>", UNKNOWN)],
          "class_gemma": [("<pad>", CONTROL), ("<eos>", CONTROL), ("<bos>", CONTROL), ("<unk>", UNKNOWN)] +
                         [(c, DEFINED) for c in ("<mask>", "<start_of_turn>", "<unused0>", "\n", "\n\n", "\u2581\u2581", "\u2581\u2581\u2581", "<h1>")]}
SOURCES = {"class_gemma": "bytes"}
MASK = {"content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}
# model, its file's name in a folder, the folder's other files
CASES = [
    ("class_roberta", "sentencepiece.bpe.model", {"tokenizer_config.json": {"tokenizer_class": "XLMRobertaTokenizer"}}),
    ("class_roberta", "sentencepiece.bpe.model", {"config.json": {"model_type": "xlm-roberta"}}),
    ("class_roberta", "sentencepiece.bpe.model", {"tokenizer_config.json": {"tokenizer_class": "XLMRobertaTokenizerFast", "mask_token": MASK | {"__type": "AddedToken"}}}),
    ("class_roberta", "sentencepiece.bpe.model", {"tokenizer_config.json": {"tokenizer_class": "CamembertTokenizer"}}),
    ("class_deberta", "spm.model", {"tokenizer_config.json": {"do_lower_case": False, "vocab_type": "spm"}, "config.json": {"model_type": "deberta-v2"}}),
    ("class_deberta", "spm.model", {"tokenizer_config.json": {"tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": True, "split_by_punct": True}}),
    ("class_deberta", "spm.model", {"tokenizer_config.json": {"tokenizer_class": "DebertaV2Tokenizer"}, "added_tokens.json": {"[MASK]": 421}}),
    ("class_t5", "spiece.model", {"tokenizer_config.json": {"tokenizer_class": "T5Tokenizer"}}),
    ("class_t5", "spiece.model", {"config.json": {"model_type": "mt5"}, "tokenizer_config.json": {"extra_ids": 7}}),
    ("class_gemma", "tokenizer.model", {"tokenizer_config.json": {"tokenizer_class": "GemmaTokenizer"}}),
    ("class_gemma", "tokenizer.model", {"tokenizer_config.json": {"tokenizer_class": "GemmaTokenizerFast", "add_bos_token": True, "add_eos_token": True}}),
    ("class_gemma", "tokenizer.model", {"config.json": {"model_type": "gemma2"}, "tokenizer_config.json": {"add_bos_token": True}}),
    ("class_albert", "spiece.model", {"tokenizer_config.json": {"tokenizer_class": "AlbertTokenizer"}}),
    ("class_albert", "spiece.model", {"tokenizer_config.json": {"tokenizer_class": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True}}),
]
TEXTS = ["", " ", "the cat", " the  cat ", "a <mask> b", "a[MASK]b", "x [CLS] y </s> z", "``the'' \"cat\"", "(the-cat).", "\u00c9t\u00c9 \u00e9t\u00e9", "tab\tline\nend\r\n",
         "the,cat!the?", "\u2581the \u2581", "<s>the</s>", "[SEP][PAD]<pad>", "\u4e2d\u6587 and \U0001f600", "A \ufb01sh", "\u3000the\u00a0cat", "12,345.67", "<unk> [UNK]", "a<extra_id_0>b <extra_id_99> <extra_id_7>",
         "<start_of_turn>user\nthe   cat\n\n<mask><h1>"]


def write_models():
    for name, begin in BEGINS.items():
        proto = import_protobuf().ModelProto()
        proto.ParseFromString((OUT / f"{SOURCES.get(name, 'unigram')}.model").read_bytes())
        normal = [(p.piece, p.score, p.type) for p in proto.pieces[3:]]
        del proto.pieces[:]
        for piece, kind in begin:
            proto.pieces.add(piece=piece, score=0.0, type=kind)
        for piece, score, kind in normal:
            if piece not in dict(begin):
                proto.pieces.add(piece=piece, score=score, type=kind)
        proto.trainer_spec.unk_id = [kind for _, kind in begin].index(UNKNOWN)
        (OUT / f"{name}.model").write_bytes(proto.SerializeToString())


def answers(model, file, others, texts):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / file).write_bytes((OUT / f"{model}.model").read_bytes())
        kinds = {"XLM": "xlm-roberta", "Cam": "camembert", "Deb": "deberta-v2", "Alb": "albert", "T5T": "t5", "Gem": "gemma"}
        config = others.get("config.json") or {"model_type": kinds[others["tokenizer_config.json"]["tokenizer_class"][:3]]}
        for name, content in (others | {"config.json": config}).items():
            (Path(folder) / name).write_text(json.dumps(content))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        pair = tokenizer.backend_tokenizer.encode("the cat", "a")
        ids = [tokenizer(t).input_ids for t in texts]
        return {"model": model, "file": file, "others": others, "ids": ids, "decoded": [tokenizer.backend_tokenizer.decode(i, skip_special_tokens=True) for i in ids],
                "pair": pair.ids, "types": pair.type_ids, "mask": -1 if tokenizer.mask_token_id is None else tokenizer.mask_token_id, "size": len(tokenizer)}


def main():
    write_models()
    texts = TEXTS + nasty_texts.texts(60)
    cases = [answers(*case, texts) for case in CASES]
    (OUT / "classes.json").write_text(json.dumps({"texts": texts, "cases": cases}, indent=0, ensure_ascii=True) + "\n")
    for case in cases:
        print(case["others"], case["size"], case["mask"], case["pair"], case["types"])


if __name__ == "__main__":
    main()
