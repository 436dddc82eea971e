/*
 * Names of functions for addresses in ELF files, found lazily: a file is opened and its table built
 * when first asked about, tables that are not used give way to others, answers are kept. Work is
 * spread over ticks: within one, no more than a budget of time is spent.
 * For native code of files only: what a JIT compiled has no file. One thread at a time.
 * File contents are hostile; names are returned as valid UTF-8 without control characters.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbolizer; /* opaque */

struct symbolizer_cfg {
	uint64_t (*now_ns)(void); /* a monotonic clock */
	size_t table_bytes_max;	  /* of all tables in memory; the least recently used gives way */
	size_t name_bytes_max;	  /* of all names ever found; further ones are refused */
	size_t answers_max;	  /* answers remembered; forgotten all at once beyond */
	size_t files_max;	  /* files known; the least recently used gives way */
	size_t open_max;	  /* tables, and so open descriptors, at a time */
	const char *host_root;	  /* where debug files are looked for last; NULL: nowhere */
	bool debuginfod; /* ask the servers in DEBUGINFOD_URLS; nobody is asked without it */
	bool lines;	 /* symbolizer_explain() tells lines and inlined functions */
	uint64_t lines_patience_ns; /* for the lines of one address; then the file is given up */
};

#define SYMBOLIZER_CFG_DEFAULT(clock)                                                          \
	{                                                                                      \
		.now_ns = (clock), .table_bytes_max = (size_t)24 << 20,                        \
		.name_bytes_max = (size_t)8 << 20, .answers_max = 64 << 10, .files_max = 4096, \
		.open_max = 128, .host_root = "/", .lines = true,                              \
		.lines_patience_ns = 20000000000u,                                             \
	}

struct symbolizer_stats {
	uint64_t tables_built, tables_dropped;
	uint64_t files_failed;	   /* could not be opened, read, or proved to be another file */
	uint64_t names_refused;	   /* limit of names reached */
	uint64_t debug_files;	   /* separate debug files and packed tables that were opened */
	uint64_t debug_refused;	   /* those that were broken or too large */
	uint64_t debug_mismatched; /* those that belong to another build */
	bool fetch_unavailable;	   /* libdebuginfod.so.1 is not installed */
	uint64_t lines_refused;	   /* files whose DWARF is broken, too large or took too long */
	uint64_t child_cpu_ns;	   /* of the process that finds lines, and its predecessors */
	int child_pid;		   /* of that process; 0: none */
	size_t files_pending;	   /* asked for, still to be loaded */
	size_t tables, table_bytes, name_bytes; /* now */
};

/* -EINVAL for a configuration with a zero, -ENOMEM. */
int symbolizer_new(const struct symbolizer_cfg *cfg, struct symbolizer **ret);
void symbolizer_free(struct symbolizer *s);
void symbolizer_freep(struct symbolizer **s);

/*
 * A file: its identity, and how this process can open it. The build id, when there is one, is the
 * identity; otherwise device, inode and name together are. It is the file's own word: who forges
 * one can only name the frames of files that claim the same.
 */
struct symbol_file {
	const char *build_id; /* lower-case hex; NULL or "" when there is none */
	uint64_t dev, inode;  /* inode 0: not known, not checked at opening */
	const char *name;     /* as the traced process sees it; NULL or "" when not known */
	const char *root;     /* its root folder for this process; NULL when it has gone */
	const char *path;     /* for this process: /proc/PID/map_files/..., /proc/PID/root/... */
};

/*
 * The number of a file, for the calls below; the same whenever the identity is the same. Call it
 * again with another path when the file could not be opened: that gives it another chance. -EINVAL
 * without path, -ENAMETOOLONG, -ENOMEM, -ENOSPC (numbers ran out).
 */
int symbolizer_add_file(struct symbolizer *s, const struct symbol_file *file, uint32_t *ret);

/* Begins a tick: until the next call, uncached answers take about budget_ns, at least one if > 0.
 */
void symbolizer_start_tick(struct symbolizer *s, uint64_t budget_ns);

/*
 * The function that covers ELF address vaddr (for a return address: the address before it). *ret
 * becomes NULL when no symbol covers it; names are valid until symbolizer_free(). -EAGAIN: not
 * known yet, ask in the next tick. -ESTALE: the number is too old, add the file again. -EFBIG: too
 * many symbols. -ENOSPC: limit of names reached. Or why the file could not be read (-ENOENT: also
 * when another file is at its path now, -EACCES, -ENOEXEC, ...), at once for every later call.
 */
int symbolizer_resolve(struct symbolizer *s, uint32_t file, uint64_t vaddr, const char **ret);

#define SYMBOL_FRAMES_MAX 33 /* 32 inlined functions and the one that they are in */

struct symbol_frame {
	const char *symbol; /* NULL when not known */
	const char *file;   /* path at compile time; NULL when not known */
	uint32_t line;	    /* 0 when not known */
	bool inlined;
};

/*
 * What is at an address: the functions inlined there, innermost first, then the function itself, at
 * least that one. Results and texts as of symbolizer_resolve(). *ret_more: lines are still being
 * looked for, in a process of their own; ask again in the next tick, until then it is the function
 * alone.
 */
int symbolizer_explain(struct symbolizer *s, uint32_t file, uint64_t vaddr,
		       struct symbol_frame ret[static SYMBOL_FRAMES_MAX], size_t *ret_count,
		       bool *ret_more);

/*
 * Waits for the lines that were asked for, at most wait_ns; when it is for files from servers, a
 * moment, then ask again. True when nothing is to come.
 */
bool symbolizer_wait(struct symbolizer *s, uint64_t wait_ns);

void symbolizer_get_stats(const struct symbolizer *s, struct symbolizer_stats *ret);
