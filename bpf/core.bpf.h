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
#define MT_ADDR_MASK 0x0000ffffffffffffull
#define MT_REGION_SHIFT 21
#define MT_REGION_SLOTS 4096
#define MT_CODE_SLOTS 4096
#define VM_EXEC_FLAG 4

#ifndef EEXIST
#define ENOENT 2
#define EEXIST 17
#define EBUSY 16
#define E2BIG 7
#endif

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
	__u32 taken;   /* the call is to be recorded; else it only keeps inner ones from it */
	__u32 counted; /* in mt_space.inside */
	__u32 unused;
	__u32 gaps; /* mt_space.gap_log2 when it was, | weight_log2 << 8 */
	/* the same of a function with a MT_POINT_SIZE, which has no sp in common with its result */
	__u64 point_size;
	__u32 point_taken;
	__u32 point_gaps;
};

#define MT_WINDOW_WORDS 128
#define MT_MEMO_WORDS 64 /* of the stack that a remembered walk depended on, at most */

/* How the program counter of the frame at hand was found. */
enum mt_how {
	MT_HOW_FIRST = 0, /* given */
	MT_HOW_TABLE = 1,
	MT_HOW_FRAME = 2, /* by a frame pointer */
	MT_HOW_SIGNAL = 3,
	MT_HOW_SCAN = 4,
};

/* State of one stack walk, and the record it ends in. Claimed, never shared. */
struct mt_scratch {
	__u32 busy; /* claimed by a thread, which alone touches the rest */
	__u32 asid;
	__u64 hash;
	__u64 pc;
	__u64 sp;
	__u64 bp;
	__u64 trampoline; /* where a return probe makes its function return to; 0: none yet */
	__u32 end;
	__u8 is_return;	 /* pc is a return address: its code is the byte before */
	__u8 how;	 /* enum mt_how */
	__u8 from_jit;	 /* pc was found by the frame pointer of generated code */
	__u8 switches;	 /* of the stack, seen by frame pointers */
	__u8 wants_scan; /* the walk halts for mt_scan_caller() */
	/* the mapping that was looked at last; file: {0, 0} when it has none */
	__u8 vma_is_code;
	__u32 file_size;
	__u64 vma_start;
	__u64 vma_end;
	__u64 vma_offset;
	struct mt_file_key file;
	/* the piece of a table that was searched last: addresses that it is right for, and of the
	 * page that its index begins with */
	__u64 piece_start;
	__u64 piece_end;
	__u64 piece_base;
	__u32 piece_shard;
	__u32 piece_word;
	__u32 text[MT_TEXT_PIECES]; /* mt_proc.piece */
	/* what the walk depended on, see memo.bpf.c */
	__u64 first_ip;
	__u64 first_sp;
	__u64 first_bp;
	__u64 memo_time;
	__u64 bp_from; /* where bp was read; 0: it is the register's; 1: noted already */
	__u32 memo_at; /* where walks from here are remembered */
	__u8 first_is_return;
	__u8 memo_off;	    /* it cannot be remembered */
	__u8 memo_takes_bp; /* the register bp was used */
	__u8 memo_count;
	__u32 memo_bytes;		/* to the last of the words that one window can hold */
	__u16 memo_word[MT_MEMO_WORDS]; /* from first_sp, in words */
	__u64 memo_value[MT_MEMO_WORDS];
	/* a piece of the user's stack */
	__u64 word; /* what stack_word() read */
	__u64 window_at;
	__u64 window_bytes;
	__u64 window[MT_WINDOW_WORDS];
	struct mt_ev_site ev;
};

/* Argument of the loop callbacks; the state itself is in the claimed slot. */
struct walk_ctx {
	__u32 slot;
};

struct mt_live_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64); /* address | asid << 48 */
	__type(value, struct mt_block);
};
struct mt_live_front_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_bucket);
};
struct mt_threads_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32); /* thread id */
	__type(value, struct mt_thread);
};
struct mt_procs_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MT_PROCS_MAX);
	__type(key, __u32); /* tgid */
	__type(value, struct mt_proc);
};
struct mt_spaces_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MT_SPACES);
	__type(key, __u32);
	__type(value, struct mt_space);
};
struct mt_space_cpu_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MT_SPACES);
	__type(key, __u32); /* cpu * MT_SPACES + slot */
	__type(value, struct mt_space_cpu);
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
struct mt_shard_of_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);   /* site */
	__type(value, __u64); /* elements of an array lie 8 bytes apart at least */
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
	__type(value,
	       __u64); /* page number << MT_TEXT_BITS | text_at() of a page known to hold code */
};
struct mt_plumbing_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MT_PROCS_MAX);
	__type(key, __u32); /* tgid */
	__type(value, struct mt_plumbing);
};
struct mt_syscalls_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_syscall);
};
struct mt_faults_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32); /* tgid */
	__type(value, struct mt_faults);
};

struct mt_conns_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MT_CONN_BUCKETS);
	__type(key, __u32);
	__type(value, struct mt_conn_bucket);
};
struct mt_contexts_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MT_CONTEXTS);
	__type(key, __u32);   /* thread id, modulo */
	__type(value, __u64); /* thread id << 32 | connection << MT_SITE_BITS | MT_CONTEXT_LOOPS */
};

struct mt_conn_files_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MT_CONN_FILES);
	__type(key, __u32);
	__type(value, __u64);
};

struct mt_memo_texts_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MT_SPACES);
	__type(key, __u32);   /* address space, modulo */
	__type(value, __u32); /* the number of the last change of its code */
};

extern struct mt_live_map live SEC(".maps");
extern struct mt_live_front_map live_front SEC(".maps");
extern struct mt_threads_map threads SEC(".maps");
extern struct mt_procs_map procs SEC(".maps");
extern struct mt_spaces_map spaces SEC(".maps");
extern struct mt_space_cpu_map space_cpu SEC(".maps");
extern struct mt_site_index_map site_index SEC(".maps");
extern struct mt_sites_map sites SEC(".maps");
extern struct mt_shard_of_map shard_of SEC(".maps");
extern struct mt_counters_map counters SEC(".maps");
extern struct mt_events_map events SEC(".maps");
extern struct mt_scratch_map scratch SEC(".maps");
extern struct mt_regions_map regions SEC(".maps");
extern struct mt_code_map code_pages SEC(".maps");
extern struct mt_syscalls_map syscalls SEC(".maps");
extern struct mt_plumbing_map plumbing SEC(".maps");
extern struct mt_memo_texts_map memo_texts SEC(".maps");
extern struct mt_faults_map faults SEC(".maps");
extern struct mt_conns_map conns SEC(".maps");
extern struct mt_contexts_map contexts SEC(".maps");
extern struct mt_conn_files_map conn_files SEC(".maps");

extern const volatile struct mt_config cfg;
extern const volatile __u8 followed[MT_SYSCALLS];

/* The number of the next change of code; see struct mt_proc. */
extern __u32 next_text;
/* System calls are followed: changes of code are noted as they happen. */
extern __u32 hooks_in;
/* It is followed which connection a thread serves. */
extern __u32 contexts_on;
/* Of what is remembered of files: see wire.h. */
extern __u32 conn_generation;
/* The code of the current process changes in [start, end); all of another process's. */
int mt_text_changed(__u64 start, __u64 end);
int mt_text_all_changed(__u32 tgid);

/*
 * The call site of a stack that begins at (ip, sp, bp); MT_SITE_NONE when it could not be had.
 * kind: enum mt_site_kind, with MT_AT_RETURN when ip is where a call returns to.
 */
#define MT_AT_RETURN 0x100
__u32 mt_site_of(__u64 ip, __u64 sp, __u64 bp, __u32 asid, __u32 kind);
/*
 * The call site of a function's caller, by where its return address lies and its frame pointer.
 * With MT_BP_BELOW in kind, the frame pointer is so many words below the return address, and is
 * read with it: a second read would cost as much as the first.
 * MT_SITE_HIDDEN: a return probe took the address away.
 */
#define MT_SITE_HIDDEN (~0u)
#define MT_BP_BELOW(words) ((__u32)(words) << 16)
#define MT_BP_BELOW_OF(kind) ((kind) >> 16 & MT_BP_BELOW_MAX)
#define MT_BP_BELOW_MAX 63u
__u32 mt_site_of_caller(__u64 at, __u64 bp, __u32 asid, __u32 kind);
/* Finds the callers of the frame in a claimed slot: fills its record's stack, hash and end. */
int mt_unwind(__u32 slot);
/* The site that the walk from the first frame in a claimed slot ended at before, 0: not known. */
__u32 mt_memo_find(__u32 slot, __u32 asid);
/* Remembers the walk in a claimed slot, which ended at a site. */
int mt_memo_keep(__u32 slot, __u32 site);
/* Reads a piece of the user's stack, up to the end of what can be read; not zero: nothing can. */
int mt_window_fill(__u32 slot, __u64 at);
/* Whether code is mapped there, as far as user space has read it; -1: that is not up to date. */
int mt_holds_code(__u64 start, __u64 end);
/* Whether code without a table is a runtime library's, which the process's plumbing names. */
int mt_in_plumbing(__u32 slot, __u64 at);
/* Whether generated code is known to keep no frame pointer. */
int mt_is_bare(__u32 slot, __u64 at);
/* Finds the caller on the stack of a function that has no table. 1: it is the new pc. */
int mt_scan_caller(__u32 slot);
/* A new address space, sampled as `like` is; 0 when there is none left. */
__u32 mt_new_asid(__u32 tgid, __u32 like);
/* It is gone: probes that still speak of it do nothing. */
int mt_end_asid(__u32 asid);
/* Makes this CPU's numbers those of another address space, which has the same slot. */
int mt_space_cpu_take(__u32 asid);

/*
 * The live set with all its accounting. held: weight.h; tenths of a second: now_ds(). What is put
 * in under a key that is there ends the block that was: its free was missed, or no probe was in.
 */
static __always_inline __u64 block_key(__u64 addr, __u32 asid)
{
	return (addr & MT_ADDR_MASK) | (__u64)asid << 48;
}
/* 0: it is in the live set and accounted for. */
int mt_block_born(__u64 addr, __u64 held, __u32 site, __u32 asid);
/* 1: it was known. */
int mt_block_died(__u64 addr, __u32 asid);
/* The same in parts, for realloc(): into the live set; out of it (1: it was in). */
int mt_live_put(__u64 key, __u64 held, __u32 site, __u32 born_ds);
int mt_live_take(__u64 key, struct mt_block *ret);
int mt_site_born(__u32 site, __u64 held, __u32 born_ds);
int mt_site_died(__u32 site, __u64 held, __u32 born_ds);
int mt_site_resized(__u32 site, __u64 was, __u64 held); /* of the same weight */
/* The connection that the current thread serves, where a block keeps it; 0: none. */
__u32 mt_context(__u32 unused);
/* A block of a connection came or went. */
int mt_conn_born(__u32 conn, __u64 held);
int mt_conn_died(__u32 conn, __u64 held);
/* A block that was made lately to be read into belongs to the connection that was read from. */
int mt_block_adopt(__u64 key, __u32 context);
/* --events only; fn: enum mt_fn. */
int mt_alloc_send(__u64 addr, __u64 size, __u64 old, __u32 asid, __u32 fn_site);

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

/* Where a return probe makes its function return to; 0: none has been hit in this process yet. */
static __always_inline __u64 return_trampoline(void)
{
	return bpf_get_current_task_btf()->mm->uprobes_state.xol_area->vaddr;
}

static __always_inline struct mt_proc *proc_find(__u32 tgid)
{
	return bpf_map_lookup_elem(&procs, &tgid);
}

/* The number of the last change of code around an address. */
static __always_inline __u32 text_at(const struct mt_scratch *s, __u64 at)
{
	return s->text[at >> MT_TEXT_SHIFT & (MT_TEXT_PIECES - 1)];
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

/* jiffies << 32 | tenths of a second since cfg.boot_ns that they were found to be. */
extern __u64 clock_seen;

/* Reading the clock is dear; it is read once per tick of the kernel's. */
static __always_inline __u32 now_ds(void)
{
	__u32 tick = bpf_jiffies64();
	__u64 seen = *(volatile __u64 *)&clock_seen;
	__u32 ds;

	if (seen >> 32 == tick)
		return seen;
	ds = (bpf_ktime_get_ns() - cfg.boot_ns) / 100000000ull;
	*(volatile __u64 *)&clock_seen = (__u64)tick << 32 | ds;
	return ds;
}

static __always_inline struct mt_space *space_of(__u32 asid)
{
	__u32 slot = asid & (MT_SPACES - 1);
	struct mt_space *s = bpf_map_lookup_elem(&spaces, &slot);

	return s && s->asid == asid && asid ? s : NULL;
}

/* Hits of probes that carry no address space, in processes that they are not meant for. */
extern __u64 strangers;
/* The current process's, if such probes are meant for it; else 0, and counted. */
__u32 mt_common_asid(__u32 unused);

static __always_inline __u32 asid_of(__u64 cookie)
{
	__u32 asid = MT_COOKIE_ASID_OF(cookie);

	return asid ? asid : mt_common_asid(0);
}

/* Of an address space that is there. A preempting thread of this CPU counts there, too. */
static __always_inline struct mt_space_cpu *space_cpu_of(__u32 asid)
{
	__u32 at = bpf_get_smp_processor_id() * MT_SPACES + (asid & (MT_SPACES - 1));
	struct mt_space_cpu *c = bpf_map_lookup_elem(&space_cpu, &at);

	if (c && c->asid != asid)
		mt_space_cpu_take(asid);
	return c;
}

#endif
