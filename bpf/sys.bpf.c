/* SPDX-License-Identifier: GPL-2.0-only
 *
 * System calls that make or give up mappings and descriptors, as rows of the syscalls map: two
 * programs serve them all, and user space interprets. What gives something up is reported before
 * it happens, and again when it failed; what makes something is reported when it succeeded.
 * Arguments are read from the saved registers, which a system call leaves alone.
 */
#include "core.bpf.h"
#include "compat.bpf.h"
#include "context.bpf.h"

#define PROT_EXEC 4
#define MAP_FIXED 16
#define MREMAP_FIXED 2
#define F_DUPFD 0
#define F_DUPFD_CLOEXEC 1030
#define MSG_CONTROL 32 /* offsets in struct msghdr */
#define MSG_CONTROLLEN 40

/* What both hooks know of a call; kept small, the BPF stack is. */
struct sys_call {
	struct pt_regs *regs;
	long ret;
	__u32 nr;
	__u32 asid;
};

static __always_inline __u64 sys_arg(struct pt_regs *regs, __u32 n)
{
	switch (n) {
	case 1: return PT_REGS_PARM1_CORE_SYSCALL(regs);
	case 2: return PT_REGS_PARM2_CORE_SYSCALL(regs);
	case 3: return PT_REGS_PARM3_CORE_SYSCALL(regs);
	case 4: return PT_REGS_PARM4_CORE_SYSCALL(regs);
	case 5: return PT_REGS_PARM5_CORE_SYSCALL(regs);
	}
	return 0;
}

static __always_inline int in_allocator(void)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct mt_thread *t = bpf_map_lookup_elem(&threads, &tid);

	return t && t->sp;
}

/* Copies user memory that says what the call did. Returns the bytes copied. */
static __noinline __u32 extra_read(struct mt_ev_sys *e, __u64 from, __u32 len)
{
	__u64 control = 0, control_len = 0;

	if (!e)
		return 0;
	if (e->op ==
	    MT_SYS_RECVMSG) { /* the control messages, not the header that points to them */
		if (bpf_probe_read_user(&control_len, 8, (const void *)(from + MSG_CONTROLLEN)) ||
		    bpf_probe_read_user(&control, 8, (const void *)(from + MSG_CONTROL)))
			return 0;
		from = control;
		len = control_len < len ? control_len : len;
	}
	if (len == 0 || len > MT_EXTRA_BYTES)
		return 0;
	if (bpf_probe_read_user(e->extra, len, (const void *)from)) {
		count(MT_CNT_read_failed);
		return 0;
	}
	return len;
}

static __always_inline __u32 extra_len(const struct mt_syscall *row, struct pt_regs *regs)
{
	__u64 given;

	if (row->op != MT_SYS_CONNECT)
		return row->extra_len;
	given = sys_arg(regs, 3); /* the caller's size of the address */
	return given < row->extra_len ? given : row->extra_len;
}

static __noinline int sys_fill(struct mt_ev_sys *e, struct pt_regs *regs)
{
	if (!e || !regs)
		return 0;
	e->arg[0] = PT_REGS_PARM1_CORE_SYSCALL(regs);
	e->arg[1] = PT_REGS_PARM2_CORE_SYSCALL(regs);
	e->arg[2] = PT_REGS_PARM3_CORE_SYSCALL(regs);
	e->arg[3] = PT_REGS_PARM4_CORE_SYSCALL(regs);
	e->arg[4] = PT_REGS_PARM5_CORE_SYSCALL(regs);
	e->arg[5] = PT_REGS_PARM6_CORE_SYSCALL(regs);
	return 0;
}

static __noinline int sys_send(struct sys_call *c, struct mt_syscall *row, __u32 flags)
{
	struct mt_ev_sys *e;
	struct pt_regs *regs;
	__u64 id = bpf_get_current_pid_tgid();
	__u32 site = MT_SITE_NONE;

	if (!c || !row)
		return 0;
	regs = c->regs;
	if (in_allocator())
		flags |= MT_SYSF_IN_ALLOCATOR;
	if (row->site_kind && !(flags & (MT_SYSF_ENTRY | MT_SYSF_IN_ALLOCATOR)))
		site = mt_site_of(PT_REGS_IP_CORE(regs), PT_REGS_SP_CORE(regs),
				  PT_REGS_FP_CORE(regs), c->asid, row->site_kind);
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(MT_CNT_ring_full);
		return 0;
	}
	hdr_fill(&e->hdr, id >> 32, MT_KIND_sys, sizeof(*e));
	__builtin_memset(e->extra, 0, sizeof(e->extra));
	sys_fill(e, regs);
	e->tid = id;
	e->asid = c->asid;
	e->ret = c->ret;
	e->site = site;
	e->op = row->op;
	e->flags = flags;
	e->nr = c->nr;
	e->extra_len = 0;
	if (row->extra_arg && !(flags & MT_SYSF_ENTRY))
		e->extra_len = extra_read(e, sys_arg(regs, row->extra_arg), extra_len(row, regs));
	bpf_ringbuf_submit(e, wakeup_flags());
	return 0;
}

/* Asked at every system call of the machine: a load and a test. */
static __always_inline int is_followed(__u64 nr, __u8 what)
{
	return followed[nr & (MT_SYSCALLS - 1)] & what;
}

static __always_inline struct mt_syscall *row_of(__u32 nr)
{
	struct mt_syscall *row = bpf_map_lookup_elem(&syscalls, &nr);

	return row && row->op ? row : NULL;
}

/* Calls of a followed kind that changed nothing after all. */
static __noinline int is_idle(struct mt_syscall *row, struct pt_regs *regs)
{
	__u64 n = 0;

	if (!row || !regs)
		return 1;
	if (row->op == MT_SYS_FCNTL) {
		n = sys_arg(regs, 2);
		return n != F_DUPFD && n != F_DUPFD_CLOEXEC;
	}
	if (row->op == MT_SYS_RECVMSG)
		return bpf_probe_read_user(&n, 8,
					   (const void *)(sys_arg(regs, 2) + MSG_CONTROLLEN)) ||
		       n == 0;
	return 0;
}

/* Whether pages may hold code: told by what lies at their beginning. */
struct judged {
	__u64 end;
	__u32 maybe_code;
};

static long vma_judge(struct task_struct *task, struct vm_area_struct *vma, void *arg)
{
	struct judged *j = arg;

	j->maybe_code = vma->vm_file || (vma->vm_flags & VM_EXEC_FLAG) || j->end > vma->vm_end;
	return 0;
}

/* munmap and mremap: libraries go as a whole, large anonymous blocks come and go all the time. */
static __noinline int gives_up_code(struct pt_regs *regs)
{
	struct judged j = { .maybe_code = 1 };
	__u64 start;
	int known;

	if (!regs)
		return 0;
	start = sys_arg(regs, 1);
	j.end = start + sys_arg(regs, 2);
	known = mt_holds_code(start, j.end);
	if (known >= 0)
		return known;
	bpf_find_vma(bpf_get_current_task_btf(), start, vma_judge, &j, 0);
	return j.maybe_code;
}

static __noinline int note_giving_up(struct mt_proc *p, struct pt_regs *regs, __u32 op)
{
	__u64 start;

	if (!p || !regs || (op != MT_SYS_MUNMAP && op != MT_SYS_MREMAP) || !gives_up_code(regs))
		return 0;
	start = sys_arg(regs, 1);
	p->unmapping = start >> 12;
	return mt_text_changed(start, start + sys_arg(regs, 2));
}

/* Whoever read the memory map since the call began may have seen what was to go. */
static __noinline int note_gone(struct mt_proc *p, struct pt_regs *regs)
{
	__u64 start;

	if (!p || !regs)
		return 0;
	start = sys_arg(regs, 1);
	if (!p->unmapping || p->unmapping != (__u32)(start >> 12))
		return 0;
	p->unmapping = 0;
	return mt_text_changed(start, start + sys_arg(regs, 2));
}

/* mmap and mremap that succeeded: new code, or something else where code was. */
static __noinline int note_mapped(struct pt_regs *regs, __u32 op, __u64 start)
{
	__u64 end;

	if (!regs)
		return 0;
	if (op == MT_SYS_MREMAP) {
		end = start + sys_arg(regs, 3);
		if (!(sys_arg(regs, 4) & MREMAP_FIXED) || !mt_holds_code(start, end))
			return 0;
	} else {
		end = start + sys_arg(regs, 2);
		if (!(sys_arg(regs, 3) & PROT_EXEC) &&
		    (!(sys_arg(regs, 4) & MAP_FIXED) || !mt_holds_code(start, end)))
			return 0;
	}
	return mt_text_changed(start, end);
}

/* Whose call it is costs more to know than counting it. */
static __noinline int count_own(void)
{
	struct mt_proc *p = proc_find(bpf_get_current_pid_tgid() >> 32);
	struct mt_space_cpu *c = p ? space_cpu_of(p->asid) : NULL;

	if (c)
		__sync_fetch_and_add(&c->calls, MT_CALLS_EACH);
	return 0;
}

/* Not atomic: it is a rate that is wanted, of every system call of the machine. */
static __always_inline void count_call(void)
{
	__u32 counter = MT_CNT_syscalls;
	__u64 *v = bpf_map_lookup_elem(&counters, &counter);

	if (v && ++*v % MT_CALLS_EACH == 0)
		count_own();
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(mt_sys_enter, struct pt_regs *regs, long nr)
{
	struct sys_call c = { .regs = regs, .nr = nr };
	struct mt_syscall *row;
	struct mt_proc *p;

	if (!is_followed(nr, MT_FOLLOW_ENTRY))
		return 0;
	row = row_of(nr);
	if (!row || !row->entry)
		return 0;
	p = proc_find(bpf_get_current_pid_tgid() >> 32);
	if (!p)
		return 0;
	note_giving_up(p, regs, row->op);
	c.asid = p->asid;
	return sys_send(&c, row, MT_SYSF_ENTRY);
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(mt_sys_exit, struct pt_regs *regs, long ret)
{
	__u64 nr = syscall_number(regs);
	struct mt_syscall *row;
	struct sys_call c = { .regs = regs, .ret = ret, .nr = nr };
	int failed = ret < 0 && ret > -4096;
	struct mt_proc *p;

	count_call();
	context_follow(regs, ret, followed[nr & (MT_SYSCALLS - 1)]);
	if (!is_followed(nr, MT_FOLLOW_EXIT))
		return 0;
	row = row_of(nr);
	if (!row)
		return 0;
	p = proc_find(bpf_get_current_pid_tgid() >> 32);
	if (!p)
		return 0;
	if (row->op == MT_SYS_MUNMAP || row->op == MT_SYS_MREMAP)
		note_gone(p, regs);
	if (!failed && (row->op == MT_SYS_MMAP || row->op == MT_SYS_MREMAP))
		note_mapped(regs, row->op, ret);
	/* a failed call is news only where its beginning was reported */
	if (failed ? !row->entry && !(row->op == MT_SYS_CONNECT && ret == -115 /* EINPROGRESS */)
		   : row->entry && row->op != MT_SYS_MREMAP)
		return 0;
	if (!failed && is_idle(row, regs))
		return 0;
	c.asid = p->asid;
	return sys_send(&c, row, 0);
}
