/*
 * The mappings of a process from /proc/PID/maps, sorted by address and not overlapping.
 * Paths: " (deleted)" is cut off and told by `deleted`; the kernel writes a newline as "\012";
 * of a path that does not fit the tail is kept.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"

#define MAPS_LINES_MAX (256u << 10)

struct vma_table {
	struct vma *vma; /* owned; maps_done() */
	size_t count;
	uint64_t refused; /* lines: malformed, out of order, too long, or beyond MAPS_LINES_MAX */
};

/*
 * Not one moment's picture: a process that exits meanwhile can leave a table that ends early, and
 * what it maps or unmaps during the call may be in or out.
 * -ESRCH when there is no such process, -EACCES when it may not be looked at.
 */
int maps_read(const char *root, uint32_t pid, struct vma_table *ret);
void maps_done(struct vma_table *table);

/* One line of the file, without its newline. False, with *ret untouched, when malformed. */
bool maps_parse_line(const char *line, const char *end, struct vma *ret);

/* The mapping that holds the address; NULL when there is none. Borrowed from the table. */
const struct vma *maps_find(const struct vma_table *table, uint64_t address);
