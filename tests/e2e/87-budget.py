"""A budget of the target's CPU time: kept under a load far beyond it, and what is seen all the same."""
from lib import Target, Trace, check, owned_by, run


def leak_of(function):
    return lambda r: r["type"] == "leak" and r["state"] == "active" and owned_by(r, function)


def overheads(trace, after_s):
    return [(r["elapsed_s"], r["overhead"]) for r in trace.of_type("sample") if r["elapsed_s"] > after_s]


def test_a_small_leak_beside_a_million_pairs_a_second_is_named_within_the_budget():
    with Target("million") as target:
        target.expect("ready")
        target.go()
        with Trace("-p", target.pid, "--budget", 5, "--interval", 1, "--duration", 300) as trace:
            found = trace.await_record(leak_of("leak_a_little"), 90)
            check(found["elapsed_s"] <= 60, f"named only after {found['elapsed_s']} s")
            seen = overheads(trace, 2.5)
            for elapsed, o in seen:
                check(o["mode"] == "sample" and "budget" in o["reason"], f"after {elapsed} s: {o}")
                check(0 <= o["window_ratio"] < 0.5 and o["budget_ratio"] == 0.05, f"{elapsed} s: {o}")
            over = [(e, o["target_cpu_ratio_est"]) for e, o in seen if o["target_cpu_ratio_est"] > 0.05]
            check(not over, f"of {len(seen)} samples over the budget: {over}")
            others = [r for r in trace.leaks() if not owned_by(r, "leak_a_little")]
            check(not others, f"called leaks besides: {[r.get('stack', [])[:2] for r in others]}")

            target.go()  # next to nothing is allocated from here on
            target.expect("quiet")
            back = trace.await_record(
                lambda r: r["type"] == "sample" and r["overhead"]["mode"] == "full", 60)
            check(back["overhead"]["window_ratio"] == 1 and "sample_bytes" not in back["overhead"],
                  f"not every block again: {back['overhead']}")
            trace.stop()
            trace.validate()


def test_a_fleet_is_watched_until_something_grows_and_after_the_verdict():
    with Target("million", 2000, 400000) as target:
        target.expect("ready")
        with Trace("-p", target.pid, "--interval", 1) as trace:
            first = trace.await_record(lambda r: r["type"] == "sample")
            check(first["overhead"]["mode"] == "watch" and "nothing grows" in first["overhead"]["reason"],
                  f"does not begin by watching: {first['overhead']}")
            check(first["overhead"]["window_ratio"] == 0, "probes are in")
            target.go()
            trace.await_record(lambda r: r["type"] == "sample" and r["overhead"]["mode"] == "sample")
            trace.await_record(leak_of("leak_a_little"), 90)
            again = trace.await_record(
                lambda r: r["type"] == "sample" and r["overhead"]["mode"] == "watch"
                and "verdict" in r["overhead"]["reason"], 60)
            for _ in range(3):
                trace.await_tick()
            trace.stop()
            check(trace.last_sample()["overhead"]["mode"] == "watch", "probes came back without need")
            check(trace.leaks() and trace.verdict() == "leak",
                  f"what was found is forgotten {again['elapsed_s']} s later: {trace.verdict()}")
            told = [r["event"] for r in trace.of_type("process")]
            check(told.count("detach") >= 1 and told.count("attach") >= 2, f"told: {told}")
            trace.validate()


if __name__ == "__main__":
    run(globals())
