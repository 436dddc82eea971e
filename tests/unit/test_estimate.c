/* Intervals hold the truth as often as they say, by simulation with the weights of weight.h. */
#include "model/estimate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "memtrace/weight.h"

#define ROUNDS 1000

static double uniform(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return ((z ^ (z >> 31)) >> 11) * 0x1p-53 + 0x1p-54;
}

/* What the kernel side does: 0 when the block is not taken, else its weight. */
static uint64_t sample(uint64_t *state, double bytes, double gap)
{
	double chance = 1 - exp(-fmax(bytes, MT_LEAST_BYTES) / gap), w = floor(1 / chance);

	if (uniform(state) >= chance)
		return 0;
	return (uint64_t)w + (uniform(state) < 1 / chance - w);
}

enum sizes { SMALL, MEDIUM, AS_THE_GAP, ANY, FEW_LARGE, SIZES };

static double size_of(uint64_t *state, enum sizes sizes, double gap)
{
	switch (sizes) {
	case SMALL: return floor(gap / 64);
	case MEDIUM: return floor(gap / 5);
	case AS_THE_GAP: return gap;
	case ANY: return floor(16 * pow(gap / 4, uniform(state))); /* to four gaps */
	default: return uniform(state) < 0.1 ? 8 * gap : floor(gap / 20);
	}
}

struct sums {
	double truth, value, var, records, count;
};

/* Blocks until `samples` of them are to be expected. */
static struct sums draw(uint64_t *state, enum sizes sizes, double gap, double samples)
{
	struct sums s = {};

	for (double due = 0; due < samples;) {
		double bytes = size_of(state, sizes, gap);
		uint64_t w = sample(state, bytes, gap), held = mt_held((uint64_t)bytes, w);

		s.truth += bytes;
		due += bytes > 7 * gap ? 0 : 1 - exp(-bytes / gap);
		if (!w)
			continue;
		s.value += bytes * (double)mt_held_weight(held);
		s.count += (double)mt_held_weight(held);
		s.var += ldexp((double)mt_held_var(held), 2 * MT_VAR_SHIFT);
		s.records++;
	}
	return s;
}

struct coverage {
	double covered, bias, width; /* width: against the truth's own scatter */
};

static struct coverage cover(enum sizes sizes, double gap, double samples)
{
	uint64_t state = (uint64_t)sizes * 1000 + (uint64_t)samples;
	double seen = 0, covered = 0, value = 0, truth = 0, width = 0, scatter = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct sums s = draw(&state, sizes, gap, samples);
		double error = estimate_error(s.var, fmax(estimate_unit(s.value, s.var), gap));

		value += s.value;
		truth += s.truth;
		scatter += (s.value - s.truth) * (s.value - s.truth);
		if (!(s.var > 0)) /* nobody is told an interval then */
			continue;
		seen++;
		covered += fabs(s.value - s.truth) <= error;
		width += error;
	}
	return (struct coverage){ covered / seen, value / truth,
				  width / seen / (1.96 * sqrt(scatter / ROUNDS)) };
}

static void intervals_cover_the_truth(void **state)
{
	static const double samples[] = { 0.3, 1, 3, 10, 30, 100, 300 };

	for (int sizes = SMALL; sizes < SIZES; sizes++)
		for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
			for (double gap = 0x1p10; gap <= 0x1p16; gap *= 64) {
				struct coverage c = cover(sizes, gap, samples[i]);

				assert_true(c.covered >= (sizes == FEW_LARGE ? 0.90 : 0.93));
				if (samples[i] >= 10)
					assert_true(c.width < 1.45);
				if (samples[i] >= 100)
					assert_true(c.width < 1.15);
				if (samples[i] >= 100)
					assert_true(fabs(c.bias - 1) < 0.02);
			}
	(void)state;
}

static void nothing_sampled_is_exact(void **state)
{
	assert_true(estimate_error(0, 4096) == 0);
	assert_true(estimate_unit(1000, 0) == 0);
	assert_true(estimate_weight(50, 50, 5000, 0) == 1);
	assert_true(estimate_weight(0, 0, 0, 0) == 1);
	(void)state;
}

static void the_unit_is_the_gap_where_blocks_are_small(void **state)
{
	uint64_t random = 3;
	struct sums s = draw(&random, SMALL, 0x1p14, 300);

	assert_true(fabs(estimate_unit(s.value, s.var) / 0x1p14 - 1) < 0.1);
	(void)state;
}

/* 1000 exact blocks beside 10 that stand for 1000 each: ten observations, more or less. */
static void few_heavy_blocks_are_few_observations(void **state)
{
	double count = 1000 + 10 * 1000, bytes = 64 * count, var = 10 * 64. * 64 * 1000 * 999;
	double weight = estimate_weight(count, 1010, bytes, var);

	assert_true(count / weight < 14 && count / weight > 10);
	(void)state;
}

static void equal_weights_are_found(void **state)
{
	double weight = estimate_weight(500, 5, 500 * 64, 5 * 64. * 64 * 100 * 99);

	assert_true(fabs(weight - 100) < 1e-9);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intervals_cover_the_truth),
		cmocka_unit_test(nothing_sampled_is_exact),
		cmocka_unit_test(the_unit_is_the_gap_where_blocks_are_small),
		cmocka_unit_test(few_heavy_blocks_are_few_observations),
		cmocka_unit_test(equal_weights_are_found),
	};

	return cmocka_run_group_tests_name("estimate", tests, NULL, NULL);
}
