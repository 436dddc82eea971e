"""memtrace in its modes, and its peers: each is attached to a process when it is made and taken out by
stop(). What cannot be had here raises Unavailable with the reason, which the table tells.
"""
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lib import BUILD, MEMTRACE, ROOT, Trace

import procs

ATTACH_S = 40 # a peer that takes longer is told as such


class Unavailable(Exception):
    pass


class Tracer:
    """Nothing is attached: the untraced run."""

    def __init__(self, pid, library=None):
        self.process = None

    def pids(self):
        return procs.tree(self.process.pid) if self.process else []

    def settled(self):
        """Whether it works as it will from now on."""
        return True

    def stop(self):
        """Takes it out; what it says of itself."""
        return {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Memtrace(Tracer):
    options = ()
    top = 1000 # call sites that it tells

    def __init__(self, pid, library=None, options=None, interval=2):
        self.trace = Trace("-p", pid, *self.arguments(), *(options or ()), "--interval", interval,
                           "--top", self.top)
        self.process = self.trace.process
        procs.started.append(self.process)
        self.facts = None
        try:
            self.trace.await_start()
        except AssertionError as e:
            self.stop()
            raise Unavailable(str(e).strip().splitlines()[-1][-150:]) from None
        except BaseException:
            self.stop()
            raise

    def arguments(self):
        return self.options

    def elapsed(self):
        """Seconds that the last sample is of."""
        self.trace.poll()
        return self.trace.last_sample()["elapsed_s"]

    def settled(self):
        """What there is to find out about a process is found out, and a budget has been met, when the
        second look is done."""
        self.trace.poll()
        return any(r["seq"] >= 1 for r in self.trace.of_type("sample"))

    def stop(self):
        if self.facts is None:
            self.facts = {}
            try:
                self.trace.stop()
                self.facts = told(self.trace)
            except AssertionError as e:
                self.facts = {"failed": str(e)[-200:]}
            finally:
                self.trace.__exit__()
                procs.started[:] = [p for p in procs.started if p is not self.process]
        return self.facts


def told(trace):
    """Losses and whole stacks, as memtrace's records say them."""
    samples = trace.of_type("sample")
    sites = {s["site_id"]: s for s in trace.of_type("site") if s["kind"] == "heap"}.values()
    whole = sum(s["allocated_count"] for s in sites if s["stack_complete"])
    count = sum(s["allocated_count"] for s in sites)
    facts = {"samples": len(samples), "allocations_told": counted(samples),
             "whole_stacks": whole / count if count else None,
             "verdict": [r["verdict"] for r in trace.of_type("end")]}
    if samples:
        facts.update(lost={k: v for k, v in samples[-1]["lost"].items() if v},
                     overhead=samples[-1].get("overhead"),
                     allocations=samples[-1].get("allocator"))
    return facts


def counted(samples):
    """Allocations from the first sample to the last: rates times the seconds that they are of."""
    total, before = 0, 0
    for s in samples:
        total += (s["allocator"].get("alloc_per_s") or 0) * (s["elapsed_s"] - before)
        before = s["elapsed_s"]
    return total


@functools.cache
def help_text():
    return subprocess.run([MEMTRACE, "--help"], capture_output=True, text=True).stdout


class Full(Memtrace):
    top = 10000
    options = ("--mode", "full", "--budget", "0")


class Watch(Memtrace):
    options = ("--mode", "watch")



class Auto(Memtrace):
    """As it comes: it may watch until something grows."""
    options = ("--budget", "5")


def can_sample():
    return "sample: not in this version" not in " ".join(help_text().split())


class Budget(Memtrace):
    """With allocator probes from the beginning, so far as the budget allows."""

    def arguments(self):
        if not can_sample():
            raise Unavailable("not in this version")
        return ("--mode", "sample", "--budget", "5")


class Sample(Memtrace):
    def arguments(self):
        if not can_sample():
            raise Unavailable("not in this version")
        gap = ("--sample-bytes", "524288") if "--sample-bytes" in help_text() else ()
        return ("--mode", "sample", "--budget", "0", *gap)


class Floor(Tracer):
    """Empty programs where a memtrace on another process with a copy of the same file has its."""
    returns = ()

    def __init__(self, pid, library=None, like=None):
        if like is None:
            raise Unavailable("there is no memtrace to follow")
        self.process = procs.start([os.path.join(BUILD, "bench/floor"), like, pid, library,
                                    *self.returns], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.told = self.process.stdout.readline()
        if not self.told:
            why = self.process.stderr.read().strip()
            self.stop()
            raise Unavailable(why)

    def stop(self):
        procs.end(self.process, signal.SIGTERM)
        return {"floor": self.told.strip()}


class FloorReturns(Floor):
    returns = ("--returns",)


@functools.cache
def memleak_command():
    r = subprocess.run([os.path.join(ROOT, "tests/stacks/fetch-memleak.sh")], capture_output=True,
                       text=True, env=dict(os.environ, BUILD=os.path.relpath(BUILD, ROOT)))
    if r.returncode:
        raise Unavailable("memleak-libbpf: " + (r.stderr.strip().splitlines() or ["?"])[-1])
    return r.stdout.split()


class Peer(Tracer):
    """A program whose output goes to a file, where it is awaited that it says something."""
    stop_by, stop_s = signal.SIGINT, 30

    def begin(self, argv, ready, **kw):
        self.folder = procs.folder()
        self.log = os.path.join(self.folder, "log")
        self.process = None
        try:
            with open(self.log, "w") as log:
                self.process = procs.start(
                    [a.replace("FOLDER", self.folder) for a in map(str, argv)], stdout=log,
                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **kw)
            procs.await_that(lambda: ready() or self.process.poll() is not None, "attaching",
                             ATTACH_S)
            if self.process.poll() is not None:
                raise Unavailable(f"ended with {self.process.returncode}: {self.complaint()}")
        except (Unavailable, OSError, TimeoutError) as e:
            self.stop()
            raise Unavailable(" ".join(str(e).split())) from None

    def complaint(self):
        """The first line that tells of a failure, else the last one."""
        lines = self.said().splitlines() or ["nothing said"]
        return next((l for l in lines if re.search("fail|error|no program", l, re.I)), lines[-1])[:150]

    def said(self):
        with open(self.log, errors="replace") as f:
            return f.read().strip()

    def stop(self):
        facts = {}
        if self.process and self.process.poll() is None:
            begun = time.monotonic()
            asked = procs.end(self.process, self.stop_by, self.stop_s)
            facts["detach_s"] = time.monotonic() - begun
            if not asked:
                facts["failed"] = f"had to be killed after {self.stop_s} s"
        procs.remove(self.folder)
        return facts


class Memleak(Peer):
    def __init__(self, pid, library=None):
        # it has room for 31 letters of a path, and says nothing before its output is full
        folder, name = os.path.split(library) if library else (None, None)
        self.seen = [0]
        self.begin([*memleak_command(), "-p", pid, *(["-O", f"./{name}"] if library else []),
                    "-T", "10", "86400"], self.all_in, cwd=folder)

    def all_in(self):
        """Its probes are in: at least some, and no more in 0.3 s."""
        self.seen.append(probe_events(self.process.pid))
        return self.seen[-1] > 0 and len(self.seen) > 15 and len(set(self.seen[-15:])) == 1


def memleak_whole(pid, seconds):
    """Of the allocations that memleak tells as outstanding after so many seconds, the share whose
    stacks end where the thread begins; None when it tells none."""
    out = subprocess.run([*memleak_command(), "-p", str(pid), "-T", "1000", str(seconds), "1"],
                         capture_output=True, text=True, timeout=seconds + 60).stdout
    stacks = []
    for line in out.splitlines():
        if head := re.match(r"\d+ bytes in (\d+) allocations from stack", line):
            stacks.append([int(head[1]), ""])
        elif stacks and (frame := re.match(r"\s+\d+ \[<[0-9a-f]+>\] ?(\w*)", line)):
            stacks[-1][1] = frame[1]
    count = sum(n for n, _ in stacks)
    whole = sum(n for n, last in stacks if last in ("_start", "clone", "__clone", "clone3", "__clone3"))
    return whole / count if count else None


def probe_events(pid):
    """How many perf events a process holds."""
    count = 0
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            count += os.readlink(f"/proc/{pid}/fd/{fd}") == "anon_inode:[perf_event]"
    except OSError:
        pass
    return count


class Heaptrack(Peer):
    """It stays in the process for good: the process is ended, not it."""
    stop_s = 25

    def __init__(self, pid, library=None):
        if not shutil.which("heaptrack") or not shutil.which("gdb"):
            raise Unavailable("heaptrack or gdb is not installed")
        self.target = pid
        self.begin(["heaptrack", "-r", "-o", "FOLDER/data", "-p", pid],
                   lambda: "injection finished" in self.said())
        if not any("heaptrack_inject" in line for line in open(f"/proc/{pid}/maps")):
            self.stop()
            raise Unavailable("nothing was injected")


class PerfFaults(Peer):
    """Every page fault with 8 KiB of stack."""

    def __init__(self, pid, library=None):
        if not shutil.which("perf"):
            raise Unavailable("perf is not installed")
        self.begin(["perf", "record", "-q", "-e", "page-faults", "-c", "1", "--call-graph", "dwarf",
                    "-o", "FOLDER/data", "-p", pid], lambda: probe_events(self.process.pid) > 0)


TRACERS = {
    "untraced": Tracer, "floor": Floor, "floor+returns": FloorReturns, "full": Full,
    "sample": Sample, "watch": Watch, "auto": Auto, "budget": Budget, "memleak": Memleak, "heaptrack": Heaptrack,
    "perf": PerfFaults,
}
HEADINGS = {
    "untraced": "untraced", "floor": "empty probes", "floor+returns": "empty probes with returns",
    "full": "memtrace full", "sample": "memtrace sample", "watch": "memtrace watch",
    "auto": "memtrace auto, --budget 5", "budget": "memtrace sample, --budget 5", "memleak": "memleak-libbpf", "heaptrack": "heaptrack -p",
    "perf": "perf, page faults with stacks",
}
