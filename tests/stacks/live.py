"""Compares memtrace's stacks with those that eu-stack reads from the stopped process.

    live.py [--samples N] [--json FILE] [PROGRAM ...]

A BPF program takes memtrace's stack at the entry of a random allocation and sends SIGSTOP in the same
moment; eu-stack attaches to the thread that stands there. The tables are those of a memtrace in its
watch mode: with its return probes in place a debugger would see the kernel's trampoline in place of
the caller. Prints a table of frames that agree.
"""
import argparse

from workloads import *

SAMPLES = 130  # of each program
ONE_INSTRUCTION = 15  # bytes at most: the probed one is carried out before the stop


class Counts:
    def __init__(self):
        self.samples = self.equal = self.frames = self.frames_equal = self.late = 0
        self.early = self.hidden = 0
        self.differences = []

    def json(self):
        return dict(vars(self), differences=self.differences[:5])


def state(pid, tid):
    with open(f"/proc/{pid}/task/{tid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0]


def code_ranges(pid):
    with open(f"/proc/{pid}/maps") as f:
        lines = [line.split(maxsplit=2) for line in f]
    return [tuple(int(a, 16) for a in where.split("-")) for where, flags, _ in lines
            if "x" in flags]


def debugger_stack(pid, tid):
    """The frames that eu-stack finds, to the first address that is no code. It follows anything
    where it has no tables."""
    r = subprocess.run(["/usr/bin/eu-stack", "-q", "-1", "-n", "512", "-p", str(tid)],
                       capture_output=True, text=True, timeout=60)
    code, frames = code_ranges(pid), []
    for line in r.stdout.splitlines():
        if not line.startswith("#"):
            continue
        pc = int(line.split()[1], 16)
        if not any(a <= pc < b for a, b in code):
            break
        frames.append(pc)
    return frames


def compare(counts, sample, theirs):
    ours = [int(pc, 16) for pc in sample["stack"]]
    if not theirs or not 0 <= theirs[0] - ours[0] <= ONE_INSTRUCTION:
        counts.late += 1  # the thread does not stand where the event was
        return
    theirs[0] = ours[0]
    if not sample["complete"]:  # as it says: what it has must be right
        counts.early += len(theirs) > len(ours)
        theirs = theirs[:len(ours)]
    if sample["trampoline"] in theirs:  # of some other tracer's return probe
        counts.hidden += 1
        return
    agree = sum(1 for a, b in zip(ours, theirs) if a == b)
    counts.samples += 1
    counts.equal += ours == theirs
    counts.frames += max(len(ours), len(theirs))
    counts.frames_equal += agree
    if ours != theirs:
        counts.differences.append({"end": sample["end"], "memtrace": [f"{a:x}" for a in ours],
                                   "eu-stack": [f"{a:x}" for a in theirs]})


def take(workload, trace, samples, counts):
    with subprocess.Popen([os.path.join(BUILD, "stacks/validate"), "--stop",
                           "--tracer", str(trace.process.pid), "-p", str(workload.pid),
                           *workload.probes(), "--every", "400", "--seconds", "20"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stopper:
        check(stopper.stdout.readline(), "validate did not start")
        for _ in range(5 * samples):
            if counts.samples == samples:
                break
            stopper.stdin.write("\n")
            stopper.stdin.flush()
            line = stopper.stdout.readline()
            check(line, f"{workload.name} made no event in 20 s")
            sample = json.loads(line)
            await_that(lambda: state(workload.pid, sample["tid"]) in "Tt", "the stop", 10)
            compare(counts, sample, debugger_stack(workload.pid, sample["tid"]))
        stopper.stdin.close()


def sampled(workload, samples):
    counts = Counts()
    with workload, Trace("-p", workload.pid, "--mode", "watch") as trace:
        trace.await_start()
        trace.await_tick()
        take(workload, trace, samples, counts)
        trace.stop()
    return counts


def share(part, whole):
    return f"{100 * part / whole:.3f} %" if whole else "-"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--json")
    parser.add_argument("programs", nargs="*")
    args = parser.parse_args()
    total, results = Counts(), {}
    print(f"{'program':14} {'samples':>8} {'equal':>8} {'frames':>8} {'that agree':>11}  "
          "late, end early and say so, not counted: a probe hides frames")
    for workload in chosen(args.programs):
        try:
            counts = sampled(workload, args.samples)
        except AssertionError as e:
            print(f"{workload.name:14} failed: {e}", flush=True)
            results[workload.name] = {"failed": str(e)}
            continue
        results[workload.name] = counts.json()
        for key in ("samples", "equal", "frames", "frames_equal", "late", "early", "hidden"):
            setattr(total, key, getattr(total, key) + getattr(counts, key))
        print(f"{workload.name:14} {counts.samples:8} {counts.equal:8} {counts.frames:8} "
              f"{share(counts.frames_equal, counts.frames):>11}  {counts.late}, {counts.early}, "
              f"{counts.hidden}", flush=True)
    print(f"{'all':14} {total.samples:8} {total.equal:8} {total.frames:8} "
          f"{share(total.frames_equal, total.frames):>11}  {total.late}, {total.early}, "
          f"{total.hidden}")
    if args.json:
        with open(args.json, "w") as f:
            json.dump(results, f, indent=1)


if __name__ == "__main__":
    main()
