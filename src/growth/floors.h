/*
 * The floor under a sawtooth: what is left after each fall (garbage collection, flushed batches).
 * Turning points by zigzag, a line through the troughs between peaks. Pure; points must be finite.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define FLOORS_MAX 64 /* troughs; of more, the last ones count */

struct floors {
	size_t count; /* troughs between peaks */
	double t[FLOORS_MAX], value[FLOORS_MAX];
	double period;	  /* median time between them; 0 with fewer than 2 */
	double amplitude; /* median height of peaks above the troughs beside them */
	double fall;	  /* median of how far it really falls to a trough: less, by the trend */
	double slope, slope_error; /* of the floor, per unit of t */
	double middle, level;	   /* the floor is at level, +- level_error, when t is middle */
	double level_error;
	bool rising; /* surely, and by a good part of the amplitude */
};

/*
 * noise: standard deviation, of segments_noise(); quantum: 0 when unknown. -EINVAL with fewer than
 * 8 points, no noise to compare with, or fewer than 3 troughs.
 */
int floors_fit(const double *t, const double *v, size_t n, double noise, double quantum,
	       struct floors *ret);
