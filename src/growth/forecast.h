/* When will a growing series reach a limit? Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "growth/shape.h"

struct forecast {
	bool known;	      /* false: it does not grow, or too little is known to say */
	double limit;	      /* in the unit of the series */
	double seconds;	      /* from the last point to the limit: median */
	double low_s, high_s; /* covers the truth nine times in ten; high_s may be INFINITY */
	/* How fast it grows at the last point, on the same grounds: median, and an interval that
	 * holds the truth 19 times in 20. NAN when it does not surely grow. */
	double per_s, low_per_s, high_per_s;
};

/*
 * From what the last points say, along its shape: line, exponential, power, stairs, or the floor
 * under a sawtooth; an average over all that the points do not exclude (future.h). A limit already
 * passed is reached in 0 s; without a limit (NAN) only the rate is told. Always writes *ret. Takes
 * as long as some ten calls of shape_judge().
 */
void forecast_limit(const struct shape_input *in, const struct shape *shape, double limit,
		    struct forecast *ret);

/* Gives a shape the rate of its forecast, where there is one: it holds the truth as often as it
 * says also after warm-ups, from hinges on and of curves, which a fit of the whole window does not.
 */
void forecast_set_rate(const struct forecast *f, struct shape *shape);
