"""Connections by what is spoken on them, leaks of them, and that none of it comes out: a server of
HTTP and websockets in front of a real redis-server and a real PostgreSQL."""
import base64
import ssl

from servers import *

SECRET = "correct-horse-battery-staple"
# Of each kind, as the traced server sees it.
CONNECTIONS = {"websocket": 24, "http": 6, "redis": 4, "postgresql": 3}


def certificate(folder):
    path = os.path.join(folder, "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                    "/CN=localhost", "-days", "2", "-keyout", path, "-out", path + ".crt"],
                   check=True, capture_output=True)
    with open(path, "a") as both, open(path + ".crt") as other:
        both.write(other.read())
    return path


class Server(Target):
    def __init__(self, redis, postgres, folder):
        super().__init__(sys.executable, os.path.join(HERE, "connections.py"), redis.port,
                         postgres.folder, certificate(folder), env={**os.environ, "SECRET": SECRET})
        self.ports = json.loads(self.line())
        self.clients = []

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        self.expect("done")

    def client(self, path, tls=False):
        s = socket.create_connection(("127.0.0.1", self.ports[tls]))
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            s = context.wrap_socket(s)
        more = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + \
            base64.b64encode(os.urandom(16)).decode() + "\r\n" if path == "/ws" else ""
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{more}X-Token: {SECRET}\r\n\r\n".encode())
        check(s.recv(65536), "the server hung up")
        self.clients.append((path, s))

    def open(self):
        for _ in range(20):
            self.client("/ws")
        for _ in range(4):
            self.client("/ws", tls=True)
        for _ in range(4):
            self.client("/")
        for _ in range(2):
            self.client("/", tls=True)
        self.say("redis", CONNECTIONS["redis"])
        self.say("postgresql", CONNECTIONS["postgresql"])
        self.say("file", 5)

    def talk(self):
        """Everybody says something."""
        for path, s in self.clients:
            if path == "/ws":
                text, mask = SECRET.encode(), os.urandom(4)
                s.sendall(bytes([0x81, 0x80 | len(text)]) + mask +
                          bytes(c ^ mask[i & 3] for i, c in enumerate(text)))
            else:
                s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            check(s.recv(65536), "the server hung up")
        self.say("ask")


def kinds(sample):
    return {d["kind"]: d["count"] for d in sample.get("descriptors", [])}


def all_known(record):
    return record["type"] == "sample" and \
        all(kinds(record).get(kind) == n for kind, n in CONNECTIONS.items())


def check_kinds(trace):
    try:
        sample = trace.await_record(all_known, 15)
    except AssertionError as e:
        raise AssertionError(f"{kinds(trace.last_sample())}: {e}")
    found = kinds(sample)
    check(found.get("listening") == 2, f"listening sockets: {found}")
    check("socket" not in found and "tls" not in found, f"sockets that are not known: {found}")
    classes = {name: row.get("count") for name, row in sample["classes"].items()}
    check(classes["database_connections"] == 7, f"classes: {classes}")
    check(classes["websocket_connections"] == 24, f"classes: {classes}")
    check(classes["network_connections"] == 8, f"classes: {classes}")
    check(classes["kernel_socket_buffers"] == 39, f"classes: {classes}")
    sure = {d["kind"]: d["confidence"] for d in sample["descriptors"]}
    check(min(sure[kind] for kind in CONNECTIONS) > 0.8, f"confidence: {sure}")


def check_secret_is_nowhere(*names):
    for name in names:
        with open(name, "rb") as f:
            text = f.read()
        check(text, f"{name} is empty")
        check(SECRET.encode() not in text, f"{name} repeats what was said on a socket")


def leak_of(trace, leak_type):
    found = [r for r in trace.leaks() if r["leak_type"] == leak_type]
    check(len(found) == 1, f"{leak_type}: {[(r['leak_type'], r['class']) for r in trace.leaks()]}")
    return found[0]


def check_leaks(trace, server, grown):
    for leak_type, kind, function in (("connection_pool", "postgresql", "socket"),
                                      ("websocket", "websocket", "accept"),
                                      ("file_handle", "file", "open64")):
        leak = leak_of(trace, leak_type)
        check(leak["count"] >= 0.7 * grown, f"{leak_type}: {leak['count']} of {grown}")
        names = [f.get("symbol") or "" for f in leak["stack"]]
        check(any(n.split("@")[0].startswith(function[:4]) for n in names[:3]),
              f"{leak_type}: opened in {names[:6]}")
        said = " ".join(leak["evidence"])
        check(f"of kind {kind}" in said and "open now" in said, f"{leak_type}: {said}")
    pool = leak_of(trace, "connection_pool")
    check("PostgreSQL" in pool["recommendation"], pool["recommendation"])
    peer = pool.get("peer", "")
    check(peer.startswith("unix:") and ".s.PGSQL." in peer, f"peer of the pool: {peer}")
    check("peer" not in leak_of(trace, "file_handle"), "a file has no peer")


def test_connections_that_come_while_it_is_traced_are_known_and_so_are_their_leaks():
    with Folder("postgres") as folder, Folder() as own, Postgres(folder) as postgres, \
            Redis(own, "log") as redis, Server(redis, postgres, own) as server:
        with Trace("-p", server.pid, "--interval", 1, "--events", "-v") as trace:
            trace.await_start()
            server.open()
            check_kinds(trace)
            grown = []

            def leak(n):
                server.say("postgresql", 1)
                server.say("file", 1)
                for _ in range(3): # the server accepted others at once before
                    server.client("/ws")
                grown.append(n)
            with Load(3, leak, 3):
                trace.await_record(lambda r: {"connection_pool", "websocket", "file_handle"} <=
                                   {leak["leak_type"] for leak in trace.leaks()}, 28)
            trace.stop()
            check(trace.verdict() == "leak", trace.verdict())
            check_leaks(trace, server, len(grown))
            trace.validate()
            check_secret_is_nowhere(trace.out.name, trace.err.name)


def test_connections_that_were_there_before_are_known_when_they_speak():
    with Folder("postgres") as folder, Folder() as own, Postgres(folder) as postgres, \
            Redis(own, "log") as redis, Server(redis, postgres, own) as server:
        server.open()
        with Trace("-p", server.pid, "--interval", 0.5, "--mode", "watch", "-v") as trace, \
                Load(4, lambda n: server.talk(), 1):
            trace.await_start()
            check_kinds(trace)
            trace.stop()
            check_secret_is_nowhere(trace.out.name, trace.err.name)
        with Trace("-p", server.pid, "--interval", 0.5, "--mode", "watch", "--no-sniff") as trace, \
                Load(4, lambda n: server.talk(), 1):
            why = [u["why"] for u in trace.await_start()["unmeasured"] if u["what"] == "connections"]
            check(len(why) == 1 and "--no-sniff" in why[0], f"unmeasured: {why}")
            sample = trace.await_record(lambda r: r["type"] == "sample" and r["elapsed_s"] > 2)
            found = kinds(sample)
            check(found.get("postgresql") == CONNECTIONS["postgresql"], f"by its path: {found}")
            check(not {"websocket", "http", "redis"} & set(found), f"heard all the same: {found}")
            trace.stop()
        with open(os.path.join(own, "text"), "w") as text, Load(4, lambda n: server.talk(), 1):
            subprocess.run([MEMTRACE, "-p", str(server.pid), "--duration", "2", "--interval", "1"],
                           stdout=text, stderr=text, check=True)
        with open(text.name) as f:
            line = [l for l in f if "descriptors" in l][-1]
        check("24 websocket" in line and "3 postgresql" in line, line)
        check_secret_is_nowhere(text.name)


if __name__ == "__main__":
    run(globals())
