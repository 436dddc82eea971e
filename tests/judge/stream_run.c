#include "stream_run.h"

#include <errno.h>
#include <math.h>

#include "baseline_naive.h"
#include "baseline_rss.h"
#include "growth/growth.h"

#define PROBABILITY_EVERY 50

double stream_bound(double sigmas, double alarm_points)
{
	return cbrt(6 * log(alarm_points) / (sigmas * sigmas));
}

struct watch { /* of one detector */
	struct stream_alarms *alarms;
	bool on;
};

static void watch_step(struct watch *w, const struct stream_result *run, size_t i, bool on)
{
	bool leaks = run->leak && i >= run->onset;

	if (on && !w->on && !leaks)
		w->alarms->episodes++;
	if (on && leaks && !w->alarms->after)
		w->alarms->delay = i - run->onset;
	if (on && leaks)
		w->alarms->after = true;
	else if (on)
		w->alarms->before = true;
	w->on = on;
}

static bool naive_says(const struct naive_cfg *cfg, const struct labelled *l, size_t from)
{
	struct naive_answer a;

	naive_judge(cfg, l->t_s + from, l->value + from, STREAM_WINDOW, &a);
	return a.leak;
}

static void run_baselines(const struct labelled *l, struct stream_result *run)
{
	const struct naive_cfg cfg[] = { naive_defaults(), naive_tuned() };
	struct watch watch[STREAM_DETECTORS];

	for (int d = 0; d < STREAM_DETECTORS; d++)
		watch[d] = (struct watch){ &run->alarms[d], false };
	for (size_t i = STREAM_WINDOW - 1; i < l->n; i++) {
		size_t from = i + 1 - STREAM_WINDOW;
		bool rss = rss_rule_leaks(l->t_s + from, l->value + from, STREAM_WINDOW);

		watch_step(&watch[STREAM_NAIVE], run, i, naive_says(&cfg[0], l, from));
		watch_step(&watch[STREAM_TUNED], run, i, naive_says(&cfg[1], l, from));
		watch_step(&watch[STREAM_RSS], run, i, rss);
	}
}

static void count_probability(struct stream_result *run, size_t i, double p)
{
	size_t bin = (size_t)fmin(fmax(p * STREAM_BINS, 0), STREAM_BINS - 1);

	run->bins[bin].n++;
	run->bins[bin].sum += p;
	run->bins[bin].leaks += run->leak && i >= run->onset;
}

static int run_ours(const struct labelled *l, struct stream_result *run)
{
	struct growth_cfg cfg = growth_defaults();
	struct watch watch = { &run->alarms[STREAM_OURS], false };
	struct growth *g;
	int r = growth_new(&cfg, &g);

	if (r)
		return r;
	for (size_t i = 0, restart = 0; i < l->n; i++) {
		const struct growth_opinion *o;

		if (restart < l->restart_count && l->t_s[i] >= l->restart_t_s[restart])
			growth_restart(g, l->restart_t_s[restart++]);
		r = growth_add(g, l->t_s[i], l->value[i]);
		if (r == -ENOMEM)
			break;
		o = growth_opinion(g);
		watch_step(&watch, run, i, o->verdict == GROWTH_LEAK);
		if (run->leak && i >= run->onset && o->verdict >= GROWTH_SUSPECT &&
		    !run->suspected) {
			run->suspected = true;
			run->suspect_delay = i - run->onset;
		}
		if (i % PROBABILITY_EVERY == 0 && i >= (size_t)cfg.min_points)
			count_probability(run, i, o->leak_probability);
	}
	growth_free(g);
	return r == -ENOMEM ? r : 0;
}

int stream_run(const struct labelled *l, bool baselines, struct stream_result *ret)
{
	struct stream_result run = { .leak = l->leak };
	int r;

	run.before = run.onset = l->n;
	if (l->leak) {
		run.detectable = l->d1 >= 8 && l->d2 > 10;
		run.before = run.onset = 0;
		while (run.onset < l->n && l->t_s[run.onset] < l->onset_s)
			run.before = ++run.onset;
		run.sigmas = l->rate_per_s * l->t_s[l->n - 1] / (double)(l->n - 1) / l->sigma;
	}
	run.days_before = run.before ? l->t_s[run.before - 1] / 86400 : 0;
	r = run_ours(l, &run);
	if (r)
		return r;
	if (baselines)
		run_baselines(l, &run);
	*ret = run;
	return 0;
}
