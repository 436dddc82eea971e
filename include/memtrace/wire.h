/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The contract between the BPF programs and user space: ring buffer records, the shared
 * accounting page of a call site, probe cookies and the read-only configuration.
 * Both sides include this file and nothing else of each other. Integers are little structs'
 * only content: no pointers, no enums, no padding; every record has a size assertion.
 * Times are CLOCK_MONOTONIC nanoseconds; sizes are bytes.
 */
#ifndef MEMTRACE_WIRE_H
#define MEMTRACE_WIRE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#include "memtrace/unwind.h"
#include "memtrace/weight.h"

#define MT_WIRE_VERSION 4

#define MT_PROCS_MAX 2048  /* traced processes, with children that are not attached yet */
#define MT_MAX_FRAMES 127  /* program counters in one stack */
#define MT_EXTRA_BYTES 128 /* user memory copied along with a system call */
#define MT_AGE_BUCKETS 11  /* [0,1) [1,2) [2,4) ... [256,512) [512,inf) seconds */
#define MT_COMM_BYTES 16

/* Live blocks of a site by birth: two rings of epochs, see struct mt_site. */
/* Slot counts are powers of two: the verifier bounds a mask, not a remainder. */
#define MT_FINE_SLOTS 32
#define MT_FINE_SECS 1
#define MT_COARSE_SLOTS 32
#define MT_COARSE_SECS 18

/* Site 0 takes what could not be given to a stack; it is reported as such. */
#define MT_SITE_NONE 0u

enum mt_kind {
#define KIND(id, name, summary) MT_KIND_##name = id,
#include "memtrace/kinds.def"
#undef KIND
	MT_KIND_MAX
};

enum mt_counter {
#define COUNTER(name, lost, help) MT_CNT_##name,
#include "memtrace/counters.def"
#undef COUNTER
	MT_CNT_MAX
};

/* What a traced function does; the low bits of a probe cookie. */
enum mt_fn {
	MT_FN_NONE = 0,
	MT_FN_ALLOC = 1,	  /* result = f(size [* count]) */
	MT_FN_REALLOC = 2,	  /* result = f(ptr, size [* count]) */
	MT_FN_POSIX_MEMALIGN = 3, /* 0 = f(&ptr, ..., size) */
	MT_FN_FREE = 4,		  /* f(ptr) */
};

/* What a system call does to the things memtrace counts; see syscalls.def. */
enum mt_sysop {
	MT_SYS_NONE = 0,
	MT_SYS_MMAP = 1,
	MT_SYS_MUNMAP = 2,
	MT_SYS_MREMAP = 3,
	MT_SYS_BRK = 4,
	MT_SYS_OPEN = 5,    /* returns a descriptor */
	MT_SYS_SOCKET = 6,  /* returns a socket */
	MT_SYS_ACCEPT = 7,  /* returns a connected socket */
	MT_SYS_CONNECT = 8, /* extra = the peer's address */
	MT_SYS_CLOSE = 9,
	MT_SYS_DUP = 10,	/* arg 0 is the original, the result the copy */
	MT_SYS_PIPE = 11,	/* extra = int[2] */
	MT_SYS_SOCKETPAIR = 12, /* extra = int[2] */
	MT_SYS_RECVMSG = 13,	/* extra = the head of the control messages */
	MT_SYS_CLOSE_RANGE = 14,
	MT_SYS_FCNTL = 15, /* only F_DUPFD and F_DUPFD_CLOEXEC are sent */
	MT_SYS_MAX
};

enum mt_site_kind {
	MT_SITE_HEAP = 1,
	MT_SITE_MMAP = 2,
	MT_SITE_BRK = 3,
	MT_SITE_FD = 4,
	MT_SITE_SOCKET = 5,
	MT_SITE_THREAD = 6,
	MT_SITE_FAULT = 7, /* who touched memory first; told as heap or mmap */
};

/* Why a stack ends where it ends. */
enum mt_stack_end {
#define STACK_END(id, name, complete, text) MT_END_##name = id,
#include "memtrace/stack_ends.def"
#undef STACK_END
	MT_END_MAX
};

/*
 * A probe cookie says how to read the call at this attach site:
 * bits 0-3 enum mt_fn, 4-6 size argument, 7-9 count argument, 10-12 pointer argument (1-based
 * arguments as the function's entry has them; 0 = there is none), 13-20 bytes pushed since the
 * entry, divided by 8, 21-22 enum mt_point, 23 MT_COOKIE_REPEATS, 24-31 / 32-39 where the size /
 * the result is at a point inside the function (mt_place), 40-44 MT_COOKIE_IF, 45 MT_COOKIE_INNER,
 * 46 MT_COOKIE_OUTER, 48-63 the address space; 0: of all that map the file, see mt_space.common.
 */
#define MT_COOKIE(fn, size_arg, count_arg, ptr_arg, pushed_words)                                  \
	((__u64)(fn) | (__u64)(size_arg) << 4 | (__u64)(count_arg) << 7 | (__u64)(ptr_arg) << 10 | \
	 (__u64)(pushed_words) << 13)
#define MT_COOKIE_FN(c) ((__u32)(c)&15)
#define MT_COOKIE_SIZE(c) ((__u32)((c) >> 4) & 7)
#define MT_COOKIE_COUNT(c) ((__u32)((c) >> 7) & 7)
#define MT_COOKIE_PTR(c) ((__u32)((c) >> 10) & 7)
#define MT_COOKIE_PUSHED(c) ((__u32)((c) >> 13) & 255)

/* What is known where a probe sits. */
enum mt_point {
	MT_POINT_CALL = 0,   /* the arguments; the call's end is another probe's */
	MT_POINT_WHOLE = 1,  /* size and result: the call needs no other probe on this path */
	MT_POINT_SIZE = 2,   /* the size, inside the function; a MT_POINT_RESULT follows */
	MT_POINT_RESULT = 3, /* the result, inside the function, in mt_place */
	/* A result of 0 at either: the call fails. A call that fails may also pass neither, and
	 * leave a MT_POINT_SIZE without its MT_POINT_RESULT: the thread's next one replaces it. */
};
#define MT_COOKIE_AT(point, size_place, result_place) \
	((__u64)(point) << 21 | (__u64)(size_place) << 24 | (__u64)(result_place) << 32)
#define MT_COOKIE_POINT(c) ((__u32)((c) >> 21) & 3)
#define MT_COOKIE_SIZE_PLACE(c) ((__u32)((c) >> 24) & 255)
#define MT_COOKIE_RESULT_PLACE(c) ((__u32)((c) >> 32) & 255)
/*
 * Of MT_POINT_WHOLE and MT_POINT_RESULT, in the place of the arguments: where the caller's frame
 * pointer is (mt_place). With the bytes pushed, which lead to the return address, the caller's
 * frame is known without any table of this module.
 */
#define MT_COOKIE_CALLER(bp_place) ((__u64)(bp_place) << 4)
#define MT_COOKIE_BP_PLACE(c) ((__u32)((c) >> 4) & 255)
#define MT_PLACE_NONE 255 /* it is not known */
/* A free of this module can end in another probed one: the second is not unknown memory. */
#define MT_COOKIE_REPEATS (1ull << 23)
/*
 * The point is a conditional jump and counts only when condition cc holds there, see
 * memtrace/condition.h: on the other way out the call goes on to other points.
 */
#define MT_COOKIE_IF(cc) ((__u64)(16 | (cc)) << 40)
#define MT_COOKIE_HAS_IF(c) ((__u32)((c) >> 44) & 1)
#define MT_COOKIE_CONDITION(c) ((__u32)((c) >> 40) & 15)
/* A probed function with MT_POINT_CALL of this module may call this one: the outer call counts. */
#define MT_COOKIE_INNER (1ull << 45)
/* On a MT_POINT_CALL: it may call another probed function, which must not be sampled once more. The
 * collector marks all of a module where there is a MT_COOKIE_INNER. */
#define MT_COOKIE_OUTER (1ull << 46)
#define MT_COOKIE_ASID(asid) ((__u64)(asid) << 48)
#define MT_COOKIE_ASID_OF(c) ((__u32)((c) >> 48))

/*
 * A place: 0-15 the register of that number as x86-64 encodes it (rax rcx rdx rbx rsp rbp rsi rdi
 * r8-r15), 16 and more the word on the stack at sp + 8 * (place - 16).
 */
#define MT_PLACE_STACK 16

/*
 * USDT: how the arguments of a probe are read where it is. Slot of the specs: cookie bits 0-15 of a
 * probe of otel_memory (PROBE_USDT_*), where the other cookies have their function.
 */
#define MT_USDT_ARGS 3
#define MT_USDT_SPECS 1024u
#define MT_USDT_NO_INDEX 255
enum mt_usdt_from {
	MT_USDT_CONSTANT = 1, /* value */
	MT_USDT_REGISTER = 2, /* reg */
	MT_USDT_MEMORY = 3,   /* at value + reg + (index << scale_log2) */
};
struct mt_usdt_arg {
	__s64 value;
	__u8 from;	 /* enum mt_usdt_from */
	__u8 bytes;	 /* 1, 2, 4 or 8 */
	__u8 is_signed;	 /* narrower ones are extended by their sign */
	__u8 reg, index; /* as mt_place has them: 0-15; index: or MT_USDT_NO_INDEX */
	__u8 scale_log2; /* 0 to 3 */
	__u8 reserved[2];
};
struct mt_usdt_spec {
	struct mt_usdt_arg arg[MT_USDT_ARGS];
};
#define MT_COOKIE_USDT_SPEC(c) ((__u32)(c)&0xffff)
/* A sample that the preload library had no room for: memtrace_preload:refused. */
#define MT_COOKIE_USDT_REFUSED (1ull << 16)

/* Every record begins with this. `size` counts the whole record. */
struct mt_hdr {
	__u64 time_ns;
	__u32 tgid; /* in the initial PID namespace */
	__u16 kind; /* enum mt_kind */
	__u16 size;
};

/* First sight of a call site. Frames are innermost first. */
struct mt_ev_site {
	struct mt_hdr hdr;
	__u32 site;
	__u32 asid;
	__u16 frames;
	__u8 site_kind; /* enum mt_site_kind */
	__u8 end;	/* enum mt_stack_end */
	__u32 reserved;
	__u64 pc[MT_MAX_FRAMES]; /* `frames` of them are sent */
};

#define MT_SYSF_ENTRY 1	       /* before the call happened (munmap, mremap, close) */
#define MT_SYSF_IN_ALLOCATOR 2 /* the thread was inside a traced allocation function */

/* One system call that concerns mappings or descriptors. */
struct mt_ev_sys {
	struct mt_hdr hdr;
	__u32 tid;
	__u32 asid;
	__s64 ret; /* 0 on entry */
	__u64 arg[6];
	__u32 site; /* of the caller, where the call makes something */
	__u16 op;   /* enum mt_sysop */
	__u16 flags;
	__u32 nr;
	__u32 extra_len;
	__u8 extra[MT_EXTRA_BYTES]; /* sent only when extra_len > 0 */
};

/* A 2 MiB aligned piece of address space in which a traced allocation was seen. */
struct mt_ev_region {
	struct mt_hdr hdr;
	__u64 addr;
	__u32 asid;
	__u32 reserved;
};

/* fork, thread, exec, exit: hdr.tgid is the process it happened in. */
struct mt_ev_task {
	struct mt_hdr hdr;
	__u64 start_ns; /* boot-time start of the new task or process */
	__u32 tid;
	__u32 asid;
	__u32 child_tgid;
	__u32 child_tid;
	__u32 child_asid; /* 0 when the child is not traced */
	__u32 site;	  /* creator of a thread */
	__u32 shares_mm;  /* vfork-like child */
	__u32 exit_code;
	__u8 comm[MT_COMM_BYTES];
};

/* Code of a file whose unwind table is not known: [start, end) is mapped from the file. */
struct mt_ev_code {
	struct mt_hdr hdr;
	__u64 start;
	__u64 end;
	struct mt_file_key file;
	__u32 file_size; /* its lower half */
	__u32 reserved;
};

/* One allocation, reallocation or free; only with --events. */
struct mt_ev_alloc {
	struct mt_hdr hdr;
	__u64 addr;
	__u64 size;
	__u64 old_addr; /* reallocation: the block that was given up */
	__u32 tid;
	__u32 asid;
	__u32 site;
	__u32 fn; /* enum mt_fn */
};

/*
 * Accounting of one call site, written by BPF with atomics, mapped read-only by user space. All
 * counts are weighted (weight.h): exact where every block is recorded, else estimates.
 * Live bytes and counts are differences. Live blocks by age need no walk of the live set: each
 * ring slot holds (epoch << 32 | blocks born in that epoch and still alive); a slot is valid for
 * age a only when its epoch matches. Blocks older than the rings are the remainder.
 * Pages in the kernel keep less (collect/site_fold.h), and a busy site has several, which CPUs
 * share between them: slots of its rings begin at MT_RING_ZERO, as a death may be counted before
 * its birth, or elsewhere. Programs take page shard_of[site] + (cpu & mt_config.shard_mask), or the
 * site's own where that is 0.
 */
#define MT_RING_ZERO 0x80000000u
#define MT_RING_MOST 0x40000000u /* farther from MT_RING_ZERO, a slot stays as it is */
#define MT_SHARD_PAGES 512u	 /* behind the sites' own */
#define MT_SHARDS_MAX 8u	 /* of one site; a power of two */
struct mt_site {
	__u64 alloc_bytes;
	__u64 alloc_count;
	__u64 free_bytes;
	__u64 free_count;
	__u64 freed_by_age[MT_AGE_BUCKETS];
	__u64 fine[MT_FINE_SLOTS];
	__u64 coarse[MT_COARSE_SLOTS];
	__u64 born_records, died_records; /* blocks that were really recorded */
	__u64 born_var, died_var;	  /* sums of mt_held_var() */
	__u64 reserved[5];
};

/*
 * The live set: an open table of buckets, `live_front`, whose keys share one cache line, and a
 * hash, `live`, for keys that find their bucket full. No locks: an empty slot is claimed by compare
 * and swap, its value written, then its key published; a block is taken out by claiming its slot,
 * so that of two who take it one gets it and nobody sees half of another block.
 */
#define MT_BUCKET_SLOTS 8u /* slot 0 is none: its key's place counts what spilled */
#define MT_KEY_EMPTY 0ull
#define MT_KEY_CLAIMED 1ull
struct mt_block {
	__u64 held;    /* weight.h */
	__u32 site;    /* of a connection's: with its number above, mt_block_conn() */
	__u32 born_ds; /* tenths of a second since mt_config.boot_ns */
};
struct mt_bucket {
	__u64 key[MT_BUCKET_SLOTS]; /* address | asid << 48; [0]: this bucket's keys in `live` */
	struct mt_block block[MT_BUCKET_SLOTS];
};

/*
 * Native memory of connections. What a thread allocates after it read from a socket, or accepted
 * it, is that connection's until the thread waits for events or reads elsewhere: its context. A
 * block keeps the number of its connection, whoever frees it. Numbers are places in `conns`, found
 * by hashing the socket's inode number; user space gives one back (key 0) when the socket is closed
 * and none of its blocks is left. In place while mt_contexts_on.
 */
#define MT_SITE_BITS 20
#define MT_SITE_MASK ((1u << MT_SITE_BITS) - 1)
#define MT_CONN_BUCKETS_LOG2 9u
#define MT_CONN_BUCKETS (1u << MT_CONN_BUCKETS_LOG2)
#define MT_CONN_SLOTS 8u /* of a bucket; slot 0 is none, so that number 0 is */
#define MT_CONNS (MT_CONN_BUCKETS * MT_CONN_SLOTS)
#define MT_CONTEXTS 8192u   /* threads, by id modulo this: one of two gives way */
#define MT_CONTEXT_LOOPS 1u /* in a word of `contexts`: the thread has a loop */
struct mt_conn_sum {
	__u64 bytes; /* weighted, as in struct mt_site */
	__u64 records;
	__u64 more; /* blocks that records stand for beside themselves */
	__u64 var;  /* mt_held_var() */
};
struct mt_conn {
	struct mt_conn_sum born, died;
	__u32 since_ds;	  /* when it was entered */
	__u32 from_start; /* it was entered when it came to be */
};
/*
 * What was found of a socket's file, so that it is not looked up at each read: a word of
 * `conn_files`, found by hashing its address in the kernel. The address can be another socket's
 * later: as some come, conn_generation changes, and nothing of before is believed.
 */
#define MT_CONN_FILES_LOG2 12u
#define MT_CONN_FILES (1u << MT_CONN_FILES_LOG2)
struct mt_conn_bucket {
	__u64 key[MT_CONN_SLOTS]; /* mt_talk_key(); 0: nobody's */
	struct mt_conn conn[MT_CONN_SLOTS];
};
static inline __u32 mt_block_site(__u32 site)
{
	return site & MT_SITE_MASK;
}
static inline __u32 mt_block_conn(__u32 site)
{
	return site >> MT_SITE_BITS;
}
/* By system call, what it does to the context of its thread. */
enum mt_context {
	MT_CONTEXT_READ = 1,   /* (fd, ...): the connection that was read from */
	MT_CONTEXT_BUFFER = 2, /* (fd, buffer, ...): the same, and the buffer is its memory */
	MT_CONTEXT_ACCEPT = 3, /* the connection that it returned */
	MT_CONTEXT_CONNECT = 4,
	MT_CONTEXT_PAIR = 5, /* new sockets, that serve nobody yet */
	MT_CONTEXT_END = 6,  /* a wait for events of any kind */
	MT_CONTEXT_LOOP = 7, /* the same, of a thread that has a loop of them */
	/* futex: a wait for a condition. Who has no loop is given work so; who has one waits for
	 * what it gave to others, and goes on. */
	MT_CONTEXT_WAIT = 8,
};

/* What user space asks mt_end_block for. */
struct mt_end_block {
	__u64 addr;
	__u32 asid;
	__u32 born_ds; /* which of the blocks that begin there */
};

/* 2^bits buckets; the multiplier is 2^64 divided by the golden ratio (Knuth, volume 3, 6.4). */
static inline __u32 mt_bucket_of(__u64 key, __u32 bits)
{
	return (key * 0x9e3779b97f4a7c15ull >> 32) >> (32 - bits);
}

/* A page that was not there was touched; only of those that are looked at, see mt_faults. */
#define MT_FAULTF_WRITE 1
struct mt_ev_fault {
	struct mt_hdr hdr;
	__u64 addr; /* of a page; without MT_FAULTF_WRITE of MT_FAULT_AROUND bytes */
	__u32 tid;
	__u32 asid;
	__u32 site;
	__u16 weight_log2; /* it stands for 2^this such pages */
	__u16 flags;
};

/*
 * The page-fault tier of one process, by tgid; an entry switches it on. A page is looked at when
 * the lowest skip_log2 bits of the hash of its address are 0: always the same ones, so that one
 * that is given back and touched again is not another page. Above `most` in a period, they are
 * halved.
 */
#define MT_FAULT_PERIOD_SHIFT 30 /* nanoseconds: about a second */
#define MT_FAULT_SKIP_MAX 20u
#define MT_FAULT_AROUND 65536u /* what the kernel maps around a page of a file */
struct mt_faults {
	__u32 asid;
	__u32 skip_log2, least_skip_log2;
	__u32 period, taken, most;
	__u64 seen;    /* pages that were touched for the first time, looked at or not */
	__u64 exec_vm; /* pages of code, while system calls are not followed */
};

/* What user space asks the programs to do, by running one. */
enum mt_control_op {
	MT_CONTROL_TEXT = 1, /* all code of a process may have changed */
	MT_CONTROL_SKIP = 2, /* mt_faults.least_skip_log2 */
};
struct mt_control {
	__u32 op;
	__u32 tgid;
	__u32 value;
	__u32 reserved;
};

#define MT_PLUMBING_RANGES 4
#define MT_BARE_RANGES 2
#define MT_PROCF_BORROWED 1 /* shares the address space of its parent (vfork) */

/*
 * Every change of what is mapped as code takes a number and leaves it with the pieces of address
 * space that it concerns: what was remembered of them before is not believed any more. Numbers
 * are compared as such; what is remembered of single addresses has their lower bits.
 */
#define MT_TEXT_BITS 19
#define MT_TEXT_MASK ((1u << MT_TEXT_BITS) - 1)
#define MT_TEXT_PIECES 64u /* by address, again and again */
#define MT_TEXT_SHIFT 21

/*
 * How one address space is sampled; slot asid & (MT_SPACES - 1) of `spaces`, which user space
 * writes. The hot path needs nothing else of the process: probes carry its number.
 */
#define MT_SPACES 4096u
/*
 * Probes go in and out one after the other. No block is recorded whose free would be missed: not
 * before the first free is seen, or all probes are known to be in; nor from the moment when they
 * are to go out, so that what is live then but for a moment is still seen to end.
 */
#define MT_SHUT_OPENING 1u
#define MT_SHUT_CLOSING 2u
#define MT_OUT_NOW 0xffffffffu
struct mt_space {
	__u32 asid; /* 0: nobody's; of another process: the probe that asks is outdated */
	__u32 tgid;
	__u32 gap_log2;	   /* mean bytes between samples; 0: every block is recorded */
	__u32 weight_log2; /* probes are in for 1 / 2^this of the time: blocks weigh that much more
			    */
	__u32 claimed;	   /* the slot is being filled or in use */
	__u32 common;	   /* probes that carry no address space are meant for it, too */
	__u32 has_inner;   /* there is a MT_COOKIE_INNER somewhere: calls under way are counted */
	__u32 inside;	   /* so many are, with their returns to come */
	/* Blocks born at or before this may have been freed while probes were out; tenths of a
	 * second, as mt_block.born_ds; MT_OUT_NOW: some probe is out. */
	__u32 out_ds;
	__u32 shut; /* MT_SHUT_*; 0: blocks are recorded */
};

/*
 * The same, of one CPU: written there only, so that nobody else's cache line is. Element
 * cpu * MT_SPACES + slot of `space_cpu`. A slot that is given to another address space is taken
 * over by the first probe that finds it so: what was counted goes to the totals.
 */
struct mt_space_cpu {
	__s64 left;	/* bytes until the next sample */
	__u64 hits;	/* probe hits of any kind, without returns */
	__u64 returns;	/* return probes */
	__u64 samples;	/* blocks recorded */
	__u32 asid;	/* whose numbers these are */
	__u32 gap_log2; /* that `left` was drawn for */
	__u64 work_ns;	/* found at work, by samples: see work.bpf.c */
	/* Frees of any block, recorded or not, weighted as blocks that are born at the same time;
	 * counted while every block is recorded. */
	__u64 frees;
	__u64 calls; /* system calls, while they are followed: one in MT_CALLS_EACH is looked at */
};
#define MT_CALLS_EACH 64u

/* One traced process, by tgid. User space adds and removes entries; BPF alone changes them. */
struct mt_proc {
	__u32 asid;
	__u32 flags;
	__u32 text;		     /* number of the last change */
	__u32 unmapping;	     /* code is being given up; until then it is still there */
	__u32 piece[MT_TEXT_PIECES]; /* numbers of their last changes */
};

/*
 * Text of libraries that allocate on behalf of others (C and C++ runtime), by tgid: where it has
 * no unwind table, the stack is scanned for the caller. Valid while asid is the process's.
 */
struct mt_plumbing {
	__u32 asid;
	__u32 reserved;
	struct mt_range {
		__u64 start, end;
	} range[MT_PLUMBING_RANGES];
	/* Generated code that keeps no frame pointer, and no table tells how to leave it. */
	struct mt_range bare[MT_BARE_RANGES];
	struct mt_range probed; /* the program's own file, where it has allocator probes */
};

/*
 * What a process has mapped as code, by tgid, as user space read it when `text` was the next number
 * of a change: exact where nothing changed since. The unwinder looks here first and asks the kernel
 * for the rest, whose memory map may be locked.
 */
#define MT_LAYOUT_MAPPINGS 128u
struct mt_mapping {
	__u64 start, end, offset;
	struct mt_file_key file; /* {0, 0}: of no file */
	__u32 file_size;	 /* its lower half */
	__u32 reserved;
};
struct mt_layout {
	__u32 text;
	__u32 count;
	struct mt_mapping map[MT_LAYOUT_MAPPINGS]; /* by address */
};

/* By number, what of a system call is followed: nearly all end there. */
#define MT_SYSCALLS 512u
#define MT_FOLLOW_ENTRY 1
#define MT_FOLLOW_EXIT 2
#define MT_FOLLOW_CONTEXT_SHIFT 2 /* above: enum mt_context */

/* What to do at a system call; indexed by its number, filled from syscalls.def. */
struct mt_syscall {
	__u8 op;
	__u8 entry;
	__u8 site_kind;
	__u8 extra_arg;
	__u32 extra_len;
};

/* One open descriptor as the task_file iterator writes it. */
struct mt_fd {
	__u64 inode;
	__u64 kernel_bytes;
	__u32 tgid;
	__s32 fd;
	__u32 mode;   /* file type and permissions */
	__u16 family; /* 0: not a socket */
	__u16 state;
	__u16 local_port, peer_port; /* host byte order */
	__u16 sock_type;
	__u16 name_len;
	__u8 peer_addr[16];
	__u8 name[112]; /* unix socket path (its own, else its peer's) or the file's last name */
};

/*
 * The first bytes of what went over a stream socket: in a ring buffer of their own, classified by
 * the first who reads them (collector_sniff.c) and seen by nobody else.
 */
#define MT_SNIFF_BYTES 128u	   /* of a message, at most; a power of two */
#define MT_SNIFFED 3		   /* messages of a socket in each direction, in one window */
#define MT_TALKS_MAX 16384u	   /* sockets that are remembered */
#define MT_PLAIN_MAX 4096u	   /* threads between SSL_write() and the socket */
#define MT_SNIFF_RING (256u << 10) /* bytes */
enum mt_sniff_how {
	MT_SNIFF_BUFFER = 1,   /* (fd, buffer, ...) */
	MT_SNIFF_IOVS = 2,     /* (fd, iovec, count) */
	MT_SNIFF_MESSAGE = 3,  /* (fd, msghdr) */
	MT_SNIFF_MESSAGES = 4, /* (fd, mmsghdr, ...) */
};
#define MT_SNIFF_HOW 7
#define MT_SNIFF_WRITES 8

/* Of one socket, or one SSL of OpenSSL's: what was looked at. User space sets `done`. */
struct mt_talk {
	__u32 window;		   /* in which the next three were counted */
	__u8 read, written, plain; /* messages; written by SSL_write() */
	__u8 done;
};

#define MT_TALK_INODE 0x7fffffffffffull
static inline __u64 mt_talk_key(__u64 inode, __u32 asid)
{
	return (inode & MT_TALK_INODE) | (__u64)asid << 48;
}

/* An SSL by its address, which is below 2^47. */
static inline __u64 mt_talk_ssl_key(__u64 ssl, __u32 asid)
{
	return mt_talk_key(ssl, asid) | (MT_TALK_INODE + 1);
}

enum mt_plain {
	MT_PLAIN_TEXT = 1,    /* no socket: what the thread gave to SSL_write() */
	MT_PLAIN_WRITTEN = 2, /* the socket that it was written to, encrypted */
};
struct mt_sniff {
	__u64 time_ns;
	__u64 inode; /* of the socket */
	__u64 len;   /* of the message */
	__u32 tgid;
	__u32 tid;
	__u32 asid;
	__u16 have;			/* bytes below, at most MT_SNIFF_BYTES */
	__u8 written;			/* by the process; else read */
	__u8 plain;			/* enum mt_plain */
	__u8 bytes[2 * MT_SNIFF_BYTES]; /* half of it is room for the verifier's arithmetic */
};

/* Set before load, read-only afterwards. */
struct mt_config {
	__u64 boot_ns; /* CLOCK_MONOTONIC at start: epoch 0 of births */
	__u32 wire_version;
	__u32 site_capacity;
	__u32 scratch_slots; /* power of two is not needed; slots = this many per CPU x CPUs */
	__u32 cpus;
	__u32 max_frames;
	__u32 send_events; /* --events */
	__u32 follow;	   /* trace children */
	__u32 thread_capacity;
	__u32 bucket_bits; /* 2^this buckets in live_front */
	__u32 shard_mask;
};

#ifndef __cplusplus
_Static_assert(sizeof(struct mt_hdr) == 16, "wire");
_Static_assert(sizeof(struct mt_ev_site) == 16 + 16 + 8 * MT_MAX_FRAMES, "wire");
_Static_assert(sizeof(struct mt_ev_code) == 16 + 16 + 16 + 8, "wire");
_Static_assert(sizeof(struct mt_ev_sys) == 16 + 16 + 48 + 16 + MT_EXTRA_BYTES, "wire");
_Static_assert(sizeof(struct mt_ev_region) == 32, "wire");
_Static_assert(sizeof(struct mt_ev_task) == 16 + 8 + 32 + MT_COMM_BYTES, "wire");
_Static_assert(sizeof(struct mt_ev_alloc) == 56, "wire");
_Static_assert(sizeof(struct mt_ev_fault) == 40, "wire");
_Static_assert(sizeof(struct mt_faults) == 40, "wire");
_Static_assert(sizeof(struct mt_control) == 16, "wire");
_Static_assert(sizeof(struct mt_site) == 704, "wire");
_Static_assert(sizeof(struct mt_config) == 48, "wire");
_Static_assert(sizeof(struct mt_bucket) == 192, "wire");
_Static_assert(sizeof(struct mt_conn_bucket) == 64 + 72 * MT_CONN_SLOTS, "wire");
_Static_assert(MT_CONNS <= 1u << (32 - MT_SITE_BITS), "wire");
_Static_assert(sizeof(struct mt_space) == 40, "wire");
_Static_assert(sizeof(struct mt_usdt_spec) == 16 * MT_USDT_ARGS, "wire");
_Static_assert(sizeof(struct mt_space_cpu) == 64, "wire");
_Static_assert(sizeof(struct mt_proc) == 16 + 4 * MT_TEXT_PIECES, "wire");
_Static_assert(sizeof(struct mt_plumbing) == 8 + 16 * (MT_PLUMBING_RANGES + MT_BARE_RANGES + 1),
	       "wire");
_Static_assert(sizeof(struct mt_layout) == 8 + 48 * MT_LAYOUT_MAPPINGS, "wire");
_Static_assert(sizeof(struct mt_syscall) == 8, "wire");
_Static_assert(sizeof(struct mt_fd) == 168, "wire");
_Static_assert(sizeof(struct mt_talk) == 8, "wire");
_Static_assert(sizeof(struct mt_sniff) == 40 + 2 * MT_SNIFF_BYTES, "wire");
#endif

#endif
