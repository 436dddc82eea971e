#!/usr/bin/python3
"""Mode watch: no allocator probe, and what grows is named all the same, with the code that does it."""
import tempfile

import kernel
from lib import Target, Trace, check, owned_by, run, symbols

# What each target gathers: its class, and the function that does it (tests/targets/grower.c).
GROWERS = {
    "map": ("application", "gather_mappings"),
    "heap": ("application", "gather_blocks"),
    "file": ("mapped_files", "gather_file"),
    "sockets": ("network_connections", "gather_sockets"),
}
# A busy machine makes system calls dear to follow: then its hooks come back in windows only.
ALONE = ["test_hooks_of_system_calls_go_out_and_come_back_when_descriptors_grow"]
NAMED_S = 60  # awaited; on an idle machine it takes 18 to 25 s


def probed(pid):
    return bool(kernel.probes_in(pid))


def await_leak(trace, target, function):
    return trace.await_record(
        lambda r: r["type"] == "leak" and r["pid"] == target.pid and r["state"] == "active" and
        owned_by(r, function), NAMED_S)


def growing_classes(trace, pid):
    """Classes that hold or count more in the last sample than in the first."""
    first, last = trace.of_type("sample", pid)[0]["classes"], trace.last_sample(pid)["classes"]
    gained = {}
    for name, row in last.items():
        unit = "bytes" if "bytes" in row else "count"
        if unit in row and unit in first[name]:
            gained[name] = row[unit] - first[name][unit]
    return gained


def test_what_grows_is_named_with_its_code():
    with tempfile.NamedTemporaryFile() as big:
        big.truncate(4 << 30)
        targets = {what: Target("grower", what, big.name) for what in [*GROWERS, "quiet"]}
        args = [a for t in targets.values() for a in ("-p", t.pid)]
        for t in targets.values():
            t.expect("ready")
        with Trace(*args, "--mode", "watch", "--interval", 2) as trace:
            trace.await_start()
            for t in targets.values():
                t.go()
            for what, (name, function) in GROWERS.items():
                leak = await_leak(trace, targets[what], function)
                check(leak["class"] == name, f"{what}: the class is {leak['class']}")
                gained = growing_classes(trace, targets[what].pid)
                most = max((c for c in gained if c != "kernel_socket_buffers"), key=gained.get)
                check(most == name, f"{what}: {most} gained most, of {gained}")
            trace.await_tick()
            for what, t in targets.items():
                check(not probed(t.pid), f"{what}: an allocator probe was hit")
            trace.stop()
            trace.validate()
            quiet = targets["quiet"].pid
            check(not trace.leaks(quiet), f"false: {trace.leaks(quiet)}")
            check(trace.verdict(quiet) != "leak", "a leak was pronounced")
            for what, (_, function) in GROWERS.items():
                names = {symbols(r)[0] for r in trace.leaks(targets[what].pid) if symbols(r)}
                check(len(trace.leaks(targets[what].pid)) == 1, f"{what}: one leak, told as {names}")
            heap = [s for s in trace.final_sites(targets["heap"].pid) if s["kind"] == "heap"]
            check(heap and all(s["estimated"] for s in heap), f"by faults: {heap}")
            start = trace.of_type("start")[0]
            check(not start["allocators"], f"no allocator is probed: {start['allocators']}")
        for t in targets.values():
            t.end()


def test_hooks_of_system_calls_go_out_and_come_back_when_descriptors_grow():
    with Target("grower", "quiet") as quiet, Target("grower", "descriptors") as later:
        quiet.expect("ready")
        later.expect("ready")
        with Trace("-p", quiet.pid, "-p", later.pid, "--mode", "watch", "--interval", 2) as trace:
            trace.await_start()
            quiet.go()
            trace.await_record(lambda r: r["type"] == "sample" and "not followed just now" in
                               (r["overhead"].get("reason") or ""), NAMED_S)
            later.go()
            leak = await_leak(trace, later, "gather_descriptors")
            check(leak["class"] == "file_handles", f"the class is {leak['class']}")
            trace.stop()
            trace.validate()
            check(not trace.leaks(quiet.pid), f"false: {trace.leaks(quiet.pid)}")


def test_a_probe_would_have_been_seen():
    """The control of what the first test finds missing."""
    with Target("grower", "heap") as target:
        target.expect("ready")
        with Trace("-p", target.pid, "--mode", "full", "--interval", 2) as trace:
            trace.await_start()
            target.go()
            trace.await_tick()
            check(probed(target.pid), "mode full probes allocators")


if __name__ == "__main__":
    run(globals())
