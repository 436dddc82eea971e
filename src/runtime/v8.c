/*
 * The reader of V8 (node 18 to 26, and other programs with V8 that are built like it). The heap is
 * everything that V8's heapTotal counts, its code space too: pages of generated code are INNER_HEAP
 * where they are chunks of the heap, INNER_CODE where they are not. Pages that V8 keeps mapped for
 * its heap and counts no more are INNER_POOLED, the read-only space is INNER_RUNTIME.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "runtime/v8_impl.h"

#define WAIT_LOG2_MAX 6	   /* looks between two tries to learn: each looks at thousands of places */
#define LOOKS_MAX 6	   /* in one reading, while collections change what is looked at ... */
#define CHUNKS_ENOUGH 6000 /* ... and none after so many were looked at: 15 ms */
#define EMPTY_MAX 4	   /* looks in a row that find no heap: then what was learnt is in doubt */

/* 0, also when there is nothing to be learnt yet; peek's errors. */
static int learn(struct v8 *s, const struct process_view *v)
{
	int r;

	if (s->learnt)
		return 0;
	if (s->wait) {
		s->wait--;
		return 0;
	}
	r = v8_learn(v, &s->layout);
	s->learnt = !r;
	s->wait = r ? (1u << s->fruitless) - 1 : 0;
	s->fruitless += r && s->fruitless < WAIT_LOG2_MAX;
	return r == -ENOENT ? 0 : r;
}

static void forget(struct v8 *s)
{
	s->learnt = false;
	s->empty = s->fruitless = s->committed = 0;
	s->pooled_bit = 0;
	s->buffers.chain = (struct v8_chain){ .sweeper = 0 };
}

static int v8_open(const struct process_view *v, void **state, const char **why)
{
	auto_free struct v8 *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = v8_find_symbols(v, &s->symbols);
	if (!r) {
		r = learn(s, v);
		if (!r && !s->learnt && !s->symbols.found)
			r = -ENOENT;   /* else it has not made its heap yet */
		s->wait += !s->learnt; /* the look that follows sees the same */
	}
	if (r) {
		*why = "its memory could not be read";
		return r;
	}
	*state = steal(s);
	return 0;
}

static void v8_close(void *state)
{
	struct v8 *s = state;

	v8_pages_done(&s->pages);
	free(s->buffers.walk.large);
	free(s);
}

static const struct inner_runtime nothing_known = {
	.name = "v8",
	.heap = { .known.why = "no page of V8's heap could be verified",
		  .committed_bytes = FACT_UNKNOWN,
		  .used_bytes = FACT_UNKNOWN,
		  .resident_bytes = FACT_UNKNOWN,
		  .swapped_bytes = FACT_UNKNOWN,
		  .pooled_bytes = FACT_UNKNOWN },
	.buffers = { .known.why = "no isolate of V8 could be verified",
		     .bytes = FACT_UNKNOWN,
		     .count = FACT_UNKNOWN,
		     .resident_bytes = FACT_UNKNOWN },
};

/*
 * Sums of what spaces count; exact where all that they count was found. A few chunks more than that
 * are pooled pages that could not be told yet.
 */
static void fill_committed(const struct v8 *s, struct inner_heap *h)
{
	const struct v8_pages *p = &s->pages;
	uint64_t committed = 0, chunks = 0, missing = 0;

	for (size_t i = 0; i < p->spaces; i++) {
		const struct v8_space *space = &p->space[i];

		if (!space->counts)
			continue;
		chunks += space->live_bytes;
		committed += s->committed ? space->word[s->committed] : 0;
		missing += s->committed && space->word[s->committed] > space->live_bytes;
	}
	if (!s->counts_agree) {
		h->known.why = "it changed all the time while it was read";
		return;
	}
	h->committed_bytes = s->committed ? committed : chunks;
	h->known.exact = s->committed && !missing && !p->swapped && !p->refused;
	h->known.how = s->committed ? "what the spaces of its isolates have committed"
				    : "chunks of its isolates";
	if (!s->committed)
		h->known.why = "what its spaces count could not be told from their other numbers";
	else if (p->refused)
		h->known.why = "there is more than is looked at";
	else if (p->swapped)
		h->known.why = "some of its pages were in swap before they were seen";
	else if (missing)
		h->known.why = "it changed while it was read";
	else
		h->known.why = NULL;
}

static int look_once(struct v8 *s, const struct process_view *v, bool again)
{
	struct v8_pages pages;
	uint64_t begun;
	int r = v8_begin_counts(s, v, again, &begun);

	if (!r)
		r = v8_read_pages(v, &s->layout, &s->pages, &pages);
	if (r)
		return r;
	v8_pages_done(&s->pages);
	s->pages = pages;
	if (!pages.heaps)
		return 0;
	v8_judge_spaces(s);
	return v8_end_counts(s, v, begun);
}

/* Until it was not changed meanwhile by a collection, but at most for a few milliseconds. */
static int look(struct v8 *s, const struct process_view *v)
{
	size_t chunks = 0;
	int r = 0;

	for (int i = 0; i < LOOKS_MAX && chunks < CHUNKS_ENOUGH; i++) {
		r = look_once(s, v, i > 0);
		if (r || !s->pages.heaps || s->counts_agree)
			break;
		chunks += s->pages.chunks;
	}
	return r;
}

static int read_heap(struct v8 *s, const struct process_view *v, struct inner_heap *h,
		     struct inner_ranges *ranges)
{
	int r = look(s, v);

	if (r)
		return r;
	s->empty = s->pages.heaps ? 0 : s->empty + 1;
	if (s->empty == EMPTY_MAX)
		forget(s);
	if (!s->pages.heaps)
		return 0;
	h->resident_bytes = h->swapped_bytes = h->pooled_bytes = 0;
	h->heaps = s->pages.heaps;
	fill_committed(s, h);
	return v8_add_ranges(s, v, h, ranges);
}

static int v8_read(void *state, const struct process_view *v, struct inner_runtime *ret,
		   struct inner_ranges *ranges)
{
	struct inner_runtime found = nothing_known;
	struct v8 *s = state;
	int r = learn(s, v);

	if (!r && s->learnt)
		r = read_heap(s, v, &found.heap, ranges);
	if (!r && s->pages.heaps)
		r = v8_read_buffers(s, v, &found.buffers, ranges);
	if (r)
		return r;
	v8_read_version(v, &s->symbols, found.version);
	*ret = found;
	return 0;
}

const struct runtime_ops runtime_v8 = { "v8", v8_open, v8_read, v8_close };
