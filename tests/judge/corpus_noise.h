/*
 * Sampling times, noise and rounding for generated series, and how visible something is in them:
 * distances under the true covariance of the noise (generalised least squares).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "rng.h"

/* When a value is read: nominal interval, jitter of each time as a share of it, share of readings
 * that are missing, and the length of one long gap as a share of the series. */
struct sampling {
	double dt_s, jitter, missing, gap;
	bool random; /* intervals are exponential: readings at random moments */
};

struct sampling sampling_protocol(struct rng *r); /* of series A */
struct sampling sampling_wide(struct rng *r);	  /* whatever real readers do */

/* n rising times, the first at 0. Readings that are missing are skipped, n remain. */
void sampling_times(const struct sampling *s, struct rng *r, size_t n, double *t_s);

enum tails { TAILS_NORMAL = 0, TAILS_STUDENT, TAILS_LAPLACE, TAILS_UNIFORM };

/* White noise plus noise with a memory (Ornstein-Uhlenbeck); standard deviations in bytes. */
struct noise {
	double white, slow;
	double memory_s;     /* e-folding time of the slow part */
	enum tails tails;    /* of the white part; its variance is the same for all */
	double hold;	     /* chance that a reading repeats the last one's noise */
	bool multiplicative; /* proportional to the level */
	bool quiet;	     /* growth is made 20 times as visible */
	bool clean;	     /* nothing moves but the shape: sigma is nominal and not added */
	double drift;	     /* the noise at the end over that at the start; 0: does not change */
	double outliers, outlier_size; /* share of wild points, their size in standard deviations */
};

struct noise noise_protocol(struct rng *r, double base, double dt_s, size_t n); /* of series A */
struct noise noise_wide(struct rng *r, double base, double dt_s, size_t n);

double noise_sigma(const struct noise *k); /* of both parts */

/* Adds noise to the values; scale: of the noise at each point, NULL for 1. Returns the largest
 * excursion in standard deviations. */
double noise_add(const struct noise *k, struct rng *r, const double *t_s, const double *scale,
		 size_t n, double *value);

/* One Ornstein-Uhlenbeck path of unit variance. */
void noise_slow_path(struct rng *r, const double *t_s, size_t n, double memory_s, double *ret);

/* Whitens columns: afterwards noise would have unit variance and no memory. A Kalman filter of the
 * slow part under the white one, O(n) for each column. */
struct whitener {
	size_t n;
	double *unit, *gain, *weight, *carry; /* owned, one piece of memory, starts at unit */
};

/* quantum: rounding, which counts as white noise. -ENOMEM. */
int whitener_init(const struct noise *k, const double *t_s, const double *scale, size_t n,
		  double quantum, struct whitener *ret);
void whitener_done(struct whitener *w);
void whitener_apply(const struct whitener *w, const double *column, double *ret);

/* An orthonormal set of whitened nuisance columns. */
#define BASIS_MAX 6
struct basis {
	size_t n, count;
	double *column; /* borrowed: (BASIS_MAX + 1) * n */
};

void basis_add(struct basis *b, const double *white_column); /* dependent ones add nothing */
/* Norm of a whitened column after projection on the basis; rest, if not NULL, gets what is left. */
double basis_distance(const struct basis *b, const double *white_column, double *rest);

/* Rounds to multiples of the quantum, downwards as counters of pages do; 0: leaves them. */
void quantise(double *value, size_t n, double quantum);
