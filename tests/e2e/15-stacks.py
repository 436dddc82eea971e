"""Stacks of programs without frame pointers are whole: every chain is the one that was called."""
import shutil

from lib import *

FULL = ("--mode", "full", "--budget", 0, "--interval", 1, "--top", 1000)
ROUNDS = 100
OPENED = ["use_library", "main"]
CHAINS = { # leaf: callers up to main, or to the thread's first function
    "deep_leaf": ["deep"] * 61 + ["main"],
    "alloca_leaf": ["with_alloca", "main"],
    "realigned_leaf": ["realigned", "main"],
    "data_leaf": ["rbp_is_data", "main"],
    "large_leaf": ["large_frame"] * 5 + ["main"],
    "sort_leaf": ["compare", "sort", "main"],
    "signal_leaf": ["on_signal", "interrupted", "main"],
    "altstack_leaf": ["on_altstack", "interrupted", "main"],
}
THREAD = {"thread_leaf", "thread_deep", "thread_main"}
PLUGIN = {"plugin_leaf", "plugin_early", "plugin_late"}
OWN = {f for chain in CHAINS.values() for f in chain} | set(CHAINS) | THREAD | PLUGIN | set(OPENED)


def chain_of(site):
    """The functions of the target on a stack; what the C library does in between is left out."""
    return [s for s in symbols(site) if s in OWN]


def of_leaf(trace, leaf):
    return [s for s in trace.final_sites() if s["kind"] == "heap" and owned_by(s, leaf)]


def check_all(sites, chain, count, what):
    """All `count` allocations have that chain, and their stacks reach the start of the thread."""
    for site in sites:
        got = chain_of(site)
        check(got == chain, f"{what}: the stack is {got}, not {chain}")
        check(site["stack_complete"], f"{what}: the stack ends at {site.get('stack_end')}")
    check_equal(sum(s["allocated_count"] for s in sites), count, what)


def check_equal(value, truth, what):
    check(value == truth, f"{what}: {value}, truth {truth}")


def check_chains(trace):
    for leaf, callers in CHAINS.items():
        check_all(of_leaf(trace, leaf), [leaf] + callers, ROUNDS, leaf)
    deep = of_leaf(trace, "thread_leaf")
    for site in deep:
        n = chain_of(site).count("thread_deep")
        check_all([site], ["thread_leaf"] + ["thread_deep"] * n + ["thread_main"],
                  site["allocated_count"], f"thread_leaf, {n} deep")
    check_equal(sum(s["allocated_count"] for s in deep), 4 * ROUNDS, "thread_leaf")


def trace_chains(program):
    with Target(program) as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_start()
            target.go()
            target.expect("done")
            trace.await_tick()
            trace.stop()
            check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
            trace.validate()
            check_chains(trace)


def test_stacks_reach_the_start_of_every_thread_with_the_whole_chain():
    trace_chains("stacks")


def test_a_static_program_has_whole_stacks_too():
    trace_chains("stacks-static-pie")


def test_a_new_library_is_covered_within_a_second_and_a_replaced_one_does_not_mislead():
    with tempfile.TemporaryDirectory(prefix="memtrace-") as folder:
        first, other = os.path.join(folder, "first.so"), os.path.join(folder, "other.so")
        shutil.copy(os.path.join(BUILD, "targets/libplugin.so"), first)
        with Target("stacks", first, first, other) as target:
            target.expect("ready")
            with Trace("-p", target.pid, *FULL) as trace:
                trace.await_start()
                target.go()
                target.expect("used")
                # another file under the same name, while the first one is mapped
                shutil.copy(os.path.join(BUILD, "targets/libplugin-other.so"), other)
                shutil.copy(other, first + ".new")
                os.rename(first + ".new", first)
                target.go()
                target.expect("used")
                target.go()
                target.expect("used")
                target.go()
                target.expect("done")
                trace.await_tick()
                trace.stop()
                check_late(trace, 3)


def check_late(trace, libraries):
    late = [s for s in of_leaf(trace, "plugin_leaf") if owned_by(s, "plugin_late")]
    check_all(late, ["plugin_leaf"] + ["plugin_late"] * 6 + OPENED, libraries * ROUNDS, "plugin_late")
    early = [s for s in of_leaf(trace, "plugin_leaf") if owned_by(s, "plugin_early")]
    whole = sum(s["allocated_count"] for s in early if s["stack_complete"])
    made = sum(s["allocated_count"] for s in early)
    check(whole > made / 2, f"of {made} stacks in the first second only {whole} are whole")
    for site in of_leaf(trace, "plugin_leaf"):
        check(site["stack_complete"] or site["stack_end"] == "table_pending",
              f"a stack in a new library ends at {site.get('stack_end')}")


class Overlay:
    """A folder as containers have it: its files are another file system's, under other devices."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="memtrace-")
        subprocess.run(["mount", "-t", "tmpfs", "memtrace-test", self.path], check=True)
        for name in ("lower", "upper", "work", "root"):
            os.mkdir(os.path.join(self.path, name))
        return self

    def mount(self):
        options = ",".join(f"{k}dir={self.path}/{k}" for k in ("lower", "upper", "work"))
        subprocess.run(["mount", "-t", "overlay", "memtrace-test", "-o", options,
                        f"{self.path}/root"], check=True)

    def __exit__(self, *_):
        subprocess.run(["umount", "-lq", f"{self.path}/root"])
        subprocess.run(["umount", "-lq", self.path])
        os.rmdir(self.path)


def test_programs_and_libraries_in_a_container_are_covered():
    with Overlay() as overlay:
        for name in ("stacks", "libplugin.so"):
            shutil.copy(os.path.join(BUILD, "targets", name), f"{overlay.path}/lower")
        overlay.mount()
        root = f"{overlay.path}/root"
        with Target(f"{root}/stacks", f"{root}/libplugin.so") as target:
            target.expect("ready")
            with Trace("-p", target.pid, *FULL) as trace:
                trace.await_start()
                target.go()
                target.expect("used")
                target.go()
                target.expect("done")
                trace.await_tick()
                trace.stop()
                check_chains(trace)
                check_late(trace, 1)


def test_operator_new_within_malloc_hides_no_caller():
    with Target("leak_new", 50) as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_start()
            target.go()
            target.truth()
            trace.await_tick()
            trace.stop()
            sites = [s for s in trace.final_sites() if s["kind"] == "heap"]
            check(sites, "no site")
            for site in sites:
                check(site["stack_complete"], f"{symbols(site)[:4]} ends at {site.get('stack_end')}")
                check(symbols(site).count("main") == 1, f"no main: {symbols(site)}")


if __name__ == "__main__":
    run(globals())
