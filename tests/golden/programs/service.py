"""Python programs with ordinary work for recordings: `service.py KIND`, until standard input ends.

batch: builds documents for seconds, then drops them all; cache: a bounded cache that fills and stays
full; files: loses open files; reader: opens and closes as many; importer: loads libraries bit by bit
and then only works.
"""
import collections
import importlib
import json
import os
import select
import sys
import time
import zlib

kept = []
rows = collections.OrderedDict()
MODULES = ("decimal xml.dom.minidom sqlite3 email.message http.client unittest.mock asyncio ctypes csv "
           "difflib tarfile zipfile ssl multiprocessing.pool logging.config argparse html.parser "
           "concurrent.futures pickletools xml.etree.ElementTree urllib.request statistics").split()


def batch(n):
    """Three seconds of loading, one of work, then all is given back."""
    if n % 100 < 75:
        kept.append([b"%d" % i * 400 for i in range(n, n + 40)])
    elif n % 100 == 99:
        kept.clear()


def cache(n):
    """New pages all the time, of which the newest 3,000 are held."""
    for i in range(3):
        rows[n * 3 + i] = zlib.compress(b"page %d " % n * 200) + bytes(3000)
        if len(rows) > 3000:
            rows.popitem(last=False)


def files(n):
    kept.append(os.open(__file__, os.O_RDONLY))


def reader(n):
    os.close(os.open(__file__, os.O_RDONLY))


def importer(n):
    if n % 40 == 0 and n // 40 < len(MODULES):
        importlib.import_module(MODULES[n // 40])
    json.loads(json.dumps({"n": n, "words": ["w%d" % i for i in range(n % 300)]}))


def main():
    work = {"batch": batch, "cache": cache, "files": files, "reader": reader,
            "importer": importer}[sys.argv[1]]
    begun = time.monotonic()
    n = 0
    while True:
        work(n)
        n += 1
        ahead = begun + n * 0.04 - time.monotonic()
        if select.select([sys.stdin], [], [], max(ahead, 0))[0]:
            return


main()
