/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Walks the user's stack, from frame to caller: by the unwind table of the file that the code is
 * mapped from (table.bpf.c), and by the frame pointer where there is none (generated code, Go). The
 * rule of an address is remembered in racache: return addresses repeat. Return addresses that a
 * return probe hides are taken from the kernel's list. The walk stops where the next frame would be
 * a guess; s->end says why. Not covered: i386 code; a frame whose CFA is in another register than
 * the stack and frame pointers.
 */
#include "compat.bpf.h"
#include "unwind.bpf.h"

#define MAX_FRAME_BYTES (8u << 20)
#define MAX_SWITCHES 2 /* of stacks: Go's system stack, the goroutine's */
#define MAX_SCANS 8    /* clone3() of musl has three callers in the C library; stale words add */
#define MAX_PROBES 64  /* nested return probes; the kernel's own limit */
#define RACACHE_SLOTS 16384
#define RULE_BITS 12

/* Offsets in the kernel's signal frame, from the stack pointer in the signal trampoline. */
#define SIGNAL_BP 120
#define SIGNAL_SP 160
#define SIGNAL_PC 168

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MT_UNWIND_RULES + 2);
	__type(key, __u32);
	__type(value, struct mt_unwind_rule);
} rules SEC(".maps");
/*
 * Direct-mapped. A word holds the upper 33 bits of the address, the text and the rule; with its
 * index it tells the whole address. Written and read as one word, so no lock.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RACACHE_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} racache SEC(".maps");

/* The rule at the program counter, or RULE_... */
static __always_inline int rule_of(struct mt_scratch *s, __u32 slot)
{
	__u64 at = s->pc - s->is_return, tag, *known;
	__u32 text = text_at(s, at) & MT_TEXT_MASK, i;
	int rule;

	if (at < PAGE_BYTES || at >= USER_TOP)
		return RULE_NOT_CODE;
	tag = at >> 14 << (MT_TEXT_BITS + RULE_BITS) | (__u64)text << RULE_BITS;
	i = (at ^ at >> 14 ^ at >> 28 ^ text * 0x9e3779b1u) & (RACACHE_SLOTS - 1);
	known = bpf_map_lookup_elem(&racache, &i);
	if (!known)
		return RULE_NOT_CODE;
	if ((*known ^ tag) >> RULE_BITS == 0)
		return *known & ((1u << RULE_BITS) - 1);
	rule = mt_rule_find(slot, at);
	if (rule >= 0)
		*known = tag | rule;
	return rule;
}

/* --- reading the stack ---------------------------------------------------------------------- */

int mt_window_fill(__u32 slot, __u64 at)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u64 n = sizeof(s->window);

	if (!s)
		return -1;
	s->window_at = at;
	s->window_bytes = n;
	if (!bpf_probe_read_user(s->window, sizeof(s->window), (const void *)at))
		return 0;
	/* the stack ends within: a page can be read to its end */
	n = PAGE_BYTES - (at & (PAGE_BYTES - 1));
	s->window_bytes = 0;
	if (n >= sizeof(s->window))
		return -1;
	if (bpf_probe_read_user(s->window, n, (const void *)at))
		return -1;
	s->window_bytes = n;
	return 0;
}

/* Reads a word of the user's stack into s->word. Not zero: s->end is set. */
int mt_stack_word(__u32 slot, __u64 at)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u64 off;

	if (!s)
		return -1;
	off = at - s->window_at;
	if ((off & 7) || off >= s->window_bytes) {
		if ((at & 7) || mt_window_fill(slot, at)) {
			s->end = MT_END_unreadable;
			return -1;
		}
		off = 0;
	}
	s->word = s->window[off >> 3 & (MT_WINDOW_WORDS - 1)];
	return 0;
}

/* --- what the walk depends on ----------------------------------------------------------------- */

static __always_inline void memo_note(struct mt_scratch *s, __u64 at, __u64 value)
{
	__u64 word = (at - s->first_sp) >> 3;
	__u32 n = s->memo_count;

	if (n >= MT_MEMO_WORDS || word > 0xffff) {
		s->memo_off = 1;
		return;
	}
	s->memo_word[n] = word;
	s->memo_value[n] = value;
	if (word < MT_WINDOW_WORDS && (word + 1) * 8 > s->memo_bytes)
		s->memo_bytes = (word + 1) * 8;
	s->memo_count = n + 1;
}

/* The frame pointer decides where the next frame is. */
static __always_inline void memo_note_bp(struct mt_scratch *s)
{
	if (s->bp_from > 1)
		memo_note(s, s->bp_from, s->bp);
	else if (!s->bp_from)
		s->memo_takes_bp = 1;
	s->bp_from = 1;
}

/* --- one frame ------------------------------------------------------------------------------ */

/* Whether the frame pointer can be one. When not, s->end is set; it is set anyway, for the worst.
 */
int mt_frame_pointer_ok(__u32 slot, __u32 jit)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u64 bp;

	if (!s)
		return 0;
	bp = s->bp;
	memo_note_bp(s);
	s->end = jit ? MT_END_jit : MT_END_no_frame_pointer;
	if (bp == 0 && s->how == MT_HOW_FRAME)
		s->end = MT_END_start;
	if ((bp & 7) || bp < PAGE_BYTES || bp >= USER_TOP)
		return 0;
	if (bp >= s->sp && bp - s->sp <= MAX_FRAME_BYTES)
		return 1;
	if (jit || s->switches >= MAX_SWITCHES)
		return 0;
	s->switches++;
	s->memo_off = 1;
	return 1;
}

/* By the frame pointer. Returns 1 to stop. */
int mt_leave_by_frame_pointer(__u32 slot, __u32 jit)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u64 bp;

	if (!s || !mt_frame_pointer_ok(slot, jit))
		return 1;
	bp = s->bp;
	if (mt_stack_word(slot, bp))
		return 1;
	s->bp = s->word;
	s->bp_from = bp;
	if (mt_stack_word(slot, bp + 8))
		return 1;
	memo_note(s, bp + 8, s->word);
	s->pc = code_address(s->word);
	if (s->pc == 0) {
		if (s->how == MT_HOW_FRAME)
			s->end = MT_END_start;
		return 1;
	}
	s->sp = bp + 16;
	s->is_return = 1;
	s->how = MT_HOW_FRAME;
	s->from_jit = jit;
	return 0;
}

/* Out of a signal handler: all registers are where the kernel saved them. */
int mt_leave_signal(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u64 at;

	if (!s)
		return 1;
	at = s->sp;
	s->memo_off = 1;
	if (mt_stack_word(slot, at + SIGNAL_BP))
		return 1;
	s->bp = s->word;
	if (mt_stack_word(slot, at + SIGNAL_PC))
		return 1;
	s->pc = s->word;
	if (mt_stack_word(slot, at + SIGNAL_SP))
		return 1;
	s->sp = s->word;
	s->is_return = 0;
	s->how = MT_HOW_SIGNAL;
	s->from_jit = 0;
	return 0;
}

/* The canonical frame address, 0 when it could not be had and s->end is set. */
__u64 mt_frame_address(__u32 slot, __u32 rule)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct mt_unwind_rule *r = bpf_map_lookup_elem(&rules, &rule);

	if (!s || !r)
		return 0;
	switch (r->cfa) {
	case MT_CFA_SP: return s->sp + r->off;
	case MT_CFA_BP: memo_note_bp(s); return s->bp + r->off;
	case MT_CFA_SP_DEREF:
	case MT_CFA_BP_DEREF:
		s->memo_off = 1;
		if (mt_stack_word(slot,
				  (r->cfa == MT_CFA_SP_DEREF ? s->sp : s->bp) + (r->off >> 8)))
			return 0;
		return s->word + (r->off & 255);
	case MT_CFA_PLT: return s->sp + 8 + ((s->pc & 15) >= r->off ? 8 : 0);
	}
	s->end = MT_END_unsupported;
	return 0;
}

/* By a rule of a table: the CFA, the saved frame pointer, the return address below the CFA. */
int mt_leave_by_table(__u32 slot, __u32 rule)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct mt_unwind_rule *r = bpf_map_lookup_elem(&rules, &rule);
	__u64 cfa, at;

	if (!s || !r)
		return 1;
	at = s->sp;
	s->end = MT_END_unreadable; /* also of a CFA that is 0: a register that holds nothing */
	cfa = mt_frame_address(slot, rule);
	if (cfa <= at)
		return 1;
	if (r->bp != MT_BP_SAME && r->bp < MT_BP_LOST) {
		at = r->bp == MT_BP_CFA ? cfa : r->bp == MT_BP_BP ? s->bp : s->sp;
		if (r->bp == MT_BP_BP)
			memo_note_bp(s);
		at += r->bp_off;
		if (mt_stack_word(slot, at)) /* first: it lies below */
			return 1;
		s->bp = s->word;
		s->bp_from = at;
	}
	if (mt_stack_word(slot, cfa - 8))
		return 1;
	memo_note(s, cfa - 8, s->word);
	s->pc = code_address(s->word);
	s->sp = cfa;
	s->is_return = 1;
	s->how = MT_HOW_TABLE;
	s->from_jit = 0;
	if (s->pc)
		return 0;
	s->end = MT_END_start;
	return 1;
}

/* By a rule that needs more than the window. Returns 1 to stop. */
static __always_inline int frame_leave(struct mt_scratch *s, __u32 slot, __u32 rule,
				       const struct mt_unwind_rule *r)
{
	if (r->cfa == MT_CFA_END) {
		s->end = MT_END_start;
		return 1;
	}
	if (r->cfa == MT_CFA_SIGNAL)
		return mt_leave_signal(slot);
	return mt_leave_by_table(slot, rule);
}

/*
 * The address that a return probe replaced. The kernel keeps one entry per hidden frame, found by
 * where the return address lies; a tail call adds another for the same place. Never inlined: it
 * would be verified with every frame.
 */
__noinline int mt_return_restore(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct task_struct *task = bpf_get_current_task_btf();
	struct return_instance *ri = task->utask->return_instances;

	if (!s)
		return 1;
	s->memo_off = 1; /* the stack does not tell where it goes on */
	for (int i = 0; i < MAX_PROBES && ri; i++) {
		if (ri->stack == s->sp - 8) {
			s->pc = ri->orig_ret_vaddr;
			count(MT_CNT_returns_restored);
			return 0;
		}
		ri = ri->next;
	}
	s->end = MT_END_not_code;
	return 1;
}

static __always_inline void frame_push(struct mt_scratch *s)
{
	__u32 n = s->ev.frames;
	__u64 h = (s->hash ^ s->pc) * 0x9fb21c651e98df25ull;

	if (n < MT_MAX_FRAMES) {
		s->ev.pc[n] = s->pc;
		s->ev.frames = n + 1;
		s->hash = h ^ h >> 29;
	}
}

/* The next frame has no rule: says why, and keeps what is certain of it. */
int mt_stop_at(__u32 slot, int why)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);

	if (!s)
		return 1;
	if (why == RULE_PENDING || why == RULE_LOCKED) {
		s->end = why == RULE_PENDING ? MT_END_table_pending : MT_END_map_locked;
		if (why == RULE_PENDING || s->how != MT_HOW_FRAME)
			frame_push(s);
		return 1;
	}
	if (s->ev.frames == 0)
		frame_push(s);
	s->end = s->how != MT_HOW_FRAME ? MT_END_not_code
		 : s->from_jit		? MT_END_jit
					: MT_END_no_frame_pointer;
	return 1;
}

/* Nine of ten frames: what is to be read lies in the window. 0: they are not, nothing was done. */
static __always_inline int leave_in_window(struct mt_scratch *s, const struct mt_unwind_rule *r)
{
	__u64 cfa, at, to;

	if (r->cfa == MT_CFA_SP)
		cfa = s->sp + r->off;
	else if (r->cfa == MT_CFA_BP)
		cfa = s->bp + r->off;
	else
		return 0;
	at = cfa - 8 - s->window_at;
	if (cfa <= s->sp || (at & 7) || at >= s->window_bytes)
		return 0;
	to = code_address(s->window[at >> 3 & (MT_WINDOW_WORDS - 1)]);
	if (!to)
		return 0;
	if (r->bp == MT_BP_CFA) {
		at += 8 + r->bp_off;
		if ((at & 7) || at >= s->window_bytes)
			return 0;
		if (r->cfa == MT_CFA_BP)
			memo_note_bp(s);
		s->bp = s->window[at >> 3 & (MT_WINDOW_WORDS - 1)];
		s->bp_from = s->window_at + at;
	} else if (r->bp != MT_BP_SAME && r->bp != MT_BP_LOST) {
		return 0;
	} else if (r->cfa == MT_CFA_BP) {
		memo_note_bp(s);
	}
	memo_note(s, cfa - 8, s->window[(cfa - 8 - s->window_at) >> 3 & (MT_WINDOW_WORDS - 1)]);
	s->pc = to;
	s->sp = cfa;
	s->is_return = 1;
	s->how = MT_HOW_TABLE;
	s->from_jit = 0;
	return 1;
}

/* The same for a frame pointer that raises no question. */
static __always_inline int leave_record_in_window(struct mt_scratch *s, int jit)
{
	__u64 bp = s->bp, at = bp - s->window_at, to;

	if (bp < s->sp || bp - s->sp > MAX_FRAME_BYTES || (at & 7) || at >= s->window_bytes ||
	    at + 8 >= s->window_bytes)
		return 0;
	to = code_address(s->window[((at >> 3) + 1) & (MT_WINDOW_WORDS - 1)]);
	if (!to || (bp & 7))
		return 0;
	memo_note_bp(s);
	memo_note(s, bp + 8, s->window[((at >> 3) + 1) & (MT_WINDOW_WORDS - 1)]);
	s->bp = s->window[at >> 3 & (MT_WINDOW_WORDS - 1)];
	s->bp_from = bp;
	s->pc = to;
	s->sp = bp + 16;
	s->is_return = 1;
	s->how = MT_HOW_FRAME;
	s->from_jit = jit;
	return 1;
}

static long walk_frame(__u64 i, void *arg)
{
	struct walk_ctx *w = arg;
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &w->slot);
	struct mt_unwind_rule *r;
	int rule;

	if (!s)
		return 1;
	if (s->pc == s->trampoline && s->trampoline && mt_return_restore(w->slot))
		return 1;
	if (s->ev.frames >= MT_MAX_FRAMES || s->ev.frames >= cfg.max_frames) {
		s->end = MT_END_depth;
		return 1;
	}
	rule = rule_of(s, w->slot);
	if (rule < 0) {
		mt_stop_at(w->slot, rule);
		return 1;
	}
	frame_push(s);
	if (rule == MT_UNWIND_RULE_SCAN) {
		s->memo_off = 1;
		s->wants_scan = 1;
		return 1;
	}
	if (rule == MT_UNWIND_RULE_BARE) {
		s->end = MT_END_jit;
		return 1;
	}
	if (rule == 0 || rule == MT_UNWIND_RULE_JIT)
		return !leave_record_in_window(s, rule != 0) &&
		       mt_leave_by_frame_pointer(w->slot, rule != 0) != 0;
	r = bpf_map_lookup_elem(&rules, &rule);
	if (!r)
		return 1;
	if (leave_in_window(s, r))
		return 0;
	return frame_leave(s, w->slot, rule, r) != 0;
}

static __always_inline void count_end(__u32 end)
{
	if (end >= MT_END_no_frame_pointer && end < MT_END_MAX)
		count(MT_CNT_stack_no_frame_pointer + end - MT_END_no_frame_pointer);
}

/* From frame to frame until it stops or wants a scan. Global: verified once, not for each scan. */
__noinline int mt_walk(__u32 slot)
{
	struct walk_ctx w = { .slot = slot };

	return bpf_loop(MT_MAX_FRAMES + 1, walk_frame, &w, 0);
}

int mt_unwind(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);

	if (!s)
		return -1;
	for (int i = 0; i <= MAX_SCANS; i++) {
		s->wants_scan = 0;
		if (mt_walk(slot) < 0 || !s->wants_scan)
			break;
		if (i < MAX_SCANS && mt_scan_caller(slot))
			continue;
		if (mt_leave_by_frame_pointer(slot, 0))
			break;
	}
	s->hash ^= (__u64)s->end << 56;
	count_end(s->end);
	return 0;
}

/* count_end() counts by the end's number. */
#define SAME(name)                                                                      \
	_Static_assert((int)MT_CNT_stack_##name - (int)MT_CNT_stack_no_frame_pointer == \
			       (int)MT_END_##name - (int)MT_END_no_frame_pointer,       \
		       #name)
SAME(depth);
SAME(unreadable);
SAME(not_code);
SAME(jit);
SAME(unsupported);
SAME(table_pending);
SAME(map_locked);
