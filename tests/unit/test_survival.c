/* The survival test on hand-made histograms: leaks, churn, bursts, fillings and nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "analyse/survival.h"

static bool leaks(const double *live, const double *freed, double watched_s, struct survival *s)
{
	struct survival_cfg cfg = survival_defaults();
	struct survival_input in = {
		.live = live, .freed = freed, .watched_s = watched_s, .batch = 1
	};

	return survival_test(&cfg, &in, s);
}

static void survivors_of_a_churn_are_a_leak(void **state)
{
	double live[MT_AGE_BUCKETS] = { 5, 1, 2, 4, 8, 14 }, freed[MT_AGE_BUCKETS] = { 900, 20 };
	struct survival s;

	(void)state;
	assert_true(leaks(live, freed, 30, &s));
	assert_true(s.old_freed <= 20 && s.old_count >= 26 && s.score > 2.5);
	assert_true(s.rate_per_s > 0.7 && s.rate_per_s < 1.3);
}

static void long_lives_that_do_end_are_no_leak(void **state)
{
	double live[MT_AGE_BUCKETS] = { 5, 1, 2, 4, 8, 10 };
	double freed[MT_AGE_BUCKETS] = { 900, 20, 8, 9, 10, 9 };
	struct survival s = { .score = 42 };

	(void)state;
	assert_false(leaks(live, freed, 30, &s));
	assert_true(s.score == 42);
}

static void without_frees_nothing_is_known_of_usual_lives(void **state)
{
	double live[MT_AGE_BUCKETS] = { 10, 10, 20, 40, 80, 140 }, freed[MT_AGE_BUCKETS] = { 3 };
	struct survival s;

	(void)state;
	assert_false(leaks(live, freed, 30, &s));
}

static void few_frees_do_not_settle_how_long_lives_are(void **state)
{
	double live[MT_AGE_BUCKETS] = { 2, 1, 2, 4, 8, 6 };
	double freed[MT_AGE_BUCKETS] = { 8, 0, 0, 0, 2 },
	       many[MT_AGE_BUCKETS] = { 800, 0, 0, 0, 2 };
	struct survival s;

	(void)state;
	assert_false(leaks(live, freed, 30, &s));
	assert_true(leaks(live, many, 30, &s));
}

static void what_was_made_at_the_start_is_no_leak(void **state)
{
	double live[MT_AGE_BUCKETS] = { 5, 0, 0, 0, 0, 500 }, freed[MT_AGE_BUCKETS] = { 900 };
	struct survival s;

	(void)state;
	assert_false(leaks(live, freed, 31, &s));
}

static void one_burst_that_stays_is_no_leak(void **state)
{
	double live[MT_AGE_BUCKETS] = { 5, 0, 0, 200 }, freed[MT_AGE_BUCKETS] = { 900 };
	struct survival s;

	(void)state;
	assert_false(leaks(live, freed, 60, &s));
}

static void a_filling_that_slows_is_no_leak(void **state)
{
	double live[MT_AGE_BUCKETS] = { 5, 1, 2, 6, 20, 120, 400 }, freed[MT_AGE_BUCKETS] = { 900 };
	struct survival s;

	(void)state;
	assert_false(leaks(live, freed, 60, &s));
}

static void the_end_of_a_filling_is_no_leak_though_it_looks_steady(void **state)
{
	/* The pace of births falls by e in 20 s; within any 8 s it hardly falls. */
	double live[MT_AGE_BUCKETS] = { 8, 8, 17, 40, 108, 394, 2000 };
	double freed[MT_AGE_BUCKETS] = { 900 };
	struct survival s;

	(void)state;
	assert_false(leaks(live, freed, 60, &s));
}

static void a_late_onset_is_found(void **state)
{
	double live[MT_AGE_BUCKETS] = { 5, 1, 2, 4, 8, 4 }, freed[MT_AGE_BUCKETS] = { 9000, 200 };
	struct survival s;

	(void)state;
	assert_true(leaks(live, freed, 300, &s));
}

static void nonsense_is_no_leak(void **state)
{
	double nan[MT_AGE_BUCKETS], huge[MT_AGE_BUCKETS];
	struct survival s;

	(void)state;
	for (int b = 0; b < MT_AGE_BUCKETS; b++) {
		nan[b] = NAN;
		huge[b] = 1.8e19;
	}
	assert_false(leaks(nan, huge, 60, &s));
	assert_false(leaks(huge, nan, 60, &s));
	assert_false(leaks(huge, huge, NAN, &s));
	assert_false(leaks(huge, huge, -1, &s));
}

static void edges_are_octaves(void **state)
{
	(void)state;
	assert_true(survival_edge(0) == 0 && survival_edge(1) == 1 && survival_edge(10) == 512);
	for (int b = 0; b < MT_AGE_BUCKETS; b++)
		assert_int_equal(survival_bucket(survival_edge(b)), b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survivors_of_a_churn_are_a_leak),
		cmocka_unit_test(long_lives_that_do_end_are_no_leak),
		cmocka_unit_test(without_frees_nothing_is_known_of_usual_lives),
		cmocka_unit_test(few_frees_do_not_settle_how_long_lives_are),
		cmocka_unit_test(what_was_made_at_the_start_is_no_leak),
		cmocka_unit_test(one_burst_that_stays_is_no_leak),
		cmocka_unit_test(a_filling_that_slows_is_no_leak),
		cmocka_unit_test(the_end_of_a_filling_is_no_leak_though_it_looks_steady),
		cmocka_unit_test(a_late_onset_is_found),
		cmocka_unit_test(nonsense_is_no_leak),
		cmocka_unit_test(edges_are_octaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
