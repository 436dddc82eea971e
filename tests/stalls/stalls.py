"""Whether a loaded server's requests are delayed while memtrace attaches to it and detaches.

  tests/stalls/stalls.py [ROUNDS] [memtrace's arguments]      50 rounds without

Rounds with and without memtrace alternate, equally long. The bar is 20 ms. On a machine that others
use there are slower requests without memtrace, too: numbers are to be compared. What a request
waits for is told apart by APART=1: memtrace has the first CPU, the server and its client the last,
so that they wait for locks and for the kernel, and not because memtrace computes.
"""
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
ALL = sorted(os.sched_getaffinity(0))
CPUS = [ALL[:1], ALL[-1:]] if os.environ.get("APART") else [ALL, ALL]


class Server:
    def __init__(self):
        self.process = subprocess.Popen([os.path.join(BUILD, "stalls", "delays")], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=lambda: os.sched_setaffinity(0, CPUS[1]))
        self.pid = int(self.process.stdout.readline())

    def delays(self):
        """(requests, longest in ms, over 5 ms, over 20 ms) since the last call."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        n, longest_us, over5, over20 = map(int, self.process.stdout.readline().split())
        return n, longest_us / 1e3, over5, over20

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def trace(pid, args):
    begun = time.monotonic()
    r = subprocess.run([os.path.join(BUILD, "memtrace"), "-p", str(pid), "--json", *args],
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                       preexec_fn=lambda: os.sched_setaffinity(0, CPUS[0]))
    if r.returncode:
        sys.exit(f"memtrace: status {r.returncode}: {r.stderr}")
    return time.monotonic() - begun


def show(what, rounds):
    longest = sorted(r[1] for r in rounds)
    print(f"{what:9} longest request of a round: median {statistics.median(longest):6.2f} ms, "
          f"of ten the highest {longest[len(longest) * 9 // 10]:6.2f}, highest {longest[-1]:6.2f}; "
          f"{sum(r[2] for r in rounds)} above 5 ms and {sum(r[3] for r in rounds)} above 20 ms "
          f"of {sum(r[0] for r in rounds)}")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    args = sys.argv[2:] or ["--mode", "full", "--interval", "1", "--duration", "1"]
    server = Server()
    bare, traced = [], []
    for _ in range(count):
        server.delays()
        seconds = trace(server.pid, args)
        traced.append(server.delays())
        time.sleep(seconds)
        bare.append(server.delays())
    show("untraced", bare)
    show("traced", traced)
    server.end()


main()
