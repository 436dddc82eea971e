"""What native libraries hold for programs: whose it is, of which kind, and what to do about it.

Programs in Python, Node, Java and C that keep what zlib, OpenSSL, SQLite and the thread library gave
them, and twins that give it back, run at once under one memtrace. Nothing is said to it of them.
"""
import shutil

from servers import *

TRACED_S = 18
KEPT_PY = "/usr/bin/python3", os.path.join(HERE, "kept.py")
KEPT_JS = "/usr/bin/node", os.path.join(HERE, "kept.js")

# What zlib's deflateInit2 asks for with usual arguments: state, window, prev, head, pending.
DEFLATE_BYTES = 5952 + 2 * 32768 + 2 * 32768 + 2 * 32768 + 4 * 16384


class Case:
    """A program that keeps things, and what must be said of it."""

    def __init__(self, argv, leak_class, leak_type, module, kind, advice, each_bytes=None):
        self.program = Program(*argv, "leak")
        self.pid = self.program.pid
        self.what = " ".join(os.path.basename(a) for a in argv)
        self.leak_class, self.leak_type, self.module = leak_class, leak_type, module
        self.kind, self.advice, self.each_bytes = kind, advice, each_bytes

    def check(self, trace, rows):
        leaks = sorted(trace.leaks(self.pid), key=lambda r: -r["size_bytes"])
        said = [(r["class"], r["leak_type"], r["module"], r["size_bytes"]) for r in leaks]
        check(trace.verdict(self.pid) == "leak", f"{self.what}: {trace.verdict(self.pid)}, {said}")
        worst = leaks[0]
        check((worst["class"], worst["leak_type"]) == (self.leak_class, self.leak_type),
              f"{self.what}: {said}")
        check((worst["module"] or "").startswith(self.module), f"{self.what}: {said}")
        check(self.advice in worst["recommendation"],
              f"{self.what}: {worst['recommendation']}")
        if self.each_bytes:
            check_near(worst["growth_bytes_per_s"], self.kept_per_s * self.each_bytes, 0.1,
                       f"growth of {self.what}")
        if self.kind:
            self.check_module(rows)
        print(f"        {self.what}: {said[0]}, {worst['recommendation']}", flush=True)

    def check_module(self, rows):
        """Most of what grew is one module's, of that kind, and it says how that is known."""
        row = rows[0]
        check(row["kind"] == self.kind, f"{self.what}: {rows}")
        check(row.get("file", row["name"]).startswith(self.module), f"{self.what}: {rows}")
        check(row["allocated_count"] - row["freed_count"] == row["count"], f"{self.what}: {row}")
        check(row["live_bytes"] > 0 and row["evidence"]["why"], f"{self.what}: {row}")

    def kept(self):
        return self.program.account()["kept"]

    def end(self):
        self.program.end()


def modules_of(sample):
    return sample["classes"]["native_modules"].get("modules", [])


def build(folder):
    """The Java and C programs: argv of each."""
    subprocess.run(["/usr/bin/javac", "-d", folder, os.path.join(HERE, "Kept.java")], check=True)
    program = os.path.join(folder, "kept")
    subprocess.run(["gcc", "-O2", "-g", "-o", program, os.path.join(HERE, "kept.c"), "-lssl",
                    "-lcrypto", "-lpthread"], check=True)
    return ("/usr/bin/java", "-cp", folder, "Kept"), (program,)


def start_cases(java, program):
    native = "native_modules"
    return [
        Case((*KEPT_PY, "zlib"), native, "native_module", "libz.so", "compression",
             "Compressors or decompressors are kept", DEFLATE_BYTES),
        Case((*KEPT_PY, "ssl"), native, "crypto_context", "_ssl.", "crypto",
             "What _ssl makes with SSL_CTX_new"),
        Case((*KEPT_PY, "sqlite"), native, "native_module", "_sqlite3.", "database",
             "Connections, cursors or results of _sqlite3 are kept"),
        Case((*KEPT_JS, "zlib"), native, "native_module", "node", "compression",
             "zlib streams are begun and never ended", DEFLATE_BYTES),
        Case((*KEPT_JS, "tls"), native, "crypto_context", "node", "crypto",
             "tls.createSecureContext()"),
        Case((*java, "deflater"), native, "native_module", "libzip.so", "compression",
             "Deflaters or Inflaters are never ended", DEFLATE_BYTES),
        Case((*program, "ssl"), native, "crypto_context", "libssl.so", "crypto",
             "What open_session at kept.c"),
        Case((*program, "thread"), "thread_stacks", "thread", "kept", None,
             "start_worker at kept.c"),
        Case((*program, "stuck"), "thread_stacks", "thread", "kept", None, "do not end"),
    ]


def check_clean(trace, twin):
    said = [(r["class"], r["leak_type"], r["module"], r["size_bytes"]) for r in trace.leaks(twin.pid)]
    check(not said and trace.verdict(twin.pid) != "leak", f"accused: {said}")


def test_what_is_kept_in_native_libraries_is_named_with_its_kind_and_what_is_given_back_is_not():
    with Folder() as folder:
        cases = start_cases(*build(folder))
        twins = [Program(*argv, "clean") for argv in
                 ((*KEPT_PY, "ssl"), (*KEPT_JS, "zlib"))]
        pids = [p.pid for p in (*cases, *twins)]
        trace = Trace(*(a for pid in pids for a in ("-p", pid)), "--mode", "full", "--budget", 0,
                      "--interval", 4, "--top", 1)
        with trace:
            for pid in pids:
                trace.await_record(lambda r: r["type"] == "start" and r["pid"] == pid)
            begun, before = time.monotonic(), [c.kept() for c in cases]
            for pid in pids:
                trace.await_record(lambda r: r["type"] == "sample" and r["pid"] == pid
                                   and r["elapsed_s"] >= TRACED_S, TRACED_S + 30)
            for c, n in zip(cases, before):
                c.kept_per_s = (c.kept() - n) / (time.monotonic() - begun)
            trace.stop()
            check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
            trace.validate()
            for c in cases:
                c.check(trace, modules_of(trace.last_sample(c.pid)))
            for twin in twins:
                check_clean(trace, twin)
        for p in (*cases, *twins):
            p.end()


def test_a_users_rules_override_and_what_is_wrong_in_them_is_told_with_its_line():
    with Folder() as folder:
        rules = os.path.join(folder, "my.rules")
        with open(rules, "w") as f:
            f.write("# ours\ndatabase _ssl\nother\n")
        with Program(*KEPT_PY, "ssl", "leak") as program:
            r = subprocess.run([MEMTRACE, "-p", str(program.pid), "--rules", rules],
                               capture_output=True, text=True)
            check(r.returncode == 2 and f"{rules}:3: no pattern of a file name behind 'other'"
                  in r.stderr, f"{r.returncode}: {r.stderr}")
            shutil.copyfile(os.path.join(ROOT, "src/analyse/memtrace.rules"), rules)
            with open(rules) as f:
                text = f.read()
            with open(rules, "w") as f:
                f.write("database _ssl\n" + text)
            with Trace("-p", program.pid, "--rules", rules, "--mode", "full", "--budget", 0,
                       "--interval", 1) as trace:
                row = modules_of(trace.await_record(
                    lambda r: r["type"] == "sample" and any(m["name"] == "_ssl"
                                                           for m in modules_of(r))))[0]
                trace.stop()
            check(row["name"] == "_ssl" and row["kind"] == "database", f"{row}")
            check(row["evidence"]["rule"] == f"database _ssl ({rules}:1)", f"{row}")


if __name__ == "__main__":
    run(globals())
