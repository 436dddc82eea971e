/*
 * See pieces.h. A sorted list of small sorted arrays: a change moves at most one array and the
 * list of arrays. Arrays are never empty, and neighbours that together fill less than half of one
 * are joined, so the list stays short however the target places its mappings.
 */
#include "model/pieces.h"

#include "base/cleanup.h"
#include "base/search.h"
#include "base/vec.h"

#define CHUNK_PIECES 128

struct chunk {
	size_t n;
	struct piece piece[CHUNK_PIECES];
};

struct pieces {
	struct chunk **chunk; /* owned, each too */
	size_t chunks, cap;
	size_t count, limit;
};

/* Where a piece is; chunk == chunks: behind the last. */
struct place {
	size_t chunk, slot;
};

int pieces_new(size_t limit, struct pieces **ret)
{
	struct pieces *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->limit = limit;
	*ret = p;
	return 0;
}

void pieces_free(struct pieces *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->chunks; i++)
		free(p->chunk[i]);
	free(p->chunk);
	free(p);
}

size_t pieces_count(const struct pieces *p)
{
	return p->count;
}

static const struct piece *last_of(const struct chunk *c)
{
	return &c->piece[c->n - 1];
}

/* The first piece that ends after addr. */
static struct place pieces_locate(const struct pieces *p, uint64_t addr)
{
	struct place at = { .slot = 0 };
	const struct chunk *c;

	at.chunk = search_first(p->chunks, i, last_of(p->chunk[i])->end <= addr);
	if (at.chunk == p->chunks)
		return at;
	c = p->chunk[at.chunk];
	at.slot = search_first(c->n, i, c->piece[i].end <= addr);
	return at;
}

bool pieces_next(const struct pieces *p, uint64_t addr, struct piece *ret)
{
	struct place at = pieces_locate(p, addr);

	if (at.chunk == p->chunks)
		return false;
	*ret = p->chunk[at.chunk]->piece[at.slot];
	return true;
}

static int chunk_add(struct pieces *p, size_t at)
{
	struct chunk *c;
	int r;

	r = vec_reserve(&p->chunk, sizeof(*p->chunk), p->chunks, &p->cap, SIZE_MAX / 16);
	if (r < 0)
		return r;
	c = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->n = 0;
	vec_open(&p->chunk, sizeof(*p->chunk), p->chunks, at);
	p->chunk[at] = c;
	p->chunks++;
	return 0;
}

static void chunk_drop(struct pieces *p, size_t at)
{
	free(p->chunk[at]);
	vec_close(&p->chunk, sizeof(*p->chunk), p->chunks, at);
	p->chunks--;
}

/* Moves the upper half of a full chunk into a new one behind it. */
static int chunk_split(struct pieces *p, size_t at)
{
	struct chunk *from, *to;
	int r;

	r = chunk_add(p, at + 1);
	if (r < 0)
		return r;
	from = p->chunk[at];
	to = p->chunk[at + 1];
	to->n = from->n / 2;
	from->n -= to->n;
	memcpy(to->piece, from->piece + from->n, to->n * sizeof(*to->piece));
	return 0;
}

static int pieces_insert(struct pieces *p, struct place at, const struct piece *add)
{
	struct chunk *c;
	int r;

	if (p->count >= p->limit)
		return -ENOSPC;
	if (at.chunk == p->chunks && p->chunks) {
		at.chunk--;
		at.slot = p->chunk[at.chunk]->n;
	}
	r = 0;
	if (p->chunks == 0)
		r = chunk_add(p, 0);
	else if (p->chunk[at.chunk]->n == CHUNK_PIECES)
		r = chunk_split(p, at.chunk);
	if (r < 0)
		return r;
	c = p->chunk[at.chunk];
	if (at.slot > c->n) { /* the split moved its place */
		at.slot -= c->n;
		c = p->chunk[at.chunk + 1];
	}
	memmove(c->piece + at.slot + 1, c->piece + at.slot, (c->n - at.slot) * sizeof(*c->piece));
	c->piece[at.slot] = *add;
	c->n++;
	p->count++;
	return 0;
}

/* Joins a chunk and the one behind it when both are nearly empty. */
static void chunk_join(struct pieces *p, size_t at)
{
	struct chunk *c, *next;

	if (at + 1 >= p->chunks)
		return;
	c = p->chunk[at];
	next = p->chunk[at + 1];
	if (c->n + next->n > CHUNK_PIECES / 2)
		return;
	memcpy(c->piece + c->n, next->piece, next->n * sizeof(*c->piece));
	c->n += next->n;
	chunk_drop(p, at + 1);
}

static void pieces_remove(struct pieces *p, struct place at)
{
	struct chunk *c = p->chunk[at.chunk];

	c->n--;
	memmove(c->piece + at.slot, c->piece + at.slot + 1, (c->n - at.slot) * sizeof(*c->piece));
	p->count--;
	if (c->n == 0)
		chunk_drop(p, at.chunk);
	else
		chunk_join(p, at.chunk);
	if (at.chunk)
		chunk_join(p, at.chunk - 1);
}

int pieces_add(struct pieces *p, const struct piece *add, bool *ret_joined)
{
	struct place at;
	struct piece *before;
	int r;

	if (add->start) {
		at = pieces_locate(p, add->start - 1);
		before = at.chunk < p->chunks ? &p->chunk[at.chunk]->piece[at.slot] : NULL;
		if (before && before->end == add->start && before->block == add->block) {
			before->end = add->end;
			*ret_joined = true;
			return 0;
		}
	}
	r = pieces_insert(p, pieces_locate(p, add->start), add);
	if (r < 0)
		return r;
	*ret_joined = false;
	return 0;
}

bool pieces_take(struct pieces *p, uint64_t start, uint64_t end, struct piece *ret,
		 unsigned int *ret_left)
{
	struct place at = pieces_locate(p, start);
	struct piece *x, behind;
	bool left, right;

	if (start >= end || at.chunk == p->chunks)
		return false;
	x = &p->chunk[at.chunk]->piece[at.slot];
	if (x->start >= end)
		return false;
	left = x->start < start;
	right = x->end > end;
	*ret = *x;
	if (left)
		ret->start = start;
	if (right)
		ret->end = end;
	behind = *x;
	behind.start = end;
	if (left)
		x->end = start;
	else if (right)
		x->start = end;
	else
		pieces_remove(p, at);
	if (left && right && pieces_insert(p, pieces_locate(p, end), &behind) < 0) {
		ret->end = behind.end;
		right = false;
	}
	*ret_left = (unsigned int)left + (unsigned int)right;
	return true;
}
