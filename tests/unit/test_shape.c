/* The shape of a window: the six patterns, what is told of them, units that do not matter, points
 * that are left out, restarts, and any input in without a NaN out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "../judge/rng.h"
#include "growth/shape.h"

#define N 120
#define MANY 4000

struct series {
	size_t n;
	double t[MANY], v[MANY];
};

enum course { LINE, CURVE, FLAT, PULSE, STAIRS, SINE, SAW, FILLING, COURSES };

static const enum pattern patterns[COURSES] = {
	[LINE] = PATTERN_LINEAR,   [CURVE] = PATTERN_EXPONENTIAL, [FLAT] = PATTERN_STABLE,
	[PULSE] = PATTERN_SPIKE,   [STAIRS] = PATTERN_SUSTAINED,  [SINE] = PATTERN_OSCILLATING,
	[SAW] = PATTERN_SUSTAINED, [FILLING] = PATTERN_STABLE,
};

/* From 0 to 1 over x of 0 to 1. */
static double course_at(enum course c, double x)
{
	static const double jump[] = { 0.08, 0.15, 0.42, 0.5, 0.83 };
	double y = 0;

	switch (c) {
	case LINE: return x;
	case CURVE: return expm1(4 * x) / expm1(4);
	case PULSE: return x > 0.6 && x < 0.63;
	case STAIRS:
		for (int i = 0; i < 5; i++)
			y += x > jump[i] ? 0.2 : 0;
		return y;
	case SINE: return 0.5 + 0.5 * sin(2 * M_PI * 6 * x);
	case SAW: return 0.5 * x + 0.5 * fmod(8 * x, 1);
	case FILLING: return -expm1(-12 * x);
	default: return 0;
	}
}

static void make(struct series *s, enum course c, size_t n, double noise, uint64_t seed)
{
	struct rng r = rng_new(seed, c);

	s->n = n;
	for (size_t i = 0; i < n; i++) {
		s->t[i] = 1000 + 2.0 * i;
		s->v[i] = 4e8 + 1e8 * (course_at(c, i / (n - 1.0)) + noise * rng_normal(&r));
	}
}

static struct shape judge(const struct series *s)
{
	struct shape_input in = { .t_s = s->t, .value = s->v, .n = s->n };
	struct shape shape;

	shape_judge(&in, &shape);
	return shape;
}

static void six_patterns_are_known(void **state)
{
	struct series s;

	(void)state;
	for (int c = 0; c < COURSES; c++) {
		for (uint64_t seed = 1; seed <= 5; seed++) {
			struct shape shape;

			make(&s, c, N, 0.01, seed);
			shape = judge(&s);
			assert_int_equal(shape.pattern, patterns[c]);
			assert_true(shape.confidence > 0.6);
			assert_true(shape.confidence >= shape.p[shape.pattern] - 0.1);
			assert_int_equal(shape.points, N);
			assert_true(shape.why && *shape.why);
		}
	}
}

static void probabilities_add_up(void **state)
{
	struct series s;

	(void)state;
	for (int c = 0; c < COURSES; c++) {
		struct shape shape;
		double sum = 0;

		make(&s, c, N, 0.2, 7);
		shape = judge(&s);
		for (int i = 0; i < PATTERN_MAX; i++)
			sum += shape.p[i];
		assert_true(fabs(sum - 1) < 1e-9 && shape.p[PATTERN_NONE] == 0);
		assert_true(fabs(shape.leak_probability - shape.p[PATTERN_LINEAR] -
				 shape.p[PATTERN_EXPONENTIAL] - shape.p[PATTERN_SUSTAINED]) < 1e-9);
	}
}

/* Bytes or kilobytes, seconds or hours, from whatever level: the same answer. */
static void units_do_not_matter(void **state)
{
	struct series s;

	(void)state;
	for (int c = 0; c < COURSES; c++) {
		struct shape a, b;

		make(&s, c, N, 0.05, 3);
		a = judge(&s);
		for (size_t i = 0; i < s.n; i++) {
			s.v[i] = s.v[i] / 1024 - 7e4;
			s.t[i] = s.t[i] * 3600 + 5e6;
		}
		b = judge(&s);
		assert_int_equal(a.pattern, b.pattern);
		for (int i = 0; i < PATTERN_MAX; i++)
			assert_true(fabs(a.p[i] - b.p[i]) < 1e-4);
		assert_true(fabs(a.growth_per_s / 1024 / 3600 - b.growth_per_s) <
			    1e-6 * fabs(b.growth_per_s) + 1e-12);
	}
}

static void a_constant_is_stable(void **state)
{
	struct series s;
	struct shape shape;

	(void)state;
	make(&s, FLAT, 50, 0, 1);
	shape = judge(&s);
	assert_int_equal(shape.pattern, PATTERN_STABLE);
	assert_true(shape.confidence >= 0.99 && shape.leak_probability < 0.01);
	assert_true(shape.growth_per_s == 0 && shape.growth_high_per_s == 0);
	assert_true(shape_at(&shape, 1050) == 4e8);
}

static void few_points_have_no_shape(void **state)
{
	struct shape_input nothing = {};
	struct series s;
	struct shape shape;

	(void)state;
	make(&s, LINE, SHAPE_POINTS_MIN - 1, 0, 1);
	shape = judge(&s);
	assert_int_equal(shape.pattern, PATTERN_NONE);
	assert_true(isnan(shape.growth_per_s) && isnan(shape_at(&shape, 1)));
	assert_true(shape.leak_probability == 0 && shape.confidence == 0);
	make(&s, LINE, SHAPE_POINTS_MIN, 0.001, 1);
	assert_int_not_equal(judge(&s).pattern, PATTERN_NONE);
	shape_judge(&nothing, &shape);
	assert_int_equal(shape.pattern, PATTERN_NONE);
}

static void points_that_are_none_are_left_out(void **state)
{
	struct series s, t = {};
	struct shape a, b;

	(void)state;
	make(&s, LINE, N, 0.02, 5);
	a = judge(&s);
	for (size_t i = 0; i < N; i++) {
		t.t[t.n] = s.t[i];
		t.v[t.n++] = s.v[i];
		t.t[t.n] = i % 3 ? s.t[i] - 1 : NAN;
		t.v[t.n++] = 1e12;
		t.t[t.n] = s.t[i] + 0.5;
		t.v[t.n++] = i % 2 ? NAN : i % 3 ? INFINITY : -1e300;
	}
	b = judge(&t);
	assert_int_equal(b.points, N);
	assert_memory_equal(&a.p, &b.p, sizeof(a.p));
	assert_true(a.growth_per_s == b.growth_per_s);
}

static void thousands_of_points_are_judged_by_blocks(void **state)
{
	struct series s;

	(void)state;
	for (int c = 0; c < COURSES; c++) {
		struct shape shape;

		make(&s, c, MANY, 0.02, 2);
		shape = judge(&s);
		assert_int_equal(shape.pattern, patterns[c]);
		assert_int_equal(shape.points, MANY);
		assert_true(shape.start_s == s.t[0] && shape.end_s == s.t[MANY - 1]);
	}
}

static void single_wild_points_do_not_decide(void **state)
{
	struct series s;
	struct shape a, b;

	(void)state;
	make(&s, LINE, N, 0.01, 9);
	a = judge(&s);
	s.v[40] = 4e9;
	s.v[90] = 0;
	b = judge(&s);
	assert_int_equal(b.pattern, PATTERN_LINEAR);
	assert_true(fabs(b.growth_per_s / a.growth_per_s - 1) < 0.02);
	assert_true(fabs(b.total_growth / 1e8 - 1) < 0.02);
}

/* Growth up to the point `from`, then a level under noise that does not trend even by chance. */
static void make_restarted(struct series *s, size_t from, uint64_t seed)
{
	struct rng r = rng_new(seed, 99);
	double middle = (from + N - 1) / 2.0, along = 0, squares = 0;

	make(s, LINE, N, 0.01, seed);
	for (size_t i = from; i < N; i++) {
		s->v[i] = 1e6 * rng_normal(&r);
		along += (i - middle) * s->v[i];
		squares += (i - middle) * (i - middle);
	}
	for (size_t i = from; i < N; i++)
		s->v[i] += 3e8 - along / squares * (i - middle);
}

static void the_stretch_after_a_restart_is_judged(void **state)
{
	double restarts[] = { NAN, 1000 + 2.0 * 80 - 1, INFINITY, -1e9, 1000 + 2.0 * 20 };
	struct shape_input in;
	struct shape shape;
	struct series s;
	int stable = 0;

	(void)state;
	in = (struct shape_input){ s.t, s.v, N, restarts, 5 };
	for (uint64_t seed = 1; seed <= 40; seed++) {
		make_restarted(&s, 80, seed);
		shape_judge(&in, &shape);
		assert_int_equal(shape.points, 40);
		assert_true(shape.start_s == s.t[80]);
		assert_true(shape.leak_probability < 0.5);
		stable += shape.pattern == PATTERN_STABLE;
	}
	assert_true(stable >= 38);
	/* too little after the last one: what was before is judged */
	restarts[1] = s.t[N - 5];
	shape_judge(&in, &shape);
	assert_true(shape.start_s < s.t[N - 5] && shape.end_s < s.t[N - 5]);
	assert_int_equal(shape.points, N - 5 - 20);
}

static void intervals_of_the_rate_cover_the_truth(void **state)
{
	static const struct {
		enum course course;
		double rate; /* per window at its end */
		int least;   /* of 200 */
	} cases[] = { { LINE, 1, 180 }, { CURVE, 4 * 54.598 / 53.598, 175 } };
	double span = 2.0 * (N - 1);
	struct series s;

	(void)state;
	for (int k = 0; k < 2; k++) {
		int covered = 0;

		for (uint64_t seed = 0; seed < 200; seed++) {
			double truth = 1e8 * cases[k].rate / span;
			struct shape shape;

			make(&s, cases[k].course, N, 0.05, seed);
			shape = judge(&s);
			assert_int_equal(shape.pattern, patterns[cases[k].course]);
			assert_true(fabs(shape.growth_per_s / truth - 1) < 0.3);
			covered +=
				shape.growth_low_per_s <= truth && truth <= shape.growth_high_per_s;
		}
		assert_true(covered >= cases[k].least);
	}
}

static void a_saw_grows_as_its_floor(void **state)
{
	struct shape shape;
	struct series s;

	(void)state;
	make(&s, SAW, N, 0.005, 6);
	shape = judge(&s);
	assert_int_equal(shape.pattern, PATTERN_SUSTAINED);
	assert_true(fabs(shape.growth_per_s * 2 * (N - 1) / 0.5e8 - 1) < 0.1);
	assert_true(fabs(shape.total_growth / 0.5e8 - 1) < 0.1);
}

static void a_fit_is_drawn_in_units(void **state)
{
	struct shape shape;
	struct series s;

	(void)state;
	make(&s, CURVE, N, 0.01, 8);
	shape = judge(&s);
	assert_int_equal(shape.fit.kind, FIT_EXPONENTIAL);
	for (size_t i = 0; i < N; i += 10)
		assert_true(fabs(shape_at(&shape, s.t[i]) -
				 (4e8 + 1e8 * course_at(CURVE, i / (N - 1.0)))) < 2e6);
	assert_true(fabs(shape.noise / 1e6 - 1) < 0.3);
	assert_true(shape.detectability > 100);
	assert_true(isnan(shape_at(&shape, NAN)));
}

static double hostile(struct rng *r)
{
	static const double odd[] = { 0,    -0.0,   1e308,    -1e308, 5e-324,	 1e99,
				      1e12, 1e-300, INFINITY, NAN,    -INFINITY, 4096 };
	uint64_t bits = rng_bits(r);
	double v;

	switch (rng_below(r, 4)) {
	case 0: memcpy(&v, &bits, sizeof(v)); return v;
	case 1: return odd[rng_below(r, 12)];
	case 2: return rng_below(r, 3);
	default: return rng_normal(r) * pow(10, rng_between(r, -20, 20));
	}
}

static void assert_sound(const struct shape *s)
{
	assert_in_range(s->pattern, PATTERN_NONE, PATTERN_MAX - 1);
	assert_non_null(s->why);
	if (s->pattern == PATTERN_NONE)
		return;
	for (int i = 0; i < PATTERN_MAX; i++)
		assert_true(s->p[i] >= 0 && s->p[i] <= 1);
	assert_true(s->confidence > 0.1 && s->leak_probability >= 0);
	assert_true(isfinite(s->growth_per_s) && isfinite(s->total_growth));
	assert_true(s->growth_low_per_s <= s->growth_per_s);
	assert_true(s->growth_per_s <= s->growth_high_per_s);
	assert_true(isfinite(s->growth_low_per_s) && isfinite(s->growth_high_per_s));
	assert_true(isfinite(s->noise) && isfinite(s->detectability) && s->detectability >= 0);
	assert_true(s->start_s < s->end_s && isfinite(s->end_s));
	assert_true(isfinite(shape_at(s, s->start_s)) && isfinite(shape_at(s, s->end_s + 1e6)));
}

static void anything_in_no_nan_out(void **state)
{
	struct rng r = rng_new(1, 1);
	struct series s;
	int judged = 0;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		bool times = rng_below(&r, 3), regular = rng_below(&r, 2);
		double restarts[3], at = hostile(&r), scale = pow(10, rng_between(&r, -30, 90));
		struct shape shape;

		s.n = rng_below(&r, rng_below(&r, 8) ? 200 : 1000);
		for (size_t i = 0; i < s.n; i++) {
			at = times ? at + rng_exponential(&r, 1) : hostile(&r);
			s.t[i] = at;
			s.v[i] = regular ? scale * rng_normal(&r) : hostile(&r);
		}
		for (int i = 0; i < 3; i++)
			restarts[i] =
				rng_below(&r, 2) && s.n ? s.t[rng_below(&r, s.n)] : hostile(&r);
		shape_judge(&(struct shape_input){ s.t, s.v, s.n, restarts, rng_below(&r, 4) },
			    &shape);
		assert_sound(&shape);
		judged += shape.pattern != PATTERN_NONE;
	}
	assert_true(judged > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(six_patterns_are_known),
		cmocka_unit_test(probabilities_add_up),
		cmocka_unit_test(units_do_not_matter),
		cmocka_unit_test(a_constant_is_stable),
		cmocka_unit_test(few_points_have_no_shape),
		cmocka_unit_test(points_that_are_none_are_left_out),
		cmocka_unit_test(thousands_of_points_are_judged_by_blocks),
		cmocka_unit_test(single_wild_points_do_not_decide),
		cmocka_unit_test(the_stretch_after_a_restart_is_judged),
		cmocka_unit_test(intervals_of_the_rate_cover_the_truth),
		cmocka_unit_test(a_saw_grows_as_its_floor),
		cmocka_unit_test(a_fit_is_drawn_in_units),
		cmocka_unit_test(anything_in_no_nan_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
