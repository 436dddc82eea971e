/*
 * Growth of plain arrays: capacity doubles up to a limit that the caller knows. Not a container:
 * the array, its length and its capacity stay members of the caller's struct.
 */
#pragma once
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * Makes room for one more element in *array (elements of `size` bytes, `n` in use, room for
 * *cap). -ENOSPC when n has reached limit, -ENOMEM; nothing changes then.
 */
static inline int vec_reserve(void *array, size_t size, size_t n, size_t *cap, size_t limit)
{
	size_t more = *cap ? *cap : 8;
	void *grown;

	if (n >= limit)
		return -ENOSPC;
	if (n < *cap)
		return 0;
	more = more > SIZE_MAX / 2 ? SIZE_MAX : *cap ? more * 2 : more;
	if (more > limit)
		more = limit;
	grown = reallocarray(*(void **)array, more, size);
	if (!grown)
		return -ENOMEM;
	*(void **)array = grown;
	*cap = more;
	return 0;
}

/* Moves the elements from `at` on by one place; there must be room. */
static inline void vec_open(void *array, size_t size, size_t n, size_t at)
{
	char *base = *(char **)array;

	memmove(base + (at + 1) * size, base + at * size, (n - at) * size);
}

static inline void vec_close(void *array, size_t size, size_t n, size_t at)
{
	char *base = *(char **)array;

	memmove(base + at * size, base + (at + 1) * size, (n - at - 1) * size);
}
