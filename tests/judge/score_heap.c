/*
 * Leaks through windows: a program that allocates faster than a budget allows, with probes in for
 * 1/16 to 1/256 of the time. Is a leak of 20 kB/s named in time, and nothing else? The row "exact"
 * has them in all the time.
 */
#include "score.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analyse/judge.h"
#include "base/cleanup.h"
#include "corpus_heap.h"

#define TICK_S 2.0
#define BAR_5_PERCENT 60 /* seconds to a name */
#define BAR_1_PERCENT 180

static const struct {
	const char *name;
	double rate, window_s, period_s, end_s, due_s;
	bool leaks;
	uint32_t bytes;
	int runs;
} cases[] = {
	{ "100 k/s, exact", 1e5, 1, 1, 120, BAR_5_PERCENT, true, 0, 4 },
	{ "1 M/s, 1/16", 1e6, 0.05, 0.8, 120, BAR_5_PERCENT, true, 0, 3 },
	{ "1 M/s, 1/32", 1e6, 0.05, 1.6, 120, BAR_5_PERCENT, true, 0, 3 },
	{ "1 M/s, 1/64", 1e6, 0.05, 3.2, 240, BAR_1_PERCENT, true, 0, 2 },
	{ "1 M/s, 1/128", 1e6, 0.05, 6.4, 240, BAR_1_PERCENT, true, 0, 2 },
	{ "1 M/s, 1/128, windows of 10 ms", 1e6, 0.01, 1.28, 240, BAR_1_PERCENT, true, 0, 2 },
	{ "1 M/s, 1/256", 1e6, 0.025, 6.4, 240, BAR_1_PERCENT, true, 0, 2 },
	{ "100 k/s, 1/32", 1e5, 0.05, 1.6, 120, BAR_5_PERCENT, true, 0, 10 },
	{ "100 k/s, 1/128", 1e5, 0.05, 6.4, 240, BAR_1_PERCENT, true, 0, 10 },
	{ "100 k/s, 1/64, one size", 1e5, 0.05, 3.2, 240, BAR_1_PERCENT, true, 400, 10 },
	{ "100 k/s, 1/64, a size that few others have", 1e5, 0.05, 3.2, 240, BAR_1_PERCENT, true,
	  720, 10 },
	{ "100 k/s, 1/16, a size that few others have", 1e5, 0.05, 0.8, 240, BAR_1_PERCENT, true,
	  720, 10 },
	{ "100 k/s, 1/16, no leak", 1e5, 0.05, 0.8, 300, 0, false, 0, 10 },
	{ "100 k/s, 1/128, no leak", 1e5, 0.05, 6.4, 300, 0, false, 0, 10 },
	{ "1 M/s, 1/128, no leak", 1e6, 0.05, 6.4, 300, 0, false, 0, 1 },
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

struct heap_tally {
	int runs, in_time;
	double latest_s, sum_s;
	int caches, wrong, wrong_end; /* sites accused: the one cache, others, others at the end */
};

struct accused {
	double first_s;
	bool now;
};

static void look(const struct findings *f, double now_s, struct accused *site)
{
	for (size_t i = 0; i < ENGINE_SITES; i++)
		site[i].now = false;
	for (size_t i = 0; i < f->count; i++) {
		struct accused *a = &site[f->list[i].site_id - 1000];

		if (!f->list[i].active || !f->list[i].site_id)
			continue;
		a->first_s = fmin(a->first_s, now_s);
		a->now = true;
	}
}

static int watch(struct corpus_heap *p, double end_s, struct accused *site)
{
	auto_clean(judge_freep) struct judge *judge = NULL;
	struct engine *e = corpus_heap_engine(p);
	struct judge_cfg cfg = judge_defaults();
	int r = judge_new(&judge);

	for (double now = TICK_S; r == 0 && now <= end_s; now += TICK_S) {
		auto_clean(findings_done) struct findings f = {};
		struct judge_input in = { .owners = e->owners,
					  .limits = { .bytes = NAN, .used_bytes = NAN } };

		r = corpus_heap_play(p, now);
		if (r < 0)
			return r;
		in.snap = engine_snapshot(e);
		r = judge_tick(judge, &cfg, &in, &f, NULL);
		if (r == 0)
			look(&f, now, site);
	}
	return r;
}

static int play(const struct score_cfg *cfg, size_t c, int number, struct heap_tally *t)
{
	struct heap_plan plan = { cfg->seed + c,     (uint64_t)number,	cases[c].rate,
				  cases[c].window_s, cases[c].period_s, cases[c].end_s,
				  cases[c].leaks,    cases[c].bytes,	0 };
	auto_clean(corpus_heap_freep) struct corpus_heap *p = NULL;
	struct accused site[ENGINE_SITES];
	int r = corpus_heap_new(&plan, &p);

	for (size_t i = 0; i < ENGINE_SITES; i++)
		site[i] = (struct accused){ INFINITY, false };
	if (r == 0)
		r = watch(p, plan.end_s, site);
	if (r < 0)
		return r;
	for (size_t i = 0; i < corpus_heap_engine(p)->sites; i++) {
		bool ever = isfinite(site[i].first_s);

		if (corpus_heap_engine(p)->site[i].leaks) {
			t->in_time += site[i].first_s <= cases[c].due_s;
			t->latest_s = fmax(t->latest_s, site[i].first_s);
			t->sum_s += site[i].first_s;
		} else if (corpus_heap_fills(p, i)) {
			t->caches += ever;
		} else {
			t->wrong += ever;
			t->wrong_end += site[i].now;
		}
	}
	t->runs++;
	return 0;
}

static bool print(const struct score_cfg *cfg, size_t c, const struct heap_tally *t)
{
	bool missed = t->wrong || (cases[c].leaks && t->in_time < t->runs);

	if (cases[c].leaks)
		fprintf(cfg->out, "| %s | %d of %d in %g s | %.0f | %.0f |", cases[c].name,
			t->in_time, t->runs, cases[c].due_s, t->sum_s / t->runs, t->latest_s);
	else
		fprintf(cfg->out, "| %s | - | - | - |", cases[c].name);
	fprintf(cfg->out, " %d | %d | %d | %s |\n", t->caches, t->wrong, t->wrong_end,
		missed ? "**missed**" : "met");
	fflush(cfg->out);
	return missed;
}

int score_heap(const struct score_cfg *cfg)
{
	int missed = 0;

	fprintf(cfg->out, "| pairs/s, share of time | leak named | mean s | latest s | the filling "
			  "cache | sound sites accused | at the end | |\n"
			  "|---|---|---|---|---|---|---|---|\n");
	for (size_t c = 0; c < CASES; c++) {
		int runs = (int)fmax(cases[c].runs * cfg->size, 1), r = 0;
		struct heap_tally t = {};

		for (int i = 0; i < runs && r == 0; i++)
			r = play(cfg, c, i, &t);
		if (r < 0)
			return r;
		missed |= print(cfg, c, &t);
	}
	return missed;
}
