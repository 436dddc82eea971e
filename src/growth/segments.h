/*
 * Change points: a series as stretches of constant level (steps, staircases), and where its last
 * straight stretch begins. Greedy binary segmentation: the cut that explains most first, then the
 * next in what is left, as long as one is worth it. Pure; points must be finite.
 */
#pragma once
#include <stddef.h>

#define SEGMENTS_POINTS_MAX 128
#define SEGMENTS_CUTS_MAX 14

struct segments {
	size_t count;			     /* stretches, at least 1 */
	size_t start[SEGMENTS_CUTS_MAX + 2]; /* stretch s: start[s] to start[s + 1] - 1 */
	double level[SEGMENTS_CUTS_MAX + 1]; /* means */
	double left;			     /* standard deviation around them */
	double bic;			     /* comparable with that of struct fit */
};

/*
 * Standard deviation of the noise from the median size of steps between neighbours, which neither
 * trends nor a few jumps move; never below least. NAN with fewer than 3 points.
 */
double segments_noise(const double *y, size_t n, double least);

/* Levels; noise: from segments_noise(), floor: as of fit_shape(), for bic. -EINVAL with fewer than
 * 5 or more than SEGMENTS_POINTS_MAX points. */
int segments_levels(const double *y, size_t n, double noise, double floor, struct segments *ret);

/*
 * First point of the last stretch that one straight line describes as well as two with a break
 * between them, noise with a memory allowed for; at least least points remain. floor: as of
 * fit_shape(). 0 with too few points to say.
 */
size_t segments_last_line(const double *x, const double *y, size_t n, size_t least, double floor);

/*
 * -2 log likelihoods of two straight stretches with a break at each of count points, 0: of one
 * stretch; without constants, noise with a memory allowed for. n: 5 to SEGMENTS_POINTS_MAX.
 */
void segments_break_deviance(const double *x, const double *y, size_t n, double floor,
			     const size_t *at, size_t count, double *ret);
