#!/usr/bin/env python3
"""Records the golden references of every family but BERT (make_golden.py): small random classifiers and what transformers computes.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/make_golden_families.py [NAME ...]

Writes tests/golden/data/NAME/: the folder as transformers saves it, batch.safetensors (ids, types, cu_seqlens, labels),
expected.safetensors (hidden, logits, gradients by the names of the file) and expected.json (loss, losses of 10 AdamW steps). Everything is computed
in float64, sequence by sequence, so that no padding is involved. Sizes are odd, windows shorter than the texts, weights scaled up, so
that every switch of a family is felt; tests/golden/test_golden.c flips them one by one.
"""
import contextlib
import copy
import json
import math
import shutil
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

OUT = Path(__file__).resolve().parent.parent / "golden" / "data"
LENGTHS = [7, 1, 23, 2, 5, 9, 3, 6]
STEPS = 10


@contextlib.contextmanager
def everything_in_double():
    """Models round to float32 in places (norms, softmax, angles); the reference shall not."""
    kept = torch.float32, torch.float, torch.Tensor.float
    torch.set_default_dtype(torch.float64)
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = kept
        torch.set_default_dtype(torch.float32)


def scale_up(model, family, generator):
    """New weights in float32 precision, by what each is for."""
    normed = any("embed" in n and "norm" in n.lower() for n, _ in model.named_parameters())
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator, dtype=torch.float32).double()
        fan_in = p.shape[0] if "Conv1D" in type(model.get_submodule(name.rpartition(".")[0])).__name__ else p[0].numel()
        if p.ndim == 1 and name.endswith("weight"):
            value = 0.2 * noise + (0 if family.startswith("gemma") else 1)
        elif p.ndim == 1:
            value = 0.1 * noise
        elif "relative_attention_bias" in name or "rel_embeddings" in name:
            value = 0.8 * noise
        elif isinstance(model.get_submodule(name.rpartition(".")[0]), torch.nn.Embedding):
            value = (0.02 if normed else 0.5) * noise
        elif any(part in name for part in (".q", ".k", "query", "key", "c_attn", "Wqkv")):
            value = 1.8 / math.sqrt(fan_in) * noise
        elif name.startswith(("classifier", "classification_head", "score")):
            value = 0.5 * noise
        else:
            value = 1 / math.sqrt(fan_in) * noise
        p.data = value.float().double()


def place_ends(ids, i, end):
    """The token that ends a text: at its end, in some with another token behind it, and in longer texts further in front too."""
    ids[-2 if i in (2, 5) else -1] = end
    if len(ids) > 4:
        ids[1] = end


def make_batch(config, generator, n_labels, types, pads):
    """`pads`: the padding token stands inside of two texts ("inside") or at the end of two ("end"), where it is a token like any other
    but for positions, or for the token that a decoder's classifier reads."""
    pad = config.pad_token_id if config.pad_token_id is not None else -1
    known = [i for i in range(config.vocab_size) if i != pad]
    sequences = []
    for i, n in enumerate(LENGTHS):
        ids = torch.tensor(known)[torch.randint(0, len(known), (n,), generator=generator)]
        kinds = torch.zeros(n, dtype=torch.long)
        if types > 1 and n > 4:
            kinds[n // 2 :] = 1
        if pads == "inside" and i in (0, 5):
            ids[2:4] = pad
        if pads == "end" and i in (0, 5):
            ids[-2:] = pad
        if getattr(config, "is_encoder_decoder", False):
            place_ends(ids, i, config.eos_token_id)
        sequences.append((ids, kinds))
    return sequences, torch.randint(0, n_labels, (len(LENGTHS),), generator=generator)


def forget_lengths(model):
    """Dynamic positions remember the longest text so far; every text shall be as if it came alone. How many modules there are."""
    dynamic = [m for m in model.modules() if "dynamic" in str(getattr(m, "rope_type", ""))]
    for module in dynamic:
        module.max_seq_len_cached = module.original_max_seq_len
        module.register_buffer("inv_freq", module.original_inv_freq, persistent=False)
    return len(dynamic)


def forward(model, sequences, types):
    """Last hidden states [tokens, hidden] and logits [sequences, labels]."""
    hidden, logits = [], []
    body = getattr(model, model.base_model_prefix)
    hook = body.register_forward_hook(lambda _m, _i, out: hidden.append(out[0][0]))
    for ids, kinds in sequences:
        extra = {"token_type_ids": kinds[None]} if types > 1 else {}
        forget_lengths(model)
        with everything_in_double():
            logits.append(model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None], **extra).logits)
    hook.remove()
    return torch.cat(hidden), torch.cat(logits)


def train(model, sequences, labels, types):
    groups = [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01},
              {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=2e-4, betas=(0.9, 0.999), eps=1e-8)
    losses = []
    for step in range(STEPS):
        part = slice(step % 3, None, 3)
        loss = torch.nn.functional.cross_entropy(forward(model, sequences[part], types)[1], labels[part])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    return losses


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def write_folder(folder, model, n_labels):
    model.config.id2label = {i: f"class {chr(97 + i)}" for i in range(n_labels)}
    model.config.label2id = {v: k for k, v in model.config.id2label.items()}
    model.config.problem_type = "single_label_classification"
    copy.deepcopy(model).float().save_pretrained(folder)  # the model itself keeps its buffers in double
    config = json.loads((folder / "config.json").read_text())
    config.pop("transformers_version", None)
    write_json(folder / "config.json", config)


def gradients_as_saved(model):
    """By the names, and in the shapes, of the files: the gradients take the weights' place in a copy, which is saved."""
    copied = copy.deepcopy(model).float()
    for own, other in zip(model.parameters(), copied.parameters()):
        other.data = own.grad.float()
    with tempfile.TemporaryDirectory() as work:
        copied.save_pretrained(work)
        return load_file(Path(work) / "model.safetensors")


def record(name, family, n_labels, pads=None, config_class=None, **settings):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    config = transformers.AutoConfig.for_model(family, num_labels=n_labels, attn_implementation="eager", **settings)
    config._attn_implementation = "eager"
    with everything_in_double():  # the frequencies of rotary positions are computed here
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager").double().eval()
    for module in model.modules():  # a root that was rounded to float32
        if hasattr(module, "embed_scale"):
            module.embed_scale = torch.tensor(config.hidden_size**0.5, dtype=torch.float64)
    types = getattr(config, "type_vocab_size", 0) or 0
    scale_up(model, family, generator)
    sequences, labels = make_batch(config, generator, n_labels, types, pads)
    write_folder(folder, model, n_labels)
    hidden, logits = forward(model, sequences, types)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    expected = gradients_as_saved(model)
    stored = set(load_file(folder / "model.safetensors"))
    assert set(expected) == stored, set(expected) ^ stored
    expected["hidden"] = hidden.detach().float().contiguous()
    expected["logits"] = logits.detach().float().contiguous()
    save_file(expected, folder / "expected.safetensors")
    lengths = torch.tensor([0] + LENGTHS).cumsum(0)
    save_file({"ids": torch.cat([a for a, _ in sequences]).int(), "types": torch.cat([b for _, b in sequences]).to(torch.uint8),
               "cu_seqlens": lengths.int(), "labels": labels.int()}, folder / "batch.safetensors")
    losses = train(model, sequences, labels, types)
    write_json(folder / "expected.json", {"loss": loss.item(), "adamw_losses": losses})
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: loss {loss.item():.4f}, last of {STEPS} {losses[-1]:.4f}, {size // 1024} KiB")


BERT_LIKE = dict(hidden_size=18, num_attention_heads=3, num_hidden_layers=2, intermediate_size=29, vocab_size=31,
                 max_position_embeddings=29, hidden_act="gelu_new", layer_norm_eps=1e-6)
MODERN_ROPE = {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 90.0},
                                   "sliding_attention": {"rope_type": "default", "rope_theta": 20.0}}}
LLAMA_LIKE = dict(hidden_size=24, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=2, intermediate_size=29, vocab_size=31,
                  max_position_embeddings=25, rms_norm_eps=1e-3)
GEMMA_LIKE = LLAMA_LIKE | dict(head_dim=10, query_pre_attn_scalar=7, sliding_window=5)
FAMILIES = {
    "roberta": lambda n: record(n, "roberta", 3, pads="inside", type_vocab_size=1, pad_token_id=1, **BERT_LIKE),
    "xlm-roberta": lambda n: record(n, "xlm-roberta", 2, pads="inside", type_vocab_size=1, pad_token_id=2, **BERT_LIKE),
    "camembert": lambda n: record(n, "camembert", 2, type_vocab_size=1, pad_token_id=1, **BERT_LIKE),
    "distilbert": lambda n: record(n, "distilbert", 3, dim=18, n_heads=3, n_layers=2, hidden_dim=29, vocab_size=31,
                                   max_position_embeddings=25),
    "electra": lambda n: record(n, "electra", 3, embedding_size=11, type_vocab_size=2, **BERT_LIKE),
    "electra-wide": lambda n: record(n, "electra", 2, embedding_size=18, type_vocab_size=2, **BERT_LIKE),
    "albert": lambda n: record(n, "albert", 3, embedding_size=11, type_vocab_size=2, num_hidden_groups=2, pad_token_id=0,
                               **(BERT_LIKE | {"num_hidden_layers": 5})),
    "albert-inner": lambda n: record(n, "albert", 2, embedding_size=11, type_vocab_size=2, num_hidden_groups=2, inner_group_num=2, pad_token_id=0,
                                     **(BERT_LIKE | {"num_hidden_layers": 3})),
    "bart": lambda n: record(n, "bart", 3, pads="inside", scale_embedding=True, d_model=18, encoder_layers=2, decoder_layers=3,
                             encoder_attention_heads=3, decoder_attention_heads=2, encoder_ffn_dim=29, decoder_ffn_dim=23, max_position_embeddings=25,
                             vocab_size=31, pad_token_id=1, eos_token_id=2, decoder_start_token_id=7),
    "t5": lambda n: record(n, "t5", 3, d_model=18, d_kv=5, d_ff=29, num_layers=2, num_decoder_layers=2, num_heads=3, vocab_size=31, layer_norm_epsilon=1e-2,
                           relative_attention_num_buckets=8, relative_attention_max_distance=11, pad_token_id=0, eos_token_id=6,
                           decoder_start_token_id=9),
    "mpnet": lambda n: record(n, "mpnet", 3, pads="inside", pad_token_id=1, **BERT_LIKE),
    "deberta-v2": lambda n: record(n, "deberta-v2", 3, pad_token_id=0, type_vocab_size=0, relative_attention=True, position_buckets=8,
                                   max_relative_positions=-1, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type=["p2c", "c2p"],
                                   position_biased_input=False, **BERT_LIKE),
    "deberta-v2-own": lambda n: record(n, "deberta-v2", 2, pad_token_id=0, type_vocab_size=2, relative_attention=True, max_relative_positions=9,
                                       pos_att_type=["c2p", "p2c"], pooler_hidden_act="tanh", **(BERT_LIKE | {"num_hidden_layers": 3})),
    "deberta-v2-c2p": lambda n: record(n, "deberta-v2", 2, pad_token_id=0, relative_attention=True, position_buckets=6, pos_att_type=["c2p"],
                                       **BERT_LIKE),
    "deberta-v2-conv": lambda n: record(n, "deberta-v2", 3, pad_token_id=0, relative_attention=True, position_buckets=6, pos_att_type=["p2c", "c2p"],
                                        share_att_key=True, conv_kernel_size=5, conv_act="gelu", **(BERT_LIKE | {"num_hidden_layers": 3})),
    "deberta-v2-tanh": lambda n: record(n, "deberta-v2", 2, pad_token_id=0, relative_attention=True, pos_att_type=["c2p", "p2c"], conv_kernel_size=3,
                                        norm_rel_ebd="layer_norm", max_relative_positions=9, **BERT_LIKE),
    "modernbert": lambda n: record(n, "modernbert", 3, pad_token_id=0, hidden_size=18, num_attention_heads=3, num_hidden_layers=4,
                                   intermediate_size=29, vocab_size=31, max_position_embeddings=25, hidden_activation="gelu", norm_eps=1e-3,
                                   local_attention=7, **MODERN_ROPE),
    "modernbert-biases": lambda n: record(n, "modernbert", 2, pad_token_id=0, hidden_size=18, num_attention_heads=3, num_hidden_layers=3,
                                          intermediate_size=29, vocab_size=31, max_position_embeddings=25, hidden_activation="silu",
                                          norm_eps=1e-3, local_attention=4, norm_bias=True, attention_bias=True, mlp_bias=True,
                                          classifier_bias=True, classifier_pooling="mean", classifier_activation="relu",
                                          layer_types=["sliding_attention", "full_attention", "sliding_attention"], **MODERN_ROPE),
    "nomic_bert": lambda n: record(n, "nomic_bert", 3, type_vocab_size=2, pad_token_id=0, rope_parameters={"rope_type": "default", "rope_theta": 50.0},
                                   **(BERT_LIKE | {"hidden_act": "silu"})),
    "gpt2": lambda n: record(n, "gpt2", 3, pads="end", pad_token_id=4, n_embd=18, n_head=3, n_layer=2, n_inner=29, vocab_size=31, n_positions=25,
                             layer_norm_epsilon=1e-3),
    "gpt2-plain": lambda n: record(n, "gpt2", 2, n_embd=15, n_head=3, n_layer=2, vocab_size=31, n_positions=25, scale_attn_weights=False,
                                   activation_function="relu"),
    "gpt2-depth": lambda n: record(n, "gpt2", 2, n_embd=15, n_head=3, n_layer=3, vocab_size=31, n_positions=25, scale_attn_by_inverse_layer_idx=True),
    "gpt_neox": lambda n: record(n, "gpt_neox", 3, pads="end", pad_token_id=4, hidden_size=24, num_attention_heads=3, num_hidden_layers=2,
                                 intermediate_size=29, vocab_size=31, max_position_embeddings=25, layer_norm_eps=1e-3,
                                 rope_parameters={"rope_type": "default", "rope_theta": 30.0, "partial_rotary_factor": 0.5}),
    "gpt_neox-serial": lambda n: record(n, "gpt_neox", 2, hidden_size=24, num_attention_heads=3, num_hidden_layers=2, intermediate_size=29,
                                        vocab_size=31, max_position_embeddings=25, layer_norm_eps=1e-3, use_parallel_residual=False,
                                        attention_bias=False, hidden_act="gelu_new",
                                        rope_parameters={"rope_type": "default", "rope_theta": 30.0, "partial_rotary_factor": 0.75}),
    "llama": lambda n: record(n, "llama", 3, pads="end", pad_token_id=4, rope_parameters={"rope_type": "default", "rope_theta": 50.0}, **LLAMA_LIKE),
    "llama-3": lambda n: record(n, "llama", 2, attention_bias=True, mlp_bias=True, head_dim=10,
                                rope_parameters={"rope_type": "llama3", "rope_theta": 50.0, "factor": 4.0, "low_freq_factor": 1.0,
                                                 "high_freq_factor": 3.0, "original_max_position_embeddings": 24},
                                **(LLAMA_LIKE | {"max_position_embeddings": 96})),
    "llama-linear": lambda n: record(n, "llama", 2, rope_parameters={"rope_type": "linear", "rope_theta": 50.0, "factor": 3.0}, **LLAMA_LIKE),
    "llama-dynamic": lambda n: record(n, "llama", 2, rope_parameters={"rope_type": "dynamic", "rope_theta": 50.0, "factor": 3.5},
                                      **(LLAMA_LIKE | {"max_position_embeddings": 8, "head_dim": 10})),
    "llama-yarn": lambda n: record(n, "llama", 2, rope_parameters={"rope_type": "yarn", "rope_theta": 50.0, "factor": 4.0, "beta_fast": 3.0,
                                                                   "beta_slow": 0.4, "original_max_position_embeddings": 24},
                                   **(LLAMA_LIKE | {"max_position_embeddings": 96, "head_dim": 10})),
    "mistral": lambda n: record(n, "mistral", 3, sliding_window=4, pads="end", pad_token_id=4, rope_parameters={"rope_type": "default", "rope_theta": 50.0},
                                **LLAMA_LIKE),
    "qwen2": lambda n: record(n, "qwen2", 3, use_sliding_window=True, sliding_window=5, max_window_layers=1, pads="end", pad_token_id=4,
                              rope_parameters={"rope_type": "default", "rope_theta": 50.0}, **LLAMA_LIKE),
    "qwen2-plain": lambda n: record(n, "qwen2", 2, sliding_window=5, rope_parameters={"rope_type": "default", "rope_theta": 50.0}, **LLAMA_LIKE),
    "qwen3": lambda n: record(n, "qwen3", 3, head_dim=10, pads="end", pad_token_id=4, rope_parameters={"rope_type": "default", "rope_theta": 50.0},
                              **LLAMA_LIKE),
    "qwen3-window": lambda n: record(n, "qwen3", 2, head_dim=6, attention_bias=True, use_sliding_window=True, sliding_window=5, max_window_layers=1,
                                     rope_parameters={"rope_type": "default", "rope_theta": 50.0}, **LLAMA_LIKE),
    "phi3": lambda n: record(n, "phi3", 3, sliding_window=4, pads="end", pad_token_id=4,
                             rope_parameters={"rope_type": "default", "rope_theta": 50.0, "partial_rotary_factor": 0.7}, **LLAMA_LIKE),
    "phi3-long": lambda n: record(n, "phi3", 2, pads="end", pad_token_id=4, original_max_position_embeddings=24,
                                  rope_parameters={"rope_type": "longrope", "rope_theta": 50.0, "short_factor": [1.0, 1.3, 2.1],
                                                   "long_factor": [1.5, 2.0, 4.0]}, **(LLAMA_LIKE | {"max_position_embeddings": 96})),
    "olmo2": lambda n: record(n, "olmo2", 3, pads="end", pad_token_id=4, rope_parameters={"rope_type": "default", "rope_theta": 50.0}, **LLAMA_LIKE),
    "gemma2": lambda n: record(n, "gemma2", 3, pads="end", pad_token_id=4, **GEMMA_LIKE, attn_logit_softcapping=3.0,
                               rope_parameters={"rope_type": "default", "rope_theta": 50.0}),
    "gemma3_text": lambda n: record(n, "gemma3_text", 3, pads="end", pad_token_id=4, **(GEMMA_LIKE | {"num_hidden_layers": 3}),
                                    layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                                    rope_parameters={"full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 90.0},
                                                     "sliding_attention": {"rope_type": "default", "rope_theta": 20.0}}),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    for chosen in sys.argv[1:] or FAMILIES:
        FAMILIES[chosen](chosen)
