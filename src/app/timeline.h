/*
 * Times of foreign points as seconds since the first, strictly rising. A single time that steps
 * back is refused; a clock that was set back is noticed when TIMELINE_STEPS times in a row lie
 * before the last one: time goes on from there as it went before. Pure.
 */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define TIMELINE_STEPS 4
#define TIMELINE_MAX_S 1e9 /* thirty years: the longest series */

struct timeline {
	bool begun;
	double origin, last; /* what counts as 0; the last time, both as they came */
	double step;	     /* between the last two */
	double now_s;	     /* what was given out last */
	unsigned int back;   /* times in a row that lay before the last */
};

/* The time in *ret; false: it is refused. first: what counts as 0 when this is the first time. */
static inline bool timeline_add(struct timeline *t, double at, double first, double *ret)
{
	double now_s;

	if (!isfinite(at) || !isfinite(first))
		return false;
	if (!t->begun) {
		if (!(at - first >= 0 && at - first <= TIMELINE_MAX_S))
			return false;
		*t = (struct timeline){ true, first, at, 0, at - first, 0 };
		*ret = t->now_s;
		return true;
	}
	if (at < t->last && ++t->back >= TIMELINE_STEPS) {
		t->origin = at - t->now_s - (t->step > 0 ? t->step : 1);
		t->last = at - (t->step > 0 ? t->step : 1);
	}
	now_s = at - t->origin;
	if (!(at > t->last && now_s > t->now_s && now_s <= TIMELINE_MAX_S))
		return false;
	t->back = 0;
	t->step = at - t->last;
	t->last = at;
	*ret = t->now_s = now_s;
	return true;
}
