"""What tracing costs, beside peers, in one run:

    bench.py [--quick | --times N] [--render] [SECTION ...]

Sections: micro, paced, real, throughput, watch, budget, preload; all without any. Everything of a section is interleaved.
Writes build/bench/results.json, with every raw figure, and build/bench/overhead.md, the tables. A
section that is run replaces its part of results.json; its tables are printed, and --render prints
all that there is. --quick takes few and short rounds, to see that it works, not to measure, and keeps
its figures in quick.json. --times N takes N times as many rounds.
"""
import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
import traceback

import figures
from tracers import BUILD, HEADINGS, MEMTRACE

SECTIONS = ["micro", "paced", "real", "throughput", "watch", "budget", "preload"]
RESULTS = os.path.join(BUILD, "bench/results.json")
QUICK = os.path.join(BUILD, "bench/quick.json")
TABLE = os.path.join(BUILD, "bench/overhead.md")


class Bench:
    """How much is to be done."""

    def __init__(self, quick, times):
        self.quick, self.times, self.begun = quick, times, time.monotonic()

    def rounds(self, full):
        return 2 if self.quick else full * self.times

    def ms(self, full):
        return max(full // 4, 20) if self.quick else full

    def say(self, text):
        print(f"bench: {time.monotonic() - self.begun:5.0f} s  {text}", file=sys.stderr, flush=True)


def first_line(*argv):
    try:
        r = subprocess.run(argv, capture_output=True, text=True, timeout=10)
        return (r.stdout.strip().splitlines() or [""])[0]
    except (OSError, subprocess.TimeoutExpired):
        return ""


def machine():
    with open("/proc/cpuinfo") as f:
        info = f.read()
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines()
                  if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as f:
        total = int(f.readline().split()[1]) / 2**20
    with open("/etc/os-release") as f:
        system = next((line.split("=", 1)[1].strip().strip('"') for line in f
                       if line.startswith("PRETTY_NAME=")), "")
    return {"cpus": os.cpu_count(), "model": model, "memory_gib": round(total),
            "kernel": platform.release(), "system": system,
            "virtual": " hypervisor" in info, "memtrace": first_line(MEMTRACE, "version"),
            "load": os.getloadavg()[0]}


def load_results(file):
    try:
        with open(file) as f:
            return json.load(f)
    except (OSError, ValueError):
        return {}


def save(file, results):
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file + ".new", "w") as f:
        json.dump(results, f, indent=1)
    os.replace(file + ".new", file)


def run_section(name, bench):
    section = __import__(name)
    begun = time.monotonic()
    date = datetime.date.today().isoformat()
    try:
        result = section.run(bench)
    except Exception as e:  # the other sections still count
        traceback.print_exc()
        result = {"rows": [], "failed": f"{type(e).__name__}: {e}"}
    result.update(date=date, seconds=round(time.monotonic() - begun), machine=machine(),
                  quick=bench.quick)
    bench.say(f"{name}: {result['seconds']} s")
    return result


def describe(section):
    m = section["machine"]
    return (f"Measured {section['date']}, {m['cpus']} CPUs ({m['model']}{', virtual' if m['virtual'] else ''}), "
            f"{m['memory_gib']} GiB, Linux {m['kernel']}, {m['system']}, {m['memtrace']}"
            + (", a quick run that measures nothing well" if section["quick"] else ""))


def render(results):
    sections = {n: results[n] for n in SECTIONS if n in results}
    where = {}
    for name, s in sections.items():
        where.setdefault(describe(s), []).append(name)
    parts = [" ".join(text + (f" ({', '.join(names)})" if len(where) > 1 else "") + "."
                      for text, names in where.items()),
             "Medians of interleaved rounds, in brackets the quartiles (below eight rounds the least and "
             "the most). × is a multiple of the untraced run of the same round, + what is added to one "
             "operation; shares of throughput are of the untraced one."]
    rows = [r for s in sections.values() if "headings" not in s for r in s["rows"]]
    if rows:
        parts.append(figures.rows_table(rows, HEADINGS))
    parts += [figures.rows_table(s["rows"], s["headings"]) for s in sections.values()
              if "headings" in s]
    bars, notes = [], []
    for name, s in sections.items():
        try:
            bars += __import__(name).bars(s) if "failed" not in s else []
        except (KeyError, TypeError, ValueError) as e: # of another version
            notes.append(f"{name}: its figures cannot be read ({type(e).__name__}: {e}); run it again")
    if bars:
        parts.append(figures.bars_table(bars))
    notes += [n for s in sections.values() for n in s.get("notes", [])]
    notes += [f"{name} failed: {s['failed']}" for name, s in sections.items() if "failed" in s]
    if notes:
        parts.append("\n".join(f"- {n}" for n in notes))
    return "\n\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--render", action="store_true")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=" ".join(SECTIONS))
    args = parser.parse_args()
    if unknown := [s for s in args.sections if s not in SECTIONS]:
        parser.error(f"{unknown[0]} is none of {' '.join(SECTIONS)}")
    file = QUICK if args.quick else RESULTS
    results = load_results(file) if args.sections or args.render else {}
    chosen = args.sections or SECTIONS
    if not args.render:
        if os.geteuid() != 0:
            sys.exit("bench: needs root")
        bench = Bench(args.quick, args.times)
        for name in chosen:
            results[name] = run_section(name, bench)
            save(file, results)
    if not args.quick:
        with open(TABLE, "w") as f:
            f.write(render(results))
    print(render({n: s for n, s in results.items() if n in chosen}), end="")


if __name__ == "__main__":
    main()
