/*
 * The kernel side, held by a handle: loads the BPF programs, attaches them, delivers records and
 * shows the shared accounting. The only user of libbpf beside features.c. Everything it attached
 * is gone when the process ends, however it ends: nothing is pinned.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "collect/features.h"
#include "collect/keeper.h"
#include "collect/unwind.h"
#include "decode/protocol.h"
#include "memtrace/wire.h"

struct collector; /* opaque */

struct collector_cfg {
	uint64_t boot_ns;     /* CLOCK_MONOTONIC of epoch 0 */
	uint32_t live_max;    /* blocks in the live set */
	uint32_t sites_max;   /* call sites */
	uint32_t threads_max; /* threads that allocate */
	uint32_t ring_bytes;  /* power of two, at least a page */
	uint32_t max_frames;
	bool send_events;
	bool follow;
	bool no_sniff;		   /* the sniffers are not even loaded */
	struct features *features; /* borrowed for the collector's life */
	const uint32_t *expected;  /* processes that will be traced; borrowed for its life */
	size_t expected_count;
	struct keeper *keeper; /* borrowed for the collector's life */
};

/* Bytes are valid during the call only. Not zero stops the delivery and is returned. */
typedef int (*collector_record_fn)(void *ctx, void *bytes, size_t len);

int collector_new(const struct collector_cfg *cfg, collector_record_fn fn, void *ctx,
		  struct collector **ret, struct err *err);
void collector_free(struct collector *c);
void collector_freep(struct collector **c);

/* Attaches the tracepoints: from here on traced processes' mappings and descriptors are followed.
 */
int collector_start(struct collector *c, struct err *err);

/* Traces a process: its address space gets a new id. */
int collector_add_process(struct collector *c, uint32_t tgid, uint32_t *ret_asid);

/* Code that the unwinder treats in a way of its own; [start, end). */
struct collector_code {
	const uint64_t (*plumbing)[2]; /* allocates on behalf of others */
	size_t plumbing_count;	       /* at most MT_PLUMBING_RANGES */
	const uint64_t (*bare)[2];     /* MT_BARE_RANGES of them: generated, no frame pointers */
	uint64_t probed[2];	       /* of the program's own file, when it has allocator probes */
};

/* Of that address space; what was set before is forgotten. */
int collector_set_code(struct collector *c, uint32_t tgid, uint32_t asid,
		       const struct collector_code *code);
/* mt_proc.text: another one than before when code was mapped or unmapped. UNWIND_NO_TEXT: gone. */
uint32_t collector_text(const struct collector *c, uint32_t tgid);
/* The number of the next change of code; it dates a memory map that is read afterwards. */
uint32_t collector_next_text(const struct collector *c);
struct unwind *collector_unwind(struct collector *c); /* borrowed */
void collector_remove_process(struct collector *c, uint32_t tgid);

/*
 * Attaches allocator probes of one mapped file to one process: frees first, entries last, so that
 * nothing is recorded whose end would be missed. `file` is read through its descriptor, which may
 * be closed afterwards. A file that is probed in that process already is left as it is. All or
 * nothing: on error nothing stays attached.
 */
enum probe_role { /* in the order of attaching */
		  PROBE_FREE = 0,
		  PROBE_RETURN,	    /* of functions that have a PROBE_ENTRY */
		  PROBE_SESSION,    /* both at once, see collector_has_sessions() */
		  PROBE_RESULT,	    /* inside a function: MT_POINT_RESULT */
		  PROBE_WHOLE,	    /* inside a function: MT_POINT_WHOLE */
		  PROBE_ENTRY,	    /* at the entry, or MT_POINT_SIZE inside */
		  PROBE_USDT_FREE,  /* otel_memory:free */
		  PROBE_USDT_ALLOC, /* otel_memory:alloc */
		  PROBE_ROLES
};
struct collector_probes {
	struct {
		const struct keeper_point *point; /* cookies are MT_COOKIE, without address space */
		size_t count;
	} role[PROBE_ROLES];
	bool apart; /* others than processes usually get: never common ones */
};
/*
 * Whether one probe can be entry and return of a function, where the entry decides about the
 * return: calls that are not sampled cost no return.
 */
bool collector_has_sessions(const struct collector *c);
/* Whether there are programs for points inside functions. */
bool collector_sees_inside(const struct collector *c);
int collector_attach(struct collector *c, uint32_t tgid, uint32_t asid, int file,
		     const struct collector_probes *probes, struct err *err);
/*
 * How the arguments of a USDT probe are read, as a number for its cookie (MT_COOKIE_USDT_SPEC).
 * Equal ones share a number; they are kept for the collector's life. -ENOSPC.
 */
int collector_usdt_spec(struct collector *c, const struct mt_usdt_spec *spec, uint32_t *ret);
/* Takes the allocator probes of a process out; when it returns, they are out. */
void collector_detach(struct collector *c, uint32_t tgid);
/* All of all processes; returns before they are out. */
void collector_detach_all(struct collector *c);

/*
 * A probe of one process costs every other process that the file's probes are in: the kernel walks
 * all their owners at each hit (30 ns each), and all mappings of the file when one goes in or out.
 * So a file that many processes are probed in, and that no other process maps, has probes that are
 * common to them. Should another process run into one, or a process be disarmed, they are
 * exchanged for probes of each process; to be called a few times a second.
 */
void collector_check_common(struct collector *c);
size_t collector_common_files(const struct collector *c); /* how many there are */

/*
 * The same for a while: what was attached is remembered with its files, and goes in again with
 * collector_arm(). Neither waits: the keeper does it, and the kernel takes about 10 ms for either,
 * in which probes come and go one by one; collector_sync() waits. What is attached to a
 * disarmed process goes in with the rest. An error of the arm before is returned by the next arm
 * and ends the remembering: -ESRCH, the process is gone. -ENOENT: no probes.
 */
void collector_disarm(struct collector *c, uint32_t tgid);
int collector_arm(struct collector *c, uint32_t tgid, struct err *err);
/* Returns when what was asked for is done: probes are in or out. */
void collector_sync(struct collector *c);
/* How it stands, as far as the keeper has told; does not wait. -ENOENT: no probes. */
struct collector_armed {
	bool in;	/* all of them, and no disarm was asked for */
	uint64_t in_ns; /* how long they were, from when all were in to when a disarm was asked */
	int error;	/* of the last arm: -errno */
};
int collector_armed(struct collector *c, uint32_t tgid, struct collector_armed *ret);

/*
 * The page-fault tier of a process: pages that it touches for the first time are told, with the
 * code that does it. -EOPNOTSUPP where the kernel cannot tell, -ESRCH: the process is not traced.
 */
int collector_set_faults(struct collector *c, uint32_t tgid, bool on);
/* At least so many pages are skipped for each that is told: all but 1 in 2^skip_log2. */
int collector_set_fault_skip(struct collector *c, uint32_t tgid, uint32_t skip_log2);

/*
 * System calls are followed (at first they are). They cost every system call of the machine about
 * 0.2 us, so that watching without allocator probes leaves them out but for a while: mappings and
 * descriptors are read instead, and who makes them is not seen. When they come back, everything
 * that was remembered of code is read anew.
 */
int collector_set_hooks(struct collector *c, bool on);
bool collector_has_hooks(const struct collector *c);
/* All code of a process may have changed, as far as user space saw. */
int collector_note_code(struct collector *c, uint32_t tgid);

int collector_fd(const struct collector *c); /* readable when records wait */
int collector_poll(struct collector *c);     /* delivers what waits; records, or -errno */
const struct mt_site *collector_sites(const struct collector *c, size_t *ret_count);

/* How an address space is sampled from now on; see struct mt_space. */
int collector_set_sampling(struct collector *c, uint32_t asid, uint32_t gap_log2,
			   uint32_t weight_log2);

/*
 * How much processes work is sampled, on every CPU: 250 times a second, or 8000. A sample takes 1
 * to 3 us. Where the kernel's limit is below that, 250 times at either pace. -errno: it cannot be,
 * and counts stay as they are.
 */
enum collector_pace { WORK_OFF, WORK_SLOW, WORK_FAST };
int collector_set_work(struct collector *c, enum collector_pace pace);

/* Totals of one address space since it was entered. */
struct collector_counts {
	uint64_t hits, returns, samples, work_ns, frees, calls; /* see struct mt_space_cpu */
};
int collector_counts(const struct collector *c, uint32_t asid, struct collector_counts *ret);

/* The blocks of an address space that are recorded as live, in no order. Not zero ends it. */
struct collector_block {
	uint64_t addr;
	uint64_t held; /* weight.h */
	uint32_t site;
	uint32_t born_ds;
};
typedef int (*collector_block_fn)(void *ctx, const struct collector_block *block);
int collector_each_block(struct collector *c, uint32_t asid, collector_block_fn fn, void *ctx);
/* Ends a block whose free was not seen, as if it were freed now. -ENOENT: it is gone already; what
 * begins there now is a newer one. */
int collector_end_block(struct collector *c, uint32_t asid, uint64_t addr, uint32_t born_ds);
int collector_counters(const struct collector *c, uint64_t ret[MT_CNT_MAX]);
/* One that user space adds nothing to. */
int collector_counter(const struct collector *c, uint32_t id, uint64_t *ret);

/* The descriptor table of a process; *ret is to be freed. -EOPNOTSUPP without the iterator. */
int collector_fds(struct collector *c, uint32_t tgid, struct mt_fd **ret, size_t *ret_count);

/*
 * The sniffers: what is spoken on sockets, told from the first bytes of a few messages of each
 * stream (protocol.h). The bytes are looked at here and go no further. While they are in, every
 * socket call of the machine pays about 0.3 us, or every system call where the kernel does not tell
 * of messages (FEATURE_sock_lengths); to be put in for a few seconds only. Each time
 * sockets that are not done are looked at again. The listener is called from collector_poll().
 */
struct collector_said {
	uint32_t tgid, asid;
	uint64_t inode;			 /* of the socket */
	struct protocol_verdict verdict; /* PROTOCOL_NONE: the message said nothing */
};
typedef void (*collector_said_fn)(void *ctx, const struct collector_said *said);
void collector_listen_sniffers(struct collector *c, collector_said_fn fn, void *ctx);
int collector_set_sniffers(struct collector *c, bool on);
bool collector_has_sniffers(const struct collector *c);
/*
 * While they are in: what a process gives to SSL_write() and its like, functions at these offsets
 * of a file that it maps, tells what is inside its TLS connections. Out again with the sniffers.
 * -ENOSPC: enough are in; -EOPNOTSUPP; -ESRCH.
 */
#define COLLECTOR_PLAIN_POINTS 2
int collector_add_plain(struct collector *c, uint32_t tgid, int file,
			const uint64_t offset[COLLECTOR_PLAIN_POINTS], size_t count);
/* It is known what is spoken there: the socket is looked at no more. */
int collector_set_talk_done(struct collector *c, uint32_t asid, uint64_t inode);

/*
 * Which connection a thread serves is followed: the blocks that it allocates then are counted for
 * that connection (wire.h, struct mt_conn) until they are freed. Only while the hooks are in. Costs
 * a target some 0.3 us for each read, 0.03 us for each wait, and malloc() with free() 50 ns; other
 * processes 0.03 us for each of their reads and waits.
 */
struct collector_conn {
	uint64_t inode; /* of the socket */
	uint64_t bytes, count;
	double variance;     /* of bytes: squares of bytes; 0: exact */
	uint32_t since_ds;   /* tenths of a second since boot_ns */
	bool from_start;     /* since the socket was accepted or connected */
	bool gapless;	     /* allocators were probed all the time since */
	bool closed;	     /* it was said to be, before */
	uint64_t open_bytes; /* when it was last said to be open */
};
int collector_set_contexts(struct collector *c, bool on);
bool collector_has_contexts(const struct collector *c);
/*
 * The connections of an address space that anything was counted for. fn tells whether it is still
 * open: one that is not is told of until its last block is freed. -ENOMEM.
 */
typedef bool (*collector_conn_fn)(void *ctx, const struct collector_conn *conn);
int collector_each_conn(struct collector *c, uint32_t asid, collector_conn_fn fn, void *ctx);

/* Removes the live blocks of an address space that is gone. */
void collector_purge(struct collector *c, uint32_t asid);
