#include "app/resident.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

int resident_scan(const char *proc, uint32_t pid, const struct vma_table *maps,
		  struct resident *ret)
{
	auto_clean(resident_done) struct resident all = { .count = maps->count };
	struct residency_cfg cfg = { .root = proc, .whole = true, .present = &all.present };
	int r;

	all.range = calloc(maps->count + 1, sizeof(*all.range));
	if (!all.range)
		return -ENOMEM;
	for (size_t i = 0; i < maps->count; i++)
		all.range[i] =
			(struct residency){ .start = maps->vma[i].start, .end = maps->vma[i].end };
	r = residency_read(&cfg, pid, all.range, all.count, &all.info);
	if (r < 0)
		return r;
	*ret = all;
	all = (struct resident){ .count = 0 };
	return 0;
}

void resident_done(struct resident *r)
{
	present_done(&r->present);
	free(r->range);
	*r = (struct resident){ .count = 0 };
}

bool resident_is_whole(const struct resident *r)
{
	return r->range && !r->present.in.refused && !r->present.swapped.refused;
}

void resident_fill(const struct resident *r, struct residency *ranges, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		struct residency *x = &ranges[i];
		bool known = true;

		while (at < r->count && r->range[at].end <= x->start)
			at++;
		for (size_t k = at; k < r->count && r->range[k].start < x->end; k++)
			known &= r->range[k].resident_bytes != FACT_UNKNOWN;
		x->resident_bytes = x->swapped_bytes = x->huge_bytes = FACT_UNKNOWN;
		if (!known)
			continue;
		x->resident_bytes = present_bytes(&r->present.in, x->start, x->end);
		x->swapped_bytes = present_bytes(&r->present.swapped, x->start, x->end);
	}
}
