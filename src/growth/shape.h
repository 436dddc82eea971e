/*
 * What shape has this window of a series? Statistics of the window (window_stats.h) go through a
 * small network whose constants were learned from a generated corpus (tests/judge, `make train`).
 * Pure: no clock, no I/O, no allocation; input may be anything, also hostile.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "growth/fit.h"
#include "growth/pattern.h"

#define SHAPE_POINTS_MIN 8    /* fewer have no shape */
#define SHAPE_VALUE_MAX 1e100 /* more is no quantity: left out */

/* One window. Times in seconds, oldest first; uneven spacing and gaps are fine. Points that are no
 * numbers or run backwards are left out. */
struct shape_input {
	const double *t_s, *value; /* borrowed during the call */
	size_t n;
	const double *restart_t_s; /* moments at which the process began anew; may be NULL */
	size_t restart_count;
};

struct shape {
	enum pattern pattern;	 /* PATTERN_NONE: fewer than SHAPE_POINTS_MIN usable points */
	double confidence;	 /* calibrated: of those given at 0.9, nine in ten are right */
	double p[PATTERN_MAX];	 /* probability of each pattern; p[PATTERN_NONE] is 0 */
	double leak_probability; /* calibrated: linear, exponential or sustained growth */
	double growth_per_s, growth_low_per_s, growth_high_per_s; /* rate now, 95 % interval */
	double total_growth;   /* end minus start of the fitted shape */
	double start_s, end_s; /* of the part of the window that was judged (after a restart) */
	double noise;	       /* standard deviation around the fitted shape */
	double detectability;  /* total growth over its own standard error, d' of the field */
	size_t points;	       /* that were used */
	struct fit fit;	       /* of value against (t - start_s) / (end_s - start_s) */
	const char *why;       /* static: what spoke most clearly for the pattern */
};

/* Always writes *ret. */
void shape_judge(const struct shape_input *in, struct shape *ret);

/* It has such a pattern, and what it fits goes upwards. */
static inline bool shape_grows(const struct shape *s)
{
	return pattern_grows(s->pattern) && s->growth_per_s > 0;
}

/* The fitted value at time t_s; NAN without a pattern. */
double shape_at(const struct shape *s, double t_s);
