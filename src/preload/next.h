/*
 * The allocator behind this library: the next definition of each function in the order in which
 * the dynamic loader looks for it. Found at the first call of any of them; what finding them asks
 * for itself comes from a small buffer that is never given back.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct next {
	void *(*malloc)(size_t size);
	void (*free)(void *p);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *p, size_t size);
	int (*posix_memalign)(void **ret, size_t alignment, size_t size);
	void *(*aligned_alloc)(size_t alignment, size_t size);
	void *(*memalign)(size_t alignment, size_t size);
	void *(*valloc)(size_t size);
	void *(*pvalloc)(size_t size);
};

/* Every pointer can be called at any time. */
extern struct next next;

/* Whether a block is of the buffer: it must not reach the allocator behind. */
bool next_is_early(const void *p);
/* What such a block holds, moved to the allocator behind; NULL when that has no memory. */
void *next_move_early(const void *p, size_t size);
