"""After a line: a program that warms up. Modules are loaded one by one as they are needed, patterns
are compiled, and a cache fills up to its bound; then it goes on working."""
import importlib
import re
import select
import sys
from collections import OrderedDict

MODULES = ["json", "decimal", "email.mime.text", "http.client", "xml.dom.minidom", "sqlite3", "ssl",
           "asyncio", "unittest", "csv", "argparse", "logging.config", "zipfile", "tarfile",
           "concurrent.futures", "multiprocessing", "html.parser", "urllib.request", "pydoc",
           "fractions", "statistics", "difflib", "ipaddress", "configparser", "ctypes"]
STEP_S, ENTRIES, PER_STEP = 0.02, 3000, int(sys.argv[1])

cache = OrderedDict()


def serve(step):
    if step % 20 == 0 and step // 20 < len(MODULES):
        importlib.import_module(MODULES[step // 20])
    for i in range(PER_STEP):
        cache[step * PER_STEP + i] = b"x" * 4000
        if len(cache) > ENTRIES:
            cache.popitem(last=False)
    if PER_STEP * step <= ENTRIES < PER_STEP * (step + 1):
        print("full", flush=True)
    re.compile("(a|b)*c{%d}" % (step % 200)).match("ababc")


print("ready", flush=True)
sys.stdin.readline()
step = 0
while not select.select([sys.stdin], [], [], STEP_S)[0]:
    serve(step)
    step += 1
