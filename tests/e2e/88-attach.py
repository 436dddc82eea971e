"""Probes go in and out of running processes, many times and of many at once, and harm nobody."""
from kernel import *
from lib import *


def test_probes_go_out_and_in_again():
    before = inventory()
    r = subprocess.run([os.path.join(BUILD, "stalls", "windows"), "check"], capture_output=True,
                       text=True)
    print(r.stdout, end="", flush=True)
    check(r.returncode == 0, f"status {r.returncode}: {r.stderr}")
    check_clean(before)


if __name__ == "__main__":
    run(globals())
