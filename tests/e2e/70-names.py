"""A stripped program is named: symbols, lines and inlined functions of its separate debug file."""
import contextlib
import functools
import http.server
import threading

from lib import *

SOURCE = os.path.join(ROOT, "tests/targets/inlines.c")


def line_of(marker):
    with open(SOURCE) as f:
        return next(n for n, text in enumerate(f, 1) if f"/* line: {marker} */" in text)


@contextlib.contextmanager
def stripped(keep_debug_file=True):
    """A folder with the stripped target; its debug file is in .debug/, found by its link."""
    with tempfile.TemporaryDirectory(prefix="memtrace-names-") as folder:
        whole = os.path.join(BUILD, "targets", "inlines")
        os.mkdir(os.path.join(folder, ".debug"))
        debug = os.path.join(folder, ".debug", "inlines.debug")
        program = os.path.join(folder, "inlines")
        subprocess.run(["objcopy", "--only-keep-debug", whole, debug], check=True)
        subprocess.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", whole, program],
                       check=True)
        if not keep_debug_file:
            os.unlink(debug)
        yield program


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return f.read().split("\n")


@functools.lru_cache
def trace_stripped(keep_debug_file=True, options=(), env=None):
    """The leaking site, and the status of the process that read lines for it."""
    with stripped(keep_debug_file) as program, Target(program, 2000) as target:
        target.expect("ready")
        with Trace("-p", target.pid, "--mode", "full", "--budget", 0, "--interval", 1, "--top", 20, *options,
                   env=env and {**os.environ, **dict(env)}) as trace:
            trace.await_start()
            target.go()
            truth = target.truth()["sites"][0]
            trace.await_tick()
            readers = [status_of(c) for c in children_named(trace.process.pid, "memtrace-lines")]
            trace.stop()
            check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
            trace.validate()
            sites = [s for s in trace.final_sites() if s["live_bytes"] == truth["bytes"]]
            check(len(sites) == 1, f"{len(sites)} sites hold {truth['bytes']} bytes")
            return sites[0], readers


def test_a_separate_debug_file_gives_names_lines_and_inlined_functions():
    site, readers = trace_stripped()
    wanted = [("new_order", True), ("take_order", True), ("serve_customer", False)]
    for frame, (name, inlined) in zip(site["stack"], wanted):
        check(frame["symbol"] == name, f"{frame} is not {name}")
        check(frame["inlined"] == inlined, f"{frame}: inlined")
        check(os.path.basename(frame["file"]) == "inlines.c", f"{frame}: file")
        check(frame["line"] == line_of(name), f"{frame}: line, not {line_of(name)}")
        check(frame["offset"] == site["stack"][0]["offset"], f"{frame}: offset")
        check(frame["module"] == "inlines", f"{frame}: module")
    check(len(readers) == 1, f"{len(readers)} processes that read lines")
    for line in ("Uid:\t65534\t65534\t65534\t65534", "CapEff:\t0000000000000000", "Seccomp:\t2"):
        check(line in readers[0], f"it is not confined: {line}")


def test_names_are_no_part_of_the_id():
    named, _ = trace_stripped()
    unnamed, _ = trace_stripped(keep_debug_file=False)
    first = unnamed["stack"][0]
    check("symbol" not in first and "line" not in first, f"a name from nowhere: {first}")
    check(named["stack"][0]["symbol"] == "new_order", named["stack"][0])
    check(named["site_id"] == unnamed["site_id"], "another id with a debug file")


@contextlib.contextmanager
def debug_server(folder):
    """A server of the one debug file; yields the environment that names it, and what was asked."""
    asked = []
    debug = os.path.join(folder, "inlines.debug")
    subprocess.run(["objcopy", "--only-keep-debug", os.path.join(BUILD, "targets", "inlines"),
                    debug], check=True)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            with open(debug, "rb") as f:
                data = f.read()
            self.send_response(200 if self.path.startswith(wanted) else 404)
            self.end_headers()
            if self.path.startswith(wanted):
                self.wfile.write(data)

        def log_message(self, *_):
            pass

    notes = subprocess.run(["readelf", "-n", debug], capture_output=True, text=True).stdout
    build_id = notes.split("Build ID: ")[1].split()[0]
    wanted = f"/buildid/{build_id}/debuginfo"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield (("DEBUGINFOD_URLS", f"http://127.0.0.1:{server.server_address[1]}/"),
               ("DEBUGINFOD_CACHE_PATH", os.path.join(folder, "cache")),
               ("no_proxy", "127.0.0.1")), asked
        server.shutdown()


def test_servers_of_debug_files_are_asked_only_when_the_user_says_so():
    with tempfile.TemporaryDirectory(prefix="memtrace-names-") as folder:
        with debug_server(folder) as (env, asked):
            site, _ = trace_stripped(False, (), env)
            check("symbol" not in site["stack"][0], f"a name from nowhere: {site['stack'][0]}")
            check(not asked, f"a server was asked: {asked}")
            site, _ = trace_stripped(False, ("--debuginfod",), env)
            first = site["stack"][0]
            check(first.get("symbol") == "new_order", f"{first}; asked: {asked}")
            check(first["line"] == line_of("new_order"), f"{first}: line")


if __name__ == "__main__":
    run(globals())
