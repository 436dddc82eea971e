/* Rows of the ledger: what is exact, an estimate, or not measured; descriptors; rates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "ledger_world.h"

static void external_is_resident_and_swapped_memory(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = 10 * MB;
	w->snap.proc.swap_bytes = 3 * MB;
	tick(w);
	assert_int_equal(w->ledger.external_bytes, 13 * MB);
}

static void before_heap_tracing_allocators_hold_only_the_past(void **state)
{
	struct world *w = *state;

	w->snap.heap_traced = false;
	w->snap.proc.rss_bytes = 50 * MB;
	w->snap.allocator_at_attach_bytes = 40 * MB;
	add_range(w, RANGE_ALLOCATOR, 50 * MB);
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 40 * MB);
	/* what came since is the program's, whoever of it asked */
	assert_int_equal(bytes_of(w, CLASS_application), 10 * MB);
	assert_int_equal(w->ledger.rows[CLASS_application].how, HOW_ESTIMATE);
	assert_true(w->ledger.rows[CLASS_application].confidence < 0.5);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 0);
	assert_int_equal(w->ledger.rows[CLASS_native_modules].how, HOW_UNAVAILABLE);
	assert_int_equal(bytes_of(w, CLASS_native_modules), FACT_UNKNOWN);
	assert_int_equal(w->ledger.rows[CLASS_allocator_slack].how, HOW_UNAVAILABLE);
	assert_int_equal(w->ledger.slack_bytes, FACT_UNKNOWN);
	assert_int_equal(w->ledger.live_bytes, FACT_UNKNOWN);
	assert_true(isnan(w->ledger.alloc_per_s));
	assert_sum_closes(w);
}

static struct snap_site *add_touched(struct world *w, enum mt_site_kind kind, uint32_t module,
				     uint64_t unplaced_bytes)
{
	struct snap_site *site = add_site(w, kind, module, unplaced_bytes);

	site->touched = kind == MT_SITE_HEAP ? TOUCHED_HEAP : TOUCHED_ANON;
	site->unplaced_bytes = unplaced_bytes;
	return site;
}

static void what_nobody_accounts_for_is_whose_code_touched_it_first(void **state)
{
	struct world *w = *state;

	w->snap.heap_traced = false;
	w->snap.proc.rss_bytes = 50 * MB;
	w->snap.allocator_at_attach_bytes = 40 * MB;
	add_range(w, RANGE_ALLOCATOR, 46 * MB);
	add_range(w, RANGE_OTHER, 4 * MB);
	add_touched(w, MT_SITE_HEAP, EXE, 5 * MB);
	add_touched(w, MT_SITE_MMAP, LIBZ, 1 * MB);
	w->owners[1].class = CLASS_native_modules;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_preexisting), 40 * MB);
	assert_int_equal(bytes_of(w, CLASS_application), 5 * MB);
	assert_int_equal(bytes_of(w, CLASS_native_modules), 1 * MB);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 4 * MB);
	assert_int_equal(w->ledger.rows[CLASS_application].how, HOW_ESTIMATE);
	assert_int_equal(w->ledger.live_bytes, FACT_UNKNOWN);
	assert_sum_closes(w);
}

/* Estimates may be too high, and what other sites account for is not counted once more. */
static void who_touched_memory_never_gets_more_than_there_is(void **state)
{
	struct world *w = *state;
	struct snap_site *mapper;

	w->snap.heap_traced = false;
	w->snap.proc.rss_bytes = 10 * MB;
	w->snap.allocator_at_attach_bytes = 0;
	mapper = add_site(w, MT_SITE_MMAP, EXE, 6 * MB);
	add_range(w, RANGE_SITE, 6 * MB)->site = mapper->site;
	add_range(w, RANGE_OTHER, 4 * MB);
	add_touched(w, MT_SITE_MMAP, EXE, 30 * MB);
	add_touched(w, MT_SITE_MMAP, EXE, 10 * MB)->unplaced_bytes = 0;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_application), 10 * MB);
	assert_int_equal(bytes_of(w, CLASS_unexplained), 0);
	assert_int_equal(w->ledger.rows[CLASS_application].count, 2); /* mappings, not pages */
	assert_sum_closes(w);
}

static void without_residency_nothing_is_placed_and_nothing_is_zero(void **state)
{
	struct world *w = *state;

	w->snap.residency_known = false;
	w->snap.proc.rss_bytes = 10 * MB;
	add_range(w, RANGE_CODE, 0);
	tick(w);
	assert_int_equal(w->ledger.external_bytes, 10 * MB);
	assert_true(isnan(w->ledger.coverage_ratio));
	assert_int_equal(bytes_of(w, CLASS_code), FACT_UNKNOWN);
	assert_int_equal(w->ledger.rows[CLASS_code].how, HOW_UNAVAILABLE);
	assert_non_null(w->ledger.rows[CLASS_code].why);
	assert_int_equal(w->ledger.slack_bytes, FACT_UNKNOWN);
	assert_sum_closes(w);
}

static void rates_and_growth_come_from_the_state(void **state)
{
	struct world *w = *state;
	struct snap_site *site = add_site(w, MT_SITE_HEAP, EXE, 0);
	struct snap_range *r = add_range(w, RANGE_FILE, 0);
	int i;

	w->snap.proc.rss_bytes = 100 * MB;
	for (i = 0; i < 8; i++) {
		r->resident_bytes = i * MB;
		site->allocated_count = 250 * i;
		site->freed_count = 50 * i;
		tick(w);
	}
	assert_true(w->ledger.rows[CLASS_mapped_files].growth_bytes_per_s == MB);
	assert_true(isnan(w->ledger.rows[CLASS_buffers].growth_bytes_per_s));
	assert_true(w->ledger.alloc_per_s == 250);
	assert_true(w->ledger.free_per_s == 50);
}

static void a_tick_without_residency_is_not_growth_of_the_unexplained(void **state)
{
	struct world *w = *state;
	int i;

	w->snap.proc.rss_bytes = 10 * MB;
	for (i = 0; i < 8; i++) {
		w->snap.residency_known = i % 2;
		tick(w);
	}
	assert_true(w->ledger.rows[CLASS_unexplained].growth_bytes_per_s == 0);
	w->snap.residency_known = false;
	for (i = 0; i < LEDGER_TICKS; i++)
		tick(w);
	assert_true(isnan(w->ledger.rows[CLASS_unexplained].growth_bytes_per_s));
}

static void an_unknown_rss_leaves_external_unknown(void **state)
{
	struct world *w = *state;

	w->snap.proc.rss_bytes = FACT_UNKNOWN;
	add_range(w, RANGE_CODE, MB);
	tick(w);
	assert_int_equal(w->ledger.external_bytes, FACT_UNKNOWN);
	assert_int_equal(bytes_of(w, CLASS_unexplained), FACT_UNKNOWN);
	assert_true(isnan(w->ledger.coverage_ratio));
}

static void a_runtime_that_nobody_reads_is_unavailable(void **state)
{
	struct world *w = *state;

	tick(w);
	assert_int_equal(w->ledger.rows[CLASS_buffers].how, HOW_UNAVAILABLE);
	assert_int_equal(bytes_of(w, CLASS_runtime), FACT_UNKNOWN);
}

static void descriptors_are_counted_and_have_no_resident_bytes(void **state)
{
	struct world *w = *state;
	struct fd_fact *pg;

	add_fd(w, FD_FILE);
	add_fd(w, FD_PIPE);
	add_fd(w, FD_SOCKET);
	pg = add_fd(w, FD_SOCKET);
	pg->family = AF_INET;
	pg->peer_port = 5432;
	tick(w);
	assert_int_equal(w->ledger.rows[CLASS_file_handles].count, 2);
	assert_int_equal(bytes_of(w, CLASS_file_handles), FACT_UNKNOWN);
	assert_int_equal(w->ledger.rows[CLASS_network_connections].count, 1);
	assert_int_equal(w->ledger.rows[CLASS_database_connections].count, 1);
	assert_int_equal(w->ledger.rows[CLASS_kernel_socket_buffers].count, 2);
	assert_int_equal(bytes_of(w, CLASS_kernel_socket_buffers), 2000);
	assert_sum_closes(w);
}

static void descriptors_without_a_table_are_an_estimate_or_unavailable(void **state)
{
	struct world *w = *state;

	w->snap.fds_known = false;
	tick(w);
	assert_int_equal(w->ledger.rows[CLASS_file_handles].how, HOW_UNAVAILABLE);
	assert_int_equal(w->ledger.rows[CLASS_file_handles].count, FACT_UNKNOWN);
	add_fd(w, FD_FILE);
	tick(w);
	assert_int_equal(w->ledger.rows[CLASS_file_handles].how, HOW_ESTIMATE);
	assert_int_equal(w->ledger.rows[CLASS_file_handles].count, 1);
}

static void socket_memory_that_was_not_measured_is_not_zero(void **state)
{
	struct world *w = *state;
	struct fd_fact *f = add_fd(w, FD_SOCKET);

	f->kernel_bytes = FACT_UNKNOWN;
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_kernel_socket_buffers), FACT_UNKNOWN);
	add_fd(w, FD_SOCKET);
	tick(w);
	assert_int_equal(bytes_of(w, CLASS_kernel_socket_buffers), 1000);
	assert_int_equal(w->ledger.rows[CLASS_kernel_socket_buffers].how, HOW_ESTIMATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(external_is_resident_and_swapped_memory),
		TEST(before_heap_tracing_allocators_hold_only_the_past),
		TEST(what_nobody_accounts_for_is_whose_code_touched_it_first),
		TEST(who_touched_memory_never_gets_more_than_there_is),
		TEST(without_residency_nothing_is_placed_and_nothing_is_zero),
		TEST(rates_and_growth_come_from_the_state),
		TEST(a_tick_without_residency_is_not_growth_of_the_unexplained),
		TEST(an_unknown_rss_leaves_external_unknown),
		TEST(a_runtime_that_nobody_reads_is_unavailable),
		TEST(descriptors_are_counted_and_have_no_resident_bytes),
		TEST(descriptors_without_a_table_are_an_estimate_or_unavailable),
		TEST(socket_memory_that_was_not_measured_is_not_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
