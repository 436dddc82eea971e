/* When a limit is reached: lines, exponentials, stairs and teeth, honest intervals, and no answer
 * where there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "../judge/rng.h"
#include "growth/floors.h"
#include "growth/forecast.h"

#define N 100
#define MIB 1048576.0

struct series {
	double t[N], v[N];
};

static struct shape shape_of(enum pattern pattern)
{
	struct shape s = { .pattern = pattern, .start_s = -INFINITY, .leak_probability = 1 };

	s.p[pattern] = 1;
	return s;
}

static struct forecast ask(const struct series *s, enum pattern pattern, double limit)
{
	struct shape_input in = { .t_s = s->t, .value = s->v, .n = N };
	struct shape shape = shape_of(pattern);
	struct forecast f;

	forecast_limit(&in, &shape, limit, &f);
	return f;
}

static void add_noise(struct series *s, double size, uint64_t seed)
{
	struct rng r = rng_new(seed, 0);

	for (size_t i = 0; i < N; i++) {
		s->t[i] = 1000 + 2 * i;
		s->v[i] += size * rng_normal(&r);
	}
}

static void make_line(struct series *s, double from, double rate, uint64_t seed)
{
	for (size_t i = 0; i < N; i++)
		s->v[i] = 100 * MIB + rate * fmax(2.0 * i - from, 0);
	add_noise(s, MIB / 4, seed);
}

static void a_line_reaches_the_limit_when_it_does(void **state)
{
	struct series s;
	int held = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct forecast f;

		make_line(&s, 0, 0.05 * MIB, seed); /* 110 at the end */
		f = ask(&s, PATTERN_LINEAR, 209.9 * MIB);
		assert_true(f.known && f.low_s < f.seconds && f.seconds < f.high_s);
		assert_true(fabs(f.seconds / 2000 - 1) < 0.15);
		held += f.low_s <= 2000 && f.high_s >= 2000;
	}
	assert_in_range(held, 88, 100);
}

static void what_was_before_a_line_began_does_not_count(void **state)
{
	struct series s;
	struct forecast f;

	(void)state;
	make_line(&s, 100, 0.2 * MIB, 1); /* 119.6 at the end */
	f = ask(&s, PATTERN_LINEAR, 219.6 * MIB);
	assert_true(f.known && fabs(f.seconds / 500 - 1) < 0.06);
	for (size_t i = 0; i < N; i++) /* a warm-up on top */
		s.v[i] += 20 * MIB * -expm1(-(double)i / 8);
	f = ask(&s, PATTERN_LINEAR, 239.6 * MIB);
	assert_true(f.known && fabs(f.seconds / 500 - 1) < 0.1);
}

static void a_burst_does_not_bend_a_line(void **state)
{
	struct series s;
	struct forecast clean, burst;

	(void)state;
	make_line(&s, 0, 0.05 * MIB, 3);
	clean = ask(&s, PATTERN_LINEAR, 209.9 * MIB);
	for (size_t i = 60; i < 64; i++)
		s.v[i] += 30 * MIB;
	burst = ask(&s, PATTERN_LINEAR, 209.9 * MIB);
	assert_true(fabs(burst.seconds / clean.seconds - 1) < 0.03);
}

static void an_exponential_is_not_taken_for_a_line(void **state)
{
	struct series s;
	double end = MIB * exp(0.02 * 198), truth;
	struct forecast f;

	(void)state;
	for (size_t i = 0; i < N; i++)
		s.v[i] = 100 * MIB + MIB * exp(0.02 * 2 * i);
	add_noise(&s, MIB / 4, 4);
	truth = log(4) / 0.02;
	f = ask(&s, PATTERN_EXPONENTIAL, 100 * MIB + 4 * end);
	assert_true(f.known && fabs(f.seconds / truth - 1) < 0.1);
	assert_true(f.low_s < truth && truth < f.high_s && f.high_s - f.low_s < 0.4 * truth);
	f = ask(&s, PATTERN_LINEAR, 100 * MIB + 4 * end);
	assert_true(f.seconds > 1.5 * truth);
}

static void the_rate_is_that_of_the_end_with_an_interval(void **state)
{
	struct shape shape = shape_of(PATTERN_LINEAR);
	struct series s;
	struct forecast f;
	double truth;
	int held = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) { /* without a limit, too */
		make_line(&s, 60, 0.05 * MIB, seed);
		f = ask(&s, PATTERN_LINEAR, NAN);
		assert_true(!f.known && isnan(f.seconds));
		assert_true(fabs(f.per_s / (0.05 * MIB) - 1) < 0.2);
		held += f.low_per_s < 0.05 * MIB && f.high_per_s > 0.05 * MIB;
	}
	assert_in_range(held, 91, 100);
	forecast_set_rate(&f, &shape);
	assert_true(shape.growth_per_s == f.per_s && shape.growth_low_per_s == f.low_per_s &&
		    shape.growth_high_per_s == f.high_per_s);
	f = ask(&s, PATTERN_STABLE, NAN);
	forecast_set_rate(&f, &shape); /* there is none: the shape keeps its own */
	assert_true(shape.growth_per_s > 0);
	for (size_t i = 0; i < N; i++)
		s.v[i] = 100 * MIB + MIB * exp(0.02 * 2 * i);
	add_noise(&s, MIB / 4, 4);
	truth = 0.02 * MIB * exp(0.02 * 198);
	f = ask(&s, PATTERN_EXPONENTIAL, 50 * MIB);
	assert_true(f.known && f.seconds == 0);
	assert_true(fabs(f.per_s / truth - 1) < 0.05);
	assert_true(f.low_per_s < truth && f.high_per_s > truth);
	assert_true(f.high_per_s - f.low_per_s < 0.2 * truth);
}

static void doubt_about_the_shape_widens_the_interval(void **state)
{
	struct series s;
	struct shape_input in = { .t_s = s.t, .value = s.v, .n = N };
	struct shape shape = shape_of(PATTERN_LINEAR);
	struct forecast sure, unsure;

	(void)state;
	make_line(&s, 0, 0.005 * MIB, 5);
	forecast_limit(&in, &shape, 105 * MIB, &sure);
	shape.p[PATTERN_LINEAR] = shape.p[PATTERN_EXPONENTIAL] = 0.5;
	forecast_limit(&in, &shape, 105 * MIB, &unsure);
	assert_true(sure.known && unsure.known);
	assert_true(unsure.low_s < 0.8 * sure.low_s);
	assert_true(unsure.high_s - unsure.low_s > 1.1 * (sure.high_s - sure.low_s));
	make_line(&s, 0, 0.1 * MIB, 5); /* the points leave no doubt */
	forecast_limit(&in, &shape, 180 * MIB, &unsure);
	assert_true(unsure.high_s - unsure.low_s < 0.2 * unsure.seconds);
}

static void stairs_are_climbed_at_their_mean_rate(void **state)
{
	struct rng r = rng_new(6, 0);
	struct series s;
	struct forecast f;
	double level = 100 * MIB;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		if (i % 11 == 5)
			level += MIB * rng_between(&r, 3, 5); /* 9 of 4 MiB in 200 s */
		s.v[i] = level;
	}
	add_noise(&s, MIB / 10, 6);
	f = ask(&s, PATTERN_SUSTAINED, level + 180 * MIB);
	assert_true(f.known && fabs(f.seconds / 1000 - 1) < 0.3);
	assert_true(f.low_s < 1000 && f.high_s > 1000);
	/* what is to come is chance, too */
	assert_true(f.high_s - f.low_s > 330 && f.high_s - f.low_s < 700);
}

static void make_teeth(struct series *s, double rate)
{
	for (size_t i = 0; i < N; i++)
		s->v[i] = 100 * MIB + rate * 2 * i + 40 * MIB * (i % 12) / 12;
	add_noise(s, MIB / 4, 7);
}

static void the_tips_of_teeth_on_a_rising_floor_reach_the_limit(void **state)
{
	struct series s;
	struct forecast f;

	(void)state;
	make_teeth(&s, 0.1 * MIB); /* the floor: 119.8 at the end; tips are 37 above it */
	f = ask(&s, PATTERN_SUSTAINED, 256 * MIB);
	assert_true(f.known && fabs(f.seconds / 1000 - 1) < 0.12);
	assert_true(f.low_s < 1000 && f.high_s > 1000);
}

static void floors_are_found_under_teeth_and_not_under_stairs(void **state)
{
	struct floors l;
	struct series s;

	(void)state;
	make_teeth(&s, 0.1 * MIB);
	assert_int_equal(floors_fit(s.t, s.v, N, MIB / 4, 4096, &l), 0);
	assert_in_range(l.count, 7, 8);
	assert_true(fabs(l.period - 24) < 1);
	assert_true(fabs(l.amplitude / MIB - 37) < 2);
	assert_true(l.fall > 0.8 * l.amplitude && l.rising);
	assert_true(fabs(l.slope / (0.1 * MIB) - 1) < 0.1);
	make_teeth(&s, 0);
	assert_int_equal(floors_fit(s.t, s.v, N, MIB / 4, 4096, &l), 0);
	assert_false(l.rising);
	for (size_t i = 0; i < N; i++)
		s.v[i] = floor(i / 12.0) * MIB;
	if (floors_fit(s.t, s.v, N, 1, 4096, &l) == 0)
		assert_true(l.fall <= 0);
	make_line(&s, 0, MIB, 8);
	assert_true(floors_fit(s.t, s.v, N, MIB / 4, 4096, &l) < 0);
	assert_true(floors_fit(s.t, s.v, 7, MIB / 4, 4096, &l) < 0);
}

static void no_forecast_without_growth(void **state)
{
	static const enum pattern none[] = { PATTERN_NONE, PATTERN_STABLE, PATTERN_SPIKE,
					     PATTERN_OSCILLATING };
	struct series s;
	struct forecast f;

	(void)state;
	make_line(&s, 0, 0.05 * MIB, 9);
	for (size_t i = 0; i < 4; i++) {
		f = ask(&s, none[i], 210 * MIB);
		assert_false(f.known);
		assert_true(isnan(f.seconds) && isnan(f.low_s) && isnan(f.high_s));
		assert_true(isnan(f.per_s) && isnan(f.low_per_s) && isnan(f.high_per_s));
		assert_true(f.limit == 210 * MIB);
	}
	for (int pattern = PATTERN_NONE; pattern < PATTERN_MAX; pattern++) {
		int told = 0;

		for (uint64_t seed = 0; seed < 20; seed++) {
			make_line(&s, 0, 0, seed); /* noise only, whatever the shape says */
			told += ask(&s, pattern, 210 * MIB).known;
		}
		assert_in_range(told, 0, 2);
	}
}

static void a_limit_that_is_passed_is_reached_now(void **state)
{
	struct series s;
	struct forecast f;

	(void)state;
	make_line(&s, 0, 0.05 * MIB, 10);
	f = ask(&s, PATTERN_STABLE, 90 * MIB);
	assert_true(f.known && f.seconds == 0 && f.low_s == 0 && f.high_s == 0);
}

static void only_the_time_after_a_restart_counts(void **state)
{
	struct series s;
	struct shape_input in = { .t_s = s.t, .value = s.v, .n = N };
	struct shape shape = shape_of(PATTERN_LINEAR);
	struct forecast f;

	(void)state;
	make_line(&s, 100, 0.2 * MIB, 11);
	for (size_t i = 0; i < 50; i++)
		s.v[i] = 900 * MIB - i * MIB;
	shape.start_s = s.t[50];
	forecast_limit(&in, &shape, 219.6 * MIB, &f);
	assert_true(f.known && fabs(f.seconds / 500 - 1) < 0.06);
}

static double ugly(struct rng *r)
{
	switch (rng_below(r, 9)) {
	case 0: return NAN;
	case 1: return INFINITY;
	case 2: return -rng_scale(r, 1, 1e300);
	case 3: return rng_scale(r, 1e-300, 1e308);
	case 4: return 0;
	default: return rng_normal(r);
	}
}

static void check(const struct forecast *f)
{
	assert_true(isnan(f->per_s) || (f->low_per_s <= f->per_s && f->per_s <= f->high_per_s));
	assert_int_equal(isnan(f->low_per_s), isnan(f->per_s));
	assert_false(isinf(f->low_per_s) || isinf(f->high_per_s));
	if (!f->known) {
		assert_true(isnan(f->seconds) && isnan(f->low_s) && isnan(f->high_s));
		return;
	}
	assert_true(isfinite(f->seconds) && isfinite(f->low_s) && !isnan(f->high_s));
	assert_true(f->low_s >= 0 && f->low_s <= f->seconds && f->seconds <= f->high_s);
}

static void any_input_gives_times_in_order_or_none(void **state)
{
	struct rng r = rng_new(12, 0);
	struct series s;
	int known = 0;

	(void)state;
	for (int round = 0; round < 400; round++) {
		struct shape_input in = { .t_s = s.t, .value = s.v, .n = rng_below(&r, N + 1) };
		struct shape shape = shape_of(rng_below(&r, PATTERN_MAX));
		struct forecast f;
		double now = 0;

		for (size_t i = 0; i < N; i++) {
			now += rng_below(&r, 9) ? 1 : rng_scale(&r, 1e-9, 1e9);
			s.t[i] = round % 2 ? now : ugly(&r);
			s.v[i] = rng_below(&r, 3) ? i + rng_normal(&r) : ugly(&r);
		}
		for (int p = PATTERN_STABLE; p < PATTERN_MAX; p++)
			shape.p[p] = rng_unit(&r);
		forecast_limit(&in, &shape, round % 4 ? rng_scale(&r, 1, 1e9) : ugly(&r), &f);
		check(&f);
		known += f.known;
	}
	assert_true(known > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_reaches_the_limit_when_it_does),
		cmocka_unit_test(what_was_before_a_line_began_does_not_count),
		cmocka_unit_test(a_burst_does_not_bend_a_line),
		cmocka_unit_test(an_exponential_is_not_taken_for_a_line),
		cmocka_unit_test(the_rate_is_that_of_the_end_with_an_interval),
		cmocka_unit_test(doubt_about_the_shape_widens_the_interval),
		cmocka_unit_test(stairs_are_climbed_at_their_mean_rate),
		cmocka_unit_test(the_tips_of_teeth_on_a_rising_floor_reach_the_limit),
		cmocka_unit_test(floors_are_found_under_teeth_and_not_under_stairs),
		cmocka_unit_test(no_forecast_without_growth),
		cmocka_unit_test(a_limit_that_is_passed_is_reached_now),
		cmocka_unit_test(only_the_time_after_a_restart_counts),
		cmocka_unit_test(any_input_gives_times_in_order_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
