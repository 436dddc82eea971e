/*
 * The perf map of one traced process: found in its own mount and PID namespace, believed only when
 * the process's user or root owns it, read as it grows. It may be written anew at any time.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/perfmap.h"

struct perfmap_file; /* opaque */

struct perfmap_file_cfg {
	const char *proc;   /* borrowed: where proc is mounted */
	uint32_t pid;	    /* there */
	size_t pieces_max;  /* see perfmap_new() */
	uint64_t bytes_max; /* of the file; what is beyond is not read */
	uint64_t read_max;  /* bytes read per update; the next one goes on */
};

#define PERFMAP_FILE_CFG_DEFAULT(proc_, pid_)                                                     \
	{                                                                                         \
		.proc = (proc_), .pid = (pid_), .pieces_max = 256 << 10, .bytes_max = 1ull << 30, \
		.read_max = 16 << 20,                                                             \
	}

enum perfmap_state {
	PERFMAP_NONE = 0, /* there is none, or it cannot be reached */
	PERFMAP_FOREIGN,  /* something is there, of another owner or no regular file: not read */
	PERFMAP_BEHIND,	  /* there is more to be read: ask again */
	PERFMAP_CURRENT,
};

/* Remembers the process's root, so that what it writes at its very end can be read. -ENOMEM; a
 * process without a root to be opened has no perf map. */
int perfmap_file_new(const struct perfmap_file_cfg *cfg, struct perfmap_file **ret);
void perfmap_file_free(struct perfmap_file *f);
void perfmap_file_freep(struct perfmap_file **f);

/* Reads what is new at now_ns (any clock). -ENOMEM. */
int perfmap_file_update(struct perfmap_file *f, uint64_t now_ns);

enum perfmap_state perfmap_file_state(const struct perfmap_file *f);
/* When the last update that found something new was made; 0: never. */
uint64_t perfmap_file_changed_ns(const struct perfmap_file *f);

/* The name of the code at pc. -ENOENT: none is known; -ENOMEM. */
int perfmap_file_find(const struct perfmap_file *f, uint64_t pc, struct perfmap_name *ret);

void perfmap_file_get_stats(const struct perfmap_file *f, struct perfmap_stats *ret);
