/* Where malloc of a glibc keeps its state, found by what that state must look like. */
#include "runtime/glibc.h"

#include <errno.h>
#include <string.h>

#define BINS 127		      /* pairs of pointers; the last one is never used */
#define TOP_TO_BINS 16		      /* top, last_remainder, then the bins */
#define BINS_TO_NEXT (BINS * 16 + 16) /* behind them 4 words of 32 bits, the map of used bins */
#define TOP_FROM 8
#define TOP_TO 160
#define MMAP_MAX_DEFAULT 65536 /* M_MMAP_MAX */
#define ARENAS_TRIED_MAX 1024  /* places that have bins: a libc has one, the rest are made up */

static uint64_t word_at(const uint8_t *bytes, size_t at)
{
	uint64_t v;

	memcpy(&v, bytes + at, sizeof(v));
	return v;
}

static uint32_t int_at(const uint8_t *bytes, size_t at)
{
	uint32_t v;

	memcpy(&v, bytes + at, sizeof(v));
	return v;
}

/* The value of a bin's pointers when it is empty: as if the pair were inside a chunk. */
static bool is_empty_bin(const uint8_t *bytes, size_t at, uint64_t address)
{
	return word_at(bytes, at) == address - 16 && word_at(bytes, at + 8) == address - 16;
}

static bool is_chunk_address(uint64_t v)
{
	return v >= MALLOC_PAGE && v % CHUNK_ALIGN == 0 && v < 1ull << 56;
}

/* Do an arena's bins begin behind the word `top`? */
static bool has_bins(const struct malloc_data *d, size_t top)
{
	size_t bins = top + TOP_TO_BINS, last = bins + (BINS - 1) * 16;

	if (!is_empty_bin(d->bytes, last, d->start + last))
		return false;
	for (size_t at = bins; at < last; at += 16) {
		if (is_empty_bin(d->bytes, at, d->start + at))
			continue;
		if (!is_chunk_address(word_at(d->bytes, at)) ||
		    !is_chunk_address(word_at(d->bytes, at + 8)))
			return false;
	}
	return is_chunk_address(word_at(d->bytes, top));
}

/* Is an arena at that address whose word `top` has this offset? */
static bool is_arena(struct malloc_walk *w, uint64_t at, uint32_t top)
{
	uint64_t last = at + top + TOP_TO_BINS + (BINS - 1) * 16, pair[2];

	return !malloc_peek(w, last, pair, sizeof(pair)) && pair[0] == last - 16 &&
	       pair[1] == last - 16;
}

/*
 * Arenas are a ring: the next one is this one, or has the same shape; that tells where they begin.
 * From far to near: any empty bin of it looks like the last one, but nothing behind the last does.
 */
static bool learn_start(struct malloc_walk *w, uint64_t top, uint64_t next, uint32_t *ret)
{
	for (uint32_t before = TOP_TO; before >= TOP_FROM; before -= 8) {
		if (next != top - before && !is_arena(w, next, before))
			continue;
		*ret = before;
		return true;
	}
	return false;
}

/*
 * Behind next: next_free, since 2.22 attached_threads, then system_mem and its maximum. In front of
 * top: the lock and flags, since 2.26 have_fastchunks, and the fast bins.
 */
static bool learn_layout(const struct malloc_data *d, size_t top, uint32_t before,
			 struct malloc_layout *ret)
{
	size_t next = top + TOP_TO_BINS + BINS_TO_NEXT;
	uint64_t threads = word_at(d->bytes, next + 16), system = word_at(d->bytes, next + 24),
		 most = word_at(d->bytes, next + 32);
	struct malloc_layout l = { .top = before, .next = before + (next - top) };

	if (system >= MALLOC_PAGE && system <= most && threads < MALLOC_PAGE)
		l.system = l.next + 24;
	else if (threads >= MALLOC_PAGE && threads <= system)
		l.system = l.next + 16;
	else
		return false;
	l.size = l.system + 16;
	if (before == 16 + FAST_BINS * 8 || before == 8 + FAST_BINS * 8)
		l.fast = before - FAST_BINS * 8;
	l.fast_unknown = !l.fast && before > 24;
	*ret = l;
	return true;
}

int malloc_find_main(struct malloc_walk *w, const struct malloc_data *d, struct malloc_place *ret)
{
	const size_t behind = TOP_TO_BINS + BINS_TO_NEXT + 40;
	bool unused = false;

	for (size_t top = TOP_FROM; top + behind <= d->len; top += 8) {
		uint64_t next, address = d->start + top;
		struct malloc_layout l;
		uint32_t before;

		if (!has_bins(d, top))
			continue;
		if (w->tried++ >= ARENAS_TRIED_MAX)
			break;
		/* Before the first allocation the top is what would be the chunk around a bin. */
		if (word_at(d->bytes, top) == address) {
			unused = true;
			continue;
		}
		next = word_at(d->bytes, top + TOP_TO_BINS + BINS_TO_NEXT);
		if (!learn_start(w, address, next, &before) || !learn_layout(d, top, before, &l))
			continue;
		ret->layout = l;
		ret->main = address - before;
		return 0;
	}
	return unused ? -EAGAIN : -ENOENT;
}

/* n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold: 32-bit words that begin `before` bytes
 * before sbrk_base, then mmapped_mem and max_mmapped_mem. */
static bool has_params(const struct malloc_data *d, size_t base, size_t before, bool any_limit)
{
	const uint8_t *at = d->bytes + base - before;
	uint32_t n = int_at(at, 0), limit = int_at(at, 4), most = int_at(at, 8);
	uint64_t bytes = word_at(d->bytes, base - 16), most_bytes = word_at(d->bytes, base - 8);

	return (any_limit ? limit != 0 : limit == MMAP_MAX_DEFAULT) && n <= most && most <= limit &&
	       limit <= INT32_MAX && int_at(at, 12) <= 1 && (n == 0) == (bytes == 0) &&
	       bytes <= most_bytes && bytes % 8 == 0 && bytes / MALLOC_PAGE >= n;
}

/* [heap]; or memory that mmap() gave in its place, where only malloc's default limit is believed.
 */
static bool may_be_base(const struct vma_table *maps, uint64_t v, bool any_limit)
{
	const struct vma *at = v % CHUNK_ALIGN ? NULL : maps_find(maps, v);

	return at && (at->kind == VMA_HEAP ||
		      (!any_limit && at->kind == VMA_ANON && at->writable && v % MALLOC_PAGE == 0));
}

bool malloc_find_params(const struct malloc_data *d, const struct vma_table *maps,
			struct malloc_place *ret)
{
	/* Since 2.35 a field in front of the counts has shifted them by half a word. */
	static const size_t befores[] = { 36, 32 };

	for (int i = 0; i < 4; i++) {
		for (size_t base = 40; base + 8 <= d->len; base += 8) {
			uint64_t v = word_at(d->bytes, base);

			if (!v || !has_params(d, base, befores[i % 2], i >= 2) ||
			    !may_be_base(maps, v, i >= 2))
				continue;
			ret->sbrk_base = d->start + base;
			ret->mapped_count = ret->sbrk_base - befores[i % 2];
			ret->mapped_bytes = ret->sbrk_base - 16;
			return true;
		}
	}
	return false;
}

void malloc_decode_arena(const struct malloc_layout *l, uint64_t at, const uint8_t *bytes,
			 struct malloc_arena *ret)
{
	struct malloc_arena a = {
		.at = at,
		.top = word_at(bytes, l->top),
		.next = word_at(bytes, l->next),
		.system_bytes = word_at(bytes, l->system),
		.contiguous = !(int_at(bytes, 4) & 2),
	};

	for (int i = 0; l->fast && i < FAST_BINS; i++)
		a.fast[i] = word_at(bytes, l->fast + i * 8);
	*ret = a;
}

int malloc_read_arena(struct malloc_walk *w, uint64_t at, struct malloc_arena *ret)
{
	const struct malloc_layout *l = &w->kept->place.layout;
	uint8_t bytes[MALLOC_ARENA_MAX];
	int r;

	if (l->size > sizeof(bytes))
		return -EINVAL;
	r = malloc_peek(w, at, bytes, l->size);
	if (!r && !is_arena(w, at, l->top))
		r = -EILSEQ;
	if (!r)
		malloc_decode_arena(l, at, bytes, ret);
	return r;
}
