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

/* Sessions of minutes, all alike: the few that have ended died rather young. */
static void lives_of_which_most_go_on_are_no_contrast(void **state)
{
	double live[MT_AGE_BUCKETS] = { 6, 6, 12, 24, 46, 88, 60 };
	double freed[MT_AGE_BUCKETS] = { 2, 2, 4, 5, 3, 0 };
	struct survival s;

	(void)state;
	assert_false(leaks(live, freed, 60, &s));
}

static void things_that_die_together_are_one_observation(void **state)
{
	double live[MT_AGE_BUCKETS] = { 5, 1, 2, 4, 8, 14 }, freed[MT_AGE_BUCKETS] = { 900, 20 };
	struct survival_cfg cfg = survival_defaults();
	struct survival_input in = { .live = live, .freed = freed, .watched_s = 30, .batch = 1 };
	struct survival s;

	(void)state;
	assert_true(survival_test(&cfg, &in, &s));
	in.batch = 20;
	assert_false(survival_test(&cfg, &in, &s));
}

static void the_begin_of_gathering_is_known(void **state)
{
	double live[MT_AGE_BUCKETS] = { 5, 1, 2, 4, 8, 4 }, freed[MT_AGE_BUCKETS] = { 9000, 200 };
	struct survival s;

	(void)state;
	assert_true(leaks(live, freed, 300, &s));
	assert_true(s.most_age_s >= 16 && s.most_age_s <= 32);
	assert_true(s.before_s == 300 - 32);
}

/* Much of a long past grew as old as those that do not die any more. */
static bool late_leak(double born, const double *freed_lately, struct survival *s)
{
	double live[MT_AGE_BUCKETS] = { 60, 20, 30, 45, 40 };
	struct survival_cfg cfg = survival_defaults();
	struct survival_recent past = {
		.span_s = 20,
		.before_s = 580,
		.born = born,
		.freed_before = { 10000, 4000, 3000, 900, 20 },
	};
	struct survival_input in = { .live = live, .watched_s = 600, .batch = 1 };
	double freed[MT_AGE_BUCKETS];

	for (int b = 0; b < MT_AGE_BUCKETS; b++) {
		past.freed[b] = freed_lately[b];
		freed[b] = past.freed_before[b] + past.freed[b];
	}
	in.freed = freed;
	if (survival_test(&cfg, &in, s))
		return false; /* the sums show it already: nothing is asked of the recent past */
	in.recent = &past;
	in.recent_count = 1;
	return survival_test(&cfg, &in, s);
}

static void a_leak_after_a_long_past_shows_in_what_was_freed_lately(void **state)
{
	double as_ever[MT_AGE_BUCKETS] = { 200, 80, 60, 5 };
	double slower[MT_AGE_BUCKETS] = { 0, 0, 60, 250, 35 };
	struct survival s;

	(void)state;
	assert_true(late_leak(480, as_ever, &s));
	assert_true(s.changed);
	assert_false(late_leak(480, slower, &s));    /* a queue: those that die are old now */
	assert_false(late_leak(48000, as_ever, &s)); /* so many came that as many grow old */
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
		cmocka_unit_test(lives_of_which_most_go_on_are_no_contrast),
		cmocka_unit_test(things_that_die_together_are_one_observation),
		cmocka_unit_test(the_begin_of_gathering_is_known),
		cmocka_unit_test(a_leak_after_a_long_past_shows_in_what_was_freed_lately),
		cmocka_unit_test(nonsense_is_no_leak),
		cmocka_unit_test(edges_are_octaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
