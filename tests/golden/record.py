"""Records the site series of tests/golden/sites again: tests/golden/record.py [NAME...]; needs root.

Each scenario starts real software, loads it as tests/e2e/50-real-software.py does and keeps what
`memtrace --json` said of it for SECONDS: start, sample, site and end lines, without what belongs to
the machine. Truth stands in expected.json, by hand.
"""
import contextlib
import lzma
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
from servers import (HERE as REAL, Folder, Load, Postgres, Program, Redis, Session, Target, Trace,
                     check, extension_program, json, prepare_statements, set_new_keys,
                     set_passing_keys)

SECONDS = 120
MOST = 60000 # bytes of one recording
KEPT = ("start", "sample", "site", "end")
DROPPED = ("cgroup", "container_id", "kernel")


# --- what runs: each yields {name of the recording: pid} ------------------------------------------

@contextlib.contextmanager
def redis():
    """Ever new keys; keys that expire; from empty to its memory limit in a third of the time."""
    with Folder() as folder, Redis(folder, "1") as new, Redis(folder, "2") as expires, \
            Redis(folder, "3") as full:
        full.send([(b"CONFIG", b"SET", b"maxmemory", b"12mb"),
                   (b"CONFIG", b"SET", b"maxmemory-policy", b"allkeys-lru")])
        with Load(50, lambda n: set_new_keys(new, n, 20), 300), \
                Load(50, lambda n: set_passing_keys(expires, n, 20), 300), \
                Load(50, lambda n: set_new_keys(full, n, 30), 1):
            yield {"redis-new-keys": new.pid, "redis-expiry": expires.pid, "redis-maxmemory": full.pid}


@contextlib.contextmanager
def postgres():
    with Folder("postgres") as folder, Postgres(folder) as server, Session(server) as keeps, \
            Session(server) as drops, Load(20, lambda n: prepare_statements(keeps, n, 5, False), 1), \
            Load(20, lambda n: prepare_statements(drops, n, 5, True), 1):
        yield {"postgres-prepare": keeps.pid, "postgres-deallocate": drops.pid}


@contextlib.contextmanager
def python_extension():
    with Folder() as folder:
        program, env = extension_program(folder)
        with Target(*program, "leak", env=env) as leaks, Target(*program, "clean", env=env) as clean:
            yield {"python-extension-leak": leaks.pid, "python-extension-clean": clean.pid}


@contextlib.contextmanager
def python_services():
    with contextlib.ExitStack() as stack:
        yield {"python-" + kind: stack.enter_context(
            Target("/usr/bin/python3", os.path.join(HERE, "programs/service.py"), kind)).pid
            for kind in ("batch", "cache", "files", "reader", "importer")}


@contextlib.contextmanager
def node():
    program = "/usr/bin/node", os.path.join(REAL, "buffers.js")
    with Program(*program, "leak") as leaks, Target(*program, "clean") as clean:
        yield {"node-buffers-leak": leaks.pid, "node-buffers-clean": clean.pid}


@contextlib.contextmanager
def java():
    with Folder() as folder:
        subprocess.run(["/usr/bin/javac", "-d", folder, os.path.join(REAL, "Deflaters.java")],
                       check=True)
        program = "/usr/bin/java", "-cp", folder, "Deflaters"
        with Program(*program, "leak") as leaks, Target(*program, "clean") as clean:
            yield {"java-deflaters-leak": leaks.pid, "java-deflaters-clean": clean.pid}


@contextlib.contextmanager
def targets():
    """The demo's server; blocks that are replaced, once 100,000 of them are held: after 50 s."""
    with Target("demo_server") as demo, Target("churn", 3 * SECONDS, 2000, 100000, 2) as churn:
        churn.expect("ready")
        churn.go()
        yield {"demo-server": demo.pid, "churn": churn.pid}
        demo.process.kill()
        churn.process.kill()


SCENARIOS = (redis, postgres, python_extension, python_services, node, java, targets)


# --- recording -----------------------------------------------------------------------------------

def cleaned(record):
    """Without what belongs to this machine."""
    for key in DROPPED:
        record.pop(key, None)
    record["host"] = "host"
    if record["type"] == "start":
        record["exe"] = os.path.basename(record["exe"])
        record["cmdline"] = " ".join(os.path.basename(w) for w in record["cmdline"].split())
    return record


def write(name, records):
    text = "".join(json.dumps(cleaned(r), separators=(",", ":")) + "\n" for r in records)
    data = lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)
    print(f"  {name}: {len(records)} records, {len(text)} bytes, {len(data)} compressed; memtrace "
          f"said {records[-1].get('verdict')} on the way", flush=True)
    check(len(data) <= MOST, f"{name} is too large")
    with open(os.path.join(HERE, "sites", name + ".jsonl.xz"), "wb") as f:
        f.write(data)


def record(scenario):
    with scenario() as pids, Trace(*(a for pid in pids.values() for a in ("-p", pid)),
                                   "--interval", 1, "--top", 8, "--duration", SECONDS) as trace:
        trace.wait(SECONDS + 120)
        check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
        for name, pid in pids.items():
            write(name, [r for r in trace.records if r["type"] in KEPT and r["pid"] == pid])


for each in SCENARIOS:
    if len(sys.argv) == 1 or each.__name__ in sys.argv[1:]:
        print(each.__name__, flush=True)
        record(each)
