"""Processes of the benchmark: every one is ended by its id, and what they used is read."""
import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

started = [] # all that were ever started here and still run, for the end
scratch = [] # folders that are there, likewise


# ended by SIGTERM in order, as by SIGINT
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def folder():
    scratch.append(tempfile.mkdtemp(prefix="memtrace-bench-"))
    return scratch[-1]


def remove(path):
    if path in scratch:
        scratch.remove(path)
        shutil.rmtree(path, ignore_errors=True)


def start(argv, **kw):
    process = subprocess.Popen([str(a) for a in argv], **kw)
    started.append(process)
    return process


def await_that(condition, what, timeout):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout} s")
        time.sleep(0.02)


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                found += [int(c) for c in f.read().split()]
    except OSError:
        pass
    return found


def tree(pid):
    """The process and all below it."""
    found = [pid]
    for pid in found:
        found += children(pid)
    return found


def end(process, by=signal.SIGINT, timeout=30):
    """Asks a process to end, and ends it and what it started if it does not. Whether it did."""
    family = tree(process.pid)[1:]
    asked = True
    if process.poll() is None:
        process.send_signal(by)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            asked = False
            process.kill()
            process.wait()
    started[:] = [p for p in started if p is not process]
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()
    # a child that is reaped by init now; one with a shared id would have to be born meanwhile
    for pid in family:
        if exists(pid) and parent(pid) == 1:
            os.kill(pid, signal.SIGKILL)
    return asked


def exists(pid):
    return os.path.exists(f"/proc/{pid}")


def stat(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()


def parent(pid):
    try:
        return int(stat(pid)[1])
    except OSError:
        return None


@atexit.register
def end_all():
    for process in reversed(list(started)):
        end(process, signal.SIGTERM, 10)
    for path in list(scratch):
        remove(path)


def settle(tracer, work, timeout=60):
    """Works until the tracer has settled, once at least; the sum of what work() gave."""
    deadline, total = time.monotonic() + timeout, work() or 0
    while not tracer.settled():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the tracer has not settled within {timeout} s")
        total += work() or 0
    return total


def cpu_ns(*pids):
    """CPU time of the processes with all their threads, also those that ended, to the nanosecond
    (the clock of another process: see clock_getcpuclockid(3))."""
    total = 0
    for pid in pids:
        try:
            total += time.clock_gettime_ns(~pid << 3 | 2)
        except OSError:
            pass  # it has ended
    return total


def rss_bytes(*pids):
    """Resident memory; what several of them share is counted once."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:"))
        except OSError:
            pass
    return total


def descriptors(*pids):
    """What the kernel tells of each descriptor that the processes hold."""
    for pid in pids:
        try:
            for fd in os.listdir(f"/proc/{pid}/fdinfo"):
                with open(f"/proc/{pid}/fdinfo/{fd}") as f:
                    told = (line.split(":", 1) for line in f if ":" in line)
                    yield {key: value.strip() for key, value in told}
        except OSError:
            pass


def program_ns(*pids):
    """Time that the kernel spent in the BPF programs the processes hold, where it counts that
    (kernel.bpf_stats_enabled); each program once."""
    return sum({d["prog_id"]: int(d["run_time_ns"])
                for d in descriptors(*pids) if "run_time_ns" in d}.values())


def map_bytes(*pids):
    """Kernel memory of the BPF maps that the processes hold; each map once."""
    return sum({d["map_id"]: int(d["memlock"])
                for d in descriptors(*pids) if "map_id" in d}.values())
