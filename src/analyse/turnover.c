#include "analyse/turnover.h"

#include <math.h>

#include "base/order.h"

#define APART 0.01	 /* of what came and went: the sums are not read at the same moment ... */
#define APART_SEEN 0.002 /* ... which shows for the most part as scatter */
#define SIGMAS 3
#define STEPS_LEAST 4
#define TO_SIGMA (1.4826 / M_SQRT2) /* median of the differences of two, if normal */

static bool is_known(const struct turnover_point *p)
{
	return isfinite(p->t_s) && isfinite(p->live_count) && isfinite(p->live_bytes);
}

void turnover_add(struct turnover *t, const struct turnover_point *now)
{
	if (!is_known(now)) {
		*t = (struct turnover){ .count = 0 };
		return;
	}
	t->count -= t->passing;
	if (t->count == TURNOVER_POINTS) {
		for (size_t i = 0; i < TURNOVER_POINTS / 2; i++)
			t->point[i] = t->point[2 * i];
		t->count = TURNOVER_POINTS / 2;
		t->apart_log2++;
	}
	t->passing = (t->ticks & (((size_t)1 << t->apart_log2) - 1)) != 0;
	t->ticks++;
	t->point[t->count++] = *now;
}

static double gained(const struct turnover_point *from, const struct turnover_point *to)
{
	return (to->born - to->freed) - (from->born - from->freed);
}

/*
 * Of the gain of so many steps together, by the median difference of neighbours: what the load does
 * is left out. NAN: too few.
 */
static double scatter_of(const struct turnover_point *first, size_t steps)
{
	double apart[TURNOVER_POINTS];

	if (steps < STEPS_LEAST)
		return NAN;
	for (size_t i = 1; i < steps; i++) {
		const struct turnover_point *p = &first[i];

		apart[i - 1] = fabs(gained(&p[0], &p[1]) - gained(&p[-1], &p[0]));
		if (!isfinite(apart[i - 1]))
			return NAN;
	}
	return TO_SIGMA * order_select(apart, steps - 1, (steps - 1) / 2) * sqrt((double)steps);
}

bool turnover_since(const struct turnover *t, double since_s, struct turnover_change *ret)
{
	const struct turnover_point *last, *from;
	size_t i = t->count;

	while (i > 0 && t->point[i - 1].t_s > since_s)
		i--;
	if (i == 0 || i == t->count)
		return false;
	from = &t->point[i - 1];
	last = &t->point[t->count - 1];
	*ret = (struct turnover_change){
		.span_s = last->t_s - from->t_s,
		.born = last->born - from->born,
		.freed = last->freed - from->freed,
		.live_count = last->live_count - from->live_count,
		.live_bytes = last->live_bytes - from->live_bytes,
		.scatter = scatter_of(from, t->count - i),
	};
	return true;
}

bool turnover_denies(const struct turnover_change *d, double weight, double claimed, double share)
{
	double flow = fmax(d->born, 0) + fmax(d->freed, 0);
	double doubt = APART * flow + SIGMAS * sqrt(fmax(weight, 0) * flow);

	if (isfinite(d->scatter))
		doubt = fmin(doubt, APART_SEEN * flow + SIGMAS * d->scatter);
	return claimed > 0 && d->born - d->freed + doubt <= share * claimed;
}
