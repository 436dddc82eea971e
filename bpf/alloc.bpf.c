/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Allocator entry points. The cookie of a probe says what its function does, so that three
 * programs serve every allocator. The live set and the call sites are accounted here; nothing is
 * sent per allocation unless --events asks for it.
 *
 * A free is recorded before it happens and an allocation after, so that order by address holds
 * when another CPU gets the same address. realloc gives its old block up on entry and gets it
 * back when the call fails. Of nested calls the outermost counts: it is found by the stack
 * pointer, and verified by the return address that the kernel planted for it.
 */
#include "core.bpf.h"
#include "compat.bpf.h"

/* A zeroed record: too large for the BPF stack. */
struct mt_blank_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_thread);
} blank_thread SEC(".maps");

/* All arguments are loaded first: the verifier forbids a computed offset into the registers. */
static __always_inline __u64 call_arg(struct pt_regs *regs, __u32 n)
{
	__u64 a1 = PT_REGS_PARM1(regs), a2 = PT_REGS_PARM2(regs), a3 = PT_REGS_PARM3(regs),
	      a4 = PT_REGS_PARM4(regs), a5 = PT_REGS_PARM5(regs);

	barrier_var(a1);
	barrier_var(a2);
	barrier_var(a3);
	barrier_var(a4);
	barrier_var(a5);
	return n == 1 ? a1 : n == 2 ? a2 : n == 3 ? a3 : n == 4 ? a4 : n == 5 ? a5 : 0;
}

static __noinline struct mt_thread *thread_get(void)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct mt_thread *t = bpf_map_lookup_elem(&threads, &tid);
	__u32 zero = 0;
	struct mt_thread *blank;

	if (t)
		return t;
	blank = bpf_map_lookup_elem(&blank_thread, &zero);
	if (!blank || bpf_map_update_elem(&threads, &tid, blank, BPF_NOEXIST)) {
		count(MT_CNT_threads_full);
		return NULL;
	}
	return bpf_map_lookup_elem(&threads, &tid);
}

/*
 * Whether the outer call recorded at `sp` is still running: then the word there is the kernel's
 * return trampoline. After longjmp() or an exception it is not. Where the word is elsewhere the
 * stack pointer has to do: after longjmp() deeper calls are taken for inner ones for a while.
 */
static __noinline int still_inside(__u64 sp)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 trampoline = BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr), word = 0;

	if (!return_address_is_on_stack())
		return 1;
	if (bpf_probe_read_user(&word, sizeof(word), (const void *)sp)) {
		count(MT_CNT_read_failed);
		return 0;
	}
	return word == trampoline;
}

/* The same stack pointer is a tail call: realloc() that is one jump to another probed function. */
static __always_inline int is_nested(const struct mt_thread *t, __u64 sp)
{
	return t->sp && sp <= t->sp && still_inside(t->sp);
}

/* 2^63 and more becomes 2^64 - 1: a product that wraps to 0 would look like a call that frees. */
static __always_inline __u64 product(__u64 a, __u64 b)
{
	__u64 low = (__u64)(__u32)a * (__u32)b;
	__u64 high = (a >> 32) * (__u32)b + (b >> 32) * (__u32)a + (low >> 32);

	return (a >> 32 && b >> 32) || high >> 31 ? ~0ull : a * b;
}

/* What a realloc() took from the live set is given back: the call changed nothing. */
static __noinline int kept_give_back(struct mt_thread *t, __u32 asid)
{
	if (!t || !t->has_kept)
		return 0;
	t->has_kept = 0;
	if (mt_live_put(block_key(t->ptr, asid), t->kept.held, t->kept.site, t->kept.born_ds))
		mt_site_died(t->kept.site, t->kept.held, t->kept.born_ds);
	return 0;
}

static __noinline int call_abandoned(struct mt_thread *t, __u32 asid)
{
	count(MT_CNT_abandoned);
	return kept_give_back(t, asid);
}

/* Counts a hit. 0: the probe is of an address space that is gone. */
static __always_inline int hit_of(__u32 asid)
{
	struct mt_space_cpu *c;

	if (!space_of(asid))
		return 0;
	c = space_cpu_of(asid);
	if (c)
		__sync_fetch_and_add(&c->hits, 1);
	return c != NULL;
}

static __always_inline int alloc_enter(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs), sp = PT_REGS_SP(regs);
	__u32 asid = MT_COOKIE_ASID_OF(cookie), n;
	struct mt_thread *t;

	if (!hit_of(asid))
		return 0;
	t = thread_get();
	if (!t)
		return 0;
	if (is_nested(t, sp)) {
		count(MT_CNT_nested);
		return 0;
	}
	if (t->sp)
		call_abandoned(t, asid);
	t->fn = MT_COOKIE_FN(cookie);
	t->size = call_arg(regs, MT_COOKIE_SIZE(cookie));
	n = MT_COOKIE_COUNT(cookie);
	if (n)
		t->size = product(t->size, call_arg(regs, n));
	t->ptr = call_arg(regs, MT_COOKIE_PTR(cookie));
	t->has_kept = 0;
	if (t->fn == MT_FN_REALLOC && t->ptr)
		t->has_kept = mt_live_take(block_key(t->ptr, asid), &t->kept);
	t->sp = sp;
	return 0;
}

/* realloc() failed: the old block is as it was. */
static __noinline int realloc_undo(struct mt_thread *t, __u32 asid)
{
	count(MT_CNT_failed_allocs);
	return kept_give_back(t, asid);
}

/* The block stayed where it was: it keeps its birth and its site. */
static __noinline int realloc_in_place(struct mt_thread *t, __u32 asid)
{
	struct mt_site *s;
	__u64 weight, was;

	if (!t || !t->has_kept)
		return 0; /* from before tracing began: it stays there */
	weight = mt_held_weight(t->kept.held);
	if (mt_live_put(block_key(t->ptr, asid), mt_held(t->size, weight), t->kept.site,
			t->kept.born_ds)) {
		mt_site_died(t->kept.site, t->kept.held, t->kept.born_ds);
		return 0;
	}
	was = mt_held_size(t->kept.held);
	s = bpf_map_lookup_elem(&sites, &t->kept.site);
	if (!s)
		return 0;
	if (t->size > was)
		__sync_fetch_and_add(&s->alloc_bytes, (t->size - was) * weight);
	else
		__sync_fetch_and_add(&s->free_bytes, (was - t->size) * weight);
	return 0;
}

/* What realloc() gave up is gone. */
static __noinline int realloc_gave_up(struct mt_thread *t)
{
	if (!t || !t->ptr)
		return 0;
	if (!t->has_kept) {
		count(MT_CNT_frees_unknown);
		return 0;
	}
	return mt_site_died(t->kept.site, t->kept.held, t->kept.born_ds);
}

/* The address that the call produced, 0 when it failed. */
static __always_inline __u64 call_result(struct pt_regs *regs, const struct mt_thread *t)
{
	__u64 result = PT_REGS_RC(regs), addr = 0;

	if (t->fn != MT_FN_POSIX_MEMALIGN)
		return result;
	if ((__u32)result != 0)
		return 0;
	if (bpf_probe_read_user(&addr, sizeof(addr), (const void *)t->ptr)) {
		count(MT_CNT_read_failed);
		return 0;
	}
	return addr;
}

static __always_inline int alloc_done(struct pt_regs *regs, struct mt_thread *t, __u32 asid)
{
	__u64 addr = call_result(regs, t);
	__u32 site;

	if (t->fn == MT_FN_REALLOC && t->ptr) {
		if (!addr && t->size)
			return realloc_undo(t, asid);
		if (addr == t->ptr) {
			realloc_in_place(t, asid);
			if (cfg.send_events)
				mt_alloc_send(addr, t->size, t->ptr, asid,
					      t->fn | t->kept.site << 4);
			return 0;
		}
		realloc_gave_up(t); /* moved; or size 0 and freed */
		if (!addr)
			return 0;
	}
	if (!addr) {
		count(MT_CNT_failed_allocs);
		return 0;
	}
	site = mt_site_of(PT_REGS_IP(regs), PT_REGS_SP(regs), PT_REGS_FP(regs), asid,
			  MT_SITE_HEAP | MT_AT_RETURN);
	mt_block_born(addr, mt_held(t->size, 1), site, asid);
	if (cfg.send_events)
		mt_alloc_send(addr, t->size, t->fn == MT_FN_REALLOC ? t->ptr : 0, asid,
			      t->fn | site << 4);
	return 0;
}

static __always_inline int alloc_exit(struct pt_regs *regs)
{
	__u32 asid = MT_COOKIE_ASID_OF(bpf_get_attach_cookie(regs));
	__u32 tid = bpf_get_current_pid_tgid();
	struct mt_space_cpu *c;
	struct mt_thread *t;

	if (!space_of(asid))
		return 0;
	c = space_cpu_of(asid);
	if (c)
		__sync_fetch_and_add(&c->returns, 1);
	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t || !t->sp) {
		count(MT_CNT_returns_unmatched);
		return 0;
	}
	if (sp_at_entry(regs) != t->sp)
		return 0; /* an inner call */
	t->sp = 0;
	return alloc_done(regs, t, asid);
}

/* One block given up twice: operator delete -> free, free that jumps on, realloc -> free(old). */
static __noinline int free_repeated(__u64 addr, __u64 sp)
{
	struct mt_thread *t = thread_get();
	int again;

	if (!t)
		return 0;
	if (t->sp && t->fn == MT_FN_REALLOC && t->ptr == addr)
		return 1;
	again = t->last_free == addr && sp <= t->last_free_sp;
	t->last_free = addr;
	t->last_free_sp = sp;
	return again;
}

static __always_inline int free_enter(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs), addr;
	__u32 asid = MT_COOKIE_ASID_OF(cookie);
	int known;

	if (!hit_of(asid))
		return 0;
	addr = call_arg(regs, MT_COOKIE_PTR(cookie));
	if (!addr)
		return 0;
	known = mt_block_died(addr, asid);
	if (!free_repeated(addr, PT_REGS_SP(regs)) && !known)
		count(MT_CNT_frees_unknown);
	return 0;
}

SEC("?uprobe")
int mt_alloc_enter(struct pt_regs *ctx)
{
	return alloc_enter(ctx);
}

SEC("?uretprobe")
int mt_alloc_exit(struct pt_regs *ctx)
{
	return alloc_exit(ctx);
}

SEC("?uprobe")
int mt_free_enter(struct pt_regs *ctx)
{
	return free_enter(ctx);
}
