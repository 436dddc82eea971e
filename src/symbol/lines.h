/*
 * Lines and inlined functions of addresses: asked of a child process (line_worker.h), cleaned,
 * demangled, and remembered. Nothing here blocks but lines_wait().
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/line_worker.h"
#include "symbol/symbolizer.h"

struct lines; /* opaque */
struct symcache;

struct lines_cfg {
	struct line_worker_cfg worker;
	struct symcache *names; /* borrowed: where texts are kept */
	size_t answers_max;	/* remembered; all are forgotten beyond */
};

int lines_new(const struct lines_cfg *cfg, struct lines **ret);
void lines_free(struct lines *l);
void lines_freep(struct lines **l);

/*
 * What is known of an address of a file, innermost first: 0, and *ret_count of 0 when there is
 * nothing. -EAGAIN: it is being asked for, call again after lines_receive(). -ENOENT: lines of this
 * file are not to be had.
 */
int lines_find(struct lines *l, const struct line_file *file, uint64_t vaddr,
	       struct symbol_frame ret[static SYMBOL_FRAMES_MAX], size_t *ret_count);

/* Takes in what has been answered. */
void lines_receive(struct lines *l);
/* The same until nothing is open, at most wait_ns. True when nothing is. */
bool lines_wait(struct lines *l, uint64_t wait_ns);

/* Fills the members that are about lines. */
void lines_get_stats(const struct lines *l, struct symbolizer_stats *ret);
