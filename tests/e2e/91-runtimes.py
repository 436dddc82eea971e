"""Heaps of Java, Python and Go as read from outside, beside what these runtimes count themselves."""
import re
import subprocess
import tempfile

from lib import *

INNER = os.path.join(BUILD, "inner", "inner")
REAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "real")
OURS = {"jvm", "cpython", "go"}
ERROR = 0.02

PYTHON = """
import sys
kept = []
def account():
    sys._debugmallocstats()
    sys.stderr.write("end of account\\n")
    sys.stderr.flush()
    sys.stdin.readline()
account()
kept = [{"a": i, "b": str(i)} for i in range(150000)]
account()
del kept[::3]
account()
"""

# Blocks that malloc maps come and go between arenas, so that one is where the other was.
CHURN = """
import random, sys
r = random.Random(2)
objects, blocks = {}, {}
for _ in range(20):
    for _ in range(6):
        key, choice = r.randrange(12), r.random()
        if choice < .35:
            objects[key] = [{"a": i} for i in range(r.randrange(1, 30000))]
        elif choice < .6:
            objects.pop(key, None)
        elif choice < .8:
            blocks[key] = bytearray(b"x") * r.randrange(100000, 9000000)
        else:
            blocks.pop(key, None)
    sys._debugmallocstats()
    sys.stderr.write("end of account\\n")
    sys.stderr.flush()
    sys.stdin.readline()
"""


class Looker:
    """The readers on one process: each look() is a tick, with what they kept of the last."""

    def __init__(self, pid):
        self.process = subprocess.Popen([INNER, "--every-line", str(pid)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def look(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        check(line, "the readers ended")
        return json.loads(line)


def reader(look, name):
    """What the reader tells; no other of ours may take the process for its own."""
    names = {r["reader"] for r in look["readers"]} & OURS
    check(names == {name}, f"expected {name} alone: {look['readers']}")
    told = next(r for r in look["readers"] if r["reader"] == name)
    check("runtime" in told, f"{name}: {told}")
    return told


def check_heap(look, name, committed, used, share_used=ERROR):
    told = reader(look, name)
    heap = told["runtime"]["heap"]
    check(heap["known"]["exact"], f"{name}: {heap}")
    check_near(heap["committed_bytes"], committed, ERROR, f"{name}: committed")
    check_near(heap["used_bytes"], used, share_used, f"{name}: used")
    check(0 < heap["resident_bytes"] <= look["rss_bytes"], f"{name}: resident {heap}")
    check(heap["resident_bytes"] == told["uses"]["heap"]["resident"],
          f"{name}: ranges do not make up the heap: {told}")
    print(f"        {name} {told['runtime']['version']}: committed {heap['committed_bytes']} "
          f"({heap['committed_bytes'] / committed - 1:+.3%}), used {heap['used_bytes']} "
          f"({heap['used_bytes'] / used - 1:+.3%}), resident {heap['resident_bytes']}, "
          f"{told['cpu_ms']:.2f} ms", flush=True)
    return told


# It gives memory back on its own: its account would be old at the look.
STILL = ["-XX:+UnlockExperimentalVMOptions", "-XX:-ShenandoahUncommit"]
MACHINES = [("G1",), ("Parallel",), ("Serial",), ("Serial", "-XX:-UsePerfData"),
            ("Shenandoah", *STILL), ("Z",)]


def java(folder, gc, *options):
    return Target("/usr/bin/java", "-Xmx512m", "-XX:NativeMemoryTracking=summary",
                  f"-XX:+Use{gc}GC", *options, "-cp", folder, "Heap")


def check_direct(buffers, truth, can_be_told):
    if can_be_told:
        check(buffers["known"]["exact"] and buffers["bytes"] == truth["direct"] and
              buffers["count"] == truth["buffers"], f"direct buffers: {buffers}, truth {truth}")
    else:
        check("bytes" not in buffers and buffers["known"]["why"], f"direct buffers: {buffers}")


def test_java_heaps_of_every_collector_are_what_the_machine_says():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["/usr/bin/javac", "-d", folder, os.path.join(REAL, "Heap.java")], check=True)
        for gc, *options in MACHINES:
            with java(folder, gc, *options) as target, Looker(target.pid) as looker:
                truth = json.loads(target.line())
                told = check_heap(looker.look(), "jvm", truth["committed"], truth["used"])
                heap = told["runtime"]["heap"]
                check(heap["resident_bytes"] >= 200e6, f"{gc}: {heap}")
                check(told["uses"]["code"]["resident"] > 0, f"{gc}: no code cache: {told}")
                check("used_as_of" not in heap, f"{gc}: {heap}")
                if gc in ("Shenandoah", "Z"): # the others have a card table, too
                    check_near(told["uses"]["runtime"]["bytes"], truth["metaspace"], ERROR,
                               f"{gc}: metaspace")
                check_direct(told["runtime"]["buffers"], truth, gc in ("G1", "Parallel", "Serial"))


def python_account(process):
    """What sys._debugmallocstats() writes: bytes of arenas, of blocks in use."""
    text = ""
    for line in process.stderr:
        if line == "end of account\n":
            break
        text += line
    number = lambda pattern: int(re.search(pattern, text)[1].replace(",", ""))
    return (number(r"\d+ arenas \* \d+ bytes/arena\s*=\s*([\d,]+)"),
            number(r"# bytes in allocated blocks\s*=\s*([\d,]+)"))


def python(malloc="", program=PYTHON):
    return subprocess.Popen(["/usr/bin/python3", "-c", program], stdin=subprocess.PIPE, text=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            env={**os.environ, "PYTHONMALLOC": malloc})


def test_python_arenas_are_counted_while_they_grow_and_shrink():
    process = python()
    with process, Looker(process.pid) as looker:
        for _ in range(3):
            committed, used = python_account(process)
            told = check_heap(looker.look(), "cpython", committed, used, 0.001)
            check(told["runtime"]["heap"]["committed_bytes"] == committed, "arenas are whole")
            process.stdin.write("\n")
            process.stdin.flush()


def test_python_arenas_are_told_from_blocks_that_come_and_go():
    process = python(program=CHURN)
    with process, Looker(process.pid) as looker:
        for at in range(20):
            committed, used = python_account(process)
            heap = reader(looker.look(), "cpython")["runtime"]["heap"]
            check(heap["committed_bytes"] == committed, f"look {at}: {heap}, truth {committed}")
            check_near(heap["used_bytes"], used, 0.001, f"look {at}: used")
            process.stdin.write("\n")
            process.stdin.flush()


def test_python_that_uses_malloc_is_not_guessed_at():
    process = python("malloc")
    with process, Looker(process.pid) as looker:
        for line in process.stderr:
            if line == "end of account\n":
                break
        heap = reader(looker.look(), "cpython")["runtime"]["heap"]
        check("malloc" in heap["known"].get("why", ""), f"{heap}")
        check("resident_bytes" not in heap and "committed_bytes" not in heap, f"{heap}")
        process.stdin.write("\n\n\n")
        process.stdin.flush()
        process.stderr.read()


def test_go_heap_is_what_its_runtime_counts():
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "heap")
        subprocess.run(["go", "build", "-o", program, os.path.join(REAL, "heap.go")], check=True,
                       env={**os.environ, "GOCACHE": os.path.join(folder, "cache"), "GO111MODULE": "off"})
        with Target(program) as target, Looker(target.pid) as looker:
            for _ in range(3):
                truth = json.loads(target.line())
                told = check_heap(looker.look(), "go", truth["committed"], truth["used"])
                check_near(told["runtime"]["heap"]["resident_bytes"], truth["committed"], ERROR,
                           "go: resident")
                target.go()
        stripped = program + "-stripped"
        subprocess.run(["strip", "-o", stripped, program], check=True)
        with Target(stripped) as target, Looker(target.pid) as looker:
            for _ in range(3):
                truth = json.loads(target.line())
                check_heap(looker.look(), "go", truth["committed"], truth["used"])
                target.go()


def test_other_processes_are_left_alone():
    node = subprocess.Popen(["/usr/bin/env", "node", "-e", "console.log('ready'); process.stdin.resume()"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with node, spinner() as plain:
        check(node.stdout.readline() == "ready\n", "node does not start")
        for pid in plain.pid, node.pid:
            with Looker(pid) as looker:
                names = {r["reader"] for r in looker.look()["readers"]}
                check(not names & OURS, f"process {pid}: {names}")


if __name__ == "__main__":
    run(globals())
