/* Statistics of a window about cycles: autocorrelation, seasons, and the swings of a zigzag, whose
 * troughs show what is held under a saw. */
#include <math.h>

#include "base/order.h"
#include "growth/window_parts.h"

#define SWINGS_MAX 64
#define REVERSAL 5	 /* sigma: less is noise */
#define REVERSAL_OF 0.35 /* of the range between the third lowest and highest hundredth */

static double autocorrelation(const struct window_grid *g, size_t lag)
{
	double sum = 0;

	for (size_t i = lag; i < g->n; i++)
		sum += g->rest[i] * g->rest[i - lag];
	return sum / ((g->n - lag) * g->rest_sd * g->rest_sd);
}

/* What one period adds to the one before it. */
static void season_stats(const struct window_grid *g, size_t lag, double *ret)
{
	double mean = 0, left = 0, periods = (double)g->n / lag;
	size_t n = g->n - lag;

	for (size_t i = 0; i < n; i++)
		mean += (g->y[i + lag] - g->y[i]) / n;
	for (size_t i = 0; i < n; i++) {
		double e = g->y[i + lag] - g->y[i] - mean;

		left += e * e / n;
	}
	ret[STAT_SEASON_T] = window_slog(mean * sqrt(n) / fmax(sqrt(left), 1e-6));
	ret[STAT_SEASON_GAIN] = mean * periods;
	ret[STAT_SEASON_REST] = left / (2 * g->rest_sd * g->rest_sd);
}

void window_cycle_stats(const struct window *w, const struct window_grid *g, double *ret)
{
	double peak = -1, low = 1;
	size_t zero = 0, at = g->n / 2;

	(void)w;
	for (size_t lag = 1; lag <= g->n / 2; lag++) {
		double r = autocorrelation(g, lag);

		if (lag == 1)
			ret[STAT_LAG1] = r;
		if (!zero && r <= 0)
			zero = lag;
		low = fmin(low, r);
		if (zero && r > peak) {
			peak = r;
			at = lag;
		}
	}
	ret[STAT_CYCLE_PEAK] = peak;
	ret[STAT_CYCLE_LAG] = (double)at / g->n;
	ret[STAT_CYCLE_ZERO] = (double)(zero ? zero : g->n / 2) / g->n;
	ret[STAT_CYCLE_LOW] = low;
	season_stats(g, at, ret);
}

struct swings {
	size_t n; /* turning points */
	double x[SWINGS_MAX], y[SWINGS_MAX];
	bool first_is_top;
};

/* Turning points of a zigzag that reverses by at least `by`. */
static void find_swings(const struct window *w, double by, struct swings *s)
{
	size_t top = 0, bottom = 0;
	int way = 0; /* 1: rising, -1: falling, 0: not known yet */

	s->n = 0;
	s->first_is_top = false;
	for (size_t i = 1; i < w->n; i++) {
		size_t turn;

		if (way >= 0 && w->y[i] > w->y[top])
			top = i;
		if (way <= 0 && w->y[i] < w->y[bottom])
			bottom = i;
		if (way >= 0 && w->y[top] - w->y[i] > by) {
			turn = top;
			bottom = i;
			way = -1;
		} else if (way <= 0 && w->y[i] - w->y[bottom] > by) {
			turn = bottom;
			top = i;
			way = 1;
		} else {
			continue;
		}
		if (!s->n)
			s->first_is_top = way < 0;
		if (s->n == SWINGS_MAX)
			return;
		s->x[s->n] = w->x[turn];
		s->y[s->n++] = w->y[turn];
	}
}

static void swing_sizes(const struct swings *s, double *ret)
{
	double size[SWINGS_MAX], mean = 0, left = 0, rising = 0;
	size_t n = s->n - 1;

	for (size_t i = 0; i < n; i++) {
		size[i] = fabs(s->y[i + 1] - s->y[i]);
		mean += size[i] / n;
		if (s->y[i + 1] > s->y[i])
			rising += s->x[i + 1] - s->x[i];
	}
	for (size_t i = 0; i < n; i++)
		left += (size[i] - mean) * (size[i] - mean) / n;
	ret[STAT_SWING_EVEN] = sqrt(left) / fmax(mean, 1e-9);
	ret[STAT_SWING_SIZE] = order_select(size, n, n / 2);
	ret[STAT_SWING_TIME] = rising / fmax(s->x[n] - s->x[0], 1e-9);
}

void window_swing_stats(const struct window *w, double *ret)
{
	double sorted[WINDOW_POINTS], trough[SWINGS_MAX], low, high;
	size_t n = w->n, troughs = 0;
	struct swings s;

	for (size_t i = 0; i < n; i++)
		sorted[i] = w->y[i];
	low = order_select(sorted, n, n * 3 / 100);
	high = order_select(sorted, n, n - 1 - n * 3 / 100);
	find_swings(w,
		    fmax(fmax(REVERSAL * w->sigma, REVERSAL_OF * (high - low)), 1.5 * w->quantum),
		    &s);
	ret[STAT_SWINGS] = log1p(s.n);
	ret[STAT_SWING_TIME] = 0.5;
	if (s.n < 2)
		return;
	swing_sizes(&s, ret);
	for (size_t i = s.first_is_top; i < s.n; i += 2)
		trough[troughs++] = s.y[i];
	if (troughs < 2)
		return;
	ret[STAT_TROUGH_T] = window_slog(window_slope_t(trough, troughs, w->sigma));
	ret[STAT_TROUGH_GAIN] =
		(trough[troughs - 1] - trough[0]) / fmax(ret[STAT_SWING_SIZE], 1e-9);
}
