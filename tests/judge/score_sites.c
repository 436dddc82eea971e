/*
 * Verdicts on call sites (series C): the judge looks at simulated processes every 5 s, as in a
 * live run. Beside it two simpler detectors see the same. Sites of one owner count as one.
 */
#include "score.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "site_tally.h"

#define TICK_S 5.0
#define CLEAN_DAYS 30.0
#define LEAK_RUNS 300

struct plan {
	uint64_t seed;
	bool wide;
	double days;
	int runs;   /* with leaks */
	double gap; /* mean bytes between samples; 0: every block is recorded */
};

static int play_run(struct site_tally *t, const struct plan *plan, uint64_t number, bool leaking)
{
	auto_clean(corpus_process_freep) struct corpus_process *p = NULL;
	auto_clean(site_run_freep) struct site_run *run = NULL;
	int r = corpus_process_new(plan->seed, number, plan->wide, leaking, &p);

	if (r == 0) {
		p->engine.gap = plan->gap;
		p->engine.rng = rng_new(plan->seed ^ 0x5a, number);
		r = site_run_new(p, &run);
	}
	for (double now = TICK_S; r == 0 && now <= p->engine.end_s; now += TICK_S) {
		r = corpus_process_play(p, now);
		if (r == 0)
			r = site_run_tick(run, engine_snapshot(&p->engine));
	}
	return r < 0 ? r : site_tally_add(t, run);
}

static int play_all(struct site_tally *t, const struct plan *plan)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && t->clean_s < plan->days * 86400; i++)
		r = play_run(t, plan, i, false);
	for (int i = 0; r == 0 && i < plan->runs; i++)
		r = play_run(t, plan, (uint64_t)i, true);
	return r;
}

int score_sites(const struct score_cfg *cfg)
{
	static const char *const titles[] = { "As specified: independent lives up to 20 s",
					      "Wide: sessions, batches, expiry, queues, slow and "
					      "late leaks" };
	int missed = 0;

	for (int wide = 0; wide < 2; wide++) {
		auto_clean(site_tally_freep) struct site_tally *t = NULL;
		int r = site_tally_new(&t);

		if (r == 0)
			r = play_all(t, &(struct plan){ cfg->seed, wide, CLEAN_DAYS * cfg->size,
							(int)fmax(LEAK_RUNS * cfg->size, 1), 0 });
		if (r < 0)
			return r;
		fprintf(cfg->out, "%s### %s\n\n", wide ? "\n" : "", titles[wide]);
		r = site_tally_print(t, cfg->out);
		if (!wide) /* the bars were set for this series; the other shows what is left */
			missed = r;
	}
	return missed;
}

/* Blocks of 64 to 20,000 bytes; the usual one has 1100. */
int score_sampled(const struct score_cfg *cfg)
{
	static const struct {
		const char *name;
		double gap;
	} gaps[] = { { "0 (exact)", 0 }, { "11 k", 11e3 }, { "110 k", 110e3 }, { "1.1 M", 1.1e6 } };
	int missed = 0;

	for (int wide = 0; wide < 2; wide++) {
		fprintf(cfg->out, "%s### %s\n\n", wide ? "\n" : "", wide ? "Wide" : "As specified");
		site_tally_head(cfg->out);
		for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
			auto_clean(site_tally_freep) struct site_tally *t = NULL;
			int r = site_tally_new(&t);

			if (r == 0)
				r = play_all(t, &(struct plan){ cfg->seed, wide,
								CLEAN_DAYS / 3 * cfg->size,
								(int)fmax(LEAK_RUNS * cfg->size, 1),
								gaps[i].gap });
			if (r < 0)
				return r;
			missed |= site_tally_row(t, gaps[i].name, !wide, cfg->out);
		}
	}
	return missed;
}
