/*
 * Choice and figures of call sites. Sites are chosen by a coarse slope and told with a robust one,
 * which costs too much for thousands of them; all loops are bounded by sizes in the snapshot.
 */
#include "report/rank.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analyse/plumbing.h"
#include "analyse/robust.h"
#include "base/cleanup.h"

#define WINDOW_S 60.0	   /* growth now: a peak of two minutes ago is over */
#define WINDOW_POINTS 8	   /* but never fewer points than this */
#define LOOK_AHEAD_S 600.0 /* growth counts as what it will hold by then */

/* First point of the window that growth is read from; s has points. */
static size_t window_start(const struct snap_series *s)
{
	size_t first = s->count - 1;
	double now = s->t_s[first];

	while (first > 0 &&
	       (s->count - first < WINDOW_POINTS || now - s->t_s[first - 1] <= WINDOW_S))
		first--;
	return first;
}

double rank_slope(const struct snap_series *s, double *ret_window_s)
{
	struct robust_line line;
	size_t first;

	if (ret_window_s)
		*ret_window_s = 0;
	if (s->count == 0)
		return NAN;
	first = window_start(s);
	if (robust_line_fit(s->t_s + first, s->value + first, s->count - first, &line) < 0)
		return NAN;
	if (ret_window_s)
		*ret_window_s = s->t_s[s->count - 1] - s->t_s[first];
	return line.slope;
}

/* Growth from end to end of the window: coarse, but cheap enough for every site. */
static double coarse_slope(const struct snap_series *s)
{
	double dt, dv;
	size_t first;

	if (s->count < 2)
		return 0;
	first = window_start(s);
	dt = s->t_s[s->count - 1] - s->t_s[first];
	dv = s->value[s->count - 1] - s->value[first];
	return dt > 0 && isfinite(dv / dt) ? dv / dt : 0;
}

double rank_age_edge(size_t bucket)
{
	return bucket == 0 ? 0 : (double)(1ull << (bucket - 1));
}

static uint64_t part_of(uint64_t bytes, double share)
{
	double part = (double)bytes * share;

	return part < 0x1p63 ? (uint64_t)part : bytes;
}

static double upper_edge(size_t bucket, double oldest_possible_s)
{
	double upper = bucket + 1 < MT_AGE_BUCKETS ? rank_age_edge(bucket + 1) : INFINITY;

	return fmax(fmin(upper, oldest_possible_s), rank_age_edge(bucket));
}

struct site_age rank_age(const struct snap_site *site, double elapsed_s)
{
	struct site_age age = { NAN, NAN, FACT_UNKNOWN };
	double oldest_possible_s = elapsed_s - site->first_seen_s;
	double total = 0, seen = 0, over_60 = 0, low, high, n;
	size_t i;

	if (!site->ages_known)
		return age;
	for (i = 0; i < MT_AGE_BUCKETS; i++)
		total += (double)site->live_by_age[i];
	for (i = 0; i < MT_AGE_BUCKETS; i++) {
		n = (double)site->live_by_age[i];
		if (n <= 0)
			continue;
		low = rank_age_edge(i);
		high = upper_edge(i, isfinite(oldest_possible_s) ? oldest_possible_s : INFINITY);
		if (!isfinite(high))
			high = low;
		if (seen < total / 2 && seen + n >= total / 2)
			age.p50_s = low + (high - low) * (total / 2 - seen) / n;
		age.oldest_s = high;
		if (low >= 60)
			over_60 += n;
		else if (high > 60)
			over_60 += n * (high - 60) / (high - low);
		seen += n;
	}
	age.over_60s_bytes = total > 0 ? part_of(site->live_bytes, over_60 / total) : 0;
	return age;
}

const struct snap_module *rank_module(const struct snapshot *s, uint32_t index)
{
	return index < s->module_count ? &s->modules[index] : NULL;
}

const struct owner *rank_owner(const struct analysis *a, const struct snap_site *site)
{
	return a->owners && site ? &a->owners[site - a->snap->sites] : NULL;
}

const struct snap_site *rank_finding_site(const struct analysis *a, const struct finding *f)
{
	if (f->site_id == 0 || f->site >= a->snap->site_count ||
	    a->snap->sites[f->site].id != f->site_id)
		return NULL;
	return &a->snap->sites[f->site];
}

const struct snap_site *rank_path_site(const struct analysis *a, const struct finding *f, size_t i)
{
	const struct finding_path *p = &f->path[i];

	if (i >= f->path_count || i >= FINDING_PATHS_MAX || p->site >= a->snap->site_count ||
	    a->snap->sites[p->site].id != p->site_id)
		return NULL;
	return &a->snap->sites[p->site];
}

/* With a name the name decides: strdup() tells something although malloc() sits in libc too. */
static bool is_allocator(const struct rules *rules, const struct snap_module *m, const char *symbol)
{
	if (plumbing_find(rules, m, symbol, !symbol, NULL) == PLUMBING_ALLOCATOR)
		return true;
	if (symbol)
		return plumbing_find(rules, NULL, symbol, false, NULL) == PLUMBING_ALLOCATOR;
	return m && m->allocator && !m->main_exe;
}

size_t rank_allocator_frames(const struct snapshot *s, const struct snap_stack *stack)
{
	size_t n = 0;

	while (n < stack->count && is_allocator(s->rules, rank_module(s, stack->frames[n].module),
						stack->frames[n].symbol))
		n++;
	return n < stack->count ? n : 0; /* nothing else: better than an empty stack */
}

const struct snap_frame *rank_asking_frame(const struct analysis *a, const struct snap_site *site)
{
	const struct owner *owner = rank_owner(a, site);

	if (site->stack.count == 0)
		return NULL;
	if (owner && owner->frame < site->stack.count)
		return &site->stack.frames[owner->frame];
	return &site->stack.frames[rank_allocator_frames(a->snap, &site->stack)];
}

struct entry {
	struct ranked_site ranked;
	const struct finding *first; /* stands before all without: the finding's own site */
	double score;
	const struct snap_site *site;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	const struct finding *fx = x->first, *fy = y->first;

	if (!fx != !fy)
		return fx ? -1 : 1;
	if (fx != fy)
		return fx < fy ? -1 : 1;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	if (x->site->live_count != y->site->live_count)
		return x->site->live_count > y->site->live_count ? -1 : 1;
	return (x->site->id > y->site->id) - (x->site->id < y->site->id);
}

static void attach_findings(const struct analysis *a, struct entry *entries)
{
	const struct snap_site *site;
	size_t i, k;

	for (i = a->findings ? a->findings->count : 0; i-- > 0;) {
		const struct finding *f = &a->findings->list[i];

		for (k = 0; k < f->path_count; k++) {
			site = rank_path_site(a, f, k);
			if (site)
				entries[site - a->snap->sites].ranked.finding = f;
		}
		site = rank_finding_site(a, f);
		if (site)
			entries[site - a->snap->sites].first =
				entries[site - a->snap->sites].ranked.finding = f;
	}
}

int rank_sites(const struct analysis *a, size_t top, struct ranked_site **ret, size_t *ret_count)
{
	auto_free struct entry *entries = NULL;
	struct ranked_site *list;
	size_t i, n = 0;

	entries = calloc(a->snap->site_count + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	attach_findings(a, entries);
	for (i = 0; i < a->snap->site_count; i++) {
		const struct snap_site *site = &a->snap->sites[i];
		const struct finding *finding = entries[i].ranked.finding;
		double growth = coarse_slope(&site->live_bytes_series);

		if (site->live_bytes == 0 && site->live_count == 0 && !finding)
			continue;
		entries[n].first = entries[i].first; /* n <= i */
		entries[n].ranked = (struct ranked_site){ i, NAN, finding };
		entries[n].site = site;
		entries[n++].score =
			(double)site->live_bytes + (growth > 0 ? growth * LOOK_AHEAD_S : 0);
	}
	qsort(entries, n, sizeof(*entries), compare_entries);
	n = n < top ? n : top;
	list = calloc(n ? n : 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		list[i] = entries[i].ranked;
		list[i].growth_bytes_per_s = rank_slope(&entries[i].site->live_bytes_series, NULL);
	}
	*ret = list;
	*ret_count = n;
	return 0;
}

static const struct pattern_row *find_pattern(const struct analysis *a, enum subject_kind kind,
					      uint64_t site_id)
{
	for (size_t i = 0; a->patterns && i < a->patterns->count; i++) {
		const struct pattern_row *row = &a->patterns->list[i];

		if (row->kind == kind && (kind != SUBJECT_SITE || row->site_id == site_id))
			return row;
	}
	return NULL;
}

const struct pattern_row *rank_site_pattern(const struct analysis *a, uint64_t site_id)
{
	return find_pattern(a, SUBJECT_SITE, site_id);
}

const struct pattern_row *rank_process_pattern(const struct analysis *a)
{
	return find_pattern(a, SUBJECT_PROCESS, 0);
}
