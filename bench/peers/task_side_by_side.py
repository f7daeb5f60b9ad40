"""attune beside transformers and sentence-transformers on tasks beyond single labels: steps of full fine-tuning of MiniLM-L6, fp32, dropout 0.1.

    task_side_by_side.py [--cases tag,embed,answer] [--pairs 5] [--threads 2] [--quick]

tag: CoNLL sentences; embed: STS-B pairs with their scores; answer: SQuAD questions with up to 384 tokens. Batches of 32 (pairs of 32 texts each), the peer
pads each batch to its longest. As in side_by_side.py both take the same examples in the same order, alternately, beside the machine's probe, and must give the same
losses with dropout off. Results: build/bench-tasks.json and the table of docs/performance.md, when every case has its figure.
"""

import argparse
import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "study"))

from common import ROOT  # noqa: E402
from pairs import BUILD, Listener, run_json, say, take_pairs  # noqa: E402
from side_by_side import BATCH, DOCS, SETTING, check_same_work, context, replace_between, summarise, summary  # noqa: E402

WORK = ROOT / "build" / "bench-tasks"
RESULT = ROOT / "build" / "bench-tasks.json"
BEGIN, END = "<!-- make bench, tasks: begin -->", "<!-- make bench, tasks: end -->"


@dataclasses.dataclass
class Case:
    name: str
    title: str
    data: str
    sequences: int  # of an example
    max_length: int
    steps: int
    warm: int
    check: int
    must: float
    batching: str = "padded"


CASES = [
    Case("tag", "`tag`, CoNLL", "tag.jsonl", 1, 512, 12, 3, 3, 3.0),
    Case("embed", "`embed`, STS-B pairs", "embed.csv", 2, 128, 8, 3, 3, 3.0),
    Case("answer", "`answer`, SQuAD, up to 384 tokens", "answer.jsonl", 1, 384, 3, 1, 2, 1.5),
]


def attune(case, threads, **options):
    given = {"steps": case.steps, "warm": case.warm, "batch": BATCH, "threads": threads, "max-length": case.max_length, **options}
    flags = [part for name, value in given.items() for part in (f"--{name}", value)]
    return run_json([BUILD / "bench" / "bench_train", WORK / case.name, WORK / case.data, *flags])


class Peer(Listener):
    def __init__(self, case, threads, order):
        path = WORK / f"{case.name}.order.json"
        path.write_text(json.dumps(order), encoding="utf-8")
        command = [sys.executable, HERE / "task_speed.py", "--task", case.name, "--data", WORK / case.data, "--model", WORK / case.name, "--order", path]
        for name in ("steps", "warm", "check"):
            command += [f"--{name}", getattr(case, name)]
        command += ["--batch", BATCH * case.sequences]
        super().__init__([*command, "--threads", threads])
        self.about = self.read()


def measure(case, options):
    say(f"{case.title} ({case.name})")
    started = time.monotonic()
    checked = attune(case, options.threads, warm=0, steps=case.check, dropout=0, order=case.warm + case.steps)
    with contextlib.closing(Peer(case, options.threads, checked["order"])) as peer:
        pairs = take_pairs({"attune": lambda: attune(case, options.threads), "pytorch": peer.round}, options)
    worst = check_same_work(case, pairs[-1]["attune"], pairs[-1]["pytorch"], peer.about, checked)
    result = {"case": dataclasses.asdict(case), **summarise(case, pairs, options)}
    result["memory_ratio"] = result["attune"]["peak_bytes"] / result["pytorch"]["peak_bytes"]
    result["loss_difference"] = worst
    result["kernels"], result["versions"] = pairs[-1]["attune"]["kernels"], peer.about["versions"]
    for pair in pairs:
        pair["attune"].pop("order")
    result["runs"], result["quick"], result["seconds"] = pairs, options.quick, time.monotonic() - started
    say(summary(result))
    return result


def table(report):
    about = report["about"]
    yield (f"{about['date']}, {about['machine']['processor']}, {about['threads']} threads, kernels {about['kernels']}; attune {about['commit']}; PyTorch "
           f"{about['versions']['torch']}, transformers {about['versions']['transformers']}.")
    yield ""
    yield "| case | attune, tokens/s | peer, tokens/s | times (range of pairs) | must | peak memory, GB | share of probe | peer's padding |"
    yield "|---|---|---|---|---|---|---|---|"
    for r in report["cases"]:
        ours, theirs = r["attune"], r["pytorch"]
        yield (f"| {r['case']['title']} | {ours['tokens_per_second']:,.0f} | {theirs['tokens_per_second']:,.0f} | **{r['ratio']:.2f}** ({r['ratio_low']:.2f} to "
               f"{r['ratio_high']:.2f}, {r['kept']} pairs) | {r['case']['must']:.1f} | {ours['peak_bytes'] / 1e9:.2f} / {theirs['peak_bytes'] / 1e9:.2f} = "
               f"{r['memory_ratio']:.2f} | {r['share_of_probe']:.0%} of {r['probe_gflops']:.0f} GFLOP/s | {r['peer_padding']:.0%} |")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(case.name for case in CASES))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="few steps, two pairs: tries the program, gives no figure")
    options = parser.parse_args()
    known = {case.name: case for case in CASES}
    for name in options.cases.split(","):
        if name not in known:
            parser.error(f"unknown case '{name}'; there are {', '.join(known)}")
    options.chosen = [known[name] for name in options.cases.split(",")]
    if options.quick:
        options.pairs = 2
        options.chosen = [dataclasses.replace(case, steps=2, warm=1, check=2) for case in options.chosen]
    return options


def main():
    options = arguments()
    SETTING.loss_tolerance, SETTING.alone = 2e-3, 0
    subprocess.run([sys.executable, HERE / "task_texts.py", WORK], check=True)
    results = [measure(case, options) for case in options.chosen]
    report = {"about": context(results, options), "cases": results}
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    text = "\n".join(table(report))
    say(f"\n{text}")
    if not options.quick and len(results) == len(CASES) and all(r["figure"] for r in results):
        replace_between(DOCS, BEGIN, END, text)


if __name__ == "__main__":
    main()
