/*
 * Which blocks that are recorded as live cannot be: two live blocks do not overlap, so one whose
 * bytes a newer one has was freed unseen. The same is true of one that is not mapped any more.
 * Pure. Nothing else ends a block: memory that is not touched, or looks as it did, proves nothing.
 *
 * Ages are known to a tenth of a second; of two blocks of the same age none is older. A block that
 * grew where it was may have grown over bytes of a younger one, which is dead then: so it is where
 * that was there before the last window, as each window's overlaps are settled after it. Blocks of
 * allocators that take their memory from another traced allocator would overlap while they live:
 * the caller traces the outermost of nested calls only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct overlap_block {
	uint64_t addr;
	uint64_t held; /* weight.h */
	uint32_t site;
	uint32_t born_ds;
	bool dead;
};

struct overlap_range {
	uint64_t start, end;
};

/*
 * Sorts blocks by address and marks those that are dead. One pass: of blocks that overlap each
 * other three deep some are found in the next. since_ds: when the last window began. Returns how
 * many were marked; n is below 2^32.
 */
size_t overlap_find(struct overlap_block *block, size_t n, uint32_t since_ds);

/*
 * Marks blocks that begin in none of the ranges, which are sorted and all that is mapped. Blocks
 * are sorted. Those born at or after `since_ds` are left alone: the ranges may be older. Returns
 * how many were marked.
 */
size_t overlap_find_unmapped(struct overlap_block *block, size_t n,
			     const struct overlap_range *range, size_t ranges, uint32_t since_ds);
