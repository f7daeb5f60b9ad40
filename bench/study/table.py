"""Writes the study's tables and verdicts into docs/results.md, between its markers."""

import math
import os
from statistics import mean, stdev

from common import EXAMPLE_ROWS, ROOT, ROWS, read_results, size_name

PAGE = ROOT / "docs" / "results.md"
BEGIN, END = "<!-- study: begin (written by make results) -->", "<!-- study: end -->"
TITLES = {
    "sst2": "SST-2",
    "ag_news": "AG News",
    "sms_spam": "SMS spam",
    "clinc150": "CLINC150 (small)",
    "support": "support-sentiment",
}
METHODS = ["two-step", "plain", "frozen", "setfit"]
COLUMNS = {"two-step": "attune two-step", "plain": "plain fine-tuning", "frozen": "frozen + LR", "setfit": "SetFit"}
SMALL = 500  # up to here two-step has to lie above plain fine-tuning by LEAST_LEAD points
LEAST_LEAD = 1.0


class Row:
    """One (data set, size): the scores of each method by seed, in per cent."""

    def __init__(self, dataset, n, seeds, records, metric):
        self.title, self.n, self.seeds = TITLES[dataset], n, list(seeds)
        self.scores, self.n_test = {}, None
        for method in METHODS:
            found = {}
            for seed in self.seeds:
                record = records.get((dataset, size_name(n), seed, method))
                if record:
                    found[seed] = 100 * record[metric]
                    self.n_test = record["n_test"]
            self.scores[method] = found

    def whole(self, *methods):
        return all(len(self.scores[method]) == len(self.seeds) for method in methods)

    def mean(self, method):
        return mean(self.scores[method].values())

    def error(self, method):
        """Standard error of the mean over seeds; of one run, that of a share of n_test."""
        return self.standard_error(list(self.scores[method].values()), self.mean(method))

    def difference(self, method):
        """Two-step minus `method`, paired by seed: mean and standard error."""
        paired = [self.scores["two-step"][seed] - self.scores[method][seed] for seed in self.seeds]
        return mean(paired), self.standard_error(paired, self.mean(method))

    def standard_error(self, values, share):
        if len(values) > 1:
            return stdev(values) / math.sqrt(len(values))
        return math.sqrt(share * (100 - share) / self.n_test)

    def better_peer(self):
        return max(("plain", "frozen"), key=self.mean)

    def is_small(self):
        return self.n is not None and self.n <= SMALL


def rows_of(listed, records, metric):
    return [Row(dataset, n, seeds, records, metric) for dataset, n, seeds in listed]


def cell(row, method):
    if not row.scores[method]:
        return ""
    text = f"{row.mean(method):.1f} ± {row.error(method):.1f}"
    missing = len(row.seeds) - len(row.scores[method])
    return text + (f" ({missing} to come)" if missing else "")


def difference_cell(row, method):
    if not row.whole("two-step", method):
        return ""
    return "{:+.1f} ± {:.1f}".format(*row.difference(method))


def line(row):
    cells = [row.title, size_name(row.n), str(len(row.seeds))] + [cell(row, method) for method in METHODS]
    return "| " + " | ".join(cells + [difference_cell(row, "plain"), difference_cell(row, "frozen")]) + " |"


def table(rows, beside):
    head = ["data", "examples", "runs"] + [COLUMNS[m] for m in METHODS] + ["two-step − plain", "two-step − frozen"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return lines + [line(row) for row in rows] + [mean_line(rows)] + [line(row) for row in beside]


def mean_line(rows):
    cells = ["**mean of the rows**", "", ""]
    for method in METHODS:
        known = all(row.whole(method) for row in rows)
        cells.append(f"**{mean(row.mean(method) for row in rows):.1f}**" if known else "")
    for method in ("plain", "frozen"):
        known = all(row.whole("two-step", method) for row in rows)
        cells.append(f"**{mean(row.difference(method)[0] for row in rows):+.1f}**" if known else "")
    return "| " + " | ".join(cells) + " |"


def verdict(claim, rows, judge):
    """A line of the list: holds, does not hold, or open while runs are missing (judged on the rows there are)."""
    ready = [row for row in rows if row.whole("two-step", "plain", "frozen")]
    if not ready:
        return f"- {claim}: open, no row is complete."
    holds, detail = judge(ready)
    word = "holds" if holds else "**does not hold**"
    part = "" if len(ready) == len(rows) else f" so far, on {len(ready)} of {len(rows)} rows"
    return f"- {claim}: {word}{part} ({detail})."


def leads(method, least):
    def judge(rows):
        lead = mean(row.difference(method)[0] for row in rows)
        return lead > 0 and lead >= least, f"{lead:+.2f} points"

    return judge


def none_below(rows):
    below = []
    for row in rows:
        lead, error = row.difference(row.better_peer())
        if lead < -error:
            below.append(f"{row.title} {size_name(row.n)}: {lead:+.1f} ± {error:.1f}")
    return not below, "; ".join(below) or "none does"


def verdicts(rows):
    small = [row for row in rows if row.is_small()]
    return [
        verdict("Two-step's mean over the rows exceeds that of plain fine-tuning", rows, leads("plain", 0)),
        verdict("Two-step's mean over the rows exceeds that of the frozen features", rows, leads("frozen", 0)),
        verdict(
            f"At {SMALL} examples or fewer it exceeds plain fine-tuning by at least {LEAST_LEAD:g} point",
            small,
            leads("plain", LEAST_LEAD),
        ),
        verdict("On no row it lies more than one standard error below the better of the two", rows, none_below),
    ]


def section(records):
    by_accuracy, by_f1 = rows_of(ROWS, records, "accuracy"), rows_of(ROWS, records, "macro_f1")
    beside = {metric: rows_of(EXAMPLE_ROWS, records, metric) for metric in ("accuracy", "macro_f1")}
    notes = (
        "Test accuracy in per cent, mean ± standard error over the random subsets; with one run, the standard error "
        "of a share of that many test rows. Differences are paired by subset. The last state of each peer is taken; "
        "nobody sees the test file before the end. The project's example data stand under the mean, outside it and the "
        "verdicts: the same examples with three seeds."
    )
    lines = [BEGIN, "", notes, "", *table(by_accuracy, beside["accuracy"]), "", *verdicts(by_accuracy), ""]
    lines += ["The same runs by macro F1:", "", *table(by_f1, beside["macro_f1"]), "", END]
    return "\n".join(lines)


def main():
    records = {**read_results("peers"), **read_results("attune")}
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else "# Results\n"
    before, found, rest = page.partition(BEGIN)
    if found:
        _, end, after = rest.partition(END)
        if not end:
            raise SystemExit(f"error: {PAGE}: '{END}' is missing after the begin marker")
    else:
        before, after = page.rstrip("\n") + "\n\n## The recipe beside its peers\n\n", "\n"
    partial = PAGE.with_name(f".{PAGE.name}.tmp.{os.getpid()}")
    partial.write_text(before + section(records) + after, encoding="utf-8")
    os.replace(partial, PAGE)


if __name__ == "__main__":
    main()
