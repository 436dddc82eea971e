"""V8's heap and buffers from outside, against what node says of itself: nodes of several versions.

The reader is asked by build/inner/inner, which tells what it found at each line that it gets.
"""
import shutil
import statistics
import tempfile

from lib import *

HEAPS = os.path.join(ROOT, "tests", "e2e", "real", "heaps.js")
INNER = os.path.join(BUILD, "inner", "inner")
WORKERS = 4
QUIET = 0.001  # of node's own figures
LOADED = 0.02
LOOKS = 20
UNLISTED = 65536 + 4097 * 32 # of each isolate: what libuv reads into and shared buffers are in no list


class Node:
    """A node with workers, and the reader on it."""

    def __init__(self, program):
        self.node = Target(program, "--expose-gc", HEAPS, WORKERS)
        self.node.expect("ready")
        self.inner = Target(INNER, "--every-line", "--all", self.node.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.inner.end()
        self.node.end()

    def tell(self, command):
        self.node.process.stdin.write(command + "\n")
        self.node.process.stdin.flush()
        return json.loads(self.node.line())

    def look(self):
        self.inner.go()
        told = json.loads(self.inner.line())
        readers = [r for r in told["readers"] if r["reader"] == "v8"]
        check(len(readers) == 1, f"no reader of V8: {told}")
        return told, readers[0]

    def quiet_look(self):
        """A look between two answers of node that agree: a moment at which it did nothing. V8 may sweep
        its buffers then all the same: a walk that met that says so, and the next look walks again."""
        found = None
        for _ in range(50):
            before = self.tell("usage")
            told, v8 = self.look()
            after = self.tell("usage")
            near = abs(before["arrayBuffers"] - after["arrayBuffers"]) < 64 # the line itself
            if before["heapTotal"] == after["heapTotal"] and near:
                found = after, told, v8
                if "count" in v8["runtime"]["buffers"]:
                    break
        check(found, "node does not come to rest")
        return found


def agree(node, what):
    truth, told, v8 = node.quiet_look()
    heap, buffers = v8["runtime"]["heap"], v8["runtime"]["buffers"]
    print(f"        {what}: heapTotal {truth['heapTotal']}, read {heap['committed_bytes']}; "
          f"arrayBuffers {truth['arrayBuffers']}, read {buffers.get('bytes')}; "
          f"{v8['cpu_ms']:.1f} ms", flush=True)
    check(heap["known"]["exact"], f"{what}: {heap}")
    check(heap["heaps"] == 1 + WORKERS, f"{what}: {heap['heaps']} isolates")
    check_near(heap["committed_bytes"], truth["heapTotal"], QUIET, f"{what}: heap")
    check(0 < heap["resident_bytes"] < told["rss_bytes"], f"{what}: {heap}")
    return truth, told, v8


def check_buffers(truth, v8, what):
    """In memory as well: all of them were written to."""
    b = v8["runtime"]["buffers"]
    check(b["known"]["exact"] and "count" in b, f"{what}: {b}")
    slack = QUIET * truth["arrayBuffers"] + 64
    check(abs(b["bytes"] - truth["arrayBuffers"]) <= slack, f"{what}: {b}, {truth}")
    low = truth["arrayBuffers"] * (1 - QUIET) - (1 + WORKERS) * UNLISTED
    check(low <= b["resident_bytes"] <= truth["arrayBuffers"] + slack, f"{what}: {b}, {truth}")


def grown(node):
    for command in ("objects 30000", "large 4", "buffers 200", "big 5", "wasm 1"):
        node.tell(command)
    truth, _, v8 = agree(node, "grown")
    check_buffers(truth, v8, "grown")
    b, uses = v8["runtime"]["buffers"], v8["uses"]
    check(b["count"] >= 205 * (1 + WORKERS), f"{b}")
    check(uses["buffer"]["resident"] >= (1 + WORKERS) * 4 * (1 << 20), f"large buffers: {uses}")
    check(uses["wasm"]["resident"] == (1 + WORKERS) * 160 * 65536, f"linear memories: {uses}")
    return v8["runtime"]["heap"]


def dropped(node, full):
    """What V8 does not count any more is given back, or told to be pooled."""
    node.tell("drop")
    for _ in range(20): # when it gives pages back is V8's choice
        node.tell("gc")
        if node.tell("usage")["heapTotal"] < full["committed_bytes"]:
            break
    _, told, v8 = agree(node, "dropped")
    heap = v8["runtime"]["heap"]
    check(heap["committed_bytes"] < full["committed_bytes"], f"nothing was dropped: {heap}")
    kept = heap["resident_bytes"] - heap["pooled_bytes"]
    check(kept <= heap["committed_bytes"], f"more than is committed: {heap}")


def off(value, low, high):
    return max(low - value, value - high, 0) / low


def one_loaded_look(node):
    """How far off the heap and the buffers are from all that every isolate said of itself while they
    were read, and just before and after; None for a heap that changed so much that none was told."""
    _, v8 = node.look()
    noted = node.tell(f"around {v8['begun_ns']} {v8['done_ns']}")
    low, high = noted["low"], noted["high"]
    heap, buffers = v8["runtime"]["heap"], v8["runtime"]["buffers"]
    check(heap["heaps"] == 1 + WORKERS, f"{heap['heaps']} isolates under load")
    told = heap.get("committed_bytes")
    check(told or "it changed all the time" in heap["known"]["why"], f"{heap}")
    return (off(told, low["heapTotal"], high["heapTotal"]) if told else None,
            off(buffers["bytes"], low["arrayBuffers"], high["arrayBuffers"]),
            high["heapTotal"] / low["heapTotal"] - 1)


def loaded(node):
    """Every look, whatever V8 does just then: collections of five heaps on few processors."""
    node.tell("load")
    looks = [one_loaded_look(node) for _ in range(LOOKS)]
    heaps, buffers, widths = zip(*looks)
    told = [h for h in heaps if h is not None]
    print(f"        under load, {LOOKS} looks: heap told {len(told)} times, worst {max(told):.4f} off, "
          f"buffers worst {max(buffers):.4f}; node's own notes around a look differ by "
          f"{statistics.median(widths):.4f}, {max(widths):.4f} at most", flush=True)
    check(max(told) <= LOADED, f"heap under load: {sorted(told)}")
    check(max(buffers) <= LOADED, f"buffers under load: {sorted(buffers)}")
    check(len(told) >= LOOKS * 0.8, f"heap told {len(told)} times of {LOOKS}")


def agrees(program):
    with Node(program) as node:
        _, _, v8 = agree(node, "started")
        check("(node " in v8["runtime"]["version"], f"version: {v8['runtime']}")
        dropped(node, grown(node))
        loaded(node)


def fetched(version):
    program = os.path.join(BUILD, "node", version, "node")
    if not os.path.exists(program):
        raise Skip(f"no node {version} (tools/setup --test fetches it)")
    return program


def system_node():
    program = shutil.which("node")
    check(program, "node is not installed (tools/setup --test)")
    return program


def test_the_systems_node_agrees():
    agrees(system_node())


def test_node_18_agrees():
    agrees(fetched("18"))


def test_node_22_agrees():
    agrees(fetched("22"))


def test_node_24_agrees():
    agrees(fetched("24"))


def test_a_node_that_exports_no_names_is_known_by_its_pages():
    names = (b"_ZTVN4node24NodeArrayBufferAllocatorE", b"_ZN2v87Isolate23GetArrayBufferAllocatorEv",
             b"_ZN4node24NodeArrayBufferAllocator4FreeEPvm", b"_ZN2v88internal7Version6major_E")
    with open(system_node(), "rb") as f:
        image = f.read()
    for name in names:
        check(name + b"\0" in image, f"the system's node does not export {name}")
        image = image.replace(name + b"\0", b"_Q" + name[2:] + b"\0")
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "app")
        with open(program, "wb") as f:
            f.write(image)
        os.chmod(program, 0o755)
        with Node(program) as node:
            node.tell("buffers 100")
            truth, _, v8 = agree(node, "without names")
            b = v8["runtime"]["buffers"]
            check(not b["known"]["exact"] and "export" in b["known"]["why"], f"{b}")
            check(v8["runtime"]["version"] == "", f"{v8['runtime']}")
            check(abs(b["bytes"] - truth["arrayBuffers"]) <= (1 + WORKERS) * UNLISTED, f"{b}")


def has_no_v8(target):
    r = subprocess.run([INNER, str(target.pid)], capture_output=True, text=True, timeout=30)
    check(r.returncode == 0, r.stderr)
    told = json.loads(r.stdout)
    check(told["present_bytes"] > 0, f"{told}")
    check(not [x for x in told["readers"] if x["reader"] == "v8"], f"{told}")


def test_programs_without_v8_have_no_reader_of_it():
    waiting = "import sys; l = [bytes(i) for i in range(9000)]; print('ready', flush=True); sys.stdin.read()"
    with Target("/usr/bin/python3", "-c", waiting) as target:
        target.expect("ready")
        has_no_v8(target)
    with spinner() as target:
        has_no_v8(target)


if __name__ == "__main__":
    run(globals(), root=False)
