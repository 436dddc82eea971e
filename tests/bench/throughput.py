"""Throughput of saturated servers with a budget of 5 %, once memtrace has settled, beside what they do
before it came and after it went: the machine's own pace changes within seconds, so each stretch is
compared with its neighbours alone.
"""
import figures
import procs
from services import SERVICES, Missing, PythonProgram
from tracers import HEADINGS, TRACERS

NAMES = ("auto", "budget")
ROUNDS = 6
SETTLED_S = 12 # what is looked at only in the beginning is over
STRETCH_MS = 6000


def run(bench):
    rows, notes = [], []
    for kind in SERVICES:
        if kind is PythonProgram:
            continue
        try:
            with kind() as service:
                found = serve(bench, service)
        except Missing as e:
            notes.append(f"{kind.name}: not available: {e}")
            continue
        rows += [{"case": f"{kind.name}: throughput, settled", "unit": "/s", "is": "throughput",
                  "rounds": {"untraced": [p["untraced"] for p in pairs],
                             name: [p["traced"] for p in pairs]}} for name, pairs in found.items()]
        bench.say(f"{kind.name}: " + ", ".join(f"{n} {figures.interval(figures.ratios(r, n))}"
                                               for r in rows[-len(NAMES):]
                                               for n in NAMES if n in r["rounds"]))
    return {"rows": rows, "notes": notes}


def serve(bench, service):
    found = {name: [] for name in NAMES}
    service.busy(bench.ms(1000))
    before = pace(service.busy(bench.ms(STRETCH_MS)))
    for _ in range(bench.rounds(ROUNDS)):
        for name in NAMES:
            got = traced(bench, service, name)
            after = pace(service.busy(bench.ms(STRETCH_MS)))
            found[name].append({"traced": got, "untraced": (before + after) / 2})
            before = after
    return found


def traced(bench, service, name):
    with TRACERS[name](service.pid, service.allocator()) as tracer:
        procs.settle(tracer, lambda: service.busy(bench.ms(500))["ops"])
        while tracer.elapsed() < (3 if bench.quick else SETTLED_S):
            service.busy(bench.ms(500))
        got = pace(service.busy(bench.ms(STRETCH_MS)))
        tracer.stop()
    return got


def pace(got):
    return got["ops"] * 1e9 / got["wall_ns"]


def bars(result):
    found = []
    for row in result["rows"]:
        name = next(n for n in NAMES if n in row["rounds"])
        got = figures.ratios(row, name)
        found.append({"what": f"{HEADINGS[name]}, {row['case']}, of untraced", "bar": 0.95,
                      "is": "at least", "scale": 100, "unit": "%", "values": got, "interval": got})
    return found
