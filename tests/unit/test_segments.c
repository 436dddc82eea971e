/* Change points: steps found where they are, and the start of the last straight stretch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "../judge/rng.h"
#include "growth/fit.h"
#include "growth/segments.h"

#define N 120

static void times(double *x)
{
	for (size_t i = 0; i < N; i++)
		x[i] = i / (N - 1.0);
}

static void noise_is_measured_under_a_trend_and_jumps(void **state)
{
	struct rng r = rng_new(1, 0);
	double y[N], noise;

	(void)state;
	for (size_t i = 0; i < N; i++)
		y[i] = 1e9 + 50 * i + 10 * rng_normal(&r) + (i > 60 ? 1e6 : 0);
	noise = segments_noise(y, N, 0);
	assert_true(noise > 7 && noise < 13);
	assert_true(segments_noise(y, N, 40) == 40);
	assert_true(isnan(segments_noise(y, 2, 1)));
}

static void steps_are_found_where_they_are(void **state)
{
	static const size_t at[] = { 0, 20, 55, 100, N };
	static const double level[] = { 5, 9, 7, 30 };
	struct rng r = rng_new(2, 0);
	struct segments s;
	double y[N];

	(void)state;
	for (size_t k = 0; k < 4; k++)
		for (size_t i = at[k]; i < at[k + 1]; i++)
			y[i] = 1e9 + level[k] + 0.3 * rng_normal(&r);
	assert_int_equal(segments_levels(y, N, segments_noise(y, N, 0), 0, &s), 0);
	assert_int_equal(s.count, 4);
	assert_memory_equal(s.start, at, sizeof(at));
	for (size_t k = 0; k < 4; k++)
		assert_true(fabs(s.level[k] - 1e9 - level[k]) < 0.3);
	assert_true(s.left > 0.2 && s.left < 0.4);
}

static void noise_alone_is_one_level(void **state)
{
	struct segments s;
	double y[N];
	int cut = 0;

	(void)state;
	for (int round = 0; round < 100; round++) {
		struct rng r = rng_new(3, round);

		for (size_t i = 0; i < N; i++)
			y[i] = rng_normal(&r);
		assert_int_equal(segments_levels(y, N, 1, 0, &s), 0);
		cut += s.count > 1;
	}
	assert_in_range(cut, 0, 8);
}

static void steps_have_a_better_bic_than_a_line_and_a_line_than_steps(void **state)
{
	struct rng r = rng_new(4, 0);
	double x[N], y[N];
	struct segments s;
	struct fit f;

	(void)state;
	times(x);
	for (int stairs = 0; stairs < 2; stairs++) {
		for (size_t i = 0; i < N; i++)
			y[i] = (stairs ? floor(x[i] * 4.99) : 5 * x[i]) + 0.1 * rng_normal(&r);
		assert_int_equal(segments_levels(y, N, segments_noise(y, N, 0), 0, &s), 0);
		assert_int_equal(fit_shape(x, y, N, FIT_LINE, 0, &f), 0);
		assert_true((s.bic < f.bic) == stairs);
	}
}

static size_t start_of(double break_at, double slope_before, double memory, uint64_t seed)
{
	struct rng r = rng_new(5, seed);
	double x[N], y[N], e = 0;

	times(x);
	for (size_t i = 0; i < N; i++) {
		double u = x[i] - break_at;

		e = memory * e + sqrt(1 - memory * memory) * rng_normal(&r);
		y[i] = 1e9 + (u < 0 ? slope_before * u : 100 * u) + e;
	}
	return segments_last_line(x, y, N, 12, 0);
}

static void the_last_straight_stretch_begins_at_the_break(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		assert_in_range(start_of(0.5, 0, 0, seed), 54, 66);
		assert_in_range(start_of(0.3, 400, 0, seed), 32, 40);
	}
}

static void a_line_is_not_cut_also_when_its_noise_remembers(void **state)
{
	int cut = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++)
		cut += start_of(0.5, 100, 0, seed) > 0;
	assert_in_range(cut, 0, 3);
	for (uint64_t seed = 0; seed < 100; seed++)
		cut += start_of(0.5, 100, 0.8, seed) > 0;
	assert_in_range(cut, 0, 8);
}

static void too_few_points_are_refused(void **state)
{
	double y[SEGMENTS_POINTS_MAX + 1] = {};
	struct segments s = { .count = 77 };

	(void)state;
	assert_int_equal(segments_levels(y, 4, 1, 0, &s), -EINVAL);
	assert_int_equal(segments_levels(y, SEGMENTS_POINTS_MAX + 1, 1, 0, &s), -EINVAL);
	assert_int_equal(s.count, 77);
	assert_int_equal(segments_last_line(y, y, 7, 5, 0), 0);
}

static void ugly_input_stays_within_bounds(void **state)
{
	struct rng r = rng_new(6, 0);
	double x[SEGMENTS_POINTS_MAX], y[SEGMENTS_POINTS_MAX];
	struct segments s;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		size_t n = 5 + rng_below(&r, SEGMENTS_POINTS_MAX - 4);

		for (size_t i = 0; i < n; i++) {
			x[i] = rng_below(&r, 3);
			y[i] = rng_below(&r, 3) * (rng_below(&r, 9) ? 1 : 1e140) * rng_normal(&r);
		}
		assert_int_equal(segments_levels(y, n, segments_noise(y, n, 0), 0, &s), 0);
		assert_in_range(s.count, 1, SEGMENTS_CUTS_MAX + 1);
		assert_true(isfinite(s.bic) && isfinite(s.left));
		for (size_t k = 0; k < s.count; k++)
			assert_true(s.start[k] < s.start[k + 1] && isfinite(s.level[k]));
		assert_int_equal(s.start[s.count], n);
		assert_true(segments_last_line(x, y, n, 8, 0) < n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noise_is_measured_under_a_trend_and_jumps),
		cmocka_unit_test(steps_are_found_where_they_are),
		cmocka_unit_test(noise_alone_is_one_level),
		cmocka_unit_test(steps_have_a_better_bic_than_a_line_and_a_line_than_steps),
		cmocka_unit_test(the_last_straight_stretch_begins_at_the_break),
		cmocka_unit_test(a_line_is_not_cut_also_when_its_noise_remembers),
		cmocka_unit_test(too_few_points_are_refused),
		cmocka_unit_test(ugly_input_stays_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
