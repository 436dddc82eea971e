#include "sys/present.h"

#include <stdlib.h>

#include "base/search.h"
#include "base/vec.h"

void present_add(struct present_runs *r, uint64_t start, uint64_t end)
{
	struct present_run *last = r->count ? &r->run[r->count - 1] : NULL;

	if (start >= end || r->refused || (last && start < last->end))
		return;
	if (last && last->end == start) {
		last->end = end;
	} else if (vec_reserve(&r->run, sizeof(*r->run), r->count, &r->cap, PRESENT_RUNS_MAX)) {
		r->refused = true;
		return;
	} else {
		r->run[r->count++] = (struct present_run){ start, end, r->bytes };
	}
	r->bytes += end - start;
}

void present_done(struct present *p)
{
	free(p->in.run);
	free(p->swapped.run);
	*p = (struct present){ .in.count = 0 };
}

const struct present_run *present_from(const struct present_runs *r, uint64_t address)
{
	size_t lo = search_first(r->count, i, r->run[i].end <= address);

	return lo < r->count ? &r->run[lo] : NULL;
}

/* Bytes of the runs that lie below address. */
static uint64_t bytes_below(const struct present_runs *r, uint64_t address)
{
	const struct present_run *at = present_from(r, address);

	if (!at)
		return r->bytes;
	return at->before + (address > at->start ? address - at->start : 0);
}

uint64_t present_bytes(const struct present_runs *r, uint64_t start, uint64_t end)
{
	return start < end ? bytes_below(r, end) - bytes_below(r, start) : 0;
}

bool present_has(const struct present_runs *r, uint64_t address)
{
	const struct present_run *at = present_from(r, address);

	return at && at->start <= address;
}
