/*
 * One window of a series made ready for statistics: usable points only, at most WINDOW_POINTS of
 * them (medians of blocks beyond that), free of single outliers, on scales without units. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "growth/fit.h"
#include "growth/shape.h"

#define WINDOW_POINTS FIT_POINTS_MAX

struct window {
	size_t n;					/* points here */
	size_t raw;					/* usable points that they stand for */
	double x[WINDOW_POINTS];			/* time, within 0 to 1 */
	double y[WINDOW_POINTS];			/* value without outliers, from 0 to 1 */
	double level[WINDOW_POINTS];			/* the same with outliers */
	double high[WINDOW_POINTS], low[WINDOW_POINTS]; /* extremes of the block, scaled as y */
	double start_s, span_s;				/* time = start_s + span_s x */
	double offset, scale;				/* value = offset + scale y */
	double sigma;	  /* noise between neighbours of y, never less than rounding makes */
	double sigma_raw; /* the same between usable points */
	double quantum;	  /* smallest step between usable points, in units of y */
	double flat;	  /* share of usable points that equal the one before */
	bool constant;	  /* no variation at all; scale is 1 */
};

/* -ENODATA: fewer than SHAPE_POINTS_MIN usable points in the stretch that would be judged. */
int window_prepare(const struct shape_input *in, struct window *ret);
