#include "runtime/cpython_pools.h"

#define POOLS_IN_ARENA 64
#define OBJECT_BYTES_MAX 512

uint64_t pool_arena_bytes(const struct pool_kind *k)
{
	return (uint64_t)k->pool_bytes * POOLS_IN_ARENA;
}

bool pool_check(const struct pool_kind *k, const struct pool_header *h, uint64_t address,
		uint64_t *used)
{
	uint64_t size, first = address + POOL_HEADER_BYTES;

	if (h->size_class >= OBJECT_BYTES_MAX / k->align_bytes)
		return false;
	size = (h->size_class + 1ull) * k->align_bytes;
	if (h->max_offset != k->pool_bytes - size || h->next_offset < POOL_HEADER_BYTES ||
	    h->next_offset > k->pool_bytes || (h->next_offset - POOL_HEADER_BYTES) % size ||
	    h->count > (k->pool_bytes - POOL_HEADER_BYTES) / size)
		return false;
	if (h->free_block && (h->free_block < first || h->free_block > address + h->max_offset ||
			      (h->free_block - first) % size))
		return false;
	*used = h->count * size;
	return true;
}

void pool_scan_end(const struct pool_scan *s, uint64_t *start, uint64_t *end)
{
	/* one that does not start at a multiple of its pools' size has room for one less */
	bool whole = s->kind.pool_bytes == 4096 ||
		     s->last == s->start + pool_arena_bytes(&s->kind) - s->kind.pool_bytes;

	*start = *end = s->start;
	if (s->arenas)
		*end += pool_arena_bytes(&s->kind) - (whole ? 0 : s->kind.pool_bytes);
}

bool pool_scan_take(struct pool_scan *s, uint64_t address, const struct pool_header *h,
		    uint64_t used, uint64_t *start, uint64_t *end)
{
	bool begins = !s->arenas || h->arena != s->index ||
		      address - s->start >= pool_arena_bytes(&s->kind);

	s->pools++;
	s->used_bytes += used;
	if (begins) {
		pool_scan_end(s, start, end);
		if (*end > address)
			*end = address;
		s->arenas++;
		s->start = address;
		s->index = h->arena;
	}
	s->last = address;
	return begins;
}
