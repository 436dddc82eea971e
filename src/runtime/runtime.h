/*
 * Readers of what language runtimes and allocators inside a process know of its memory, without
 * its cooperation and without stopping it. One file each; the table of them is runtime.c. A reader
 * learns layouts at run time and verifies them by what it finds; what cannot be verified is said to
 * be unavailable and why, never guessed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/inner.h"
#include "sys/maps.h"
#include "sys/peek.h"
#include "sys/present.h"

/* Ranges that a reader found, to be filled in any order. */
struct inner_ranges {
	struct inner_range *range; /* owned; inner_ranges_done() */
	size_t count, cap;
	uint64_t refused; /* beyond INNER_RANGES_MAX */
};

/* The process at this tick; borrowed for the time of a call. */
struct process_view {
	const char *proc; /* where proc is mounted */
	uint32_t pid;
	const struct vma_table *maps;
	const struct present *present;
	struct peek *peek;
	/* Monotonic clock; 0: not told. What is dear a reader does every 30 s, else every time. */
	uint64_t now_ns;
	/* What the runtime claims, settled, for the allocator's reader; NULL: nothing. */
	const struct inner_ranges *taken;
};

#define INNER_RANGES_MAX (1u << 18)
/* -ENOMEM; beyond the limit: counted. */
int inner_ranges_add(struct inner_ranges *r, uint64_t start, uint64_t end, enum inner_use use);
/* Sorts; of ranges that overlap the one that starts lower keeps what both claim. */
void inner_ranges_settle(struct inner_ranges *r);
void inner_ranges_done(struct inner_ranges *r);

/*
 * A language runtime. open() looks at the mapped files: 0 with *state, -ENOENT: not this runtime,
 * -EAGAIN: it has not set itself up yet, others: cannot be read, with *why (static). read() fills
 * *ret and adds its ranges; a figure that it could not verify is unknown with its reason; an error
 * (-ESRCH, -ENOMEM) means that nothing of it counts. Both bound what they read.
 */
struct runtime_ops {
	const char *name; /* "v8" */
	int (*open)(const struct process_view *v, void **state, const char **why);
	int (*read)(void *state, const struct process_view *v, struct inner_runtime *ret,
		    struct inner_ranges *ranges);
	void (*close)(void *state);
};
extern const struct runtime_ops runtime_v8, runtime_jvm, runtime_cpython, runtime_go;

/* An allocator whose structures can be walked; ranges it serves from are INNER_ARENA. */
struct walk_ops {
	const char *name; /* "glibc" */
	int (*open)(const struct process_view *v, void **state, const char **why);
	int (*read)(void *state, const struct process_view *v, struct inner_allocator *ret,
		    struct inner_ranges *ranges);
	void (*close)(void *state);
};
extern const struct walk_ops walk_glibc;
/* They only say that they are not read. */
extern const struct walk_ops walk_jemalloc, walk_tcmalloc, walk_mimalloc, walk_musl, walk_asan;

/* Ends with a NULL. The first one that opens is the process's. */
extern const struct runtime_ops *const runtimes[];
extern const struct walk_ops *const walks[];
