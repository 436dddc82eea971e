/*
 * See regroup.h. Histories are added up on the points of the oldest member's; between its points a
 * member's value moves on a straight line, and before its first it was that, but 0 before the site
 * was first seen.
 */
#include "analyse/regroup.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analyse/fold.h"
#include "base/cleanup.h"
#include "model/sat.h"

struct member {
	uint64_t key;
	size_t apart; /* 0: may be merged with others of that key; else the site's own number */
	size_t site;  /* index into snapshot.sites */
};

struct work {
	const struct snapshot *snap;
	const struct owner *owners;
	enum fold_mode mode;
	struct member *member; /* owned, sorted by group */
	struct regrouped *out;
	size_t points_used;
};

static uint64_t mix_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = fold_mix(hash, (unsigned char)*text);
	return fold_mix(hash, 0x100);
}

static uint64_t mix_frame(uint64_t hash, const struct snapshot *snap, const struct snap_frame *f)
{
	const struct snap_module *m =
		f->module < snap->module_count ? &snap->modules[f->module] : NULL;

	if (!m)
		return mix_text(hash, f->symbol);
	hash = mix_text(hash, m->build_id && *m->build_id ? m->build_id : m->name);
	return fold_mix(hash, f->offset);
}

/* Whether the stack can be cut at the owner's frame: the owner is a place that can be told again.
 */
static bool has_owner_frame(const struct snapshot *snap, const struct snap_site *site,
			    const struct owner *owner)
{
	const struct snap_frame *f;

	if (!owner || owner->frame >= site->stack.count)
		return false;
	f = &site->stack.frames[owner->frame];
	return f->module < snap->module_count || f->symbol;
}

static bool is_cut(const struct work *w, size_t site)
{
	return w->mode == FOLD_OWNER && w->owners &&
	       has_owner_frame(w->snap, &w->snap->sites[site], &w->owners[site]);
}

static struct member member_of(const struct work *w, size_t i)
{
	const struct snap_site *site = &w->snap->sites[i];
	struct member m = { .key = site->id, .site = i };

	if (!is_cut(w, i)) {
		m.apart = site->id_final ? 0 : i + 1;
		return m;
	}
	m.key = fold_mix(fold_mix(4, site->kind), site->touched);
	for (size_t k = 0; k <= snap_outer_frame(&site->stack, w->owners[i].frame); k++)
		if (!site->stack.frames[k].inlined)
			m.key = mix_frame(m.key, w->snap, &site->stack.frames[k]);
	m.key += !m.key;
	return m;
}

static int by_group(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->apart != y->apart)
		return x->apart < y->apart ? -1 : 1;
	return (x->site > y->site) - (x->site < y->site);
}

static size_t group_size(const struct member *m, size_t left)
{
	size_t n = 1;

	while (n < left && m[n].key == m[0].key && m[n].apart == m[0].apart)
		n++;
	return n;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a == FACT_UNKNOWN || b == FACT_UNKNOWN ? FACT_UNKNOWN : sat_add(a, b);
}

/* The mean weight by things; errors of different samples are independent. */
static void add_estimate(struct snap_site *sum, const struct snap_site *site)
{
	double mine = fmax(sum->weight, 1), other = fmax(site->weight, 1);
	double a = (double)sum->live_count, b = (double)site->live_count;

	if (!sum->estimated && !site->estimated)
		return;
	sum->weight = a + b > 0 ? (mine * a + other * b) / (a + b) : fmax(mine, other);
	sum->records = add(sum->estimated ? sum->records : sum->live_count,
			   site->estimated ? site->records : site->live_count);
	sum->allocated_records =
		add(sum->estimated ? sum->allocated_records : sum->allocated_count,
		    site->estimated ? site->allocated_records : site->allocated_count);
	sum->live_error_bytes = hypot(sum->live_error_bytes, site->live_error_bytes);
	sum->live_common_bytes += site->live_common_bytes;
	sum->allocated_error_bytes = hypot(sum->allocated_error_bytes, site->allocated_error_bytes);
	sum->exposed_count = add(sum->exposed_count, site->exposed_count);
	sum->left_count = add(sum->left_count, site->left_count);
	sum->estimated = true;
}

static void add_site(struct snap_site *sum, const struct snap_site *site)
{
	add_estimate(sum, site); /* looks at the counts */
	sum->live_bytes = add(sum->live_bytes, site->live_bytes);
	sum->live_count = add(sum->live_count, site->live_count);
	sum->allocated_bytes = add(sum->allocated_bytes, site->allocated_bytes);
	sum->allocated_count = add(sum->allocated_count, site->allocated_count);
	sum->freed_bytes = add(sum->freed_bytes, site->freed_bytes);
	sum->freed_count = add(sum->freed_count, site->freed_count);
	sum->managed_bytes = add(sum->managed_bytes, site->managed_bytes);
	sum->ages_known = sum->ages_known && site->ages_known;
	for (int b = 0; b < MT_AGE_BUCKETS; b++) {
		sum->live_by_age[b] = add(sum->live_by_age[b], site->live_by_age[b]);
		sum->freed_by_age[b] = add(sum->freed_by_age[b], site->freed_by_age[b]);
	}
	sum->first_seen_s = fmin(sum->first_seen_s, site->first_seen_s);
	sum->last_alloc_s = fmax(sum->last_alloc_s, site->last_alloc_s);
}

/* Adds a history to values at other times; both in order. */
static void add_series(const struct snap_series *s, double born_s, const double *t_s, double *value,
		       size_t n)
{
	size_t i = 0;

	for (size_t k = 0; k < n; k++) {
		while (i < s->count && s->t_s[i] <= t_s[k])
			i++;
		if (i == 0)
			value[k] += t_s[k] >= born_s ? s->value[0] : 0;
		else if (i == s->count)
			value[k] += s->value[i - 1];
		else
			value[k] += s->value[i - 1] + (s->value[i] - s->value[i - 1]) *
							      (t_s[k] - s->t_s[i - 1]) /
							      (s->t_s[i] - s->t_s[i - 1]);
	}
}

/* The member whose history begins first: its points are those of the sum. */
static const struct snap_series *axis_of(const struct work *w, const struct member *m, size_t n)
{
	const struct snap_series *axis = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct snap_series *s = &w->snap->sites[m[i].site].live_bytes_series;

		if (s->count && (!axis || s->t_s[0] < axis->t_s[0]))
			axis = s;
	}
	return axis;
}

static void merge_series(struct work *w, const struct member *m, size_t n, struct snap_site *sum)
{
	const struct snap_series *axis = axis_of(w, m, n);
	double *bytes = w->out->points + w->points_used, *count;

	if (!axis)
		return;
	count = bytes + axis->count;
	w->points_used += 2 * axis->count;
	for (size_t i = 0; i < n; i++) {
		const struct snap_site *site = &w->snap->sites[m[i].site];

		if (site->live_bytes_series.count)
			add_series(&site->live_bytes_series, site->first_seen_s, axis->t_s, bytes,
				   axis->count);
		if (site->live_count_series.count)
			add_series(&site->live_count_series, site->first_seen_s, axis->t_s, count,
				   axis->count);
	}
	sum->live_bytes_series = (struct snap_series){ axis->t_s, bytes, axis->count };
	sum->live_count_series = (struct snap_series){ axis->t_s, count, axis->count };
}

static void merge_group(struct work *w, const struct member *m, size_t n)
{
	const struct snapshot *snap = w->snap;
	struct snap_site sum = snap->sites[m[0].site];
	size_t at = w->out->snap.site_count++, most = m[0].site;

	for (size_t i = 1; i < n; i++) {
		const struct snap_site *site = &snap->sites[m[i].site];
		const struct snap_site *best = &snap->sites[most];

		add_site(&sum, site);
		if (site->live_bytes > best->live_bytes ||
		    (site->live_bytes == best->live_bytes && site->live_count > best->live_count))
			most = m[i].site;
	}
	if (n > 1)
		merge_series(w, m, n, &sum);
	sum.site = snap->sites[most].site;
	sum.stack = snap->sites[most].stack;
	sum.id = m[0].key;
	if (w->owners)
		w->out->owners[at] = w->owners[most];
	if (is_cut(w, most)) {
		size_t frames = snap_outer_frame(&sum.stack, w->owners[most].frame) + 1;

		sum.stack.folded = frames < sum.stack.count;
		sum.stack.count = frames;
	}
	w->out->sites[at] = sum;
}

static size_t count_points(const struct work *w)
{
	const struct snap_series *axis;
	size_t points = 0;

	for (size_t i = 0, n; i < w->snap->site_count; i += n) {
		n = group_size(&w->member[i], w->snap->site_count - i);
		axis = n > 1 ? axis_of(w, &w->member[i], n) : NULL;
		points += axis ? 2 * axis->count : 0;
	}
	return points;
}

int regroup_sites(const struct snapshot *snap, const struct owner *owners, enum fold_mode mode,
		  struct regrouped *ret)
{
	auto_clean(regrouped_done) struct regrouped out = { .snap = *snap };
	auto_free struct member *member = calloc(snap->site_count + 1, sizeof(*member));
	struct work w = { snap, owners, mode, member, &out, 0 };

	out.sites = calloc(snap->site_count + 1, sizeof(*out.sites));
	out.owners = calloc(snap->site_count + 1, sizeof(*out.owners));
	if (!member || !out.sites || !out.owners)
		return -ENOMEM;
	for (size_t i = 0; i < snap->site_count; i++)
		member[i] = member_of(&w, i);
	qsort(member, snap->site_count, sizeof(*member), by_group);
	out.points = calloc(count_points(&w) + 1, sizeof(*out.points));
	if (!out.points)
		return -ENOMEM;
	out.snap.site_count = 0;
	out.snap.sites = out.sites;
	for (size_t i = 0, n; i < snap->site_count; i += n) {
		n = group_size(&member[i], snap->site_count - i);
		merge_group(&w, &member[i], n);
	}
	*ret = out;
	out = (struct regrouped){};
	return 0;
}

void regrouped_done(struct regrouped *r)
{
	free(r->owners);
	free(r->sites);
	free(r->points);
	*r = (struct regrouped){};
}
