/*
 * What is told of a window: the fit to draw, the rate now with its interval, growth and noise. All
 * is worked out on the scales of the window and then brought to units.
 */
#include "growth/shape_tell.h"

#include <math.h>

#include "growth/floors.h"

#define Z95 1.96
#define CLEARLY 6.0 /* of BIC: strong evidence */
#define PARAMETERS 4
#define NUDGE 1e-4
#define TROUGHS 4 /* fewer make no floor */

struct rate {
	double at, error;
};

static double *parameter(struct fit *f, int i)
{
	double *all[PARAMETERS] = { &f->a, &f->b, &f->c, &f->d };

	return all[i];
}

static int parameters_of(enum fit_kind kind)
{
	static const int count[FIT_KINDS] = { 1, 2, 3, 3, 3, 3, 4 };

	return count[kind];
}

/* How the fit changes at x per parameter, by small differences; the curves are smooth in a and b
 * and nearly everywhere in c and d. */
static double change_at(const struct fit *f, double x, int i)
{
	struct fit low = *f, high = *f;
	double by = NUDGE * fmax(fabs(*parameter(&low, i)), 0.1);

	*parameter(&low, i) -= by;
	*parameter(&high, i) += by;
	return (fit_at(&high, x) - fit_at(&low, x)) / (2 * by);
}

static double slope_now(const struct fit *f)
{
	return (fit_at(f, 1) - fit_at(f, 1 - NUDGE)) / NUDGE;
}

static double slope_change(const struct fit *f, int i)
{
	struct fit low = *f, high = *f;
	double by = NUDGE * fmax(fabs(*parameter(&low, i)), 0.1);

	*parameter(&low, i) -= by;
	*parameter(&high, i) += by;
	return (slope_now(&high) - slope_now(&low)) / (2 * by);
}

/* Solves m x = v in place for a positive definite m; false when it is none. */
static bool solve(double m[PARAMETERS][PARAMETERS], double *v, int n)
{
	for (int i = 0; i < n; i++) {
		if (!(m[i][i] > 1e-12))
			return false;
		for (int k = i + 1; k < n; k++) {
			double part = m[k][i] / m[i][i];

			for (int j = i; j < n; j++)
				m[k][j] -= part * m[i][j];
			v[k] -= part * v[i];
		}
	}
	for (int i = n; i-- > 0;) {
		for (int j = i + 1; j < n; j++)
			v[i] -= m[i][j] * v[j];
		v[i] /= m[i][i];
	}
	return true;
}

/*
 * The slope at the end with its standard error, all parameters of the fit being uncertain (delta
 * method on the rows that fit.c whitens by rho).
 */
static struct rate rate_of(const struct window *w, const struct fit *f)
{
	double m[PARAMETERS][PARAMETERS] = {}, v[PARAMETERS], g[PARAMETERS], row[PARAMETERS];
	double before[PARAMETERS] = {}, variance = 0, keep = sqrt(1 - f->rho * f->rho);
	struct rate r = { slope_now(f), fabs(slope_change(f, 1)) * f->b_error };
	int n = parameters_of(f->kind);

	for (size_t i = 0; i < w->n; i++) {
		for (int k = 0; k < n; k++) {
			double z = change_at(f, w->x[i], k);

			row[k] = i ? z - f->rho * before[k] : keep * z;
			before[k] = z;
		}
		for (int k = 0; k < n; k++)
			for (int j = 0; j < n; j++)
				m[k][j] += row[k] * row[j];
	}
	for (int k = 0; k < n; k++)
		v[k] = g[k] = slope_change(f, k);
	if (!solve(m, v, n))
		return r;
	for (int k = 0; k < n; k++)
		variance += g[k] * v[k];
	if (variance > 0)
		r.error = f->noise * sqrt(variance);
	return r;
}

/* What is held under a saw: a line through its troughs. */
static bool floor_line(const struct window *w, const struct fit *line, struct fit *ret)
{
	struct floors f;

	if (floors_fit(w->x, w->y, w->n, w->sigma, w->quantum, &f) || !f.rising ||
	    f.count < TROUGHS)
		return false;
	*ret = *line;
	ret->b = f.slope;
	ret->b_error = f.slope_error;
	ret->a = f.level - f.slope * f.middle;
	ret->a_error = hypot(f.level_error, f.slope_error * f.middle);
	return true;
}

static bool beats(const struct fit *a, const struct fit *b)
{
	return a->b > 0 && a->bic < b->bic - CLEARLY;
}

static void choose_fit(const struct window *w, const struct fit *fits, enum pattern pattern,
		       struct fit *ret)
{
	const struct fit *best = &fits[FIT_LINE];

	*ret = fits[FIT_CONSTANT];
	if (pattern == PATTERN_STABLE || pattern == PATTERN_OSCILLATING || pattern == PATTERN_SPIKE)
		return;
	*ret = *best;
	if (pattern == PATTERN_LINEAR)
		return;
	if (pattern == PATTERN_EXPONENTIAL) {
		if (fits[FIT_EXPONENTIAL].b > 0)
			*ret = fits[FIT_EXPONENTIAL];
		return;
	}
	if (floor_line(w, best, ret))
		return;
	for (int k = FIT_SATURATING; k <= FIT_POWER; k++)
		if (beats(&fits[k], best))
			best = &fits[k];
	*ret = *best;
}

/* Of what does not grow: its line, or that of its end once it has settled. */
static struct rate rate_of_calm(const struct window *w, const struct fit *fits)
{
	const struct fit *line = &fits[FIT_LINE];
	size_t from = w->n / 2;
	struct fit end;

	if ((beats(&fits[FIT_SATURATING], line) || fits[FIT_RAMP].bic < line->bic - CLEARLY) &&
	    !fit_shape(w->x + from, w->y + from, w->n - from, FIT_LINE, window_floor(w), &end))
		line = &end;
	return (struct rate){ line->b, line->b_error };
}

static double noise_around(const struct window *w, const struct fit *f)
{
	double left = 0;

	for (size_t i = 0; i < w->n; i++)
		left += pow(w->y[i] - fit_at(f, w->x[i]), 2);
	return sqrt(left / w->n);
}

static void to_units(const struct window *w, struct fit *f)
{
	f->a = w->offset + w->scale * f->a;
	f->b *= w->scale;
	f->a_error *= w->scale;
	f->b_error *= w->scale;
	f->noise *= w->scale;
	f->bic += 2 * w->n * log(w->scale);
}

void shape_tell(const struct window *w, const struct fit *fits, enum pattern pattern,
		struct shape *s)
{
	bool calm = pattern == PATTERN_STABLE || pattern == PATTERN_OSCILLATING ||
		    pattern == PATTERN_SPIKE;
	const struct fit *line = &fits[FIT_LINE];
	double unit = w->scale / w->span_s;
	struct rate rate;

	choose_fit(w, fits, pattern, &s->fit);
	rate = calm			 ? rate_of_calm(w, fits)
	       : s->fit.kind == FIT_LINE ? (struct rate){ s->fit.b, s->fit.b_error }
					 : rate_of(w, &s->fit);
	s->growth_per_s = rate.at * unit;
	s->growth_low_per_s = (rate.at - Z95 * rate.error) * unit;
	s->growth_high_per_s = (rate.at + Z95 * rate.error) * unit;
	s->total_growth = (fit_at(&s->fit, 1) - fit_at(&s->fit, 0)) * w->scale;
	s->noise = noise_around(w, &s->fit) * w->scale;
	/* of what is flat, that of the line that it could have been */
	if (s->fit.kind == FIT_CONSTANT)
		s->detectability = fabs(line->b) / fmax(line->b_error, 1e-9);
	else
		s->detectability = fabs(s->fit.b) / fmax(s->fit.b_error, 1e-9);
	to_units(w, &s->fit);
}
