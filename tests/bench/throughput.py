"""Throughput of saturated servers with a budget of 5 %, beside an untraced twin that runs at the same
time with a client of its own: whatever disturbs one disturbs the other. What calls of the whole machine
cost while system calls are followed the twin pays, too: that is told beside it, as memtrace counts it.
"""
import statistics
import threading

import figures
import procs
from services import SERVICES, Missing, PythonProgram
from tracers import HEADINGS, TRACERS

NAMES = ("auto", "budget")
BASE = 15      # seconds without a tracer, before and after
TRACED = 90    # and with it, ...
SETTLED_S = 12 # ... once what is looked at only in the beginning is over


def run(bench):
    rows, notes = [], []
    for kind in SERVICES:
        if kind is PythonProgram:
            continue
        try:
            with kind() as one, kind() as twin:
                found, told = measure(bench, Twins(one, twin))
        except Missing as e:
            notes.append(f"{kind.name}: not available: {e}")
            continue
        rows.append({"case": f"{kind.name}: throughput, of its untraced twin's", "unit": "",
                     "is": "figure", "rounds": found})
        notes += [f"{HEADINGS[n]}, {kind.name}: memtrace says {figures.median(told[n]):.1%} meanwhile, "
                  "what followed system calls pay included" for n in NAMES if told[n]]
        bench.say(f"{kind.name}: " + ", ".join(
            f"{n} {figures.interval(of_base(found, n))}" for n in NAMES))
    return {"rows": rows, "notes": notes}


class Twins:
    """Two servers under the same load; the first one is the one to be traced."""

    def __init__(self, one, twin):
        self.both = [one, twin]

    def second(self, ms):
        """Throughput of the first over that of the second, of the same second."""
        got = [None, None]

        def work(i):
            got[i] = self.both[i].busy(ms)
        threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        one, twin = (g["ops"] / g["wall_ns"] for g in got)
        return one / twin


def measure(bench, twins):
    ms, base = bench.ms(1000), BASE // 5 if bench.quick else BASE
    for _ in range(3):
        twins.second(ms)
    found, told = {"untraced": [twins.second(ms) for _ in range(base)]}, {}
    for name in NAMES:
        found[name], told[name] = traced(bench, twins, name)
        found["untraced"] += [twins.second(ms) for _ in range(base)]
    return found, told


def traced(bench, twins, name):
    """Ratios of the seconds once it has settled, and what memtrace says that it costs then."""
    server, found = twins.both[0], []
    with TRACERS[name](server.pid, server.allocator()) as tracer:
        procs.settle(tracer, lambda: twins.second(bench.ms(1000)))
        while tracer.elapsed() < (3 if bench.quick else SETTLED_S):
            twins.second(bench.ms(1000))
        while len(found) < (5 if bench.quick else TRACED) * bench.times:
            found.append(twins.second(bench.ms(1000)))
        tracer.stop()
        costs = [s["overhead"].get("target_cpu_ratio_est") for s in tracer.trace.of_type("sample")
                 if s["elapsed_s"] > SETTLED_S]
    return found, [c for c in costs if c is not None]


def of_base(rounds, name):
    mean = statistics.geometric_mean(rounds["untraced"])
    return [v / mean for v in rounds[name]]


def bars(result):
    found = []
    for row in result["rows"]:
        for name in NAMES:
            got = of_base(row["rounds"], name)
            found.append({"what": f"{HEADINGS[name]}, {row['case']}", "bar": 0.95, "is": "at least",
                          "scale": 100, "unit": "%", "values": got, "interval": got})
    return found
