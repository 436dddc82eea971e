/* Between the files of window_stats.h: groups of statistics and what they share. */
#pragma once
#include "growth/window_stats.h"

#define WINDOW_BLOCKS 8

/* A window on an even grid of time. */
struct window_grid {
	size_t n;
	double y[WINDOW_POINTS];    /* interpolated */
	double rest[WINDOW_POINTS]; /* without its line */
	double slope;		    /* of that line, per window */
	double sd, rest_sd;	    /* > 0 */
};

void window_order_stats(const struct window *w, double *ret);
void window_neighbour_stats(const struct window *w, double *ret);
void window_cycle_stats(const struct window *w, const struct window_grid *g, double *ret);
void window_swing_stats(const struct window *w, double *ret);
void window_step_stats(const struct window *w, double *ret);
void window_pulse_stats(const struct window *w, double *ret);
void window_fit_stats(const struct window *w, const struct fit *fits, double *ret);
void window_settle_stats(const struct window *w, const struct fit *line, double *ret);

/* t of the least squares slope of y over its index; 0 with fewer than 4 points. */
double window_slope_t(const double *y, size_t n, double floor);

static inline double window_slog(double v) /* keeps sign and order, tames size */
{
	return v < 0 ? -__builtin_log1p(-v) : __builtin_log1p(v);
}
