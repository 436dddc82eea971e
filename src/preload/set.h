/*
 * The addresses of sampled blocks that are live: a filter, which says for nearly every address that
 * it is not among them, before an exact set. Both have a fixed size, are never locked and may be
 * used from any thread and from signal handlers; a full set refuses.
 *
 * Filter: a counter for each of 2^16 pieces of 16 bytes of address space (those that are 1 MiB
 * apart share another one each), so that blocks beside each other share a cache line of it. Set:
 * an address is in one of two buckets of eight (balanced allocations; Azar, Broder, Karlin and
 * Upfal, 1994), each a cache line.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define SET_FILTER_SLOTS (1u << 16)
#define SET_BUCKETS (1u << 13)
#define SET_BUCKET_SLOTS 8u
#define SET_STUCK 255u /* a counter that has come here stays: it can no longer count down */

struct set {
	uint8_t filter[SET_FILTER_SLOTS];
	uint64_t bucket[SET_BUCKETS][SET_BUCKET_SLOTS] __attribute__((aligned(64)));
};

static inline uint32_t set_filter_slot(uint64_t addr)
{
	return (addr >> 4 ^ addr >> 20) & (SET_FILTER_SLOTS - 1);
}

/* False: it is certainly not there. */
static inline bool set_may_hold(const struct set *s, uint64_t addr)
{
	return __atomic_load_n(&s->filter[set_filter_slot(addr)], __ATOMIC_RELAXED) != 0;
}

/* False when it is full; addr is not 0. An address that is there already is not added again. */
bool set_add(struct set *s, uint64_t addr);

/* Takes an address out. True for the one caller who did. */
bool set_take(struct set *s, uint64_t addr);

/* From now on the filter lets this address through, without it being in the set. */
void set_let_through(struct set *s, uint64_t addr);
