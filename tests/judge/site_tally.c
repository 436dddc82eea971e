/* Verdicts against the truth. A unit is all sites of one owner, under the owner's number. */
#include "site_tally.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define OLD_S 32
#define LOOKS_MAX (ENGINE_SECONDS / 5 + 1)
#define SURE 0.8 /* correlation */
#define QUARTER_SIGMAS 4
#define SLACK_S 5.0 /* a verdict that falls due between two looks */

struct seen {
	double first_s[SITE_DETECTORS]; /* INFINITY: never */
	bool now[SITE_DETECTORS];
	double first_confidence, confidence; /* of the finding; 0 without */
	bool first_right;
};

struct site_run {
	const struct corpus_process *p; /* borrowed */
	struct judge *judge;
	struct judge_cfg cfg;
	struct findings f; /* of the last tick */
	struct seen unit[ENGINE_SITES];
	float old[ENGINE_SITES][LOOKS_MAX]; /* things older than OLD_S, by site and look */
	size_t looks;
	double due_s; /* when an open verdict was to be known; NAN: none open */
	bool untold;
	size_t open_told, open_kept, open_untold;
	bool top_right;
};

int site_run_new(const struct corpus_process *p, struct site_run **ret)
{
	auto_clean(site_run_freep) struct site_run *run = calloc(1, sizeof(*run));

	if (!run || judge_new(&run->judge) < 0)
		return -ENOMEM;
	run->p = p;
	run->cfg = judge_defaults();
	run->due_s = NAN;
	for (size_t i = 0; i < ENGINE_SITES; i++)
		for (int d = 0; d < SITE_DETECTORS; d++)
			run->unit[i].first_s[d] = INFINITY;
	*ret = steal(run);
	return 0;
}

void site_run_freep(struct site_run **run)
{
	if (!*run)
		return;
	findings_done(&(*run)->f);
	judge_free((*run)->judge);
	free(*run);
}

static double correlation(const struct snap_series *s)
{
	double n = (double)s->count, t = 0, v = 0, tv = 0, tt = 0, vv = 0;

	if (s->count < 10)
		return 0;
	for (size_t i = 0; i < s->count; i++) {
		t += s->t_s[i] / n;
		v += s->value[i] / n;
	}
	for (size_t i = 0; i < s->count; i++) {
		double x = s->t_s[i] - t, y = s->value[i] - v;

		tv += x * y;
		tt += x * x;
		vv += y * y;
	}
	return vv > 0 && tt > 0 ? tv / sqrt(tt * vv) : 0;
}

static bool old_ones_grow(const float *old, size_t looks)
{
	double first, last;

	if (looks < 16)
		return false;
	first = old[looks / 4];
	last = old[looks - 1];
	for (size_t q = 1; q < 4; q++)
		if (old[looks * q / 4] >= old[looks * (q + 1) / 4 - (q == 3)])
			return false;
	return last - first > QUARTER_SIGMAS * sqrt(last + first + 1);
}

static void note(struct seen *u, enum site_detector d, double now_s)
{
	u->now[d] = true;
	u->first_s[d] = fmin(u->first_s[d], now_s);
}

static void look_simply(struct site_run *run, const struct snapshot *snap)
{
	for (size_t i = 0; i < snap->site_count; i++) {
		const struct snap_site *s = &snap->sites[i];
		size_t at = s->id - 1000;
		struct seen *u = &run->unit[run->p->engine.site[at].owner];
		double old = 0;

		for (int b = survival_bucket(OLD_S); b < MT_AGE_BUCKETS; b++)
			old += (double)s->live_by_age[b];
		run->old[at][run->looks] = (float)old;
		if (correlation(&s->live_bytes_series) > SURE)
			note(u, SITE_GROWTH, snap->elapsed_s);
		if (old_ones_grow(run->old[at], run->looks + 1))
			note(u, SITE_OLD, snap->elapsed_s);
	}
}

static void look_at_findings(struct site_run *run, double now_s)
{
	const struct engine *e = &run->p->engine;

	run->top_right = run->f.count && run->f.list[0].active && run->f.list[0].site_id &&
			 e->site[run->f.list[0].site_id - 1000].leaks;
	for (size_t i = 0; i < run->f.count; i++) {
		const struct finding *f = &run->f.list[i];
		struct seen *u;

		if (!f->active || !f->site_id)
			continue;
		u = &run->unit[e->site[f->site_id - 1000].owner];
		note(u, SITE_ANY, now_s);
		if (f->confirmed)
			note(u, SITE_CONFIRMED, now_s);
		if (f->confirmed && f->confidence >= 0.9)
			note(u, SITE_SURE, now_s);
		if (!(u->first_confidence > 0))
			u->first_confidence = f->confidence;
		u->confidence = f->confidence;
	}
}

/* An open verdict says when it will be known: was it? Each stretch of openness counts once. */
static void look_at_verdict(struct site_run *run, double now_s)
{
	bool open = run->f.verdict == VERDICT_INCONCLUSIVE;

	if (!open) {
		run->open_kept += now_s <= run->due_s + SLACK_S;
		run->due_s = NAN;
	}
	run->untold = run->untold && open;
	if (!open || !isnan(run->due_s))
		return;
	if (isfinite(run->f.known_in_s)) {
		run->due_s = now_s + run->f.known_in_s;
		run->open_told++;
	} else if (!run->untold) {
		run->untold = true;
		run->open_untold++;
	}
}

int site_run_tick(struct site_run *run, const struct snapshot *snap)
{
	const struct judge_input in = {
		.snap = snap,
		.owners = run->p->engine.owners,
		.limits = { .bytes = NAN, .used_bytes = NAN },
	};
	int r;

	findings_done(&run->f);
	for (size_t i = 0; i < ENGINE_SITES; i++)
		memset(run->unit[i].now, 0, sizeof(run->unit[i].now));
	r = judge_tick(run->judge, &run->cfg, &in, &run->f, NULL);
	if (r < 0)
		return r;
	look_at_findings(run, snap->elapsed_s);
	look_simply(run, snap);
	look_at_verdict(run, snap->elapsed_s);
	run->looks++;
	return 0;
}

int site_tally_new(struct site_tally **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void site_tally_freep(struct site_tally **t)
{
	free(*t);
}

static int bin_of(double confidence)
{
	int b = (int)floor((confidence - 0.5) * 10 + 1e-9);

	return b < 0 ? 0 : b >= CALIB_BINS ? CALIB_BINS - 1 : b;
}

static void add_said(struct site_tally *t, int when, double confidence, bool right)
{
	int b = bin_of(confidence);

	t->said[when][b]++;
	t->said_sum[when][b] += confidence;
	t->held[when][b] += right;
}

struct truth {
	bool leaks;
	double onset_s, usual_s, leaked, freed;
};

static void add_leak(struct site_tally *t, const struct site_run *run, const struct seen *u,
		     const struct truth *truth)
{
	double lasted_s = run->p->engine.end_s - truth->onset_s;
	int bin = (int)fmin(floor(log2(truth->leaked / 16)), SITE_BINS - 1);
	bool freeing = truth->freed >= 8;

	if (!(truth->leaked >= 16))
		return;
	t->leaks[bin]++;
	t->freeing[bin] += freeing;
	for (int d = 0; d < SITE_DETECTORS; d++) {
		bool ever = isfinite(u->first_s[d]);

		t->found_end[d][bin] += u->now[d];
		t->found_ever[d][bin] += ever;
		t->freeing_end[d][bin] += freeing && u->now[d];
		t->freeing_ever[d][bin] += freeing && ever;
	}
	if (truth->leaked < lasted_s || truth->usual_s >= 5 || t->delays == DELAYS_MAX)
		return;
	for (int d = 0; d < SITE_DETECTORS; d++)
		t->delay[d][t->delays] = u->first_s[d] - truth->onset_s;
	t->delays++;
}

static void add_unit(struct site_tally *t, const struct site_run *run, const struct seen *u,
		     const struct truth *truth)
{
	size_t *ever = run->p->leaking ? t->false_leak : t->false_clean;

	for (int d = 0; d < SITE_DETECTORS; d++) {
		bool right = truth->leaks && u->first_s[d] >= truth->onset_s;

		if (isfinite(u->first_s[d]) && !right)
			ever[d]++;
		t->right_ever[d] += isfinite(u->first_s[d]) && right;
		if (!run->p->leaking)
			t->false_clean_end[d] += u->now[d];
		else if (u->now[d])
			(truth->leaks ? t->right_end : t->wrong_end)[d]++;
	}
	if (u->first_confidence > 0) {
		add_said(t, 0, u->first_confidence,
			 truth->leaks && u->first_s[SITE_ANY] >= truth->onset_s);
		if (u->now[SITE_ANY])
			add_said(t, 1, u->confidence, truth->leaks);
	}
	if (truth->leaks)
		add_leak(t, run, u, truth);
}

int site_tally_add(struct site_tally *t, const struct site_run *run)
{
	const struct engine *e = &run->p->engine;
	struct truth truth[ENGINE_SITES] = {};
	double most = 0;

	for (size_t i = 0; i < e->sites; i++) {
		struct truth *x = &truth[e->site[i].owner];

		x->freed += (double)e->site[i].counts.free_count;
		if (!e->site[i].leaks)
			continue;
		x->leaks = true;
		x->onset_s = e->site[i].onset_s;
		x->usual_s = e->site[i].usual_s;
		x->leaked += (double)e->site[i].leaked;
		most = fmax(most, x->leaked);
	}
	for (size_t i = 0; i < e->sites; i++)
		if (e->site[i].owner == i)
			add_unit(t, run, &run->unit[i], &truth[i]);
	*(run->p->leaking ? &t->leak_s : &t->clean_s) += e->end_s;
	*(run->p->leaking ? &t->leak_runs : &t->clean_runs) += 1;
	if (most >= 64) {
		t->first_asked++;
		t->first_right += run->top_right;
	}
	*(run->p->leaking ? &t->open_end_leak : &t->open_end) +=
		run->f.verdict == VERDICT_INCONCLUSIVE;
	t->open_told += run->open_told - (run->due_s + SLACK_S > e->end_s);
	t->open_kept += run->open_kept;
	t->open_untold += run->open_untold;
	return 0;
}
