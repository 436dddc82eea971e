/* Sites of one id are one; with --fold owner, all that differ only above their owner. */
#include "analyse/regroup.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct snap_module modules[] = {
	{ .name = "app", .path = "/app", .build_id = "aa", .main_exe = true },
	{ .name = "libc.so.6", .path = "/libc.so.6", .build_id = "cc" },
};

#define APP(at, name)                                                           \
	{                                                                       \
		.offset = at, .module = 0, .kind = FRAME_NATIVE, .symbol = name \
	}
#define LIBC(at, name)                                                          \
	{                                                                       \
		.offset = at, .module = 1, .kind = FRAME_NATIVE, .symbol = name \
	}
#define STACK(list)                                                \
	{                                                          \
		list, sizeof(list) / sizeof(list[0]), MT_END_start \
	}

static const struct snap_frame by_a[] = { LIBC(1, "malloc"), APP(10, "owner"), APP(20, "a") };
static const struct snap_frame by_b[] = { LIBC(1, "malloc"), APP(10, "owner"), APP(30, "b") };
static const struct snap_frame twice[] = { LIBC(1, "malloc"), APP(12, "owner"), APP(20, "a") };

static const double times[] = { 0, 10, 20 }, later_times[] = { 10, 15, 20 };
static const double rising[] = { 0, 100, 200 }, later_rising[] = { 10, 20, 30 };

static struct snap_site site_of(uint64_t id, uint32_t number, uint64_t bytes)
{
	return (struct snap_site){
		.id = id,
		.id_final = true,
		.site = number,
		.kind = MT_SITE_HEAP,
		.live_bytes = bytes,
		.live_count = 1,
		.allocated_bytes = bytes * 2,
		.allocated_count = 2,
		.freed_bytes = bytes,
		.freed_count = 1,
		.ages_known = true,
		.live_by_age = { 1 },
		.first_seen_s = number,
		.last_alloc_s = 10 + number,
		.live_bytes_series = { times, rising, 3 },
		.live_count_series = { times, rising, 3 },
		.stack = STACK(by_a),
	};
}

static struct snapshot snap_of(const struct snap_site *sites, size_t n)
{
	return (struct snapshot){ .elapsed_s = 20,
				  .modules = modules,
				  .module_count = 2,
				  .sites = sites,
				  .site_count = n };
}

/* Every site is owned by its frame 1. */
static struct regrouped regroup(const struct snap_site *sites, size_t n, enum fold_mode mode)
{
	struct owner owners[8] = {};
	struct snapshot snap = snap_of(sites, n);
	struct regrouped r = {};

	for (size_t i = 0; i < n; i++)
		owners[i] = (struct owner){ .frame = 1, .module = 0, .class = CLASS_application };
	assert_int_equal(regroup_sites(&snap, owners, mode, &r), 0);
	return r;
}

static void sites_of_one_id_are_one(void **state)
{
	struct snap_site sites[] = { site_of(5, 1, 100), site_of(6, 2, 1), site_of(5, 3, 300) };
	struct regrouped r;
	const struct snap_site *s;

	(void)state;
	sites[2].stack = (struct snap_stack)STACK(by_b);
	r = regroup(sites, 3, FOLD_NONE);
	assert_int_equal(r.snap.site_count, 2);
	s = &r.snap.sites[0];
	assert_int_equal(s->id, 5);
	assert_int_equal(s->site, 3); /* the one that holds most */
	assert_ptr_equal(s->stack.frames, by_b);
	assert_int_equal(s->stack.count, 3);
	assert_false(s->stack.folded);
	assert_int_equal(s->live_bytes, 400);
	assert_int_equal(s->live_count, 2);
	assert_int_equal(s->allocated_bytes, 800);
	assert_int_equal(s->allocated_count, 4);
	assert_int_equal(s->freed_bytes, 400);
	assert_int_equal(s->freed_count, 2);
	assert_int_equal(s->live_by_age[0], 2);
	assert_true(s->first_seen_s == 1);
	assert_true(s->last_alloc_s == 13);
	assert_int_equal(r.snap.sites[1].id, 6);
	assert_int_equal(r.snap.sites[1].live_bytes, 1);
	assert_ptr_equal(r.snap.sites[1].live_bytes_series.value, rising);
	regrouped_done(&r);
}

static void an_id_that_can_change_merges_nothing(void **state)
{
	struct snap_site sites[] = { site_of(5, 1, 100), site_of(5, 2, 1), site_of(5, 3, 300) };
	struct regrouped r;

	(void)state;
	sites[0].id_final = sites[1].id_final = false;
	r = regroup(sites, 3, FOLD_NONE);
	assert_int_equal(r.snap.site_count, 3);
	regrouped_done(&r);
}

static void histories_are_added_up(void **state)
{
	struct snap_site sites[] = { site_of(5, 1, 100), site_of(5, 9, 300), site_of(5, 2, 7) };
	struct regrouped r;
	const struct snap_series *s;

	(void)state;
	sites[0].first_seen_s = 0;
	sites[1].live_bytes_series = (struct snap_series){ later_times, later_rising, 3 };
	sites[1].live_count_series = (struct snap_series){ later_times, later_rising, 3 };
	sites[2].live_bytes_series = sites[2].live_count_series = (struct snap_series){};
	r = regroup(sites, 3, FOLD_NONE);
	assert_int_equal(r.snap.site_count, 1);
	s = &r.snap.sites[0].live_bytes_series;
	assert_int_equal(s->count, 3);
	assert_true(s->t_s[0] == 0 && s->t_s[2] == 20);
	assert_true(s->value[0] == 0);	 /* the later one was not there yet */
	assert_true(s->value[1] == 110); /* 100 + 10 */
	assert_true(s->value[2] == 230);
	s = &r.snap.sites[0].live_count_series;
	assert_true(s->value[2] == 230);
	regrouped_done(&r);
}

static void folded_by_owner_callers_are_left_out(void **state)
{
	struct snap_site sites[] = { site_of(5, 1, 100), site_of(6, 2, 300), site_of(7, 3, 9) };
	struct regrouped r;
	const struct snap_site *s, *other;

	(void)state;
	sites[1].stack = (struct snap_stack)STACK(by_b);
	sites[2].stack = (struct snap_stack)STACK(twice); /* another call in the owner */
	r = regroup(sites, 3, FOLD_OWNER);
	assert_int_equal(r.snap.site_count, 2);
	s = &r.snap.sites[0];
	other = &r.snap.sites[1];
	if (s->live_bytes == 9) {
		other = s;
		s = &r.snap.sites[1];
	}
	assert_int_equal(s->live_bytes, 400);
	assert_int_equal(s->stack.count, 2);
	assert_true(s->stack.folded);
	assert_int_not_equal(s->id, 5);
	assert_int_not_equal(s->id, 6);
	assert_int_not_equal(s->id, 0);
	assert_int_equal(other->live_bytes, 9);
	assert_true(other->stack.folded);
	regrouped_done(&r);
	r = regroup(sites, 1, FOLD_OWNER); /* alone, the id is the same */
	assert_int_equal(r.snap.site_count, 1);
	assert_int_equal(r.snap.sites[0].live_bytes, 100);
	regrouped_done(&r);
}

static void the_id_of_a_folded_site_is_the_same_everywhere(void **state)
{
	struct snap_site here[] = { site_of(5, 1, 100) }, there[] = { site_of(77, 4, 1) };
	struct snap_site mapping[] = { site_of(5, 1, 100) };
	struct regrouped a, b, c;

	(void)state;
	there[0].stack = (struct snap_stack)STACK(by_b);
	mapping[0].kind = MT_SITE_MMAP;
	a = regroup(here, 1, FOLD_OWNER);
	b = regroup(there, 1, FOLD_OWNER);
	c = regroup(mapping, 1, FOLD_OWNER);
	assert_int_equal(a.snap.sites[0].id, b.snap.sites[0].id);
	assert_int_not_equal(a.snap.sites[0].id, c.snap.sites[0].id);
	regrouped_done(&a);
	regrouped_done(&b);
	regrouped_done(&c);
}

static void a_site_without_a_known_owner_stays_itself(void **state)
{
	static const struct snap_frame jit[] = {
		LIBC(1, "malloc"),
		{ .pc = 9, .offset = 9, .module = SNAP_NO_MODULE, .kind = FRAME_JIT }
	};
	struct snap_site sites[] = { site_of(5, 1, 100), site_of(6, 2, 300) };
	struct regrouped r;

	(void)state;
	sites[0].stack = (struct snap_stack)STACK(jit);
	sites[1].stack = (struct snap_stack){};
	r = regroup(sites, 2, FOLD_OWNER);
	assert_int_equal(r.snap.site_count, 2);
	assert_int_equal(r.snap.sites[0].id, 5);
	assert_int_equal(r.snap.sites[1].id, 6);
	assert_false(r.snap.sites[0].stack.folded);
	regrouped_done(&r);
}

static void sums_stop_at_the_ends_and_unknown_stays_unknown(void **state)
{
	struct snap_site sites[] = { site_of(5, 1, UINT64_MAX - 3), site_of(5, 2, 300) };
	struct regrouped r;

	(void)state;
	sites[1].freed_bytes = FACT_UNKNOWN;
	r = regroup(sites, 2, FOLD_NONE);
	assert_true(r.snap.sites[0].live_bytes == UINT64_MAX);
	assert_true(r.snap.sites[0].freed_bytes == FACT_UNKNOWN);
	regrouped_done(&r);
}

static void a_snapshot_without_sites_is_fine(void **state)
{
	struct regrouped r = regroup(NULL, 0, FOLD_OWNER);

	(void)state;
	assert_int_equal(r.snap.site_count, 0);
	regrouped_done(&r);
}

/* Inlined functions are known only where debug information is. */
static void inlined_functions_have_no_part_in_the_id_of_a_folded_site(void **state)
{
	struct snap_frame with[] = { LIBC(1, "malloc"), APP(10, "lambda"), APP(10, "owner"),
				     APP(20, "a") };
	struct snap_site sites[] = { site_of(5, 1, 100), site_of(6, 2, 300) };
	struct regrouped r;

	(void)state;
	with[1].inlined = true;
	sites[1].stack = (struct snap_stack)STACK(with);
	r = regroup(sites, 2, FOLD_OWNER);
	assert_int_equal(r.snap.site_count, 1);
	assert_int_equal(r.snap.sites[0].stack.count, 3); /* the owner whole */
	assert_true(r.snap.sites[0].stack.folded);
	assert_int_equal(r.snap.sites[0].live_bytes, 400);
	regrouped_done(&r);
}

static void an_estimate_and_an_exact_site_are_an_estimate(void **state)
{
	struct snap_site sites[] = { site_of(5, 1, 100), site_of(5, 2, 300), site_of(5, 3, 1) };
	struct regrouped r;

	(void)state;
	for (int i = 1; i < 3; i++) {
		sites[i].estimated = true;
		sites[i].live_count = 100;
		sites[i].records = 10;
		sites[i].allocated_records = 20;
		sites[i].weight = 10;
		sites[i].live_error_bytes = 30;
		sites[i].allocated_error_bytes = 40;
	}
	r = regroup(sites, 3, FOLD_NONE);
	assert_int_equal(r.snap.site_count, 1);
	assert_true(r.snap.sites[0].estimated);
	assert_int_equal(r.snap.sites[0].records, 21);
	assert_int_equal(r.snap.sites[0].allocated_records, 42);
	assert_true(fabs(r.snap.sites[0].weight - 2001. / 201) < 1e-9);
	assert_true(fabs(r.snap.sites[0].live_error_bytes - hypot(30, 30)) < 1e-9);
	assert_true(fabs(r.snap.sites[0].allocated_error_bytes - hypot(40, 40)) < 1e-9);
	regrouped_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_estimate_and_an_exact_site_are_an_estimate),
		cmocka_unit_test(sites_of_one_id_are_one),
		cmocka_unit_test(an_id_that_can_change_merges_nothing),
		cmocka_unit_test(histories_are_added_up),
		cmocka_unit_test(folded_by_owner_callers_are_left_out),
		cmocka_unit_test(the_id_of_a_folded_site_is_the_same_everywhere),
		cmocka_unit_test(a_site_without_a_known_owner_stays_itself),
		cmocka_unit_test(sums_stop_at_the_ends_and_unknown_stays_unknown),
		cmocka_unit_test(a_snapshot_without_sites_is_fine),
		cmocka_unit_test(inlined_functions_have_no_part_in_the_id_of_a_folded_site),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
