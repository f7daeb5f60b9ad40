"""Where the processor time of attune's training goes, by perf, in a handful of groups of functions."""

import re
import shutil
import subprocess

# In this order; products are those of attention too. What is left over is start-up, tokenising, the system and the rest.
GROUPS = (
    ("matrix products", r"tile_|linear|transpose|multiply"),
    ("attention's own passes", r"attention|softmax_tile|add_transposed"),
    ("activations", r"activate"),
    ("norm, dropout, embedding, loss", r"norm|dropout|embed|softmax|gather|cross_entropy|scale_add|add_rows"),
    ("optimiser", r"adamw|reduce|update_|touched"),
)
REST = "start-up, system, other"


def grouped(report):
    shares = {name: 0.0 for name, _ in GROUPS} | {REST: 0.0}
    for line in report.splitlines():
        found = re.match(r"\s*([\d.]+)%\s+(\S+)\s+\[.\] (\S+)", line) or re.match(r"\s*([\d.]+)%", line)
        if not found:
            continue
        own = found.lastindex == 3 and found[2] == "bench_train"
        names = (name for name, pattern in GROUPS if own and re.search(pattern, found[3]))
        shares[next(names, REST)] += float(found[1]) / 100
    return shares


def step_profile(command, folder):
    """Shares of time by group, or None where perf is missing or may not be used."""
    if not shutil.which("perf"):
        return None
    data = folder / "perf.data"
    record = ["perf", "record", "-q", "-F", "499", "-e", "cpu-clock", "-o", data, *command]
    if subprocess.run([str(part) for part in record], capture_output=True, check=False).returncode:
        return None
    show = ["perf", "report", "-q", "-i", str(data), "--stdio", "--no-children", "-g", "none", "--fields", "overhead,dso,sym"]
    done = subprocess.run(show, capture_output=True, text=True, check=False)
    data.unlink()
    return grouped(done.stdout) if done.returncode == 0 else None
