/* One sentence for a pattern, from the statistics that spoke most clearly for it. */
#include <math.h>

#include "growth/shape_tell.h"

/* The statistic is at least (or, with below, at most) as given; sentences in order of preference.
 */
struct reason {
	enum pattern pattern;
	enum window_stat stat;
	bool below;
	double than;
	const char *text;
};

/* FIT_* statistics are logarithms: 2 is a BIC of 6 better than a line, 2.6 a t of 12. */
static const struct reason reasons[] = {
	{ PATTERN_STABLE, STAT_FIT_LINE_T, true, -2.2, "it falls" },
	{ PATTERN_STABLE, STAT_FIT_SATURATING, false, 2, "it rose and then levelled off" },
	{ PATTERN_STABLE, STAT_FIT_RAMP, false, 2, "it went from one level to another and stayed" },
	{ PATTERN_STABLE, STAT_STEPS_REST, true, 0.4, "it stepped to a level and stayed" },
	{ PATTERN_STABLE, STAT_LAG1, false, 0.6, "it wanders no further than its own noise does" },
	{ PATTERN_LINEAR, STAT_FIT_HINGE, false, 2, "flat at first, then it rises along a line" },
	{ PATTERN_LINEAR, STAT_FIT_LINE_T, false, 3, "it rises along a line, far above its noise" },
	{ PATTERN_EXPONENTIAL, STAT_FIT_EXPONENTIAL, false, 2,
	  "it rises ever faster: an exponential fits better than a line" },
	{ PATTERN_SPIKE, STAT_PULSE_TWO, false, 0.6, "short pulses above a level it returns to" },
	{ PATTERN_SPIKE, STAT_PULSE_AT, false, 0.9, "a pulse at the end, above a level that held" },
	{ PATTERN_SUSTAINED, STAT_TROUGH_T, false, 1.5, "the floor under its swings keeps rising" },
	{ PATTERN_SUSTAINED, STAT_CYCLE_PEAK, false, 0.5, "each cycle ends higher than the last" },
	{ PATTERN_SUSTAINED, STAT_STEPS_BIC, false, 2,
	  "it rises in steps that are not given back" },
	{ PATTERN_SUSTAINED, STAT_FIT_POWER, false, 2,
	  "it keeps rising, slower than along a line" },
	{ PATTERN_SUSTAINED, STAT_FIT_EXPONENTIAL, false, 2,
	  "it keeps rising, faster than along a line" },
	{ PATTERN_OSCILLATING, STAT_CYCLE_PEAK, false, 0.5,
	  "it repeats itself, around a level that holds" },
};

static const char *const otherwise[PATTERN_MAX] = {
	[PATTERN_NONE] = "too few points",
	[PATTERN_STABLE] = "no trend beyond its noise",
	[PATTERN_LINEAR] = "it rises along a line",
	[PATTERN_EXPONENTIAL] = "it rises ever faster",
	[PATTERN_SPIKE] = "a pulse above a level it returns to",
	[PATTERN_SUSTAINED] = "it keeps rising, but not along a line",
	[PATTERN_OSCILLATING] = "it swings around a level that holds",
};

const char *shape_why(const double *stats, enum pattern pattern)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		const struct reason *r = &reasons[i];
		double v = stats[r->stat];

		if (r->pattern == pattern && (r->below ? v <= r->than : v >= r->than))
			return r->text;
	}
	return otherwise[pattern];
}
