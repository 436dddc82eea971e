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

char LICENSE[] SEC("license") = "GPL";
