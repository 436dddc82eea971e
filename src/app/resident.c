#include "app/resident.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define MISSED_BYTES (64u << 10) /* less is not worth a second look, ... */
#define MISSED_SHARE 256	 /* ... nor less than such a share of the size */

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
	for (size_t i = 0; i < maps->count; i++)
		if (maps->vma[i].kind == VMA_SPECIAL && !maps->vma[i].executable)
			all.range[i].resident_bytes = all.range[i].swapped_bytes = 0;
	*ret = all;
	all = (struct resident){ .count = 0 };
	return 0;
}

/* What lies in [low, high] next to v. */
static uint64_t nearest(uint64_t v, uint64_t low, uint64_t high)
{
	return v < low ? low : v > high ? high : v;
}

/* Of two readings and a sum; what is not known changes nothing. */
static void settle(uint64_t before, uint64_t sum, uint64_t *size)
{
	if (before == FACT_UNKNOWN || *size == FACT_UNKNOWN || sum == FACT_UNKNOWN)
		return;
	*size = before < *size ? nearest(sum, before, *size) : nearest(sum, *size, before);
}

static void add_known(uint64_t *sum, uint64_t bytes)
{
	*sum = bytes == FACT_UNKNOWN || *sum == FACT_UNKNOWN ? FACT_UNKNOWN : *sum + bytes;
}

uint64_t resident_settle(const struct resident *r, const struct proc_fact *before,
			 struct proc_fact *size)
{
	uint64_t in = 0, swapped = 0, missed;

	for (size_t i = 0; i < r->count; i++) {
		add_known(&in, r->range[i].resident_bytes);
		add_known(&swapped, r->range[i].swapped_bytes);
	}
	settle(before->rss_bytes, in, &size->rss_bytes);
	settle(before->swap_bytes, swapped, &size->swap_bytes);
	if (in == FACT_UNKNOWN || size->rss_bytes == FACT_UNKNOWN || in >= size->rss_bytes)
		return 0;
	missed = size->rss_bytes - in;
	return missed > MISSED_BYTES && missed > size->rss_bytes / MISSED_SHARE ? missed : 0;
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
