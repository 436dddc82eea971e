"""The walk of malloc's chunks from outside, against what malloc itself says (mallinfo2).

At rest it is the same to the byte: malloc counts what thread caches hold as used and fast bins as
free. Beside it: which chunks are in caches, what is in memory of the free ones, who is not glibc.
"""
from lib import *

INNER = os.path.join(BUILD, "inner", "inner")
THREADS = 5         # heap_shapes' 4 and the main one
CACHE_BINS = 64     # glibc up to 2.41, each of CACHE_BLOCKS
CACHE_BLOCKS = 7
BLOCK_HEADER = 16   # of a block with a mapping of its own


class Walk:
    """The driver of the readers, looking when asked to."""

    def __init__(self, pid):
        self.process = subprocess.Popen([INNER, "--every-line", str(pid)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def look(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        readers = json.loads(self.process.stdout.readline())["readers"]
        found = [r for r in readers if "allocator" in r]
        check(len(found) == 1, f"not one allocator: {readers}")
        check(found[0]["failed"] == 0, f"{found[0]['failed']} reads failed")
        return found[0]["allocator"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Shapes(Target):
    def __init__(self, *argv, program="heap_shapes", **env):
        super().__init__(program, *argv, env={**os.environ, **env})
        self.line()

    def do(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return json.loads(self.line())


def as_malloc_says(walk, fast):
    """The walk's figures by the terms of mallinfo2, given what it says of fast bins."""
    mapped = walk["mapped_bytes"] + walk["mapped_count"] * BLOCK_HEADER
    return {"used": walk["live_bytes"] + walk["cached_bytes"] + walk["overhead_bytes"] - mapped - fast,
            "free": walk["free_bytes"] + fast, "mapped": mapped, "mapped_count": walk["mapped_count"]}


def check_same(walk, said, when):
    check(walk["known"]["exact"], f"{when}: {walk['known']}")
    found = as_malloc_says(walk, said["fast"])
    check(found == {k: said[k] for k in found}, f"{when}: {found}, malloc says {said}")
    check(walk["unknown_bytes"] == 0, f"{when}: {walk['unknown_bytes']} bytes not recognised")
    counts = [sum(n) for n in zip(*walk["sizes"])]
    check(counts == [walk["live_count"], walk["live_bytes"]], f"{when}: sizes add up to {counts}")


def check_shapes(steps, *argv, **env):
    with Shapes(*argv, **env) as target, Walk(target.pid) as walk:
        for step in steps:
            said = target.do(step)
            check_same(walk.look(), said, step)


def test_heaps_of_threads_grow_and_shrink():
    check_shapes(["grow 20000", "cache", "small 5000", "big 20", "release", "grow 5000", "shrink",
                  "hold 100"])


def test_a_main_arena_that_sbrk_does_not_serve():
    check_shapes(["grow 2000", "leak 10", "big 5", "release"], "no-sbrk")


def test_a_piece_of_the_main_arena_that_is_joined_to_other_memory():
    check_shapes(["join", "grow 2000", "leak 10", "join", "big 5", "release"], "no-sbrk")
    check_shapes(["grow 2000", "wall", "join", "grow 2000", "release"])


def test_a_main_arena_whose_break_is_stopped():
    check_shapes(["grow 20000", "release", "grow 20000", "shrink", "wall", "grow 3000", "leak 20",
                  "big 9", "release"])


def test_a_static_program():
    check_shapes(["grow 2000", "big 3", "leak 5", "release"], program="heap_shapes-static")


def test_one_arena_for_all():
    check_shapes(["grow 5000", "small 5000", "big 3", "release"], MALLOC_ARENA_MAX="1")


def test_many_blocks_with_mappings():
    check_shapes(["grow 3000", "release"], GLIBC_TUNABLES="glibc.malloc.mmap_threshold=4096")


def test_what_caches_hold_is_no_live_block():
    with Shapes() as target, Walk(target.pid) as walk:
        target.do("cache")
        before = walk.look()
        for step in ("grow 2000", "release", "cache"):
            target.do(step)
        after = walk.look()
        for found in (before, after):
            check(found["cached_count"] == THREADS * CACHE_BINS * CACHE_BLOCKS, f"cached: {found}")
        check(after["live_count"] == before["live_count"], f"live: {before} then {after}")
        said = target.do("small 5000")
        fast = walk.look()
        check(said["fast"] > 100000 and fast["known"]["exact"], f"fast bins: {said}, {fast['known']}")
        held = fast["cached_bytes"] + 8 * fast["cached_count"]
        check(held >= said["fast"], f"caches and fast bins: {held}, fast bins alone {said['fast']}")


def test_what_was_given_back_is_not_in_memory():
    with Shapes() as target, Walk(target.pid) as walk:
        target.do("grow 20000")
        full = walk.look()
        check(full["free_resident_bytes"] > 0.9 * full["free_bytes"], f"before: {full}")
        target.do("release")
        trimmed = walk.look()
        check(trimmed["free_resident_bytes"] < 0.1 * trimmed["free_bytes"], f"after: {trimmed}")


def test_heaps_that_change_meanwhile():
    with Shapes() as target, Walk(target.pid) as walk:
        target.do("grow 20000")
        target.do("churn")
        for _ in range(4):
            found, said = walk.look(), target.do("say")
            for what, value in as_malloc_says(found, said["fast"]).items():
                check_near(value, said[what], 0.01, what)
            check(found["unknown_bytes"] < 0.01 * said["used"], f"unknown: {found['unknown_bytes']}")
        said = target.do("churn-off")
        check_same(walk.look(), said, "at rest again")


def test_python_is_what_malloc_says():
    program = """if True:
        import ctypes, json, sys
        names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
        class Info(ctypes.Structure): _fields_ = [(n, ctypes.c_size_t) for n in names]
        ask = ctypes.CDLL(None).mallinfo2
        ask.restype = Info
        kept = [bytes(2000) for _ in range(20000)] + [bytes(1 << 20)]
        del kept[::3]
        i = ask()
        print(json.dumps([i.uordblks, i.fordblks, i.hblkhd]), flush=True)
        sys.stdin.readline()"""
    with Target("/usr/bin/python3", "-c", program) as target:
        said = json.loads(target.line())
        with Walk(target.pid) as walk:
            found = as_malloc_says(walk.look(), 0)
    # the list of figures itself and fast bins are not in what it says
    for (what, value), truth in zip(found.items(), said):
        check_near(value, truth, 0.01, what)


def test_others_say_that_they_are_not_read():
    with tempfile.TemporaryDirectory() as folder, Target(
            "/usr/bin/redis-server", "--port", 0, "--save", "", "--unixsocket", folder + "/s") as target:
        line = target.line()
        while line and "eady to accept" not in line:
            line = target.line()
        with Walk(target.pid) as walk:
            found = walk.look()
        target.process.terminate()
    check(found["name"] == "jemalloc" and "not read" in found["known"]["why"], f"redis: {found}")
    check("live_bytes" not in found, f"redis: {found}")


if __name__ == "__main__":
    run(globals())
