/* Blocks from the kernel's table; apart, so that tests need none of it. */
#include "app/sweep.h"

static int each_of(void *ctx, uint32_t asid, collector_block_fn fn, void *fn_ctx)
{
	return collector_each_block(ctx, asid, fn, fn_ctx);
}

static int end_of(void *ctx, uint32_t asid, uint64_t addr, uint32_t born_ds)
{
	return collector_end_block(ctx, asid, addr, born_ds);
}

struct sweep_source sweep_collector(struct collector *c)
{
	return (struct sweep_source){ c, each_of, end_of };
}
