"""Native memory of connections: what a server's threads allocate while they serve one is its own,
whoever frees it; against a server that says what it holds, redis-server's own account of its
clients, and node."""
import base64
import re

from servers import *

NODE = os.path.join(BUILD, "node", "22", "node")
CONNECTION_BYTES = 32792  # of each, beside what it is told to keep: tests/targets/served.c
THREAD_BYTES = 400        # glibc's, for the thread that serves it


class Server(Target):
    """A server that prints its port; what its clients say is answered."""

    def __init__(self, *argv):
        super().__init__(*argv)
        line = self.line()
        check(line.startswith("port "), line)
        self.port = int(line.split()[1])
        self.expect("ready")
        self.clients = []

    def open(self, size=None):
        s = socket.socket()
        if size:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        s.connect(("127.0.0.1", self.port))
        self.clients.append(s)
        return s

    def end(self):
        for s in self.clients:
            s.close()
        super().end()


def say(s, words):
    s.sendall((words + "\n").encode())
    got = b""
    while not got.endswith(b"done\n"):
        more = s.recv(100)
        check(more, "the server hung up")
        got += more


def address(s):
    return "%s:%d" % s.getsockname()


def follow(trace):
    """Until it is followed which connection a thread serves."""
    await_that(lambda: "connections that threads serve are followed" in trace.errors(), "contexts", 20)


def told(trace, wanted, timeout=15):
    """The first sample from now on whose connections are as they should be."""
    trace.poll()
    after = sum(1 for r in trace.records if r["type"] == "sample")
    last = {}

    def fits(record):
        if record["type"] != "sample" or "connections" not in record:
            return False
        last.update(record["connections"])
        return record["seq"] >= after and wanted(record["connections"])
    try:
        return trace.await_record(fits, timeout)
    except AssertionError as e:
        raise AssertionError(f"{last}: {e}")


def by_peer(connections):
    return {c.get("peer"): c for c in connections["largest"]}


def check_exact(how, each):
    with Server("served", how) as server:
        early = server.open()
        say(early, "keep 1000 1")
        with Trace("-p", server.pid, "--mode", "full", "--budget", 0, "--interval", 0.5, "-vv") as trace:
            trace.await_start()
            follow(trace)
            clients = [server.open() for _ in range(50)]
            for i, s in enumerate(clients):
                say(s, f"keep 1000 {40 + i}")
            for i, s in enumerate(clients):
                say(s, f"free {i}") # by another thread, that serves nobody
            say(clients[0], "fresh 500000") # read into a block of its own
            say(clients[0], "x" * 499999)
            say(clients[1], "store 300000") # for good
            say(early, "keep 100000 2")
            truth = 50 * (CONNECTION_BYTES + 40000) + 500000 + 300000 + 200000
            found = told(trace, lambda c: c.get("native_bytes", 0) >= truth)["connections"]
            check(truth <= found["native_bytes"] <= truth + 50 * each, f"{found}, truth {truth}")
            check((found["count"], found["native_measured_count"], found["native_whole_count"]) ==
                  (51, 51, 50), f"connections: {found}")
            rows = by_peer(found)
            for s, bytes, how_known in ((clients[0], 572792, "whole"), (clients[1], 372792, "whole"),
                                        (early, 200000, "part")):
                row = rows.get(address(s), {})
                check(bytes <= row.get("native_bytes", 0) <= bytes + each, f"{row}, truth {bytes}")
                check(row["native_how"] == how_known and row["local_port"] == server.port, f"{row}")
            for s in clients[:10]:
                s.close()
            rest = truth - 800000 - 10 * (CONNECTION_BYTES + 40000)
            left = told(trace, lambda c: c["closed_count"] == 10 and
                        c["native_bytes"] < found["native_bytes"])["connections"]
            check(rest <= left["native_bytes"] <= rest + 50 * each, f"{left}, truth {rest}")
            check(300000 <= left["outlived_bytes"] <= 300000 + 10 * each, f"outlived: {left}")
            check(left["native_confidence"] > 0.6, f"most of it went with them: {left}")
            trace.stop()
            trace.validate()
            lost = trace.of_type("end")[0]["lost"]
            check(not lost["conns_full"] and not lost["allocations"], f"{lost}")


def test_a_loop_s_connections_hold_what_was_allocated_for_them():
    check_exact("loop", 0)


def test_a_connection_s_thread_allocates_for_it():
    check_exact("threads", THREAD_BYTES)


def test_a_leak_of_connections_says_what_each_pins():
    with Server("served", "loop") as server:
        with Trace("-p", server.pid, "--mode", "full", "--budget", 0, "--interval", 1, "-vv") as trace:
            trace.await_start()
            server.open()
            follow(trace)

            def leak(_):
                say(server.open(), "keep 41000 1")
            with Load(5, leak, 3):
                leak = trace.await_record(lambda r: r["type"] == "leak" and
                                          r["leak_type"] == "socket" and "native_bytes" in r, 40)
            said = " ".join(leak["evidence"])
            each = re.search(r"each pins( at least)? ([\d.]+) kB of native memory", said)
            check(each and abs(float(each.group(2)) - 73.8) < 4, said)
            trace.stop()
            trace.validate()


def memory_of_clients(redis):
    """By peer, as redis counts it: with what jemalloc rounds up."""
    redis.control.sendall(b"CLIENT LIST\r\n")
    text = b""
    while not text.endswith(b"\r\n") or text.count(b"\n") < 2 or \
            len(text) < int(text[1:].split(b"\r\n")[0]):
        text += redis.control.recv(1 << 20)
    rows = [dict(w.split("=", 1) for w in line.split() if "=" in w)
            for line in text.decode().splitlines()]
    return {row["addr"]: int(row["tot-mem"]) for row in rows if "addr" in row}


def settled_memory_of_clients(redis):
    """When the kernel takes no more of the replies."""
    before = None
    while (now := memory_of_clients(redis)) != before:
        before = now
        time.sleep(1.5)
    return now


def test_output_buffers_of_redis_are_their_clients():
    with Folder() as folder, Redis(folder, "log") as redis:
        redis.send([(b"SET", b"big", b"v" * 10000)])
        with Trace("-p", redis.pid, "--mode", "full", "--budget", 0, "--interval", 0.5, "-vv") as trace:
            trace.await_start()
            follow(trace)
            get = b"*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n"
            clients = []
            for i in range(8): # who do not read what they asked for
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                s.connect(("127.0.0.1", redis.port))
                s.sendall(get * (800 + 50 * i))
                clients.append(s)
            await_that(lambda: sum(b > 4000000 for b in memory_of_clients(redis).values()) == 8, "replies")
            truth = settled_memory_of_clients(redis)
            found = told(trace, lambda c: sum(r["native_bytes"] > 3000000 for r in c["largest"]) == 8)
            rows = by_peer(found["connections"])
            for s in clients:
                row, bytes = rows[address(s)], truth[address(s)]
                asked = bytes * 16424 / 20480 # of each of its 16 kB blocks
                check(row["kind"] == "redis" and row["native_how"] == "whole", f"{row}")
                check_near(row["native_bytes"], asked, 0.03, f"{row}")
            for s in clients:
                s.close()
            left = told(trace, lambda c: c["closed_count"] == 8 and c["native_bytes"] < 1000000)
            check(left["connections"]["outlived_bytes"] < 200000, f"{left['connections']}")
            trace.stop()
            trace.validate()


def ask(s, websocket):
    more = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + \
        base64.b64encode(os.urandom(16)).decode() + "\r\n" if websocket else ""
    s.sendall(f"GET / HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
    check(s.recv(65536), "the server hung up")


def frame(s):
    text, mask = b"x" * 20, os.urandom(4)
    s.sendall(bytes([0x81, 0x80 | len(text)]) + mask +
              bytes(c ^ mask[i & 3] for i, c in enumerate(text)))
    check(s.recv(100), "the server hung up")


def test_buffers_of_node_are_their_websockets():
    rounds, bytes = 15, 20000
    with Server(NODE, "--expose-gc", os.path.join(HERE, "served.js"), bytes) as server:
        with Trace("-p", server.pid, "--mode", "full", "--budget", 0, "--interval", 0.5, "-vv") as trace:
            trace.await_start()
            follow(trace)
            sockets = [server.open() for _ in range(20)]
            idle = [server.open() for _ in range(10)]
            for s in idle:
                ask(s, False)
            for s in sockets:
                ask(s, True)
            for _ in range(rounds):
                for s in sockets:
                    frame(s)
                for s in idle:
                    ask(s, False)
            truth = 20 * rounds * bytes

            def native(sample, kind):
                return sum(d.get("native_bytes", 0) for d in sample["descriptors"] if d["kind"] == kind)
            found = told(trace, lambda c: c["native_bytes"] >= truth)
            check(truth <= native(found, "websocket") <= 1.1 * truth, f"{found['connections']}")
            check(native(found, "http") < 0.1 * truth, f"{found['descriptors']}")
            for row in found["connections"]["largest"]:
                check(rounds * bytes <= row["native_bytes"] <= 1.5 * rounds * bytes, f"{row}")
            for s in sockets:
                s.close()

            def collected(c):
                server.go() # it collects garbage
                server.line()
                return c["closed_count"] >= 20 and c["native_bytes"] + c["outlived_bytes"] < 0.1 * truth
            told(trace, collected)
            trace.stop()
            trace.validate()


if __name__ == "__main__":
    run(globals())
