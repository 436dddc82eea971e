"""A Python program with ordinary work and a C extension: `extension.py leak|clean`.

Says "ready" once it is warm, and its account as a line of JSON for each line that it reads.
"""
import json
import re
import selectors
import sys
import time

import leaky

STEP_S = 0.01
CALLS = 4  # per step: 400 a second
leaks = sys.argv[1] == "leak"
call = leaky.keep if leaks else leaky.borrow
truth = {"operations": 0, "bytes": 0}
recent = {}


def work(n):
    for i in range(CALLS):
        size = 1000 + (n * CALLS + i) % 1000
        call(size)
        truth["operations"] += 1
        truth["bytes"] += size if leaks else 0
    # What services do all day: documents, text, a table of recent things.
    document = {"id": n, "tags": [f"tag{i}" for i in range(n % 20)], "text": "word " * (n % 200)}
    copy = json.loads(json.dumps(document))
    recent[n % 500] = re.sub("word", str(n), copy["text"]).split()


def main():
    answers = selectors.DefaultSelector()
    answers.register(sys.stdin, selectors.EVENT_READ)
    begun = time.monotonic()
    n = 0
    while True:
        work(n)
        n += 1
        if n == 600:
            print("ready", flush=True)
        ahead = begun + n * STEP_S - time.monotonic()
        if answers.select(max(ahead, 0)):
            if not sys.stdin.readline():
                return
            print(json.dumps(truth), flush=True)


main()
