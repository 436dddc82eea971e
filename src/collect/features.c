/*
 * Feature checks by doing: a small BPF object is loaded, its programs are attached to a function
 * of this file, the function is called, and the hits are read back.
 */
#include "collect/features.h"
#include "collect/keeper.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "collect/self.h"
#include "probe.skel.h"

#define FIND_VMA_TRIES 200
#define FIND_VMA_PAUSE_US 5000
#define CALIBRATION_CALLS 2000

static const struct feature_info infos[FEATURE_MAX] = {
#define FEATURE(name, needed_for, without) { #name, needed_for, without },
#include "memtrace/features.def"
#undef FEATURE
};

const struct feature_info *feature_describe(enum feature_id id)
{
	return &infos[id];
}

/* A function to be probed: its first instruction is one that the kernel emulates. */
#if defined(__x86_64__)
__asm__(".text\n.p2align 4\n.type features_target,@function\n"
	"features_target: push %rbp\npop %rbp\nret\n"
	".size features_target,.-features_target\n");
#else
__asm__(".text\n.p2align 4\n.type features_target,%function\n"
	"features_target: nop\nret\n"
	".size features_target,.-features_target\n");
#endif
void features_target(void);

/*
 * libbpf speaks of every refusal, and being refused is how features are found: only -vv shows it.
 * A verifier's log comes as one message of many lines.
 */
static int on_libbpf_message(enum libbpf_print_level level, const char *format, va_list ap)
{
	auto_free char *text = NULL;
	char *line, *rest;

	if (!log_enabled(LOG_LEVEL_DEBUG) || (level == LIBBPF_DEBUG && !getenv("MEMTRACE_LIBBPF")))
		return 0;
	if (vasprintf(&text, format, ap) < 0) {
		text = NULL;
		return 0;
	}
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_debug("%s", line);
	return 0;
}

static void note(struct features *f, enum feature_id id, bool has)
{
	f->known[id] = true;
	f->has[id] = has;
}

static void probe_bpf_freep(struct probe_bpf **s)
{
	if (*s)
		probe_bpf__destroy(*s);
}

static void link_freep(struct bpf_link **l)
{
	if (*l)
		bpf_link__destroy(*l);
}

enum attach_how { ATTACH_EACH, ATTACH_MULTI, ATTACH_SESSION };

/* Loads the object with one of its programs; NULL and errno when the kernel refuses. */
static struct probe_bpf *load_one(const char *name, enum attach_how how)
{
	auto_clean(probe_bpf_freep) struct probe_bpf *s = probe_bpf__open();
	struct bpf_program *p;
	int r;

	if (!s)
		return NULL;
	p = bpf_object__find_program_by_name(s->obj, name);
	if (!p)
		return NULL;
	bpf_program__set_autoload(p, true);
	if (how != ATTACH_EACH)
		bpf_program__set_expected_attach_type(
			p, how == ATTACH_MULTI ? BPF_TRACE_UPROBE_MULTI : KEEPER_SESSION_TYPE);
	r = probe_bpf__load(s);
	if (r) {
		errno = -r;
		return NULL;
	}
	return steal(s);
}

/* A probe on a function of ours. */
struct self_probe {
	struct keeper *keeper; /* borrowed; NULL: nothing is attached */
	uint32_t id;
};

static void self_probe_done(struct self_probe *p)
{
	if (p->keeper)
		keeper_detach(p->keeper, p->id);
}

static bool attach_self(struct keeper *k, const struct bpf_program *program, enum attach_how how,
			bool on_return, pid_t pid, struct self_probe *ret)
{
	auto_close int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct keeper_point point = { 0 };
	struct keeper_probes p = {
		.point = &point,
		.count = 1,
		.tgid = pid,
		.file = file,
		.program = bpf_program__fd(program),
		.on_return = on_return,
		.multi = how != ATTACH_EACH,
		.session = how == ATTACH_SESSION,
	};
	unsigned long offset;

	if (file < 0 || self_file_offset((const void *)features_target, &offset))
		return false;
	point.file_offset = offset;
	if (keeper_attach(k, &p, &ret->id))
		return false;
	ret->keeper = k;
	return true;
}

static void *call_target(void *arg)
{
	features_target();
	return arg;
}

/* A probe with a PID filter must see every thread of the process; early kernels saw only one. */
static bool hits_all_threads(struct keeper *k, const char *program, enum attach_how how, bool ret)
{
	auto_clean(probe_bpf_freep) struct probe_bpf *s = load_one(program, how);
	auto_clean(self_probe_done) struct self_probe l = { 0 };
	pthread_t t;

	if (!s)
		return false;
	if (!attach_self(k, bpf_object__find_program_by_name(s->obj, program), how, ret, getpid(),
			 &l))
		return false;
	features_target();
	if (pthread_create(&t, NULL, call_target, NULL))
		return false;
	pthread_join(t, NULL);
	return (ret ? s->bss->return_hits : s->bss->entry_hits) == 2;
}

/* The first call's return is declined, and only that. */
static bool sessions_work(struct keeper *k)
{
	auto_clean(probe_bpf_freep) struct probe_bpf *s = load_one("probe_session", ATTACH_SESSION);
	auto_clean(self_probe_done) struct self_probe l = { 0 };

	if (!s || !attach_self(k, s->progs.probe_session, ATTACH_SESSION, false, getpid(), &l))
		return false;
	features_target();
	if (s->bss->entry_hits != 1 || s->bss->return_hits != 0)
		return false;
	features_target();
	return s->bss->entry_hits == 2 && s->bss->return_hits == 1;
}

static bool find_vma_works(struct keeper *k)
{
	auto_clean(probe_bpf_freep) struct probe_bpf *s = load_one("probe_find_vma", ATTACH_EACH);
	auto_clean(self_probe_done) struct self_probe l = { 0 };

	if (!s || !attach_self(k, s->progs.probe_find_vma, ATTACH_EACH, false, getpid(), &l))
		return false;
	/* Another memtrace that attaches to this program holds the lock that the helper needs. */
	for (int i = 0; i < FIND_VMA_TRIES && s->bss->vma_found != 1; i++) {
		if (i)
			usleep(FIND_VMA_PAUSE_US);
		features_target();
	}
	return s->bss->vma_found == 1;
}

static bool loads_and_attaches(const char *program)
{
	auto_clean(probe_bpf_freep) struct probe_bpf *s = load_one(program, ATTACH_EACH);
	auto_clean(link_freep) struct bpf_link *l = NULL;

	if (!s)
		return false;
	l = bpf_program__attach(bpf_object__find_program_by_name(s->obj, program));
	return l != NULL;
}

/* A page of ours is written by this program, the next by the kernel for it. */
static uint64_t faults_made(struct probe_bpf *s)
{
	long page = sysconf(_SC_PAGESIZE);
	volatile char *p =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	auto_close int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	uint64_t seen;

	if (p == MAP_FAILED)
		return 0;
	madvise((void *)p, 2 * page, MADV_NOHUGEPAGE);
	s->bss->fault_at = (uintptr_t)p;
	*p = 1;
	s->bss->fault_at = (uintptr_t)p + page;
	seen = read(zero, (void *)(p + page), 1) == 1 ? s->bss->fault_seen : 0;
	munmap((void *)p, 2 * page);
	return seen;
}

/*
 * Whether two programs see, each its own bit of what `done` does: bit 0 the first, bit 1 the
 * second.
 */
static bool both_see(const char *first, const char *second, uint64_t (*done)(struct probe_bpf *))
{
	auto_clean(probe_bpf_freep) struct probe_bpf *a = load_one(first, ATTACH_EACH);
	auto_clean(probe_bpf_freep) struct probe_bpf *b = load_one(second, ATTACH_EACH);
	auto_clean(link_freep) struct bpf_link *la = NULL;
	auto_clean(link_freep) struct bpf_link *lb = NULL;

	if (!a || !b)
		return false;
	la = bpf_program__attach(bpf_object__find_program_by_name(a->obj, first));
	lb = bpf_program__attach(bpf_object__find_program_by_name(b->obj, second));
	return la && lb && (done(a) & 1) && (done(b) & 2);
}

/* A byte goes through a socket: the programs see it sent and received. */
static uint64_t bytes_said(struct probe_bpf *s)
{
	int pair[2];
	char byte = 'x';
	bool went;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return 0;
	s->bss->said_by = (uint64_t)getpid() << 32 | (uint32_t)gettid();
	went = write(pair[0], &byte, 1) == 1 && read(pair[1], &byte, 1) == 1;
	s->bss->said_by = 0;
	close(pair[0]);
	close(pair[1]);
	return went ? s->bss->said_seen : 0;
}

static double timed_calls(void)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < CALIBRATION_CALLS; i++)
		features_target();
	clock_gettime(CLOCK_MONOTONIC, &b);
	return ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / CALIBRATION_CALLS;
}

/* The lesser of two runs: the machine may be busy with something else during one. */
static double least_time(void)
{
	double a = timed_calls(), b = timed_calls();

	return a < b ? a : b;
}

static void calibrate(struct keeper *k, struct features *f)
{
	enum attach_how multi = f->has[FEATURE_uprobe_multi] ? ATTACH_MULTI : ATTACH_EACH;
	auto_clean(probe_bpf_freep) struct probe_bpf *entry = load_one("probe_entry", multi);
	auto_clean(probe_bpf_freep) struct probe_bpf *ret = load_one("probe_return", multi);
	auto_clean(self_probe_done) struct self_probe le = { 0 };
	auto_clean(self_probe_done) struct self_probe lr = { 0 };
	double bare;

	keeper_sync(k); /* earlier probes are out */
	bare = least_time();
	if (!entry || !ret ||
	    !attach_self(k, entry->progs.probe_entry, multi, false, getpid(), &le))
		return;
	f->entry_ns = least_time() - bare;
	if (attach_self(k, ret->progs.probe_return, multi, true, getpid(), &lr))
		f->entry_return_ns = least_time() - bare;
}

static int bpf_allowed(struct err *err)
{
	auto_clean(probe_bpf_freep) struct probe_bpf *s = load_one("probe_tp", ATTACH_EACH);
	int e = errno;

	if (s)
		return 0;
	if (e == EPERM || e == EACCES)
		return err_set(err, -EPERM,
			       "the kernel refuses to load BPF programs (%s): run as root, or with "
			       "CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_SYS_ADMIN",
			       strerror(e));
	return err_set(err, -EOPNOTSUPP, "this kernel does not load memtrace's BPF programs (%s)",
		       strerror(e));
}

int features_probe(struct keeper *k, struct features *ret, struct err *err)
{
	const char *btf = self_btf_path();
	int r;

	memset(ret, 0, sizeof(*ret));
	libbpf_set_print(on_libbpf_message);
	note(ret, FEATURE_btf, access(btf, R_OK) == 0);
	if (!ret->has[FEATURE_btf])
		return err_set(
			err, -EOPNOTSUPP,
			"this kernel has no type information (%s is missing): a kernel built "
			"with CONFIG_DEBUG_INFO_BTF is needed",
			btf);
	r = bpf_allowed(err);
	note(ret, FEATURE_bpf_load, r == 0);
	if (r)
		return r;
	note(ret, FEATURE_tp_btf, loads_and_attaches("probe_tp"));
	if (!ret->has[FEATURE_tp_btf])
		return err_set(
			err, -EOPNOTSUPP,
			"this kernel does not let BPF programs attach to tracepoints by type");
	note(ret, FEATURE_uprobe,
	     hits_all_threads(k, "probe_entry", ATTACH_EACH, false) &&
		     hits_all_threads(k, "probe_return", ATTACH_EACH, true));
	note(ret, FEATURE_uprobe_multi,
	     hits_all_threads(k, "probe_entry", ATTACH_MULTI, false) &&
		     hits_all_threads(k, "probe_return", ATTACH_MULTI, true));
	note(ret, FEATURE_uprobe_session, ret->has[FEATURE_uprobe_multi] && sessions_work(k));
	note(ret, FEATURE_find_vma, find_vma_works(k));
	note(ret, FEATURE_task_file_iter, loads_and_attaches("probe_iter"));
	note(ret, FEATURE_page_faults,
	     both_see("probe_fault_user", "probe_fault_kernel", faults_made));
	note(ret, FEATURE_sock_lengths, both_see("probe_sent", "probe_got", bytes_said));
	if (!ret->has[FEATURE_find_vma])
		return err_set(err, -EOPNOTSUPP,
			       "this kernel lacks bpf_find_vma and bpf_loop (Linux 5.17 has both)");
	if (ret->has[FEATURE_uprobe])
		calibrate(k, ret);
	return 0;
}

/* The child: once probed, forbids itself everything but leaving, and calls the function. */
static void seccomp_child(int go)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };
	char byte;

	if (read(go, &byte, 1) != 1 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(2);
	features_target();
	_exit(0);
}

bool features_probe_seccomp(struct keeper *k, struct features *f)
{
	enum attach_how multi = f->has[FEATURE_uprobe_multi] ? ATTACH_MULTI : ATTACH_EACH;
	auto_clean(probe_bpf_freep) struct probe_bpf *s = load_one("probe_return", multi);
	auto_clean(self_probe_done) struct self_probe l = { 0 };
	int go[2], status = -1;
	bool attached = false;
	pid_t child;

	if (f->known[FEATURE_seccomp_uretprobe])
		return f->has[FEATURE_seccomp_uretprobe];
	note(f, FEATURE_seccomp_uretprobe, false);
	if (!s || pipe(go))
		return false;
	child = fork();
	if (child == 0)
		seccomp_child(go[0]);
	if (child > 0) {
		attached = attach_self(k, s->progs.probe_return, multi, true, child, &l);
		if (write(go[1], "x", 1) != 1)
			close(go[1]);
		waitpid(child, &status, 0);
	}
	close(go[0]);
	close(go[1]);
	note(f, FEATURE_seccomp_uretprobe,
	     attached && WIFEXITED(status) && WEXITSTATUS(status) == 0 && s->bss->return_hits == 1);
	return f->has[FEATURE_seccomp_uretprobe];
}
