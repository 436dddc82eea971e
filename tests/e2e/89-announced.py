"""Programs that announce samples of their allocations: with the preloaded library, and by themselves.

Totals are estimates. With samples of mean distance T, a total of B bytes of blocks that are small
beside T has a standard error of B * sqrt(T / B); bounds here are five of them.
"""
import math

from kernel import *
from lib import *

LIBRARY = os.path.join(BUILD, "libmemtrace-preload.so")
MEAN = 4096
ERRORS = 5


def preloaded(mean=MEAN, **more):
    return {**os.environ, "LD_PRELOAD": LIBRARY, "MEMTRACE_SAMPLE_BYTES": str(mean), **more}


def held(sites, function):
    return sum(s["live_bytes"] for s in sites
               if s["kind"] == "heap" and function in [n.split("(")[0] for n in symbols(s)])


def check_totals(sites, truth, mean=MEAN):
    for function, size in truth.items():
        check_near(held(sites, function), size, ERRORS * math.sqrt(mean / size),
                   f"{function}: live bytes")


def check_allocators(trace, module, name="otel_memory", probes=2):
    found = [a for a in trace.of_type("start")[0]["allocators"]]
    check(found == [{"name": name, "module": module, "probes": probes}], f"allocators: {found}")


def check_nothing_lost(trace):
    lost = {k: v for k, v in trace.last_sample()["lost"].items() if v}
    check(not lost, f"something was lost: {lost}")


def trace_to_its_end(target, *args):
    """Traces a preloaded target while it allocates; returns (truth, trace)."""
    with Trace("-p", target.pid, "--interval", 1, "--top", 1000, *args) as trace:
        trace.await_start()
        target.go()
        truth = target.truth()
        trace.await_tick()
        trace.await_tick()
        trace.stop()
        check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
        trace.validate()
        check_nothing_lost(trace)
        check_allocators(trace, os.path.basename(LIBRARY))
        # what the allocator maps for its blocks is not counted beside them
        twice = [s for s in trace.final_sites() if s["kind"] in ("mmap", "brk") and
                 "malloc" in symbols(s)]
        check(not twice, f"counted twice: {[symbols(s)[:8] for s in twice]}")
        check(trace.last_sample()["overhead"]["mode"] == "sample", "the mode is not sample")
        return truth, trace.final_sites(), trace


def test_a_preloaded_c_program_is_traced_by_its_samples():
    with Target("preloaded", env=preloaded()) as target:
        target.expect("ready")
        truth, sites, trace = trace_to_its_end(target)
        check(len(truth) == 4, f"truth {truth}")
        check_totals(sites, truth)
        brief = held(sites, "use_briefly")
        check(brief < 200000, f"blocks that were freed are said to be live: {brief} bytes")
        whole = trace.last_sample()["allocator"]["live_bytes"]
        check_near(whole, sum(truth.values()), 0.1, "all live bytes")


def test_operator_new_and_containers_come_through_the_library():
    with Target("preloaded_cxx", env=preloaded()) as target:
        target.expect("ready")
        truth, sites, _ = trace_to_its_end(target)
        for function, size in truth.items():
            found = sum(s["live_bytes"] for s in sites if s["kind"] == "heap" and
                        any(function in n for n in symbols(s)))
            # vectors that hold the buffers are of the same functions
            check_near(found, size, ERRORS * math.sqrt(MEAN / size) + 0.03, function)


def test_operators_that_bypass_the_library_are_told():
    other = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
    with Target("preloaded_cxx", env=preloaded(LD_PRELOAD=f"{LIBRARY}:{other}")) as target:
        target.expect("ready")
        with Trace("-p", target.pid, "--interval", 1) as trace:
            why = [u["why"] for u in trace.await_start()["unmeasured"] if u["what"] == "allocations"]
            check(why == ["libjemalloc.so.2: operator new does not pass through the library of "
                          "--preload"], f"unmeasured: {why}")


PYTHON = r"""
import sys
kept = []
print("ready", flush=True)
sys.stdin.readline()
for i in range(20000):
    kept.append(bytearray(2000))
    bytearray(3000)
print('{"bytes": %d}' % (20000 * 2001), flush=True)
print("done", flush=True)
sys.stdin.readline()
"""


def test_python_is_traced_by_its_samples():
    with Target("/usr/bin/python3", "-c", PYTHON, env=preloaded()) as target:
        target.expect("ready")
        truth, sites, _ = trace_to_its_end(target)
        mine = [s for s in sites if s["kind"] == "heap" and any("PyByteArray" in n or "bytearray" in n for n in symbols(s))]
        found = sum(s["live_bytes"] for s in mine)
        check_near(found, truth["bytes"], ERRORS * math.sqrt(MEAN / truth["bytes"]) + 0.01,
                   "bytearrays")
        check(all(s["stack_complete"] for s in mine), "a stack ends early")


def test_run_preload_loads_the_library_and_keeps_what_was_preloaded():
    other = subprocess.run(["/usr/bin/gcc", "-print-file-name=libm.so.6"], capture_output=True,
                           text=True).stdout.strip()
    env = {**os.environ, "LD_PRELOAD": other, "MEMTRACE_SAMPLE_BYTES": str(MEAN)}
    target = os.path.join(BUILD, "targets", "preloaded")
    with Trace("run", "--preload", "--interval", 1, "--top", 1000, "--", target, "alone",
               env=env) as trace:
        start = trace.await_start()
        try:
            await_true("the truth", lambda: '{"keep_small' in trace.errors() and
                       trace.errors().rstrip().endswith("}"))
            trace.await_tick()
            trace.await_tick()
            with open(f"/proc/{start['pid']}/environ", "rb") as f:
                variables = f.read().decode().split("\0")
            check(f"LD_PRELOAD={os.path.realpath(LIBRARY)}:{other}" in variables,
                  f"LD_PRELOAD is another: {[v for v in variables if v.startswith('LD_')]}")
            trace.stop()
        finally:
            os.kill(start["pid"], signal.SIGKILL)
        check_allocators(trace, os.path.basename(LIBRARY))
        truth = next(line for line in trace.errors().splitlines() if line.startswith("{"))
        check_totals(trace.final_sites(), json.loads(truth))


def test_a_static_program_does_without_the_library():
    with Trace("run", "--preload", "--", os.path.join(BUILD, "targets", "rules-static")) as trace:
        trace.wait()
        check("did not load the library of --preload" in trace.errors(), trace.errors())
        check("allocators are probed instead" in trace.errors(), trace.errors())
        check([a["name"] for a in trace.of_type("start")[0]["allocators"]] == ["glibc"],
              "its own allocator is not probed")


def test_preload_is_refused_where_it_makes_no_sense():
    for args, words in ((("--mode", "full"), "give one"), (("--mode", "watch"), "watch")):
        r = subprocess.run([MEMTRACE, "run", "--preload", *args, "--", "true"], capture_output=True,
                           text=True)
        check(r.returncode == 2 and words in r.stderr, f"{args}: {r.returncode} {r.stderr}")


# --- programs that announce by themselves --------------------------------------------------------


def listeners(target):
    """How many listen, as the target itself sees it."""
    target.go()
    told = json.loads(target.line())
    target.expect("told")
    return told["listeners"]


def test_a_foreign_emitter_is_listened_to_instead_of_probing_its_allocators():
    with Target("emitter") as target:
        target.expect("ready")
        with Trace("-p", target.pid, "--interval", 1, "--top", 100, "--explain-probes") as trace:
            trace.await_start()
            target.go()
            truth = json.loads(target.line())
            target.expect("told")
            check(truth.pop("listeners") == 3, "not each of its probes says that somebody listens")
            trace.await_tick()
            trace.stop()
            trace.validate()
            check_nothing_lost(trace)
            check_allocators(trace, "emitter", probes=3)
            check(trace.errors().count("emitter otel_memory:alloc: in the file at 0x") == 2 and
                  trace.errors().count("its allocators are not probed") == 3, trace.errors())
            sites = trace.final_sites()
            for function, size in truth.items():
                check(held(sites, function) == size,
                      f"{function}: {held(sites, function)} bytes, announced {size}")
        check(listeners(target) == 0, "somebody is said to listen when memtrace is gone")


def test_nobody_listens_any_more_when_memtrace_was_killed():
    with Target("emitter") as target:
        target.expect("ready")
        target.go()
        check(json.loads(target.line())["listeners"] == 0, "somebody listens before memtrace")
        target.expect("told")
        for _ in range(3):
            with Trace("-p", target.pid, "--interval", 1) as trace:
                trace.await_start()
                check(listeners(target) == 3, "memtrace does not listen")
                trace.process.kill()
                trace.process.wait()
            await_true("nobody to listen", lambda: listeners(target) == 0)


def test_an_absurd_announcement_is_counted():
    with Target("emitter", "absurd") as target:
        target.expect("ready")
        with Trace("-p", target.pid, "--interval", 1) as trace:
            trace.await_start()
            target.go()
            target.line()
            target.expect("told")
            trace.await_tick()
            trace.stop()
            refused = trace.last_sample()["lost"]["usdt_refused"]
            check(refused == 1000, f"{refused} refused")
            check(held(trace.final_sites(), "make_session") == 0, "recorded all the same")


if __name__ == "__main__":
    run(globals())
