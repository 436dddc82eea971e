/* What can be said of a series by its curve alone: how bad, and what to do. */
#pragma once
#include "analyse/analysis.h"
#include "analyse/severity.h"

/* In a leak that nothing but a curve speaks for. */
double curve_confidence(double leak_probability);

/* Low for what does not grow as leaks do; never above the confidence that it is a leak. */
enum severity curve_severity(const struct severity_cfg *cfg, const struct shape *s,
			     double leak_probability);

/* One sentence, which the caller frees; NULL for what does not grow. -ENOMEM. */
int curve_advice(const struct shape *s, bool leak, char **ret);

/*
 * When the series reaches the limit, from the points (oldest first) of the window that was judged.
 * Always writes *ret.
 */
void curve_forecast(const struct shape_input *points, const struct shape *s, double limit,
		    struct forecast *ret);
