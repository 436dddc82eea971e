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

#include "analyse/collections.h"
#include "analyse/companions.h"
#include "analyse/conserve.h"
#include "analyse/finding.h"
#include "analyse/fold.h"
#include "analyse/patterns.h"
#include "analyse/plumbing.h"
#include "analyse/recent.h"
#include "analyse/records.h"
#include "analyse/subjects.h"
#include "base/cleanup.h"

#define FEW 16 /* fewer things than this are followed by their bytes */

struct judge {
	struct records records;
	struct subjects subjects;
	struct whole_reserve reserve;
	struct recent recent;
	struct collections collections;
	struct turnover turnover;
	double last_tick_s;   /* NAN before the first */
	bool sparse;	      /* that tick was */
	double claimed_per_s; /* growth that windows showed at that tick, of all sites */
};

struct tick {
	struct judge *j;
	const struct judge_cfg *cfg;
	const struct judge_input *in;
	const struct snapshot *snap; /* of in, as are owners */
	const struct owner *owners;
	double now_s;
	const struct growth_opinion *shape; /* of the process; NULL: none yet */
	double external[ROBUST_GRID];	    /* when external_points > 0 */
	size_t external_points;
	bool sparse;	  /* ticks are far apart: one must do */
	bool again;	  /* the same instant, of which more is known now */
	bool pending;	  /* something is suspect */
	bool settling;	  /* something reported has stopped, not yet for long */
	bool uncollected; /* pending, and its collector has not run */
	bool unexplained; /* the process grows steadily and no site does */
	double known_in_s;
	struct conserve process;
	double claimed_per_s;	 /* by all sites, as windows show */
	bool bounded[CLASS_MAX]; /* see whole.h */
	double bounded_per_s;
	enum resource_class growing; /* the class that is most of the growth */
};

struct judge_cfg judge_defaults(void)
{
	return (struct judge_cfg){
		.suspect = suspect_defaults(),
		.severity = severity_defaults(),
		.fusion = fusion_defaults(),
		.whole = whole_defaults(),
		.slack = { 16e6, 0.3 }, /* less is what any program leaves behind */
		.min_elapsed_s = 10,	/* start-up and warm-up take seconds everywhere */
		.known_factor = 2,	/* others begin to grow meanwhile */
		.hold_s = 3,		/* independent enough to square a chance of 1 % */
		.sparse_tick_s = 10,	/* few looks give few chances of a false alarm */
		.sparse_elapsed_s = 20, /* the shortest session that gets an answer */
		.quiet_s = 8,
		.quiet_share = 0.25,
		.quiet_pace = 0.65, /* a table of distinct keys falls to this when time doubles */
		.settled_share = 2,
		.gone_share = 0.5,
		.visible_bytes = 256 << 10, /* heap tops move in steps of 132 KiB */
		.books_share = 0.01,	    /* Java's remembered sets: 0.1 % where they are few */
		.idle_s = 3,
		.drowned_share = 0.02, /* what looked live in a busy node had 0.05 % */
		.in_flight = 2,	       /* one, for each of two call paths that are judged as one */
		.certain_least = 0.4,
	};
}

int judge_new(struct judge **ret)
{
	struct judge *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->records.limit = JUDGE_RECORDS_MAX;
	j->recent.limit = JUDGE_RECENT_MAX;
	collections_init(&j->collections);
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
	recent_done(&j->recent);
	free(j);
}

void judge_freep(struct judge **j)
{
	judge_free(*j);
}

uint64_t judge_refused(const struct judge *j)
{
	return j->records.refused + j->recent.refused;
}

/* A group of sites as it stands, before and after its history was looked at. */
struct group {
	const struct fold_member *members;
	size_t count;
	uint64_t key;
	enum mt_site_kind kind;
	struct fold_totals totals;
	struct survival_recent recent[RECENT_SPANS];
	size_t recent_count;
	bool windowed; /* seen through windows: hardly an end of what lives for long is */
	double left;   /* observations whose end was not seen, of those live when a window closed */
	double weight; /* as in struct suspect_unit */
	struct suspicion s;
	enum resource_class class;	   /* where no site is known */
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

/* What was sure once does not become less so while it goes on. */
static double confidence_of(const struct group *g, struct record *r)
{
	bool same = r->f.active && r->f.confirmed && g->s.opinion == SUSPECT_SURVIVES;

	r->surest = fmax(g->s.confidence, same ? r->surest : 0);
	return r->surest;
}

/* The finding as this tick sees it, in place of what the record held. */
static int renew_finding(const struct tick *t, const struct group *g, struct record *r)
{
	struct suspicion s = g->s;
	struct finding_input in = {
		.cfg = t->cfg,
		.in = t->in,
		.subjects = &t->j->subjects,
		.process = t->shape,
		.external_growth_bytes = conserve_growth(&t->process, g->s.window_s),
		.s = &s,
		.kind = g->kind,
		.key = g->key,
		.class = g->class,
		.totals = &g->totals,
		.paths = g->count,
		.largest = g->largest,
		.largest_count = g->largest_count,
		.first_seen_s = r->reported ? r->f.first_seen_s : r->hit_since_s,
	};
	struct finding f;
	int res;

	s.confidence = confidence_of(g, r);
	res = finding_write(&in, &f);

	if (res < 0)
		return res;
	finding_done(&r->f);
	r->f = f;
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
	r->unseen_since_s = NAN;
	if (t->again && r->missed_s == t->now_s && !r->hits)
		r->hits = r->hits_before; /* the miss was of a tick that was told in part */
	if (r->hits == 0)
		r->hit_since_s = t->now_s;
	r->hits += r->hits == 0 || r->hit_s < t->now_s;
	r->hit_s = t->now_s;
	held = g->s.at_once || (r->hits >= 2 && t->now_s - r->hit_since_s >= t->cfg->hold_s) ||
	       (t->sparse && t->now_s >= t->cfg->sparse_elapsed_s);
	if (!held && !(r->reported && r->f.active)) {
		t->pending = true;
		t->known_in_s = fmax(t->known_in_s, t->cfg->known_factor * t->cfg->hold_s);
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
	double held = held_of(r, &g->totals), quiet_s = t->now_s - r->last_hit_s, grown;
	bool survives = r->opinion == SUSPECT_SURVIVES, stopped, freed, works;
	const struct judge_cfg *cfg = t->cfg;

	r->seen = true;
	r->unseen_since_s = NAN;
	if (t->again)
		return;
	r->hits_before = r->hits;
	r->missed_s = t->now_s;
	r->hits = 0;
	if (!r->reported || (!r->f.active && !r->unsettled))
		return;
	grown = held - r->held;
	if (g->windowed)
		grown *= conserve_real_share(&t->process, quiet_s);
	stopped = quiet_s >= fmax(cfg->quiet_s, cfg->quiet_share * r->window_s) &&
		  grown < cfg->quiet_pace * r->pace * quiet_s;
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
		r->f.size_bytes = finding_figure(g->totals.live_bytes);
		r->f.count = finding_figure(g->totals.live_count);
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

/* An opinion of the group by itself, and what it rests on. */
static void form_opinion(const struct tick *t, const struct suspect_unit *unit, struct group *g)
{
	g->windowed = unit->exposed > 0;
	g->weight = fmax(unit->weight, 1);
	g->left = unit->left / g->weight;
	suspect_judge(&t->cfg->suspect, unit, &g->s);
}

/* One call path may leak behind the noise of others with the same owner: the worst that does. */
static void judge_members(const struct tick *t, bool told, struct group *g)
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
		unit.collections = &t->j->collections;
		unit.told = told;
		form_opinion(t, &unit, &one);
		if (one.s.opinion > best.s.opinion ||
		    (one.s.opinion == best.s.opinion && one.s.bytes_per_s > best.s.bytes_per_s))
			best = one;
	}
	*g = best;
}

/* What was only seen to grow: the process has not grown by it since probes went out. */
static bool has_stopped_unseen(const struct tick *t, const struct record *r)
{
	double unseen_s = t->now_s - r->unseen_since_s, pace = r->f.growth_bytes_per_s;

	return r->opinion != SUSPECT_SURVIVES && unseen_s >= t->cfg->quiet_s &&
	       pace * unseen_s >= t->cfg->visible_bytes &&
	       conserve_lacks(&t->process, pace, unseen_s);
}

/* Probes are out: what was known of the heap stands as long as the process goes on as it says. */
static void note_unseen(struct tick *t, struct record *r)
{
	r->seen = true;
	r->last_hit_s = t->now_s;
	r->hits_before = r->hits;
	if (isnan(r->unseen_since_s))
		r->unseen_since_s = t->now_s;
	if (!r->reported || !(r->f.active || r->unsettled))
		return;
	if (has_stopped_unseen(t, r)) {
		r->f.active = false;
		r->unsettled = true;
	}
	t->settling |= r->unsettled;
}

/* Shared memory and files that were mapped before are touched page by page, up to their end. */
static bool fills_what_was_mapped(const struct tick *t, const struct group *g)
{
	enum touched touched = t->snap->sites[g->members->site].touched;

	return (touched == TOUCHED_SHM && t->bounded[CLASS_shared_memory]) ||
	       (touched == TOUCHED_FILE && t->bounded[CLASS_mapped_files]);
}

/* What a runtime maps for its own heap is not external memory: nobody but itself can lose it. */
static bool is_managed(const struct tick *t, const struct group *g)
{
	double managed = 0;

	for (size_t i = 0; i < g->count; i++)
		managed += (double)t->snap->sites[g->members[i].site].managed_bytes;
	return managed > g->totals.live_bytes / 2;
}

/*
 * What a runtime's own code holds to manage its heap, such as Java's remembered sets, grows with
 * that, and is none of the program's. Buffers are the program's.
 */
static bool keeps_books(const struct tick *t, const struct group *g)
{
	const struct owner *o = t->owners ? &t->owners[g->members->site] : NULL;

	return o && g->s.opinion > SUSPECT_NONE && g->s.opinion < SUSPECT_SURVIVES &&
	       o->class != CLASS_buffers && o->module < t->snap->module_count &&
	       plumbing_is_language(t->snap->rules, &t->snap->modules[o->module]) &&
	       g->s.growth_bytes <= t->cfg->books_share * whole_heap_gain(&t->j->reserve, t->snap);
}

/*
 * Of what dies young, a block or two are live at the moment when a window closes, and if their
 * memory is taken outside of windows they look live for ever. So little is believed only when the
 * process shows it. A busy server has one for each of its connections, and what leaks beside takes
 * their memory: of growth that is many times as large they are no part.
 */
static bool is_in_flight(const struct tick *t, const struct group *g, const struct claim *claim)
{
	if (!g->windowed || g->s.opinion != SUSPECT_SURVIVES)
		return false;
	return conserve_drowns(&t->process, claim) ||
	       (g->left <= t->cfg->in_flight * (double)t->snap->windows &&
		!conserve_shows(&t->process, claim));
}

/*
 * How much of an estimate is there at least, by its error: windows weigh blocks by the work that is
 * done in them, and what comes by the clock weighs too much where probes slow the program down.
 */
static double certain_share(const struct tick *t, const struct group *g)
{
	double error = 0;

	for (size_t i = 0; i < g->count; i++)
		error = hypot(error, t->snap->sites[g->members[i].site].live_error_bytes);
	return fmin(fmax(1 - error / fmax(g->totals.live_bytes, 1), t->cfg->certain_least), 1);
}

/*
 * What a group of traced blocks is said to grow by, against what the process says. Where others
 * that gather are replacing what was there, survivors of one may be lost all the same.
 */
static bool is_taken_back(struct tick *t, const struct group *g)
{
	struct claim claim = { g->s.bytes_per_s, g->s.count_per_s, g->s.window_s, g->weight };
	bool survives = g->s.opinion == SUSPECT_SURVIVES;
	const struct conserve *p = &t->process;

	if (g->s.opinion < SUSPECT_WATCH || g->kind != MT_SITE_HEAP ||
	    t->snap->sites[g->members->site].touched || !(claim.bytes_per_s > 0))
		return false;
	if (is_in_flight(t, g, &claim))
		return true;
	if (g->windowed)
		t->claimed_per_s += claim.bytes_per_s;
	if (conserve_is_replacing(p, &claim, false)) {
		t->pending |= survives && !(g->windowed && conserve_is_replacing(p, &claim, true));
		return true;
	}
	claim.bytes_per_s *= certain_share(t, g);
	if (!g->windowed ||
	    !conserve_contradicts(p, &claim, fmax(t->claimed_per_s, t->j->claimed_per_s)))
		return false;
	t->pending = true;
	return true;
}

static int judge_group(struct tick *t, struct group *g)
{
	struct record *r = records_find(&t->j->records, g->key);
	struct suspect_unit unit;

	if (fills_what_was_mapped(t, g) || is_managed(t, g))
		return 0; /* a record of it is not seen any more, which ends it */
	if (g->kind == MT_SITE_HEAP && !t->snap->heap_traced &&
	    !t->snap->sites[g->members->site].touched) {
		if (r)
			note_unseen(t, r);
		return 0;
	}
	if (!r && !large_enough(&t->cfg->suspect, g->kind, &g->totals))
		return 0;
	fold_unit(t->snap, t->owners, g->members, g->count, &unit);
	unit.collections = &t->j->collections;
	unit.told = r && r->reported && r->f.active;
	unit.recent = g->recent;
	unit.recent_count = g->recent_count;
	form_opinion(t, &unit, g);
	if (g->count > 1 && g->s.opinion <= SUSPECT_WATCH)
		judge_members(t, unit.told, g);
	if (keeps_books(t, g))
		g->s = (struct suspicion){ .opinion = SUSPECT_NONE };
	if (is_taken_back(t, g))
		return 0;
	if (g->s.opinion > SUSPECT_WATCH) {
		g->largest_count = fold_largest(t->snap, g->members, g->count, g->s.cut_s,
						g->largest, FINDING_PATHS_MAX);
		return note_hit(t, g, r);
	}
	if (g->s.opinion == SUSPECT_WATCH) {
		t->pending = true;
		t->uncollected |= g->s.uncollected;
		t->known_in_s = fmax(t->known_in_s,
				     t->cfg->known_factor * g->s.known_in_s + t->cfg->hold_s);
	}
	if (r)
		note_miss(t, g, r);
	return 0;
}

/*
 * Who asked for more of the break is whoever happened to find it full: where it is known who fills
 * it, that alone is judged.
 */
static bool knows_who_fills_heap(const struct snapshot *snap)
{
	for (size_t i = 0; i < snap->site_count; i++)
		if (snap->sites[i].touched == TOUCHED_HEAP && snap->sites[i].live_count)
			return true;
	return false;
}

static int judge_sites(struct tick *t)
{
	auto_free struct fold_member *members = NULL;
	struct recent *recent = &t->j->recent;
	bool filled = knows_who_fills_heap(t->snap);
	int res = fold_sites(t->snap, t->owners, &members);

	recent_begin(recent);
	for (size_t i = 0, n; res == 0 && i < t->snap->site_count; i += n) {
		struct group g = { .members = &members[i], .key = members[i].key };

		g.kind = t->snap->sites[members[i].site].kind;
		for (n = 0; i + n < t->snap->site_count && members[i + n].key == g.key; n++)
			fold_add_totals(&t->snap->sites[members[i + n].site], &g.totals);
		g.count = n;
		if (filled && g.kind == MT_SITE_BRK)
			continue;
		if (g.totals.freed_count >= t->cfg->suspect.survival.min_freed)
			res = recent_add(recent, g.key, t->now_s, g.totals.allocated_count,
					 g.totals.freed_by_age, g.recent, &g.recent_count);
		if (res == 0)
			res = judge_group(t, &g);
	}
	recent_end(recent);
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

/* Which class is most of the growth, and how much of it fills mappings that were there before. */
static void look_at_classes(struct tick *t)
{
	double highest = t->shape ? t->shape->shape.growth_per_s / 2 : INFINITY;

	t->growing = CLASS_unexplained;
	for (int c = 1; c < CLASS_MAX && t->in->ledger; c++) {
		const struct growth_opinion *o =
			subjects_opinion(&t->j->subjects, SUBJECT_CLASS, (uint64_t)c);

		if (!o || c == CLASS_kernel_socket_buffers ||
		    t->in->ledger->rows[c].bytes == FACT_UNKNOWN)
			continue;
		if (t->bounded[c])
			t->bounded_per_s += fmax(o->shape.growth_per_s, 0);
		if (o->shape.growth_per_s > fmax(highest, 0)) {
			highest = o->shape.growth_per_s;
			t->growing = (enum resource_class)c;
		}
	}
}

/* The process as a whole: what no site explains. */
static int judge_process(struct tick *t)
{
	struct group g = { .key = fold_mix(3, CLASS_unexplained), .kind = MT_SITE_MMAP };
	struct record *r = records_find(&t->j->records, g.key);
	struct whole_input in = {
		.growth = t->shape,
		.external = t->external_points < 4 ? NULL : t->external,
		.now_s = t->now_s,
		.heap_traced = t->snap->heap_traced,
		.explained_per_s = explained_pace(t),
	};
	struct whole w;

	look_at_classes(t);
	in.bounded_per_s = t->bounded_per_s;
	g.class = t->growing;
	w = whole_judge(&t->cfg->whole, &in);
	g.s = w.s;
	g.totals.live_bytes = t->external_points ? t->external[ROBUST_GRID - 1] : 0;
	if (w.kind == WHOLE_LEAK)
		return note_hit(t, &g, r);
	if (w.kind == WHOLE_GROWS) {
		*(t->snap->heap_traced ? &t->unexplained : &t->pending) = true;
		t->known_in_s = fmax(t->known_in_s, w.known_in_s);
	}
	if (r)
		note_miss(t, &g, r);
	if (r && whole_is_explained(&t->cfg->whole, &in))
		r->f.active = r->unsettled = false; /* its sites were found meanwhile */
	return 0;
}

/* Why the verdict is open. */
static const char *open_reason(const struct tick *t)
{
	if (t->pending && !t->snap->heap_traced)
		return "memory grows, and without allocator probes nobody knows for whom";
	if (t->pending && t->uncollected)
		return t->in->runtime && !strcmp(t->in->runtime, "jvm")
			       ? "something grows that a garbage collector frees, and it has not "
				 "run meanwhile: known after its next run ('jcmd PID GC.run' "
				 "makes one)"
			       : "something grows that a garbage collector frees, and it has not "
				 "run meanwhile: known after its next run";
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
		f->known_in_s = fmax(early_s, t->known_in_s);
		f->why = "the process was not watched for long enough";
	} else if (t->pending || t->settling || t->unexplained) {
		f->verdict = VERDICT_INCONCLUSIVE;
		f->known_in_s =
			t->known_in_s > 0 && !(t->pending && t->uncollected) ? t->known_in_s : NAN;
		f->why = open_reason(t);
	} else {
		f->verdict = VERDICT_NO_LEAK;
		f->why = t->snap->heap_traced
				 ? "nothing gathers at a steady pace without being released"
				 : "the process does not grow steadily; its allocations were not "
				   "traced";
	}
}

static int tell_patterns(const struct tick *t, const struct findings *f, struct patterns *ret)
{
	struct patterns_input p = {
		.cfg = t->cfg,
		.in = t->in,
		.subjects = &t->j->subjects,
		.findings = f,
		.bounded = t->bounded,
		.bounded_per_s = t->bounded_per_s,
		.class = t->growing,
	};

	return patterns_build(&p, ret);
}

static double unexplained_of(const struct ledger *l)
{
	uint64_t bytes = l ? l->rows[CLASS_unexplained].bytes : FACT_UNKNOWN;

	return bytes == FACT_UNKNOWN ? NAN : (double)bytes;
}

/* Counts of the tick; without a ledger those of the sites that are known. */
static struct turnover_point turnover_of(const struct judge_input *in)
{
	const struct snapshot *snap = in->snap;
	struct turnover_point p = { .t_s = snap->elapsed_s, .born = NAN, .freed = NAN };

	if (!snap->heap_traced)
		p.live_bytes = p.live_count = NAN;
	if (snap->turnover.known) {
		p.born = (double)snap->turnover.born;
		p.freed = (double)snap->turnover.freed;
	}
	if (in->ledger && in->ledger->live_bytes != FACT_UNKNOWN) {
		p.live_bytes = (double)in->ledger->live_bytes;
		p.live_count = (double)in->ledger->live_count;
		return p;
	}
	for (size_t i = 0; i < snap->site_count; i++) {
		const struct snap_site *site = &snap->sites[i];

		if (site->kind == MT_SITE_HEAP && !site->touched) {
			p.live_bytes += (double)site->live_bytes;
			p.live_count += (double)site->live_count;
		}
	}
	return p;
}

int judge_tick(struct judge *j, const struct judge_cfg *cfg, const struct judge_input *in,
	       struct findings *ret, struct patterns *ret_patterns)
{
	auto_clean(findings_done) struct findings f = {};
	const struct snapshot *snap = in->snap;
	struct tick t = {
		.j = j,
		.cfg = cfg,
		.in = in,
		.snap = snap,
		.owners = in->owners,
		.now_s = snap->elapsed_s,
	};
	int res;

	t.external_points = robust_grid_add(&snap->external_series, -1, t.now_s, t.external);
	t.again = t.now_s == j->last_tick_s;
	t.process = (struct conserve){ cfg, snap, &j->subjects, &j->turnover,
				       t.external_points < 4 ? NULL : t.external };
	if (!t.again) {
		struct turnover_point now = turnover_of(in);

		turnover_add(&j->turnover, &now);
		j->sparse = isnan(j->last_tick_s) || t.now_s - j->last_tick_s >= cfg->sparse_tick_s;
	}
	t.sparse = j->sparse;
	j->last_tick_s = t.now_s;
	res = subjects_feed(&j->subjects, snap, in->ledger);
	if (res == 0 && in->final)
		subjects_judge(&j->subjects);
	t.shape = subjects_opinion(&j->subjects, SUBJECT_PROCESS, 0);
	collections_look(&j->collections, snap);
	whole_find_bounded(&j->reserve, snap, unexplained_of(in->ledger), t.bounded);
	if (res == 0)
		res = judge_sites(&t);
	j->claimed_per_s = t.claimed_per_s;
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
		res = tell_patterns(&t, &f, ret_patterns);
	if (res < 0)
		return res;
	*ret = f;
	f = (struct findings){};
	return 0;
}
