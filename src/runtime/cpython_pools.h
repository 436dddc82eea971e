/*
 * The arenas of CPython's allocator for objects of up to 512 bytes, found by the header at the
 * start of each pool: pools are of 4 KiB in arenas of 256 KiB (up to 3.9), or of 16 KiB in arenas
 * of 1 MiB. An arena gives out its pools from its start on, and a header stays once it is written,
 * so the first one tells where the arena is. From Objects/obmalloc.c of CPython.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define POOL_HEADER_BYTES 48

struct pool_kind {
	uint32_t pool_bytes;  /* 4096 or 16384 */
	uint32_t align_bytes; /* of blocks: 8 (up to 3.6) or 16 */
};

struct pool_header {
	uint32_t count; /* blocks in use */
	uint32_t unused;
	uint64_t free_block;
	uint64_t next, previous;
	uint32_t arena, size_class, next_offset, max_offset;
};

/* What was found, from pools in order of address. */
struct pool_scan {
	struct pool_kind kind;
	uint64_t pools, arenas, used_bytes;
	uint64_t start, last; /* of the arena that is being put together; its last pool */
	uint32_t index;	      /* its number */
};

uint64_t pool_arena_bytes(const struct pool_kind *k);

/* Whether these bytes at that address are a pool of the kind; *used: bytes of blocks in use. */
bool pool_check(const struct pool_kind *k, const struct pool_header *h, uint64_t address,
		uint64_t *used);

/* Takes the next pool. True: it begins another arena; that before is [*start, *end), or empty. */
bool pool_scan_take(struct pool_scan *s, uint64_t address, const struct pool_header *h,
		    uint64_t used, uint64_t *start, uint64_t *end);
/* What pool_scan_take() would tell of the last arena. */
void pool_scan_end(const struct pool_scan *s, uint64_t *start, uint64_t *end);
