/*
 * See series.h. Point number k is kept for good when k is a multiple of the stride; the last one
 * stands in until then. The array grows with its use: most sites are short-lived.
 */
#include "model/series.h"

#include "base/cleanup.h"
#include "base/vec.h"

#define NS_PER_CS 10000000u

_Static_assert(sizeof(struct series_point) == 16, "the model's bounds count on it");

struct series {
	struct series_point *point; /* owned */
	size_t n, cap, limit;
	uint64_t added;	 /* points given so far */
	uint64_t stride; /* a power of two */
};

int series_new(size_t points, struct series **ret)
{
	struct series *s;

	if (points < 4)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->limit = points;
	s->stride = 1;
	*ret = s;
	return 0;
}

void series_free(struct series *s)
{
	if (!s)
		return;
	free(s->point);
	free(s);
}

/* All points are multiples of the stride here, so the even ones are multiples of its double. */
static void series_thin(struct series *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i += 2)
		s->point[kept++] = s->point[i];
	s->n = kept;
	s->stride *= 2;
}

static uint64_t at_most(uint64_t v, unsigned int bits)
{
	uint64_t most = (UINT64_C(1) << bits) - 1;

	return v < most ? v : most;
}

int series_add(struct series *s, uint64_t t_ns, uint64_t bytes, uint64_t count)
{
	struct series_point p = {
		.bytes = at_most(bytes, SERIES_BYTES_BITS),
		.count = at_most(count, 32),
		.t_cs = at_most(t_ns / NS_PER_CS, SERIES_TIME_BITS),
	};
	int r;

	if (s->n && p.t_cs < s->point[s->n - 1].t_cs)
		return 0;
	if (s->n && (s->added - 1) % s->stride != 0)
		s->n--; /* the last one only stood in */
	if (s->n == s->limit)
		series_thin(s);
	r = vec_reserve(&s->point, sizeof(*s->point), s->n, &s->cap, s->limit);
	if (r < 0)
		return r;
	s->point[s->n++] = p;
	s->added++;
	return 0;
}

size_t series_count(const struct series *s)
{
	return s ? s->n : 0;
}

const struct series_point *series_points(const struct series *s)
{
	return s ? s->point : NULL;
}
