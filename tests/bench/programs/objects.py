"""Makes and drops objects for as many milliseconds as a line on standard input says; tells how many
rounds that were, and the time."""
import json
import sys
import time


class Item:
    def __init__(self, n):
        self.name, self.data, self.more = f"item {n}", b"x" * (600 + n % 2000), {n: [n, str(n)]}


kept = {}
print("ready", flush=True)
n = 0
for line in sys.stdin:
    begun, first = time.monotonic_ns(), n
    end, cpu = begun + int(line) * 1000000, time.process_time_ns()
    while time.monotonic_ns() < end:
        for _ in range(50):
            n += 1
            kept[n % 5000] = Item(n)
            text = json.dumps({"n": n, "of": [k for k in range(20)]})
            json.loads(text)
    print(json.dumps({"ops": n - first, "wall_ns": time.monotonic_ns() - begun,
                      "cpu_ns": time.process_time_ns() - cpu}), flush=True)
