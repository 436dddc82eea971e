/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What every BPF file shares: the maps (defined in core.bpf.c), counting, sending, and the rules
 * of this folder. Programs run preemptibly: at most 48 bytes of BPF stack per sub-program, nothing
 * is per-CPU by assumption, scratch is claimed and released, values are copied before their key
 * is deleted, and every helper's failure is counted.
 */
#ifndef MEMTRACE_CORE_BPF_H
#define MEMTRACE_CORE_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "memtrace/wire.h"

#define MT_SCRATCH_PER_CPU 4
#define MT_REGION_SHIFT 21
#define MT_REGION_SLOTS 4096
#define MT_CODE_SLOTS 4096

#ifndef EEXIST
#define ENOENT 2
#define EEXIST 17
#define E2BIG 7
#endif

/* One block of the live set. Small on purpose: the cost of a large map is its cache misses. */
struct mt_block {
	__u64 size;
	__u32 site;
	__u32 born_ds; /* tenths of a second since mt_config.boot_ns */
};

/*
 * The allocation call a thread is in; only that thread writes it. `sp` is the stack pointer at
 * entry and 0 outside: it pairs a return with its entry and tells inner calls from outer ones.
 */
struct mt_thread {
	__u64 sp;
	__u64 size;
	__u64 ptr; /* the block given up (realloc) or where the result goes (posix_memalign) */
	struct mt_block kept; /* realloc: the old block's record while the call runs */
	__u32 fn;
	__u32 has_kept;
	__u64 last_free; /* free() inside operator delete and the like comes twice */
	__u64 last_free_sp;
};

/* State of one stack walk, and the record it ends in. Claimed, never shared. */
struct mt_scratch {
	__u64 hash;
	__u64 sp;
	__u64 bp;
	__u32 asid;
	__u32 end;
	__u64 window[64]; /* a piece of the user's stack */
	struct mt_ev_site ev;
};

struct mt_live_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64); /* address | asid << 48 */
	__type(value, struct mt_block);
};
struct mt_threads_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32); /* thread id */
	__type(value, struct mt_thread);
};
struct mt_procs_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32); /* tgid */
	__type(value, struct mt_proc);
};
struct mt_site_index_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* hash of address space, kind and stack */
	__type(value, __u32);
};
struct mt_sites_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_site);
};
struct mt_counters_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MT_CNT_MAX);
	__type(key, __u32);
	__type(value, __u64);
};
struct mt_events_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};
struct mt_scratch_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_scratch);
};
struct mt_busy_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};
struct mt_regions_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MT_REGION_SLOTS);
	__type(key, __u32);
	__type(value, __u64); /* (address >> MT_REGION_SHIFT) << 16 | asid, 0 = empty */
};
struct mt_code_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MT_CODE_SLOTS);
	__type(key, __u32);
	__type(value, __u64); /* page number << 16 | asid of a page known to hold code */
};
struct mt_syscalls_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_syscall);
};

extern struct mt_live_map live SEC(".maps");
extern struct mt_threads_map threads SEC(".maps");
extern struct mt_procs_map procs SEC(".maps");
extern struct mt_site_index_map site_index SEC(".maps");
extern struct mt_sites_map sites SEC(".maps");
extern struct mt_counters_map counters SEC(".maps");
extern struct mt_events_map events SEC(".maps");
extern struct mt_scratch_map scratch SEC(".maps");
extern struct mt_busy_map busy SEC(".maps");
extern struct mt_regions_map regions SEC(".maps");
extern struct mt_code_map code_pages SEC(".maps");
extern struct mt_syscalls_map syscalls SEC(".maps");

extern const volatile struct mt_config cfg;

/* The call site of a stack that begins at (ip, sp, bp); MT_SITE_NONE when it could not be had. */
__u32 mt_site_of(__u64 ip, __u64 sp, __u64 bp, __u32 asid, __u32 site_kind);
/* The next unused address-space id, 0 when they are used up. */
__u32 mt_new_asid(__u32 unused);

static __always_inline void count_add(__u32 counter, __u64 n)
{
	__u64 *v = bpf_map_lookup_elem(&counters, &counter);

	if (v) /* atomic: a preempting thread of this CPU counts here too */
		__sync_fetch_and_add(v, n);
}

static __always_inline void count(__u32 counter)
{
	count_add(counter, 1);
}

static __always_inline struct mt_proc *proc_find(__u32 tgid)
{
	return bpf_map_lookup_elem(&procs, &tgid);
}

/* A reader is woken when the buffer fills up; below that it comes by itself a few times a second.
 */
static __always_inline __u64 wakeup_flags(void)
{
	__u64 used = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
	__u64 size = bpf_ringbuf_query(&events, BPF_RB_RING_SIZE);

	return used * 4 > size ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void hdr_fill(struct mt_hdr *h, __u32 tgid, __u16 kind, __u16 size)
{
	h->time_ns = bpf_ktime_get_ns();
	h->tgid = tgid;
	h->kind = kind;
	h->size = size;
}

static __always_inline __u32 now_ds(void)
{
	return (bpf_ktime_get_ns() - cfg.boot_ns) / 100000000ull;
}

#endif
