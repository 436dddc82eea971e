"""Sampling: what is estimated lies where it is said to lie, also of a program that allocates in a
fixed order, where samplers with a fixed stride see the same functions every time."""
import re
import subprocess

from lib import MEMTRACE, Target, Trace, check, run, symbols

ROUNDS = 640
GAP = 4096 # bytes between samples in the mean
BLOCK = 256


def functions_of(trace):
    """The sites by the function that asks: site_000 to site_777, octal."""
    found = {}
    for s in trace.final_sites():
        for name in symbols(s):
            if name.startswith("site_"):
                check(name not in found, f"two sites of {name}")
                found[int(name[5:], 8)] = s
                break
    return found


def stride_estimate(functions, truth):
    """What a sampler with a stride of GAP bytes would say of the same allocations."""
    seen, line = [0] * functions, 0
    for _ in range(truth // BLOCK):
        for i in range(functions):
            line += BLOCK
            if line % GAP == 0:
                seen[i] += GAP
    return seen


SAMPLED = ("--mode", "sample", "--sample-bytes", GAP, "--budget", "0", "--interval", 1, "--top", 1000)


def test_estimates_hold_the_truth_as_often_as_they_say():
    with Target("periodic", ROUNDS) as target:
        target.expect("ready")
        with Trace("-p", target.pid, *SAMPLED) as trace:
            trace.await_start()
            target.go()
            truth = target.truth()
            trace.await_tick()
            trace.stop() # the last sample has every name
            trace.validate()
            sites, functions = functions_of(trace), truth["functions"]
    check(len(sites) == functions, f"{len(sites)} of {functions} functions were seen")
    within = [abs(s["live_bytes"] - truth["bytes"]) <=
              s["error_ratio"] * s["live_bytes"] for s in sites.values()]
    check(sum(within) >= 0.9 * functions, f"only {sum(within)} of {functions} within their bounds")
    total = sum(s["live_bytes"] for s in sites.values())
    records = sum(s["records_count"] for s in sites.values())
    # sizes are equal: the error of the whole is that of the number of samples
    check(abs(total / (truth["bytes"] * functions) - 1) < 5 / records ** 0.5,
          f"{total} bytes in all, truth {truth['bytes'] * functions}, {records} samples")
    check(0.9 < records / (truth["bytes"] * functions / GAP) < 1.1,
          f"{records} samples of {truth['bytes'] * functions / GAP:.0f}")
    check(all(s["estimated"] for s in sites.values()), "an estimate that does not say so")
    strides = stride_estimate(functions, truth["bytes"])
    hit = sum(abs(v - truth["bytes"]) <= 0.5 * truth["bytes"] for v in strides)
    check(hit == 0, f"the fixed stride is right for {hit} functions: nothing is shown here")
    worst = max(abs(s["live_bytes"] / truth["bytes"] - 1) for s in sites.values())
    print(f"        {records} samples: {sum(within)} of {functions} within 95 % bounds, the worst "
          f"off by {worst:.0%}, the sum by {total / (truth['bytes'] * functions) - 1:+.1%}; a "
          f"fixed stride: {sum(v == 0 for v in strides)} functions never seen, the others "
          f"{max(strides) / truth['bytes']:.0f} times too large", flush=True)


def test_what_was_sampled_is_gone_when_it_is_freed():
    with Target("periodic", ROUNDS // 8) as target:
        target.expect("ready")
        with Trace("-p", target.pid, *SAMPLED) as trace:
            trace.await_start()
            target.go()
            target.truth()
            trace.await_tick()
            trace.await_tick()
            held = trace.last_sample()["allocator"]["live_bytes"]
            target.go()
            target.truth()
            trace.await_tick()
            trace.await_tick()
            trace.stop()
            trace.validate()
            left = trace.last_sample()
    check(held > 10 * GAP, f"{held} bytes seen live")
    check(left["allocator"]["live_bytes"] == 0 and left["allocator"]["live_count"] == 0,
          f"all is free: {left['allocator']}")
    check(left["lost"]["frees_missed"] == 0, f"lost: {left['lost']}")


def total_of(trace, rate):
    """Until the last sample: rates times the seconds that they are of."""
    total, before = 0, 0
    for s in trace.of_type("sample"):
        total += (rate(s) or 0) * (s["elapsed_s"] - before)
        before = s["elapsed_s"]
    return total


def has_sessions():
    r = subprocess.run([MEMTRACE, "doctor"], capture_output=True, text=True, timeout=30)
    row = re.search(r"uprobe_session\s+(yes|NO)\b", r.stdout)
    check(row, f"nothing about sessions: {r.stdout}")
    return row[1] == "yes"


def test_what_is_not_sampled_costs_no_return():
    """An allocator whose result is known at its return only."""
    pairs, sessions = 200000, has_sessions()
    with Target("bump", pairs) as target:
        target.expect("ready")
        with Trace("-p", target.pid, "--alloc", "exe:bump_get(size=arg1):bump_put(ptr=arg1)",
                   "--mode", "sample", "--sample-bytes", 65536, "--budget", "0",
                   "--interval", 1) as trace:
            trace.await_tick() # the first one tells no rate
            target.go()
            check(target.truth()["pairs"] == pairs, "not as many as it was asked for")
            trace.await_tick()
            trace.stop()
            trace.validate()
    each = total_of(trace, lambda s: s["overhead"]["probe_hits_per_s"]) / pairs
    made = total_of(trace, lambda s: s["allocator"].get("alloc_per_s")) / pairs
    print(f"        {each:.2f} probe hits for a pair, {made:.2f} of the allocations estimated"
          f"{'' if sessions else '; without sessions'}", flush=True)
    check(1.95 < each < 2.1 if sessions else 2.95 < each < 3.05, f"{each} hits for a pair")
    check(0.7 < made < 1.3, f"{made} of the allocations are estimated") # of about 780 samples


if __name__ == "__main__":
    run(globals())
