"""Watch mode on real servers below saturation: CPU time of a request, untraced and watched in turn, for as
many pairs as its 95 % interval needs to be narrow; and the longest answer while full tracing begins
and ends.
"""
import figures
from services import SERVICES, Missing, RedisService
from tracers import HEADINGS, TRACERS

LEAST_PAIRS, MOST_PAIRS = 6, 10
WIDE = 0.005 # half of an interval that says enough about one percent
DELAYS = 5


def run(bench):
    servers, delayed, notes = {}, [], []
    for kind in SERVICES:
        if not kind.paced:
            continue
        try:
            with kind() as service:
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


def narrow(found):
    i = figures.interval([p["watch"] / p["untraced"] for p in found])
    return i is not None and (i[2] - i[1]) / 2 < WIDE


def pairs(bench, service):
    """Each pair in another order than the one before, so that a drift cancels."""
    found = []
    least = bench.rounds(LEAST_PAIRS)
    while len(found) < least or (len(found) < bench.rounds(MOST_PAIRS) and not narrow(found)):
        names = ("untraced", "watch") if len(found) % 2 else ("watch", "untraced")
        found.append({name: once(bench, service, name) for name in names})
    return found


def once(bench, service, name):
    """Nanoseconds of CPU time that one request took."""
    with TRACERS[name](service.pid, service.allocator()):
        service.paced(bench.ms(200))
        got = service.paced(bench.ms(1500))
    return got["cpu_ns"] / got["ops"]


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
        values = changes(seen)
        found.append({"what": f"{HEADINGS['watch']}, {name}, {seen['rate']:,} a second: CPU time added",
                      "bar": 1.01, "is": "at most", "values": values, "shown": "growth",
                      "interval": values})
    if result["delays"]:
        least = figures.median([d["untraced"] for d in result["delays"]]) / 1e6
        found.append({"what": f"{RedisService.name}, {RedisService.rate:,} a second: the longest answer while "
                      f"memtrace attaches, works and detaches ({figures.number(least)} ms without it)",
                      "bar": 20, "is": "at most", "unit": "ms",
                      "values": [d["full"] / 1e6 for d in result["delays"]]})
    return found
