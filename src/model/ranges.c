/*
 * See ranges.h. Evidence that an allocator serves from a range is weak when the piece of address
 * space in which an allocation was seen only touches the range, strong when it lies within it:
 * strong evidence beats what else is known of the range, weak evidence only fills a gap.
 */
#include "model/ranges.h"

#include "base/cleanup.h"
#include "base/search.h"
#include "model/sat.h"
#include "base/vec.h"

struct region {
	uint64_t start;
	uint64_t seen_ns;
};

/* One range with what only this file needs to know of it. */
struct range_info {
	uint64_t born_ns; /* of its mapping; 0 without one */
	bool anonymous;
};

/* An anonymous range as it was at the first reading. */
struct attach_range {
	uint64_t start, end, born_ns, resident_bytes;
	bool allocator;
};

struct ranges {
	struct ranges_cfg cfg;
	struct region *region; /* owned, sorted */
	size_t regions, region_cap;
	uint64_t *sp; /* owned, sorted */
	size_t sps;
	struct inner_range *inner; /* owned, sorted */
	size_t inners, inner_at;   /* those before inner_at end below what is built now */
	struct snap_range *range;  /* owned */
	struct range_info *info;   /* owned, parallel */
	struct residency *asked;   /* owned, parallel */
	size_t n, cap, info_cap, asked_cap;
	struct attach_range *attach; /* owned; NULL before the first reading */
	size_t attaches;
	bool measured;
	uint64_t refused, build_refused; /* regions; ranges in the worst build */
};

int ranges_new(const struct ranges_cfg *cfg, struct ranges **ret)
{
	struct ranges *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->cfg = *cfg;
	*ret = t;
	return 0;
}

static void ranges_clear(struct ranges *t)
{
	free(t->range);
	free(t->info);
	free(t->asked);
	t->range = NULL;
	t->info = NULL;
	t->asked = NULL;
	t->n = t->cap = t->info_cap = t->asked_cap = 0;
}

void ranges_free(struct ranges *t)
{
	if (!t)
		return;
	ranges_clear(t);
	free(t->region);
	free(t->sp);
	free(t->inner);
	free(t->attach);
	free(t);
}

/* Index of the first region that does not begin before addr. */
static size_t region_lower(const struct ranges *t, uint64_t addr)
{
	return search_first(t->regions, i, t->region[i].start < addr);
}

int ranges_add_region(struct ranges *t, uint64_t addr, uint64_t now_ns)
{
	uint64_t start = addr & ~(REGION_BYTES - 1);
	size_t i = region_lower(t, start);
	int r;

	if (i < t->regions && t->region[i].start == start) {
		t->region[i].seen_ns = now_ns;
		return 0;
	}
	r = vec_reserve(&t->region, sizeof(*t->region), t->regions, &t->region_cap,
			t->cfg.region_limit);
	if (r < 0) {
		t->refused++;
		return r == -ENOSPC ? 0 : r;
	}
	vec_open(&t->region, sizeof(*t->region), t->regions++, i);
	t->region[i] = (struct region){ start, now_ns };
	return 0;
}

static int u64_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int ranges_set_pointers(struct ranges *t, const uint64_t *sp, size_t n)
{
	size_t kept = n < t->cfg.pointer_limit ? n : t->cfg.pointer_limit;
	uint64_t *copy = calloc(kept ? kept : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (kept)
		memcpy(copy, sp, kept * sizeof(*copy));
	qsort(copy, kept, sizeof(*copy), u64_compare);
	free(t->sp);
	t->sp = copy;
	t->sps = kept;
	return 0;
}

int ranges_set_inner(struct ranges *t, const struct inner_range *range, size_t n)
{
	struct inner_range *copy = calloc(n ? n : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, range, n * sizeof(*copy));
	free(t->inner);
	t->inner = copy;
	t->inners = n;
	return 0;
}

static enum range_use inner_range_use(enum inner_use use)
{
	switch (use) {
	case INNER_HEAP: return RANGE_MANAGED;
	case INNER_POOLED: return RANGE_POOLED;
	case INNER_CODE: return RANGE_CODE;
	case INNER_RUNTIME: return RANGE_RUNTIME;
	case INNER_WASM:
	case INNER_BUFFER: return RANGE_BUFFERS;
	case INNER_ARENA: return RANGE_ALLOCATOR;
	}
	return RANGE_OTHER;
}

static bool holds_pointer(const struct ranges *t, uint64_t start, uint64_t end)
{
	size_t lo = search_first(t->sps, i, t->sp[i] < start);

	return lo < t->sps && t->sp[lo] < end;
}

static bool touches_region(const struct ranges *t, uint64_t start, uint64_t end)
{
	size_t i = region_lower(t, sat_sub(start, REGION_BYTES - 1));

	return i < t->regions && t->region[i].start < end;
}

/* A whole region lies within, and was seen since the mapping was made. */
static bool holds_region(const struct ranges *t, uint64_t start, uint64_t end, uint64_t born_ns)
{
	for (size_t i = region_lower(t, start);
	     i < t->regions && sat_add(t->region[i].start, REGION_BYTES) <= end; i++)
		if (t->region[i].seen_ns >= born_ns)
			return true;
	return false;
}

/* What a line is whatever was mapped there, 0 when that decides. */
static enum range_use line_use(const struct map_line *l)
{
	if (l->executable)
		return RANGE_CODE;
	switch ((enum vma_kind)l->kind) {
	case VMA_FILE: return RANGE_FILE;
	case VMA_SHM: return RANGE_SHM;
	case VMA_STACK: return RANGE_STACK;
	default: return (enum range_use)0;
	}
}

/* Part of an anonymous line; m is NULL where no mapping is known. */
static enum range_use part_use(const struct ranges *t, const struct map_line *l, uint64_t start,
			       uint64_t end, const struct mapping *m)
{
	bool of_site = m && m->site;
	bool heap = l->kind == VMA_HEAP;

	if (m && (m->flags & MAPPED_IN_ALLOCATOR))
		return RANGE_ALLOCATOR;
	if (holds_region(t, start, end, of_site ? m->born_ns : 0))
		return RANGE_ALLOCATOR;
	if (!heap && holds_pointer(t, start, end))
		return RANGE_STACK;
	if (of_site)
		return RANGE_SITE;
	if (heap || touches_region(t, start, end))
		return RANGE_ALLOCATOR;
	return m && (m->flags & MAPPED_BEFORE) ? RANGE_BEFORE : RANGE_OTHER;
}

/* Adds a range, or makes the last one longer when it only goes on. */
static int range_add(struct ranges *t, const struct snap_range *add, uint64_t born_ns,
		     bool anonymous)
{
	struct snap_range *last = t->n ? &t->range[t->n - 1] : NULL;
	int r;

	if (last && last->end == add->start && last->use == add->use && last->site == add->site &&
	    t->info[t->n - 1].born_ns == born_ns && t->info[t->n - 1].anonymous == anonymous) {
		last->end = add->end;
		return 0;
	}
	r = vec_reserve(&t->range, sizeof(*t->range), t->n, &t->cap, t->cfg.limit);
	if (r == 0)
		r = vec_reserve(&t->info, sizeof(*t->info), t->n, &t->info_cap, t->cfg.limit);
	if (r < 0)
		return r;
	t->range[t->n] = *add;
	t->info[t->n++] = (struct range_info){ born_ns, anonymous };
	return 0;
}

/*
 * Splits a piece of an anonymous line at its mappings. What is said of it from inside decides, but
 * for a buffer: where an allocator serves from, or a known site mapped, that is known better.
 * Returns how many parts were refused, or -ENOMEM.
 */
static int line_split(struct ranges *t, const struct map_line *l, const struct mappings *mappings,
		      const struct inner_range *said)
{
	uint64_t at = l->start;
	int refused = 0, r;

	while (at < l->end) {
		struct snap_range part = { .start = at, .end = l->end };
		struct mapping m;
		bool any = mappings_next(mappings, at, &m) && m.start < l->end;
		bool inside = any && m.start <= at;

		if (inside)
			part.end = m.end < l->end ? m.end : l->end;
		else if (any)
			part.end = m.start;
		part.resident_bytes = part.swapped_bytes = FACT_UNKNOWN;
		part.use = part_use(t, l, part.start, part.end, inside ? &m : NULL);
		if (said && (said->use != INNER_BUFFER || part.use == RANGE_BEFORE ||
			     part.use == RANGE_OTHER))
			part.use = inner_range_use(said->use);
		part.site = part.use == RANGE_SITE ? m.site->number : MT_SITE_NONE;
		if (inside && m.site && (part.use == RANGE_MANAGED || part.use == RANGE_POOLED))
			m.site->managed_bytes =
				sat_add(m.site->managed_bytes, part.end - part.start);
		r = range_add(t, &part, inside ? m.born_ns : 0, true);
		if (r == -ENOMEM)
			return r;
		refused += r < 0;
		at = part.end;
	}
	return refused;
}

/* Of which nothing is said from inside (`said` is NULL), or one thing. */
static int piece_add(struct ranges *t, const struct map_line *l, const struct mappings *mappings,
		     const struct inner_range *said)
{
	struct snap_range whole = { l->start, l->end, FACT_UNKNOWN, FACT_UNKNOWN };
	int r;

	whole.use = line_use(l);
	if (whole.use == 0)
		return line_split(t, l, mappings, said);
	if (said)
		whole.use = inner_range_use(said->use);
	r = range_add(t, &whole, 0, false);
	return r == -ENOSPC ? 1 : r;
}

/* An allocator serves from the break: what that gained since is its own, whoever asked for it. */
static bool break_is_an_arena(const struct ranges *t, const struct map_line *l)
{
	for (size_t i = t->inner_at; l->kind == VMA_HEAP && i < t->inners; i++) {
		if (t->inner[i].start >= l->end)
			break;
		if (t->inner[i].use == INNER_ARENA && t->inner[i].end > l->start)
			return true;
	}
	return false;
}

/* Lines come in order, so pieces that were passed are never looked at again. */
static int line_add(struct ranges *t, const struct map_line *l, const struct mappings *mappings)
{
	const struct inner_range arena = { l->start, l->end, INNER_ARENA };
	bool is_arena = break_is_an_arena(t, l);
	struct map_line piece = *l;
	int refused = 0, r = 0;

	if (l->kind == VMA_SPECIAL && !l->executable)
		return 0; /* the kernel's own pages: no part of the resident set, but for its code
			   */
	for (piece.end = l->start; piece.end < l->end && r >= 0; refused += r > 0 ? r : 0) {
		const struct inner_range *in, *said = NULL;

		piece.start = piece.end;
		while (t->inner_at < t->inners && t->inner[t->inner_at].end <= piece.start)
			t->inner_at++;
		in = t->inner_at < t->inners ? &t->inner[t->inner_at] : NULL;
		piece.end = l->end;
		if (in && in->start <= piece.start)
			said = in;
		if (said && said->end < piece.end)
			piece.end = said->end;
		else if (in && !said && in->start < piece.end)
			piece.end = in->start;
		r = piece_add(t, &piece, mappings, !said && is_arena ? &arena : said);
	}
	return r < 0 ? r : refused;
}

static int asked_fill(struct ranges *t)
{
	t->asked = calloc(t->n ? t->n : 1, sizeof(*t->asked));
	if (!t->asked)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++)
		t->asked[i] = (struct residency){ t->range[i].start, t->range[i].end, FACT_UNKNOWN,
						  FACT_UNKNOWN };
	return 0;
}

int ranges_build(struct ranges *t, const struct modules *modules, const struct mappings *mappings)
{
	const struct map_line *l = modules_lines(modules);
	uint64_t refused = 0;
	int r = 0;

	ranges_clear(t);
	t->measured = false;
	t->inner_at = 0;
	for (size_t i = 0; i < modules_line_count(modules) && r >= 0; i++) {
		r = line_add(t, &l[i], mappings);
		refused += r > 0 ? (uint64_t)r : 0;
	}
	if (r >= 0)
		r = asked_fill(t);
	if (r < 0) {
		ranges_clear(t);
		return r;
	}
	if (refused > t->build_refused)
		t->build_refused = refused;
	return 0;
}

struct residency *ranges_asked(const struct ranges *t, size_t *ret_n)
{
	*ret_n = t->n;
	return t->asked;
}

/* Remembers the first reading. */
static int attach_fill(struct ranges *t)
{
	t->attach = calloc(t->n ? t->n : 1, sizeof(*t->attach));
	if (!t->attach)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++) {
		const struct snap_range *r = &t->range[i];

		if (!t->info[i].anonymous || r->resident_bytes == FACT_UNKNOWN)
			continue;
		t->attach[t->attaches++] = (struct attach_range){
			r->start,
			r->end,
			t->info[i].born_ns,
			r->resident_bytes,
		};
	}
	return 0;
}

/* Ranges of the first reading in which an allocator's range of the same mapping lies now. */
static void attach_prove(struct ranges *t)
{
	size_t k = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct snap_range *r = &t->range[i];

		if (!t->info[i].anonymous || r->use != RANGE_ALLOCATOR)
			continue;
		while (k < t->attaches && t->attach[k].end <= r->start)
			k++;
		for (size_t j = k; j < t->attaches && t->attach[j].start < r->end; j++)
			if (t->attach[j].born_ns == t->info[i].born_ns)
				t->attach[j].allocator = true;
	}
}

int ranges_set_residency(struct ranges *t, const struct residency *r, size_t n)
{
	bool any = false;
	size_t k = 0;
	int e;

	for (size_t i = 0; i < n; i++) {
		while (k < t->n && t->range[k].start < r[i].start)
			k++;
		if (k == t->n || t->range[k].start != r[i].start || t->range[k].end != r[i].end)
			continue;
		t->range[k].resident_bytes = r[i].resident_bytes;
		t->range[k].swapped_bytes = r[i].swapped_bytes;
		any = true;
	}
	if (!any)
		return -ENODATA;
	if (!t->attach) {
		e = attach_fill(t);
		if (e < 0)
			return e;
	}
	t->measured = true;
	attach_prove(t);
	return 0;
}

void ranges_give_up(struct ranges *t, uint32_t site)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->range[i].use != RANGE_SITE || t->range[i].site != site)
			continue;
		t->range[i].use = RANGE_ALLOCATOR;
		t->range[i].site = MT_SITE_NONE;
	}
	attach_prove(t);
}

bool ranges_measured(const struct ranges *t)
{
	return t->measured;
}

size_t ranges_count(const struct ranges *t)
{
	return t->n;
}

const struct snap_range *ranges_all(const struct ranges *t)
{
	return t->range;
}

uint64_t ranges_managed(const struct ranges *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; t->measured && i < t->n; i++) {
		const struct snap_range *r = &t->range[i];

		if (r->use != RANGE_MANAGED && r->use != RANGE_POOLED)
			continue;
		sum = sat_add(sum, r->resident_bytes == FACT_UNKNOWN ? 0 : r->resident_bytes);
		sum = sat_add(sum, r->swapped_bytes == FACT_UNKNOWN ? 0 : r->swapped_bytes);
	}
	return sum;
}

uint64_t ranges_refused(const struct ranges *t)
{
	return t->refused + t->build_refused;
}

uint64_t ranges_allocator_at_attach(const struct ranges *t)
{
	uint64_t sum = 0;

	if (!t->attach)
		return FACT_UNKNOWN;
	for (size_t i = 0; i < t->attaches; i++)
		if (t->attach[i].allocator)
			sum = sat_add(sum, t->attach[i].resident_bytes);
	return sum;
}
