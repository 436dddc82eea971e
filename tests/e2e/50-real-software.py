"""Unmodified software from Debian packages under load, one that leaks and one that does not.

Of each kind two processes run at once, with one memtrace on both and no special mode. The one that
leaks must be called so, with the class that grows and the module that asked; its twin, which does
as much, must be acquitted. Growth is compared with what the software itself says.
"""
from servers import *

TRACED_S = 40
SEVERITIES = ["low", "medium", "high", "critical"]


# --- what is common: trace, compare, tell ------------------------------------------------------


class Side:
    """A traced process: its pid and a function that says what it did and holds."""

    def __init__(self, pid, account):
        self.pid, self.account = pid, account
        self.before, self.after = None, None

    def did(self, what):
        return self.after[what] - self.before[what]


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pace_of(side, seconds):
    """Operations and processor seconds per second of `seconds`, without memtrace."""
    begun, account, cpu = time.monotonic(), side.account(), cpu_s(side.pid)
    time.sleep(seconds)
    spent = time.monotonic() - begun
    return ((side.account()["operations"] - account["operations"]) / spent,
            (cpu_s(side.pid) - cpu) / spent)


def owner_module(record):
    """The module that a leak's first frame outside of allocators belongs to."""
    return record["stack"][0]["module"] if record["stack"] else None


def largest_growth(sample):
    """The class that grows fastest."""
    growth = {name: c.get("growth_bytes_per_s") or 0 for name, c in sample["classes"].items()}
    return max(growth, key=growth.get)


def trace_both(leaking, clean, traced_s=TRACED_S):
    """Traces both for that long under load, and returns the finished trace."""
    calm = [pace_of(side, 3) for side in (leaking, clean)]
    trace = Trace("-p", leaking.pid, "-p", clean.pid, "--mode", "full", "--budget", 0, "--interval", 2,
                  "--top", 20)
    with trace:
        for side in (leaking, clean):
            trace.await_record(lambda r: r["type"] == "start" and r["pid"] == side.pid)
        for side in (leaking, clean):
            side.before, side.at, side.cpu = side.account(), time.monotonic(), cpu_s(side.pid)
        trace.await_record(lambda r: r["type"] == "sample" and r["elapsed_s"] >= traced_s,
                           traced_s + 30)
        for side in (leaking, clean):
            side.after, side.seconds = side.account(), time.monotonic() - side.at
            side.cpu = (cpu_s(side.pid) - side.cpu) / side.seconds
        trace.stop()
        check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
        trace.validate()
        for side, (pace, cpu) in zip((leaking, clean), calm):
            tell_cost(trace, side, pace, cpu)
    return trace


def tell_cost(trace, side, pace, cpu):
    end = trace.of_type("end", side.pid)[-1]
    cost = end["overhead"]
    shares = sorted(r["overhead"].get("target_cpu_ratio_est") or 0
                    for r in trace.of_type("sample", side.pid))
    print(f"        {end['comm']} {side.pid}: {side.did('operations') / side.seconds:.0f} "
          f"operations/s at {100 * side.cpu:.1f} % of a CPU (untraced {pace:.0f} at "
          f"{100 * cpu:.1f} %); {cost['probe_hits_per_s']:.0f} probe hits/s in both, which "
          f"memtrace takes for {100 * shares[len(shares) // 2]:.0f} % of this one's CPU; memtrace "
          f"itself {100 * cost['tracer_cpu_ratio']:.1f} % of a CPU, "
          f"{cost['tracer_rss_bytes'] / 2**20:.0f} MiB; coverage {end['coverage_ratio']:.4f}",
          flush=True)


def check_nothing_lost(trace, pid):
    lost = {k: v for k, v in trace.of_type("end", pid)[-1]["lost"].items() if v}
    check(not lost, f"something was lost: {lost}")


def check_leak(trace, side, truth_bytes, leak_class, leak_types, modules, share=0.05):
    """What leaks, whose it is and its figures. truth_bytes came up while it was traced; one thing
    lost may be several blocks, which memtrace lists by the place that asked: their sum counts."""
    pid = side.pid
    leaks = sorted((r for r in trace.leaks(pid) if not r.get("comes_with")),
                   key=lambda r: -r["size_bytes"]) # without those that are parts of another
    summary = [(r["class"], r["leak_type"], owner_module(r), r["size_bytes"]) for r in leaks]
    check(trace.verdict(pid) == "leak", f"verdict {trace.verdict(pid)}, leaks {summary}")
    leak = leaks[0]
    first = next(r for r in trace.of_type("leak", pid) if r["leak_id"] == leak["leak_id"])
    last = trace.last_sample(pid)
    print(f"        leak reported after {first['elapsed_s']:.0f} s: {summary}; "
          f"truth {truth_bytes} bytes in {side.seconds:.0f} s, severity {leak['severity']}, "
          f"confidence {leak['confidence']}, {symbols(leak)[:4]}", flush=True)
    check((owner_module(leak) or "").startswith(modules[0]), f"wrong owner: {summary}")
    check(leak["severity"] in SEVERITIES[1:], f"severity {leak['severity']}: {summary}")
    for record in leaks:
        check((owner_module(record) or "").startswith(modules), f"another is accused: {summary}")
        check(record["class"] == leak_class, f"class {record['class']}: {summary}")
        check(record["leak_type"] in leak_types, f"type {record['leak_type']}: {summary}")
    sites = [r for r in trace.final_sites(pid) if r["site_id"] == leak["site_id"]]
    check(sites and sites[0]["module"].startswith(modules), f"the worst site: {sites}")
    parts = [r for r in trace.leaks(pid) if r["class"] == leak_class] # all that one thing lost is made of
    check_near(sum(r["size_bytes"] for r in parts), truth_bytes, share, "size of the leak")
    check_near(sum(r["growth_bytes_per_s"] for r in parts), truth_bytes / side.seconds, share,
               "growth of the leak")
    check(largest_growth(last) == leak_class, f"classes grow otherwise: {last['classes']}")
    check_near(last["classes"][leak_class]["growth_bytes_per_s"],
               truth_bytes / side.seconds, 3 * share, f"growth of class {leak_class}")
    check_nothing_lost(trace, pid)


def check_clean(trace, side):
    pid = side.pid
    said = [(r["class"], owner_module(r), r["size_bytes"], r["state"], r["elapsed_s"])
            for r in trace.of_type("leak", pid)]
    check(trace.verdict(pid) == "no_leak",
          f"verdict {trace.verdict(pid)} ({trace.of_type('end', pid)[-1]['verdict_why']}), "
          f"{len(said)} accusations, the last {said[-3:]}")
    check(not said, f"accused on the way {len(said)} times: {said[:3]}")
    print(f"        {trace.of_type('end', pid)[-1]['comm']} {pid}: acquitted", flush=True)
    check_nothing_lost(trace, pid)


# --- Redis -------------------------------------------------------------------------------------


def test_redis_that_gets_ever_new_keys_leaks_and_one_with_expiry_does_not():
    with Folder() as folder, Redis(folder, "1") as leaking, Redis(folder, "2") as clean, \
            Load(100, lambda n: set_new_keys(leaking, n, 20), 600), \
            Load(100, lambda n: set_passing_keys(clean, n, 20), 600):
        sides = Side(leaking.pid, leaking.account), Side(clean.pid, clean.account)
        trace = trace_both(*sides)
        # Redis counts what jemalloc rounds up to, and tables that double. Debian's redis-server is
        # a link to the file redis-check-rdb: it is called what it was started as.
        check_leak(trace, sides[0], sides[0].did("bytes"), "application", ["heap"],
                   ("redis-server",), 0.25)
        check_clean(trace, sides[1])


# --- PostgreSQL --------------------------------------------------------------------------------


def test_a_postgres_backend_that_keeps_statements_leaks_and_one_that_deallocates_does_not():
    with Folder("postgres") as folder, Postgres(folder) as postgres, \
            Session(postgres) as leaking, Session(postgres) as clean, \
            Load(20, lambda n: prepare_statements(leaking, n, 5, False), 120), \
            Load(20, lambda n: prepare_statements(clean, n, 5, True), 120):
        sides = Side(leaking.pid, leaking.account), Side(clean.pid, clean.account)
        trace = trace_both(*sides)
        check_leak(trace, sides[0], sides[0].did("bytes"), "application", ["heap"], ("postgres",))
        check_clean(trace, sides[1])


# --- Python, Node, Java ------------------------------------------------------------------------


def test_a_python_extension_that_loses_blocks_leaks_and_one_that_frees_them_does_not():
    with Folder() as folder:
        program, env = extension_program(folder)
        with Program(*program, "leak", env=env) as leaking, \
                Program(*program, "clean", env=env) as clean:
            sides = Side(leaking.pid, leaking.account), Side(clean.pid, clean.account)
            trace = trace_both(*sides)
            check_leak(trace, sides[0], sides[0].did("bytes"), "native_modules", ["native_module"],
                       ("leaky.",))
            check_clean(trace, sides[1])


def test_node_that_keeps_buffers_leaks_and_node_that_drops_them_does_not():
    program = "/usr/bin/node", "--expose-gc", os.path.join(HERE, "buffers.js")
    with Program(*program, "leak") as leaking, Program(*program, "clean") as clean:
        sides = Side(leaking.pid, leaking.account), Side(clean.pid, clean.account)
        trace = trace_both(*sides)
        check_leak(trace, sides[0], sides[0].did("bytes"), "buffers", ["buffer_leak"], ("node",))
        check_clean(trace, sides[1])


# What zlib's deflateInit2 asks for with Java's arguments: state, window, prev, head, pending.
# Debian's libzip.so calls the system's libz.so.1, which holds them for libzip.so; that one keeps a
# small z_stream for each itself.
DEFLATER_BYTES = 5952 + 2 * 32768 + 2 * 32768 + 2 * 32768 + 4 * 16384


def test_java_whose_deflaters_are_never_ended_leaks_and_one_that_ends_them_does_not():
    with Folder() as folder:
        subprocess.run(["/usr/bin/javac", "-d", folder, os.path.join(HERE, "Deflaters.java")],
                       check=True)
        program = "/usr/bin/java", "-cp", folder, "Deflaters"
        with Program(*program, "leak") as leaking, Program(*program, "clean") as clean:
            sides = Side(leaking.pid, leaking.account), Side(clean.pid, clean.account)
            trace = trace_both(*sides)
            check_leak(trace, sides[0], sides[0].did("kept") * DEFLATER_BYTES, "native_modules",
                       ["native_module"], ("libz.so.1", "libzip.so"))
            check_clean(trace, sides[1])


if __name__ == "__main__":
    run(globals())
