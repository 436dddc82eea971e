/* Sums over the first i points make the gain of every cut O(1). */
#include "growth/segments.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/order.h"
#include "growth/ar1.h"

#define N_MAX SEGMENTS_POINTS_MAX
#define STEP_GAIN_LEAST 12.0 /* of squared noise; a jump of 3.5 standard deviations of one mean */
#define LINE_CUTS_MAX 6
#define STRETCH_LEAST 4 /* points between two breaks */
#define LINE_COST                                                                      \
	4.0 /* parameters of a break: level, slope, place, and one for having searched \
	     */

double segments_noise(const double *y, size_t n, double least)
{
	double step[N_MAX], centre;

	if (n < 3)
		return NAN;
	if (n > N_MAX + 1)
		n = N_MAX + 1;
	for (size_t i = 0; i + 1 < n; i++)
		step[i] = y[i + 1] - y[i];
	centre = order_select(step, n - 1, (n - 1) / 2);
	for (size_t i = 0; i + 1 < n; i++)
		step[i] = fabs(y[i + 1] - y[i] - centre);
	return fmax(1.4826 / M_SQRT2 * order_select(step, n - 1, (n - 1) / 2), least);
}

struct levels {
	size_t n;
	double sum[N_MAX + 1];
};

struct cut {
	size_t at;
	double gain; /* of the sum of squares; 0: none */
};

static struct cut best_cut(const struct levels *l, size_t from, size_t to)
{
	struct cut best = {};

	for (size_t i = from + 1; i < to; i++) {
		double before = l->sum[i] - l->sum[from], after = l->sum[to] - l->sum[i];
		double m = i - from, k = to - i, apart = before / m - after / k;
		double gain = apart * apart * m * k / (m + k);

		if (gain > best.gain)
			best = (struct cut){ i, gain };
	}
	return best;
}

static void insert(struct segments *s, struct cut *cuts, size_t where, const struct levels *l)
{
	size_t at = cuts[where].at;

	memmove(&s->start[where + 2], &s->start[where + 1], (s->count - where) * sizeof(*s->start));
	memmove(&cuts[where + 1], &cuts[where], (s->count - where) * sizeof(*cuts));
	s->start[where + 1] = at;
	s->count++;
	cuts[where] = best_cut(l, s->start[where], at);
	cuts[where + 1] = best_cut(l, at, s->start[where + 2]);
}

static size_t largest(const struct cut *cuts, size_t count)
{
	size_t best = 0;

	for (size_t i = 1; i < count; i++)
		if (cuts[i].gain > cuts[best].gain)
			best = i;
	return best;
}

/* -2 log likelihood of residuals with a memory, after columns were fitted to them. */
static double deviance(const double *e, size_t n, double columns, double floor)
{
	double ee = 0, e1 = 0, sse, rho;

	for (size_t i = 0; i < n; i++) {
		ee += e[i] * e[i];
		e1 += i ? e[i] * e[i - 1] : 0;
	}
	rho = ee > 0 ? (n * e1 / ee + columns) / fmax(n - 3 - columns, 4) : 0;
	rho = fmin(fmax(rho, 0), AR1_RHO_MAX);
	sse = (1 - rho * rho) * e[0] * e[0];
	for (size_t i = 1; i < n; i++)
		sse += (e[i] - rho * e[i - 1]) * (e[i] - rho * e[i - 1]);
	floor *= (1 - rho) / M_SQRT2;
	return n * log(fmax(sse / n, floor * floor + 1e-300)) - log(1 - rho * rho);
}

static void finish(const double *y, const struct levels *l, double floor, struct segments *s)
{
	double e[N_MAX], ee = 0;

	for (size_t k = 0; k < s->count; k++) {
		size_t from = s->start[k], to = s->start[k + 1];

		s->level[k] = y[0] + (l->sum[to] - l->sum[from]) / (to - from);
		for (size_t i = from; i < to; i++) {
			e[i] = y[i] - s->level[k];
			ee += e[i] * e[i];
		}
	}
	s->left = sqrt(ee / l->n);
	s->bic = deviance(e, l->n, s->count, floor) + 2 * s->count * log(l->n);
}

int segments_levels(const double *y, size_t n, double noise, double floor, struct segments *ret)
{
	struct segments s = { .count = 1 };
	struct cut cuts[SEGMENTS_CUTS_MAX + 1];
	struct levels l = { .n = n };
	double worth = fmax(STEP_GAIN_LEAST, 3 * log(n)) * noise * noise;

	if (n < 5 || n > N_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		l.sum[i + 1] = l.sum[i] + (y[i] - y[0]);
	s.start[1] = n;
	cuts[0] = best_cut(&l, 0, n);
	while (s.count <= SEGMENTS_CUTS_MAX) {
		size_t where = largest(cuts, s.count);

		if (!(cuts[where].gain > worth))
			break;
		insert(&s, cuts, where, &l);
	}
	finish(y, &l, floor, &s);
	*ret = s;
	return 0;
}

struct line_sums {
	double x[N_MAX + 1], y[N_MAX + 1], xx[N_MAX + 1], xy[N_MAX + 1], yy[N_MAX + 1];
};

struct line {
	double level, slope, sse;
};

static void sum_up(const double *x, const double *y, size_t n, struct line_sums *s)
{
	double mx = x[n / 2], my = y[n / 2];

	s->x[0] = s->y[0] = s->xx[0] = s->xy[0] = s->yy[0] = 0;
	for (size_t i = 0; i < n; i++) {
		double u = x[i] - mx, v = y[i] - my;

		s->x[i + 1] = s->x[i] + u;
		s->y[i + 1] = s->y[i] + v;
		s->xx[i + 1] = s->xx[i] + u * u;
		s->xy[i + 1] = s->xy[i] + u * v;
		s->yy[i + 1] = s->yy[i] + v * v;
	}
}

/* Of the sums' own coordinates. */
static struct line line_of(const struct line_sums *s, size_t from, size_t to)
{
	double n = to - from, x = (s->x[to] - s->x[from]) / n, y = (s->y[to] - s->y[from]) / n;
	double xx = s->xx[to] - s->xx[from] - n * x * x;
	double xy = s->xy[to] - s->xy[from] - n * x * y;
	double yy = s->yy[to] - s->yy[from] - n * y * y;
	struct line l = { .slope = xx > 0 ? xy / xx : 0 };

	l.level = y - l.slope * x;
	l.sse = fmax(yy - l.slope * xy, 0);
	return l;
}

static double deviance_of(const double *x, const double *y, const struct line_sums *s, size_t from,
			  size_t at, size_t n, double floor)
{
	double e[N_MAX], mx = x[n / 2], my = y[n / 2];
	bool cut = at > from && at < n;
	struct line l[2] = { line_of(s, from, cut ? at : n), line_of(s, cut ? at : from, n) };

	for (size_t i = from; i < n; i++) {
		const struct line *k = &l[i >= at];

		e[i - from] = y[i] - my - k->level - k->slope * (x[i] - mx);
	}
	return deviance(e, n - from, cut ? 4 : 2, floor);
}

void segments_break_deviance(const double *x, const double *y, size_t n, double floor,
			     const size_t *at, size_t count, double *ret)
{
	struct line_sums s;

	sum_up(x, y, n, &s);
	for (size_t i = 0; i < count; i++)
		ret[i] = deviance_of(x, y, &s, 0, at[i], n, floor);
}

/* Of from to to - 1; what is last keeps at least least points. */
static struct cut best_break(const struct line_sums *s, size_t from, size_t to, size_t least)
{
	struct cut best = {};
	double whole = line_of(s, from, to).sse;

	for (size_t i = from + STRETCH_LEAST; i + least <= to; i++) {
		double gain = whole - line_of(s, from, i).sse - line_of(s, i, to).sse;

		if (gain > best.gain)
			best = (struct cut){ i, gain };
	}
	return best;
}

/* Of all points, as straight stretches that begin at start[0] = 0, start[1], ... */
static double deviance_of_stretches(const double *x, const double *y, const struct line_sums *s,
				    const size_t *start, size_t stretches, size_t n, double floor)
{
	double e[N_MAX], mx = x[n / 2], my = y[n / 2];

	for (size_t k = 0; k < stretches; k++) {
		size_t to = k + 1 < stretches ? start[k + 1] : n;
		struct line l = line_of(s, start[k], to);

		for (size_t i = start[k]; i < to; i++)
			e[i] = y[i] - my - l.level - l.slope * (x[i] - mx);
	}
	return deviance(e, n, 2 * stretches, floor);
}

/* The cut, of all stretches, that explains most. false: there is none. */
static bool cut_once(const struct line_sums *s, size_t *start, size_t stretches, size_t n,
		     size_t least)
{
	struct cut best = {};
	size_t where = 0;

	for (size_t k = 0; k < stretches; k++) {
		bool last = k + 1 == stretches;
		struct cut c = best_break(s, start[k], last ? n : start[k + 1],
					  last ? least : STRETCH_LEAST);

		if (c.gain > best.gain) {
			best = c;
			where = k;
		}
	}
	if (!(best.gain > 0))
		return false;
	memmove(&start[where + 2], &start[where + 1], (stretches - where - 1) * sizeof(*start));
	start[where + 1] = best.at;
	return true;
}

/* All cuts are tried before a number of them is chosen: what one line too few leaves looks like
 * memory, and only the last cut shows that there is none. */
size_t segments_last_line(const double *x, const double *y, size_t n, size_t least, double floor)
{
	size_t start[LINE_CUTS_MAX + 1] = {}, chosen = 0;
	struct line_sums s;
	double best;

	if (n > N_MAX || n < 8)
		return 0;
	least = least < 5 ? 5 : least;
	sum_up(x, y, n, &s);
	best = deviance_of_stretches(x, y, &s, start, 1, n, floor);
	for (size_t k = 1; k <= LINE_CUTS_MAX && cut_once(&s, start, k, n, least); k++) {
		double now = deviance_of_stretches(x, y, &s, start, k + 1, n, floor) +
			     k * LINE_COST * log(n);

		if (now < best) {
			best = now;
			chosen = start[k];
		}
	}
	return chosen;
}
