"""What attune promises of itself, without a peer: JSON objects on standard output, one a case, and a table of rows at the end.

    own_cases.py [--cases start,length,scaling,checkpoint,memory] [--rounds 5] [--bf16] [--quick]

start       seconds from the call of attune train to the end of its first step, on examples/support-sentiment (--method full; the default method is
            timed to its first examples), model and data in the page cache
length      a token of texts of 512 tokens against one of 128, in steps of as many tokens; and the memory of both
scaling     two threads against one, every text 128 tokens; the probe's own ratio beside it
checkpoint  steps with a checkpoint every five seconds against steps without: the longest delay of a step, and what one such delay is of the
            minute that lies between two checkpoints by default
memory      private memory (RssAnon) of attune train in its first step: 1,000,000 short examples against 10,000

Rounds alternate between the two sides; a figure is the median of the rounds. Everything goes to build/bench-own.json.
"""

import argparse
import csv
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "study"))

from common import ROOT, model_folder  # noqa: E402
from pairs import BUILD, probe, run_json, say  # noqa: E402

WORK = ROOT / "build" / "bench-own"
RESULT = ROOT / "build" / "bench-own.json"
ATTUNE = BUILD / "src" / "attune"
EXAMPLE = ROOT / "examples" / "support-sentiment" / "train.csv"
WORDS = "the movie was good bad great dull plot actor story fine poor new old film scene music long short day".split()
SAVE_SECONDS = 60  # the default of --save-seconds
MUST = {
    "start": "0.2 s",
    "length": "1.35 in fp32, 1.6 in bf16",
    "scaling": "1.85, or 95% of the probe's own",
    "checkpoint": "100 ms, 2%",
    "memory": "1.1",
}


# ---- texts and a classifier ----


def write_texts(path, rows, words):
    """Rows of so many words, each word one token, two labels."""
    if path.is_file():
        return path
    partial = path.with_suffix(".tmp")
    with partial.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["text", "label"])
        for i in range(rows):
            text = " ".join(WORDS[(i * 7 + k * (1 + i % 5)) % len(WORDS)] for k in range(words))
            writer.writerow([text, "ab"[i % 2]])
    partial.rename(path)
    return path


def classifier():
    """Any finished classifier of the two labels: one step of attune makes it."""
    folder = WORK / "classifier"
    if not (folder / "model.safetensors").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        train(write_texts(WORK / "few.csv", 64, 10), folder, "--max-steps", 1, "--folds", 1)
    return folder


def command(texts, folder, *more):
    given = [ATTUNE, "train", "--model", model_folder(), "--train", texts, "--output", folder, "--method", "full", "--head", "pooler", *more]
    return [str(part) for part in given]


def train(texts, folder, *more):
    subprocess.run([*command(texts, folder, *more), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def steps(options, texts, **given):
    flags = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", value)]
    flags += ["--bf16", 1] if options.bf16 else []
    return run_json([BUILD / "bench" / "bench_train", classifier(), texts, *flags])


def per_token(result):
    return result["seconds"] / result["tokens"]


def median_of(rounds, key):
    return statistics.median(key(round_) for round_ in rounds)


# ---- the cases ----


def first_event(arguments, kinds, look=None):
    """Seconds until attune says one of the kinds of events; then it is ended. `look` sees the process first."""
    began = time.monotonic()
    process = subprocess.Popen([*arguments, "--json"], stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] in kinds:
                seconds = time.monotonic() - began
                return (seconds, look(process.pid)) if look else seconds
        sys.exit(f"error: attune train ended before it said one of {kinds}")
    finally:
        process.kill()
        process.wait()


def case_start(options):
    def once(method):
        with tempfile.TemporaryDirectory(dir=WORK) as folder:
            call = [ATTUNE, "train", "--model", model_folder(), "--train", EXAMPLE, "--output", Path(folder) / "model", "--method", method]
            call += ["--folds", 1] if method == "full" else []
            return first_event([str(part) for part in call], ("step",) if method == "full" else ("step", "progress"))

    once("full")  # the page cache
    full = [once("full") for _ in range(options.rounds)]
    two_step = [once("two-step") for _ in range(options.rounds)]
    return {"seconds": statistics.median(full), "all": full, "two_step_seconds": statistics.median(two_step), "two_step_all": two_step,
            "words": f"{statistics.median(full):.3f} s (best {min(full):.3f})"}


def case_length(options):
    short, long = write_texts(WORK / "t126.csv", 512, 126), write_texts(WORK / "t510.csv", 256, 510)
    few = {"steps": 1 if options.quick else 4, "warm": 1}
    rounds = [(steps(options, short, batch=32, max_length=128, **few), steps(options, long, batch=8, max_length=512, **few)) for _ in range(options.rounds)]
    ratio = median_of(rounds, lambda r: per_token(r[1]) / per_token(r[0]))
    memory = rounds[-1][1]["peak_bytes"] / rounds[-1][0]["peak_bytes"]
    return {"ratio": ratio, "memory_ratio": memory, "rounds": [[per_token(a), per_token(b)] for a, b in rounds],
            "words": f"{ratio:.2f} times the time, {memory:.2f} times the memory of the program"}


def case_scaling(options):
    texts = write_texts(WORK / "t126.csv", 512, 126)
    few = {"steps": 1 if options.quick else 4, "warm": 1, "batch": 32, "max_length": 128}
    rounds = []
    for _ in range(options.rounds):
        one, two = steps(options, texts, threads=1, **few), steps(options, texts, threads=2, **few)
        rounds.append({"ratio": per_token(one) / per_token(two), "probe": probe(2) / probe(1)})
    ratio, probes = median_of(rounds, lambda r: r["ratio"]), median_of(rounds, lambda r: r["probe"])
    return {"ratio": ratio, "probe_ratio": probes, "rounds": rounds,
            "words": f"{ratio:.2f} times (the probe {probes:.2f}: {ratio / probes:.0%})"}


def case_checkpoint(options):
    texts = write_texts(WORK / "short.csv", 4096, 14)
    few = {"steps": 20 if options.quick else 200, "warm": 5, "batch": 32}
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=WORK) as folder:
            without = steps(options, texts, **few)
            saving = steps(options, texts, save=5, folder=Path(folder) / "run", **few)
        usual = statistics.median(saving["step_seconds"])
        rounds.append({"delay": max(saving["step_seconds"]) - usual, "longest_without": max(without["step_seconds"]) - usual,
                       "saves": saving["saves"], "share": saving["save_seconds"] / max(saving["saves"], 1) / SAVE_SECONDS,
                       "cost": saving["seconds"] / without["seconds"] - 1})
    delay, share = median_of(rounds, lambda r: r["delay"]), median_of(rounds, lambda r: r["share"])
    return {"delay": delay, "share": share, "rounds": rounds, "words": f"{1000 * delay:.0f} ms, {share:.1%} of the time at one in {SAVE_SECONDS} s"}


def private_bytes(pid):
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return {key: 1024 * int(next(line for line in status.splitlines() if line.startswith(key + ":")).split()[1])
            for key in ("RssAnon", "RssFile", "RssShmem", "VmHWM")}


def case_memory(options):
    found = {}
    held = write_texts(WORK / "held.csv", 200, 10)
    for rows in (10_000, 100_000 if options.quick else 1_000_000):
        texts = write_texts(WORK / f"rows-{rows}.csv", rows, 10)
        with tempfile.TemporaryDirectory(dir=WORK) as folder:
            call = command(texts, Path(folder) / "model", "--eval", held, "--max-steps", 3, "--batch-size", 32)
            found[rows] = first_event(call, ("step",), private_bytes)[1]
    few, many = found.values()
    ratio = many["RssAnon"] / few["RssAnon"]
    return {"ratio": ratio, "bytes": found, "words": f"{ratio:.3f} times ({many['RssAnon'] / 1e6:.0f} against {few['RssAnon'] / 1e6:.0f} MB)"}


CASES = {"start": case_start, "length": case_length, "scaling": case_scaling, "checkpoint": case_checkpoint, "memory": case_memory}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bf16", action="store_true", help="with products of bf16 operands")
    parser.add_argument("--quick", action="store_true", help="tries the program; gives no figure")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    return options


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: stopped"))
    WORK.mkdir(parents=True, exist_ok=True)
    results = []
    for name in options.cases.split(","):
        if name not in CASES:
            sys.exit(f"error: unknown case '{name}'; there are {', '.join(CASES)}")
        before = probe(2)
        result = {"case": name, "bf16": options.bf16, "quick": options.quick, "probe_before": before, **CASES[name](options), "probe_after": probe(2)}
        results.append(result)
        print(json.dumps(result), flush=True)
    RESULT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    say("\n| case | measured | must | probe, GFLOP/s |\n|---|---|---|---|")
    for r in results:
        say(f"| {r['case']}{', bf16' if r['bf16'] else ''} | {r['words']} | {MUST[r['case']]} | {r['probe_before']:.0f}, {r['probe_after']:.0f} |")


if __name__ == "__main__":
    main()
