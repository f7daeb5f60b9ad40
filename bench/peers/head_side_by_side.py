"""A head on a frozen body, attune beside PyTorch, MiniLM-L6 in fp32: what three epochs take.

    head_side_by_side.py [--cases sst2,long] [--pairs 5] [--threads 2] [--quick]

attune: `attune train --method head` as a user types it, from its start to the fitted head, tokenising, both poolings, their comparison and the choice of
the regularisation by cross-validation included. PyTorch: the frozen body runs in every epoch; twelve warm steps of batches of 32 (dynamic
padding) are timed and stand for three epochs of the same file, nothing else counted. Figures are tokens of three epochs a second.
All goes to build/bench-head.json.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "study"))

from common import model_folder  # noqa: E402
from pairs import BUILD, ROOT, Listener, say, take_pairs  # noqa: E402
from side_by_side import BATCH, CASES, BENCH, classifier_of  # noqa: E402

RESULT = ROOT / "build" / "bench-head.json"
EPOCHS = 3
STEPS, WARM = 12, 2
MUST = {"sst2": (16, 22), "long": (8, 11)}  # and what is aimed at


def fit_head(texts, tokens, threads):
    """Seconds to the event that says the head is fitted."""
    with tempfile.TemporaryDirectory(dir=BENCH) as folder:
        command = [BUILD / "src" / "attune", "train", "--method", "head", "--model", model_folder(), "--train", texts]
        command += ["--output", Path(folder) / "model", "--max-length", 128, "--threads", threads, "--json"]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: attune train ended with {done.returncode}: {done.stderr}")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    fitted = next(event for event in events if event["event"] == "phase")
    return {"seconds": fitted["time"], "tokens_per_second": EPOCHS * tokens / fitted["time"], "main": fitted["main"]}


def count_tokens(folder, texts, threads):
    with contextlib.closing(Listener([BUILD / "bench" / "bench_predict", folder, texts, "--threads", threads])) as listener:
        return listener.round()["tokens"]


def measure(case, options):
    say(f"{case.texts}, {EPOCHS} epochs of a head")
    texts, folder = BENCH / "texts" / f"{case.texts}.csv", classifier_of(case)
    tokens = count_tokens(folder, texts, options.threads)
    command = [sys.executable, HERE / "step_speed.py", "--listen", "--mode", "head", "--texts", texts, "--model", folder]
    command += ["--steps", STEPS, "--warm", WARM, "--batch", BATCH, "--threads", options.threads]
    with contextlib.closing(Listener(command)) as peer:
        about = peer.read()
        sides = {"attune": lambda: fit_head(texts, tokens, options.threads), "pytorch": peer.round}
        pairs = take_pairs(sides, options)
    kept = [pair for pair in pairs if pair["kept"]]
    ratios = [pair["ratio"] for pair in kept or pairs]
    result = {"texts": case.texts, "tokens": tokens, "ratio": statistics.median(ratios), "ratio_low": min(ratios),
              "ratio_high": max(ratios), "kept": len(kept), "pairs": len(pairs), "must": MUST.get(case.texts),
              "figure": len(kept) >= options.pairs and not options.quick,
              "seconds": statistics.median(pair["attune"]["seconds"] for pair in pairs), "versions": about["versions"], "runs": pairs}
    say(f"  {result['ratio']:.1f} times ({min(ratios):.1f} to {max(ratios):.1f}); attune's head after {result['seconds']:.1f} s"
        + ("" if result["figure"] else "; NO FIGURE"))
    return result


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="sst2,long")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two pairs: tries the program, gives no figure")
    options = parser.parse_args()
    options.pairs = 2 if options.quick else options.pairs
    return options


def main():
    options = arguments()
    BENCH.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, HERE / "texts.py", BENCH / "texts"], check=True)
    known = {case.name: case for case in CASES}
    results = [measure(known[name], options) for name in options.cases.split(",")]
    RESULT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
