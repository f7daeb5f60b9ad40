"""Prints what bench_kernels --json wrote, a line a case."""

import json
import sys
from pathlib import Path


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: kernel_table.py FILE.jsonl")
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        print(
            f"{case['case']:26} {case['shape']:28} {case['microseconds']:9.1f} us {case['rate']:7.1f} {case['unit']:7} "
            f"{case['share']:6.1%} of {case['probe']} {case['probe_rate']:.1f} (swung by {case['probe_swing']:.0%})"
        )


if __name__ == "__main__":
    main()
