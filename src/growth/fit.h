/*
 * Shapes fitted to a window of points whose noise remembers (AR(1), generalised least squares by
 * Cochrane and Orcutt's whitening, with a correction for the bias of a short window). Pure; works
 * in the caller's memory; nothing here returns a NaN or an infinity.
 *
 * x is time scaled to [0, 1] over the window, y the values in the caller's unit.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define FIT_POINTS_MAX 128
#define FIT_POINTS_MIN 5
#define FIT_LADDER 3 /* exponentials from which all others of a grid are squared */

enum fit_kind {
	FIT_CONSTANT = 0, /* a */
	FIT_LINE,	  /* a + b x */
	FIT_EXPONENTIAL,  /* a + b (e^(c x) - 1), b > 0 */
	FIT_SATURATING,	  /* a + b (1 - e^(-c x)), b > 0 */
	FIT_POWER,	  /* a + b x^c, b > 0, c < 1 */
	FIT_HINGE,	  /* a + b max(x - c, 0), b > 0 */
	FIT_RAMP,	  /* a + b (clip(x, c, d) - c): a line between two levels */
	FIT_KINDS
};

struct fit {
	enum fit_kind kind;
	size_t n;
	double a, b, c, d;
	double a_error, b_error; /* standard errors, noise with a memory allowed for; c, d as given
				  */
	double rho;		 /* lag-1 correlation of the residuals, 0 to 0.97 */
	double noise;		 /* standard deviation of the whitened residuals */
	double bic; /* smaller is better; comparable between kinds on the same points */
};

/*
 * Points made ready for several kinds: what they share is worked out once. Filled by
 * fit_prepare(), which copies; the fields are for fit.c.
 */
struct fit_work {
	size_t n;
	double middle, scale; /* y = middle + scale * v */
	double x[FIT_POINTS_MAX], v[FIT_POINTS_MAX];
	double gap[FIT_POINTS_MAX]; /* from the point before, in usual gaps; 1 when near that */
	double floor, vv;	    /* of v: least noise, sum of squares */
	double sum_x[FIT_POINTS_MAX + 1], sum_xx[FIT_POINTS_MAX + 1]; /* of the first i points */
	double sum_v[FIT_POINTS_MAX + 1], sum_xv[FIT_POINTS_MAX + 1];
	bool uneven, laddered;
	double falling[FIT_LADDER][FIT_POINTS_MAX]; /* e^(-r x), when laddered */
};

/*
 * floor: least standard deviation of the noise (of rounding to a quantum: quantum / sqrt(12)).
 * -EINVAL with fewer than FIT_POINTS_MIN or more than FIT_POINTS_MAX points, no spread in x, x far
 * out of [0, 1], or values that are no numbers or beyond 1e150.
 */
int fit_prepare(struct fit_work *w, const double *x, const double *y, size_t n, double floor);

/* One kind. A shape that must rise and does not is given with b = 0. */
void fit_prepared(struct fit_work *w, enum fit_kind kind, struct fit *ret);

/* Both at once, for one kind; errors of fit_prepare(), and -EINVAL for no kind. */
int fit_shape(const double *x, const double *y, size_t n, enum fit_kind kind, double floor,
	      struct fit *ret);

/* The fitted value at x, which may lie outside of [0, 1]; finite (clamped to +-1e300). */
double fit_at(const struct fit *f, double x);
