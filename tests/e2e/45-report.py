"""`memtrace report` and pictures of a live run: totals agree with the records; hostile recordings."""
import gzip
import re
import shutil
import unicodedata
import xml.etree.ElementTree as ET

from lib import *

SANITIZED = os.path.join(BUILD, "san", "memtrace")
SVG = "{http://www.w3.org/2000/svg}"


def report(*args, stdin=None, program=MEMTRACE):
    return subprocess.run([program, "report", *map(str, args)], input=stdin, capture_output=True,
                          stdin=subprocess.DEVNULL if stdin is None else None, timeout=60)


def folded(text):
    """Stacks with their values; every line must have exactly one blank, before the value."""
    stacks = {}
    for line in text.decode().splitlines():
        check(line.count(" ") == 1, f"not a folded stack: {line!r}")
        stack, value = line.split(" ")
        check(stack not in stacks, f"twice: {stack!r}")
        stacks[stack] = int(value)
    return stacks


class Picture:
    """The boxes of a flame graph, by graph (held, grew): (label, bytes), and its plain texts."""

    def __init__(self, data):
        root = ET.fromstring(data)
        tags = {e.tag.replace(SVG, "") for e in root.iter()}
        check(tags <= {"svg", "style", "rect", "text", "title", "g", "script"}, f"elements {tags}")
        check(sum(1 for _ in root.iter(SVG + "script")) == 1, "not one script")
        outside = [a for e in root.iter() for a in e.attrib if "href" in a or a.startswith("on")]
        check(not outside, f"attributes {outside}")
        self.texts = [e.text or "" for e in root.iter(SVG + "text")]
        self.titles = [e.text for e in root.iter(SVG + "title")]
        self.graphs = []
        for name in ("s0", "s1"):
            group = next(e for e in root.iter(SVG + "g") if e.get("id") == name)
            boxes = [b.find(SVG + "title").text for b in group.iter(SVG + "svg") if b.get("class")]
            self.graphs.append([(t.split("\n")[0], int(re.search(r"\((\d+) bytes\)", t)[1]))
                                for t in boxes])

    def total(self, graph):
        return self.graphs[graph][0][1] if self.graphs[graph] else 0


def pprof_totals(path):
    """Sums of each sample type as `go tool pprof` reads them, and its list of functions."""
    go = shutil.which("go")
    if not go:
        print("        go tool pprof is not here: not tried", flush=True)
        return None, ""
    raw = subprocess.run([go, "tool", "pprof", "-raw", path], capture_output=True, text=True)
    check(raw.returncode == 0, raw.stderr)
    lines = raw.stdout.splitlines()
    at = lines.index("Samples:")
    types = [t.split("/")[0] for t in lines[at + 1].replace("[dflt]", "").split()]
    rows = [list(map(int, l.split(":")[0].split()))
            for l in lines[at + 2:lines.index("Locations")] if re.match(r" *\d+ ", l)]
    top = subprocess.run([go, "tool", "pprof", "-top", "-nodefraction=0", path], capture_output=True, text=True)
    check(top.returncode == 0, top.stderr)
    return dict(zip(types, map(sum, zip(*rows)))), top.stdout


def check_documents(folder, expected):
    """The three documents of a folder against (held, grew) bytes."""
    with open(f"{folder}/folded", "rb") as f:
        stacks = folded(f.read())
    check(sum(stacks.values()) == expected[0], f"folded: {sum(stacks.values())}, not {expected[0]}")
    with open(f"{folder}/svg", "rb") as f:
        picture = Picture(f.read())
    got = (picture.total(0), picture.total(1))
    check(got == expected, f"picture: {got}, not {expected}")
    totals, top = pprof_totals(f"{folder}/pprof")
    if totals:
        got = (totals["inuse_space"], totals["growth_space"])
        check(got == expected, f"pprof: {got}, not {expected}")
    return stacks, picture, top


def documents(folder):
    return [w for kind in ("folded", "svg", "pprof") for w in (f"--{kind}", f"{folder}/{kind}")]


def test_pictures_of_a_run_and_of_its_recording_agree_with_its_records():
    with tempfile.TemporaryDirectory() as live, tempfile.TemporaryDirectory() as recorded, \
            Target("leak_all", 20, 100) as target:
        target.expect("ready")
        with Trace("-p", target.pid, "--mode", "full", "--budget", 0, "--interval", 0.5, "--top", 100,
                   *documents(live)) as trace:
            trace.await_start()
            trace.await_tick()
            target.go()
            truth = target.truth()
            trace.await_tick()
            trace.stop()
            check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
            sites = [s for s in trace.final_sites() if s["kind"] in ("heap", "mmap", "brk")]
            held = sum(s["live_bytes"] for s in sites)
            first = {}
            for r in trace.of_type("site"): # there is room for all: what comes later held nothing
                first.setdefault(r["site_id"], 0 if r["elapsed_s"] > trace.of_type("sample")[0]
                                 ["elapsed_s"] else r["live_bytes"])
            grew = sum(max(0, s["live_bytes"] - first[s["site_id"]]) for s in sites)
            check(held and grew, f"held {held}, grew {grew}")
            stacks, picture, top = check_documents(live, (held, grew))
            r = report(trace.out.name, *documents(recorded))
            check(r.returncode == 0, r.stderr)
            again = check_documents(recorded, (held, grew))
            check(again[0] == stacks, "the recording and the run differ")
            for wanted in truth["sites"]:
                name = wanted["function"]
                mine = sum(v for s, v in stacks.items() if name in s.split(";"))
                check_near(mine, wanted["bytes"], 0.01, f"{name}: folded bytes")
                drawn = [b for label, b in picture.graphs[0] if label == name]
                check(sum(drawn) == mine, f"{name}: drawn {drawn}, folded {mine}")
                check(not top or f" {name}\n" in top, f"{name} is not in pprof -top: {top}")
            said = report(trace.out.name).stdout.decode()
            check("VERDICT:" in said and f"(pid {target.pid})" in said, said)
            check(report("--folded", "-", stdin=open(trace.out.name, "rb").read()).stdout ==
                  open(f"{live}/folded", "rb").read(), "from standard input it differs")


def recording(*sites):
    """A recording of one process; a site is (bytes, frames innermost first)."""
    lines = [{"type": "start", "pid": 7, "comm": "x", "exe": "/bin/x", "schema": 1,
              "options": {"top": "100"}}, {"type": "sample", "pid": 7, "elapsed_s": 1}]
    lines += [{"type": "site", "pid": 7, "site_id": str(i), "kind": "heap", "live_bytes": n,
               "live_count": 1, "stack_complete": True, "stack": frames}
              for i, (n, frames) in enumerate(sites)]
    lines.append({"type": "end", "pid": 7})
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


HOSTILE = ["a;b", "a b", "a 12", "<script>alert(1)</script>", "]]>", "&amp;&#0;", "\"'>", "\n\r\t",
           "\u2028\u202e\u200f", "\ufffe\uffff", "\u00a0\u3000", "%s%n", "\U0001f4a9" * 40, "x" * 5000,
           "[incomplete: x]", "", ";", " ", "--", "\x1b[31m", "\x7f", "<!--", "<![CDATA["]


def test_hostile_names_break_no_document():
    data = recording(*[(1000 + i, [{"symbol": n, "module": n, "file": n, "offset": n, "line": 3},
                                   {"symbol": "main", "module": "x"}])
                       for i, n in enumerate(HOSTILE)])
    total = sum(1000 + i for i in range(len(HOSTILE)))
    for program in (MEMTRACE, SANITIZED):
        with tempfile.TemporaryDirectory() as folder:
            r = report(*documents(folder), stdin=data, program=program)
            check(r.returncode == 0, r.stderr)
            stacks, picture, _ = check_documents(folder, (total, 0))
            check(all(len(s.split(";")) == 2 for s in stacks), f"depth: {stacks}")
            bad = {c for s in stacks for c in s if unicodedata.category(c) in ("Cc", "Zs", "Zl", "Zp")}
            check(not bad, f"in a folded stack: {bad}")
            check("<script>alert(1)</script>" in "".join(picture.titles), "a name is lost")


GOOD = recording((5, [{"symbol": "main", "module": "x"}]))


def test_broken_recordings_are_told_and_skipped():
    lines = GOOD.splitlines(keepends=True)
    broken = {
        "cut off": GOOD[:-20],
        "cut within a character": GOOD + "{\"a\":\"\u20ac".encode()[:-1],
        "NUL": lines[0] + b"\0\0\n" + b"".join(lines[1:]),
        "deep nesting": lines[0] + b"[" * 3000000 + b"\n" + b"".join(lines[1:]),
        "a line of 10 MB": lines[0] + b"{\"x\":\"" + b"y" * 10000000 + b"\"}\n" + b"".join(lines[1:]),
        "many numbers": lines[0] + b"[" + b"1," * 1500000 + b"1]\n" + b"".join(lines[1:]),
        "other records": b"{\"type\":\"site\"}\n[]\n7\n" + GOOD,
    }
    for what, data in broken.items():
        r = report("--folded", "-", stdin=data, program=SANITIZED)
        check(r.returncode == 0 and r.stdout == b"main 5\n", f"{what}: {r}")
        said = r.stderr.decode()
        check("could not be used" in said and "Sanitizer" not in said, f"{what}: {said[-2000:]}")


def test_what_is_no_recording_is_one_clear_sentence():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/file"
        for data, status, words in ((b"", 1, "empty"), (b"\n\n", 1, "not a recording"),
                                    (b"hello\n", 1, "not a recording"),
                                    (os.urandom(100000), 1, "not a recording"),
                                    (b"{\"type\":\"start\",\"pid\":1,\"schema\":9}\n", 1, "newer")):
            with open(path, "wb") as f:
                f.write(data)
            r = report(path, "--svg", f"{folder}/svg", program=SANITIZED)
            lines = r.stderr.decode().strip().splitlines()
            check(r.returncode == status and len(lines) == 1 and words in lines[0],
                  f"{data[:20]}: status {r.returncode}: {r.stderr[-500:]}")
            check(not os.path.exists(f"{folder}/svg"), "an empty picture is left")
    for args, status, words in (
            (["/nonexistent"], 1, "No such file"), (["/"], 1, "directory"),
            (["--value", "none"], 2, "live, growing"), (["--value", "count"], 2, "--folded"),
            (["--svg", "-", "--pprof", "-"], 2, "only one"), (["a", "b"], 2, "unexpected"),
            (["--duration", "5", "x"], 2, "--duration")):
        r = report(*args)
        check(r.returncode == status and words in r.stderr.decode(), f"{args}: {r}")
    r = report("--pid", "9", "--folded", "-", stdin=GOOD)
    check(r.returncode == 1 and b"no record of process 9" in r.stderr, f"{r}")
    r = report("--svg", "/dev/full", stdin=GOOD)
    check(r.returncode == 1 and b"No space left" in r.stderr, f"{r}")


def test_pprof_is_gzip_without_a_time_of_its_own():
    packed = [report("--pprof", "-", stdin=GOOD).stdout for _ in range(2)]
    check(packed[0] == packed[1], "two runs differ")
    check(b"inuse_space" in gzip.decompress(packed[0]), "no sample type")


if __name__ == "__main__":
    run(globals())
