"""What a stack costs in the kernel, per event: memtrace's unwinder on a program without frame pointers
beside bpf_get_stackid() on the same program built with them, and an empty program. One run,
interleaved, medians. Prints a table; `--json FILE` writes the figures.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lib import *

TOOLS = os.path.join(BUILD, "stacks")


class Chain:
    def __init__(self, kind):
        self.program = os.path.join(TOOLS, f"chain-{kind}")
        self.process = subprocess.Popen([self.program], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        check(self.process.stdout.readline() == b"ready\n", self.program)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def where(self):
        return f"{self.program}:{self.process.pid}"


def measure():
    """The figures as cost.c says them: a list with one entry for each depth."""
    with Chain("nofp") as without, Chain("fp") as with_fp, Chain("nofp") as empty, \
            Trace("-p", without.process.pid) as trace:
        trace.await_start()
        chains = [without, with_fp, empty]
        ends = [f.fileno() for c in chains for f in (c.process.stdin, c.process.stdout)]

        def place():
            for i, fd in enumerate([os.dup2(fd, 100 + i, False) for i, fd in enumerate(ends)]):
                os.dup2(fd, 3 + i, True)

        r = subprocess.run([os.path.join(TOOLS, "cost"), str(trace.process.pid),
                            *(c.where() for c in chains)], capture_output=True, text=True,
                           preexec_fn=place, close_fds=False, timeout=300)
        check(r.returncode == 0, f"cost: {r.stderr[-1000:]}")
        return json.loads(r.stdout)


def table(figures):
    print(f"{'frames':>6}  {'memtrace ns':>20}  {'bpf_get_stackid ns':>20}  {'empty ns':>9}  ratio")
    for f in figures:
        own, peer = f["unwind"], f["stackid"]
        print(f"{f['depth']:6}  {own['median_ns']:7.0f} ({own['least_ns']:4.0f}-{own['most_ns']:5.0f})"
              f"  {peer['median_ns']:8.0f} ({peer['least_ns']:4.0f}-{peer['most_ns']:5.0f})"
              f"  {f['empty']['median_ns']:9.0f}  {own['median_ns'] / peer['median_ns']:5.2f}"
              f"  (frames found: {own['frames']} and {peer['frames']})")


if __name__ == "__main__":
    result = measure()
    table(result)
    if sys.argv[1:2] == ["--json"]:
        with open(sys.argv[2], "w") as f:
            json.dump(result, f, indent=1)
