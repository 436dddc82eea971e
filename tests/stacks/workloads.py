"""Real programs under a load that never ends, each as a context with a `pid`; what the proof of the
stacks runs on. Everything is on the loopback and is ended by its process id.
"""
import collections
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from servers import *

REAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "real")
ALLOCATING = ("malloc", "calloc", "realloc")


class Workload:
    """What is started, what it is called, and the library whose malloc it uses. One of `every`
    allocations is compared with libdwfl, which takes 50 microseconds for one."""

    def __init__(self, name, start, allocator="libc.so.6", every=1):
        self.name, self.start, self.allocator, self.every = name, start, allocator, every

    def __enter__(self):
        self.parts = self.start()
        self.pid = next(self.parts)
        await_that(lambda: self.mapped(), f"{self.allocator} in {self.name}")
        return self

    def __exit__(self, *_):
        self.parts.close()

    def mapped(self):
        """The path of the library with the allocator."""
        with open(f"/proc/{self.pid}/maps") as maps:
            for line in maps:
                path = line.split(maxsplit=5)[-1].strip()
                if os.path.basename(path).startswith(self.allocator):
                    return path
        return None

    def probes(self):
        return [a for f in ALLOCATING for a in ("--probe", f"{self.mapped()}:{f}")]


def redis():
    def work(n):
        batch = []
        for i in range(n * 20, n * 20 + 20, 4):
            batch += [(b"SET", b"key:%d" % (i % 5000), b"v" * (50 + i % 300)),
                      (b"SET", b"session:%d" % i, b"w" * 100, b"PX", b"1500"),
                      (b"RPUSH", b"queue:%d" % (i % 50), b"x" * (i % 200)),
                      (b"DEL", b"queue:%d" % ((i + 25) % 50))]
        server.send(batch)

    with Folder() as folder, Redis(folder, "log") as server, Load(100, work, 50):
        yield server.pid


def postgres():
    query = "SELECT relname, relpages * $1 FROM pg_class WHERE relname LIKE $2 ORDER BY 1"
    setup = """CREATE TABLE t (a int, b text);
        CREATE FUNCTION f(n int) RETURNS int AS $$ DECLARE s int := 0; r record; BEGIN
          FOR r IN SELECT a, b FROM t WHERE a < n LOOP s := s + r.a + length(r.b); END LOOP;
          RETURN s; END $$ LANGUAGE plpgsql;
        INSERT INTO t SELECT i, repeat('x', i % 100) FROM generate_series(1, 500) i;"""

    def work(n):
        if n >= 100:  # what is kept for a while is what memleak shows
            session.ask(f"DEALLOCATE s{n - 100};")
        session.ask(f"PREPARE s{n} (int, text) AS {query}; EXECUTE s{n} ({n}, 'pg_am%');"
                    f" SELECT f({n % 400}); SELECT count(*), string_agg(b, ',' ORDER BY a) FROM t"
                    f" GROUP BY a % 7; SELECT regexp_replace('abc{n}', '[a-c]+', 'z');")

    with Folder("postgres") as folder, Postgres(folder) as server, Session(server) as session:
        session.ask(setup)
        with Load(40, work, 20):
            yield session.pid


def nginx():
    with Folder() as folder:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w") as f:
            f.write(f"daemon off; user root; worker_processes 1; pid {folder}/pid;\n"
                    f"error_log {folder}/error.log; events {{ }}\n"
                    f"http {{ access_log off; gzip on; gzip_min_length 1; gzip_types *;\n"
                    f"  client_body_temp_path {folder}; proxy_temp_path {folder};\n"
                    f"  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};\n"
                    f"  server {{ listen 127.0.0.1:{port}; root {folder}; autoindex on; ssi on;\n"
                    f"    location /p/ {{ proxy_pass http://127.0.0.1:{port}/; }} }} }}\n")
        with open(os.path.join(folder, "page.html"), "w") as f:
            f.write("<p>word</p>\n" * 2000)
        server = subprocess.Popen(["/usr/sbin/nginx", "-p", folder, "-c", config],
                                  stdin=subprocess.DEVNULL)
        try:
            await_that(lambda: children(server.pid), "nginx's worker")
            await_that(lambda: fetch(port, "/page.html"), "nginx")
            with Load(60, lambda n: request(port, n), 20):
                yield children(server.pid)[0]
        finally:
            server.terminate()
            server.wait(30)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(c) for c in f.read().split()]


waiting = collections.deque(maxlen=50)


def request(port, n):
    """A whole request, and another that stays half said while fifty more come."""
    fetch(port, ("/page.html", "/", "/p/page.html")[n % 3])
    s = socket.create_connection(("127.0.0.1", port), 10)
    s.sendall(b"GET /page.html HTTP/1.1\r\nHost: a\r\nX-Word: " + b"x" * (n % 900))
    if len(waiting) == waiting.maxlen:
        waiting[0].close()
    waiting.append(s)


def fetch(port, path):
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n"
                      "Connection: close\r\n\r\n".encode())
            while s.recv(65536):
                pass
        return True
    except ConnectionRefusedError:
        return False


def helper(*argv, env=None):
    """A program that says "ready" and works until its input is closed."""
    with Program(*argv, env=env) as program:
        yield program.pid


def python():
    return helper("/usr/bin/python3", os.path.join(REAL, "work.py"))


def node():
    return helper("/usr/bin/node", os.path.join(REAL, "work.js"))


def java(*flags):
    def start():
        with Folder() as folder:
            subprocess.run(["/usr/bin/javac", "-d", folder, os.path.join(REAL, "Work.java")],
                           check=True)
            yield from helper("/usr/bin/java", *flags, "-cp", folder, "Work")
    return start


def cplusplus():
    return helper(os.path.join(BUILD, "targets/hard_frames"), "4", "400")


ALL = [
    Workload("redis-server", redis, "libjemalloc.so", every=3),
    Workload("postgres", postgres),
    Workload("python3", python, every=23),
    Workload("nginx", nginx),
    Workload("c++ -O2", cplusplus, every=5),
    Workload("node", node, every=7),
    Workload("java +FP", java("-XX:+PreserveFramePointer")),
    Workload("java", java(), every=7),
]


def chosen(names):
    return [w for w in ALL if not names or w.name in names]
