/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Finds the rule of an address in the unwind tables: the mapping, the file, the piece, the row.
 * The mapping comes from the list that user space read, else from the kernel. A file that user
 * space has not heard of is announced. See memtrace/unwind.h for the tables.
 */
#include "shard.bpf.h"
#include "unwind.bpf.h"

/*
 * Searches halve a number that is not known when they are verified: steps of known widths would be
 * verified once for each way to take them.
 */
#define ROW_STEPS 12   /* a page of 4096 bytes has at most as many rows */
#define LAYOUT_STEPS 7 /* 128 mappings */
#define PIECE_STEPS 6  /* 64 pieces */
_Static_assert(1 << LAYOUT_STEPS == MT_LAYOUT_MAPPINGS, "the whole list");
_Static_assert(1 << PIECE_STEPS == MT_UNWIND_PIECES, "the whole list");

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
	__uint(max_entries, MT_PROCS_MAX);
	__type(key, __u32); /* tgid */
	__type(value, struct mt_layout);
} layouts SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct mt_file_key);
	__type(value, __u32);
} pending SEC(".maps");

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
	__u32 low = 0, n = l->count;

	for (int i = 0; i < LAYOUT_STEPS && n > 1; i++) {
		__u32 half = n / 2;

		if (l->map[(low + half) & (MT_LAYOUT_MAPPINGS - 1)].start <= at)
			low += half;
		n -= half;
	}
	return &l->map[low & (MT_LAYOUT_MAPPINGS - 1)];
}

int mt_holds_code(__u64 start, __u64 end)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct mt_layout *l = bpf_map_lookup_elem(&layouts, &tgid);
	struct mt_proc *p = proc_find(tgid);
	struct mt_mapping *m;

	if (!l || !p || (__s32)(l->text - p->text) <= 0 || l->count >= MT_LAYOUT_MAPPINGS)
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

	if (!s || !l || (__s32)(l->text - text_at(s, at)) <= 0)
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
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP); /* stacks end there until it is read */
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
	__u32 low = 0, n;

	if (!s)
		return 0;
	f = bpf_map_lookup_elem(&files, &s->file);
	if (!f || f->size != s->file_size)
		return RULE_PENDING;
	shift = s->vma_start - s->vma_offset;
	at -= shift;
	n = f->count;
	for (int i = 0; i < PIECE_STEPS && n > 1; i++) {
		__u32 half = n / 2;

		if (f->piece[(low + half) & (MT_UNWIND_PIECES - 1)].start <= at)
			low += half;
		n -= half;
	}
	p = &f->piece[low & (MT_UNWIND_PIECES - 1)];
	if (!f->count || at < p->start || at >= p->end)
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
		return mt_is_bare(slot, at) ? MT_UNWIND_RULE_BARE : MT_UNWIND_RULE_JIT;
	r = mt_piece_find(slot, at);
	if (r == 1)
		return mt_table_rule(slot, at);
	if (r == RULE_PENDING)
		mt_code_announce(slot);
	if (r == 0 && mt_in_plumbing(slot, at))
		return MT_UNWIND_RULE_SCAN;
	return r;
}
