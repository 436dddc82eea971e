/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Allocator probes. The cookie of a probe says what its function does, where size and result are,
 * and in which address space, so that few programs serve every allocator and look nothing up but
 * how that space is sampled. Nothing is sent per allocation unless --events asks for it.
 *
 * Where every block is recorded, each allocation is; else one when a sampling point falls on it:
 * the others cost a subtraction. A free is a look-up.
 *
 * A free is recorded before it happens and an allocation after, so that order by address holds
 * when another CPU gets the same address. realloc gives its old block up on entry and gets it
 * back when the call fails. Of nested calls the outermost counts: it is found by the stack
 * pointer, and verified by the return address that the kernel planted for it.
 */
#include "core.bpf.h"
#include "compat.bpf.h"
#include "memtrace/condition.h"
#include "live.bpf.h"
#include "sample.bpf.h"

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

/* Counts a hit; *ret is this CPU's part. NULL: the probe is of an address space that is gone. */
static __always_inline struct mt_space *space_hit(__u32 asid, struct mt_space_cpu **ret)
{
	struct mt_space *s = space_of(asid);
	struct mt_space_cpu *c = s ? space_cpu_of(asid) : NULL;

	if (!c)
		return NULL;
	__sync_fetch_and_add(&c->hits, 1);
	*ret = c;
	return s;
}

/* Starts counting down to the next sample when the gap is another one than before. */
static __noinline int gap_change(struct mt_space_cpu *c, __u32 gap_log2)
{
	__u64 gap;

	if (!c)
		return 0;
	gap = sample_gap(bpf_get_prandom_u32(), bpf_get_prandom_u32(), gap_log2);
	c->gap_log2 = gap_log2;
	c->left = gap;
	return 0;
}

/* `over` bytes behind the last sampling point: where is the next one? */
static __noinline int gap_next(struct mt_space_cpu *c, __u32 gap_log2, __u64 over)
{
	__u64 gap;

	if (!c)
		return 0;
	gap = sample_gap(bpf_get_prandom_u32(), bpf_get_prandom_u32(), gap_log2);
	__sync_fetch_and_add(&c->left, gap + over);
	return 0;
}

/* Whether a sampling point falls on the block. What is behind the block is as random as before. */
static __always_inline int sample_falls(struct mt_space_cpu *c, __u32 gap_log2, __u64 size)
{
	__u64 length = sample_length(size);
	__s64 left;

	if (c->gap_log2 != gap_log2)
		gap_change(c, gap_log2);
	left = __sync_fetch_and_add(&c->left, -length) - length;
	if (left > 0)
		return 0;
	gap_next(c, gap_log2, -left);
	return 1;
}

static __noinline __u64 held_weighed(__u64 size, __u32 gap_log2, __u32 weight_log2)
{
	__u64 weight = 1;

	if (gap_log2)
		weight = sample_weight(sample_length(size), gap_log2, bpf_get_prandom_u32());
	weight <<= weight_log2 & 31;
	if (weight > MT_HELD_WEIGHT_MAX)
		count(MT_CNT_weights_cut);
	return mt_held(size, weight);
}

/* Size and weight of a block that was taken at this gap. Without a weight: it is 1. */
static __always_inline __u64 held_of(__u64 size, __u32 gap_log2, __u32 weight_log2)
{
	if (gap_log2 | weight_log2)
		return held_weighed(size, gap_log2, weight_log2);
	return size > MT_HELD_SIZE_MAX ? MT_HELD_SIZE_MAX : size;
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
 * return trampoline, and the kernel has it in its list. After longjmp() or an exception it is not;
 * after a return that no probe saw, as they had gone out, the word alone may be left. Where the
 * word is elsewhere the stack pointer has to do: after longjmp() deeper calls are taken for inner
 * ones for a while.
 */
static __noinline int still_inside(__u64 sp)
{
	__u64 trampoline = return_trampoline(), word = 0;

	if (!bpf_get_current_task_btf()->utask->return_instances)
		return 0;
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

static __always_inline int call_abandoned(struct mt_thread *t, __u32 asid)
{
	count(MT_CNT_abandoned);
	return kept_give_back(t, asid);
}

/* What a call asks for, at its entry. */
static __always_inline __u64 call_size(struct pt_regs *regs, __u64 cookie)
{
	__u64 size = call_arg(regs, MT_COOKIE_SIZE(cookie));
	__u32 n = MT_COOKIE_COUNT(cookie);

	return n ? product(size, call_arg(regs, n)) : size;
}

static __noinline __u64 place_on_stack(struct pt_regs *regs, __u32 place)
{
	__u64 word = 0;

	if (bpf_probe_read_user(&word, sizeof(word),
				(const void *)(PT_REGS_SP(regs) + 8 * (place - MT_PLACE_STACK))))
		count(MT_CNT_read_failed);
	return word;
}

/* A register, or a word of the stack. */
static __always_inline __u64 place_read(struct pt_regs *regs, __u32 place)
{
	return place < MT_PLACE_STACK ? place_register(regs, place) : place_on_stack(regs, place);
}

/* A call inside another one that is recorded: that one counts. Asked only while any is under way.
 */
static __noinline int is_inner_here(__u64 sp)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct mt_thread *t = bpf_map_lookup_elem(&threads, &tid);

	if (!t || !is_nested(t, sp))
		return 0;
	count(MT_CNT_nested);
	return 1;
}

static __always_inline int is_inner(const struct mt_space *s, __u64 sp)
{
	return *(volatile __u32 *)&s->inside && is_inner_here(sp);
}

/* A thread's call that inner ones may be of begins, ends, or is found to have ended. */
static __noinline int note_inside(struct mt_thread *t, __u32 asid, __u32 is)
{
	struct mt_space *s = space_of(asid);

	if (!t || !s || t->counted == is || (is && !s->has_inner))
		return 0;
	t->counted = is;
	__sync_fetch_and_add(&s->inside, is ? 1 : -1);
	return 0;
}

/* Outside or inside of calls, ended ones of before are settled; NULL: there is nothing to follow.
 */
static __always_inline struct mt_thread *call_open(__u64 sp, __u32 asid)
{
	struct mt_thread *t = thread_get();

	if (!t)
		return NULL;
	if (is_nested(t, sp)) {
		count(MT_CNT_nested);
		return NULL;
	}
	if (t->sp)
		call_abandoned(t, asid);
	t->sp = 0;
	t->has_kept = 0;
	return t;
}

/* Of any block; one that a sample would miss is not counted. */
static __always_inline void free_count(const struct mt_space *s, struct mt_space_cpu *c, __u64 n)
{
	if (!s->gap_log2 && !*(volatile __u32 *)&s->shut)
		__sync_fetch_and_add(&c->frees, n << (s->weight_log2 & 31));
}

static __noinline int free_count_in(__u32 asid, __u64 n)
{
	struct mt_space *s = space_of(asid);
	struct mt_space_cpu *c = s ? space_cpu_of(asid) : NULL;

	if (c)
		free_count(s, c, n);
	return 0;
}

/* A point whose allocation nobody needs to hear of again. */
#define UNHEARD (MT_COOKIE_INNER | MT_COOKIE_OUTER)

/*
 * Notes what a call is, until its return. how: 1: it is to be recorded, | gaps << 8. 0: the return
 * is not needed.
 */
static __noinline int call_begin(struct pt_regs *regs, __u64 cookie, __u32 how)
{
	__u32 asid = asid_of(cookie);
	struct mt_thread *t = call_open(PT_REGS_SP(regs), asid);

	if (!t)
		return 0;
	t->fn = MT_COOKIE_FN(cookie);
	t->size = call_size(regs, cookie);
	t->ptr = call_arg(regs, MT_COOKIE_PTR(cookie));
	t->taken = how & 1;
	t->gaps = how >> 8;
	if (t->fn == MT_FN_REALLOC && t->ptr)
		t->has_kept = mt_live_take(block_key(t->ptr, asid), &t->kept);
	if (how & 1 || t->has_kept || cookie & UNHEARD)
		t->sp = PT_REGS_SP(regs);
	note_inside(t, asid, t->sp != 0);
	return t->sp != 0;
}

/* A call that is not recorded and whose return nobody needs. */
static __always_inline int is_nothing(struct pt_regs *regs, __u64 cookie)
{
	return !(cookie & UNHEARD) &&
	       (MT_COOKIE_FN(cookie) != MT_FN_REALLOC || !call_arg(regs, MT_COOKIE_PTR(cookie)));
}

/*
 * At the entry of a function whose return is probed as well. 1 when the return is not needed: a
 * session program declines it. A call that is not recorded is followed all the same where an inner
 * one would take itself for the outermost.
 */
static __always_inline int alloc_enter(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs);
	__u32 asid = asid_of(cookie), taken, gap;
	struct mt_space_cpu *c = NULL;
	struct mt_space *s = space_hit(asid, &c);

	if (!s || !c)
		return 1;
	gap = s->gap_log2;
	taken = !s->shut && (!gap || sample_falls(c, gap, call_size(regs, cookie)));
	if (!taken && is_nothing(regs, cookie))
		return 1;
	return !call_begin(regs, cookie, taken | (gap | s->weight_log2 << 8) << 8);
}

/* realloc() failed: the old block is as it was. */
static __noinline int realloc_undo(struct mt_thread *t, __u32 asid)
{
	count(MT_CNT_failed_allocs);
	return kept_give_back(t, asid);
}

/* The block stayed where it was: it keeps its birth, its site and its weight. */
static __noinline int realloc_in_place(struct mt_thread *t, __u32 asid)
{
	__u64 held;

	if (!t || !t->has_kept)
		return 0; /* from before tracing began, or not sampled: it stays so */
	held = mt_held(t->size, mt_held_weight(t->kept.held)) | (t->kept.held & MT_HELD_GREW);
	if (t->size > mt_held_size(t->kept.held))
		held |= MT_HELD_GREW;
	if (mt_live_put(block_key(t->ptr, asid), held, t->kept.site, t->kept.born_ds))
		return mt_site_died(t->kept.site, t->kept.held, t->kept.born_ds);
	return mt_site_resized(t->kept.site, t->kept.held, held);
}

/* What realloc() gave up is gone. */
static __noinline int realloc_gave_up(struct mt_thread *t, __u32 asid)
{
	if (!t || !t->ptr)
		return 0;
	free_count_in(asid, 1);
	if (t->has_kept)
		return mt_site_died(t->kept.site, t->kept.held, t->kept.born_ds);
	if (!(t->gaps & 255))
		count(MT_CNT_frees_unknown);
	return 0;
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

/* kind: for mt_site_of(); gaps: see struct mt_thread. Returns the call site. */
static __always_inline __u32 block_record(struct pt_regs *regs, __u64 addr, __u64 size, __u32 asid,
					  __u32 gaps, __u32 kind)
{
	__u32 site = mt_site_of(PT_REGS_IP(regs), PT_REGS_SP(regs), PT_REGS_FP(regs), asid, kind);

	mt_block_born(addr, held_of(size, gaps & 255, gaps >> 8), site, asid);
	return site;
}

/*
 * The call site of a point inside a function. The cookie tells where the caller's frame is, so that
 * the walk begins there; else it begins here and needs the table of this code.
 */
static __always_inline __u32 point_site(struct pt_regs *regs, __u64 cookie, __u32 asid)
{
	__u32 pushed = MT_COOKIE_PUSHED(cookie), place = MT_COOKIE_BP_PLACE(cookie), site;
	__u32 below = place < MT_PLACE_STACK ? 0 : pushed - (place - MT_PLACE_STACK);
	__u64 bp = 0;

	if (place != MT_PLACE_NONE) {
		if (!below || below > MT_BP_BELOW_MAX) {
			bp = place_read(regs, place);
			below = 0;
		}
		site = mt_site_of_caller(PT_REGS_SP(regs) + 8 * pushed, bp, asid,
					 MT_SITE_HEAP | MT_BP_BELOW(below));
		if (site != MT_SITE_HIDDEN)
			return site;
	}
	return mt_site_of(PT_REGS_IP(regs), PT_REGS_SP(regs), PT_REGS_FP(regs), asid, MT_SITE_HEAP);
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
					      t->fn | mt_block_site(t->kept.site) << 4);
			return 0;
		}
		realloc_gave_up(t, asid); /* moved; or size 0 and freed */
		if (!addr)
			return 0;
	}
	if (!addr) {
		count(MT_CNT_failed_allocs);
		return 0;
	}
	if (!t->taken)
		return 0;
	site = block_record(regs, addr, t->size, asid, t->gaps, MT_SITE_HEAP | MT_AT_RETURN);
	if (cfg.send_events)
		mt_alloc_send(addr, t->size, t->fn == MT_FN_REALLOC ? t->ptr : 0, asid,
			      t->fn | site << 4);
	return 0;
}

static __always_inline int alloc_exit(struct pt_regs *regs)
{
	__u32 asid = asid_of(bpf_get_attach_cookie(regs));
	__u32 tid = bpf_get_current_pid_tgid();
	struct mt_space *s = space_of(asid);
	struct mt_space_cpu *c;
	struct mt_thread *t;

	if (!s)
		return 0;
	c = space_cpu_of(asid);
	if (c)
		__sync_fetch_and_add(&c->returns, 1);
	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t || !t->sp) {
		if (!s->gap_log2)
			count(MT_CNT_returns_unmatched);
		return 0;
	}
	if (sp_at_entry(regs) != t->sp)
		return 0; /* an inner call */
	t->sp = 0;
	if (t->counted)
		note_inside(t, asid, 0);
	return t->taken || t->has_kept ? alloc_done(regs, t, asid) : 0;
}

/* A point on a conditional jump counts on one of its ways only. */
static __always_inline int point_counts(struct pt_regs *regs, __u64 cookie)
{
	return !MT_COOKIE_HAS_IF(cookie) ||
	       mt_condition_holds(point_flags(regs), MT_COOKIE_CONDITION(cookie));
}

/* --events only; all of it is read again. */
static __noinline int point_send(struct pt_regs *regs, __u64 held, __u32 site, __u32 asid)
{
	__u64 cookie = bpf_get_attach_cookie(regs);

	return mt_alloc_send(place_read(regs, MT_COOKIE_RESULT_PLACE(cookie)), mt_held_size(held),
			     0, asid, MT_COOKIE_FN(cookie) | site << 4);
}

/* A call that is to be recorded, with its size and weight, has come to its result. */
static __always_inline int point_done(struct pt_regs *regs, __u64 cookie, __u64 held, __u32 asid)
{
	__u64 addr = place_read(regs, MT_COOKIE_RESULT_PLACE(cookie)), key;
	__u32 site;

	if (!addr) {
		count(MT_CNT_failed_allocs);
		return 0;
	}
	key = block_key(addr, asid);
	barrier_var(key);
	site = point_site(regs, cookie, key >> 48);
	if (cfg.send_events)
		point_send(regs, held, site, key >> 48);
	block_born(key, held, site);
	return 0;
}

/* Where size and result are known at once, inside the function. */
static __always_inline int alloc_whole(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs), size;
	__u32 asid = asid_of(cookie), gap;
	struct mt_space_cpu *c = NULL;
	struct mt_space *s = space_hit(asid, &c);

	if (!s || !c)
		return 0;
	if (!point_counts(regs, cookie))
		return 0;
	size = place_read(regs, MT_COOKIE_SIZE_PLACE(cookie));
	gap = *(volatile __u32 *)&s->gap_log2; /* once: it weighs what it was taken at */
	if (s->shut || (gap && !sample_falls(c, gap, size)))
		return 0;
	if (cookie & MT_COOKIE_INNER && is_inner(s, PT_REGS_SP(regs)))
		return 0;
	return point_done(regs, cookie, held_of(size, gap, s->weight_log2), asid);
}

/* The size of a call that was not taken: what an earlier one left, whose result never came, is
 * not this one's. */
static __noinline int point_forget(void)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct mt_thread *t = bpf_map_lookup_elem(&threads, &tid);

	if (t)
		t->point_taken = 0;
	return 0;
}

static __noinline int alloc_size(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs), size;
	__u32 asid = asid_of(cookie), gap;
	struct mt_space_cpu *c = NULL;
	struct mt_space *s = space_hit(asid, &c);
	struct mt_thread *t;

	if (!s || !c)
		return 0;
	if (!point_counts(regs, cookie))
		return 0;
	size = place_read(regs, MT_COOKIE_SIZE_PLACE(cookie));
	gap = s->gap_log2;
	if (s->shut || (gap && !sample_falls(c, gap, size)))
		return point_forget();
	if (cookie & MT_COOKIE_INNER && is_inner(s, PT_REGS_SP(regs)))
		return point_forget();
	t = thread_get();
	if (!t)
		return 0;
	t->point_size = size;
	t->point_gaps = gap | s->weight_log2 << 8;
	t->point_taken = 1;
	return 0;
}

static __always_inline int alloc_result(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs);
	__u32 asid = asid_of(cookie), tid = bpf_get_current_pid_tgid();
	struct mt_space_cpu *c = NULL;
	struct mt_thread *t;

	if (!space_hit(asid, &c))
		return 0;
	if (!point_counts(regs, cookie))
		return 0;
	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t || !t->point_taken)
		return 0;
	t->point_taken = 0;
	return point_done(regs, cookie,
			  held_of(t->point_size, t->point_gaps & 255, t->point_gaps >> 8), asid);
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

/* What is left to do where a block was not found at once, or may be given up twice. */
static __noinline int free_rest(struct pt_regs *regs, __u32 known)
{
	__u64 cookie = bpf_get_attach_cookie(regs), addr = call_arg(regs, MT_COOKIE_PTR(cookie));
	__u32 asid = asid_of(cookie);
	struct mt_space *s = space_of(asid);

	if (!known)
		known = mt_spilled_died(addr, asid);
	if (!s || s->gap_log2)
		return 0;
	if (cookie & MT_COOKIE_REPEATS && free_repeated(addr, PT_REGS_SP(regs)))
		return free_count_in(asid, -1);
	if (!known)
		count(MT_CNT_frees_unknown);
	return 0;
}

static __noinline int free_send(struct pt_regs *regs, __u64 held, __u32 site)
{
	__u64 cookie = bpf_get_attach_cookie(regs);

	return mt_alloc_send(call_arg(regs, MT_COOKIE_PTR(cookie)), mt_held_size(held), 0,
			     asid_of(cookie), MT_FN_FREE | mt_block_site(site) << 4);
}

/* Where blocks are sampled, one that is not known is most likely one that was not taken. */
static __always_inline int free_enter(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs), addr, held, whence;
	__u32 asid = asid_of(cookie), sampled, repeats;
	struct mt_space_cpu *c = NULL;
	struct mt_space *s = space_hit(asid, &c);
	int known;

	if (!s)
		return 0;
	addr = call_arg(regs, MT_COOKIE_PTR(cookie));
	if (!addr)
		return 0;
	if (*(volatile __u32 *)&s->shut == MT_SHUT_OPENING)
		__sync_val_compare_and_swap(&s->shut, MT_SHUT_OPENING, 0);
	free_count(s, c, 1);
	sampled = s->gap_log2 != 0;
	repeats = !sampled && (cookie & MT_COOKIE_REPEATS);
	known = block_take(block_key(addr, asid), &held, &whence);
	if (known > 0) {
		if (cfg.send_events)
			free_send(regs, held, whence);
		site_died(whence, held, whence >> 32);
		return repeats ? free_rest(regs, 1) : 0;
	}
	return known || !sampled ? free_rest(regs, 0) : 0;
}

SEC("?uprobe")
int mt_alloc_enter(struct pt_regs *ctx)
{
	if (MT_COOKIE_POINT(bpf_get_attach_cookie(ctx)) == MT_POINT_SIZE)
		alloc_size(ctx);
	else
		alloc_enter(ctx);
	return 0;
}

SEC("?uretprobe")
int mt_alloc_exit(struct pt_regs *ctx)
{
	return alloc_exit(ctx);
}

/*
 * Both of the two above where one probe can be both: the entry decides about the return. At the
 * entry the thread is where the probe is.
 */
SEC("?uprobe")
int mt_alloc_session(struct pt_regs *ctx)
{
	return PT_REGS_IP(ctx) == bpf_get_func_ip(ctx) ? alloc_enter(ctx) : alloc_exit(ctx);
}

SEC("?uprobe")
int mt_alloc_whole(struct pt_regs *ctx)
{
	return alloc_whole(ctx);
}

SEC("?uprobe")
int mt_alloc_result(struct pt_regs *ctx)
{
	return alloc_result(ctx);
}

SEC("?uprobe")
int mt_free_enter(struct pt_regs *ctx)
{
	return free_enter(ctx);
}
