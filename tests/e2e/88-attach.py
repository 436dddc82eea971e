"""Probes go in and out of running processes, many times and of many at once, and harm nobody."""
import mmap
import random
import struct

from kernel import *
from lib import *

KILLS = int(os.environ.get("KILLS", 10)) # `make check-kills`: 100
SEED = int(os.environ.get("SEED", 88))
WINDOWS = os.path.join(BUILD, "stalls", "windows")


def test_probes_go_out_and_in_again():
    before = inventory()
    r = subprocess.run([WINDOWS, "check"], capture_output=True, text=True)
    print(r.stdout, end="", flush=True)
    check(r.returncode == 0, f"status {r.returncode}: {r.stderr}")
    check_clean(before)


# --- memtrace is killed --------------------------------------------------------------------------


class Rounds:
    """A file in whose first eight bytes a target counts its rounds."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile(prefix="memtrace-rounds-")
        self.file.write(bytes(4096))
        self.file.flush()
        self.name = self.file.name
        self.bytes = mmap.mmap(self.file.fileno(), 4096)

    def count(self):
        return struct.unpack("Q", self.bytes[:8])[0]

    def check_advances(self, after):
        seen = self.count()
        await_true(f"the target to go on after {after}", lambda: self.count() > seen + 1000)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bytes.close()
        self.file.close()


def kill_a_trace(target, pick, phase, span_s):
    """SIGKILL at any moment while memtrace starts, traces, or, after SIGINT, ends."""
    moment = pick.uniform(0, span_s if phase == "start" else 1.0 if phase == "trace" else 0.3)
    with Trace("-p", target.pid, "--mode", "full", "--budget", 0, "--interval", 1) as trace:
        if phase != "start":
            trace.await_start()
        if phase == "end":
            trace.process.send_signal(signal.SIGINT)
        try:
            trace.process.wait(moment)
        except subprocess.TimeoutExpired:
            pass
        probed = changed_text(target.pid, "libc.so.6") > 0
        trace.process.kill()
        trace.process.wait()
    return moment, probed


def kill_windows(rounds, pick):
    """The same while probes go in and out; returns the target, which goes on."""
    process = subprocess.Popen([WINDOWS, "churn", rounds.name], stdout=subprocess.PIPE, text=True)
    target = int(process.stdout.readline())
    if pick.random() < 0.8:
        check(process.stdout.readline() == "attached\n", "the probes did not go in")
    moment = pick.uniform(0, 0.4)
    time.sleep(moment) # a random moment is what is wanted
    probed = changed_text(target, "windows") > 0
    process.kill()
    process.wait()
    process.stdout.close()
    return target, moment, probed


def test_kills_in_traces_leave_the_target_undisturbed():
    pick = random.Random(SEED)
    before = inventory()
    probed = 0
    with Rounds() as rounds, Target("steady", "spin", rounds.name) as target:
        target.expect("ready")
        begun = time.monotonic()
        with Trace("-p", target.pid, "--mode", "full", "--budget", 0, "--interval", 1) as trace:
            trace.await_start()
            span_s = 1.1 * (time.monotonic() - begun)
            trace.stop()
        for i in range(KILLS // 2):
            phase = ("start", "trace", "end")[i % 3]
            moment, was_in = kill_a_trace(target, pick, phase, span_s)
            probed += was_in
            check(target.alive(), f"the target died of kill {i}, {moment:.3f} s into {phase}")
            check_clean(before, target.pid)
            rounds.check_advances(f"kill {i}, {moment:.3f} s into {phase}")
    check(probed >= KILLS // 10, f"probes were in place at only {probed} kills")
    print(f"        {KILLS // 2} kills, {probed} with probes in place", flush=True)


def test_kills_while_probes_go_in_and_out_leave_the_target_undisturbed():
    pick = random.Random(SEED)
    before = inventory()
    probed = 0
    for i in range(KILLS // 2):
        with Rounds() as rounds:
            target, moment, was_in = kill_windows(rounds, pick)
            probed += was_in
            try:
                check_clean(before, target, "windows")
                rounds.check_advances(f"kill {i}, {moment:.3f} s")
            finally:
                os.kill(target, signal.SIGKILL)
    check(probed >= KILLS // 10, f"probes were in place at only {probed} kills")
    print(f"        {KILLS // 2} kills, {probed} with probes in place", flush=True)


if __name__ == "__main__":
    run(globals())
