"""A server of HTTP and websockets, plain and with TLS, in front of Redis and PostgreSQL; it answers
lines on its standard input. Only the standard library: what is on the wire is what others send.

SECRET=TEXT connections.py REDIS-PORT POSTGRES-FOLDER CERTIFICATE
"""
import base64
import hashlib
import json
import os
import selectors
import socket
import ssl
import struct
import sys

REDIS, FOLDER, CERTIFICATE = int(sys.argv[1]), sys.argv[2], sys.argv[3]
SECRET = os.environ["SECRET"]
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
selector = selectors.DefaultSelector()
kept = {"redis": [], "postgresql": [], "file": []}


def postgresql():
    s = socket.socket(socket.AF_UNIX)
    s.connect(FOLDER + "/.s.PGSQL.5432")
    words = b"user\0postgres\0database\0postgres\0\0"
    s.sendall(struct.pack(">II", 8 + len(words), 196608) + words)
    ready(s)
    return s


def ready(s):
    """Reads answers until the server waits for the next question."""
    got = b""
    while not got[-6:].startswith(b"Z\0\0\0\5"):
        more = s.recv(65536)
        if not more:
            sys.exit("PostgreSQL hung up")
        got += more


def ask(kind, s):
    if kind == "redis":
        words = [b"SET", b"key", SECRET.encode()]
        s.sendall(b"*3\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))
        s.recv(65536)
    elif kind == "postgresql":
        text = f"SELECT '{SECRET}'".encode() + b"\0"
        s.sendall(b"Q" + struct.pack(">I", 4 + len(text)) + text)
        ready(s)


def open_some(kind, count):
    for _ in range(count):
        thing = {"redis": lambda: socket.create_connection(("127.0.0.1", REDIS)),
                 "postgresql": postgresql, "file": lambda: open(__file__)}[kind]()
        kept[kind].append(thing)
        ask(kind, thing)


def on_line(_):
    line = sys.stdin.buffer.raw.readline().decode().split()
    if not line:
        sys.exit(0)
    if line[0] == "ask":
        for kind in kept:
            for thing in kept[kind]:
                ask(kind, thing)
    else:
        open_some(line[0], int(line[1]))
    print("done", flush=True)


def on_frame(s):
    frame = s.recv(65536)
    if not frame:
        selector.unregister(s)
        s.close()
        return
    mask, body = frame[2:6], frame[6:]
    text = b"echo " + bytes(c ^ mask[i & 3] for i, c in enumerate(body))
    s.sendall(struct.pack("BB", 0x81, len(text)) + text)


def on_request(s):
    request = s.recv(65536)
    if not request:
        selector.unregister(s)
        s.close()
        return
    key = [line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")]
    if not key:
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        return
    accept = base64.b64encode(hashlib.sha1(key[0].split()[1] + MAGIC).digest())
    s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    selector.modify(s, selectors.EVENT_READ, on_frame)


def listen(wrap):
    listener = socket.create_server(("127.0.0.1", 0), backlog=200)

    def on_connection(_):
        selector.register(wrap(listener.accept()[0]), selectors.EVENT_READ, on_request)
    selector.register(listener, selectors.EVENT_READ, on_connection)
    return listener.getsockname()[1]


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE)
ports = [listen(lambda s: s), listen(lambda s: context.wrap_socket(s, server_side=True))]
selector.register(sys.stdin, selectors.EVENT_READ, on_line)
print(json.dumps(ports), flush=True)
while True:
    for key, _ in selector.select():
        key.data(key.fileobj)
