/* Curves, cycles and lines of a life. */
#include <math.h>

#include "growth/life_parts.h"

#define LEAST 1e-6 /* residual variance of curves, in squares of the range */

/* Means, and sums of squares and products of what differs from them. */
struct moments {
	double mx, my, xx, xy, yy;
};

static struct moments moments_of(const double *x, const double *y, size_t n)
{
	struct moments m = {};

	for (size_t i = 0; i < n; i++) {
		m.mx += x[i];
		m.my += y[i];
	}
	m.mx /= (double)n;
	m.my /= (double)n;
	for (size_t i = 0; i < n; i++) {
		m.xx += (x[i] - m.mx) * (x[i] - m.mx);
		m.xy += (x[i] - m.mx) * (y[i] - m.my);
		m.yy += (y[i] - m.my) * (y[i] - m.my);
	}
	return m;
}

struct line life_line(const double *x, const double *y, size_t n)
{
	struct moments m = moments_of(x, y, n);
	struct line l = {};
	double rest;

	if (!(m.xx > 0))
		return l;
	l.slope = m.xy / m.xx;
	rest = fmax(m.yy - m.xy * l.slope, 0) / (double)(n - 2);
	l.t = l.slope * sqrt(m.xx) / sqrt(rest + 1e-8);
	return l;
}

double life_tau(const double *y, size_t n)
{
	double s = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			s += (y[k] > y[i]) - (y[k] < y[i]);
	return s / ((double)n * (double)(n - 1) / 2);
}

/* What a + b f leaves of y, per point; b > 0 or the constant. */
static double left(const double *f, const double *y, size_t n)
{
	struct moments m = moments_of(f, y, n);
	double rest = m.yy;

	if (m.xx > 0 && m.xy > 0)
		rest -= m.xy * m.xy / m.xx;
	return fmax(rest, 0) / (double)n + LEAST;
}

/* In single precision: the data are no better, and this is most of the cost. */
static double saturating(double x, double c)
{
	return 1 - expf((float)(-c * x));
}

static double power(double x, double c)
{
	return x > 0 ? expf((float)c * logf((float)x)) : 0;
}

static double logarithm(double x, double c)
{
	return logf((float)(1 + c * x));
}

static double exponential(double x, double c)
{
	return expf((float)(c * x));
}

static double hinge(double x, double c)
{
	return fmax(x - c, 0);
}

static double plateau(double x, double c)
{
	return fmin(x, c);
}

struct family {
	enum life_stat stat;
	double (*at)(double x, double c);
	size_t count;
	double c[12];
};

static const struct family families[] = {
	{ LIFE_FIT_SATURATING, saturating, 7, { 1.5, 3, 5, 8, 14, 25, 50 } },
	{ LIFE_FIT_POWER, power, 5, { 0.2, 0.35, 0.5, 0.65, 0.8 } },
	{ LIFE_FIT_LOG, logarithm, 4, { 3, 10, 30, 100 } },
	{ LIFE_FIT_EXPONENTIAL, exponential, 4, { 1, 2, 4, 7 } },
	{ LIFE_FIT_HINGE, hinge, 11, { .06, .12, .2, .28, .36, .44, .52, .6, .68, .78, .88 } },
	{ LIFE_FIT_PLATEAU, plateau, 11, { .04, .1, .18, .26, .34, .42, .5, .6, .7, .8, .9 } },
};

/* The best c of a family; its ln of what is left. */
static double best_of(const struct family *f, const struct blocks *b, double *best)
{
	double column[LIFE_FINE], least = INFINITY;

	for (size_t k = 0; k < f->count; k++) {
		double rest;

		for (size_t i = 0; i < LIFE_FINE; i++)
			column[i] = f->at(b->x[i], f->c[k]);
		rest = left(column, b->mean, LIFE_FINE);
		if (rest < least) {
			least = rest;
			*best = f->c[k];
		}
	}
	return log(least);
}

/* Takes a constant and the column f out of v. */
static void take_out(const double *f, double *v)
{
	double mf = 0, mv = 0, ff = 0, fv = 0;

	for (size_t i = 0; i < LIFE_FINE; i++) {
		mf += f[i] / LIFE_FINE;
		mv += v[i] / LIFE_FINE;
	}
	for (size_t i = 0; i < LIFE_FINE; i++) {
		ff += (f[i] - mf) * (f[i] - mf);
		fv += (f[i] - mf) * (v[i] - mv);
	}
	for (size_t i = 0; i < LIFE_FINE; i++)
		v[i] -= mv + (ff > 0 ? fv / ff * (f[i] - mf) : 0);
}

/* A saturating start and a line at once: is there a line? */
static void warm_line(const struct blocks *b, double *ret)
{
	static const double c[] = { 6, 12, 25, 60 };
	double least = INFINITY;

	for (size_t k = 0; k < sizeof(c) / sizeof(*c); k++) {
		double warm[LIFE_FINE], x[LIFE_FINE], y[LIFE_FINE], xx = 0, xy = 0, yy = 0;
		double rest;

		for (size_t i = 0; i < LIFE_FINE; i++) {
			warm[i] = saturating(b->x[i], c[k]);
			x[i] = b->x[i];
			y[i] = b->mean[i];
		}
		take_out(warm, x);
		take_out(warm, y);
		for (size_t i = 0; i < LIFE_FINE; i++) {
			xx += x[i] * x[i];
			xy += x[i] * y[i];
			yy += y[i] * y[i];
		}
		rest = fmax(yy - xy * xy / xx, 0) / LIFE_FINE + LEAST;
		if (rest >= least)
			continue;
		least = rest;
		ret[LIFE_FIT_WARM_LINE] = log(rest);
		ret[LIFE_WARM_LINE_GAIN] = fmin(fmax(xy / xx, -2), 2);
		ret[LIFE_WARM_LINE_T] = life_log(xy / sqrt(xx * rest));
	}
}

/* The growth since the hinge, at the resolution of the blocks. */
static void since(const struct blocks *b, double from, double *ret)
{
	size_t first = 0, n;
	struct line before, after;

	while (first + 6 < LIFE_FINE && b->x[first] < from)
		first++;
	n = LIFE_FINE - first;
	before = life_line(b->x + first, b->mean + first, n / 2);
	after = life_line(b->x + first + n / 2, b->mean + first + n / 2, n - n / 2);
	ret[LIFE_SINCE_SLOWING] =
		(after.slope - before.slope) / (fabs(after.slope) + fabs(before.slope) + 1e-2);
	ret[LIFE_SINCE_TAU] = life_tau(b->mean + first, n);
	ret[LIFE_HINGE_GAIN] = b->mean[LIFE_FINE - 1] - b->mean[first];
}

void life_curves(const struct life *l, double points, double *ret)
{
	const struct blocks *b = &l->fine;
	double best[LIFE_STATS] = {}, line = log(left(b->x, b->mean, LIFE_FINE));
	static const double flat[LIFE_FINE];

	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		enum life_stat s = families[i].stat;

		ret[s] = best_of(&families[i], b, &best[s]) - line;
	}
	ret[LIFE_FIT_CONSTANT] = log(left(flat, b->mean, LIFE_FINE)) - line;
	ret[LIFE_SATURATING_RATE] = log(best[LIFE_FIT_SATURATING]);
	ret[LIFE_POWER_BEST] = best[LIFE_FIT_POWER];
	ret[LIFE_HINGE_AT] = best[LIFE_FIT_HINGE];
	ret[LIFE_HINGE_POINTS] = log(points * (1 - best[LIFE_FIT_HINGE]));
	ret[LIFE_PLATEAU_AT] = best[LIFE_FIT_PLATEAU];
	since(b, best[LIFE_FIT_HINGE], ret);
	warm_line(b, ret);
	ret[LIFE_FIT_WARM_LINE] -= line;
}

#define CYCLE_POINTS 64

/* Autocorrelation of what a line leaves: its first zero, the highest peak after that and where. */
static void cycle(const double *all_x, const double *all_y, size_t all_n, double *zero,
		  double *peak, double *lag, double *lag1)
{
	size_t each = (all_n + CYCLE_POINTS - 1) / CYCLE_POINTS, n = all_n / each;
	double x[CYCLE_POINTS] = {}, y[CYCLE_POINTS] = {}, rest[CYCLE_POINTS], mx = 0, my = 0,
	       all = 0;
	struct line line;

	for (size_t i = 0; i < n; i++) { /* each: 1 or 2 */
		x[i] = (all_x[i * each] + all_x[i * each + each - 1]) / 2;
		y[i] = (all_y[i * each] + all_y[i * each + each - 1]) / 2;
	}
	line = life_line(x, y, n);
	*zero = 0.5;
	*peak = *lag = *lag1 = 0;
	for (size_t i = 0; i < n; i++) {
		mx += x[i];
		my += y[i];
	}
	mx /= (double)n;
	my /= (double)n;
	for (size_t i = 0; i < n; i++) {
		rest[i] = y[i] - my - line.slope * (x[i] - mx);
		all += rest[i] * rest[i];
	}
	for (size_t k = 1; k <= n / 2 && all > 0; k++) {
		double sum = 0;

		for (size_t i = k; i < n; i++)
			sum += rest[i] * rest[i - k];
		sum /= all;
		if (k == 1)
			*lag1 = sum;
		if (sum <= 0 && *zero >= 0.5)
			*zero = (double)k / (double)n;
		sum *= (double)n / (double)(n - k);
		if (*zero < 0.5 && sum > *peak) {
			*peak = sum;
			*lag = (double)k / (double)n;
		}
	}
}

void life_cycles(const struct life *l, double *ret)
{
	double unused;

	cycle(l->x, l->y, l->n, &ret[LIFE_CYCLE_ZERO], &ret[LIFE_CYCLE_PEAK], &ret[LIFE_CYCLE_LAG],
	      &ret[LIFE_LAG1]);
	cycle(l->late_x, l->late_y, l->late_n, &unused, &ret[LIFE_CYCLE_PEAK_QUARTER],
	      &ret[LIFE_CYCLE_LAG_QUARTER], &unused);
}
