#!/usr/bin/env python3
"""Records GGUF files and what the `gguf` package, sentencepiece and tokenizers make of them: tests/unit/data/gguf/.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_gguf_vectors.py

types.gguf holds a tensor of every type that is read here: what gguf's quantize gives, and blocks of random bits; types.safetensors their numbers by
gguf's dequantize. model-NAME.gguf are golden models (tests/golden/lm, tests/golden/data/pooler) under the names of gguf's own name map, turned and
shifted as llama.cpp's convert_hf_to_gguf.py does. vocab-KIND.gguf are small vocabularies, vocab.json texts with the ids of tokenizers and sentencepiece.
"""
import io
import json
import re
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TESTS = Path(__file__).resolve().parent.parent
OUT = TESTS / "unit" / "data" / "gguf"
# Bytes of a block, and where its halves (scales) stand.
BLOCKS = {Type.Q4_0: (18, [0]), Type.Q4_1: (20, [0, 2]), Type.Q5_0: (22, [0]), Type.Q5_1: (24, [0, 2]), Type.Q8_0: (34, [0]), Type.Q2_K: (84, [80, 82]),
          Type.Q3_K: (110, [108]), Type.Q4_K: (144, [0, 2]), Type.Q5_K: (176, [0, 2]), Type.Q6_K: (210, [208]), Type.IQ4_NL: (18, [0])}
MADE = [Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1]


def random_blocks(rng, kind, rows, cols):
    size, halves = BLOCKS[kind]
    n = rows * cols // gguf.GGML_QUANT_SIZES[kind][0]
    blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
    for at in halves:
        blocks[:, at : at + 2] = rng.normal(0, 0.02, n).astype(np.float16).view(np.uint8).reshape(n, 2)
    return blocks.reshape(rows, -1)


def write_types(rng):
    writer = gguf.GGUFWriter(OUT / "types.gguf", "none")
    expected = {}
    for kind in MADE:
        x = rng.normal(0, 1, (3, 64)).astype(np.float32)
        packed = x if kind == Type.F32 else gguf.quantize(x, kind)
        name = f"made.{kind.name}"
        writer.add_tensor(name, packed.view(np.uint8) if kind == Type.BF16 else packed, raw_dtype=kind)
        expected[name] = gguf.dequantize(packed, kind).reshape(3, 64)
        expected[f"from.{kind.name}"] = x
    for kind in BLOCKS:
        packed = random_blocks(rng, kind, 2, 512)
        writer.add_tensor(f"random.{kind.name}", packed, raw_dtype=kind)
        expected[f"random.{kind.name}"] = gguf.dequantize(packed, kind).reshape(2, 512)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file({k: np.ascontiguousarray(v, dtype=np.float32) for k, v in expected.items()}, OUT / "types.safetensors")


# ---- models


def permute(w, heads):
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def add_sizes(writer, arch, c):
    get = lambda *names: next((c[n] for n in names if c.get(n) is not None), None)
    heads, width = get("num_attention_heads", "n_head"), get("hidden_size", "n_embd")
    writer.add_context_length(get("max_position_embeddings", "n_positions"))
    writer.add_embedding_length(width)
    writer.add_block_count(get("num_hidden_layers", "n_layer"))
    writer.add_feed_forward_length(get("intermediate_size", "n_inner") or 4 * width)
    writer.add_head_count(heads)
    if arch in ("gpt2", "bert", "gptneox"):
        writer.add_layer_norm_eps(get("layer_norm_epsilon", "layer_norm_eps"))
    if arch == "gptneox":
        rope = c["rope_parameters"]
        writer.add_parallel_residual(c["use_parallel_residual"])
        writer.add_rope_dimension_count(int(rope["partial_rotary_factor"] * (width // heads)))
        writer.add_rope_freq_base(rope["rope_theta"])
    if arch in ("gpt2", "bert", "gptneox"):
        return
    writer.add_head_count_kv(c["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
    head = c.get("head_dim") or width // heads
    rope = c.get("rope_parameters") or {}
    rope = rope.get("full_attention", rope)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(int(head * rope.get("partial_rotary_factor", 1)))
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "longrope":
        writer.add_rope_scaling_orig_ctx_len(c["original_max_position_embeddings"])
        writer.add_tensor("rope_factors_short.weight", np.array(rope["short_factor"], dtype=np.float32))
        writer.add_tensor("rope_factors_long.weight", np.array(rope["long_factor"], dtype=np.float32))
    if rope["rope_type"] == "llama3":  # as convert_hf_to_gguf.py computes them
        low, high = (rope["original_max_position_embeddings"] / rope[k] for k in ("low_freq_factor", "high_freq_factor"))
        factors = []
        for freq in 1 / rope["rope_theta"] ** (np.arange(0, head, 2) / head):
            wave = 2 * np.pi / freq
            smooth = (rope["original_max_position_embeddings"] / wave - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
            factors.append(1 if wave < high else rope["factor"] if wave > low else 1 / ((1 - smooth) / rope["factor"] + smooth))
        writer.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))
    if c.get("sliding_window") and arch in ("gemma2", "gemma3", "phi3"):
        writer.add_sliding_window(c["sliding_window"])
    if arch == "gemma2":
        writer.add_attn_logit_softcapping(c["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(c["final_logit_softcapping"])


def write_model(folder, arch, name):
    c = json.loads((folder / "config.json").read_text())
    kind = next(k for k, v in gguf.MODEL_ARCH_NAMES.items() if v == arch)
    names = gguf.get_tensor_name_map(kind, c.get("num_hidden_layers") or c["n_layer"])
    writer = gguf.GGUFWriter(OUT / f"model-{name}.gguf", arch)
    add_sizes(writer, arch, c)
    for key, w in load_file(folder / "model.safetensors").items():
        stem, suffix = re.match(r"(.*)\.(weight|bias)$", key).groups()
        if "pooler" in stem or "classifier" in stem:
            continue
        if arch == "llama" and re.search(r"[qk]_proj$", stem):
            w = permute(w, c["num_attention_heads" if "q_proj" in stem else "num_key_value_heads"])
        if arch.startswith("gemma") and key.endswith("norm.weight"):
            w = w + np.float32(1)
        if arch == "gpt2" and re.search(r"\.(c_attn|c_proj|c_fc)$", stem) and suffix == "weight":
            w = w.T
        if arch == "gptneox" and "query_key_value" in stem:  # head by head there, part by part here
            heads = c["num_attention_heads"]
            w = w.reshape(heads, 3, -1, *w.shape[1:]).swapaxes(0, 1).reshape(w.shape)
        short = re.sub(r"^bert\.", "", stem) if arch == "bert" else stem
        theirs = names.get_name(short) or names.get_name(stem)
        assert theirs, key
        writer.add_tensor(f"{theirs}.{suffix}", np.ascontiguousarray(w, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# ---- vocabularies

CORPUS = (["the quick brown fox jumps over the lazy dog", "Hello world! It's 2026, isn't it?", "naïve café, größer als 1234567", "def f(x):\n    return x + 1",
           "a tokenizer cuts words into pieces, and puts them together again", "日本語のテキスト", "emoji 🙂🙃 and   many   spaces"] * 20)
TEXTS = ["Hello world", " the  lazy dog's 123 foxes", "größer 日本 🙂", "isn't\n\nit? 42", "", "<|end|>the fox<|end|>", "a\tb  c", "ÄÖÜ ß ﬁ", "unbelievable xyzzy!"]


def write_vocab(kind, tokens, types, more):
    writer = gguf.GGUFWriter(OUT / f"vocab-{kind}.gguf", "llama")
    writer.add_tokenizer_model(more.pop("model"))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    for key, value in more.items():
        getattr(writer, f"add_{key}")(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def byte_level(pre):
    t = Tokenizer(models.BPE())
    parts = {"gpt-2": [pre_tokenizers.ByteLevel(add_prefix_space=False)],
             "smollm": [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
             "qwen2": [pre_tokenizers.Split(__import__("tokenizers").Regex(
                 r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"),
                 pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]}[pre]
    t.pre_tokenizer = pre_tokenizers.Sequence(parts)
    t.decoder = decoders.ByteLevel()
    if pre == "qwen2":
        t.normalizer = normalizers.NFC()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=420, special_tokens=["<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                                      show_progress=False))
    state = json.loads(t.to_str())["model"]
    tokens = [k for k, _ in sorted(state["vocab"].items(), key=lambda kv: kv[1])]
    write_vocab(pre, tokens, [3 if k == "<|end|>" else 1 for k in tokens],
                {"model": "gpt2", "tokenizer_pre": pre, "token_merges": [" ".join(m) for m in state["merges"]], "eos_token_id": 0, "bos_token_id": 0,
                 "add_bos_token": pre == "smollm", "chat_template": "{{ messages }}"})
    if pre == "smollm":
        t.post_processor = processors.TemplateProcessing(single="<|end|> $A", special_tokens=[("<|end|>", 0)])
    return [t.encode(x).ids for x in TEXTS]


def sentence_piece():
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=out, vocab_size=400, model_type="bpe", byte_fallback=True,
                                             character_coverage=0.98, normalization_rule_name="identity", remove_extra_whitespaces=False, minloglevel=2)
    s = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    n = s.get_piece_size()
    kinds = [2 if s.is_unknown(i) else 3 if s.is_control(i) else 6 if s.is_byte(i) else 1 for i in range(n)]
    write_vocab("llama", [s.id_to_piece(i) for i in range(n)], kinds,
                {"model": "llama", "token_scores": [s.get_score(i) for i in range(n)], "bos_token_id": s.bos_id(), "eos_token_id": s.eos_id(),
                 "unk_token_id": s.unk_id(), "add_bos_token": True})
    return [[s.bos_id()] + s.encode(x) for x in TEXTS]


def word_piece():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=250, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    vocab = json.loads(t.to_str())["model"]["vocab"]
    tokens = [k for k, _ in sorted(vocab.items(), key=lambda kv: kv[1])]
    theirs = [k if k.startswith("[") and k.endswith("]") else k[2:] if k.startswith("##") else "\u2581" + k for k in tokens]
    write_vocab("bert", theirs, [3 if k.startswith("[") and k.endswith("]") and len(k) > 2 else 1 for k in tokens],
                {"model": "bert", "sep_token_id": 3, "pad_token_id": 0, "unk_token_id": 1})
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return [t.encode(x).ids for x in TEXTS]


# ---- a whole model, and what transformers makes of it


def tiny_model(name="tiny.gguf", chat_template=None):
    torch.manual_seed(1)
    tokens = [gguf.GGUFReader(OUT / "vocab-gpt-2.gguf").fields[f"tokenizer.ggml.{k}"].contents() for k in ("tokens", "merges", "token_type")]
    config = transformers.LlamaConfig(vocab_size=len(tokens[0]), hidden_size=32, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=2,
                                      intermediate_size=64, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=True, eos_token_id=0,
                                      bos_token_id=0, rope_theta=10000.0)
    model = transformers.LlamaForCausalLM(config).eval()
    writer = gguf.GGUFWriter(OUT / name, "llama")
    add_sizes(writer, "llama", config.to_dict() | {"rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}})
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens[0])
    writer.add_token_merges(tokens[1])
    writer.add_token_types(tokens[2])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_vocab_size(len(tokens[0]))
    if chat_template:
        writer.add_chat_template(chat_template)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    generator = torch.Generator().manual_seed(2)
    for key, p in model.named_parameters():
        stem, suffix = key.rsplit(".", 1)
        w = (torch.randn(p.shape, generator=generator) * (0.2 if p.ndim == 1 else 0.3 if "embed" in key else 1.6 / p.shape[-1] ** 0.5)).numpy() + (p.ndim == 1)
        if re.search(r"[qk]_proj$", stem):
            w = permute(w, 2 if "q_proj" in stem else 1)
        kind = Type.F32 if w.ndim == 1 else Type.Q8_0
        writer.add_tensor(f"{names.get_name(stem)}.{suffix}", w.astype(np.float32) if w.ndim == 1 else gguf.quantize(w.astype(np.float32), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    if chat_template:
        return None
    model = transformers.AutoModelForCausalLM.from_pretrained(OUT, gguf_file="tiny.gguf", dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(OUT, gguf_file="tiny.gguf")
    prompt = "the quick brown fox"
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    model.generation_config = transformers.GenerationConfig(do_sample=False, max_new_tokens=12, eos_token_id=None, pad_token_id=0)
    with torch.no_grad():
        logits = model(ids).logits[0, -1]
        new = model.generate(ids, attention_mask=torch.ones_like(ids))[0, ids.shape[1]:]
    save_file({"logits": logits.numpy()}, OUT / "tiny.safetensors")
    return {"prompt": prompt, "ids": ids[0].tolist(), "new": new.tolist()}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    write_types(rng)
    for name, arch in {"llama": "llama", "llama-3": "llama", "llama-linear": "llama", "mistral": "llama", "qwen2-plain": "qwen2", "qwen3": "qwen3",
                       "gemma2": "gemma2", "gemma3_text": "gemma3", "phi3": "phi3", "phi3-long": "phi3", "gpt2": "gpt2",
                       "gpt_neox": "gptneox", "olmo2": "olmo2"}.items():
        write_model(TESTS / "golden" / "lm" / name, arch, name)
    write_model(TESTS / "golden" / "data" / "pooler", "bert", "pooler")
    ids = {kind: byte_level(kind) for kind in ("gpt-2", "smollm", "qwen2")} | {"llama": sentence_piece(), "bert": word_piece()}
    tiny_model("talks.gguf", "the {{ messages[0].content }} fox")
    (OUT / "tiny.json").write_text(json.dumps(tiny_model()) + "\n")
    (OUT / "vocab.json").write_text(json.dumps({"texts": TEXTS, "ids": ids}, ensure_ascii=False) + "\n")
    print(*(f"{f.name} {f.stat().st_size}" for f in sorted(OUT.iterdir())), sep="\n")


if __name__ == "__main__":
    main()
