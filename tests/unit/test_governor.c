/*
 * The governor against simulated targets: threads that have work to do, at a pace or as fast as
 * they can, slower while probes are in; looks come late. What tracing really cost is kept by the
 * millisecond, apart from what the governor believes.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "govern/governor.h"
#include "govern/spend.h"
#include "govern/windows.h"

#define HIT_NS 700.0
#define RECORD_NS 900.0
#define ARM_NS 200000.0
#define MS 1000000ull
#define SECONDS_MAX 200
#define BEGIN_NS (77 * MS)

/* What the target wants to do from `from_s` on. */
struct load {
	double from_s;
	double pairs_per_s; /* allocations, each freed later; 0: none */
	double pair_ns;	    /* of work around each */
	double idle_cpu;    /* CPUs used besides, without any allocation */
};

struct world {
	const struct load *load;
	size_t loads;
	double threads;
	double late_ms; /* looks come up to this much late */
	uint32_t going; /* milliseconds that probes take to go in or out */
	double noise;	/* what one hit costs varies by this share */
	double block_bytes;
	double other_per_s; /* paid beside what probes cost */
	bool grows, decided;

	uint64_t now_ns, seed;
	double backlog;
	bool in;	   /* asked for */
	uint32_t going_ms; /* until that is done */
	uint64_t in_ms;	   /* milliseconds with probes in */
	struct governor *g;
	struct governor_seen seen;
	float cost[SECONDS_MAX * 1000], cpu[SECONDS_MAX * 1000];
	size_t ms, look_ms;
	uint32_t changes; /* of step */
	enum governor_step step, worst;
	double first_full_s;	/* when it came back */
	double weighted, pairs; /* seen in windows, by weight; all */
};

static double draw(struct world *w)
{
	w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (double)(w->seed >> 11) / (double)(1ull << 53);
}

static const struct load *load_at(const struct world *w)
{
	const struct load *l = &w->load[0];

	for (size_t i = 0; i < w->loads; i++)
		if (w->ms / 1000.0 >= w->load[i].from_s)
			l = &w->load[i];
	return l;
}

/* One millisecond of the target. */
static void run_ms(struct world *w)
{
	const struct governor_plan *p = governor_plan(w->g);
	const struct load *l = load_at(w);
	double gap = p->gap_log2 ? exp2(p->gap_log2) : 0;
	double chance = gap > 0 ? 1 - exp(-w->block_bytes / gap) : 1;
	double hit = HIT_NS * (1 + w->noise * (draw(w) - 0.5));
	bool hits = w->in != (w->going_ms > 0), all = w->in && !w->going_ms;
	double cost = hits ? 2 * hit + chance * RECORD_NS : 0, done, room = w->threads * 1e6;

	room -= l->idle_cpu * 1e6;
	w->backlog += l->pairs_per_s / 1000;
	done = fmin(w->backlog, room / (l->pair_ns + cost));
	w->backlog -= done;
	w->cost[w->ms] = done * cost / 1e9;
	w->cpu[w->ms] = (done * (l->pair_ns + cost) + l->idle_cpu * 1e6) / 1e9;
	w->seen.target_cpu_s += w->cpu[w->ms];
	w->seen.work_s += (done * l->pair_ns + l->idle_cpu * 1e6) / 1e9;
	w->pairs += done;
	if (hits) {
		w->seen.hits += 2 * done;
		w->seen.records += done * chance;
		w->weighted += done * exp2(p->weight_log2);
	}
	w->seen.other_s += w->other_per_s / 1000;
	w->seen.in_s += all / 1000.0;
	w->in_ms += all;
	w->going_ms -= w->going_ms > 0;
	w->ms++;
	w->now_ns += MS;
}

static void look(struct world *w)
{
	const struct governor_plan *p;
	bool was_in = w->in;

	w->seen.now_ns = w->now_ns;
	w->seen.grows = w->grows;
	w->seen.decided = w->decided;
	p = governor_look(w->g, &w->seen);
	memset(&w->seen, 0, sizeof(w->seen));
	w->look_ms = w->ms;
	w->in = p->probes_in;
	if (w->in != was_in)
		w->going_ms = w->going;
	if (w->in && !was_in && w->ms)
		w->cost[w->ms - 1] += ARM_NS / 1e9;
	if (p->step != w->step)
		w->changes++;
	w->step = p->step;
	w->worst = p->step > w->worst ? p->step : w->worst;
	assert_true(p->look_ns > w->now_ns && p->look_ns <= w->now_ns + 1000 * MS);
	assert_true(p->cost_ratio >= 0 && p->cost_ratio <= 1 && isfinite(p->cost_ratio));
	assert_true(strlen(p->reason) + 1 < sizeof(p->reason));
}

static void run_until(struct world *w, double end_s)
{
	while (w->ms < end_s * 1000) {
		uint64_t due = governor_plan(w->g)->look_ns + (uint64_t)(draw(w) * w->late_ms * MS);

		while (w->now_ns < due && w->ms < end_s * 1000)
			run_ms(w);
		look(w);
	}
}

static struct governor_cfg cfg_of(double budget)
{
	return (struct governor_cfg){
		.budget = budget,
		.seed = 12345,
		.costs = { .hit_ns = HIT_NS,
			   .return_ns = 500,
			   .record_ns = RECORD_NS,
			   .arm_ns = ARM_NS },
		.rules = governor_defaults(),
	};
}

static struct world *begin(const struct governor_cfg *cfg, const struct load *load, size_t loads)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->load = load;
	w->loads = loads;
	w->threads = 1;
	w->late_ms = 2;
	w->going = 4;
	w->noise = 0.2;
	w->block_bytes = 128;
	w->now_ns = BEGIN_NS;
	w->seed = 99;
	assert_int_equal(governor_new(cfg, w->now_ns, &w->g), 0);
	w->step = governor_plan(w->g)->step;
	w->in = governor_plan(w->g)->probes_in;
	return w;
}

static void end(struct world *w)
{
	governor_free(w->g);
	free(w);
}

#define RUN(w, cfg, loads) struct world *w = begin(cfg, loads, sizeof(loads) / sizeof((loads)[0]))

/* Cost over `span` seconds that end at a millisecond, as a share of the CPU time used in them. */
static double share_at(const struct world *w, size_t end_ms, double span)
{
	size_t n = span * 1000, from = end_ms > n ? end_ms - n : 0;
	double cost = 0, cpu = 0;

	for (size_t i = from; i < end_ms; i++) {
		cost += w->cost[i];
		cpu += w->cpu[i];
	}
	return cost / fmax(cpu, governor_defaults().least_cpu * (end_ms - from) / 1000);
}

/* How long, at most, the last second's cost was above the budget; in seconds. */
static double longest_excess(const struct world *w, double from_s, double limit)
{
	size_t now = 0, longest = 0;

	for (size_t ms = from_s * 1000 + 10; ms <= w->ms; ms += 5) {
		now = share_at(w, ms, 1) > limit ? now + 5 : 0;
		longest = now > longest ? now : longest;
	}
	return longest / 1000.0;
}

static double share_of_time_in(const struct world *w)
{
	return (double)w->in_ms / w->ms;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_program_that_allocates_little_is_traced_exactly(void **state)
{
	static const struct load quiet[] = { { 0, 200, 100000, 0.01 } };
	struct governor_cfg cfg = cfg_of(0.05);
	RUN(w, &cfg, quiet);

	(void)state;
	run_until(w, 20);
	assert_int_equal(w->worst, GOVERN_FULL);
	assert_int_equal(w->changes, 0);
	assert_string_equal(governor_plan(w->g)->reason, "");
	assert_true(governor_plan(w->g)->window_ratio == 1);
	end(w);
}

static void a_million_pairs_a_second_keep_the_budget_by_windows(void **state)
{
	static const struct load heavy[] = { { 0, 1e6, 300, 0 } };
	static const double budgets[] = { 0.05, 0.01, 0.2 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct governor_cfg cfg = cfg_of(budgets[i]);
		RUN(w, &cfg, heavy);

		run_until(w, 60);
		assert_int_equal(w->worst, GOVERN_WINDOWS);
		/* the first second has no past, one look may be late */
		if (budgets[i] <= 0.05)
			assert_true(share_at(w, 1000, 1) <= 0.18);
		assert_true(longest_excess(w, 0, budgets[i] * 1.05 + 0.004) <= 1.2);
		if (budgets[i] >= 0.05)
			assert_true(longest_excess(w, 1.5, budgets[i] * 1.05) == 0);
		assert_true(share_at(w, w->ms, 50) <= budgets[i]);
		assert_true(share_at(w, w->ms, 50) >= budgets[i] * 0.5); /* and it is used */
		assert_true(governor_plan(w->g)->weight_log2 > 0);
		end(w);
	}
}

static void what_else_is_paid_is_taken_off_the_budget(void **state)
{
	static const struct load heavy[] = { { 0, 1e6, 300, 0 } };
	struct governor_cfg cfg = cfg_of(0.05);
	RUN(w, &cfg, heavy);

	(void)state;
	w->other_per_s = 0.4 * 0.05 * 0.3; /* two fifths of the budget of what it uses */
	run_until(w, 60);
	assert_true(share_at(w, w->ms, 50) <= 0.03 && share_at(w, w->ms, 50) >= 0.015);
	assert_true(governor_plan(w->g)->cost_ratio >= 0.02);
	w->other_per_s = 1; /* more than all of it: a rest is left, or nothing would be seen */
	run_until(w, 120);
	assert_true(share_at(w, w->ms, 50) <= 0.02 && share_at(w, w->ms, 50) >= 0.005);
	end(w);
}

static void windows_weigh_what_they_leave_out(void **state)
{
	/* not slowed down by probes: there is a processor for every one of them */
	static const struct load steady[] = { { 0, 100000, 3000, 0 } };
	struct governor_cfg cfg = cfg_of(0.02);
	RUN(w, &cfg, steady);

	(void)state;
	w->threads = 4;
	run_until(w, 3);
	w->weighted = w->pairs = 0;
	run_until(w, 180);
	assert_true(fabs(w->weighted / w->pairs - 1) < 0.1);
	end(w);
}

static void records_that_are_too_dear_become_rare_before_probes_go_out(void **state)
{
	/* traps alone cost 2.8 %, with records 4.6 % and more */
	static const struct load medium[] = { { 0, 20000, 20000, 0.5 } };
	struct governor_cfg cfg = cfg_of(0.05);
	RUN(w, &cfg, medium);

	(void)state;
	run_until(w, 30);
	assert_int_equal(w->worst, GOVERN_SAMPLE);
	assert_int_equal(w->step, GOVERN_SAMPLE);
	assert_true(w->changes <= 3);
	assert_true(governor_plan(w->g)->gap_log2 >= 12 && governor_plan(w->g)->gap_log2 <= 22);
	assert_true(longest_excess(w, 0, 0.05) <= 1);
	assert_true(share_of_time_in(w) == 1);
	assert_non_null(strstr(governor_plan(w->g)->reason, "a sample every"));
	end(w);
}

static void mode_full_takes_windows_and_no_gaps(void **state)
{
	static const struct load medium[] = { { 0, 20000, 20000, 0.5 } };
	struct governor_cfg cfg = cfg_of(0.05);

	cfg.full = true;
	RUN(w, &cfg, medium);
	(void)state;
	run_until(w, 30);
	assert_int_equal(w->step, GOVERN_WINDOWS);
	assert_int_equal(governor_plan(w->g)->gap_log2, 0);
	end(w);
}

static void a_load_that_jumps_is_caught_within_a_second(void **state)
{
	static const struct load jump[] = {
		{ 0, 100, 50000, 0.02 }, { 10, 1e6, 300, 0 },	 { 12, 100, 50000, 0.02 },
		{ 30, 300000, 900, 0 },	 { 50, 0, 1000, 0.001 },
	};
	struct governor_cfg cfg = cfg_of(0.05);
	RUN(w, &cfg, jump);

	(void)state;
	run_until(w, 90);
	assert_true(longest_excess(w, 0, 0.052) <= 1.1);
	assert_true(longest_excess(w, 0, 0.2) <= 0.5);
	assert_int_equal(w->step, GOVERN_FULL); /* exact again when the load is gone */
	end(w);
}

static void many_threads_keep_the_budget(void **state)
{
	static const struct load heavy[] = { { 0, 1e8, 400, 0 } };
	struct governor_cfg cfg = cfg_of(0.05);
	RUN(w, &cfg, heavy);

	(void)state;
	w->threads = 32;
	run_until(w, 40);
	assert_true(longest_excess(w, 1.5, 0.055) == 0);
	end(w);
}

static void a_load_at_the_edge_does_not_make_it_flap(void **state)
{
	struct load edge[60];

	(void)state;
	for (int i = 0; i < 60; i++) /* now a bit below the budget, now above */
		edge[i] = (struct load){ i * 2, i % 2 ? 30000 : 14000, 1000, 0.9 };
	struct governor_cfg cfg = cfg_of(0.05);
	RUN(w, &cfg, edge);

	w->threads = 4;
	run_until(w, 120);
	assert_true(w->changes <= 12);
	assert_true(longest_excess(w, 0, 0.055) <= 1.1);
	end(w);
}

static void bursts_do_not_make_it_flap(void **state)
{
	struct load bursts[180];

	(void)state;
	for (int i = 0; i < 90; i++) {
		bursts[2 * i] = (struct load){ i * 2, 400000, 500, 0 };
		bursts[2 * i + 1] = (struct load){ i * 2 + 0.4, 0, 500, 0.01 };
	}
	struct governor_cfg cfg = cfg_of(0.05);
	RUN(w, &cfg, bursts);

	run_until(w, 180);
	assert_true(w->changes <= 180 / 3);
	assert_true(longest_excess(w, 0, 0.10) <= 1.2);
	end(w);
}

static void an_idle_target_is_left_as_it_is(void **state)
{
	/* ten blocks a second and nothing else: most of its CPU time is tracing, and nobody cares
	 */
	static const struct load idle[] = { { 0, 10, 100, 0 } };
	struct governor_cfg cfg = cfg_of(0.05);
	RUN(w, &cfg, idle);

	(void)state;
	run_until(w, 60);
	assert_int_equal(w->worst, GOVERN_FULL);
	assert_true(governor_plan(w->g)->cost_ratio < 0.05);
	end(w);
}

static void a_larger_budget_never_sees_less(void **state)
{
	static const struct load heavy[] = { { 0, 500000, 600, 0 } };
	static const double budgets[] = { 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1 };
	double before = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		struct governor_cfg cfg = cfg_of(budgets[i]);
		RUN(w, &cfg, heavy);

		w->noise = 0;
		run_until(w, 60);
		assert_true(share_of_time_in(w) > before);
		before = share_of_time_in(w);
		end(w);
	}
}

static void without_a_budget_every_block_is_recorded(void **state)
{
	static const struct load heavy[] = { { 0, 1e6, 300, 0 } };
	struct governor_cfg cfg = cfg_of(0);
	RUN(w, &cfg, heavy);

	(void)state;
	run_until(w, 20);
	assert_int_equal(w->worst, GOVERN_FULL);
	assert_true(governor_plan(w->g)->cost_ratio > 0.5); /* told all the same */
	end(w);
}

static void arming_that_costs_more_than_the_budget_means_watching(void **state)
{
	static const struct load heavy[] = { { 0, 1e6, 300, 0 } };
	struct governor_cfg cfg = cfg_of(0.001);

	cfg.costs.arm_ns = 6e6;
	RUN(w, &cfg, heavy);
	(void)state;
	run_until(w, 20);
	assert_int_equal(w->step, GOVERN_WATCH);
	assert_false(governor_plan(w->g)->probes_in);
	assert_non_null(strstr(governor_plan(w->g)->reason, "not even short windows"));
	end(w);
}

static void watching_for_lack_of_budget_is_tried_again(void **state)
{
	static const struct load less[] = { { 0, 1e6, 300, 0 }, { 20, 150, 20000, 0.05 } };
	struct governor_cfg cfg = cfg_of(0.001);

	cfg.costs.arm_ns = 6e6;
	RUN(w, &cfg, less);
	(void)state;
	run_until(w, 15);
	assert_int_equal(w->step, GOVERN_WATCH);
	governor_free(w->g);
	w->g = NULL;
	end(w);
	cfg = cfg_of(0.01);
	cfg.rules.shortest_s = 0.5; /* no window is good enough while the load is high */
	w = begin(&cfg, less, 2);
	run_until(w, 15);
	assert_int_equal(w->step, GOVERN_WATCH);
	run_until(w, 100);
	assert_true(w->step != GOVERN_WATCH);
	end(w);
}

static void a_fleet_watches_until_something_grows_and_after_the_verdict(void **state)
{
	static const struct load some[] = { { 0, 1000, 30000, 0.1 } };
	struct governor_cfg cfg = cfg_of(0.05);

	cfg.escalates = true;
	RUN(w, &cfg, some);
	(void)state;
	run_until(w, 10);
	assert_int_equal(w->step, GOVERN_WATCH);
	assert_false(governor_plan(w->g)->probes_in);
	assert_non_null(strstr(governor_plan(w->g)->reason, "nothing grows"));
	w->grows = true;
	run_until(w, 11);
	assert_int_equal(w->step, GOVERN_SAMPLE);
	assert_int_equal(governor_plan(w->g)->gap_log2, 16);
	run_until(w, 40);
	assert_int_equal(w->step, GOVERN_SAMPLE);
	assert_true(governor_plan(w->g)->gap_log2 < 16); /* cheap: it looks closer */
	w->decided = true;
	run_until(w, 50);
	assert_int_equal(w->step, GOVERN_SAMPLE); /* it has to stand */
	run_until(w, 60);
	assert_int_equal(w->step, GOVERN_WATCH);
	assert_non_null(strstr(governor_plan(w->g)->reason, "verdict"));
	run_until(w, 80);
	assert_int_equal(w->step, GOVERN_WATCH);
	w->decided = false; /* something new */
	run_until(w, 81);
	assert_int_equal(w->step, GOVERN_SAMPLE);
	w->grows = false;
	run_until(w, 145);
	assert_int_equal(w->step, GOVERN_WATCH);
	end(w);
}

static void mode_sample_begins_at_64_kB_and_keeps_to_what_was_asked(void **state)
{
	static const struct load quiet[] = { { 0, 200, 100000, 0.05 } };
	struct governor_cfg cfg = cfg_of(0.05);

	cfg.sample = true;
	RUN(w, &cfg, quiet);
	(void)state;
	assert_int_equal(governor_plan(w->g)->gap_log2, 16);
	run_until(w, 30);
	assert_int_equal(w->worst, GOVERN_SAMPLE);
	assert_int_equal(governor_plan(w->g)->gap_log2, 12); /* never every block */
	end(w);
	cfg.gap_log2 = 19;
	w = begin(&cfg, quiet, 1);
	run_until(w, 30);
	assert_int_equal(governor_plan(w->g)->gap_log2, 19);
	end(w);
}

static void counts_and_clocks_that_jump_do_no_harm(void **state)
{
	static const struct load quiet[] = { { 0, 100, 100000, 0.01 } };
	struct governor_cfg cfg = cfg_of(0.05);
	RUN(w, &cfg, quiet);

	(void)state;
	run_until(w, 2);
	w->seen.hits = UINT64_MAX;
	look(w);
	w->seen.target_cpu_s = -5;
	look(w);
	w->seen.target_cpu_s = NAN;
	look(w);
	w->now_ns -= 1000 * MS; /* goes back: the looks that follow come too early */
	w->seen.hits = 10;
	assert_non_null(governor_look(w->g, &w->seen));
	w->now_ns += 1000 * MS;
	w->now_ns += 3600ull * 1000 * MS; /* suspended for an hour */
	look(w);
	run_until(w, 60);
	assert_int_equal(w->step, GOVERN_FULL);
	assert_true(longest_excess(w, 5, 0.05) == 0);
	end(w);
}

static void the_cost_that_is_told_is_the_one_that_was(void **state)
{
	static const struct load heavy[] = { { 0, 1e6, 900, 0 } };
	struct governor_cfg cfg = cfg_of(0.05);
	double told, a, b;
	RUN(w, &cfg, heavy);

	(void)state;
	w->noise = 0;
	w->late_ms = 1;
	for (double s = 3; s < 30; s += 1.01) {
		run_until(w, s);
		told = governor_plan(w->g)->cost_ratio;
		a = share_at(w, w->look_ms, 0.95);
		b = share_at(w, w->look_ms, 1.05);
		assert_true(told >= fmin(a, b) - 0.003 && told <= fmax(a, b) + 0.003);
		assert_true(told <= 0.05);
	}
	end(w);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct governor_cfg cfg = cfg_of(-1);
	struct governor *g = NULL;

	(void)state;
	assert_int_equal(governor_new(&cfg, 1, &g), -EINVAL);
	cfg = cfg_of(NAN);
	assert_int_equal(governor_new(&cfg, 1, &g), -EINVAL);
	cfg = cfg_of(0.05);
	cfg.gap_log2 = 40;
	assert_int_equal(governor_new(&cfg, 1, &g), -EINVAL);
	assert_null(g);
	governor_free(NULL);
}

static void spending_is_summed_over_the_last_seconds_only(void **state)
{
	static struct spend s;
	struct spend_sum sum;

	(void)state;
	spend_init(&s, 5000 * MS);
	spend_get(&s, 1, &sum);
	assert_true(sum.seconds == 0 && sum.trap_s == 0 && sum.cpu_s == 0);
	for (int i = 1; i <= 100; i++)
		spend_add(&s, 5000 * MS + i * 100 * MS, 0.01, 0.02, 0.05);
	spend_get(&s, 1, &sum);
	assert_true(fabs(sum.trap_s - 0.1) < 1e-3 && fabs(sum.record_s - 0.2) < 1e-3);
	assert_true(fabs(sum.cpu_s - 0.5) < 1e-3 && sum.seconds == 1);
	spend_add(&s, 5000 * MS + 12000 * MS, 0, 0, 0);
	spend_get(&s, 1, &sum);
	assert_true(sum.trap_s == 0);
	spend_add(&s, 5000 * MS + 3600000 * MS, 36, 0, 3600);
	spend_get(&s, 1, &sum);
	assert_true(fabs(sum.trap_s - 0.01) < 1e-3 && fabs(sum.cpu_s - 1) < 0.05);
}

int main(void)
{
#define T(name) cmocka_unit_test(name)
	const struct CMUnitTest tests[] = {
		T(a_program_that_allocates_little_is_traced_exactly),
		T(a_million_pairs_a_second_keep_the_budget_by_windows),
		T(windows_weigh_what_they_leave_out),
		T(what_else_is_paid_is_taken_off_the_budget),
		T(records_that_are_too_dear_become_rare_before_probes_go_out),
		T(mode_full_takes_windows_and_no_gaps),
		T(a_load_that_jumps_is_caught_within_a_second),
		T(many_threads_keep_the_budget),
		T(a_load_at_the_edge_does_not_make_it_flap),
		T(bursts_do_not_make_it_flap),
		T(an_idle_target_is_left_as_it_is),
		T(a_larger_budget_never_sees_less),
		T(without_a_budget_every_block_is_recorded),
		T(arming_that_costs_more_than_the_budget_means_watching),
		T(watching_for_lack_of_budget_is_tried_again),
		T(a_fleet_watches_until_something_grows_and_after_the_verdict),
		T(mode_sample_begins_at_64_kB_and_keeps_to_what_was_asked),
		T(counts_and_clocks_that_jump_do_no_harm),
		T(the_cost_that_is_told_is_the_one_that_was),
		T(what_makes_no_sense_is_refused),
		T(spending_is_summed_over_the_last_seconds_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
