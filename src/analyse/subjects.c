/*
 * The table is a sorted array: it is small, and looked up by kind and id. A site that is watched
 * stays until its place is needed by one that matters more now.
 */
#include "analyse/subjects.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/fold.h"
#include "analyse/suspect.h"
#include "base/cleanup.h"

static const size_t most_of_kind[SUBJECT_SITE + 1] = {
	[SUBJECT_PROCESS] = 1,
	[SUBJECT_CLASS] = CLASS_MAX,
	[SUBJECT_MODULE] = SUBJECTS_MODULES_MAX,
	[SUBJECT_SITE] = SUBJECTS_SITES_MAX,
};

static void subject_done(struct subject *x)
{
	growth_free(x->growth);
	free(x->past);
}

void subjects_done(struct subjects *s)
{
	for (size_t i = 0; i < s->count; i++)
		subject_done(&s->list[i]);
	free(s->list);
	*s = (struct subjects){};
}

uint64_t subjects_module_id(const struct snap_module *module)
{
	const char *name = module && module->name ? module->name : "";
	uint64_t hash = 4;

	for (; *name; name++)
		hash = fold_mix(hash, (unsigned char)*name);
	return hash;
}

/* Where the subject is, or would be put. */
static size_t place_of(const struct subjects *s, enum subject_kind kind, uint64_t id)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct subject *x = &s->list[mid];

		if (x->kind < kind || (x->kind == kind && x->id < id))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct subject *find(const struct subjects *s, enum subject_kind kind, uint64_t id)
{
	size_t at = place_of(s, kind, id);
	bool there = at < s->count && s->list[at].kind == kind && s->list[at].id == id;

	return there ? &s->list[at] : NULL;
}

const struct subject *subjects_find(const struct subjects *s, enum subject_kind kind, uint64_t id)
{
	return find(s, kind, id);
}

static void remove_at(struct subjects *s, size_t at)
{
	subject_done(&s->list[at]);
	s->kinds[s->list[at].kind]--;
	s->count--;
	memmove(&s->list[at], &s->list[at + 1], (s->count - at) * sizeof(*s->list));
}

/* Room for one more of a kind: the one that nobody asked for longest goes. */
static bool make_room(struct subjects *s, enum subject_kind kind)
{
	size_t oldest = s->count;

	if (s->kinds[kind] < most_of_kind[kind])
		return true;
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].kind == kind && s->list[i].wanted < s->ticks &&
		    (oldest == s->count || s->list[i].wanted < s->list[oldest].wanted))
			oldest = i;
	if (oldest == s->count)
		return false;
	remove_at(s, oldest);
	return true;
}

/* -ENOSPC is counted. */
static int add(struct subjects *s, enum subject_kind kind, uint64_t id, struct subject **ret)
{
	struct growth_cfg cfg = growth_defaults();
	struct subject x = { .kind = kind, .id = id, .fed_s = -1 };
	size_t at;
	int r;

	if (!s->list)
		s->list = calloc(SUBJECTS_MAX, sizeof(*s->list));
	if (!s->list)
		return -ENOMEM;
	if (!make_room(s, kind)) {
		s->refused++;
		return -ENOSPC;
	}
	r = growth_new(&cfg, &x.growth);
	if (r == 0 && kind == SUBJECT_CLASS) {
		x.past = calloc(1, sizeof(*x.past));
		r = x.past ? 0 : -ENOMEM;
	}
	if (r < 0) {
		subject_done(&x);
		return r;
	}
	at = place_of(s, kind, id);
	memmove(&s->list[at + 1], &s->list[at], (s->count - at) * sizeof(*s->list));
	s->list[at] = x;
	s->count++;
	s->kinds[kind]++;
	*ret = &s->list[at];
	return 0;
}

/* What is no number, or no later than the last point, is no point. */
static int add_point(struct subject *x, double t_s, double value)
{
	int r;

	if (!isfinite(t_s) || !isfinite(value) || !(t_s > x->fed_s))
		return 0;
	r = growth_add(x->growth, t_s, value);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	x->fed_s = t_s;
	x->last = value;
	x->peak = fmax(x->peak, value);
	if (x->past) {
		size_t at = x->past->count++ % SUBJECTS_PAST;

		x->past->t_s[at] = t_s;
		x->past->value[at] = value;
	}
	return 0;
}

static int add_series(struct subject *x, const struct snap_series *series)
{
	int r = 0;

	for (size_t i = 0; i < series->count && r == 0; i++)
		r = add_point(x, series->t_s[i], series->value[i]);
	return r;
}

/* What was fed so far is of another unit. */
static void start_anew(struct subject *x, double t_s)
{
	growth_restart(x->growth, t_s);
	x->fed_s = -1;
	x->peak = x->last = 0;
	if (x->past)
		x->past->count = 0;
}

/* Finds or makes the subject and gives it one point. */
static int feed_one(struct subjects *s, enum subject_kind kind, uint64_t id, bool counted,
		    double t_s, double value)
{
	struct subject *x = find(s, kind, id);
	int r;

	if (!x) {
		r = add(s, kind, id, &x);
		if (r < 0)
			return r == -ENOSPC ? 0 : r;
	}
	x->wanted = s->ticks;
	if (counted != x->counted && x->fed_s >= 0) {
		if (counted)
			return 0; /* bytes were known: a gap, until they are again */
		start_anew(x, t_s);
	}
	x->counted = counted;
	return add_point(x, t_s, (double)value);
}

/* One point a tick: of its history where there is one, else of this moment. */
static int feed_process(struct subjects *s, const struct snapshot *snap,
			const struct ledger *ledger)
{
	uint64_t external = ledger ? ledger->external_bytes : FACT_UNKNOWN;
	struct subject *x = find(s, SUBJECT_PROCESS, 0);
	int r = x ? 0 : add(s, SUBJECT_PROCESS, 0, &x);

	if (r < 0)
		return r;
	if (snap->external_series.count || external == FACT_UNKNOWN)
		return add_series(x, &snap->external_series);
	return add_point(x, snap->elapsed_s, (double)external);
}

struct named {
	uint64_t id;
	double bytes;
};

static int by_id(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* Libraries of one name are one subject: a plugin's binary is often called like that of another. */
static int feed_modules(struct subjects *s, double t_s, const struct snapshot *snap,
			const struct ledger *l)
{
	auto_free struct named *list = calloc(l->module_count + 1, sizeof(*list));
	size_t n = 0;
	int r = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < l->module_count; i++) {
		const struct module_row *row = &l->modules[i];

		if (row->module < snap->module_count && row->bytes != FACT_UNKNOWN)
			list[n++] = (struct named){ subjects_module_id(&snap->modules[row->module]),
						    (double)row->bytes };
	}
	qsort(list, n, sizeof(*list), by_id);
	for (size_t i = 0, k; i < n && r == 0; i = k) {
		double sum = 0;

		for (k = i; k < n && list[k].id == list[i].id; k++)
			sum += list[k].bytes;
		r = feed_one(s, SUBJECT_MODULE, list[i].id, false, t_s, sum);
	}
	return r;
}

/* Classes outside of resident memory are counted where their bytes are not known. */
static int feed_ledger(struct subjects *s, double t_s, const struct snapshot *snap,
		       const struct ledger *l)
{
	int r = 0;

	for (int c = 1; c < CLASS_MAX && r == 0; c++) {
		const struct class_row *row = &l->rows[c];
		bool counted = row->bytes == FACT_UNKNOWN;
		uint64_t value = counted ? row->count : row->bytes;

		if (value != FACT_UNKNOWN && (row->how == HOW_EXACT || row->how == HOW_ESTIMATE))
			r = feed_one(s, SUBJECT_CLASS, (uint64_t)c, counted, t_s, (double)value);
	}
	return r == 0 ? feed_modules(s, t_s, snap, l) : r;
}

static int feed_site(struct subject *x, const struct snapshot *snap, const struct snap_site *site)
{
	const struct snap_series *series = &site->live_bytes_series;
	uint64_t now = site->live_bytes;

	x->counted = suspect_counts_things(site->kind);
	if (x->counted) {
		series = &site->live_count_series;
		now = site->live_count;
	}
	if (series->count || now == FACT_UNKNOWN)
		return add_series(x, series);
	return add_point(x, snap->elapsed_s, (double)now);
}

static int watch_site(struct subjects *s, const struct snapshot *snap, const struct snap_site *site,
		      struct subject **ret)
{
	struct subject *x = find(s, SUBJECT_SITE, site->id);
	int r = x ? 0 : add(s, SUBJECT_SITE, site->id, &x);

	if (r < 0)
		return r;
	x->wanted = s->ticks;
	*ret = x;
	return feed_site(x, snap, site);
}

/* Those watched already, and those that hold most. */
static int feed_sites(struct subjects *s, const struct snapshot *snap)
{
	const struct snap_site *top[SUBJECTS_TOP_SITES];
	struct subject *x;
	size_t n = 0, at;
	int r = 0;

	for (size_t i = 0; i < snap->site_count && r == 0; i++) {
		const struct snap_site *site = &snap->sites[i];

		x = find(s, SUBJECT_SITE, site->id);
		if (x)
			r = feed_site(x, snap, site);
		if (suspect_counts_things(site->kind) || site->live_bytes == FACT_UNKNOWN)
			continue;
		for (at = n; at > 0 && site->live_bytes > top[at - 1]->live_bytes; at--)
			if (at < SUBJECTS_TOP_SITES)
				top[at] = top[at - 1];
		if (at == SUBJECTS_TOP_SITES)
			continue;
		top[at] = site;
		n += n < SUBJECTS_TOP_SITES;
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		r = watch_site(s, snap, top[i], &x);
		if (r == -ENOSPC)
			r = 0;
	}
	return r;
}

int subjects_feed(struct subjects *s, const struct snapshot *snap, const struct ledger *ledger)
{
	int r;

	s->ticks++;
	r = feed_process(s, snap, ledger);
	if (r == 0 && ledger)
		r = feed_ledger(s, snap->elapsed_s, snap, ledger);
	return r == 0 ? feed_sites(s, snap) : r;
}

int subjects_site(struct subjects *s, const struct snapshot *snap, size_t site,
		  const struct growth_opinion **ret)
{
	const struct growth_opinion *o = NULL;
	struct subject *x;
	int r = 0;

	if (site < snap->site_count) {
		r = watch_site(s, snap, &snap->sites[site], &x);
		if (r == 0)
			o = growth_opinion(x->growth);
	}
	if (r < 0 && r != -ENOSPC)
		return r;
	*ret = o && o->shape.pattern != PATTERN_NONE ? o : NULL;
	return 0;
}

double subjects_class_rate(const struct subjects *s, enum resource_class class, double window_s)
{
	const struct subject *x = find(s, SUBJECT_CLASS, class);
	const struct subject_past *p = x ? x->past : NULL;
	uint64_t i = p && p->count > SUBJECTS_PAST ? p->count - SUBJECTS_PAST : 0;
	double span;

	if (!p || p->count < 2 || !(window_s > 0))
		return NAN;
	while (i + 1 < p->count && p->t_s[i % SUBJECTS_PAST] < x->fed_s - window_s)
		i++;
	span = x->fed_s - p->t_s[i % SUBJECTS_PAST];
	if (!(span >= window_s / 2))
		return NAN;
	return (x->last - p->value[i % SUBJECTS_PAST]) / span;
}

const struct growth_opinion *subjects_opinion(const struct subjects *s, enum subject_kind kind,
					      uint64_t id)
{
	const struct subject *x = find(s, kind, id);
	const struct growth_opinion *o = x ? growth_opinion(x->growth) : NULL;

	return o && o->shape.pattern != PATTERN_NONE ? o : NULL;
}

void subjects_judge(struct subjects *s)
{
	for (size_t i = 0; i < s->count; i++)
		growth_judge(s->list[i].growth);
}
