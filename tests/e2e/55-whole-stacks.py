"""Stacks on stock binaries are whole and right: what the kernel part finds for an allocation is what
libdwfl finds on a copy of the registers and the stack of the very same event (tests/stacks).
"""
import sys

from lib import *

sys.path.insert(0, os.path.join(ROOT, "tests/stacks"))
import workloads

EVENTS = 3000


def validated(name):
    """All of EVENTS stacks, in calls that memtrace's own return probes are in the middle of."""
    workload, = workloads.chosen([name])
    with workload, Trace("-p", workload.pid, "--mode", "full", "--budget", 0) as trace:
        trace.await_start()
        r = subprocess.run([os.path.join(BUILD, "stacks/validate"), "--tracer",
                            str(trace.process.pid), "-p", str(workload.pid), *workload.probes(),
                            "--return", "--every", str(workload.every), "--events", str(EVENTS),
                            "--seconds", "30"], capture_output=True, text=True, timeout=60)
        check(r.returncode == 0, f"validate: {r.stderr[-1000:]}")
        seen = json.loads(r.stdout)
        trace.stop()
    events = seen["events"]
    print(f"        {name}: {events['stacks']} stacks, {seen['distinct']['stacks']} distinct, "
          f"{events['depth']:.1f} frames each (by frame pointers {events['fp_depth']:.1f}), "
          f"{100 * events['complete']:.2f} % whole, {seen['identical']} identical", flush=True)
    check(events["stacks"] == EVENTS, f"only {events['stacks']} events in 30 s")
    check(seen["wrong"] == 0, f"{seen['wrong']} of {seen['known']} remembered walks were another's")
    check(seen["different"] == 0, f"{seen['different']} differ from libdwfl: {seen['differences']}")
    return seen


def check_stacks(name, least_depth):
    seen = validated(name)
    events = seen["events"]
    check(events["complete"] >= 0.99, f"ends: {seen['ends']}, {seen['differences'][:1]}")
    check(seen["identical"] >= 0.99 * EVENTS, f"{seen}")
    check(events["depth"] >= least_depth, f"{events['depth']} frames: were the events the right ones?")


def test_hard_frames_of_cplusplus_are_unwound_as_libdwfl_does():
    check_stacks("c++ -O2", 10)


def test_redis_stacks_are_whole():
    check_stacks("redis-server", 8)


def test_postgres_stacks_are_whole():
    check_stacks("postgres", 12)


def test_python_stacks_are_whole():
    check_stacks("python3", 10)


def test_java_stacks_are_whole_when_it_keeps_frame_pointers():
    check_stacks("java +FP", 15)


def test_java_stacks_say_that_they_end_at_compiled_code_when_it_keeps_none():
    # libdwfl follows rbp there, skips compiled frames and calls the stack whole.
    ends = validated("java")["ends"]
    check(ends.get("jit", 0) > 0.3 * EVENTS, f"ends: {ends}")
    check(ends.get("jit", 0) + ends.get("start", 0) >= 0.99 * EVENTS, f"ends: {ends}")


if __name__ == "__main__":
    run(globals())
