"""Names for code that no file holds, what a container sees, and identity of call sites."""
import shutil

from lib import *

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "real")


def traced(target, *options):
    """Traces a target through its one round; its truth and the final sites."""
    with Trace("-p", target.pid, "--mode", "full", "--budget", 0, "--interval", 0.3, "--top", 100,
               *options) as t:
        t.await_start()
        target.go()
        truth = target.truth()
        t.await_tick()
        t.await_tick()
        t.stop()
        t.validate()
        return truth, t.final_sites()


def code_frames(sites):
    return [f for s in sites for f in s["stack"] if f["kind"] in ("jit", "interpreted")]


def heap_of(sites, function):
    return [s for s in sites if s["kind"] == "heap" and owned_by(s, function)]


class Map:
    """A perf map at a path of the host; gone at the end."""

    def __init__(self, path, text=None, owner=None):
        self.path, self.text, self.owner = path, text, owner

    def __enter__(self):
        if self.text is not None:
            with open(self.path, "w") as f:
                f.write(self.text)
        return self

    def own(self):
        os.chown(self.path, self.owner, self.owner)

    def __exit__(self, *_):
        if os.path.lexists(self.path):
            os.unlink(self.path)


# --- perf maps -----------------------------------------------------------------------------------

def test_generated_code_is_named_by_the_perf_map():
    with Target("jit", "own") as target:
        target.expect("ready")
        truth, sites = traced(target)
        site = heap_of(sites, "makeBlock")
        check(len(site) == 1, f"sites of the generated function: {len(site)} of {len(sites)}")
        check(site[0]["live_bytes"] == truth["bytes"], f"holds {site[0]['live_bytes']}")
        frame = code_frames(site)[0]
        check(frame["symbol"] == "makeBlock" and frame["kind"] == "jit", str(frame))
        check(frame["file"] == "/srv/made.js" and frame["line"] == 42, str(frame))


def test_a_perf_map_of_another_user_is_refused():
    with Target("jit", "own") as target, Map("", owner=12345) as fake:
        target.expect("ready")
        fake.path = f"/tmp/perf-{target.pid}.map"
        fake.own()
        _, sites = traced(target)
        frames = code_frames(sites)
        check(frames, "no generated code was seen")
        check(not any(f.get("symbol") for f in frames), f"believed it: {frames}")


def test_node_functions_have_names_and_places():
    if not shutil.which("node"):
        raise AssertionError("node is not installed (tools/setup --test)")
    script = os.path.join(HERE, "jitted.js")
    with tempfile.TemporaryDirectory() as folder, \
            Target(shutil.which("node"), "--perf-basic-prof", script, cwd=folder) as target:
        with Map(f"/tmp/perf-{target.pid}.map"):
            target.expect("ready")
            with Trace("-p", target.pid, "--mode", "full", "--budget", 0, "--interval", 1, "--top", 50) as t:
                def is_ours(frame):
                    return frame.get("file") == script and frame["kind"] == "jit"

                site = t.await_record(lambda r: r["type"] == "site" and
                                      any(is_ours(f) for f in r["stack"]))
                t.stop()
                t.validate()
            frame = [f for f in site["stack"] if is_ours(f)][0]
            check(frame["symbol"] in ("makeBuffer", "(anonymous)"), str(frame))
            check(frame["line"] in (3, 9), str(frame))


# --- containers ----------------------------------------------------------------------------------

CONTAINER = """
exec 9<"$1"
mount -t tmpfs tmpfs "$2" || exit 1
cat <&9 >"$2/prog" && chmod 755 "$2/prog" || exit 1
exec 9<&-
mount -t tmpfs tmpfs /tmp || exit 1
exec "$2/prog" own
"""


def test_a_container_is_seen_as_it_sees_itself():
    """Its program and its perf map; the host has others under the same names."""
    folder = tempfile.mkdtemp(prefix="memtrace-e2e-", dir="/var/tmp")
    try:
        shutil.copy("/bin/true", os.path.join(folder, "prog"))
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation",
                   "private", "sh", "-c", CONTAINER, "sh", os.path.join(BUILD, "targets", "jit"),
                   folder]
        with Target(shutil.which("unshare"), *command[1:]) as target:
            target.expect("ready")
            with open(f"/proc/{target.pid}/task/{target.pid}/children") as f:
                target.pid = int(f.read().split()[0])
            misleading = "1 ffffffff00 misleading\n"
            with Map("/tmp/perf-1.map", misleading), \
                    Map(f"/tmp/perf-{target.pid}.map", "1 ffffff00 misleading\n"):
                truth, sites = traced(target)
            site = heap_of(sites, "makeBlock")
            check(len(site) == 1 and site[0]["live_bytes"] == truth["bytes"],
                  f"{[symbols(s) for s in sites]}")
            check("misleading" not in str(sites), "a map of the host was used")
            own = [f.get("symbol") for f in site[0]["stack"] if f.get("module") == "prog"]
            check("main" in own or not own, f"the program's own names: {own}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- identity ------------------------------------------------------------------------------------

def first_code_address(pid):
    with open(f"/proc/{pid}/maps") as f:
        return f.readline().split("-")[0]


def test_site_ids_are_the_same_in_every_run():
    runs = []
    for _ in range(2):
        with Target("paths", 3, 0) as target:
            target.expect("ready")
            where = first_code_address(target.pid)
            _, sites = traced(target)
            runs.append((where, {s["site_id"]: s["live_bytes"] for s in heap_of(sites, "keep")}))
    check(runs[0][0] != runs[1][0], "both runs were loaded at the same address")
    check(runs[0][1] and runs[0][1] == runs[1][1], f"{runs}")


def test_recursion_of_any_depth_is_one_site():
    with Target("paths", 3, 0) as target:
        target.expect("ready")
        truth, sites = traced(target)
        sites = heap_of(sites, "keep")
        check(len(sites) == len({s["site_id"] for s in sites}), "an id appears twice")
        # three callers; the recursion directly and through itself
        check(len(sites) == 5, f"{len(sites)} sites: {[symbols(s) for s in sites]}")
        held = sum(s["live_bytes"] for s in sites)
        check(held == truth["bytes"], f"together {held}, truth {truth}")


def test_folded_by_owner_there_is_one_site():
    with Target("paths", 3, 0) as target:
        target.expect("ready")
        truth, sites = traced(target, "--fold", "owner")
        sites = heap_of(sites, "keep")
        check(len(sites) == 1, f"{len(sites)} sites: {[symbols(s) for s in sites]}")
        check(sites[0]["live_bytes"] == truth["bytes"], f"{sites[0]['live_bytes']}, truth {truth}")
        check(symbols(sites[0]) == ["keep"], f"{symbols(sites[0])}")


def test_a_leak_with_several_callers_is_one_leak_and_its_parts_come_with_it():
    with Target("paths", 1000000, 50, "parts") as target:
        target.expect("ready")
        with Trace("-p", target.pid, "--mode", "full", "--budget", 0, "--interval", 1) as t:
            t.await_start()
            target.go()
            part = t.await_record(lambda r: r["type"] == "leak" and "comes_with" in r, timeout=60)
            t.stop()
            t.validate()
            leaks = {l["leak_id"]: l for l in t.leaks()}
        target.process.kill()
        check(len(leaks) == 2, f"{len(leaks)} leaks")
        leak = leaks[part["comes_with"]]
        check(owned_by(leak, "keep") and not owned_by(leak, "keep_part"), f"{symbols(leak)}")
        check(owned_by(part, "keep_part"), f"{symbols(part)}")
        check(leak["path_count"] == 5, f"{leak['path_count']} paths")
        check(len({p["site_id"] for p in leak["paths"]}) == 4, "not the four largest paths")
        check(leak["paths"][0]["site_id"] == leak["site_id"], "the largest is not first")


if __name__ == "__main__":
    run(globals())
