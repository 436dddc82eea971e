/* A series at every time scale: medians of four, the whole life, clocks that step. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "growth/history.h"

static struct history *filled(uint64_t points) /* value = time = 1, 2, ... */
{
	struct history *h = NULL;

	assert_int_equal(history_new(&h), 0);
	for (uint64_t i = 1; i <= points; i++)
		assert_int_equal(history_add(h, (double)i, (double)i), 0);
	return h;
}

static void the_newest_points_are_as_added(void **state)
{
	struct history *h = filled(1000);
	double t[HISTORY_RING], v[HISTORY_RING];

	assert_int_equal(history_level(h, 0, t, v), HISTORY_RING);
	for (size_t i = 0; i < HISTORY_RING; i++) {
		assert_float_equal(t[i], 1000 - 127 + (double)i, 0);
		assert_float_equal(v[i], t[i], 0);
	}
	assert_int_equal(history_last(h, 5, t, v), 5);
	assert_float_equal(v[0], 996, 0);
	assert_float_equal(v[4], 1000, 0);
	assert_int_equal(history_count(h), 1000);
	history_free(h);
	(void)state;
}

static void a_level_is_made_of_medians_of_four(void **state)
{
	struct history *h = NULL;
	double t[HISTORY_RING], v[HISTORY_RING];
	const double four[] = { 7, 1000, -1000, 9 };

	assert_int_equal(history_new(&h), 0);
	for (int i = 0; i < 128; i++)
		assert_int_equal(history_add(h, i, four[i % 4] + i / 4), 0);
	assert_int_equal(history_level(h, 1, t, v), 32);
	for (int i = 0; i < 32; i++) {
		assert_float_equal(t[i], 4 * i + 1.5, 1e-9);
		assert_float_equal(v[i], 8 + i, 1e-9);
	}
	assert_int_equal(history_level(h, 2, t, v), 0);
	assert_int_equal(history_level(h, HISTORY_LEVELS, t, v), 0);
	history_free(h);
	(void)state;
}

static void levels_follow_each_other_without_a_hole(void **state)
{
	struct history *h = filled(10000);
	double t[HISTORY_RING], v[HISTORY_RING];

	for (unsigned int level = 1; level < 5; level++) {
		double each = pow(4, level);
		size_t n = history_level(h, level, t, v);

		assert_true(n >= 32);
		for (size_t i = 1; i < n; i++) {
			assert_float_equal(t[i] - t[i - 1], each, 1e-6);
			assert_float_equal(v[i], t[i], 1e-6);
		}
		assert_true(t[n - 1] > 10000 - 1.5 * each);
	}
	history_free(h);
	(void)state;
}

static void the_whole_life_reaches_from_the_start_to_the_newest(void **state)
{
	struct history *h = NULL;
	double t[HISTORY_RING], v[HISTORY_RING];

	assert_int_equal(history_new(&h), 0);
	for (int i = 1; i <= 300000; i++) {
		size_t n;

		assert_int_equal(history_add(h, i, i), 0);
		if (i > 3000 && i % 997)
			continue;
		n = history_whole(h, t, v);
		assert_true(n <= HISTORY_RING && n >= (i < 32 ? (size_t)i : 32));
		assert_true(t[0] <= 1 + i / 32.0);
		assert_float_equal(t[n - 1], i, 0);
		for (size_t k = 1; k < n; k++)
			assert_true(t[k] > t[k - 1] && fabs(v[k] - t[k]) <= i / 64.0);
	}
	history_free(h);
	(void)state;
}

static void memory_follows_what_is_held(void **state)
{
	static const struct {
		uint64_t points;
		size_t bytes;
	} most[] = { { 8, 1000 }, { 128, 3500 }, { 1000, 8000 }, { 200000, 24000 } };

	for (size_t i = 0; i < sizeof(most) / sizeof(*most); i++) {
		struct history *h = filled(most[i].points);

		assert_true(history_bytes(h) < most[i].bytes);
		history_free(h);
	}
	(void)state;
}

static void what_is_no_point_is_refused_and_counted(void **state)
{
	static const double bad[][2] = { { NAN, 1 },	   { 5, NAN },	 { INFINITY, 1 },
					 { 5, -INFINITY }, { 5, 1e200 }, { -1e200, 1 },
					 { 3, 7 },	   { 2, 7 } };
	struct history *h = filled(3);
	double t[HISTORY_RING], v[HISTORY_RING];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(history_add(h, bad[i][0], bad[i][1]), -EINVAL);
	assert_int_equal(history_refused(h), 8);
	assert_int_equal(history_count(h), 3);
	assert_int_equal(history_level(h, 0, t, v), 3);
	assert_float_equal(v[2], 3, 0);
	history_clear(h);
	assert_int_equal(history_count(h), 0);
	assert_int_equal(history_whole(h, t, v), 0);
	assert_int_equal(history_refused(h), 8);
	history_free(h);
	(void)state;
}

static void a_clock_set_back_shifts_what_is_known(void **state)
{
	struct history *h = filled(500);
	double t[HISTORY_RING], v[HISTORY_RING];
	size_t n;

	for (int i = 1; i < HISTORY_PATIENCE; i++)
		assert_int_equal(history_add(h, 100 + 2 * i, 600), -EINVAL);
	assert_int_equal(history_add(h, 100 + 2 * HISTORY_PATIENCE, 601), 0);
	assert_int_equal(history_refused(h), HISTORY_PATIENCE - 1);
	assert_int_equal(history_count(h), 501);
	n = history_whole(h, t, v);
	for (size_t i = 1; i < n; i++)
		assert_true(t[i] > t[i - 1]);
	assert_float_equal(t[n - 1], 100 + 2 * HISTORY_PATIENCE, 0);
	n = history_level(h, 0, t, v);
	assert_float_equal(t[n - 1] - t[n - 2], 2, 1e-9);
	assert_float_equal(t[n - 2] - t[n - 3], 1, 1e-9);
	assert_float_equal(history_shifted(h), 100 + 2 * HISTORY_PATIENCE - 2 - 500, 1e-9);
	assert_int_equal(history_add(h, 200, 602), 0);
	history_free(h);
	(void)state;
}

static void late_and_repeated_points_do_not_set_it_back(void **state)
{
	struct history *h = filled(100);

	for (int i = 1; i <= 50; i++) { /* a second writer whose clock is behind */
		assert_int_equal(history_add(h, i, 1), -EINVAL);
		assert_int_equal(history_add(h, 100 + i, 100), 0);
	}
	for (int i = 0; i < 50; i++) /* the same point again and again */
		assert_int_equal(history_add(h, 20, 1), -EINVAL);
	for (int i = 0; i < 50; i++)
		assert_int_equal(history_add(h, 150, 1), -EINVAL);
	assert_int_equal(history_refused(h), 150);
	assert_float_equal(history_shifted(h), 0, 0);
	history_free(h);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_points_are_as_added),
		cmocka_unit_test(a_level_is_made_of_medians_of_four),
		cmocka_unit_test(levels_follow_each_other_without_a_hole),
		cmocka_unit_test(the_whole_life_reaches_from_the_start_to_the_newest),
		cmocka_unit_test(memory_follows_what_is_held),
		cmocka_unit_test(what_is_no_point_is_refused_and_counted),
		cmocka_unit_test(a_clock_set_back_shifts_what_is_known),
		cmocka_unit_test(late_and_repeated_points_do_not_set_it_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
