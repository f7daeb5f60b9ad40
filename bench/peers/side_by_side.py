"""attune beside PyTorch and transformers: full fine-tuning of MiniLM-L6 in fp32, batches of 32, dropout 0.1.

    side_by_side.py [--cases long,sst2,ag_news,sst2_grouped] [--pairs 5] [--threads 2] [--shape base|roberta] [--bf16] [--quick] [--no-docs]

Both sides take warm optimiser steps over the same examples of the same texts from the same weights, alternately, the
order of a pair changing from pair to pair. A figure is real tokens (no padding) a second; what counts is the median of
the ratios of the pairs. Before the pairs of a case, a few steps with dropout off must give both the same losses.

The machine's multiply-add probe runs before and after every pair. A pair beside which it fell by more than a quarter
below its best of the case is run again, at most as often as pairs were asked for; where too few remain the case has
no figure. All goes to build/bench.json; the table of docs/performance.md is renewed when every case has its figure.
--shape base, roberta: a model of the shape of BERT-base, of RoBERTa-base with random weights. --bf16: both sides with bf16 products (the peer: autocast). These go to
build/bench-base.json, build/bench-roberta.json, build/bench-bf16.json, and leave the docs alone.
--quick: two pairs of few steps, to try the program; never a figure.
"""

import argparse
import contextlib
import dataclasses
import datetime
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "study"))

from common import ROOT, model_folder, read_rows  # noqa: E402
from pairs import BUILD, Listener, run_json, say, take_pairs  # noqa: E402
from step_profile import step_profile  # noqa: E402

BENCH = ROOT / "build" / "bench"
KERNELS = ROOT / "build" / "bench-kernels.jsonl"
DOCS = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"

BATCH = 32


@dataclasses.dataclass
class Setting:
    """What is trained, and how."""

    work: Path = BENCH
    result: Path = ROOT / "build" / "bench.json"
    megaflop_per_token: float = 67.2  # the products of a step, forward and backward
    alone: float = 10 / 72  # of these, the part that attune computes for first tokens only: the last block but its keys and values
    loss_tolerance: float = 1e-3
    bf16: bool = False


SETTING = Setting()


@dataclasses.dataclass
class Case:
    name: str
    title: str
    texts: str
    batching: str
    steps: int
    warm: int
    check: int
    must: float  # ratio asked for
    goal: float  # ratio of the plan


CASES = [
    Case("long", "every text 128 tokens", "long", "padded", 4, 2, 2, 1.2, 1.6),
    Case("sst2", "SST-2, dynamic padding", "sst2", "padded", 12, 3, 4, 3.0, 4.0),
    Case("ag_news", "AG News, dynamic padding", "ag_news", "padded", 6, 2, 3, 3.0, 4.0),
    Case("sst2_grouped", "SST-2, peer groups by length", "sst2", "grouped", 30, 3, 2, 1.6, 1.6),
]


# ---- the two sides ----


def attune_command(case, folder, threads, **options):
    given = {"steps": case.steps, "warm": case.warm, "batch": BATCH, "threads": threads, **options}
    flags = [part for name, value in given.items() for part in (f"--{name}", value)]
    return [BUILD / "bench" / "bench_train", folder, texts_of(case), *flags, *(["--bf16", 1] if SETTING.bf16 else [])]


def attune(case, folder, threads, **options):
    return run_json(attune_command(case, folder, threads, **options))


class Peer(Listener):
    """The PyTorch process of a case: prepared once, then the same steps whenever asked."""

    def __init__(self, case, folder, threads, order):
        path = SETTING.work / f"{case.name}.order.json"
        path.write_text(json.dumps(order), encoding="utf-8")
        command = [sys.executable, HERE / "step_speed.py", "--listen", "--texts", texts_of(case), "--model", folder]
        command += ["--order", path, "--batching", case.batching, "--steps", case.steps, "--warm", case.warm]
        command += ["--check", case.check, "--batch", BATCH, "--threads", threads]
        command += ["--bf16"] if SETTING.bf16 else []
        super().__init__(command)
        self.about = self.read()


def command_peak(case, threads):
    """Peak memory of the program itself, `attune train`, over a few steps on these texts."""
    with tempfile.TemporaryDirectory(dir=SETTING.work) as folder:
        command = [BUILD / "src" / "attune", "train", "--model", model_folder(), "--train", texts_of(case)]
        command += ["--output", Path(folder) / "model", "--method", "full", "--head", "pooler", "--max-steps", 2]
        command += ["--batch-size", BATCH, "--max-length", 128, "--learning-rate", "1e-4", "--folds", 1]
        command += ["--threads", threads, "--save-seconds", 0, "--quiet"]
        command += ["--precision", "bf16"] if SETTING.bf16 else []
        started = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
        try:
            _, status, usage = os.wait4(started.pid, 0)
        except BaseException:  # a stopped measurement leaves nothing running
            started.kill()
            raise
        started.returncode = os.waitstatus_to_exitcode(status)
        if started.returncode:
            sys.exit(f"error: attune train ended with {started.returncode}")
        return 1024 * usage.ru_maxrss


# ---- preparation ----


def texts_of(case):
    return SETTING.work / "texts" / f"{case.texts}.csv"


def classifier_of(case):
    labels = sorted({label for _, label in read_rows(texts_of(case))})
    folder = SETTING.work / ("classifier-" + "-".join(labels).replace("/", "_").replace(" ", "_"))
    if not (folder / "model.safetensors").is_file():
        subprocess.run([sys.executable, HERE / "classifier.py", folder, *labels], check=True)
    return folder


# ---- a case ----


def check_same_work(case, ours, theirs, warm_up, checked):
    """Same tokens in the timed steps; same losses without dropout. Returns the largest relative difference of a loss."""
    same = ours["step_tokens"] == theirs["step_tokens"]
    if case.batching == "grouped":  # the same examples in other batches
        same = ours["tokens"] == theirs["tokens"]
    if not same:
        sys.exit(f"error: {case.name}: not the same tokens: {ours['step_tokens']} and {theirs['step_tokens']}")
    pairs = list(zip(checked["losses"], warm_up["check_losses"], strict=True))
    worst = max((abs(a - b) / abs(b) for a, b in pairs), default=0)
    if not worst <= SETTING.loss_tolerance:
        sys.exit(f"error: {case.name}: losses differ by {worst:.1e}: {pairs}")
    return worst


def summarise(case, pairs, options):
    kept = [pair for pair in pairs if pair["kept"]]
    result = {"pairs": len(pairs), "kept": len(kept), "figure": len(kept) >= options.pairs and not options.quick}
    probes = [pair[which] for pair in pairs for which in ("probe_before", "probe_after")]
    result["probe_swing"] = max(probes) / min(probes) - 1
    used = kept or pairs
    result["ratio"] = statistics.median(pair["ratio"] for pair in used)
    result["ratio_low"] = min(pair["ratio"] for pair in used)
    result["ratio_high"] = max(pair["ratio"] for pair in used)
    for side in ("attune", "pytorch"):
        result[side] = {
            "tokens_per_second": statistics.median(pair[side]["tokens_per_second"] for pair in used),
            "peak_bytes": max(pair[side]["peak_bytes"] for pair in pairs),
        }
    last = pairs[-1]["pytorch"]
    done = SETTING.megaflop_per_token * (1 - SETTING.alone * (1 - BATCH * case.steps / last["tokens"]))
    shares = [
        pair["attune"]["tokens_per_second"] * done / 500 / (pair["probe_before"] + pair["probe_after"]) for pair in used
    ]
    result["share_of_probe"] = statistics.median(shares)
    result["probe_gflops"] = statistics.median(probes)
    result["peer_padding"] = 1 - last["tokens"] / last["padded_tokens"]
    result["tokens_per_round"] = last["tokens"]
    return result


def measure(case, options):
    say(f"{case.title} ({case.name})")
    started = time.monotonic()
    folder = classifier_of(case)
    checked = attune(case, folder, options.threads, warm=0, steps=case.check, dropout=0, order=case.warm + case.steps)
    with contextlib.closing(Peer(case, folder, options.threads, checked["order"])) as peer:
        sides = {"attune": lambda: attune(case, folder, options.threads), "pytorch": peer.round}
        pairs = take_pairs(sides, options)
    worst = check_same_work(case, pairs[-1]["attune"], pairs[-1]["pytorch"], peer.about, checked)
    result = {"case": dataclasses.asdict(case), **summarise(case, pairs, options)}
    result["attune"]["command_peak_bytes"] = command_peak(case, options.threads)
    result["attune"]["peak_bytes"] = max(result["attune"]["peak_bytes"], result["attune"]["command_peak_bytes"])
    result["memory_ratio"] = result["attune"]["peak_bytes"] / result["pytorch"]["peak_bytes"]
    result["loss_difference"] = worst
    result["kernels"], result["lanes"] = pairs[-1]["attune"]["kernels"], pairs[-1]["attune"]["lanes"]
    result["versions"] = peer.about["versions"]
    result["import_seconds"] = peer.about["import_seconds"]
    result["check_losses"] = [checked["losses"], peer.about["check_losses"]]
    if case.batching == "padded":  # attune's side of a grouped case is the same run
        result["profile"] = step_profile(attune_command(case, folder, options.threads, steps=2 * case.steps), SETTING.work)
    for pair in pairs:
        pair["attune"].pop("order")
    result["runs"], result["quick"] = pairs, options.quick
    result["seconds"] = time.monotonic() - started
    say(summary(result))
    return result


# ---- what is said of it ----


def summary(r):
    lines = [
        f"  same work: {r['tokens_per_round']} tokens a side and round; losses without dropout within "
        f"{r['loss_difference']:.1e}; padding of the peer {r['peer_padding']:.0%}",
        f"  {r['ratio']:.2f} times ({r['ratio_low']:.2f} to {r['ratio_high']:.2f}), "
        f"{r['attune']['tokens_per_second']:.0f} against {r['pytorch']['tokens_per_second']:.0f} tokens/s; memory "
        f"{r['attune']['peak_bytes'] / 1e9:.2f} against {r['pytorch']['peak_bytes'] / 1e9:.2f} GB "
        f"({r['memory_ratio']:.2f}); {r['share_of_probe']:.0%} of the probe's {r['probe_gflops']:.0f} GFLOP/s",
        f"  probe swung by {r['probe_swing']:.0%}; {r['kept']} of {r['pairs']} pairs beside a steady probe; "
        f"{r['seconds']:.0f} s",
    ]
    if not r["figure"]:
        lines.append("  NO FIGURE: " + ("a quick run" if r["quick"] else "the probe swung too much; run again"))
    return "\n".join(lines)


def machine():
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    flags = named.get("flags", "").split()
    return {
        "processor": named.get("model name", "unknown"),
        "cores": os.cpu_count(),
        "flags": [flag for flag in ("avx2", "avx512f", "amx_bf16") if flag in flags],
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.split("\n", 1)[0] if done.returncode == 0 else "unknown"


def context(results, options):
    return {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "commit": first_line("git", "describe", "--always", "--dirty"),
        "compiler": first_line("cc", "--version"),
        "threads": options.threads,
        "kernels": results[0]["kernels"],
        "versions": results[0]["versions"],
    }


def read_kernels():
    if not KERNELS.is_file():
        return []
    return [json.loads(line) for line in KERNELS.read_text(encoding="utf-8").splitlines()]


def table(report):
    about = report["about"]
    out = [
        f"{about['date']}, {about['machine']['processor']}, {about['threads']} threads, kernels "
        f"{about['kernels']}; attune {about['commit']}, {about['compiler']}; PyTorch {about['versions']['torch']}, "
        f"transformers {about['versions']['transformers']}.",
        "",
        "| case | attune, tokens/s | PyTorch, tokens/s | times (range of pairs) | must | peak memory, GB | share of probe "
        "| probe swung by | peer's padding |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in report["cases"]:
        ours, theirs = r["attune"], r["pytorch"]
        out.append(
            f"| {r['case']['title']} | {ours['tokens_per_second']:,.0f} | {theirs['tokens_per_second']:,.0f} "
            f"| **{r['ratio']:.2f}** ({r['ratio_low']:.2f} to {r['ratio_high']:.2f}, {r['kept']} pairs) "
            f"| {r['case']['must']:.1f} (aim {r['case']['goal']:.1f}) "
            f"| {ours['peak_bytes'] / 1e9:.2f} / {theirs['peak_bytes'] / 1e9:.2f} = {r['memory_ratio']:.2f} "
            f"| {r['share_of_probe']:.0%} of {r['probe_gflops']:.0f} GFLOP/s | {r['probe_swing']:.0%} "
            f"| {r['peer_padding']:.0%} |"
        )
    products = [k for k in report["kernels"] if k["unit"] == "GFLOP/s" and "attention" not in k["case"]]
    if products:
        shares = sorted(k["share"] for k in products)
        out += ["", f"Matrix products alone, one thread: {shares[0]:.0%} to {shares[-1]:.0%} of the probe, median "
                f"{statistics.median(shares):.0%} over {len(shares)} shapes."]
    profiled = [r for r in report["cases"] if r.get("profile")]
    if profiled:
        names = list(profiled[0]["profile"])
        out += ["", "Processor time of attune (perf over a whole short run, start-up included):", ""]
        out += ["| case | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for r in profiled:
            out.append(f"| {r['case']['title']} | " + " | ".join(f"{r['profile'][name]:.0%}" for name in names) + " |")
    return "\n".join(out)


def replace_between(path, begin, end, inner):
    before, rest = path.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    partial = path.with_name(path.name + ".tmp")
    partial.write_text(f"{before}{begin}\n{inner}\n{end}{after}", encoding="utf-8")
    os.replace(partial, path)
    say(f"renewed the table of {path.relative_to(ROOT)}")


def choose_setting(options):
    if options.shape != "minilm":
        SETTING.work = ROOT / "build" / f"bench-{options.shape}"
        SETTING.megaflop_per_token = 523.6
        SETTING.alone = 10 / 144
        body = SETTING.work / "body"
        if not (body / "model.safetensors").is_file():
            subprocess.run([sys.executable, HERE / "base_shape.py", body, "roberta" if options.shape == "roberta" else "bert"], check=True)
        os.environ["ATTUNE_TEST_MODEL"] = str(body)
    if options.bf16:
        SETTING.bf16 = True
        SETTING.loss_tolerance = 3e-2
    if options.shape != "minilm" or options.bf16:
        name = "bench" + (f"-{options.shape}" if options.shape != "minilm" else "") + ("-bf16" if options.bf16 else "")
        SETTING.result = ROOT / "build" / f"{name}.json"
        options.no_docs = True


def musts(case, options):
    """The case with what is asked of it in this setting."""
    asked = {"long": (2.0, 4.0), "sst2": (6.0, 12.0), "ag_news": (6.0, 12.0), "sst2_grouped": (2.0, 4.0)} if options.bf16 else {
        "long": (1.15, 1.35), "sst2": (2.7, 3.5), "ag_news": (2.7, 3.5), "sst2_grouped": (1.15, 1.35)} if options.shape != "minilm" else {}
    return dataclasses.replace(case, must=asked[case.name][0], goal=asked[case.name][1]) if asked else case


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(case.name for case in CASES))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shape", choices=("minilm", "base", "roberta"), default="minilm")
    parser.add_argument("--bf16", action="store_true", help="bf16 products on both sides")
    parser.add_argument("--quick", action="store_true", help="few steps, two pairs: tries the program, gives no figure")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/performance.md alone")
    options = parser.parse_args()
    choose_setting(options)
    known = {case.name: case for case in CASES}
    for name in options.cases.split(","):
        if name not in known:
            parser.error(f"unknown case '{name}'; there are {', '.join(known)}")
    options.chosen = [musts(known[name], options) for name in options.cases.split(",")]
    if options.quick:
        options.pairs = 2
        options.chosen = [dataclasses.replace(c, steps=2, warm=1, check=min(c.check, 2)) for c in options.chosen]
    return options


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: stopped; nothing was written"))
    SETTING.work.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, HERE / "texts.py", SETTING.work / "texts"], check=True)
    results = [measure(case, options) for case in options.chosen]
    report = {"about": context(results, options), "cases": results, "kernels": read_kernels()}
    SETTING.result.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    say("")
    say(table(report))
    if options.quick or options.no_docs:
        return
    lacking = [case.name for case in CASES if not any(r["case"]["name"] == case.name and r["figure"] for r in results)]
    if lacking:
        say(f"docs/performance.md is left as it was: no figure for {', '.join(lacking)}")
        return
    replace_between(DOCS, BEGIN, END, table(report))


if __name__ == "__main__":
    main()
