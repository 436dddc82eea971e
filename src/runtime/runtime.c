#include "runtime/runtime.h"

#include <errno.h>
#include <stdlib.h>

#include "base/vec.h"

const struct runtime_ops *const runtimes[] = { &runtime_v8, &runtime_jvm, &runtime_cpython,
					       &runtime_go, NULL };
const struct walk_ops *const walks[] = {
	&walk_glibc, &walk_jemalloc, &walk_tcmalloc, &walk_mimalloc, &walk_musl, &walk_asan, NULL
};

int inner_ranges_add(struct inner_ranges *r, uint64_t start, uint64_t end, enum inner_use use)
{
	int e;

	if (start >= end)
		return 0;
	e = vec_reserve(&r->range, sizeof(*r->range), r->count, &r->cap, INNER_RANGES_MAX);
	if (e == -ENOSPC)
		r->refused++;
	if (e)
		return e == -ENOSPC ? 0 : e;
	r->range[r->count++] = (struct inner_range){ start, end, use };
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct inner_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

void inner_ranges_settle(struct inner_ranges *r)
{
	size_t n = 0;

	if (r->count)
		qsort(r->range, r->count, sizeof(*r->range), compare_ranges);
	for (size_t i = 0; i < r->count; i++) {
		struct inner_range add = r->range[i], *last = n ? &r->range[n - 1] : NULL;

		if (last && add.start < last->end)
			add.start = last->end;
		if (add.start >= add.end)
			continue;
		if (last && last->end == add.start && last->use == add.use)
			last->end = add.end;
		else
			r->range[n++] = add;
	}
	r->count = n;
}

void inner_ranges_done(struct inner_ranges *r)
{
	free(r->range);
	*r = (struct inner_ranges){ .count = 0 };
}
