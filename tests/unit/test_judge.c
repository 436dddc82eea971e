/* The judge on simulated processes, rule by rule, and on hostile snapshots. See also
 * test_judge_corpus.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "site_run.h"

/* A site that keeps everything, and its findings after some seconds. */
static struct run *keeper(double rate, double bytes, double to_s, double end_s)
{
	struct run *r = run_begin(SEED + 1, end_s);

	sim_add_site(&r->sim, MT_SITE_HEAP, bytes);
	sim_churn(&r->sim, &r->sim.site[0], 0, to_s, rate, SIM_EXPONENTIAL, 1, 1);
	return r;
}

/* Most die young, and the rest does not die. */
static struct run *survivors(void)
{
	struct run *r = run_begin(SEED + 2, 60);

	sim_add_site(&r->sim, MT_SITE_HEAP, 1000);
	sim_churn(&r->sim, &r->sim.site[0], 0, 60, 100, SIM_EXPONENTIAL, 0.2, 0.3);
	return r;
}

static bool says(const struct finding *f, const char *words)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (strstr(f->evidence[i], words))
			return true;
	return false;
}

static void what_is_never_freed_may_be_a_cache_and_says_so(void **state)
{
	auto_run *r = keeper(20, 1000, 60, 60);

	(void)state;
	assert_int_equal(run_all(r), VERDICT_LEAK);
	assert_int_equal(r->f.count, 1);
	assert_true(r->f.list[0].confidence <= 0.8);
	assert_true(says(&r->f.list[0], "none of 1,"));
	assert_true(says(&r->f.list[0], "a leak or unbounded cache"));
	assert_true(says(&r->f.list[0], "95 % interval"));
	assert_int_equal(r->f.list[0].pattern, PATTERN_LINEAR);
	assert_int_equal(r->f.list[0].site_id, 1000);
	assert_true(fabs(r->f.list[0].growth_bytes_per_s - 20000) < 3000);
	assert_true(fabs((double)r->f.list[0].size_bytes - 1.2e6) < 0.2e6);
	assert_non_null(r->f.list[0].recommendation);
}

static void a_young_process_may_be_filling_its_caches(void **state)
{
	const double lived_s[] = { 40, 7 * 24 * 3600, 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		auto_run *r = keeper(20, 1000, 40, 40);

		for (size_t second = 0; second <= 40; second++) {
			sim_tick(&r->sim, second);
			r->sim.snap.lived_s = lived_s[i];
			run_judge(r);
		}
		assert_int_equal(r->f.verdict, VERDICT_LEAK);
		assert_int_equal(says(&r->f.list[0], "was started 40 s ago"), i == 0);
		assert_int_equal(says(&r->f.list[0], "was started"), i == 0);
	}
}

static void one_hit_is_not_enough(void **state)
{
	auto_run *r = keeper(50, 1000, 60, 60);
	size_t second = 0;

	(void)state;
	r->cfg.hold_s = 10;
	while (r->f.verdict != VERDICT_LEAK && second < 60)
		run_tick(r, second++);
	assert_in_range(second, 24, 28);
	assert_int_equal(r->f.verdict, VERDICT_LEAK);
}

static void sparse_ticks_need_one_hit(void **state)
{
	auto_run *r = keeper(50, 1000, 40, 40);

	(void)state;
	for (size_t second = 0; second <= 40; second++)
		sim_tick(&r->sim, second);
	run_tick(r, 40);
	assert_int_equal(r->f.verdict, VERDICT_LEAK);
}

/* A tick may be told in two parts: its sites come later. */
static void an_instant_told_in_two_parts_is_one_tick(void **state)
{
	auto_run *sparse = keeper(50, 1000, 40, 40), *dense = keeper(50, 1000, 60, 60),
		 *whole = keeper(50, 1000, 60, 60);

	(void)state;
	for (size_t second = 0; second <= 40; second++)
		sim_tick(&sparse->sim, second);
	sparse->sim.snap.site_count = 0;
	run_judge(sparse);
	sparse->sim.snap.site_count = 1;
	run_judge(sparse);
	assert_int_equal(sparse->f.verdict, VERDICT_LEAK);
	run_all(whole);
	for (size_t second = 0; second <= 60; second++) {
		struct snap_site *site = &dense->sim.snap_site[0], told;

		sim_tick(&dense->sim, second);
		told = *site;
		site->live_bytes = site->live_count = 0;
		site->live_bytes_series.count = site->live_count_series.count = 0;
		if (dense->f.verdict != VERDICT_LEAK)
			run_judge(dense);
		*site = told;
		run_judge(dense);
		if (dense->f.verdict == VERDICT_LEAK && dense->first_leak_s < 0)
			dense->first_leak_s = (double)second;
	}
	assert_int_equal(dense->f.verdict, VERDICT_LEAK);
	assert_true(dense->first_leak_s == whole->first_leak_s);
}

static void growth_below_the_floor_is_not_reported(void **state)
{
	auto_run *r = keeper(0.4, 100, 60, 60);

	(void)state;
	assert_int_equal(run_all(r), VERDICT_NO_LEAK);
	assert_int_equal(r->f.count, 0);
}

static void a_short_window_is_inconclusive_and_says_until_when(void **state)
{
	auto_run *r = run_begin(SEED, 20);

	(void)state;
	run_until(r, 0, 4);
	assert_int_equal(r->f.verdict, VERDICT_INCONCLUSIVE);
	assert_true(fabs(r->f.known_in_s - 6) < 1e-9);
	run_until(r, 5, 12);
	assert_int_equal(r->f.verdict, VERDICT_NO_LEAK);
	assert_true(isnan(r->f.known_in_s));
}

static void a_suspect_keeps_the_verdict_open(void **state)
{
	auto_run *r = keeper(2, 50000, 20, 20);

	(void)state;
	assert_int_equal(run_all(r), VERDICT_INCONCLUSIVE);
	assert_int_equal(r->f.count, 0);
	assert_true(r->f.known_in_s > 0 && r->f.known_in_s < 60);
}

static void what_was_freed_is_gone_and_keeps_its_id(void **state)
{
	auto_run *r = keeper(20, 1000, 30, 60);
	struct sim_site *site = &r->sim.site[0];
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < site->count; i++)
		site->things[i].dies = 31;
	run_until(r, 0, 30);
	assert_int_equal(r->f.verdict, VERDICT_LEAK);
	id = r->f.list[0].leak_id;
	run_until(r, 31, 60);
	assert_int_equal(r->f.verdict, VERDICT_NO_LEAK);
	assert_int_equal(r->f.count, 1);
	assert_false(r->f.list[0].active);
	assert_true(r->f.list[0].leak_id == id);
	assert_true(r->f.list[0].first_seen_s > 10 && r->f.list[0].first_seen_s < 31);
}

static void a_source_that_left_the_snapshot_is_gone(void **state)
{
	auto_run *r = keeper(20, 1000, 60, 60);

	(void)state;
	run_until(r, 0, 30);
	assert_int_equal(r->f.verdict, VERDICT_LEAK);
	sim_tick(&r->sim, 31);
	r->sim.snap.site_count = 0;
	run_judge(r);
	assert_int_equal(r->f.verdict, VERDICT_NO_LEAK);
	assert_int_equal(r->f.count, 1);
	assert_false(r->f.list[0].active);
	assert_true(r->f.list[0].site == SIZE_MAX);
}

static void a_cache_that_is_full_is_gone_while_others_work(void **state)
{
	auto_run *r = keeper(20, 1000, 30, 60);

	(void)state;
	sim_churn(&r->sim, sim_add_site(&r->sim, MT_SITE_HEAP, 64), 0, 60, 20, SIM_EXPONENTIAL, 0.1,
		  0);
	run_until(r, 0, 30);
	assert_int_equal(r->f.verdict, VERDICT_LEAK);
	run_until(r, 31, 60);
	assert_int_equal(r->f.verdict, VERDICT_NO_LEAK);
	assert_false(r->f.list[0].active);
}

static void growth_that_stops_with_the_whole_program_is_no_acquittal(void **state)
{
	auto_run *r = keeper(20, 1000, 30, 60);

	(void)state;
	assert_int_equal(run_all(r), VERDICT_INCONCLUSIVE);
	assert_int_equal(r->f.count, 1);
	assert_false(r->f.list[0].active);
}

static void survivors_stay_a_leak_when_the_load_ends(void **state)
{
	auto_run *r = run_begin(SEED + 3, 90);

	(void)state;
	sim_add_site(&r->sim, MT_SITE_HEAP, 1000);
	sim_churn(&r->sim, &r->sim.site[0], 0, 40, 30, SIM_EXPONENTIAL, 0.2, 0.2);
	assert_int_equal(run_all(r), VERDICT_LEAK);
	assert_true(r->f.list[0].active);
	assert_true(says(&r->f.list[0], "were never freed"));
}

/* A churn that begins to lose some after a minute. */
static struct run *late_loser(double end_s)
{
	struct run *r = run_begin(SEED + 9, end_s);

	sim_add_site(&r->sim, MT_SITE_HEAP, 1000);
	sim_churn(&r->sim, &r->sim.site[0], 0, 60, 30, SIM_EXPONENTIAL, 0.2, 0);
	sim_churn(&r->sim, &r->sim.site[0], 60, end_s, 30, SIM_EXPONENTIAL, 0.2, 0.2);
	return r;
}

static void survivors_after_a_past_without_them_need_one_look(void **state)
{
	auto_run *r = late_loser(80);

	(void)state;
	r->cfg.hold_s = 1000;
	assert_int_equal(run_all(r), VERDICT_LEAK);
	assert_true(r->first_leak_s > 62 && r->f.list[0].confirmed);
}

static void what_was_sure_stays_sure_while_it_goes_on(void **state)
{
	auto_run *r = late_loser(250);
	bool sure = false;

	(void)state;
	r->cfg.fusion.max_confidence = 0; /* the process has no say */
	for (size_t second = 0; second <= 250; second++) {
		run_tick(r, second);
		if (!r->f.count)
			continue;
		assert_true(r->f.list[0].active);
		assert_true(!sure || r->f.list[0].confidence >= 0.9);
		sure = r->f.list[0].confidence >= 0.9;
	}
	assert_true(sure);
}

static void paths_of_one_owner_are_one_finding(void **state)
{
	auto_run *r = run_begin(SEED + 4, 60);

	(void)state;
	sim_add_leak(&r->sim, LEAK_PATHS, 0);
	assert_int_equal(run_all(r), VERDICT_LEAK);
	assert_int_equal(r->f.count, 1);
	assert_true(says(&r->f.list[0], "8 call paths"));
	assert_true(r->f.list[0].count > 120);
	assert_int_equal(r->f.list[0].paths, 8);
	assert_int_equal(r->f.list[0].path_count, FINDING_PATHS_MAX);
	assert_int_equal(r->f.list[0].path[0].site, r->f.list[0].site);
	for (size_t i = 0; i < r->sim.sites; i++) {
		size_t rank = 0;

		for (size_t k = 0; k < r->sim.sites; k++)
			rank += r->sim.snap_site[k].live_bytes > r->sim.snap_site[i].live_bytes;
		if (rank < FINDING_PATHS_MAX)
			assert_true(r->sim.snap_site[r->f.list[0].path[rank].site].live_bytes ==
				    r->sim.snap_site[i].live_bytes);
	}
}

static void one_leaking_path_is_seen_behind_the_noise_of_its_owner(void **state)
{
	auto_run *r = run_begin(SEED + 5, 60);
	struct sim_site *noisy;

	(void)state;
	sim_add_site(&r->sim, MT_SITE_HEAP, 1000);
	sim_churn(&r->sim, &r->sim.site[0], 0, 60, 5, SIM_EXPONENTIAL, 1, 1);
	noisy = sim_add_site(&r->sim, MT_SITE_HEAP, 1000);
	noisy->owner = r->sim.site[0].owner;
	sim_churn(&r->sim, noisy, 0, 60, 60, SIM_EXPONENTIAL, 20, 0);
	assert_int_equal(run_all(r), VERDICT_LEAK);
	assert_int_equal(r->f.count, 1);
	assert_int_equal(r->f.list[0].site_id, 1000);
}

static void memory_that_is_not_touched_costs_confidence(void **state)
{
	auto_run *a = keeper(20, 10000, 60, 60), *b = keeper(20, 10000, 60, 60);

	(void)state;
	run_until(a, 0, 60);
	for (size_t second = 0; second <= 60; second++) {
		sim_tick(&b->sim, second);
		for (size_t i = 0; i <= second; i++)
			b->sim.external[i] = 20e6;
		run_judge(b);
	}
	assert_int_equal(b->f.verdict, VERDICT_LEAK);
	assert_true(b->f.list[0].confidence < a->f.list[0].confidence);
	assert_true(says(&b->f.list[0], "not touched"));
	assert_false(says(&a->f.list[0], "not touched"));
}

static void what_a_runtime_maps_for_its_heap_is_no_leak(void **state)
{
	auto_run *r = run_begin(SEED + 1, 60);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sim_site *site = sim_add_site(&r->sim, MT_SITE_MMAP, 262144);

		sim_churn(&r->sim, site, 0, 60, 5, SIM_EXPONENTIAL, 1, 1);
		site->managed = i == 0;
	}
	assert_int_equal(run_all(r), VERDICT_LEAK);
	assert_int_equal(r->f.count, 1);
	assert_int_equal(r->f.list[0].site_id, 1001);
	for (size_t second = 61; second < 70; second++) { /* its heap is found at last */
		r->sim.site[1].managed = true;
		run_tick(r, second);
	}
	assert_int_not_equal(r->f.verdict, VERDICT_LEAK);
}

/* A cache of 1500 things is full after 60 s; 100 of the oldest are gone meanwhile. */
static struct suspect_unit filled(double freed, int age)
{
	struct suspect_unit u = { .kind = MT_SITE_HEAP, .now_s = 64, .weight = 1 };

	for (size_t i = 0; i < ROBUST_GRID; i++) {
		u.count[i] = 25.0 * 64 * (double)i / (ROBUST_GRID - 1);
		u.bytes[i] = 1000 * u.count[i];
	}
	u.ages_known = true;
	u.live_count = u.count[ROBUST_GRID - 1];
	u.live_bytes = 1000 * u.live_count;
	u.allocated_count = u.live_count + freed;
	u.freed_count = u.freed_by_age[age] = freed;
	for (int b = 0; b < 7; b++)
		u.live_by_age[b] = b ? 25 << (b - 1) : 25;
	return u;
}

static void what_begins_to_free_its_oldest_is_watched(void **state)
{
	struct suspect_cfg cfg = suspect_defaults();
	struct suspect_unit u;
	struct suspicion s;

	(void)state;
	u = filled(0, 6);
	suspect_judge(&cfg, &u, &s);
	assert_int_equal(s.opinion, SUSPECT_KEPT);
	u = filled(100, 6);
	suspect_judge(&cfg, &u, &s);
	assert_int_equal(s.opinion, SUSPECT_WATCH);
	u = filled(12, 6); /* a few are no bound */
	suspect_judge(&cfg, &u, &s);
	assert_int_equal(s.opinion, SUSPECT_KEPT);
}

/* Remembered sets of a heap that grows; and a leak of the runtime's own. */
static enum verdict judge_books(double heap_gain, enum resource_class class)
{
	auto_run *r = run_begin(SEED + 1, 60);
	struct snap_range heap = { 0, 1 << 30, 10 << 20, 0, RANGE_MANAGED };

	sim_add_site(&r->sim, MT_SITE_HEAP, 100)->class = class;
	sim_churn(&r->sim, &r->sim.site[0], 0, 60, 20, SIM_EXPONENTIAL, 1, 1);
	for (size_t second = 0; second <= 60; second++) {
		sim_tick(&r->sim, second);
		r->sim.module.name = "libjvm.so";
		r->sim.module.main_exe = false;
		heap.resident_bytes = (10u << 20) + (uint64_t)(heap_gain / 60 * (double)second);
		r->sim.snap.ranges = &heap;
		r->sim.snap.range_count = 1;
		run_judge(r);
	}
	return r->f.verdict;
}

static void the_books_of_a_heap_that_grows_are_no_leak(void **state)
{
	(void)state;
	assert_int_equal(judge_books(100e6, CLASS_native_modules), VERDICT_NO_LEAK);
	assert_int_equal(judge_books(1e6, CLASS_native_modules), VERDICT_LEAK);
	assert_int_equal(judge_books(100e6, CLASS_buffers), VERDICT_LEAK);
}

/* Seen through windows: nothing is seen to end. The process grows for so long, and so much of what
 * its site is said to grow by, which may be off by so much. */
static void run_in_windows(struct run *r, double grows_s, double real, double error)
{
	for (size_t second = 0; second <= 60; second++) {
		sim_tick(&r->sim, second);
		r->sim.external[second] = 20e6 + real * 50e3 * fmin((double)second, grows_s);
		r->sim.snap_site[0].live_error_bytes =
			error * (double)r->sim.snap_site[0].live_bytes;
		r->sim.snap_site[0].estimated = true;
		r->sim.snap_site[0].weight = 1;
		r->sim.snap_site[0].exposed_count = r->sim.snap_site[0].live_count;
		r->sim.snap_site[0].left_count = r->sim.snap_site[0].live_count;
		run_judge(r);
		if (second == 25 && real == 1)
			assert_int_equal(r->f.verdict, VERDICT_LEAK);
	}
}

static void a_process_that_stands_still_contradicts_what_windows_show(void **state)
{
	auto_run *leak = keeper(50, 1000, 60, 60), *cache = keeper(50, 1000, 60, 60);

	(void)state;
	run_in_windows(leak, 60, 1, 0);
	assert_int_equal(leak->f.verdict, VERDICT_LEAK);
	run_in_windows(cache, 30, 1, 0);
	assert_int_equal(cache->f.verdict, VERDICT_INCONCLUSIVE);
	assert_false(cache->f.list[0].active);
}

/* In windows some of what dies young looks live: a fiftieth of the growth is no evidence for it. */
static void survivors_in_windows_are_not_told_beside_growth_that_drowns_them(void **state)
{
	auto_run *seen = survivors(), *drowned = survivors();

	(void)state;
	run_in_windows(seen, 60, 20, 0); /* 1 MB/s, of which 30 kB/s are the claim */
	assert_true(seen->f.count && seen->f.list[0].active);
	run_in_windows(drowned, 60, 40, 0);
	assert_false(drowned->f.count && drowned->f.list[0].active);
}

/* What comes by the clock weighs several times what it is where probes slow the program down. */
static void an_estimate_is_gainsaid_by_as_much_of_it_as_is_certain(void **state)
{
	auto_run *rough = keeper(50, 1000, 60, 60), *exact = keeper(50, 1000, 60, 60),
		 *cache = keeper(50, 1000, 60, 60);

	(void)state;
	run_in_windows(rough, 60, 0.2, 0.5);
	assert_int_equal(rough->f.verdict, VERDICT_LEAK);
	run_in_windows(exact, 60, 0.2, 0);
	assert_int_equal(exact->f.verdict, VERDICT_INCONCLUSIVE);
	run_in_windows(cache, 0, 0.2, 3);
	assert_int_equal(cache->f.verdict, VERDICT_INCONCLUSIVE);
}

/* Probes go out after 30 s; the process grows for so long. */
static void run_with_probes_out(struct run *r, double grows_s)
{
	for (size_t second = 0; second <= 60; second++) {
		sim_tick(&r->sim, second);
		r->sim.external[second] = 20e6 + 50e3 * fmin((double)second, grows_s);
		r->sim.snap.heap_traced = second <= 30;
		run_judge(r);
		if (second == 30)
			assert_int_equal(r->f.verdict, VERDICT_LEAK);
	}
}

static void what_grew_and_stopped_while_probes_were_out_is_open(void **state)
{
	auto_run *leak = keeper(50, 1000, 60, 60), *cache = keeper(50, 1000, 60, 60),
		 *kept = survivors();

	(void)state;
	run_with_probes_out(leak, 60);
	assert_int_equal(leak->f.verdict, VERDICT_LEAK);
	run_with_probes_out(cache, 35);
	assert_int_equal(cache->f.verdict, VERDICT_INCONCLUSIVE);
	assert_false(cache->f.list[0].active);
	assert_non_null(strstr(cache->f.why, "grows no more"));
	run_with_probes_out(kept, 35);
	assert_int_equal(kept->f.verdict, VERDICT_LEAK);
}

/* Only RSS is known: a process without allocator probes. */
static enum verdict judge_curve(struct run *r, double (*value)(struct sim *, double), size_t end)
{
	for (size_t second = 0; second <= end; second++) {
		sim_tick(&r->sim, second);
		r->sim.external[second] = value(&r->sim, (double)second);
		r->sim.snap.heap_traced = false;
		run_judge(r);
		if (r->f.verdict == VERDICT_LEAK && r->first_leak_s < 0)
			r->first_leak_s = (double)second;
	}
	return r->f.verdict;
}

static double rising(struct sim *s, double t)
{
	return 50e6 + 100e3 * t + 100e3 * sim_normal(s);
}

static double flat(struct sim *s, double t)
{
	(void)t;
	return 50e6 + 300e3 * sim_normal(s);
}

static double warming_up(struct sim *s, double t)
{
	return 50e6 + 30e6 * (1 - exp(-t / 25)) + 100e3 * sim_normal(s);
}

static void without_sites_the_curve_of_a_minute_is_not_enough(void **state)
{
	auto_run *r = run_begin(SEED + 6, 100);

	(void)state;
	assert_int_equal(judge_curve(r, rising, 100), VERDICT_INCONCLUSIVE);
	assert_int_equal(r->f.count, 0);
	assert_int_equal(r->p.list[0].kind, SUBJECT_PROCESS);
	assert_int_equal(r->p.list[0].opinion.shape.pattern, PATTERN_LINEAR);
	assert_true(fabs(r->p.list[0].opinion.shape.growth_per_s - 100e3) < 10e3);
}

static void a_flat_or_warming_process_is_no_leak(void **state)
{
	auto_run *a = run_begin(SEED + 7, 100), *b = run_begin(SEED + 8, 200);

	(void)state;
	assert_int_equal(judge_curve(a, flat, 100), VERDICT_NO_LEAK);
	assert_int_equal(judge_curve(b, warming_up, 200), VERDICT_NO_LEAK);
}

static void the_worst_leak_comes_first(void **state)
{
	auto_run *r = keeper(10, 100, 60, 60);

	(void)state;
	sim_churn(&r->sim, sim_add_site(&r->sim, MT_SITE_HEAP, 50000), 0, 60, 30, SIM_EXPONENTIAL,
		  1, 1);
	assert_int_equal(run_all(r), VERDICT_LEAK);
	assert_int_equal(r->f.count, 2);
	assert_int_equal(r->f.list[0].site_id, 1001);
	assert_in_range(r->f.list[0].severity, SEVERITY_MEDIUM,
			SEVERITY_HIGH); /* 1.5 MB/s, not sure */
	assert_int_equal(r->f.list[1].severity, SEVERITY_LOW);
}

static void assert_sane(const struct findings *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct finding *x = &f->list[i];

		assert_true(isfinite(x->growth_bytes_per_s) && isfinite(x->growth_count_per_s));
		assert_true(x->confidence >= 0 && x->confidence <= 1);
		assert_true(isfinite(x->first_seen_s) && x->severity >= SEVERITY_LOW);
		assert_true(x->evidence_count > 0 && x->recommendation);
		for (size_t e = 0; e < x->evidence_count; e++)
			assert_null(strstr(x->evidence[e], "nan"));
	}
}

/* Overwrites a snapshot with what a hostile target could make of its counters. */
static void corrupt(struct sim *s, size_t tick)
{
	for (size_t i = 0; i < s->sites; i++) {
		struct snap_site *site = &s->snap_site[i];
		uint64_t any = (uint64_t)(sim_random(s) * 8);

		site->live_bytes = any == 0 ? UINT64_MAX : any == 1 ? 0 : site->live_bytes;
		site->live_count = any == 2 ? UINT64_MAX : any == 3 ? 1ull << 62 : site->live_count;
		site->freed_count = any == 4 ? UINT64_MAX : site->freed_count;
		site->live_by_age[any] = UINT64_MAX - 1;
		site->first_seen_s = any == 5 ? NAN : any == 6 ? -1 : 1e300;
		s->site[i].t[tick] = any == 1 ? NAN : any == 2 ? 0 : any == 3 ? INFINITY : tick;
		s->site[i].live[tick] = any == 4   ? NAN
					: any == 5 ? -7
					: any == 6 ? 1e300
						   : tick * 100;
		if (any == 7)
			site->live_bytes_series = (struct snap_series){};
		s->owner[i].module = any == 3 ? 77 : 0;
		s->owner[i].frame = any == 2 ? 1000 : 0;
	}
}

static void assert_patterns_sane(const struct patterns *p)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct pattern_row *x = &p->list[i];

		assert_in_range(x->opinion.shape.pattern, PATTERN_STABLE, PATTERN_MAX - 1);
		assert_in_range(x->severity, SEVERITY_LOW, SEVERITY_CRITICAL);
		assert_true(x->opinion.leak_probability >= 0 && x->opinion.leak_probability <= 1);
		assert_true(isfinite(x->opinion.shape.total_growth));
		if (x->forecast.known)
			assert_true(x->limit_kind && x->forecast.seconds >= 0);
	}
}

/* Rows that contradict each other, of classes and of modules that are not there. */
static void corrupt_ledger(struct sim *s, struct ledger *l, struct module_row modules[8])
{
	l->external_bytes = sim_random(s) < 0.1 ? UINT64_MAX : (uint64_t)(1e9 * sim_random(s));
	for (int c = 1; c < CLASS_MAX; c++) {
		double any = sim_random(s);

		l->rows[c] = (struct class_row){
			.bytes = any < 0.1   ? FACT_UNKNOWN
				 : any < 0.2 ? UINT64_MAX - 1
					     : (uint64_t)(1e9 * any),
			.count = any < 0.5 ? FACT_UNKNOWN : 1ull << 63,
			.growth_bytes_per_s = NAN,
			.how = any < 0.9 ? HOW_EXACT : 77,
		};
	}
	for (size_t i = 0; i < 8; i++)
		modules[i] =
			(struct module_row){ .module = (uint32_t)i * 1000, .bytes = UINT64_MAX };
	l->modules = modules;
	l->module_count = 8;
}

/* Owners may be missing; limits are what a broken host might tell. */
static void hostile_judge(struct run *r, bool owners)
{
	double any = sim_random(&r->sim);
	struct module_row modules[8];
	struct ledger ledger = {};

	corrupt_ledger(&r->sim, &ledger, modules);
	r->in.snap = &r->sim.snap;
	r->in.owners = owners ? r->sim.owner : NULL;
	r->in.ledger = any < 0.8 ? &ledger : NULL;
	r->in.limits = (struct judge_limits){ any < 0.2 ? NAN : 1e9, "cgroup",
					      any < 0.4	  ? NAN
					      : any < 0.6 ? 1e300
							  : 5e8 };
	r->in.final = any < 0.1;
	findings_done(&r->f);
	patterns_done(&r->p);
	assert_int_equal(judge_tick(r->judge, &r->cfg, &r->in, &r->f, &r->p), 0);
	r->in.ledger = NULL;
}

static void hostile_snapshots_give_sane_findings(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		auto_run *r = run_begin(SEED + seed, 60);

		sim_add_leak(&r->sim, LEAK_SOME, 0);
		sim_add_leak(&r->sim, LEAK_ALL, 0);
		sim_add_leak(&r->sim, LEAK_THINGS, 5);
		for (size_t second = 0; second <= 60; second++) {
			sim_tick(&r->sim, second);
			corrupt(&r->sim, second);
			r->sim.snap.elapsed_s = seed == 7   ? NAN
						: seed == 8 ? 1e300
							    : (double)second;
			r->sim.external[second] = seed % 3 ? NAN : 1e300;
			hostile_judge(r, seed % 2);
			assert_sane(&r->f);
			assert_patterns_sane(&r->p);
		}
	}
}

static void an_empty_snapshot_is_judged(void **state)
{
	struct judge_cfg cfg = judge_defaults();
	auto_clean(judge_freep) struct judge *j = NULL;
	auto_clean(findings_done) struct findings f = {};
	struct snapshot snap = { .elapsed_s = 30, .heap_traced = true };
	struct judge_input in = { .snap = &snap };

	(void)state;
	assert_int_equal(judge_new(&j), 0);
	assert_int_equal(judge_tick(j, &cfg, &in, &f, NULL), 0);
	assert_int_equal(f.verdict, VERDICT_NO_LEAK);
	assert_int_equal(f.count, 0);
}

static void suspects_beyond_the_limit_are_refused_and_counted(void **state)
{
	static struct snap_site sites[JUDGE_RECORDS_MAX + 50];
	struct judge_cfg cfg = judge_defaults();
	auto_clean(judge_freep) struct judge *j = NULL;
	auto_clean(findings_done) struct findings f = {};
	auto_run *r = keeper(20, 1000, 40, 40);
	struct snapshot snap;
	struct judge_input in = { .snap = &snap };

	(void)state;
	for (size_t second = 0; second <= 40; second++)
		sim_tick(&r->sim, second);
	snap = r->sim.snap;
	for (size_t i = 0; i < JUDGE_RECORDS_MAX + 50; i++) {
		sites[i] = r->sim.snap_site[0];
		sites[i].id = i + 1;
	}
	snap.sites = sites;
	snap.site_count = JUDGE_RECORDS_MAX + 50;
	assert_int_equal(judge_new(&j), 0);
	assert_int_equal(judge_tick(j, &cfg, &in, &f, NULL), 0);
	assert_int_equal(f.count, JUDGE_RECORDS_MAX);
	assert_int_equal(judge_refused(j), 50);
}

static void no_judge_is_freed_quietly(void **state)
{
	(void)state;
	judge_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_never_freed_may_be_a_cache_and_says_so),
		cmocka_unit_test(a_young_process_may_be_filling_its_caches),
		cmocka_unit_test(one_hit_is_not_enough),
		cmocka_unit_test(sparse_ticks_need_one_hit),
		cmocka_unit_test(an_instant_told_in_two_parts_is_one_tick),
		cmocka_unit_test(growth_below_the_floor_is_not_reported),
		cmocka_unit_test(a_short_window_is_inconclusive_and_says_until_when),
		cmocka_unit_test(a_suspect_keeps_the_verdict_open),
		cmocka_unit_test(what_was_freed_is_gone_and_keeps_its_id),
		cmocka_unit_test(a_source_that_left_the_snapshot_is_gone),
		cmocka_unit_test(a_cache_that_is_full_is_gone_while_others_work),
		cmocka_unit_test(growth_that_stops_with_the_whole_program_is_no_acquittal),
		cmocka_unit_test(survivors_stay_a_leak_when_the_load_ends),
		cmocka_unit_test(survivors_after_a_past_without_them_need_one_look),
		cmocka_unit_test(what_was_sure_stays_sure_while_it_goes_on),
		cmocka_unit_test(paths_of_one_owner_are_one_finding),
		cmocka_unit_test(one_leaking_path_is_seen_behind_the_noise_of_its_owner),
		cmocka_unit_test(memory_that_is_not_touched_costs_confidence),
		cmocka_unit_test(what_a_runtime_maps_for_its_heap_is_no_leak),
		cmocka_unit_test(a_process_that_stands_still_contradicts_what_windows_show),
		cmocka_unit_test(survivors_in_windows_are_not_told_beside_growth_that_drowns_them),
		cmocka_unit_test(what_grew_and_stopped_while_probes_were_out_is_open),
		cmocka_unit_test(an_estimate_is_gainsaid_by_as_much_of_it_as_is_certain),
		cmocka_unit_test(what_begins_to_free_its_oldest_is_watched),
		cmocka_unit_test(the_books_of_a_heap_that_grows_are_no_leak),
		cmocka_unit_test(without_sites_the_curve_of_a_minute_is_not_enough),
		cmocka_unit_test(a_flat_or_warming_process_is_no_leak),
		cmocka_unit_test(the_worst_leak_comes_first),
		cmocka_unit_test(hostile_snapshots_give_sane_findings),
		cmocka_unit_test(an_empty_snapshot_is_judged),
		cmocka_unit_test(suspects_beyond_the_limit_are_refused_and_counted),
		cmocka_unit_test(no_judge_is_freed_quietly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
