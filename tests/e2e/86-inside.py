"""Points inside allocator functions: on this machine's C library one probe sees a whole malloc."""
import re
import subprocess
import tempfile

from lib import *


def memtrace(*args):
    return subprocess.run([MEMTRACE, *map(str, args)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


def explained(target, *args):
    """What --explain-probes says of each function of the C library, line by line."""
    r = memtrace("-p", target.pid, "--explain-probes", "--mode", "full", "--duration", 1,
                 "-o", "/dev/null", *args)
    check(r.returncode == 0, r.stderr)
    return [l for l in r.stderr.splitlines() if "libc.so.6 " in l]


def lines_of(lines, function):
    return [l for l in lines if re.search(rf"libc\.so\.6 (\S*/)?{function}(/\S*)?( |:)", l)]


def test_malloc_is_seen_whole_by_one_probe():
    with spinner() as target:
        lines = explained(target)
        malloc = lines_of(lines, "malloc")
        check(malloc, f"malloc is not explained: {lines}")
        check(all("inside at +" in l for l in malloc), f"malloc is not probed inside: {malloc}")
        check(any("WHOLE" in l for l in malloc), f"no point sees all of malloc: {malloc}")
        check(all("emulated" in l or "called" in l for l in malloc), f"a dear point: {malloc}")
        for l in malloc:
            print("        " + re.sub(r" \(every.*", "", l.strip())[:150], flush=True)


def test_what_cannot_be_proven_says_why():
    with spinner() as target:
        lines = explained(target)
        memalign = lines_of(lines, "memalign")
        check(len(memalign) == 1 and "+return" in memalign[0] and "inside: " in memalign[0],
              f"memalign: {memalign}")
        realloc = lines_of(lines, "realloc")
        check(len(realloc) == 1 and "+return" in realloc[0], f"realloc: {realloc}")


if __name__ == "__main__":
    run(globals())
