/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Definitions of what core.bpf.h declares: maps and configuration. Sizes of 1 are placeholders;
 * the collector sets the real ones before load.
 */
#include "core.bpf.h"

struct mt_live_map live SEC(".maps");
struct mt_live_front_map live_front SEC(".maps");
struct mt_threads_map threads SEC(".maps");
struct mt_procs_map procs SEC(".maps");
struct mt_spaces_map spaces SEC(".maps");
struct mt_space_cpu_map space_cpu SEC(".maps");
struct mt_site_index_map site_index SEC(".maps");
struct mt_sites_map sites SEC(".maps");
struct mt_shard_of_map shard_of SEC(".maps");
struct mt_counters_map counters SEC(".maps");
struct mt_events_map events SEC(".maps");
struct mt_scratch_map scratch SEC(".maps");
struct mt_regions_map regions SEC(".maps");
struct mt_code_map code_pages SEC(".maps");
struct mt_syscalls_map syscalls SEC(".maps");
struct mt_plumbing_map plumbing SEC(".maps");
struct mt_memo_texts_map memo_texts SEC(".maps");
struct mt_faults_map faults SEC(".maps");
struct mt_conns_map conns SEC(".maps");
struct mt_contexts_map contexts SEC(".maps");
struct mt_conn_files_map conn_files SEC(".maps");

const volatile struct mt_config cfg = { .wire_version = MT_WIRE_VERSION };
const volatile __u8 followed[MT_SYSCALLS] = { 0 };

/* Next numbers to give out; user space takes address spaces and texts from
 * the same. */
__u32 next_site = 1;
__u32 next_asid = 1;
__u32 next_text = 1;
__u64 strangers = 0;
/* All CPUs read it at every event and one writes it, some hundred times a second. */
__u64 clock_seen __attribute__((aligned(128))) = 0;
__u32 hooks_in = 0;
__u32 contexts_on = 0;
__u32 conn_generation = 0;

#define ASID_TRIES 64 /* slots in use that are passed over in a row */

/* Of one slot, when it is nobody's. Global, so that it is verified once, not for each try. */
__noinline __u32 mt_space_claim(__u32 asid, __u32 tgid, __u32 like)
{
	struct mt_space *from = space_of(like), *s;
	__u32 slot = asid & (MT_SPACES - 1);

	s = bpf_map_lookup_elem(&spaces, &slot);
	if (!s || s->asid || __sync_val_compare_and_swap(&s->claimed, 0, 1))
		return 0;
	s->tgid = tgid;
	s->gap_log2 = from ? from->gap_log2 : 0;
	s->weight_log2 = from ? from->weight_log2 : 0;
	s->common = from ? from->common : 0;
	s->has_inner = s->inside = s->out_ds = s->shut = 0;
	__sync_lock_test_and_set(&s->asid, asid);
	return asid;
}

__u32 mt_common_asid(__u32 unused)
{
	struct mt_proc *p = proc_find(bpf_get_current_pid_tgid() >> 32);
	struct mt_space *s = p ? space_of(p->asid) : NULL;

	if (s && s->common)
		return p->asid;
	__sync_fetch_and_add(&strangers, 1);
	return 0;
}

__u32 mt_new_asid(__u32 tgid, __u32 like)
{
	for (int i = 0; i < ASID_TRIES; i++) {
		__u32 asid = __sync_fetch_and_add(&next_asid, 1);

		if (asid == 0 || asid > 0xffff) {
			__sync_fetch_and_add(&next_asid, -1);
			return 0;
		}
		asid = mt_space_claim(asid, tgid, like);
		if (asid)
			return asid;
	}
	return 0;
}

int mt_end_asid(__u32 asid)
{
	struct mt_space *s = space_of(asid);

	if (s && __sync_val_compare_and_swap(&s->asid, asid, 0) == asid)
		__sync_lock_test_and_set(&s->claimed, 0);
	return 0;
}

int mt_space_cpu_take(__u32 asid)
{
	__u32 at = bpf_get_smp_processor_id() * MT_SPACES + (asid & (MT_SPACES - 1));
	struct mt_space_cpu *c = bpf_map_lookup_elem(&space_cpu, &at);
	__u64 hits;

	if (!c)
		return 0;
	hits = __sync_lock_test_and_set(&c->hits, 0) + __sync_lock_test_and_set(&c->returns, 0);
	c->samples = c->work_ns = c->frees = c->calls = 0;
	c->left = 0;
	c->gap_log2 = 0;
	if (c->asid)
		count_add(MT_CNT_hits, hits);
	c->asid = asid;
	return 0;
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
