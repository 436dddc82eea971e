/* The pure parts of the preloaded library: the set of sampled addresses, gaps and weights. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../src/preload/gap.c"
#include "../../src/preload/set.c"

static struct set set;

static void begin(void)
{
	memset(&set, 0, sizeof(set));
}

/* Addresses as an allocator gives them out: by 16, in several pieces of address space. */
static uint64_t address(uint64_t n)
{
	return 0x7f0000000000 + (n << 4) + (n % 7 << 33);
}

/* --- the set ---------------------------------------------------------------------------------- */

static void what_was_added_is_taken_once(void **state)
{
	(void)state;
	begin();
	assert_false(set_may_hold(&set, address(1)));
	assert_false(set_take(&set, address(1)));
	assert_true(set_add(&set, address(1)));
	assert_true(set_may_hold(&set, address(1)));
	assert_true(set_take(&set, address(1)));
	assert_false(set_take(&set, address(1)));
	assert_false(set_may_hold(&set, address(1)));
	assert_false(set_take(&set, 0));
}

static void an_address_is_there_only_once(void **state)
{
	(void)state;
	begin();
	assert_true(set_add(&set, address(1)));
	assert_true(set_add(&set, address(1)));
	assert_true(set_take(&set, address(1)));
	assert_false(set_take(&set, address(1)));
	assert_false(set_may_hold(&set, address(1)));
}

/* Two addresses that share a counter of the filter are told apart by the set. */
static void neighbours_in_the_filter_are_told_apart(void **state)
{
	uint64_t a = 0x10000, b = a;

	(void)state;
	begin();
	do
		b += 16;
	while (set_filter_slot(a) != set_filter_slot(b));
	assert_true(set_add(&set, a));
	assert_true(set_may_hold(&set, b));
	assert_false(set_take(&set, b));
	assert_true(set_add(&set, b));
	assert_true(set_take(&set, a));
	assert_true(set_may_hold(&set, b));
	assert_true(set_take(&set, b));
	assert_false(set_may_hold(&set, a));
}

/* Three in four places are filled before one is refused; what is refused leaves nothing behind. */
static void a_full_set_refuses(void **state)
{
	const uint64_t room = SET_BUCKETS * SET_BUCKET_SLOTS;
	uint64_t n = 0, held = 0;

	(void)state;
	begin();
	while (set_add(&set, address(n)))
		n++;
	assert_true(n > room * 3 / 4);
	assert_false(set_take(&set, address(n)));
	for (uint64_t i = n + 1; i < 4 * room; i++)
		n += set_add(&set, address(i));
	assert_true(n <= room);
	for (uint64_t i = 0; i < 4 * room; i++)
		held += set_take(&set, address(i));
	assert_int_equal(held, n);
	for (uint32_t i = 0; i < SET_FILTER_SLOTS; i++)
		assert_int_equal(set.filter[i], 0);
}

/* A counter that cannot count farther stays, so that nothing is missed later. */
static void a_counter_at_its_end_stays(void **state)
{
	uint64_t list[300], at = 0x10000;
	size_t n = 0;

	(void)state;
	begin();
	for (; n < 300; at += 16)
		if (set_filter_slot(at) == set_filter_slot(0x10000))
			list[n++] = at;
	for (size_t i = 0; i < 300; i++)
		assert_true(set_add(&set, list[i]));
	for (size_t i = 0; i < 300; i++) {
		assert_true(set_may_hold(&set, list[i]));
		assert_true(set_take(&set, list[i]));
	}
	assert_true(set_may_hold(&set, list[0]));
}

static void what_is_let_through_is_not_there(void **state)
{
	(void)state;
	begin();
	set_let_through(&set, address(5));
	assert_true(set_may_hold(&set, address(5)));
	assert_false(set_take(&set, address(5)));
	assert_true(set_add(&set, address(5)));
	assert_true(set_take(&set, address(5)));
	assert_true(set_may_hold(&set, address(5)));
}

struct worker {
	uint64_t first;
	uint64_t lost;
};

/* Adds and takes its own addresses while others do the same in the same buckets. */
static void *work(void *arg)
{
	struct worker *w = arg;

	for (int round = 0; round < 2000; round++) {
		for (uint64_t i = 0; i < 16; i++)
			w->lost += !set_add(&set, address(w->first + i * 4));
		for (uint64_t i = 0; i < 16; i++) {
			w->lost += !set_may_hold(&set, address(w->first + i * 4));
			w->lost += !set_take(&set, address(w->first + i * 4));
		}
	}
	return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
	struct worker w[4] = {};
	pthread_t t[4];

	(void)state;
	begin();
	for (int i = 0; i < 4; i++) {
		w[i].first = i;
		assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(w[i].lost, 0);
	}
	for (uint32_t i = 0; i < SET_FILTER_SLOTS; i++)
		assert_int_equal(set.filter[i], 0);
}

/* --- gaps and weights ------------------------------------------------------------------------- */

static void gaps_are_exponential(void **state)
{
	const uint64_t means[] = { 1024, 512 << 10, 1ull << 30 };
	const int n = 200000;

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		uint64_t random = 42 + k;
		double sum = 0, squares = 0;
		int above = 0;

		for (int i = 0; i < n; i++) {
			double gap = gap_of(gap_random(&random), means[k]);

			sum += gap / means[k];
			squares += gap / means[k] * gap / means[k];
			above += gap > 2.0 * means[k];
		}
		/* five standard errors: 1, sqrt(20), sqrt(q (1 - q)), each / sqrt(n) */
		assert_true(fabs(sum / n - 1) < 0.012);
		assert_true(fabs(squares / n - 2) < 0.05);
		assert_true(fabs((double)above / n - exp(-2)) < 0.004);
	}
}

static void gaps_stay_within_bounds(void **state)
{
	(void)state;
	assert_int_equal(gap_of(UINT64_MAX, 512 << 10), 1); /* ln 1 */
	assert_in_range(gap_of(0, 512 << 10), 36 * (512 << 10), 37 * (512 << 10));
	assert_int_equal(gap_of(0, 1ull << 62), GAP_MAX);
	assert_int_equal(gap_of(12345, 1), gap_of(12345, 1));
}

static void logarithms_and_chances_are_those_of_the_library(void **state)
{
	(void)state;
	for (double x = 1e-16; x < 4; x *= 1.37)
		assert_true(fabs(logarithm(x) - log(x)) < 1e-11 * (1 + fabs(log(x))));
	for (double x = 1e-9; x < 100; x *= 1.31)
		assert_true(fabs(chance_of(x) / -expm1(-x) - 1) < 1e-9);
	assert_true(chance_of(0) == 0);
}

static void a_sample_stands_for_its_size_by_its_chance(void **state)
{
	(void)state;
	assert_in_range(gap_weigh(16, 512 << 10), (512 << 10), (512 << 10) + 16);
	assert_in_range(gap_weigh(8, 512 << 10), (256 << 10), (256 << 10) + 8); /* as long as 16 */
	assert_int_equal(gap_weigh(1ull << 40, 512 << 10), 1ull << 40);
	assert_int_equal(gap_weigh(4096, 1), 4096);
	assert_int_equal(gap_weigh(100, 0), 100);
	for (uint64_t size = 1; size; size <<= 1)
		assert_true(gap_weigh(size, 512 << 10) >= size);
}

/* The estimate is right in the mean: blocks of one size, taken as the library takes them. */
static void totals_are_not_biased(void **state)
{
	const uint64_t mean = 4096, sizes[] = { 16, 100, 1000, 4096, 20000 };

	(void)state;
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		uint64_t random = 7, left = gap_of(gap_random(&random), mean), samples = 0;
		double told = 0;
		const uint64_t blocks = 20000 * mean / (sizes[k] < mean ? sizes[k] : mean);

		for (uint64_t i = 0; i < blocks; i++) {
			if (sizes[k] < left) {
				left -= sizes[k];
				continue;
			}
			told += gap_weigh(sizes[k], mean);
			samples++;
			left = gap_of(gap_random(&random), mean);
		}
		/* five standard errors of a sum of at least 12,000 samples */
		assert_true(samples > 12000);
		assert_true(fabs(told / (blocks * sizes[k]) - 1) < 0.045);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_taken_once),
		cmocka_unit_test(an_address_is_there_only_once),
		cmocka_unit_test(neighbours_in_the_filter_are_told_apart),
		cmocka_unit_test(a_full_set_refuses),
		cmocka_unit_test(a_counter_at_its_end_stays),
		cmocka_unit_test(what_is_let_through_is_not_there),
		cmocka_unit_test(threads_do_not_disturb_each_other),
		cmocka_unit_test(gaps_are_exponential),
		cmocka_unit_test(gaps_stay_within_bounds),
		cmocka_unit_test(logarithms_and_chances_are_those_of_the_library),
		cmocka_unit_test(a_sample_stands_for_its_size_by_its_chance),
		cmocka_unit_test(totals_are_not_biased),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
