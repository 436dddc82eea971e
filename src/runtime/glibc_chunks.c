/*
 * Walks chunks from header to header. The process goes on meanwhile: where a header cannot be one,
 * the walk goes back to where it still knew and reads again; when that does not help it looks for
 * a place from which headers follow one another, and what lies between is told as unknown.
 */
#include "runtime/glibc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/search.h"
#include "base/vec.h"

#define CHECKPOINTS 8
#define CALL_PAGES 4 /* a call costs what reading so many more costs */
#define TRIES 4	     /* at one place; each goes back twice as far */
#define RESYNCS_MAX 1024
#define WALKED_MAX (4ull << 30) /* bytes read at one look: 0.8 s */
#define WINDOWS_MAX (1u << 20)	/* in so many pieces at most: 0.5 s */
#define SEARCHED_MAX                                                                     \
	(64ull << 20)	  /* bytes of them in which a chain is looked for: 16 to a place \
			   */
#define REGIONS_MAX 16384 /* of which up to 8192 are heaps of threads */
#define PLAUSIBLE_HOPS 24
#define PLAUSIBLE_PROVEN \
	4 /* hops are enough when one was over a free chunk: its size is told twice */

struct chain {
	uint64_t at;	  /* the next header */
	uint64_t pending; /* size of the chunk before it, which is not accounted yet; 0 */
	uint32_t posts;
};

struct checkpoint {
	struct chain chain;
	struct inner_allocator sum;
	size_t tcache_count;
};

struct trail {
	struct checkpoint point[CHECKPOINTS];
	size_t count;
	uint64_t broken_at;
	uint32_t tries;
};

enum step { STEP_ON, STEP_END, STEP_BROKEN };

static void account_live(struct malloc_walk *w, uint64_t at, uint64_t size)
{
	uint64_t usable = size - 8, offset = at - w->window_start;
	int bucket = malloc_bucket(usable);

	w->sum.live_count++;
	w->sum.live_bytes += usable;
	w->sum.overhead_bytes += 8;
	w->sum.size_count[bucket]++;
	w->sum.size_bytes[bucket] += usable;
	if (!MALLOC_IS_CACHE_SIZE(size) || w->tcache_count == TCACHES_MAX)
		return;
	if (at >= w->window_start && offset + size + 8 <= w->window_len &&
	    !malloc_may_be_cache(w->kept->window + offset, size))
		return;
	w->kept->tcache[w->tcache_count++] = at;
}

static void account_free(struct malloc_walk *w, uint64_t at, uint64_t size)
{
	w->sum.free_count++;
	w->sum.free_bytes += size;
	w->sum.free_resident_bytes +=
		size < MALLOC_PAGE ? size : present_bytes(&w->v->present->in, at, at + size);
}

static void account_top(struct malloc_walk *w, struct chain *c, uint64_t size)
{
	account_free(w, c->at, size);
	c->at += size;
	c->pending = 0;
}

/*
 * Fence posts end at a page: in the main arena two of 16 bytes, three when that much was left of
 * the top; in a thread's heap one of 16 and one of none, or the latter alone.
 */
static enum step step_post(struct malloc_walk *w, struct malloc_region *r, struct chain *c,
			   uint64_t size)
{
	bool last = (c->at + 16) % MALLOC_PAGE == 0;

	if (r->end - c->at < 16 || c->posts == 3 || (size == 0 && !last))
		return STEP_BROKEN;
	w->sum.overhead_bytes += 16;
	c->at += 16;
	c->pending = 0;
	c->posts++;
	return last && (size == 0 || c->posts >= 2) ? STEP_END : STEP_ON;
}

/* One header: settles the chunk before it and begins its own. */
static inline enum step step_chunk(struct malloc_walk *w, struct malloc_region *r, struct chain *c,
				   uint64_t before, uint64_t head)
{
	uint64_t size = head & ~CHUNK_FLAGS;
	bool before_free = !(head & CHUNK_PREV_IN_USE);

	if (size % CHUNK_ALIGN || (head & CHUNK_MAPPED) || (r->main && (head & CHUNK_NOT_MAIN)) ||
	    (before_free && before != c->pending) || size > r->end - c->at)
		return STEP_BROKEN;
	if (c->pending && before_free)
		account_free(w, c->at - c->pending, c->pending);
	else if (c->pending)
		account_live(w, c->at - c->pending, c->pending);
	c->pending = 0;
	if (c->posts && size > 16)
		return STEP_BROKEN;
	/* A top that has moved meanwhile is a chunk like others. */
	if (c->at == r->top && (r->tentative || c->at + size == r->end)) {
		account_top(w, c, size);
		return STEP_END;
	}
	if (size < CHUNK_MIN)
		return size == 16 || size == 0 ? step_post(w, r, c, size) : STEP_BROKEN;
	c->pending = size;
	c->at += size;
	return STEP_ON;
}

static bool in_window(const struct malloc_walk *w, uint64_t at)
{
	return at >= w->window_start && at - w->window_start + CHUNK_HEADER <= w->window_len;
}

/* Where chunks go on, ever more is read at once; behind a large one, little. */
static void adapt_window(struct malloc_walk *w, uint64_t at)
{
	uint64_t behind = w->window_start + w->window_len;

	if (at > behind + CALL_PAGES * MALLOC_PAGE)
		w->window_want = WINDOW_MIN;
	else
		w->window_want =
			w->window_want < WINDOW_BYTES / 4 ? 4 * w->window_want : WINDOW_BYTES;
}

/* Reads what is in memory from `at` on; -ENODATA: nothing is, or no more may be read. */
static int load_window(struct malloc_walk *w, uint64_t at, uint64_t end)
{
	uint64_t max, len;
	int r;

	if (w->window_len)
		adapt_window(w, at);
	max = end - at < w->window_want ? end - at : w->window_want;
	len = malloc_present(w, at, max);
	w->window_len = 0;
	if (w->walked >= WALKED_MAX || w->windows++ >= WINDOWS_MAX)
		w->cut = true;
	if (len < CHUNK_HEADER || w->cut)
		return -ENODATA;
	r = peek_read(w->v->peek, at, w->kept->window, len);
	if (r)
		return r == -EFAULT ? -ENODATA : r;
	w->walked += len;
	w->window_start = at;
	w->window_len = len;
	return 0;
}

static enum step walk_window(struct malloc_walk *w, struct malloc_region *r, struct chain *c)
{
	enum step s = STEP_ON;

	while (s == STEP_ON) {
		uint64_t header[2], offset = c->at - w->window_start;

		if (offset + CHUNK_HEADER > w->window_len)
			break;
		memcpy(header, w->kept->window + offset, sizeof(header));
		s = step_chunk(w, r, c, header[0], header[1]);
	}
	return s;
}

static void remember(struct trail *t, const struct malloc_walk *w, const struct chain *c)
{
	if (t->count == CHECKPOINTS) {
		memmove(t->point, t->point + 1, sizeof(t->point) - sizeof(t->point[0]));
		t->count--;
	}
	t->point[t->count++] = (struct checkpoint){ *c, w->sum, w->tcache_count };
}

/* Goes back over `windows` of them, or as far as is known. */
static void go_back(struct trail *t, struct malloc_walk *w, struct chain *c, size_t windows)
{
	const struct checkpoint *p;

	t->count -= windows < t->count ? windows : t->count - 1;
	p = &t->point[--t->count];
	*c = p->chain;
	w->sum = p->sum;
	w->tcache_count = p->tcache_count;
	w->window_len = 0;
}

/* Do headers follow one another from that offset of the window on? */
static bool is_plausible(const struct malloc_walk *w, const struct malloc_region *r, size_t offset)
{
	uint64_t before = 0;
	bool proven = false;

	for (int hops = 0; hops < PLAUSIBLE_HOPS; hops++) {
		uint64_t header[2], size, at = w->window_start + offset;

		if (at >= r->end || offset + CHUNK_HEADER > w->window_len)
			return proven && hops >= PLAUSIBLE_PROVEN;
		memcpy(header, w->kept->window + offset, sizeof(header));
		size = header[1] & ~CHUNK_FLAGS;
		if (size < CHUNK_MIN || size % CHUNK_ALIGN || (header[1] & CHUNK_MAPPED) ||
		    (r->main && (header[1] & CHUNK_NOT_MAIN)) || size > r->end - at)
			return false;
		if (at == r->top || (proven && hops >= PLAUSIBLE_PROVEN))
			return true;
		if (hops && !(header[1] & CHUNK_PREV_IN_USE)) {
			if (header[0] != before)
				return false;
			proven = true;
		}
		before = size;
		offset += size;
	}
	return true;
}

/* The next address from which headers follow one another; the top when none is found before. */
static int find_chain(struct malloc_walk *w, const struct malloc_region *r, uint64_t from,
		      uint64_t *ret)
{
	uint64_t last = r->top > from && r->top < r->end ? r->top : r->end;

	while (from < last && w->searched < SEARCHED_MAX) {
		int e;

		from = malloc_next_present(w, from, last);
		if (from >= last)
			break;
		w->window_want = WINDOW_BYTES;
		e = load_window(w, from, r->end);
		if (e && e != -ENODATA)
			return e;
		if (e)
			break;
		for (size_t at = 0; at + CHUNK_HEADER <= w->window_len; at += CHUNK_ALIGN) {
			if (!is_plausible(w, r, at))
				continue;
			*ret = from + at;
			return 0;
		}
		w->searched += w->window_len;
		from += w->window_len;
		from += -from % CHUNK_ALIGN;
	}
	*ret = last;
	return 0;
}

/* Leaves out what cannot be followed. */
static int resync(struct malloc_walk *w, struct malloc_region *r, struct chain *c)
{
	uint64_t from = c->at - c->pending, to = r->end;
	bool posts = c->posts >= 2;
	int e = 0;

	if (c->at < r->end && w->resyncs++ < RESYNCS_MAX && !w->cut)
		e = find_chain(w, r, c->at + (posts ? 0 : CHUNK_ALIGN), &to);
	if (e)
		return e;
	if (posts)
		w->foreign = true;
	if (to < from)
		to = from; /* it has become shorter */
	w->sum.unknown_bytes += to - from;
	*c = (struct chain){ .at = to };
	return 0;
}

/* The chain came to where no header can be. 0: go on at *c; 1: it was the region's end. */
static int recover(struct malloc_walk *w, struct malloc_region *r, struct chain *c, struct trail *t,
		   bool absent)
{
	int e;

	if (r->tentative)
		return -EILSEQ;
	e = malloc_refresh_region(w, r);
	if (e && e != -ENODATA && e != -EILSEQ)
		return e;
	if (c->at == r->end && c->pending && c->at - c->pending == r->top) {
		account_free(w, r->top, c->pending);
		c->pending = 0;
		return 1;
	}
	if (c->at != t->broken_at)
		t->tries = 0;
	t->broken_at = c->at;
	if (!absent && t->tries < TRIES) {
		go_back(t, w, c, 1u << t->tries++);
		return 0;
	}
	w->absent |= absent;
	w->torn |= !absent;
	t->count = 0;
	e = resync(w, r, c);
	return e ? e : c->at >= r->end;
}

static int walk_chain(struct malloc_walk *w, struct malloc_region *r, struct trail *t)
{
	struct chain c = { .at = r->start };

	for (;;) {
		enum step s = STEP_BROKEN;
		int e = -ENODATA;

		remember(t, w, &c);
		if (in_window(w, c.at) && c.at < r->end)
			e = 0; /* behind the piece before */
		else if (c.at < r->end)
			e = load_window(w, c.at, r->end);
		if (e && e != -ENODATA)
			return e;
		if (!e)
			s = walk_window(w, r, &c);
		if (s == STEP_END && c.posts && c.at < r->end && r->main && !r->tentative) {
			e = resync(w, r, &c);
			if (e)
				return e;
			s = c.at < r->end ? STEP_ON : STEP_END;
			t->count = 0;
		}
		if (s == STEP_END) {
			r->end = c.at;
			return 0;
		}
		if (s == STEP_ON)
			continue;
		e = recover(w, r, &c, t, e == -ENODATA && c.at < r->end);
		if (e)
			return e < 0 ? e : 0;
	}
}

static int keep_region(struct malloc_walk *w, const struct malloc_region *r)
{
	size_t i = w->region_count;
	int e = vec_reserve(&w->region, sizeof(*r), i, &w->region_cap, REGIONS_MAX);

	if (e == -ENOSPC) {
		w->cut = true;
		return 0;
	}
	if (e)
		return e;
	while (i && w->region[i - 1].start > r->start)
		i--;
	vec_open(&w->region, sizeof(*r), w->region_count, i);
	w->region[i] = *r;
	w->region_count++;
	if (r->main)
		w->main_bytes += r->end - r->start;
	return inner_ranges_add(w->ranges, r->start, r->end, INNER_ARENA);
}

const struct malloc_region *malloc_find_region(const struct malloc_walk *w, uint64_t at)
{
	size_t lo = search_first(w->region_count, i, w->region[i].end <= at);

	return lo < w->region_count && w->region[lo].start <= at ? &w->region[lo] : NULL;
}

int malloc_walk_region(struct malloc_walk *w, struct malloc_region *r)
{
	struct checkpoint before = { .sum = w->sum, .tcache_count = w->tcache_count };
	struct trail *t = w->kept->trail;
	int e;

	t->count = 0;
	t->tries = 0;
	t->broken_at = 0;
	if (!r->tentative) {
		w->window_want = WINDOW_FIRST;
		w->window_len = 0;
	}
	e = walk_chain(w, r, t);
	if (!e)
		return keep_region(w, r);
	if (e == -EILSEQ) {
		w->sum = before.sum;
		w->tcache_count = before.tcache_count;
	}
	return e;
}

int malloc_head(struct malloc_walk *w, uint64_t at, uint64_t ret[2])
{
	if (!in_window(w, at))
		return malloc_peek(w, at, ret, CHUNK_HEADER);
	memcpy(ret, w->kept->window + (at - w->window_start), CHUNK_HEADER);
	return 0;
}

struct trail *malloc_trail_new(void)
{
	return calloc(1, sizeof(struct trail));
}
