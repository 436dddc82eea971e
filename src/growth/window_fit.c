/* Statistics of a window from shapes fitted to it. */
#include <math.h>

#include "growth/window_parts.h"

#define NOISE_LEAST 1e-6 /* of the range */

double window_floor(const struct window *w)
{
	return fmax(w->quantum / sqrt(12), NOISE_LEAST);
}

void window_fit(const struct window *w, struct fit *ret)
{
	struct fit_work work;

	for (int k = 0; k < FIT_KINDS; k++)
		ret[k] = (struct fit){ .kind = k };
	if (fit_prepare(&work, w->x, w->y, w->n, window_floor(w)))
		return;
	for (int k = 0; k < FIT_KINDS; k++)
		fit_prepared(&work, k, &ret[k]);
}

static double t_of(const struct fit *f)
{
	return f->b_error > 0 ? window_slog(f->b / f->b_error) : 0;
}

static void part_stats(const struct window *w, size_t from, size_t until, double *t, double *slope)
{
	struct fit f;

	if (fit_shape(w->x + from, w->y + from, until - from, FIT_LINE, window_floor(w), &f))
		return;
	*t = t_of(&f);
	*slope = fmin(fmax(f.b, -20), 20);
}

static void parts(const struct window *w, double *ret)
{
	size_t n = w->n;
	double ignored;

	part_stats(w, 0, n / 2 + 1, &ret[STAT_FIT_FIRST_T], &ignored);
	part_stats(w, n - n / 2 - 1, n, &ret[STAT_FIT_LAST_T], &ret[STAT_FIT_LAST_SLOPE]);
	part_stats(w, n - n / 3 - 3, n, &ret[STAT_FIT_THIRD_T], &ret[STAT_FIT_THIRD_SLOPE]);
}

static void noises(const struct window *w, const struct fit *fits, double *ret)
{
	double best = fits[FIT_LINE].noise;

	for (int k = 0; k < FIT_KINDS; k++)
		best = fmin(best, fits[k].noise);
	ret[STAT_FIT_RHO] = fits[FIT_CONSTANT].rho;
	ret[STAT_FIT_LINE_RHO] = fits[FIT_LINE].rho;
	ret[STAT_FIT_RAMP_RHO] = fits[FIT_RAMP].rho;
	ret[STAT_FIT_LINE_NOISE] = log(fmax(fits[FIT_LINE].noise, NOISE_LEAST));
	ret[STAT_FIT_BEST_NOISE] = log(fmax(best, NOISE_LEAST));
	ret[STAT_FIT_NOISE_RATIO] = log(fmax(best, NOISE_LEAST) / fmax(w->sigma, NOISE_LEAST));
}

void window_fit_stats(const struct window *w, const struct fit *fits, double *ret)
{
	double line = fits[FIT_LINE].bic, best = line;

	for (int k = FIT_EXPONENTIAL; k < FIT_KINDS; k++)
		best = fmin(best, fits[k].bic);
	ret[STAT_FIT_CONSTANT] = window_slog(line - fits[FIT_CONSTANT].bic);
	ret[STAT_FIT_EXPONENTIAL] = window_slog(line - fits[FIT_EXPONENTIAL].bic);
	ret[STAT_FIT_SATURATING] = window_slog(line - fits[FIT_SATURATING].bic);
	ret[STAT_FIT_POWER] = window_slog(line - fits[FIT_POWER].bic);
	ret[STAT_FIT_HINGE] = window_slog(line - fits[FIT_HINGE].bic);
	ret[STAT_FIT_RAMP] = window_slog(line - fits[FIT_RAMP].bic);
	ret[STAT_FIT_LINE_T] = t_of(&fits[FIT_LINE]);
	ret[STAT_FIT_SATURATING_T] = t_of(&fits[FIT_SATURATING]);
	ret[STAT_FIT_EXPONENTIAL_T] = t_of(&fits[FIT_EXPONENTIAL]);
	ret[STAT_FIT_HINGE_T] = t_of(&fits[FIT_HINGE]);
	ret[STAT_FIT_RAMP_T] = t_of(&fits[FIT_RAMP]);
	ret[STAT_FIT_RATE] = fits[FIT_EXPONENTIAL].c;
	ret[STAT_FIT_FILLING] = window_slog(fits[FIT_SATURATING].c);
	ret[STAT_FIT_BEND] = fits[FIT_HINGE].c;
	ret[STAT_FIT_FROM] = fits[FIT_RAMP].c;
	ret[STAT_FIT_UNTIL] = fits[FIT_RAMP].d;
	ret[STAT_FIT_EXPONENT] = fits[FIT_POWER].c;
	/* STEPS_BIC is n ln(line / steps) less what the cuts cost; on the scale of the fits */
	ret[STAT_FIT_STEPS] = window_slog(best - line) + ret[STAT_STEPS_BIC];
	noises(w, fits, ret);
	parts(w, ret);
}
