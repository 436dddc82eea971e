/*
 * Stores that are full and go on working: what they take in gathers for whoever watches its sites,
 * while the process stays as it is. And leaks that look nearly like that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "site_run.h"

#define END 60

/* What the process as a whole shows while one site keeps 50 blocks of 1000 bytes a second. */
struct whole_process {
	double grows_per_s; /* external memory */
	double freed_share; /* blocks from before tracing that are freed, per block that comes */
	double churn_per_s; /* blocks that come and go beside it */
	bool sums_unknown;  /* blocks are sampled */
	double full_s;	    /* seen through windows: external memory stands still from then on */
};

static struct run *keeper(void)
{
	struct run *r = run_begin(SEED + 1, END);

	sim_add_site(&r->sim, MT_SITE_HEAP, 1000);
	sim_churn(&r->sim, &r->sim.site[0], 0, END, 50, SIM_EXPONENTIAL, 1, 1);
	return r;
}

static void judge_second(struct run *r, const struct whole_process *p, size_t second)
{
	struct snap_site *site = &r->sim.snap_site[0];
	double at = (double)second, churn = p->churn_per_s * at;

	sim_tick(&r->sim, second);
	for (size_t i = 0; i <= second; i++)
		r->sim.external[i] =
			20e6 + p->grows_per_s * fmin((double)i, p->full_s ? p->full_s : END);
	r->sim.snap.turnover = (struct snap_turnover){
		.known = !p->sums_unknown,
		.born = site->allocated_count + (uint64_t)churn,
		.freed = (uint64_t)(p->freed_share * (double)site->allocated_count + churn),
	};
	if (p->full_s) {
		site->estimated = true;
		site->weight = 1;
		site->exposed_count = site->left_count = site->live_count;
	}
	run_judge(r);
	if (r->f.verdict == VERDICT_LEAK && r->first_leak_s < 0)
		r->first_leak_s = at;
}

static enum verdict judge(struct run *r, struct whole_process p)
{
	for (size_t second = 0; second <= END; second++)
		judge_second(r, &p, second);
	return r->f.verdict;
}

static void what_takes_the_place_of_old_blocks_is_no_leak(void **state)
{
	auto_run *r = keeper(), *unknown = keeper();

	(void)state;
	assert_int_equal(judge(r, (struct whole_process){ .freed_share = 1 }), VERDICT_NO_LEAK);
	assert_true(r->first_leak_s < 0); /* not on the way either */
	/* where nobody counted what is freed, it looks like any other leak in free memory */
	judge(unknown, (struct whole_process){ .freed_share = 1, .sums_unknown = true });
	assert_int_equal(unknown->f.verdict, VERDICT_LEAK);
}

static void a_leak_in_free_memory_stays_one(void **state)
{
	auto_run *r = keeper(), *some = keeper();

	(void)state;
	assert_int_equal(judge(r, (struct whole_process){ .freed_share = 0 }), VERDICT_LEAK);
	assert_int_equal(judge(some, (struct whole_process){ .freed_share = 0.5 }), VERDICT_LEAK);
	assert_true(some->f.list[0].active);
}

static void a_leak_that_the_process_shows_stays_one(void **state)
{
	auto_run *r = keeper(), *plain = keeper();
	struct whole_process p = { .grows_per_s = 50e3, .freed_share = 1 };

	(void)state;
	assert_int_equal(judge(r, p), VERDICT_LEAK);
	p.freed_share = 0;
	judge(plain, p);
	assert_true(r->first_leak_s > 0 && r->first_leak_s == plain->first_leak_s);
}

static void much_that_comes_and_goes_hides_no_leak(void **state)
{
	auto_run *r = keeper();
	struct whole_process p = { .freed_share = 1, .churn_per_s = 5000 };

	(void)state;
	assert_int_equal(judge(r, p), VERDICT_LEAK);
}

/* It was called a leak while the store filled up, and its site goes on growing in windows, if more
 * slowly and as no window would be judged by itself. */
static void what_was_called_a_leak_is_acquitted_when_the_process_is_full(void **state)
{
	auto_run *r = keeper();
	struct whole_process p = { .grows_per_s = 50e3, .full_s = 25 };
	double acquitted_s = -1;

	(void)state;
	for (size_t second = 0; second <= END; second++) {
		judge_second(r, &p, second);
		if (second == 25) {
			assert_int_equal(r->f.verdict, VERDICT_LEAK);
			/* from now on there is no opinion of it, as when lives begin to end */
			r->cfg.suspect.min_significance = INFINITY;
			r->cfg.suspect.survival.min_survivors = INFINITY;
		}
		if (second > 25 && acquitted_s < 0 && r->f.verdict != VERDICT_LEAK)
			acquitted_s = (double)second;
	}
	assert_true(acquitted_s > 0 && acquitted_s <= 25 + 16);
	assert_int_not_equal(r->f.verdict, VERDICT_LEAK);
	assert_false(r->f.list[0].active);
}

/* The same where the process goes on growing as its site does. */
static void without_an_opinion_a_leak_stays_while_the_process_grows(void **state)
{
	auto_run *r = keeper();
	struct whole_process p = { .grows_per_s = 50e3, .full_s = END };

	(void)state;
	for (size_t second = 0; second <= END; second++) {
		judge_second(r, &p, second);
		if (second == 25)
			r->cfg.suspect.min_significance = INFINITY;
	}
	assert_int_equal(r->f.verdict, VERDICT_LEAK);
	assert_true(r->f.list[0].active);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_takes_the_place_of_old_blocks_is_no_leak),
		cmocka_unit_test(a_leak_in_free_memory_stays_one),
		cmocka_unit_test(a_leak_that_the_process_shows_stays_one),
		cmocka_unit_test(much_that_comes_and_goes_hides_no_leak),
		cmocka_unit_test(what_was_called_a_leak_is_acquitted_when_the_process_is_full),
		cmocka_unit_test(without_an_opinion_a_leak_stays_while_the_process_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
