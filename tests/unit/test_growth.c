/* Verdicts on a running series: leaks, what looks like them, restarts, clocks, hostile input. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../judge/rng.h"
#include "growth/growth.h"

#define MB 1e6

struct feed {
	struct growth *g;
	struct rng r;
	double t, step;
	enum growth_verdict worst;
};

static struct feed feed_new(uint64_t seed)
{
	struct feed f = { .r = rng_new(seed, 0), .step = 1 };
	struct growth_cfg cfg = growth_defaults();

	assert_int_equal(growth_new(&cfg, &f.g), 0);
	return f;
}

static void feed_one(struct feed *f, double value)
{
	const struct growth_opinion *o = growth_opinion(f->g);

	assert_int_equal(growth_add(f->g, f->t, value), 0);
	f->t += f->step;
	if (o->verdict > f->worst)
		f->worst = o->verdict;
}

/* level: of the value at a point; noise on top. */
static void feed_many(struct feed *f, size_t n, double (*level)(double i), double noise)
{
	for (size_t i = 0; i < n; i++)
		feed_one(f, level((double)i) + noise * rng_normal(&f->r));
}

static double flat(double i)
{
	(void)i;
	return 100 * MB;
}

static double warm_up(double i)
{
	return 100 * MB - 60 * MB * exp(-i / 60);
}

static double filling_cache(double i)
{
	return 50 * MB + 40 * MB * fmin(log1p(i / 20) / log1p(20), 1);
}

static double saw(double i)
{
	return 100 * MB + 20 * MB * fmod(i / 90, 1);
}

static double leak(double i)
{
	return 100 * MB + 0.05 * MB * i;
}

static double late_leak(double i)
{
	return 100 * MB + 0.05 * MB * fmax(i - 500, 0);
}

static double pages(double i)
{
	return 4096 * floor(leak(i) / 4096);
}

static double load_ramp(double i)
{
	return 100 * MB + 0.2 * MB * fmin(fmax(i - 400, 0), 150);
}

static void a_short_series_says_when_it_will_be_known(void **state)
{
	struct feed f = feed_new(1);
	const struct growth_opinion *o = growth_judge(f.g);

	assert_int_equal(o->verdict, GROWTH_TOO_SHORT);
	assert_true(isnan(o->known_in_s));
	f.step = 5;
	feed_many(&f, 12, flat, MB);
	o = growth_judge(f.g);
	assert_int_equal(o->verdict, GROWTH_TOO_SHORT);
	assert_float_equal(o->known_in_s, 20 * 5, 1e-6);
	assert_float_equal(o->leak_probability, 0, 0);
	assert_true(isnan(o->since_s));
	growth_free(f.g);
	(void)state;
}

/* Else the time would move away as the series gets longer. */
static void a_short_series_that_grows_waits_for_what_a_leak_needs(void **state)
{
	struct feed f = feed_new(1);

	f.step = 5;
	feed_many(&f, 31, leak, 0);
	assert_int_equal(growth_judge(f.g)->verdict, GROWTH_TOO_SHORT);
	assert_float_equal(growth_opinion(f.g)->known_in_s, (256 - 31) * 5, 1e-6);
	growth_free(f.g);
	(void)state;
}

static void what_does_not_grow_for_good_is_no_leak(void **state)
{
	static const struct {
		double (*level)(double i);
		double noise;
	} sound[] = { { flat, MB },	     { flat, 0 }, { warm_up, MB }, { warm_up, 0 },
		      { filling_cache, MB }, { saw, MB }, { saw, 0 } };

	for (size_t i = 0; i < sizeof(sound) / sizeof(*sound); i++) {
		struct feed f = feed_new(i);

		feed_many(&f, 1500, sound[i].level, sound[i].noise);
		assert_true(f.worst < GROWTH_LEAK);
		assert_int_equal(growth_judge(f.g)->verdict, GROWTH_NONE);
		assert_true(growth_opinion(f.g)->leak_probability < 0.3);
		assert_true(isnan(growth_opinion(f.g)->since_s));
		growth_free(f.g);
	}
	(void)state;
}

static void a_leak_is_found_and_dated(void **state)
{
	double (*const leaks[])(double) = { leak, late_leak, pages };

	for (size_t i = 0; i < 3; i++) {
		struct feed f = feed_new(i);
		double onset = leaks[i] == late_leak ? 500 : 0;
		const struct growth_opinion *o = growth_opinion(f.g);

		feed_many(&f, 1200, leaks[i], i == 2 ? 0 : 0.3 * MB);
		assert_int_equal(o->verdict, GROWTH_LEAK);
		assert_true(o->leak_probability > 0.7);
		assert_true(fabs(o->since_s - onset) < 150);
		assert_true(isnan(o->known_in_s));
		growth_free(f.g);
	}
	(void)state;
}

static void uneven_times_and_gaps_change_nothing(void **state)
{
	struct feed f = feed_new(3);

	for (int i = 0; i < 1200; i++) {
		f.t = i * 2 + rng_unit(&f.r) + (i > 700 ? 300 : 0);
		if (rng_unit(&f.r) > 0.1)
			feed_one(&f, leak(f.t) + 0.3 * MB * rng_normal(&f.r));
	}
	assert_int_equal(growth_judge(f.g)->verdict, GROWTH_LEAK);
	growth_free(f.g);
	(void)state;
}

/* The bar: 2.5 times the least mean delay that is possible at this rate of false alarms. */
static void a_rise_is_suspected_soon(void **state)
{
	static const double slopes[] = { 1, 0.3, 0.1 };

	for (size_t k = 0; k < 3; k++) {
		double bound = cbrt(6 * log(30 * 86400.0) / (slopes[k] * slopes[k]));
		struct feed f = feed_new(k + 10);
		int delay = 0;

		feed_many(&f, 400, flat, MB);
		assert_int_equal(f.worst, GROWTH_NONE);
		for (; f.worst < GROWTH_SUSPECT && delay < 1000; delay++)
			feed_one(&f, flat(0) + MB * (rng_normal(&f.r) + slopes[k] * delay));
		assert_true(delay < 2.5 * bound);
		assert_true(fabs(growth_opinion(f.g)->since_s - 400) < bound);
		assert_true(growth_opinion(f.g)->known_in_s > 0);
		growth_free(f.g);
	}
	(void)state;
}

/* 150 points of load that rises cannot be told from a leak while it does. */
static void a_suspicion_ends_with_the_rise(void **state)
{
	struct feed f = feed_new(5);

	feed_many(&f, 450, load_ramp, 0.3 * MB);
	assert_true(growth_opinion(f.g)->verdict >= GROWTH_SUSPECT);
	for (int i = 450; i < 900; i++)
		feed_one(&f, load_ramp(i) + 0.3 * MB * rng_normal(&f.r));
	assert_int_equal(growth_judge(f.g)->verdict, GROWTH_NONE);
	assert_true(isnan(growth_opinion(f.g)->since_s));
	growth_free(f.g);
	(void)state;
}

static void noise_of_any_kind_raises_no_suspicion(void **state)
{
	for (int kind = 0; kind < 4; kind++) {
		struct feed f = feed_new(kind + 20);
		double slow = 0;

		for (int i = 0; i < 4000; i++) {
			double z = rng_normal(&f.r);

			slow += (z - slow) / (kind == 1 ? 8 : 25);
			if (kind == 2) /* heavy tails */
				z /= sqrt(pow(rng_normal(&f.r), 2) + pow(rng_normal(&f.r), 2) +
					  pow(rng_normal(&f.r), 2));
			if (kind == 3) /* rounded */
				z = floor(z);
			feed_one(&f, 100 + (kind == 1 ? slow : z));
		}
		assert_true(f.worst < GROWTH_SUSPECT);
		growth_free(f.g);
	}
	(void)state;
}

/* Noise that looks like a leak to the network alone, as one run in fifty does. */
static void a_trend_by_chance_is_no_suspicion(void **state)
{
	static const uint64_t seeds[] = { 103, 228, 250, 356, 502 };

	for (size_t i = 0; i < 5; i++) {
		struct feed f = feed_new(seeds[i]);

		feed_many(&f, 800, flat, MB);
		assert_true(f.worst < GROWTH_SUSPECT);
		growth_free(f.g);
	}
	(void)state;
}

static void a_restart_forgets(void **state)
{
	struct feed f = feed_new(6);

	feed_many(&f, 800, leak, 0.1 * MB);
	assert_int_equal(growth_opinion(f.g)->verdict, GROWTH_LEAK);
	growth_restart(f.g, f.t);
	assert_int_equal(growth_opinion(f.g)->verdict, GROWTH_TOO_SHORT);
	assert_int_equal(growth_count(f.g), 0);
	f.worst = GROWTH_TOO_SHORT;
	feed_many(&f, 1000, flat, MB);
	assert_true(f.worst < GROWTH_SUSPECT);
	growth_free(f.g);
	(void)state;
}

static void a_clock_set_back_does_not_blind(void **state)
{
	struct feed f = feed_new(7);
	double since;
	int refused = 0;

	feed_many(&f, 900, late_leak, MB);
	assert_int_equal(growth_opinion(f.g)->verdict, GROWTH_LEAK);
	since = growth_opinion(f.g)->since_s;
	for (int i = 900; i < 1000; i++)
		refused += growth_add(f.g, i - 3600, late_leak(i) + MB * rng_normal(&f.r)) != 0;
	assert_true(refused > 0 && refused < 10);
	assert_int_equal(growth_refused(f.g), refused);
	assert_int_equal(growth_judge(f.g)->verdict, GROWTH_LEAK);
	assert_true(fabs(growth_opinion(f.g)->since_s - (since - 3600)) < 120);
	growth_free(f.g);
	(void)state;
}

static double odd_number(struct rng *r)
{
	static const double odd[] = { 0,      -0.0,   1e-310, 1e308, -1e308,   1e149,
				      -1e149, 1e-149, 5e-324, NAN,   INFINITY, -INFINITY };

	if (rng_below(r, 4))
		return rng_normal(r) * pow(10, rng_below(r, 30) - 10);
	return odd[rng_below(r, sizeof(odd) / sizeof(*odd))];
}

static void anything_may_come_in_and_no_nan_goes_out(void **state)
{
	struct feed f = feed_new(8);
	const struct growth_opinion *o = growth_opinion(f.g);
	double t = 0;

	for (int i = 0; i < 6000; i++) {
		if (i % 1500 == 1499)
			growth_restart(f.g, t);
		t = rng_below(&f.r, 3) ? t + rng_unit(&f.r) : odd_number(&f.r);
		if (!(fabs(t) < 1e12))
			growth_add(f.g, t, 1);
		t = fabs(t) < 1e12 ? t : 0;
		growth_add(f.g, t, odd_number(&f.r));
		assert_true(o->leak_probability >= 0 && o->leak_probability <= 1);
		assert_true(o->verdict <= GROWTH_LEAK);
		assert_true(o->verdict < GROWTH_SUSPECT ? isnan(o->since_s) : isfinite(o->since_s));
		assert_true(isnan(o->known_in_s) || o->known_in_s >= 0);
	}
	growth_free(f.g);
	(void)state;
}

static void a_thousand_points_take_little(void **state)
{
	struct feed f = feed_new(9);

	assert_true(growth_bytes(f.g) < 3000);
	feed_many(&f, 1000, leak, MB);
	assert_true(growth_bytes(f.g) < 12000);
	growth_freep(&f.g);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_series_says_when_it_will_be_known),
		cmocka_unit_test(a_short_series_that_grows_waits_for_what_a_leak_needs),
		cmocka_unit_test(what_does_not_grow_for_good_is_no_leak),
		cmocka_unit_test(a_leak_is_found_and_dated),
		cmocka_unit_test(uneven_times_and_gaps_change_nothing),
		cmocka_unit_test(a_rise_is_suspected_soon),
		cmocka_unit_test(a_suspicion_ends_with_the_rise),
		cmocka_unit_test(noise_of_any_kind_raises_no_suspicion),
		cmocka_unit_test(a_trend_by_chance_is_no_suspicion),
		cmocka_unit_test(a_restart_forgets),
		cmocka_unit_test(a_clock_set_back_does_not_blind),
		cmocka_unit_test(anything_may_come_in_and_no_nan_goes_out),
		cmocka_unit_test(a_thousand_points_take_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
