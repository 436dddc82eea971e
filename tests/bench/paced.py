"""A program that allocates at a set pace, eight calls deep: what one allocation and its free cost it in
CPU time under each tracer, and what the tracer itself uses.
"""
import figures
from micro import Load
from tracers import TRACERS, Unavailable, memleak_whole
from use import Use, sentence

ORDER = ["untraced", "full", "sample", "watch", "auto", "budget", "memleak", "heaptrack",
         "perf"]
RATES = [10_000, 100_000, 1_000_000]
STEADY_RATE = 100_000
STEADY = ["full", "sample", "budget", "memleak"]
HELD = 0.97 # of the rate: what is below is told


def run(bench):
    values = {rate: {} for rate in RATES}
    uses, why = {}, {}
    for turn in range(bench.rounds(3)):
        for i in range(len(ORDER)):
            name = ORDER[(i + turn) % len(ORDER)]
            if name not in why:
                measure(bench, name, turn, values, why)
        bench.say(f"paced: round {turn + 1}")
    for name in STEADY:
        if name not in why:
            steady(bench, name, uses, why)
    rows = [row(rate, values[rate], why) for rate in RATES]
    rows.append({"case": f"the tracer itself at {STEADY_RATE:,} allocations a second", "unit": "",
                 "is": "text", "rounds": {n: sentence([u]) for n, u in uses.items()}})
    return {"rows": rows, "facts": uses}


def row(rate, values, why):
    notes = {}
    for name, rounds in values.items():
        held = figures.median([r["ops"] * 1e9 / r["wall_ns"] / rate for r in rounds if r])
        if held is not None and held < HELD:
            notes[name] = f"{100 * held:.0f} % of the rate"
    return {"case": f"{rate:,} allocations a second: CPU time of one with its free", "unit": "ns",
            "is": "cost", "notes": notes,
            "rounds": {name: [r and r["cpu_ns"] / r["ops"] for r in rounds]
                       for name, rounds in values.items()} |
                      {name: {"why": text} for name, text in why.items()}}


class Traced:
    """A load and its tracer; Unavailable when the tracer cannot be had."""

    def __init__(self, name, **more):
        self.load = Load()
        self.load.run("paced", STEADY_RATE, 200)  # what is live before it is attached to
        try:
            self.tracer = TRACERS[name](self.load.pid, self.load.library, **more)
        except Unavailable:
            self.load.end()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.load.end()
        self.facts = self.tracer.stop()


def measure(bench, name, turn, values, why):
    try:
        with Traced(name) as traced:
            for rate in RATES:
                traced.load.run("paced", rate, bench.ms(300))
                got = traced.load.run("paced", rate, bench.ms(1200))
                values[rate].setdefault(name, [None] * turn).append(got)
    except Unavailable as e:
        why[name] = str(e)
        bench.say(f"{name}: {e}")


def steady(bench, name, uses, why):
    try:
        with Traced(name) as traced:
            traced.load.run("paced", STEADY_RATE, bench.ms(3000))
            with Use(traced.tracer) as use:
                traced.load.run("paced", STEADY_RATE, bench.ms(12000))
        uses[name] = use.told() | traced.facts
        if name == "memleak":
            uses[name]["whole_stacks"] = stacks_of_memleak()
        bench.say(f"{name} itself: {sentence([uses[name]])}")
    except Unavailable as e:
        why[name] = str(e)


def stacks_of_memleak():
    load = Load()
    try:
        load.begin("paced", STEADY_RATE // 10, 8000)
        whole = memleak_whole(load.pid, 4)
        load.done()
        return whole
    finally:
        load.end()


def bars(result):
    what = f"memtrace's own CPU at {STEADY_RATE:,} allocations a second, sample mode"
    use = result["facts"].get("sample")
    if not use:
        return [{"what": what, "why": result["rows"][0]["rounds"].get("sample", {}).get("why", "")}]
    return [{"what": what, "bar": 0.01, "is": "at most", "scale": 100, "unit": "% of a core",
             "values": [use["cpu_ratio"]]}]
