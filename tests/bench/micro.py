"""Loops of malloc and free under every tracer at once: each tracer has a process of its own with a copy
of the C library of its own, so that no probe is shared, and the processes take short turns. Drifts of
the machine meet all alike.
"""
import json
import os
import shutil
import subprocess

import figures
import procs
from tracers import BUILD, HEADINGS, TRACERS, Floor, Unavailable

ORDER = ["untraced", "full", "floor", "floor+returns", "sample", "watch", "memleak", "heaptrack",
         "perf"]
LOOPS = [("malloc + free of one block, 1 thread", "pairs 1"),
         ("malloc + free of one block, 2 threads", "pairs 2"),
         ("100,000 live blocks, one replaced, 1 thread", "live 1"),
         ("100,000 live blocks, one replaced, 2 threads", "live 2")]


def libc():
    """The C library that the load runs with."""
    text = subprocess.run(["ldd", os.path.join(BUILD, "bench/load")], capture_output=True,
                          text=True, check=True).stdout
    return next(line.split()[2] for line in text.splitlines() if "libc.so" in line)


class Load:
    """tests/bench/load.c; with own=True on its own copy of the C library."""

    def __init__(self, own=False, env=None):
        self.folder, env = None, dict(env or os.environ)
        self.library = libc()
        if own:
            self.folder = procs.folder()
            self.library = shutil.copy(os.path.realpath(self.library),
                                       os.path.join(self.folder, os.path.basename(self.library)))
            env["LD_LIBRARY_PATH"] = self.folder
        self.process = procs.start([os.path.join(BUILD, "bench/load")], env=env, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid
        self.process.stdout.readline()

    def begin(self, *what):
        self.process.stdin.write(" ".join(map(str, what)) + "\n")
        self.process.stdin.flush()

    def done(self):
        """{"ops", "wall_ns", "cpu_ns"}, or None when it has crashed."""
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def run(self, *what):
        try:
            self.begin(*what)
            return self.done()
        except OSError:
            return None

    def end(self):
        procs.end(self.process, 15)
        if self.folder:
            procs.remove(self.folder)


def per_operation(stand, loop, ms):
    """Nanoseconds that one operation takes a thread, by the clock and of CPU time."""
    got = stand.load.run(loop, ms)
    if not got:
        stand.why = "the process ended"
        return None, None
    return got["wall_ns"] * int(loop.split()[1]) / got["ops"], got["cpu_ns"] / got["ops"]


class Stand:
    """One tracer on its own process; `why` when it is not there."""

    def __init__(self, name, like):
        self.name, self.tracer, self.why = name, None, None
        self.load = Load(own=True)
        self.load.run("live", 1, 10)  # what is live before it is attached to
        more = {"like": like} if issubclass(TRACERS[name], Floor) else {}
        try:
            self.tracer = TRACERS[name](self.load.pid, self.load.library, **more)
        except Unavailable as e:
            self.why = str(e)

    def per_operation(self, loop, ms):
        return per_operation(self, loop, ms)

    def end(self):
        self.load.end()  # first: heaptrack stays as long as its process
        return self.tracer.stop() if self.tracer else {}


def run(bench):
    stands, rows, facts = [], [], {}
    try:
        for name in ORDER:
            like = next((s.load.pid for s in stands if s.name == "full" and s.tracer), None)
            stands.append(Stand(name, like))
            bench.say(f"{name}: {stands[-1].why or 'attached'}")
        for case, loop in LOOPS:
            rows.append(turns(bench, stands, case, loop))
            bench.say(case)
    finally:
        for stand in stands:
            facts[stand.name] = stand.end()
    drop_same_floor(rows, facts)
    return {"rows": rows, "facts": facts}


def turns(bench, stands, case, loop, rounds=20):
    """A row; its "cpu" are rounds of CPU time, which other load on the machine disturbs less."""
    here = [s for s in stands if not s.why]
    wall, cpu = ({s.name: [] for s in here} for _ in range(2))
    for turn in range(-1, bench.rounds(rounds)):
        for i in range(len(here)):
            stand = here[(i + turn) % len(here)]
            got = (None, None) if stand.why else stand.per_operation(loop, bench.ms(100))
            if turn >= 0:  # the first is to warm up
                wall[stand.name].append(got[0])
                cpu[stand.name].append(got[1])
    why = {s.name: {"why": s.why} for s in stands if s not in here}
    return {"case": case, "unit": "ns", "is": "cost", "rounds": wall | why, "cpu": cpu | why}


def drop_same_floor(rows, facts):
    """Where memtrace has no return probes both floors are the same."""
    told = facts.get("floor+returns", {}).get("floor", "")
    if '"returns": 0' in told:
        for row in rows:
            row["rounds"].pop("floor+returns")
            row["cpu"].pop("floor+returns")


def bars(result):
    found = []
    for threads in (1, 2):
        row = next(r for r in result["rows"] if f"one block, {threads} thread" in r["case"])
        for tracer, base, bound in (("full", "memleak", 0.2), ("full", "floor", 1.35),
                                    ("sample", "floor", 1.1)):
            what = (f"{HEADINGS[tracer]}, {threads} thread{'s' * (threads > 1)}: CPU time added to malloc "
                    f"+ free, of what {HEADINGS[base]} add{'s' * (base != 'floor')}")
            why = [f"{HEADINGS[k]}: {row['rounds'][k]['why']}" for k in (tracer, base)
                   if isinstance(row["rounds"].get(k), dict)]
            found.append({"what": what, "why": "; ".join(why)} if why else
                         {"what": what, "bar": bound, "is": "at most",
                          "values": figures.added_ratio({"rounds": row["cpu"]}, tracer, base)})
    return found
