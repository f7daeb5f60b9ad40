"""attune's prediction beside PyTorch and ONNX Runtime, MiniLM-L6 in fp32: real tokens a second, texts tokenised beforehand.

    predict_side_by_side.py [--cases sst2,ag_news,long] [--peers pytorch,onnxruntime] [--pairs 5] [--threads 2] [--quick] [--no-docs]

Pairs and probe as side_by_side.py has them; the logits of both sides are compared. All goes to build/bench-predict.json; the
table of docs/performance.md is renewed when every case has its figure.
"""

import argparse
import contextlib
import datetime
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "study"))

from common import read_rows  # noqa: E402
from pairs import BUILD, ROOT, Listener, say, take_pairs  # noqa: E402
from side_by_side import CASES, DOCS, BENCH, classifier_of, first_line, machine, replace_between  # noqa: E402

BEGIN, END = "<!-- make bench, prediction: begin -->", "<!-- make bench, prediction: end -->"
RESULT = ROOT / "build" / "bench-predict.json"
MEGAFLOP_PER_TOKEN = 22.4  # of a forward pass of MiniLM-L6
ALONE = 10 / 72  # the part of it that attune computes for first tokens only
TOLERANCE = 1e-3
MUST = {"pytorch": (1.25, 1.45), "onnxruntime": (1.1, 1.25)}  # and what is aimed at


def largest_difference(ours, theirs):
    if ours["tokens"] != theirs["tokens"] or len(ours["logits"]) != len(theirs["logits"]):
        sys.exit(f"error: not the same work: {ours['tokens']:.0f} and {theirs['tokens']} tokens")
    worst = max(abs(a - b) for a, b in zip(ours["logits"], theirs["logits"]))
    if not worst <= TOLERANCE:
        sys.exit(f"error: logits differ by {worst:.1e}")
    return worst


def measure(case, peer, options):
    say(f"{case.texts}, against {peer}")
    texts, folder = BENCH / "texts" / f"{case.texts}.csv", classifier_of(case)
    ours = [BUILD / "bench" / "bench_predict", folder, texts, "--threads", options.threads]
    theirs = [sys.executable, HERE / "predict_speed.py", peer, "--texts", texts, "--model", folder]
    with contextlib.ExitStack() as stack:
        left = stack.enter_context(contextlib.closing(Listener(ours)))
        right = stack.enter_context(contextlib.closing(Listener([*theirs, "--threads", options.threads])))
        worst = largest_difference(left.round(), warm := right.round())
        pairs = take_pairs({"attune": left.round, peer: right.round}, options)
    for pair in pairs:
        pair["attune"].pop("logits")
        pair[peer].pop("logits")
    kept = [pair for pair in pairs if pair["kept"]]
    used = kept or pairs
    ratios = [pair["ratio"] for pair in used]
    speed = statistics.median(pair["attune"]["tokens_per_second"] for pair in used)
    probes = [probe for pair in used for probe in (pair["probe_before"], pair["probe_after"])]
    done = MEGAFLOP_PER_TOKEN * (1 - ALONE * (1 - len(read_rows(texts)) / warm["tokens"]))
    result = {"texts": case.texts, "peer": peer, "ratio": statistics.median(ratios), "ratio_low": min(ratios),
              "ratio_high": max(ratios), "tokens_per_second": speed, "pairs": len(pairs), "kept": len(kept),
              "figure": len(kept) >= options.pairs and not options.quick, "logit_difference": worst,
              "share_of_probe": speed * done / 1000 / statistics.mean(probes),
              "peer_batch": warm["batch"], "versions": warm["versions"], "must": MUST[peer], "runs": pairs}
    say(f"  {result['ratio']:.2f} times ({min(ratios):.2f} to {max(ratios):.2f}), {speed:.0f} tokens/s, "
        f"{result['share_of_probe']:.0%} of the probe; logits within {worst:.1e}; the peer's batches: {warm['batch']}"
        + ("" if result["figure"] else "; NO FIGURE"))
    return result


def table(results, threads):
    versions = {name: version for r in results for name, version in r["versions"].items()}
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    out = [
        f"{datetime.date.today().isoformat()}, {machine()['processor']}, {threads} threads; attune "
        f"{first_line('git', 'describe', '--always', '--dirty')}; {named}.",
        "",
        "| texts | peer, its batch | attune, tokens/s | times (range of pairs) | must | share of probe |",
        "|---|---|---|---|---|---|",
    ]
    for r in results:
        must, aim = r["must"]
        out.append(
            f"| {r['texts']} | {r['peer']}, {r['peer_batch']} | {r['tokens_per_second']:,.0f} | **{r['ratio']:.2f}** "
            f"({r['ratio_low']:.2f} to {r['ratio_high']:.2f}, {r['kept']} pairs) | {must} (aim {aim}) "
            f"| {r['share_of_probe']:.0%} |"
        )
    return "\n".join(out)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="sst2,ag_news,long")
    parser.add_argument("--peers", default="pytorch,onnxruntime")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two pairs: tries the program, gives no figure")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/performance.md alone")
    options = parser.parse_args()
    options.pairs = 2 if options.quick else options.pairs
    return options


def main():
    options = arguments()
    BENCH.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, HERE / "texts.py", BENCH / "texts"], check=True)
    known = {case.name: case for case in CASES}
    results = [measure(known[name], peer, options) for name in options.cases.split(",") for peer in options.peers.split(",")]
    RESULT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    say("\n" + table(results, options.threads))
    if all(r["figure"] for r in results) and len(results) == 6 and not options.no_docs:
        replace_between(DOCS, BEGIN, END, table(results, options.threads))


if __name__ == "__main__":
    main()
