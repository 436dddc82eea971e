/* Between the files of future.h. Weights are logarithms until futures_weigh(). */
#pragma once
#include <stdbool.h>

#include "growth/ar1.h"
#include "growth/future.h"

/* Of n points whose noise remembers, less fitted columns; at least 3. */
double future_freedom(size_t n, double rho, double columns);
/* n points and how many columns and curvatures were fitted to them. */
struct future future_of(enum future_kind kind, const struct ar1 *a, size_t n, double columns);
bool future_is_clear(const struct ar1 *a);
double future_curve(enum future_kind kind, double from, double curve, double x);
void future_add(struct futures *f, const struct future *one);
/* One number that is not linear is varied between low and high; what is linear is fitted. */
enum profile_by {
	BY_CURVE = 0, /* logarithm of the curvature or power */
	BY_HINGE,     /* from */
	BY_FADE	      /* logarithm of the rate of a warm-up below the line */
};

struct profile {
	const struct future_points *p; /* borrowed */
	enum future_kind kind;
	enum profile_by by;
	double from, low, high;
	double log_prior;
	/* found so far: */
	double rho; /* < 0: not known yet */
	double peak, deviance;
	struct ar1 fit;
};

void future_coarse(struct profile *c); /* fills what is found; deviance INFINITY: nothing rises */
/* After future_coarse(): a grid about the peak, weighted by likelihood and by its share of the
 * range. Nothing when it does not rise clearly. */
void future_add_profile(struct futures *f, struct profile *c);

void future_add_power(struct futures *f, const struct future_points *p, double log_prior);
/* As future_add_line(), for lines that are less usual. */
void future_add_lines(struct futures *f, const struct future_points *p, double log_prior);
