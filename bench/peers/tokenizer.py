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

program, folder, file = sys.argv[1:4]
pairs = int(sys.argv[4]) if len(sys.argv) > 4 else 5
tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
tokenizer.no_padding()
tokenizer.no_truncation()
raw = open(file, encoding="utf-8", newline="\n").read()
lines = raw.removesuffix("\n").split("\n")
size = len(raw.encode())


def theirs():
    start, tokens, took = time.perf_counter(), 0, 0.0
    for at in range(0, len(lines), 1000):
        start = time.perf_counter()
        encodings = tokenizer.encode_batch(lines[at:at + 1000])
        took += time.perf_counter() - start
        tokens += sum(map(len, encodings))
    return 1e-6 * size / took, tokens


def ours():
    out = subprocess.run([program, folder, file, "1"], check=True, capture_output=True, text=True).stdout.split()
    return float(out[0]), int(out[4])


ratios = []
for pair in range(pairs):
    sides = [ours, theirs] if pair % 2 else [theirs, ours]
    got = {side: side() for side in sides}
    assert got[ours][1] == got[theirs][1], "not the same tokens"
    ratios.append(got[ours][0] / got[theirs][0])
    print(f"attune {got[ours][0]:.1f} MB/s, tokenizers {got[theirs][0]:.2f} MB/s, ratio {ratios[-1]:.1f}")
print(f"median ratio {statistics.median(ratios):.1f}, from {min(ratios):.1f} to {max(ratios):.1f}")
