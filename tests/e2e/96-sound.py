#!/usr/bin/python3
"""What grows and is no leak: node after a burst, a JVM whose heap grows to its limit, PostgreSQL that
touches its shared buffers, redis that fills up to maxmemory, Python that warms up."""
import shutil

from servers import *

CACHES = ("redis", "python")
SETTLED_S = 16 # after growth ended: what was suspect has to be acquitted by then
STEPS, ROWS = 200, 240000 # of 150 bytes: 40 MB and their index
TABLE = f"""CREATE TABLE t AS SELECT i, repeat('x', 110) AS text FROM generate_series(1, {ROWS}) i;
CREATE INDEX ON t (i); ANALYZE t;"""


class Sound:
    """The five of them, doing nothing yet, and the load that two of them are given."""

    def __init__(self, folder):
        subprocess.run(["/usr/bin/javac", "-d", folder, os.path.join(HERE, "Sound.java")], check=True)
        self.targets = {
            "node": Target(shutil.which("node") or "/usr/bin/node", os.path.join(HERE, "sound.js")),
            "java": Target("/usr/bin/java", "-Xms16m", "-Xmx128m", "-cp", folder, "Sound"),
            "python": Target("/usr/bin/python3", os.path.join(HERE, "sound.py"), 4),
        }
        for t in self.targets.values():
            t.expect("ready")

    def go(self):
        for t in self.targets.values():
            t.go()

    def end(self):
        for t in self.targets.values():
            t.end()


def touch_buffers(session, n):
    """A part of the table that this backend has not seen yet; then from the beginning again."""
    at = n * (ROWS // STEPS) % ROWS
    session.ask(f"SELECT count(text) FROM t WHERE i BETWEEN {at} AND {at + ROWS // STEPS};")
    session.operations += 1


def evicted(redis):
    redis.control.sendall(b"INFO stats\r\n")
    text = b""
    while b"evicted_keys:" not in text or not text.endswith(b"\r\n\r\n"):
        text += redis.control.recv(65536)
    return int(text.partition(b"evicted_keys:")[2].split()[0])


def trace_all(mode):
    with Folder() as folder, Folder("postgres") as data, Postgres(data, "64MB") as postgres, \
            Redis(folder, "log", "--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru") as redis:
        with Session(postgres) as filler:
            filler.ask(TABLE)
        sound = Sound(folder)
        try:
            with Session(postgres) as session:
                pids = {"redis": redis.pid, "postgres": session.pid,
                        **{name: t.pid for name, t in sound.targets.items()}}
                args = [a for pid in pids.values() for a in ("-p", pid)]
                with Trace(*args, "--mode", mode, "--interval", 2, "--top", 20,
                           "--duration", 300) as trace:
                    trace.await_start()
                    trace.await_tick()
                    sound.go()
                    with Load(14, lambda n: touch_buffers(session, n), 1), \
                            Load(50, lambda n: set_new_keys(redis, n, 60), 1):
                        for t in sound.targets.values():
                            t.expect("full")
                        await_that(lambda: evicted(redis) and session.operations >= STEPS, "growth")
                        trace.await_tick()
                        full_s = trace.records[-1]["elapsed_s"]
                        trace.await_record(lambda r: r["elapsed_s"] >= full_s + SETTLED_S)
                        trace.stop()
                    trace.validate()
                    check_sound(trace, pids, mode)
        finally:
            sound.end()


def check_sound(trace, pids, mode):
    wrong = []
    for name, pid in pids.items():
        samples = trace.of_type("sample", pid)
        whole = [s["rss_bytes"] + s["swap_bytes"] for s in samples]
        most = max(s["classes"]["unexplained"].get("bytes", 0) / s["rss_bytes"] for s in samples)
        said = [r for r in trace.of_type("leak", pid) if r["state"] == "active"]
        print(f"        {mode} {name}: {whole[0] / 1e6:.1f} -> {whole[-1] / 1e6:.1f} MB, "
              f"{trace.verdict(pid)}, {len(said)} alarms, at most {most:.1%} unexplained", flush=True)
        check(max(whole) > whole[0] + 4e6, f"{name} did not grow: {whole}")
        # while it fills, a cache is a leak or an unbounded cache; when it is full, it is none
        said = trace.leaks(pid) if name in CACHES else said
        wrong += [(name, r["elapsed_s"], r["class"], r["confidence"], symbols(r)[:4], r["evidence"])
                  for r in said]
        if trace.verdict(pid) == "leak":
            wrong.append((name, "is called a leak"))
    check(not wrong, "\n".join(map(str, wrong)))


def test_growth_that_has_an_end_is_no_leak():
    trace_all("auto")


def test_growth_that_has_an_end_is_no_leak_without_probes():
    trace_all("watch")


if __name__ == "__main__":
    run(globals())
