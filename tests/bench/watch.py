"""Watch mode on real servers below saturation: what its programs take of the server's CPU time and
memtrace itself of a core, counted by the kernel, in the first half minute and after it; CPU time of a
request with and without it, which hides in noise the more the smaller it is; and the longest answer
while full tracing begins and ends.
"""
import contextlib
import time

import figures
from services import SERVICES, Missing, RedisService
from tracers import HEADINGS, TRACERS
import procs

WINDOWS = 3
DELAYS = 5
SETTLED_S = 40 # what is looked at only in the beginning is over
LONG_S = 100   # a window of system calls with its pause
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
    """Windows of a server with memtrace that has settled, each with one without it; the first also tells
    of the time before that, and what was taken in all the time after: system calls may be followed in
    windows, and the mean counts."""
    found = [{} for _ in range(bench.rounds(WINDOWS))]
    with TRACERS["watch"](service.pid, service.allocator()) as tracer:
        procs.settle(tracer, lambda: service.paced(bench.ms(500))["ops"])
        found[0]["first"] = taken(service, tracer, lambda: service.paced(bench.ms(5000)))
        while tracer.elapsed() < (10 if bench.quick else SETTLED_S):
            service.paced(bench.ms(1000))

        def settled():
            until = tracer.elapsed() + (10 if bench.quick else LONG_S)
            for pair in found:
                pair["watch"] = cost(service.paced(bench.ms(5000)))
            while tracer.elapsed() < until:
                service.paced(bench.ms(1000))
        found[0]["settled"] = taken(service, tracer, settled)
    for pair in found:
        pair["untraced"] = cost(service.paced(bench.ms(5000)))
    return found


def cost(got):
    """Nanoseconds of CPU time that one request took."""
    return got["cpu_ns"] / got["ops"]


def taken(service, tracer, work):
    """What a tracer takes meanwhile: itself of a core, its programs of the server's CPU time."""
    def now():
        return time.monotonic_ns(), procs.cpu_ns(service.pid), *taken_ns(tracer)
    before = now()
    work()
    wall, cpu, own, programs = (b - a for a, b in zip(before, now()))
    return {"own": own / wall, "programs": programs / cpu}


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
    found, result["notes"] = [], [n for n in result["notes"] if "first half minute" not in n]
    for name, seen in result["servers"].items():
        what = f"{HEADINGS['watch']}, {name}, {seen['rate']:,} a second: "
        for key, of in (("programs", "CPU time in its programs, of the server's"),
                        ("own", "memtrace's own CPU time, of a core")):
            found.append({"what": what + of, "bar": 0.01, "is": "at most", "scale": 100, "unit": "%",
                          "values": [seen["pairs"][0]["settled"][key]]})
        first = seen["pairs"][0]["first"]
        result["notes"].append(
            f"{what}in the first half minute its programs take {100 * first['programs']:.1f} % of the server's "
            f"CPU time, memtrace itself {100 * first['own']:.2f} % of a core")
    if result["delays"]:
        least = figures.median([d["untraced"] for d in result["delays"]]) / 1e6
        found.append({"what": f"{RedisService.name}, {RedisService.rate:,} a second: the longest answer while "
                      f"memtrace attaches, works and detaches ({figures.number(least)} ms without it)",
                      "bar": 20, "is": "at most", "unit": "ms",
                      "values": [d["full"] / 1e6 for d in result["delays"]]})
    return found
