"""Every accounting rule against the books of a target that tries to break it, exactly."""
import subprocess

from lib import *

# four threads that allocate as fast as two CPUs let them, and memtrace's share of one
ALONE = ["test_a_churn_of_200000_a_second_is_counted_exactly_and_cheaply"]
FULL = ("--mode", "full", "--budget", 0, "--interval", 1, "--top", 1000)
KINDS_WITH_BYTES = ("heap", "mmap", "brk")


def library(name):
    """A library of the system, as LD_PRELOAD takes it."""
    listing = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    for line in listing.splitlines():
        if line.split(" ")[0].strip() == name:
            return line.split("=> ")[1]
    raise AssertionError(f"{name} is not installed; tools/setup --test installs it")


def rows_of(trace, kind, function, pid=None, others=()):
    return [s for s in trace.final_sites(pid)
            if s["kind"] == kind and owned_by(s, function, others)]


def known_as(function, program):
    """musl has no unwind tables: in a static program a stack ends at its strdup."""
    return "strdup" if function == "by_strdup" and program == "rules-musl" else function


def total(sites, field):
    return sum(s[field] for s in sites)


def compare(trace, truth, pid=None, program="rules"):
    """Each row of the target's books against the sites with that function, exactly."""
    wrong = []
    every = {row["function"] for row in truth["sites"]}
    for row in truth["sites"]:
        mine = rows_of(trace, row["kind"], known_as(row["function"], program), pid, every)
        if row["live"] == 0 and not mine: # sites that hold nothing are not reported
            continue
        pairs = [("live_count", "live")]
        if row["kind"] != "thread": # its threads may come by several ways, some with none alive
            pairs.append(("allocated_count", "made"))
        if row["kind"] in KINDS_WITH_BYTES:
            pairs.append(("live_bytes", "live_bytes"))
        if row["kind"] == "heap":
            pairs.append(("allocated_bytes", "made_bytes"))
        if row["kind"] == "brk":  # pieces of one break, however they are told apart
            pairs = [("live_bytes", "live_bytes")]
        for theirs, ours in pairs:
            if total(mine, theirs) != row[ours]:
                wrong.append(f"{row['kind']} {row['function']}: {theirs} {total(mine, theirs)}, "
                             f"truth {row[ours]}")
    check(not wrong, "; ".join(wrong))
    return sum(len(rows_of(trace, r["kind"], r["function"], pid, every)) for r in truth["sites"])


def compare_heap_total(trace, truth, pid=None):
    """Nothing beside what the books name is live."""
    heap = [s for s in trace.final_sites(pid) if s["kind"] == "heap"]
    rows = [r for r in truth["sites"] if r["kind"] == "heap"]
    check(total(heap, "live_count") == sum(r["live"] for r in rows),
          f"live blocks: {total(heap, 'live_count')}, truth {sum(r['live'] for r in rows)}")
    check(total(heap, "live_bytes") == sum(r["live_bytes"] for r in rows),
          f"live bytes: {total(heap, 'live_bytes')}, truth {sum(r['live_bytes'] for r in rows)}")
    allocator = trace.last_sample(pid)["allocator"]
    check(allocator["live_count"] == total(heap, "live_count"),
          f"allocator.live_count {allocator['live_count']}, sites {total(heap, 'live_count')}")


def lost_nothing(trace, pid=None):
    lost = {k: v for k, v in trace.last_sample(pid)["lost"].items() if v}
    check(not lost, f"something was lost: {lost}")


def settle(trace):
    """Two samples: what was in the ring when the marker came is in the second one for certain."""
    trace.await_tick()
    trace.await_tick()


def finish(trace):
    trace.stop()
    check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
    trace.validate()


def follow_mode(*mode, program="rules", options=(), env=None, heap_total=True):
    """Runs one mode of the target under a trace; returns what both said."""
    with Target(program, *mode, env=env) as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL, *options) as trace:
            trace.await_start()
            target.go()
            truth = target.truth()
            settle(trace)
            finish(trace)
            sites = compare(trace, truth, program=program)
            if heap_total:
                compare_heap_total(trace, truth)
            lost_nothing(trace)
            made = sum(r["made"] for r in truth["sites"])
            live = sum(r["live"] for r in truth["sites"])
            print(f"        {' '.join(mode)}: {made} made, {live} live, "
                  f"{sum(r['live_bytes'] for r in truth['sites'])} bytes at {sites} sites: "
                  "as the target says", flush=True)
            return trace, truth


# --- the heap ------------------------------------------------------------------------------------


def test_failed_calls_change_nothing():
    follow_mode("failed")


def test_realloc_moves_a_block_keeps_it_or_frees_it():
    _, truth = follow_mode("realloc")
    resizes = 200 * 5 + 100
    check(0 < truth["number"] < resizes, f"{truth['number']} of {resizes} moved: not both ways")


def test_nested_entry_points_count_once():
    follow_mode("nested")


def test_of_an_allocator_on_top_of_another_the_outer_one_counts():
    follow_mode("wrapped", options=("--alloc", "exe:wrap_get(size=arg1):wrap_put(ptr=arg1)"))


def test_blocks_freed_by_another_thread_are_freed():
    follow_mode("crossfree", heap_total=False)


def test_an_address_used_again_at_once_by_another_thread_is_never_miscounted():
    trace, truth = follow_mode("reuse", "4", heap_total=False)
    check(trace.last_sample()["lost"]["frees_missed"] == 0, "frees were missed")
    made = truth["sites"][0]["made"]
    check(made > 100000, f"only {made} allocations in 4 s by 8 threads")


def test_frees_of_blocks_from_before_the_trace_are_no_leak():
    trace, _ = follow_mode("before")
    check(trace.verdict() != "leak", "a leak of what is being freed")
    check(not trace.leaks(), f"reported: {trace.leaks()}")


def test_children_that_are_gone_at_once_take_nothing_from_those_who_share_their_probes():
    """Their blocks go with them, and their parent's go on being seen, under its own call sites."""
    with Target("brood-static", 20, 300) as target:
        pids = [target.pid, *json.loads(target.line())["workers"]]
        target.expect("ready")
        named = [a for pid in pids for a in ("-p", pid)]
        with Trace(*named, "--follow", *FULL, "--live-max", 4096) as trace:
            trace.await_record(lambda r: r["type"] == "start" and len(
                {s["pid"] for s in trace.of_type("start")}) == len(pids))
            target.go()
            truth = target.truth()
            settle(trace)
            finish(trace)
            kept = [s for s in trace.final_sites(target.pid) if "keep_one" in symbols(s)]
            check(len(kept) == 1 and kept[0]["live_count"] == kept[0]["allocated_count"] == truth["kept"],
                  f"kept {truth['kept']}, told {[(s['live_count'], s['allocated_count']) for s in kept]}")
            lost = {k: v for k, v in trace.last_sample(target.pid)["lost"].items() if v}
            check(not lost, f"{truth['left']} blocks of children that are gone: {lost}")


def test_a_full_live_set_refuses_and_counts():
    with Target("rules", "full") as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL, "--live-max", 1024) as trace:
            trace.await_start()
            target.go()
            truth = target.truth()["sites"][0]
            settle(trace)
            live, lost = trace.last_sample()["allocator"], trace.last_sample()["lost"]
            check(lost["live_full"] + live["live_count"] == truth["live"],
                  f"{lost['live_full']} refused, {live['live_count']} live, truth {truth['live']}")
            check(lost["live_full_bytes"] + live["live_bytes"] == truth["live_bytes"],
                  f"{lost['live_full_bytes']} bytes refused, {live['live_bytes']} live")
            check(lost["allocations"] == lost["live_full"], f"lost: {lost}")
            check(512 <= live["live_count"] <= 1024, f"{live['live_count']} live of 1024 possible")
            print(f"        full: {live['live_count']} live, {lost['live_full']} refused, counted",
                  flush=True)
            target.go()
            target.truth()
            settle(trace)
            after = trace.last_sample()["allocator"]
            check(after["live_count"] == 0 and after["live_bytes"] == 0,
                  f"all freed, still live: {after}")
            finish(trace)


# --- mappings ------------------------------------------------------------------------------------


def test_mappings_are_cut_moved_and_replaced_as_the_kernel_does_it():
    follow_mode("mappings")


# --- processes and threads -----------------------------------------------------------------------


def test_a_child_that_frees_its_copies_changes_nothing_of_its_parent():
    with Target("rules", "fork") as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_start()
            target.go()
            target.expect("child")
            target.go()
            child = target.truth()
            settle(trace)
            live = total(rows_of(trace, "heap", "parent_block"), "live_count")
            check(live == 1000, f"after the child freed its copies {live} of 1000 live")
            target.go()
            truth = target.truth()
            settle(trace)
            finish(trace)
            compare(trace, truth)
            compare_heap_total(trace, truth)
            lost_nothing(trace)
            check(not [r for r in trace.records if r["pid"] == child["pid"]],
                  "the child was reported without --follow")


def test_a_followed_child_has_books_of_its_own():
    with Target("rules", "fork") as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL, "--follow") as trace:
            trace.await_start()
            target.go()
            target.expect("child")
            start = trace.await_record(lambda r: r["type"] == "start" and r["pid"] != target.pid)
            target.go()
            child = target.truth()
            check(start["pid"] == child["pid"], f"{start['pid']} instead of the child")
            settle(trace)
            compare(trace, child, child["pid"])
            compare_heap_total(trace, child, child["pid"])
            target.go()
            end = trace.await_record(lambda r: r["type"] == "end" and r["pid"] == child["pid"])
            check(end["reason"] == "target_exit", f"the child's end: {end['reason']}")
            truth = target.truth()
            settle(trace)
            finish(trace)
            compare(trace, truth, target.pid)
            compare_heap_total(trace, truth, target.pid)
            lost_nothing(trace)
            check(len(trace.of_type("start")) == 2 and len(trace.of_type("end")) == 2,
                  "not one start and one end for each process")


def test_exec_empties_the_books_and_the_new_program_is_traced():
    with Target("rules", "exec") as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_start()
            target.go()
            target.expect("executed")
            settle(trace)
            live = trace.last_sample()["allocator"].get("live_count")
            check(live == 0, f"{live} blocks of the old program live in the new one")
            mode = trace.last_sample()["overhead"]["mode"]
            check(mode == "full", "the new program is not probed")
            target.go()
            truth = target.truth()
            settle(trace)
            finish(trace)
            compare(trace, truth)
            compare_heap_total(trace, truth)
            lost_nothing(trace)


def test_what_a_process_does_in_its_last_moment_is_counted():
    with Target("rules", "nested") as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_start()
            target.go()
            truth = target.truth()
            target.process.stdin.close() # it ends, between two ticks
            trace.wait()
            check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
            compare(trace, truth)


def test_exec_is_told_in_a_record_of_its_own():
    with Target("rules", "exec") as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_start()
            target.go()
            target.expect("executed")
            settle(trace)
            finish(trace)
            check([r for r in trace.of_type("process") if r["event"] == "exec"],
                  "no process record of the exec")


def test_children_that_borrow_the_memory_disturb_nothing():
    follow_mode("spawn")


def test_threads_come_and_go():
    with Target("rules", "threads") as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_start()
            target.go()
            for _ in range(2): # with five threads alive; with none
                truth = target.truth()
                settle(trace)
                compare(trace, truth)
                stacks = trace.last_sample()["classes"]["thread_stacks"]["count"]
                check(stacks == truth["number"], f"{stacks} threads, truth {truth['number']}")
                target.go()
            finish(trace)
            lost_nothing(trace)


# --- allocators ----------------------------------------------------------------------------------


def test_an_allocator_of_ones_own_is_covered_within_a_second_of_its_loading():
    spec = "libpool.so:pool_get(size=arg1):pool_put(ptr=arg1)"
    with Target("rules", "dlopen", os.path.join(BUILD, "targets", "libpool.so")) as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL, "--alloc", spec) as trace:
            trace.await_start()
            target.go()
            truth = target.truth()
            settle(trace)
            finish(trace)
            early, late = truth["sites"]
            seen = total(rows_of(trace, "heap", "early_block"), "allocated_count")
            check(early["made"] - 100 <= seen <= early["made"],
                  f"{seen} of {early['made']} seen: more than the first second is missing")
            print(f"        dlopen: the first {(early['made'] - seen) * 10} ms unseen", flush=True)
            compare(trace, {"sites": [late]})
            lost_nothing(trace)


def allocators_named(trace):
    return {a["name"]: a for a in trace.of_type("start")[0]["allocators"]}


def check_allocator(name, program="rules", preload=None, modes=("nested", "realloc", "crossfree")):
    env = dict(os.environ, LD_PRELOAD=preload) if preload else None
    for mode in modes:
        trace, _ = follow_mode(mode, program=program, env=env, heap_total=False)
        found = allocators_named(trace)
        check(name in found, f"start.allocators names {list(found)}, not {name}")
        check(found[name]["probes"] >= 6, f"{found[name]['probes']} probes in {name}")


def test_jemalloc_preloaded():
    check_allocator("jemalloc", preload=library("libjemalloc.so.2"))


def test_tcmalloc_preloaded():
    check_allocator("tcmalloc", preload=library("libtcmalloc_minimal.so.4"))


def test_mimalloc_preloaded():
    check_allocator("mimalloc", preload=library("libmimalloc.so.2"))


def test_musl_linked_statically():
    check_allocator("musl", program="rules-musl")


def test_glibc_linked_statically():
    check_allocator("glibc", program="rules-static")


# --- load ----------------------------------------------------------------------------------------


def test_a_churn_of_200000_a_second_is_counted_exactly_and_cheaply():
    with Target("churn", 20, 200000, 200000, 4) as target:
        target.expect("ready")
        with Trace("-p", target.pid, "--mode", "full", "--budget", 0, "--interval", 1,
                   "--top", 1000) as trace:
            trace.await_start()
            target.go()
            truth = target.truth()
            settle(trace)
            finish(trace)
            mine = rows_of(trace, "heap", "replace_block") + rows_of(trace, "heap", "work")
            mine = list({s["site_id"]: s for s in mine}.values())
            for field, name in (("allocated_count", "allocs"), ("allocated_bytes", "alloc_bytes"),
                                ("freed_count", "frees"), ("freed_bytes", "free_bytes")):
                check(total(mine, field) == truth[name],
                      f"{field}: {total(mine, field)}, truth {truth[name]}")
            lost_nothing(trace)
            cost = trace.of_type("end")[0]["overhead"]
            print(f"        churn: {truth['allocs']} allocations, memtrace "
                  f"{cost['tracer_rss_bytes'] / 1e6:.1f} MB and "
                  f"{cost['tracer_cpu_ratio'] * 100:.2f} % of a core", flush=True)
            check(truth["allocs"] > 3000000, f"only {truth['allocs']} allocations in 20 s")
            check(cost["tracer_rss_bytes"] < 64e6, f"{cost['tracer_rss_bytes']} bytes resident")
            check(cost["tracer_cpu_ratio"] < 0.05, f"{cost['tracer_cpu_ratio']} of a core")


# --- descriptors ---------------------------------------------------------------------------------


def test_descriptors_are_counted_as_the_kernel_counts_them():
    with Target("descriptors", "every") as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL, "--fold", "owner") as trace:
            trace.await_start()
            target.go()
            truth = target.truth()
            settle(trace)
            links = [os.readlink(f"/proc/{target.pid}/fd/{n}")
                     for n in os.listdir(f"/proc/{target.pid}/fd")]
            sockets = sum(l.startswith("socket:") for l in links)
            finish(trace)
            classes = trace.last_sample()["classes"]
            files = classes["file_handles"]["count"]
            connections = sum(classes[c]["count"] for c in (
                "network_connections", "database_connections", "websocket_connections")
                if "count" in classes.get(c, {}))
            print(f"        descriptors: {files} file handles and {connections} connections, "
                  f"/proc has {len(links) - sockets} and {sockets}", flush=True)
            check(files == len(links) - sockets,
                  f"file_handles {files}, truth {len(links) - sockets}")
            check(connections == sockets, f"connections {connections}, truth {sockets}")
            compare(trace, truth)
            lost_nothing(trace)


def test_a_leak_of_descriptors_is_found_and_its_opener_is_named():
    with Target("descriptors", "leak", 600) as target:
        target.expect("ready")
        with Trace("-p", target.pid, *FULL) as trace:
            trace.await_start()
            target.go()
            truth = target.truth()
            settle(trace)
            finish(trace)
            compare(trace, truth)
            leaks = trace.leaks()
            check(trace.verdict() == "leak", f"verdict {trace.verdict()}")
            found = [l for l in leaks if owned_by(l, "open_and_forget")]
            check(found, f"the opener is not named: {[symbols(l)[:3] for l in leaks]}")
            check(found[0]["class"] == "file_handles", f"class {found[0]['class']}")
            check(found[0]["leak_type"] == "file_handle", f"type {found[0]['leak_type']}")
            other = [l for l in leaks if not owned_by(l, "open_and_forget")]
            check(not other, f"reported too: {[(l['class'], symbols(l)[:3]) for l in other]}")
            print(f"        descriptors: leak of {found[0]['count']} by open_and_forget, severity "
                  f"{found[0]['severity']}", flush=True)


if __name__ == "__main__":
    run(globals())
