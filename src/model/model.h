/*
 * What is known of the traced processes: events change it, facts correct it once per tick, and
 * model_snapshot() freezes it for everyone above. Time is an argument: CLOCK_MONOTONIC in
 * nanoseconds; with a fact it is the moment before its reading began, so that events which are
 * newer than the fact stand. Every function returns 0 (or a count) or a negative errno: -ESRCH for
 * a process that is not in the model, -ENOMEM, and what it says besides. After an error the model
 * is consistent. All tables are bounded; what they refuse is counted in the snapshot's counters.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/event.h"
#include "decode/fact.h"
#include "model/snapshot.h"

struct code_name;
struct frame_name;
struct model; /* opaque */

/* Most elements of each table, per process unless it says otherwise; 0: the default. */
struct model_limits {
	size_t processes; /* default 1024 */
	size_t sites;	  /* of all processes; default 65536 */
	size_t mappings;  /* default 65536: more than the kernel allows by default */
	size_t ranges;	  /* default 65536 */
	size_t regions;	  /* default 16384: 32 GiB of allocator memory */
	size_t fds;	  /* default 65536 */
	size_t threads;	  /* default 65536 */
	size_t frames;	  /* default 65536 */
	size_t modules;	  /* default 4096 */
	size_t series;	  /* sites with a history, of all processes; default 2048 */
	size_t points;	  /* in one history; default 128 */
	size_t pages;	  /* that were seen to be touched first; default 65536 */
};

struct model_cfg {
	struct model_limits limits;
	uint64_t boot_ns;    /* mt_config.boot_ns: epoch 0 of births */
	uint64_t page_bytes; /* of the machine; 0: 4096 */
};

int model_new(const struct model_cfg *cfg, struct model **ret);
void model_free(struct model *m);

/*
 * Enters a process. The same one again updates start_ticks and comm ("": left alone); another one
 * under the same number (asid or start_ticks differ) replaces it. -EEXIST when the asid is another
 * process's, -ENOSPC. Forked children that are traced enter by their event.
 */
int model_add_process(struct model *m, uint32_t pid, uint32_t asid, uint64_t start_ticks,
		      uint64_t now_ns, const char *comm);
void model_remove_process(struct model *m, uint32_t pid);
bool model_has_process(const struct model *m, uint32_t pid);
/* The process is gone though no event said so. */
int model_set_exited(struct model *m, uint32_t pid);

/* An event of no known process changes nothing. */
int model_apply(struct model *m, const struct event *ev);

/*
 * Once per second: reads the kernel's accounting (n sites, written meanwhile) and adds a point to
 * the history of the sites that hold most.
 */
int model_account(struct model *m, const struct mt_site *table, size_t n, uint64_t now_ns);

/*
 * Probes were in for a window of time: what is still recorded as live of the process, in any order;
 * see exposure.h. -ESRCH; -ENOMEM leaves everything as it was.
 */
struct overlap_block;
struct exposure_window;
int model_close_window(struct model *m, uint32_t pid, const struct overlap_block *block, size_t n,
		       const struct exposure_window *w);

/*
 * The same of what was allocated in it: the kernel's table as it is now. is_first: since the one
 * before, or the beginning, blocks may have been recorded outside of windows. variance: see
 * spread.h. -ESRCH.
 */
int model_add_window(struct model *m, uint32_t pid, const struct mt_site *table, size_t n,
		     bool is_first, double variance);

/*
 * Adds a point of rss + swap - managed to the history of external memory: not while the managed
 * part is older than the last point, which would show the heap's growth as the process's.
 */
int model_set_proc(struct model *m, uint32_t pid, const struct proc_fact *fact, uint64_t now_ns);
/*
 * What a language runtime and an allocator inside the process say of it, from the next
 * model_ranges() on: ranges sorted, not overlapping; the facts may be NULL; walked_ns is when the
 * allocator was walked through. What was said before is forgotten, and on exec. -ENOMEM.
 */
int model_set_inner(struct model *m, uint32_t pid, const struct inner_range *range, size_t n,
		    const struct inner_runtime *runtime, const struct inner_allocator *allocator,
		    uint64_t walked_ns);
/*
 * A site of mappings whose stack leads through an allocator: while that is traced, what it maps is
 * the allocator's and no site's. What was counted of it is forgotten. -ENOENT: no such site.
 */
int model_set_in_allocator(struct model *m, uint32_t pid, uint32_t site);
int model_set_heap_traced(struct model *m, uint32_t pid, bool traced);
/* What /proc/PID/exe points to. Without it the module at the lowest address is the main one. */
int model_set_exe(struct model *m, uint32_t pid, const char *path);
/* What people call the program, where its file has another name (redis-server is a link). */
int model_set_exe_name(struct model *m, uint32_t pid, const char *name);

/* The whole memory map, sorted. Unplaced frames and missed unmappings are settled here. */
int model_set_vmas(struct model *m, uint32_t pid, const struct vma *vma, size_t n, uint64_t now_ns);
/* Stack pointers of the threads; FACT_UNKNOWN where one is not known. */
int model_set_thread_stacks(struct model *m, uint32_t pid, const uint64_t *sp, size_t n);
/* Ids of all threads: what is not among them has ended. */
int model_set_threads(struct model *m, uint32_t pid, const uint32_t *tid, size_t n,
		      uint64_t now_ns);
/* The whole descriptor table. */
int model_set_fds(struct model *m, uint32_t pid, const struct fd_fact *fact, size_t n,
		  uint64_t now_ns);

/*
 * What a message on a socket said (protocol.h), be it nothing; *ret_done: no more need be heard
 * of it (talks.h). A socket that is not open at the next reading of the descriptors is forgotten.
 * -ENOSPC.
 */
int model_add_talk(struct model *m, uint32_t pid, uint64_t inode, const struct protocol_verdict *v,
		   uint64_t now_ns, bool *ret_done);
/*
 * Connected sockets that may yet tell what is spoken there; 0 for no known process. inside: what
 * is said inside TLS is heard, too.
 */
size_t model_unknown_sockets(const struct model *m, uint32_t pid, bool inside);

/*
 * Native memory of connections, with the descriptors; and what connections left that are closed.
 * What was said before is forgotten. -ESRCH, -ENOMEM.
 */
int model_set_native(struct model *m, uint32_t pid, const struct native_fact *native, size_t n,
		     const struct native_left *left);
/* Whether it has sockets of streams, connected or listening, as last read. */
bool model_has_streams(const struct model *m, uint32_t pid);

/*
 * Builds and classifies the ranges of the memory map as of now. *ret: the ranges to be measured,
 * sorted, for the caller to fill in and hand to model_set_residency(); owned by the model and
 * valid until the next call for this process.
 */
int model_ranges(struct model *m, uint32_t pid, struct residency **ret, size_t *ret_n);
/* From it the managed heap follows. -ENODATA when none of the ranges was asked for. */
int model_set_residency(struct model *m, uint32_t pid, const struct residency *r, size_t n);

/*
 * Pages that were seen to be touched first (pages.h), to be read like ranges and handed to
 * model_set_pages(), after the ranges were. ret_skip: for collector_set_fault_skip().
 */
int model_pages(struct model *m, uint32_t pid, struct residency **ret, size_t *ret_n,
		unsigned int *ret_skip);
int model_set_pages(struct model *m, uint32_t pid, const struct residency *r, size_t n,
		    uint64_t now_ns);

/* A file whose code is mapped. Borrowed text, valid until the process is removed or executes. */
struct module_request {
	uint32_t index;
	const char *path;
	uint64_t start, end; /* of one mapping of it: /proc/PID/map_files/START-END; 0: unmapped */
	uint64_t dev, inode;
	bool deleted;
	bool main_exe;
	const char *build_id; /* "" when it has none or was not described yet */
};

/* Mapped modules that were not described yet, at most max. Returns how many. */
int model_modules_pending(const struct model *m, uint32_t pid, struct module_request *out,
			  size_t max);
/* -ENOENT: no such module. */
int model_module(const struct model *m, uint32_t pid, uint32_t index, struct module_request *ret);
/* fact NULL: nothing could be found out; it is not asked for again. -ENOENT. */
int model_set_module(struct model *m, uint32_t pid, uint32_t index, const struct module_fact *fact,
		     bool allocator);

/* A frame without a name. */
struct frame_request {
	uint64_t handle;
	uint64_t pc;
	uint64_t vaddr;	      /* ELF virtual address; pc when there is no module */
	uint64_t file_offset; /* pc when there is no module */
	uint32_t module;      /* index for model_module(), or SNAP_NO_MODULE */
	enum frame_kind kind;
};

/*
 * Frames in files, of the sites that hold or gain most, in that order, at most max; each is given
 * out once, until model_set_name() gives it back. Returns how many.
 */
int model_unnamed(struct model *m, uint32_t pid, struct frame_request *out, size_t max);
/* "" = it has none; NULL = could not be asked now: give it out again. -ENOENT: gone. */
int model_set_name(struct model *m, uint64_t handle, const char *symbol);
/* See stacks_set_names(): with `more` it is given out again, after frames without a name. */
int model_set_names(struct model *m, uint64_t handle, const struct frame_name *name, size_t count,
		    bool more);

/*
 * Frames of generated code that have no name, of sites in use since since_ns, at most max; those
 * that nobody knew, too, when `again`. Each must be answered by model_set_code_name() before the
 * next call. Returns how many.
 */
int model_unnamed_code(struct model *m, uint32_t pid, uint64_t since_ns, bool again,
		       struct frame_request *out, size_t max);
/* See stacks_set_code_name(). */
int model_set_code_name(struct model *m, uint64_t handle, const struct code_name *name);

/* Whether frames came that lie in no mapping known so far: a new reading would place them. */
bool model_wants_map(const struct model *m, uint32_t pid);

/* counters: totals from elsewhere (may be NULL); what the model refused is added. */
int model_snapshot(struct model *m, uint32_t pid, uint64_t now_ns,
		   const struct snap_counters *counters, struct snapshot **ret);
