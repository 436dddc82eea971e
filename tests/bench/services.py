"""Real servers and programs under load, each with `pid`, what the process that is traced is; busy(ms)
runs it as fast as it goes, paced(ms) below that; both tell {"ops", "wall_ns"} and the CPU time of the
process, "cpu_ns".
"""
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import procs
from tracers import BUILD
from servers import Folder, Postgres, Redis, as_postgres, await_that

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")


class Missing(Exception):
    pass


def need(*programs):
    for p in programs:
        if not shutil.which(p):
            raise Missing(f"{p} is not installed")


class Asked:
    """A helper that answers each line on its standard input with one of JSON."""

    def __init__(self, *argv):
        self.process = procs.start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise Missing(f"{os.path.basename(argv[0])} did not start")

    def begin(self, *what):
        self.process.stdin.write(" ".join(map(str, what)) + "\n")
        self.process.stdin.flush()

    def done(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the load program ended")
        return json.loads(line)

    def ask(self, *what):
        self.begin(*what)
        return self.done()

    def end(self):
        procs.end(self.process, 15)


class Service:
    """A server with a client; `rate` is the pace of paced(), in requests a second."""
    rate = 1000
    connections = 8

    def __enter__(self):
        try:
            self.folder = Folder()
            self.begin(self.folder.path)
            self.client = None
            self.client = Asked(os.path.join(BUILD, "bench/client"), self.port, self.connections,
                                self.request)
            self.busy(500)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if getattr(self, "client", None):
            self.client.end()
        self.finish()
        self.folder.__exit__()

    def slow_down(self):
        """Called once, before paced(); `pid` may be another one afterwards."""

    def allocator(self):
        """The file with the malloc that it uses."""
        with open(f"/proc/{self.pid}/maps") as f:
            files = {line.split(maxsplit=5)[-1].strip() for line in f if "/" in line}
        found = [p for p in files if re.match(r"lib(jemalloc|tcmalloc|mimalloc)[.\w]*\.so",
                                              os.path.basename(p))]
        return min(found or [p for p in files if os.path.basename(p) == "libc.so.6"])

    def during(self, work):
        before = procs.cpu_ns(self.pid)
        got = work()
        return got | {"cpu_ns": procs.cpu_ns(self.pid) - before}

    def paced(self, ms):
        return self.during(lambda: self.client.ask(self.rate, ms))

    def busy(self, ms):
        return self.during(lambda: self.client.ask(0, ms))


class RedisService(Service):
    name, rate = "redis-server, SET", 4000
    request = "*3\r\n$3\r\nSET\r\n$7\r\nkey:123\r\n$100\r\n" + "v" * 100 + "\r\n"

    def begin(self, folder):
        need("redis-server", "redis-benchmark")
        self.server = Redis(folder, "log")
        self.pid, self.port = self.server.pid, self.server.port

    def busy(self, ms):
        """redis-benchmark with random keys, for about that long."""
        if not getattr(self, "speed", None):
            self.speed = 30000
            self.speed = self.busy(300)["ops"] / 0.3
        count = max(1000, int(self.speed * ms / 1000))

        def work():
            begun = time.monotonic_ns()
            subprocess.run(["redis-benchmark", "-q", "-p", str(self.port), "-t", "set", "-c", "20",
                            "-d", "100", "-r", "20000", "-n", str(count)], check=True,
                           stdout=subprocess.DEVNULL, timeout=120)
            return {"ops": count, "wall_ns": time.monotonic_ns() - begun}
        got = self.during(work)
        self.speed = (self.speed + got["ops"] * 1e9 / got["wall_ns"]) / 2  # a traced one is slower
        return got

    def finish(self):
        if hasattr(self, "server"):
            self.server.__exit__()


class Http(Service):
    path = "/"

    @property
    def request(self):
        return f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"

    def busy(self, ms):
        """wrk, for that long."""
        def work():
            out = subprocess.run(["wrk", "-t1", "-c20", f"-d{max(1, round(ms / 1000))}s",
                                  f"http://127.0.0.1:{self.port}{self.path}"], check=True,
                                 capture_output=True, text=True, timeout=120).stdout
            got = re.search(r"(\d+) requests in ([\d.]+)(s|ms|m)", out)
            unit = {"ms": 1e6, "s": 1e9, "m": 60e9}[got[3]]
            if "Non-2xx" in out:
                raise RuntimeError("the server answered with errors")
            return {"ops": int(got[1]), "wall_ns": float(got[2]) * unit}
        return self.during(work)


class NodeService(Http):
    name, rate, path = "node, http with JSON", 800, "/items?n=1"

    def begin(self, folder):
        need("node", "wrk")
        self.server = procs.start(["node", os.path.join(HERE, "http.js")], text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.pid, self.port = self.server.pid, int(self.server.stdout.readline())

    def finish(self):
        if hasattr(self, "server"):
            procs.end(self.server, 15)


class NginxService(Http):
    name, rate, path = "nginx, a file of 4 kB", 3000, "/page.html"

    def begin(self, folder):
        need("/usr/sbin/nginx", "wrk")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        config = os.path.join(folder, "nginx.conf")
        temps = " ".join(f"{t}_temp_path {folder};" for t in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(config, "w") as f:
            f.write(f"daemon off; user root; worker_processes 1; pid {folder}/pid;\n"
                    f"error_log {folder}/error.log; events {{ }}\n"
                    f"http {{ access_log off; keepalive_requests 1000000000; {temps}\n"
                    f"  server {{ listen 127.0.0.1:{self.port}; root {folder}; }} }}\n")
        with open(os.path.join(folder, "page.html"), "w") as f:
            f.write("<p>word</p>\n" * 340)
        self.server = procs.start(["/usr/sbin/nginx", "-p", folder, "-c", config],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_that(lambda: procs.children(self.server.pid), "nginx's worker")
        self.pid = procs.children(self.server.pid)[0]

    def finish(self):
        if hasattr(self, "server"):
            procs.end(self.server, 15)


class Told:
    """What pgbench says each second: transactions in the last one. Read in a thread, so that a line is
    from the moment at which it is waited for."""

    def __init__(self, stream):
        self.changed, self.count, self.last, self.ended = threading.Condition(), 0, 0, False
        threading.Thread(target=self.read, args=(stream,), daemon=True).start()

    def read(self, stream):
        try:
            for line in stream:
                if got := re.match(r"progress: [\d.]+ s, ([\d.]+) tps", line):
                    with self.changed:
                        self.last, self.count = float(got[1]), self.count + 1
                        self.changed.notify_all()
        except ValueError:
            pass  # closed
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def next(self):
        with self.changed:
            seen = self.count
            self.changed.wait_for(lambda: self.count > seen or self.ended, 20)
            if self.count == seen:
                raise RuntimeError("pgbench ended or says nothing")
            return self.last


class PostgresService(Service):
    """pgbench's transactions (simple update: the small tables of the standard ones bloat and slow
    down) on one connection that stays, so that its backend can be traced."""
    name, rate = "PostgreSQL, pgbench -N", 1000

    def begin(self, folder):
        need("pgbench", "setpriv")
        self.home = Folder("postgres")
        self.server = Postgres(self.home.path)
        made = as_postgres("/usr/bin/pgbench", "-i", "-q", "-s", "2", "-h", self.home.path, "postgres",
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if made.wait(60):
            raise Missing("pgbench -i failed")
        self.pid = None

    def __enter__(self):
        try:
            self.folder = Folder()
            self.begin(self.folder.path)
            self.load()
        except BaseException:
            self.__exit__()
            raise
        return self

    def load(self, rate=0):
        """Begins with a backend of its own, which is the traced one from then on."""
        self.end_load()
        before = self.backends()
        self.pgbench = as_postgres("/usr/bin/pgbench", "-n", "-N", "-h", self.home.path, "-c", "1", "-T",
                                   "3600", "-P", "1", "-M", "simple",
                                   *(["-R", str(rate)] if rate else []), "postgres",
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        procs.started.append(self.pgbench)
        self.told = Told(self.pgbench.stderr)
        self.told.next()
        fresh = self.backends() - before
        self.pid = max(fresh, key=procs.cpu_ns)

    def backends(self):
        found = set()
        for pid in procs.children(self.server.process.pid):
            try:
                with open(f"/proc/{pid}/cmdline") as f:
                    if "[local]" in f.read():
                        found.add(pid)
            except OSError:
                pass  # it has ended
        return found

    def window(self, ms):
        self.told.next()
        before, count, begun = procs.cpu_ns(self.pid), 0, time.monotonic_ns()
        for _ in range(max(1, round(ms / 1000))):
            count += self.told.next()
        return {"ops": count, "wall_ns": time.monotonic_ns() - begun,
                "cpu_ns": procs.cpu_ns(self.pid) - before}

    busy = paced = window

    def slow_down(self):
        self.load(self.rate)

    def end_load(self):
        if getattr(self, "pgbench", None):
            procs.end(self.pgbench, 15)
            self.pgbench = None

    def finish(self):
        self.end_load()
        if hasattr(self, "server"):
            self.server.__exit__()
        if hasattr(self, "home"):
            self.home.__exit__()


class PythonProgram(Service):
    name = "python3 making objects"
    paced = None

    def __enter__(self):
        self.folder = Folder()
        self.program = Asked("/usr/bin/python3", os.path.join(HERE, "objects.py"))
        self.pid = self.program.process.pid
        self.busy(500)
        return self

    def busy(self, ms):
        return self.program.ask(ms)

    def finish(self):
        self.program.end()


SERVICES = [RedisService, NodeService, PostgresService, NginxService, PythonProgram]
