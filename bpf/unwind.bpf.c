/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Walks the user's stack, from frame to caller: by the unwind table of the file that the code is
 * mapped from, and by the frame pointer where there is none (generated code, Go). The rule of an
 * address is remembered in racache: return addresses repeat. Return addresses that a return
 * probe hides are taken from the kernel's list. The walk stops where the next frame would be a
 * guess; s->end says why. Not covered: i386 code; a frame whose CFA is in another register than
 * the stack and frame pointers.
 */
#include "shard.bpf.h"
#include "compat.bpf.h"

#define MAX_FRAME_BYTES (8u << 20)
#define MAX_SWITCHES 2 /* of stacks: Go's system stack, the goroutine's */
#define MAX_SCANS 8    /* clone3() of musl has three callers in the C library; stale words add */
#define MAX_PROBES 64  /* nested return probes; the kernel's own limit */
#define RACACHE_SLOTS 16384
#define RULE_BITS 12
#define ROW_STEPS 12 /* a page of 4096 bytes has at most as many rows */
#define PAGE_BYTES 4096

/* What mt_rule_find() answers beside a rule. */
#define RULE_NOT_CODE -1
#define RULE_LOCKED -2
#define RULE_PENDING -3

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
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct mt_file_key);
	__type(value, struct mt_unwind_file);
} files SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u32); /* tgid */
	__type(value, struct mt_layout);
} layouts SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct mt_file_key);
	__type(value, __u32);
} pending SEC(".maps");
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

/* --- finding the rule ----------------------------------------------------------------------- */

static long vma_note(struct task_struct *task, struct vm_area_struct *vma, void *arg)
{
	struct walk_ctx *w = arg;
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &w->slot);
	struct file *f;
	struct mm_struct *mm;

	if (!s)
		return 0;
	s->vma_is_code = (vma->vm_flags & VM_EXEC_FLAG) != 0;
	s->vma_start = vma->vm_start;
	s->vma_end = vma->vm_end;
	s->vma_offset = vma->vm_pgoff * PAGE_BYTES;
	s->file.inode = s->file.dev = 0;
	s->file_size = 0;
	f = vma->vm_file;
	if (f) {
		s->file.inode = f->f_inode->i_ino;
		s->file.dev = f->f_inode->i_sb->s_dev;
		s->file_size = f->f_inode->i_size;
		return 0;
	}
	mm = vma->vm_mm;
	if (mm && (__u64)mm->context.vdso == s->vma_start) {
		s->file.inode = MT_VDSO_INODE;
		s->file.dev = MT_VDSO_DEV;
		s->vma_offset = 0;
	}
	return 0;
}

/* The last mapping that begins at or below an address; the first one when none does. */
static __always_inline struct mt_mapping *layout_search(struct mt_layout *l, __u64 at)
{
	__u32 i = 0;

	for (__u32 step = MT_LAYOUT_MAPPINGS / 2; step; step >>= 1) {
		__u32 k = i + step;

		if (k < l->count && k < MT_LAYOUT_MAPPINGS && l->map[k].start <= at)
			i = k;
	}
	return &l->map[i & (MT_LAYOUT_MAPPINGS - 1)];
}

int mt_holds_code(__u64 start, __u64 end)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct mt_layout *l = bpf_map_lookup_elem(&layouts, &tgid);
	struct mt_proc *p = proc_find(tgid);
	struct mt_mapping *m;

	if (!l || !p || l->text != p->text || l->count >= MT_LAYOUT_MAPPINGS)
		return -1;
	m = layout_search(l, end - 1);
	return l->count && m->start < end && m->end > start;
}

/* Notes the mapping from what user space read. 0 when it is not there. */
int mt_layout_find(__u32 slot, __u64 at)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct mt_layout *l = bpf_map_lookup_elem(&layouts, &tgid);
	struct mt_mapping *m;

	if (!s || !l || l->text != s->text)
		return 0;
	m = layout_search(l, at);
	if (!l->count || at < m->start || at >= m->end)
		return 0;
	s->vma_is_code = 1;
	s->vma_start = m->start;
	s->vma_end = m->end;
	s->vma_offset = m->offset;
	s->file = m->file;
	s->file_size = m->file_size;
	return 1;
}

/* Tells user space, once, of a file whose table is wanted. */
int mt_code_announce(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct mt_ev_code *e;
	__u32 one = 1;
	int r;

	if (!s)
		return 0;
	r = bpf_map_update_elem(&pending, &s->file, &one, BPF_NOEXIST);
	if (r) {
		if (r != -EEXIST)
			count(MT_CNT_code_error);
		return 0;
	}
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		bpf_map_delete_elem(&pending, &s->file);
		count(MT_CNT_code_error);
		return 0;
	}
	hdr_fill(&e->hdr, bpf_get_current_pid_tgid() >> 32, MT_KIND_code, sizeof(*e));
	e->start = s->vma_start;
	e->end = s->vma_end;
	e->file = s->file;
	e->file_size = s->file_size;
	e->reserved = 0;
	bpf_ringbuf_submit(e, wakeup_flags());
	count(MT_CNT_code_announced);
	return 0;
}

/*
 * Finds the piece for an address in the mapping at hand. 1: s->piece_* are right for it; 0: the
 * file has no table there; RULE_PENDING: not known yet.
 */
int mt_piece_find(__u32 slot, __u64 at)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct mt_unwind_file *f;
	struct mt_unwind_piece *p;
	__u64 shift; /* from file offsets to addresses */
	__u32 i = 0, n;

	if (!s)
		return 0;
	f = bpf_map_lookup_elem(&files, &s->file);
	if (!f || f->size != s->file_size)
		return RULE_PENDING;
	shift = s->vma_start - s->vma_offset;
	at -= shift;
	n = f->count;
	for (__u32 step = MT_UNWIND_PIECES / 2; step; step >>= 1) {
		__u32 k = i + step;

		if (k < n && k < MT_UNWIND_PIECES && f->piece[k].start <= at)
			i = k;
	}
	p = &f->piece[i & (MT_UNWIND_PIECES - 1)];
	if (!n || at < p->start || at >= p->end)
		return 0;
	s->piece_start = p->start + shift > s->vma_start ? p->start + shift : s->vma_start;
	s->piece_end = p->end + shift < s->vma_end ? p->end + shift : s->vma_end;
	s->piece_base = p->base + shift;
	s->piece_shard = p->shard;
	s->piece_word = p->word;
	return 1;
}

static __always_inline __u32 word_at(const __u32 *words, __u32 i)
{
	i &= MT_UNWIND_SHARD_WORDS - 1;
	barrier_var(i);
	return words[i];
}

/* Searches the piece at hand. The greatest row that is not above the address holds. */
int mt_table_rule(__u32 slot, __u64 at)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u32 low, n, key, rule, *words;

	if (!s)
		return 0;
	words = shard_words(s->piece_shard);
	if (!words)
		return 0;
	at -= s->piece_base;
	key = (at & (MT_UNWIND_PAGE - 1)) << 16 | 0xffff;
	low = s->piece_word + (__u32)(at >> MT_UNWIND_PAGE_SHIFT);
	n = word_at(words, low + 1);
	low = word_at(words, low);
	n -= low;
	low += s->piece_word;
	for (int i = 0; i < ROW_STEPS && n > 1; i++) {
		__u32 half = n / 2;

		if (word_at(words, low + half) <= key)
			low += half;
		n -= half;
	}
	rule = word_at(words, low) & 0xffff;
	return rule < MT_UNWIND_RULES ? rule : 0;
}

int mt_rule_find(__u32 slot, __u64 at)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct walk_ctx w = { .slot = slot };
	int r;

	if (!s)
		return RULE_NOT_CODE;
	if (at >= s->piece_start && at < s->piece_end)
		return mt_table_rule(slot, at);
	s->vma_is_code = 0;
	if (!mt_layout_find(slot, at)) {
		r = bpf_find_vma(bpf_get_current_task_btf(), at, vma_note, &w, 0);
		if (r == -EBUSY)
			return RULE_LOCKED;
		if (r || !s->vma_is_code)
			return RULE_NOT_CODE;
	}
	if (!s->file.inode && !s->file.dev)
		return MT_UNWIND_RULE_JIT;
	r = mt_piece_find(slot, at);
	if (r == 1)
		return mt_table_rule(slot, at);
	if (r == RULE_PENDING)
		mt_code_announce(slot);
	return r;
}

/* The rule at the program counter, or RULE_... */
int mt_rule_of(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u64 at, tag, *known;
	__u32 i;
	int rule;

	if (!s)
		return RULE_NOT_CODE;
	at = s->pc - s->is_return;
	if (at < PAGE_BYTES || at >= USER_TOP)
		return RULE_NOT_CODE;
	tag = at >> 14 << (MT_TEXT_BITS + RULE_BITS) | (__u64)s->text << RULE_BITS;
	i = (at ^ at >> 14 ^ at >> 28 ^ s->text * 0x9e3779b1u) & (RACACHE_SLOTS - 1);
	known = bpf_map_lookup_elem(&racache, &i);
	if (!known)
		return RULE_NOT_CODE;
	if ((*known ^ tag) >> RULE_BITS == 0)
		return *known & ((1u << RULE_BITS) - 1);
	rule = mt_rule_find(slot, at);
	if (rule == 0 && mt_in_plumbing(slot, at))
		rule = MT_UNWIND_RULE_SCAN;
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
	if (mt_stack_word(slot, bp + 8))
		return 1;
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
	case MT_CFA_BP: return s->bp + r->off;
	case MT_CFA_SP_DEREF:
	case MT_CFA_BP_DEREF:
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
		if (mt_stack_word(slot, at + r->bp_off)) /* first: it lies below */
			return 1;
		s->bp = s->word;
	}
	if (mt_stack_word(slot, cfa - 8))
		return 1;
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

int mt_frame_leave(__u32 slot, __u32 rule)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct mt_unwind_rule *r = bpf_map_lookup_elem(&rules, &rule);

	if (!s || !r)
		return 1;
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
 * where the return address lies; a tail call adds another for the same place.
 */
int mt_return_restore(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct task_struct *task = bpf_get_current_task_btf();
	struct return_instance *ri = task->utask->return_instances;

	if (!s)
		return 1;
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

static long walk_frame(__u64 i, void *arg)
{
	struct walk_ctx *w = arg;
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &w->slot);
	int rule;

	if (!s)
		return 1;
	if (s->pc == s->trampoline && s->trampoline && mt_return_restore(w->slot))
		return 1;
	if (s->ev.frames >= MT_MAX_FRAMES || s->ev.frames >= cfg.max_frames) {
		s->end = MT_END_depth;
		return 1;
	}
	rule = mt_rule_of(w->slot);
	if (rule < 0) {
		mt_stop_at(w->slot, rule);
		return 1;
	}
	frame_push(s);
	if (rule == MT_UNWIND_RULE_SCAN) {
		s->wants_scan = 1;
		return 1;
	}
	if (rule == 0 || rule == MT_UNWIND_RULE_JIT)
		return mt_leave_by_frame_pointer(w->slot, rule != 0) != 0;
	return mt_frame_leave(w->slot, rule) != 0;
}

static __always_inline void count_end(__u32 end)
{
	if (end >= MT_END_no_frame_pointer && end < MT_END_MAX)
		count(MT_CNT_stack_no_frame_pointer + end - MT_END_no_frame_pointer);
}

int mt_unwind(__u32 slot)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct walk_ctx w = { .slot = slot };

	if (!s)
		return -1;
	for (int i = 0; i <= MAX_SCANS; i++) {
		s->wants_scan = 0;
		bpf_loop(MT_MAX_FRAMES + 1, walk_frame, &w, 0);
		if (!s->wants_scan)
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
