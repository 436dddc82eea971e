"""The end-to-end ring: every test of tests/e2e/NN-*.py, several at once.

  tests/e2e/run.py [FILE...]    all files without one; E2E_LANES tests run at once, 4 without it

Most tests wait for a target or for memtrace's next tick, so that a few run side by side even on
two CPUs. Each runs in a process of its own; what it prints comes whole, when it is over. A test
that a file lists in ALONE runs last, with the machine for itself: it measures CPU shares or needs
every CPU. Root and BPF are needed; where they are missing tests skip (77), and in continuous
integration a skip is a failure.
"""
import glob
import os
import re
import subprocess
import sys
import threading
import time

import lib

HERE = os.path.dirname(os.path.abspath(__file__))
LANES = int(os.environ.get("E2E_LANES", 4))
TIMEOUT_S = int(os.environ.get("E2E_TIMEOUT", 300)) # of one test


class Job:
    def __init__(self, name, argv, alone):
        self.name, self.argv, self.alone = name, argv, alone
        self.status, self.seconds = None, 0

    def run(self):
        begun = time.monotonic()
        try:
            r = subprocess.run(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, timeout=TIMEOUT_S)
            self.status, text = r.returncode, r.stdout
        except subprocess.TimeoutExpired as e:
            self.status, text = 1, (e.stdout or b"") + f"  not over after {TIMEOUT_S} s\n".encode()
        self.seconds = time.monotonic() - begun
        return text.decode(errors="replace")


def jobs_of(path):
    """One job per test, by the source's text: no test is imported here."""
    with open(path) as f:
        text = f.read()
    alone = re.search(r"^ALONE = \[(.*?)\]", text, re.M | re.S)
    alone = re.findall(r'"(\w+)"', alone.group(1)) if alone else []
    tests = re.findall(r"^def (test_\w+)\(", text, re.M)
    lib.check(tests and set(alone) <= set(tests), f"{path}: no tests, or ALONE names another")
    name = os.path.basename(path)
    return [Job(f"{name} {t}", ["/usr/bin/python3", path, t], t in alone) for t in tests]


class Ring:
    """Takes jobs from one queue into lanes; prints each one's output in one piece."""

    def __init__(self, jobs):
        self.jobs, self.lock = jobs, threading.Lock()

    def lane(self, queue):
        while True:
            with self.lock:
                if not queue:
                    return
                job = queue.pop(0)
            text = job.run()
            with self.lock:
                print(f"{job.name.split()[0]}\n{text}", end="", flush=True)

    def in_lanes(self, queue, lanes):
        threads = [threading.Thread(target=self.lane, args=(queue,)) for _ in range(lanes)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def run(self):
        # The files with the longest tests come last by number: begun first they end together.
        self.in_lanes([j for j in reversed(self.jobs) if not j.alone], LANES)
        self.in_lanes([j for j in self.jobs if j.alone], 1)


def main():
    begun = time.monotonic()
    os.chdir(lib.ROOT)
    paths = sys.argv[1:] or sorted(glob.glob(os.path.join(HERE, "[0-9]*.py")))
    stack = Job("bpf_load: programs load within the stack limit",
                [os.path.join(lib.BUILD, "bpf_load", "check_stack")], True)
    jobs = [stack] + [j for path in paths for j in jobs_of(path)]
    try:
        lib.need_root()
        os.environ["E2E_CAN"] = "1" # said once for all tests
    except lib.Skip:
        pass
    Ring(jobs).run()
    failed = [j.name for j in jobs if j.status not in (0, 77)]
    skipped = [j.name for j in jobs if j.status == 77]
    for name in failed:
        print(f"FAILED: {name}")
    print(f"e2e: {len(jobs) - len(failed) - len(skipped)} passed, {len(failed)} failed, "
          f"{len(skipped)} skipped; {time.monotonic() - begun:.0f} s instead of "
          f"{sum(j.seconds for j in jobs):.0f}")
    if skipped and os.environ.get("CI") == "true":
        print("a ring that should run was skipped", file=sys.stderr)
        sys.exit(1)
    sys.exit(1 if failed or len(skipped) == len(jobs) else 0)


main()
