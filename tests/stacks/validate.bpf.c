/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The same unwinder that memtrace runs, on the same tables, for the events of one probe: sends its
 * stack with everything that user space needs to find that stack by other means. The maps are
 * those of a memtrace that runs on the process (share.h). Used by tests only.
 */
#include "../../bpf/stack.bpf.c"
#include "validate.h"

#define SLOTS 64

_Static_assert(MT_MAX_FRAMES <= SV_FRAMES, "validate");

struct sv_slots_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct sv_record);
} sv_slots SEC(".maps");

struct sv_busy_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, __u32);
} sv_busy SEC(".maps");

struct sv_ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 20);
} sv_ring SEC(".maps");

const volatile __u32 sv_tgid;
const volatile __u32 sv_return; /* the probe is where a function returns to */
const volatile __u32 sv_stop;	/* stop the process at each event that is sent */

/* Events still to let pass before one is sent; below 0 none is. User space sets it. */
__s64 sv_wait;
__s64 sv_every; /* what sv_wait begins with again; 0: user space sets it again */
__u64 sv_sent, sv_lost;
/* Walks that were remembered, and of those the ones that would have led to another stack. */
__u64 sv_known, sv_wrong;

static __noinline int sv_claim(void)
{
	for (__u32 k = 0; k < SLOTS; k++) {
		__u32 slot = k, *b = bpf_map_lookup_elem(&sv_busy, &slot);

		if (b && __sync_lock_test_and_set(b, 1) == 0)
			return slot;
	}
	return -1;
}

static __noinline int sv_release(__u32 slot)
{
	__u32 *b = bpf_map_lookup_elem(&sv_busy, &slot);

	if (b)
		__sync_lock_test_and_set(b, 0);
	return 0;
}

static __noinline int sv_registers(__u32 slot, struct pt_regs *from)
{
	struct sv_record *r = bpf_map_lookup_elem(&sv_slots, &slot);
	struct pt_regs *s;

	_Static_assert(sizeof(r->saved) == sizeof(*s), "x86-64");
	if (!r || bpf_probe_read_kernel(r->saved, sizeof(r->saved), from))
		return -1;
	s = (struct pt_regs *)r->saved;
	r->regs[0] = s->ax;
	r->regs[1] = s->dx;
	r->regs[2] = s->cx;
	r->regs[3] = s->bx;
	r->regs[4] = s->si;
	r->regs[5] = s->di;
	r->regs[6] = s->bp;
	r->regs[7] = s->sp;
	r->regs[8] = s->r8;
	r->regs[9] = s->r9;
	r->regs[10] = s->r10;
	r->regs[11] = s->r11;
	r->regs[12] = s->r12;
	r->regs[13] = s->r13;
	r->regs[14] = s->r14;
	r->regs[15] = s->r15;
	r->regs[16] = s->ip;
	return 0;
}

/* Whole pages from the one that sp is in to the end of the stack, or of the buffer. */
static __noinline int sv_copy_stack(__u32 slot)
{
	struct sv_record *r = bpf_map_lookup_elem(&sv_slots, &slot);

	if (!r)
		return 0;
	r->stack_base = r->regs[7] & ~(__u64)(SV_PAGE - 1);
	r->stack_bytes = 0;
	for (int i = 0; i < SV_PAGES; i++) {
		if (bpf_probe_read_user(r->stack + i * SV_PAGE, SV_PAGE,
					(void *)r->stack_base + i * SV_PAGE))
			break;
		r->stack_bytes += SV_PAGE;
	}
	return 0;
}

/* A signal handler's stack may be another one: what lies below the end of the walk. */
static __noinline int sv_copy_other(__u32 slot)
{
	struct sv_record *r = bpf_map_lookup_elem(&sv_slots, &slot);
	__u64 at;

	if (!r)
		return 0;
	r->other_bytes = r->other_missing = 0;
	at = r->last_sp;
	if (at - r->stack_base < r->stack_bytes)
		return 0;
	at = (at & ~(__u64)(SV_PAGE - 1)) - (SV_OTHER - 2) * SV_PAGE;
	r->other_base = at;
	for (int i = 0; i < SV_OTHER; i++)
		if (bpf_probe_read_user(r->other + i * SV_PAGE, SV_PAGE, (void *)at + i * SV_PAGE))
			r->other_missing |= 1u << i;
	r->other_bytes = SV_OTHER * SV_PAGE;
	return 0;
}

/* What the kernel remembers of the return addresses that it replaced. */
static __noinline int sv_copy_returns(__u32 slot)
{
	struct sv_record *r = bpf_map_lookup_elem(&sv_slots, &slot);
	struct task_struct *task = bpf_get_current_task_btf();
	struct return_instance *i;

	if (!r)
		return 0;
	r->returns = 0;
	r->trampoline = BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr);
	i = BPF_CORE_READ(task, utask, return_instances);
	for (int n = 0; n < SV_RETURNS && i; n++) {
		r->ret[n].at = BPF_CORE_READ(i, stack);
		r->ret[n].to = BPF_CORE_READ(i, orig_ret_vaddr);
		r->returns = n + 1;
		i = BPF_CORE_READ(i, next);
	}
	return 0;
}

/* The walk itself, and beside it what the memory of walks would have said: a stack's hash. */
static __always_inline int sv_walk(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct mt_proc *p = proc_find(sv_tgid);
	__u32 known, site;

	if (!s || !p)
		return -1;
	s->asid = p->asid;
	known = mt_memo_find(slot, s->asid);
	if (walk_begin(slot))
		return -1;
	s->hash = 0;
	mt_unwind(slot);
	site = (__u32)s->hash | 1;
	if (known)
		__sync_fetch_and_add(&sv_known, 1);
	if (known && known != site)
		__sync_fetch_and_add(&sv_wrong, 1);
	mt_memo_keep(slot, site);
	return 0;
}

/* The one place that knows how memtrace unwinds. */
static __noinline int sv_unwind(__u32 slot)
{
	struct sv_record *r = bpf_map_lookup_elem(&sv_slots, &slot);
	struct mt_scratch *s;
	__u32 mine = 0;

	if (!r)
		return -1;
	s = scratch_claim(&mine);
	if (!s)
		return -1;
	r->frames = 0;
	s->window_at = s->window_bytes = 0;
	walk_place(s, r->regs[16], r->regs[7], r->regs[6],
		   MT_SITE_HEAP | (sv_return ? MT_AT_RETURN : 0));
	sv_walk(mine);
	bpf_probe_read_kernel(r->pc, sizeof(s->ev.pc), s->ev.pc);
	r->frames = s->ev.frames;
	r->end = s->end;
	r->last_sp = s->sp;
	scratch_release(s);
	return 0;
}

static __noinline int sv_send(__u32 slot)
{
	struct sv_record *r = bpf_map_lookup_elem(&sv_slots, &slot);
	__u32 bytes;

	if (!r)
		return -1;
	bytes = r->stack_bytes;
	if (bytes > sizeof(r->stack))
		bytes = sizeof(r->stack);
	if (bpf_ringbuf_output(&sv_ring, r, sizeof(*r) - sizeof(r->stack) + bytes, 0)) {
		__sync_fetch_and_add(&sv_lost, 1);
		return -1;
	}
	__sync_fetch_and_add(&sv_sent, 1);
	if (sv_stop)
		bpf_send_signal(19 /* SIGSTOP */);
	return 0;
}

/* Whether this event is one of those that are sent. */
static __always_inline int sv_chosen(void)
{
	if (*(volatile __s64 *)&sv_wait < 0)
		return 0;
	if (__sync_fetch_and_add(&sv_wait, -1) != 0)
		return 0;
	if (sv_every)
		*(volatile __s64 *)&sv_wait = sv_every - 1;
	return 1;
}

/* All of an event but the kernel's own walk, which needs the program's context. */
static __noinline int sv_take(__u32 slot, struct pt_regs *regs)
{
	struct sv_record *r = bpf_map_lookup_elem(&sv_slots, &slot);

	if (!r)
		return -1;
	r->tid = bpf_get_current_pid_tgid();
	if (sv_registers(slot, regs) || sv_unwind(slot))
		return -1;
	sv_copy_stack(slot);
	sv_copy_other(slot);
	sv_copy_returns(slot);
	return sv_send(slot);
}

static __always_inline int sv_handle(void *ctx, struct pt_regs *regs)
{
	struct sv_record *r;
	__u32 slot;
	int n;

	if (bpf_get_current_pid_tgid() >> 32 != sv_tgid || !sv_chosen())
		return 0;
	slot = n = sv_claim();
	if (n < 0) {
		__sync_fetch_and_add(&sv_lost, 1);
		return 0;
	}
	r = bpf_map_lookup_elem(&sv_slots, &slot);
	if (!r)
		return 0;
	n = bpf_get_stack(ctx, r->kernel_pc, sizeof(r->kernel_pc), BPF_F_USER_STACK);
	r->kernel_frames = n > 0 ? (__u32)n / 8 : 0;
	sv_take(slot, regs);
	sv_release(slot);
	return 0;
}

SEC("uprobe")
int sv_event(struct pt_regs *ctx)
{
	return sv_handle(ctx, ctx);
}

SEC("raw_tp/sys_exit")
int sv_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 trampoline = BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr);

	if (BPF_CORE_READ(regs, ip) - trampoline < SV_PAGE)
		return 0; /* a return probe's own, not the program's */
	return sv_handle(ctx, regs);
}
