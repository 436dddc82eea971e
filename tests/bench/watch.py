"""Watch mode on real servers below saturation, once it has settled: what its programs take of the server's
CPU time and memtrace itself of a core, counted by the kernel; CPU time of a request, untraced and
watched in turn, which hides in noise the more the smaller it is; and the longest answer while full
tracing begins and ends.
"""
import contextlib

import figures
from services import SERVICES, Missing, RedisService
from tracers import HEADINGS, TRACERS
import procs

PAIRS = 4
DELAYS = 5
STATISTICS = "/proc/sys/kernel/bpf_stats_enabled"


@contextlib.contextmanager
def program_times():
    """The kernel counts the time of BPF programs meanwhile."""
    with open(STATISTICS) as f:
        before = f.read()
    try:
        with open(STATISTICS, "w") as f:
            f.write("1")
        yield
    finally:
        with open(STATISTICS, "w") as f:
            f.write(before)


def run(bench):
    servers, delayed, notes = {}, [], []
    for kind in SERVICES:
        if not kind.paced:
            continue
        try:
            with kind() as service, program_times():
                service.slow_down()
                service.paced(bench.ms(1000))
                servers[kind.name] = {"rate": kind.rate, "pairs": pairs(bench, service)}
                if kind is RedisService:
                    delayed = delays(bench, service)
        except Missing as e:
            notes.append(f"{kind.name}: not available: {e}")
        bench.say(f"{kind.name}: {figures.interval(changes(servers.get(kind.name)))}")
    return {"rows": [row(name, s) for name, s in servers.items()], "servers": servers,
            "delays": delayed, "notes": notes}


def row(name, seen):
    return {"case": f"{name}, {seen['rate']:,} a second: CPU time of one", "unit": "ns", "is": "cost",
            "rounds": {n: [p[n] for p in seen["pairs"]] for n in ("untraced", "watch")}}


def changes(seen):
    return [p["watch"] / p["untraced"] for p in seen["pairs"]] if seen else []


def pairs(bench, service):
    """Each pair in another order than the one before, so that a drift cancels."""
    found = []
    for i in range(bench.rounds(PAIRS)):
        pair = {}
        for name in ("untraced", "watch") if i % 2 else ("watch", "untraced"):
            once(bench, service, name, pair)
        found.append(pair)
    return found


def once(bench, service, name, pair):
    """Nanoseconds of CPU time that one request took, and what was counted of a tracer meanwhile."""
    with TRACERS[name](service.pid, service.allocator()) as tracer:
        procs.settle(tracer, lambda: service.paced(bench.ms(500))["ops"])
        before = taken_ns(tracer)
        got = service.paced(bench.ms(5000))
        if name != "untraced":
            own, programs = (b - a for a, b in zip(before, taken_ns(tracer)))
            pair.update(own=own / got["wall_ns"], programs=programs / got["cpu_ns"])
    pair[name] = got["cpu_ns"] / got["ops"]


def taken_ns(tracer):
    pids = tracer.pids()
    return procs.cpu_ns(*pids), procs.program_ns(*pids)


def delays(bench, service):
    """The longest answer while memtrace attaches, works and detaches, and of as long a time without."""
    found = []
    for _ in range(bench.rounds(DELAYS)):
        seen = {}
        for name in ("untraced", "full"):
            service.client.begin(service.rate, 3000)
            if name != "untraced":
                TRACERS[name](service.pid, service.allocator()).stop()
            seen[name] = service.client.done()["most_ns"]
        found.append(seen)
    return found


def bars(result):
    found = []
    for name, seen in result["servers"].items():
        what = f"{HEADINGS['watch']}, {name}, {seen['rate']:,} a second: "
        for key, of in (("programs", "CPU time in its programs, of the server's"),
                        ("own", "memtrace's own CPU time, of a core")):
            found.append({"what": what + of, "bar": 0.01, "is": "at most", "scale": 100, "unit": "%",
                          "values": [p[key] for p in seen["pairs"]]})
    if result["delays"]:
        least = figures.median([d["untraced"] for d in result["delays"]]) / 1e6
        found.append({"what": f"{RedisService.name}, {RedisService.rate:,} a second: the longest answer while "
                      f"memtrace attaches, works and detaches ({figures.number(least)} ms without it)",
                      "bar": 20, "is": "at most", "unit": "ms",
                      "values": [d["full"] / 1e6 for d in result["delays"]]})
    return found
