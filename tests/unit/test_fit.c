/* Fitted shapes: found again through noise, honest errors, and any input in without a NaN out. */
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

#define N 100

static const struct fit shapes[] = {
	{ .kind = FIT_CONSTANT, .a = 3e9 },
	{ .kind = FIT_LINE, .a = 1e9, .b = 4e6 },
	{ .kind = FIT_EXPONENTIAL, .a = 1e9, .b = 3e5, .c = 3 },
	{ .kind = FIT_SATURATING, .a = 2e7, .b = 5e6, .c = 9 },
	{ .kind = FIT_POWER, .a = 1e6, .b = 5e6, .c = 0.5 },
	{ .kind = FIT_HINGE, .a = 1e8, .b = 8e6, .c = 0.4 },
	{ .kind = FIT_RAMP, .a = 1e8, .b = 9e6, .c = 0.25, .d = 0.75 },
};

#define SHAPES (sizeof(shapes) / sizeof(*shapes))

static void follow(const struct fit *f, size_t n, double noise, double rho, struct rng *r,
		   double *x, double *y)
{
	double e = rng_normal(r);

	for (size_t i = 0; i < n; i++) {
		x[i] = i / (n - 1.0);
		y[i] = fit_at(f, x[i]) + noise * e;
		e = rho * e + sqrt(1 - rho * rho) * rng_normal(r);
	}
}

static void every_shape_is_found_again(void **state)
{
	double x[N], y[N];
	struct fit f;

	(void)state;
	for (size_t s = 0; s < SHAPES; s++) {
		struct rng r = rng_new(1, s);

		follow(&shapes[s], N, 5e4, 0, &r, x, y);
		assert_int_equal(fit_shape(x, y, N, shapes[s].kind, 1e3, &f), 0);
		assert_true(f.noise > 4e4 && f.noise < 6.5e4);
		assert_true(f.rho < 0.3);
		for (size_t i = 0; i < N; i++)
			assert_true(fabs(fit_at(&f, x[i]) - fit_at(&shapes[s], x[i])) < 7e4);
	}
}

static void the_true_shape_has_the_least_bic(void **state)
{
	double x[N], y[N];
	struct fit f, best;

	(void)state;
	for (size_t s = 0; s < SHAPES; s++) {
		struct rng r = rng_new(2, s);

		follow(&shapes[s], N, 5e4, 0, &r, x, y);
		best.bic = INFINITY;
		for (int kind = 0; kind < FIT_KINDS; kind++) {
			assert_int_equal(fit_shape(x, y, N, kind, 1e3, &f), 0);
			if (f.bic < best.bic)
				best = f;
		}
		assert_int_equal(best.kind, shapes[s].kind);
	}
}

static int held_of(int rounds, double rho)
{
	const struct fit *truth = &shapes[FIT_LINE];
	struct rng r = rng_new(3, rho * 100);
	double x[N], y[N];
	struct fit f;
	int held = 0;

	for (int i = 0; i < rounds; i++) {
		follow(truth, N, 5e4, rho, &r, x, y);
		assert_int_equal(fit_shape(x, y, N, FIT_LINE, 1e3, &f), 0);
		held += fabs(f.b - truth->b) < 1.96 * f.b_error;
	}
	return held;
}

static void the_error_of_a_slope_holds_the_truth_with_and_without_memory(void **state)
{
	(void)state;
	assert_in_range(held_of(400, 0), 370, 396);
	assert_in_range(held_of(400, 0.6), 360, 396);
}

static void memory_is_measured_over_gaps(void **state)
{
	double x[N], y[N], e = 0;
	struct rng r = rng_new(4, 0);
	struct fit even, gaps;
	double t = 0;

	(void)state;
	for (size_t i = 0; i < N; i++) { /* every tenth gap is 50 steps: nothing is remembered */
		double rho = i % 10 ? 0.9 : pow(0.9, 50);

		t += i % 10 ? 1 : 50;
		e = rho * e + sqrt(1 - rho * rho) * rng_normal(&r);
		x[i] = t;
		y[i] = e;
	}
	for (size_t i = 0; i < N; i++)
		x[i] /= t;
	assert_int_equal(fit_shape(x, y, N, FIT_CONSTANT, 0, &gaps), 0);
	for (size_t i = 0; i < N; i++)
		x[i] = i / (N - 1.0);
	assert_int_equal(fit_shape(x, y, N, FIT_CONSTANT, 0, &even), 0);
	assert_true(gaps.a_error < 0.75 * even.a_error);
}

static void what_must_rise_and_falls_is_flat(void **state)
{
	static const enum fit_kind rising[] = { FIT_EXPONENTIAL, FIT_SATURATING, FIT_POWER,
						FIT_HINGE };
	double x[N], y[N];
	struct fit f;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		x[i] = i / (N - 1.0);
		y[i] = 1e6 - 1e5 * x[i];
	}
	for (size_t k = 0; k < 4; k++) {
		assert_int_equal(fit_shape(x, y, N, rising[k], 1, &f), 0);
		assert_true(f.b == 0 && f.b_error == 0);
		assert_true(fabs(f.a - 9.5e5) < 1e4);
	}
	assert_int_equal(fit_shape(x, y, N, FIT_LINE, 1, &f), 0);
	assert_true(fabs(f.b + 1e5) < 1);
}

static void refuse(const double *x, const double *y, size_t n, int kind)
{
	struct fit f, before;

	memset(&f, 7, sizeof(f));
	before = f;
	assert_int_equal(fit_shape(x, y, n, kind, 1, &f), -EINVAL);
	assert_memory_equal(&f, &before, sizeof(f));
}

static void what_cannot_be_fitted_is_refused(void **state)
{
	double x[FIT_POINTS_MAX + 1], y[FIT_POINTS_MAX + 1] = { 1, 2, 3 };

	(void)state;
	for (size_t i = 0; i <= FIT_POINTS_MAX; i++)
		x[i] = i / (double)FIT_POINTS_MAX;
	refuse(x, y, 4, FIT_LINE);
	refuse(x, y, FIT_POINTS_MAX + 1, FIT_LINE);
	refuse(x, y, 20, FIT_KINDS);
	refuse(y + 5, y, 20, FIT_LINE); /* all at one time */
	y[3] = NAN;
	refuse(x, y, 20, FIT_LINE);
	y[3] = 1e200;
	refuse(x, y, 20, FIT_LINE);
	y[3] = 1;
	x[3] = NAN;
	refuse(x, y, 20, FIT_LINE);
	x[3] = 1e9;
	refuse(x, y, 20, FIT_LINE);
}

static void check_numbers(const struct fit *f)
{
	assert_true(isfinite(f->a) && isfinite(f->b) && isfinite(f->c) && isfinite(f->d));
	assert_true(isfinite(f->a_error) && isfinite(f->b_error) && isfinite(f->noise));
	assert_true(isfinite(f->bic) && f->rho >= 0 && f->rho <= 0.97);
	assert_true(isfinite(fit_at(f, 0)) && isfinite(fit_at(f, 1e12)) &&
		    isfinite(fit_at(f, -1e12)));
}

static double ugly(struct rng *r)
{
	switch (rng_below(r, 6)) {
	case 0: return 0;
	case 1: return rng_between(r, -1, 1) * 1e150;
	case 2: return rng_unit(r) * 1e-300;
	case 3: return 1e9;
	default: return rng_normal(r);
	}
}

static void no_input_gives_a_nan(void **state)
{
	double x[FIT_POINTS_MAX], y[FIT_POINTS_MAX];
	struct rng r = rng_new(5, 0);
	struct fit f;
	int fitted = 0;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t n = 5 + rng_below(&r, FIT_POINTS_MAX - 5);
		double floor = rng_below(&r, 2) ? ugly(&r) : 0;

		for (size_t i = 0; i < n; i++) {
			x[i] = round % 3 ? i / (n - 1.0) : rng_below(&r, 3) / 2.0;
			y[i] = ugly(&r);
		}
		for (int kind = 0; kind < FIT_KINDS; kind++) {
			if (fit_shape(x, y, n, kind, floor, &f))
				continue;
			check_numbers(&f);
			fitted++;
		}
	}
	assert_true(fitted > 14000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shape_is_found_again),
		cmocka_unit_test(the_true_shape_has_the_least_bic),
		cmocka_unit_test(the_error_of_a_slope_holds_the_truth_with_and_without_memory),
		cmocka_unit_test(memory_is_measured_over_gaps),
		cmocka_unit_test(what_must_rise_and_falls_is_flat),
		cmocka_unit_test(what_cannot_be_fitted_is_refused),
		cmocka_unit_test(no_input_gives_a_nan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
