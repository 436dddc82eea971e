"""How whole stacks are on stock binaries: memtrace, frame pointers, and bcc's memleak beside them.

    table.py [--seconds N] [--json FILE] [PROGRAM ...]

Each program runs under load with a memtrace on it. A validation program sees the returns of malloc,
calloc and realloc, and then of all system calls: memtrace's own unwinder, the kernel's walk by frame pointers (bpf_get_stack) and
libdwfl on a copy of registers and stack are asked about the same event. Then the call sites of
memtrace's own report are counted, and memleak-libbpf traces the same process after it.
"complete": the stack reaches the frame where the thread starts. "wrong": frames that differ, or a stack
that ends early without saying so; what is neither identical nor wrong ends early and says why.
"""
import argparse
import collections
import re

from workloads import *

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 20
MEMLEAK_SECONDS = 8


def validated(workload, tracer, seconds, *where):
    """What validate.c says of this many seconds."""
    r = subprocess.run([os.path.join(BUILD, "stacks/validate"), "--tracer", str(tracer),
                        "-p", str(workload.pid), "--seconds", str(seconds), *where],
                       capture_output=True, text=True, timeout=seconds + 120)
    check(r.returncode == 0, f"validate: {r.stderr[-500:]}")
    return json.loads(r.stdout)


def reported(trace, pid):
    """The heap's call sites that memtrace reported: how many are complete, and their depth as
    reported (without the allocator's frames)."""
    last = {s["site_id"]: s for s in trace.of_type("site", pid) if s["kind"] == "heap"}
    sites = list(last.values())
    complete = [s for s in sites if s["stack_complete"]]
    return {"sites": len(sites), "complete": ratio(len(complete), len(sites)),
            "complete_by_count": ratio(allocated(complete), allocated(sites)),
            "depth": ratio(sum(len(s["stack"]) for s in sites), len(sites)),
            "ends": collections.Counter(s["stack_end"] for s in sites if not s["stack_complete"])}


def allocated(sites):
    return sum(s["allocated_count"] for s in sites)


def ratio(part, whole):
    return part / whole if whole else None


def memleak(workload, roots):
    """The stacks that memleak prints of what is outstanding after MEMLEAK_SECONDS."""
    command = subprocess.run([os.path.join(HERE, "fetch-memleak.sh")], stdout=subprocess.PIPE,
                             check=True, text=True).stdout.split()
    r = subprocess.run([*command, "-p", str(workload.pid), "-O",
                        os.path.basename(workload.mapped()), "-T", "10000",
                        str(MEMLEAK_SECONDS), "1"], capture_output=True, text=True,
                       timeout=MEMLEAK_SECONDS + 60)
    stacks = []
    for line in r.stdout.splitlines():
        if head := re.match(r"\d+ bytes in (\d+) allocations from stack", line):
            stacks.append((int(head[1]), []))
        elif frame := re.match(r"\s+\d+ \[<([0-9a-f]+)>\]", line):
            stacks[-1][1].append(int(frame[1], 16))
    if not stacks:
        why = [line for line in r.stderr.splitlines() if "fail" in line or "no program" in line]
        return {"failed": "; ".join(why) or "nothing that it saw was outstanding"}
    ends = {int(root, 16) for root in roots}
    whole = [s for s in stacks if s[1] and s[1][-1] in ends]
    allocations = sum(n for n, _ in stacks)
    return {"stacks": len(stacks), "complete": ratio(len(whole), len(stacks)),
            "complete_by_count": ratio(sum(n for n, _ in whole), allocations),
            "depth": ratio(sum(len(s) for _, s in stacks), len(stacks)),
            "depth_by_count": ratio(sum(n * len(s) for n, s in stacks), allocations)}


def measured(workload, seconds):
    with workload:
        with Trace("-p", workload.pid, "--interval", 1, "--top", 10000) as trace:
            trace.await_start()
            tracer = trace.process.pid
            events = validated(workload, tracer, seconds, *workload.probes(), "--return",
                               "--every", str(workload.every))
            calls = validated(workload, tracer, seconds / 4, "--syscalls")
            check(not events["wrong"] and not calls["wrong"], "a remembered walk was another's")
            trace.await_tick()
            trace.stop()
            sites = reported(trace, workload.pid)
        return {"validated": events, "syscalls": calls, "sites": sites,
                "memleak": memleak(workload, events["roots"])}


def percent(value):
    return "-" if value is None else f"{100 * value:.2f}"


def number(value):
    return "-" if value is None else f"{value:.1f}"


HEAD = (f"{'program':14} {'events':>8} {'memtrace %':>10} {'depth':>6} {'FP %':>7} {'depth':>6} "
        f"{'libdwfl %':>9} {'depth':>6} {'identical %':>11} {'wrong':>5} {'sites':>6} {'whole %':>8} {'depth':>6} "
        f"{'memleak':>8} {'whole %':>8} {'depth':>6} {'syscalls':>8} {'whole %':>7} {'ident. %':>8} "
        f"{'wrong':>5}  memtrace ends")


def identical(seen):
    n = seen["events"]["stacks"]
    return ratio(n - seen["different"] - seen["flagged"], n)


def row(name, figures):
    events, calls, sites, peer = (figures[k] for k in ("validated", "syscalls", "sites", "memleak"))
    e = events["events"]
    return (f"{name:14} {e['stacks']:8} {percent(e['complete']):>10} {number(e['depth']):>6} "
            f"{percent(e['fp_complete']):>7} {number(e['fp_depth']):>6} "
            f"{percent(e['oracle_complete']):>9} {number(e['oracle_depth']):>6} "
            f"{percent(identical(events)):>11} {events['different']:5} {sites['sites']:6} "
            f"{percent(sites['complete']):>8} {number(sites['depth']):>6} "
            f"{peer.get('stacks', '-'):>8} {percent(peer.get('complete')):>8} "
            f"{number(peer.get('depth')):>6} {calls['events']['stacks']:8} "
            f"{percent(calls['events']['complete']):>7} {percent(identical(calls)):>8} "
            f"{calls['different']:5}  {events['ends']}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--json")
    parser.add_argument("programs", nargs="*")
    args = parser.parse_args()
    results = {}
    print("Weighted by events (allocations): memtrace, frame pointers, libdwfl. By sites: memtrace's "
          "report, memleak's report.\n" + HEAD)
    for workload in chosen(args.programs):
        try:
            results[workload.name] = measured(workload, args.seconds)
            print(row(workload.name, results[workload.name]), flush=True)
            if why := results[workload.name]["memleak"].get("failed"):
                print(f"{'':14} memleak shows nothing: {why}", flush=True)
        except (AssertionError, subprocess.SubprocessError) as e:
            results[workload.name] = {"failed": str(e)}
            print(f"{workload.name:14} failed: {e}", flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(results, f, indent=1)


if __name__ == "__main__":
    main()
