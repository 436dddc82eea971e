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
	const struct features *features; /* borrowed during collector_new() */
	struct keeper *keeper;		 /* borrowed for the collector's life */
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
struct collector_probes { /* cookies are MT_COOKIE */
	const struct keeper_point *frees;
	size_t free_count;
	const struct keeper_point *allocs; /* each gets an entry and a return probe */
	size_t alloc_count;
};
int collector_attach(struct collector *c, uint32_t tgid, int file,
		     const struct collector_probes *probes, struct err *err);
/* Takes the allocator probes of a process out; when it returns, they are out. */
void collector_detach(struct collector *c, uint32_t tgid);

int collector_fd(const struct collector *c); /* readable when records wait */
int collector_poll(struct collector *c);     /* delivers what waits; records, or -errno */
const struct mt_site *collector_sites(const struct collector *c, size_t *ret_count);
int collector_counters(const struct collector *c, uint64_t ret[MT_CNT_MAX]);

/* The descriptor table of a process; *ret is to be freed. -EOPNOTSUPP without the iterator. */
int collector_fds(struct collector *c, uint32_t tgid, struct mt_fd **ret, size_t *ret_count);

/* Removes the live blocks of an address space that is gone. */
void collector_purge(struct collector *c, uint32_t asid);
