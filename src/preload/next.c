#include "preload/next.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "preload/preload.h"

#define EARLY_BYTES 16384
#define EARLY_ALIGN 16u /* also what a block's size is kept in, before it */

static struct {
	unsigned char bytes[EARLY_BYTES] __attribute__((aligned(EARLY_ALIGN)));
	size_t used;
} early;

static __thread bool finding;

static void *early_malloc(size_t size)
{
	size_t room = EARLY_ALIGN, at;

	if (size > EARLY_BYTES / 2)
		return NULL;
	room += (size + EARLY_ALIGN - 1) & ~(size_t)(EARLY_ALIGN - 1);
	at = __atomic_fetch_add(&early.used, room, __ATOMIC_RELAXED);
	if (at + room > EARLY_BYTES) {
		__atomic_fetch_sub(&early.used, room, __ATOMIC_RELAXED);
		return NULL;
	}
	memcpy(&early.bytes[at], &size, sizeof(size));
	set_let_through(&preload_held, (uintptr_t)&early.bytes[at + EARLY_ALIGN]);
	return &early.bytes[at + EARLY_ALIGN]; /* never used before: zeroed */
}

bool next_is_early(const void *p)
{
	return (uintptr_t)p - (uintptr_t)early.bytes < EARLY_BYTES;
}

void *next_move_early(const void *p, size_t size)
{
	void *moved = next.malloc(size);
	size_t old;

	memcpy(&old, (const char *)p - EARLY_ALIGN, sizeof(old));
	if (moved)
		memcpy(moved, p, old < size ? old : size);
	return moved;
}

/* --- what an allocator does not have ---------------------------------------------------------- */

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

static void *no_aligned(size_t alignment, size_t size)
{
	(void)alignment;
	(void)size;
	return no_memory();
}

static void *no_paged(size_t size)
{
	(void)size;
	return no_memory();
}

static int no_posix_memalign(void **ret, size_t alignment, size_t size)
{
	(void)ret;
	(void)alignment;
	(void)size;
	return ENOMEM;
}

/* --- finding ---------------------------------------------------------------------------------- */

#define FIND(name, otherwise)                                              \
	do {                                                               \
		typeof(next.name) f = dlsym(RTLD_NEXT, #name);             \
                                                                           \
		if (!f)                                                    \
			f = (otherwise);                                   \
		if (f)                                                     \
			__atomic_store_n(&next.name, f, __ATOMIC_RELEASE); \
	} while (0)

/* Idempotent: several threads may do it at once. */
static void find(void)
{
	finding = true;
	FIND(malloc, NULL);
	FIND(free, NULL);
	FIND(calloc, NULL);
	FIND(realloc, NULL);
	FIND(posix_memalign, no_posix_memalign);
	FIND(aligned_alloc, no_aligned);
	FIND(memalign, no_aligned);
	FIND(valloc, no_paged);
	FIND(pvalloc, no_paged);
	finding = false;
}

static void *first_malloc(size_t size)
{
	if (!finding)
		find();
	return next.malloc == first_malloc ? early_malloc(size) : next.malloc(size);
}

static void first_free(void *p)
{
	if (!finding)
		find();
	if (next.free != first_free)
		next.free(p);
}

static void *first_calloc(size_t count, size_t size)
{
	size_t bytes;

	if (!finding)
		find();
	if (next.calloc != first_calloc)
		return next.calloc(count, size);
	return __builtin_mul_overflow(count, size, &bytes) ? no_memory() : early_malloc(bytes);
}

static void *first_realloc(void *p, size_t size)
{
	if (!finding)
		find();
	if (next.realloc != first_realloc)
		return next.realloc(p, size);
	return p ? no_memory() : early_malloc(size);
}

static int first_posix_memalign(void **ret, size_t alignment, size_t size)
{
	if (!finding)
		find();
	return next.posix_memalign == first_posix_memalign
		       ? ENOMEM
		       : next.posix_memalign(ret, alignment, size);
}

static void *first_aligned_alloc(size_t alignment, size_t size)
{
	if (!finding)
		find();
	return next.aligned_alloc == first_aligned_alloc ? no_memory()
							 : next.aligned_alloc(alignment, size);
}

static void *first_memalign(size_t alignment, size_t size)
{
	if (!finding)
		find();
	return next.memalign == first_memalign ? no_memory() : next.memalign(alignment, size);
}

static void *first_valloc(size_t size)
{
	if (!finding)
		find();
	return next.valloc == first_valloc ? no_memory() : next.valloc(size);
}

static void *first_pvalloc(size_t size)
{
	if (!finding)
		find();
	return next.pvalloc == first_pvalloc ? no_memory() : next.pvalloc(size);
}

struct next next = {
	.malloc = first_malloc,
	.free = first_free,
	.calloc = first_calloc,
	.realloc = first_realloc,
	.posix_memalign = first_posix_memalign,
	.aligned_alloc = first_aligned_alloc,
	.memalign = first_memalign,
	.valloc = first_valloc,
	.pvalloc = first_pvalloc,
};
