"""Makes a model of a well-known shape with random weights and the tokenizer of the study's model: what a step of that size costs.

    base_shape.py FOLDER [bert|roberta|smollm2]

bert, roberta: the body of BERT-base, of RoBERTa-base; smollm2: the language model SmolLM2-135M, classifier and words tied.
"""

import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "study"))

import torch  # noqa: E402
from transformers import AutoTokenizer, BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, RobertaConfig, RobertaModel  # noqa: E402

from common import model_folder  # noqa: E402


def bert(tokenizer):
    return BertModel(BertConfig(vocab_size=len(tokenizer)))


def roberta(tokenizer):
    """Its own number of words, so that the table has its size; positions begin behind the padding's."""
    return RobertaModel(RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, pad_token_id=tokenizer.pad_token_id,
                                      bos_token_id=tokenizer.cls_token_id, eos_token_id=tokenizer.sep_token_id))


def smollm2(_):
    return LlamaForCausalLM(LlamaConfig(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                                        num_key_value_heads=3, max_position_embeddings=8192, rope_theta=100000.0, rms_norm_eps=1e-5,
                                        tie_word_embeddings=True, bos_token_id=None, eos_token_id=None))


SHAPES = {"bert": bert, "roberta": roberta, "smollm2": smollm2}


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] and sys.argv[2] not in SHAPES:
        sys.exit("usage: base_shape.py FOLDER [bert|roberta|smollm2]")
    folder = Path(sys.argv[1])
    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    SHAPES[(sys.argv[2:] or ["bert"])[0]](tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
