"""attune beside PyTorch and transformers: training steps of a language model of the shape of SmolLM2-135M, texts of 512 tokens, fp32.

    language_side_by_side.py [--pairs 5] [--threads 2] [--batch 2] [--quick]

As in side_by_side.py both take the same texts in the same order from the same weights, alternately, beside the machine's probe, and must give
the same losses. Results: build/bench-language.json and the table of docs/performance.md, when there is a figure.
"""

import argparse
import contextlib
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "study"))

from common import ROOT  # noqa: E402
from own_cases import write_texts  # noqa: E402
from pairs import BUILD, Listener, run_json, say, take_pairs  # noqa: E402
from side_by_side import DOCS, SETTING, check_same_work, context, replace_between, summarise  # noqa: E402
from task_side_by_side import table  # noqa: E402

WORK = ROOT / "build" / "bench-language"
RESULT = ROOT / "build" / "bench-language.json"
BEGIN, END = "<!-- make bench, language: begin -->", "<!-- make bench, language: end -->"
TEXTS, FOLDER = WORK / "t512.csv", WORK / "smollm2"
MEGAFLOP_PER_TOKEN = 6 * 134.5


@dataclasses.dataclass
class Case:
    name: str = "language"
    title: str = "SmolLM2-135M, 512 tokens"
    batching: str = "padded"
    steps: int = 2
    warm: int = 1
    check: int = 2
    must: float = 1.2


def attune(case, options, **more):
    given = {"steps": case.steps, "warm": case.warm, "batch": options.batch, "threads": options.threads, "max-length": 512, **more}
    flags = [part for name, value in given.items() for part in (f"--{name}", value)]
    return run_json([BUILD / "bench" / "bench_train", FOLDER, TEXTS, *flags])


def peer_of(case, options, order):
    path = WORK / "order.json"
    path.write_text(json.dumps(order), encoding="utf-8")
    command = [sys.executable, HERE / "task_speed.py", "--task", "language", "--data", TEXTS, "--model", FOLDER, "--order", path, "--batch", options.batch]
    for name in ("steps", "warm", "check"):
        command += [f"--{name}", getattr(case, name)]
    return Listener([*command, "--threads", options.threads])


def measure(case, options):
    checked = attune(case, options, warm=0, steps=case.check, order=case.warm + case.steps)
    with contextlib.closing(peer_of(case, options, checked["order"])) as peer:
        about = peer.read()
        pairs = take_pairs({"attune": lambda: attune(case, options), "pytorch": peer.round}, options)
    worst = check_same_work(case, pairs[-1]["attune"], pairs[-1]["pytorch"], about, checked)
    result = {"case": dataclasses.asdict(case), **summarise(case, pairs, options)}
    result["memory_ratio"] = result["attune"]["peak_bytes"] / result["pytorch"]["peak_bytes"]
    result["loss_difference"] = worst
    result["kernels"], result["versions"] = pairs[-1]["attune"]["kernels"], about["versions"]
    for pair in pairs:
        pair["attune"].pop("order")
    result["runs"], result["quick"] = pairs, options.quick
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=2, help="texts of a step")
    parser.add_argument("--quick", action="store_true", help="one step, one pair: tries the program, gives no figure")
    options = parser.parse_args()
    case = Case()
    if options.quick:
        options.pairs, case = 1, dataclasses.replace(case, steps=1)
    SETTING.megaflop_per_token, SETTING.alone = MEGAFLOP_PER_TOKEN, 0
    WORK.mkdir(parents=True, exist_ok=True)
    write_texts(TEXTS, 64, 510)  # and [CLS], [SEP]
    if not (FOLDER / "model.safetensors").is_file():
        subprocess.run([sys.executable, HERE / "base_shape.py", FOLDER, "smollm2"], check=True)
    result = measure(case, options)
    report = {"about": context([result], options), "cases": [result]}
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    text = "\n".join(table(report))
    say(f"\n{text}\nlosses within {result['loss_difference']:.1e}")
    if result["figure"]:
        replace_between(DOCS, BEGIN, END, text)


if __name__ == "__main__":
    main()
