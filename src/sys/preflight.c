/*
 * Rules about who may be traced. Seccomp filters and tracers belong to threads, not to processes:
 * every thread is asked, and one that cannot be asked counts as not known.
 */
#include "sys/preflight.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "decode/fact.h"
#include "sys/procfs.h"
#include "sys/threads.h"

/* Inode numbers of the first namespaces: include/linux/proc_ns.h, since Linux 3.8. */
#define USER_NS_INIT UINT64_C(0xeffffffd)
#define PID_NS_INIT UINT64_C(0xeffffffc)

__attribute__((format(printf, 3, 4))) static void refuse(struct preflight *p, int error,
							 const char *format, ...)
{
	va_list ap;

	p->decision = PREFLIGHT_REFUSE;
	p->error = error;
	p->return_probes = p->allocator_probes = false;
	va_start(ap, format);
	vsnprintf(p->text, sizeof(p->text), format, ap);
	va_end(ap);
}

/* A kernel built without a kind of namespaces shows none: that is the first one too. */
static bool outside(uint64_t ns, uint64_t initial)
{
	return ns != FACT_UNKNOWN && ns != initial;
}

/* What no process could be traced in spite of. True when refused. */
static bool refuse_always(const struct preflight_facts *f, struct preflight *p)
{
	if (!f->exists)
		refuse(p, -ESRCH, "no such process: %u", f->asked);
	else if (f->pid == f->own_pid)
		refuse(p, -EINVAL, "process %u is memtrace itself: it cannot trace itself", f->pid);
	else if (f->kernel_thread)
		refuse(p, -EINVAL, "process %u is a kernel thread: it has no memory of its own",
		       f->pid);
	else if (f->zombie && f->threads > 1)
		refuse(p, -ESRCH,
		       "the main thread of process %u has exited: /proc shows its memory no more",
		       f->pid);
	else if (f->zombie)
		refuse(p, -ESRCH, "process %u is a zombie: it has exited already", f->pid);
	else if (outside(f->own_user_ns, USER_NS_INIT))
		refuse(p, -EPERM,
		       "memtrace runs in a user namespace of its own: start it outside of the "
		       "container");
	else if (outside(f->own_pid_ns, PID_NS_INIT))
		refuse(p, -EPERM,
		       "memtrace runs in a PID namespace of its own: start it outside of the "
		       "container, or share the host's PID namespace");
	else if (f->is_32bit)
		refuse(p, -EOPNOTSUPP,
		       "process %u is a 32-bit program: only 64-bit programs can be traced",
		       f->pid);
	return p->decision == PREFLIGHT_REFUSE;
}

static bool refuse_unless_forced(const struct preflight_facts *f, struct preflight *p)
{
	if (f->force)
		return false;
	if (f->user_ns != FACT_UNKNOWN && f->own_user_ns != FACT_UNKNOWN &&
	    f->user_ns != f->own_user_ns)
		refuse(p, -EPERM,
		       "process %u runs in another user namespace; it is traced only when forced",
		       f->pid);
	else if (f->tracer_pid != 0 && f->tracer_pid != FACT_UNKNOWN &&
		 f->tracer_pid != f->own_pid) /* memtrace holds what it starts itself */
		refuse(p, -EBUSY,
		       "process %u is being traced by process %u (a debugger?); it is traced only "
		       "when forced",
		       f->pid, (uint32_t)f->tracer_pid);
	return p->decision == PREFLIGHT_REFUSE;
}

/* Return probes make a system call of their own: a filter that does not know it kills the target.
 */
static void limit_probes(const struct preflight_facts *f, struct preflight *p)
{
	if (f->seccomp_mode != 0 && !f->return_probes_safe_under_seccomp) {
		p->decision = PREFLIGHT_LIMITED;
		p->return_probes = p->allocator_probes = false;
		snprintf(p->text, sizeof(p->text),
			 "%s and this kernel's return probes could make it kill process %u: no "
			 "return probes, allocator probes are off, going on with watch only",
			 f->seccomp_mode == FACT_UNKNOWN ? "a seccomp filter may be present"
							 : "a seccomp filter is present",
			 f->pid);
	} else if (f->is_go) {
		p->decision = PREFLIGHT_LIMITED;
		p->return_probes = false;
		p->allocator_probes = !f->is_static;
		snprintf(p->text, sizeof(p->text),
			 f->is_static
				 ? "process %u is a Go program without C: its heap is read, and "
				   "no allocator is probed"
				 : "process %u is a Go program, which takes no return probes: of "
				   "its C library malloc, calloc and free are seen, and what "
				   "realloc and memalign give out is not",
			 f->pid);
	}
}

void preflight_judge(const struct preflight_facts *facts, struct preflight *ret)
{
	struct preflight p = {
		.decision = PREFLIGHT_OK,
		.pid = facts->pid,
		.return_probes = true,
		.allocator_probes = true,
	};

	if (facts->exists && facts->asked != facts->pid)
		snprintf(p.note, sizeof(p.note), "%u is a thread of process %u: tracing process %u",
			 facts->asked, facts->pid, facts->pid);
	if (!refuse_always(facts, &p) && !refuse_unless_forced(facts, &p))
		limit_probes(facts, &p);
	*ret = p;
}

/* Any thread's mode or tracer speaks for the process; not known speaks only where nobody has one.
 */
static void take_thread(uint64_t *of_process, uint64_t of_thread)
{
	if (*of_process == 0 || (*of_process == FACT_UNKNOWN && of_thread != 0))
		*of_process = of_thread;
}

static void ask_threads(const char *root, struct preflight_facts *f)
{
	auto_clean(threads_done) struct thread_list list = {};
	int r;

	f->tracer_pid = f->seccomp_mode = 0;
	r = threads_list(root, f->pid, THREADS_MAX, &list);
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		struct procfs_status s;

		r = procfs_read_thread_status(root, f->pid, list.thread[i].tid, &s);
		if (r == -ENOENT || r == -ESRCH) {
			r = 0; /* this thread has exited meanwhile */
			continue;
		}
		if (r < 0)
			break;
		take_thread(&f->tracer_pid, s.tracer_pid);
		take_thread(&f->seccomp_mode, s.seccomp_mode);
	}
	if (r < 0 || list.refused > 0 || list.count == 0) {
		take_thread(&f->tracer_pid, FACT_UNKNOWN);
		take_thread(&f->seccomp_mode, FACT_UNKNOWN);
	}
}

static int gather_process(const char *root, struct preflight_facts *f)
{
	struct procfs_stat stat;
	struct procfs_ns ns;
	int r;

	r = procfs_tgid_of(root, f->asked, &f->pid);
	if (r == 0)
		r = procfs_read_stat(root, f->pid, &stat);
	if (r == 0)
		r = procfs_read_ns(root, f->pid, &ns);
	if (r < 0)
		return r;
	f->exists = true;
	f->start_ticks = stat.start_ticks;
	f->threads = stat.threads;
	f->kernel_thread = stat.kernel_thread;
	f->zombie = stat.zombie;
	f->user_ns = ns.user;
	ask_threads(root, f);
	return 0;
}

int preflight_gather(const char *root, uint32_t pid, struct preflight_facts *facts)
{
	struct preflight_facts f = *facts;
	struct procfs_ns own;
	int r;

	f.asked = f.pid = pid;
	f.exists = f.kernel_thread = f.zombie = false;
	f.start_ticks = f.threads = 0;
	f.tracer_pid = f.seccomp_mode = f.user_ns = FACT_UNKNOWN;
	r = procfs_own_pid(root, &f.own_pid);
	if (r == 0)
		r = procfs_read_ns(root, f.own_pid, &own);
	if (r < 0)
		return r;
	f.own_user_ns = own.user;
	f.own_pid_ns = own.pid;
	r = gather_process(root, &f);
	if (r < 0 && r != -ESRCH)
		return r;
	*facts = f;
	return 0;
}
