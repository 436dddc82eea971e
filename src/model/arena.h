/*
 * Memory that is released all at once: the strings and arrays of one snapshot. Addresses stay
 * valid until arena_done(). Not for one thread's use by another.
 */
#pragma once
#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *head; /* owned */
};

/* Zeroed, aligned for any type; NULL without memory or when n * size overflows. */
void *arena_alloc(struct arena *a, size_t n, size_t size);
/* A copy of text ending in NUL; NULL without memory. */
const char *arena_copy_text(struct arena *a, const char *text);
void arena_done(struct arena *a);
