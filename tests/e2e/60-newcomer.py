"""What somebody who sees memtrace for the first time would be misled by, on small programs.

All programs of a test are traced at once by one memtrace: a verdict takes its twenty seconds.
"""
import os
import signal
import subprocess
import tempfile

from lib import *

PYTHON = "/usr/bin/python3"
BEGIN = """import ctypes, mmap, os, sys, time
print('ready', flush=True)
begun, turns = time.monotonic(), 0

def turn(seconds):
    \"\"\"One every so many seconds on average, also where the machine is busy at times.\"\"\"
    global turns
    turns += 1
    time.sleep(max(begun + turns * seconds - time.monotonic(), 0))

"""

# Pages of a file, mapped and read and never unmapped: no call site of anonymous memory grows.
FILE_MAPPINGS = BEGIN + """
kept = []
file = os.open(sys.argv[1], os.O_RDONLY)
while True:
    kept.append(mmap.mmap(file, 0, prot=mmap.PROT_READ))
    sum(kept[-1][i] for i in range(0, len(kept[-1]), 4096))
    turn(0.05)
"""

# One array that doubles when it is full: its site makes jumps, the process grows steadily.
DOUBLING = BEGIN + """
room, used, page = 1 << 20, 0, b"x" * 4096
libc = ctypes.CDLL(None)
libc.realloc.restype = ctypes.c_void_p
libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
array = libc.realloc(None, room)
while True:
    for i in range(8):
        ctypes.memmove(array + used, page, len(page))
        used += len(page)
        if used == room:
            room *= 2
            array = libc.realloc(array, room)
    turn(0.02)
"""

# Threads that end at once and that nobody joins: 8 MB of addresses each, of which 8 kB are there.
UNJOINED = BEGIN + """
libc = ctypes.CDLL(None)
thread = ctypes.c_ulong()
while True:
    libc.pthread_create(ctypes.byref(thread), None, libc.getpid, None)
    turn(0.05)
"""

# A table that grows for twelve seconds and is full then, while work goes on.
TABLE = BEGIN + """
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
while True:
    block = libc.malloc(2000)
    if turns * 0.005 > 12:
        libc.free(block)
    turn(0.005)
"""


class Programs:
    """Programs in Python, each in a process of its own, and files that they may read."""

    def __init__(self, *programs):
        self.folder = tempfile.TemporaryDirectory(prefix="memtrace-newcomer-")
        file = os.path.join(self.folder.name, "data")
        with open(file, "wb") as f:
            f.write(b"data" * (128 << 8))
        self.processes = [
            subprocess.Popen([PYTHON, "-c", p, file], stdout=subprocess.PIPE, text=True)
            for p in programs]
        self.pids = [p.pid for p in self.processes]
        for process in self.processes:
            check(process.stdout.readline() == "ready\n", "a program did not begin")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
        self.folder.cleanup()


def trace(programs, seconds, *more):
    args = [a for pid in programs.pids for a in ("-p", pid)]
    with Trace(*args, "--duration", seconds, "--interval", 2, *more) as t:
        t.wait()
        check(t.status == 0, f"status {t.status}: {t.errors()}")
        t.validate()
        return t


def test_a_process_that_grows_steadily_is_not_acquitted_because_no_site_does():
    with Programs(FILE_MAPPINGS, DOUBLING) as programs:
        t = trace(programs, 25)
        for name, pid in zip(("file mappings", "a doubling array"), programs.pids):
            rss = [s["rss_bytes"] for s in t.of_type("sample", pid)]
            check(rss[-1] - rss[0] > 8 << 20, f"{name}: grew only {rss[-1] - rss[0]} bytes")
            check(t.verdict(pid) != "no_leak", f"{name}: {t.verdict(pid)}")


def test_stacks_of_threads_nobody_joins_count_what_is_resident_of_them():
    with Programs(UNJOINED) as programs:
        t = trace(programs, 25)
        check(t.verdict() == "leak", t.verdict())
        grown = t.last_sample()["rss_bytes"] - t.of_type("sample")[0]["rss_bytes"]
        stacks = [l for l in t.leaks() if l["class"] == "thread_stacks" and not l.get("comes_with")]
        check(len(stacks) == 1, f"leaks: {[(l['class'], l['size_bytes']) for l in t.leaks()]}")
        parts = [l for l in t.leaks() if l.get("comes_with")] # what each thread is given
        check(all(l["comes_with"] == stacks[0]["leak_id"] for l in parts), f"parts of others: {parts}")
        leak = stacks[0]
        check(leak["leak_type"] == "thread", leak["leak_type"])
        check(leak["count"] > 200, f"{leak['count']} stacks")
        check(leak["size_bytes"] < 2 * grown + (1 << 20),
              f"{leak['size_bytes']} bytes of stacks in a process that grew {grown}")
        check(leak["severity"] in ("low", "medium"), leak["severity"])


def test_a_table_that_is_full_ends_without_a_leak():
    with Programs(TABLE) as programs:
        t = trace(programs, 40)
        check(t.verdict() == "no_leak", t.verdict())


def test_no_line_of_a_report_is_wider_than_100_columns():
    with Programs(UNJOINED, TABLE) as programs:
        args = [str(a) for pid in programs.pids for a in ("-p", pid)]
        r = subprocess.run([MEMTRACE, *args, "--duration", "18", "--interval", "3"],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        check(r.returncode == 0, r.stderr)
        check(r.stdout.count("VERDICT: ") == 2, r.stdout[-500:])
        wide = [line for line in r.stdout.splitlines() if len(line) > 100]
        check(not wide, f"{len(wide)} lines, the first: {wide[:1]}")


if __name__ == "__main__":
    run(globals())
