/*
 * See mappings.h. A block is one mapping as it was asked for; it lies in one or more pieces after
 * parts of it were unmapped or moved. Its bytes leave the site part by part, its count with the
 * last piece. Pieces that a call in flight took out wait with the call and keep their block.
 */
#include "model/mappings.h"

#include "base/cleanup.h"
#include "model/pieces.h"
#include "model/sat.h"
#include "base/vec.h"

#define CALLS_MAX 1024		      /* threads inside munmap or mremap at one time */
#define CALL_SETTLE_NS 10000000000ull /* no such call takes 10 s and fails then */
#define BLOCK_NONE UINT32_MAX

struct block {
	uint64_t born_ns;
	struct site *site; /* borrowed from the sites of the address space */
	uint32_t pieces;   /* in the interval set */
	uint32_t waiting;  /* parts with calls in flight */
	uint32_t flags;
	uint32_t next_free;
};

/* A call that gives something up, between its beginning and its outcome. */
struct call {
	uint32_t tid;
	bool moves; /* mremap: only its time matters */
	uint64_t began_ns;
	struct piece *part; /* owned */
	size_t parts, cap;
};

struct mappings {
	struct mappings_cfg cfg;
	struct pieces *pieces; /* owned */
	struct block *block;   /* owned */
	size_t blocks, block_cap;
	uint32_t free_block;
	struct call *call; /* owned */
	size_t calls, call_cap;
	uint64_t brk; /* 0: not known */
	uint64_t brk_at_ns;
	uint64_t refused;
};

int mappings_new(const struct mappings_cfg *cfg, struct mappings **ret)
{
	struct mappings *m;
	int r;

	if (cfg->page_bytes == 0 || (cfg->page_bytes & (cfg->page_bytes - 1)))
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->cfg = *cfg;
	m->free_block = BLOCK_NONE;
	r = pieces_new(cfg->limit, &m->pieces);
	if (r < 0) {
		mappings_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

void mappings_free(struct mappings *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->calls; i++)
		free(m->call[i].part);
	free(m->call);
	free(m->block);
	pieces_free(m->pieces);
	free(m);
}

size_t mappings_count(const struct mappings *m)
{
	return pieces_count(m->pieces);
}

uint64_t mappings_refused(const struct mappings *m)
{
	return m->refused;
}

bool mappings_next(const struct mappings *m, uint64_t addr, struct mapping *ret)
{
	struct piece p;
	const struct block *b;

	if (!pieces_next(m->pieces, addr, &p))
		return false;
	b = &m->block[p.block];
	*ret = (struct mapping){ p.start, p.end, b->born_ns, b->site, b->flags };
	return true;
}

/* Rounds up to a page; what would pass the end of the address space ends there. */
static uint64_t page_up(const struct mappings *m, uint64_t v)
{
	uint64_t mask = m->cfg.page_bytes - 1;

	return sat_add(v, mask) & ~mask;
}

static uint64_t range_end(const struct mappings *m, uint64_t start, uint64_t len)
{
	return page_up(m, sat_add(start, len));
}

/* --- blocks --- */

static int block_new(struct mappings *m, struct site *site, unsigned int flags, uint64_t now_ns,
		     uint32_t *ret)
{
	struct block b = { .born_ns = now_ns, .site = site, .flags = flags };
	uint32_t i = m->free_block;
	int r;

	if (i != BLOCK_NONE) {
		m->free_block = m->block[i].next_free;
	} else {
		r = vec_reserve(&m->block, sizeof(*m->block), m->blocks, &m->block_cap,
				m->cfg.limit * 2 + 2);
		if (r < 0)
			return r;
		i = (uint32_t)m->blocks++;
	}
	m->block[i] = b;
	*ret = i;
	return 0;
}

static void block_release(struct mappings *m, uint32_t i)
{
	struct block *b = &m->block[i];

	if (b->pieces || b->waiting)
		return;
	b->next_free = m->free_block;
	m->free_block = i;
}

/* A part that is in no set any more: its bytes die, and its block when it was the last piece. */
static void part_died(struct mappings *m, const struct piece *part, uint64_t now_ns)
{
	struct block *b = &m->block[part->block];

	site_died(b->site, part->end - part->start, b->pieces == 0, b->born_ns, now_ns);
}

/* Enters [start, end) for a block. -ENOSPC and -ENOMEM are counted here. */
static int part_add(struct mappings *m, uint64_t start, uint64_t end, uint32_t block)
{
	struct piece p = { start, end, block };
	bool joined;
	int r;

	r = pieces_add(m->pieces, &p, &joined);
	if (r < 0) {
		m->refused++;
		return r;
	}
	m->block[block].pieces += !joined;
	return 0;
}

/* Takes the next part in [*at, end) that is older than before_ns out of the set. */
static bool part_take(struct mappings *m, uint64_t *at, uint64_t end, uint64_t before_ns,
		      struct piece *ret)
{
	unsigned int left;
	struct piece next;

	while (pieces_next(m->pieces, *at, &next) && next.start < end) {
		if (m->block[next.block].born_ns > before_ns) {
			*at = next.end;
			continue;
		}
		if (!pieces_take(m->pieces, *at, end, ret, &left))
			return false;
		m->block[ret->block].pieces += left;
		m->block[ret->block].pieces--;
		m->refused += ret->end > end;
		*at = ret->end;
		return true;
	}
	return false;
}

static void range_kill(struct mappings *m, uint64_t start, uint64_t end, uint64_t before_ns,
		       uint64_t now_ns)
{
	struct piece part;

	while (part_take(m, &start, end, before_ns, &part)) {
		part_died(m, &part, now_ns);
		block_release(m, part.block);
	}
}

/* Enters a block where [start, end) is free. Returns the bytes that found a place. */
static uint64_t range_fill(struct mappings *m, uint64_t start, uint64_t end, uint32_t block)
{
	uint64_t filled = 0, stop;
	struct piece next;

	while (start < end) {
		stop = end;
		if (pieces_next(m->pieces, start, &next) && next.start < end)
			stop = next.start;
		else
			next.end = end;
		if (start < stop && part_add(m, start, stop, block) == 0)
			filled += stop - start;
		start = next.end;
	}
	return filled;
}

/* --- calls in flight --- */

static struct call *call_find(struct mappings *m, uint32_t tid)
{
	for (size_t i = 0; i < m->calls; i++)
		if (m->call[i].tid == tid)
			return &m->call[i];
	return NULL;
}

/* The call is done: what it took out is gone for good. */
static void call_end(struct mappings *m, struct call *c)
{
	for (size_t i = 0; i < c->parts; i++) {
		m->block[c->part[i].block].waiting--;
		block_release(m, c->part[i].block);
	}
	free(c->part);
	*c = m->call[--m->calls];
}

/* NULL when there are too many: then the call is applied and cannot be taken back. */
static struct call *call_begin(struct mappings *m, uint32_t tid, uint64_t now_ns)
{
	struct call *c = call_find(m, tid);

	if (c)
		call_end(m, c);
	if (vec_reserve(&m->call, sizeof(*m->call), m->calls, &m->call_cap, CALLS_MAX) < 0)
		return NULL;
	c = &m->call[m->calls++];
	*c = (struct call){ .tid = tid, .began_ns = now_ns };
	return c;
}

static bool call_keep(struct mappings *m, struct call *c, const struct piece *part)
{
	if (!c || vec_reserve(&c->part, sizeof(*c->part), c->parts, &c->cap, m->cfg.limit) < 0)
		return false;
	c->part[c->parts++] = *part;
	m->block[part->block].waiting++;
	return true;
}

void mappings_settle(struct mappings *m, uint64_t now_ns)
{
	for (size_t i = m->calls; i-- > 0;)
		if (sat_sub(now_ns, m->call[i].began_ns) >= CALL_SETTLE_NS)
			call_end(m, &m->call[i]);
}

/* --- system calls --- */

/* Fills what is free now: with a part of a block that grows, or else (NULL) with a new one. */
static int map_free(struct mappings *m, uint64_t start, uint64_t end, const uint32_t *growing,
		    struct site *site, unsigned int flags, uint64_t now_ns)
{
	uint32_t block = growing ? *growing : 0;
	int r = growing ? 0 : block_new(m, site, flags, now_ns, &block);

	if (r < 0) {
		m->refused++;
		return r == -ENOSPC ? 0 : r;
	}
	r = part_add(m, start, end, block);
	if (r < 0)
		block_release(m, block);
	else
		site_born(site, end - start, !growing, now_ns);
	return r == -ENOSPC ? 0 : r;
}

int mappings_map(struct mappings *m, uint64_t start, uint64_t len, bool anonymous,
		 struct site *site, unsigned int flags, uint64_t now_ns)
{
	uint64_t end = range_end(m, start, len);

	if (end <= start)
		return 0;
	range_kill(m, start, end, UINT64_MAX, now_ns);
	return anonymous ? map_free(m, start, end, NULL, site, flags, now_ns) : 0;
}

int mappings_unmap(struct mappings *m, uint32_t tid, uint64_t start, uint64_t len, uint64_t now_ns)
{
	uint64_t end = range_end(m, start, len), at = start;
	struct call *c = call_begin(m, tid, now_ns);
	struct piece part;

	if (start & (m->cfg.page_bytes - 1))
		return 0; /* the kernel refuses it */
	while (part_take(m, &at, end, UINT64_MAX, &part)) {
		part_died(m, &part, now_ns);
		if (!call_keep(m, c, &part))
			block_release(m, part.block);
	}
	return 0;
}

void mappings_undo(struct mappings *m, uint32_t tid)
{
	struct call *c = call_find(m, tid);

	/* backwards, so that the part whose death was the block's is the first to live again */
	for (size_t i = c ? c->parts : 0; i-- > 0;) {
		struct piece *p = &c->part[i];
		struct block *b = &m->block[p->block];
		bool was_last = b->pieces == 0;
		uint64_t back = range_fill(m, p->start, p->end, p->block);

		site_revived(b->site, back, was_last && b->pieces, b->born_ns, c->began_ns);
	}
	if (c)
		call_end(m, c);
}

int mappings_remap_begin(struct mappings *m, uint32_t tid, uint64_t now_ns)
{
	struct call *c = call_begin(m, tid, now_ns);

	if (c)
		c->moves = true;
	return 0;
}

/* Puts a moved part where it belongs now; what the new length cuts off dies. */
static void part_move(struct mappings *m, const struct remap *r, const struct piece *part,
		      uint64_t new_end, uint64_t now_ns)
{
	uint64_t into = part->start - r->old_start, start, end;
	struct piece lost = *part;

	if (into < new_end - r->new_start) {
		start = r->new_start + into;
		end = new_end;
		if (end - start > part->end - part->start)
			end = start + (part->end - part->start);
		lost.start += range_fill(m, start, end, part->block);
	}
	if (lost.start < lost.end)
		part_died(m, &lost, now_ns);
	m->block[part->block].waiting--;
	block_release(m, part->block);
}

/* The mapping grew at its end: more bytes, the same block. */
static void range_grow(struct mappings *m, uint64_t from, uint64_t to, uint64_t now_ns)
{
	struct piece last;

	if (from >= to || !pieces_next(m->pieces, from - 1, &last) || last.end != from)
		return;
	range_kill(m, from, to, UINT64_MAX, now_ns);
	if (part_add(m, from, to, last.block) == 0)
		site_born(m->block[last.block].site, to - from, 0, now_ns);
}

int mappings_remap(struct mappings *m, uint32_t tid, const struct remap *r, uint64_t now_ns)
{
	uint64_t old_end = range_end(m, r->old_start, r->old_len), at = r->old_start;
	uint64_t new_end = range_end(m, r->new_start, r->new_len), before_ns = UINT64_MAX;
	struct call *c = call_find(m, tid);
	struct call moved = {};
	struct piece part;
	struct mapping there;

	if (c && c->moves)
		before_ns = c->began_ns;
	if (c)
		call_end(m, c);
	if (new_end <= r->new_start || old_end < r->old_start)
		return 0;
	if (r->keep_old || r->old_len == 0) {
		bool known = mappings_next(m, r->old_start, &there) && there.start <= r->old_start;

		return mappings_map(m, r->new_start, r->new_len, known, r->site, r->flags, now_ns);
	}
	if (r->new_start != r->old_start)
		range_kill(m, r->new_start, new_end, UINT64_MAX, now_ns);
	while (part_take(m, &at, old_end, before_ns, &part))
		if (!call_keep(m, &moved, &part)) {
			part_died(m, &part, now_ns);
			block_release(m, part.block);
		}
	for (size_t i = 0; i < moved.parts; i++)
		part_move(m, r, &moved.part[i], new_end, now_ns);
	if (moved.parts && moved.part[moved.parts - 1].end == old_end)
		range_grow(m, r->new_start + (old_end - r->old_start), new_end, now_ns);
	free(moved.part);
	return 0;
}

/* The break grew: the block on top grows along when the same site asked again. */
static int break_grow(struct mappings *m, uint64_t to, struct site *site, unsigned int flags,
		      uint64_t now_ns)
{
	uint64_t from = m->brk;
	struct piece top;
	bool same = false;

	flags |= MAPPED_BREAK;
	range_kill(m, from, to, UINT64_MAX, now_ns);
	if (pieces_next(m->pieces, from - 1, &top) && top.end == from)
		same = m->block[top.block].site == site && m->block[top.block].flags == flags;
	return map_free(m, from, to, same ? &top.block : NULL, site, flags, now_ns);
}

int mappings_break(struct mappings *m, uint64_t new_break, struct site *site, unsigned int flags,
		   uint64_t now_ns)
{
	uint64_t to = page_up(m, new_break);
	int r = 0;

	if (m->brk && to > m->brk)
		r = break_grow(m, to, site, flags, now_ns);
	else if (m->brk)
		range_kill(m, to, m->brk, UINT64_MAX, now_ns);
	m->brk = to;
	m->brk_at_ns = now_ns;
	return r;
}

void mappings_set_break(struct mappings *m, uint64_t end, uint64_t now_ns)
{
	if (m->brk && m->brk_at_ns >= now_ns)
		return;
	m->brk = page_up(m, end);
	m->brk_at_ns = now_ns;
}

int mappings_add_before(struct mappings *m, uint64_t start, uint64_t end, uint64_t now_ns)
{
	uint32_t block;
	int r;

	r = block_new(m, NULL, MAPPED_BEFORE, now_ns, &block);
	if (r < 0) {
		m->refused++;
		return r == -ENOSPC ? 0 : r;
	}
	range_fill(m, start, end, block);
	block_release(m, block);
	return 0;
}

void mappings_drop(struct mappings *m, uint64_t start, uint64_t end, uint64_t now_ns)
{
	range_kill(m, start, end, sat_sub(now_ns, 1), now_ns);
}

void mappings_give_up(struct mappings *m, const struct site *site)
{
	for (size_t i = 0; i < m->blocks; i++)
		if (m->block[i].site == site) {
			m->block[i].site = NULL;
			m->block[i].flags |= MAPPED_IN_ALLOCATOR;
		}
}

void mappings_add_ages(const struct mappings *m, uint64_t now_ns)
{
	for (size_t i = 0; i < m->blocks; i++) {
		const struct block *b = &m->block[i];

		if (b->pieces && b->site)
			b->site->live_by_age[age_bucket(sat_sub(now_ns, b->born_ns))]++;
	}
}
