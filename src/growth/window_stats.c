/* Statistics of the window as a whole, of blocks, and the course that is shown as it is. */
#include "growth/window_stats.h"

#include <math.h>
#include <string.h>

#include "growth/window_parts.h"

double window_slope_t(const double *y, size_t n, double floor)
{
	double mean = 0, sxx = 0, sxy = 0, left = 0, slope;

	if (n < 4)
		return 0;
	for (size_t i = 0; i < n; i++)
		mean += y[i] / n;
	for (size_t i = 0; i < n; i++) {
		double x = i - (n - 1) / 2.0;

		sxx += x * x;
		sxy += x * (y[i] - mean);
	}
	slope = sxy / sxx;
	for (size_t i = 0; i < n; i++) {
		double e = y[i] - mean - slope * (i - (n - 1) / 2.0);

		left += e * e;
	}
	left = fmax(sqrt(left / (n - 2)), fmax(floor, 1e-6));
	return slope * sqrt(sxx) / left;
}

static void take_line(struct window_grid *g)
{
	double mean = 0, sxx = 0, sxy = 0, all = 0, left = 0, middle = (g->n - 1) / 2.0;

	for (size_t i = 0; i < g->n; i++)
		mean += g->y[i] / g->n;
	for (size_t i = 0; i < g->n; i++) {
		sxx += (i - middle) * (i - middle);
		sxy += (i - middle) * (g->y[i] - mean);
	}
	for (size_t i = 0; i < g->n; i++) {
		g->rest[i] = g->y[i] - mean - sxy / sxx * (i - middle);
		all += (g->y[i] - mean) * (g->y[i] - mean);
		left += g->rest[i] * g->rest[i];
	}
	g->slope = sxy / sxx * (g->n - 1);
	g->sd = fmax(sqrt(all / g->n), 1e-9);
	g->rest_sd = fmax(sqrt(left / g->n), 1e-9);
}

static double at_time(const struct window *w, double x, size_t *i)
{
	double width;

	while (*i + 2 < w->n && w->x[*i + 1] < x)
		(*i)++;
	width = w->x[*i + 1] - w->x[*i];
	if (!(width > 0))
		return w->y[*i];
	x = fmin(fmax((x - w->x[*i]) / width, 0), 1);
	return w->y[*i] + x * (w->y[*i + 1] - w->y[*i]);
}

static void fill_grid(const struct window *w, struct window_grid *g)
{
	double from = w->x[0], span = w->x[w->n - 1] - w->x[0];
	size_t k = 0;

	g->n = w->n;
	for (size_t i = 0; i < g->n; i++)
		g->y[i] = at_time(w, from + span * i / (g->n - 1), &k);
	take_line(g);
}

static double longest_gap(const struct window *w)
{
	double gap = 0;

	for (size_t i = 1; i < w->n; i++)
		gap = fmax(gap, w->x[i] - w->x[i - 1]);
	return gap;
}

static void size_stats(const struct window *w, double *ret)
{
	double high = w->level[0], low = high;

	for (size_t i = 0; i < w->n; i++) {
		high = fmax(high, w->high[i]);
		low = fmin(low, w->low[i]);
	}
	ret[STAT_LOG_POINTS] = log(w->raw);
	ret[STAT_LOG_SIZE] = -log(fmax(w->sigma, 1e-6));
	ret[STAT_LOG_SIZE_RAW] = log(fmax(high - low, 1e-6) / fmax(w->sigma_raw, 1e-6));
	ret[STAT_QUANTUM] = w->quantum;
	ret[STAT_FLAT] = w->flat;
	ret[STAT_GAP] = window_slog(longest_gap(w) * w->n);
}

/* Mean step over its standard error, as if y were a random walk. */
static double drift_t(const double *y, size_t n)
{
	double steps = n - 1.0, mean = (y[n - 1] - y[0]) / steps, left = 0;

	for (size_t i = 1; i < n; i++) {
		double e = y[i] - y[i - 1] - mean;

		left += e * e;
	}
	return mean * sqrt(steps) / fmax(sqrt(left / (steps - 1)), 1e-6);
}

static void block_stats(const struct window *w, double *ret)
{
	double mean[WINDOW_BLOCKS], low[WINDOW_BLOCKS], high[WINDOW_BLOCKS], step = INFINITY;
	size_t n = w->n;

	for (size_t b = 0; b < WINDOW_BLOCKS; b++) {
		size_t from = b * n / WINDOW_BLOCKS, until = (b + 1) * n / WINDOW_BLOCKS;

		mean[b] = 0;
		low[b] = high[b] = w->y[from];
		for (size_t i = from; i < until; i++) {
			mean[b] += w->y[i] / (until - from);
			low[b] = fmin(low[b], w->y[i]);
			high[b] = fmax(high[b], w->y[i]);
		}
		if (b)
			step = fmin(step, mean[b] - mean[b - 1]);
	}
	ret[STAT_BLOCK_T] = window_slog(window_slope_t(mean, WINDOW_BLOCKS, w->quantum / 12));
	ret[STAT_FLOOR_T] = window_slog(window_slope_t(low, WINDOW_BLOCKS, w->quantum / 4));
	ret[STAT_CEILING_T] = window_slog(window_slope_t(high, WINDOW_BLOCKS, w->quantum / 4));
	ret[STAT_BLOCK_MIN] = step;
	ret[STAT_DRIFT_T] = window_slog(drift_t(w->y, n));
	ret[STAT_BLOCK_DRIFT_T] = window_slog(drift_t(mean, WINDOW_BLOCKS));
	ret[STAT_FLOOR_GAIN] = fmin(low[6], low[7]) - fmin(low[0], low[1]);
}

/* Block means over time, blocks without a point filled in by the line between their neighbours. */
static void course(const struct window_grid *g, double *ret)
{
	for (size_t b = 0; b < WINDOW_GRID; b++) {
		double from = (double)b * g->n / WINDOW_GRID, sum = 0;
		double until = (double)(b + 1) * g->n / WINDOW_GRID;

		for (size_t i = from; i < g->n && i < until; i++) {
			double part = fmin(i + 1, until) - fmax(i, from);

			sum += part * g->y[i];
		}
		ret[b] = sum / (until - from);
	}
}

void window_stats(const struct window *w, const struct fit *fits, double *ret)
{
	struct window_grid g;

	memset(ret, 0, WINDOW_INPUTS * sizeof(*ret));
	fill_grid(w, &g);
	size_stats(w, ret);
	window_order_stats(w, ret);
	window_neighbour_stats(w, ret);
	block_stats(w, ret);
	window_cycle_stats(w, &g, ret);
	window_swing_stats(w, ret);
	window_step_stats(w, ret);
	window_pulse_stats(w, ret);
	window_fit_stats(w, fits, ret);
	window_settle_stats(w, &fits[FIT_LINE], ret);
	course(&g, ret + WINDOW_STATS);
	for (size_t i = 0; i < WINDOW_INPUTS; i++) /* whatever a hostile window made of it */
		ret[i] = isfinite(ret[i]) ? fmin(fmax(ret[i], -1e6), 1e6) : 0;
}
