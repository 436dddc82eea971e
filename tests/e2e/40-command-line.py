"""The command line: exit statuses, one clear sentence for each mistake."""
import pty
import re
import select
import shutil

from kernel import *
from lib import *

NOBODY = 65534


def memtrace(*args, env=None, prefix=(), stdout=subprocess.PIPE, program=MEMTRACE, timeout=60):
    """Runs memtrace to its end and sees that nothing of it is left in the kernel."""
    before = inventory()
    r = subprocess.run([*prefix, program, *map(str, args)], stdin=subprocess.DEVNULL, stdout=stdout,
                       stderr=subprocess.PIPE, text=True, timeout=timeout,
                       env=dict(os.environ, **env) if env else None)
    check_clean(before)
    return r


def refused(status, words, *args, **kwargs):
    r = memtrace(*args, **kwargs)
    lines = r.stderr.strip().splitlines()
    said = f"{args}: {r.stderr!r}"
    check(r.returncode == status, f"status {r.returncode}, not {status}; {said}")
    check(len(lines) == 1, f"{len(lines)} lines on standard error; {said}")
    check(not r.stdout, f"something on standard output; {said}")
    for word in [words] if isinstance(words, str) else words:
        check(word in lines[0], f"{word!r} is not said; {said}")


# --- mistakes ------------------------------------------------------------------------------------


def test_wrong_usage_is_status_2_and_one_sentence():
    refused(2, "1 to 2147483647", "-p", "0")
    refused(2, "'abc'", "-p", "abc")
    refused(2, "'-1'", "-p", "-1")
    refused(2, "'99999999999999999999'", "-p", "99999999999999999999")
    refused(2, "value is missing", "-p")
    refused(2, "'--no-such-option'", "--no-such-option")
    refused(2, "'frobnicate'", "frobnicate")
    refused(2, "nothing to trace")
    refused(2, "no command given", "run")
    refused(2, "--interval", "-p", "1", "--interval", "0")
    refused(2, "--alloc", "-p", "1", "--alloc", "libx.so")
    refused(2, "--mode", "-p", "1", "--mode", "fast")


def test_a_process_that_does_not_exist_is_status_1():
    refused(1, "no such process: 999999999", "-p", "999999999")


def test_an_output_that_cannot_be_opened_is_status_1():
    refused(1, "/nonexistent/file", "-p", os.getpid(), "-o", "/nonexistent/file")


def test_a_command_that_cannot_be_started_is_status_1():
    refused(1, ("/nonexistent/command", "No such file"), "run", "--", "/nonexistent/command")
    refused(1, ("/etc/passwd", "Permission denied"), "run", "--", "/etc/passwd")


# --- output that ends ----------------------------------------------------------------------------


def test_a_full_disk_ends_the_run_with_a_reason():
    with spinner() as target:
        for form in ((), ("--json",)):
            r = memtrace("-p", target.pid, "--interval", "0.5", "--duration", 20, "-o", "/dev/full",
                         *form)
            check(r.returncode == 1, f"status {r.returncode}: {r.stderr}")
            check("/dev/full" in r.stderr and "No space left" in r.stderr, r.stderr)
        with open("/dev/full", "w") as full:
            r = memtrace("-p", target.pid, "--interval", "0.5", "--duration", 20, "--json",
                         stdout=full)
        check(r.returncode == 1 and "standard output" in r.stderr, f"{r.returncode}: {r.stderr}")
        check(target.alive(), "the target died")


def test_a_reader_that_goes_away_ends_the_run_with_a_reason():
    before = inventory()
    with spinner() as target:
        for form in ((), ("--json",)):
            process = subprocess.Popen(
                [MEMTRACE, "-p", str(target.pid), "--interval", "0.5", *form],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            process.stdout.readline()
            process.stdout.close()
            process.wait(30)
            text = process.stderr.read()
            process.stderr.close()
            check(process.returncode == 1, f"status {process.returncode}: {text}")
            check("closed by its reader" in text, text)
        check_clean(before, target.pid)


# --- hosts that cannot ---------------------------------------------------------------------------


def test_without_root_the_status_is_77_and_the_message_says_what_is_missing():
    folder = tempfile.mkdtemp(prefix="memtrace-nobody-")
    try:
        os.chmod(folder, 0o755)
        program = shutil.copy(MEMTRACE, folder) # where nobody can reach it
        prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        refused(77, ("as root", "CAP_BPF"), "-p", os.getpid(), prefix=prefix, program=program)
        r = memtrace("doctor", prefix=prefix, program=program)
        check(r.returncode == 77, f"doctor: status {r.returncode}")
        check("cannot run here" in r.stdout, r.stdout)
    finally:
        shutil.rmtree(folder)


def test_without_type_information_of_the_kernel_the_status_is_77():
    refused(77, ("type information", "/nonexistent"), "-p", os.getpid(),
            env={"MEMTRACE_BTF": "/nonexistent"})


# --- runs ----------------------------------------------------------------------------------------


def test_a_duration_ends_the_run():
    with spinner() as target:
        with Trace("-p", target.pid, "--duration", 2, "--interval", 1) as trace:
            trace.wait(30)
            end = trace.of_type("end")[0]
            check(trace.status == 0, trace.errors())
            check(end["reason"] == "duration", f"reason {end['reason']}")
            check(1.9 < end["duration_s"] < 3, f"{end['duration_s']} s")
            trace.validate()


def test_several_processes_are_traced_at_once():
    with spinner() as one, spinner() as two:
        with Trace("-p", one.pid, "-p", two.pid, "-p", 999999999, "--interval", 1) as trace:
            for pid in (one.pid, two.pid):
                trace.await_record(lambda r: r["type"] == "sample" and r["pid"] == pid)
            trace.stop()
            check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
            check("no such process: 999999999" in trace.errors(), "the third is not told of")
            trace.validate()
            for kind in ("start", "end"):
                check({r["pid"] for r in trace.of_type(kind)} == {one.pid, two.pid}, kind)


def test_fail_on_leak_is_status_3_with_a_leak_and_0_without():
    before = inventory()
    with Target("leak_new", 200) as leaking, Target("churn", 60, 20000, 2000, 2) as clean:
        leaking.expect("ready")
        clean.expect("ready")
        with Trace("-p", leaking.pid, "--fail-on-leak", "--budget", 0, "--interval", 1) as bad, \
             Trace("-p", clean.pid, "--fail-on-leak", "--budget", 0, "--interval", 1) as good:
            bad.await_start()
            good.await_start()
            leaking.go()
            clean.go()
            leaking.truth()
            bad.stop()
            good.stop()
            check(bad.status == 3, f"a leak, status {bad.status}, verdict {bad.verdict()}")
            check(good.status == 0, f"no leak, status {good.status}, verdict {good.verdict()}")
            check(bad.verdict() == "leak" and good.verdict() != "leak", "verdicts")
            print(f"        verdicts: {bad.verdict()}, {good.verdict()}", flush=True)
    check_clean(before)


def test_a_command_is_traced_from_its_first_allocation_to_its_end():
    program = os.path.join(BUILD, "targets", "rules")
    before = inventory()
    with Trace("run", "--mode", "full", "--budget", 0, "--top", 1000, "--", program, "before") as trace:
        trace.wait(60) # it meets the end of standard input and ends
        check(trace.status == 0, f"status {trace.status}: {trace.errors()}")
        trace.validate()
        check(trace.of_type("end")[0]["reason"] == "target_exit", "reason")
        mine = [s for s in trace.final_sites() if owned_by(s, "before_block")]
        count = sum(s["allocated_count"] for s in mine)
        check(count == 5000, f"{count} blocks of 5000")
        check("ready" in trace.errors(), "the command's own output is lost")
    check_clean(before)


def test_a_command_that_fails_at_once_is_no_failure_of_memtrace():
    for command in (("false",), ("sh", "-c", "exit 9"), ("sh", "-c", "kill -SEGV $$")):
        with Trace("run", "--", *command) as trace:
            trace.wait(60)
            check(trace.status == 0, f"{command}: status {trace.status}: {trace.errors()}")
            check(trace.of_type("end")[0]["reason"] == "target_exit", "reason")
            trace.validate()


# --- what it says of itself ----------------------------------------------------------------------


def test_the_schema_is_json():
    r = memtrace("schema")
    check(r.returncode == 0 and not r.stderr, r.stderr)
    schema = json.loads(r.stdout)
    check("draft-07" in schema["$schema"], f"{schema.get('$schema')}")


def test_the_help_names_every_status_and_fits_100_columns():
    texts = {memtrace(*form).stdout for form in (("--help",), ("-h",), ("help",))}
    check(len(texts) == 1, "three ways to ask, different answers")
    text = texts.pop()
    wide = [line for line in text.splitlines() if len(line) > 100]
    check(not wide, f"wider than 100 columns: {wide}")
    for word in ("--follow", "--fail-on-leak", "77", "memtrace doctor"):
        check(word in text, f"{word} is not in the help")


def test_the_man_page_renders_without_a_warning():
    page = memtrace("help", "--man")
    check(page.returncode == 0 and page.stdout.startswith(".TH"), page.stdout[:100])
    with tempfile.NamedTemporaryFile("w", suffix=".8") as f:
        f.write(page.stdout)
        f.flush()
        r = subprocess.run(["man", "--warnings", "-l", f.name], capture_output=True, text=True,
                           env=dict(os.environ, MANWIDTH="80", MANPAGER="cat", LC_ALL="C.UTF-8"))
    check(r.returncode == 0 and not r.stderr, f"man says: {r.stderr}")
    check("--fail-on-leak" in r.stdout and "EXIT STATUS" in r.stdout, r.stdout[:500])


def test_explain_probes_shows_free_at_an_instruction_that_the_kernel_emulates():
    with spinner() as target:
        r = memtrace("-p", target.pid, "--explain-probes", "--duration", 1, "-o", "/dev/null")
        check(r.returncode == 0, r.stderr)
        free = [l for l in r.stderr.splitlines()
                if re.search(r"libc\.so\.6 (\S*/)?(cfree|free)\b", l)]
        check(free, f"free is not explained: {r.stderr}")
        check(any("emulated" in l for l in free), f"free is not emulated: {free}")
        check("malloc" in r.stderr and "+return" in r.stderr, "malloc is not explained")
        print(f"        {free[0].strip()[:160]}", flush=True)


def on_a_terminal(*args, env):
    """What memtrace writes when standard output is a terminal."""
    ours, theirs = pty.openpty()
    text = b""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([MEMTRACE, *map(str, args)], stdin=subprocess.DEVNULL,
                                   stdout=theirs, stderr=said,
                                   env=dict(os.environ, TERM="xterm", **env))
        os.close(theirs)
        while select.select([ours], [], [], 60)[0]:
            try:
                text += os.read(ours, 65536)
            except OSError: # the other side is closed
                break
        process.wait(30)
        os.close(ours)
        said.seek(0)
        check(process.returncode == 0, f"status {process.returncode}: {said.read()}")
    return text


def test_no_color_is_honoured():
    with spinner() as target:
        args = ("-p", target.pid, "--duration", 2, "--interval", 1)
        coloured = on_a_terminal(*args, env={"NO_COLOR": ""})
        check(b"\x1b[" in coloured, f"no colour on a terminal: {coloured}")
        plain = on_a_terminal(*args, env={"NO_COLOR": "1"})
        check(plain and b"\x1b" not in plain, "colour in spite of NO_COLOR")
        r = memtrace(*args)
        check("\x1b" not in r.stdout and r.stdout, "colour in a pipe")


if __name__ == "__main__":
    run(globals())
