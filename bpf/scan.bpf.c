/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The last resort for code that has neither an unwind table nor frame pointers, in runtime
 * libraries only (musl): the stack is searched for the next address that follows a call. A stale
 * return address can be taken for the caller's.
 */
#include "core.bpf.h"
#include "compat.bpf.h"

#define SCAN_WORDS 64 /* pthread_create() of musl has a frame of 42 */

static long vma_is_code(struct task_struct *task, struct vm_area_struct *vma, void *ret)
{
	*(__u32 *)ret = (vma->vm_flags & VM_EXEC_FLAG) != 0;
	return 0;
}

/* Whether addr lies in executable memory. Only a yes is remembered. */
static __noinline int is_code(__u64 addr, __u32 text)
{
	__u64 word = (addr >> 12) << MT_TEXT_BITS | text, *known;
	__u32 slot = ((addr >> 12) ^ text * 0x9e3779b1u) & (MT_CODE_SLOTS - 1);
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

int mt_in_plumbing(__u32 slot, __u64 at)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct mt_plumbing *p = bpf_map_lookup_elem(&plumbing, &tgid);

	if (!s || !p || p->asid != s->asid)
		return 0;
	for (int i = 0; i < MT_PLUMBING_RANGES; i++)
		if (at >= p->range[i].start && at < p->range[i].end)
			return 1;
	return 0;
}

int mt_is_bare(__u32 slot, __u64 at)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct mt_plumbing *p = bpf_map_lookup_elem(&plumbing, &tgid);

	if (!s || !p || p->asid != s->asid)
		return 0;
	for (int i = 0; i < MT_BARE_RANGES; i++)
		if (at >= p->bare[i].start && at < p->bare[i].end)
			return 1;
	return 0;
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
	if (!is_code(word, text_at(s, word) & MT_TEXT_MASK) || !follows_call(word))
		return 0;
	s->pc = word;
	s->sp += (i + 1) * 8;
	s->how = MT_HOW_SCAN;
	s->is_return = 1;
	s->from_jit = 0;
	return 1;
}

int mt_scan_caller(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct walk_ctx w = { .slot = slot };
	__u64 sp;

	if (!s)
		return 0;
	s->window_bytes = 0; /* overwritten here */
	sp = s->sp;
	if (bpf_probe_read_user(s->window, SCAN_WORDS * 8, (const void *)sp))
		return 0;
	bpf_loop(SCAN_WORDS, scan_word, &w, 0);
	return s->sp != sp;
}
