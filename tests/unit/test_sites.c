/* Sites: counting, and ages folded from the kernel's rings against a list of blocks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/sites.h"

#define SEC 1000000000ull
#define BOOT (5 * SEC)

/* What the kernel does at a birth and a death; seconds since boot. */
static void ring_birth(uint64_t *slot, uint64_t epoch)
{
	*slot = *slot >> 32 == epoch ? *slot + 1 : epoch << 32 | 1;
}

static void kernel_birth(struct mt_site *k, uint64_t now_s, uint64_t size)
{
	k->alloc_bytes += size;
	k->alloc_count++;
	ring_birth((uint64_t *)&k->fine[now_s % MT_FINE_SLOTS], now_s);
	ring_birth((uint64_t *)&k->coarse[now_s / MT_COARSE_SECS % MT_COARSE_SLOTS],
		   now_s / MT_COARSE_SECS);
}

static void kernel_death(struct mt_site *k, uint64_t born_s, uint64_t now_s, uint64_t size)
{
	k->free_bytes += size;
	k->free_count++;
	k->freed_by_age[age_bucket((now_s - born_s) * SEC)]++;
	if (now_s - born_s < MT_FINE_SLOTS - 1 && k->fine[born_s % MT_FINE_SLOTS] >> 32 == born_s)
		k->fine[born_s % MT_FINE_SLOTS]--;
	if (now_s / MT_COARSE_SECS - born_s / MT_COARSE_SECS < MT_COARSE_SLOTS - 1 &&
	    k->coarse[born_s / MT_COARSE_SECS % MT_COARSE_SLOTS] >> 32 == born_s / MT_COARSE_SECS)
		k->coarse[born_s / MT_COARSE_SECS % MT_COARSE_SLOTS]--;
}

static void age_buckets_double_from_one_second_on(void **state)
{
	assert_int_equal(age_bucket(0), 0);
	assert_int_equal(age_bucket(SEC - 1), 0);
	assert_int_equal(age_bucket(SEC), 1);
	assert_int_equal(age_bucket(2 * SEC), 2);
	assert_int_equal(age_bucket(4 * SEC - 1), 2);
	assert_int_equal(age_bucket(512 * SEC - 1), 9);
	assert_int_equal(age_bucket(512 * SEC), 10);
	assert_int_equal(age_bucket(UINT64_MAX), 10);
	(void)state;
}

static void a_site_keeps_its_address_while_others_come(void **state)
{
	struct sites *t = NULL;
	struct site *first, *s;

	assert_int_equal(sites_new(&t), 0);
	assert_int_equal(sites_get(t, 500, MT_SITE_FD, 1, 1000, &first), 0);
	for (uint32_t i = 1000; i-- > 510;)
		assert_int_equal(sites_get(t, i, MT_SITE_FD, 1, 1000, &s), 0);
	assert_ptr_equal(sites_find(t, 500), first);
	assert_null(sites_find(t, 505));
	for (size_t i = 1; i < sites_count(t); i++)
		assert_true(sites_at(t, i - 1)->number < sites_at(t, i)->number);
	sites_free(t);
	(void)state;
}

static void a_full_table_refuses_and_leaves_the_result_untouched(void **state)
{
	struct sites *t = NULL;
	struct site *s, *untouched = NULL;

	assert_int_equal(sites_new(&t), 0);
	assert_int_equal(sites_get(t, 1, MT_SITE_FD, 1, 1, &s), 0);
	assert_int_equal(sites_get(t, 2, MT_SITE_FD, 1, 1, &untouched), -ENOSPC);
	assert_null(untouched);
	assert_int_equal(sites_get(t, 1, MT_SITE_FD, 1, 1, &s), 0);
	sites_free(t);
	(void)state;
}

static void a_death_counts_at_the_age_of_the_block(void **state)
{
	struct site s = {};

	site_born(&s, 100, 1, 10 * SEC);
	site_died(&s, 100, 1, 10 * SEC, 15 * SEC);
	assert_int_equal(s.freed_by_age[3], 1);
	assert_int_equal(site_live_bytes(&s), 0);
	assert_int_equal(site_live_count(&s), 0);
	(void)state;
}

static void a_death_taken_back_leaves_no_trace(void **state)
{
	struct site s = {}, before;

	site_born(&s, 100, 1, 10 * SEC);
	before = s;
	site_died(&s, 100, 1, 10 * SEC, 15 * SEC);
	site_revived(&s, 100, 1, 10 * SEC, 15 * SEC);
	assert_memory_equal(&s, &before, sizeof(s));
	(void)state;
}

static void sums_stop_instead_of_wrapping(void **state)
{
	struct site s = {};

	site_born(&s, UINT64_MAX - 1, 1, 0);
	site_born(&s, UINT64_MAX - 1, 1, 0);
	assert_int_equal(s.alloc_bytes, UINT64_MAX);
	assert_int_equal(site_weight(&s), UINT64_MAX);
	s.free_bytes = 7;
	s.alloc_bytes = 3;
	assert_int_equal(site_live_bytes(&s), 0);
	(void)state;
}

static void nobody_s_site_counts_nothing(void **state)
{
	site_born(NULL, 1, 1, 0);
	site_died(NULL, 1, 1, 0, 0);
	site_revived(NULL, 1, 1, 0, 0);
	(void)state;
}

static void young_blocks_are_told_to_the_second(void **state)
{
	struct mt_site k = {};
	struct site s = {};

	for (uint64_t t = 70; t <= 100; t++)
		kernel_birth(&k, t, 8);
	site_read_heap(&s, &k, BOOT, BOOT + 100 * SEC);
	assert_int_equal(s.live_by_age[0], 1);
	assert_int_equal(s.live_by_age[1], 1);
	assert_int_equal(s.live_by_age[2], 2);
	assert_int_equal(s.live_by_age[3], 4);
	assert_int_equal(s.live_by_age[4], 8);
	assert_int_equal(s.live_by_age[5], 15);
	assert_int_equal(site_live_bytes(&s), 31 * 8);
	(void)state;
}

static void a_slot_of_another_epoch_holds_nothing(void **state)
{
	struct mt_site k = {};
	struct site s = {};

	kernel_birth(&k, 1, 8);
	kernel_death(&k, 1, 2, 8);
	kernel_birth(&k, 2, 8);
	site_read_heap(&s, &k, BOOT, BOOT + (2 + 3200) * SEC);
	for (size_t b = 0; b + 1 < MT_AGE_BUCKETS; b++)
		assert_int_equal(s.live_by_age[b], 0);
	assert_int_equal(s.live_by_age[MT_AGE_BUCKETS - 1], 1);
	(void)state;
}

static void a_slot_that_deaths_no_longer_reach_is_not_believed(void **state)
{
	struct mt_site k = {};
	struct site s = {};

	kernel_birth(&k, 1, 8);
	kernel_birth(&k, 1000, 8);
	kernel_death(&k, 1000, 1000 + MT_FINE_SLOTS - 1, 8);
	site_read_heap(&s, &k, 0, (1000 + MT_FINE_SLOTS - 1) * SEC);
	assert_int_equal(s.live_by_age[5], 0);
	assert_int_equal(s.live_by_age[MT_AGE_BUCKETS - 1], 1);
	(void)state;
}

static void ages_follow_a_list_of_blocks_through_a_long_life(void **state)
{
	enum { BLOCKS = 20000 };
	static uint64_t born[BLOCKS];
	static int alive[BLOCKS];
	struct mt_site k = {};
	struct site s = {};
	size_t n = 0;

	srand(11);
	for (uint64_t now = 0; now < 1500; now++) {
		uint64_t exact[MT_AGE_BUCKETS] = {}, above_exact = 0, above = 0, sum = 0;

		for (int i = 0; i < 10 && n < BLOCKS; i++, n++) {
			born[n] = now;
			alive[n] = 1;
			kernel_birth(&k, now, 8);
		}
		for (int i = 0; i < 9; i++) {
			size_t x = rand() % n;

			if (alive[x])
				kernel_death(&k, born[x], now, 8);
			alive[x] = 0;
		}
		for (size_t x = 0; x < n; x++)
			exact[age_bucket((now - born[x]) * SEC)] += alive[x];
		site_read_heap(&s, &k, 0, now * SEC);
		for (size_t b = 0; b < 5; b++)
			assert_int_equal(s.live_by_age[b], exact[b]);
		for (size_t b = MT_AGE_BUCKETS; b-- > 5;) {
			above += s.live_by_age[b];
			above_exact += exact[b];
			/* the births of one coarse epoch may fall on the other side of an edge */
			assert_true(above <= above_exact + 10 * MT_COARSE_SECS &&
				    above_exact <= above + 10 * MT_COARSE_SECS);
		}
		for (size_t b = 0; b < MT_AGE_BUCKETS; b++)
			sum += s.live_by_age[b];
		assert_int_equal(sum, site_live_count(&s));
	}
	(void)state;
}

static void ages_never_exceed_the_live_count(void **state)
{
	struct mt_site k = {};
	struct site s = {};

	kernel_birth(&k, 10, 8);
	kernel_birth(&k, 11, 8);
	k.free_count = 1; /* read after its ring slot: the rings still hold two */
	site_read_heap(&s, &k, 0, 12 * SEC);
	assert_int_equal(s.live_by_age[1] + s.live_by_age[2], 1);
	assert_int_equal(s.live_by_age[2], 1);
	(void)state;
}

static void more_frees_than_allocations_are_no_negative_bytes(void **state)
{
	struct mt_site k = { .free_bytes = 100, .free_count = 2, .alloc_bytes = 50 };
	struct site s = {};

	site_read_heap(&s, &k, 0, SEC);
	assert_int_equal(site_live_bytes(&s), 0);
	assert_int_equal(site_live_count(&s), 0);
	(void)state;
}

/* 1 GB/s, sampled at 4 MB, for half a year. */
static void the_variance_of_a_long_run_does_not_begin_again(void **state)
{
	struct mt_site k = { .born_var = UINT64_MAX - (1ull << 40),
			     .died_var = UINT64_MAX - (1ull << 50) };
	struct site s = {};
	double live;

	site_read_heap(&s, &k, 0, SEC);
	live = site_live_var(&s);
	assert_true(live > 0);
	k.born_var += 1ull << 41; /* beyond 64 bits, and the other is not yet */
	site_read_heap(&s, &k, 0, SEC);
	assert_true(site_live_var(&s) >= live);
	assert_true(s.born_var > 0x1p75);
	k.died_var += 1ull << 50;
	site_read_heap(&s, &k, 0, SEC);
	assert_true(s.died_var > 0x1p75);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(age_buckets_double_from_one_second_on),
		cmocka_unit_test(a_site_keeps_its_address_while_others_come),
		cmocka_unit_test(a_full_table_refuses_and_leaves_the_result_untouched),
		cmocka_unit_test(a_death_counts_at_the_age_of_the_block),
		cmocka_unit_test(a_death_taken_back_leaves_no_trace),
		cmocka_unit_test(sums_stop_instead_of_wrapping),
		cmocka_unit_test(nobody_s_site_counts_nothing),
		cmocka_unit_test(young_blocks_are_told_to_the_second),
		cmocka_unit_test(a_slot_of_another_epoch_holds_nothing),
		cmocka_unit_test(a_slot_that_deaths_no_longer_reach_is_not_believed),
		cmocka_unit_test(ages_follow_a_list_of_blocks_through_a_long_life),
		cmocka_unit_test(ages_never_exceed_the_live_count),
		cmocka_unit_test(the_variance_of_a_long_run_does_not_begin_again),
		cmocka_unit_test(more_frees_than_allocations_are_no_negative_bytes),
	};

	return cmocka_run_group_tests_name("sites", tests, NULL, NULL);
}
