"""What end-to-end tests share: starting targets, tracing them, reading records, comparing.

A test is a file NN-name.py of functions test_*(); each is a sentence. They need root and BPF, and
say so with status 77 after `memtrace doctor` has said it. Nothing here sleeps to wait for a state:
targets print markers and wait for a line, memtrace's records are awaited.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
MEMTRACE = os.environ.get("MEMTRACE", os.path.join(BUILD, "memtrace"))

# A shell starts background jobs with SIGINT ignored, which every child would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Skip(Exception):
    pass


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def check_near(value, truth, share, what):
    check(abs(value - truth) <= share * abs(truth), f"{what}: {value}, truth {truth}")


class Target:
    """A program that prints markers and waits for lines (tests/targets/target.h)."""

    def __init__(self, *argv, env=None, cwd=None):
        program = argv[0] if "/" in argv[0] else os.path.join(BUILD, "targets", argv[0])
        self.process = subprocess.Popen(
            [program, *map(str, argv[1:])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=env, cwd=cwd)
        self.pid = self.process.pid

    def expect(self, marker):
        line = self.process.stdout.readline().rstrip("\n")
        check(line == marker, f"expected {marker!r} from pid {self.pid}, got {line!r}")

    def line(self):
        return self.process.stdout.readline()

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def truth(self):
        """The target's own account: one line of JSON before the marker "done"."""
        truth = json.loads(self.line())
        self.expect("done")
        return truth

    def alive(self):
        return self.process.poll() is None

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def spinner():
    """A target that allocates in a loop and counts its rounds in a file."""
    file = tempfile.NamedTemporaryFile(prefix="memtrace-rounds-")
    file.write(bytes(4096))
    file.flush()
    target = Target("steady", "spin", file.name)
    target.expect("ready")
    target.file = file # lives as long as the target
    return target


class Trace:
    """memtrace --json on processes; its records as they come."""

    def __init__(self, *args, program=MEMTRACE, env=None, new_session=False):
        self.out = tempfile.NamedTemporaryFile(prefix="memtrace-", suffix=".jsonl", delete=False)
        self.err = tempfile.NamedTemporaryFile(prefix="memtrace-", suffix=".err", delete=False)
        args = [str(a) for a in args]
        where = args.index("--") if "--" in args else len(args)
        self.process = subprocess.Popen([program, *args[:where], "--json", *args[where:]],
                                        stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err,
                                        env=env, start_new_session=new_session)
        self.records = []
        self.at = 0

    def poll(self):
        with open(self.out.name, "rb") as f:
            f.seek(self.at)
            data = f.read()
        end = data.rfind(b"\n") + 1
        self.at += end
        self.records += [json.loads(line) for line in data[:end].splitlines()]

    def errors(self):
        with open(self.err.name, errors="replace") as f:
            return f.read()

    def await_record(self, wanted, timeout=30):
        """The first record for which wanted(record) is true, from the beginning."""
        deadline = time.monotonic() + timeout
        seen = 0
        while True:
            self.poll()
            for record in self.records[seen:]:
                if wanted(record):
                    return record
            seen = len(self.records)
            check(self.process.poll() is None and time.monotonic() < deadline,
                  f"awaited a record in vain; memtrace said: {self.errors()[-2000:]}")
            time.sleep(0.02)

    def await_start(self):
        return self.await_record(lambda r: r["type"] == "start")

    def await_tick(self):
        """A sample that was made after this call."""
        self.poll()
        seen = sum(1 for r in self.records if r["type"] == "sample")
        deadline = time.monotonic() + 30
        while sum(1 for r in self.records if r["type"] == "sample") <= seen:
            check(self.process.poll() is None and time.monotonic() < deadline, "no further sample")
            time.sleep(0.02)
            self.poll()

    def stop(self, timeout=60):
        """SIGINT, then all records; the exit status is in self.status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.wait(timeout)

    def wait(self, timeout=120):
        try:
            self.status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"memtrace did not end; it said: {self.errors()[-2000:]}")
        self.poll()
        return self.records

    def of_type(self, kind, pid=None):
        return [r for r in self.records if r["type"] == kind and pid in (None, r["pid"])]

    def last_sample(self, pid=None):
        return self.of_type("sample", pid)[-1]

    def final_sites(self, pid=None):
        """Sites of the last sample, as a list."""
        sample = self.last_sample(pid)
        at = len(self.records) - 1 - self.records[::-1].index(sample)
        return [r for r in self.records[at:] if r["type"] == "site" and r["pid"] == sample["pid"]]

    def leaks(self, pid=None):
        """The last word on each leak that is still active."""
        last = {r["leak_id"]: r for r in self.of_type("leak", pid)}
        return [r for r in last.values() if r["state"] == "active"]

    def verdict(self, pid=None):
        return self.of_type("end", pid)[-1]["verdict"]

    def validate(self):
        """Every line against the schema and the contract's sums."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as schema:
            subprocess.run([MEMTRACE, "schema"], stdout=schema, check=True)
            r = subprocess.run(
                ["/usr/bin/python3", os.path.join(ROOT, "tests/e2e/validate_jsonl.py"), schema.name,
                 self.out.name], capture_output=True, text=True)
        check(r.returncode == 0, f"records break the contract: {r.stdout[-1500:]}{r.stderr[-1500:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for f in (self.out, self.err):
            f.close()
            if not os.environ.get("KEEP"):
                os.unlink(f.name)


def children_named(pid, name):
    """The children of a process that have a name; memtrace has several kinds."""
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        children = [int(c) for c in f.read().split()]
    found = []
    for child in children:
        with open(f"/proc/{child}/comm") as f:
            if f.read().strip() == name:
                found.append(child)
    return found


def symbols(site):
    return [f.get("symbol") or "" for f in site.get("stack", [])]


def owned_by(site, function, others=()):
    """Whether a function is on a site's stack, and none of the others is called by it there."""
    for s in symbols(site):
        name = s.split("(")[0]
        if name == function:
            return True
        if name in others:
            return False
    return False


def need_root():
    if os.environ.get("E2E_CAN"): # the runner has asked
        return
    r = subprocess.run([MEMTRACE, "doctor"], capture_output=True, text=True)
    if r.returncode == 77:
        raise Skip(r.stdout.strip().splitlines()[-1])


def run(module, root=True):
    """Runs the test_* functions of a module: `if __name__ == "__main__": run(globals())`.
    With root=False only those that call need_root() need it."""
    names = [n for n in module if n.startswith("test_")]
    only = sys.argv[1:]
    failed = skipped = 0
    try:
        if root:
            need_root()
    except Skip as why:
        print(f"SKIP: {why}")
        sys.exit(77)
    for name in names:
        if only and name not in only:
            continue
        begun = time.monotonic()
        try:
            module[name]()
            print(f"  ok    {name} ({time.monotonic() - begun:.1f} s)", flush=True)
        except Skip as why:
            skipped += 1
            print(f"  SKIP  {name}: {why}", flush=True)
        except Exception as e:
            failed += 1
            print(f"  FAIL  {name} ({time.monotonic() - begun:.1f} s): {e}", flush=True)
            if not isinstance(e, AssertionError):
                traceback.print_exc()
    sys.exit(1 if failed else 77 if skipped and only else 0)
