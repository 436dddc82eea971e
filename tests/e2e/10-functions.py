"""Every allocation function leaks a known amount: the sites say so within one percent."""
from lib import *


def compare_with_truth(program, *args):
    with Target(program, *args) as target:
        target.expect("ready")
        with Trace("-p", target.pid, "--mode", "full", "--budget", 0, "--interval", 1, "--top", 100) as trace:
            trace.await_start()
            target.go()
            truth = target.truth()
            trace.await_tick()
            trace.stop()
            check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
            trace.validate()
            sites = trace.final_sites()
            leaks = trace.leaks()
            for wanted in truth["sites"]:
                name = wanted["function"]
                mine = [s for s in sites if owned_by(s, name)]
                count = sum(s["live_count"] for s in mine)
                size = sum(s["live_bytes"] for s in mine)
                check_near(count, wanted["count"], 0.01, f"{name}: live blocks")
                check_near(size, wanted["bytes"], 0.01, f"{name}: live bytes")
                found = [l for l in leaks if any(l["site_id"] == s["site_id"] for s in mine)]
                check(found, f"{name}: not reported as a leak")
                check(found[0]["class"] == "application", f"{name}: class {found[0]['class']}")
            wanted = [w["function"] for w in truth["sites"]]
            for leak in leaks:
                site = next((s for s in sites if s["site_id"] == leak["site_id"]), None)
                check(site and any(owned_by(site, w) for w in wanted),
                      f"reported though it does not leak: {leak['stack'][:3]}")
            lost = {k: v for k, v in trace.last_sample()["lost"].items() if v}
            check(not lost, f"something was lost: {lost}")
            check(trace.verdict() == "leak", trace.verdict())


def test_each_function_of_the_c_library_is_counted_and_named():
    compare_with_truth("leak_all", 200, 100)


def test_operator_new_is_counted_and_named_with_its_namespace():
    compare_with_truth("leak_new", 200)


if __name__ == "__main__":
    run(globals())
