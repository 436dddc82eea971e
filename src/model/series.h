/*
 * The life of one site or process as at most a fixed number of points. When it is full, every
 * other point is dropped and new ones are kept half as often, so that the points always cover the
 * whole life; the last point is always the newest one given.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct series_point {
	uint64_t bytes;
	uint32_t count; /* stops at UINT32_MAX */
	uint32_t t_cs;	/* hundredths of a second since the start; stops at UINT32_MAX */
};

struct series; /* opaque */

/* points: most that are kept, at least 4. -EINVAL, -ENOMEM. */
int series_new(size_t points, struct series **ret);
void series_free(struct series *s);

/* t_ns: nanoseconds since the start; a point before the last one is ignored. -ENOMEM. */
int series_add(struct series *s, uint64_t t_ns, uint64_t bytes, uint64_t count);

size_t series_count(const struct series *s);
/* Oldest first; valid until the next change. */
const struct series_point *series_points(const struct series *s);
