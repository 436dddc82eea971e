/*
 * Times of foreign points as seconds since the first, strictly rising. A single time that steps
 * back or far ahead is refused. A clock that was set back is noticed when TIMELINE_STEPS times in a
 * row lie before the last one: time goes on from there as it went before. A gap is believed when
 * the time after it goes on from there, so a gap costs one time. Pure.
 */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define TIMELINE_STEPS 4
#define TIMELINE_MAX_S 1e9   /* thirty years: the longest series */
#define TIMELINE_FIRST_S 1e8 /* longest first step: tells dates and seconds since a start apart */
#define TIMELINE_JUMP 64     /* times the longest step so far: such a gap needs a second time */

struct timeline {
	bool begun;
	double origin, last; /* what counts as 0; the last time, both as they came */
	double step;	     /* longest so far; 0: none yet */
	double now_s;	     /* what was given out last */
	double seen;	     /* the last time that came, also when it was refused */
	unsigned int back;   /* times in a row that lay before the last */
	bool ahead;	     /* the time seen last was refused as far ahead */
};

static inline bool timeline_give(struct timeline *t, double at, double now_s, double *ret)
{
	if (!(now_s > t->now_s && now_s <= TIMELINE_MAX_S))
		return false;
	t->last = at;
	t->back = 0;
	t->ahead = false;
	*ret = t->now_s = now_s;
	return true;
}

/* The clock was set: at is one step after what was given out last. */
static inline bool timeline_follow(struct timeline *t, double at, double before, double *ret)
{
	double step = at > before ? at - before : t->step > 0 ? t->step : 1;

	if (t->step > 0)
		step = fmin(step, t->step);
	if (!timeline_give(t, at, t->now_s + step, ret))
		return false;
	t->origin = at - t->now_s;
	return true;
}

/* Is it so far ahead that the next time must say the same? */
static inline bool timeline_jumps(const struct timeline *t, double at)
{
	return at - t->last > (t->step > 0 ? TIMELINE_JUMP * t->step : TIMELINE_FIRST_S) ||
	       at - t->origin > TIMELINE_MAX_S;
}

/* The time in *ret; false: it is refused. first: what counts as 0 when this is the first time. */
static inline bool timeline_add(struct timeline *t, double at, double first, double *ret)
{
	double before = t->seen;
	bool ahead = t->ahead;

	if (!isfinite(at) || !isfinite(first))
		return false;
	t->seen = at;
	t->ahead = false;
	if (!t->begun) {
		if (!(at - first >= 0 && at - first <= TIMELINE_MAX_S))
			return false;
		*t = (struct timeline){ .begun = true, .origin = first, .last = at, .seen = at };
		*ret = t->now_s = at - first;
		return true;
	}
	if (at < t->last)
		return ++t->back >= TIMELINE_STEPS && timeline_follow(t, at, before, ret);
	if (at == t->last)
		return false;
	if (timeline_jumps(t, at)) {
		t->ahead = !(ahead && at > before &&
			     at - before <= TIMELINE_JUMP * fmax(t->step, before - t->last));
		if (t->ahead)
			return false;
		if (at - t->origin > TIMELINE_MAX_S)
			return timeline_follow(t, at, before, ret);
	}
	before = t->last;
	if (!timeline_give(t, at, at - t->origin, ret))
		return false;
	t->step = fmax(t->step, at - before);
	return true;
}
