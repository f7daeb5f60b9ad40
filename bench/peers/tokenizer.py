"""attune's tokenizer beside the `tokenizers` library, one thread each, alternately, on the lines of a text file.

    bench/peers/tokenizer.py build/release/bench/bench_tokenizer MODEL-FOLDER TEXT-FILE [pairs]

Prints the pairwise ratios of the speeds; both sides must give the same number of tokens."""
import os
import statistics
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402


def theirs(tokenizer, lines, size):
    tokens, took = 0, 0.0
    for at in range(0, len(lines), 1000):
        start = time.perf_counter()
        encodings = tokenizer.encode_batch(lines[at:at + 1000])
        took += time.perf_counter() - start
        tokens += sum(map(len, encodings))
    return 1e-6 * size / took, tokens


def ours(program, folder, file):
    out = subprocess.run([program, folder, file, "1"], check=True, capture_output=True, text=True).stdout.split()
    return float(out[0]), int(out[4])


def main():
    program, folder, file = sys.argv[1:4]
    pairs = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    with open(file, encoding="utf-8", newline="\n") as text:
        raw = text.read()
    lines, size = raw.removesuffix("\n").split("\n"), len(raw.encode())
    sides = {"attune": lambda: ours(program, folder, file), "tokenizers": lambda: theirs(tokenizer, lines, size)}
    ratios = []
    for pair in range(pairs):
        got = {name: sides[name]() for name in (sides if pair % 2 else reversed(sides))}
        assert got["attune"][1] == got["tokenizers"][1], "not the same tokens"
        ratios.append(got["attune"][0] / got["tokenizers"][0])
        print(f"attune {got['attune'][0]:.1f} MB/s, tokenizers {got['tokenizers'][0]:.2f} MB/s, ratio {ratios[-1]:.1f}")
    print(f"median ratio {statistics.median(ratios):.1f}, from {min(ratios):.1f} to {max(ratios):.1f}")


if __name__ == "__main__":
    main()
