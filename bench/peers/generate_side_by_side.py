"""Greedy generation of a GGUF file: attune with fp32, bf16 and Q8_0 weights, transformers in fp32 and bf16, llama.cpp's Python binding where it
is installed, beside the bandwidth of the memory.

    generate_side_by_side.py FILE.gguf [--tokens 128] [--rounds 3] [--threads 2] [--no-docs]

The file is SmolLM2-135M-Instruct for the figures of docs/performance.md. A speed is tokens a second behind a prompt of 16 tokens, the best round; `share` is a
round's speed over what the bandwidth, read right before and after it, divided by the weights' bytes would allow: the median of the rounds.
Results: build/bench-generate.json and the table of docs/performance.md.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "study"))

from common import ROOT  # noqa: E402
from pairs import BUILD, run_json, say  # noqa: E402
from side_by_side import DOCS, first_line, machine, replace_between  # noqa: E402

RESULT = ROOT / "build" / "bench-generate.json"
BEGIN, END = "<!-- make bench, generation: begin -->", "<!-- make bench, generation: end -->"
MUST = 0.75
TYPES = {"fp32": "f32", "bf16": "bf16", "q8_0": "q8_0"}


def ask(peer, model, options, *more):
    command = [sys.executable, HERE / "generate_speed.py", peer, "--model", model, "--tokens", options.tokens, "--rounds", options.rounds]
    done = subprocess.run([str(part) for part in [*command, "--threads", options.threads, *more]], capture_output=True, text=True, check=False)
    if done.returncode:
        say(f"  {peer}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'ended'}")
        return None
    return json.loads(done.stdout)


def llama_of(model, form, options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{form}.gguf"
        export = [BUILD / "src" / "attune", "export", "--to", "gguf", "--type", TYPES[form], "--model", model, "--output", path]
        subprocess.run([str(part) for part in export], check=True, stdout=subprocess.DEVNULL)
        return ask("llama", path, options)


def measure(options):
    report = run_json([BUILD / "bench" / "bench_generate", options.model, "--threads", options.threads, "--tokens", options.tokens, "--rounds", options.rounds])
    for form in report["forms"]:
        name = form["weights"]
        form["transformers"] = ask("transformers", options.model, options, "--dtype", name) if name != "q8_0" else None
        form["llama"] = llama_of(options.model, name, options)
    report["about"] = {"date": datetime.date.today().isoformat(), "machine": machine(), "commit": first_line("git", "describe", "--always", "--dirty")}
    return report


def beside(form, peer):
    theirs = form[peer]
    return f"{theirs['tokens_per_second']:.0f}, {form['tokens_per_second'] / theirs['tokens_per_second']:.2f} times" if theirs else "not measured"


def spread(values, by, form):
    return " to ".join(format(by * value, form) for value in values)


def table(report):
    about = report["about"]
    yield (f"{about['date']}, {about['machine']['processor']}, {report['threads']} threads, kernels {report['kernels']}; attune {about['commit']}; "
           f"{report['tokens']} tokens behind {report['prompt']}.")
    yield ""
    yield "| weights | bytes | attune, tokens/s | memory read at, GB/s | share of it (must; lowest and highest round) | transformers, tokens/s | llama.cpp, tokens/s |"
    yield "|---|---|---|---|---|---|---|"
    for form in report["forms"]:
        yield (f"| {form['weights']} | {form['bytes'] / 1e6:.0f} MB | {form['tokens_per_second']:.1f} | {spread(form['bytes_per_second'], 1e-9, '.1f')} | "
               f"**{form['share']:.0%}** ({MUST:.0%}; {spread(form['shares'], 100, '.0f')}) | "
               f"{beside(form, 'transformers')} | {beside(form, 'llama')} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-docs", action="store_true", help="leave docs/performance.md alone")
    options = parser.parse_args()
    report = measure(options)
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    text = "\n".join(table(report))
    say(text)
    if not options.no_docs:
        replace_between(DOCS, BEGIN, END, text)


if __name__ == "__main__":
    main()
