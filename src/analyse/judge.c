/*
 * One tick of judgement: fold sites, ask for an opinion on each group, hold it against what was
 * said before, and pronounce. An opinion becomes a finding when it holds over two ticks; a
 * finding stays until what it holds was freed, or until it proves to be a cache with an end.
 */
#include "analyse/judge.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/companions.h"
#include "analyse/evidence.h"
#include "analyse/fold.h"
#include "analyse/patterns.h"
#include "analyse/records.h"
#include "analyse/subjects.h"
#include "base/cleanup.h"

#define FEW 16 /* fewer things than this are followed by their bytes */

struct judge {
	struct records records;
	struct subjects subjects;
	double last_tick_s; /* NAN before the first */
};

struct tick {
	struct judge *j;
	const struct judge_cfg *cfg;
	const struct snapshot *snap;
	const struct owner *owners;
	const struct ledger *ledger;
	double now_s;
	double external[ROBUST_GRID]; /* when external_points > 0 */
	size_t external_points;
	bool sparse;	  /* ticks are far apart: one must do */
	bool pending;	  /* something is suspect */
	bool settling;	  /* something reported has stopped, not yet for long */
	bool unexplained; /* the process grows steadily and no site does */
	double known_in_s;
};

struct judge_cfg judge_defaults(void)
{
	return (struct judge_cfg){
		.suspect = suspect_defaults(),
		.recommend = recommend_defaults(),
		.min_elapsed_s = 10,	/* start-up and warm-up take seconds everywhere */
		.hold_s = 3,		/* independent enough to square a chance of 1 % */
		.sparse_tick_s = 10,	/* few looks give few chances of a false alarm */
		.sparse_elapsed_s = 20, /* the shortest session that gets an answer */
		.quiet_s = 8,
		.quiet_share = 0.25,
		.quiet_pace = 0.65, /* a table of distinct keys falls to this when time doubles */
		.settled_share = 2,
		.gone_share = 0.5,
		.idle_s = 3,
		.process_bytes = 1 << 20, /* heap tops and arenas move in steps of 132 KiB */
		.process_confidence = 0.6,
		.covered_share = 0.5,
		.contradicted_bytes = 1 << 20,
		.contradicted_share = 0.25,
		.contradicted_factor = 0.7,
	};
}

int judge_new(struct judge **ret)
{
	struct judge *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->records.limit = JUDGE_RECORDS_MAX;
	j->last_tick_s = NAN;
	*ret = j;
	return 0;
}

void judge_free(struct judge *j)
{
	if (!j)
		return;
	records_done(&j->records);
	subjects_done(&j->subjects);
	free(j);
}

void judge_freep(struct judge **j)
{
	judge_free(*j);
}

uint64_t judge_refused(const struct judge *j)
{
	return j->records.refused;
}

/* A group of sites as it stands, before and after its history was looked at. */
struct group {
	const struct fold_member *members;
	size_t count;
	uint64_t key;
	enum mt_site_kind kind;
	struct fold_totals totals;
	struct suspicion s;
	size_t largest[FINDING_PATHS_MAX]; /* indices into snapshot.sites */
	size_t largest_count;		   /* 0: no site is known */
};

/* How much of what a record is about is held, and how much of that sort was ever freed. */
static double held_of(const struct record *r, const struct fold_totals *t)
{
	if (r->opinion == SUSPECT_SURVIVES)
		return survival_sum(t->live_by_age, survival_bucket(r->cut_s));
	return r->by_count ? t->live_count : t->live_bytes;
}

static double freed_of(const struct record *r, const struct fold_totals *t)
{
	if (r->opinion == SUSPECT_SURVIVES)
		return survival_sum(t->freed_by_age, survival_bucket(r->cut_s));
	return t->freed_count;
}

/* Growth of external memory over the last window_s; NAN when it is not known. */
static double external_growth(const struct tick *t, double window_s)
{
	double cells = window_s / t->now_s * (ROBUST_GRID - 1);

	if (t->external_points < 4 || !(cells <= ROBUST_GRID - 1))
		return NAN;
	return t->external[ROBUST_GRID - 1] -
	       t->external[ROBUST_GRID - 1 - (size_t)ceil(fmax(cells, 1))];
}

/* Memory that grows while the process does not: said only where residency is known. */
static bool contradicted(const struct tick *t, const struct group *g, double external)
{
	bool known = t->snap->residency_known && isfinite(external) &&
		     (!t->ledger || isfinite(t->ledger->coverage_ratio));

	return known && !suspect_counts_things(g->kind) &&
	       g->s.growth_bytes >= t->cfg->contradicted_bytes &&
	       external < t->cfg->contradicted_share * g->s.growth_bytes;
}

static uint64_t whole(double v)
{
	return v >= 1 && v < 1.8e19 ? (uint64_t)v : 0;
}

/* Mappings are as large as was asked for: a thread's stack is 8 MB of which 10 kB are there. No
 * more than what became resident is held against them. */
static void count_resident(struct suspicion *s, double external)
{
	double share = fmax(external, 0) / s->growth_bytes;

	s->size_bytes *= share;
	s->bytes_per_s *= share;
}

/* Who asked: the largest site stands for all. Its owner; NULL when nobody knows owners. */
static const struct owner *set_paths(const struct tick *t, const struct group *g, struct finding *f)
{
	for (size_t i = 0; i < g->largest_count; i++)
		f->path[i] =
			(struct finding_path){ t->snap->sites[g->largest[i]].id, g->largest[i] };
	f->path_count = g->largest_count;
	f->paths = g->count;
	f->site = f->path[0].site;
	f->site_id = f->path[0].site_id;
	return t->owners ? &t->owners[f->site] : NULL;
}

/* The finding as this tick sees it, in place of what the record held. */
static int renew_finding(const struct tick *t, const struct group *g, struct record *r)
{
	const struct owner *owner = NULL;
	struct suspicion s = g->s;
	struct evidence e = {
		.s = &g->s,
		.kind = g->kind,
		.allocated_count = g->totals.allocated_count,
		.freed_count = g->totals.freed_count,
		.paths = g->count,
		.process_level = g->largest_count == 0,
		.external_growth_bytes = external_growth(t, g->s.window_s),
	};
	auto_clean(finding_done) struct finding f = {
		.leak_id = g->key,
		.site = SIZE_MAX,
		.class = CLASS_unexplained,
		.pattern = g->s.pattern,
		.active = true,
		.size_bytes = whole(g->s.size_bytes),
		.count = whole(g->s.count),
		.growth_bytes_per_s = g->s.bytes_per_s,
		.growth_count_per_s = g->s.count_per_s,
		.confidence = g->s.confidence,
		.first_seen_s = r->reported ? r->f.first_seen_s : r->hit_since_s,
	};
	enum module_kind module = MODULE_OTHER;
	int res;

	if (g->largest_count)
		owner = set_paths(t, g, &f);
	if (owner) {
		f.class = owner->class;
		module = owner->kind;
	}
	e.contradicted = contradicted(t, g, e.external_growth_bytes);
	if (e.contradicted && g->kind == MT_SITE_HEAP) {
		f.confidence *= t->cfg->contradicted_factor;
	} else if (e.contradicted) {
		count_resident(&s, e.external_growth_bytes);
		f.size_bytes = whole(s.size_bytes);
		f.growth_bytes_per_s = s.bytes_per_s;
	}
	f.type = recommend_leak_type(f.class, g->kind, module);
	f.severity = recommend_severity(&t->cfg->recommend, g->kind, s.size_bytes, s.bytes_per_s,
					s.count, s.count_per_s);
	f.recommendation = strdup(recommend_sentence(f.class, f.type, module));
	if (!f.recommendation)
		return -ENOMEM;
	res = evidence_write(&e, &f);
	if (res < 0)
		return res;
	finding_done(&r->f);
	r->f = f;
	f = (struct finding){};
	return 0;
}

/* A hit is a finding once it held for a while. */
static int note_hit(struct tick *t, const struct group *g, struct record *r)
{
	bool held, by_count;

	if (!r) {
		int res = records_add(&t->j->records, g->key, &r);

		if (res == -ENOSPC)
			t->pending = true;
		if (res < 0)
			return res == -ENOSPC ? 0 : res;
	}
	r->seen = true;
	if (r->hits++ == 0)
		r->hit_since_s = t->now_s;
	held = (r->hits >= 2 && t->now_s - r->hit_since_s >= t->cfg->hold_s) ||
	       (t->sparse && t->now_s >= t->cfg->sparse_elapsed_s);
	if (!held && !(r->reported && r->f.active)) {
		t->pending = true;
		t->known_in_s = fmax(t->known_in_s, t->cfg->hold_s);
		return 0;
	}
	by_count = g->s.opinion == SUSPECT_SURVIVES || suspect_counts_things(g->kind) ||
		   g->s.growth_count >= FEW;
	if (r->opinion != g->s.opinion || r->by_count != by_count)
		r->peak = 0; /* of something else */
	r->opinion = g->s.opinion;
	r->by_count = by_count;
	r->cut_s = g->s.cut_s;
	r->held = held_of(r, &g->totals);
	r->peak = fmax(r->held, r->peak);
	r->pace = r->by_count ? g->s.count_per_s : g->s.bytes_per_s;
	r->freed = freed_of(r, &g->totals);
	r->window_s = g->s.window_s;
	r->last_hit_s = t->now_s;
	r->unsettled = false;
	if (renew_finding(t, g, r) < 0)
		return -ENOMEM;
	r->reported = true;
	return 0;
}

/* Does the rest of the program go on working? If not, growth may have stopped for want of work. */
static bool busy_elsewhere(const struct tick *t, const struct group *g)
{
	size_t m = 0;

	for (size_t i = 0; i < t->snap->site_count; i++) {
		const struct snap_site *site = &t->snap->sites[i];

		if (m < g->count && g->members[m].site == i)
			m++;
		else if (site->allocated_count >= FEW &&
			 site->last_alloc_s >= t->now_s - t->cfg->idle_s)
			return true;
	}
	return false;
}

/* Is what stopped to grow acquitted, and not only out of work? */
static bool went_on_working(const struct tick *t, const struct group *g, const struct record *r)
{
	if (r->opinion == SUSPECT_SURVIVES) /* its short-lived things go on coming */
		return g->totals.last_alloc_s >= t->now_s - t->cfg->idle_s;
	return busy_elsewhere(t, g);
}

/*
 * No hit: what is not yet reported is forgotten, what was reported may be over: when it was
 * freed, or when it stopped to grow as caches do. Where the program stands still, a stop says
 * nothing: survivors stay a leak, and what was only seen to grow leaves the verdict open.
 */
static void note_miss(struct tick *t, const struct group *g, struct record *r)
{
	double held = held_of(r, &g->totals), quiet_s = t->now_s - r->last_hit_s;
	bool survives = r->opinion == SUSPECT_SURVIVES, stopped, freed, works;
	const struct judge_cfg *cfg = t->cfg;

	r->seen = true;
	r->hits = 0;
	if (!r->reported || (!r->f.active && !r->unsettled))
		return;
	stopped = quiet_s >= fmax(cfg->quiet_s, cfg->quiet_share * r->window_s) &&
		  held - r->held < cfg->quiet_pace * r->pace * quiet_s;
	freed = held <= (1 - cfg->gone_share) * r->peak ||
		(r->by_count && freed_of(r, &g->totals) - r->freed >= cfg->gone_share * r->peak);
	works = went_on_working(t, g, r);
	if (stopped && (freed || works || !survives)) {
		r->f.active = false;
		r->unsettled = !freed && (survives ? quiet_s < cfg->settled_share * r->window_s
						   : held <= r->held && !works);
		t->settling = t->settling || r->unsettled;
	}
	if (!survives) {
		r->f.size_bytes = whole(g->totals.live_bytes);
		r->f.count = whole(g->totals.live_count);
	}
}

static bool large_enough(const struct suspect_cfg *cfg, enum mt_site_kind kind,
			 const struct fold_totals *totals)
{
	if (suspect_counts_things(kind))
		return totals->live_count >= cfg->min_things;
	return totals->live_bytes >= cfg->min_bytes ||
	       totals->live_count >= cfg->survival.min_survivors;
}

/* One call path may leak behind the noise of others with the same owner: the worst that does. */
static void judge_members(const struct tick *t, struct group *g)
{
	struct suspect_unit unit;
	struct group best = *g;

	for (size_t i = 0; i < g->count; i++) {
		struct group one = {
			.members = &g->members[i], .count = 1, .key = g->key, .kind = g->kind
		};

		fold_add_totals(&t->snap->sites[one.members->site], &one.totals);
		if (!large_enough(&t->cfg->suspect, g->kind, &one.totals))
			continue;
		fold_unit(t->snap, t->owners, one.members, 1, &unit);
		suspect_judge(&t->cfg->suspect, &unit, &one.s);
		if (one.s.opinion > best.s.opinion ||
		    (one.s.opinion == best.s.opinion && one.s.bytes_per_s > best.s.bytes_per_s))
			best = one;
	}
	*g = best;
}

static int judge_group(struct tick *t, struct group *g)
{
	struct record *r = records_find(&t->j->records, g->key);
	struct suspect_unit unit;

	if (!r && !large_enough(&t->cfg->suspect, g->kind, &g->totals))
		return 0;
	fold_unit(t->snap, t->owners, g->members, g->count, &unit);
	suspect_judge(&t->cfg->suspect, &unit, &g->s);
	if (g->count > 1 && g->s.opinion <= SUSPECT_WATCH)
		judge_members(t, g);
	if (g->s.opinion > SUSPECT_WATCH) {
		g->largest_count = fold_largest(t->snap, g->members, g->count, g->s.cut_s,
						g->largest, FINDING_PATHS_MAX);
		return note_hit(t, g, r);
	}
	if (g->s.opinion == SUSPECT_WATCH) {
		t->pending = true;
		t->known_in_s = fmax(t->known_in_s, g->s.known_in_s + t->cfg->hold_s);
	}
	if (r)
		note_miss(t, g, r);
	return 0;
}

static int judge_sites(struct tick *t)
{
	auto_free struct fold_member *members = NULL;
	int res = fold_sites(t->snap, t->owners, &members);

	for (size_t i = 0, n; res == 0 && i < t->snap->site_count; i += n) {
		struct group g = { .members = &members[i], .key = members[i].key };

		g.kind = t->snap->sites[members[i].site].kind;
		for (n = 0; i + n < t->snap->site_count && members[i + n].key == g.key; n++)
			fold_add_totals(&t->snap->sites[members[i + n].site], &g.totals);
		g.count = n;
		res = judge_group(t, &g);
	}
	return res;
}

/* Bytes per second that active findings explain. */
static double explained_pace(const struct tick *t)
{
	double sum = 0;

	for (size_t i = 0; i < t->j->records.count; i++) {
		const struct record *r = &t->j->records.list[i];

		if (r->reported && r->f.active && r->f.site_id)
			sum += fmax(r->f.growth_bytes_per_s, 0);
	}
	return sum;
}

/*
 * External memory that grew lately, or whose lows are above all former highs, keeps a process
 * without allocator probes from acquittal.
 */
static bool process_grows(const struct tick *t)
{
	size_t last = ROBUST_GRID - 1;
	double high = 0, low = INFINITY;
	struct robust_trend trend;

	for (size_t i = 0; i <= last / 2; i++)
		high = fmax(high, t->external[i]);
	for (size_t i = last * 3 / 4; i <= last; i++)
		low = fmin(low, t->external[i]);
	if (low - high >= t->cfg->process_bytes)
		return true;
	return robust_trend_fit(t->external, last / 2, last, false, &trend) == 0 &&
	       trend.growth >= t->cfg->process_bytes &&
	       trend.significance >= t->cfg->suspect.min_significance;
}

/* Straight growth that is still going on keeps a process from acquittal whatever its sites say:
 * a buffer that doubles, file mappings, arenas that fragment have no site that grows steadily. */
static bool process_grows_steadily(const struct tick *t)
{
	const struct suspect_cfg *cfg = &t->cfg->suspect;
	double least = t->snap->heap_traced ? t->cfg->process_bytes : cfg->min_bytes;
	size_t last = ROBUST_GRID - 1;
	struct robust_trend trend;

	return robust_trend_fit(t->external, last / 2, last, false, &trend) == 0 &&
	       trend.growth >= least && trend.significance >= cfg->min_significance_shape &&
	       trend.weakest_third >= cfg->min_weakest_third && trend.recent >= cfg->min_recent &&
	       trend.slowing + trend.slowing_error < cfg->max_slowing_shape;
}

/* The process as a whole, where allocator probes tell nothing of sites. */
static int judge_process(struct tick *t)
{
	struct group g = { .key = fold_mix(3, CLASS_unexplained), .kind = MT_SITE_MMAP };
	struct suspect_cfg cfg = t->cfg->suspect;
	struct suspect_unit unit = { .kind = g.kind, .now_s = t->now_s };
	struct record *r = records_find(&t->j->records, g.key);

	if (t->external_points < 4)
		return 0;
	if (t->snap->heap_traced) {
		t->unexplained = process_grows_steadily(t);
		return 0;
	}
	cfg.min_bytes = t->cfg->process_bytes;
	memcpy(unit.bytes, t->external, sizeof(unit.bytes));
	unit.live_bytes = t->external[ROBUST_GRID - 1];
	g.totals.live_bytes = unit.live_bytes;
	suspect_judge(&cfg, &unit, &g.s);
	g.s.size_bytes = g.s.growth_bytes;
	g.s.confidence = fmin(g.s.confidence, t->cfg->process_confidence);
	if (g.s.opinion != SUSPECT_NONE &&
	    explained_pace(t) >= t->cfg->covered_share * g.s.bytes_per_s)
		g.s.opinion = SUSPECT_NONE;
	if (g.s.opinion > SUSPECT_WATCH)
		return note_hit(t, &g, r);
	if (g.s.opinion == SUSPECT_WATCH || process_grows(t) || process_grows_steadily(t)) {
		t->pending = true;
		t->known_in_s = fmax(t->known_in_s, cfg.shape_window_s - t->now_s);
	}
	if (r)
		note_miss(t, &g, r);
	return 0;
}

/* Why the verdict is open. */
static const char *open_reason(const struct tick *t)
{
	if (t->pending && !t->snap->heap_traced)
		return "memory grows, and without allocator probes nobody knows for whom";
	if (t->pending)
		return "something grows, but not yet for long enough to call it a leak";
	if (t->settling)
		return "what looked like a leak grows no more: a cache that is full, or a pause";
	return "the process grows steadily, but no call site does: see which class of memory grows";
}

static void pronounce(const struct tick *t, struct findings *f)
{
	double early_s = t->cfg->min_elapsed_s - t->now_s;

	f->known_in_s = NAN;
	if (f->count && f->list[0].active) { /* active ones come first */
		f->verdict = VERDICT_LEAK;
		f->why = "memory or descriptors gather at a steady pace and are not released";
	} else if (!(early_s <= 0)) {
		f->verdict = VERDICT_INCONCLUSIVE;
		f->known_in_s = early_s;
		f->why = "the process was not watched for long enough";
	} else if (t->pending || t->settling || t->unexplained) {
		f->verdict = VERDICT_INCONCLUSIVE;
		f->known_in_s = t->known_in_s > 0 ? t->known_in_s : NAN;
		f->why = open_reason(t);
	} else {
		f->verdict = VERDICT_NO_LEAK;
		f->why = t->snap->heap_traced
				 ? "nothing gathers at a steady pace without being released"
				 : "the process does not grow steadily; its allocations were not "
				   "traced";
	}
}

int judge_tick(struct judge *j, const struct judge_cfg *cfg, const struct judge_input *in,
	       struct findings *ret, struct patterns *ret_patterns)
{
	auto_clean(findings_done) struct findings f = {};
	const struct snapshot *snap = in->snap;
	struct tick t = {
		.j = j,
		.cfg = cfg,
		.snap = snap,
		.owners = in->owners,
		.ledger = in->ledger,
		.now_s = snap->elapsed_s,
	};
	int res;

	t.external_points = robust_grid_add(&snap->external_series, -1, t.now_s, t.external);
	t.sparse = isnan(j->last_tick_s) || t.now_s - j->last_tick_s >= cfg->sparse_tick_s;
	j->last_tick_s = t.now_s;
	res = subjects_feed(&j->subjects, snap, in->ledger);
	if (res == 0)
		res = judge_sites(&t);
	if (res == 0)
		res = judge_process(&t);
	if (res == 0)
		res = records_collect(&j->records, snap, &f);
	if (res < 0)
		return res;
	records_drop_idle(&j->records);
	companions_mark(snap, in->owners, &f);
	pronounce(&t, &f);
	if (ret_patterns)
		res = patterns_build(cfg, &j->subjects, in, &f, ret_patterns);
	if (res < 0)
		return res;
	*ret = f;
	f = (struct findings){};
	return 0;
}
