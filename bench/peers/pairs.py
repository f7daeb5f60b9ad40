"""Measuring in pairs: two sides alternately, the order mixed, beside the machine's multiply-add probe."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"
SWING = 1.25  # the probe's best against its value beside a pair


def say(text):
    print(text, flush=True)


def run_json(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def probe(threads):
    return run_json([BUILD / "bench" / "bench_kernels", "--probe", threads, "--seconds", 0.4])["gflops"]


class Listener:
    """A program that measures once for every line it gets and says so in a line of JSON."""

    def __init__(self, command):
        self.name = Path(command[0]).name
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"error: {self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def round(self):
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def one_pair(number, sides):
    """Both sides once; the peer begins in every other pair."""
    names = list(sides) if number % 2 else list(reversed(sides))
    return {name: sides[name]() for name in names}


def steady(pair, best):
    return min(pair["probe_before"], pair["probe_after"]) * SWING >= best


def take_pairs(sides, options):
    """Pairs of {name: function} until enough of them stood beside a steady probe; all of them, the others marked."""
    ours, peer = sides
    pairs, before = [], probe(options.threads)
    while len(pairs) < 2 * options.pairs:
        got = one_pair(len(pairs), sides)
        after = probe(options.threads)
        ratio = got[ours]["tokens_per_second"] / got[peer]["tokens_per_second"]
        pairs.append({**got, "ratio": ratio, "probe_before": before, "probe_after": after})
        say(
            f"  pair {len(pairs)}: {ours} {got[ours]['tokens_per_second']:6.0f}, "
            f"{peer} {got[peer]['tokens_per_second']:6.0f} tokens/s, {ratio:.2f} times; "
            f"probe {before:.0f} -> {after:.0f} GFLOP/s"
        )
        before = after
        best = max(max(pair["probe_before"], pair["probe_after"]) for pair in pairs)
        for pair in pairs:
            pair["kept"] = steady(pair, best)
        if sum(pair["kept"] for pair in pairs) >= options.pairs or (options.quick and len(pairs) >= options.pairs):
            break
    return pairs
