/* Opinion on one source with a hand-made history, rule by rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "analyse/collections.h"
#include "analyse/suspect.h"

#define LAST (ROBUST_GRID - 1)

/* Nothing is freed; the count follows a curve over x = 0 to 1. */
static struct suspect_unit kept(double seconds, double things, double (*curve)(double))
{
	struct suspect_unit u = { .kind = MT_SITE_HEAP, .now_s = seconds };

	for (int i = 0; i < ROBUST_GRID; i++) {
		u.count[i] = things * curve((double)i / LAST);
		u.bytes[i] = u.count[i] * 1000;
	}
	u.live_count = u.allocated_count = u.count[LAST];
	u.live_bytes = u.bytes[LAST];
	u.ages_known = true;
	return u;
}

static double straight(double x)
{
	return x;
}

static double full_at_nine_tenths(double x)
{
	return fmin(x, 0.88);
}

static double faster_then_full(double x)
{
	return fmin(pow(x, 1.5), 0.818);
}

static double from_a_third(double x)
{
	return fmax(x - 1 / 3.0, 0);
}

static double slowing(double x)
{
	return 1 - exp(-2 * x);
}

static double late(double x)
{
	return fmax(x - 0.6, 0);
}

static double explosive(double x)
{
	return expm1(2 * x) / expm1(2);
}

/* Rises for 0.7 of the time, then falls and rises again. */
static double second_rise(double x)
{
	return x < 0.45 ? 2 * x : x < 0.5 ? 0.9 - 16 * (x - 0.45) : 0.1 + 1.4 * (x - 0.5);
}

static enum suspect_opinion opinion(const struct suspect_unit *u, struct suspicion *s)
{
	struct suspect_cfg cfg = suspect_defaults();

	suspect_judge(&cfg, u, s);
	return s->opinion;
}

static void steady_growth_that_is_kept_is_a_leak(void **state)
{
	struct suspect_unit u = kept(30, 300, straight);
	struct suspicion s;

	(void)state;
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
	assert_int_equal(s.pattern, PATTERN_LINEAR);
	assert_true(fabs(s.bytes_per_s - 10000) < 1 && s.confidence <= 0.8);
	assert_true(s.low_per_s > 9000 && s.high_per_s < 11000);
}

static void a_few_kilobytes_are_not_worth_a_word(void **state)
{
	struct suspect_unit u = kept(30, 300, straight);
	struct suspicion s;

	(void)state;
	for (int i = 0; i < ROBUST_GRID; i++)
		u.bytes[i] = u.count[i] * 10; /* 3 kB in the end */
	u.live_bytes = u.bytes[LAST];
	assert_int_equal(opinion(&u, &s), SUSPECT_NONE);
}

static void longer_growth_gives_more_confidence(void **state)
{
	struct suspect_unit a = kept(20, 300, straight), b = kept(300, 300, straight);
	struct suspicion s, t;

	(void)state;
	opinion(&a, &s);
	opinion(&b, &t);
	assert_true(t.confidence > s.confidence && t.confidence <= 0.8);
}

static void growth_that_slows_is_no_leak(void **state)
{
	struct suspect_unit u = kept(30, 3000, slowing);
	struct suspicion s;

	(void)state;
	assert_int_equal(opinion(&u, &s), SUSPECT_NONE);
}

static void growth_that_has_just_ended_is_no_leak(void **state)
{
	struct suspect_unit u = kept(60, 3000, full_at_nine_tenths);
	struct suspicion s;

	(void)state;
	assert_int_equal(opinion(&u, &s), SUSPECT_NONE);
	u = kept(60, 3000, faster_then_full);
	assert_int_equal(opinion(&u, &s), SUSPECT_NONE);
}

static void a_window_with_an_idle_third_is_not_the_one_that_grew(void **state)
{
	struct suspect_unit u = kept(100, 1000, from_a_third);
	struct suspicion s;

	(void)state;
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
	assert_true(fabs(s.window_s - 50) < 1);
}

static void growth_is_seen_from_its_onset(void **state)
{
	struct suspect_unit u = kept(100, 1000, late);
	struct suspicion s;

	(void)state;
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
	assert_true(s.window_s < 60);
}

static void explosive_growth_is_called_exponential(void **state)
{
	struct suspect_unit u = kept(60, 5000, explosive);
	struct suspicion s;

	(void)state;
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
	assert_int_equal(s.pattern, PATTERN_EXPONENTIAL);
}

static void lives_of_minutes_are_excluded_before_anything_is_said(void **state)
{
	struct suspect_unit u = kept(20, 40, straight);
	struct suspicion s;

	(void)state;
	assert_int_equal(opinion(&u, &s), SUSPECT_WATCH);
	assert_true(s.known_in_s > 0 && s.known_in_s < 60);
	u = kept(60, 120, straight); /* the same pace, longer */
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
	u.freed_count = 20; /* as many as lives of three minutes would have ended */
	assert_int_equal(opinion(&u, &s), SUSPECT_NONE);
}

static void what_a_collector_frees_is_given_time_to_be_collected(void **state)
{
	struct suspect_unit u = kept(34, 3000, straight);
	struct suspicion s;

	(void)state;
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
	u.collected = COLLECTED_ANY;
	assert_int_equal(opinion(&u, &s), SUSPECT_WATCH);
	assert_true(s.known_in_s >= 5);
	u = kept(50, 3000, straight);
	u.collected = COLLECTED_ANY;
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
}

static void the_books_of_a_managed_heap_are_no_leak(void **state)
{
	struct suspect_unit u = kept(50, 3000, straight);
	struct suspicion s;

	(void)state;
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
	u.collected = COLLECTED_WITH_HEAP;
	assert_int_equal(opinion(&u, &s), SUSPECT_NONE);
}

/* One run of the collector, of everything or of what is young; complete: no other was missed. */
static struct collections run_at(double after_s, bool full, bool complete)
{
	struct collections c;

	collections_init(&c);
	c.complete = complete;
	c.young.mark[c.young.count++] = (struct collections_mark){ after_s, after_s + 1 };
	if (full)
		c.full = c.young;
	return c;
}

static void what_a_collector_left_when_it_ran_is_believed_sooner(void **state)
{
	struct suspect_unit u = kept(20, 3000, straight);
	struct collections c = run_at(10, true, true);
	struct suspicion s;

	(void)state;
	u.collected = COLLECTED_LATE;
	u.collections = &c;
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
	c = run_at(5, true, true); /* there was little to free, then */
	assert_int_equal(opinion(&u, &s), SUSPECT_WATCH);
	c = run_at(18, true, true); /* it may be at it */
	assert_int_equal(opinion(&u, &s), SUSPECT_WATCH);
	u.told = true;
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
}

static void what_no_collector_looked_at_is_not_believed(void **state)
{
	struct suspect_unit u = kept(300, 3000, straight);
	struct collections c = run_at(290, false, true);
	struct suspicion s;

	(void)state;
	u.collections = &c;
	u.collected = COLLECTED_ANY;
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
	u.collected = COLLECTED_LATE;
	assert_int_equal(opinion(&u, &s), SUSPECT_WATCH);
	assert_true(s.uncollected && isnan(s.known_in_s));
	c.complete = false; /* it may have run unseen */
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
	c = run_at(10, false, true);
	u.collected = COLLECTED_ANY;
	assert_int_equal(opinion(&u, &s), SUSPECT_WATCH);
	assert_true(s.uncollected);
	u.collected = COLLECTED_NOT;
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
	assert_false(s.uncollected);
}

static void a_level_that_was_reached_before_is_no_growth(void **state)
{
	struct suspect_unit u = kept(240, 300, second_rise);
	struct suspicion s;

	(void)state;
	u.kind = MT_SITE_FD;
	u.ages_known = false;
	u.freed_count = 1e6; /* only the curve speaks */
	assert_int_equal(opinion(&u, &s), SUSPECT_NONE);
}

static void descriptors_that_come_and_go_are_judged_by_the_curve(void **state)
{
	struct suspect_unit u = kept(90, 300, straight);
	struct suspicion s;

	(void)state;
	u.kind = MT_SITE_FD;
	u.ages_known = false;
	u.freed_count = 1e6;
	assert_int_equal(opinion(&u, &s), SUSPECT_SHAPE);
	assert_true(s.confidence <= 0.6 && fabs(s.count_per_s - 300 / 90.0) < 0.1);
	u = kept(40, 300, straight);
	u.kind = MT_SITE_FD;
	u.ages_known = false;
	u.freed_count = 1e6;
	assert_int_equal(opinion(&u, &s), SUSPECT_WATCH);
}

static void one_block_that_grows_in_place_is_judged_by_its_bytes(void **state)
{
	struct suspect_unit u = kept(90, 300, straight);
	struct suspicion s;

	(void)state;
	for (int i = 0; i < ROBUST_GRID; i++)
		u.count[i] = 1;
	u.live_count = 1;
	u.freed_count = u.allocated_count = 5000;
	assert_int_equal(opinion(&u, &s), SUSPECT_SHAPE);
}

static void a_handful_of_descriptors_is_not_judged(void **state)
{
	struct suspect_unit u = kept(300, 7, straight);
	struct suspicion s;

	(void)state;
	u.kind = MT_SITE_SOCKET;
	assert_int_equal(opinion(&u, &s), SUSPECT_NONE);
}

/* A ring of a million blocks: its load fell, each block now stays longer, none is lost. */
static void a_ring_whose_load_fell_is_no_leak(void **state)
{
	struct suspect_unit u = { .kind = MT_SITE_HEAP, .now_s = 60, .ages_known = true };
	struct suspicion s;

	(void)state;
	for (int b = 0; b < 5; b++)
		u.live_by_age[b] = (double[]){ 50e3, 50e3, 100e3, 200e3, 400e3 }[b];
	u.live_by_age[5] = 400e3;
	u.freed_by_age[3] = 9e6;
	u.live_count = 1.2e6;
	u.live_bytes = 136e6;
	u.allocated_count = 10e6;
	u.freed_count = 9e6;
	for (int i = 0; i < ROBUST_GRID; i++) {
		u.count[i] = i < 3 ? i * 0.33e6 : 1e6;
		u.bytes[i] = u.count[i] * 136;
	}
	assert_int_equal(opinion(&u, &s), SUSPECT_NONE);
	for (int i = 0; i < ROBUST_GRID; i++) /* the same ages, but the whole gathers them */
		u.count[i] = 1e6 * i / LAST;
	assert_int_equal(opinion(&u, &s), SUSPECT_SURVIVES);
}

static void survivors_are_weighed_with_those_too_young_to_be_old(void **state)
{
	struct suspect_unit u = kept(30, 30, straight);
	double live[MT_AGE_BUCKETS] = { 5, 1, 2, 4, 8, 14 }, freed[MT_AGE_BUCKETS] = { 900 };
	struct suspicion s;

	(void)state;
	memcpy(u.live_by_age, live, sizeof(live));
	memcpy(u.freed_by_age, freed, sizeof(freed));
	u.live_count = 34;
	u.live_bytes = 34000;
	u.freed_count = 900;
	assert_int_equal(opinion(&u, &s), SUSPECT_SURVIVES);
	assert_true(s.count > s.old_count && s.count <= 34);
	assert_true(s.confidence > 0.8 && s.confidence < 1);
	assert_true(fabs(s.bytes_per_s - 1000) < 250);
	assert_true(s.low_per_s < s.bytes_per_s && s.bytes_per_s < s.high_per_s);
}

/* Ages of a leak of one thing a second since `since` seconds. */
static struct suspect_unit survivors(double seconds, double since)
{
	struct suspect_unit u = kept(seconds, since, straight);

	for (int i = 0; i < ROBUST_GRID; i++)
		u.count[i] = fmax(seconds * i / LAST - (seconds - since), 0);
	for (int b = 0; b < MT_AGE_BUCKETS; b++) {
		double to = b == MT_AGE_BUCKETS - 1 ? 1e9 : survival_edge(b + 1);

		u.live_by_age[b] = fmax(fmin(to, since) - survival_edge(b), 0);
	}
	u.freed_by_age[0] = 900;
	u.freed_count = 900;
	u.live_count = since;
	u.live_bytes = since * 1000;
	u.allocated_count = 900 + since;
	return u;
}

static void multiply(struct suspect_unit *u, double by)
{
	for (int i = 0; i < ROBUST_GRID; i++)
		u->count[i] *= by;
	for (int b = 0; b < MT_AGE_BUCKETS; b++) {
		u->live_by_age[b] *= by;
		u->freed_by_age[b] *= by;
	}
	u->live_count *= by;
	u->allocated_count *= by;
	u->freed_count *= by;
}

/* One record in a hundred: an opinion like that of the records, told in things. */
static void what_is_sampled_is_judged_by_its_records(void **state)
{
	struct suspect_unit few = survivors(300, 60), many = few;
	struct suspect_cfg cfg = suspect_defaults();
	struct suspicion of_few, of_many;

	multiply(&many, 100);
	many.weight = 100;
	suspect_judge(&cfg, &few, &of_few);
	suspect_judge(&cfg, &many, &of_many);
	assert_int_equal(of_few.opinion, SUSPECT_SURVIVES);
	assert_int_equal(of_many.opinion, of_few.opinion);
	assert_true(of_many.confidence == of_few.confidence);
	assert_true(fabs(of_many.count / of_few.count - 100) < 1e-6);
	assert_true(fabs(of_many.count_per_s / of_few.count_per_s - 100) < 1e-6);
	assert_true(fabs(of_many.old_count / of_few.old_count - 100) < 1e-6);
	assert_true(fabs(of_many.bytes_per_s / of_few.bytes_per_s - 1) < 1e-9);
	assert_true(of_many.high_per_s == of_few.high_per_s);
	/* three records of a thousand each are three, not three thousand */
	multiply(&many, 3 / many.live_count);
	many.weight = 1;
	multiply(&many, 1000);
	many.weight = 1000;
	suspect_judge(&cfg, &many, &of_many);
	assert_int_equal(of_many.opinion, SUSPECT_NONE);
	(void)state;
}

/* Probes in windows: blocks of sound sites are lost sight of, those of a leak are all left. */
static void what_probes_lost_sight_of_is_no_survivor(void **state)
{
	struct suspect_unit u = survivors(300, 60);
	struct suspect_cfg cfg = suspect_defaults();
	struct suspicion s;

	multiply(&u, 16);
	u.weight = 16;
	u.exposed = 16000;
	u.left = 8000;
	suspect_judge(&cfg, &u, &s);
	assert_int_equal(s.opinion, SUSPECT_NONE);
	u.left = 15900;
	suspect_judge(&cfg, &u, &s);
	assert_int_equal(s.opinion, SUSPECT_SURVIVES);
	(void)state;
}

static void survivors_without_a_past_may_be_sessions(void **state)
{
	struct suspect_unit early = survivors(60, 60), late = survivors(300, 60);
	struct suspect_unit long_ago = survivors(400, 400);
	struct suspicion s;

	(void)state;
	assert_int_equal(opinion(&early, &s), SUSPECT_SURVIVES);
	assert_true(!s.sure && !s.at_once && s.confidence <= 0.85);
	assert_int_equal(opinion(&late, &s), SUSPECT_SURVIVES);
	assert_true(s.sure && s.at_once && s.confidence >= 0.9);
	assert_int_equal(opinion(&long_ago, &s), SUSPECT_SURVIVES);
	assert_true(s.sure && s.confidence >= 0.9);
}

static void what_a_collector_keeps_for_long_is_no_survivor_yet(void **state)
{
	struct suspect_unit u = survivors(300, 60);
	struct suspicion s;

	(void)state;
	u.collected = COLLECTED_ANY;
	assert_int_equal(opinion(&u, &s), SUSPECT_KEPT);
	assert_true(s.confidence <= 0.6);
}

static void survivors_of_a_great_round_are_survivors(void **state)
{
	struct suspect_unit u = survivors(300, 60), plain = u;
	struct collections c = run_at(270, true, true);
	struct suspicion s, of_plain;

	(void)state;
	assert_int_equal(opinion(&plain, &of_plain), SUSPECT_SURVIVES);
	u.collected = COLLECTED_LATE;
	u.collections = &c;
	assert_int_equal(opinion(&u, &s), SUSPECT_SURVIVES);
	assert_true(s.confidence == of_plain.confidence && s.sure == of_plain.sure);
	c = run_at(230, true, true); /* before they began */
	assert_int_equal(opinion(&u, &s), SUSPECT_WATCH);
	assert_true(s.uncollected);
}

static void survivors_that_come_in_batches_count_as_few(void **state)
{
	struct suspect_unit u = survivors(60, 60);
	struct suspicion s;

	(void)state;
	u.freed_by_age[0] = u.freed_count = 40;
	u.allocated_count = 100;
	assert_int_equal(opinion(&u, &s), SUSPECT_SURVIVES);
	for (int i = 0; i < ROBUST_GRID; i++) /* twenty at a time */
		u.count[i] = 20 * floor(u.count[i] / 20);
	assert_int_not_equal(opinion(&u, &s), SUSPECT_SURVIVES);
}

/* Much lives there; what survives of it is a few bytes. */
static void survivors_of_a_few_bytes_are_nothing_yet(void **state)
{
	struct suspect_unit u = kept(30, 30, straight);
	double live[MT_AGE_BUCKETS] = { 35, 1, 2, 4, 8, 14 }, freed[MT_AGE_BUCKETS] = { 900 };
	struct suspicion s;

	(void)state;
	memcpy(u.live_by_age, live, sizeof(live));
	memcpy(u.freed_by_age, freed, sizeof(freed));
	u.live_count = 64;
	u.freed_count = 900;
	u.live_bytes = 64 * 100;
	assert_int_equal(opinion(&u, &s), SUSPECT_NONE);
	u.live_bytes = 64 * 1000;
	assert_int_equal(opinion(&u, &s), SUSPECT_SURVIVES);
}

static void nonsense_has_no_opinion(void **state)
{
	struct suspect_unit u = kept(30, 300, straight);
	struct suspicion s;

	(void)state;
	u.now_s = NAN;
	assert_int_equal(opinion(&u, &s), SUSPECT_NONE);
	u = kept(30, 300, straight);
	u.live_count = u.live_bytes = NAN;
	assert_int_equal(opinion(&u, &s), SUSPECT_NONE);
	u = kept(30, 1e300, straight);
	opinion(&u, &s);
	assert_true(isfinite(s.bytes_per_s) && isfinite(s.confidence));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steady_growth_that_is_kept_is_a_leak),
		cmocka_unit_test(a_few_kilobytes_are_not_worth_a_word),
		cmocka_unit_test(longer_growth_gives_more_confidence),
		cmocka_unit_test(growth_that_slows_is_no_leak),
		cmocka_unit_test(growth_that_has_just_ended_is_no_leak),
		cmocka_unit_test(a_window_with_an_idle_third_is_not_the_one_that_grew),
		cmocka_unit_test(growth_is_seen_from_its_onset),
		cmocka_unit_test(explosive_growth_is_called_exponential),
		cmocka_unit_test(lives_of_minutes_are_excluded_before_anything_is_said),
		cmocka_unit_test(what_a_collector_frees_is_given_time_to_be_collected),
		cmocka_unit_test(the_books_of_a_managed_heap_are_no_leak),
		cmocka_unit_test(what_a_collector_left_when_it_ran_is_believed_sooner),
		cmocka_unit_test(what_no_collector_looked_at_is_not_believed),
		cmocka_unit_test(survivors_of_a_great_round_are_survivors),
		cmocka_unit_test(a_level_that_was_reached_before_is_no_growth),
		cmocka_unit_test(descriptors_that_come_and_go_are_judged_by_the_curve),
		cmocka_unit_test(one_block_that_grows_in_place_is_judged_by_its_bytes),
		cmocka_unit_test(a_handful_of_descriptors_is_not_judged),
		cmocka_unit_test(a_ring_whose_load_fell_is_no_leak),
		cmocka_unit_test(survivors_are_weighed_with_those_too_young_to_be_old),
		cmocka_unit_test(what_is_sampled_is_judged_by_its_records),
		cmocka_unit_test(what_probes_lost_sight_of_is_no_survivor),
		cmocka_unit_test(survivors_without_a_past_may_be_sessions),
		cmocka_unit_test(what_a_collector_keeps_for_long_is_no_survivor_yet),
		cmocka_unit_test(survivors_that_come_in_batches_count_as_few),
		cmocka_unit_test(survivors_of_a_few_bytes_are_nothing_yet),
		cmocka_unit_test(nonsense_has_no_opinion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
