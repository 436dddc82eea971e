/* The ledger's memory between ticks: growth of a class, calls per second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>

#include <cmocka.h>

#include "analyse/ledger_state.h"

/* One tick in which every class holds this many bytes. */
static void add(struct ledger_state *st, double t_s, uint64_t bytes)
{
	struct class_row rows[CLASS_MAX] = { 0 };
	int c;

	for (c = 0; c < CLASS_MAX; c++)
		rows[c].bytes = bytes;
	ledger_state_add(st, t_s, rows, 0, 0);
}

static void add_totals(struct ledger_state *st, double t_s, uint64_t allocs, uint64_t frees)
{
	struct class_row rows[CLASS_MAX] = { 0 };

	ledger_state_add(st, t_s, rows, allocs, frees);
}

static double slope(const struct ledger_state *st)
{
	return ledger_state_slope(st, CLASS_application);
}

static void growth_is_not_known_from_a_few_ticks(void **state)
{
	struct ledger_state st;
	int i;

	(void)state;
	ledger_state_init(&st);
	for (i = 0; i < LEDGER_SLOPE_TICKS; i++) {
		assert_true(isnan(slope(&st)));
		add(&st, i, 100 * i);
	}
	assert_true(slope(&st) == 100);
}

static void growth_ignores_a_spike(void **state)
{
	struct ledger_state st;
	int i;

	(void)state;
	ledger_state_init(&st);
	for (i = 0; i < 100; i++)
		add(&st, i, i == 90 ? 1 << 30 : 1000 * i);
	assert_true(fabs(slope(&st) - 1000) < 1);
}

static void growth_allows_for_uneven_ticks(void **state)
{
	static const double t[] = { 0, 1, 5, 6, 20 };
	struct ledger_state st;
	size_t i;

	(void)state;
	ledger_state_init(&st);
	for (i = 0; i < 5; i++)
		add(&st, t[i], 10 * t[i]);
	assert_true(fabs(slope(&st) - 10) < 1e-9);
}

static void growth_forgets_what_is_older_than_the_history(void **state)
{
	struct ledger_state st;
	int i;

	(void)state;
	ledger_state_init(&st);
	for (i = 0; i < 50 + LEDGER_TICKS; i++)
		add(&st, i, i < 50 ? i : 50);
	assert_true(slope(&st) == 0);
}

static void ticks_that_were_not_measured_are_left_out(void **state)
{
	struct ledger_state st;
	int i;

	(void)state;
	ledger_state_init(&st);
	for (i = 0; i < 20; i++)
		add(&st, i, i % 2 ? FACT_UNKNOWN : 7 * i);
	assert_true(slope(&st) == 7);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void the_slope_is_the_median_of_all_pairs(void **state)
{
	double all[LEDGER_TICKS * LEDGER_TICKS];
	struct ledger_state st;
	unsigned int seed = 7;
	size_t n, i, j, count;

	(void)state;
	for (n = LEDGER_SLOPE_TICKS; n <= LEDGER_TICKS; n++) {
		ledger_state_init(&st);
		for (i = 0; i < n; i++)
			add(&st, i, rand_r(&seed) % (n % 3 ? 1000000 : 3));
		for (i = count = 0; i < n; i++) {
			for (j = 0; j < i; j++)
				all[count++] = (st.bytes[CLASS_code][i] - st.bytes[CLASS_code][j]) /
					       (double)(i - j);
		}
		qsort(all, count, sizeof(*all), compare);
		assert_true(slope(&st) == all[(count - 1) / 2]);
	}
}

static void rates_are_calls_per_second_since_the_tick_before(void **state)
{
	struct ledger_state st;

	(void)state;
	ledger_state_init(&st);
	add_totals(&st, 1, 1000, 0);
	assert_true(isnan(st.alloc_per_s));
	add_totals(&st, 3, 1500, 100);
	assert_true(st.alloc_per_s == 250);
	assert_true(st.free_per_s == 50);
}

static void a_total_that_went_back_gives_no_rate(void **state)
{
	struct ledger_state st;

	(void)state;
	ledger_state_init(&st);
	add_totals(&st, 1, 1000, 10);
	add_totals(&st, 2, 3, 20);
	assert_true(isnan(st.alloc_per_s));
	assert_true(st.free_per_s == 10);
}

static void a_tick_that_is_not_later_changes_nothing(void **state)
{
	struct ledger_state st;

	(void)state;
	ledger_state_init(&st);
	add_totals(&st, 5, 10, 10);
	add_totals(&st, 5, 20, 20);
	add_totals(&st, 4, 30, 30);
	add_totals(&st, NAN, 40, 40);
	assert_int_equal(st.ticks, 1);
	assert_int_equal(st.last_allocs, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_is_not_known_from_a_few_ticks),
		cmocka_unit_test(growth_ignores_a_spike),
		cmocka_unit_test(growth_allows_for_uneven_ticks),
		cmocka_unit_test(growth_forgets_what_is_older_than_the_history),
		cmocka_unit_test(ticks_that_were_not_measured_are_left_out),
		cmocka_unit_test(the_slope_is_the_median_of_all_pairs),
		cmocka_unit_test(rates_are_calls_per_second_since_the_tick_before),
		cmocka_unit_test(a_total_that_went_back_gives_no_rate),
		cmocka_unit_test(a_tick_that_is_not_later_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
