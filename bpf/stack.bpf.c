/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Call sites: walks the user stack, hashes it, and finds or makes the site of that hash.
 * The walk follows frame pointers and accepts a return address only when it lies in executable
 * memory. Runtime libraries have no frame pointers: while the innermost frame is in one of the
 * process's plumbing ranges, the stack is scanned for the next address that follows a call.
 * Not covered: callers without frame pointers above the first frame outside the plumbing.
 */
#include "core.bpf.h"
#include "compat.bpf.h"

#define MAX_FRAME_BYTES (8u << 20)
#define SCAN_WORDS 64  /* pthread_create() has a frame of 42 */
#define MAX_PLUMBING 8 /* clone3() has three callers in the C library; stale words add */
#define VM_EXEC_FLAG 4

extern __u32 next_site;

/* Argument of the loop callbacks; the state itself is in the claimed slot. */
struct walk_ctx {
	__u32 slot;
};

static long vma_is_code(struct task_struct *task, struct vm_area_struct *vma, void *ret)
{
	*(__u32 *)ret = (vma->vm_flags & VM_EXEC_FLAG) != 0;
	return 0;
}

/* Whether addr lies in executable memory. Only a yes is remembered. */
static __noinline int is_code(__u64 addr, __u32 asid)
{
	__u64 word = (addr >> 12) << 16 | (asid & 0xffff), *known;
	__u32 slot = ((addr >> 12) ^ asid * 0x9e3779b1u) & (MT_CODE_SLOTS - 1);
	__u32 yes = 0;

	if (addr < 4096 || addr >= USER_TOP)
		return 0;
	known = bpf_map_lookup_elem(&code_pages, &slot);
	if (!known)
		return 0;
	if (*known == word)
		return 1;
	if (bpf_find_vma(bpf_get_current_task_btf(), addr, vma_is_code, &yes, 0) != 0)
		return 0; /* no mapping there, or its lock is contended: do not guess */
	if (yes)
		*known = word;
	return yes;
}

/* Whether the instruction before a return address is a call. */
static __noinline int follows_call(__u64 addr)
{
	__u8 b[CALL_BYTES];

	if (bpf_probe_read_user(b, sizeof(b), (const void *)(addr - sizeof(b))))
		return 0;
	return is_call(b);
}

static __always_inline int in_plumbing(const struct mt_proc *p, __u64 pc)
{
	for (int i = 0; i < MT_PLUMBING_RANGES; i++)
		if (pc >= p->plumbing[i].start && pc < p->plumbing[i].end)
			return 1;
	return 0;
}

static __always_inline void frame_push(struct mt_scratch *s, __u64 pc)
{
	__u32 n = s->ev.frames;

	if (n < MT_MAX_FRAMES) {
		s->ev.pc[n] = pc;
		s->ev.frames = n + 1;
	}
}

/* One word of the scan: stops at the first return address. */
static long scan_word(__u64 i, void *arg)
{
	struct walk_ctx *w = arg;
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &w->slot);
	__u64 word;

	if (!s || i >= SCAN_WORDS)
		return 1;
	word = code_address(s->window[i]);
	if (!is_code(word, s->asid) || !follows_call(word))
		return 0;
	frame_push(s, word);
	s->sp += (i + 1) * 8;
	return 1;
}

/* Finds the caller of a function that keeps no frame pointer. Returns 1 when a frame was added. */
static __noinline int scan_caller(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct walk_ctx w = { .slot = slot };
	__u32 before;

	if (!s)
		return 0;
	if (bpf_probe_read_user(s->window, sizeof(s->window), (const void *)s->sp)) {
		s->end = MT_END_unreadable;
		return 0;
	}
	before = s->ev.frames;
	bpf_loop(SCAN_WORDS, scan_word, &w, 0);
	return s->ev.frames != before;
}

/* One frame-pointer step. Returns 1 to stop; s->end says why. */
static long walk_frame(__u64 i, void *arg)
{
	struct walk_ctx *w = arg;
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &w->slot);
	__u64 bp, ret;

	if (!s)
		return 1;
	bp = s->bp;
	if (s->ev.frames >= MT_MAX_FRAMES || s->ev.frames >= cfg.max_frames) {
		s->end = MT_END_depth;
		return 1;
	}
	if (bp == 0) {
		s->end = i ? MT_END_start : MT_END_no_frame_pointer;
		return 1;
	}
	if ((bp & 7) || bp < s->sp || bp - s->sp > MAX_FRAME_BYTES) {
		s->end = MT_END_no_frame_pointer;
		return 1;
	}
	if (bpf_probe_read_user(s->window, 16, (const void *)bp)) {
		s->end = MT_END_unreadable;
		return 1;
	}
	ret = code_address(s->window[1]);
	if (ret == 0) {
		s->end = i ? MT_END_start : MT_END_no_frame_pointer;
		return 1;
	}
	if (!is_code(ret, s->asid)) {
		s->end = MT_END_not_code;
		return 1;
	}
	frame_push(s, ret);
	s->sp = bp + 16;
	s->bp = s->window[0];
	return 0;
}

static __noinline int scratch_claim(void)
{
	__u32 base = bpf_get_smp_processor_id() * MT_SCRATCH_PER_CPU;

	for (__u32 k = 0; k < MT_SCRATCH_PER_CPU; k++) {
		__u32 slot = base + k, *b = bpf_map_lookup_elem(&busy, &slot);

		if (b && __sync_lock_test_and_set(b, 1) == 0)
			return slot;
	}
	count(MT_CNT_scratch_busy);
	return -1;
}

static __always_inline void scratch_release(__u32 slot)
{
	__u32 *b = bpf_map_lookup_elem(&busy, &slot);

	if (b)
		__sync_lock_test_and_set(b, 0);
}

/* Walks from s->ev.pc[0], s->sp, s->bp. */
static __noinline int walk(__u32 slot, __u32 tgid)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct mt_proc *p = proc_find(tgid);
	struct walk_ctx w = { .slot = slot };

	if (!s || !p)
		return -1;
	for (int i = 0; i < MAX_PLUMBING; i++) {
		__u32 last = s->ev.frames - 1;

		if (last >= MT_MAX_FRAMES || !in_plumbing(p, s->ev.pc[last]))
			break;
		if (!scan_caller(slot))
			break;
	}
	bpf_loop(MT_MAX_FRAMES, walk_frame, &w, 0);
	return 0;
}

static long hash_frame(__u64 i, void *arg)
{
	struct walk_ctx *w = arg;
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &w->slot);
	__u64 h;

	if (!s || i >= MT_MAX_FRAMES || i >= s->ev.frames)
		return 1;
	h = (s->hash ^ s->ev.pc[i]) * 0x9fb21c651e98df25ull;
	s->hash = h ^ h >> 29;
	return 0;
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

/* Zeroes the state and sets the first frame. */
static __noinline int walk_begin(__u32 slot, __u64 ip, __u64 sp, __u64 bp, __u32 asid_kind)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);

	if (!s)
		return -1;
	s->asid = asid_kind & 0xffff;
	s->end = MT_END_unknown;
	s->sp = sp;
	s->bp = bp;
	s->hash = asid_kind;
	s->ev.reserved = 0;
	s->ev.site_kind = asid_kind >> 16;
	s->ev.frames = 1;
	s->ev.pc[0] = ip;
	return 0;
}

static __noinline int site_find(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct walk_ctx w = { .slot = slot };
	__u64 key;
	__u32 *site;

	if (!s)
		return MT_SITE_NONE;
	bpf_loop(MT_MAX_FRAMES, hash_frame, &w, 0);
	key = s->hash;
	site = bpf_map_lookup_elem(&site_index, &key);
	return site ? *site : site_make(slot);
}

__u32 mt_site_of(__u64 ip, __u64 sp, __u64 bp, __u32 asid, __u32 site_kind)
{
	int slot = scratch_claim(), site = MT_SITE_NONE;

	if (slot < 0)
		return MT_SITE_NONE;
	if (!walk_begin(slot, ip, sp, bp, (asid & 0xffff) | site_kind << 16) &&
	    !walk(slot, bpf_get_current_pid_tgid() >> 32))
		site = site_find(slot);
	scratch_release(slot);
	return site;
}
