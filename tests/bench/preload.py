"""Sampling inside the process: memtrace's preload library on the loops of the micro section, with
memtrace listening and without, beside allocators that bring their own sampling. These are for programs that
can be restarted.
"""
import glob
import os
import subprocess

import figures
from micro import LOOPS, Load, per_operation, turns
from tracers import BUILD, Memtrace, Unavailable, help_text

NEVER = str(1 << 40) # bytes between samples: none in these loops
GAP = str(512 << 10)
HEADINGS = {
    "untraced": "glibc", "preload": "with libmemtrace-preload.so, none sampled",
    "preload 512 KiB": "the same, a sample each 512 KiB", "preload heard": "the same, memtrace listens",
    "jemalloc": "jemalloc", "jemalloc prof": "jemalloc, profiling each 512 KiB",
    "tcmalloc": "tcmalloc", "tcmalloc sampled": "tcmalloc, sampling each 512 KiB",
}


def library(*patterns):
    found = [p for pattern in patterns for p in sorted(glob.glob(pattern))]
    if not found:
        raise Unavailable("not in this version" if "memtrace" in patterns[0] else "not installed")
    return os.path.abspath(found[0])


def own(heard=False):
    if heard and "--preload" not in help_text():
        raise Unavailable("this version does not listen to it")
    return {"LD_PRELOAD": library(os.path.join(BUILD, "libmemtrace-preload.so"))}


def jemalloc(**more):
    return {"LD_PRELOAD": library("/usr/lib/*/libjemalloc.so.2"), **more}


def tcmalloc(**more):
    return {"LD_PRELOAD": library("/usr/lib/*/libtcmalloc.so.4"), **more}


ENVIRONMENTS = {
    "untraced": dict,
    "preload": lambda: own() | {"MEMTRACE_SAMPLE_BYTES": NEVER},
    "preload 512 KiB": lambda: own() | {"MEMTRACE_SAMPLE_BYTES": GAP},
    "preload heard": lambda: own(heard=True) | {"MEMTRACE_SAMPLE_BYTES": GAP},
    "jemalloc": jemalloc,
    "jemalloc prof": lambda: jemalloc(MALLOC_CONF="prof:true,lg_prof_sample:19,prof_final:false"),
    "tcmalloc": tcmalloc,
    "tcmalloc sampled": lambda: tcmalloc(TCMALLOC_SAMPLE_PARAMETER=GAP),
}


class Stand:
    def __init__(self, name):
        self.name, self.why, self.load, self.trace = name, None, None, None
        try:
            env = ENVIRONMENTS[name]()
            complain(env)
            self.load = Load(env=dict(os.environ, **env))
            self.load.run("live", 1, 10)
            if name == "preload heard":
                self.trace = Memtrace(self.load.pid)
        except Unavailable as e:
            self.why = str(e)

    def per_operation(self, loop, ms):
        return per_operation(self, loop, ms)

    def end(self):
        facts = self.trace.stop() if self.trace else {}
        if self.load:
            self.load.end()
        return facts


def complain(env):
    """What an allocator says of its environment: that it was built without profiling, say."""
    said = subprocess.run(["/bin/true"], env=dict(os.environ, **env), capture_output=True,
                          text=True).stderr.strip()
    if said:
        raise Unavailable(said.splitlines()[0])


def run(bench):
    stands, rows, facts = [], [], {}
    try:
        for name in ENVIRONMENTS:
            stands.append(Stand(name))
            bench.say(f"{name}: {stands[-1].why or 'runs'}")
        for case, loop in LOOPS:
            rows.append(turns(bench, stands, case, loop, 12))
    finally:
        for stand in stands:
            facts[stand.name] = stand.end()
    return {"rows": rows, "headings": HEADINGS, "facts": facts}


def bars(result):
    what = "preload: CPU time added to malloc + free, none sampled, 1 thread"
    row = result["rows"][0]
    if isinstance(row["rounds"]["preload"], dict):
        return [{"what": what, "why": row["rounds"]["preload"]["why"]}]
    return [{"what": what, "bar": 15, "is": "at most", "unit": "ns",
             "values": figures.added({"rounds": row["cpu"]}, "preload")}]
