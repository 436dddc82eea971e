/*
 * Robust statistics for the judge. Input is whatever the traced process made of its counters:
 * times may repeat or run backwards, values may be huge or no numbers at all; such points are
 * left out, and every result is finite.
 */
#include "analyse/robust.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define LINE_PAIRS (ROBUST_LINE_POINTS * (ROBUST_LINE_POINTS - 1) / 2)
#define SIGMAS_MAX 99.0
#define SLOWING_MAX 99.0
#define NORMAL_95 1.96
#define MEMORY_LIMIT 0.9 /* lag-1 correlation beyond which an interval would say nothing */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_sorted(const double *v, size_t n)
{
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Evenly thinned usable points; returns how many. */
static size_t pick_points(const double *t, const double *v, size_t n, double *pt, double *pv)
{
	size_t used = 0, take, i, k;
	double next = 0, step;

	for (i = 0; i < n; i++)
		used += isfinite(t[i]) && isfinite(v[i]);
	take = used < ROBUST_LINE_POINTS ? used : ROBUST_LINE_POINTS;
	step = take > 1 ? (double)(used - 1) / (take - 1) : 1;
	for (i = 0, k = 0, used = 0; i < n && k < take; i++) {
		if (!isfinite(t[i]) || !isfinite(v[i]))
			continue;
		if (used++ + 1e-6 < next)
			continue;
		pt[k] = t[i];
		pv[k++] = v[i];
		next += step;
	}
	return k;
}

static double line_share(const double *t, const double *v, size_t n, const struct robust_line *l,
			 double *ret_memory)
{
	double mean = 0, spread = 0, left = 0, lagged = 0, before = 0;

	for (size_t i = 0; i < n; i++)
		mean += v[i] / n;
	for (size_t i = 0; i < n; i++) {
		double r = v[i] - l->start - l->slope * (t[i] - t[0]);

		spread += (v[i] - mean) * (v[i] - mean);
		left += r * r;
		lagged += i ? r * before : 0;
		before = r;
	}
	*ret_memory = left > 0 ? fmin(fmax(lagged / left, 0), MEMORY_LIMIT) : 0;
	if (!(spread > 0) || !isfinite(spread) || !isfinite(left))
		return 0;
	return fmin(fmax(1 - left / spread, 0), 1);
}

int robust_line_fit(const double *t, const double *v, size_t n, struct robust_line *ret)
{
	double pt[ROBUST_LINE_POINTS], pv[ROBUST_LINE_POINTS], slope[LINE_PAIRS];
	struct robust_line l = {};
	size_t points = pick_points(t, v, n, pt, pv), pairs = 0, low, high;
	double memory, reach, base[ROBUST_LINE_POINTS];

	for (size_t i = 0; i < points; i++)
		for (size_t k = i + 1; k < points; k++) {
			double s = (pv[k] - pv[i]) / (pt[k] - pt[i]);

			if (pt[k] > pt[i] && isfinite(s))
				slope[pairs++] = s;
		}
	if (points < 4 || pairs < 6)
		return -EINVAL;
	qsort(slope, pairs, sizeof(*slope), by_value);
	l.slope = median_sorted(slope, pairs);
	for (size_t i = 0; i < points; i++)
		base[i] = pv[i] - l.slope * (pt[i] - pt[0]);
	qsort(base, points, sizeof(*base), by_value);
	l.start = median_sorted(base, points);
	if (!isfinite(l.start))
		return -EINVAL;
	l.fit = line_share(pt, pv, points, &l, &memory);

	/* Sen's interval: ranks around the median by the variance of Kendall's S, widened for
	 * residuals that remember. */
	reach = NORMAL_95 * sqrt(points * (points - 1.0) * (2.0 * points + 5) / 18) *
		sqrt((1 + memory) / (1 - memory));
	reach = fmin(reach, (double)pairs - 1);
	low = (size_t)((pairs - 1 - reach) / 2);
	high = pairs - 1 - low;
	l.low = slope[low];
	l.high = slope[high];
	*ret = l;
	return 0;
}

size_t robust_grid_add(const struct snap_series *s, double born_s, double end_s, double *grid)
{
	double step = end_s / (ROBUST_GRID - 1), t0 = -INFINITY, v0 = 0;
	size_t g = 0, used = 0;

	if (!(end_s > 0) || !isfinite(end_s) || !s->t_s || !s->value)
		return 0;
	for (size_t i = 0; i < s->count; i++) {
		double t = s->t_s[i], v = s->value[i];

		if (!isfinite(t) || !isfinite(v) || v < 0 || t < 0 || t <= t0)
			continue;
		for (; g < ROBUST_GRID && g * step < t; g++)
			if (used)
				grid[g] += v0 + (v - v0) * ((g * step - t0) / (t - t0));
			else if (g * step >= born_s)
				grid[g] += v;
		t0 = t;
		v0 = v;
		used++;
	}
	for (; used && g < ROBUST_GRID; g++)
		grid[g] += v0;
	return used;
}

/* Straight line through the growth of the blocks: its fall over the window, as a share of the
 * mean, and the standard error of that. */
static void fit_slowing(const double *block, double mean, double noise_floor,
			struct robust_trend *t)
{
	double sxy = 0, sxx = 0, left = 0, slope, noise;

	for (int i = 0; i < ROBUST_BLOCKS; i++) {
		double x = (i + 0.5) / ROBUST_BLOCKS - 0.5;

		sxy += x * (block[i] - mean);
		sxx += x * x;
	}
	slope = sxy / sxx;
	for (int i = 0; i < ROBUST_BLOCKS; i++) {
		double r = block[i] - mean - slope * ((i + 0.5) / ROBUST_BLOCKS - 0.5);

		left += r * r;
	}
	noise = fmax(left / (ROBUST_BLOCKS - 2), noise_floor);
	t->slowing = fmin(fmax(-slope / mean, -SLOWING_MAX), SLOWING_MAX);
	t->slowing_error = fmin(sqrt(noise / sxx) / mean, SLOWING_MAX);
}

int robust_trend_fit(const double *grid, size_t first, size_t last, bool counted,
		     struct robust_trend *ret)
{
	double block[ROBUST_BLOCKS], mean, spread = 0;
	struct robust_trend t = {};
	size_t cells;

	if (last <= first || last - first < ROBUST_BLOCKS)
		return -EINVAL;
	cells = last - first;
	t.growth = grid[last] - grid[first];
	mean = t.growth / ROBUST_BLOCKS;
	for (size_t i = 0; i < ROBUST_BLOCKS; i++) {
		block[i] = grid[first + cells * (i + 1) / ROBUST_BLOCKS] -
			   grid[first + cells * i / ROBUST_BLOCKS];
		spread += (block[i] - mean) * (block[i] - mean) / (ROBUST_BLOCKS - 1);
	}
	for (size_t i = 0; i < 3; i++)
		t.third[i] = grid[first + cells * (i + 1) / 3] - grid[first + cells * i / 3];
	if (!isfinite(spread) || !isfinite(t.growth))
		return -EINVAL;
	if (mean > 0) {
		double floor = counted ? mean : 0;

		spread = sqrt(fmax(spread, floor) / ROBUST_BLOCKS);
		t.significance = spread > 0 ? fmin(mean / spread, SIGMAS_MAX) : SIGMAS_MAX;
		t.weakest_third = fmin(t.third[0], fmin(t.third[1], t.third[2])) / (t.growth / 3);
		t.recent = block[ROBUST_BLOCKS - 1] / mean;
		fit_slowing(block, mean, floor, &t);
	}
	*ret = t;
	return 0;
}

static double xlogx_over(double x, double y)
{
	return x > 0 ? x * log(x / y) : 0;
}

double robust_binomial_tail(double n, double p, double k)
{
	double share;

	if (!(n > 0) || !(p > 0) || !(p < 1) || !(k < n * p))
		return 0;
	share = fmax(k, 0) / n;
	return -n * (xlogx_over(share, p) + xlogx_over(1 - share, 1 - p)) / M_LN10;
}

double robust_poisson_tail(double mean, double k)
{
	if (!(mean > 0) || !(k < mean))
		return 0;
	k = fmax(k, 0);
	return -(mean - k + xlogx_over(k, mean)) / M_LN10;
}
