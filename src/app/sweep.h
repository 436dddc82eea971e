/*
 * After a window of probes: ends blocks that cannot be live any more (model/overlap.h), and tells
 * the model what is left of all that was exposed (model/exposure.h). To be called when the probes
 * have gone out and the records of the window were delivered; and every few seconds while blocks
 * of former windows are left and probes are in without windows, with `again`.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "collect/collector.h"
#include "model/model.h"
#include "model/exposure.h"

/* Where blocks come from: sweep_collector(), or a test. */
struct sweep_source {
	void *ctx;
	int (*each)(void *ctx, uint32_t asid, collector_block_fn fn, void *fn_ctx);
	int (*end)(void *ctx, uint32_t asid, uint64_t addr, uint32_t born_ds);
};

struct sweep_source sweep_collector(struct collector *c); /* borrowed */

struct sweep_cfg {
	size_t blocks_max; /* more are refused, and nothing is concluded then */
};

/* 2^20 blocks: 40 MB for the time of the sweep. */
struct sweep_cfg sweep_defaults(void);

struct sweep_target {
	struct model *model;
	uint32_t pid, asid;
	/* All that is mapped, sorted, read at mapped_ds or later and before this call; 0 of them:
	 * not known. */
	const struct overlap_range *mapped;
	size_t mapped_count;
	uint32_t mapped_ds;
};

struct sweep_result {
	uint64_t blocks;     /* looked at */
	uint64_t overlapped; /* ended: a newer block has their bytes */
	uint64_t unmapped;   /* ended: their memory is gone */
	uint64_t failed;     /* could not be ended */
};

/*
 * About 10 ms for 100,000 blocks, and 2 us for each that is ended. -E2BIG: more than blocks_max;
 * -ESRCH: no such process; -ENOMEM. Nothing was concluded then, though blocks may have been ended.
 */
int sweep_window(const struct sweep_cfg *cfg, const struct sweep_source *source,
		 const struct sweep_target *target, const struct exposure_window *w,
		 struct sweep_result *ret);
