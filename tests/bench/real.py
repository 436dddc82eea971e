"""Real servers under their usual load programs, a Python program and a compile job: throughput and CPU
time of a request under each tracer, what the tracer uses, and whether a leak is named.
"""
import json
import os
import time

import figures
import procs
from services import HERE, SERVICES, Missing
from servers import (Folder, Load, Postgres, Redis, Session, prepare_statements,
                     set_new_keys)
from tracers import HEADINGS, TRACERS, Trace, Unavailable, told
from use import Use, sentence

ORDER = ["untraced", "watch", "auto", "budget", "full", "memleak"]
COMPILED = {"untraced": None, "watch": ("--mode", "watch"), "auto": ("--budget", "5"),
            "full": ("--mode", "full", "--budget", "0")}
LEAK_S = 60


class Case:
    """What one service gave."""

    def __init__(self, service):
        self.name = service.name
        self.seen, self.why, self.uses = {}, {}, {}
        self.rounds = 0

    def add(self, name, got):
        rounds = self.seen.setdefault(name, [])
        rounds += ["-"] * (self.rounds - len(rounds)) + [got]

    def rows(self):
        def each(of):
            return {n: [of(r) if isinstance(r, dict) else r for r in rounds]
                    for n, rounds in self.seen.items()} | {n: {"why": w} for n, w in self.why.items()}
        uses = {n: sentence(u) for n, u in self.uses.items()}
        rows = [{"case": f"{self.name}: throughput", "unit": "/s", "is": "throughput",
                 "rounds": each(lambda r: r["ops"] * 1e9 / r["wall_ns"])},
                {"case": f"{self.name}: CPU time of one", "unit": "ns", "is": "cost",
                 "rounds": each(lambda r: r["cpu_ns"] / r["ops"]), "notes": {}},
                {"case": f"{self.name}: the tracer itself", "unit": "", "is": "text",
                 "rounds": {n: text for n, text in uses.items() if text}}]
        self.per_allocation(rows[1])
        return rows

    def per_allocation(self, cost):
        """Notes what is added to one allocation, as many as full tracing counted in a request."""
        each = [u["allocations_told"] / u["requests"] for u in self.uses.get("full", [])
                if u.get("allocations_told") and u["requests"]]
        if not each:
            return
        count = figures.median(each)
        cost["case"] += f" ({figures.number(count)} allocations)"
        for name in ("full", "memleak"):
            if more := figures.added(cost, name):
                cost["notes"][name] = f"{figures.nanoseconds(figures.median(more) / count)} an allocation"


def run(bench):
    cases, rows, notes = [], [], []
    for kind in SERVICES:
        case = Case(kind)
        try:
            serve(bench, kind, case)
            cases.append(case)
        except Missing as e:
            notes.append(f"{kind.name}: not available: {e}")
        bench.say(f"{kind.name}: done")
    for case in cases:
        rows += case.rows()
    rows.append(compile_job(bench))
    bench.say("compile job: done")
    return {"rows": rows, "notes": notes, "leaks": leaks(bench),
            "facts": {c.name: c.uses for c in cases}}


def serve(bench, kind, case):
    with kind() as service:
        for turn in range(bench.rounds(3)):
            for i in range(len(ORDER)):
                measure(bench, service, case, ORDER[(i + turn) % len(ORDER)])
            case.rounds += 1
    with kind() as service:  # heaptrack stays in a process: it has one of its own
        measure(bench, service, case, "untraced")
        measure(bench, service, case, "heaptrack")


def measure(bench, service, case, name):
    if name in case.why:
        return
    try:
        tracer = TRACERS[name](service.pid, service.allocator())
    except Unavailable as e:
        case.why[name] = str(e)
        bench.say(f"{case.name}, {name}: {e}")
        return
    use, got, requests = Use(tracer), None, 0
    try:
        with tracer:
            requests += procs.settle(tracer, lambda: service.busy(bench.ms(500))["ops"])
            with use:
                got = service.busy(bench.ms(3000))
            requests += got["ops"]
            if name == "heaptrack":
                service.__exit__()  # or it would not let go
    except (RuntimeError, OSError) as e:
        bench.say(f"{case.name}, {name}: {e}")
    case.add(name, got)
    if name != "untraced":
        case.uses.setdefault(name, []).append(
            use.told() | tracer.stop() | {"requests": requests})


# --- a compile job ---------------------------------------------------------------------------------

def sources(folder, files=6, functions=150):
    names = [f"part{i}" for i in range(files)]
    for name in names:
        with open(os.path.join(folder, name + ".c"), "w") as f:
            f.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n")
            for k in range(functions):
                f.write(f"struct s{k} {{ int a[{k + 1}]; struct s{k} *next; }};\n"
                        f"int {name}_{k}(struct s{k} *p, const char *t)\n{{\n\tint n = 0;\n"
                        f"\tfor (; p; p = p->next)\n\t\tfor (int i = 0; i <= {k}; i++)\n"
                        f"\t\t\tn += p->a[i] * (int)strlen(t + i % 3);\n"
                        f"\tprintf(\"%s %d\\n\", t, n);\n\treturn n;\n}}\n")
    with open(os.path.join(folder, "Makefile"), "w") as f:
        f.write("all: " + " ".join(n + ".o" for n in names) + "\n%.o: %.c\n\tgcc -O2 -c $< -o $@\n")


def compile_once(folder, options):
    """{"wall_ns", "cpu_ns"} of the build alone, and what the tracer told."""
    result = os.path.join(folder, "time")
    command = ["/usr/bin/python3", os.path.join(HERE, "timed.py"), result, "make", "-s", "-B", "-j2",
               "-C", folder]
    facts = None
    if options is None:
        procs.start(command).wait()
    else:
        with Trace("run", "--follow", *options, "--", *command) as trace:
            procs.started.append(trace.process)
            trace.wait(180)
            facts = told(trace)
    with open(result) as f:
        got = json.load(f)
    os.unlink(result)
    return (got if got["status"] == 0 else None), facts


def compile_job(bench):
    values = {name: [] for name in COMPILED}
    names = list(COMPILED)
    with Folder() as folder:
        sources(folder)
        compile_once(folder, None)
        for turn in range(bench.rounds(3)):
            for i in range(len(names)):
                name = names[(i + turn) % len(names)]
                got, _ = compile_once(folder, COMPILED[name])
                values[name].append(got and got["wall_ns"])
    return {"case": "make -j2 of 6 files with gcc -O2: wall time (memtrace run --follow)", "unit": "ns",
            "is": "cost", "rounds": values | {n: {"why": "does not follow children"}
                                              for n in ("memleak", "heaptrack")}}


# --- leaks in real servers ----------------------------------------------------------------------------

class Leak:
    """A server that grows, and a memtrace with a budget on it until it names the growth."""

    def __init__(self, name, pid, module, ends):
        self.name, self.module, self.ends = name, module, ends
        self.begun = time.monotonic()
        self.trace = Trace("-p", pid, "--budget", "5")
        procs.started.append(self.trace.process)
        self.named_s, self.by = None, None

    def look(self):
        self.trace.poll()
        for r in self.trace.of_type("leak"):
            frames = [f for f in r.get("stack") or [] if f.get("module", "").startswith(self.module)]
            if self.named_s is None and frames:
                self.named_s = r["elapsed_s"]
                self.by = frames[0].get("symbol") or frames[0]["offset"]

    def end(self):
        try:
            self.trace.stop()
            self.cost = [s["overhead"].get("target_cpu_ratio_est")
                         for s in self.trace.of_type("sample")]
        finally:
            self.trace.__exit__()
            for context in reversed(self.ends):
                context.__exit__(None, None, None)

    def told(self):
        return {"name": self.name, "named_s": self.named_s, "by": self.by, "cost": self.cost}


def growing_redis():
    folder = Folder()
    redis = Redis(folder.path, "log")
    load = Load(100, lambda n: set_new_keys(redis, n, 20), 50)
    load.__enter__()
    return Leak("redis-server with new keys", redis.pid, "redis-server", [folder, redis, load])


def growing_postgres():
    folder = Folder("postgres")
    server = Postgres(folder.path)
    session = Session(server)
    load = Load(20, lambda n: prepare_statements(session, n, 5, False), 10)
    load.__enter__()
    return Leak("PostgreSQL with statements that stay prepared", session.pid, "postgres",
                [folder, server, session, load])


def leaks(bench):
    running, results = [], []
    try:
        for begin in (growing_redis, growing_postgres):
            try:
                running.append(begin())
            except (AssertionError, OSError) as e:
                results.append({"name": begin.__name__, "why": str(e)})
        deadline = time.monotonic() + (15 if bench.quick else LEAK_S)
        while time.monotonic() < deadline and any(l.named_s is None for l in running):
            time.sleep(0.2)
            for leak in running:
                leak.look()
    finally:
        for leak in running:
            leak.end()
            results.append(leak.told())
    return results


# --- bars -----------------------------------------------------------------------------------------------

def bars(result):
    found = []
    for leak in result["leaks"]:
        what = f"{HEADINGS['auto']}, {leak['name']}: seconds until the leak is named"
        if "why" in leak:
            found.append({"what": what, "why": leak["why"]})
        elif leak["named_s"] is None:
            found.append({"what": what, "bar": LEAK_S, "is": "at most", "unit": "s", "never": True,
                          "values": []})
        else:
            found.append({"what": f"{what} ({leak['by']})", "bar": LEAK_S, "is": "at most",
                          "unit": "s", "values": [leak["named_s"]]})
    return found
