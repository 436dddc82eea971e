/* Sums of numbers that the traced process chooses: they stop at the ends and never wrap. */
#pragma once
#include <stdint.h>

static inline uint64_t sat_add(uint64_t a, uint64_t b)
{
	uint64_t r;

	return __builtin_add_overflow(a, b, &r) ? UINT64_MAX : r;
}

static inline uint64_t sat_sub(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static inline uint64_t sat_mul(uint64_t a, uint64_t b)
{
	uint64_t r;

	return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

/* Nanoseconds from `from` to `to` as seconds; 0 when the order is reversed. */
static inline double ns_between_s(uint64_t from, uint64_t to)
{
	return (double)sat_sub(to, from) / 1e9;
}
