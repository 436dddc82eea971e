/*
 * What detectors of the naive kind do, for comparison: a correlation above 0.8 is a line. A reading
 * of descriptions of such products.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "growth/pattern.h"

struct naive_cfg {
	double correlation; /* from which a fit is one */
	double deviations;  /* of a spike from the mean */
	double rising;	    /* share of steps of sustained growth */
	/* oscillation: passes through the fitted line, at most this share of the points, and the
	 * standard deviation over the mean */
	double crossings, crossings_share, variation;
};

struct naive_cfg naive_defaults(void); /* what such products say */
struct naive_cfg naive_tuned(void);    /* what does best on our windows, as far as it can */

struct naive_answer {
	enum pattern pattern;
	double confidence; /* the correlation, as such products say it */
	bool leak;	   /* linear, exponential, or sustained */
};

/* Fewer than 3 points are stable. */
void naive_judge(const struct naive_cfg *cfg, const double *t_s, const double *value, size_t n,
		 struct naive_answer *ret);
