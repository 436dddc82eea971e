#include "model/overlap.h"

#include <stdlib.h>

#include "memtrace/weight.h"

static int by_address(const void *a, const void *b)
{
	const struct overlap_block *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static uint64_t end_of(const struct overlap_block *b)
{
	uint64_t end;

	return __builtin_add_overflow(b->addr, mt_held_size(b->held), &end) ? UINT64_MAX : end;
}

static size_t kill(struct overlap_block *b)
{
	b->dead = true;
	return 1;
}

size_t overlap_find(struct overlap_block *block, size_t n)
{
	struct overlap_block *farthest = NULL; /* of those before that are not dead */
	size_t found = 0;

	if (n)
		qsort(block, n, sizeof(*block), by_address);
	for (size_t i = 0; i < n; i++) {
		struct overlap_block *b = &block[i];

		if (b->dead)
			continue;
		if (farthest && end_of(farthest) > b->addr) {
			if (farthest->born_ds < b->born_ds) {
				found += kill(farthest);
				farthest = b;
				continue;
			}
			/* one without bytes overlaps nothing */
			if (farthest->born_ds > b->born_ds && mt_held_size(b->held)) {
				found += kill(b);
				continue;
			}
		}
		if (!farthest || end_of(b) > end_of(farthest))
			farthest = b;
	}
	return found;
}

size_t overlap_find_unmapped(struct overlap_block *block, size_t n,
			     const struct overlap_range *range, size_t ranges, uint32_t since_ds)
{
	size_t found = 0, at = 0;

	for (size_t i = 0; i < n; i++) {
		struct overlap_block *b = &block[i];

		while (at < ranges && range[at].end <= b->addr)
			at++;
		if (b->dead || b->born_ds >= since_ds)
			continue;
		if (at == ranges || range[at].start > b->addr)
			found += kill(b);
	}
	return found;
}
