"""Makes the seeds of the fuzz targets: tests/fuzz/seeds.py. What it makes is committed.

Small programs are built with the machine's compiler, texts are what /proc says of a process. No
name or path of this machine is in them.
Inputs that once broke something (broken-*) are found by the fuzzer, not made here.
"""
import json
import lzma
import os
import re
import struct
import subprocess
import tempfile

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
MOST = 6000 # bytes of one seed

SOURCE = r"""
typedef int (*compare)(const void *, const void *);
extern void use(void *);
static __attribute__((noinline)) int inner(int n) { volatile char b[64]; b[n & 63] = n; return b[0]; }
__attribute__((noinline)) int aligned(int n)
{
	volatile char b[n + 1] __attribute__((aligned(64)));
	b[n] = inner(n);
	return b[0];
}
__attribute__((noinline)) int recursive(int n) { return n ? recursive(n - 1) + aligned(n) : 1; }
__attribute__((noinline, cold)) void leaf(void) { __asm__ volatile("nop"); }
__attribute__((weak, alias("recursive"))) int also_recursive(int n);
int _start(int n, compare c) { leaf(); return recursive(n) + c(&n, &n); }
"""


def put(target, name, data):
    folder = os.path.join(HERE, target)
    os.makedirs(folder, exist_ok=True)
    assert len(data) <= MOST, (target, name, len(data))
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


def run(*argv):
    subprocess.run(argv, check=True, cwd="/")


def read(path):
    with open(path, "rb") as f:
        return f.read()


FLAGS = ("-O2", "-nostdlib", "-fasynchronous-unwind-tables", "-Wl,-z,norelro",
         "-Wl,-z,noseparate-code", "-Wl,-z,max-page-size=16", "-Wl,--build-id=sha1", "-fno-stack-protector", "-w")


def programs(folder):
    """Small ELF files of several kinds: {name: path}."""
    source = os.path.join(folder, "s.c")
    with open(source, "w") as f:
        f.write(SOURCE)
    made = {}
    for name, flags in {
            "static": ("-static",), "shared": ("-shared", "-fPIC"), "pie": ("-pie", "-fPIE"),
            "debug_frame": ("-static", "-g", "-fno-asynchronous-unwind-tables"),
            "frame_pointers": ("-static", "-fno-omit-frame-pointer"),
            "compressed": ("-static", "-g", "-gz=zlib")}.items():
        made[name] = os.path.join(folder, name)
        run("gcc", *FLAGS, *flags, f"-ffile-prefix-map={folder}=", source, "-o", made[name])
    made["stripped"] = os.path.join(folder, "stripped")
    run("strip", "-o", made["stripped"], made["shared"])
    made["only_debug"] = os.path.join(folder, "only_debug")
    run("objcopy", "--only-keep-debug", made["static"], made["only_debug"])
    return made


def elf(folder):
    made = programs(folder)
    for name, path in made.items():
        data = read(path)
        put("elf", name, data[:MOST])
    whole = bytearray(read(made["shared"]))
    whole[40:48] = bytes(8) # no section headers
    whole[60:62] = bytes(2)
    put("elf", "no_sections", bytes(whole))
    put("elf", "class32", b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHI", 2, 3, 1) + bytes(28))


def separate(folder):
    """A program that names its separate debug file, one that shares it, one with symbols packed."""
    made = programs(folder)
    put("minidebug", "packed", lzma.compress(read(made["static"]), preset=0))
    put("minidebug", "zeroes", lzma.compress(bytes(1 << 20)))
    parts = {".gnu_debuglink": b"prog.debug\0\0" + b"\1\2\3\4",
             ".gnu_debugaltlink": b"../shared.debug\0" + bytes(range(20)),
             ".gnu_debugdata": lzma.compress(read(made["static"]))}
    args = []
    for name, data in parts.items():
        path = os.path.join(folder, name)
        with open(path, "wb") as f:
            f.write(data)
        args.append(f"--add-section={name}={path}")
    out = os.path.join(folder, "separate")
    run("objcopy", *args, made["stripped"], out)
    put("minidebug", "separate", read(out))


def usdt(folder):
    """A program with notes of the contract otel_memory, its notes alone, and operands."""
    source = os.path.join(folder, "usdt.s")
    with open(source, "w") as f:
        f.write(ANNOUNCING)
    out = os.path.join(folder, "usdt")
    run("gcc", *FLAGS, "-static", "-s", source, "-o", out)
    put("usdt", "program", read(out))
    put("usdt", "notes", sections_of(out)[".note.stapsdt"][1])
    put("usdt", "operands", b"8@%rdi -4@-20(%rbp) 8@16(%rax,%r12,8)")
    put("usdt", "constants", b"8@$5 -4@$-1 1@%sil")


ANNOUNCING = r"""
.globl _start
_start:	nop
here:	nop
.pushsection .note.stapsdt,"","note"
.macro note name, args
	.balign 4
	.4byte 8, 2f-1f, 3
	.asciz "stapsdt"
1:	.8byte here, base, counter
	.asciz "otel_memory"
	.asciz "\name"
	.asciz "\args"
2:	.balign 4
.endm
note alloc, "8@%rdi 4@$512 8@-8(%rsp)"
note free, "8@(%rax,%rdi,8)"
.popsection
.pushsection .stapsdt.base,"aG","progbits",.stapsdt.base,comdat
base:	.space 1
.popsection
.pushsection .probes,"aw","progbits"
.balign 2
counter: .2byte 0
.popsection
"""


def answers():
    def frame(line, symbol, file, inlined):
        return struct.pack("<IHHI", line, len(symbol), len(file), inlined) + symbol + file

    put("answer", "error", struct.pack("<iIQQ", -2, 0, 1, 2))
    put("answer", "frames", struct.pack("<iIQQ", 0, 3, 1, 2) + frame(7, b"inner", b"/src/a.c", 1) +
        frame(0, b"", b"", 1) + frame(9, b"outer", b"/src/b.c", 0))


def recordings():
    """Records as memtrace --json writes them, cut down to what a report reads."""
    def lines(*records):
        head = {"time": "2026-11-21T06:57:30.500000Z", "host": "h", "pid": 7, "comm": "srv"}
        return b"".join(json.dumps({"type": kind, **head, **more}).encode() + b"\n"
                        for kind, more in records)

    def frame(symbol, **more):
        return {"module": "srv", "build_id": "ab12", "offset": "0x1234", "symbol": symbol,
                "inlined": False, "kind": "native", **more}

    def site(number, live, stack, **more):
        return "site", {"site_id": f"{number:016x}", "kind": "heap", "class": "application",
                        "live_bytes": live, "live_count": 3, "allocated_bytes": 1000,
                        "allocated_count": 10, "stack_complete": True, "stack": stack, **more}

    def sample(elapsed, live):
        return "sample", {"elapsed_s": elapsed,
                          "allocator": {"live_bytes": live, "live_count": 9}}

    start = "start", {"elapsed_s": 0.5, "schema": 1, "exe": "/bin/srv", "options": {"top": "20"}}
    deep = [frame(f"f{i}", file="/src/a.c", line=i) for i in range(12)]
    leak = "leak", {"leak_id": "1", "site_id": "1".zfill(16), "state": "active", "class": "application",
                    "size_bytes": 900, "count": 3, "severity": "low", "stack": deep[:2]}
    put("recording", "two_ticks", lines(
        start, sample(1, 500), site(1, 300, deep[:3]), site(2, 200, []), sample(2, 900),
        site(1, 700, deep[:3]), leak, ("end", {"elapsed_s": 3, "verdict": "leak", "leaks": []})))
    put("recording", "incomplete", lines(
        start, sample(1, 5), site(3, 5, [frame(None, inlined=True), frame("g", kind="jit")],
                                  stack_complete=False, stack_end="depth", estimated=True),
        site(4, 1, [], kind="fd")))
    put("recording", "several", lines(start, sample(1, 5)) + b"not json\n{}\n[1]\n{\"type\":1}\n" +
        lines(start, sample(0.5, 2), site(1, 2**63, deep[:1]), ("process", {"event": "exec"})))
    put("recording", "newer", lines(("start", {"schema": 2, "elapsed_s": 0})))


def sections_of(path):
    """{name: (vaddr, bytes)} of a small ELF file."""
    data = read(path)
    at, = struct.unpack_from("<Q", data, 40)
    size, count, strings = struct.unpack_from("<HHH", data, 58)
    head = [struct.unpack_from("<IIQQQQ", data, at + i * size) for i in range(count)]
    names = data[head[strings][4]:]
    return {names[h[0]:names.index(b"\0", h[0])].decode(): (h[3], data[h[4]:h[4] + h[5]])
            for h in head}


def cfi(folder):
    """Sections of small programs and of hand-made assembly: flags, where they and the code lie."""
    made = programs(folder)
    source = os.path.join(folder, "rules.s")
    with open(source, "w") as f:
        f.write(ASSEMBLY)
    made["rules"] = os.path.join(folder, "rules")
    run("gcc", *FLAGS, "-static", source, "-o", made["rules"])
    for name in "static", "shared", "frame_pointers", "debug_frame", "rules":
        found = sections_of(made[name])
        code_at, code = found[".text"]
        for section, flags in (".eh_frame", 0), (".debug_frame", 1):
            if section in found:
                vaddr, data = found[section]
                put("cfi", name + section, struct.pack("<BIIH", flags, vaddr, code_at, len(code)) +
                    data)


ASSEMBLY = r"""
.globl _start
_start:
.cfi_startproc
.cfi_undefined rip
	nop
.cfi_endproc
signal:
.cfi_startproc simple
.cfi_signal_frame
.cfi_def_cfa rsp, 8
.cfi_escape 0x0f,0x04,0x77,0xa0,0x01,0x06
.cfi_escape 0x10,0x06,0x03,0x77,0xf8,0x00
	mov $15, %rax
	syscall
.cfi_endproc
plt:
.cfi_startproc
.cfi_escape 0x0f,0x0b,0x77,0x08,0x80,0x00,0x3f,0x1a,0x3b,0x2a,0x33,0x24,0x22
	nop
.cfi_endproc
realigned:
.cfi_startproc
	push %rbp
.cfi_def_cfa_offset 16
.cfi_offset rbp, -16
	mov %rsp, %rbp
.cfi_def_cfa_register rbp
.cfi_remember_state
.cfi_escape 0x0f,0x03,0x76,0x78,0x06
.cfi_escape 0x10,0x06,0x02,0x76,0x00
	nop
.cfi_restore_state
.cfi_register rbp, rax
	nop
.cfi_same_value rbp
.cfi_adjust_cfa_offset 300
	nop
.cfi_restore rbp
.cfi_val_offset rbx, -24
.cfi_endproc
"""


def perfmap():
    put("perfmap", "lines", b"\x07" + b"7f0000001000 100 one\n7f0000001080 10 JS:*two /a/b.js:3:4\n"
        b"0x7f0000001084 0x8 three four\nzz 1 bad\n7f0000002000 0 empty\n")
    put("perfmap", "overlaps", b"\x01" + b"".join(
        b"%x %x LazyCompile:~f%d file%d:%d\n" % (0x1000 + i * 24 % 256, 8 + i * 7 % 96, i, i, i)
        for i in range(40)))
    put("perfmap", "python", b"\x40" + b"7f11 0b py::f:/usr/lib/python3/x.py\n7f1c b py::<genexpr>:/x\n")
    put("perfmap", "odd", b"\x02" + b"ffffffffffffffff 1 end\nfffffffffffffff0 20 wraps\n0 1 \n"
        b"10 10 \xff\xfe\x01name\n20 10 JS:^g :1\n30 ffffffffffffffff all\n\n40 1")


def proc():
    for i, name in enumerate(["stat", "status", "maps", "cmdline", "limits"]):
        text = subprocess.run(["/bin/cat", f"/proc/self/{name}"], capture_output=True, cwd="/").stdout
        put("proc", name, bytes([i]) + text[:3000])
    put("proc", "cgroup", bytes([5]) + b"9:name=systemd:/\n4:memory:/a.slice/b.scope\n0::/a.slice\n")
    put("proc", "meminfo", bytes([6]) + b"MemTotal:        8126136 kB\nMemFree:          123456 kB\n")
    put("proc", "syscall", bytes([7]) + b"0 0x3 0x7f0000000000 0x20000 0x22 0xffffffff 0x0 "
        b"0x7ffd4f1f8d38 0x7f1a2b3c4d5e\n")
    put("proc", "link", bytes([8]) + b"socket:[4711]")
    put("proc", "container", bytes([5]) + b"0::/system.slice/docker-" + b"0123456789abcdef" * 4 +
        b".scope\n4:memory:/docker/" + b"f" * 64 + b"\n")
    put("proc", "odd_names", bytes([2]) + b"00400000-00401000 r-xp 00000000 08:01 5  /a\\012b (deleted)\n"
        b"7f0000000000-7f0000001000 ---p 00000000 00:00 0 \n7ffd00000000-7ffd00021000 rw-p 00000000 "
        b"00:00 0  [stack]\n7fff00000000-7fff00002000 r-xp 00000000 00:00 0  [vdso]\n")
    put("proc", "odd_comm", bytes([0]) + b"1 (a) b) R) S 0 1 1 0 -1 4194560 1 0 0 0 7 8 0 0 20 0 1 0 99 "
        b"1000 10 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n")


def names():
    for i, name in enumerate([
            "_ZNSt6vectorIiSaIiEE9push_backERKi", "_ZN3foo3barILi3EEEvT_PFivE", "_Z1fIJidEEvDpT_",
            "_ZNKSt8functionIFvRKN5boost6system10error_codeEEEclES4_", "_ZZ4mainENKUlvE_clEv",
            "_RNvNtCs1234_7mycrate3foo3bar", "_RINvCs1234_7mycrate3fooNtB2_1TjE",
            "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "plain_c_function@@GLIBC_2.2.5",
            "_ZTv0_n24_N7DerivedD0Ev", "_Z1fIXsz10aEEvv", "_ZN1AIXadL_Z1fvEEE1gEv",
            "_ZGVZ1fvE1x.cold.isra.0.part.1.constprop.2"]):
        put("demangle", f"name{i:02}", name.encode())


def records():
    def record(kind, body):
        return struct.pack("<QIHH", 10**9, 4242, kind, 16 + len(body)) + body

    put("decode", "site", record(1, struct.pack("<IIHBBI3Q", 7, 1, 3, 1, 1, 0, 1, 2, 3)))
    put("decode", "sys", record(2, struct.pack("<IIq6QIHHII8s", 9, 1, 3, 1, 2, 3, 4, 5, 6, 7, 5, 0,
                                               257, 8, b"/tmp/abc")))
    put("decode", "region", record(3, struct.pack("<QII", 1 << 21, 1, 0)))
    put("decode", "fork", record(4, struct.pack("<Q8I16s", 5, 1, 2, 3, 4, 5, 6, 0, 0, b"name")))
    put("decode", "alloc", record(9, struct.pack("<3Q4I", 4096, 64, 0, 9, 1, 7, 1)))


def growth():
    """Windows, streams and fits: the steps of tests/fuzz/fuzz_growth.c."""
    def line(noise):
        return b"".join(bytes((0, 42 + (i * 7 % 5 if noise else 0))) for i in range(60))

    shapes = {
        "line": line(True), "exact": line(False), "flat": bytes((0, 32)) * 40,
        "saw": b"".join(bytes((0, 60 if i % 8 else 0)) for i in range(80)),
        "doubling": bytes((0, 210)) * 50, "spike": bytes((0, 32)) * 30 + b"\0\xa0\0\x40" +
        b"\0\xa0\0\xc0" + bytes((0, 32)) * 30, "restart": line(True) + b"\xff\x20" + line(True),
        "long": line(True) + b"\xfe\xff" + line(True) + b"\xfe\xff", "gap": line(True) + b"\x9f\x21" +
        line(True), "odd": b"".join(bytes((0, 220 + i % 30)) for i in range(60)),
        "odd_times": b"".join(bytes((200 + i % 56, 40)) + b"\1\2" for i in range(40)),
        "bits": b"".join(b"\0\xff" + struct.pack("<d", 1e9 + 1.5 ** i) for i in range(60))}
    for how, kind in enumerate(("window", "stream", "fit")):
        for name, data in shapes.items():
            put("growth", f"{kind}_{name}", bytes([how]) + data)


def series():
    """Lines for `memtrace analyze --series`; the first byte says how they are read."""
    t, rising = list(range(0, 60, 2)), [4096 * (i * i % 7 + 3 * i) for i in range(30)]
    lines = {
        "several": [{"id": "a", "t": t, "value": rising}, {"id": 7, "t": t, "value": [5e6] * 30}],
        "restart": [{"id": "r", "t": t, "value": rising, "events": [{"t": 20, "kind": "restart"},
                                                                    {"t": "x"}, 3]}],
        "holes": [{"id": None, "t": [None, *t[1:]], "value": [*rising[:-1], None], "limit_bytes": 1e6}],
        "short": [{"t": [1, 2], "value": [3, 4]}, {"id": 1.5, "t": [], "value": []}],
        "odd": [{"id": "o", "t": [1e308, -1e308, *t], "value": [1e308, -1e308, *rising]}, {}, [1],
                {"id": [], "t": t, "value": rising}, {"t": t, "value": rising[1:]}]}
    for how, (name, rows) in enumerate(lines.items()):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        put("analyze", name, bytes([63 + how * 33]) + text.encode())
    put("analyze", "no_json", b"\3{\"t\":[1e999,1,\n\0\n\xff\xfe\n{\"id\":\"\\ud800\",\"t\":[],\"value\":[]}")


def replays():
    """Recordings and bare points for `memtrace analyze`; the first byte says how they are read."""
    head = {"time": "2026-11-21T06:57:30.500000Z", "host": "h", "pid": 7, "comm": "srv"}

    def tick(t, n, more=None):
        stack = [{"symbol": "keep", "module": "srv", "build_id": "ab", "offset": "0x10", "inlined": False},
                 {"symbol": "main", "module": "srv", "offset": "0x20", "inlined": True}]
        return [{"type": "sample", **head, "elapsed_s": t, "rss_bytes": 2000000 + n * 90000,
                 "coverage_ratio": 0.5, "allocator": {"live_bytes": n, "live_count": n}, "classes": {
                     "native_modules": {"bytes": 5, "modules": [{"name": "libz.so", "bytes": 5}]}}},
                {"type": "site", **head, "elapsed_s": t, "site_id": f"{n % 2 + 1:016x}", "kind": "heap",
                 "class": "application", "live_bytes": 9000 * n, "live_count": 90 * n,
                 "allocated_count": 99 * n, "live_by_age": [n] * 11, "freed_by_age": [0] * 11,
                 "owner_frame": 0, "stack_complete": True, "stack": stack, **(more or {})}]

    start = {"type": "start", **head, "elapsed_s": 0, "schema": 1, "exe": "/bin/srv",
             "options": {"top": "2"}, "limits": {"memory_bytes": 9000000, "kind": "cgroup"}}
    end = {"type": "end", **head, "elapsed_s": 60, "reason": "target_exit"}
    ticks = [r for n in range(1, 6) for r in tick(9 * n, n)]
    points = [{"t": i, "value": 1000000 + 3000 * i} for i in range(40)]
    dates = [{"time": f"2026-11-21T06:{i:02}:00Z", "value": i * i} for i in range(40)]
    lines = {
        "run": [start, *ticks, end], "cut": ticks[:-1], "points": points, "dates": dates,
        "lives": [start, *ticks[:8], *ticks[:4], start, *ticks[4:6], {"type": "process", **head,
                                                                     "event": "exec"}, *ticks[6:]],
        "odd": [*tick(1e308, 1), *tick(-1, 1), *tick(5, 2, {"live_bytes": -1, "site_id": 5}), *tick(
            6, 3, {"stack": [7, {"offset": "zz"}], "live_by_age": [1]}), {"type": "sample", "pid": 1e9}],
        "back": points[:20] + points[5:15] + [{"t": 21, "kind": "restart"}, {"t": 22, "value": None},
                                              {"time": "x", "value": 1}] + points[23:]}
    for how, (name, rows) in enumerate(lines.items()):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        put("replay", name, bytes([how & 5]) + text.encode()[:MOST - 1])


def hsperf():
    """Counters of a Java machine with two generations, and the same cut short."""
    numbers = {f"sun.gc.generation.{g}.{what}": 1 << 20 + g
               for g in (0, 1) for what in ("capacity", "space.0.used", "space.0.capacity")}
    numbers["sun.gc.metaspace.capacity"] = 1 << 16
    texts = {"sun.gc.policy.name": b"GarbageFirst", "java.property.java.version": b"17.0.15"}
    entries = []
    for name, value in [*numbers.items(), *texts.items()]:
        text = isinstance(value, bytes)
        data = value + b"\0" if text else struct.pack("<q", value)
        at = (20 + len(name) + 1 + 7) // 8 * 8
        length = (at + len(data) + 7) // 8 * 8
        head = struct.pack("<iiiBBBBi", length, 20, len(data) if text else 0,
                           ord("B" if text else "J"), 1, 5 if text else 2, 3, at)
        entries.append(((head + name.encode()).ljust(at, b"\0") + data).ljust(length, b"\0"))
    body = b"".join(entries)
    header = b"\xca\xfe\xc0\xc0\1\2\0\1" + struct.pack("<iiqii", 32 + len(body), 0, 0, 32,
                                                            len(entries))
    put("hsperf", "machine", header + body)
    put("hsperf", "cut", (header + body)[:300])


def heaps():
    def word(how, at, value, size):
        return struct.pack("<BH", how, at) + value.to_bytes(size, "little")

    put("heap", "honest", b"\0")
    put("heap", "sizes", b"\1" + word(1, 0x24, 0x43, 2) + word(5, 0x10, 0xffffffffffffffff, 8))
    put("heap", "absent", b"\x81" + word(12, 0x20, 0x140, 8))


def rules():
    text = read(os.path.join(HERE, "../../../src/analyse/memtrace.rules"))
    put("rules", "shipped", text[:text.rindex(b"\n", 0, 5800) + 1])
    put("rules", "user", b"other libpq\nimage libacme confidence=0.5 # why\nowner * g_malloc*\n"
        b"wrapper server* \"my alloc*\" kind=database\nc-library libx.so\r\nbuffers * \"a::b(c)::*\"\n")
    put("rules", "unended", b"image * \"open\n")


def messages():
    """What node, PostgreSQL and others said on sockets, as the unit test has it."""
    path = os.path.join(HERE, "../../unit/fixtures/protocol_messages.h")
    for name, body in re.findall(r"captured (\w+) = \{(.*?)\};", read(path).decode(), re.S):
        written, length, have, numbers = [x.strip() for x in body.split(",", 3)]
        data = bytes(int(x, 16) for x in re.findall(r"0x[0-9a-f]{2}", numbers))
        put("protocol", name, bytes([written == "true", min(int(length) - len(data), 255)]) + data)


def main():
    with tempfile.TemporaryDirectory() as folder:
        elf(folder)
        cfi(folder)
        separate(folder)
        usdt(folder)
    answers()
    recordings()
    perfmap()
    proc()
    names()
    records()
    growth()
    series()
    replays()
    hsperf()
    heaps()
    rules()
    messages()


main()
