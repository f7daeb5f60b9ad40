"""Writes the table of the tasks into docs/results.md, between its markers."""

from statistics import mean

from common import read_results
from table import PAGE
from tasks import PEER, TASKS, seeds_of

BEGIN, END = "<!-- tasks: begin (written by make results) -->", "<!-- tasks: end -->"
ALLOWED = 0.5  # points by which two-step's mean may lie below the peer's


def scores(records, name, method):
    found = [records.get((name, "all", seed, method)) for seed in seeds_of(name)]
    return [100 * record["main"] for record in found if record]


def cell(name, values):
    if not values:
        return ""
    missing = len(seeds_of(name)) - len(values)
    to_come = f" ({missing} to come)" if missing else ""
    return f"{mean(values):.1f} ({', '.join(f'{v:.1f}' for v in values)}){to_come}"


def lines(records):
    yield (f"Per cent, mean and the single runs. transformers: rate {PEER['rate']:g}, {PEER['epochs']} epochs, batches of {PEER['batch']}, its last "
           "state; attune: the default recipe. The same body (all-MiniLM-L6-v2), the same rows; both are judged by `attune score`.")
    yield ""
    yield "| data | task | figure | attune two-step | transformers | difference |"
    yield "|---|---|---|---:|---:|---:|"
    verdicts = []
    for name, (task, _, metric, _) in TASKS.items():
        ours, theirs = scores(records, name, "two-step"), scores(records, name, "transformers")
        whole = len(ours) == len(theirs) == len(seeds_of(name))
        difference = mean(ours) - mean(theirs) if whole else None
        if whole:
            verdicts.append((name, difference))
        yield f"| {name} | {task} | {metric} | {cell(name, ours)} | {cell(name, theirs)} | {f'{difference:+.1f}' if whole else ''} |"
    yield ""
    below = [name for name, difference in verdicts if difference < -ALLOWED]
    kept = "holds" if not below else "does not hold: " + ", ".join(below)
    yield f"- Two-step is nowhere below transformers by more than {ALLOWED} points: {kept}, on {len(verdicts)} of {len(TASKS)} rows."


def main():
    page = PAGE.read_text()
    text = f"{BEGIN}\n\n" + "\n".join(lines(read_results("tasks"))) + f"\n\n{END}"
    if BEGIN in page:
        page = page[:page.index(BEGIN)] + text + page[page.index(END) + len(END):]
    else:
        page = page.rstrip("\n") + "\n\n## The tasks beside transformers\n\n" + text + "\n"
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
