/*
 * What windows make believe of the whole: governors over simulated targets that slow down while
 * probes are in, whose work is known by samples of a timer only; totals by the weights that were
 * given, and how far they are said to be off, against the truth.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "govern/governor.h"
#include "model/estimate.h"
#include "model/spread.h"

#define MS 1000000ull
#define HIT_NS 600.0
#define RECORD_NS 450.0
#define BELIEVED 1.3 /* costs as they were calibrated: too large */
#define FAST_S 121e-6
#define SLOW_S 3.9e-3
#define RUNS 240
#define WINDOWS 20

/* On one CPU, each pair an allocation and a free. */
struct load {
	double pair_ns;
	double pairs_per_s;	 /* what comes in; what is left undone is made up for */
	double on_ms, period_ms; /* it comes in during the first of these of each */
};

struct site {
	double one_in;	    /* of all allocations */
	double truth, told; /* truth: since the last window */
	double truth_sum;   /* from window to window */
	double records;
	struct spread spread;
};

struct world {
	const struct load *load;
	struct governor *g;
	struct governor_seen seen;
	uint64_t now_ns, seed;
	double backlog;
	double cost_s, cpu_s, worst; /* since the tenth window; the dearest second */
	double second_cost_s, second_cpu_s;
	bool in, was_in, follows;
	uint32_t going_ms;
	double work_left_s, period_s; /* until the next sample of work; their mean gap */
	struct site site[2];
	struct spread_windows windows;
};

static double draw(struct world *w)
{
	w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
	return ((double)(w->seed >> 11) + 0.5) / (double)(1ull << 53);
}

/* Samples fall on it as they fall: their gaps are no multiple of anything. */
static double sampled(struct world *w, double work_s)
{
	double period = w->in ? FAST_S : SLOW_S, found = 0;

	if (period != w->period_s)
		w->work_left_s = -log(draw(w)) * period;
	w->period_s = period;
	w->work_left_s -= work_s;
	while (w->work_left_s < 0) {
		w->work_left_s += -log(draw(w)) * period;
		found += period;
	}
	return found;
}

static void births(struct world *w, double pairs, bool seen)
{
	double weight = exp2(governor_plan(w->g)->weight_log2);

	for (size_t i = 0; i < 2; i++) {
		struct site *s = &w->site[i];
		double n;

		n = floor(pairs / s->one_in + draw(w)); /* in no step with the load */
		s->truth += n;
		if (seen)
			s->told += n * weight, s->records += n;
	}
}

static void spend(struct world *w, double cost_s, double cpu_s)
{
	if (w->windows.count < 10)
		return;
	w->cost_s += cost_s;
	w->cpu_s += cpu_s;
	w->second_cost_s += cost_s;
	w->second_cpu_s += cpu_s;
	if (w->now_ns / MS % 1000)
		return;
	w->worst = fmax(w->worst, w->second_cost_s / w->second_cpu_s);
	w->second_cost_s = w->second_cpu_s = 0;
}

static void run_ms(struct world *w)
{
	const struct load *l = w->load;
	bool hits = w->in != (w->going_ms > 0), all = w->in && !w->going_ms;
	double cost = hits ? 2 * HIT_NS + RECORD_NS : 0, done, ms = w->now_ns / (double)MS;

	if (fmod(ms, l->period_ms) < l->on_ms)
		w->backlog += l->pairs_per_s / 1000 * l->period_ms / l->on_ms;
	done = fmin(w->backlog, 1e6 / (l->pair_ns + cost));
	w->backlog = fmin(w->backlog - done, l->pairs_per_s / 2);
	w->seen.target_cpu_s += done * (l->pair_ns + cost) / 1e9;
	spend(w, done * cost / 1e9, done * (l->pair_ns + cost) / 1e9);
	w->seen.work_s += sampled(w, done * l->pair_ns / 1e9);
	if (hits) {
		w->seen.hits += (uint64_t)(2 * done);
		w->seen.records += (uint64_t)done;
	}
	w->seen.in_s += all / 1000.0;
	births(w, done, hits);
	w->going_ms -= w->going_ms > 0;
	w->now_ns += MS;
}

static void window_ends(struct world *w)
{
	for (size_t i = 0; i < 2; i++)
		spread_add(&w->site[i].spread, (uint64_t)w->site[i].told, !w->follows);
	for (size_t i = 0; i < 2; i++) {
		w->site[i].truth_sum += w->follows ? w->site[i].truth : 0;
		w->site[i].truth = 0;
	}
	if (w->follows) {
		w->windows.count++;
		w->windows.variance = governor_plan(w->g)->window_variance;
	}
	w->follows = true;
}

static void look(struct world *w)
{
	const struct governor_plan *p;
	bool was = w->in;

	w->seen.now_ns = w->now_ns;
	p = governor_look(w->g, &w->seen);
	w->seen = (struct governor_seen){ 0 };
	w->in = p->probes_in;
	if (w->in != was)
		w->going_ms = 2 + (uint32_t)(draw(w) * 4);
	assert_int_equal(p->step == GOVERN_WATCH, 0);
	if (p->step != GOVERN_WINDOWS)
		w->follows = false;
}

static void run_windows(struct world *w, uint32_t count)
{
	bool closing = false;

	while (w->windows.count < count) {
		uint64_t due = governor_plan(w->g)->look_ns + (uint64_t)(draw(w) * 2 * MS);
		bool was = w->in;

		while (w->now_ns < due) {
			run_ms(w);
			if (closing && !w->going_ms) {
				window_ends(w);
				closing = false;
			}
		}
		look(w);
		closing |= was && !w->in;
	}
}

static void begin(struct world *w, const struct load *l, uint64_t seed)
{
	struct governor_cfg cfg = { .budget = 0.05,
				    .full = true,
				    .seed = seed,
				    .costs = { .hit_ns = HIT_NS * BELIEVED,
					       .return_ns = 500,
					       .record_ns = RECORD_NS * BELIEVED,
					       .arm_ns = 100000 },
				    .rules = governor_defaults() };

	*w = (struct world){ .load = l, .seed = seed, .now_ns = 77 * MS };
	w->site[0].one_in = 1;
	w->site[1].one_in = 5000;
	w->now_ns += (uint64_t)(draw(w) * 1000) * MS;
	assert_int_equal(governor_new(&cfg, w->now_ns, &w->g), 0);
	w->in = governor_plan(w->g)->probes_in;
}

struct score {
	double bias[2], within[2], width[2], unknown[2];
};

static void measure(const struct load *l, uint32_t windows, struct score *ret)
{
	*ret = (struct score){ 0 };
	for (uint64_t run = 1; run <= RUNS; run++) {
		struct world w;

		begin(&w, l, run * 0x9e3779b97f4a7c15ull);
		run_windows(&w, windows);
		for (size_t i = 0; i < 2; i++) {
			const struct site *s = &w.site[i];
			double told = s->spread.sum;
			double variance = spread_variance(&s->spread, &w.windows);
			double error = estimate_error(variance, told / s->records);

			if (isnan(variance)) {
				ret->unknown[i]++;
				continue;
			}
			ret->bias[i] += told / s->truth_sum - 1;
			ret->within[i] += (fabs(told - s->truth_sum) <= error);
			ret->width[i] += error / s->truth_sum;
		}
		governor_free(w.g);
	}
	for (size_t i = 0; i < 2; i++) {
		double known = RUNS - ret->unknown[i];

		ret->bias[i] /= known;
		ret->within[i] /= known;
		ret->width[i] /= known;
	}
	print_message(
		"bias %+.3f %+.3f, within %.2f %.2f, half width %.2f %.2f, unknown %.0f %.0f\n",
		ret->bias[0], ret->bias[1], ret->within[0], ret->within[1], ret->width[0],
		ret->width[1], ret->unknown[0], ret->unknown[1]);
}

static void check(const struct load *l, uint32_t windows, double bias, double width, double unknown)
{
	struct score s;

	measure(l, windows, &s);
	for (size_t i = 0; i < 2; i++) {
		assert_true(fabs(s.bias[i]) < bias * (1 + i));
		assert_true(s.within[i] >= 0.93);
		assert_true(s.unknown[i] <= unknown);
	}
	assert_true(s.width[0] < width); /* and it says something */
}

static void totals_of_a_paced_program_that_catches_up_are_right(void **state)
{
	static const struct load paced = { 600, 1e6, 1, 1 };

	(void)state;
	check(&paced, WINDOWS, 0.1, 0.6, 0);
}

static void totals_of_a_program_that_is_always_busy_are_right(void **state)
{
	static const struct load busy = { 900, 3e6, 1, 1 };

	(void)state;
	check(&busy, WINDOWS, 0.06, 0.6, 0);
}

static void totals_of_a_program_that_works_in_bursts_are_right(void **state)
{
	static const struct load bursts = { 600, 1e5, 10, 100 };

	(void)state;
	check(&bursts, 3 * WINDOWS, 0.12, 2, RUNS / 4);
}

/* Costs were calibrated too high: what was seen of them tells. */
static void the_budget_is_used_by_what_tracing_really_costs(void **state)
{
	static const struct load load[] = { { 600, 1e6, 1, 1 }, { 900, 3e6, 1, 1 } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world w;

		begin(&w, &load[i], 4711 + i);
		run_windows(&w, 60);
		print_message("%.4f of the CPU time, %.4f in the dearest second, scale %.2f\n",
			      w.cost_s / w.cpu_s, w.worst, governor_plan(w.g)->cost_scale);
		assert_true(w.cost_s / w.cpu_s >= 0.035 && w.cost_s / w.cpu_s <= 0.05);
		assert_true(w.worst <= 0.05);
		assert_true(fabs(governor_plan(w.g)->cost_scale * BELIEVED - 1) < 0.15);
		governor_free(w.g);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test(name)
	const struct CMUnitTest tests[] = {
		T(totals_of_a_paced_program_that_catches_up_are_right),
		T(totals_of_a_program_that_is_always_busy_are_right),
		T(totals_of_a_program_that_works_in_bursts_are_right),
		T(the_budget_is_used_by_what_tracing_really_costs),
	};

	return cmocka_run_group_tests_name("window totals", tests, NULL, NULL);
}
