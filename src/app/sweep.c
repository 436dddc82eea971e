#include "app/sweep.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/vec.h"

struct list {
	struct overlap_block *block; /* owned */
	size_t n, cap, max;
};

struct sweep_cfg sweep_defaults(void)
{
	return (struct sweep_cfg){ .blocks_max = 1u << 20 };
}

static int take(void *ctx, const struct collector_block *b)
{
	struct list *l = ctx;
	int r = vec_reserve(&l->block, sizeof(*l->block), l->n, &l->cap, l->max);

	if (r < 0)
		return r == -ENOSPC ? -E2BIG : r;
	l->block[l->n++] = (struct overlap_block){ b->addr, b->held, b->site, b->born_ds, false };
	return 0;
}

/* Marked blocks that were not marked before; those that could not be ended are live again. */
static uint64_t end_marked(const struct sweep_source *source, uint32_t asid, struct list *l,
			   uint64_t *failed)
{
	uint64_t ended = 0;

	for (size_t i = 0; i < l->n; i++) {
		int r;

		if (!l->block[i].dead)
			continue;
		r = source->end(source->ctx, asid, l->block[i].addr, l->block[i].born_ds);
		if (r < 0 && r != -ENOENT) {
			l->block[i].dead = false;
			++*failed;
		} else {
			ended += r == 0;
		}
	}
	return ended;
}

/* What was ended need not be looked at again. */
static void drop_dead(struct list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (!l->block[i].dead)
			l->block[n++] = l->block[i];
	l->n = n;
}

int sweep_window(const struct sweep_cfg *cfg, const struct sweep_source *source,
		 const struct sweep_target *target, const struct exposure_window *w,
		 struct sweep_result *ret)
{
	auto_free struct overlap_block *block = NULL;
	struct list l = { .max = cfg->blocks_max };
	struct sweep_result done = {};
	int r = source->each(source->ctx, target->asid, take, &l);

	block = l.block;
	if (r < 0)
		return r;
	done.blocks = l.n;
	overlap_find(l.block, l.n, w->since_ds);
	done.overlapped = end_marked(source, target->asid, &l, &done.failed);
	drop_dead(&l);
	if (target->mapped_count) {
		overlap_find_unmapped(l.block, l.n, target->mapped, target->mapped_count,
				      target->mapped_ds);
		done.unmapped = end_marked(source, target->asid, &l, &done.failed);
		drop_dead(&l);
	}
	r = model_close_window(target->model, target->pid, l.block, l.n, w);
	if (r < 0)
		return r;
	*ret = done;
	return 0;
}
