/* Rows are made anew at each tick from what the subjects' judges think and the findings say. */
#include "analyse/patterns.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/recommend.h"
#include "base/cleanup.h"

#define BOUNDED_PROBABILITY 0.05 /* that memory with an end to fill is lost all the same */
#define SHAPE_PROBABILITY 0.8	 /* highest where lifetimes were looked at and say nothing */

static const char *const class_names[CLASS_MAX] = {
#define CLASS(id, name, resident, summary) [id] = #name,
#include "memtrace/classes.def"
#undef CLASS
};

void patterns_done(struct patterns *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->list[i].recommendation);
	free(p->list);
	*p = (struct patterns){};
}

/* How fast it grows, and when the headroom is used up, if the process goes on as in the window that
 * was judged. */
static void set_forecast(const struct judge_input *in, struct pattern_row *row)
{
	const struct snap_series *series = &in->snap->external_series;
	double headroom = in->limits.kind ? in->limits.bytes - in->limits.used_bytes : NAN;
	struct shape_input points = { series->t_s, series->value, series->count };

	if (!series->count)
		return;
	while (points.n > SHAPE_POINTS_MIN && points.t_s[0] < row->opinion.shape.start_s) {
		points.t_s++;
		points.value++;
		points.n--;
	}
	forecast_limit(&points, &row->opinion.shape, points.value[points.n - 1] + headroom,
		       &row->forecast);
	forecast_set_rate(&row->forecast, &row->opinion.shape);
	if (!row->forecast.known)
		return;
	row->limit_kind = in->limits.kind;
	row->limit_bytes = in->limits.bytes;
}

static uint32_t module_of(const struct snapshot *snap, uint64_t id)
{
	for (size_t i = 0; i < snap->module_count; i++)
		if (subjects_module_id(&snap->modules[i]) == id)
			return (uint32_t)i;
	return SNAP_NO_MODULE;
}

static size_t site_of(const struct snapshot *snap, uint64_t id)
{
	size_t i = 0;

	while (i < snap->site_count && snap->sites[i].id != id)
		i++;
	return i;
}

static const struct owner *owner_of(const struct patterns_input *p, size_t site)
{
	return p->in->owners && site < p->in->snap->site_count ? &p->in->owners[site] : NULL;
}

static bool is_about(const struct patterns_input *p, const struct finding *f,
		     const struct pattern_row *row)
{
	const struct owner *owner = owner_of(p, f->site);
	const struct snapshot *snap = p->in->snap;
	size_t modules = snap->module_count;

	switch (row->kind) {
	case SUBJECT_PROCESS: return true;
	case SUBJECT_CLASS: return f->class == row->class;
	case SUBJECT_MODULE:
		return owner && owner->module < modules && row->module < modules &&
		       subjects_module_id(&snap->modules[owner->module]) ==
			       subjects_module_id(&snap->modules[row->module]);
	case SUBJECT_SITE: break;
	}
	for (size_t i = 0; i < f->path_count; i++)
		if (f->path[i].site_id == row->site_id)
			return true;
	return false;
}

/* The worst active leak that is of this subject. */
static const struct finding *leak_of(const struct patterns_input *p, const struct pattern_row *row)
{
	for (size_t i = 0; i < p->findings->count; i++)
		if (p->findings->list[i].active && is_about(p, &p->findings->list[i], row))
			return &p->findings->list[i];
	return NULL;
}

/* Memory that only fills what was mapped before has an end. */
static bool is_bounded(const struct patterns_input *p, const struct pattern_row *row)
{
	if (row->kind == SUBJECT_CLASS)
		return p->bounded[row->class];
	return row->kind == SUBJECT_PROCESS && p->bounded_per_s > 0 &&
	       p->bounded_per_s >= p->cfg->whole.covered_share * row->opinion.shape.growth_per_s;
}

/* The curve's verdict in the light of what else is known. */
static void set_verdict(const struct patterns_input *p, const struct finding *leak,
			struct pattern_row *row)
{
	struct growth_opinion *o = &row->opinion;

	if (leak) {
		o->verdict = GROWTH_LEAK;
		o->leak_probability = fmax(leak->confidence,
					   row->kind == SUBJECT_PROCESS ? o->leak_probability : 0);
		o->known_in_s = NAN;
		if (isnan(o->since_s))
			o->since_s = leak->first_seen_s;
	} else if (is_bounded(p, row)) {
		o->leak_probability = fmin(o->leak_probability, BOUNDED_PROBABILITY);
		if (o->verdict != GROWTH_TOO_SHORT)
			o->verdict = GROWTH_NONE;
	} else if (o->verdict == GROWTH_LEAK) { /* the judge knows better, or does not know yet */
		o->verdict = GROWTH_SUSPECT;
		o->leak_probability = fmin(o->leak_probability, SHAPE_PROBABILITY);
	}
}

static enum severity severity_of(const struct patterns_input *p, const struct finding *leak,
				 const struct pattern_row *row)
{
	const struct shape *s = &row->opinion.shape;
	enum severity own = SEVERITY_LOW;
	struct severity_figures f = { .bytes = s->total_growth,
				      .bytes_per_s = s->growth_per_s,
				      .confidence = row->opinion.leak_probability };

	if (row->counted)
		f = (struct severity_figures){ .count = s->total_growth,
					       .count_per_s = s->growth_per_s,
					       .confidence = row->opinion.leak_probability };
	if (shape_grows(s))
		own = severity_judge(&p->cfg->severity, &f);
	return leak && leak->severity > own ? leak->severity : own;
}

/* Growth over its peak that ended: live memory fell by about what the allocator now keeps. */
static bool keeps_a_peak(const struct patterns_input *p, const struct pattern_row *row)
{
	static const enum resource_class live[] = { CLASS_application, CLASS_native_modules,
						    CLASS_buffers };
	const struct ledger *l = p->in->ledger;
	double kept, fell = 0;

	if (row->class != CLASS_allocator_slack || !l || shape_grows(&row->opinion.shape) ||
	    l->rows[CLASS_allocator_slack].bytes == FACT_UNKNOWN)
		return false;
	kept = (double)l->rows[CLASS_allocator_slack].bytes;
	for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++) {
		const struct subject *x = subjects_find(p->subjects, SUBJECT_CLASS, live[i]);

		if (x && !x->counted)
			fell += x->peak - x->last;
	}
	return kept >= p->cfg->slack.min_bytes && fell >= kept / 2 &&
	       kept >= p->cfg->slack.min_share * (double)l->external_bytes;
}

static enum module_kind kind_of_module(const struct ledger *l, uint32_t module)
{
	for (size_t i = 0; l && i < l->module_count; i++)
		if (l->modules[i].module == module)
			return l->modules[i].kind;
	return MODULE_OTHER;
}

/* What kind of thing it is, for the choice of a sentence. */
static void set_kind(const struct patterns_input *p, const struct pattern_row *row,
		     struct recommend_who *who, struct recommend_facts *f)
{
	const struct snapshot *snap = p->in->snap;
	enum mt_site_kind kind = 0;
	const struct owner *owner;
	size_t site;

	*who = (struct recommend_who){};
	f->class = row->class;
	if (row->kind == SUBJECT_SITE) {
		site = site_of(snap, row->site_id);
		owner = owner_of(p, site);
		recommend_find_who(snap, site, owner, who);
		f->class = owner ? owner->class : CLASS_NONE;
		f->module = owner ? owner->kind : MODULE_OTHER;
		kind = site < snap->site_count ? snap->sites[site].kind : kind;
	} else if (row->kind == SUBJECT_MODULE && row->module < snap->module_count) {
		f->class = CLASS_native_modules;
		f->module = kind_of_module(p->in->ledger, row->module);
		f->owner = snap->modules[row->module].name;
	}
	f->type = recommend_leak_type(f->class, kind, f->module);
}

static int add_recommendation(const struct patterns_input *p, const struct finding *leak,
			      const char *leak_site, const struct subject *x,
			      struct pattern_row *row)
{
	const struct growth_opinion *o = &row->opinion;
	bool calm = o->shape.pattern == PATTERN_SPIKE || o->shape.pattern == PATTERN_OSCILLATING;
	struct recommend_who who;
	struct recommend_facts f = {
		.subject = row->kind,
		.pattern = o->shape.pattern,
		.runtime = p->in->runtime,
		.size_bytes = row->counted ? NAN : x->last,
		.bytes_per_s = row->counted ? NAN : o->shape.growth_per_s,
		.count = row->counted ? x->last : NAN,
	};
	int r;

	if (leak && row->kind != SUBJECT_PROCESS) {
		row->recommendation = strdup(leak->recommendation);
		return row->recommendation ? 0 : -ENOMEM;
	}
	set_kind(p, row, &who, &f);
	f.site = row->kind == SUBJECT_PROCESS ? leak_site : who.site;
	f.owner = f.owner ? f.owner : who.owner;
	f.peer = who.peer;
	f.class_name = p->class == CLASS_unexplained ? NULL : class_names[p->class];
	if (keeps_a_peak(p, row)) {
		r = recommend_slack(&f, &row->recommendation);
		return r == -ENODATA ? 0 : r;
	}
	if (!calm && (o->verdict < GROWTH_SUSPECT || !shape_grows(&o->shape)))
		return 0;
	return recommend_write(&f, &row->recommendation);
}

/* A site or a module may be gone; what is kept of it is for when it comes back. */
static bool is_there(const struct snapshot *snap, const struct pattern_row *row)
{
	if (row->kind == SUBJECT_SITE)
		return site_of(snap, row->site_id) < snap->site_count;
	return row->kind != SUBJECT_MODULE || row->module != SNAP_NO_MODULE;
}

/* A row for x, or none; p->count does not change then. */
static int add_row(const struct patterns_input *p, const struct subject *x, struct patterns *all)
{
	struct pattern_row *row = &all->list[all->count];
	struct recommend_who who = {};
	const struct finding *leak;
	int r;

	*row = (struct pattern_row){
		.kind = x->kind,
		.counted = x->counted,
		.class = x->kind == SUBJECT_CLASS ? (enum resource_class)x->id : CLASS_NONE,
		.module =
			x->kind == SUBJECT_MODULE ? module_of(p->in->snap, x->id) : SNAP_NO_MODULE,
		.site_id = x->kind == SUBJECT_SITE ? x->id : 0,
		.opinion = *growth_opinion(x->growth),
		.limit_bytes = NAN,
	};
	if (row->opinion.shape.pattern == PATTERN_NONE || !(x->peak > 0) ||
	    !is_there(p->in->snap, row))
		return 0;
	leak = leak_of(p, row);
	set_verdict(p, leak, row);
	if (x->kind == SUBJECT_PROCESS)
		set_forecast(p->in, row);
	row->severity = severity_of(p, leak, row);
	if (x->kind == SUBJECT_PROCESS && leak)
		recommend_find_who(p->in->snap, leak->site, owner_of(p, leak->site), &who);
	r = add_recommendation(p, leak, who.site, x, row);
	if (r == 0)
		all->count++;
	return r;
}

static int by_kind_and_growth(const void *a, const void *b)
{
	const struct pattern_row *x = a, *y = b;
	double gx = x->opinion.shape.growth_per_s, gy = y->opinion.shape.growth_per_s;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->counted != y->counted)
		return x->counted ? 1 : -1;
	return (gx < gy) - (gx > gy);
}

int patterns_build(const struct patterns_input *p, struct patterns *ret)
{
	auto_clean(patterns_done) struct patterns all = {};
	int r = 0;

	all.list = calloc(p->subjects->count ? p->subjects->count : 1, sizeof(*all.list));
	if (!all.list)
		return -ENOMEM;
	for (size_t i = 0; i < p->subjects->count && r == 0; i++)
		r = add_row(p, &p->subjects->list[i], &all);
	if (r < 0)
		return r;
	qsort(all.list, all.count, sizeof(*all.list), by_kind_and_growth);
	*ret = all;
	all = (struct patterns){};
	return 0;
}
