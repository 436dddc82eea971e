/*
 * What each piece of an address space is: the lines of the memory map, split where mappings begin
 * and end, and classified by everything that is known of them.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"
#include "decode/inner.h"
#include "model/mappings.h"
#include "model/modules.h"
#include "model/snapshot.h"

#define REGION_BYTES (2ull << 20)

struct ranges; /* opaque */

struct ranges_cfg {
	size_t limit;	      /* most ranges */
	size_t region_limit;  /* most pieces in which allocators were seen */
	size_t pointer_limit; /* most stack pointers */
};

int ranges_new(const struct ranges_cfg *cfg, struct ranges **ret);
void ranges_free(struct ranges *t);

/* A traced allocator served from the REGION_BYTES around addr. -ENOMEM; beyond the limit: counted.
 */
int ranges_add_region(struct ranges *t, uint64_t addr, uint64_t now_ns);
/* Stack pointers of the threads, FACT_UNKNOWN ones included; replaces the ones before. */
int ranges_set_pointers(struct ranges *t, const uint64_t *sp, size_t n);

/* What a runtime and an allocator say of pieces, sorted; from the next build on. -ENOMEM. */
int ranges_set_inner(struct ranges *t, const struct inner_range *range, size_t n);

/*
 * Builds the ranges anew, their residency unknown, and adds to managed_bytes of the sites that the
 * mappings name. -ENOMEM: there are none then.
 */
int ranges_build(struct ranges *t, const struct modules *modules, const struct mappings *mappings);
/* The ranges to be measured, sorted, for the caller to fill in; owned here until the next build. */
struct residency *ranges_asked(const struct ranges *t, size_t *ret_n);
/*
 * Takes over measured ranges; those that were not asked for are ignored. -ENODATA when none was.
 * The first such reading is what allocators held at attach.
 */
int ranges_set_residency(struct ranges *t, const struct residency *r, size_t n);

/* What a site mapped proved to be an allocator's: its ranges are, from now on. */
void ranges_give_up(struct ranges *t, uint32_t site);

bool ranges_measured(const struct ranges *t);
size_t ranges_count(const struct ranges *t);
const struct snap_range *ranges_all(const struct ranges *t);
/* Resident and swapped bytes of managed memory, pooled pages included; 0 before a reading. */
uint64_t ranges_managed(const struct ranges *t);
uint64_t ranges_refused(const struct ranges *t);
/* Bytes resident at the first reading in ranges that proved to be allocators' then or later. */
uint64_t ranges_allocator_at_attach(const struct ranges *t);
