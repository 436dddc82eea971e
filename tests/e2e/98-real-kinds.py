"""One leak of each kind in real software: what memtrace calls it, whose it is, and how large.

Connections of the package pg and of libpq to PostgreSQL, websockets of the package ws, files,
databases of better-sqlite3, Buffers, small ones and large ones, direct buffers of Java, what C gave
a Go program. Beside them programs that do the same and give it back. All under one memtrace.
"""
from servers import *

NODE = shutil.which("node") or "/usr/bin/node"
KEPT_JS, KEPT_PY, BUFFERS_JS, CHAT = (os.path.join(HERE, name) for name in
                                      ("kept.js", "kept.py", "buffers.js", "chat.js"))
NAMES = "--perf-basic-prof", "--interpreted-frames-native-stack"
SQLITE = "better-sqlite3/build/Release/better_sqlite3.node"
PACKAGES = os.path.join(BUILD, "npm", "node_modules")
# Twenty-two programs whose pace over the same time is compared: no other test may starve them.
ALONE = ["test_one_leak_of_each_kind_is_named_and_what_is_given_back_is_not"]
TRACED_S = 22
NAMED_S = 60 # what collectors free is named by then; it takes 20 s here
DEFLATE_BYTES = 5952 + 2 * 32768 + 2 * 32768 + 2 * 32768 + 4 * 16384


def packages(*names):
    """Whether they are there."""
    return all(os.path.exists(os.path.join(PACKAGES, n)) for n in names)


class Case:
    """A program that keeps things, and what must be said of its worst leak."""

    def __init__(self, *argv, what, opener=None, advice=None, peer=None, parts=False, things=False,
                 own_account=False, each=None, env=None, cwd=None):
        self.program = Program(*argv, env=env, cwd=cwd)
        self.pid = self.program.pid
        self.name = " ".join(os.path.basename(str(a)) for a in argv[-3:])
        self.what, self.opener, self.advice, self.peer = what, opener, advice, peer
        self.parts, self.things, self.own_account, self.each = parts, things, own_account, each

    def leaks(self, trace):
        return [r for r in trace.leaks(self.pid) if "comes_with" not in r]

    def is_told(self, trace):
        return [(r["class"], r["leak_type"]) for r in self.leaks(trace)] == [self.what]

    def begin(self):
        self.before, self.begun = self.program.account(), time.monotonic()

    def end(self):
        self.after, self.seconds = self.program.account(), time.monotonic() - self.begun

    def came(self, what):
        return self.after[what] - self.before[what]

    def check(self, trace):
        leaks = self.leaks(trace)
        said = [(r["class"], r["leak_type"], owner(r), r["size_bytes"], r["count"]) for r in leaks]
        check(trace.verdict(self.pid) == "leak", f"{self.name}: {trace.verdict(self.pid)}, {said}")
        leak = leaks[0]
        parts = [r for r in trace.leaks(self.pid) if r.get("comes_with") == leak["leak_id"]]
        print(f"        {self.name}: {leak['first_seen_s']:.0f} s, {said[0]}, {len(parts)} parts, "
              f"{leak['recommendation'][:120]}", flush=True)
        check(len(leaks) == 1, f"{self.name}: {said}")
        check((leak["class"], leak["leak_type"]) == self.what, f"{self.name}: {said}")
        if self.opener:
            check(self.opener in owner(leak), f"{self.name}: opened by {owner(leak)}")
        if self.advice:
            check(self.advice in leak["recommendation"], f"{self.name}: {leak['recommendation']}")
        if self.peer:
            check(leak.get("peer") == self.peer, f"{self.name}: peer {leak.get('peer')}")
        if self.parts:
            check(parts, f"{self.name}: nothing comes with it")
        self.check_figures(leak, parts)

    def check_figures(self, leak, parts):
        """Its pace, in things, and in bytes by the program's own account or by what each takes."""
        bytes_per_s = sum(r["growth_bytes_per_s"] for r in [leak, *parts])
        check(leak["count"] > 0, f"{self.name}: {leak}")
        if self.things:
            check_near(leak["growth_count_per_s"], self.came("kept") / self.seconds, 0.05,
                       f"{self.name}: things")
        if self.own_account:
            check_near(bytes_per_s, self.came("bytes") / self.seconds, 0.05, f"{self.name}: bytes")
        if self.each:
            least, most = self.each
            per_thing = bytes_per_s / (self.came("kept") / self.seconds)
            check(0.95 * least < per_thing < 1.05 * most, f"{self.name}: {per_thing} bytes each")


def owner(leak):
    """The function that memtrace takes for the one that asked."""
    frame = leak["stack"][leak["owner_frame"]]
    place = f" at {os.path.basename(frame['file'])}" if frame.get("file") else ""
    return (frame.get("symbol") or "?") + place


def build_go(folder):
    kept = os.path.join(folder, "kept")
    subprocess.run(["go", "build", "-o", kept, os.path.join(HERE, "kept.go")], check=True,
                   env={**os.environ, "GOCACHE": os.path.join(folder, "cache"),
                        "GO111MODULE": "off"})
    return kept


def build(folder):
    """The programs in Java, C and Go: argv of each."""
    subprocess.run(["/usr/bin/javac", "-d", folder, os.path.join(HERE, "Kept.java")], check=True)
    client = os.path.join(folder, "client")
    subprocess.run(["gcc", "-O2", "-g", "-I/usr/include/postgresql", "-o", client,
                    os.path.join(HERE, "client.c"), "-lpq"], check=True)
    return ("/usr/bin/java", "-Xmx256m", "-cp", folder, "Kept", "direct"), client, build_go(folder)


class Chat:
    """A server of websockets, and clients that stay or leave."""

    def __init__(self, what, env):
        self.server = Target(NODE, CHAT, env=env)
        self.port = int(self.server.line())
        self.clients = Program(NODE, CHAT, self.port, what, env=env)
        self.pid = self.server.pid

    def account(self):
        self.server.go()
        return json.loads(self.server.line())

    def end(self):
        self.clients.end()
        self.server.end()


class ChatCase(Case):
    def __init__(self, env):
        self.program = Chat("leak", env)
        self.pid, self.name = self.program.pid, "ws"
        self.what = "websocket_connections", "websocket"
        self.opener, self.advice, self.peer = "uv__accept", "Call terminate()", None
        self.parts, self.things, self.own_account, self.each = True, True, False, None


def leaking(java, client, kept, postgres, env, cwd):
    native, tcp = "native_modules", {**env, "PGHOST": "127.0.0.1"}
    pool = "database_connections", "connection_pool"
    file = "file_handles", "file_handle"
    buffers = "buffers", "buffer_leak"
    cases = [
        Case(client, "leak", what=pool, opener="open_database at client.c", parts=True, things=True,
             own_account=True, peer=f"127.0.0.1:{postgres.port}", env=tcp,
             advice=f"PostgreSQL at 127.0.0.1:{postgres.port} are opened from open_database at "
                    f"client.c"),
        Case(NODE, KEPT_JS, "file", "leak", what=file, things=True, opener="node::fs::Open",
             advice="opened from node::fs::Open stay open"),
        Case("/usr/bin/python3", KEPT_PY, "file", "leak", what=file, things=True, parts=True,
             advice="open them in a with block"),
        Case(NODE, "--expose-gc", *NAMES, BUFFERS_JS, "leak", what=buffers, own_account=True,
             parts=True, cwd=cwd,
             opener=" at buffers.js", advice="the retainers of ArrayBuffer"),
        Case(NODE, KEPT_JS, "small", "leak", what=buffers, own_account=True, parts=True,
             opener="node::Buffer::", advice="a small slice keeps its whole pool alive"),
        Case(*java, "leak", what=buffers, things=True, each=(50000, 50000),
             opener="Unsafe_Allocate", advice="jcmd PID GC.heap_dump FILE"),
        Case(kept, "string", "leak", what=("application", "heap"), things=True, each=(20000, 20000),
             opener="main.keepString at kept.go", advice="each needs a C.free"),
        Case(kept, "zlib", "leak", what=(native, "native_module"), each=(DEFLATE_BYTES,) * 2,
             parts=True, opener="deflateInit_", advice="that make_stream at kept.go"),
    ]
    if packages("ws"):
        cases.append(ChatCase(env))
    if packages("pg"):
        cases.append(Case(NODE, *NAMES, KEPT_JS, "pg", "leak", what=pool, things=True, cwd=cwd,
                          parts=True, opener="makeClient at kept.js", env=env,
                          advice="makeClient at kept.js",
                          peer=f"unix:{postgres.folder}/.s.PGSQL.{postgres.port}"))
    if packages(SQLITE): # its blob, and pages and tables around it
        cases.append(Case(NODE, KEPT_JS, "sqlite", "leak", what=(native, "native_module"),
                          each=(400000, 500000), parts=True, env=env, opener="JS_",
                          advice="better_sqlite3.node of better-sqlite3 are kept"))
    return cases


def clean(java, client, kept, env):
    kinds = ["file", "small", "buffer", "hash"]
    kinds += ["pg"] if packages("pg") else []
    kinds += ["sqlite"] if packages(SQLITE) else []
    return [Program(client, "clean", env=env),
            Program(NODE, KEPT_JS, ",".join(kinds), "clean", env=env),
            Program("/usr/bin/python3", KEPT_PY, "file", "clean"),
            Program(*java, "clean"), Program(kept, "string", "clean"),
            Program(kept, "zlib", "clean"), *([Chat("clean", env)] if packages("ws") else [])]


def check_clean(trace, pid):
    said = [(r["class"], r["leak_type"], owner(r), r["count"], r["elapsed_s"], r["state"])
            for r in trace.of_type("leak", pid)]
    name = trace.of_type("start", pid)[0]["cmdline"]
    check(not said and trace.verdict(pid) != "leak", f"{name} is accused: {said}")


def await_told(trace, cases):
    """Until all are named; what is missing then is told by the checks."""
    deadline = time.monotonic() + NAMED_S - TRACED_S
    while time.monotonic() < deadline and not all(c.is_told(trace) for c in cases):
        trace.await_tick()


def trace_all(cases, twins):
    pids = [p.pid for p in (*cases, *twins)]
    trace = Trace(*(a for pid in pids for a in ("-p", pid)), "--mode", "full", "--budget", 0,
                  "--interval", 4, "--top", 1, "--sites-max", 65536)
    with trace:
        for pid in pids:
            trace.await_record(lambda r: r["type"] == "start" and r["pid"] == pid, 60)
        for c in cases:
            c.begin()
        for pid in pids:
            trace.await_record(lambda r: r["type"] == "sample" and r["pid"] == pid
                               and r["elapsed_s"] >= TRACED_S, TRACED_S + 60)
        await_told(trace, cases)
        for c in cases:
            c.end()
        trace.stop()
        check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
        trace.validate()
        for c in cases:
            c.check(trace)
        for p in twins:
            check_clean(trace, p.pid)


def test_one_leak_of_each_kind_is_named_and_what_is_given_back_is_not():
    with Folder() as folder, Folder("postgres") as data, \
            Postgres(data, port=free_port()) as postgres:
        programs = build(folder)
        env = {**os.environ, "NODE_PATH": PACKAGES, "PGHOST": data, "PGPORT": str(postgres.port),
               "PGUSER": "postgres", "PGDATABASE": "postgres"}
        cases = leaking(*programs, postgres, env, folder)
        twins = clean(*programs, env)
        try:
            trace_all(cases, twins)
        finally:
            for p in (*(c.program for c in cases), *twins):
                p.end()
            for c in cases: # of those that tell their names
                if os.path.exists(f"/tmp/perf-{c.pid}.map"):
                    os.unlink(f"/tmp/perf-{c.pid}.map")
        if not packages("pg", "ws", SQLITE):
            raise Skip("not all packages of npm are there: tools/setup --test")


def test_a_go_program_is_traced_without_return_probes():
    with Folder() as folder:
        with Program(build_go(folder), "string", "clean") as target, \
                Trace("-p", target.pid, "--mode", "full", "--explain-probes") as trace:
            start = trace.await_start()
            trace.await_tick()
            trace.stop()
            lines = [l for l in trace.errors().splitlines() if "libc.so" in l]
            check(any("malloc" in l and "inside" in l for l in lines), f"{lines}")
            check(not any("+return" in l for l in lines), f"{lines}")
            check(any(a["module"].startswith("libc.so") for a in start["allocators"]), f"{start}")
            check(any("no return probes" in u["why"] for u in start["unmeasured"]), f"{start}")


if __name__ == "__main__":
    run(globals())
