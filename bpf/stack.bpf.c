/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Call sites: takes the user's stack in a claimed slot and finds or makes the site of its hash. A
 * stack that ended early has its reason in the hash: it is another site than the whole one.
 */
#include "compat.bpf.h"
#include "memo.bpf.h"

extern __u32 next_site;

#define CALLER_BYTES 512 /* of a walk that was not seen yet */

/* A slot of its own for this thread, until it gives it back; NULL: all of this CPU's are in use. */
static __always_inline struct mt_scratch *scratch_claim(__u32 *slot)
{
	__u32 base = bpf_get_smp_processor_id() * MT_SCRATCH_PER_CPU;

	for (__u32 k = 0; k < MT_SCRATCH_PER_CPU; k++) {
		__u32 n = base + k;
		struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &n);

		if (s && __sync_lock_test_and_set(&s->busy, 1) == 0) {
			*slot = n;
			return s;
		}
	}
	count(MT_CNT_scratch_busy);
	return NULL;
}

static __always_inline void scratch_release(struct mt_scratch *s)
{
	store_release_32(&s->busy, 0);
}

/* Sends the new site's stack and enters it into the index. Nothing is entered that was not sent. */
static __noinline int site_make(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u64 key;
	__u32 site, len, *there;

	if (!s)
		return MT_SITE_NONE;
	if (next_site >= cfg.site_capacity) {
		count(MT_CNT_sites_full);
		return MT_SITE_NONE;
	}
	site = __sync_fetch_and_add(&next_site, 1);
	if (site >= cfg.site_capacity) {
		__sync_fetch_and_add(&next_site, -1);
		count(MT_CNT_sites_full);
		return MT_SITE_NONE;
	}
	len = s->ev.frames;
	if (len > MT_MAX_FRAMES)
		len = MT_MAX_FRAMES;
	len = sizeof(s->ev) - sizeof(s->ev.pc) + len * 8;
	hdr_fill(&s->ev.hdr, bpf_get_current_pid_tgid() >> 32, MT_KIND_site, len);
	s->ev.site = site;
	s->ev.asid = s->asid;
	s->ev.end = s->end;
	key = s->hash;
	if (bpf_ringbuf_output(&events, &s->ev, len, wakeup_flags())) {
		__sync_val_compare_and_swap(&next_site, site + 1, site);
		count(MT_CNT_ring_full);
		return MT_SITE_NONE;
	}
	if (bpf_map_update_elem(&site_index, &key, &site, BPF_NOEXIST)) {
		there = bpf_map_lookup_elem(&site_index, &key);
		if (there) /* another CPU was first */
			return *there;
		count(MT_CNT_site_error);
		return MT_SITE_NONE;
	}
	return site;
}

/* Sets the first frame: enough to look whether the walk is known. The window is as it is. */
static __always_inline void walk_place(struct mt_scratch *s, __u64 ip, __u64 sp, __u64 bp,
				       __u32 kind)
{
	s->pc = ip;
	s->sp = s->first_sp = sp;
	s->bp = s->first_bp = bp;
	s->first_ip = ip;
	s->is_return = s->first_is_return = (kind & MT_AT_RETURN) != 0;
	s->ev.site_kind = kind;
}

/* Zeroes the rest of the state. Not zero: the process is traced no more. */
static __noinline int walk_begin(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct mt_proc *p = proc_find(bpf_get_current_pid_tgid() >> 32);

	if (!s || !p)
		return -1;
	s->trampoline = return_trampoline();
	__builtin_memcpy(s->text, p->piece, sizeof(s->text));
	s->end = MT_END_unknown;
	s->how = MT_HOW_FIRST;
	s->from_jit = s->switches = s->wants_scan = 0;
	s->piece_start = s->piece_end = 0;
	s->bp_from = 0;
	s->memo_off = s->memo_takes_bp = s->memo_count = 0;
	s->memo_bytes = 8;
	s->ev.reserved = 0;
	s->ev.frames = 0;
	return 0;
}

/*
 * Where the hash of a stack begins. As plain numbers these two would meet the first address of the
 * stack bit by bit: places of one function, in processes whose numbers differ as their addresses
 * do, would be one site.
 */
static __always_inline __u64 hash_begin(__u32 asid, __u32 kind)
{
	__u64 h = ((asid & 0xffff) | kind << 16) * 0x9e3779b97f4a7c15ull;

	return h ^ h >> 32;
}

static __always_inline int site_find(__u32 slot, __u32 asid)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u64 key;
	__u32 *site;

	if (!s)
		return MT_SITE_NONE;
	s->asid = asid;
	s->hash = hash_begin(asid, s->ev.site_kind);
	mt_unwind(slot);
	key = s->hash;
	site = bpf_map_lookup_elem(&site_index, &key);
	return site ? *site : site_make(slot);
}

/* Of a walk that is not remembered. */
static __always_inline __u32 site_of_walk(__u32 slot, __u32 asid)
{
	__u32 site;

	if (walk_begin(slot))
		return MT_SITE_NONE;
	site = site_find(slot, asid);
	mt_memo_keep(slot, site);
	return site;
}

__u32 mt_site_of(__u64 ip, __u64 sp, __u64 bp, __u32 asid, __u32 kind)
{
	__u32 slot = 0, site;
	struct mt_scratch *s = scratch_claim(&slot);

	if (!s)
		return MT_SITE_NONE;
	s->window_at = s->window_bytes = 0;
	walk_place(s, ip, sp, bp, kind);
	site = mt_memo_find(slot, asid);
	if (!site)
		site = site_of_walk(slot, asid);
	scratch_release(s);
	return site;
}

/*
 * Reads the return address below a first frame, `below` bytes that lie under it and, at once, what
 * walks from there needed last.
 */
static __always_inline int caller_read(struct mt_scratch *s, __u32 slot, __u64 below)
{
	__u64 at = s->first_sp - 8 - below, n;
	__u32 *reach = reach_of(s->first_sp);

	n = (reach && *reach ? *reach + 8 : CALLER_BYTES) + below;
	barrier_var(n);
	if (n > sizeof(s->window))
		n = sizeof(s->window);
	s->window_at = at;
	s->window_bytes = n;
	if (!bpf_probe_read_user(s->window, n, (const void *)at))
		return 0;
	return mt_window_fill(slot, at) || s->window_bytes <= below;
}

/* Walks on which a return probe has its hands are never remembered: it is asked for here. */
static __noinline int caller_walk(__u32 slot, __u32 asid)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);

	if (!s || s->first_ip == return_trampoline())
		return MT_SITE_HIDDEN;
	return site_of_walk(slot, asid);
}

__u32 mt_site_of_caller(__u64 at, __u64 bp, __u32 asid, __u32 kind)
{
	__u32 slot = 0, site = MT_SITE_HIDDEN, below = MT_BP_BELOW_OF(kind);
	struct mt_scratch *s = scratch_claim(&slot);

	if (!s)
		return MT_SITE_NONE;
	walk_place(s, 0, at + 8, bp, kind | MT_AT_RETURN);
	if (!caller_read(s, slot, 8 * below)) {
		s->pc = s->first_ip = s->window[below & (MT_WINDOW_WORDS - 1)];
		if (below)
			s->bp = s->first_bp = s->window[0];
		site = memo_find(s, slot, asid);
		if (!site)
			site = caller_walk(slot, asid);
	}
	scratch_release(s);
	return site;
}
