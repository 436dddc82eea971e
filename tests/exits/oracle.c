/*
 * Proves, by running, what probe_exit chose for a library: its points become breakpoints of a
 * process that calls the allocator (driver.c), and at every call it is seen which of them are
 * passed, in which order, and whether the registers hold the size that was asked for and the result
 * that came back.
 *   oracle NAME LIBRARY PROGRAM [ARGUMENT...]
 * One line per function: points, calls, traps per call, failures. Status 1 when a call was not as
 * promised or too few were made, 3 when the program could not be run with this library.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect/probe_insn.h"
#include "collect/target.h"
#include "marks.h"
#include "memtrace/condition.h"
#include "sys/elf.h"

#define TASKS 64
#define COMPLAINTS 20

struct spot {
	const struct attach_point *at; /* borrowed */
	struct insn insn;
	uint64_t addr;
	long hits, counted;
	int fn; /* enum mark_fn, -1: of none that the driver calls */
};

struct task {
	pid_t tid;
	int fn; /* -1: not in a call */
	uint64_t size, result;
	uint64_t bp; /* the caller's, as a point saw it */
	bool bp_seen;
	enum { NEW, SIZED, DONE, CALLED } stage;
};

struct tally {
	long calls, failed, bad, traps;
	bool inside;
};

struct oracle {
	const char *name;
	struct elf_file *elf;
	struct target_points points;
	struct spot *point;
	uint64_t bias; /* of addresses in the process */
	uint64_t driver_start, driver_end;
	struct task task[TASKS];
	struct tally tally[FNS];
	int complaints;
	bool ready;
};

static const char *const fn_names[] = { "malloc", "calloc", "aligned_alloc", "memalign", "other" };

static void die(const char *what)
{
	fprintf(stderr, "oracle: %s (%s)\n", what, strerror(errno));
	exit(2);
}

/* One of the names of a point, which '/' divides. */
static bool has_name(const char *names, const char *name)
{
	size_t n;

	for (; *names; names += n + (names[n] == '/')) {
		n = strcspn(names, "/");
		if (n == strlen(name) && memcmp(names, name, n) == 0)
			return true;
	}
	return false;
}

static void examine(struct oracle *o, const char *library)
{
	struct target_module m = { .main_exe = false, .inside = true };
	struct probe_decoder d;
	char line[600];
	int fd = open(library, O_RDONLY | O_CLOEXEC);

	m.file_name = strrchr(library, '/') ? strrchr(library, '/') + 1 : library;
	m.fd = fd;
	if (fd < 0 || elf_open_fd(fd, &o->elf, NULL) || target_examine(o->elf, &m, &o->points))
		die(library);
	o->point = calloc(o->points.count + 1, sizeof(*o->point));
	if (!o->point || !probe_decoder_init(&d, PROBE_X86_64))
		die("memory");
	for (size_t i = 0; i < o->points.count; i++) {
		struct spot *p = &o->point[i];
		uint64_t vaddr;
		uint8_t b[16];

		p->at = &o->points.point[i];
		p->fn = -1;
		for (int fn = 0; fn < FN_other; fn++)
			if (has_name(p->at->name, fn_names[fn]))
				p->fn = fn;
		if (p->at->weight && p->fn >= 0)
			o->tally[p->fn].inside = true;
		if (elf_offset_to_vaddr(o->elf, p->at->file_offset, &vaddr) ||
		    elf_read_at(o->elf, vaddr, b, sizeof(b)) < 1 ||
		    !probe_decode(&d, b, sizeof(b), vaddr))
			die("a point cannot be decoded");
		probe_insn_read(&d, PROBE_NOPS_STEPPED, &p->insn);
		p->addr = vaddr;
		if (getenv("EXPLAIN")) {
			target_format_point(p->at, m.file_name, line, sizeof(line));
			printf("%s\n", line);
		}
	}
	probe_decoder_done(&d);
}

static void run_child(char **argv)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	execv(argv[0], argv);
	_exit(127);
}

/* What is added to an address of the file: the mapping of the first point tells. */
static bool find_bias(struct oracle *o, pid_t pid, const char *library, uint64_t ip)
{
	char path[64], line[4200];
	unsigned long start, end, offset, inode;
	struct stat st;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f || stat(library, &st))
		die("maps");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && ip >= start && ip < end) {
			o->driver_start = start;
			o->driver_end = end;
		}
		if (sscanf(line, "%lx-%lx %*s %lx %*s %lu", &start, &end, &offset, &inode) != 4 ||
		    inode != st.st_ino || o->point[0].at->file_offset < offset ||
		    o->point[0].at->file_offset >= offset + (end - start))
			continue;
		o->bias = start + o->point[0].at->file_offset - offset - o->point[0].addr;
		found = true;
	}
	fclose(f);
	return found;
}

static void arm(struct oracle *o, pid_t pid)
{
	for (size_t i = 0; i < o->points.count; i++) {
		struct spot *p = &o->point[i];
		const uint64_t at = p->addr + o->bias;
		long word;

		if (!p->at->weight)
			continue;
		errno = 0;
		word = ptrace(PTRACE_PEEKTEXT, pid, at, NULL);
		if (errno)
			die("peek");
		word = (word & ~0xffl) | 0xcc;
		if (ptrace(PTRACE_POKETEXT, pid, at, word))
			die("poke");
	}
}

static struct task *task_of(struct oracle *o, pid_t tid)
{
	for (int i = 0; i < TASKS; i++) {
		if (o->task[i].tid == tid)
			return &o->task[i];
		if (!o->task[i].tid) {
			o->task[i] = (struct task){ .tid = tid, .fn = -1 };
			return &o->task[i];
		}
	}
	die("too many threads");
	return NULL;
}

static unsigned long long *reg_of(struct user_regs_struct *r, unsigned reg)
{
	unsigned long long *const regs[] = { &r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
					     &r->rsi, &r->rdi, &r->r8,	&r->r9,	 &r->r10, &r->r11,
					     &r->r12, &r->r13, &r->r14, &r->r15 };

	return regs[reg & 15];
}

static void complain(struct oracle *o, const struct task *t, const struct spot *p, const char *what)
{
	o->tally[t->fn].bad++;
	if (o->complaints++ < COMPLAINTS)
		printf("  WRONG %s %s(%llu): %s%s%s\n", o->name, fn_names[t->fn],
		       (unsigned long long)t->size, what, p ? " at " : "",
		       p ? p->at->site.site_text : "");
}

static uint64_t argument(struct user_regs_struct *r, unsigned n)
{
	return n ? *reg_of(r, probe_argument[n - 1]) : 1;
}

static uint64_t peek(pid_t tid, uint64_t at)
{
	return (uint64_t)ptrace(PTRACE_PEEKDATA, tid, at, NULL);
}

/* Where the cookie says that the caller's return address and frame pointer are. */
static void see_caller(struct oracle *o, struct task *t, const struct spot *p,
		       struct user_regs_struct *r)
{
	const uint64_t c = p->at->cookie;
	const uint32_t place = MT_COOKIE_BP_PLACE(c);
	const uint64_t back = peek(t->tid, r->rsp + 8 * MT_COOKIE_PUSHED(c));

	if (back - o->driver_start >= o->driver_end - o->driver_start)
		complain(o, t, p, "the return address is not there");
	if (place == MT_PLACE_NONE)
		return;
	t->bp_seen = true;
	t->bp = place < MT_PLACE_STACK ? *reg_of(r, place)
				       : peek(t->tid, r->rsp + 8 * (place - MT_PLACE_STACK));
}

/* A point of the function that is called, which counts. */
static void pass(struct oracle *o, struct task *t, const struct spot *p, struct user_regs_struct *r)
{
	const uint64_t c = p->at->cookie;
	const uint64_t size = *reg_of(r, MT_COOKIE_SIZE_PLACE(c));

	switch ((enum mt_point)MT_COOKIE_POINT(c)) {
	case MT_POINT_CALL:
		if (t->stage != NEW)
			complain(o, t, p, "a call begins twice");
		if (argument(r, MT_COOKIE_SIZE(c)) * argument(r, MT_COOKIE_COUNT(c)) != t->size)
			complain(o, t, p, "arguments are not the size");
		t->stage = CALLED;
		o->tally[t->fn].traps++; /* the return's */
		return;
	case MT_POINT_WHOLE:
		if (t->stage != NEW)
			complain(o, t, p, "a call is seen twice");
		if (size != t->size)
			complain(o, t, p, "the register does not hold the size");
		break;
	case MT_POINT_SIZE:
		if (t->stage != NEW)
			complain(o, t, p, "a size comes late");
		if (size != t->size)
			complain(o, t, p, "the register does not hold the size");
		t->stage = SIZED;
		return;
	case MT_POINT_RESULT:
		if (t->stage != SIZED)
			complain(o, t, p, "a result without its size");
		break;
	}
	t->result = *reg_of(r, MT_COOKIE_RESULT_PLACE(c));
	t->stage = DONE;
	see_caller(o, t, p, r);
}

/* What the instruction under the breakpoint would have done. */
static void emulate(const struct oracle *o, const struct spot *p, pid_t tid,
		    struct user_regs_struct *r)
{
	const struct insn *i = &p->insn;
	const uint64_t next = i->vaddr + i->len + o->bias;
	uint64_t word = next;

	r->rip = next;
	if (i->kind == INSN_JUMP || i->kind == INSN_CALL ||
	    (i->kind == INSN_BRANCH && mt_condition_holds(r->eflags, i->cc)))
		r->rip = i->target + o->bias;
	if (i->effect == EFFECT_PUSH)
		word = *reg_of(r, i->src);
	if (i->kind != INSN_CALL && i->effect != EFFECT_PUSH)
		return;
	r->rsp -= 8;
	if (ptrace(PTRACE_POKEDATA, tid, r->rsp, word))
		die("push");
}

static void on_point(struct oracle *o, pid_t tid, struct spot *p, struct user_regs_struct *r)
{
	struct task *t = task_of(o, tid);
	const uint64_t c = p->at->cookie;

	p->hits++;
	if (t->fn >= 0 && t->fn == p->fn)
		o->tally[t->fn].traps++;
	if (t->fn >= 0 && t->fn == p->fn &&
	    (!MT_COOKIE_HAS_IF(c) || mt_condition_holds(r->eflags, MT_COOKIE_CONDITION(c)))) {
		p->counted++;
		pass(o, t, p, r);
	} else if (t->fn >= 0 && t->fn != p->fn && o->tally[t->fn].inside && t->stage != CALLED &&
		   t->fn != FN_other) {
		complain(o, t, p, "another probed function is called");
	}
	emulate(o, p, tid, r);
}

static void end_call(struct oracle *o, struct task *t, uint64_t result, uint64_t bp)
{
	struct tally *tally = &o->tally[t->fn];

	tally->calls++;
	tally->failed += !result;
	if (!tally->inside) {
		t->fn = -1;
		return;
	}
	if (t->bp_seen && t->bp != bp)
		complain(o, t, NULL, "the caller's frame pointer was not there");
	if (result && t->stage == DONE && t->result != result)
		complain(o, t, NULL, "another result was promised");
	else if (result && t->stage != DONE && t->stage != CALLED)
		complain(o, t, NULL, "it was not seen");
	else if (!result && t->stage == DONE && t->result)
		complain(o, t, NULL, "a result was promised, and it failed");
	t->fn = -1;
}

static void on_mark(struct oracle *o, pid_t tid, struct user_regs_struct *r, const char *library)
{
	struct task *t = task_of(o, tid);

	switch (r->rax) {
	case MARK_READY:
		if (!find_bias(o, tid, library, r->rip)) {
			printf("%s: the library is not in the program\n", o->name);
			exit(3);
		}
		arm(o, tid);
		o->ready = true;
		return;
	case MARK_BEGIN:
		*t = (struct task){ .tid = tid, .fn = (int)r->rdi, .size = r->rsi };
		return;
	case MARK_END:
		if (t->fn >= 0)
			end_call(o, t, r->rdx, r->rbp);
		return;
	default: die("a breakpoint of nobody's");
	}
}

static void on_trap(struct oracle *o, pid_t tid, const char *library)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &r))
		die("registers");
	for (size_t i = 0; o->ready && i < o->points.count; i++) {
		if (!o->point[i].at->weight || r.rip - 1 != o->point[i].addr + o->bias)
			continue;
		on_point(o, tid, &o->point[i], &r);
		if (ptrace(PTRACE_SETREGS, tid, NULL, &r))
			die("registers");
		return;
	}
	on_mark(o, tid, &r, library);
}

/* Until the program is gone; its status. */
static int follow(struct oracle *o, pid_t pid, const char *library)
{
	int status, signal;
	bool first = true;
	pid_t tid;

	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (tid == pid)
				return status;
			continue;
		}
		signal = WSTOPSIG(status);
		if (first) {
			first = false;
			signal = 0;
			if (ptrace(PTRACE_SETOPTIONS, tid, NULL,
				   PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL))
				die("options");
		} else if (status >> 16 || signal == SIGSTOP) {
			signal = 0;
		} else if (signal == SIGTRAP) {
			on_trap(o, tid, library);
			signal = 0;
		}
		ptrace(PTRACE_CONT, tid, NULL, signal);
	}
	return -1;
}

/* True when all is well. */
static bool report(const struct oracle *o)
{
	bool good = true;

	for (int fn = 0; fn < FN_other; fn++) {
		const struct tally *t = &o->tally[fn];
		int points = 0, passed = 0;

		for (size_t i = 0; i < o->points.count; i++) {
			points += o->point[i].fn == fn && o->point[i].at->weight;
			passed += o->point[i].fn == fn && o->point[i].counted;
		}
		if (!points) {
			printf("%-28s %-14s entry + return\n", o->name, fn_names[fn]);
			continue;
		}
		printf("%-28s %-14s %2d points, %d passed, %.3f traps per call, %ld calls, %ld "
		       "failed, %ld wrong\n",
		       o->name, fn_names[fn], points, passed, (double)t->traps / (double)t->calls,
		       t->calls, t->failed, t->bad);
		good &= t->calls > 0 && !t->bad && passed;
	}
	return good;
}

int main(int argc, char **argv)
{
	static struct oracle o;
	int status;
	pid_t pid;

	if (argc < 4) {
		fprintf(stderr, "usage: oracle NAME LIBRARY PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	o.name = argv[1];
	examine(&o, argv[2]);
	if (!o.points.count) {
		printf("%s: no point\n", o.name);
		return 1;
	}
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		run_child(argv + 3);
	status = follow(&o, pid, argv[2]);
	if (!o.ready) {
		printf("%s: the program does not run with it (status %x)\n", o.name, status);
		return 3;
	}
	if (status) {
		printf("%s: the program ended with status %x\n", o.name, status);
		return 1;
	}
	return report(&o) ? 0 : 1;
}
