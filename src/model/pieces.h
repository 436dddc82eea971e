/*
 * Ranges of addresses that do not overlap, in order: the intervals under mappings.h. Work per
 * change is bounded however many there are and in whatever order they come. Each piece carries the
 * number of what it is a piece of; touching pieces of one number are joined when added.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct piece {
	uint64_t start, end; /* [start, end), start < end */
	uint32_t block;
};

struct pieces; /* opaque */

/* limit: most pieces. */
int pieces_new(size_t limit, struct pieces **ret);
void pieces_free(struct pieces *p);
size_t pieces_count(const struct pieces *p);

/* The first piece that ends after addr; false when there is none. */
bool pieces_next(const struct pieces *p, uint64_t addr, struct piece *ret);

/*
 * Adds [start, end), which must be free. *ret_joined: it became part of the piece before it.
 * -ENOSPC at the limit, -ENOMEM.
 */
int pieces_add(struct pieces *p, const struct piece *add, bool *ret_joined);

/*
 * Takes the first part that is within [start, end) out: *ret is the part, *ret_left how many
 * pieces remain of the one it was cut from (0 to 2). False when nothing is there. A part cut out
 * of the middle takes the rest behind it along when there is no room for another piece.
 */
bool pieces_take(struct pieces *p, uint64_t start, uint64_t end, struct piece *ret,
		 unsigned int *ret_left);
