"""The judge as outsiders see it: series from a generator that its constants were not learned from.

`make evaluate-second` prints the whole tables. Neither root nor BPF is needed.
"""
from lib import *

os.environ["E2E_CAN"] = "1" # nothing is traced here


def test_series_of_another_generator_are_judged_well():
    r = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "tests/judge/second.py"), "--seed", "1007",
                        "--count", "1400", "--bars", "--memtrace", MEMTRACE],
                       capture_output=True, text=True)
    bars = r.stdout[r.stdout.find("### Bars"):]
    check(r.returncode == 0, f"status {r.returncode}: {bars[:1500]}{r.stderr[-500:]}")
    check(bars.count("| held |") == 6, f"bars are missing: {bars}")
    for line in bars.splitlines()[4:]:
        print(f"        {line}", flush=True)


if __name__ == "__main__":
    run(globals())
