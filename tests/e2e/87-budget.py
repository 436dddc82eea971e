"""A budget of the target's CPU time: kept under a load far beyond it, and what is seen all the same."""
from lib import Target, Trace, check, owned_by, run


def leak_of(function):
    return lambda r: r["type"] == "leak" and r["state"] == "active" and owned_by(r, function)


def overheads(trace, after_s):
    return [(r["elapsed_s"], r["overhead"]) for r in trace.of_type("sample") if r["elapsed_s"] > after_s]


def check_kept(trace):
    """Never for more than a second: no two samples in a row are over the budget, nor is the mean."""
    seen = overheads(trace, 2.5)
    for elapsed, o in seen:
        check(o["mode"] == "sample" and "budget" in o["reason"], f"after {elapsed} s: {o}")
        check(0 <= o["window_ratio"] < 0.5 and o["budget_ratio"] == 0.05, f"{elapsed} s: {o}")
    est = [o["target_cpu_ratio_est"] for _, o in seen]
    check(sum(est) / len(est) <= 0.05, f"mean {sum(est) / len(est)}")
    twice = [pair for pair in zip(est, est[1:]) if min(pair) > 0.05]
    check(not twice, f"over the budget for longer than a second: {twice}")
    check(max(est) > 0, "nothing was seen at all")


def test_a_million_pairs_a_second_stay_within_the_budget_and_a_lighter_load_is_exact_again():
    with Target("million") as target:
        target.expect("ready")
        target.go()
        with Trace("-p", target.pid, "--budget", 5, "--interval", 1, "--duration", 300) as trace:
            trace.await_record(lambda r: r["type"] == "sample" and r["elapsed_s"] > 15)
            check_kept(trace)
            lost = {k: v for k, v in trace.last_sample()["lost"].items() if v}
            check(not lost, f"frees while probes are out are no losses: {lost}")
            target.go()  # next to nothing is allocated from here on
            target.expect("quiet")
            back = trace.await_record(
                lambda r: r["type"] == "sample" and r["overhead"]["mode"] == "full"
                and r["elapsed_s"] > 15, 60)
            check(back["overhead"]["window_ratio"] == 1 and "sample_bytes" not in back["overhead"],
                  f"not every block again: {back['overhead']}")
            trace.stop()
            trace.validate()


def test_what_its_system_calls_cost_a_target_counts():
    """Followed system calls slow this one down to a third: they are followed in windows, and those are
    within the budget."""
    with Target("calls") as target:
        target.expect("ready")
        target.go()
        with Trace("-p", target.pid, "--mode", "sample", "--budget", 5, "--interval", 1,
                   "-vv") as trace:
            trace.await_record(lambda r: r["type"] == "sample" and "not followed just now" in
                               (r["overhead"].get("reason") or ""))
            trace.await_record(lambda r: trace.errors().count("system calls are followed (") == 2, 90)
            est = [o["target_cpu_ratio_est"] for _, o in overheads(trace, 0)]
            check(0 < sum(est) / len(est) <= 0.05, f"mean {sum(est) / len(est)} of {est}")
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
