/*
 * See pages.h. What came since the last look waits unsorted behind the others; a look puts all in
 * order, the newest of each page first, and drops what it finds gone.
 */
#include "model/pages.h"

#include "base/cleanup.h"
#include "base/search.h"
#include "model/sat.h"
#include "base/vec.h"

#define UNPLACED_NS 10000000000ull /* what lies nowhere for so long is gone */
#define FRESH_NS 10000000000ull	   /* a mapping this young is touched because it was just made */
#define WEIGHT_LOG2_MAX 32

struct page {
	uint64_t start, bytes; /* bytes 0: not looked at yet */
	uint64_t born_ns;
	struct site *site; /* borrowed from the sites of the address space */
	uint8_t weight_log2;
	uint8_t touched; /* enum touched */
	bool write;
	bool unplaced;
};

struct pages {
	size_t limit;
	uint64_t page_bytes;
	struct page *page; /* owned: sorted ones, then those that wait */
	size_t n, cap;
	struct residency *asked; /* owned, parallel to the pages at that time */
	size_t asked_n;
	uint64_t refused;
};

int pages_new(size_t limit, uint64_t page_bytes, struct pages **ret)
{
	struct pages *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->limit = limit;
	t->page_bytes = page_bytes;
	*ret = t;
	return 0;
}

void pages_free(struct pages *t)
{
	if (!t)
		return;
	free(t->page);
	free(t->asked);
	free(t);
}

size_t pages_count(const struct pages *t)
{
	return t->n;
}

uint64_t pages_refused(const struct pages *t)
{
	return t->refused;
}

unsigned int pages_wanted_skip(const struct pages *t)
{
	size_t left = t->limit - t->n, room = t->limit / 2;
	unsigned int skip = 0;

	while (left < room && skip < MT_FAULT_SKIP_MAX) {
		room /= 2;
		skip++;
	}
	return skip;
}

int pages_add(struct pages *t, const struct page_touch *touch)
{
	uint64_t mask = (touch->write ? t->page_bytes : MT_FAULT_AROUND) - 1;
	int r;

	if (!touch->site)
		return 0;
	r = vec_reserve(&t->page, sizeof(*t->page), t->n, &t->cap, t->limit);
	if (r < 0) {
		t->refused++;
		return r == -ENOSPC ? 0 : r;
	}
	t->page[t->n++] = (struct page){
		.start = touch->addr & ~mask,
		.born_ns = touch->time_ns,
		.site = touch->site,
		.weight_log2 =
			touch->weight_log2 < WEIGHT_LOG2_MAX ? touch->weight_log2 : WEIGHT_LOG2_MAX,
		.write = touch->write,
	};
	return 0;
}

/* --- accounting --- */

static uint64_t page_weight(const struct page *p)
{
	return 1ull << p->weight_log2;
}

static uint64_t page_bytes_weighed(const struct page *p)
{
	return sat_mul(p->bytes, page_weight(p));
}

/* What a page adds to the variance of its site's bytes, see mt_held_var(). */
static double page_var(const struct page *p)
{
	double weight = (double)page_weight(p), bytes = (double)p->bytes;

	return bytes * bytes * weight * (weight - 1);
}

static void page_born(struct page *p, uint64_t bytes)
{
	p->bytes = bytes;
	p->site->born_records++;
	p->site->born_var += page_var(p);
	site_born(p->site, page_bytes_weighed(p), page_weight(p), p->born_ns);
}

static void page_died(const struct page *p, uint64_t now_ns)
{
	if (!p->bytes)
		return;
	p->site->died_records++;
	p->site->died_var += page_var(p);
	site_died(p->site, page_bytes_weighed(p), page_weight(p), p->born_ns, now_ns);
}

void pages_add_ages(const struct pages *t, uint64_t now_ns)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct page *p = &t->page[i];

		if (p->bytes)
			p->site->live_by_age[age_bucket(sat_sub(now_ns, p->born_ns))] +=
				page_weight(p);
	}
}

/* --- what to look at --- */

/* By address, the newest first. */
static int page_compare(const void *a, const void *b)
{
	const struct page *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->born_ns < y->born_ns) - (x->born_ns > y->born_ns);
}

static uint64_t page_end(const struct pages *t, const struct page *p)
{
	return sat_add(p->start, p->write ? t->page_bytes : MT_FAULT_AROUND);
}

/*
 * One of each: a page that is touched for the first time again was given back before. Pages that
 * were written tell more than what was read around them.
 */
static void pages_sort(struct pages *t)
{
	size_t kept = 0;

	if (t->n)
		qsort(t->page, t->n, sizeof(*t->page), page_compare);
	for (size_t i = 0; i < t->n; i++) {
		struct page *p = &t->page[i], *last = kept ? &t->page[kept - 1] : NULL;

		if (last && p->start < page_end(t, last)) {
			if (last->write || p->start == last->start) {
				page_died(p, last->born_ns);
				continue;
			}
			page_died(last, p->born_ns);
			kept--;
		}
		t->page[kept++] = *p;
	}
	t->n = kept;
}

int pages_asked(struct pages *t, struct residency **ret, size_t *ret_n)
{
	pages_sort(t);
	free(t->asked);
	t->asked_n = 0;
	t->asked = calloc(t->n ? t->n : 1, sizeof(*t->asked));
	if (!t->asked)
		return -ENOMEM;
	t->asked_n = t->n;
	for (size_t i = 0; i < t->n; i++)
		t->asked[i] = (struct residency){ t->page[i].start, page_end(t, &t->page[i]),
						  FACT_UNKNOWN, FACT_UNKNOWN, FACT_UNKNOWN };
	*ret = t->asked;
	*ret_n = t->n;
	return 0;
}

/* --- what was found --- */

static const struct snap_range *range_of(const struct ranges *ranges, uint64_t addr)
{
	const struct snap_range *r = ranges_all(ranges);
	size_t lo = search_first(ranges_count(ranges), i, r[i].end <= addr);

	return lo < ranges_count(ranges) && r[lo].start <= addr ? &r[lo] : NULL;
}

/* TOUCHED_NONE: of no interest here. Anonymous memory that was only read is the zero page. */
static enum touched touched_of(const struct snap_range *r, const struct mapping *m, bool write)
{
	switch (r->use) {
	case RANGE_ALLOCATOR: return write ? TOUCHED_HEAP : TOUCHED_NONE;
	case RANGE_SITE:
		if (m && (m->flags & MAPPED_BREAK))
			return write ? TOUCHED_HEAP : TOUCHED_NONE;
		/* fall through */
	case RANGE_BEFORE:
	case RANGE_OTHER: return write ? TOUCHED_ANON : TOUCHED_NONE;
	case RANGE_FILE: return TOUCHED_FILE;
	case RANGE_SHM: return TOUCHED_SHM;
	case RANGE_STACK:
	case RANGE_CODE:
	case RANGE_MANAGED:
	case RANGE_POOLED:
	case RANGE_RUNTIME:
	case RANGE_BUFFERS:
	case RANGE_USES: break;
	}
	return TOUCHED_NONE;
}

/* The break grows by steps of its allocator, which says nothing of who fills it. */
static bool is_fresh(const struct page *p, const struct mapping *m)
{
	return m && m->site && !(m->flags & MAPPED_BREAK) &&
	       sat_sub(p->born_ns, m->born_ns) < FRESH_NS;
}

static uint64_t bytes_found(const struct page *p, const struct residency *r)
{
	uint64_t there = sat_add(r->resident_bytes == FACT_UNKNOWN ? 0 : r->resident_bytes,
				 r->swapped_bytes == FACT_UNKNOWN ? 0 : r->swapped_bytes);

	if (p->write && r->huge_bytes != FACT_UNKNOWN && r->huge_bytes)
		return PAGES_HUGE_BYTES;
	return there;
}

/* False: nothing more is wanted of it. */
static bool page_settle(struct page *p, const struct residency *r, const struct ranges *ranges,
			const struct mappings *mappings, uint64_t now_ns)
{
	const struct snap_range *range = range_of(ranges, p->start);
	uint64_t found = bytes_found(p, r);
	struct mapping m;
	bool mapped;

	if (r->resident_bytes == FACT_UNKNOWN && r->swapped_bytes == FACT_UNKNOWN)
		return true; /* not known today */
	if (!found) {
		page_died(p, now_ns);
		return false;
	}
	if (!range) /* mapped since the map was read, or gone */
		return p->bytes || sat_sub(now_ns, p->born_ns) < UNPLACED_NS;
	if (!p->bytes) {
		mapped = mappings_next(mappings, p->start, &m) && m.start <= p->start;
		p->touched = touched_of(range, mapped ? &m : NULL, p->write);
		if (p->touched == TOUCHED_NONE || is_fresh(p, mapped ? &m : NULL))
			return false;
		page_born(p, found);
	}
	p->unplaced = range->use == RANGE_ALLOCATOR || range->use == RANGE_BEFORE ||
		      range->use == RANGE_OTHER;
	return true;
}

/* What each site's pages are, for the most part, and how much of it nobody else accounts for. */
static void sites_tell(const struct pages *t)
{
	for (size_t i = 0; i < t->n; i++)
		memset(&t->page[i].site->touched, 0, sizeof(t->page[i].site->touched));
	for (size_t i = 0; i < t->n; i++) {
		const struct page *p = &t->page[i];
		uint64_t bytes = page_bytes_weighed(p);

		p->site->touched.bytes[p->touched] =
			sat_add(p->site->touched.bytes[p->touched], bytes);
		if (p->unplaced)
			p->site->touched.unplaced_bytes =
				sat_add(p->site->touched.unplaced_bytes, bytes);
	}
}

int pages_settle(struct pages *t, const struct residency *r, size_t n, const struct ranges *ranges,
		 const struct mappings *mappings, uint64_t now_ns)
{
	size_t kept = 0;

	/* more may have come meanwhile: they stand behind */
	if (n != t->asked_n || n > t->n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (r[i].start != t->page[i].start)
			return -EINVAL;
	/* a site whose last page goes holds nothing */
	for (size_t i = 0; i < n; i++)
		memset(&t->page[i].site->touched, 0, sizeof(t->page[i].site->touched));
	for (size_t i = 0; i < t->n; i++)
		if (i >= n || page_settle(&t->page[i], &r[i], ranges, mappings, now_ns))
			t->page[kept++] = t->page[i];
	t->n = kept;
	t->asked_n = 0;
	sites_tell(t);
	return 0;
}
