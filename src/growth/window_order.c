/* Statistics of a window that come from the order of its points, and from neighbours. */
#include <math.h>

#include "base/order.h"
#include "growth/window_parts.h"

/* Kendall's sum: rising minus falling pairs. */
static double kendall(const double *y, size_t n)
{
	int sum = 0;

	for (size_t i = 1; i < n; i++)
		for (size_t j = 0; j < i; j++)
			sum += (y[i] > y[j]) - (y[i] < y[j]);
	return sum;
}

static double tau(const double *y, size_t n)
{
	return kendall(y, n) / (n * (n - 1) / 2.0);
}

/* How much wider than without a memory the sum is spread: Hamed and Rao 1998, from the
 * autocorrelation of the line's residuals in the place of that of their ranks. */
static double mk_inflation(const struct window *w)
{
	double e[WINDOW_POINTS], mx = 0, my = 0, sxx = 0, sxy = 0, all = 0, sum = 0;
	size_t n = w->n;

	for (size_t i = 0; i < n; i++) {
		mx += w->x[i] / n;
		my += w->y[i] / n;
	}
	for (size_t i = 0; i < n; i++) {
		sxx += (w->x[i] - mx) * (w->x[i] - mx);
		sxy += (w->x[i] - mx) * (w->y[i] - my);
	}
	for (size_t i = 0; i < n; i++) {
		e[i] = w->y[i] - my - sxy / sxx * (w->x[i] - mx);
		all += e[i] * e[i];
	}
	for (size_t k = 1; k <= n / 4; k++) {
		double r = 0, left = n - k;

		for (size_t i = k; i < n; i++)
			r += e[i] * e[i - k];
		r /= fmax(all, 1e-12);
		if (fabs(r) > 1.96 / sqrt(n))
			sum += left * (left - 1) * (left - 2) * r;
	}
	return fmax(1 + 2 * sum / (n * (n - 1.0) * (n - 2.0)), 0.3);
}

static double mk_z(const struct window *w, double s)
{
	double n = w->n;
	double spread = sqrt(n * (n - 1) * (2 * n + 5) / 18 * mk_inflation(w));

	return (s - (s > 0) + (s < 0)) / spread;
}

static void record_stats(const struct window *w, double *ret)
{
	double top = w->y[0], bottom = top, fall = 0, rise = 0, last = w->x[0];
	size_t records = 0;

	for (size_t i = 1; i < w->n; i++) {
		double y = w->y[i];

		fall = fmax(fall, top - y);
		rise = fmax(rise, y - bottom);
		if (y > top) {
			records++;
			last = w->x[i];
			top = y;
		}
		bottom = fmin(bottom, y);
	}
	ret[STAT_DRAWDOWN] = fall;
	ret[STAT_RUNUP] = rise;
	ret[STAT_RECORDS] = records / (w->n - 1.0);
	ret[STAT_LAST_RECORD] = 1 - last;
}

static void level_stats(const struct window *w, double *ret)
{
	double sorted[WINDOW_POINTS], mean = 0, m2 = 0, m3 = 0, m4 = 0;
	size_t n = w->n, tenth = n / 10 + 1, top = 0, bottom = 0;

	for (size_t i = 0; i < n; i++) {
		sorted[i] = w->y[i];
		mean += w->y[i] / n;
		top += w->y[i] > 0.9;
		bottom += w->y[i] < 0.1;
	}
	for (size_t i = 0; i < n; i++) {
		double e = w->y[i] - mean;

		m2 += e * e / n;
		m3 += e * e * e / n;
		m4 += e * e * e * e / n;
	}
	m2 = fmax(m2, 1e-9);
	for (size_t i = 0; i < tenth; i++) {
		ret[STAT_FIRST] += w->y[i] / tenth;
		ret[STAT_LAST] += w->y[n - 1 - i] / tenth;
	}
	ret[STAT_MIDDLE] = order_select(sorted, n, n / 2);
	ret[STAT_SKEW] = m3 / pow(m2, 1.5);
	ret[STAT_KURTOSIS] = log(m4 / (m2 * m2) + 1e-6);
	ret[STAT_AT_TOP] = (double)top / n;
	ret[STAT_AT_BOTTOM] = (double)bottom / n;
}

void window_order_stats(const struct window *w, double *ret)
{
	size_t n = w->n, half = n / 2;
	double sum = kendall(w->y, n);

	ret[STAT_TAU] = sum / (n * (n - 1) / 2.0);
	ret[STAT_MK_Z] = window_slog(mk_z(w, sum));
	ret[STAT_TAU_FIRST] = tau(w->y, half);
	ret[STAT_TAU_LAST] = tau(w->y + n - half, half);
	record_stats(w, ret);
	level_stats(w, ret);
}

void window_neighbour_stats(const struct window *w, double *ret)
{
	double up = 0, down = 0, top = 0, bottom = 0, m2 = 0, m3 = 0, m4 = 0, all = 0, mean = 0;
	size_t rises = 0, falls = 0, steps = w->n - 1;

	for (size_t i = 0; i < w->n; i++)
		mean += w->y[i] / w->n;
	for (size_t i = 0; i < w->n; i++)
		all += (w->y[i] - mean) * (w->y[i] - mean);
	for (size_t i = 0; i < steps; i++) {
		double d = w->y[i + 1] - w->y[i];

		rises += d > 0;
		falls += d < 0;
		up += fmax(d, 0);
		down += fmax(-d, 0);
		top = fmax(top, d);
		bottom = fmax(bottom, -d);
		m2 += d * d / steps;
		m3 += d * d * d / steps;
		m4 += d * d * d * d / steps;
	}
	up = (up + 1e-6) / (rises + 1e-3);
	down = (down + 1e-6) / (falls + 1e-3);
	m2 = fmax(m2, 1e-12);
	ret[STAT_UP] = ((double)rises - falls) / steps;
	ret[STAT_UP_SIZE] = log(up / down);
	ret[STAT_NEUMANN] = m2 * steps / fmax(all, 1e-9);
	ret[STAT_STEP_KURT] = log(m4 / (m2 * m2) + 1e-6);
	ret[STAT_STEP_SKEW] = m3 / pow(m2, 1.5);
	ret[STAT_STEP_UP] = top;
	ret[STAT_STEP_DOWN] = bottom;
}
