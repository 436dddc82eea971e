/*
 * Gaps between samples and what a sample stands for; see memtrace/weight.h. Pure, without the
 * mathematical library: the library is loaded into other people's programs.
 */
#pragma once
#include <stdint.h>

#define GAP_MAX (1ull << 50) /* bytes; of a gap, whatever the mean is */

/* The next number of a thread's own sequence (splitmix64, Steele, Lea and Flood, 2014). */
uint64_t gap_random(uint64_t *state);

/* Exponential with this mean, at least 1 byte; `random` is uniform. */
uint64_t gap_of(uint64_t random, uint64_t mean);

/* What a taken block of `size` bytes stands for, in bytes: size / (1 - exp(-size / mean)). */
uint64_t gap_weigh(uint64_t size, uint64_t mean);
