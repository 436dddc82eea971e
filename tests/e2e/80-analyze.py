"""`memtrace analyze`: whole series, bare points, recordings; as streams, without privileges, hostile."""
import math
import random
import resource
import shutil

from lib import *

SANITIZED = os.path.join(BUILD, "san", "memtrace")
PATTERNS = ("stable", "linear", "exponential", "spike", "sustained", "oscillating")
MB = 1000000


def analyze(*args, stdin=None, program=MEMTRACE, **more):
    if isinstance(stdin, str):
        stdin = stdin.encode()
    return subprocess.run([program, "analyze", *map(str, args)], input=stdin, capture_output=True,
                          stdin=subprocess.DEVNULL if stdin is None else None, timeout=120, **more)


def records(r, status=0):
    """What a run with --json wrote, each line held against the schema and the promises."""
    check(r.returncode == status, f"status {r.returncode}: {r.stderr[-2000:]}")
    with tempfile.NamedTemporaryFile("w") as schema, tempfile.NamedTemporaryFile() as out:
        subprocess.run([MEMTRACE, "schema"], stdout=schema, check=True)
        out.write(r.stdout)
        out.flush()
        v = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "tests/e2e/validate_jsonl.py"),
                            "--analysis", schema.name, out.name], capture_output=True, text=True)
    check(v.returncode == 0, f"records break the contract: {v.stderr[-2000:]}")
    return [json.loads(line) for line in r.stdout.splitlines()]


def series(n=60, slope=20000, noise=2000, seed=1, base=100 * MB):
    rng = random.Random(seed)
    return list(range(n)), [int(base + slope * t + rng.gauss(0, noise)) for t in range(n)]


def line_of(identity, t, value, **more):
    return json.dumps({"id": identity, "t": t, "value": value, **more})


def points_of(t, value, key="t"):
    return "".join(json.dumps({key: a, "value": b}) + "\n" for a, b in zip(t, value))


# --- whole series ---------------------------------------------------------------------------------

def test_each_series_has_one_answer_in_order_with_its_id():
    ids = ["a", 7, "7", "\u20ac \"x\"", -3, 2**53 + 1, "", None]
    text = "\n".join(line_of(i, *series(seed=k)) for k, i in enumerate(ids)) + "\n"
    for program in (MEMTRACE, SANITIZED):
        out = records(analyze("--series", stdin=text, program=program))
        check([r["id"] for r in out] == ids, f"ids {[r['id'] for r in out]}")
        for r in out:
            check(r["type"] == "pattern" and r["pattern"] in PATTERNS, f"{r}")
            check(0 <= r["confidence"] <= 1 and 0 <= r["leak_probability"] <= 1, f"{r}")
            check(r["points_count"] == 60 and r["window_s"] == 59, f"{r}")
            check(r["subject"]["kind"] == "process" and r["forecast"] is None, f"{r}")
            check_near(r["growth_bytes_per_s"], 20000, 0.05, "slope")
            low, high = r["growth_low_bytes_per_s"], r["growth_high_bytes_per_s"]
            check(low < high and 2 * low - high < 20000 < 2 * high - low, f"{r}") # 95 % of the time
            check_near(r["total_growth_bytes"], 59 * 20000, 0.05, "growth")


def test_a_line_that_grows_is_told_from_one_that_does_not():
    text = line_of("up", *series(slope=50000)) + "\n" + line_of("flat", *series(slope=0)) + "\n"
    up, flat = records(analyze("--series", stdin=text))
    check(up["pattern"] == "linear" and flat["pattern"] == "stable", f"{up} {flat}")
    check(up["leak_probability"] > 0.5 > flat["leak_probability"], f"{up} {flat}")
    check(flat["severity"] == "low", f"{flat}")


def test_a_leak_among_many_can_be_the_exit_status():
    up, flat = line_of("up", *series(n=300, slope=50000)), line_of("flat", *series(slope=0))
    for text, status in ((f"{flat}\n{up}\n{flat}", 3), (flat, 0)):
        records(analyze("--series", "--fail-on-leak", stdin=text), status)
    low, = records(analyze("--series", "--severity", "high=1kB:1kB,medium=1kB:1kB", stdin=up))
    check(low["severity"] == "high", f"{low}")
    r = analyze("--series", "--severity", "x", stdin=up)
    check(r.returncode == 2 and not r.stdout, f"{r}")


def test_a_limit_gives_a_forecast():
    t, v = series(slope=1 * MB)
    text = (line_of("own", t, v, limit_bytes=460 * MB) + "\n" + line_of("all", t, v) + "\n" +
            line_of("none", *series(slope=0)) + "\n")
    own, whole, none = records(analyze("--series", "--limit", "560MB", stdin=text))
    for r, left in ((own, 301), (whole, 401)):
        f = r["forecast"]
        check(f and f["limit_kind"] == "given", f"{r}")
        check_near(f["seconds_to_limit"], left, 0.05, "seconds to the limit")
        check(f["low_s"] <= f["seconds_to_limit"], f"{f}")
    check(whole["forecast"]["limit_bytes"] == 560 * MB, f"{whole}")
    check(none["forecast"] is None, f"a flat series has a forecast: {none}")


def test_a_restart_ends_the_window():
    t, v = series(n=200, slope=0)
    v = v[:100] + [x - 50 * MB for x in v[100:]]
    r, = records(analyze("--series", stdin=line_of("r", t, v, events=[
        {"t": 99.5, "kind": "restart"}, {"t": 5, "kind": "other"}, 7, {"kind": "restart"}])))
    check(r["pattern"] in PATTERNS, f"{r}")


def test_too_few_points_are_no_pattern():
    text = "\n".join(line_of(n, *series(n=n)) for n in (0, 1, 7)) + "\n" + line_of(
        "same", [5] * 20, [1] * 20) + "\n" + line_of("nulls", list(range(9)), [None] * 4 + [1] * 5)
    for program in (MEMTRACE, SANITIZED):
        for r in records(analyze("--series", stdin=text, program=program)):
            check(r["pattern"] is None and r["confidence"] is None and r["severity"] is None, f"{r}")
            check(r["unmeasured"][0]["what"] == "pattern", f"{r}")


def test_values_that_are_no_numbers_are_left_out():
    t, v = series(n=40)
    holes = list(v)
    holes[3], holes[9], holes[11] = None, "x", True
    times = list(t)
    times[20], times[21] = None, {}
    text = line_of("holes", times, holes) + "\n"
    text += line_of("nan", t, [math.nan, math.inf, -math.inf] + v[3:]) + "\n"
    a, b = records(analyze("--series", stdin=text, program=SANITIZED))
    check(a["points_count"] == 35 and a["points_left_out_count"] == 5, f"{a}")
    check(b["points_count"] == 37 and b["points_left_out_count"] == 3, f"{b}")


HOSTILE_LINES = [
    b"x", b"[]", b"7", b"null", b"{}", b"{\"t\":7,\"value\":[]}", b"\0\0\0", b"\xff\xfe", b"{" * 100000,
    b"[" * 100000, b"{\"id\":null,\"t\":[1],\"value\":[1,2]}", b"{\"id\":[],\"t\":[],\"value\":[]}",
    b"{\"id\":{},\"t\":[],\"value\":[]}", b"{\"id\":true,\"t\":[],\"value\":[]}",
    b"{\"t\":[],\"value\":[],\"limit_bytes\":-1}", b"{\"id\":NaN,\"t\":[],\"value\":[]}",
    b"{\"id\":1-2,\"t\":[],\"value\":[]}", b"{\"id\":12345678901234567890-5,\"t\":[],\"value\":[]}",
    b"{\"id\":0999999999999999999999,\"t\":[],\"value\":[]}", b"{\"id\":1,\"t\":[1e999}",
    b"{\"id\":1,\"t\":[1", b"{\"id\":\"\xc3\x28\",\"t\":[],\"value\":[]}",
]

UNUSABLE = { # JSON with an id, and what is said of it
    '"id":1': "no array", '"id":1,"t":{},"value":[]': "no array", '"id":1,"t":[],"value":"x"': "no array",
    '"id":1,"t":[1],"value":[1,2]': "differ", '"id":1,"t":[],"value":[]': "0 usable points",
    '"id":1,"t":[],"value":[],"limit_bytes":-1': "limit_bytes",
    '"id":1,"t":[],"value":[],"limit_bytes":"x"': "limit_bytes",
    '"id":1,"t":[1e999],"value":[5]': "0 usable points",
}

WILD_SERIES = [
    ([1e308 * (i - 10) / 10 for i in range(20)], [1e308 * (-1) ** i for i in range(20)]),
    (list(range(20)), [1e308] * 20), (list(range(20)), [-1e308 * i / 19 for i in range(20)]),
    ([i * 1e-300 for i in range(20)], list(range(20))), ([5] * 20, list(range(20))),
    (list(range(20, 0, -1)), list(range(20))), ([0, 1e300] * 10, [0, 1] * 10),
    (list(range(20)), [0] * 20), (list(range(20)), [2**62 - i for i in range(20)]),
    (list(range(20)), [5e-324 * i for i in range(20)]), ([-i for i in range(20, 0, -1)], [1] * 20),
    ([1e9 + i / 1e6 for i in range(40)], [i * i for i in range(40)]),
]


def test_what_is_no_series_is_named_and_the_rest_is_answered():
    good = [line_of(k, *series(seed=k)).encode() for k in range(len(HOSTILE_LINES))]
    data = b"".join(h + b"\n" + g + b"\n" for h, g in zip(HOSTILE_LINES, good))
    for program in (MEMTRACE, SANITIZED):
        r = analyze("--series", stdin=data, program=program)
        check([x["id"] for x in records(r)] == list(range(len(good))), "answers are missing")
        said = r.stderr.decode()
        check("Sanitizer" not in said and "line 1 is not a series" in said, said[-2000:])
        check(f"{len(HOSTILE_LINES)} lines in all" in said and len(said.splitlines()) < 25, said)


def test_what_has_an_id_is_answered_also_when_it_cannot_be_used():
    text = "".join("{" + inner + "}\n" for inner in UNUSABLE)
    for program in (MEMTRACE, SANITIZED):
        r = analyze("--series", stdin=text, program=program)
        out = records(r)
        check(len(out) == len(UNUSABLE) and not r.stderr, f"{len(out)} answers, {r.stderr}")
        for answer, (inner, words) in zip(out, UNUSABLE.items()):
            check(answer["id"] == 1 and answer["pattern"] is None and answer["confidence"] is None, f"{answer}")
            check(words in answer["unmeasured"][0]["why"], f"{inner}: {answer}")


def test_any_number_comes_back_as_it_was_written():
    t, v = series()
    body = json.dumps({"t": t, "value": v})[1:]
    ids = ["1700000000.123456", "0.1", "-1.5e-7", "18446744073709551615", "99999999999999999999", "1e3", "-0.0",
           '"a\\u0000b"', "1e999"]
    for program in (MEMTRACE, SANITIZED):
        r = analyze("--series", stdin="".join(f'{{"id":{i},{body}\n' for i in ids), program=program)
        out = records(r)
        check([x["id"] for x in out] == [json.loads(i) for i in ids[:-1]] + ["1e999"], f"{out}")
        check(all(f'"id":{i}'.encode() in line for i, line in zip(ids[:-1], r.stdout.splitlines())), f"{r}")
        check(all(x["pattern"] == "linear" and x["points_count"] == 60 for x in out), f"{out}")


def test_one_value_too_large_does_not_spoil_its_series():
    t, v = series()
    for word in ("1e999", "-1e999", "1" + "0" * 400, "1e200"):
        text = line_of("a", t, v).replace(f" {v[7]},", f" {word},")
        out, = records(analyze("--series", stdin=text, program=SANITIZED))
        check(out["points_count"] == 59 and out["points_left_out_count"] == 1, f"{word}: {out}")
        check(out["pattern"] == "linear", f"{word}: {out}")
    r = analyze("--series", stdin=line_of("a", t, v) + "}\n" + line_of("b", t, v))
    check(b"no JSON: " in r.stderr and b"end of file expected" in r.stderr, f"{r.stderr}")


def test_one_time_out_of_line_costs_one_point():
    t, v = series(n=400, slope=100000)
    for which, at in ((50, 3650), (5, 1e9), (200, -5), (1, 1e9), (300, 0)):
        times = t[:which] + [at] + t[which + 1:]
        out, = records(analyze("--series", stdin=line_of("a", times, v)))
        check(out["points_count"] == 399 and out["points_left_out_count"] == 1, f"{which}: {out}")
        check(out["pattern"] == "linear" and out["window_s"] == 399, f"{which}: {out}")
        check_near(out["growth_bytes_per_s"], 100000, 0.02, "slope")
        r = analyze("--json", stdin=points_of(times, v))
        out = records(r)
        last = [x for x in out if x["type"] == "pattern"][-1]
        check(end_of(out)["duration_s"] == 399 and last["pattern"] == "linear", f"{which}: {last}")
        check_near(last["growth_bytes_per_s"], 100000, 0.05, "slope")
        check(r.stderr.count(b"left out") == 1, f"{which}: {r.stderr}")
    out, = records(analyze("--series", stdin=line_of("twice", list(range(100)) * 2, v[:200])))
    check(out["points_count"] == 197 and out["points_left_out_count"] == 3, f"{out}")


def test_a_restart_is_where_the_clock_of_the_series_says():
    t, v = series(n=300, slope=100000)
    times = [1795242729 + x for x in t]
    mark = [{"t": 1795242729 + 199.5, "kind": "restart"}]
    out, = records(analyze("--series", stdin=line_of("a", times, v, events=mark)))
    check(out["window_s"] == 99 and out["points_count"] == 100, f"{out}")


def test_a_short_series_is_no_leak_in_either_form():
    for n, status in ((8, 0), (100, 0), (255, 0), (300, 3)):
        t, v = series(n=n, slope=100000, noise=0)
        out, = records(analyze("--series", "--fail-on-leak", stdin=line_of("a", t, v)), status)
        check(out["pattern"] == "linear" and out["leak_probability"] > 0.7, f"{out}")
        if not status: # a leak needs at least as many points
            records(analyze("--json", "--fail-on-leak", stdin=points_of(t, v)))


def test_marks_of_other_systems_around_lines_are_no_part_of_them():
    t, v = series()
    for mark in (b"", b"\xef\xbb\xbf"):
        text = mark + (line_of("a", t, v) + "\r\n\r\n" + line_of("b", t, v) + "\r\n").encode()
        r = analyze("--series", stdin=text, program=SANITIZED)
        check([x["id"] for x in records(r)] == ["a", "b"] and not r.stderr, f"{r}")
        r = analyze("--json", stdin=mark + (points_of(t, v) + "\n").replace("\n", "\r\n").encode())
        check(end_of(records(r))["duration_s"] == 59 and not r.stderr, f"{r}")


def test_wild_numbers_are_answered():
    text = "\n".join(line_of(i, *s, limit_bytes=1e300) for i, s in enumerate(WILD_SERIES))
    for program in (MEMTRACE, SANITIZED):
        out = records(analyze("--series", stdin=text, program=program)) # no NaN, no infinity
        check(len(out) == len(WILD_SERIES), f"{len(out)} answers")


def test_long_lines_are_bounded():
    t, v = series(n=300000)
    small = line_of("small", *series())
    data = "\n".join([line_of("many", t, v), small, '{"x":"' + "y" * (17 << 20) + '"}', small,
                      line_of("a day", t[:86400], v[:86400])])
    r = analyze("--series", stdin=data)
    out = records(r)
    check([x["id"] for x in out] == ["many", "small", "small", "a day"], f"{r.stderr}")
    check(out[0]["pattern"] is None and "262,144" in out[0]["unmeasured"][0]["why"], f"{out[0]}")
    check(b"too long" in r.stderr, f"{r.stderr}")


def test_nothing_to_answer_is_a_failure():
    for data in (b"", b"\n\n", b"x\ny\n"):
        r = analyze("--series", stdin=data)
        check(r.returncode == 1 and b"no series" in r.stderr and not r.stdout, f"{data}: {r}")
    for args, status, words in ((["--series", "/nonexistent"], 1, "No such file"),
                                (["--series", "/"], 1, "directory"),
                                (["--series", "a", "b"], 2, "one file"),
                                (["--limit", "0"], 2, "--limit"), (["--limit", "x"], 2, "--limit"),
                                (["--duration", "5"], 2, "--duration"),
                                (["--follow"], 2, "--follow"), (["/nonexistent"], 1, "No such file")):
        r = analyze(*args)
        check(r.returncode == status and words in r.stderr.decode(), f"{args}: {r}")
    r = subprocess.run([MEMTRACE, "report", "--series"], capture_output=True, text=True)
    check(r.returncode == 2 and "--series" in r.stderr, f"{r}")


class Stream:
    """memtrace analyze as a filter: a line in, its answer out."""

    def __init__(self, *args, program=MEMTRACE):
        self.process = subprocess.Popen([program, "analyze", *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def put(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def get(self):
        """The next record; the runner's timeout ends a wait in vain."""
        return json.loads(self.process.stdout.readline())

    def until(self, wanted):
        while True:
            r = self.get()
            if wanted(r):
                return r

    def rest(self):
        self.process.stdin.close()
        self.process.stdin = None
        out, err = self.process.communicate(timeout=60)
        return subprocess.CompletedProcess([], self.process.returncode, out, err)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def test_a_series_is_answered_before_the_next_is_written():
    with Stream("--series") as s:
        for k in range(5):
            s.put(line_of(k, *series(seed=k)) + "\n")
            check(s.get()["id"] == k, "another answer")
        s.put("broken\n" + line_of("last", *series())[:30])
        s.put(line_of("last", *series())[30:]) # without an end of line
        check([json.loads(l)["id"] for l in s.rest().stdout.splitlines()] == ["last"], "the last line")


def test_thousands_of_series_are_answered_in_order():
    text = "\n".join(line_of(k, *series(n=50, seed=k)) for k in range(4000)).encode()
    r = analyze("--series", stdin=text)
    check([json.loads(l)["id"] for l in r.stdout.splitlines()] == list(range(4000)), "other answers")


# --- bare points ----------------------------------------------------------------------------------

def end_of(out):
    check(out and out[-1]["type"] == "end", f"no end: {out[-1:]}")
    return out[-1]


def test_bare_points_have_pattern_and_end():
    t, v = series(n=400, slope=50000)
    dates = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1795242729 + s)) for s in t]
    for key, times in (("t", t), ("time", dates), ("time", [1795242729 + s for s in t])):
        for program in (MEMTRACE, SANITIZED):
            out = records(analyze("--json", "--limit", "1G", stdin=points_of(times, v, key),
                                  program=program))
            end = end_of(out)
            last = [r for r in out if r["type"] == "pattern"][-1]
            check(end["pid"] is None and end["duration_s"] == 399, f"{end}")
            check(last["pattern"] == "linear" and last["forecast"]["limit_kind"] == "given", f"{last}")
            check_near(last["growth_bytes_per_s"], 50000, 0.05, "rate")
            check((end["time"] is None) == (times is not dates), f"{end}")


def test_a_curve_alone_is_never_critical():
    out = records(analyze("--json", stdin=points_of(*series(n=800, slope=2e6))))
    check(end_of(out)["verdict"] == "leak", f"{end_of(out)}")
    for r in out:
        if r["type"] in ("leak", "pattern"):
            check(r["severity"] != "critical", f"{r}")
    check([r for r in out if r["type"] == "leak"][-1]["severity"] == "high", "2 MB/s are high")


def test_too_few_points_have_no_probability():
    points = points_of(*series(n=20, slope=50000))
    out = records(analyze("--json", stdin=points))
    last = [r for r in out if r["type"] == "pattern"][-1]
    check(last["verdict"] == "too_short" and last["leak_probability"] is None, f"{last}")
    text = analyze(stdin=points).stdout.decode()
    check("linear" in text and "a leak with probability" not in text, text)


def test_bare_points_that_do_not_grow_are_no_leak():
    r = analyze("--json", "--fail-on-leak", stdin=points_of(*series(n=600, slope=0)))
    check(end_of(records(r))["verdict"] == "no_leak", f"{r.stdout[-1000:]}")
    short = end_of(records(analyze("--json", stdin=points_of(*series(n=20)))))
    check(short["verdict"] == "inconclusive", f"{short}")


def test_a_line_is_not_acquitted_before_its_time():
    for n, verdicts in ((60, ("inconclusive",)), (150, ("inconclusive",)), (600, ("inconclusive", "leak"))):
        end = end_of(records(analyze("--json", stdin=points_of(*series(n=n, slope=50000, noise=200000)))))
        check(end["verdict"] in verdicts, f"{n} points: {end}")
        check(end["verdict"] == "leak" or end["known_in_s"] > 0, f"{end}")


def test_points_that_cannot_be_used_are_named():
    t, v = series(n=100)
    text = points_of(t[:50], v[:50]) + "\n".join([
        '{"t":10,"value":5}', '{"t":49,"value":5}', '{"t":null,"value":5}', '{"t":60}',
        '{"value":5}', '{"t":50.5,"value":NaN}', '{"t":1e300,"value":5}', '{"t":51,"value":"x"}',
        '{"t":50,"kind":"other"}', '{"time":"yesterday","value":1}', "[1,2]", "7", "{}"]) + "\n"
    text += points_of(t[52:], v[52:])
    for program in (MEMTRACE, SANITIZED):
        r = analyze("--json", stdin=text, program=program)
        check(end_of(records(r))["duration_s"] == 99, "the rest is not read")
        said = r.stderr.decode()
        check(said.count("left out") == 13 and "Sanitizer" not in said, said)


def test_a_restart_forgets_what_was_before():
    t, v = series(n=300, slope=50000)
    before, after = points_of(t, v), points_of([x + 300 for x in t], series(n=300, slope=0)[1])
    mark = '{"t": 299.5, "kind": "restart"}\n'
    check(end_of(records(analyze("--json", stdin=before + mark + after)))["verdict"] == "no_leak",
          "the growth before the restart counts")


def test_a_clock_that_was_set_back_goes_on():
    t, v = series(n=200)
    times = [1795242729 + s - (3600 if s >= 100 else 0) for s in t]
    out = records(analyze("--json", stdin=points_of(times, v, "time")))
    check(190 <= end_of(out)["duration_s"] <= 199, f"{end_of(out)}")


def test_points_are_judged_while_they_come():
    t, v = series(n=300, slope=50000)
    with Stream("--json") as s:
        s.put(points_of(t[:100], v[:100]))
        first = s.until(lambda r: r["type"] == "pattern")
        check(first["elapsed_s"] < 100, f"{first}")
        s.put(points_of(t[100:], v[100:]))
        out = records(s.rest())
        check(end_of(out)["duration_s"] == 299, "points are lost")


def test_files_are_series_of_their_own_and_a_signal_ends_in_order():
    with tempfile.TemporaryDirectory() as folder:
        for name in ("one", "two"):
            with open(f"{folder}/{name}", "w") as f:
                f.write(points_of(*series(n=50)))
        out = records(analyze("--json", f"{folder}/one", f"{folder}/two"))
        ends = [r["comm"] for r in out if r["type"] == "end"]
        check(ends == ["one", "two"], f"{ends}")
    with Stream("--json") as s:
        s.put(points_of(*series(n=50)))
        s.get()
        s.process.send_signal(signal.SIGINT)
        out, _ = s.process.communicate(timeout=30)
        end = json.loads(out.splitlines()[-1])
        check(s.process.returncode == 0 and end["type"] == "end" and end["reason"] == "signal",
              f"status {s.process.returncode}, {end}")


def ends(process, *, status=None):
    """Within a few seconds of the signal."""
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        check(False, "the signal is not heard")
    check(status is None or process.returncode == status, f"status {process.returncode}")


def test_a_signal_is_heard_while_nobody_writes_or_reads():
    with tempfile.TemporaryDirectory() as folder:
        os.mkfifo(f"{folder}/pipe")
        for form in ([], ["--series"]):
            p = subprocess.Popen([MEMTRACE, "analyze", *form, f"{folder}/pipe"], stderr=subprocess.DEVNULL)
            time.sleep(0.3)
            check(p.poll() is None, "it does not wait for a writer")
            p.send_signal(signal.SIGTERM)
            ends(p, status=1)
        p = subprocess.Popen([MEMTRACE, "analyze", "--json", f"{folder}/pipe"], stdout=subprocess.PIPE)
        time.sleep(0.3)
        with open(f"{folder}/pipe", "w") as f: # a writer that comes late
            f.write(points_of(*series()))
        out, _ = p.communicate(timeout=30)
        check(json.loads(out.splitlines()[-1])["type"] == "end", f"{out}")
        with open(f"{folder}/many", "w") as f:
            f.write("".join(line_of(k, *series(n=20, seed=k)) + "\n" for k in range(2000)))
        for how in (signal.SIGTERM, signal.SIGINT):
            p = subprocess.Popen([MEMTRACE, "analyze", "--series", f"{folder}/many"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            time.sleep(1) # the pipe is full
            check(p.poll() is None, "it does not wait for a reader")
            p.send_signal(how)
            ends(p, status=1)
            p.stdout.close()


def test_output_that_is_closed_is_a_failure_and_harms_nothing():
    for command in (["analyze", "--series"], ["analyze", "--json"], ["analyze"], ["version"], ["schema"]):
        data = line_of(1, *series()) if "--series" in command else points_of(*series())
        r = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', MEMTRACE, *command], input=data,
                           stderr=subprocess.PIPE, text=True, timeout=60)
        check(r.returncode == 1, f"{command}: {r}")
        check(command[0] != "analyze" or "cannot write to standard output (Bad file descriptor)" in r.stderr, f"{r}")
    r = subprocess.run(["sh", "-c", 'exec "$0" analyze --series <&- 2>&-', MEMTRACE], timeout=60)
    check(r.returncode == 1, f"{r}")


def test_text_has_a_plot_and_the_verdict_last():
    r = analyze("--limit", "1G", stdin=points_of(*series(n=600, slope=50000)))
    text = r.stdout.decode()
    check(r.returncode == 0 and "\x1b" not in text, f"{r}")
    dots = [c for c in text if 0x2800 < ord(c) < 0x2900]
    check(len(dots) >= 50, f"{len(dots)} characters of a plot")
    check(max(map(len, text.splitlines())) <= 100, "a long line")
    for words in ("130 MB", "100 MB", "9 min 59 s", "linear", "95 % interval", "1.1 GB"):
        check(words in text, f"{words!r} is not in {text}")
    check("after its first point" in text and "tracing began" not in text, text)
    paragraphs = text.rstrip().split("\n\n")
    check(paragraphs[-1].startswith("VERDICT: "), f"{paragraphs[-1]}")


# --- recordings -----------------------------------------------------------------------------------

HEAD = {"time": "2026-11-21T06:57:30.500000Z", "host": "h", "pid": 7, "comm": "srv"}


def record(record_type, elapsed_s, **more):
    return json.dumps({"type": record_type, **HEAD, "elapsed_s": elapsed_s, **more}) + "\n"


def site(elapsed_s, live, identity=1, **more):
    """One block of 1 kB each second of its life, none freed."""
    ages = [1, 1, 2, 4, 8, 16, 32, 64, 128, 256]
    by_age, left = [], live
    for n in ages:
        by_age.append(min(n, left))
        left -= by_age[-1]
    return record("site", elapsed_s, **{
        "site_id": f"{identity:016x}", "kind": "heap", "class": "application", "module": "srv",
        "live_bytes": 1000 * live, "live_count": live, "allocated_count": live, "freed_count": 0,
        "live_by_age": by_age + [left], "freed_by_age": [0] * 11, "owner_frame": 0,
        "owner_confidence": 0.9, "owner_evidence": "first function behind the allocator",
        "stack_complete": True, "stack": [{"symbol": f"leak_{identity}", "module": "srv",
                                           "offset": "0x10", "inlined": False}], **more})


def sample(elapsed_s, external, **more):
    return record("sample", elapsed_s, rss_bytes=external, external_bytes=external,
                  allocator={"live_bytes": external, "live_count": 1}, coverage_ratio=1.0, **more)


START = record("start", 0, schema=1, exe="/bin/srv", options={"top": "10"},
               limits={"memory_bytes": 10 * MB, "kind": "cgroup"})


def leaking(end=True, seconds=61, step=5):
    text = START
    for t in range(step, seconds, step):
        text += sample(t, 2 * MB + 100000 * t) + site(t, 100 * t)
    return text + (record("end", seconds, reason="target_exit", verdict="leak", leaks=[]) if end else "")


def test_a_recorded_leak_is_found_with_its_site():
    for program in (MEMTRACE, SANITIZED):
        for end in (True, False):
            out = records(analyze("--json", "--fail-on-leak", stdin=leaking(end), program=program), 3)
            last = end_of(out)
            check(last["verdict"] == "leak" and last["pid"] == 7 and last["comm"] == "srv", f"{last}")
            check(last["reason"] == ("target_exit" if end else "duration"), f"{last}")
            leak = [r for r in out if r["type"] == "leak"][-1]
            check(leak["site_id"] == f"{1:016x}" and leak["class"] == "application", f"{leak}")
            check(leak["stack"][0]["symbol"] == "leak_1" and leak["evidence"], f"{leak}")
            check_near(leak["growth_bytes_per_s"], 100000, 0.05, "pace")
            forecast = [r for r in out if r["type"] == "pattern"][0]["forecast"]
            check(forecast is None or forecast["limit_kind"] == "cgroup", f"{forecast}")
    r = analyze(stdin=leaking())
    check(r.stdout.decode().rstrip().split("\n\n")[-1].startswith("VERDICT: LEAK in srv (pid 7)"), f"{r}")


def test_two_hosts_and_two_lives_are_judged_apart():
    other = leaking().replace('"host": "h"', '"host": "other"').splitlines(keepends=True)
    mixed = [x for pair in zip(leaking().splitlines(keepends=True), other) for x in pair]
    out = records(analyze("--json", stdin="".join(mixed)))
    ends = [r for r in out if r["type"] == "end"]
    check({(e["host"], e["verdict"]) for e in ends} == {("h", "leak"), ("other", "leak")}, f"{ends}")
    fresh = START + "".join(sample(t, 2 * MB) + site(t, 50) for t in range(5, 61, 5))
    for second in (fresh, fresh.replace(START, "")): # a start, or a clock that fell
        out = records(analyze("--json", stdin=leaking(end=False) + second))
        verdicts = [r["verdict"] for r in out if r["type"] == "end"]
        check(verdicts == ["leak", "no_leak"], f"{verdicts}")


def test_a_recording_may_come_in_pieces_and_without_a_steady_clock():
    lines = leaking().splitlines(keepends=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, part in (("1", lines[:9]), ("2", lines[9:])):
            with open(f"{folder}/{name}", "w") as f:
                f.write("".join(part))
        whole = records(analyze("--json", stdin="".join(lines)))
        check(records(analyze("--json", f"{folder}/1", f"{folder}/2")) == whole, "pieces differ")
    wall = []
    for line in lines:
        r = json.loads(line)
        at = r.pop("elapsed_s")
        if at >= 40: # the wall clock is set back
            at -= 7200
        r["time"] = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(1795242729 + at))
        wall.append(json.dumps(r) + "\n")
    end = end_of(records(analyze("--json", stdin="".join(wall))))
    check(end["pid"] == 7 and 20 <= end["duration_s"] <= 61, f"{end}")


def test_another_program_is_judged_anew():
    anew = record("process", 62, event="exec") + "".join(
        sample(t, MB) + site(t, 9, identity=5) for t in range(65, 130, 5))
    out = records(analyze("--json", stdin=leaking(end=False) + anew))
    check(end_of(out)["verdict"] == "no_leak", f"{out[-1]}")
    gone = [r for r in out if r["type"] == "leak"][-1]
    check(gone["state"] == "gone", f"{gone}")
    out = records(analyze("--json", stdin=leaking(end=False) + record("process", 62, event="exec") +
                          record("end", 63, reason="target_exit")))
    check(end_of(out)["verdict"] == "leak" and out[-1]["leaks"], f"{out[-1]}")


def test_a_recording_is_judged_while_it_is_written():
    with Stream("--json") as s:
        s.put(leaking(end=False, seconds=61))
        leak = s.until(lambda r: r["type"] == "leak")
        check(leak["state"] == "active" and leak["elapsed_s"] < 61, f"{leak}")
        s.put("".join(sample(t, 2 * MB + 100000 * t) + site(t, 100 * t) for t in range(65, 120, 5)))
        # the last tick, unended, is judged: what is held is several times as much
        s.put(sample(120, 62 * MB) + site(120, 60000))
        leak = s.until(lambda r: r["type"] == "leak" and r["elapsed_s"] == 120)
        s.put(record("end", 121, reason="signal"))
        end = s.until(lambda r: r["type"] == "end")
        check(end["verdict"] == "leak" and end["reason"] == "signal", f"{end}")


def test_a_newer_recording_is_left_out_until_the_next_start():
    newer = leaking().replace('"schema": 1', '"schema": 2')
    for program in (MEMTRACE, SANITIZED):
        r = analyze("--json", stdin=newer, program=program)
        check(r.returncode == 1 and not r.stdout and b"nothing to judge" in r.stderr, f"{r}")
        check(b"newer" in r.stderr and b"25 records of a newer memtrace" in r.stderr, f"{r.stderr}")
    elsewhere = leaking().replace('"host": "h"', '"host": "other"')
    out = records(analyze("--json", stdin=leaking(end=False) + newer + elsewhere + leaking()))
    ends = [(r["host"], r["verdict"]) for r in out if r["type"] == "end"]
    check(ends == [("h", "leak"), ("other", "leak"), ("h", "leak")], f"{ends}")


def test_samples_out_of_order_end_no_process():
    lines = leaking().splitlines(keepends=True)
    place = 1 + 2 * 6
    for what in (sample(12, 5 * MB) + site(12, 7), sample(-1, 5 * MB) * 5, sample(31, 5 * MB).replace("31", '"x"'),
                 (sample(11, 5 * MB) + site(11, 7)) + sample(12, 5 * MB), sample(1e6, 5 * MB) + site(1e6, 7)):
        r = analyze("--json", stdin="".join(lines[:place]) + what + "".join(lines[place:]))
        ends = [(x["verdict"], x["duration_s"]) for x in records(r) if x["type"] == "end"]
        check(ends == [("leak", 60)], f"{what}: {ends}")
        check(r.stderr.count(b"left out:") == what.count("\n"), f"{what}: {r.stderr}")


def test_one_process_of_several_can_be_chosen():
    text = leaking() + leaking().replace('"pid": 7', '"pid": 8')
    out = records(analyze("--json", "-p", 8, stdin=text))
    check({r["pid"] for r in out} == {8}, "another process is told")
    r = analyze("--json", "-p", 9, stdin=text)
    check(r.returncode == 1 and b"no record of that process" in r.stderr, f"{r}")


def broken_recordings():
    good = leaking().splitlines(keepends=True)
    sites = "".join(site(5, 10, identity=i) for i in range(1, 20001))
    wild = [sample(t, 10**18, seq=-1) + site(t, 2**62, live_bytes=2**62,
                                                        live_by_age=[2**62] * 11,
                                                        freed_by_age=[2**62] * 11)
            for t in range(1, 40)]
    return {
        "cut off": "".join(good)[:-20], "cut in a tick": "".join(good[:-2]),
        "deep": good[0] + "[" * 3000000 + "\n" + "".join(good[1:]),
        "long": good[0] + '{"type":"site","x":"' + "y" * 10000000 + '"}\n' + "".join(good[1:]),
        "NUL": good[0] + "\0\0\n" + "".join(good[1:]),
        "no records": good[0] + '{"type":"site"}\n[]\n7\n{"type":7}\n{"type":"sample","pid":-1}\n' +
                      '{"type":"sample","pid":"7"}\n' + "".join(good[1:]),
        "types": good[0] + record("sample", "x", rss_bytes="y") + record("site", 5, site_id=7) +
                 record("sample", 1e308, rss_bytes=1) + record("sample", -5, rss_bytes=1) +
                 "".join(good[1:]),
        "many sites": START + sample(5, MB) + sites + sample(10, MB) + sites + sample(15, MB),
        "wild": START + "".join(wild),
        "many processes": "".join(sample(5, MB).replace('"pid": 7', f'"pid": {i}')
                                  for i in range(1, 2000)) + "".join(good),
        "many lives": "".join(START + sample(5, MB) for _ in range(300)),
    }


def test_broken_recordings_are_told_and_skipped():
    def little_memory():
        resource.setrlimit(resource.RLIMIT_DATA, (600 << 20, 600 << 20))

    for what, data in broken_recordings().items():
        r = analyze("--json", stdin=data, preexec_fn=little_memory)
        out = records(r)
        end_of(out)
        check(len(r.stderr.splitlines()) < 30, f"{what}: {r.stderr[-500:]}")
        s = analyze("--json", stdin=data[:4 << 20], program=SANITIZED)
        check(s.returncode == 0 and b"Sanitizer" not in s.stderr, f"{what}: {s.stderr[-2000:]}")
        check(what in ("cut in a tick", "many lives") or r.stderr or what == "wild", f"{what}: nothing said")
        if what in ("cut off", "cut in a tick", "deep", "long", "NUL", "no records", "types"):
            check(out[-1]["verdict"] == "leak", f"{what}: {out[-1]}")


def test_what_is_no_recording_is_one_clear_sentence():
    for data in (b"", b"\n\n", b"hello\n", os.urandom(100000), b"{\"type\":\"event\",\"pid\":1}\n"):
        r = analyze("--json", stdin=data, program=SANITIZED)
        check(r.returncode == 1 and not r.stdout and b"nothing to judge" in r.stderr.splitlines()[-1],
              f"{data[:20]}: {r}")
    r = analyze("--json", stdin=START.replace('"schema": 1', '"schema": 9'))
    check(r.returncode == 1 and b"newer" in r.stderr, f"{r}")
    with open("/dev/full", "w") as full:
        for form, data in ((["--series"], line_of(1, *series())), (["--json"], leaking()), ([], leaking())):
            r = subprocess.run([MEMTRACE, "analyze", *form], input=data, text=True, stdout=full,
                               stderr=subprocess.PIPE)
            check(r.returncode == 1 and "No space left" in r.stderr, f"{form}: {r}")


def test_the_use_of_a_limit_is_as_recorded():
    t = list(range(5, 121, 5))
    text = START.replace("10000000", "1000000000") + "".join(
        sample(x, 2 * MB + 100000 * x, limit_used_bytes=500 * MB + 100000 * x) + site(x, 100 * x)
        for x in t)
    r = [x for x in records(analyze("--json", stdin=text))
         if x["type"] == "pattern" and x["subject"]["kind"] == "process"][-1]
    check(r["forecast"] and r["forecast"]["limit_kind"] == "cgroup", f"{r}")
    check_near(r["forecast"]["seconds_to_limit"], 4880, 0.3, "seconds to the limit")


def test_nobody_may_analyze():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program = shutil.copy(MEMTRACE, f"{folder}/memtrace")
        with open(f"{folder}/trace.jsonl", "w") as f:
            f.write(leaking())
        more = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        out = records(analyze("--json", f"{folder}/trace.jsonl", program=program, cwd="/", **more))
        check(end_of(out)["verdict"] == "leak", f"{out[-1]}")


def test_a_recording_says_what_the_live_run_said():
    need_root()
    with Target("demo_server") as target:
        with Trace("-p", target.pid, "--duration", 20, "--interval", 2) as trace:
            trace.wait()
            check(trace.status == 0, trace.errors())
            live = trace.leaks()
            check(trace.verdict() == "leak" and live, "the live run found nothing")
            r = analyze("--json", "--fail-on-leak", trace.out.name)
    out = records(r, 3)
    again = {x["leak_id"]: x for x in out if x["type"] == "leak"}
    again = [x for x in again.values() if x["state"] == "active"]
    check(end_of(out)["verdict"] == "leak", f"{out[-1]}")
    check({x["leak_id"] for x in live} == {x["leak_id"] for x in again}, f"{live} {again}")
    for a, b in zip(sorted(live, key=lambda x: x["leak_id"]), sorted(again, key=lambda x: x["leak_id"])):
        for key in ("site_id", "class", "leak_type", "pattern", "stack", "severity"):
            check(a[key] == b[key], f"{key}: live {a[key]}, from the recording {b[key]}")
        check_near(b["growth_bytes_per_s"], a["growth_bytes_per_s"], 0.1, "pace")


if __name__ == "__main__":
    run(globals(), root=False)
