/*
 * ArrayBuffers. Their bytes are counted by node's allocator of them, one for each isolate; the
 * Heap, which is part of its isolate, has a pointer to it, told by what the allocator begins with.
 * process.memoryUsage().arrayBuffers is this count. How many they are and what of them is in memory
 * is from a walk over all of them (v8_sweeper.c), which is done every 30 s.
 */
#include <errno.h>
#include <stdlib.h>

#include "runtime/v8_impl.h"

#define SECOND_NS 1000000000ull
#define WALK_EVERY_NS (30 * SECOND_NS)
#define AT_ONCE_MAX \
	3	    /* walks in a row that V8 disturbed; those that follow wait 2, 4, 8, 16 s ... */
#define AGAIN_MAX 7 /* ... and WALK_EVERY_NS */
#define HEAP_WORDS 512	/* read at once */
#define HEAP_READS 4	/* 16 KiB: the allocator was found up to 0x2440 behind Heap */
#define SEARCHES_MAX 16 /* for an allocator, at one look: 0.3 ms each */
#define ALLOCATOR_WORDS 16
/* Each isolate may have so much that is in no list: what libuv reads into, 64 KiB at a time. */
#define UNLISTED_BYTES (256u << 10)

static bool is_allocator(const struct v8 *s, const struct process_view *v, uint64_t at)
{
	uint64_t table;

	return v8_can_read(v, at, sizeof(table)) && !peek_u64(v->peek, at, &table) &&
	       table == s->symbols.allocator_table;
}

/* Which of the words points to an allocator; n: none. */
static size_t find_pointer(const struct v8 *s, const struct process_view *v, const uint64_t *word,
			   size_t n)
{
	uint64_t first[HEAP_WORDS];
	struct peek_at at[HEAP_WORDS];
	size_t from[HEAP_WORDS], some = 0;

	for (size_t i = 0; i < n; i++) {
		if (!v8_can_read(v, word[i], sizeof(*first)))
			continue;
		at[some] = (struct peek_at){ word[i], &first[some], sizeof(*first), false };
		from[some++] = i;
	}
	if (!some || peek_read_many(v->peek, at, some))
		return n;
	for (size_t i = 0; i < some; i++)
		if (at[i].ok && first[i] == s->symbols.allocator_table)
			return from[i];
	return n;
}

static uint64_t search_heap(struct v8 *s, const struct process_view *v, uint64_t heap)
{
	uint64_t word[HEAP_WORDS];

	for (unsigned int i = 0; i < HEAP_READS; i++) {
		uint64_t at = heap + i * sizeof(word);
		size_t found;

		if (!v8_can_read(v, at, sizeof(word)) || peek_read(v->peek, at, word, sizeof(word)))
			continue;
		found = find_pointer(s, v, word, HEAP_WORDS);
		if (found < HEAP_WORDS) {
			s->buffers.slot = at - heap + found * sizeof(*word);
			return word[found];
		}
	}
	return 0;
}

static uint64_t find_allocator(struct v8 *s, const struct process_view *v, uint64_t heap)
{
	uint64_t at = heap + s->buffers.slot, allocator;

	if (s->buffers.slot && v8_can_read(v, at, sizeof(at)) &&
	    !peek_u64(v->peek, at, &allocator) && is_allocator(s, v, allocator))
		return allocator;
	if (!s->buffers.searches)
		return 0;
	s->buffers.searches--;
	return search_heap(s, v, heap);
}

/* Where an allocator was and is not any more, another isolate has taken the place of the Heap. */
static bool still_names(const struct v8 *s, const struct process_view *v,
			const struct v8_isolate *isolate)
{
	uint64_t at = isolate->heap + s->buffers.slot, now;

	return !s->buffers.slot || !v8_can_read(v, at, sizeof(now)) ||
	       peek_u64(v->peek, at, &now) || now == isolate->allocator;
}

/* Keeps what is known of isolates that are still there. */
static void find_isolates(struct v8 *s, const struct process_view *v)
{
	struct v8_buffers *b = &s->buffers;

	b->searches = SEARCHES_MAX;
	for (size_t i = 0; i < s->pages.heaps; i++) {
		uint64_t heap = s->pages.heap[i];
		size_t k = i;

		if (b->isolate[k].heap != heap)
			for (k = 0; k < V8_ISOLATES_MAX && b->isolate[k].heap != heap;)
				k++;
		if (k < V8_ISOLATES_MAX && b->isolate[k].allocator &&
		    still_names(s, v, &b->isolate[k])) {
			struct v8_isolate other = b->isolate[i];

			b->isolate[i] = b->isolate[k];
			b->isolate[k] = other;
		} else {
			b->isolate[i] = (struct v8_isolate){ heap, find_allocator(s, v, heap) };
		}
	}
}

/* Several isolates may share one. */
static bool is_counted(const struct v8_buffers *b, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (b->isolate[k].allocator == b->isolate[i].allocator)
			return true;
	return false;
}

/* 1: added; 0: not an allocator any more. */
static int add_count(struct v8 *s, const struct process_view *v, struct v8_isolate *isolate,
		     uint64_t *sum)
{
	uint64_t word[ALLOCATOR_WORDS];
	size_t count = s->symbols.allocator_bytes / 8, len = (count + 1) * sizeof(*word);

	if (!v8_can_read(v, isolate->allocator, len))
		return 0;
	if (peek_read(v->peek, isolate->allocator, word, len) ||
	    word[0] != s->symbols.allocator_table || word[count] > 1ull << 46) {
		isolate->allocator = 0;
		return 0;
	}
	*sum += word[count];
	return 1;
}

static void count_bytes(struct v8 *s, const struct process_view *v, struct inner_buffers *ret)
{
	struct v8_buffers *b = &s->buffers;
	size_t counted = 0;
	uint64_t sum = 0;

	if (!s->symbols.allocator_table || !s->symbols.allocator_bytes) {
		ret->known.why =
			s->symbols.allocator_table
				? "the code of the allocator of its buffers is not as known"
				: "the binary does not export the allocator of its buffers";
		return;
	}
	find_isolates(s, v);
	for (size_t i = 0; i < s->pages.heaps; i++) {
		if (b->isolate[i].allocator && is_counted(b, i))
			counted++;
		else if (b->isolate[i].allocator)
			counted += add_count(s, v, &b->isolate[i], &sum);
	}
	ret->known.why = "no isolate has an allocator of buffers that is node's";
	if (!counted)
		return;
	ret->known.exact = counted == s->pages.heaps;
	ret->known.how = "the count of node's allocator of them";
	ret->known.why = ret->known.exact ? NULL : "an isolate has an allocator that is not node's";
	ret->bytes = sum;
}

/* What the last walk found, as far as it is still true. */
static int add_large(const struct v8_walk *w, const struct process_view *v,
		     struct inner_ranges *ranges)
{
	uint64_t header[V8_BATCH];
	struct peek_at at[V8_BATCH];
	int r = 0;

	for (size_t from = 0; !r && from < w->larges; from += V8_BATCH) {
		size_t n = 0, left = w->larges - from;

		for (size_t i = 0; i < left && i < V8_BATCH; i++)
			if (v8_can_read(v, w->large[from + i].start, 16))
				at[n++] = (struct peek_at){ w->large[from + i].start + 8,
							    &header[i], sizeof(*header), false };
		r = n ? peek_read_many(v->peek, at, n) : 0;
		for (size_t k = 0; !r && k < n; k++) {
			const struct v8_large *l =
				&w->large[from + ((uint64_t *)at[k].into - header)];

			if (at[k].ok && header[(uint64_t *)at[k].into - header] == (l->bytes | 2))
				r = inner_ranges_add(ranges, l->start, l->start + l->bytes,
						     INNER_BUFFER);
		}
	}
	return r;
}

static int walk(struct v8 *s, const struct process_view *v, bool *fresh)
{
	struct v8_buffers *b = &s->buffers;
	struct v8_walk walk = { .done = false };
	int r;

	*fresh = !b->tried || !v->now_ns || v->now_ns >= b->due_ns;
	if (!*fresh)
		return 0;
	r = v8_walk_buffers(&s->pages, v, &b->chain, &walk);
	if (r) {
		free(walk.large);
		return r;
	}
	free(b->walk.large);
	b->walk = walk;
	b->tried = true;
	return 0;
}

/*
 * A walk counts where it found about what the allocator has; else it is done again, at once where
 * that may help, and ever less often where it does not.
 */
static void judge_walk(struct v8 *s, uint64_t allocated, uint64_t now_ns)
{
	struct v8_buffers *b = &s->buffers;
	struct v8_walk *w = &b->walk;
	uint64_t wait_ns = WALK_EVERY_NS;
	uint64_t unlisted = allocated > w->bytes ? allocated - w->bytes : 0;

	if (!w->why && unlisted > allocated / 100 + s->pages.heaps * UNLISTED_BYTES)
		w->why = "V8 was sweeping them";
	w->complete = w->done && !w->why;
	b->failed = w->complete || w->too_many ? 0 : b->failed + 1;
	if (b->failed && b->failed <= AGAIN_MAX)
		wait_ns = b->failed <= AT_ONCE_MAX ? 0 : SECOND_NS << (b->failed - AT_ONCE_MAX);
	b->due_ns = now_ns + wait_ns;
}

int v8_read_buffers(struct v8 *s, const struct process_view *v, struct inner_buffers *ret,
		    struct inner_ranges *ranges)
{
	struct v8_walk *w = &s->buffers.walk;
	bool fresh;
	int r;

	count_bytes(s, v, ret);
	r = walk(s, v, &fresh);
	if (r)
		return r;
	if (fresh)
		judge_walk(s, ret->known.how ? ret->bytes : 0, v->now_ns);
	if (w->complete) {
		ret->count = w->count;
		ret->resident_bytes = w->resident;
	}
	if (!ret->known.how && w->complete) {
		ret->known.how = "V8's lists of them";
		ret->bytes = w->bytes;
	} else if (ret->known.how && !ret->known.why) {
		ret->known.why = w->why;
	}
	return add_large(w, v, ranges);
}
