"""Whatever happens to memtrace or to its target, the target goes on as before."""
import ctypes
import mmap
import random
import shutil
import statistics
import struct
import threading

from kernel import *
from lib import *

# speed per CPU time, which a busy sibling of this CPU lowers
ALONE = ["test_sigkill_of_memtrace_at_any_moment_leaves_the_target_at_full_speed"]
SEED = 20
SHARE_OF_SPEED = 0.6 # of the speed before; a probe that stayed would leave less than a tenth
FULL = ("--mode", "full", "--budget", 0, "--interval", 1, "--top", 1000)


class Spinner(Target):
    """steady spin, whose rounds can be read from outside."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile(prefix="memtrace-rounds-")
        self.file.write(bytes(4096))
        self.file.flush()
        self.rounds = mmap.mmap(self.file.fileno(), 4096)
        super().__init__("steady", "spin", self.file.name)
        self.expect("ready")

    def cpu_s(self):
        with open(f"/proc/{self.pid}/schedstat") as f:
            return int(f.read().split()[0]) / 1e9

    def speed(self):
        """Rounds per second of CPU time: what others do on this machine does not count."""
        speeds = []
        for _ in range(3):
            rounds, cpu = struct.unpack("Q", self.rounds[:8])[0], self.cpu_s()
            await_true("the target to run for 0.1 s", lambda: self.cpu_s() > cpu + 0.1)
            spent = self.cpu_s() - cpu
            speeds.append((struct.unpack("Q", self.rounds[:8])[0] - rounds) / spent)
        return statistics.median(speeds)

    def end(self):
        super().end()
        self.rounds.close()
        self.file.close()


def attach_time(pid):
    """Seconds from the start of memtrace to its start record, and from SIGINT to its end."""
    begun = time.monotonic()
    with Trace("-p", pid, *FULL) as trace:
        trace.await_start()
        attached = time.monotonic()
        trace.stop()
        return attached - begun, time.monotonic() - attached


def end_after(trace, seconds, signal_number):
    """Sends the signal after that time, or earlier when memtrace ended by itself."""
    try:
        trace.process.wait(seconds)
    except subprocess.TimeoutExpired:
        trace.process.send_signal(signal_number)


# --- memtrace ends -------------------------------------------------------------------------------


def test_sigkill_of_memtrace_at_any_moment_leaves_the_target_at_full_speed():
    pick = random.Random(SEED)
    before = inventory()
    with Spinner() as target:
        bare = target.speed()
        attach_s, detach_s = attach_time(target.pid)
        phases = ["attach"] * 4 + ["trace"] * 3 + ["detach"] * 3
        probed = 0
        for phase in phases:
            with Trace("-p", target.pid, *FULL) as trace:
                if phase == "attach":
                    moment = pick.uniform(0, 1.1 * attach_s)
                else:
                    trace.await_start()
                    moment = pick.uniform(0, 1.0 if phase == "trace" else detach_s)
                if phase == "detach":
                    trace.process.send_signal(signal.SIGINT)
                try:
                    trace.process.wait(moment)
                except subprocess.TimeoutExpired:
                    probed += changed_text(target.pid, "libc.so.6") > 0
                trace.process.kill()
                trace.process.wait()
            check_clean(before, target.pid)
            check(target.alive(), f"the target died of a kill {moment:.3f} s into {phase}")
            after = target.speed()
            check(after > SHARE_OF_SPEED * bare,
                  f"{after:.0f} rounds/s after a kill {moment:.3f} s into {phase}, before it "
                  f"{bare:.0f}")
        check(probed >= 3, f"probes were in place at only {probed} of the {len(phases)} kills")
        print(f"        {len(phases)} kills, {probed} with probes in place; {bare / 1e6:.1f} "
              f"million rounds/s before, {after / 1e6:.1f} after", flush=True)


def test_a_kill_of_its_whole_process_group_leaves_nothing():
    before = inventory()
    with Spinner() as target:
        with Trace("-p", target.pid, *FULL, new_session=True) as trace:
            trace.await_start()
            check(changed_text(target.pid, "libc.so.6") > 0, "no probe is in place")
            os.killpg(trace.process.pid, signal.SIGKILL)
            trace.process.wait()
        check_clean(before, target.pid)


def keeper_of(pid):
    keepers = children_named(pid, "mt-keeper")
    check(len(keepers) == 1, f"memtrace has {len(keepers)} keepers")
    return keepers[0]


def test_when_the_keeper_is_killed_memtrace_says_so_and_watches_on():
    before = inventory()
    with Spinner() as target:
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_start()
            trace.await_tick()
            check(trace.last_sample()["overhead"]["mode"] == "full", "not traced in full mode")
            os.kill(keeper_of(trace.process.pid), signal.SIGKILL)
            told = trace.await_record(lambda r: r["type"] == "process" and r["event"] == "detach")
            check("killed" in told["reason"], f"told {told}")
            check(not probes_in(target.pid), "probes are in without their keeper")
            trace.stop()
            check_clean(before, target.pid)
            check(trace.status == 0, f"status {trace.status}")
            check(trace.of_type("end")[0]["overhead"]["mode"] == "watch", "it says it still traces")
            trace.validate()


HEADLESS = """
import ctypes, os, sys, threading
def stay():
    sys.stdin.read()
    os._exit(0)
print("ready", flush=True)
sys.stdin.buffer.raw.readline()
threading.Thread(target=stay).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_when_the_main_thread_ends_memtrace_says_what_it_cannot_see():
    with Target("/usr/bin/python3", "-c", HEADLESS) as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_tick()
            target.go()
            told = trace.await_record(lambda r: r["type"] == "process" and r["event"] == "detach")
            check("main thread" in told["reason"], f"told {told}")
            trace.await_tick()
            trace.stop()
            trace.validate()
            last = trace.last_sample()
            check(last["rss_bytes"] is None and last["overhead"]["mode"] == "watch" and
                  "main thread" in last["overhead"]["reason"], f"told {last}")


def test_sigint_while_memtrace_starts_ends_it_and_leaves_nothing():
    before = inventory()
    with Spinner() as target:
        attach_s, _ = attach_time(target.pid)
        statuses = []
        for part in (0.02, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0):
            with Trace("-p", target.pid, *FULL) as trace:
                end_after(trace, part * attach_s, signal.SIGINT)
                trace.wait(30)
                statuses.append(trace.status)
                # before it has set up its signals it dies of them, as any program does
                check(trace.status in (0, -signal.SIGINT), f"status {trace.status} after "
                      f"{part * attach_s:.3f} s: {trace.errors()}")
                if trace.status == 0:
                    trace.validate()
            check_clean(before, target.pid)
        check(target.alive(), "the target died")
        print(f"        statuses {statuses}", flush=True)


# --- the target ends -----------------------------------------------------------------------------


def test_processes_that_end_while_they_are_attached():
    pick = random.Random(SEED)
    before = inventory()
    told = []
    with Spinner() as target:
        attach_s, _ = attach_time(target.pid)
    steady = os.path.join(BUILD, "targets", "steady")
    for i in range(8):
        milliseconds = int(1000 * attach_s * pick.uniform(0.3, 1.3))
        child = subprocess.Popen([steady, "quick", str(milliseconds)])
        reaper = threading.Thread(target=child.wait)
        if i % 2: # the others stay zombies
            reaper.start()
        with Trace("-p", child.pid, *FULL) as trace:
            trace.wait(30)
            text = trace.errors()
            check(trace.status in (0, 1), f"status {trace.status}: {text}")
            if trace.status == 0:
                trace.validate()
                check(trace.of_type("end")[0]["reason"] == "target_exit", "no end by target_exit")
                told.append("traced")
            else:
                check("no such process" in text or "exited" in text, f"not told why: {text}")
                told.append("refused")
        reaper.join() if i % 2 else child.wait()
    check_clean(before)
    print(f"        {told.count('traced')} traced to their end, {told.count('refused')} refused",
          flush=True)


def test_a_target_that_is_killed_midway_is_no_error():
    before = inventory()
    with Spinner() as target:
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_start()
            trace.await_tick()
            target.process.kill()
            trace.wait(30)
            check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
            check(trace.of_type("end")[0]["reason"] == "target_exit", "reason")
            trace.validate()
    check_clean(before)


# --- targets in a special state ------------------------------------------------------------------


def state_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0]


def check_rows(trace, truth):
    for row in truth["sites"]:
        mine = [s for s in trace.final_sites() if owned_by(s, row["function"])]
        live = sum(s["live_count"] for s in mine)
        check(live == row["live"], f"{row['function']}: {live} live, truth {row['live']}")


def test_a_stopped_target_is_attached_and_stays_stopped_until_it_is_continued():
    before = inventory()
    with Target("rules", "nested") as target:
        target.expect("ready")
        target.process.send_signal(signal.SIGSTOP)
        await_true("the target to stop", lambda: state_of(target.pid) == "T")
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_start()
            trace.await_tick()
            check(state_of(target.pid) == "T", f"the target is in state {state_of(target.pid)}")
            target.process.send_signal(signal.SIGCONT)
            target.go()
            truth = target.truth()
            trace.await_tick()
            trace.await_tick()
            trace.stop()
            check(trace.status == 0, trace.errors())
            check_rows(trace, truth)
        check_clean(before, target.pid)


def test_a_target_under_a_strict_seccomp_filter_survives():
    before = inventory()
    with Target("steady", "confined") as target:
        target.expect("filter")
        target.expect("ready")
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_start()
            target.go()
            truth = target.truth()
            trace.await_tick()
            trace.await_tick()
            trace.stop()
            check(target.alive(), f"the filter killed it: status {target.process.poll()}")
            check(trace.status == 0, trace.errors())
            trace.validate()
            probed = trace.of_type("start")[0]["allocators"]
            if probed:
                check_rows(trace, truth)
            else:
                check("seccomp" in trace.errors(), f"not told why: {trace.errors()}")
            print(f"        allocators probed under the filter: {[a['name'] for a in probed]}",
                  flush=True)
        check_clean(before, target.pid)
        target.go()
        target.process.wait(10)
        check(target.process.returncode == 0, f"it ended with {target.process.returncode}")


def refused(*args, words, statuses=(1,), program=MEMTRACE):
    """memtrace refuses in one sentence on standard error; nothing on standard output."""
    before = inventory()
    r = subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=60,
                       stdin=subprocess.DEVNULL)
    lines = r.stderr.strip().splitlines()
    check(r.returncode in statuses, f"status {r.returncode}: {r.stderr}")
    check(len(lines) == 1, f"{len(lines)} lines on standard error: {r.stderr}")
    check(all(w in lines[0] for w in words), f"not told why: {lines[0]}")
    check(not r.stdout, f"on standard output: {r.stdout[:200]}")
    check_clean(before)


def test_a_target_that_somebody_traces_is_refused():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    seize, detach, interrupt = 0x4206, 17, 0x4207
    with Spinner() as target:
        check(libc.ptrace(seize, target.pid, None, None) == 0, "cannot seize the target")
        refused("-p", target.pid, words=("traced by", str(os.getpid())))
        check(libc.ptrace(interrupt, target.pid, None, None) == 0, "cannot interrupt the target")
        os.waitpid(target.pid, 0)
        check(libc.ptrace(detach, target.pid, None, None) == 0, "cannot let the target go")
        with Trace("-p", target.pid, "--duration", 1) as trace:
            trace.wait()
            check(trace.status == 0, f"let go, still refused: {trace.errors()}")


def test_a_kernel_thread_is_refused():
    refused("-p", 2, words=("kernel thread",))


def test_memtrace_does_not_trace_itself():
    before = inventory()
    r = subprocess.run(["sh", "-c", 'exec "$0" -p $$', MEMTRACE], capture_output=True, text=True,
                       timeout=60)
    check(r.returncode == 1, f"status {r.returncode}: {r.stderr}")
    check("itself" in r.stderr and len(r.stderr.strip().splitlines()) == 1, r.stderr)
    check_clean(before)


def test_a_zombie_is_refused():
    child = subprocess.Popen(["true"])
    await_true("the child to become a zombie", lambda: state_of(child.pid) == "Z")
    refused("-p", child.pid, words=("zombie",))
    child.wait()


def test_a_32_bit_program_is_refused():
    folder = tempfile.mkdtemp(prefix="memtrace-32-")
    try:
        source, program = os.path.join(folder, "p.c"), os.path.join(folder, "p")
        # no libraries: the headers and start files of a 32-bit C library are rarely there
        with open(source, "w") as f:
            f.write("void _start(void)\n{\n\tfor (;;)\n\t\t__asm__ volatile(\"int $0x80\" "
                    ": : \"a\"(29));\n}\n")
        r = subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-fno-pie", "-no-pie", source,
                            "-o", program], capture_output=True, text=True)
        if r.returncode:
            print(f"        skipped: gcc -m32 does not work ({r.stderr.splitlines()[-1][:80]})")
            return
        try:
            child = subprocess.Popen([program])
        except OSError as e:
            print(f"        skipped: this kernel does not run 32-bit programs ({e.strerror})")
            return
        try:
            refused("-p", child.pid, words=("32-bit",))
        finally:
            child.kill()
            child.wait()
    finally:
        shutil.rmtree(folder)


# --- under the sanitizers ------------------------------------------------------------------------


SANITIZED = os.path.join(BUILD, "san", "memtrace")


def check_no_report(trace):
    text = trace.errors()
    check(trace.status == 0, f"status {trace.status}: {text[-3000:]}")
    for word in ("Sanitizer", "runtime error"):
        check(word not in text, f"the sanitizer says: {text[-3000:]}")


def test_the_sanitizers_have_nothing_to_say_about_a_whole_trace():
    with Target("rules", "nested") as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL, "--events", program=SANITIZED) as trace:
            trace.await_start()
            target.go()
            truth = target.truth()
            trace.await_tick()
            trace.await_tick()
            trace.stop()
            check_no_report(trace)
            check_rows(trace, truth)


def test_the_sanitizers_have_nothing_to_say_when_the_target_ends_midway():
    with Target("rules", "fork") as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL, "--follow", program=SANITIZED) as trace:
            trace.await_start()
            target.go()
            target.expect("child")
            trace.await_record(lambda r: r["type"] == "start" and r["pid"] != target.pid)
            target.process.kill() # its child sees the end of standard input and goes too
            target.process.stdin.close()
            trace.wait()
            check_no_report(trace)


def test_the_sanitizers_have_nothing_to_say_about_an_exec():
    with Target("rules", "exec") as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL, program=SANITIZED) as trace:
            trace.await_start()
            target.go()
            target.expect("executed")
            trace.await_tick()
            target.go()
            target.truth()
            trace.await_tick()
            trace.stop()
            check_no_report(trace)


if __name__ == "__main__":
    run(globals())
