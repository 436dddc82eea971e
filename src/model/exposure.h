/*
 * What is known of blocks when probes are in for windows of time only. A block that was live when
 * they went out is exposed: its end is seen only when its memory is used again while probes are in
 * (the kernel side notices the same address, overlap.h the rest). Where a block that lives long
 * took that memory between two windows, or nobody wants it, a dead block looks live for ever: of
 * blocks with short lives 3 to 60 % do, as simulated (tests/judge/corpus_heap.h), and they stand
 * for far more than a leak beside them. Of a leak's own blocks all are left.
 *
 * So the share of a site's exposed blocks that is left is held against that share in the rest of
 * the process: what both have in common is taken for dead. The same is done with what the memory
 * of blocks of that size was taken for by a site of which all are left. Blocks of the last window
 * had no chance yet to be seen to end: they are believed as those before them were.
 */
#pragma once
#include "model/overlap.h"
#include "model/sites.h"

/* One window: probes came in at since_ds and went out at until_ds, both of the blocks' clock. */
struct exposure_window {
	uint32_t since_ds, until_ds;
	uint32_t weight_log2; /* of its births */
	double period_s;      /* from one window to the next */
	bool again; /* it was told before, and probes are in for good since: some blocks ended */
};

/*
 * Renews what is doubted of each site (in the order of their numbers), from all blocks of the
 * address space that are recorded as live, in any order; dead ones are left out. -ENOMEM leaves the
 * sites as they were.
 */
int exposure_settle(struct site *const *site, size_t sites, const struct overlap_block *block,
		    size_t n, const struct exposure_window *w);
