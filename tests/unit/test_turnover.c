/* What comes and goes in a process as a whole, over time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/turnover.h"

static void add(struct turnover *t, double at, double born, double freed, double live)
{
	turnover_add(t, &(struct turnover_point){ at, born, freed, live, 100 * live });
}

static void differences_are_since_the_last_point_that_is_old_enough(void **state)
{
	struct turnover t = {};
	struct turnover_change d;

	(void)state;
	assert_false(turnover_since(&t, 0, &d));
	add(&t, 2, 100, 10, 90);
	assert_false(turnover_since(&t, 2, &d)); /* nothing happened since then */
	add(&t, 4, 200, 30, 170);
	add(&t, 6, 400, 50, 350);
	assert_false(turnover_since(&t, 1, &d));
	assert_false(turnover_since(&t, 6, &d));
	assert_true(turnover_since(&t, 5, &d));
	assert_true(d.span_s == 2 && d.born == 200 && d.freed == 20);
	assert_true(d.live_count == 180 && d.live_bytes == 18000);
	assert_true(turnover_since(&t, 3, &d));
	assert_true(d.span_s == 4 && d.born == 300);
}

static void what_is_not_known_is_forgotten(void **state)
{
	struct turnover t = {};
	struct turnover_change d;

	(void)state;
	add(&t, 2, 100, 10, 90);
	add(&t, 4, 200, 10, NAN);
	add(&t, 6, 300, 10, 90);
	assert_false(turnover_since(&t, 4, &d));
	add(&t, 8, 400, NAN, 190); /* blocks are sampled: what is live is known all the same */
	assert_true(turnover_since(&t, 6, &d));
	assert_true(d.live_count == 100 && isnan(d.freed));
	assert_false(turnover_denies(&d, 1, 100, 0.25));
}

static void a_long_past_is_kept_at_fewer_points(void **state)
{
	struct turnover t = {};
	struct turnover_change d;

	(void)state;
	for (int i = 0; i <= 1000; i++)
		add(&t, i, 10.0 * i, 0, 0);
	assert_true(t.count <= TURNOVER_POINTS);
	assert_true(turnover_since(&t, 990, &d));
	assert_true(d.span_s >= 10 && d.span_s < 10 + 16 && d.born == 10 * d.span_s);
	assert_true(turnover_since(&t, 500, &d));
	assert_true(d.span_s >= 500 && d.span_s < 500 + 16 && d.born == 10 * d.span_s);
	assert_true(turnover_since(&t, 0, &d));
	assert_true(d.span_s == 1000 && d.born == 10000);
}

static bool denies(double born, double freed, double claimed, double weight)
{
	struct turnover_change d = { .born = born, .freed = freed, .scatter = NAN };

	return turnover_denies(&d, weight, claimed, 0.25);
}

static void as_many_frees_as_births_leave_nothing_to_gather(void **state)
{
	(void)state;
	assert_true(denies(10000, 10000, 10000, 1));
	assert_true(denies(10000, 9000, 10000, 1));
	assert_false(denies(10000, 7000, 10000, 1));
	assert_false(denies(10000, 0, 10000, 1));
	assert_false(denies(10000, 10000, 0, 1)); /* nothing is claimed */
}

/* A leak of 200 among 20,000 that come and go: a sum that is read late would hide it. */
static void what_is_small_beside_the_flow_is_not_told(void **state)
{
	(void)state;
	assert_false(denies(20200, 20200, 200, 1));
	assert_true(denies(20200, 20200, 20000, 1));
	assert_true(denies(1000, 1000, 1000, 1)); /* 45 observations of each other's error */
	assert_false(denies(1000, 1000, 1000, 16));
}

/* Windows in which commands are seen whole: births and frees differ by little. */
static double scatter_of(double each)
{
	struct turnover t = {};
	struct turnover_change d;
	double born = 0, freed = 0;

	for (int i = 0; i <= 8; i++) {
		add(&t, 2 * i, born, freed, 0);
		born += 20000 + 3000 * (i % 3);
		freed += 20000 + 3000 * (i % 3) + (i % 2 ? each : -each);
	}
	assert_true(turnover_since(&t, 0, &d));
	return d.scatter;
}

static void what_the_sums_tell_shows_in_their_scatter(void **state)
{
	struct turnover_change d = { .born = 200000, .freed = 200000, .scatter = NAN };

	(void)state;
	assert_false(turnover_denies(&d, 16, 20000, 0.25));
	d.scatter = scatter_of(0);
	assert_true(d.scatter < 1);
	assert_true(turnover_denies(&d, 16, 20000, 0.25));
	d.scatter = scatter_of(1000); /* neighbours are 2000 apart: 2100 each, 5900 of eight */
	assert_true(d.scatter > 5500 && d.scatter < 6500);
	assert_false(turnover_denies(&d, 16, 20000, 0.25));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differences_are_since_the_last_point_that_is_old_enough),
		cmocka_unit_test(what_is_not_known_is_forgotten),
		cmocka_unit_test(a_long_past_is_kept_at_fewer_points),
		cmocka_unit_test(as_many_frees_as_births_leave_nothing_to_gather),
		cmocka_unit_test(what_is_small_beside_the_flow_is_not_told),
		cmocka_unit_test(what_the_sums_tell_shows_in_their_scatter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
