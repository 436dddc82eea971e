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

#define ADDR_MASK 0x0000ffffffffffffull

/* A zeroed record: too large for the BPF stack. */
struct mt_blank_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_thread);
} blank_thread SEC(".maps");

static __always_inline __u64 block_key(__u64 addr, __u32 asid)
{
	return (addr & ADDR_MASK) | (__u64)asid << 48;
}

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

static __always_inline struct mt_site *site_at(__u32 site)
{
	return bpf_map_lookup_elem(&sites, &site);
}

static __always_inline void ring_birth(__u64 *slot, __u64 epoch)
{
	__u64 v = *(volatile __u64 *)slot;

	if (v >> 32 != epoch) {
		if (__sync_val_compare_and_swap(slot, v, epoch << 32 | 1) == v)
			return;
		if (*(volatile __u64 *)slot >> 32 != epoch)
			return;
	}
	__sync_fetch_and_add(slot, 1);
}

/* Only called while the block is younger than the ring, so that the slot is still its own. */
static __always_inline void ring_death(__u64 *slot, __u64 epoch)
{
	__u64 v = *(volatile __u64 *)slot;

	if (v >> 32 == epoch && (__u32)v)
		__sync_fetch_and_add(slot, -1);
}

static __noinline int site_birth(__u32 site, __u64 size, __u32 born_ds)
{
	struct mt_site *s = site_at(site);
	__u32 fine = born_ds / (10 * MT_FINE_SECS), coarse = born_ds / (10 * MT_COARSE_SECS);

	if (!s)
		return 0;
	__sync_fetch_and_add(&s->alloc_bytes, size);
	__sync_fetch_and_add(&s->alloc_count, 1);
	ring_birth(&s->fine[fine % MT_FINE_SLOTS], fine);
	ring_birth(&s->coarse[coarse % MT_COARSE_SLOTS], coarse);
	return 0;
}

static __noinline __u64 age_bucket(__u32 secs)
{
	for (int i = 0; i < MT_AGE_BUCKETS - 1; i++)
		if (secs < (1u << i))
			return i;
	return MT_AGE_BUCKETS - 1;
}

/* Takes a block out of the rings, unless it is older than they reach. */
static __noinline int site_unring(__u32 site, __u32 born_ds, __u32 now)
{
	struct mt_site *s = site_at(site);
	__u32 fine = born_ds / (10 * MT_FINE_SECS), coarse = born_ds / (10 * MT_COARSE_SECS);

	if (!s)
		return 0;
	if (now / (10 * MT_FINE_SECS) - fine < MT_FINE_SLOTS - 1)
		ring_death(&s->fine[fine % MT_FINE_SLOTS], fine);
	if (now / (10 * MT_COARSE_SECS) - coarse < MT_COARSE_SLOTS - 1)
		ring_death(&s->coarse[coarse % MT_COARSE_SLOTS], coarse);
	return 0;
}

static __noinline int site_death(__u32 site, __u64 size, __u32 born_ds)
{
	struct mt_site *s = site_at(site);
	__u32 now = now_ds();
	__u64 b;

	if (!s)
		return 0;
	__sync_fetch_and_add(&s->free_bytes, size);
	__sync_fetch_and_add(&s->free_count, 1);
	b = now > born_ds ? age_bucket((now - born_ds) / 10) : 0;
	barrier_var(b);
	b &= 15; /* never above MT_AGE_BUCKETS - 1: said again for the verifier */
	if (b < MT_AGE_BUCKETS)
		__sync_fetch_and_add(&s->freed_by_age[b], 1);
	return site_unring(site, born_ds, now);
}

/* Tells user space, once, which piece of address space an allocator serves from. */
static __noinline int region_note(__u64 addr, __u32 asid, __u32 tgid)
{
	__u64 word = (addr & ADDR_MASK) >> MT_REGION_SHIFT << 16 | asid, *seen;
	__u32 slot = addr >> MT_REGION_SHIFT & (MT_REGION_SLOTS - 1);
	struct mt_ev_region *e;

	seen = bpf_map_lookup_elem(&regions, &slot);
	if (!seen || *seen == word)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(MT_CNT_ring_full);
		return 0;
	}
	hdr_fill(&e->hdr, tgid, MT_KIND_region, sizeof(*e));
	e->addr = addr & ADDR_MASK & ~((1ull << MT_REGION_SHIFT) - 1);
	e->asid = asid;
	e->reserved = 0;
	bpf_ringbuf_submit(e, wakeup_flags());
	*seen = word;
	return 0;
}

/* --events only. */
static __noinline int alloc_send(__u64 addr, __u64 size, __u64 old, __u32 asid, __u32 fn_site)
{
	struct mt_ev_alloc *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	__u64 id = bpf_get_current_pid_tgid();

	if (!e) {
		count(MT_CNT_ring_full_alloc);
		return 0;
	}
	hdr_fill(&e->hdr, id >> 32, (fn_site & 15) == MT_FN_FREE ? MT_KIND_free : MT_KIND_alloc,
		 sizeof(*e));
	e->addr = addr;
	e->size = size;
	e->old_addr = old;
	e->tid = id;
	e->asid = asid;
	e->site = fn_site >> 4;
	e->fn = fn_site & 15;
	bpf_ringbuf_submit(e, wakeup_flags());
	return 0;
}

/* Accounts a block that is found under a key where none should be: its free was missed. */
static __noinline int block_replace(__u64 key)
{
	struct mt_block *b = bpf_map_lookup_elem(&live, &key), old;

	if (!b)
		return 0;
	old = *b;
	if (bpf_map_delete_elem(&live, &key))
		return 0;
	count(MT_CNT_frees_missed);
	return site_death(old.site, old.size, old.born_ds);
}

/* 0 when the block is in the live set. */
static __noinline int block_insert(__u64 key, __u64 size, __u64 site_born)
{
	struct mt_block b = { .size = size, .site = site_born, .born_ds = site_born >> 32 };
	/* not long: before 6.4 the kernel sets the lower half of the register only */
	int r = bpf_map_update_elem(&live, &key, &b, BPF_NOEXIST);

	if (r == -EEXIST) {
		block_replace(key);
		r = bpf_map_update_elem(&live, &key, &b, BPF_ANY);
	}
	if (r == -E2BIG) {
		count(MT_CNT_live_full);
		count_add(MT_CNT_live_full_bytes, size);
	} else if (r) {
		count(MT_CNT_live_error);
	}
	return r;
}

static __noinline int block_born(__u64 addr, __u64 size, __u32 site, __u32 asid)
{
	__u32 born = now_ds();

	count(MT_CNT_allocs);
	if (block_insert(block_key(addr, asid), size, (__u64)born << 32 | site))
		return 0;
	site_birth(site, size, born);
	return region_note(addr, asid, bpf_get_current_pid_tgid() >> 32);
}

/* Takes a block out of the live set into *ret. Of two frees of one block only one gets it. */
static __always_inline int block_take(__u64 key, struct mt_block *ret)
{
	struct mt_block *b = bpf_map_lookup_elem(&live, &key);
	long r;

	if (!b)
		return 0;
	*ret = *b;
	r = bpf_map_delete_elem(&live, &key);
	if (r && r != -ENOENT)
		count(MT_CNT_live_error);
	return r == 0;
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
	if (block_insert(block_key(t->ptr, asid), t->kept.size,
			 (__u64)t->kept.born_ds << 32 | t->kept.site))
		site_death(t->kept.site, t->kept.size, t->kept.born_ds);
	return 0;
}

static __noinline int call_abandoned(struct mt_thread *t, __u32 asid)
{
	count(MT_CNT_abandoned);
	return kept_give_back(t, asid);
}

static __always_inline int alloc_enter(struct pt_regs *regs)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, n;
	struct mt_proc *p = proc_find(tgid);
	__u64 cookie = bpf_get_attach_cookie(regs), sp = PT_REGS_SP(regs);
	struct mt_thread *t;

	if (!p)
		return 0;
	count(MT_CNT_hits);
	t = thread_get();
	if (!t)
		return 0;
	if (is_nested(t, sp)) {
		count(MT_CNT_nested);
		return 0;
	}
	if (t->sp)
		call_abandoned(t, p->asid);
	t->fn = MT_COOKIE_FN(cookie);
	t->size = call_arg(regs, MT_COOKIE_SIZE(cookie));
	n = MT_COOKIE_COUNT(cookie);
	if (n)
		t->size = product(t->size, call_arg(regs, n));
	t->ptr = call_arg(regs, MT_COOKIE_PTR(cookie));
	t->has_kept = 0;
	if (t->fn == MT_FN_REALLOC && t->ptr)
		t->has_kept = block_take(block_key(t->ptr, p->asid), &t->kept);
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

	if (!t || !t->has_kept)
		return 0; /* from before tracing began: it stays there */
	if (block_insert(block_key(t->ptr, asid), t->size,
			 (__u64)t->kept.born_ds << 32 | t->kept.site)) {
		site_death(t->kept.site, t->kept.size, t->kept.born_ds);
		return 0;
	}
	s = site_at(t->kept.site);
	if (!s)
		return 0;
	if (t->size > t->kept.size)
		__sync_fetch_and_add(&s->alloc_bytes, t->size - t->kept.size);
	else
		__sync_fetch_and_add(&s->free_bytes, t->kept.size - t->size);
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
	count(MT_CNT_frees);
	return site_death(t->kept.site, t->kept.size, t->kept.born_ds);
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
				alloc_send(addr, t->size, t->ptr, asid, t->fn | t->kept.site << 4);
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
	block_born(addr, t->size, site, asid);
	if (cfg.send_events)
		alloc_send(addr, t->size, t->fn == MT_FN_REALLOC ? t->ptr : 0, asid,
			   t->fn | site << 4);
	return 0;
}

static __always_inline int alloc_exit(struct pt_regs *regs)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = id;
	struct mt_proc *p = proc_find(id >> 32);
	struct mt_thread *t;

	if (!p)
		return 0;
	count(MT_CNT_hits);
	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t || !t->sp) {
		count(MT_CNT_returns_unmatched);
		return 0;
	}
	if (sp_at_entry(regs) != t->sp)
		return 0; /* an inner call */
	t->sp = 0;
	return alloc_done(regs, t, p->asid);
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

static __noinline int block_freed(__u64 addr, __u32 asid)
{
	struct mt_block b;

	if (!block_take(block_key(addr, asid), &b))
		return 0;
	count(MT_CNT_frees);
	site_death(b.site, b.size, b.born_ds);
	if (cfg.send_events)
		alloc_send(addr, b.size, 0, asid, MT_FN_FREE | b.site << 4);
	return 1;
}

static __always_inline int free_enter(struct pt_regs *regs)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct mt_proc *p = proc_find(tgid);
	__u64 cookie = bpf_get_attach_cookie(regs), addr;
	int known;

	if (!p)
		return 0;
	count(MT_CNT_hits);
	addr = call_arg(regs, MT_COOKIE_PTR(cookie));
	if (!addr)
		return 0;
	known = block_freed(addr, p->asid);
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
