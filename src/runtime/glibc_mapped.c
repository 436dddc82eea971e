/*
 * Chunks with mappings of their own, and pieces of the main arena that mmap() gave because sbrk()
 * failed. Both begin at a page; the kernel joins mappings that touch, so that one can hold several.
 */
#include "runtime/glibc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/search.h"

#define MAPPED_MAX (1u << 17) /* malloc's own limit is 65536 */
#define HEADS 512
#define SCAN_PAGES_MAX 32768 /* heads looked at, at one look, inside of mappings: 10 ms */

/* What has been recognised of a mapping: all below `at`. */
struct cursor {
	uint64_t at, end;
	bool over; /* what is at `at` is not malloc's, or not told */
};

struct mapped {
	struct cursor *cursor; /* owned */
	size_t count;
	const struct malloc_arena *main;
	uint64_t scanned;
};

/* Bytes of the mapping; 0: it is none. The size told is all of it, since 2.43 without the header.
 */
static uint64_t mapped_size(const uint64_t head[2], uint64_t room)
{
	uint64_t size = head[1] & ~CHUNK_FLAGS;

	if ((head[1] & CHUNK_FLAGS) != CHUNK_MAPPED || head[0] || size < CHUNK_MIN || size > room)
		return 0;
	if (size % MALLOC_PAGE == MALLOC_PAGE - CHUNK_HEADER)
		size += CHUNK_HEADER;
	return size % MALLOC_PAGE || size > room ? 0 : size;
}

static int account_mapped(struct malloc_walk *w, uint64_t at, uint64_t size)
{
	uint64_t usable = size - CHUNK_HEADER;
	int bucket = malloc_bucket(usable);

	if (w->sum.mapped_count == MAPPED_MAX) {
		w->cut = true;
		return 0;
	}
	w->sum.live_count++;
	w->sum.live_bytes += usable;
	w->sum.mapped_count++;
	w->sum.mapped_bytes += usable;
	w->sum.overhead_bytes += CHUNK_HEADER;
	w->sum.size_count[bucket]++;
	w->sum.size_bytes[bucket] += usable;
	return inner_ranges_add(w->ranges, at, at + size, INNER_ARENA);
}

/* Once sbrk() has failed, the main arena's own size says whether it has more than was found. */
static bool lacks_pieces(const struct malloc_walk *w, const struct malloc_arena *main)
{
	return !main->contiguous && w->main_bytes < main->system_bytes;
}

static bool may_begin_piece(const uint64_t head[2])
{
	return head[0] == 0 && (head[1] & CHUNK_FLAGS) == CHUNK_PREV_IN_USE;
}

/* A piece of the main arena, and those that follow on it. */
static int take_pieces(struct malloc_walk *w, struct mapped *m, struct cursor *c, uint64_t head[2])
{
	int e = 0;

	while (!e && !w->cut && may_begin_piece(head)) {
		struct malloc_region r = {
			.start = c->at, .end = c->end, .main = true, .tentative = true
		};

		if (m->main->top >= c->at && m->main->top < c->end)
			r.top = m->main->top;
		e = malloc_walk_region(w, &r);
		if (!e)
			c->at = r.end;
		if (!e && (c->at >= c->end || c->at % MALLOC_PAGE))
			e = -EILSEQ;
		if (!e)
			e = malloc_head(w, c->at, head);
	}
	c->over = mapped_size(head, c->end - c->at) == 0;
	return e == -EILSEQ || e == -ENODATA || e == -EFAULT ? 0 : e;
}

/* Moves the cursor over what begins there. */
static int take_head(struct malloc_walk *w, struct mapped *m, struct cursor *c, uint64_t head[2])
{
	uint64_t size = mapped_size(head, c->end - c->at);
	int e = 0;

	if (size) {
		e = account_mapped(w, c->at, size);
		c->at += size;
	} else if (m->main->contiguous) {
		c->over = true;
	} else {
		e = take_pieces(w, m, c, head);
	}
	return e;
}

/* Looks at what begins at up to HEADS cursors and moves them. */
static int take_heads(struct malloc_walk *w, struct mapped *m, struct cursor *const *some, size_t n)
{
	uint64_t head[HEADS][2];
	struct peek_at at[HEADS];
	int e;

	for (size_t i = 0; i < n; i++)
		at[i] = (struct peek_at){ some[i]->at, head[i], sizeof(head[i]) };
	e = peek_read_many(w->v->peek, at, n);
	for (size_t i = 0; !e && i < n; i++) {
		if (at[i].ok)
			e = take_head(w, m, some[i], head[i]);
		else
			some[i]->over = true;
	}
	return e;
}

/* Leaves the cursors that can go on: the first *count of `active`. */
static void leave_active(const struct malloc_walk *w, struct cursor **active, size_t *count)
{
	size_t n = 0;

	for (size_t i = 0; i < *count; i++) {
		struct cursor *c = active[i];

		if (c->at >= c->end || !present_has(&w->v->present->in, c->at))
			c->over = true;
		if (!c->over)
			active[n++] = c;
	}
	*count = n;
}

/* Rounds: every mapping's next head, until none goes on. One with many blocks has its own rounds.
 */
static int follow_cursors(struct malloc_walk *w, struct mapped *m)
{
	struct cursor **active = calloc(m->count + 1, sizeof(*active));
	size_t count = m->count;
	int e = active ? 0 : -ENOMEM;

	for (size_t i = 0; active && i < count; i++)
		active[i] = &m->cursor[i];
	while (!e && count && !w->cut) {
		leave_active(w, active, &count);
		for (size_t i = 0; i < count && !e; i += HEADS)
			e = take_heads(w, m, active + i, count - i < HEADS ? count - i : HEADS);
	}
	free(active);
	return e;
}

/* The end of the walked region that holds the page, or its address. */
static uint64_t behind_region(const struct malloc_walk *w, uint64_t page)
{
	const struct malloc_region *r = malloc_find_region(w, page + MALLOC_PAGE - CHUNK_ALIGN);

	return r ? r->end : page;
}

/* The end of what a runtime keeps of its own that holds the page, or its address. */
static uint64_t behind_taken(const struct malloc_walk *w, uint64_t page)
{
	const struct inner_ranges *t = w->v->taken;
	size_t i = t ? search_first(t->count, k, t->range[k].end <= page) : 0;

	return t && i < t->count && t->range[i].start <= page && t->range[i].use != INNER_BUFFER
		       ? t->range[i].end
		       : page;
}

static bool may_be_mapped(const struct vma *v)
{
	return v->kind == VMA_ANON && v->readable && v->writable && !v->shared && v->inode == 0;
}

/* A mapping begins at its start, or behind the thread's heap or what of a runtime it begins with.
 */
static int make_cursors(struct malloc_walk *w, struct mapped *m)
{
	const struct vma_table *maps = w->v->maps;

	m->cursor = calloc(maps->count + 1, sizeof(*m->cursor));
	if (!m->cursor)
		return -ENOMEM;
	for (size_t i = 0; i < maps->count; i++) {
		const struct vma *v = &maps->vma[i];
		uint64_t at;

		if (!may_be_mapped(v))
			continue;
		at = behind_region(w, v->start);
		if (at == v->start)
			at = behind_taken(w, at);
		if (at < v->end && at % MALLOC_PAGE == 0)
			m->cursor[m->count++] = (struct cursor){ at, v->end, false };
	}
	return 0;
}

/* What a page in the middle of a mapping begins with. */
static int scan_head(struct malloc_walk *w, struct mapped *m, struct cursor *c, uint64_t page,
		     uint64_t head[2])
{
	struct cursor there = { page, c->end, false };
	int e;

	if (!mapped_size(head, c->end - page) &&
	    !(lacks_pieces(w, m->main) && may_begin_piece(head)))
		return 0;
	e = take_head(w, m, &there, head);
	if (there.at > page)
		c->at = there.at;
	return e;
}

/* Heads of n pages of a mapping; *next: where to go on. */
static int scan_heads(struct malloc_walk *w, struct mapped *m, struct cursor *c,
		      const uint64_t *page, size_t n, uint64_t *next)
{
	uint64_t head[HEADS][2];
	struct peek_at at[HEADS];
	int e;

	for (size_t i = 0; i < n; i++)
		at[i] = (struct peek_at){ page[i], head[i], sizeof(head[i]) };
	e = peek_read_many(w->v->peek, at, n);
	*next = n ? page[n - 1] + MALLOC_PAGE : c->end;
	for (size_t i = 0; !e && i < n; i++)
		if (at[i].ok && page[i] >= c->at)
			e = scan_head(w, m, c, page[i], head[i]);
	if (*next < c->at)
		*next = c->at;
	return e;
}

static bool found_all(const struct malloc_walk *w, const struct mapped *m)
{
	return !lacks_pieces(w, m->main) &&
	       (w->params_count == FACT_UNKNOWN || w->sum.mapped_count >= w->params_count);
}

/* Every page of what was not recognised, as long as malloc says that something is missing. */
static int scan_cursor(struct malloc_walk *w, struct mapped *m, struct cursor *c)
{
	uint64_t page[HEADS], at = c->at;

	while (at < c->end && !found_all(w, m) && m->scanned < SCAN_PAGES_MAX && !w->cut) {
		size_t n = 0;
		int e;

		while (n < HEADS) {
			uint64_t behind;

			at = malloc_next_present(w, at, c->end);
			if (at >= c->end)
				break;
			behind = behind_region(w, at);
			if (behind == at)
				behind = behind_taken(w, at);
			if (behind == at)
				page[n++] = at;
			at = behind == at ? at + MALLOC_PAGE : behind + -behind % MALLOC_PAGE;
		}
		m->scanned += n;
		e = scan_heads(w, m, c, page, n, &at);
		if (e)
			return e;
	}
	return 0;
}

int malloc_walk_mapped(struct malloc_walk *w, const struct malloc_arena *main)
{
	struct mapped m = { .main = main };
	int e = make_cursors(w, &m);

	if (!e)
		e = follow_cursors(w, &m);
	for (size_t i = 0; !e && i < m.count; i++)
		if (m.cursor[i].at < m.cursor[i].end)
			e = scan_cursor(w, &m, &m.cursor[i]);
	free(m.cursor);
	w->pieces_missing = lacks_pieces(w, main);
	return e;
}
