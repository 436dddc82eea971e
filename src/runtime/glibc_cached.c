/*
 * Free chunks that malloc keeps aside without marking them free: lists of a thread's cache (tcache)
 * and fast bins. Since 2.32 a link is xor-ed with its own address shifted by 12 bits.
 */
#include "runtime/glibc.h"

#include <stdlib.h>
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
#define LISTS 512
#define HOPS_MAX (1u << 18) /* at one look, 0.2 us each */

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

/* A list that is followed. A chunk's own size and its link lie side by side: 16 bytes a hop. */
struct list {
	uint64_t chunk;		      /* the next on it; 0: over */
	uint64_t size;		      /* of its chunks */
	uint64_t to_chunk;	      /* from what links point at back to the chunk */
	uint64_t hops, mark, mark_at; /* comes back to itself: Brent's */
	uint64_t seen[2];	      /* size and link that were read */
};

struct lists {
	struct list list[LISTS];
	size_t count;
};

/* Is the chunk on the list of its size? */
static bool fits(const struct list *l)
{
	uint64_t size = l->seen[0] & ~CHUNK_FLAGS;

	if (l->size == NO_SIZE)
		return size > SMALL_SIZE(SMALL_BINS - 1) && size <= UINT32_MAX;
	return size == l->size;
}

/* Reads what is at the head of each list that goes on; lists whose head cannot be are over. */
static size_t read_heads(struct malloc_walk *w, struct lists *s)
{
	struct peek_at at[LISTS];
	struct list *of[LISTS];
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct list *l = &s->list[i];
		bool valid = l->chunk % CHUNK_ALIGN == 0 && in_region(w, l->chunk) &&
			     malloc_present(w, l->chunk + 8, 16) == 16;

		if (!l->chunk)
			continue;
		if (!valid) {
			w->lists_torn = true;
			l->chunk = 0;
			continue;
		}
		of[n] = l;
		at[n++] = (struct peek_at){ l->chunk + 8, l->seen, sizeof(l->seen) };
	}
	if (peek_read_many(w->v->peek, at, n)) {
		w->lists_torn = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (at[i].ok && fits(of[i]))
			continue;
		w->lists_torn = true;
		of[i]->chunk = 0;
	}
	return n;
}

static void move_to_cached(struct malloc_walk *w, uint64_t size)
{
	uint64_t usable = size - 8;
	int bucket = malloc_bucket(usable);
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

/* The chunk that follows, 0: none does. */
static uint64_t next_chunk(struct malloc_walk *w, const struct list *l)
{
	uint64_t link = l->seen[1], plain = link ^ (l->chunk + CHUNK_HEADER) >> 12;

	if (!link || !plain)
		return 0;
	if (plain % CHUNK_ALIGN == 0 && in_region(w, plain - l->to_chunk))
		return plain - l->to_chunk;
	return link - l->to_chunk; /* before 2.32 */
}

static void hop(struct malloc_walk *w, struct list *l)
{
	if (l->chunk == l->mark || w->hops++ == HOPS_MAX) {
		w->lists_cut |= l->chunk != l->mark;
		w->lists_torn |= l->chunk == l->mark;
		l->chunk = 0;
		return;
	}
	if (l->hops++ == l->mark_at) {
		l->mark = l->chunk;
		l->mark_at = 2 * l->mark_at + 1;
	}
	move_to_cached(w, l->seen[0] & ~CHUNK_FLAGS);
	l->chunk = next_chunk(w, l);
}

/* All lists side by side, a chunk of each at a time: one system call for all of them. */
static void walk_lists(struct malloc_walk *w, struct lists *s)
{
	while (read_heads(w, s) && !w->lists_cut)
		for (size_t i = 0; i < s->count; i++)
			if (s->list[i].chunk)
				hop(w, &s->list[i]);
	s->count = 0;
}

static void add_list(struct lists *s, uint64_t chunk, uint64_t size, uint64_t to_chunk)
{
	s->list[s->count++] = (struct list){ .chunk = chunk, .size = size, .to_chunk = to_chunk };
}

static uint64_t bin_size(uint32_t bin)
{
	return bin < SMALL_BINS ? SMALL_SIZE(bin) : NO_SIZE;
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

/* Believed when the first chunk of every list is one of that list: it adds them then. */
static void take_cache(struct malloc_walk *w, uint64_t at, struct lists *all)
{
	uint8_t chunk[CHUNK_BYTES_MAX];
	struct lists own = { .count = 0 };
	const struct shape *s;
	bool torn = w->lists_torn;
	size_t n, believed = 0;
	uint64_t head;

	if (malloc_peek(w, at + 8, &head, sizeof(head)))
		return;
	s = shape_of(head & ~CHUNK_FLAGS);
	if (!s || malloc_peek(w, at, chunk, s->chunk + 8) || !malloc_may_be_cache(chunk, s->chunk))
		return;
	for (uint32_t i = 0; i < s->bins; i++)
		if (head_of(s, chunk, i))
			add_list(&own, head_of(s, chunk, i) - CHUNK_HEADER, bin_size(i),
				 CHUNK_HEADER);
	read_heads(w, &own);
	w->lists_torn = torn;
	for (n = 0; n < own.count; n++)
		believed += own.list[n].chunk != 0;
	if (believed != own.count)
		return;
	w->caches++;
	leave_out(w, s->chunk);
	if (all->count + own.count > LISTS)
		walk_lists(w, all);
	memcpy(all->list + all->count, own.list, own.count * sizeof(own.list[0]));
	all->count += own.count;
}

void malloc_walk_cached(struct malloc_walk *w, const struct malloc_arena *arena, size_t n)
{
	struct lists *all = w->kept->lists;

	all->count = 0;
	for (size_t i = 0; i < w->tcache_count; i++)
		take_cache(w, w->kept->tcache[i], all);
	for (size_t i = 0; i < n; i++) {
		if (all->count + FAST_BINS > LISTS)
			walk_lists(w, all);
		for (uint32_t bin = 0; bin < FAST_BINS; bin++)
			if (arena[i].fast[bin])
				add_list(all, arena[i].fast[bin], SMALL_SIZE(bin), 0);
	}
	walk_lists(w, all);
}

struct lists *malloc_lists_new(void)
{
	return calloc(1, sizeof(struct lists));
}
