"""Patterns of a live run: of the process, its classes and sites; severity, forecast and advice."""
from lib import *

WATCH_S = 24  # until the leak was told for some ticks


def last_patterns(trace):
    return {(r["subject"]["kind"], r["subject"]["id"]): r for r in trace.of_type("pattern")}


def test_a_leak_has_a_pattern_at_every_level():
    with Target("demo_server") as target:
        target.line()
        with Trace("-p", target.pid, "--mode", "full", "--budget", 0, "--interval", 1, "--severity",
                   "medium=1K:1K", "--duration", WATCH_S) as trace:
            trace.wait()
            trace.validate()
            check(trace.verdict() == "leak", trace.verdict())
            leak = trace.leaks()[0]
            last = last_patterns(trace)
            process = last["process", str(target.pid)]
            site = last["site", leak["site_id"]]
            kept = last["class", "application"]
            for row in (process, site, kept):
                check(row["verdict"] == "leak", f"{row['subject']}: {row['verdict']}")
                check(row["pattern"] in ("linear", "sustained"), row["pattern"])
                wanted = "medium" if row["leak_probability"] >= 0.5 else "low"
                check(row["severity"] == wanted, f"{row['severity']}: {row['leak_probability']}")
                check("remember_session" in row["recommendation"], row["recommendation"])
            held = next(s for s in trace.final_sites() if s["site_id"] == leak["site_id"])
            check_near(site["growth_bytes_per_s"], held["live_bytes"] / WATCH_S, 0.25, "growth")
            check(held["pattern"] == site["pattern"], f"{held['pattern']}, {site['pattern']}")
            check_near(process["growth_bytes_per_s"], site["growth_bytes_per_s"], 0.4, "process")
            limits = trace.of_type("start")[0]["limits"]
            forecast = process["forecast"]
            check(forecast["limit_bytes"] == limits["memory_bytes"], forecast)
            check(forecast["limit_kind"] == limits["kind"], forecast)
            check(forecast["seconds_to_limit"] > 60, forecast)
            for (kind, name), row in last.items():
                check(row["verdict"] != "leak" or row in (process, site, kept),
                      f"{kind} {name} leaks, too")
            told = [r for r in trace.of_type("pattern") if r["subject"] == process["subject"]]
            check(told[-1]["elapsed_s"] == trace.of_type("end")[0]["elapsed_s"],
                  "the process's pattern is not told at the end")
            check(leak["severity"] == site["severity"], f"{leak['severity']}, {site['severity']}")
            print(f"        leak {leak['confidence']:.2f} sure, {process['growth_bytes_per_s']:.0f} B/s, told {len(told)} times, "
                  f"confidence {process['confidence']:.2f}", flush=True)


def test_a_wrong_table_of_severities_is_a_usage_error():
    r = subprocess.run([MEMTRACE, "run", "--severity", "high=fast", "--", "true"],
                       capture_output=True, text=True)
    check(r.returncode == 2 and "--severity wants" in r.stderr, r.stderr)


if __name__ == "__main__":
    run(globals())
