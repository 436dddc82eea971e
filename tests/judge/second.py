"""Scores `memtrace analyze --series` on labelled series that the judge was not made on.

  tests/judge/second.py [--seed N] [--count N] [--memtrace PROGRAM] [--write FILE] [--bars]

The program is driven as an outsider would: whole series in, one JSON line for each out. Tables in
Markdown. --write FILE keeps the series with their labels and answers. Standard library only. Exit status
1: the program failed or left a series unanswered; with --bars also: worse than BARS.
"""
import argparse
import json
import math
import os
import subprocess
import sys
from collections import Counter, defaultdict

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from second_canvas import GROWTH
from second_series import FAMILIES, LABELS, make

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LENGTHS = ((0, 15), (16, 29), (30, 79), (80, 199), (200, 999), (1000, 9999))
BARS = {"right, one possible answer": (0.95, 1), "right of those given at 0.9": (0.97, 1),
        "leaks with d' >= 6 at P > 0.5": (0.97, 1), "false positives at P > 0.5": (0, 0.025),
        "false positives at P > 0.9": (0, 0.01), "calibration error of leak_probability": (0, 0.03)}
VISIBLE = ((0, 3), (3, 6), (6, 12), (12, 30), (30, math.inf))


def judged(program, series):
    """Each series with what the program said: {id: record}."""
    lines = (json.dumps({k: s[k] for k in ("id", "t", "value", "events")}) for s in series)
    r = subprocess.run([program, "analyze", "--series"], input="\n".join(lines) + "\n",
                       stdout=subprocess.PIPE, text=True)
    if r.returncode:
        sys.exit(f"{program} analyze --series: status {r.returncode}")
    answers = {}
    for line in r.stdout.splitlines():
        record = json.loads(line)
        if record.get("type", "pattern") == "pattern":
            answers[record["id"]] = record
    missing = [s["id"] for s in series if s["id"] not in answers]
    if missing:
        sys.exit(f"{len(missing)} series have no answer, the first is {missing[0]}")
    return answers


class Scored:
    """One series and its answer."""

    def __init__(self, series, answer):
        self.__dict__.update(series)
        self.said = answer["pattern"]
        self.confidence = answer["confidence"] or 0.0
        self.p = answer["leak_probability"]
        self.p = 0.0 if self.p is None else self.p
        self.right = self.said in self.accept
        self.single = len(self.accept) == 1
        self.visible = self.visibility is None or self.visibility >= 6


def share(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def of(rows, test):
    rows = list(rows)
    return share(sum(map(bool, map(test, rows))), len(rows))


def table(title, head, rows):
    print(f"\n### {title}\n\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")


def wilson(hits, n):
    """95 % interval of a share."""
    if not n:
        return "-"
    z, p = 1.96, hits / n
    mid, half = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    low, high = max((mid - half) / (1 + z * z / n), 0), (mid + half) / (1 + z * z / n)
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def auc(rows):
    """Chance that a leak is given more than a series without one."""
    ranked, at, total = sorted(rows, key=lambda s: s.p), 0, 0.0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end].p == ranked[at].p:
            end += 1
        total += (at + end + 1) / 2 * sum(s.leak for s in ranked[at:end])
        at = end
    leaks = sum(s.leak for s in rows)
    clean = len(rows) - leaks
    return (total - leaks * (leaks + 1) / 2) / leaks / clean if leaks and clean else math.nan


def calibration(pairs):
    """(expected calibration error, rows of a table) of (said, true) pairs in ten bins."""
    bins = defaultdict(list)
    for said, true in pairs:
        bins[min(int(said * 10), 9)].append((said, true))
    rows, error = [], 0.0
    for b in sorted(bins):
        said, true = (sum(v) / len(bins[b]) for v in zip(*bins[b]))
        error += abs(said - true) * len(bins[b]) / len(pairs)
        rows.append((f"{b / 10:.1f} to {(b + 1) / 10:.1f}", len(bins[b]), f"{said:.3f}", f"{true:.3f}"))
    return error, rows


# --- sections ---------------------------------------------------------------------------------------

def patterns(all_):
    single = [s for s in all_ if s.single]
    rows = []
    for label in LABELS:
        mine = [s for s in single if s.label == label]
        said = Counter(s.said for s in mine)
        rows.append((label, len(mine), of(mine, lambda s: s.right),
                     of([s for s in single if s.said == label], lambda s: s.right),
                     *(said[other] or "" for other in LABELS),
                     of([s for s in all_ if s.label == label], lambda s: s.right)))
    rows.append(("all", len(single), of(single, lambda s: s.right), "", *[""] * len(LABELS),
                 of(all_, lambda s: s.right)))
    table("Patterns: series with one possible answer (last column: all series, any accepted answer)",
          ("label", "series", "right", "precision", *(f"said {v}" for v in LABELS), "accepted"), rows)
    rows = []
    for low, high in LENGTHS:
        mine = [s for s in single if low <= s.n <= high]
        rows.append((f"{low} to {high}", len(mine), *(
            of([s for s in mine if s.label == label], lambda s: s.right) for label in LABELS),
            of(mine, lambda s: s.right)))
    table("Right by length of the window, one possible answer", ("points", "series", *LABELS, "all"), rows)


def leaks(all_):
    known = [s for s in all_ if s.leak is not None]
    clean, lost = [s for s in known if not s.leak], [s for s in known if s.leak]
    rows = []
    for low, high in VISIBLE:
        mine = [s for s in lost if low <= s.visibility < high]
        rows.append((f"{low} to {high}", len(mine), *(
            of(mine, lambda s, at=at: s.p > at) for at in (0.5, 0.9))))
    table("Leaks found, by visibility of the growth (d')", ("d'", "leaks", "P > 0.5", "P > 0.9"), rows)
    seen = [s for s in lost if s.visible]
    rows = []
    for at in (0.5, 0.9, 0.95):
        hit, false = sum(s.p > at for s in seen), sum(s.p > at for s in clean)
        rows.append((f"P > {at}", share(hit, len(seen)), share(false, len(clean)),
                     wilson(false, len(clean)), share(hit, hit + false)))
    hit = sum(s.said in GROWTH for s in seen)
    false = sum(s.said in GROWTH for s in clean)
    rows.append(("pattern says growth", share(hit, len(seen)), share(false, len(clean)),
                 wilson(false, len(clean)), share(hit, hit + false)))
    table(f"Verdicts: {len(seen)} leaks with d' >= 6, {len(clean)} series without a leak; "
          f"AUC {auc(seen + clean):.4f}",
          ("rule", "recall", "false positives", "95 % interval", "precision"), rows)
    rows = []
    for low, high in LENGTHS:
        bad = [s for s in clean if low <= s.n <= high]
        good = [s for s in seen if low <= s.n <= high]
        rows.append((f"{low} to {high}", len(good), of(good, lambda s: s.p > 0.5),
                     of(good, lambda s: s.p > 0.9), len(bad), of(bad, lambda s: s.p > 0.5),
                     of(bad, lambda s: s.p > 0.9)))
    table("Verdicts by length", ("points", "leaks", "P > 0.5", "P > 0.9", "clean", "P > 0.5", "P > 0.9"),
          rows)


def calibrations(all_):
    error, rows = calibration([(s.confidence, s.right) for s in all_])
    table(f"Calibration of confidence: expected error {error:.3f}",
          ("confidence", "series", "said", "right"), rows)
    error, _ = calibration([(s.confidence, s.right) for s in all_ if s.single])
    sure = [s for s in all_ if s.confidence >= 0.9]
    single = [s for s in sure if s.single]
    print(f"\nExpected error on series with one possible answer: {error:.3f}. Given at 0.9 or more: {len(sure)}, right {of(sure, lambda s: s.right)}; with one "
          f"possible answer: {len(single)}, right {of(single, lambda s: s.right)}.")
    known = [s for s in all_ if s.leak is not None]
    error, rows = calibration([(s.p, s.leak) for s in known])
    table(f"Calibration of leak_probability: expected error {error:.3f}; "
          f"{of(known, lambda s: s.leak)} of these series leak",
          ("leak_probability", "series", "said", "leaks"), rows)


def families(all_):
    rows = []
    for name in FAMILIES:
        mine = [s for s in all_ if s.family == name and s.visible]
        said = Counter(s.said for s in mine).most_common(3)
        known = [s for s in mine if s.leak is not None]
        wrong = [s for s in mine if not s.right]
        truth = "leak" if name.split("_")[0] in GROWTH else "clean"
        rows.append((name, len(mine), of(mine, lambda s: s.right), truth,
                     of(known, lambda s: s.p > 0.5), of(known, lambda s: s.p > 0.9),
                     f"{sum(s.confidence >= 0.9 for s in wrong)} of {len(wrong)}",
                     ", ".join(f"{k} {n}" for k, n in said)))
    table("Families (growth with d' >= 6)", ("family", "series", "accepted", "truth", "P > 0.5", "P > 0.9",
                                             "wrong at 0.9", "said most"), rows)


def worst(all_, most=25):
    wrong = [(s.confidence, s, s.said) for s in all_ if not s.right]
    wrong += [(s.p if not s.leak else 1 - s.p, s, f"P(leak) {s.p:.2f}") for s in all_
              if s.leak is not None and s.visible and (s.p > 0.5) != s.leak]
    wrong.sort(key=lambda w: -w[0])
    count = Counter(s.family for sure, s, _ in wrong if sure >= 0.9)
    table("Worst confident errors", ("sure", "said", "accepted", "series", "points", "noise", "times", "d'"),
          [(f"{sure:.3f}", said, ", ".join(map(str, s.accept)), s.id, s.n, s.noise, s.spacing,
            "" if s.visibility is None else f"{s.visibility:.0f}") for sure, s, said in wrong[:most]])
    print("\nErrors at 0.9 or more by family: " +
          (", ".join(f"{k} {n}" for k, n in count.most_common()) or "none") + ".")


def held(all_):
    """The figures beside the bars; whether all of them hold."""
    def ratio(rows, test):
        rows = list(rows)
        return sum(map(bool, map(test, rows))) / len(rows)

    known = [s for s in all_ if s.leak is not None]
    clean = [s for s in known if not s.leak]
    figures = (ratio((s for s in all_ if s.single), lambda s: s.right),
               ratio((s for s in all_ if s.confidence >= 0.9), lambda s: s.right),
               ratio((s for s in known if s.leak and s.visible), lambda s: s.p > 0.5),
               ratio(clean, lambda s: s.p > 0.5), ratio(clean, lambda s: s.p > 0.9),
               calibration([(s.p, s.leak) for s in known])[0])
    rows = [(name, f"{v:.4f}", f"{low} to {high}", "held" if low <= v <= high else "MISSED")
            for (name, (low, high)), v in zip(BARS.items(), figures)]
    table("Bars", ("what", "figure", "bar", ""), rows)
    return all(row[-1] == "held" for row in rows)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=4200)
    p.add_argument("--memtrace", default=os.path.join(os.environ.get("BUILD", ROOT + "/build"), "memtrace"))
    p.add_argument("--write", metavar="FILE")
    p.add_argument("--bars", action="store_true")
    o = p.parse_args()
    series = [make(o.seed, i) for i in range(o.count)]
    answers = judged(o.memtrace, series)
    if o.write:
        with open(o.write, "w") as f:
            for s in series:
                f.write(json.dumps({**s, "answer": answers[s["id"]]}) + "\n")
    all_ = [Scored(s, answers[s["id"]]) for s in series]
    print(f"## A second generator (seed {o.seed}, {o.count} series, {len(FAMILIES)} families)")
    for section in patterns, leaks, calibrations, families, worst:
        section(all_)
    if o.bars and not held(all_):
        sys.exit(1)


main()
