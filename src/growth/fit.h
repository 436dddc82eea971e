/*
 * Shapes fitted to a window of points whose noise remembers (AR(1), generalised least squares by
 * Cochrane and Orcutt's whitening, with a correction for the bias of a short window). Pure; works
 * in the caller's memory; nothing here returns a NaN or an infinity.
 *
 * x is time scaled to [0, 1] over the window, y the values in the caller's unit.
 */
#pragma once
#include <stddef.h>

#define FIT_POINTS_MAX 128

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
	double a_error, b_error; /* standard errors, noise with a memory allowed for */
	double rho;		 /* lag-1 correlation of the residuals, 0 to 0.97 */
	double noise;		 /* standard deviation of the whitened residuals */
	double bic; /* smaller is better; comparable between kinds on the same points */
};

/*
 * floor: least standard deviation of the noise (of rounding to a quantum: quantum / sqrt(12)).
 * -EINVAL with fewer than 5 points, no spread in x, or values that are no numbers.
 */
int fit_shape(const double *x, const double *y, size_t n, enum fit_kind kind, double floor,
	      struct fit *ret);

/* The fitted value at x, which may lie outside of [0, 1]; finite (clamped to +-1e300). */
double fit_at(const struct fit *f, double x);
