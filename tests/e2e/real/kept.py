"""Python that keeps, or drops, things that native libraries hold: `kept.py KIND leak|clean`.

Makes RATE things a second. Says "ready" once it is warm, and its account as a line of JSON for each
line that it reads.
"""
import json
import selectors
import sqlite3
import ssl
import sys
import tempfile
import threading
import time
import zlib

RATE = 25
kind, leaks = sys.argv[1], sys.argv[2] == "leak"
kept = []
forever = threading.Event()


def make_compressor():
    c = zlib.compressobj()
    c.compress(b"some text" * 100)
    return c


def make_context():
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def make_connection():
    db = sqlite3.connect(":memory:")
    db.execute("create table t(a, b)")
    db.executemany("insert into t values(?, ?)", [(n, "x" * 50) for n in range(100)])
    return db


def make_file():
    return open(names[len(kept) % len(names)].name, "rb")


def make_thread():
    t = threading.Thread(target=forever.wait if leaks else lambda: None, daemon=True)
    t.start()
    return t


def make_bytes():
    return bytearray(20000)


MAKERS = {"zlib": make_compressor, "ssl": make_context, "sqlite": make_connection,
          "file": make_file, "thread": make_thread, "bytes": make_bytes}
names = [tempfile.NamedTemporaryFile() for _ in range(4)]
made = 0


def step():
    global made
    thing = MAKERS[kind]()
    if leaks:
        kept.append(thing)
    elif kind == "thread":
        thing.join()
    elif hasattr(thing, "close"):
        thing.close()
    made += 1


def main():
    answers = selectors.DefaultSelector()
    answers.register(sys.stdin, selectors.EVENT_READ)
    begun = time.monotonic()
    n = 0
    while True:
        step()
        n += 1
        if n == RATE:
            print("ready", flush=True)
        ahead = begun + n / RATE - time.monotonic()
        if answers.select(max(ahead, 0)):
            if not sys.stdin.readline():
                return
            print(json.dumps({"operations": made, "kept": len(kept)}), flush=True)


main()
