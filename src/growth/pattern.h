/* How a series grows: the six words of the output contract. */
#pragma once
#include <stdbool.h>

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

/* The three that memory shows when it is lost. */
static inline bool pattern_grows(enum pattern p)
{
	return p == PATTERN_LINEAR || p == PATTERN_EXPONENTIAL || p == PATTERN_SUSTAINED;
}
