/*
 * Every ArrayBuffer, from the lists of V8's sweeper of them. A Heap has a pointer to its sweeper,
 * which begins with a pointer back; the sweeper has lists (first element, last, sum of lengths) of
 * young and old buffers. Which words these are is learnt: a list is one where the walk from the
 * first ends at the last and the lengths of the elements have the sum that the list says. The lists
 * change while they are read; one that does not add up is read again, a few times. From a garbage
 * collection until the next buffer is made they are in a job that the sweeper points to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "runtime/v8_impl.h"

#define BUFFERS_MAX 50000	    /* in all: a walk of these takes 20 ms */
#define READS_MAX (2 * BUFFERS_MAX) /* of pages, in all */
#define SWEEPERS_MAX 64		    /* that are tried until one is known, in all: 15 ms */
#define LARGE_MAX 16384
#define LARGE_BYTES (128u << 10) /* glibc makes no mapping for less */
#define TRIES 3
#define HEAP_BYTES 4096 /* the sweeper was found up to 0x938 behind Heap */
#define SWEEPER_WORDS 40
#define JOB_WORDS 24
#define FIRSTS_MAX 16
#define ELEMENT_WORDS 5
#define STORE_WORDS 2 /* start, bytes */
#define LIST_BYTES_MAX (1ull << 44)
#define CACHED 128
#define PAGE 4096

/* Pages of the process, kept while one list is read: elements lie near each other. */
struct cache {
	const struct process_view *v;
	uint32_t left;	       /* of READS_MAX */
	uint64_t page[CACHED]; /* 0: none */
	uint8_t bytes[CACHED][PAGE];
};

struct element {
	uint64_t word[ELEMENT_WORDS];
	uint64_t store[STORE_WORDS];
};

/* A try at one list. */
struct list {
	uint64_t first, last, bytes; /* as the sweeper says */
	uint64_t count, resident;
	uint64_t buffers; /* of bytes, without linear memories */
};

struct walker {
	struct cache *cache;
	struct v8_chain chain;
	struct v8_walk *walk;
	uint64_t budget;	    /* elements that may still be looked at */
	uint32_t sweepers;	    /* of SWEEPERS_MAX that may still be tried */
	uint64_t first[FIRSTS_MAX]; /* of lists that were counted of this sweeper */
	size_t firsts;
};

static void forget(struct cache *c)
{
	memset(c->page, 0, sizeof(c->page));
}

static const uint8_t *cached_page(struct cache *c, uint64_t page)
{
	size_t at = page / PAGE % CACHED;

	if (!page || page >= 1ull << 47)
		return NULL;
	if (c->page[at] == page)
		return c->bytes[at];
	c->page[at] = 0;
	if (!c->left || !present_has(&c->v->present->in, page))
		return NULL;
	c->left--;
	if (peek_read(c->v->peek, page, c->bytes[at], PAGE))
		return NULL;
	c->page[at] = page;
	return c->bytes[at];
}

static bool read_cached(struct cache *c, uint64_t at, void *ret, size_t len)
{
	size_t done = 0;

	if (at % 8)
		return false;
	while (done < len) {
		size_t in = (at + done) % PAGE, n = PAGE - in;
		const uint8_t *page = cached_page(c, (at + done) & ~(uint64_t)(PAGE - 1));

		if (!page)
			return false;
		if (n > len - done)
			n = len - done;
		memcpy((uint8_t *)ret + done, page + in, n);
		done += n;
	}
	return true;
}

static uint64_t length_of(const struct v8_chain *c, const struct element *e)
{
	return e->word[c->next + 1] >> c->shift;
}

/* A mapping of its own: malloc's header is at the start of a page and says so. */
static int note_large(struct walker *w, const struct element *e)
{
	struct v8_walk *walk = w->walk;
	uint64_t start = e->store[0] - 16, header[2];

	if (e->store[1] < LARGE_BYTES || start % PAGE || walk->larges == LARGE_MAX ||
	    !read_cached(w->cache, start, header, sizeof(header)) || (header[1] & 7) != 2 ||
	    (header[1] & ~7ull) < e->store[1] + 16 || (header[1] & ~7ull) > e->store[1] + 2 * PAGE)
		return 0;
	if (vec_reserve(&walk->large, sizeof(*walk->large), walk->larges, &walk->larges_cap,
			LARGE_MAX))
		return -ENOMEM;
	walk->large[walk->larges++] = (struct v8_large){ start, header[1] & ~7ull };
	return 0;
}

/* Linear memories are no buffers: their length is not counted by the allocator. */
static bool is_wasm(const struct process_view *v, uint64_t at)
{
	const struct vma *vma = maps_find(v->maps, at);

	return vma && v8_is_wasm(v->maps, vma - v->maps->vma);
}

static int count_one(struct walker *w, struct list *l, const struct element *e)
{
	const struct process_view *v = w->cache->v;

	if (is_wasm(v, e->store[0]))
		return 0;
	l->count++;
	l->buffers += e->store[1];
	l->resident += present_bytes(&v->present->in, e->store[0], e->store[0] + e->store[1]);
	return note_large(w, e);
}

static bool read_element(struct walker *w, uint64_t at, struct element *ret)
{
	const struct v8_chain *c = &w->chain;

	if (!w->budget)
		return false;
	w->budget--;
	return read_cached(w->cache, at, ret->word, sizeof(ret->word)) &&
	       read_cached(w->cache, ret->word[c->store], ret->store, sizeof(ret->store)) &&
	       ret->store[1] < LIST_BYTES_MAX && ret->store[0] < 1ull << 47;
}

/* 1: it adds up; 0: it does not, or goes in circles (Brent's mark); -ENOMEM. */
static int walk_list(struct walker *w, struct list *l)
{
	uint64_t sum = 0, at = l->first, mark = 0, steps = 0, mark_at = 1;
	struct element e;

	l->count = l->resident = l->buffers = 0;
	while (read_element(w, at, &e)) {
		uint64_t length = length_of(&w->chain, &e);

		/* what is counted can be nothing, of a buffer that another isolate shares */
		if ((length && length != e.store[1]) || length > l->bytes - sum)
			return 0;
		sum += length;
		if (length) {
			int r = count_one(w, l, &e);

			if (r)
				return r;
		}
		if (at == l->last)
			return sum == l->bytes;
		at = e.word[w->chain.next];
		if (at == mark)
			return 0;
		if (++steps == mark_at) {
			mark = at;
			mark_at *= 2;
		}
	}
	return 0;
}

/* What can be no list is no list, without a walk. */
static bool may_be_list(struct walker *w, const struct list *l)
{
	struct element e;

	return l->first && l->last && l->bytes < LIST_BYTES_MAX && l->first % 8 == 0 &&
	       l->last % 8 == 0 && read_element(w, l->last, &e) && e.word[w->chain.next] == 0 &&
	       read_element(w, l->first, &e) && (l->first == l->last || e.word[w->chain.next]);
}

static bool was_counted(const struct walker *w, uint64_t first)
{
	for (size_t i = 0; i < w->firsts; i++)
		if (w->first[i] == first)
			return true;
	return w->firsts == FIRSTS_MAX;
}

/*
 * 1: there was a list at `at`, which is counted now; 0: none that adds up; -ENOMEM. One of empty
 * buffers has a sum of 0: that teaches nothing, but where a list is known to be it is one.
 */
static int try_list(struct walker *w, uint64_t at, bool known)
{
	size_t larges = w->walk->larges;
	uint64_t triple[3];
	struct list l;
	int r;

	if (!read_cached(w->cache, at, triple, sizeof(triple)) || was_counted(w, triple[0]) ||
	    (!known && !triple[2]))
		return 0;
	l = (struct list){ triple[0], triple[1], triple[2] };
	r = may_be_list(w, &l) ? walk_list(w, &l) : 0;
	if (r <= 0) {
		w->walk->larges = larges;
		return r;
	}
	w->first[w->firsts++] = l.first;
	w->walk->count += l.count;
	w->walk->bytes += l.buffers;
	w->walk->resident += l.resident;
	w->walk->done = true;
	return 1;
}

static bool is_empty(struct walker *w, uint64_t at)
{
	uint64_t triple[3];

	return read_cached(w->cache, at, triple, sizeof(triple)) && !triple[0] && !triple[1] &&
	       !triple[2];
}

/*
 * Words of the sweeper by glibc's header of it, or what is looked at at most. What was a list
 * behind its end belonged to a neighbour and need not be one for ever.
 */
static unsigned int own_words(struct walker *w, uint64_t sweeper)
{
	uint64_t size;

	if (!read_cached(w->cache, sweeper - 8, &size, sizeof(size)))
		return SWEEPER_WORDS;
	size &= ~7ull;
	return size % 16 == 0 && size >= 64 && size / 8 <= SWEEPER_WORDS ? size / 8 - 1
									 : SWEEPER_WORDS;
}

/* The number of lists that the sweeper itself has, or a negative errno. */
static int walk_own(struct walker *w, uint64_t sweeper)
{
	unsigned int words = own_words(w, sweeper);
	int found = 0;

	for (unsigned int word = 1; word + 3 <= SWEEPER_WORDS; word++) {
		bool known = w->chain.lists & 1ull << word;
		uint64_t at = sweeper + word * 8;
		int r = try_list(w, at, known);

		/* one that was a list before and is none now has changed meanwhile */
		for (int i = 1; known && !r && i < TRIES && !is_empty(w, at); i++) {
			forget(w->cache);
			r = try_list(w, at, known);
		}
		if (r < 0)
			return r;
		if (r) {
			if (word + 3 <= words)
				w->chain.lists |= 1ull << word;
			found++;
			word += 2;
		} else if (known && !is_empty(w, at)) {
			w->walk->why = "V8's lists of them changed while they were read";
		}
	}
	return found;
}

/* The same of what one of its first words points to. */
static int walk_job(struct walker *w, uint64_t sweeper, unsigned int word)
{
	uint64_t job;
	int found = 0;

	if (!read_cached(w->cache, sweeper + word * 8, &job, sizeof(job)) ||
	    !v8_can_read(w->cache->v, job, JOB_WORDS * 8) ||
	    (job >= sweeper && job < sweeper + SWEEPER_WORDS * 8))
		return 0;
	for (unsigned int i = 0; i + 3 <= JOB_WORDS; i++) {
		int r = try_list(w, job + i * 8, false);

		if (r < 0)
			return r;
		found += r;
	}
	return found;
}

static int walk_sweeper(struct walker *w, uint64_t sweeper)
{
	int found;

	w->firsts = 0;
	found = walk_own(w, sweeper);
	for (unsigned int word = 1; found >= 0 && word < SWEEPER_WORDS / 2; word++) {
		int r = walk_job(w, sweeper, word);

		found = r < 0 ? r : found + r;
	}
	return found;
}

/* The arrangements of an element that are known of V8 10 to 14, with either form of the length. */
static int learn_sweeper(struct walker *w, uint64_t sweeper)
{
	int r = 0;

	for (unsigned int i = 0; !r && i < 4; i++) {
		w->chain.next = 2 + i % 2;
		w->chain.store = i % 2;
		w->chain.shift = i / 2;
		w->chain.lists = 0;
		r = walk_sweeper(w, sweeper);
	}
	return r;
}

static int learn(struct walker *w, uint64_t heap)
{
	for (uint16_t at = 8; at < HEAP_BYTES && w->sweepers; at += 8) {
		uint64_t sweeper, back;
		int r;

		if (!read_cached(w->cache, heap + at, &sweeper, sizeof(sweeper)))
			break;
		if (!sweeper || sweeper == heap ||
		    !v8_can_read(w->cache->v, sweeper, SWEEPER_WORDS * 8) ||
		    !read_cached(w->cache, sweeper, &back, sizeof(back)) || back != heap)
			continue;
		w->sweepers--;
		r = learn_sweeper(w, sweeper);
		if (r > 0)
			w->chain.sweeper = at;
		if (r)
			return r < 0 ? r : 0;
	}
	return 0;
}

static int walk_heap(struct walker *w, uint64_t heap)
{
	uint64_t sweeper, back;

	if (!w->chain.sweeper)
		return learn(w, heap);
	if (read_cached(w->cache, heap + w->chain.sweeper, &sweeper, sizeof(sweeper)) &&
	    read_cached(w->cache, sweeper, &back, sizeof(back)) && back == heap) {
		int r = walk_sweeper(w, sweeper);

		return r < 0 ? r : 0;
	}
	w->walk->why = "an isolate's list of them could not be found";
	return 0;
}

int v8_walk_buffers(const struct v8_pages *p, const struct process_view *v, struct v8_chain *chain,
		    struct v8_walk *ret)
{
	auto_free struct cache *cache = malloc(sizeof(*cache));
	struct walker w = { .cache = cache,
			    .chain = *chain,
			    .walk = ret,
			    .budget = BUFFERS_MAX,
			    .sweepers = SWEEPERS_MAX };
	int r = cache ? 0 : -ENOMEM;

	if (!r) {
		cache->v = v;
		cache->left = READS_MAX;
	}
	for (size_t i = 0; !r && i < p->heaps; i++) {
		forget(cache);
		r = walk_heap(&w, p->heap[i]);
	}
	if (r)
		return r;
	ret->too_many = !w.budget || !cache->left;
	if (ret->too_many)
		ret->why = "there are more of them than are looked at";
	else if (!w.chain.sweeper)
		ret->why = "V8's lists of them could not be verified";
	*chain = w.chain;
	return 0;
}
