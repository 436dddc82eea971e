/*
 * Free chunks that malloc keeps aside without marking them free: lists of a thread's cache (tcache)
 * and fast bins. Since 2.32 a link is xor-ed with its own address shifted by 12 bits.
 */
#include "runtime/glibc.h"

#include <errno.h>
#include <string.h>

/* A thread's cache is a chunk: counts, then the heads of lists of chunks of one size each. */
static const struct shape {
	uint32_t chunk, bins, count_bytes;
} shapes[] = {
	{ 0x250, 64, 1 }, /* 2.26 */
	{ 0x290, 64, 2 }, /* 2.30 */
	{ 0x300, 76, 2 }, /* 2.42: the last 12 are of large sizes */
};

#define SMALL_BINS 64
#define SMALL_SIZE(i) (CHUNK_MIN + (uint64_t)(i)*16)
#define CHUNK_BYTES_MAX (0x300 + 8)
#define NO_SIZE UINT64_MAX

static const struct shape *shape_of(uint64_t size)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (shapes[i].chunk == size)
			return &shapes[i];
	return NULL;
}

static uint64_t head_of(const struct shape *s, const uint8_t *chunk, uint32_t bin)
{
	uint64_t v;

	memcpy(&v, chunk + CHUNK_HEADER + s->bins * s->count_bytes + bin * 8, sizeof(v));
	return v;
}

bool malloc_may_be_cache(const uint8_t *chunk, uint64_t size)
{
	const struct shape *s = shape_of(size);
	bool any = false;

	for (uint32_t i = 0; s && i < s->bins; i++) {
		uint64_t v = head_of(s, chunk, i);

		if (v % CHUNK_ALIGN || v >> 56)
			return false;
		any |= v != 0;
	}
	return any;
}

/* Is there room for a chunk in a region that was walked? */
static bool in_region(const struct malloc_walk *w, uint64_t chunk)
{
	const struct malloc_region *r = malloc_find_region(w, chunk);

	return r && r->end - chunk >= CHUNK_MIN;
}

static bool word(struct malloc_walk *w, uint64_t at, uint64_t *ret)
{
	const uint8_t *page = malloc_page(w, at);

	if (page)
		memcpy(ret, page + at % MALLOC_PAGE, sizeof(*ret));
	return page != NULL;
}

/* The size of the chunk on a list; 0 when none of the list's size can be there. */
static uint64_t listed_size(struct malloc_walk *w, uint64_t chunk, uint64_t size)
{
	uint64_t head;

	if (chunk % CHUNK_ALIGN || !in_region(w, chunk) || !word(w, chunk + 8, &head))
		return 0;
	head &= ~CHUNK_FLAGS;
	if (size == NO_SIZE)
		return head > SMALL_SIZE(SMALL_BINS - 1) && head <= UINT32_MAX ? head : 0;
	return head == size ? head : 0;
}

static void move_to_cached(struct malloc_walk *w, uint64_t size)
{
	uint64_t usable = size - 8;
	int bucket = 63 - __builtin_clzll(usable);
	struct inner_allocator *s = &w->sum;

	if (!s->size_count[bucket] || s->size_bytes[bucket] < usable)
		return; /* freed since it was walked */
	s->size_count[bucket]--;
	s->size_bytes[bucket] -= usable;
	s->live_count--;
	s->live_bytes -= usable;
	s->cached_count++;
	s->cached_bytes += usable;
}

/* The chunk that follows on a list, 0: none does. `to_chunk`: from what links point at to chunks.
 */
static uint64_t next_chunk(struct malloc_walk *w, uint64_t chunk, uint64_t to_chunk)
{
	uint64_t at = chunk + CHUNK_HEADER, link, plain;

	if (!word(w, at, &link))
		return 0;
	plain = link ^ at >> 12;
	if (!link || !plain)
		return 0;
	if (plain % CHUNK_ALIGN == 0 && in_region(w, plain - to_chunk))
		return plain - to_chunk;
	return link - to_chunk; /* before 2.32 */
}

/* Follows a list as long as chunks of its size are on it, and it does not come back (Brent's). */
static void walk_list(struct malloc_walk *w, uint64_t chunk, uint64_t size, uint64_t to_chunk)
{
	uint64_t limit = w->sum.live_count, mark = 0, mark_at = 1;

	for (uint64_t n = 0; chunk; n++) {
		uint64_t there = n < limit && chunk != mark ? listed_size(w, chunk, size) : 0;

		if (!there) {
			w->lists_torn |= !w->lists_cut;
			return;
		}
		if (n == mark_at) {
			mark = chunk;
			mark_at *= 2;
		}
		move_to_cached(w, there);
		chunk = next_chunk(w, chunk, to_chunk);
	}
}

static uint64_t bin_size(uint32_t bin)
{
	return bin < SMALL_BINS ? SMALL_SIZE(bin) : NO_SIZE;
}

/* Believed when the first chunk of every list is one of that list. */
static bool is_cache(struct malloc_walk *w, const struct shape *s, const uint8_t *chunk)
{
	for (uint32_t i = 0; i < s->bins; i++) {
		uint64_t v = head_of(s, chunk, i);

		if (v && !listed_size(w, v - CHUNK_HEADER, bin_size(i)))
			return false;
	}
	return true;
}

/* The cache itself is no block of the program's. */
static void leave_out(struct malloc_walk *w, uint64_t size)
{
	uint64_t cached = w->sum.cached_count;

	move_to_cached(w, size);
	if (w->sum.cached_count == cached)
		return;
	w->sum.cached_count--;
	w->sum.cached_bytes -= size - 8;
	w->sum.overhead_bytes += size - 8;
}

static void walk_cache(struct malloc_walk *w, uint64_t at)
{
	uint8_t chunk[CHUNK_BYTES_MAX];
	const struct shape *s;
	uint64_t head;

	if (malloc_peek(w, at + 8, &head, sizeof(head)))
		return;
	s = shape_of(head & ~CHUNK_FLAGS);
	if (!s || malloc_peek(w, at, chunk, s->chunk + 8) ||
	    !malloc_may_be_cache(chunk, s->chunk) || !is_cache(w, s, chunk))
		return;
	w->caches++;
	leave_out(w, s->chunk);
	for (uint32_t i = 0; i < s->bins; i++) {
		uint64_t v = head_of(s, chunk, i);

		if (v)
			walk_list(w, v - CHUNK_HEADER, bin_size(i), CHUNK_HEADER);
	}
}

void malloc_walk_cached(struct malloc_walk *w, const struct malloc_arena *arena, size_t n)
{
	memset(w->kept->pages->page, 0, sizeof(w->kept->pages->page));
	for (size_t i = 0; i < w->tcache_count; i++)
		walk_cache(w, w->kept->tcache[i]);
	for (size_t i = 0; i < n; i++)
		for (uint32_t bin = 0; bin < FAST_BINS; bin++)
			if (arena[i].fast[bin])
				walk_list(w, arena[i].fast[bin], SMALL_SIZE(bin), 0);
}
