/*
 * One series in bounded memory at every time scale: rings of HISTORY_RING points, each level four
 * times as coarse as the one below (medians of four), made when the one below is full. Ten levels
 * hold a year of seconds. Adding a point costs O(1), amortised. A short series takes little: rings
 * grow with what they hold.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define HISTORY_RING 128
#define HISTORY_LEVELS 10
#define HISTORY_LARGEST 1e150 /* times and values beyond are refused: their squares stay finite */
#define HISTORY_PATIENCE 4    /* refused points in a row, in order, that set the clock back */

struct history; /* opaque */

int history_new(struct history **ret); /* -ENOMEM */
void history_free(struct history *h);  /* NULL is fine */
void history_clear(struct history *h); /* the process began anew; what was refused stays counted */

/*
 * -EINVAL: not a number, or not after the last point (counted, nothing changes). The last of
 * HISTORY_PATIENCE points in a row that come before the last one, but each after the other, is
 * added: the clock was set back, and all times held are shifted to the new one.
 * -ENOMEM: the point (or a coarser one made of it) could not be kept; all else is as before.
 */
int history_add(struct history *h, double t_s, double value);

/* Oldest first, at most HISTORY_RING points of one level (0: as added; 0 points above the
 * coarsest); returns how many. */
size_t history_level(const struct history *h, unsigned int level, double *t_s, double *value);

/* The newest points as added, oldest of them first: the smaller of n, HISTORY_RING and all. */
size_t history_last(const struct history *h, size_t n, double *t_s, double *value);

/* The finest level that still reaches back to the first point. */
unsigned int history_whole_level(const struct history *h);

/* The whole life in at most HISTORY_RING points: of that level, and the newest one; returns how
 * many. */
size_t history_whole(const struct history *h, double *t_s, double *value);

uint64_t history_count(const struct history *h);   /* points added since it was cleared */
uint64_t history_refused(const struct history *h); /* points refused, ever */
double history_shifted(const struct history *h);   /* sum of the clock's steps so far, seconds */
size_t history_bytes(const struct history *h);	   /* memory it takes */
