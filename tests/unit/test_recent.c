/* The recent past of groups: spans, forgetting, the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "analyse/recent.h"
#include "base/cleanup.h"

#define auto_recent auto_clean(recent_done) struct recent

/* One thing is born and one freed, at an age below a second, every second. */
static size_t play(struct recent *r, uint64_t key, double from_s, double to_s,
		   struct survival_recent *ret)
{
	size_t n = 0;

	for (double t = from_s; t <= to_s; t++) {
		double freed[MT_AGE_BUCKETS] = { t };

		recent_begin(r);
		if (recent_add(r, key, t, t, freed, ret, &n) < 0)
			n = 0;
		recent_end(r);
	}
	return n;
}

static void each_span_is_at_least_what_it_says_and_at_most_twice(void **state)
{
	auto_recent r = { .limit = 8 };
	struct survival_recent past[RECENT_SPANS];

	(void)state;
	assert_int_equal(play(&r, 1, 1, 700, past), RECENT_SPANS);
	for (int i = 0; i < RECENT_SPANS; i++) {
		double span_s = (double[]){ 16, 64, 256 }[i];

		assert_true(past[i].span_s >= span_s && past[i].span_s <= 2 * span_s);
		assert_true(past[i].before_s + past[i].span_s == 700);
		assert_true(past[i].born == past[i].span_s);
		assert_true(past[i].freed[0] == past[i].span_s);
		assert_true(past[i].freed_before[0] == past[i].before_s);
		assert_true(past[i].freed[1] == 0);
	}
}

static void a_short_past_has_short_spans_only(void **state)
{
	auto_recent r = { .limit = 8 };
	struct survival_recent past[RECENT_SPANS];

	(void)state;
	assert_int_equal(play(&r, 1, 1, 10, past), 0);
	assert_int_equal(play(&r, 1, 11, 40, past), 1);
	assert_int_equal(play(&r, 1, 41, 100, past), 2);
}

static void a_group_that_stays_away_is_forgotten(void **state)
{
	auto_recent r = { .limit = 8 };
	struct survival_recent past[RECENT_SPANS];

	(void)state;
	assert_int_equal(play(&r, 1, 1, 100, past), 2);
	play(&r, 2, 101, 101, past);
	assert_int_equal(play(&r, 1, 102, 102, past), 0);
}

static void groups_keep_apart(void **state)
{
	auto_recent r = { .limit = 8 };
	struct survival_recent past[RECENT_SPANS];
	size_t n;

	(void)state;
	for (double t = 1; t <= 40; t++) {
		double slow[MT_AGE_BUCKETS] = { t }, fast[MT_AGE_BUCKETS] = { 10 * t };

		recent_begin(&r);
		assert_int_equal(recent_add(&r, 5, t, t, slow, past, &n), 0);
		assert_true(n == 0 || past[0].freed[0] == past[0].span_s);
		assert_int_equal(recent_add(&r, 9, t, t, fast, past, &n), 0);
		assert_true(n == 0 || past[0].freed[0] == 10 * past[0].span_s);
		recent_end(&r);
	}
	assert_int_equal(n, 1);
}

static void groups_beyond_the_limit_are_refused_and_counted(void **state)
{
	auto_recent r = { .limit = 2 };
	struct survival_recent past[RECENT_SPANS];
	double freed[MT_AGE_BUCKETS] = { 1 };
	size_t n = 7;

	(void)state;
	recent_begin(&r);
	for (uint64_t key = 1; key <= 5; key++)
		assert_int_equal(recent_add(&r, key, 1, 1, freed, past, &n), 0);
	recent_end(&r);
	assert_int_equal(n, 0);
	assert_int_equal(r.refused, 3);
	assert_int_equal(r.count, 2);
}

static void nonsense_has_no_past(void **state)
{
	auto_recent r = { .limit = 2 };
	struct survival_recent past[RECENT_SPANS];
	double freed[MT_AGE_BUCKETS] = { NAN, INFINITY, -1 };
	size_t n = 7;

	(void)state;
	for (int i = 0; i < 3; i++) {
		recent_begin(&r);
		assert_int_equal(
			recent_add(&r, 1, (double[]){ NAN, -1, INFINITY }[i], 1, freed, past, &n),
			0);
		recent_end(&r);
		assert_int_equal(n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_span_is_at_least_what_it_says_and_at_most_twice),
		cmocka_unit_test(a_short_past_has_short_spans_only),
		cmocka_unit_test(a_group_that_stays_away_is_forgotten),
		cmocka_unit_test(groups_keep_apart),
		cmocka_unit_test(groups_beyond_the_limit_are_refused_and_counted),
		cmocka_unit_test(nonsense_has_no_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
