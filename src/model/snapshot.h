/*
 * One traced process, frozen at one tick: what every reader above the model sees.
 * Everything a snapshot points to is owned by it and stays unchanged until snapshot_free().
 * A number that was not measured is NAN (doubles) or FACT_UNKNOWN (integers), never zero.
 */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"
#include "decode/inner.h"
#include "memtrace/wire.h"

#define SNAP_NO_MODULE UINT32_MAX

struct rules;

struct snap_module {
	const char *name;     /* file name without folders */
	const char *path;     /* as the target sees it */
	const char *build_id; /* lower-case hex, "" when the file has none */
	bool main_exe;
	bool allocator; /* allocator entry points were found in it */
};

enum frame_kind { FRAME_NATIVE = 1, FRAME_JIT, FRAME_INTERPRETED, FRAME_KERNEL };

struct snap_frame {
	uint64_t pc;
	uint64_t offset; /* ELF virtual address in the module; pc when there is no module */
	uint32_t module; /* index into modules, or SNAP_NO_MODULE */
	enum frame_kind kind;
	const char *symbol; /* demangled; NULL when not (yet) known */
	const char *file;   /* NULL when not known */
	uint32_t line;	    /* 0 when not known */
	bool inlined;	    /* into the next frame: at the same place in its code */
};

struct snap_stack {
	const struct snap_frame *frames; /* innermost first */
	size_t count;
	enum mt_stack_end end;
	bool folded; /* cut at the owner's frame: several callers, see regroup.h; end is of no one
		      */
};

/*
 * The frame that frame i was inlined into, itself when it was not: inlined functions are known only
 * where debug information is, so what must be the same everywhere looks at these.
 */
static inline size_t snap_outer_frame(const struct snap_stack *s, size_t i)
{
	while (i + 1 < s->count && s->frames[i].inlined)
		i++;
	return i;
}

/* Evenly or unevenly spaced points, oldest first; times in seconds since tracing began. */
struct snap_series {
	const double *t_s;
	const double *value;
	size_t count;
};

/* What lies where pages were touched for the first time. */
enum touched {
	TOUCHED_NONE = 0,
	TOUCHED_HEAP, /* the break, or where allocators serve from */
	TOUCHED_ANON,
	TOUCHED_FILE,
	TOUCHED_SHM,
	TOUCHED_USES
};

struct snap_site {
	uint64_t id;   /* site_id: stable over runs, restarts and hosts */
	bool id_final; /* false: it can change, modules or names of the stack are not known yet */
	uint32_t site; /* number in this run */
	enum mt_site_kind kind;
	uint64_t live_bytes, live_count;
	uint64_t allocated_bytes, allocated_count;
	uint64_t freed_bytes, freed_count;
	bool estimated; /* some block stands for more than itself; else the next five are 0 */
	uint64_t records, allocated_records; /* blocks that were really recorded: live, ever */
	double weight; /* blocks that one independent observation stands for, 1 or more */
	/* Half widths of 95 % intervals; NAN: not known. */
	double live_error_bytes, allocated_error_bytes;
	double live_common_bytes; /* of the first: what all sites have in common */
	/* Probes in windows, see model/exposure.h: things that were live when they went out, so
	 * far, and those of them not seen to end. 0, 0: none were. */
	uint64_t exposed_count, left_count;
	bool ages_known; /* the two arrays below are measured */
	uint64_t live_by_age[MT_AGE_BUCKETS];
	uint64_t freed_by_age[MT_AGE_BUCKETS]; /* cumulative */
	double first_seen_s, last_alloc_s;     /* since tracing began */
	/*
	 * Not NONE: a site of the page-fault tier. Its kind is MT_SITE_HEAP or MT_SITE_MMAP, its
	 * blocks are pages that its code touched first and that are still there, and it may be
	 * another view of what other sites hold, but for unplaced_bytes of it. All of it are
	 * estimates.
	 */
	enum touched touched;
	uint64_t unplaced_bytes;
	uint64_t managed_bytes; /* of live_bytes: mapped for the heap of a language runtime */
	struct snap_series live_bytes_series;
	struct snap_series live_count_series;
	struct snap_stack stack;
};

/* What a resident range of addresses is, as far as mappings and events tell. */
enum range_use {
	RANGE_ALLOCATOR = 1, /* traced allocators serve from it */
	RANGE_STACK,	     /* a thread's stack */
	RANGE_CODE,
	RANGE_FILE,
	RANGE_SHM,
	RANGE_SITE,   /* anonymous, mapped by a known site: see `site` */
	RANGE_BEFORE, /* anonymous, mapped before tracing began */
	RANGE_OTHER,  /* anonymous, mapped since, by nobody we saw */
	/* What a language runtime says of them: */
	RANGE_MANAGED, /* its heap; not external memory, nor is ... */
	RANGE_POOLED,  /* ... what it keeps for its heap and does not use */
	RANGE_RUNTIME, /* its own tables */
	RANGE_BUFFERS, /* buffers and linear memories outside its heap */
	RANGE_USES
};

struct snap_range {
	uint64_t start, end;
	uint64_t resident_bytes, swapped_bytes;
	enum range_use use;
	uint32_t site; /* RANGE_SITE: MT_SITE_NONE otherwise */
};

struct snap_fd {
	struct fd_fact fact;
	uint64_t site_id; /* who opened it; 0 when it was there before or was missed */
	double opened_s;  /* since tracing began; NAN when not known */
};

/* Totals since tracing began, and what tracing itself does. */
struct snap_counters {
	uint64_t v[MT_CNT_MAX]; /* of the whole run, all processes */
	uint64_t bad_records;	/* refused by the decoder */
	uint64_t sites_refused; /* user-space table limits */
	uint64_t ranges_refused;
	uint64_t fds_refused;
	uint64_t symbols_refused;
	uint64_t tasks_refused; /* processes and threads */
};

/*
 * Blocks of traced allocators since tracing began, weighted where probes are in for windows: those
 * that came, and frees, also of blocks that were there before or that nobody saw come. Not known
 * where blocks are sampled.
 */
struct snap_turnover {
	bool known;
	uint64_t born, freed;
};

struct snapshot {
	uint32_t pid;
	char comm[32];
	double elapsed_s; /* since tracing of this process began */
	double lived_s;	  /* since it was started; 0: not known */
	uint64_t seq;
	bool alive;

	struct proc_fact proc;
	bool residency_known; /* ranges carry residency */
	bool fds_known;	      /* fds is a complete table, not the event-driven estimate */
	bool heap_traced;     /* allocator probes are in */
	uint64_t rss_at_attach_bytes;
	/* Resident and swapped in RANGE_MANAGED and RANGE_POOLED: external memory is without it. */
	uint64_t managed_bytes;
	/* As read last; NULL: not read, or there is none. Resident bytes are those of the ranges.
	 */
	const struct inner_runtime *runtime;
	const struct inner_allocator *allocator;
	double walked_s; /* when the allocator was, since tracing began; NAN: never */
	uint64_t allocator_at_attach_bytes; /* resident in ranges that later proved RANGE_ALLOCATOR
					     */

	const struct rules *rules; /* borrowed: the user's, see analyse/rules.h; NULL: none */

	const struct snap_module *modules;
	size_t module_count;
	const struct snap_site *sites;
	size_t site_count;
	const struct snap_range *ranges;
	size_t range_count;
	const struct snap_fd *fds;
	size_t fd_count;
	struct native_left native_left;
	uint32_t thread_count;

	struct snap_turnover turnover;
	uint64_t windows;		    /* of probes, so far; 0: they are in for good */
	struct snap_series external_series; /* rss + swap - managed heap */
	struct snap_counters counters;
};

/* Half width of the 95 % interval over the value; NAN where nothing is estimated. */
static inline double snap_error_ratio(double error_bytes, uint64_t bytes)
{
	return error_bytes > 0 && bytes && bytes != FACT_UNKNOWN ? error_bytes / (double)bytes
								 : NAN;
}

void snapshot_free(struct snapshot *s);
