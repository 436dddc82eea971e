/*
 * Byte strings by number: equal ones have the same number, numbers begin at 1, 0 is none.
 * Everything that a profile tells apart (texts, frames, stacks, tree nodes) is kept in such tables,
 * so that hostile input costs memory once and is bounded in one place.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct intern {
	uint32_t *slots;	/* owned: hash table of numbers, 0: free */
	size_t slot_count;	/* a power of two, or 0 */
	size_t *ends;		/* owned: where the text of each number ends in `bytes` */
	char *bytes;		/* owned: texts, each aligned to 8 and followed by a NUL */
	size_t len, cap, limit; /* limit: of len; 0 is the default, INTERN_BYTES_MAX */
	uint32_t count;
	size_t ends_cap;
};

#define INTERN_BYTES_MAX ((size_t)128 << 20)

/* Finds or adds. 0, -ENOSPC at the limit, -ENOMEM; *ret is written only on success. */
int intern_add(struct intern *t, const void *bytes, size_t len, uint32_t *ret);

/* The bytes of a number from 1 to count, aligned to 8; valid until the next intern_add(). */
const void *intern_at(const struct intern *t, uint32_t number, size_t *ret_len);

/* The same as text; "" for 0 and for numbers that were never given. */
const char *intern_text(const struct intern *t, uint32_t number);

void intern_done(struct intern *t);
