"""Recorded sites of real programs (tests/golden/sites) judged again by `memtrace analyze`.

Truth stands in tests/golden/expected.json: what each program does, whatever was said of it when it was
recorded. Neither root nor BPF is needed. tests/golden/record.py makes the recordings.

An entry with "misjudged" is one that the judge gets wrong today, and why: it has to be wrong, so that
the word goes when the judge is better.
"""
import glob
import lzma

from lib import *

os.environ["E2E_CAN"] = "1" # nothing is traced here
GOLDEN = os.path.join(ROOT, "tests/golden")


def expected():
    with open(os.path.join(GOLDEN, "expected.json")) as f:
        return json.load(f)


def analyzed(name):
    """The records that analyze prints for a recording that comes through a pipe."""
    with lzma.open(os.path.join(GOLDEN, "sites", name + ".jsonl.xz")) as f:
        r = subprocess.run([MEMTRACE, "analyze", "--json"], input=f.read(), capture_output=True)
    check(r.returncode == 0, f"{name}: status {r.returncode}: {r.stderr.decode()[-500:]}")
    return [json.loads(line) for line in r.stdout.splitlines()]


def active(records):
    last = {r["leak_id"]: r for r in records if r["type"] == "leak"}
    return [r for r in last.values() if r["state"] == "active"]


def owner(record):
    """Of a leak: the module that asked, behind the library that wraps system calls."""
    modules = [f.get("module") or "" for f in record["stack"] or []]
    return next((m for m in modules if not m.startswith("libc.so")), "")


def wrong_with(truth, records):
    """What differs from the truth, as a sentence; None when nothing does."""
    leaks = active(records)
    verdict = [r for r in records if r["type"] == "end"][-1]["verdict"]
    said = [(r["class"], r["leak_type"], owner(r), r["size_bytes"], r["count"]) for r in leaks]
    if verdict != truth["verdict"]:
        return f"verdict {verdict}, leaks {said}"
    if verdict == "no_leak":
        return f"accused after all: {said}" if said else None
    classes = {truth["class"], *truth.get("beside", [])}
    if not all(r["class"] in classes and owner(r).startswith(tuple(truth["owners"])) for r in leaks):
        return f"another is accused: {said}"
    if not any(r["class"] == truth["class"] and r["leak_type"] in truth["types"] for r in leaks):
        return f"the leak is not among {said}"
    return None


def judge_all(verdict):
    wrong = []
    for name, truth in expected().items():
        if truth["verdict"] != verdict:
            continue
        records = analyzed(name)
        on_the_way = {r["leak_id"] for r in records if r["type"] == "leak"}
        first = min((r["elapsed_s"] for r in records if r["type"] == "leak"), default=None)
        print(f"        {name}: {len(active(records))} leaks at the end, {len(on_the_way)} named on the "
              f"way" + (f", the first after {first:.0f} s" if first else ""), flush=True)
        problem = wrong_with(truth, records)
        if problem and "misjudged" in truth:
            print(f"        {name}: MISJUDGED, as known: {truth['misjudged']}: {problem}", flush=True)
        elif problem or "misjudged" in truth:
            wrong.append(f"{name}: {problem or 'judged right: take misjudged out of expected.json'}")
    check(not wrong, "; ".join(wrong))


def test_recorded_programs_that_leak_are_told_with_class_and_owner():
    judge_all("leak")


def test_recorded_programs_that_do_not_leak_are_acquitted():
    judge_all("no_leak")


def test_every_recording_is_expected_and_small():
    files = glob.glob(os.path.join(GOLDEN, "sites", "*.jsonl.xz"))
    names = {os.path.basename(p).removesuffix(".jsonl.xz") for p in files}
    check(names == set(expected()), f"recorded and expected differ: {names ^ set(expected())}")
    sizes = [os.path.getsize(p) for p in files]
    check(max(sizes) < 60000 and sum(sizes) < 600000, f"{max(sizes)} and {sum(sizes)} bytes")


if __name__ == "__main__":
    run(globals())
