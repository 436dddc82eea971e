/* Blocks of equal numbers of points carry most: they are cheap, and what happens between points
 * (saws, pulses) stays visible in their extremes. */
#include "growth/life.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/order.h"
#include "growth/life_parts.h"
#include "growth/window.h"

/* A window of points, cut into blocks. */
static void cut(const double *x, const double *y, size_t n, struct blocks *b, size_t count)
{
	b->n = count;
	for (size_t k = 0; k < count; k++) {
		size_t from = k * n / count, to = (k + 1) * n / count;

		b->x[k] = b->mean[k] = 0;
		b->low[k] = INFINITY;
		b->high[k] = -INFINITY;
		for (size_t i = from; i < to; i++) {
			b->x[k] += x[i];
			b->mean[k] += y[i];
			b->low[k] = fmin(b->low[k], y[i]);
			b->high[k] = fmax(b->high[k], y[i]);
		}
		b->x[k] /= (double)(to - from);
		b->mean[k] /= (double)(to - from);
	}
}

/* Standard deviation of noise between neighbours. */
static double noise_of(const double *y, size_t n)
{
	double d[HISTORY_RING], drift;

	for (size_t i = 1; i < n; i++)
		d[i - 1] = y[i] - y[i - 1];
	drift = order_select(d, n - 1, (n - 1) / 2);
	for (size_t i = 0; i + 1 < n; i++)
		d[i] = fabs(d[i] - drift);
	return 1.4826 * order_select(d, n - 1, (n - 1) / 2) / M_SQRT2;
}

double life_log(double v) /* keeps the sign */
{
	return copysign(log1p(fabs(v)), v);
}

double life_rises(const double *t_s, const double *value, size_t n)
{
	struct blocks b;
	double x[HISTORY_RING], y[HISTORY_RING], high = -INFINITY, low = INFINITY;
	size_t count = n < 8 ? n : 8;

	if (n < 4 || n > HISTORY_RING)
		return 0;
	for (size_t i = 0; i < n; i++) {
		low = fmin(low, value[i]);
		high = fmax(high, value[i]);
	}
	if (!(high > low) || !(t_s[n - 1] > t_s[0]))
		return 0;
	for (size_t i = 0; i < n; i++) {
		x[i] = (t_s[i] - t_s[0]) / (t_s[n - 1] - t_s[0]);
		y[i] = (value[i] - low) / (high - low);
	}
	cut(x, y, n, &b, count);
	return life_line(b.x, b.mean, count).t;
}

static void range_of(const double *y, size_t n, double *low, double *high)
{
	*low = *high = y[0];
	for (size_t i = 1; i < n; i++) {
		*low = fmin(*low, y[i]);
		*high = fmax(*high, y[i]);
	}
}

/* Whole life and newest quarter, on one scale: x and y from 0 to 1. */
static int take(const struct history *h, struct life *l)
{
	unsigned int level = history_whole_level(h);
	double low, high, t0, span;
	size_t n;

	l->n = history_level(h, level, l->x, l->y);
	if (l->n < LIFE_POINTS_MIN)
		return -ENODATA;
	range_of(l->y, l->n, &low, &high);
	t0 = l->x[0];
	span = l->x[l->n - 1] - t0;
	l->scale = high - low;
	if (!(l->scale > 0) || !(span > 0))
		return -ENODATA;
	n = history_level(h, level ? level - 1 : 0, l->late_x, l->late_y);
	l->late_n = level ? l->n : n / 4;
	if (l->late_n > n)
		l->late_n = n;
	memmove(l->late_x, l->late_x + n - l->late_n, l->late_n * sizeof(double));
	memmove(l->late_y, l->late_y + n - l->late_n, l->late_n * sizeof(double));
	for (size_t i = 0; i < l->n; i++) {
		l->x[i] = (l->x[i] - t0) / span;
		l->y[i] = (l->y[i] - low) / l->scale;
	}
	for (size_t i = 0; i < l->late_n; i++) {
		l->late_x[i] = (l->late_x[i] - t0) / span;
		l->late_y[i] = (l->late_y[i] - low) / l->scale;
	}
	cut(l->x, l->y, l->n, &l->fine, LIFE_FINE);
	cut(l->x, l->y, l->n, &l->whole, LIFE_BLOCKS);
	cut(l->late_x, l->late_y, l->late_n, &l->late, LIFE_LATE);
	return 0;
}

static void sizes(const struct history *h, const struct life *l, double *ret)
{
	double t[HISTORY_RING], v[HISTORY_RING], low, high;
	size_t n = history_level(h, 0, t, v);

	ret[LIFE_LOG_POINTS] = log((double)history_count(h));
	ret[LIFE_LOG_SIZE] = -log(noise_of(l->y, l->n) + 1e-4);
	ret[LIFE_LOG_RAW] = -log(noise_of(v, n) / l->scale + 1e-4);
	range_of(l->y + l->n / 2, l->n - l->n / 2, &low, &high);
	ret[LIFE_RANGE_HALF] = log(high - low + 1e-3);
	range_of(l->late_y, l->late_n, &low, &high);
	ret[LIFE_RANGE_QUARTER] = log(high - low + 1e-3);
}

/* Student's t of a slope, with the noise that is seen between neighbours: what moves slowly counts
 * as growth here, and is for the other statistics to tell. */
static double evidence(const double *x, const double *y, size_t n)
{
	double slope = life_line(x, y, n).slope, mean = (y[n - 1] - y[0]) / (double)(n - 1);
	double noise = 0, xx = 0, mx = 0;

	for (size_t i = 0; i < n; i++)
		mx += x[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		xx += (x[i] - mx) * (x[i] - mx);
	for (size_t i = 1; i < n; i++)
		noise += pow(y[i] - y[i - 1] - mean, 2) / (double)(2 * n - 4);
	return fmin(fmax(slope * sqrt(xx) / (sqrt(noise) + 1e-4), -99), 99);
}

static double slowing(double now, double before)
{
	return (now - before) / (fabs(now) + fabs(before) + 1e-2);
}

static void rates(const struct life *l, double *ret)
{
	const struct blocks *w = &l->whole, *q = &l->late;
	struct line whole = life_line(w->x, w->mean, LIFE_BLOCKS);
	struct line first = life_line(w->x, w->mean, LIFE_BLOCKS / 2);
	struct line half =
		life_line(w->x + LIFE_BLOCKS / 2, w->mean + LIFE_BLOCKS / 2, LIFE_BLOCKS / 2);
	struct line before =
		life_line(l->fine.x + LIFE_FINE / 2, l->fine.mean + LIFE_FINE / 2, LIFE_FINE / 4);
	struct line quarter = life_line(q->x, q->mean, LIFE_LATE);
	struct line earlier = life_line(q->x, q->mean, LIFE_LATE / 2);
	struct line eighth =
		life_line(q->x + LIFE_LATE / 2, q->mean + LIFE_LATE / 2, LIFE_LATE / 2);

	ret[LIFE_RATE_WHOLE] = life_log(whole.slope);
	ret[LIFE_RATE_FIRST] = life_log(first.slope);
	ret[LIFE_RATE_HALF] = life_log(half.slope);
	ret[LIFE_RATE_QUARTER] = life_log(quarter.slope);
	ret[LIFE_RATE_EIGHTH] = life_log(eighth.slope);
	ret[LIFE_T_WHOLE] = life_log(whole.t);
	ret[LIFE_T_FIRST] = life_log(first.t);
	ret[LIFE_T_HALF] = life_log(half.t);
	ret[LIFE_T_QUARTER] = life_log(quarter.t);
	ret[LIFE_T_EIGHTH] = life_log(eighth.t);
	ret[LIFE_EVIDENCE_WHOLE] = evidence(l->fine.x, l->fine.mean, LIFE_FINE);
	ret[LIFE_EVIDENCE_HALF] =
		evidence(l->fine.x + LIFE_FINE / 2, l->fine.mean + LIFE_FINE / 2, LIFE_FINE / 2);
	ret[LIFE_EVIDENCE_QUARTER] = evidence(q->x, q->mean, LIFE_LATE);
	ret[LIFE_SLOWING_HALF] = slowing(half.slope, first.slope);
	ret[LIFE_SLOWING_QUARTER] = slowing(quarter.slope, before.slope);
	ret[LIFE_SLOWING_EIGHTH] = slowing(eighth.slope, earlier.slope);
	ret[LIFE_TAU_WHOLE] = life_tau(l->fine.mean, LIFE_FINE);
	ret[LIFE_TAU_HALF] = life_tau(l->fine.mean + LIFE_FINE / 2, LIFE_FINE / 2);
	ret[LIFE_TAU_QUARTER] = life_tau(q->mean, LIFE_LATE);
}

static void order(const struct life *l, double *ret)
{
	const double *y = l->fine.mean;
	double high = y[0], half = y[LIFE_FINE / 2], fall = 0, fall_half = 0, first = 0, early = 0;
	double records = 0, records_half = 0, noise = noise_of(y, LIFE_FINE);
	size_t fell = 0;

	for (size_t i = 1; i < LIFE_FINE; i++) {
		bool late = i >= LIFE_FINE / 2;

		records += y[i] > high;
		records_half += late && y[i] > high;
		high = fmax(high, y[i]);
		fall = fmax(fall, high - y[i]);
		if (late) {
			half = fmax(half, y[i]);
			fall_half = fmax(fall_half, half - y[i]);
		}
		if (y[i] < y[i - 1] - noise)
			fell = i;
		if (!late)
			first = fmax(first, l->fine.high[i]);
		if (i < LIFE_FINE * 3 / 4)
			early = fmax(early, l->fine.high[i]);
	}
	ret[LIFE_FALL] = fall;
	ret[LIFE_FALL_HALF] = fall_half;
	ret[LIFE_FALL_NOW] = high - y[LIFE_FINE - 1];
	ret[LIFE_RECORDS] = records / LIFE_FINE;
	ret[LIFE_RECORDS_HALF] = records_half / (LIFE_FINE / 2);
	ret[LIFE_BEYOND_HALF] = y[LIFE_FINE - 1] - first;
	ret[LIFE_BEYOND_LATE] = l->late.mean[LIFE_LATE - 1] - early;
	ret[LIFE_RISING] = 1 - (double)fell / LIFE_FINE;
}

static void floors(const struct life *l, double *ret)
{
	const struct blocks *w = &l->whole, *q = &l->late;
	const size_t half = LIFE_BLOCKS / 2;
	struct line low = life_line(w->x + half, w->low + half, half);
	struct line high = life_line(w->x + half, w->high + half, half);
	struct line quarter = life_line(q->x, q->low, LIFE_LATE);

	ret[LIFE_FLOOR_T] = life_log(life_line(w->x, w->low, LIFE_BLOCKS).t);
	ret[LIFE_FLOOR_T_HALF] = life_log(low.t);
	ret[LIFE_FLOOR_GAIN_HALF] = low.slope / 2;
	ret[LIFE_FLOOR_GAIN_QUARTER] = quarter.slope / 4;
	ret[LIFE_CEILING_T_HALF] = life_log(high.t);
	ret[LIFE_CEILING_GAIN_HALF] = high.slope / 2;
	ret[LIFE_BAND] = ret[LIFE_BAND_QUARTER] = 0;
	for (size_t i = 0; i < LIFE_BLOCKS; i++)
		ret[LIFE_BAND] += (w->high[i] - w->low[i]) / LIFE_BLOCKS;
	for (size_t i = 0; i < LIFE_LATE; i++)
		ret[LIFE_BAND_QUARTER] += (q->high[i] - q->low[i]) / LIFE_LATE;
}

static void steps(const struct life *l, double *ret)
{
	const double *y = l->fine.mean, *q = l->late.mean;
	double top = 0, second = 0, down = 0, half = 0, late = 0, at = 0;

	for (size_t i = 1; i < LIFE_FINE; i++) {
		double d = y[i] - y[i - 1];

		down = fmax(down, -d);
		if (i > LIFE_FINE / 2)
			half = fmax(half, d);
		if (d > top) {
			second = top;
			top = d;
			at = (double)i / LIFE_FINE;
		} else if (d > second) {
			second = d;
		}
	}
	for (size_t i = 1; i < LIFE_LATE; i++)
		late = fmax(late, q[i] - q[i - 1]);
	ret[LIFE_STEP_TOP] = top;
	ret[LIFE_STEP_SECOND] = second;
	ret[LIFE_STEP_AT] = at;
	ret[LIFE_STEP_DOWN] = down;
	ret[LIFE_STEP_SHARE_HALF] =
		half / (fabs(y[LIFE_FINE - 1] - y[LIFE_FINE / 2]) + half + 1e-3);
	ret[LIFE_STEP_SHARE_QUARTER] = late / (fabs(q[LIFE_LATE - 1] - q[0]) + late + 1e-3);
}

int life_stats(const struct history *h, double *ret)
{
	struct life l;
	int r = take(h, &l);

	if (r)
		return r;
	sizes(h, &l, ret);
	rates(&l, ret);
	order(&l, ret);
	floors(&l, ret);
	steps(&l, ret);
	life_curves(&l, (double)history_count(h), ret);
	life_cycles(&l, ret);
	memcpy(ret + LIFE_STATS, l.whole.mean, LIFE_BLOCKS * sizeof(double));
	for (size_t i = 0; i < LIFE_LATE; i++)
		ret[LIFE_STATS + LIFE_BLOCKS + i] =
			4 * (l.late.mean[i] - l.late.mean[LIFE_LATE - 1]);
	for (size_t i = 0; i < LIFE_INPUTS; i++)
		if (!isfinite(ret[i]))
			ret[i] = 0;
	return 0;
}
