#!/usr/bin/env python3
"""Heads of the tasks beyond classification against transformers in float64, and whole folders both ways, by way of probe and program.

    ${ATTUNE_VENV:-.venv}/bin/python tests/oracle/live_tasks.py --program build/release/src/attune --model DIR

A small BERT of random weights is trained by attune for each task; what it leaves opens in transformers, whose answers in float64 are compared
with attune's. Ends with 1 where a number differs by more than its bound.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
import transformers
from transformers import (AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForQuestionAnswering, AutoModelForSequenceClassification,
                          AutoModelForTokenClassification, AutoTokenizer, BertConfig, BertModel)

failures = []
WORDS = ["good", "bad", "the", "movie", "was", "paris", "london", "anna", "visited", "."]


def check(what, value, bound):
    print(f"{'ok  ' if value <= bound else 'FAIL'} {what}: {value:.3g} (bound {bound:g})")
    if not value <= bound:
        failures.append(what)


def attune(program, *arguments):
    run = subprocess.run([str(a) for a in (program, *arguments)], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {run.returncode}\n{run.stdout}{run.stderr}")
    return run.stdout


def small_body(folder, tokenizer_from):
    torch.manual_seed(3)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_from)
    config = BertConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=48)
    BertModel(config).save_pretrained(folder)
    tokenizer.model_max_length = 48
    tokenizer.save_pretrained(folder)


def texts(n):
    generator = torch.Generator().manual_seed(5)
    return [" ".join(WORDS[i] for i in torch.randint(0, len(WORDS), (int(k),), generator=generator)) for k in torch.randint(2, 9, (n,), generator=generator)]


def opened(kind, folder):
    model, info = kind.from_pretrained(folder, output_loading_info=True)
    check(f"{folder.name}: names that transformers misses or does not know", sum(len(info[k]) for k in ("missing_keys", "unexpected_keys")), 0)
    return model.double().eval()


def predicted(args, folder, rows):
    path = folder.parent / "texts.txt"
    path.write_text("\n".join(rows) + "\n")
    lines = attune(args.program, "predict", "--model", folder, "--input", path, "--input-format", "lines", "--format", "jsonl").splitlines()
    return [json.loads(line) for line in lines]


def train(args, body, data, folder, *more):
    attune(args.program, "train", "--model", body, "--train", data, "--output", folder, "--method", "full", "--folds", "1", "--epochs", "2", "--quiet", *more)


def check_regress(args, work, body, tokenizer):
    rows = texts(60)
    data, folder = work / "numbers.csv", work / "regress"
    data.write_text("text,score\n" + "".join(f"{t},{50 + 12.5 * t.count('good') - 7.25 * t.count('bad')}\n" for t in rows))
    train(args, body, data, folder, "--task", "regress")
    model = opened(AutoModelForSequenceClassification, folder)
    check("regress: outputs and problem type", int(model.config.num_labels != 1 or model.config.problem_type != "regression"), 0)
    ours = [row["prediction"] for row in predicted(args, folder, rows)]
    with torch.no_grad():
        theirs = [model(**tokenizer(t, return_tensors="pt")).logits.item() for t in rows]
    check("regress: answers in the user's unit, relative", max(abs(a - b) / abs(b) for a, b in zip(ours, theirs)), 1e-5)


def check_multi(args, work, body, tokenizer):
    rows = texts(60)
    data, folder = work / "flags.csv", work / "multi"
    data.write_text("text,good,place\n" + "".join(f"{t},{int('good' in t)},{int('paris' in t or 'london' in t)}\n" for t in rows))
    train(args, body, data, folder)
    model = opened(AutoModelForSequenceClassification, folder)
    check("multi-label: problem type", int(model.config.problem_type != "multi_label_classification"), 0)
    names = [model.config.id2label[i] for i in range(model.config.num_labels)]
    with torch.no_grad():
        theirs = [model(**tokenizer(t, return_tensors="pt")).logits.sigmoid()[0] for t in rows]
    ours = predicted(args, folder, rows)
    check("multi-label: probabilities", max(abs(o["probabilities"][n] - p.item()) for o, t in zip(ours, theirs) for n, p in zip(names, t)), 1e-5)


def conll(path, rows):
    with open(path, "w") as file:
        for row in rows:
            for word in row.split():
                tag = "B-LOC" if word in ("paris", "london") else "B-PER" if word == "anna" else "O"
                file.write(f"{word} {tag}\n")
            file.write("\n")


def check_tag(args, work, body, tokenizer):
    rows = texts(80)
    data, folder = work / "tags.conll", work / "tag"
    conll(data, rows)
    train(args, body, data, folder)
    model = opened(AutoModelForTokenClassification, folder)
    out = work / "out.jsonl"
    attune(args.program, "predict", "--model", folder, "--input", data, "--output", out, "--quiet")
    ours = [json.loads(line) for line in out.read_text().splitlines()]
    worst, wrong, words = 0, 0, 0
    for row, mine in zip(rows, ours):
        encoded = tokenizer(row.split(), is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            p = model(**encoded).logits[0].softmax(-1)
        ids = encoded.word_ids()
        first = [ids.index(w) for w in range(len(row.split()))]
        top = p[first].max(-1)
        worst = max(worst, max(abs(a - b) for a, b in zip(mine["scores"], top.values.tolist())))
        wrong += sum(model.config.id2label[i] != t for i, t in zip(top.indices.tolist(), mine["tags"]))
        words += len(mine["tags"])
    check("tag: words without an answer", sum(len(r.split()) for r in rows) - words, 0)
    check("tag: probabilities", worst, 1e-5)
    check("tag: tags that differ", wrong, 0)


ENCODER = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
MASKED = {"bert": ENCODER, "roberta": ENCODER | dict(type_vocab_size=2), "distilbert": dict(dim=32, n_layers=2, n_heads=4, hidden_dim=64),
          "electra": ENCODER | dict(embedding_size=24), "albert": ENCODER | dict(embedding_size=24), "mpnet": ENCODER,
          "deberta-v2": ENCODER | dict(relative_attention=True, pos_att_type=["c2p", "p2c"]), "modernbert": ENCODER, "nomic_bert": ENCODER}


def check_mask(args, work, tokenizer):
    """Bodies of every family with a head over the vocabulary: trained by attune, its words for a hidden one are those of transformers; and a classifier comes
    of it."""
    rows = texts(60)
    data, labelled = work / "plain.txt", work / "labelled.csv"
    data.write_text("\n".join(rows) + "\n")
    labelled.write_text("text,label\n" + "".join(f"{t},{'yes' if 'good' in t else 'no'}\n" for t in rows))
    hidden = [" ".join("[MASK]" if i == len(t.split()) // 2 else w for i, w in enumerate(t.split())) for t in rows[:20]]
    sizes = dict(vocab_size=len(tokenizer), pad_token_id=0, max_position_embeddings=50)
    for family, own in MASKED.items():
        config = AutoConfig.for_model(family, **sizes, **own)
        torch.manual_seed(4)
        body, folder = work / f"body-{config.model_type}", work / f"mask-{config.model_type}"
        AutoModel.from_config(config).save_pretrained(body)
        tokenizer.save_pretrained(body)
        train(args, body, data, folder, "--task", "mask", "--lr", "1e-3")
        model = opened(AutoModelForMaskedLM, folder)
        worst, wrong = 0, 0
        for row, mine in zip(hidden, predicted(args, folder, hidden)):
            encoded = tokenizer(row, return_tensors="pt", return_token_type_ids=getattr(config, "type_vocab_size", 0) > 1)
            with torch.no_grad():
                p = model(**encoded).logits[0].softmax(-1)[encoded["input_ids"][0] == tokenizer.mask_token_id][0]
            best = mine["candidates"][0]
            worst = max(worst, max(abs(p[tokenizer.convert_tokens_to_ids(c["token"])].item() / c["probability"] - 1) for c in best))
            wrong += abs(p.max().item() / best[0]["probability"] - 1) > 1e-5
        check(f"mask {config.model_type}: probabilities of words, relative", worst, 1e-5)
        check(f"mask {config.model_type}: best words that differ", wrong, 0)
        train(args, folder, labelled, work / f"after-{config.model_type}", "--task", "classify")
        opened(AutoModelForSequenceClassification, work / f"after-{config.model_type}")


DECODER = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
ANSWERING = {"gpt2": dict(n_embd=32, n_layer=2, n_head=4, n_positions=50), "gpt_neox": DECODER, "llama": DECODER | dict(num_key_value_heads=2),
             "mistral": DECODER | dict(num_key_value_heads=2, sliding_window=6), "qwen2": DECODER | dict(num_key_value_heads=2), "qwen3": DECODER | dict(num_key_value_heads=2, head_dim=10)}


def best_span(model, tokenizer, question, context, types):
    """Where the best answer stands in the context, in characters."""
    encoded = tokenizer(question, context, return_tensors="pt", return_offsets_mapping=True, return_token_type_ids=types)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    own = [i for i, s in enumerate(encoded.sequence_ids(0)) if s == 1]
    with torch.no_grad():
        out = model(**encoded)
    begin, end = out.start_logits[0], out.end_logits[0]
    _, b, e = max((float(begin[b] + end[e]), b, e) for b in own for e in own if b <= e < b + 30)
    return offsets[b][0], offsets[e][1]


def check_answer(args, work, tokenizer):
    """Decoders with a head for answers: trained by attune they open in transformers, and answer with the same places of the text; so does one that starts
    from the classifier of the same family."""
    rows = [t for t in texts(120) if "paris" in t.split()]
    data, labelled = work / "questions.jsonl", work / "labelled.csv"
    data.write_text("".join(json.dumps({"question": "good movie", "context": t, "answers": {"text": ["paris"], "answer_start": [t.index("paris")]}}) + "\n" for t in rows))
    for family, own in ANSWERING.items():
        config = AutoConfig.for_model(family, vocab_size=len(tokenizer), pad_token_id=0, max_position_embeddings=50, **own)
        torch.manual_seed(4)
        body, classifier = work / f"decoder-{family}", work / f"classifier-{family}"
        AutoModel.from_config(config).save_pretrained(body)
        tokenizer.save_pretrained(body)
        train(args, body, labelled, classifier, "--task", "classify")
        for start in (body, classifier):
            folder, out = work / f"answer-{start.name}", work / "answers.jsonl"
            train(args, start, data, folder, "--task", "answer", "--lr", "1e-3")
            model = opened(AutoModelForQuestionAnswering, folder)
            attune(args.program, "predict", "--model", folder, "--input", data, "--output", out, "--quiet")
            ours = [json.loads(line) for line in out.read_text().splitlines()]
            wrong = sum((o["start"], o["end"]) != best_span(model, tokenizer, "good movie", t, False) for o, t in zip(ours, rows))
            check(f"answer {start.name}: places that differ, of {len(rows)}", wrong + abs(len(ours) - len(rows)), 0)


def probe_head(args, work, body, kind, task):
    """Logits, loss and every gradient of one batch."""
    from safetensors.torch import load_file, save_file

    torch.manual_seed(7)
    n_out = {"regress": 1, "answer": 2}.get(task, 4)
    model = kind.from_pretrained(body, num_labels=n_out).eval()
    folder = work / f"probe-{task}"
    torch.nn.init.normal_((model.qa_outputs if task == "answer" else model.classifier).weight, std=0.3)
    model.save_pretrained(folder)
    model = model.double()
    lengths = [7, 12, 3, 9]
    ids = [torch.randint(5, 1000, (n,)) for n in lengths]
    cu = torch.tensor([0] + lengths).cumsum(0).int()
    batch = {"ids": torch.cat(ids).int(), "types": torch.zeros(sum(lengths), dtype=torch.uint8), "cu_seqlens": cu}
    if task == "tag":
        batch["labels"] = torch.tensor([i % 4 if i % 3 else -100 for i in range(sum(lengths))]).int()
        out = torch.cat([model(input_ids=i[None]).logits[0] for i in ids])[batch["labels"] >= 0]
        loss = torch.nn.functional.cross_entropy(out, batch["labels"][batch["labels"] >= 0].long())
    elif task == "answer":  # begin 1, end 2, the first token of a window 4
        begin, end = [2, 0, 1, 5], [4, 0, 1, 8]
        batch["labels"] = torch.cat([torch.tensor([(k == b) + 2 * (k == e) + 4 * (k == 0) for k in range(n)]) for n, b, e in zip(lengths, begin, end)]).int()
        answers = [model(input_ids=i[None], start_positions=torch.tensor([b]), end_positions=torch.tensor([e])) for i, b, e in zip(ids, begin, end)]
        out = torch.cat([torch.stack([a.start_logits[0], a.end_logits[0]], -1) for a in answers])
        loss = torch.stack([a.loss for a in answers]).mean()
    elif task == "regress":
        batch["targets"] = torch.tensor([0.5, -1.0, 2.0, 0.25])
        out = torch.cat([model(input_ids=i[None]).logits for i in ids])
        loss = torch.nn.functional.mse_loss(out[:, 0], batch["targets"].double())
    else:
        batch["targets"] = torch.tensor([[1.0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 1]])
        out = torch.cat([model(input_ids=i[None]).logits for i in ids])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(out, batch["targets"].double())
    loss.backward()
    save_file(batch, work / "batch.safetensors")
    run = subprocess.run([args.probe, folder, work / "batch.safetensors", work / "ours.safetensors", task], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{args.probe} {task}: {run.stderr}")
    ours = load_file(work / "ours.safetensors")
    check(f"{task}: loss against float64, relative", abs(ours["loss"].item() - loss.item()) / abs(loss.item()), 1e-5)
    check(f"{task}: logits against float64", (ours["logits"].double() - out).abs().max().item(), 1e-4)
    everything = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm()
    worst = 0
    for name, p in model.named_parameters():
        if p.grad is None:
            continue
        mine = ours[name.removeprefix("bert.")].double()
        worst = max(worst, ((mine - p.grad).norm() / (1e-4 * p.grad.norm() + 1e-6 * everything)).item())
    check(f"{task}: gradients, of 1e-4 of the own norm and 1e-6 of all", worst, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/src/attune", type=Path)
    parser.add_argument("--probe", default="build/release/tests/attune_task_probe", type=Path)
    parser.add_argument("--model", default=os.environ.get("ATTUNE_TEST_MODEL"), help="whose tokenizer is taken")
    args = parser.parse_args()
    if not args.model:
        parser.error("--model or ATTUNE_TEST_MODEL says where the model is")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        body = work / "body"
        small_body(body, args.model)
        tokenizer = AutoTokenizer.from_pretrained(body)
        check_regress(args, work, body, tokenizer)
        check_multi(args, work, body, tokenizer)
        check_tag(args, work, body, tokenizer)
        check_mask(args, work, tokenizer)
        check_answer(args, work, tokenizer)
        for kind, task in ((AutoModelForQuestionAnswering, "answer"), (AutoModelForTokenClassification, "tag"),
 (AutoModelForSequenceClassification, "regress"),
                           (AutoModelForSequenceClassification, "multi-label")):
            probe_head(args, work, body, kind, task)
    print("failed: " + ", ".join(failures) if failures else "all equal")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
