/* Statistics of a window about steps (a piecewise constant) and pulses (what sticks out). */
#include <math.h>

#include "base/order.h"
#include "growth/window_parts.h"

#define CUTS_MAX 14

struct pieces {
	const double *sum; /* of y before each point, n + 1 of them */
	size_t n, cuts;
	size_t at[CUTS_MAX + 2]; /* ends included: 0 and n */
};

/* The best cut of [from, until): what it takes off the squares. */
static double best_cut(const struct pieces *p, size_t from, size_t until, size_t *ret)
{
	double all = p->sum[until] - p->sum[from], best = 0, len = until - from;

	for (size_t k = from + 1; k < until; k++) {
		double left = p->sum[k] - p->sum[from], right = all - left;
		double gain =
			left * left / (k - from) + right * right / (until - k) - all * all / len;

		if (gain > best) {
			best = gain;
			*ret = k;
		}
	}
	return best;
}

static void insert_cut(struct pieces *p, size_t k)
{
	size_t i = ++p->cuts;

	p->at[i + 1] = p->at[i];
	for (; p->at[i - 1] > k; i--)
		p->at[i] = p->at[i - 1];
	p->at[i] = k;
}

/* Greedy halving: the cut that takes most, until it takes less than `enough`. */
static void cut_pieces(struct pieces *p, double enough)
{
	double gain[CUTS_MAX + 2];
	size_t cut[CUTS_MAX + 2] = { 0 };

	p->cuts = 0;
	p->at[0] = 0;
	p->at[1] = p->n;
	while (p->cuts < CUTS_MAX) {
		size_t best = 0;

		for (size_t i = 0; i <= p->cuts; i++) {
			gain[i] = best_cut(p, p->at[i], p->at[i + 1], &cut[i]);
			if (gain[i] > gain[best])
				best = i;
		}
		if (!(gain[best] > enough))
			return;
		insert_cut(p, cut[best]);
	}
}

static double piece_mean(const struct pieces *p, size_t i)
{
	return (p->sum[p->at[i + 1]] - p->sum[p->at[i]]) / (p->at[i + 1] - p->at[i]);
}

static void cut_stats(const struct window *w, const struct pieces *p, double *ret)
{
	double net = 0, gross = 1e-9, top = 0, up = 0;

	for (size_t i = 0; i < p->cuts; i++) {
		double step = piece_mean(p, i + 1) - piece_mean(p, i);

		net += step;
		gross += fabs(step);
		up += step > 0;
		top = fabs(step) > fabs(top) ? step : top;
	}
	ret[STAT_STEPS] = log1p(p->cuts);
	ret[STAT_STEPS_UP] = p->cuts ? up / p->cuts : 0.5;
	ret[STAT_STEPS_GAIN] = net / gross;
	ret[STAT_STEPS_TOP] = top;
	ret[STAT_STEPS_LAST] = p->cuts ? 1 - w->x[p->at[p->cuts]] : 1;
}

static double line_rest(const struct window *w) /* squares left by a line */
{
	double mx = 0, my = 0, sxx = 0, sxy = 0, syy = 0;

	for (size_t i = 0; i < w->n; i++) {
		mx += w->x[i] / w->n;
		my += w->y[i] / w->n;
	}
	for (size_t i = 0; i < w->n; i++) {
		sxx += (w->x[i] - mx) * (w->x[i] - mx);
		sxy += (w->x[i] - mx) * (w->y[i] - my);
		syy += (w->y[i] - my) * (w->y[i] - my);
	}
	return syy - sxy * sxy / sxx;
}

void window_step_stats(const struct window *w, double *ret)
{
	double sum[WINDOW_POINTS + 1], squares = 0, all, rest, line, n = w->n;
	struct pieces p = { .sum = sum, .n = w->n };

	sum[0] = 0;
	for (size_t i = 0; i < w->n; i++) {
		sum[i + 1] = sum[i] + w->y[i];
		squares += w->y[i] * w->y[i];
	}
	cut_pieces(&p, fmax(12, 3 * log(n)) * w->sigma * w->sigma + 1e-9);
	cut_stats(w, &p, ret);
	all = fmax(squares - sum[w->n] * sum[w->n] / n, 1e-9);
	rest = squares;
	for (size_t i = 0; i <= p.cuts; i++)
		rest -= pow(piece_mean(&p, i), 2) * (p.at[i + 1] - p.at[i]);
	rest = fmax(rest, n * (w->quantum * w->quantum / 24 + 1e-9));
	line = fmax(line_rest(w), n * (w->quantum * w->quantum / 24 + 1e-9));
	ret[STAT_STEPS_REST] = sqrt(rest / all);
	ret[STAT_STEPS_BIC] = window_slog(n * log(line / rest) - 2.0 * p.cuts * log(n));
}

/* Median of the points within a tenth of the window to either side. */
static double local_median(const struct window *w, size_t i)
{
	size_t reach = w->n / 10 > 2 ? w->n / 10 : 2;
	size_t from = i < reach ? 0 : i - reach,
	       until = i + reach + 1 > w->n ? w->n : i + reach + 1;
	double v[WINDOW_POINTS];

	for (size_t k = from; k < until; k++)
		v[k - from] = w->level[k];
	return order_select(v, until - from, (until - from) / 2);
}

struct pulses {
	double over[WINDOW_POINTS]; /* largest excess of each block over the local median */
	size_t top;
	double size, down; /* largest excess above and below */
};

static void find_pulses(const struct window *w, struct pulses *p)
{
	p->size = p->down = 0;
	p->top = 0;
	for (size_t i = 0; i < w->n; i++) {
		double middle = local_median(w, i);

		p->over[i] = w->high[i] - middle;
		p->down = fmax(p->down, middle - w->low[i]);
		if (p->over[i] > p->size) {
			p->size = p->over[i];
			p->top = i;
		}
	}
}

void window_pulse_stats(const struct window *w, double *ret)
{
	double high = -INFINITY, low = INFINITY, rest_high = -INFINITY, second = 0;
	size_t from, until;
	struct pulses p;

	find_pulses(w, &p);
	from = until = p.top;
	while (from > 0 && p.over[from - 1] > p.size / 2)
		from--;
	while (until + 1 < w->n && p.over[until + 1] > p.size / 2)
		until++;
	for (size_t i = 0; i < w->n; i++) {
		bool inside = i + 1 >= from && i <= until + 1; /* and a neighbour */

		high = fmax(high, w->high[i]);
		low = fmin(low, w->low[i]);
		if (inside)
			continue;
		rest_high = fmax(rest_high, w->high[i]);
		second = fmax(second, p.over[i]);
	}
	high = fmax(high - low, 1e-9);
	ret[STAT_PULSE_Z] = log1p(p.size / fmax(w->sigma_raw, 1e-6));
	ret[STAT_PULSE_SIZE] = p.size / high;
	ret[STAT_PULSE_REST] = fmax(rest_high - low, 0) / high;
	ret[STAT_PULSE_WIDE] = w->x[until] - w->x[from];
	ret[STAT_PULSE_AT] = w->x[p.top];
	ret[STAT_PULSE_TWO] = second / fmax(p.size, 1e-9);
	ret[STAT_PULSE_DOWN] = log((p.down + 1e-3) / (p.size + 1e-3));
}
