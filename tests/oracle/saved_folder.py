"""What the live comparisons of language models share: small folders with a tokenizer of words, the program, and whether transformers opens
what the program saved with the numbers that lie in the file."""
import argparse
import json
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
import transformers
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer

failures = []


def check(what, value, bound):
    if not value <= bound:
        failures.append(what)
        print(f"FAIL {what}: {value:.3g} (bound {bound:g})")


def make_folder(source, folder, ends, limit=20):
    """The golden folder with words w5 .. and, where it `ends`, a tokenizer that puts </s> behind every text."""
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(source / name, folder / name)
    n = json.loads((source / "config.json").read_text())["vocab_size"]
    names = {0: "<unk>", 2: "</s>", 3: "<go>", 4: "<pad>"}
    tokenizer = Tokenizer(models.WordLevel({names.get(i, f"w{i}"): i for i in range(n)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if ends:
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="</s>",
                                                model_max_length=limit)
    fast.save_pretrained(folder)
    return n


def texts(n, count, most, draw):
    """Of 1 .. `most` words."""
    return [" ".join(f"w{draw.randint(5, n - 1)}" for _ in range(draw.randint(1, most))) for _ in range(count)]


def seeded(name):
    return random.Random(sum(map(ord, name)))


def run(program, *words):
    done = subprocess.run([str(program), *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"attune {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def generated(program, folder, text, *options):
    """The ids that attune adds to a prompt, or writes to it."""
    lines = [json.loads(line) for line in run(program, "generate", "--model", folder, text, "--json", *options).splitlines()]
    return [line["ids"] for line in lines if line.get("event") == "generated"][-1]


def eval_loss(program, folder, file, work, *options):
    run(program, "eval", "--model", folder, file, "--output", work / "judged", "--quiet", *options)
    return json.loads((work / "judged" / "eval_results.json").read_text())["eval_loss"]


def open_theirs(kind, folder):
    """The model in double and its tokenizer."""
    model = kind.from_pretrained(folder, attn_implementation="eager")
    return model.double().eval(), AutoTokenizer.from_pretrained(folder)


def home_of(name, w, theirs, file):
    """The model's name of a tensor with the same bits: its own, or another that the file does not have (transformers renames some)."""
    names = [name] if name in theirs else [k for k in theirs if k not in file]
    return next((k for k in names if theirs[k].shape == w.shape and torch.equal(theirs[k], w)), None)


def is_tied(model):
    return model.get_output_embeddings().weight is model.get_input_embeddings().weight


def check_saved(kind, folder, before, name):
    """No name missing, unknown or of another shape; the file's bits in the model; tied where the folder that was trained was tied; and it
    moved."""
    model, info = kind.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    check(f"{name}: missing or unexpected names", sum(len(info[k]) for k in ("missing_keys", "unexpected_keys", "mismatched_keys")), 0)
    file, theirs = load_file(folder / "model.safetensors"), model.state_dict()
    homes = {k: home_of(k, w, theirs, file) for k, w in file.items()}
    check(f"{name}: tensors with other numbers", sum(home is None for home in homes.values()), 0)
    places = {theirs[home].data_ptr() for home in homes.values() if home}
    check(f"{name}: tensors that come from nowhere", sum(w.data_ptr() not in places for w in theirs.values()), 0)
    tied = is_tied(kind.from_pretrained(before))
    check(f"{name}: another tie of the words", int(is_tied(model) != tied), 0)
    old = load_file(before / "model.safetensors")
    words = next(k for k, home in homes.items() if home and theirs[home].data_ptr() == model.get_input_embeddings().weight.data_ptr())
    check(f"{name}: the table of words is the old one", int(torch.equal(old[words], file[words])), 0)
    check(f"{name}: other names than before", len(set(old) ^ set(file)), 0)


def compare_all(description, folders, root, compare):
    """`compare(args, name, place)` for each golden folder, or those named on the command line; the exit status."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=root / "build/release/src/attune", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    with tempfile.TemporaryDirectory() as work:
        for name in args.names or sorted(p.name for p in folders.iterdir()):
            before = len(failures)
            place = Path(work) / f"of-{name}"
            place.mkdir()
            compare(args, name, place)
            print(f"{'ok  ' if len(failures) == before else 'FAIL'} {name}")
    print("failed: " + ", ".join(failures) if failures else "all equal")
    return 1 if failures else 0
