/* Between life.c and the files that it is split into. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "growth/life.h"

#define LIFE_FINE 32

struct blocks {
	size_t n;
	double x[LIFE_FINE], mean[LIFE_FINE], low[LIFE_FINE], high[LIFE_FINE];
};

struct life {
	size_t n, late_n;
	double x[HISTORY_RING], y[HISTORY_RING];	   /* whole life, 0 to 1 */
	double late_x[HISTORY_RING], late_y[HISTORY_RING]; /* last quarter, on the same scales */
	double scale;					   /* value of 1 on that of y */
	struct blocks fine, whole, late; /* LIFE_FINE, LIFE_BLOCKS, LIFE_LATE of them */
};

struct line {
	double slope, t; /* t: slope over its standard error as of white noise */
};

struct line life_line(const double *x, const double *y, size_t n);
double life_tau(const double *y, size_t n); /* Kendall's, over order */
double life_log(double v);		    /* of 1 + size; keeps the sign */

void life_curves(const struct life *l, double points, double *ret);
void life_cycles(const struct life *l, double *ret);
