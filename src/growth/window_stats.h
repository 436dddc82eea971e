/*
 * What a window looks like, in numbers without units: neither scale, offset nor unit of time
 * changes them. Inputs of the judge's network. Pure; all finite for any prepared window.
 */
#pragma once
#include "growth/window.h"

enum window_stat {
#define STAT(name) STAT_##name,
#include "growth/window_stats.def"
#undef STAT
	WINDOW_STATS
};

#define WINDOW_GRID 28 /* block means of the course over time follow the statistics */
#define WINDOW_INPUTS (WINDOW_STATS + WINDOW_GRID)

/* Every kind of shape fitted to y over x, FIT_KINDS of them. */
void window_fit(const struct window *w, struct fit *ret);
double window_floor(const struct window *w); /* least noise of those fits */

/* fits: of window_fit(). ret: WINDOW_INPUTS numbers. The window must not be constant. */
void window_stats(const struct window *w, const struct fit *fits, double *ret);
