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
};

/*
 * From the last stretch between change points of the window, along its shape: line, exponential,
 * or the floor under a sawtooth. A limit already passed is reached in 0 s. Always writes *ret.
 */
void forecast_limit(const struct shape_input *in, const struct shape *shape, double limit,
		    struct forecast *ret);
