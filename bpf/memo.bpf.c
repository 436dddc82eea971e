/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Remembered walks. From a place (ip, sp, bp) a walk of the stack reads some words of it and the
 * code's tables, nothing else; so where these words are the same, and no code has changed, it ends
 * at the same site. Programs allocate from the same places again and again: comparing ten words
 * costs a tenth of walking ten frames.
 *
 * Walks that depend on more than that (return probes, signals, scans, switched stacks) and those
 * that ended early are not remembered. Direct-mapped; `turn` is odd while an entry is written.
 */
#include "memo.bpf.h"

struct mt_memos_map memos SEC(".maps");
struct mt_reaches_map reaches SEC(".maps");

/* User space adds one when tables or plumbing have changed: nothing from before is believed. */
__u32 memo_epoch = 1;

/* Global and never inlined: it would be verified with every word. */
__noinline int mt_read_more(__u32 slot, __u64 at, __u32 bytes)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);

	if (!s)
		return -1;
	reach_note(s->first_sp, bytes);
	return at - s->first_sp < bytes ? read_first(s, bytes) : mt_window_fill(slot, at);
}

__u32 mt_memo_find(__u32 slot, __u32 asid)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);

	return s ? memo_find(s, slot, asid) : 0;
}

/* Whoever writes the entry just now is right as well. */
int mt_memo_keep(__u32 slot, __u32 site)
{
	struct mt_scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct mt_memo *m;
	__u32 turn;

	if (!s || s->memo_off || s->end != MT_END_start || !site)
		return 0;
	m = memo_of(s);
	if (!m)
		return 0;
	turn = *(volatile __u32 *)&m->turn;
	if ((turn & 1) || __sync_val_compare_and_swap(&m->turn, turn, turn + 1) != turn)
		return 0;
	m->ip = s->first_ip;
	m->sp = s->first_sp;
	m->bp = s->first_bp;
	m->asid = s->asid;
	m->time = s->memo_time;
	m->kind = s->ev.site_kind;
	m->at_return = s->first_is_return;
	m->count = s->memo_count;
	m->takes_bp = s->memo_takes_bp;
	m->bytes = s->memo_bytes;
	__builtin_memcpy(m->word, s->memo_word, sizeof(m->word));
	__builtin_memcpy(m->value, s->memo_value, sizeof(m->value));
	*(volatile __u32 *)&m->site = site;
	__sync_fetch_and_add(&m->turn, 1);
	reach_note(s->first_sp, s->memo_bytes);
	return 0;
}
