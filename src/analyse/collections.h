/*
 * When garbage was collected. What a collector frees is not lost before it has run, so growth of
 * such things means something only where it went on over a run. A runtime may count its runs
 * (inner.h); else they show as call sites inside the collector (the rules `collector` and
 * `young-collector`).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/snapshot.h"

#define COLLECTIONS_MARKS 8

/* A run between two looks, in seconds since tracing began. */
struct collections_mark {
	double after_s, by_s;
};

struct collections_runs {
	struct collections_mark mark[COLLECTIONS_MARKS]; /* a ring; some seconds apart */
	size_t count;					 /* of all that were put in */
	uint64_t counted;				 /* by the runtime, at the last look */
};

struct collections {
	bool complete; /* no run was missed since tracing began */
	bool named;    /* functions of a collector, or of what it frees, were met by name */
	double looked_s;
	struct collections_runs young, full;
};

void collections_init(struct collections *c);

/* A further snapshot of the same process. */
void collections_look(struct collections *c, const struct snapshot *s);

/* When the last run began, at the earliest, that was over by a moment; NAN: none is known. */
double collections_last(const struct collections_runs *r, double by_s);
