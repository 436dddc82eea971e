/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Unwind tables as the kernel holds them: arrays of words that user space maps and fills, made
 * when they are needed. See memtrace/unwind.h.
 */
#ifndef MEMTRACE_SHARD_BPF_H
#define MEMTRACE_SHARD_BPF_H

#include "core.bpf.h"

#ifdef MT_FAKE_SHARDS /* the tests on the host have no maps of maps */
__u32 *shard_words(__u32 shard);
#else
struct mt_shard_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, MT_UNWIND_SHARD_WORDS * 4);
};
struct mt_shards_map {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MT_UNWIND_SHARDS);
	__uint(key_size, 4);
	__uint(value_size, 4);
	__array(values, struct mt_shard_map);
} shards SEC(".maps");

static __always_inline __u32 *shard_words(__u32 shard)
{
	void *inner = bpf_map_lookup_elem(&shards, &shard);
	__u32 zero = 0;

	return inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
}
#endif

#endif
