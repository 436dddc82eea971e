/*
 * The life of one site or process as at most a fixed number of points. When it is full, every
 * other point is dropped and new ones are kept half as often, so that the points always cover the
 * whole life; the last point is always the newest one given.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define SERIES_BYTES_BITS 56 /* as many as an address space has at most */
#define SERIES_TIME_BITS 40

/* 16 bytes, since there are many. Each number stops at the largest that fits. */
struct series_point {
	uint64_t bytes : SERIES_BYTES_BITS;
	uint64_t count : 32;
	uint64_t t_cs : SERIES_TIME_BITS; /* hundredths of a second since the start: 348 years */
} __attribute__((packed));

struct series; /* opaque */

/* points: most that are kept, at least 4. -EINVAL, -ENOMEM. */
int series_new(size_t points, struct series **ret);
void series_free(struct series *s);

/* t_ns: nanoseconds since the start; a point before the last one is ignored. -ENOMEM. */
int series_add(struct series *s, uint64_t t_ns, uint64_t bytes, uint64_t count);

size_t series_count(const struct series *s);
/* Oldest first; valid until the next change. */
const struct series_point *series_points(const struct series *s);
