/*
 * When does a series begin to rise? A CUSUM for ramps (generalised likelihood ratio over every
 * start within the last ONSET_WINDOW points) on whitened residuals against the level before. The
 * statistic is divided by its own mean square in the past, so noise with any memory, and cycles
 * that were seen before, raise no alarm. Pure, O(ONSET_WINDOW) for each point, no allocation.
 *
 * A ramp of s sigmas a point carries s^2 n^3 / 6 of information after n points (Lorden's bound with
 * Lai's information number): it is found after about (6 ln gamma / s^2)^(1/3) points, gamma being
 * the mean number of points between false alarms.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ONSET_WINDOW 63
#define ONSET_PAST (2 * ONSET_WINDOW + 1) /* newest points that onset_add() needs */
#define ONSET_SIZES 5

struct onset {
	double mean, variance, covariance, noise2; /* of the past: level, memory, whitened noise */
	double quantum;				   /* smallest step seen, 0: none */
	uint64_t count;				   /* points since the start */
	uint64_t learned;			   /* of which the past consists of so many */
	double power[ONSET_SIZES];		   /* mean square of the statistic at some sizes */
	uint64_t powers[ONSET_SIZES];		   /* over so many points */
};

void onset_start(struct onset *o);

/*
 * last: the newest points, oldest first, the new one among them; n of them: the smaller of
 * ONSET_PAST and those since the start. Returns 0, or the number of newest points since which it
 * rises, when the ratio is beyond ln(alarm_points).
 */
size_t onset_add(struct onset *o, const double *last, size_t n, double alarm_points);
