"""Unmodified servers and programs that tests start, put under load and end: redis-server,
PostgreSQL, and the helpers in tests/e2e/real.
"""
import glob
import pwd
import shutil
import socket
import sysconfig
import threading

from lib import *

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "real")
POSTGRES_BIN = max(glob.glob("/usr/lib/postgresql/*/bin"), default="/usr/lib/postgresql/15/bin")


def await_that(condition, what, timeout=60):
    deadline = time.monotonic() + timeout
    while not condition():
        check(time.monotonic() < deadline, f"awaited in vain: {what}")
        time.sleep(0.02)


class Folder:
    """A temporary folder; `owner` names the user who may use it."""

    def __init__(self, owner=None):
        self.path = tempfile.mkdtemp(prefix="memtrace-real-")
        if owner:
            shutil.chown(self.path, owner)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Load:
    """A paced load in a thread: work(n) is called `per_s` times a second, n counts from 0."""

    def __init__(self, per_s, work, warm_up):
        self.per_s, self.work, self.warm_up = per_s, work, warm_up
        self.done, self.failed, self.ending = 0, None, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        begun = time.monotonic()
        try:
            while not self.ending.is_set():
                self.work(self.done)
                self.done += 1
                ahead = begun + self.done / self.per_s - time.monotonic()
                if ahead > 0:
                    self.ending.wait(ahead)
        except Exception as e:
            self.failed = e

    def __enter__(self):
        self.thread.start()
        await_that(lambda: self.failed or self.done >= self.warm_up, "the load's warm-up")
        check(not self.failed, f"the load failed: {self.failed}")
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join(30)


class Program(Target):
    """A helper in tests/e2e/real: warm after "ready", says its account for each line it gets."""

    def __init__(self, *argv, **kw):
        super().__init__(*argv, **kw)
        try:
            self.expect("ready")
        except AssertionError:
            self.process.kill()
            raise

    def account(self):
        self.go()
        return json.loads(self.line())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Redis:
    """redis-server on an unusual port of the loopback, without files; with more options."""

    def __init__(self, folder, name, *options):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["/usr/bin/redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             # a busy host makes commands slow, and the log of slow commands is kept
             "--slowlog-log-slower-than", "-1",
             "--appendonly", "no", "--dir", folder, "--logfile", os.path.join(folder, name),
             *options],
            stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        self.socket = None
        try:
            await_that(self.connect, "redis-server")
        except AssertionError:
            self.process.kill()
            raise
        self.control = socket.create_connection(("127.0.0.1", self.port))
        self.operations = 0

    def connect(self):
        try:
            self.socket = socket.create_connection(("127.0.0.1", self.port))
        except ConnectionRefusedError:
            return False
        return True

    def send(self, commands):
        """A pipeline of commands; every answer is one line here."""
        self.socket.sendall(b"".join(
            b"*%d\r\n" % len(c) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in c)
            for c in commands))
        lines = 0
        while lines < len(commands):
            got = self.socket.recv(65536)
            check(got, "redis-server hung up")
            check(b"-ERR" not in got, got)
            lines += got.count(b"\n")
        self.operations += len(commands)

    def account(self):
        """What it says it holds."""
        self.control.sendall(b"INFO memory\r\n")
        text = b""
        while b"used_memory:" not in text or not text.endswith(b"\r\n\r\n"):
            text += self.control.recv(65536)
        used = int(text.partition(b"used_memory:")[2].split()[0])
        return {"operations": self.operations, "bytes": used}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.control.close()
        self.process.terminate()
        self.process.wait(30)


def as_postgres(*argv, **kw):
    user = pwd.getpwnam("postgres")
    return subprocess.Popen(
        ["/usr/bin/setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
         *argv], cwd="/", stdin=kw.pop("stdin", subprocess.DEVNULL), text=True, **kw)


class Postgres:
    """A cluster of its own in a temporary folder, reached by a socket in it, and by a port of the
    loopback if there is one."""

    def __init__(self, folder, shared_buffers="16MB", port=None):
        self.folder, self.port = folder, port or 5432
        data = os.path.join(folder, "data")
        log = os.path.join(folder, "log")
        with open(log, "w") as out:
            made = as_postgres(f"{POSTGRES_BIN}/initdb", "-D", data, "-A", "trust", "-N",
                               stdout=out, stderr=out)
            check(made.wait(60) == 0, "initdb failed")
            self.process = as_postgres(
                f"{POSTGRES_BIN}/postgres", "-D", data, "-k", folder, "-p", str(self.port),
                "-c", "listen_addresses=" + ("127.0.0.1" if port else ""),
                "-c", f"max_connections={2000 if port else 100}", "-c", "fsync=off",
                "-c", f"shared_buffers={shared_buffers}", stdout=out, stderr=out)
        ready = [f"{POSTGRES_BIN}/pg_isready", "-q", "-h", folder, "-p", str(self.port)]
        try:
            await_that(lambda: subprocess.run(ready).returncode == 0, "postgres")
        except AssertionError:
            self.process.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


class Session:
    """psql on a pipe, and the backend that serves it."""

    def __init__(self, postgres):
        self.process = as_postgres("/usr/bin/psql", "-X", "-q", "-A", "-t", "-h", postgres.folder,
                                   "postgres", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lock = threading.Lock()
        self.pid = int(self.ask("SELECT pg_backend_pid();")[0])
        self.operations = 0

    def ask(self, sql):
        with self.lock:
            self.process.stdin.write(sql + "\n\\echo --end\n")
            self.process.stdin.flush()
            lines = []
            while (line := self.process.stdout.readline().rstrip("\n")) != "--end":
                check(line or self.process.poll() is None, "psql is gone")
                lines.append(line)
            return lines

    def account(self):
        sql = "SELECT sum(total_bytes) FROM pg_backend_memory_contexts;"
        return {"operations": self.operations, "bytes": int(self.ask(sql)[0])}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


# --- what the servers are given to do; each call is one step of a Load -----------------------------

VALUE = b"v" * 100
QUERY = "SELECT relname, relpages * $1 FROM pg_class WHERE relname LIKE $2 ORDER BY 1"


def set_new_keys(redis, n, batch):
    redis.send([(b"SET", b"key:%d" % (n * batch + i), VALUE) for i in range(batch)])


def set_passing_keys(redis, n, batch):
    """As many commands; what they set is overwritten, expires or is deleted."""
    commands = []
    for i in range(n * batch, (n + 1) * batch, 4):
        commands += [(b"SET", b"key:%d" % (i % 5000), VALUE + b"w" * (i % 100)),
                     (b"SET", b"session:%d" % i, VALUE, b"PX", b"1500"),
                     (b"RPUSH", b"queue:%d" % i, VALUE), (b"DEL", b"queue:%d" % (i - 400))]
    redis.send(commands)


def prepare_statements(session, n, count, deallocate):
    sql = []
    for i in range(n * count, (n + 1) * count):
        sql += [f"PREPARE s{i} (int, text) AS {QUERY};", f"EXECUTE s{i} ({i}, 'pg_am%');"]
        if deallocate:
            sql += [f"DEALLOCATE s{i};"]
    session.ask("\n".join(sql))
    session.operations += count


def extension_program(folder):
    """A stock python3 with a C extension that is built into the folder: argv and environment."""
    library = os.path.join(folder, "leaky" + sysconfig.get_config_var("EXT_SUFFIX"))
    subprocess.run(["gcc", "-O2", "-fomit-frame-pointer", "-shared", "-fPIC", "-Wall",
                    "-I" + sysconfig.get_paths()["include"], os.path.join(HERE, "leaky.c"),
                    "-o", library], check=True)
    return (("/usr/bin/python3", os.path.join(HERE, "extension.py")),
            dict(os.environ, PYTHONPATH=folder, PYTHONDONTWRITEBYTECODE="1"))
