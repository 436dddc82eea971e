/* Windows made ready and their statistics: blocks, outliers, scales; each statistic that has a
 * plain meaning says what it should of a series made for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <cmocka.h>

#include "../judge/rng.h"
#include "base/order.h"
#include "growth/window_stats.h"

#define MANY 5000

struct series {
	size_t n;
	double t[MANY], v[MANY];
};

static int prepare(const struct series *s, struct window *w)
{
	struct shape_input in = { .t_s = s->t, .value = s->v, .n = s->n };

	return window_prepare(&in, w);
}

static void take_stats(const struct series *s, double *stats)
{
	struct fit fits[FIT_KINDS];
	struct window w;

	assert_int_equal(prepare(s, &w), 0);
	assert_false(w.constant);
	window_fit(&w, fits);
	window_stats(&w, fits, stats);
}

static void make_noise(struct series *s, size_t n, uint64_t seed)
{
	struct rng r = rng_new(seed, 0);

	s->n = n;
	for (size_t i = 0; i < n; i++) {
		s->t[i] = i;
		s->v[i] = rng_normal(&r);
	}
}

static void the_kth_smallest_is_selected(void **state)
{
	struct rng r = rng_new(3, 0);

	(void)state;
	for (int round = 0; round < 500; round++) {
		size_t n = 1 + rng_below(&r, 40), k = rng_below(&r, n), below = 0, same = 0;
		double v[40], found;

		for (size_t i = 0; i < n; i++)
			v[i] = rng_below(&r, 10);
		found = order_select(v, n, k);
		for (size_t i = 0; i < n; i++) {
			below += v[i] < found;
			same += v[i] == found;
		}
		assert_true(below <= k && k < below + same);
	}
}

static void blocks_hold_at_most_their_number(void **state)
{
	static const struct {
		size_t n, points;
	} sizes[] = { { 8, 8 }, { 128, 128 }, { 129, 65 }, { 300, 100 }, { 5000, 125 } };
	struct series s;
	struct window w;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		make_noise(&s, sizes[i].n, 1);
		assert_int_equal(prepare(&s, &w), 0);
		assert_int_equal(w.n, sizes[i].points);
		assert_int_equal(w.raw, sizes[i].n);
		for (size_t k = 0; k < w.n; k++) {
			assert_true(w.x[k] >= 0 && w.x[k] <= 1 && (!k || w.x[k] > w.x[k - 1]));
			assert_true(w.low[k] <= w.level[k] && w.level[k] <= w.high[k]);
			assert_true(w.y[k] >= 0 && w.y[k] <= 1);
		}
	}
}

static void too_few_points_are_refused_and_nothing_is_written(void **state)
{
	struct window w = { .n = 77 };
	struct series s;

	(void)state;
	make_noise(&s, SHAPE_POINTS_MIN - 1, 1);
	assert_int_equal(prepare(&s, &w), -ENODATA);
	assert_int_equal(w.n, 77);
}

static void outliers_leave_y_and_stay_in_level(void **state)
{
	struct series s;
	struct window w;

	(void)state;
	make_noise(&s, 100, 2);
	s.v[50] = 1e6;
	assert_int_equal(prepare(&s, &w), 0);
	assert_true(w.scale < 10);
	assert_true(w.y[50] <= 1 && w.level[50] > 1e5);
	/* three in a row are a level, not outliers */
	s.v[51] = s.v[52] = 1e6;
	assert_int_equal(prepare(&s, &w), 0);
	assert_true(w.y[51] == 1);
}

/* One point of a thousand differs: no median shows it, but the window is not constant. */
static void a_lone_point_is_kept(void **state)
{
	struct series s = { .n = 1000 };
	struct window w;

	(void)state;
	for (size_t i = 0; i < s.n; i++) {
		s.t[i] = i;
		s.v[i] = 4096;
	}
	assert_int_equal(prepare(&s, &w), 0);
	assert_true(w.constant && w.scale == 1 && w.offset == 4096);
	s.v[777] = 8192;
	assert_int_equal(prepare(&s, &w), 0);
	assert_false(w.constant);
	assert_true(w.y[777 / 8] == 1 && w.y[0] == 0 && w.scale == 4096);
}

static void the_quantum_is_the_smallest_step(void **state)
{
	struct series s;
	struct window w;

	(void)state;
	make_noise(&s, 100, 4);
	for (size_t i = 0; i < s.n; i++)
		s.v[i] = 4096 * floor(5 * s.v[i]);
	assert_int_equal(prepare(&s, &w), 0);
	assert_true(fabs(w.quantum * w.scale - 4096) < 1e-6);
	assert_true(w.sigma >= w.quantum / (2 * sqrt(12)));
}

static void noise_between_neighbours_is_measured(void **state)
{
	struct series s;
	struct window w;

	(void)state;
	make_noise(&s, 120, 5);
	for (size_t i = 0; i < s.n; i++)
		s.v[i] += 100.0 * i;
	assert_int_equal(prepare(&s, &w), 0);
	assert_true(fabs(w.sigma * w.scale - 1) < 0.3);
}

static void a_rising_line_is_seen(void **state)
{
	double stats[WINDOW_INPUTS];
	struct series s;

	(void)state;
	make_noise(&s, 100, 6);
	for (size_t i = 0; i < s.n; i++)
		s.v[i] = 50.0 * i + s.v[i];
	take_stats(&s, stats);
	assert_true(stats[STAT_TAU] > 0.99 && stats[STAT_UP] > 0.95);
	assert_true(stats[STAT_RUNUP] > 0.99 && stats[STAT_DRAWDOWN] < 0.01);
	assert_true(stats[STAT_FIT_LINE_T] > 5 && stats[STAT_BLOCK_T] > 4);
	assert_true(stats[STAT_FIRST] < 0.1 && stats[STAT_LAST] > 0.9);
	for (int i = 0; i < WINDOW_GRID; i++)
		assert_true(fabs(stats[WINDOW_STATS + i] - (i + 0.5) / WINDOW_GRID) < 0.02);
}

static void a_wave_is_seen(void **state)
{
	double stats[WINDOW_INPUTS];
	struct series s;

	(void)state;
	make_noise(&s, 100, 7);
	for (size_t i = 0; i < s.n; i++)
		s.v[i] = 50 * sin(2 * M_PI * i / 20) + s.v[i];
	take_stats(&s, stats);
	assert_true(stats[STAT_CYCLE_PEAK] > 0.8);
	assert_true(fabs(stats[STAT_CYCLE_LAG] - 0.2) < 0.02);
	assert_true(stats[STAT_SEASON_REST] < 0.05 && fabs(stats[STAT_SEASON_GAIN]) < 0.05);
	assert_true(fabs(stats[STAT_SWING_TIME] - 0.5) < 0.1);
	assert_true(stats[STAT_SWINGS] > log1p(7) && stats[STAT_SWINGS] < log1p(12));
}

static void steps_and_pulses_are_seen(void **state)
{
	double stats[WINDOW_INPUTS];
	struct series s;

	(void)state;
	make_noise(&s, 100, 8);
	for (size_t i = 0; i < s.n; i++)
		s.v[i] += i < 30 ? 0 : i < 70 ? 100 : 300;
	take_stats(&s, stats);
	assert_true(fabs(stats[STAT_STEPS] - log1p(2)) < 1e-9);
	assert_true(stats[STAT_STEPS_UP] == 1 && stats[STAT_STEPS_REST] < 0.05);
	assert_true(fabs(stats[STAT_STEPS_LAST] - 0.3) < 0.02);
	make_noise(&s, 100, 8);
	s.v[60] = s.v[61] = 80;
	take_stats(&s, stats);
	assert_true(stats[STAT_PULSE_Z] > log(50) && stats[STAT_PULSE_SIZE] > 0.9);
	assert_true(fabs(stats[STAT_PULSE_AT] - 0.61) < 0.02);
	assert_true(stats[STAT_PULSE_REST] < 0.1 && stats[STAT_PULSE_TWO] < 0.1);
}

static void growth_under_a_warm_up_is_seen(void **state)
{
	double stats[WINDOW_INPUTS];
	struct series s;

	(void)state;
	make_noise(&s, 100, 9);
	for (size_t i = 0; i < s.n; i++)
		s.v[i] += 500 * -expm1(-0.12 * i);
	take_stats(&s, stats);
	assert_true(fabs(stats[STAT_SETTLE_T]) < log1p(4));
	assert_true(stats[STAT_SETTLE_FIRST_T] > 3 && stats[STAT_SETTLE] > 3);
	for (size_t i = 0; i < s.n; i++)
		s.v[i] += 0.5 * i;
	take_stats(&s, stats);
	assert_true(stats[STAT_SETTLE_T] > log1p(15));
	assert_true(fabs(stats[STAT_SETTLE_SLOPE] - 50 / 550.0) < 0.03);
}

/* A saw's troughs rise as what is held under it does. */
static void rising_troughs_are_seen(void **state)
{
	double stats[WINDOW_INPUTS];
	struct series s;

	(void)state;
	make_noise(&s, 120, 10);
	for (size_t i = 0; i < s.n; i++)
		s.v[i] += 100.0 * (i % 12) / 12 + 0.5 * i;
	take_stats(&s, stats);
	assert_true(stats[STAT_TROUGH_T] > 2 && stats[STAT_TROUGH_GAIN] > 0.2);
	assert_true(stats[STAT_SWING_TIME] > 0.7);
	assert_true(stats[STAT_SEASON_GAIN] > 0.2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kth_smallest_is_selected),
		cmocka_unit_test(blocks_hold_at_most_their_number),
		cmocka_unit_test(too_few_points_are_refused_and_nothing_is_written),
		cmocka_unit_test(outliers_leave_y_and_stay_in_level),
		cmocka_unit_test(a_lone_point_is_kept),
		cmocka_unit_test(the_quantum_is_the_smallest_step),
		cmocka_unit_test(noise_between_neighbours_is_measured),
		cmocka_unit_test(a_rising_line_is_seen),
		cmocka_unit_test(a_wave_is_seen),
		cmocka_unit_test(steps_and_pulses_are_seen),
		cmocka_unit_test(growth_under_a_warm_up_is_seen),
		cmocka_unit_test(rising_troughs_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
