/*
 * What a running series looks like over its whole life, over the last half and lately, in numbers
 * without units. Inputs of the network of growth.c. Pure; all finite.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth/history.h"

enum life_stat {
#define STAT(name) LIFE_##name,
#include "growth/life_stats.def"
#undef STAT
	LIFE_STATS
};

#define LIFE_BLOCKS 16 /* means over the whole life follow */
#define LIFE_LATE 8    /* ... and over its last quarter */
#define LIFE_INPUTS (LIFE_STATS + LIFE_BLOCKS + LIFE_LATE)

#define LIFE_POINTS_MIN 32

/* Is it time to look again, `count` points after the start and `judged` points at the last look? */
static inline bool life_due(uint64_t judged, uint64_t count)
{
	return count >= judged + (count / 32 > 4 ? count / 32 : 4);
}

/* t of the slope over the means of at most 8 blocks: above 2 or so it rises; 0: fewer than 4
 * points. */
double life_rises(const double *t_s, const double *value, size_t n);

/* ret: LIFE_INPUTS numbers. -ENODATA: fewer than LIFE_POINTS_MIN points, or no variation. */
int life_stats(const struct history *h, double *ret);
