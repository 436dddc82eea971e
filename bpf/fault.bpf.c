/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The page-fault tier: pages that a process touches for the first time, with the code that does it,
 * in user space or in a system call on its behalf. No probe is in the target: a fault costs what it
 * costs anyhow, and a hash look-up. Whether a page stays, and what it is, user space reads from the
 * page tables. Sampling by a hash of the address is known from the estimation of miss ratios
 * (Waldspurger and others, SHARDS, 2015).
 *
 * The tracepoints run with interrupts off.
 */
#include "core.bpf.h"
#include "compat.bpf.h"

/* x86's error code: the page is there and may not be used so; a write; code */
#define FAULT_PROT 1
#define FAULT_WRITE 2
#define FAULT_CODE 16
#define PAGE_SHIFT_LOG2 12
#define AROUND_SHIFT_LOG2 16

/* What a fault is told with; kept small, the BPF stack is. */
struct fault {
	__u64 addr;
	__u32 write;
	__u32 skip_log2;
};

/* The finalizer of MurmurHash3 (Appleby, public domain). */
static __always_inline __u64 mix(__u64 h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ull;
	return h ^ h >> 33;
}

/* A new period: looked at again are twice as many when few were. */
static __noinline int period_begin(struct mt_faults *f, __u32 period)
{
	if (!f)
		return 0;
	f->period = period;
	if (f->taken < f->most / 4 && f->skip_log2 > f->least_skip_log2)
		f->skip_log2--;
	if (f->skip_log2 < f->least_skip_log2 && f->least_skip_log2 <= MT_FAULT_SKIP_MAX)
		f->skip_log2 = f->least_skip_log2;
	f->taken = 0;
	return 0;
}

/* Whether this one is looked at, and with which weight. Two CPUs may both halve: no harm. */
static __noinline int is_taken(struct mt_faults *f, struct fault *at)
{
	__u32 period = bpf_ktime_get_ns() >> MT_FAULT_PERIOD_SHIFT, skip;
	__u64 number;

	if (!f || !at)
		return 0;
	if (f->period != period)
		period_begin(f, period);
	skip = f->skip_log2;
	if (skip > MT_FAULT_SKIP_MAX)
		skip = MT_FAULT_SKIP_MAX;
	number = at->addr >> (at->write ? PAGE_SHIFT_LOG2 : AROUND_SHIFT_LOG2);
	if (mix(number) & ((1ull << skip) - 1))
		return 0;
	at->skip_log2 = skip;
	if (f->taken++ >= f->most && skip < MT_FAULT_SKIP_MAX) {
		f->skip_log2 = skip + 1;
		f->taken = 0;
	}
	return 1;
}

/* While no system call is followed, changes of code are told by how much of it there is. */
static __noinline int note_code(struct mt_faults *f, __u32 tgid)
{
	__u64 pages;

	if (!f || *(volatile __u32 *)&hooks_in)
		return 0;
	pages = BPF_CORE_READ(bpf_get_current_task_btf(), mm, exec_vm);
	if (f->exec_vm == pages)
		return 0;
	f->exec_vm = pages;
	return mt_text_all_changed(tgid);
}

/* The user's registers: of the fault, or of the system call that touched the page. */
static __noinline __u32 toucher_site(__u32 asid)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	return mt_site_of(PT_REGS_IP_CORE(regs), PT_REGS_SP_CORE(regs), PT_REGS_FP_CORE(regs), asid,
			  MT_SITE_FAULT);
}

static __noinline int fault_send(struct fault *at, __u32 asid, __u32 site)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct mt_ev_fault *e;

	if (!at)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(MT_CNT_ring_full);
		return 0;
	}
	hdr_fill(&e->hdr, id >> 32, MT_KIND_fault, sizeof(*e));
	e->addr = at->write ? at->addr >> PAGE_SHIFT_LOG2 << PAGE_SHIFT_LOG2
			    : at->addr >> AROUND_SHIFT_LOG2 << AROUND_SHIFT_LOG2;
	e->tid = id;
	e->asid = asid;
	e->site = site;
	e->weight_log2 = at->skip_log2;
	e->flags = at->write ? MT_FAULTF_WRITE : 0;
	bpf_ringbuf_submit(e, wakeup_flags());
	return 0;
}

/* Inline: no more than 8 frames may be on the stack of calls, and the unwinder needs them. */
static __always_inline int fault_seen(__u64 addr, __u64 error)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct fault at = { .addr = addr, .write = (error & FAULT_WRITE) != 0 };
	struct mt_faults *f;
	struct mt_proc *p;

	count(MT_CNT_faults);
	if (error & (FAULT_PROT | FAULT_CODE))
		return 0;
	f = bpf_map_lookup_elem(&faults, &tgid);
	if (!f)
		return 0;
	p = proc_find(tgid);
	/* a program of ours that only looks whether memory is there makes no page */
	if (!p || p->asid != f->asid || addr >= USER_TOP ||
	    bpf_get_current_task_btf()->pagefault_disabled)
		return 0;
	__sync_fetch_and_add(&f->seen, 1);
	if (!is_taken(f, &at))
		return 0;
	note_code(f, tgid);
	return fault_send(&at, p->asid, toucher_site(p->asid));
}

SEC("?tp_btf/page_fault_user")
int BPF_PROG(mt_fault_user, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	return fault_seen(address, error);
}

SEC("?tp_btf/page_fault_kernel")
int BPF_PROG(mt_fault_kernel, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	return fault_seen(address, error);
}

/* Run by user space: what must not race with the programs. */
SEC("?syscall")
int mt_control(struct mt_control *c)
{
	__u32 tgid = c->tgid;
	struct mt_faults *f;

	if (c->op == MT_CONTROL_TEXT)
		return mt_text_all_changed(tgid);
	f = bpf_map_lookup_elem(&faults, &tgid);
	if (f && c->op == MT_CONTROL_SKIP && c->value <= MT_FAULT_SKIP_MAX)
		f->least_skip_log2 = c->value;
	return 0;
}
