"""timed.py FILE CMD...: runs a command and writes its wall and CPU time into FILE."""
import json
import resource
import subprocess
import sys
import time

begun = time.monotonic_ns()
status = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL).returncode
wall = time.monotonic_ns() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as f:
    json.dump({"status": status, "wall_ns": wall,
               "cpu_ns": (used.ru_utime + used.ru_stime) * 1e9}, f)
