/*
 * A line after a warm-up: y = a + s (1 - e^(-r x)) + b x with noise that remembers. Is there growth
 * left once what settles is taken out? r from a grid by plain least squares; then rows are whitened
 * as in ar1.h and all three are fitted again.
 */
#include <math.h>
#include <string.h>

#include "growth/window_parts.h"

#define RATES 6 /* 3, 6, ... 96: each is the square of the one before */
#define RATE_LEAST 3.0
#define COLUMNS 3
#define RHO_MAX 0.97
#define NEAR 0.15    /* octaves: a second look around the best rate */
#define PARAMETERS 5 /* with the rate and the memory */

struct normal {
	double m[COLUMNS][COLUMNS], v[COLUMNS], yy;
};

struct solved {
	double k[COLUMNS], variance[COLUMNS]; /* in units of that of the noise */
	double left;			      /* squares */
};

static void add_row(struct normal *a, const double *row, double y)
{
	for (int i = 0; i < COLUMNS; i++) {
		for (int j = 0; j <= i; j++)
			a->m[i][j] += row[i] * row[j];
		a->v[i] += row[i] * y;
	}
	a->yy += y * y;
}

/* By Cholesky; false when a column is a sum of the others. */
static bool solve(const struct normal *a, struct solved *ret)
{
	double l[COLUMNS][COLUMNS] = {}, u[COLUMNS][COLUMNS] = {}, z[COLUMNS];

	ret->left = a->yy;
	for (int i = 0; i < COLUMNS; i++) {
		double d = a->m[i][i];

		for (int k = 0; k < i; k++) {
			l[i][k] = a->m[i][k];
			for (int j = 0; j < k; j++)
				l[i][k] -= l[i][j] * l[k][j];
			l[i][k] /= l[k][k];
			d -= l[i][k] * l[i][k];
		}
		if (!(d > 1e-9 * a->m[i][i]))
			return false;
		l[i][i] = sqrt(d);
		z[i] = a->v[i];
		for (int k = 0; k < i; k++)
			z[i] -= l[i][k] * z[k];
		z[i] /= l[i][i];
		ret->left -= z[i] * z[i];
	}
	for (int c = 0; c < COLUMNS; c++) /* u: the inverse of l */
		for (int i = c; i < COLUMNS; i++) {
			u[i][c] = i == c;
			for (int k = c; k < i; k++)
				u[i][c] -= l[i][k] * u[k][c];
			u[i][c] /= l[i][i];
		}
	for (int c = 0; c < COLUMNS; c++) {
		ret->k[c] = ret->variance[c] = 0;
		for (int i = c; i < COLUMNS; i++) {
			ret->k[c] += u[i][c] * z[i];
			ret->variance[c] += u[i][c] * u[i][c];
		}
	}
	return true;
}

static void row_of(const struct window *w, const double *fading, size_t i, double *row)
{
	row[0] = 1;
	row[1] = 1 - fading[i];
	row[2] = w->x[i];
}

/* Rows less rho times the row before. */
static bool fit_rho(const struct window *w, const double *fading, double rho, struct solved *ret)
{
	double row[COLUMNS], before[COLUMNS] = {}, white[COLUMNS], keep = sqrt(1 - rho * rho);
	struct normal a = {};

	for (size_t i = 0; i < w->n; i++) {
		row_of(w, fading, i, row);
		for (int k = 0; k < COLUMNS; k++) {
			white[k] = i ? row[k] - rho * before[k] : keep * row[k];
			before[k] = row[k];
		}
		add_row(&a, white, i ? w->y[i] - rho * w->y[i - 1] : keep * w->y[i]);
	}
	return solve(&a, ret);
}

static double memory_of(const struct window *w, const double *fading, const struct solved *s)
{
	double all = 1e-12, lagged = 0, before = 0, row[COLUMNS], n = w->n;

	for (size_t i = 0; i < w->n; i++) {
		double e = w->y[i];

		row_of(w, fading, i, row);
		for (int k = 0; k < COLUMNS; k++)
			e -= s->k[k] * row[k];
		all += e * e;
		lagged += e * before;
		before = e;
	}
	return fmin(fmax((n * lagged / all + COLUMNS) / fmax(n - 3 - COLUMNS, 4), 0), RHO_MAX);
}

struct best {
	double rate, *fading; /* e^(-rate x) */
	struct solved s;
};

/* What a rate leaves; kept when it is the least. */
static double try_rate(const struct window *w, double rate, const double *fading, struct best *b)
{
	struct solved s;

	if (!fit_rho(w, fading, 0, &s))
		return NAN;
	if (!(b->rate > 0) || s.left < b->s.left) {
		b->rate = rate;
		b->s = s;
		memcpy(b->fading, fading, w->n * sizeof(*fading));
	}
	return s.left;
}

static double try_anew(const struct window *w, double rate, struct best *b)
{
	double fading[WINDOW_POINTS];

	for (size_t i = 0; i < w->n; i++)
		fading[i] = exp(-rate * w->x[i]);
	return try_rate(w, rate, fading, b);
}

/* At the bottom of the parabola through what three rates leave, `step` octaves apart. */
static void try_between(const struct window *w, double middle, double step, const double left[3],
			struct best *b)
{
	double bend = left[0] - 2 * left[1] + left[2];
	double at = 0.5 * (left[0] - left[2]) / bend;

	if (bend > 0 && fabs(at) <= 1)
		try_anew(w, middle * exp2(step * at), b);
}

static bool best_rate(const struct window *w, struct best *b)
{
	double level[WINDOW_POINTS], left[RATES], near[3];
	int least = 0;

	for (size_t i = 0; i < w->n; i++)
		level[i] = exp(-RATE_LEAST * w->x[i]);
	for (int r = 0; r < RATES; r++) {
		left[r] = try_rate(w, RATE_LEAST * (1 << r), level, b);
		least = left[r] < left[least] ? r : least;
		for (size_t i = 0; i < w->n; i++)
			level[i] *= level[i];
	}
	if (!(b->rate > 0) || least == 0 || least == RATES - 1)
		return b->rate > 0;
	try_between(w, RATE_LEAST * (1 << least), 1, left + least - 1, b);
	near[1] = b->s.left;
	level[0] = b->rate;
	near[0] = try_anew(w, level[0] * exp2(-NEAR), b);
	near[2] = try_anew(w, level[0] * exp2(NEAR), b);
	try_between(w, level[0], NEAR, near, b);
	return true;
}

void window_settle_stats(const struct window *w, const struct fit *line, double *ret)
{
	double fading[WINDOW_POINTS], rho, floor = window_floor(w), noise, bic, n = w->n;
	struct best b = { .fading = fading };
	struct solved s;

	if (!best_rate(w, &b))
		return;
	s = b.s;
	rho = memory_of(w, fading, &s);
	if (!fit_rho(w, fading, rho, &s))
		return;
	noise = fmax(sqrt(fmax(s.left, 0) / fmax(n - COLUMNS, 1)), floor * (1 - rho));
	bic = 2 * n * log(noise) - log(1 - rho * rho) + PARAMETERS * log(n);
	ret[STAT_SETTLE] = window_slog(2 * n * log(line->noise) - log(1 - line->rho * line->rho) +
				       3 * log(n) - bic);
	ret[STAT_SETTLE_T] = window_slog(s.k[2] / (noise * sqrt(s.variance[2])));
	ret[STAT_SETTLE_FIRST_T] = window_slog(s.k[1] / (noise * sqrt(s.variance[1])));
	ret[STAT_SETTLE_SLOPE] = fmin(fmax(s.k[2], -5), 5);
	ret[STAT_SETTLE_RHO] = rho;
}
