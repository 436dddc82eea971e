"""What the preloaded library costs an allocation that is not sampled: the same program with and
without it, interleaved; medians of the differences, in nanoseconds, and ratios. Nobody listens.
Usage: cost.py [RUNS]. One line of JSON; not a test: this is for a quiet machine.
"""
import json
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))


def run(preload):
    env = dict(os.environ)
    env.pop("LD_PRELOAD", None)
    if preload:
        env["LD_PRELOAD"] = os.path.join(BUILD, "libmemtrace-preload.so")
    out = subprocess.run([os.path.join(BUILD, "targets", "alloc_cost")], env=env, check=True,
                         capture_output=True, text=True)
    return json.loads(out.stdout)


def main():
    rows = [(run(False), run(True)) for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 11)]
    report = {}
    for key in rows[0][0]:
        plain = [a[key] for a, _ in rows]
        added = [b[key] - a[key] for a, b in rows]
        report[key] = {
            "untraced": round(statistics.median(plain), 2),
            "added": round(statistics.median(added), 2),
            "added_worst": round(max(added), 2),
            "ratio": round(statistics.median(b[key] / a[key] for a, b in rows), 3),
        }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
