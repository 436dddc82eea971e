/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Life of processes and threads. A forked child is traced only with --follow, with an address
 * space of its own; a vfork child shares its parent's until it executes. exec gives a process a
 * new address space, exit removes it, by the task of the event: `current` may be another.
 */
#include "core.bpf.h"

/*
 * Never asks whether e is NULL: older verifiers (6.1) do not know that a reserved record is not,
 * follow that branch as well, and find a record that was never submitted.
 */
static __noinline int task_send(struct task_struct *task, struct mt_ev_task *e)
{
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), task->comm);
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	return 0;
}

static __always_inline struct mt_ev_task *task_event(__u32 tgid, __u32 tid, __u16 kind)
{
	struct mt_ev_task *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		count(MT_CNT_ring_full);
		return NULL;
	}
	__builtin_memset(e, 0, sizeof(*e));
	hdr_fill(&e->hdr, tgid, kind, sizeof(*e));
	e->tid = tid;
	return e;
}

/* The user registers of the thread that makes the new task: it is in a system call. */
static __noinline __u32 creator_site(__u32 asid)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	return mt_site_of(PT_REGS_IP_CORE(regs), PT_REGS_SP_CORE(regs), PT_REGS_FP_CORE(regs), asid,
			  MT_SITE_THREAD);
}

/* The child's text is its parent's, under the child's own numbers. */
static __noinline int plumbing_copy(__u32 child, __u32 parent, __u32 asid)
{
	struct mt_plumbing *p = bpf_map_lookup_elem(&plumbing, &parent);

	if (!p || bpf_map_update_elem(&plumbing, &child, p, BPF_ANY))
		return 0; /* without it, code without a table ends the stack */
	p = bpf_map_lookup_elem(&plumbing, &child);
	if (p)
		p->asid = asid;
	return 0;
}

/* Gives a forked child its entry. Returns its address space, 0 when it is not traced. */
static __noinline __u32 child_add(__u32 child, __u32 parent, int shares_mm)
{
	struct mt_proc *p = proc_find(parent), *copy;
	__u32 asid;

	if (!p || (!shares_mm && !cfg.follow))
		return 0;
	if (bpf_map_update_elem(&procs, &child, p, BPF_ANY)) {
		count(MT_CNT_procs_full);
		return 0;
	}
	copy = proc_find(child);
	if (!copy)
		return 0;
	if (shares_mm)
		copy->flags |= MT_PROCF_BORROWED;
	else
		copy->asid = mt_new_asid(child, copy->asid);
	asid = copy->asid;
	if (asid && !shares_mm)
		mt_text_all_changed(child);
	if (asid) {
		plumbing_copy(child, parent, asid);
		return asid;
	}
	bpf_map_delete_elem(&procs, &child);
	count(MT_CNT_procs_full);
	return 0;
}

static __always_inline int thread_made(struct task_struct *parent, struct task_struct *child)
{
	struct mt_proc *p = proc_find(parent->tgid);
	__u32 asid, site;
	struct mt_ev_task *e;

	if (!p)
		return 0;
	asid = p->asid;
	/* a stack needs changes of code to be noted */
	site = *(volatile __u32 *)&hooks_in ? creator_site(asid) : MT_SITE_NONE;
	e = task_event(parent->tgid, parent->pid, MT_KIND_thread);
	if (!e)
		return 0;
	e->asid = asid;
	e->child_tgid = child->tgid;
	e->child_tid = child->pid;
	e->child_asid = asid;
	e->start_ns = child->start_boottime;
	e->site = site;
	e->shares_mm = 1;
	return task_send(child, e);
}

static __noinline int fork_send(struct task_struct *parent, struct task_struct *child, __u32 asid,
				__u32 child_asid, int shares_mm)
{
	struct mt_ev_task *e = task_event(parent->tgid, parent->pid, MT_KIND_fork);

	if (!e)
		return 0;
	e->asid = asid;
	e->child_tgid = child->tgid;
	e->child_tid = child->pid;
	e->child_asid = child_asid;
	e->start_ns = child->start_boottime;
	e->shares_mm = shares_mm;
	return task_send(child, e);
}

/* A process that is not traced was born: its number may have been a traced process's once. */
static __noinline int process_stale(__u32 tgid)
{
	struct mt_proc *p = proc_find(tgid);
	__u32 asid;

	if (p) {
		asid = p->flags & MT_PROCF_BORROWED ? 0 : p->asid;
		bpf_map_delete_elem(&procs, &tgid);
		mt_end_asid(asid);
		count(MT_CNT_stale_procs);
	}
	bpf_map_delete_elem(&plumbing, &tgid);
	bpf_map_delete_elem(&faults, &tgid);
	return 0;
}

static __noinline int process_made(struct task_struct *parent, struct task_struct *child)
{
	struct mt_proc *p = proc_find(parent->tgid);
	int shares_mm;
	__u32 asid;

	if (!p)
		return process_stale(child->tgid);
	asid = p->asid;
	shares_mm = BPF_CORE_READ(parent, mm) == BPF_CORE_READ(child, mm);
	return fork_send(parent, child, asid, child_add(child->tgid, parent->tgid, shares_mm),
			 shares_mm);
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(mt_fork, struct task_struct *parent, struct task_struct *child)
{
	return parent->tgid == child->tgid ? thread_made(parent, child)
					   : process_made(parent, child);
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(mt_exec, struct task_struct *task, int old_pid)
{
	__u32 tgid = task->tgid, tid = old_pid, old_asid, asid, borrowed;
	struct mt_proc *p = proc_find(tgid);
	struct mt_ev_task *e;

	if (!p)
		return 0;
	old_asid = p->asid;
	borrowed = p->flags & MT_PROCF_BORROWED;
	bpf_map_delete_elem(&threads, &tid);
	if (borrowed && !cfg.follow) {
		bpf_map_delete_elem(&procs, &tgid);
		return 0;
	}
	p->flags &= ~MT_PROCF_BORROWED;
	p->asid = asid = mt_new_asid(tgid, old_asid);
	if (!borrowed)
		mt_end_asid(old_asid);
	mt_text_all_changed(tgid);
	bpf_map_delete_elem(&plumbing, &tgid);
	if (!asid) { /* the event says so, too */
		bpf_map_delete_elem(&procs, &tgid);
		count(MT_CNT_procs_full);
	}
	e = task_event(tgid, task->pid, MT_KIND_exec);
	if (!e)
		return 0;
	e->asid = old_asid;
	e->child_asid = asid;
	e->child_tgid = tgid;
	e->shares_mm = borrowed != 0;
	e->start_ns = task->start_boottime;
	return task_send(task, e);
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(mt_exit, struct task_struct *task)
{
	__u32 tgid = task->tgid, tid = task->pid, asid, borrowed;
	struct mt_proc *p = proc_find(tgid);
	struct mt_ev_task *e;
	int last;

	/* first: the entry of the process is gone when another last thread was quicker */
	bpf_map_delete_elem(&threads, &tid);
	if (!p)
		return 0;
	asid = p->asid;
	borrowed = p->flags & MT_PROCF_BORROWED;
	last = BPF_CORE_READ(task, signal, live.counter) == 0;
	if (last && bpf_map_delete_elem(&procs, &tgid))
		return 0; /* two last threads: the other one told */
	if (last) {
		bpf_map_delete_elem(&plumbing, &tgid);
		bpf_map_delete_elem(&faults, &tgid);
	}
	if (last && !borrowed)
		mt_end_asid(asid);
	if (borrowed)
		return 0; /* the address space lives on in the parent */
	e = task_event(tgid, tid, last ? MT_KIND_exit : MT_KIND_thread_exit);
	if (!e)
		return 0;
	e->asid = asid;
	e->exit_code = task->exit_code;
	return task_send(task, e);
}
