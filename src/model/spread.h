/*
 * How far totals may be off that are known by windows of time: what is seen in each window is one
 * observation of the whole, however many blocks it has (cluster sampling, Kish 1965). Pure.
 */
#pragma once
#include <stdint.h>

/* Of one site; all zero at first. Bytes, weighted. */
struct spread {
	uint64_t before; /* total at the end of the window before */
	double sum, squares;
};

/* Of a process. */
struct spread_windows {
	uint32_t count;	 /* windows that were summed up */
	double variance; /* that each has in common for all sites, relative; NAN: not known */
};

/* A window ended with this total. is_first: nothing is known of what was between it and before. */
void spread_add(struct spread *s, uint64_t total, int is_first);
/*
 * Variance of a site's sum over all windows, for an interval that holds the truth as often as a
 * normal one says it does, however few windows there were. NAN: it cannot be known yet.
 */
double spread_variance(const struct spread *s, const struct spread_windows *w);
/* The part that is common to all sites, relative to a sum's square. NAN: as above. */
double spread_common(const struct spread_windows *w);
