"""What a tracer may leave behind in the kernel or in a process, looked for from outside."""
import json
import os
import re
import subprocess
import time

from lib import ROOT, check


def bpf_objects(kind):
    """{id: object} of `bpftool link|prog show`, which fails when one of them goes while it looks: other
    tests run beside this one."""
    for left in reversed(range(20)):
        out = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, text=True)
        if out.returncode == 0:
            return {o["id"]: o for o in json.loads(out.stdout or "[]")}
        check(left, f"bpftool {kind} show: status {out.returncode}: {out.stdout[-200:]} {out.stderr}")


def held(field):
    """Ids that some process holds open, by its fdinfo."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        folder = f"/proc/{pid}/fdinfo"
        try:
            for fd in os.listdir(folder):
                with open(os.path.join(folder, fd)) as f:
                    found.update(int(line.split()[1]) for line in f if line.startswith(field))
        except OSError: # the process or the descriptor is gone
            continue
    return found


def orphans(before):
    """Links and programs that came since `before` and that no process holds."""
    links, programs = bpf_objects("link"), bpf_objects("prog")
    owned = held("link_id:")
    lost = {f"link {i}" for i in links if i not in before[0] and i not in owned}
    used = held("prog_id:") | {l["prog_id"] for l in links.values() if "prog_id" in l}
    return lost | {f"prog {i}" for i in programs if i not in before[1] and i not in used}


def inventory():
    return set(bpf_objects("link")), set(bpf_objects("prog"))


def probes_in(pid):
    """Links of allocator probes on a process."""
    return [l["id"] for l in bpf_objects("link").values()
            if l["type"] == "uprobe_multi" and l.get("pid") == pid]


def await_true(what, condition, timeout=10):
    deadline = time.monotonic() + timeout
    while not condition():
        check(time.monotonic() < deadline, f"waited {timeout} s in vain: {what}")
        time.sleep(0.02)


def changed_text(pid, file_name):
    """Number of bytes in which the code of a mapped file differs from the file."""
    changed = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            fields = line.split()
            if "x" not in fields[1] or not fields[-1].endswith("/" + file_name):
                continue
            start, end = (int(x, 16) for x in fields[0].split("-"))
            mem.seek(start)
            here = mem.read(end - start)
            with open(fields[-1], "rb") as f:
                f.seek(int(fields[2], 16))
                there = f.read(end - start)
            changed += sum(a != b for a, b in zip(here, there)) if here != there else 0
    return changed


def keepers_alone():
    """Processes that held probes for a memtrace that is gone."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                _, comm, rest = re.split(r"[()]", f.read(), maxsplit=2)
        except OSError:
            continue
        if comm == "mt-keeper" and rest.split()[1] == "1":
            found.append(pid)
    return found


def check_clean(before, pid=None, file_name="libc.so.6"):
    """Nothing of ours is left in the kernel; the process runs the code of its files again.
    After a kill the keeper takes the probes out: what is awaited is its end."""
    await_true("the keeper to end", lambda: not keepers_alone())
    await_true("links or programs without an owner to go", lambda: not orphans(before))
    if pid is not None:
        check(not probes_in(pid), f"probes are left in process {pid}: {probes_in(pid)}")
        check(changed_text(pid, file_name) == 0, f"{file_name} in process {pid} is not as its file")


__all__ = ["ROOT", "await_true", "bpf_objects", "changed_text", "check_clean", "inventory",
           "orphans", "probes_in"]
