/*
 * One look at all chunks. What looks like a chunk by itself is taken first, then the spaces that
 * these name are read, and only chunks of spaces that are ones count; of places within a counted
 * chunk none is looked at, since the objects in it can look like anything.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "runtime/v8_impl.h"
#include "runtime/view.h"

#define MARGIN 0x4000
#define MAPPINGS_MAX 1024 /* of one chunk */
#define ASKED_MAX 32	  /* spaces that may be new, in one look */
#define SEEN_NEEDED 2	  /* looks that found chunks of a space: it is none of a moment */
#define ABSENT_MAX 2	  /* looks: a space without chunks that counts some is none any more */

struct batch {
	uint64_t place[V8_BATCH];
	uint64_t head[V8_BATCH][2];
	uint64_t word[V8_BATCH][V8_RECORD_WORDS];
	struct peek_at at[V8_BATCH];
	bool ok[V8_BATCH]; /* the record was read */
	size_t n;
};

bool v8_can_read(const struct process_view *v, uint64_t at, size_t len)
{
	return at % 8 == 0 && at >= 4096 && at < 1ull << 47 && view_has(v, at, len);
}

void v8_pages_done(struct v8_pages *p)
{
	free(p->chunk);
	free(p->stray);
	free(p->space);
	*p = (struct v8_pages){ .chunks = 0 };
}

/* Room for one more: 0. 1: it is refused, and counted. -ENOMEM. */
static int reserve(struct v8_pages *p, void *array, size_t size, size_t n, size_t *cap,
		   size_t limit)
{
	int r = vec_reserve(array, size, n, cap, limit);

	p->refused += r == -ENOSPC;
	return r == -ENOSPC ? 1 : r;
}

static int add_chunk(struct v8_pages *p, const struct v8_chunk *c)
{
	int r = reserve(p, &p->chunk, sizeof(*c), p->chunks, &p->chunks_cap, V8_CHUNKS_MAX);

	if (r)
		return r < 0 ? r : 0;
	p->chunk[p->chunks++] = *c;
	return 0;
}

static int add_stray(struct v8_pages *p, uint64_t at)
{
	int r = reserve(p, &p->stray, sizeof(at), p->strays, &p->strays_cap, V8_CHUNKS_MAX);

	if (r)
		return r < 0 ? r : 0;
	p->stray[p->strays++] = at;
	return 0;
}

/* Whether the record says of itself that it is of a chunk at `at`. */
static bool is_chunk(const struct v8_layout *l, const struct v8_chunk *c, const uint64_t *w)
{
	uint64_t start = w[l->start], end = w[l->end], stop = c->address + c->size;

	return w[l->self] == c->address && c->size && c->size <= V8_CHUNK_BYTES_MAX &&
	       c->size % 4096 == 0 && start > c->address && start <= c->address + MARGIN &&
	       end > start && end <= stop && end + MARGIN > stop;
}

/* Of the read-only space: shared by all isolates, it names neither Heap nor space. */
static bool is_read_only(const struct process_view *v, const struct v8_layout *l,
			 struct v8_chunk *c, const uint64_t *w)
{
	const struct vma *vma = maps_find(v->maps, c->address);
	uint64_t end = w[l->end];

	if (c->heap || !vma || vma->writable || w[l->self] != c->address || end <= c->address ||
	    end - c->address > V8_CHUNK_BYTES_MAX)
		return false;
	c->owner = 0;
	c->size = (end - c->address + 4095) & ~4095ull;
	return true;
}

/*
 * A pooled page from V8 13 on, whose record is freed: a page of the size that all but large ones
 * have, at a random place below 2^46 as V8 asks for, which still has the header's flags and a
 * pointer to what was its record.
 */
static bool is_pooled(const struct process_view *v, uint64_t at, const uint64_t head[2])
{
	const struct vma *vma = maps_find(v->maps, at);

	return vma && vma->writable && vma->start % V8_PAGE == 0 && at < 1ull << 46 &&
	       vma->end - at >= V8_PAGE && head[0] < 1ull << 32 && head[1] >= 4096 &&
	       head[1] < 1ull << 47 && head[1] % 8 == 0;
}

/* Heads of all places; then, for the newer layout, their records. */
static int read_batch(const struct process_view *v, const struct v8_layout *l, struct batch *b)
{
	size_t some = 0;
	int r;

	for (size_t i = 0; i < b->n; i++) {
		void *into = l->indirect ? (void *)b->head[i] : (void *)b->word[i];
		size_t len = l->indirect ? sizeof(b->head[i]) : sizeof(b->word[i]);

		b->at[i] = (struct peek_at){ b->place[i], into, len, false };
	}
	r = peek_read_many(v->peek, b->at, b->n);
	for (size_t i = 0; !r && i < b->n; i++) {
		bool ok = b->at[i].ok;

		if (!l->indirect)
			memcpy(b->head[i], b->word[i], sizeof(b->head[i]));
		else if (!ok)
			memset(b->head[i], 0, sizeof(b->head[i]));
		b->ok[i] = ok && !l->indirect;
		if (l->indirect && ok && v8_can_read(v, b->head[i][1], sizeof(b->word[i])))
			b->at[some++] = (struct peek_at){ b->head[i][1], b->word[i],
							  sizeof(b->word[i]), false };
	}
	if (!r && some)
		r = peek_read_many(v->peek, b->at, some);
	for (size_t i = 0, k = 0; !r && i < b->n && k < some; i++)
		if (b->at[k].into == b->word[i])
			b->ok[i] = b->at[k++].ok;
	return r;
}

static int take_batch(const struct process_view *v, const struct v8_layout *l,
		      const struct batch *b, struct v8_pages *p)
{
	int r = 0;

	for (size_t i = 0; !r && i < b->n; i++) {
		const uint64_t *w = b->word[i];
		struct v8_chunk c = { .address = b->place[i],
				      .head = { b->head[i][0], b->head[i][1] } };

		if (b->ok[i]) {
			c.size = w[l->size];
			c.heap = w[l->heap];
			c.owner = w[l->owner];
		}
		if (b->ok[i] && ((c.heap && is_chunk(l, &c, w)) || is_read_only(v, l, &c, w)))
			r = add_chunk(p, &c);
		else if (l->indirect && is_pooled(v, c.address, c.head))
			r = add_stray(p, c.address);
	}
	return r;
}

static int read_places(const struct process_view *v, const struct v8_layout *l, struct v8_pages *p)
{
	struct v8_places places = { .v = v };
	struct batch *b = malloc(sizeof(*b));
	int r = b ? 0 : -ENOMEM;

	while (!r) {
		b->n = 0;
		while (b->n < V8_BATCH && v8_next_place(&places, &b->place[b->n]))
			b->n++;
		if (!b->n)
			break;
		r = read_batch(v, l, b);
		if (!r)
			r = take_batch(v, l, b, p);
	}
	p->swapped = places.swapped;
	free(b);
	return r;
}

static int compare_chunks(const void *a, const void *b)
{
	const struct v8_chunk *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/* Chunks whose page has gone to swap are what they were. */
static int add_swapped(const struct process_view *v, const struct v8_pages *known,
		       struct v8_pages *p)
{
	size_t before = p->chunks;
	int r = 0;

	for (size_t i = 0; !r && p->swapped && i < known->chunks; i++) {
		if (!present_has(&v->present->swapped, known->chunk[i].address))
			continue;
		p->swapped--;
		r = add_chunk(p, &known->chunk[i]);
	}
	if (p->chunks != before)
		qsort(p->chunk, p->chunks, sizeof(*p->chunk), compare_chunks);
	return r;
}

static int add_space(struct v8_pages *p, struct v8_chunk *c)
{
	int r = reserve(p, &p->space, sizeof(*p->space), p->spaces, &p->spaces_cap, V8_SPACES_MAX);

	if (r < 0)
		return r;
	if (r) {
		c->owner = 1; /* no space is there: it will not be verified */
		c->space = 0;
		return 0;
	}
	c->space = p->spaces;
	p->space[p->spaces++] = (struct v8_space){ .owner = c->owner, .heap = c->heap };
	return 0;
}

/* The spaces in order, to be searched: what a process makes up can be thousands of them. */
struct order {
	uint16_t space[V8_SPACES_MAX];
};

/* Where in the order the chunk's space is, or would be; *there tells which. */
static size_t place_of(const struct v8_pages *p, const struct order *o, const struct v8_chunk *c,
		       bool *there)
{
	size_t lo = 0, hi = p->spaces;

	*there = false;
	while (lo < hi && !*there) {
		size_t mid = lo + (hi - lo) / 2;
		const struct v8_space *s = &p->space[o->space[mid]];

		if (s->owner == c->owner && s->heap == c->heap) {
			*there = true;
			lo = mid;
		} else if (s->owner < c->owner || (s->owner == c->owner && s->heap < c->heap)) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

/* The chunk's space by its number. */
static int find_space(struct v8_pages *p, struct order *o, struct v8_chunk *c)
{
	size_t before = p->spaces, at;
	bool there;
	int r;

	at = place_of(p, o, c, &there);
	if (there) {
		c->space = o->space[at];
		return 0;
	}
	r = add_space(p, c);
	if (p->spaces == before)
		return r;
	memmove(o->space + at + 1, o->space + at, (before - at) * sizeof(o->space[0]));
	o->space[at] = c->space;
	return 0;
}

/*
 * A space that had chunks before may have some again by now. Not one that was there for a moment:
 * what is left of it in memory that was freed can look as if it still counted something.
 */
static int add_known(struct v8_pages *p, struct order *o, const struct v8_space *s)
{
	struct v8_chunk none = { .heap = s->heap, .owner = s->owner };
	size_t before = p->spaces, at;
	bool there;
	int r;

	at = place_of(p, o, &none, &there);
	if (there)
		p->space[o->space[at]].seen = s->seen;
	if (there || !s->counts || s->seen < SEEN_NEEDED || s->absent == ABSENT_MAX)
		return 0;
	r = find_space(p, o, &none);
	if (p->spaces > before) {
		p->space[before] = *s;
		p->space[before].verified = p->space[before].counts = false;
		p->space[before].chunk_bytes = p->space[before].live_bytes = 0;
	}
	return r;
}

/* Of all chunks, and those that are known. */
static int find_spaces(const struct v8_pages *known, struct v8_pages *p)
{
	struct order o;
	int r = 0;

	for (size_t i = 0; !r && i < p->chunks; i++)
		if (p->chunk[i].heap)
			r = find_space(p, &o, &p->chunk[i]);
	for (size_t i = 0; !r && i < known->spaces; i++)
		r = add_known(p, &o, &known->space[i]);
	return r;
}

/* Whether what is at the place of the space is one; of a known one, with its table and number. */
static bool is_space(const struct process_view *v, const struct v8_space *s,
		     const uint64_t word[V8_SPACE_WORDS])
{
	const struct vma *table = maps_find(v->maps, word[0]);

	if (s->word[0] && (s->word[0] != word[0] || (uint32_t)s->word[2] != (uint32_t)word[2]))
		return false;
	return table && table->kind == VMA_FILE && word[1] == s->heap;
}

/*
 * A space can be younger than what is known of the pages: a scavenge makes some of its own. Of
 * these few are asked about.
 */
static bool can_read_space(const struct process_view *v, uint64_t at, int *asked)
{
	const size_t len = sizeof(((struct v8_space *)0)->word);

	if (v8_can_read(v, at, len))
		return true;
	return at % 8 == 0 && at >= 4096 && at < 1ull << 47 &&
	       !present_has(&v->present->swapped, at) && *asked < ASKED_MAX && (*asked)++ >= 0 &&
	       view_has_now(v, at, len);
}

static int read_spaces(const struct process_view *v, struct v8_pages *p)
{
	auto_free uint64_t(*word)[V8_SPACE_WORDS] = calloc(p->spaces + 1, sizeof(*word));
	auto_free struct peek_at *at = calloc(p->spaces + 1, sizeof(*at));
	int r, asked = 0;
	size_t n = 0;

	if (!at || !word)
		return -ENOMEM;
	for (size_t i = 0; i < p->spaces; i++) {
		struct v8_space *s = &p->space[i];

		if (can_read_space(v, s->owner, &asked))
			at[n++] = (struct peek_at){ s->owner, word[i], sizeof(word[i]), false };
		else
			p->swapped += present_has(&v->present->swapped, s->owner);
	}
	r = peek_read_many(v->peek, at, n);
	for (size_t i = 0, k = 0; !r && i < p->spaces && k < n; i++) {
		struct v8_space *s = &p->space[i];

		if (at[k].into != word[i] || !at[k++].ok)
			continue;
		s->verified = is_space(v, s, word[i]);
		memcpy(s->word, word[i], sizeof(s->word));
	}
	return r;
}

/* Private memory without a gap; a chunk of code is of several mappings. */
static bool is_mapped(const struct vma_table *maps, uint64_t start, uint64_t end)
{
	const struct vma *vma = maps_find(maps, start), *stop = maps->vma + maps->count;

	for (int i = 0; vma && vma < stop && i < MAPPINGS_MAX; i++, vma++) {
		if (vma->start > start || vma->kind != VMA_ANON || vma->shared)
			return false;
		if (vma->end >= end)
			return true;
		start = vma->end;
	}
	return false;
}

static bool counts(const struct process_view *v, const struct v8_pages *p, const struct v8_chunk *c)
{
	return !c->heap || (c->space < p->spaces && p->space[c->space].owner == c->owner &&
			    p->space[c->space].verified &&
			    is_mapped(v->maps, c->address, c->address + c->size));
}

static bool has_heap(const struct v8_pages *p, uint64_t heap)
{
	for (size_t i = 0; i < p->heaps; i++)
		if (p->heap[i] == heap)
			return true;
	return false;
}

static void note_heap(struct v8_pages *p, uint64_t heap)
{
	if (has_heap(p, heap))
		return;
	if (p->heaps == V8_ISOLATES_MAX)
		p->refused++;
	else
		p->heap[p->heaps++] = heap;
}

/* Keeps what counts; what lies within it does not. */
static void settle(const struct process_view *v, struct v8_pages *p)
{
	uint64_t end = 0;
	size_t n = 0, strays = 0, at = 0;

	for (size_t i = 0; i < p->chunks; i++) {
		struct v8_chunk c = p->chunk[i];

		if (c.address < end || !counts(v, p, &c))
			continue;
		end = c.address + c.size;
		c.live = true;
		if (c.heap)
			p->space[c.space].chunk_bytes += c.size;
		p->chunk[n++] = c;
	}
	p->chunks = n;
	for (size_t i = 0; i < p->spaces; i++) {
		struct v8_space *s = &p->space[i];

		if (!s->verified || !s->chunk_bytes)
			continue;
		note_heap(p, s->heap);
		s->seen += s->seen < SEEN_NEEDED;
	}
	for (size_t i = 0; i < p->spaces; i++)
		p->space[i].counts = p->space[i].verified && has_heap(p, p->space[i].heap);
	for (size_t i = 0; i < p->strays; i++) {
		while (at < n && p->chunk[at].address + p->chunk[at].size <= p->stray[i])
			at++;
		if (at == n || p->chunk[at].address > p->stray[i])
			p->stray[strays++] = p->stray[i];
	}
	p->strays = strays;
}

int v8_read_pages(const struct process_view *v, const struct v8_layout *l,
		  const struct v8_pages *known, struct v8_pages *ret)
{
	struct v8_pages p = { .chunks = 0 };
	int r = read_places(v, l, &p);

	if (!r)
		r = add_swapped(v, known, &p);
	if (!r)
		r = find_spaces(known, &p);
	if (!r)
		r = read_spaces(v, &p);
	if (r) {
		v8_pages_done(&p);
		return r;
	}
	settle(v, &p);
	*ret = p;
	return 0;
}
