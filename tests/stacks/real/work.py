"""Ordinary work in many C extensions: says "ready" once it is warm, ends with its input."""
import collections
import decimal
import json
import os
import re
import sqlite3
import sys
import threading
import time
import zlib

db = sqlite3.connect(":memory:", check_same_thread=False)
db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
recent = collections.deque(maxlen=300)


class Node:
    def __init__(self, depth):
        self.children = [Node(depth - 1) for _ in range(2)] if depth else []

    def total(self):
        return 1 + sum(c.total() for c in self.children)


def work(n):
    document = {"id": n, "tags": [f"tag{i}" for i in range(n % 20)], "text": "word " * (n % 200)}
    text = json.dumps(document)
    recent.append(re.sub("w(o)rd", str(n), json.loads(text)["text"]).split())
    recent.append(zlib.decompress(zlib.compress(text.encode())))
    db.execute("INSERT OR REPLACE INTO t VALUES (?, ?)", (n % 100, text))
    recent.append(db.execute("SELECT a, upper(b) FROM t WHERE b LIKE ? ORDER BY b", ("%1%",)).fetchall())
    recent.append(decimal.Decimal(n).sqrt() ** 3)
    recent.append(bytearray(2000 + n % 500))
    recent.append(Node(n % 6).total())
    recent.append(sorted(os.listdir("/proc/self/fd"), key=lambda s: str(s) * 10))


def other():
    while True:
        recent.append(bytes(1000))
        time.sleep(0.02)


threading.Thread(target=other, daemon=True).start()


def loop():
    begun = time.monotonic()
    n = 0
    while True:
        work(n)
        n += 1
        if n == 50:
            print("ready", flush=True)
        time.sleep(max(0, begun + n * 0.01 - time.monotonic()))


threading.Thread(target=loop, daemon=True).start()
sys.stdin.read()
os._exit(0)
