/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Remembered walks: what is kept of one, and how it is looked up (memo.bpf.c says why that is
 * right). Inlined: it is what most allocations cost beside their probe.
 */
#ifndef MEMTRACE_MEMO_BPF_H
#define MEMTRACE_MEMO_BPF_H

#include "compat.bpf.h"

#define MEMO_SLOTS 2048

struct mt_memo {
	__u64 ip;
	__u64 sp;
	__u64 bp;
	__u64 time; /* memo_time() when the walk began */
	__u32 turn;
	__u32 asid;
	__u32 site;
	__u8 kind;
	__u8 at_return;
	__u8 count;
	__u8 takes_bp;
	__u32 bytes; /* of the stack, to the last of the words in the first window */
	__u32 reserved;
	__u16 word[MT_MEMO_WORDS]; /* from sp, in words, ascending or not */
	__u64 value[MT_MEMO_WORDS];
};
struct mt_memos_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MEMO_SLOTS);
	__type(key, __u32);
	__type(value, struct mt_memo);
};
extern struct mt_memos_map memos SEC(".maps");
extern __u32 memo_epoch;

/*
 * How much of the stack walks from a stack pointer needed, in bytes, by its hash: before the return
 * address is read it is not known which walk it will be. A guess that is wrong costs a second
 * read. 0: no walk yet.
 */
struct mt_reaches_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MEMO_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
};
extern struct mt_reaches_map reaches SEC(".maps");

static __always_inline __u32 *reach_of(__u64 sp)
{
	__u32 i = (sp >> 3) * 0x9e3779b1u >> 21 & (MEMO_SLOTS - 1);

	return bpf_map_lookup_elem(&reaches, &i);
}

static __always_inline void reach_note(__u64 sp, __u32 bytes)
{
	__u32 *reach = reach_of(sp);

	if (reach && *reach != bytes)
		*reach = bytes;
}

static __always_inline __u64 memo_time(__u32 asid)
{
	__u32 i = asid & (MT_SPACES - 1), *text = bpf_map_lookup_elem(&memo_texts, &i);

	return (text ? *(volatile __u32 *)text : 0) | (__u64) * (volatile __u32 *)&memo_epoch << 32;
}

static __always_inline struct mt_memo *memo_of(const struct mt_scratch *s)
{
	__u32 i = s->memo_at & (MEMO_SLOTS - 1);

	return bpf_map_lookup_elem(&memos, &i);
}

/* Most often all of the words: as much is read as they need. */
static __always_inline int read_first(struct mt_scratch *s, __u32 n)
{
	if (n > sizeof(s->window)) /* 0 reads nothing: older verifiers lose the bound of n - 1 */
		return -1;
	s->window_bytes = 0; /* a read that fails leaves zeros */
	if (bpf_probe_read_user(s->window, n, (const void *)s->first_sp))
		return -1;
	s->window_at = s->first_sp;
	s->window_bytes = n;
	return 0;
}

/* What was read ends before `at`. Next time more is read at once. */
int mt_read_more(__u32 slot, __u64 at, __u32 bytes);

/* Whether the words are on the stack as they were. */
static __always_inline int same_words(struct mt_scratch *s, __u32 slot, struct mt_memo *m)
{
	__u64 off;

	if (!s->window_bytes && read_first(s, m->bytes))
		return 0;
	for (__u32 i = 0; i < MT_MEMO_WORDS; i++) {
		if (i >= m->count)
			return 1;
		off = s->first_sp + ((__u64)m->word[i] << 3) - s->window_at;
		if (off >= s->window_bytes) {
			if (mt_read_more(slot, s->window_at + off, m->bytes))
				return 0;
			off = s->first_sp + ((__u64)m->word[i] << 3) - s->window_at;
		}
		if (s->window[off >> 3 & (MT_WINDOW_WORDS - 1)] != m->value[i])
			return 0;
	}
	return 1;
}

/*
 * The site that a walk from the first frame in a claimed slot ended at before, 0: not known. What
 * it looks at as well: where a walk from there is to be remembered.
 */
static __always_inline __u32 memo_find(struct mt_scratch *s, __u32 slot, __u32 asid)
{
	struct mt_memo *m;
	__u32 turn, site;

	s->memo_at = ((s->pc ^ s->sp >> 4) * 0x9fb21c651e98df25ull) >> 52;
	s->memo_time = memo_time(asid);
	m = memo_of(s);
	if (!m)
		return 0;
	turn = *(volatile __u32 *)&m->turn;
	if ((turn & 1) || !*(volatile __u32 *)&m->site || m->asid != asid || m->ip != s->pc ||
	    m->sp != s->first_sp || m->time != s->memo_time || m->kind != s->ev.site_kind ||
	    m->at_return != s->is_return || (m->takes_bp && m->bp != s->bp) ||
	    !same_words(s, slot, m))
		return 0;
	site = *(volatile __u32 *)&m->site;
	return load_last(&m->turn) == turn ? site : 0;
}

#endif
