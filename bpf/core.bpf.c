/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Definitions of what core.bpf.h declares: maps and configuration. Sizes of 1 are placeholders;
 * the collector sets the real ones before load.
 */
#include "core.bpf.h"

struct mt_live_map live SEC(".maps");
struct mt_threads_map threads SEC(".maps");
struct mt_procs_map procs SEC(".maps");
struct mt_site_index_map site_index SEC(".maps");
struct mt_sites_map sites SEC(".maps");
struct mt_counters_map counters SEC(".maps");
struct mt_events_map events SEC(".maps");
struct mt_scratch_map scratch SEC(".maps");
struct mt_busy_map busy SEC(".maps");
struct mt_regions_map regions SEC(".maps");
struct mt_code_map code_pages SEC(".maps");
struct mt_syscalls_map syscalls SEC(".maps");
struct mt_plumbing_map plumbing SEC(".maps");
struct mt_memo_texts_map memo_texts SEC(".maps");

const volatile struct mt_config cfg = { .wire_version = MT_WIRE_VERSION };

/* Next numbers to give out; user space takes address spaces and texts from
 * the same. */
__u32 next_site = 1;
__u32 next_asid = 1;
__u32 next_text = 1;

__u32 mt_new_asid(__u32 unused)
{
	__u32 asid = __sync_fetch_and_add(&next_asid, 1);

	if (asid == 0 || asid > 0xffff) {
		__sync_fetch_and_add(&next_asid, -1);
		return 0;
	}
	return asid;
}

/* For whoever remembers something of an address space as a whole. */
static __always_inline void text_note(__u32 asid, __u32 number)
{
	__u32 i = asid & (MT_SPACES - 1), *last = bpf_map_lookup_elem(&memo_texts, &i);

	if (last)
		*(volatile __u32 *)last = number;
}

int mt_text_all_changed(__u32 tgid)
{
	struct mt_proc *p = proc_find(tgid);
	__u32 number = __sync_fetch_and_add(&next_text, 1);

	if (!p)
		return 0;
	p->text = number;
	text_note(p->asid, number);
	for (__u32 i = 0; i < MT_TEXT_PIECES; i++)
		p->piece[i] = number;
	return 0;
}

int mt_text_changed(__u64 start, __u64 end)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct mt_proc *p = proc_find(tgid);
	__u64 n = ((end - 1) >> MT_TEXT_SHIFT) - (start >> MT_TEXT_SHIFT) + 1;
	__u32 number;

	if (!p)
		return 0;
	if (end <= start || n >= MT_TEXT_PIECES)
		return mt_text_all_changed(tgid);
	number = __sync_fetch_and_add(&next_text, 1);
	p->text = number;
	text_note(p->asid, number);
	for (__u32 i = 0; i < MT_TEXT_PIECES && i < n; i++)
		p->piece[((start >> MT_TEXT_SHIFT) + i) & (MT_TEXT_PIECES - 1)] = number;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
