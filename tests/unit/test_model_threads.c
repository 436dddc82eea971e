/* model/threads: who made them and which are still there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/threads.h"

#define SEC 1000000000ull

static struct threads *make(size_t limit)
{
	struct threads *t = NULL;

	assert_int_equal(threads_new(limit, &t), 0);
	return t;
}

static void a_thread_counts_for_its_creator_until_it_ends(void **state)
{
	struct threads *t = make(10);
	struct site s = {};

	threads_add(t, 7, &s, 1 * SEC);
	threads_add(t, 5, &s, 1 * SEC);
	threads_remove(t, 99, 2 * SEC);
	assert_int_equal(site_live_count(&s), 2);
	threads_remove(t, 7, 4 * SEC);
	assert_int_equal(site_live_count(&s), 1);
	assert_int_equal(s.freed_by_age[2], 1);
	assert_int_equal(threads_count(t), 1);
	threads_free(t);
	(void)state;
}

static void a_missed_end_is_noticed_when_the_id_comes_again(void **state)
{
	struct threads *t = make(10);
	struct site s = {};

	threads_add(t, 7, &s, 1);
	threads_add(t, 7, &s, 2);
	assert_int_equal(site_live_count(&s), 1);
	assert_int_equal(s.free_count, 1);
	threads_free(t);
	(void)state;
}

static void a_reading_ends_the_older_threads_it_does_not_show(void **state)
{
	struct threads *t = make(10);
	struct site s = {};

	threads_add(t, 7, &s, 1);
	threads_add(t, 8, &s, 1);
	threads_add(t, 9, &s, 20);
	assert_int_equal(threads_keep(t, (uint32_t[]){ 8, 1 }, 2, 10), 0);
	assert_int_equal(threads_count(t), 2);
	assert_int_equal(s.free_count, 1);
	threads_remove(t, 8, 30);
	threads_remove(t, 9, 30);
	assert_int_equal(threads_count(t), 0);
	threads_free(t);
	(void)state;
}

static void threads_beyond_the_limit_are_refused_and_counted(void **state)
{
	struct threads *t = make(3);
	struct site s = {};

	for (uint32_t tid = 10; tid < 20; tid++)
		assert_int_equal(threads_add(t, tid, &s, 1), 0);
	assert_int_equal(threads_count(t), 3);
	assert_int_equal(threads_refused(t), 7);
	assert_int_equal(site_live_count(&s), 3);
	threads_free(t);
	(void)state;
}

static void ages_are_those_of_the_threads(void **state)
{
	struct threads *t = make(3);
	struct site s = {};

	threads_add(t, 1, &s, 1 * SEC);
	threads_add(t, 2, NULL, 1 * SEC);
	threads_add_ages(t, 4 * SEC);
	assert_int_equal(s.live_by_age[2], 1);
	threads_free(t);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_counts_for_its_creator_until_it_ends),
		cmocka_unit_test(a_missed_end_is_noticed_when_the_id_comes_again),
		cmocka_unit_test(a_reading_ends_the_older_threads_it_does_not_show),
		cmocka_unit_test(threads_beyond_the_limit_are_refused_and_counted),
		cmocka_unit_test(ages_are_those_of_the_threads),
	};

	return cmocka_run_group_tests_name("model threads", tests, NULL, NULL);
}
