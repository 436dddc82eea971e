/* Histories: the whole life in a bounded number of points. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/series.h"

#define SEC 1000000000ull

static struct series *filled(size_t limit, uint64_t points)
{
	struct series *s = NULL;

	assert_int_equal(series_new(limit, &s), 0);
	for (uint64_t i = 0; i < points; i++)
		assert_int_equal(series_add(s, i * SEC, i * 10, i), 0);
	return s;
}

static void few_points_are_all_kept(void **state)
{
	struct series *s = filled(16, 16);

	assert_int_equal(series_count(s), 16);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(series_points(s)[i].bytes, i * 10);
	series_free(s);
	(void)state;
}

static void the_window_covers_the_whole_life_and_ends_exactly(void **state)
{
	for (uint64_t n = 1; n < 3000; n++) {
		struct series *s = filled(16, n);
		size_t count = series_count(s);

		assert_true(count <= 16);
		assert_true(n < 9 || count > 8);
		assert_int_equal(series_points(s)[0].t_cs, 0);
		assert_int_equal(series_points(s)[count - 1].bytes, (n - 1) * 10);
		series_free(s);
	}
	(void)state;
}

static void kept_points_are_evenly_spaced(void **state)
{
	struct series *s = filled(16, 1000);
	const struct series_point *p = series_points(s);

	for (size_t i = 2; i + 1 < series_count(s); i++)
		assert_int_equal(p[i].t_cs - p[i - 1].t_cs, p[1].t_cs - p[0].t_cs);
	series_free(s);
	(void)state;
}

static void a_point_from_the_past_is_ignored(void **state)
{
	struct series *s = filled(16, 3);

	assert_int_equal(series_add(s, 1 * SEC, 77, 7), 0);
	assert_int_equal(series_count(s), 3);
	assert_int_equal(series_points(s)[2].bytes, 20);
	series_free(s);
	(void)state;
}

static void years_have_points_of_their_own(void **state)
{
	struct series *s = NULL;
	const uint64_t day = 86400 * SEC;

	(void)state;
	assert_int_equal(series_new(100, &s), 0);
	for (uint64_t i = 0; i < 5000; i++)
		assert_int_equal(series_add(s, i * day, i, 0), 0);
	for (size_t i = 1; i < series_count(s); i++)
		assert_true(series_points(s)[i].t_cs > series_points(s)[i - 1].t_cs);
	assert_true(series_points(s)[series_count(s) - 1].t_cs == 4999 * 8640000ull);
	series_free(s);
}

static void counts_stop_at_the_largest_that_fits(void **state)
{
	struct series *s = filled(16, 0);

	assert_int_equal(series_add(s, UINT64_MAX, UINT64_MAX, UINT64_MAX), 0);
	assert_int_equal(series_points(s)[0].count, UINT32_MAX);
	assert_true(series_points(s)[0].t_cs > UINT32_MAX);
	assert_true(series_points(s)[0].bytes == (UINT64_C(1) << SERIES_BYTES_BITS) - 1);
	series_free(s);
	(void)state;
}

static void too_few_points_are_refused_and_the_result_untouched(void **state)
{
	struct series *s = (struct series *)state;

	assert_int_equal(series_new(3, &s), -EINVAL);
	assert_ptr_equal(s, state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_points_are_all_kept),
		cmocka_unit_test(the_window_covers_the_whole_life_and_ends_exactly),
		cmocka_unit_test(kept_points_are_evenly_spaced),
		cmocka_unit_test(a_point_from_the_past_is_ignored),
		cmocka_unit_test(years_have_points_of_their_own),
		cmocka_unit_test(counts_stop_at_the_largest_that_fits),
		cmocka_unit_test(too_few_points_are_refused_and_the_result_untouched),
	};

	return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
