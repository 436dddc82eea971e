/*
 * Statistics that stay honest on ugly series: robust line, growth by blocks, tail bounds.
 * Pure functions over caller's memory; nothing here allocates, and no result is a NaN.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "model/snapshot.h"

#define ROBUST_LINE_POINTS 32 /* a longer series is thinned evenly to this many points */
#define ROBUST_GRID 129	      /* points of an evenly spaced copy of a series */
#define ROBUST_BLOCKS 8	      /* stretches that a window is cut into */

/* Median of pairwise slopes, with a 95 % interval that allows for noise with a memory. */
struct robust_line {
	double slope, low, high; /* per unit of t */
	double start;		 /* value of the line at the first point */
	double fit;		 /* 0 to 1: share of the spread that the line explains */
};

/* -EINVAL with fewer than 4 usable points or no spread in time; points that are no numbers are
 * left out. */
int robust_line_fit(const double *t, const double *v, size_t n, struct robust_line *ret);

/*
 * An evenly spaced copy of a series from 0 to end_s, ROBUST_GRID points, added to grid.
 * Between points the value moves on a straight line; before the first it is that of the first,
 * but 0 before born_s (what is not there yet is not live); after the last it stays. Points out of
 * order, negative or no numbers are left out; returns how many were used.
 */
size_t robust_grid_add(const struct snap_series *s, double born_s, double end_s, double *grid);

/* How a stretch of a grid grew. */
struct robust_trend {
	double growth;	     /* last minus first value */
	double significance; /* mean growth per block over its standard error; capped at 99 */
	double slowing; /* share of its mean rate that growth loses from start to end; <0: gains */
	double slowing_error; /* standard error of that */
	double weakest_third; /* growth in the weakest third, 1 = its fair share */
	double recent;	      /* growth in the last block, 1 = its fair share */
	double third[3];      /* growth in each third */
};

/* counted: values are counts of things that come at random, so their noise has a known floor.
 * -EINVAL when the stretch [first, last] has fewer cells than ROBUST_BLOCKS. */
int robust_trend_fit(const double *grid, size_t first, size_t last, bool counted,
		     struct robust_trend *ret);

/* Upper bound (Chernoff) of log10 P(X <= k), X binomial of n trials; 0 when k >= n * p. */
double robust_binomial_tail(double n, double p, double k);
/* The same for a Poisson number with this mean. */
double robust_poisson_tail(double mean, double k);
