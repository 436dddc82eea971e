/* The judge on families of leak-free and leaking sites over many seeds: alarms and misses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "site_run.h"

static int clean_alarms(enum clean_family family, int seconds, int runs)
{
	int alarms = 0;

	for (int i = 0; i < runs; i++) {
		auto_run *r = run_begin(SEED + family * 1000 + seconds * 16000 + i, seconds);

		sim_add_clean(&r->sim, family);
		alarms += run_all(r) == VERDICT_LEAK;
	}
	return alarms;
}

static void six_hundred_leak_free_runs_give_at_most_one_alarm(void **state)
{
	int alarms = 0;

	(void)state;
	for (int family = 0; family < CLEAN_FAMILIES; family++) {
		alarms += clean_alarms(family, 20, 14);
		alarms += clean_alarms(family, 30, 14);
		alarms += clean_alarms(family, 60, 10);
		alarms += clean_alarms(family, 300, 2);
	}
	assert_in_range(alarms, 0, 1);
}

/* How many of the runs end without the verdict "leak" of a site that does leak. */
static int misses(enum leak_family family, int seconds, double onset, int runs)
{
	int missed = 0;

	for (int i = 0; i < runs; i++) {
		auto_run *r =
			run_begin(SEED + 500000 + family * 1000 + seconds * 16000 + i, seconds);

		sim_add_clean(&r->sim, i % CLEAN_COLLECTED);
		sim_add_leak(&r->sim, family, onset);
		missed += run_all(r) != VERDICT_LEAK || r->f.list[0].site_id < 1001;
	}
	return missed;
}

static void leaks_are_found_within_a_minute_beside_a_leak_free_site(void **state)
{
	(void)state;
	assert_in_range(misses(LEAK_SOME, 60, 10, 60), 0, 1);
	assert_in_range(misses(LEAK_ALL, 60, 10, 60), 0, 2);
	assert_in_range(misses(LEAK_KEPT_BUFFERS, 60, 10, 60), 0, 2);
	assert_in_range(misses(LEAK_THINGS, 60, 10, 60), 0, 2);
	assert_in_range(misses(LEAK_PATHS, 60, 10, 60), 0, 2);
	assert_in_range(misses(LEAK_LARGE, 60, 10, 60), 0, 12);
}

static void leaks_are_found_after_a_quiet_past(void **state)
{
	(void)state;
	assert_in_range(misses(LEAK_SOME, 200, 100, 6), 0, 0);
	assert_in_range(misses(LEAK_ALL, 200, 100, 6), 0, 0);
}

static void survivors_of_a_churn_are_confirmed_within_thirty_seconds(void **state)
{
	int late = 0;

	(void)state;
	for (int i = 0; i < 60; i++) {
		auto_run *r = run_begin(SEED + 700000 + i, 30);

		sim_add_leak(&r->sim, LEAK_SOME, 0);
		late += run_all(r) != VERDICT_LEAK || !(r->f.list[0].confidence > 0.8);
	}
	assert_in_range(late, 0, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(six_hundred_leak_free_runs_give_at_most_one_alarm),
		cmocka_unit_test(leaks_are_found_within_a_minute_beside_a_leak_free_site),
		cmocka_unit_test(leaks_are_found_after_a_quiet_past),
		cmocka_unit_test(survivors_of_a_churn_are_confirmed_within_thirty_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
