/* The ledger with what a runtime and an allocator inside the process say of its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "ledger_world.h"

static struct inner_runtime v8(uint64_t buffers, bool exact)
{
	return (struct inner_runtime){
		.name = "v8",
		.heap = { .known = { true, "spaces", NULL } },
		.buffers = { { exact, "walked", NULL },
			     buffers,
			     10,
			     exact ? buffers : FACT_UNKNOWN },
	};
}

static struct inner_allocator glibc(uint64_t live, uint64_t free_bytes)
{
	return (struct inner_allocator){ .name = "glibc",
					 .known = { true, "chunks", NULL },
					 .live_bytes = live,
					 .free_bytes = free_bytes,
					 .free_resident_bytes = free_bytes };
}

/* Watching a process that held all of `held` in allocators when tracing began. */
static void watch(struct world *w, uint64_t held)
{
	w->snap.heap_traced = false;
	w->snap.proc.rss_bytes = held;
	w->snap.allocator_at_attach_bytes = held;
	w->snap.walked_s = NAN;
	add_range(w, RANGE_ALLOCATOR, held);
}

static void the_managed_heap_and_what_is_pooled_for_it_are_not_external(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 100 * MB;
	w->snap.proc.swap_bytes = 10 * MB;
	w->snap.managed_bytes = 75 * MB;
	add_range(w, RANGE_MANAGED, 60 * MB)->swapped_bytes = 5 * MB;
	add_range(w, RANGE_POOLED, 10 * MB);
	add_range(w, RANGE_RUNTIME, 7 * MB);
	add_range(w, RANGE_BUFFERS, 8 * MB);
	tick(w);
	assert_int_equal(w->ledger.external_bytes, 35 * MB);
	assert_int_equal(bytes_of(w, CLASS_runtime), 7 * MB);
	assert_int_equal(bytes_of(w, CLASS_buffers), 8 * MB);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 20 * MB);
	assert_sum_closes(w);
}

static void a_heap_larger_than_the_process_leaves_nothing_external(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 10 * MB;
	w->snap.managed_bytes = 11 * MB;
	add_range(w, RANGE_MANAGED, 11 * MB);
	tick(w);
	assert_int_equal(w->ledger.external_bytes, 0);
	assert_sum_closes(w);
}

static void a_walk_splits_what_was_there_before_without_any_tracing(void **state)
{
	struct inner_allocator a = glibc(30 * MB, 9 * MB);
	struct world *w = *state;

	watch(w, 40 * MB);
	w->snap.allocator = &a;
	w->snap.walked_s = 0;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 30 * MB);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 10 * MB);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 0);
	assert_int_equal(w->ledger.rows[CLASS_preexisting].how, HOW_EXACT);
	assert_int_equal(w->ledger.rows[CLASS_allocator_slack].how, HOW_EXACT);
	assert_int_equal(w->ledger.slack_bytes, 10 * MB);
	assert_sum_closes(w);
}

/* calloc()ed and never written: live, and not in memory. */
static void live_memory_that_was_never_touched_is_not_counted_as_resident(void **state)
{
	struct inner_allocator a = glibc(90 * MB, 9 * MB);
	struct world *w = *state;

	watch(w, 40 * MB);
	a.cached_bytes = 1 * MB;
	w->snap.allocator = &a;
	w->snap.walked_s = 0;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 30 * MB);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 10 * MB);
	assert_sum_closes(w);
}

static void growth_since_the_walk_is_live_until_it_is_walked_again(void **state)
{
	struct inner_allocator a = glibc(30 * MB, 10 * MB);
	struct world *w = *state;

	watch(w, 40 * MB);
	w->snap.allocator = &a;
	w->snap.walked_s = 0;
	tick(w);
	w->snap.proc.rss_bytes = w->ranges[0].resident_bytes = 42 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 10 * MB);
	assert_int_equal(bytes_of(w, CLASS_application), 2 * MB); /* nobody saw who asked */
	assert_int_equal(w->ledger.rows[CLASS_application].how, HOW_ESTIMATE);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 0);
	assert_int_equal(w->ledger.rows[CLASS_allocator_slack].how, HOW_ESTIMATE);
	assert_non_null(w->ledger.rows[CLASS_allocator_slack].why);
	w->snap.walked_s = w->snap.elapsed_s;
	a = glibc(30 * MB, 12 * MB);
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 12 * MB);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 0);
	assert_int_equal(w->ledger.rows[CLASS_allocator_slack].how, HOW_EXACT);
	assert_sum_closes(w);
}

static void with_a_walk_owners_share_what_is_live_and_the_rest_was_there(void **state)
{
	struct inner_allocator a = glibc(30 * MB, 10 * MB);
	struct world *w = *state;

	watch(w, 40 * MB);
	w->snap.heap_traced = true;
	w->snap.allocator_at_attach_bytes = 25 * MB;
	w->snap.allocator = &a;
	w->snap.walked_s = 0;
	add_site(w, MT_SITE_HEAP, EXE, 12 * MB);
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_application), 12 * MB);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 18 * MB);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 10 * MB);
	assert_int_equal(w->ledger.rows[CLASS_preexisting].how, HOW_ESTIMATE);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 0);
	/* what was there can only become less; of what nobody saw, four times what was seen, and
	 * the rest is nobody's but the program's */
	w->sites[0].live_bytes = 1 * MB;
	w->owners[0].class = CLASS_native_modules;
	w->owners[0].module = LIBZ;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 18 * MB);
	assert_int_equal(bytes_of(w, CLASS_native_modules), 5 * MB);
	assert_int_equal(w->ledger.rows[CLASS_native_modules].how, HOW_ESTIMATE);
	assert_true(w->ledger.rows[CLASS_native_modules].confidence < 0.8 / 4);
	assert_int_equal(bytes_of(w, CLASS_application), 7 * MB);
	assert_int_equal(w->ledger.rows[CLASS_application].how, HOW_ESTIMATE);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 0);
	assert_sum_closes(w);
}

static void buffers_of_the_runtime_are_taken_out_of_what_was_there_before(void **state)
{
	struct inner_allocator a = glibc(30 * MB, 10 * MB);
	struct inner_runtime r = v8(16 * MB, true);
	struct world *w = *state;

	watch(w, 40 * MB);
	w->snap.proc.rss_bytes += 4 * MB;
	w->snap.allocator = &a;
	w->snap.walked_s = 0;
	w->snap.runtime = &r;
	add_range(w, RANGE_BUFFERS, 4 * MB); /* of the 16 */
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_buffers), 16 * MB);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 18 * MB);
	assert_int_equal(w->ledger.rows[CLASS_buffers].how, HOW_EXACT);
	assert_int_equal(w->ledger.rows[CLASS_buffers].count, 10);
	assert_sum_closes(w);
}

/* Those that came since are the runtime's too, though nobody saw who asked for them. */
static void buffers_explain_growth_that_is_not_traced(void **state)
{
	struct inner_allocator a = glibc(30 * MB, 0);
	struct inner_runtime r = v8(10 * MB, true);
	struct world *w = *state;

	watch(w, 30 * MB);
	w->snap.allocator = &a;
	w->snap.walked_s = 0;
	w->snap.runtime = &r;
	tick(w);
	w->snap.elapsed_s = w->snap.walked_s = 5;
	a = glibc(80 * MB, 0);
	r = v8(60 * MB, true);
	w->snap.proc.rss_bytes = w->ranges[0].resident_bytes = 80 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_buffers), 60 * MB);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 20 * MB);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 0);
	assert_sum_closes(w);
}

/* The list of buffers is walked through now and then; the count is of now. */
static void buffers_counted_since_their_walk_are_taken_as_resident(void **state)
{
	struct inner_runtime r = v8(20 * MB, true);
	struct world *w = *state;

	watch(w, 90 * MB);
	w->snap.runtime = &r;
	r.buffers.bytes = 25 * MB; /* 5 of them were never written */
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_buffers), 20 * MB);
	assert_int_equal(w->ledger.rows[CLASS_buffers].how, HOW_EXACT);
	r.buffers.bytes = 65 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_buffers), 60 * MB);
	assert_int_equal(w->ledger.rows[CLASS_buffers].how, HOW_ESTIMATE);
	assert_non_null(w->ledger.rows[CLASS_buffers].why);
	r.buffers.bytes = 1 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_buffers), 0);
	r.buffers.resident_bytes = r.buffers.bytes = 2 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_buffers), 2 * MB);
	assert_int_equal(w->ledger.rows[CLASS_buffers].how, HOW_EXACT);
	assert_sum_closes(w);
}

/* Who touched memory since speaks for what came before anybody looked, but not for buffers. */
static void live_memory_that_came_unseen_is_shared_by_who_was_seen(void **state)
{
	struct inner_allocator a = glibc(60 * MB, 0);
	struct inner_runtime r = v8(10 * MB, true);
	struct world *w = *state;
	struct snap_site *site;

	watch(w, 60 * MB);
	w->snap.allocator_at_attach_bytes = 20 * MB;
	w->snap.allocator = &a;
	w->snap.runtime = &r;
	w->snap.walked_s = 0;
	for (int i = 0; i < 2; i++) {
		site = add_site(w, MT_SITE_HEAP, i ? LIBZ : EXE, 0);
		site->touched = TOUCHED_HEAP;
		site->unplaced_bytes = 20 * MB;
	}
	w->owners[1].class = CLASS_buffers;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_buffers), 10 * MB);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 20 * MB);
	assert_int_equal(bytes_of(w, CLASS_application), 30 * MB);
	assert_int_equal(w->ledger.rows[CLASS_application].how, HOW_ESTIMATE);
	assert_sum_closes(w);
}

/* Nobody saw who filled the break, but who made it grow. */
static void live_memory_that_came_unseen_is_whose_call_made_the_break_grow(void **state)
{
	struct inner_allocator a = glibc(60 * MB, 0);
	struct world *w = *state;

	watch(w, 60 * MB);
	w->snap.allocator_at_attach_bytes = 40 * MB;
	w->snap.allocator = &a;
	w->snap.walked_s = 0;
	add_site(w, MT_SITE_BRK, EXE, 15 * MB);
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 40 * MB);
	assert_int_equal(bytes_of(w, CLASS_application),
			 20 * MB); /* with 5 that nobody asked for */
	assert_int_equal(bytes_of(w, CLASS_unexplained), 0);
	assert_int_equal(w->ledger.rows[CLASS_application].how, HOW_ESTIMATE);
	assert_sum_closes(w);
}

/* The governor took the probes out, or a verdict stood: what was known is not forgotten. */
static void what_call_sites_held_stays_theirs_when_probes_are_out(void **state)
{
	struct world *w = *state;

	watch(w, 40 * MB);
	w->snap.heap_traced = true;
	w->snap.allocator_at_attach_bytes = 5 * MB;
	add_site(w, MT_SITE_HEAP, EXE, 20 * MB);
	add_site(w, MT_SITE_HEAP, LIBZ, 10 * MB);
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 5 * MB);
	w->snap.heap_traced = false;
	w->snap.proc.rss_bytes = w->ranges[0].resident_bytes = 41 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_application), 20 * MB + 2 * MB / 3);
	assert_int_equal(bytes_of(w, CLASS_native_modules), 10 * MB + MB / 3 + 1);
	assert_int_equal(w->ledger.rows[CLASS_native_modules].how, HOW_ESTIMATE);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 5 * MB);
	assert_int_equal(bytes_of(w, CLASS_allocator_slack), 5 * MB);
	assert_int_equal(w->ledger.rows[CLASS_allocator_slack].how, HOW_ESTIMATE);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 0);
	assert_sum_closes(w);
}

/* jemalloc's extents, which nobody was seen to map. */
static void anonymous_memory_may_be_of_an_allocator_that_is_not_read(void **state)
{
	struct inner_allocator a = { .name = "jemalloc",
				     .known.why = "its structures are not read",
				     .live_bytes = FACT_UNKNOWN };
	struct world *w = *state;

	watch(w, 0);
	add_range(w, RANGE_OTHER, 8 * MB);
	w->snap.proc.rss_bytes = 8 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 8 * MB);
	w->snap.allocator = &a;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_application), 8 * MB);
	assert_true(w->ledger.rows[CLASS_application].confidence < 0.5);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 0);
	/* one that was walked through has no memory that came before and was not found */
	a = glibc(1 * MB, 0);
	w->snap.walked_s = w->snap.elapsed_s;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 8 * MB);
	add_range(w, RANGE_OTHER, 1 * MB);
	w->snap.proc.rss_bytes += 1 * MB;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_application), 1 * MB);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 8 * MB);
	assert_sum_closes(w);
}

static void buffers_that_call_sites_own_count_once(void **state)
{
	struct inner_allocator a = glibc(30 * MB, 0);
	struct inner_runtime r = v8(20 * MB, true);
	struct world *w = *state;

	watch(w, 30 * MB);
	w->snap.heap_traced = true;
	w->snap.allocator = &a;
	w->snap.walked_s = 0;
	w->snap.runtime = &r;
	add_site(w, MT_SITE_HEAP, EXE, 15 * MB);
	w->owners[0].class = CLASS_buffers;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_buffers), 20 * MB);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 10 * MB);
	assert_sum_closes(w);
}

static void
buffers_that_were_only_counted_are_an_estimate_and_never_more_than_there_is(void **state)
{
	struct inner_runtime r = v8(900 * MB, false);
	struct world *w = *state;

	watch(w, 40 * MB);
	w->snap.runtime = &r;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_buffers), 40 * MB);
	assert_int_equal(w->ledger.rows[CLASS_buffers].how, HOW_ESTIMATE);
	assert_non_null(w->ledger.rows[CLASS_buffers].why);
	assert_sum_closes(w);
}

static void what_could_not_be_read_inside_says_why(void **state)
{
	struct inner_allocator a = { .name = "glibc", .known = { .why = "no arena found" } };
	struct inner_runtime r = { .name = "jvm", .buffers = { { .why = "it keeps no count" } } };
	struct world *w = *state;

	watch(w, 40 * MB);
	w->snap.allocator = &a;
	w->snap.runtime = &r;
	w->snap.walked_s = 0;
	tick(w);
	assert_int_equal(w->ledger.rows[CLASS_buffers].how, HOW_UNAVAILABLE);
	assert_string_equal(w->ledger.rows[CLASS_buffers].why, "it keeps no count");
	assert_int_equal(w->ledger.rows[CLASS_allocator_slack].how, HOW_UNAVAILABLE);
	assert_string_equal(w->ledger.rows[CLASS_allocator_slack].why, "no arena found");
	assert_int_equal(bytes_of(w, CLASS_preexisting), 40 * MB);
	assert_sum_closes(w);
}

/* Whatever readers claim, parts never exceed the whole. */
static void the_sum_closes_whatever_is_claimed(void **state)
{
	static const uint64_t odd[] = { 0,	     1,		 5 * MB,
					40 * MB,     1ull << 62, FACT_UNKNOWN - 1,
					FACT_UNKNOWN };
	const size_t n = sizeof(odd) / sizeof(odd[0]);
	struct world *w = *state;

	watch(w, 40 * MB);
	add_site(w, MT_SITE_HEAP, EXE, 12 * MB);
	for (size_t i = 0; i < n * n * n * 2; i++) {
		struct inner_allocator a = glibc(odd[i % n], odd[i / n % n]);
		struct inner_runtime r = v8(odd[i / n / n % n], i & 1);

		w->snap.heap_traced = i / n / n / n;
		a.cached_bytes = odd[(i + 1) % n];
		w->snap.allocator = &a;
		w->snap.walked_s = (double)i;
		w->snap.runtime = &r;
		tick(w);
		assert_sum_closes(w);
		assert_true(w->ledger.external_bytes == 40 * MB);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_managed_heap_and_what_is_pooled_for_it_are_not_external),
		TEST(a_heap_larger_than_the_process_leaves_nothing_external),
		TEST(a_walk_splits_what_was_there_before_without_any_tracing),
		TEST(live_memory_that_was_never_touched_is_not_counted_as_resident),
		TEST(growth_since_the_walk_is_live_until_it_is_walked_again),
		TEST(with_a_walk_owners_share_what_is_live_and_the_rest_was_there),
		TEST(buffers_of_the_runtime_are_taken_out_of_what_was_there_before),
		TEST(buffers_explain_growth_that_is_not_traced),
		TEST(buffers_counted_since_their_walk_are_taken_as_resident),
		TEST(live_memory_that_came_unseen_is_shared_by_who_was_seen),
		TEST(live_memory_that_came_unseen_is_whose_call_made_the_break_grow),
		TEST(what_call_sites_held_stays_theirs_when_probes_are_out),
		TEST(anonymous_memory_may_be_of_an_allocator_that_is_not_read),
		TEST(buffers_that_call_sites_own_count_once),
		TEST(buffers_that_were_only_counted_are_an_estimate_and_never_more_than_there_is),
		TEST(what_could_not_be_read_inside_says_why),
		TEST(the_sum_closes_whatever_is_claimed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
