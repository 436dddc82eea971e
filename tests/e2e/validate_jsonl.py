#!/usr/bin/python3
"""Checks the output of `memtrace --json` against the schema and the promises between records.

    validate_jsonl.py SCHEMA FILE [--print] [--unfinished] [--analysis]

SCHEMA is what `memtrace schema` printed. --analysis: of `memtrace analyze`, which tells patterns,
leaks and ends only, several lives of a process, and series that belong to none. --print tells verdict and leaks, one line each, for shell
tests. --unfinished allows a missing end (memtrace was killed). Needs Debian's python3-jsonschema.
Exit status: 0 everything holds, 1 something does not (said on standard error), 2 wrong usage.
"""

import argparse
import json
import math
import sys

import jsonschema

COMPLAINTS_MAX = 20


class Complaints:
    def __init__(self):
        self.count = 0

    def add(self, line, text):
        self.count += 1
        if self.count <= COMPLAINTS_MAX:
            print(f"line {line}: {text}", file=sys.stderr)


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def refuse_twice(pairs):
    seen = dict(pairs)
    if len(seen) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return seen


def parse(path, complaints):
    """Yields (line number, record) for each line that is one JSON object."""
    with open(path, "rb") as f:
        for number, raw in enumerate(f, 1):
            if not raw.endswith(b"\n"):
                complaints.add(number, "the line has no end")
            try:
                record = json.loads(raw.decode("utf-8"), parse_constant=refuse_constant,
                                    object_pairs_hook=refuse_twice)
            except ValueError as e:
                complaints.add(number, str(e))
                continue
            if isinstance(record, dict):
                yield number, record
            else:
                complaints.add(number, "not an object")


def has_infinity(value):
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(has_infinity(v) for v in value.values())
    if isinstance(value, list):
        return any(has_infinity(v) for v in value)
    return False


def check_sum(number, record, complaints):
    """Resident classes add up to external_bytes, and with the managed heap to RSS and swap."""
    rows = [row for row in record["classes"].values() if row["resident"]]
    external = record["external_bytes"]
    if external is None or not rows:
        return
    if any("bytes" not in row and row["how"] != "unavailable" for row in rows):
        complaints.add(number, "a class is known and has no bytes")
    total = sum(row.get("bytes", 0) for row in rows)
    if total != external:
        complaints.add(number, f"resident classes add up to {total}, external_bytes is {external}")
    if "managed_resident_bytes" in record and record["swap_bytes"] is not None:
        managed = record["managed_resident_bytes"] + record.get("managed_swapped_bytes", 0)
        whole = record["rss_bytes"] + record["swap_bytes"]
        if external != max(whole - managed, 0):
            complaints.add(number, f"{external} external and {managed} managed is not {whole}")


SURE = {"low": 0, "medium": 0.5, "high": 0.7, "critical": 0.9}


def in_order(*values):
    known = [v for v in values if v is not None]
    return known == sorted(known)


def check_pattern(number, record, complaints):
    """Figures of one pattern agree with each other."""
    forecast = record["forecast"]
    if (record["leak_probability"] is None) != (record["verdict"] == "too_short"):
        complaints.add(number, "a probability of what is too short to know, or none of what is not")
    if (record["leak_probability"] or 0) < SURE[record["severity"]]:
        complaints.add(number, f"{record['severity']} with {record['leak_probability']}")
    if not in_order(record.get("growth_low_bytes_per_s"), record["growth_bytes_per_s"],
                    record.get("growth_high_bytes_per_s")):
        complaints.add(number, "the growth is outside of its interval")
    if forecast and record["subject"]["kind"] != "process":
        complaints.add(number, "a forecast of a part of the process")
    if forecast and not in_order(forecast["low_s"], forecast["seconds_to_limit"],
                                 forecast["high_s"]):
        complaints.add(number, "the forecast is outside of its interval")


class Process:
    """What one pid has said so far."""

    def __init__(self, pid):
        self.pid = pid
        self.starts = 0
        self.end = None
        self.next_seq = 0
        self.elapsed_s = 0.0
        self.leaks = {}  # leak_id -> last record
        self.verdict = None  # of the process's pattern
        self.judged = False  # said more than `process` records

    def take(self, number, record, complaints):
        kind = record["type"]
        if self.end is not None:
            complaints.add(number, f"pid {self.pid}: {kind} after its end")
        if kind == "process":
            return
        self.judged = True
        if kind == "start":
            self.starts += 1
            if self.starts > 1:
                complaints.add(number, f"pid {self.pid}: a second start")
        elif not self.starts:
            complaints.add(number, f"pid {self.pid}: {kind} before start")
        if kind == "sample":
            self.take_sample(number, record, complaints)
        elif kind == "pattern":
            check_pattern(number, record, complaints)
            if record["subject"]["kind"] == "process":
                self.verdict = record["verdict"]
        elif kind == "leak":
            if record["state"] == "active" and record["confidence"] < SURE[record["severity"]]:
                complaints.add(number, f"{record['severity']}, {record['confidence']} sure")
            self.leaks[record["leak_id"]] = record
        elif kind == "end":
            self.take_end(number, record, complaints)

    def take_sample(self, number, record, complaints):
        if record["seq"] != self.next_seq:
            complaints.add(number, f"pid {self.pid}: seq {record['seq']} follows "
                                   f"{self.next_seq - 1}")
        self.next_seq = record["seq"] + 1
        if record["elapsed_s"] is not None:
            if record["elapsed_s"] < self.elapsed_s:
                complaints.add(number, f"pid {self.pid}: elapsed_s goes back")
            self.elapsed_s = record["elapsed_s"]
        check_sum(number, record, complaints)

    def take_end(self, number, record, complaints):
        self.end = record
        if self.verdict and (self.verdict == "leak") != (record["verdict"] == "leak"):
            complaints.add(number, f"pid {self.pid}: verdict {record['verdict']}, and of its "
                                   f"pattern {self.verdict}")
        active = {i for i, leak in self.leaks.items() if leak["state"] == "active"}
        named = record["leaks"]
        if len(set(named)) != len(named):
            complaints.add(number, f"pid {self.pid}: end names a leak twice")
        for leak_id in set(named) - active:
            complaints.add(number, f"pid {self.pid}: end names {leak_id}, which is not active")
        for leak_id in active - set(named):
            complaints.add(number, f"pid {self.pid}: {leak_id} is active, end does not name it")
        if (record["verdict"] == "leak") != bool(named):
            complaints.add(number, f"pid {self.pid}: verdict {record['verdict']} with "
                                   f"{len(named)} leaks")

    def finish(self, number, complaints, unfinished):
        if not self.judged:
            return
        if not self.starts:
            complaints.add(number, f"pid {self.pid}: no start")
        if self.end is None and not unfinished:
            complaints.add(number, f"pid {self.pid}: no end")

    def tell(self):
        verdict = self.end["verdict"] if self.end else "none"
        print(f"pid {self.pid} verdict {verdict} leaks {len(self.end['leaks']) if self.end else 0} "
              f"samples {self.next_seq}")
        for leak in self.leaks.values():
            top = leak["stack"][0] if leak["stack"] else {}
            print("leak", leak["leak_id"], leak["state"], leak["severity"], leak["leak_type"],
                  leak["class"], leak.get("module") or "-", top.get("symbol") or "-",
                  leak.get("size_bytes", "-"), leak["growth_bytes_per_s"], leak["confidence"])


def take_analysis(number, record, processes, complaints):
    """A record of `memtrace analyze --json`; a process may live several times."""
    if record["type"] not in ("pattern", "leak", "end"):
        complaints.add(number, f"{record['type']} in an analysis")
        return
    if "id" in record: # the answer to a whole series
        processes.setdefault("series", Process("series")).judged = True
        return
    key = (record["host"], record["pid"], record["comm"] if record["pid"] is None else "")
    process = processes.setdefault(key, Process(key[1]))
    process.starts = 1
    process.take(number, record, complaints)
    if record["type"] == "end":
        processes[key, number] = processes.pop(key)


def validate(schema_path, path, unfinished, complaints, analysis=False):
    """Returns the processes of the file by pid."""
    with open(schema_path, encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    processes = {}
    number = 0
    for number, record in parse(path, complaints):
        errors = list(validator.iter_errors(record))
        for error in errors:
            where = ".".join(str(p) for p in error.absolute_path)
            complaints.add(number, f"{record.get('type')} {where}: {error.message[:300]}")
        if has_infinity(record):
            complaints.add(number, "a number is infinite")
        if errors:
            continue
        if analysis:
            take_analysis(number, record, processes, complaints)
            continue
        pid = record["pid"]
        processes.setdefault(pid, Process(pid)).take(number, record, complaints)
    if not any(p.judged for p in processes.values()):
        complaints.add(number, "no process was traced")
    for key, process in processes.items():
        if key != "series":
            process.finish(number, complaints, unfinished)
    return processes


def main():
    parser = argparse.ArgumentParser(description="check JSON lines of memtrace")
    parser.add_argument("schema")
    parser.add_argument("file")
    parser.add_argument("--print", action="store_true", dest="tell")
    parser.add_argument("--unfinished", action="store_true")
    parser.add_argument("--analysis", action="store_true")
    args = parser.parse_args()
    complaints = Complaints()
    processes = validate(args.schema, args.file, args.unfinished, complaints, args.analysis)
    if args.tell:
        for process in processes.values():
            if process.judged:
                process.tell()
    if complaints.count > COMPLAINTS_MAX:
        print(f"{complaints.count - COMPLAINTS_MAX} more complaints", file=sys.stderr)
    return 1 if complaints.count else 0


if __name__ == "__main__":
    sys.exit(main())
