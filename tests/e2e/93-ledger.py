"""What the memory is: the ledger of real programs adds up to RSS and swap, and little of it is unexplained."""
import shutil

import kernel
from servers import *

UNEXPLAINED = 0.03  # of RSS
PYTHON = """
import sys
kept = [(i, str(i), b"x" * 1000) for i in range(50000)]
print("ready", flush=True)
for line in sys.stdin:
    kept += [(i, str(i), b"x" * 1000) for i in range(len(kept))]
    print('{"objects": %d}\\ndone' % len(kept), flush=True)
"""


def ledger_of(*pids):
    """`memtrace --ledger --json`: the sample of each process, by pid."""
    with Trace(*[a for pid in pids for a in ("-p", pid)], "--ledger") as trace:
        trace.wait()
        check(trace.status == 0, f"status {trace.status}: {trace.errors()[-500:]}")
        trace.validate()
        return {pid: trace.last_sample(pid) for pid in pids}


def held(sample, name):
    return sample["classes"][name].get("bytes", 0)


def check_closed(sample, when):
    what, classes = f"{sample['comm']} {when}", sample["classes"]
    managed = sample.get("managed_resident_bytes", 0) + sample.get("managed_swapped_bytes", 0)
    total = sum(row.get("bytes", 0) for row in classes.values() if row["resident"])
    check(managed + total == sample["rss_bytes"] + sample["swap_bytes"],
          f"{what}: {managed} + {total} is not {sample['rss_bytes']} + {sample['swap_bytes']}")
    share = held(sample, "unexplained") / sample["rss_bytes"]
    check(share <= UNEXPLAINED, f"{what}: {share:.1%} is unexplained of {classes}")


def programs(folder):
    """Programs that hold memory of their own kinds, grow when told, and say when that is done."""
    subprocess.run(["/usr/bin/javac", "-d", folder, os.path.join(HERE, "Grow.java")], check=True)
    return {
        "v8": Target(shutil.which("node") or "/usr/bin/node", os.path.join(HERE, "grow.js")),
        "jvm": Target("/usr/bin/java", "-Xmx256m", "-cp", folder, "Grow"),
        "cpython": Target("/usr/bin/python3", "-c", PYTHON),
    }


def test_the_ledger_closes_before_and_after_growth_and_while_it_is_watched():
    with Folder() as folder, Redis(folder, "log") as redis:
        targets = programs(folder)
        try:
            pids = [t.pid for t in targets.values()]
            for t in targets.values():
                t.expect("ready")
            before = ledger_of(redis.pid, *pids)
            for sample in before.values():
                check_closed(sample, "before it grew")
            args = [a for pid in (redis.pid, *pids) for a in ("-p", pid)]
            with Trace(*args, "--mode", "watch", "--interval", 1) as trace:
                trace.await_start()
                for n in range(50):
                    set_new_keys(redis, n, 200)
                truth = {}
                for name, t in targets.items():
                    t.go()
                    truth[name] = t.truth()
                trace.await_tick()
                trace.stop()
                trace.validate()
                for pid in (redis.pid, *pids):
                    for sample in trace.of_type("sample", pid):
                        check_closed(sample, f"{sample['elapsed_s']:.1f} s into its growth")
            after = ledger_of(redis.pid, *pids)
            for sample in after.values():
                check_closed(sample, "after it grew")
            for name, t in targets.items():
                small, large = before[t.pid], after[t.pid]
                check(large["managed_how"] == "exact", f"{name}: {large}")
                check(large["managed_resident_bytes"] > small["managed_resident_bytes"] + 5e6,
                      f"{name}: {small['managed_resident_bytes']} {large['managed_resident_bytes']}")
            node = after[targets["v8"].pid]
            check_near(node["managed_heap_bytes"], truth["v8"]["heapTotal"], 0.05, "heapTotal")
            check_near(held(node, "buffers"), truth["v8"]["arrayBuffers"], 0.05, "arrayBuffers")
            # it was all there before this run, and the walk through malloc says that it is live
            check(held(after[redis.pid], "preexisting") > held(before[redis.pid], "preexisting"),
                  f"redis: {after[redis.pid]['classes']}")
        finally:
            for t in targets.values():
                t.end()


def test_the_table_is_for_people_quick_and_without_probes():
    with Target("/usr/bin/python3", "-c", PYTHON) as target:
        target.expect("ready")
        r = subprocess.run([MEMTRACE, "-p", str(target.pid), "--ledger"], capture_output=True,
                           text=True, timeout=60)
        check(r.returncode == 0, f"status {r.returncode}: {r.stderr}")
        lines = r.stdout.splitlines()
        check(lines[0].startswith(f"memory of python3 (pid {target.pid})"), lines[0])
        for row in ("managed heap ", "kept by allocator, unused ", "unexplained ", "= RSS + swap "):
            check(any(line.strip().startswith(row) for line in lines), f"no {row!r} in {r.stdout}")
        for block in ("managed heap  cpython", "allocator     glibc", "live blocks   below"):
            check(block in r.stdout, f"no {block!r} in {r.stdout}")
        check(all(len(line) <= 100 for line in lines), "a line is wider than 100 columns")
        check(not kernel.probes_in(target.pid), "an allocator probe was in")


if __name__ == "__main__":
    run(globals())
