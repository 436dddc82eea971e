/* A simulated process with a judge at its side; included after cmocka.h. */
#pragma once
#include "analyse/judge.h"
#include "base/cleanup.h"
#include "site_families.h"

#define SEED 900000u /* thresholds were chosen on other seeds */

/* One traced process: the simulator and the judge at its side. */
struct run {
	struct sim sim;
	struct judge_cfg cfg;
	struct judge *judge;
	struct findings f;     /* of the last tick */
	struct patterns p;     /* same */
	struct judge_input in; /* ledger, limits and runtime of every tick */
	double first_leak_s;   /* -1: none */
};

static inline struct run *run_begin(uint64_t seed, double end_s)
{
	struct run *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	sim_begin(&r->sim, seed, end_s);
	r->cfg = judge_defaults();
	r->first_leak_s = -1;
	assert_int_equal(judge_new(&r->judge), 0);
	return r;
}

/* Judges the snapshot that the simulator made last. */
static inline void run_judge(struct run *r)
{
	findings_done(&r->f);
	patterns_done(&r->p);
	r->in.snap = &r->sim.snap;
	r->in.owners = r->sim.owner;
	assert_int_equal(judge_tick(r->judge, &r->cfg, &r->in, &r->f, &r->p), 0);
}

static inline void run_tick(struct run *r, size_t second)
{
	const struct snapshot *snap = sim_tick(&r->sim, second);

	run_judge(r);
	if (r->f.verdict == VERDICT_LEAK && r->first_leak_s < 0)
		r->first_leak_s = snap->elapsed_s;
}

static inline void run_until(struct run *r, size_t from, size_t to)
{
	for (size_t second = from; second <= to; second++)
		run_tick(r, second);
}

static inline enum verdict run_all(struct run *r)
{
	run_until(r, 0, (size_t)r->sim.end_s);
	return r->f.verdict;
}

static inline void run_end(struct run **r)
{
	sim_done(&(*r)->sim);
	findings_done(&(*r)->f);
	patterns_done(&(*r)->p);
	judge_free((*r)->judge);
	free(*r);
}

#define auto_run auto_clean(run_end) struct run
