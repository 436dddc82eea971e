/* How a series grows: the six words of the output contract. */
#pragma once

enum pattern {
	PATTERN_NONE = 0, /* not known: too few points */
	PATTERN_STABLE,
	PATTERN_LINEAR,
	PATTERN_EXPONENTIAL,
	PATTERN_SPIKE,
	PATTERN_SUSTAINED, /* keeps growing, but along neither a line nor an exponential */
	PATTERN_OSCILLATING,
	PATTERN_MAX
};
