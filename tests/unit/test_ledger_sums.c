/*
 * The sums of the ledger: each rule of ledger.h on a small world, then random hostile worlds with
 * a fixed seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "ledger_world.h"

static void mappings_give_their_classes(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 100 * MB;
	add_range(w, RANGE_CODE, 1 * MB);
	add_range(w, RANGE_FILE, 2 * MB);
	add_range(w, RANGE_SHM, 3 * MB);
	add_range(w, RANGE_STACK, 4 * MB);
	add_range(w, RANGE_BEFORE, 5 * MB);
	add_range(w, RANGE_OTHER, 6 * MB);
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_code), 1 * MB);
	assert_int_equal(bytes_of(w, CLASS_mapped_files), 2 * MB);
	assert_int_equal(bytes_of(w, CLASS_shared_memory), 3 * MB);
	assert_int_equal(bytes_of(w, CLASS_thread_stacks), 4 * MB);
	assert_int_equal(w->ledger.rows[CLASS_thread_stacks].count, 3);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 5 * MB);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 85 * MB);
	assert_int_equal(w->ledger.rows[CLASS_code].how, HOW_EXACT);
	assert_true(fabs(w->ledger.coverage_ratio - 0.15) < 1e-9);
	assert_sum_closes(w);
}

static void swapped_bytes_count_with_their_range(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 2 * MB;
	w->snap.proc.swap_bytes = 5 * MB;
	add_range(w, RANGE_STACK, 2 * MB)->swapped_bytes = 5 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_thread_stacks), 7 * MB);
	assert_sum_closes(w);
}

static void a_range_holds_no_more_than_its_length(void **state)
{
	struct world *w = *state;
	struct snap_range *r = add_range(w, RANGE_STACK, 9 * MB), *bad;

	r->end = r->start + 4 * MB;
	bad = add_range(w, RANGE_CODE, 9 * MB);
	bad->end = bad->start - 1;
	w->snap.proc.rss_bytes = 100 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_thread_stacks), 4 * MB);
	assert_int_equal(bytes_of(w, CLASS_code), 0);
}

static void a_mapping_belongs_to_the_owner_of_its_site(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 20 * MB;
	add_site(w, MT_SITE_HEAP, EXE, 0);
	add_site(w, MT_SITE_MMAP, LIBPQ, 0);
	add_site(w, MT_SITE_MMAP, EXE, 0);
	add_range(w, RANGE_SITE, 3 * MB)->site = w->sites[1].site;
	add_range(w, RANGE_SITE, 4 * MB)->site = w->sites[2].site;
	add_range(w, RANGE_SITE, 5 * MB)->site = 4711;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_native_modules), 3 * MB);
	assert_int_equal(bytes_of(w, CLASS_application), 4 * MB);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 13 * MB);
	assert_sum_closes(w);
}

static void a_mapping_by_an_owner_without_resident_class_is_unexplained(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 8 * MB;
	add_site(w, MT_SITE_FD, EXE, 0);
	w->owners[0].class = CLASS_file_handles;
	add_site(w, MT_SITE_MMAP, LIBPQ, 0);
	w->owners[1].module = SNAP_NO_MODULE;
	add_range(w, RANGE_SITE, 3 * MB)->site = w->sites[0].site;
	add_range(w, RANGE_SITE, 3 * MB)->site = w->sites[1].site;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 8 * MB);
	assert_sum_closes(w);
}

static void live_heap_bytes_go_to_their_owners(void **state)
{
	struct world *w = *state;
	const struct class_row *app = &w->ledger.rows[CLASS_application];

	w->snap.proc.rss_bytes = 50 * MB;
	add_range(w, RANGE_ALLOCATOR, 50 * MB);
	add_site(w, MT_SITE_HEAP, EXE, 10 * MB);
	add_site(w, MT_SITE_HEAP, LIBPQ, 20 * MB);
	add_site(w, MT_SITE_MMAP, EXE, 999 * MB);
	tick(w);
	assert_int_equal(app->bytes, 10 * MB);
	assert_int_equal(app->count, 4);
	assert_true(fabs(app->confidence - 0.8) < 1e-9);
	assert_int_equal(bytes_of(w, CLASS_native_modules), 20 * MB);
	assert_int_equal(w->ledger.live_bytes, 30 * MB);
	assert_int_equal(w->ledger.live_count, 4);
	assert_sum_closes(w);
}

static void live_bytes_without_a_known_owner_are_unexplained(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 10 * MB;
	add_range(w, RANGE_ALLOCATOR, 10 * MB);
	add_site(w, MT_SITE_HEAP, EXE, 4 * MB);
	w->owners[0].class = CLASS_unexplained;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 4 * MB);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 6 * MB);
	assert_sum_closes(w);
}

static void untouched_memory_is_scaled_down_in_proportion(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 10 * MB;
	add_range(w, RANGE_ALLOCATOR, 10 * MB);
	add_site(w, MT_SITE_HEAP, EXE, 30 * MB);
	add_site(w, MT_SITE_HEAP, LIBZ, 10 * MB);
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_application), 7 * MB + MB / 2);
	assert_int_equal(bytes_of(w, CLASS_native_modules), 2 * MB + MB / 2);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 0);
	assert_int_equal(w->ledger.rows[CLASS_application].how, HOW_ESTIMATE);
	assert_non_null(strstr(w->ledger.rows[CLASS_application].why, "scaled"));
	assert_sum_closes(w);
}

static void sums_too_large_for_64_bits_stay_at_the_top(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 10 * MB;
	add_range(w, RANGE_ALLOCATOR, 10 * MB);
	add_site(w, MT_SITE_HEAP, EXE, 1ull << 63);
	add_site(w, MT_SITE_HEAP, EXE, 1ull << 63);
	tick(w);
	assert_int_equal(w->ledger.live_bytes, FACT_UNKNOWN - 1);
	assert_int_equal(bytes_of(w, CLASS_application), 10 * MB);
}

static void the_rest_of_allocators_is_preexisting_then_slack(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 100 * MB;
	w->snap.allocator_at_attach_bytes = 40 * MB;
	add_range(w, RANGE_ALLOCATOR, 80 * MB);
	add_range(w, RANGE_BEFORE, 2 * MB);
	add_site(w, MT_SITE_HEAP, EXE, 10 * MB);
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 42 * MB);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 30 * MB);
	assert_int_equal(w->ledger.slack_bytes, 30 * MB);
	assert_int_equal(w->ledger.rows[CLASS_preexisting].how, HOW_ESTIMATE);
	assert_int_equal(w->ledger.rows[CLASS_allocator_slack].how, HOW_ESTIMATE);
	assert_sum_closes(w);
}

static void what_existed_before_never_comes_back(void **state)
{
	struct world *w = *state;
	struct snap_range *heap = add_range(w, RANGE_ALLOCATOR, 40 * MB);

	w->snap.proc.rss_bytes = 100 * MB;
	w->snap.allocator_at_attach_bytes = 40 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 40 * MB);
	heap->resident_bytes = 15 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 15 * MB);
	heap->resident_bytes = 60 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 15 * MB);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 45 * MB);
	assert_sum_closes(w);
}

/* Live bytes that are estimated too high for a while take nothing for gone. */
static void noise_of_samples_ends_nothing_for_good(void **state)
{
	struct world *w = *state;
	struct snap_site *site;

	w->snap.proc.rss_bytes = 100 * MB;
	w->snap.allocator_at_attach_bytes = 40 * MB;
	add_range(w, RANGE_ALLOCATOR, 80 * MB);
	site = add_site(w, MT_SITE_HEAP, EXE, 40 * MB);
	site->estimated = true;
	site->live_error_bytes = 60 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 40 * MB);
	site->live_bytes = 90 * MB;
	tick(w);
	assert_int_equal(w->ledger.slack_bytes, 0);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 0);
	assert_sum_closes(w);
	site->live_bytes = 40 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 40 * MB);
	assert_true(w->ledger.estimated);
	assert_true(w->ledger.live_error_bytes == 60 * MB);
	assert_true(w->ledger.rows[CLASS_application].error_bytes == 60 * MB);
	assert_string_equal(w->ledger.rows[CLASS_application].why,
			    "live bytes are estimated from samples");
	assert_sum_closes(w);
}

/* It is the mapping's all the same, where nobody is known to have touched it. */
static void what_an_old_mapping_gains_since_is_an_estimate(void **state)
{
	struct world *w = *state;
	struct snap_range *heap = add_range(w, RANGE_BEFORE, 20 * MB);
	struct snap_site *site;

	w->snap.heap_traced = false;
	w->snap.proc.rss_bytes = 50 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 20 * MB);
	assert_int_equal(w->ledger.rows[CLASS_preexisting].how, HOW_EXACT);
	heap->resident_bytes = 35 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 35 * MB);
	assert_int_equal(w->ledger.rows[CLASS_preexisting].how, HOW_ESTIMATE);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 15 * MB);
	heap->resident_bytes = 5 * MB;
	tick(w);
	assert_int_equal(w->ledger.rows[CLASS_preexisting].how, HOW_EXACT);
	heap->resident_bytes = 20 * MB;
	site = add_site(w, MT_SITE_HEAP, EXE, 12 * MB);
	site->touched = TOUCHED_HEAP;
	site->unplaced_bytes = 12 * MB;
	w->snap.proc.rss_bytes = 20 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_application), 12 * MB);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 8 * MB);
	assert_sum_closes(w);
}

static void a_mapping_of_a_site_that_is_not_told_is_unexplained(void **state)
{
	struct world *w = *state;

	add_range(w, RANGE_SITE, 5 * MB)->site = 33;
	w->snap.proc.rss_bytes = 5 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 5 * MB);
	assert_sum_closes(w);
}

static void a_range_that_later_proves_to_be_an_allocators_keeps_its_past(void **state)
{
	struct world *w = *state;
	struct snap_range *heap = add_range(w, RANGE_ALLOCATOR, 1 * MB);
	struct snap_range *late = add_range(w, RANGE_BEFORE, 30 * MB);

	w->snap.proc.rss_bytes = 31 * MB;
	w->snap.allocator_at_attach_bytes = 1 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 31 * MB);
	late->use = RANGE_ALLOCATOR;
	w->snap.allocator_at_attach_bytes = 31 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 31 * MB);
	heap->resident_bytes = 5 * MB;
	w->snap.proc.rss_bytes = 35 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 31 * MB);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 4 * MB);
}

static void without_the_past_of_allocators_their_rest_is_unexplained(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 50 * MB;
	w->snap.allocator_at_attach_bytes = FACT_UNKNOWN;
	add_range(w, RANGE_ALLOCATOR, 50 * MB);
	add_site(w, MT_SITE_HEAP, EXE, 10 * MB);
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 40 * MB);
	assert_int_equal(w->ledger.rows[CLASS_allocator_slack].how, HOW_UNAVAILABLE);
	assert_sum_closes(w);
}

static void estimates_give_way_before_what_was_measured(void **state)
{
	struct world *w = *state;

	w->snap.allocator_at_attach_bytes = 5 * MB;
	add_range(w, RANGE_ALLOCATOR, 20 * MB);
	add_range(w, RANGE_CODE, 10 * MB);
	add_site(w, MT_SITE_HEAP, EXE, 5 * MB);
	w->snap.proc.rss_bytes = 24 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 4 * MB);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 5 * MB);
	w->snap.proc.rss_bytes = 17 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 0);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 2 * MB);
	assert_int_equal(bytes_of(w, CLASS_application), 5 * MB);
	w->snap.proc.rss_bytes = 12 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_application), 2 * MB);
	assert_int_equal(bytes_of(w, CLASS_code), 10 * MB);
	assert_non_null(strstr(w->ledger.rows[CLASS_application].why, "cut"));
	assert_int_equal(bytes_of(w, CLASS_unexplained), 0);
	w->snap.proc.rss_bytes = 6 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_code), 6 * MB);
	assert_int_equal(w->ledger.rows[CLASS_code].how, HOW_ESTIMATE);
	assert_sum_closes(w);
}

static void native_modules_are_listed_largest_first(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 50 * MB;
	add_range(w, RANGE_ALLOCATOR, 20 * MB);
	add_site(w, MT_SITE_HEAP, LIBPQ, 2 * MB);
	add_site(w, MT_SITE_HEAP, LIBZ, 3 * MB);
	add_site(w, MT_SITE_MMAP, LIBPQ, 0);
	add_range(w, RANGE_SITE, 4 * MB)->site = w->sites[2].site;
	tick(w);
	assert_int_equal(w->ledger.module_count, 2);
	assert_int_equal(w->ledger.modules[0].module, LIBPQ);
	assert_int_equal(w->ledger.modules[0].bytes, 6 * MB);
	assert_int_equal(w->ledger.modules[0].count, 4);
	assert_int_equal(w->ledger.modules[0].kind, MODULE_DATABASE);
	assert_int_equal(w->ledger.modules[1].kind, MODULE_COMPRESSION);
	assert_sum_closes(w);
}

static void modules_shrink_with_their_row(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 3 * MB;
	add_range(w, RANGE_ALLOCATOR, 9 * MB);
	add_site(w, MT_SITE_HEAP, LIBPQ, 3 * MB);
	add_site(w, MT_SITE_HEAP, LIBZ, 6 * MB);
	tick(w);
	assert_int_equal(w->ledger.modules[0].bytes, 2 * MB);
	assert_int_equal(w->ledger.modules[1].bytes, 1 * MB);
	assert_sum_closes(w);
}

/* Numbers of every size, the worst ones often. */
static uint64_t any_number(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	switch (*seed >> 60) {
	case 0: return FACT_UNKNOWN;
	case 1: return FACT_UNKNOWN - 1;
	case 2: return 1ull << 63;
	case 3: return 0;
	default: return *seed >> (*seed >> 33) % 64;
	}
}

static void build_any_world(struct world *w, uint64_t *seed)
{
	size_t ranges = any_number(seed) % 40, sites = any_number(seed) % 40, i;

	memset(w->ranges, 0, sizeof(w->ranges));
	w->snap.range_count = w->snap.site_count = 0;
	w->snap.proc.rss_bytes = any_number(seed) >> any_number(seed) % 30;
	w->snap.proc.swap_bytes = any_number(seed) >> any_number(seed) % 30;
	w->snap.allocator_at_attach_bytes = any_number(seed);
	w->snap.heap_traced = any_number(seed) % 4;
	w->snap.residency_known = any_number(seed) % 8;
	for (i = 0; i < ranges; i++) {
		struct snap_range *r = add_range(w, any_number(seed) % 10, any_number(seed));

		r->start = any_number(seed) >> 2;
		r->end = any_number(seed);
		r->swapped_bytes = any_number(seed);
		r->site = any_number(seed) % 64;
	}
	for (i = 0; i < sites; i++) {
		struct snap_site *site = add_site(w, any_number(seed) % 7, EXE, any_number(seed));

		site->live_count = any_number(seed);
		site->allocated_count = any_number(seed);
		w->owners[i].class = any_number(seed) % (CLASS_MAX + 2);
		w->owners[i].module = any_number(seed) % (MODULES + 1);
	}
}

static void the_sum_closes_in_any_world(void **state)
{
	struct world *w = *state;
	uint64_t seed = 20240607, known = 0;
	int i;

	for (i = 0; i < 20000; i++) {
		if (i % 50 == 0)
			ledger_state_init(&w->state);
		build_any_world(w, &seed);
		tick(w);
		if (w->ledger.external_bytes == FACT_UNKNOWN)
			continue;
		known++;
		assert_sum_closes(w);
		if (w->snap.residency_known)
			assert_true(w->ledger.coverage_ratio >= 0 && w->ledger.coverage_ratio <= 1);
		else
			assert_true(isnan(w->ledger.coverage_ratio));
	}
	assert_true(known > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mappings_give_their_classes),
		TEST(swapped_bytes_count_with_their_range),
		TEST(a_range_holds_no_more_than_its_length),
		TEST(a_mapping_belongs_to_the_owner_of_its_site),
		TEST(a_mapping_by_an_owner_without_resident_class_is_unexplained),
		TEST(live_heap_bytes_go_to_their_owners),
		TEST(live_bytes_without_a_known_owner_are_unexplained),
		TEST(untouched_memory_is_scaled_down_in_proportion),
		TEST(sums_too_large_for_64_bits_stay_at_the_top),
		TEST(the_rest_of_allocators_is_preexisting_then_slack),
		TEST(what_existed_before_never_comes_back),
		TEST(noise_of_samples_ends_nothing_for_good),
		TEST(what_an_old_mapping_gains_since_is_an_estimate),
		TEST(a_mapping_of_a_site_that_is_not_told_is_unexplained),
		TEST(a_range_that_later_proves_to_be_an_allocators_keeps_its_past),
		TEST(without_the_past_of_allocators_their_rest_is_unexplained),
		TEST(estimates_give_way_before_what_was_measured),
		TEST(native_modules_are_listed_largest_first),
		TEST(modules_shrink_with_their_row),
		TEST(the_sum_closes_in_any_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
