"""Budgets: a program that makes a million allocations a second and loses 20 kB/s, under --budget 5 and
--budget 1. Its twin, untraced and with a C library of its own, takes turns with it on the same CPU, so
that whatever disturbs one disturbs the other: what tracing costs is told second by second. How long
until the leak is named.
"""
import os
import time

import figures
from micro import Load
from tracers import Trace, told
import procs
from use import Use, sentence

RATE, LEAK, LOSER = 1_000_000, 20_000, "lose_this"
WORK = 150 # beside each allocation, so that the program does something else for half of its time
BUDGETS = {5: 60, 1: 180}  # percent: seconds in which the leak is to be named
AFTER_S = 15               # with the leak named, so that there is something to look at


class Twins:
    def __init__(self):
        self.loads = [Load(own=True), Load(own=True)]
        for load in self.loads:
            os.sched_setaffinity(load.pid, {0})

    def second(self, ms=1000):
        """CPU time of one allocation: the first's and the second's; and how many the first made."""
        for load in self.loads:
            load.begin("paced", RATE, ms, LEAK, WORK)
        got = [load.done() for load in self.loads]
        if not all(got):
            raise RuntimeError("a load ended")
        return [g["cpu_ns"] / g["ops"] for g in got], got[0]["ops"] * 1000 / ms

    def end(self):
        for load in self.loads:
            load.end()


def one(bench, budget, limit):
    twins = Twins()
    try:
        for _ in range(3):
            twins.second()
        before = [twins.second()[0] for _ in range(bench.rounds(10))]
        usual = figures.median([a / b for a, b in before])
        noise = [a / b / usual for a, b in before]
        return traced(bench, twins, budget, limit, usual) | {"noise": noise}
    finally:
        twins.end()


def traced(bench, twins, budget, limit, usual):
    pid = twins.loads[0].pid
    seconds, named = [], None
    # with an end, or it would watch until something grows
    trace = Trace("-p", pid, "--budget", budget, "--interval", 1, "--duration", 2 * limit)
    procs.started.append(trace.process)
    tracer = type("Tracer", (), {"pids": lambda self: procs.tree(trace.process.pid)})()
    try:
        begun = time.monotonic()
        with Use(tracer) as use:
            while time.monotonic() - begun < limit and (
                    named is None or time.monotonic() - begun < named + AFTER_S):
                costs, made = twins.second()
                seconds.append({"at_s": time.monotonic() - begun, "made": made,
                                "ratio": costs[0] / costs[1] / usual})
                trace.poll()
                if named is None and names_it(trace):
                    named = time.monotonic() - begun
                if bench.quick and len(seconds) == 20:
                    break
        trace.stop()
    finally:
        trace.__exit__()
    return {"budget": budget, "limit_s": limit, "named_s": named, "seconds": seconds,
            "reported": [{"elapsed_s": s["elapsed_s"], **s["overhead"]} for s in trace.of_type("sample")],
            "others_named": sorted({(r.get("stack") or [{}])[0].get("symbol") or "?"
                                    for r in trace.of_type("leak") if not is_it(r)}),
            "use": use.told() | told(trace)}


def is_it(leak):
    return any((f.get("symbol") or "").startswith(LOSER) for f in leak.get("stack") or [])


def names_it(trace):
    return any(is_it(r) and r["state"] == "active" for r in trace.of_type("leak"))


def shares(result):
    """Of each second: what tracing took of the CPU time."""
    return [1 - 1 / s["ratio"] for s in result["seconds"]]


def longest_stretch(result):
    """Seconds in a row above the budget by more than the twins differ without any tracer."""
    noise = max(1 - 1 / v for v in result["noise"])
    longest = here = 0
    for share in shares(result):
        here = here + 1 if share > result["budget"] / 100 + max(noise, 0) else 0
        longest = max(longest, here)
    return longest


def run(bench):
    results = []
    for budget, limit in BUDGETS.items():
        results.append(one(bench, budget, limit))
        bench.say(f"--budget {budget}: named after {results[-1]['named_s']} s")
    notes = [note(r) for r in results]
    return {"rows": [], "results": results, "notes": notes}


def note(r):
    taken = sorted(shares(r))
    noise = sorted(1 - 1 / v for v in r["noise"])
    told_by = [s["target_cpu_ratio_est"] for s in r["reported"][3:] if "target_cpu_ratio_est" in s]
    parts = [f"--budget {r['budget']} % at {RATE:,} allocations a second, second by second beside an "
             f"untraced twin: taken of the CPU time {100 * taken[len(taken) // 2]:.1f} % (median), "
             f"{100 * taken[len(taken) * 9 // 10]:.1f} % (9 of 10 seconds below), {100 * taken[-1]:.1f} % "
             f"(worst of {len(taken)}); noise of the twins untraced {100 * noise[0]:+.1f} to "
             f"{100 * noise[-1]:+.1f} %"] if taken else []
    if told_by:
        parts.append(f"memtrace itself says {100 * figures.median(told_by):.1f} % (median), "
                     f"{100 * max(told_by):.1f} % at most")
    made = figures.median([s["made"] for s in r["seconds"]])
    parts.append(f"{100 * made / RATE:.0f} % of the rate")
    if r["others_named"]:
        parts.append("also called leaks: " + ", ".join(r["others_named"]))
    parts.append("the tracer: " + (sentence([r["use"]]) or "?"))
    return "; ".join(parts) + "."


def bars(result):
    found = []
    for r in result["results"]:
        name = f"--budget {r['budget']} % at {RATE:,} allocations a second"
        found.append({"what": f"{name}: share of the target's CPU time", "bar": r["budget"] / 100,
                      "is": "at most", "scale": 100, "unit": "%", "values": shares(r)})
        found.append({"what": f"{name}: seconds in a row above it by more than the noise, attaching "
                      "included", "bar": 1, "is": "at most", "unit": "s",
                      "values": [longest_stretch(r)]})
        found.append({"what": f"{name}: seconds until a leak of {LEAK // 1000} kB/s is named",
                      "bar": r["limit_s"], "is": "at most", "unit": "s",
                      "never": r["named_s"] is None,
                      "values": [r["named_s"]] if r["named_s"] is not None else []})
    return found
