/* Robust statistics: lines, grids, trends and tail bounds on good and on hostile input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "analyse/robust.h"

#define N 60

static double noise(uint64_t *state) /* uniform, -0.5 to 0.5 */
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (double)(*state >> 11) * 0x1p-53 - 0.5;
}

static void ramp(double *t, double *v, double slope, double spread, uint64_t seed)
{
	for (int i = 0; i < N; i++) {
		t[i] = i;
		v[i] = 100 + slope * i + spread * noise(&seed);
	}
}

static void a_line_is_found_through_noise(void **state)
{
	double t[N], v[N];
	struct robust_line l;

	(void)state;
	ramp(t, v, 3, 10, 1);
	assert_int_equal(robust_line_fit(t, v, N, &l), 0);
	assert_true(fabs(l.slope - 3) < 0.1);
	assert_true(l.low < 3 && l.high > 3 && l.low > 2.5 && l.high < 3.5);
	assert_true(l.fit > 0.95);
}

static void a_quarter_of_wild_points_does_not_move_the_line(void **state)
{
	double t[N], v[N];
	struct robust_line l;

	(void)state;
	ramp(t, v, 3, 1, 2);
	for (int i = 0; i < N; i += 5)
		v[i] = 1e9;
	assert_int_equal(robust_line_fit(t, v, N, &l), 0);
	assert_true(fabs(l.slope - 3) < 0.2);
}

static void the_interval_holds_the_truth_as_often_as_it_says(void **state)
{
	double t[N], v[N];
	struct robust_line l;
	int held = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		ramp(t, v, 1, 20, seed * 977);
		assert_int_equal(robust_line_fit(t, v, N, &l), 0);
		held += l.low <= 1 && l.high >= 1;
	}
	assert_in_range(held, 368, 400); /* 95 % less three standard errors */
}

static void noise_that_remembers_widens_the_interval(void **state)
{
	double t[N], white[N], walk[N], widths[2] = {};
	struct robust_line a, b;

	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		uint64_t dice = seed;
		double level = 0;

		ramp(t, white, 0, 2.3, seed); /* as wide as the walk is */
		for (int i = 0; i < N; i++)
			walk[i] = level = 0.9 * level + noise(&dice);
		assert_int_equal(robust_line_fit(t, white, N, &a), 0);
		assert_int_equal(robust_line_fit(t, walk, N, &b), 0);
		widths[0] += a.high - a.low;
		widths[1] += b.high - b.low;
	}
	assert_true(widths[1] > 1.5 * widths[0]);
}

static void a_line_without_points_is_refused_and_the_result_untouched(void **state)
{
	double t[N] = {}, v[N] = {};
	struct robust_line l = { .slope = 42 };

	(void)state;
	assert_int_equal(robust_line_fit(t, v, 0, &l), -EINVAL);
	assert_int_equal(robust_line_fit(t, v, N, &l), -EINVAL); /* one moment only */
	for (int i = 0; i < N; i++)
		v[i] = NAN;
	assert_int_equal(robust_line_fit(t, v, N, &l), -EINVAL);
	assert_true(l.slope == 42);
}

static void points_that_are_no_numbers_are_left_out_of_a_line(void **state)
{
	double t[N], v[N];
	struct robust_line l;

	(void)state;
	ramp(t, v, 2, 0, 1);
	v[3] = NAN;
	t[9] = INFINITY;
	v[20] = -INFINITY;
	assert_int_equal(robust_line_fit(t, v, N, &l), 0);
	assert_true(fabs(l.slope - 2) < 1e-9);
}

static void a_grid_moves_straight_between_points(void **state)
{
	double t[] = { 0, 10 }, v[] = { 0, 128 }, grid[ROBUST_GRID] = {};
	struct snap_series s = { t, v, 2 };

	(void)state;
	assert_int_equal(robust_grid_add(&s, 0, 10, grid), 2);
	assert_true(fabs(grid[64] - 64) < 1e-9 && fabs(grid[128] - 128) < 1e-9);
	assert_int_equal(robust_grid_add(&s, 0, 10, grid), 2); /* adds up */
	assert_true(fabs(grid[64] - 128) < 1e-9);
}

static void nothing_is_live_before_it_is_born(void **state)
{
	double t[] = { 5, 10 }, v[] = { 100, 100 }, grid[ROBUST_GRID] = {};
	struct snap_series s = { t, v, 2 };

	(void)state;
	robust_grid_add(&s, 5, 10, grid);
	assert_true(grid[0] == 0 && grid[60] == 0 && grid[70] == 100);
}

static void what_is_older_than_its_series_holds_its_first_value(void **state)
{
	double t[] = { 5, 10 }, v[] = { 100, 100 }, grid[ROBUST_GRID] = {};
	struct snap_series s = { t, v, 2 };

	(void)state;
	robust_grid_add(&s, -1, 10, grid);
	assert_true(grid[0] == 100);
}

static void a_hostile_series_gives_a_finite_grid(void **state)
{
	double t[] = { 3, 1, NAN, 4, 4, -5, INFINITY, 6 };
	double v[] = { 1, 9, 9, NAN, 1.8e19, 9, 9, -3 }, grid[ROBUST_GRID] = {};
	struct snap_series s = { t, v, 8 }, empty = {};

	(void)state;
	assert_int_equal(robust_grid_add(&s, NAN, 10, grid), 2);
	assert_int_equal(robust_grid_add(&empty, 0, 10, grid), 0);
	assert_int_equal(robust_grid_add(&s, 0, NAN, grid), 0);
	assert_int_equal(robust_grid_add(&s, 0, -1, grid), 0);
	for (int i = 0; i < ROBUST_GRID; i++)
		assert_true(isfinite(grid[i]) && grid[i] >= 0);
}

static void a_ramp_is_significant_and_does_not_slow(void **state)
{
	double grid[ROBUST_GRID];
	struct robust_trend t;

	(void)state;
	for (int i = 0; i < ROBUST_GRID; i++)
		grid[i] = 10.0 * i;
	assert_int_equal(robust_trend_fit(grid, 0, 128, true, &t), 0);
	assert_true(t.growth == 1280 && t.significance > 20);
	assert_true(fabs(t.slowing) < 1e-9 && t.weakest_third > 0.9 && fabs(t.recent - 1) < 1e-9);
}

static void few_things_are_never_very_significant(void **state)
{
	double grid[ROBUST_GRID];
	struct robust_trend t;

	(void)state;
	for (int i = 0; i < ROBUST_GRID; i++)
		grid[i] = i / 16.0; /* 8 things, as regular as can be */
	assert_int_equal(robust_trend_fit(grid, 0, 128, true, &t), 0);
	assert_true(t.significance < 3);
}

static void a_filling_slows(void **state)
{
	double grid[ROBUST_GRID];
	struct robust_trend t;

	(void)state;
	for (int i = 0; i < ROBUST_GRID; i++)
		grid[i] = 1000 * (1 - exp(-i / 64.0));
	assert_int_equal(robust_trend_fit(grid, 0, 128, true, &t), 0);
	assert_true(t.slowing > 1 && t.weakest_third < 0.6 && t.recent < 0.6);
}

static void one_step_is_not_significant(void **state)
{
	double grid[ROBUST_GRID];
	struct robust_trend t;

	(void)state;
	for (int i = 0; i < ROBUST_GRID; i++)
		grid[i] = i > 70 ? 1e6 : 0;
	assert_int_equal(robust_trend_fit(grid, 0, 128, false, &t), 0);
	assert_true(t.significance < 1.5 && t.weakest_third == 0);
}

static void a_shrinking_or_flat_grid_has_no_significance(void **state)
{
	double grid[ROBUST_GRID];
	struct robust_trend t;

	(void)state;
	for (int i = 0; i < ROBUST_GRID; i++)
		grid[i] = 1000 - i;
	assert_int_equal(robust_trend_fit(grid, 0, 128, true, &t), 0);
	assert_true(t.significance == 0);
	memset(grid, 0, sizeof(grid));
	assert_int_equal(robust_trend_fit(grid, 0, 128, true, &t), 0);
	assert_true(t.significance == 0);
	assert_int_equal(robust_trend_fit(grid, 120, 122, true, &t), -EINVAL);
}

static void tail_bounds_are_above_the_truth_and_exact_at_zero(void **state)
{
	(void)state;
	assert_true(fabs(robust_binomial_tail(24, 0.4, 0) - 24 * log10(0.6)) < 1e-9);
	assert_true(fabs(robust_poisson_tail(10, 0) + 10 / M_LN10) < 1e-9);
	assert_true(robust_poisson_tail(10, 3) > log10(0.0104)); /* true P(X <= 3) = 0.0103 */
	assert_true(robust_poisson_tail(10, 12) == 0 && robust_binomial_tail(10, 0.4, 9) == 0);
	assert_true(robust_poisson_tail(NAN, 1) == 0 && robust_binomial_tail(0, 0.4, 0) == 0);
	assert_true(isfinite(robust_poisson_tail(1e18, 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_found_through_noise),
		cmocka_unit_test(a_quarter_of_wild_points_does_not_move_the_line),
		cmocka_unit_test(the_interval_holds_the_truth_as_often_as_it_says),
		cmocka_unit_test(noise_that_remembers_widens_the_interval),
		cmocka_unit_test(a_line_without_points_is_refused_and_the_result_untouched),
		cmocka_unit_test(points_that_are_no_numbers_are_left_out_of_a_line),
		cmocka_unit_test(a_grid_moves_straight_between_points),
		cmocka_unit_test(nothing_is_live_before_it_is_born),
		cmocka_unit_test(what_is_older_than_its_series_holds_its_first_value),
		cmocka_unit_test(a_hostile_series_gives_a_finite_grid),
		cmocka_unit_test(a_ramp_is_significant_and_does_not_slow),
		cmocka_unit_test(few_things_are_never_very_significant),
		cmocka_unit_test(a_filling_slows),
		cmocka_unit_test(one_step_is_not_significant),
		cmocka_unit_test(a_shrinking_or_flat_grid_has_no_significance),
		cmocka_unit_test(tail_bounds_are_above_the_truth_and_exact_at_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
