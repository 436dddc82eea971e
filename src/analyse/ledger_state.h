/*
 * What the ledger remembers between ticks of one process: a bounded history per class, the last
 * totals, and how much of what existed at attach is known to be gone. Owned by the caller, plain
 * values, nothing to release. A new program (exec) or a new process needs a new state.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyse/analysis.h"

#define LEDGER_TICKS 64	     /* history behind growth_bytes_per_s */
#define LEDGER_SLOPE_TICKS 4 /* fewer known points give no growth */

struct ledger_state {
	uint64_t gone_bytes; /* of allocator_at_attach, proven gone; never shrinks */
	/* Least that mappings from before the trace ever held, FACT_UNKNOWN before the first tick:
	 * what they gain beyond it is not from before. */
	uint64_t before_bytes;
	/* Of allocators, not live when allocations were traced last and no walk told; FACT_UNKNOWN.
	 */
	uint64_t slack_then_bytes;
	double walked_s;		/* snapshot.walked_s of the last tick; NAN before ... */
	uint64_t walked_held_bytes;	/* ... and what allocators held when it was new, ... */
	uint64_t walked_unmapped_bytes; /* ... and ranges of which nobody knows who mapped them */
	/* Buffers that were resident when their runtime's list was walked through, as told last,
	 * and what the runtime counted when that was new; FACT_UNKNOWN before. */
	uint64_t buffers_walked_bytes, buffers_then_bytes;
	bool started;  /* the fields below hold a tick */
	double last_s; /* its time since tracing began */
	uint64_t last_allocs, last_frees;
	double alloc_per_s, free_per_s; /* NAN until two ticks were seen */
	size_t ticks;			/* recorded so far; the newest LEDGER_TICKS are kept */
	double t_s[LEDGER_TICKS];
	double bytes[CLASS_MAX][LEDGER_TICKS]; /* NAN where not measured */
};

void ledger_state_init(struct ledger_state *st);

/*
 * Records the rows and totals of the tick at t_s. A tick that is not later than the last one, or
 * has no time (NAN), changes nothing.
 */
void ledger_state_add(struct ledger_state *st, double t_s, const struct class_row rows[CLASS_MAX],
		      uint64_t allocs, uint64_t frees);

/* Median of the slopes between all pairs of known points (Theil-Sen), bytes per second, or NAN. */
double ledger_state_slope(const struct ledger_state *st, enum resource_class class);
