/*
 * Unwind tables of the files that traced processes run code from, where the BPF unwinder finds
 * them. A table is built once per file, whatever number of processes map it, and stored in arrays
 * that the kernel and memtrace share; the entry that makes it known is written last. A file is
 * told by its inode and device, size and time of change: one that was replaced gets a new table.
 * Tables are not forgotten before the end: UNWIND_BYTES_MAX bounds them.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"
#include "memtrace/wire.h"

#define UNWIND_BYTES_MAX ((uint64_t)MT_UNWIND_SHARDS * MT_UNWIND_SHARD_WORDS * 4)

struct unwind; /* opaque */

/* Descriptors of the maps in bpf/unwind.bpf.c, borrowed for the life of the handle. */
struct unwind_cfg {
	int shards, rules, files, layouts, pending, racache;
	uint32_t *memo_epoch; /* borrowed: what the BPF programs compare remembered walks with */
};

struct unwind_stats {
	uint64_t files; /* that have a table */
	uint64_t bytes; /* of all tables */
	uint64_t build_ns;
	uint64_t refused; /* files whose table did not fit into UNWIND_BYTES_MAX */
	uint64_t failed;  /* files that could not be read */
	uint64_t gone;	  /* that were announced and not mapped any more */
};

/* What the tables of one process take; some of it is shared with others. */
struct unwind_cost {
	uint32_t files;
	uint64_t bytes;
	uint64_t build_ns;	 /* 0 for tables that were there already */
	struct mt_file_key last; /* that was counted: a file has several mappings in a row */
};

/* -ENOMEM, or why a map could not be mapped. */
int unwind_new(const struct unwind_cfg *cfg, struct unwind **ret);
void unwind_free(struct unwind *u);

/*
 * Every executable file mapping of a process, and the kernel's code in it. root: "/proc". text:
 * the number of the next change of code, from before the mappings were read; UNWIND_NO_TEXT when
 * the process is not entered yet. What cannot be opened or read is counted, not an error. -ENOMEM.
 */
#define UNWIND_NO_TEXT UINT32_MAX
struct unwind_process {
	const char *root; /* borrowed during the call, as is vma */
	uint32_t pid, text;
	const struct vma *vma;
	size_t count;
};
int unwind_add_process(struct unwind *u, const struct unwind_process *p, struct unwind_cost *ret);
void unwind_remove_process(struct unwind *u, uint32_t pid);

/* A mapping that the BPF unwinder met before its table was known. -ENOMEM. */
int unwind_add_code(struct unwind *u, const char *root, const struct mt_ev_code *e);

/* What was remembered of single addresses is forgotten. */
void unwind_clear_cache(struct unwind *u);
/* The same when the bits of numbers that are kept there come again; next: of a change of code.
 */
void unwind_note_text(struct unwind *u, uint32_t next);

void unwind_get_stats(const struct unwind *u, struct unwind_stats *ret);
