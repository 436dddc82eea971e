/*
 * An allocator of its own, loaded by dlopen: nothing in it passes through malloc, so that only
 * --alloc can make it known. Blocks of one size, from a mapping that is never returned.
 */
#include <stddef.h>
#include <sys/mman.h>

#define POOL_BYTES (16 << 20)
#define BLOCK 512

void *pool_get(size_t size);
void pool_put(void *p);

static char *at, *end;
static void *spare; /* the first word of a spare block leads to the next one */

void *pool_get(size_t size)
{
	void *p = spare;

	if (size > BLOCK)
		return NULL;
	if (p) {
		spare = *(void **)p;
		return p;
	}
	if (!at) {
		at = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
		if (at == MAP_FAILED)
			return NULL;
		end = at + POOL_BYTES;
	}
	if (at == end)
		return NULL;
	p = at;
	at += BLOCK;
	return p;
}

void pool_put(void *p)
{
	*(void **)p = spare;
	spare = p;
}
