/* Snapshots: frozen, complete, and honest about what is not known. */
#include "model/stacks.h"
#include "model_world.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void); /* its header is not always installed */
#endif

static size_t heap_bytes(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __sanitizer_get_current_allocated_bytes();
#else
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
#endif
}

static void account(struct world *w)
{
	assert_int_equal(model_account(w->m, w->table, WORLD_SITES, w->now), 0);
}

/* A birth of one block now, as the kernel counts it. */
static void kernel_birth(struct world *w, uint32_t site, uint64_t bytes)
{
	struct mt_site *k = &w->table[site];
	uint64_t now_s = w->now / SEC;

	k->alloc_bytes += bytes;
	k->alloc_count++;
	k->fine[now_s % MT_FINE_SLOTS] = now_s << 32 | 1;
	k->coarse[now_s / MT_COARSE_SECS % MT_COARSE_SLOTS] = now_s / MT_COARSE_SECS << 32 | 1;
}

/* Three of 16 blocks of 64 bytes each that one record stands for. */
static void sampled_sites_say_what_they_rest_on(void **state)
{
	uint64_t held = mt_held(64, 16);
	struct world *w = *state;
	const struct snap_site *x;
	struct snapshot *s;
	double var = 0;

	world_site(w, 5, MT_SITE_HEAP, CODE, 3);
	world_site(w, 6, MT_SITE_HEAP, CODE + 64, 3);
	for (int i = 0; i < 3; i++) {
		kernel_birth(w, 5, 64 * 16);
		w->table[5].alloc_count += 15;
		w->table[5].born_records++;
		w->table[5].born_var += mt_held_var(held);
		var += ldexp((double)mt_held_var(held), 2 * MT_VAR_SHIFT);
	}
	w->table[5].died_records = 1;
	w->table[5].died_var = mt_held_var(held);
	w->table[5].free_count = 16;
	w->table[5].free_bytes = 64 * 16;
	kernel_birth(w, 6, 1000);
	w->table[6].born_records = 1;
	account(w);
	s = world_snapshot(w);
	x = world_find(s, 5);
	assert_true(x->estimated);
	assert_int_equal(x->records, 2);
	assert_int_equal(x->allocated_records, 3);
	assert_true(x->weight == 16);
	assert_true(fabs(var - 3 * 64. * 64 * 16 * 15) < 1);
	assert_true(x->live_error_bytes > 1.96 * sqrt(var * 2 / 3) &&
		    x->allocated_error_bytes > x->live_error_bytes);
	x = world_find(s, 6);
	assert_false(x->estimated);
	assert_true(x->live_error_bytes == 0);
	snapshot_free(s);
}

static void counters_some_calls_apart_are_no_estimate(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	world_site(w, 5, MT_SITE_HEAP, CODE, 3);
	w->table[5].alloc_count = 100;
	w->table[5].born_records = 90;
	account(w);
	s = world_snapshot(w);
	assert_false(world_find(s, 5)->estimated);
	snapshot_free(s);
}

static void before_any_fact_nothing_is_claimed(void **state)
{
	struct world *w = *state;
	struct snapshot *s = world_snapshot(w);

	assert_int_equal(s->pid, PID);
	assert_true(s->alive);
	assert_false(s->residency_known);
	assert_false(s->fds_known);
	assert_false(s->heap_traced);
	assert_true(s->proc.rss_bytes == FACT_UNKNOWN);
	assert_true(s->rss_at_attach_bytes == FACT_UNKNOWN);
	assert_true(s->allocator_at_attach_bytes == FACT_UNKNOWN);
	assert_int_equal(s->external_series.count, 0);
	snapshot_free(s);
}

static void heap_sites_are_read_from_the_kernel_s_table(void **state)
{
	struct world *w = *state;
	struct snapshot *s;
	const struct snap_site *x;

	world_site(w, 5, MT_SITE_HEAP, CODE, 3);
	kernel_birth(w, 5, 100);
	w->now += 3 * SEC;
	account(w);
	s = world_snapshot(w);
	x = world_find(s, 5);
	assert_int_equal(x->live_bytes, 100);
	assert_int_equal(x->live_count, 1);
	assert_true(x->ages_known);
	assert_int_equal(x->live_by_age[2], 1);
	assert_int_equal(x->stack.count, 3);
	assert_int_equal(x->stack.end, MT_END_start);
	assert_int_equal(x->live_bytes_series.count, 1);
	assert_true(x->live_bytes_series.value[0] == 100);
	assert_true(x->live_count_series.value[0] == 1);
	snapshot_free(s);
}

static void a_site_beyond_the_kernel_s_table_reads_nothing(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	world_site(w, WORLD_SITES, MT_SITE_HEAP, CODE, 1);
	account(w);
	s = world_snapshot(w);
	assert_int_equal(s->site_count, 0);
	snapshot_free(s);
}

static void the_kernel_s_counters_do_not_touch_other_kinds(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	world_mmap(w, 5, 0, BASE, P);
	w->table[5].alloc_bytes = 77777;
	account(w);
	s = world_snapshot(w);
	assert_int_equal(world_find(s, 5)->live_bytes, P);
	snapshot_free(s);
}

static void what_no_stack_was_found_for_is_a_site_of_its_own(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	kernel_birth(w, MT_SITE_NONE, 64);
	account(w);
	s = world_snapshot(w);
	assert_int_equal(s->site_count, 1);
	assert_int_equal(s->sites[0].site, MT_SITE_NONE);
	assert_int_equal(s->sites[0].live_bytes, 64);
	assert_int_equal(s->sites[0].stack.count, 0);
	snapshot_free(s);
	assert_int_equal(model_add_process(w->m, 200, 9, 1, w->now, "other"), 0);
	s = world_snapshot(w);
	assert_int_equal(s->site_count, 0); /* it cannot be told whose they are */
	snapshot_free(s);
}

static void a_snapshot_does_not_change_with_the_model(void **state)
{
	struct world *w = *state;
	struct vma v[2] = { world_vma(CODE, CODE + P, VMA_FILE, "/bin/prog"),
			    world_vma(BASE, BASE + P, VMA_ANON, "") };
	struct frame_request ask[4];
	struct snapshot *s;
	const struct snap_site *x;

	world_vmas(w, v, 2);
	world_site(w, 5, MT_SITE_MMAP, CODE, 1);
	world_mmap(w, 5, 0, BASE, P);
	assert_int_equal(model_set_module(w->m, PID, 0, NULL, false), 0);
	assert_int_equal(model_unnamed(w->m, PID, ask, 4), 1);
	assert_int_equal(model_set_name(w->m, ask[0].handle, "first"), 0);
	s = world_snapshot(w);
	assert_int_equal(model_set_name(w->m, ask[0].handle, "second"), 0);
	world_sys(w, MT_SYS_MUNMAP, 0, MT_SYSF_ENTRY, 0, BASE, P);
	model_remove_process(w->m, PID);
	x = world_find(s, 5);
	assert_int_equal(x->live_bytes, P);
	assert_string_equal(x->stack.frames[0].symbol, "first");
	assert_string_equal(s->modules[x->stack.frames[0].module].name, "prog");
	assert_string_equal(s->modules[x->stack.frames[0].module].build_id, "");
	snapshot_free(s);
}

static void inlined_functions_are_frames_of_the_same_place(void **state)
{
	static const struct frame_name names[] = { { "inner", "a.h", 3 },
						   { "middle", "a.h", 7 },
						   { "f", "a.c", 12 } };
	struct world *w = *state;
	struct vma v = world_vma(CODE, CODE + P, VMA_FILE, "/bin/prog");
	const struct snap_frame *x;
	struct frame_request ask[4];
	struct snapshot *s;

	world_vmas(w, &v, 1);
	world_site(w, 5, MT_SITE_MMAP, CODE, 2);
	world_site(w, 6, MT_SITE_MMAP, CODE, 1);
	world_mmap(w, 5, 0, BASE, P);
	world_mmap(w, 6, 0, BASE + 4 * P, P);
	assert_int_equal(model_set_module(w->m, PID, 0, NULL, false), 0);
	assert_int_equal(model_unnamed(w->m, PID, ask, 4), 2);
	assert_int_equal(model_set_names(w->m, ask[1].handle, &names[2], 1, false), 0);
	assert_int_equal(model_set_names(w->m, ask[0].handle, &names[2], 1, true), 0);
	assert_int_equal(model_unnamed(w->m, PID, ask, 4), 1); /* the one with more to come */
	assert_int_equal(model_set_names(w->m, ask[0].handle, names, 3, false), 0);
	assert_int_equal(model_unnamed(w->m, PID, ask, 4), 0);
	s = world_snapshot(w);
	assert_int_equal(world_find(s, 5)->stack.count, 4);
	assert_int_equal(world_find(s, 6)->stack.count, 3);
	x = world_find(s, 5)->stack.frames;
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(x[i].symbol, names[i].symbol);
		assert_string_equal(x[i].file, names[i].file);
		assert_int_equal(x[i].line, names[i].line);
		assert_int_equal(x[i].inlined, i < 2);
		assert_int_equal(x[i].pc, CODE);
		assert_int_equal(x[i].offset, x[2].offset);
		assert_int_equal(x[i].module, x[2].module);
	}
	assert_int_equal(x[3].pc, CODE + 1);
	assert_false(x[3].inlined);
	snapshot_free(s);
}

static void times_count_from_the_beginning_of_tracing(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	w->now += 5 * SEC;
	world_mmap(w, 5, 0, BASE, P);
	w->now += 2 * SEC;
	world_mmap(w, 5, 0, BASE + 9 * P, P);
	w->now += SEC;
	account(w);
	s = world_snapshot(w);
	assert_true(fabs(s->elapsed_s - 8) < 1e-3);
	assert_true(fabs(world_find(s, 5)->first_seen_s - 5) < 1e-3);
	assert_true(fabs(world_find(s, 5)->last_alloc_s - 7) < 1e-3);
	assert_true(fabs(world_find(s, 5)->live_bytes_series.t_s[0] - 8) < 0.02);
	snapshot_free(s);
}

static void ages_of_mappings_are_as_of_the_snapshot(void **state)
{
	struct world *w = *state;

	world_mmap(w, 5, 0, BASE, P);
	for (int i = 0; i < 2; i++) {
		struct snapshot *s;

		w->now += 3 * SEC;
		s = world_snapshot(w);
		assert_int_equal(world_find(s, 5)->live_by_age[i ? 3 : 2], 1);
		assert_int_equal(world_find(s, 5)->live_by_age[i ? 2 : 3], 0);
		snapshot_free(s);
	}
}

static void external_memory_is_rss_and_swap_without_the_managed_heap(void **state)
{
	struct world *w = *state;
	struct proc_fact f = { .pid = PID, .rss_bytes = 1000, .swap_bytes = 500, .threads = 3 };
	struct snapshot *s;

	struct inner_range heap = { BASE + P, BASE + 3 * P, INNER_HEAP };
	struct vma v = world_vma(BASE, BASE + 4 * P, VMA_ANON, "");

	assert_int_equal(model_set_proc(w->m, PID, &f, w->now += SEC), 0);
	world_vmas(w, &v, 1);
	assert_int_equal(model_set_inner(w->m, PID, &heap, 1, NULL, NULL, 0), 0);
	world_measure(w, 200);
	f.rss_bytes = 2000;
	assert_int_equal(model_set_proc(w->m, PID, &f, w->now += SEC), 0);
	f.rss_bytes = 9000; /* the heap was not read again: nobody knows whose it is */
	assert_int_equal(model_set_proc(w->m, PID, &f, w->now += SEC), 0);
	f.rss_bytes = 2000;
	f.swap_bytes = FACT_UNKNOWN;
	assert_int_equal(model_set_proc(w->m, PID, &f, w->now += SEC), 0);
	s = world_snapshot(w);
	assert_int_equal(s->external_series.count, 2);
	assert_true(s->external_series.value[0] == 1500);
	assert_true(s->external_series.value[1] == 2300);
	assert_int_equal(s->managed_bytes, 200);
	assert_int_equal(s->rss_at_attach_bytes, 1000);
	assert_int_equal(s->thread_count, 3);
	snapshot_free(s);
}

/* Process of 2000 bytes, 200 of which are the heap, as one look finds them. */
static void look_at_heap(struct world *w, struct proc_fact *f)
{
	struct inner_range heap = { BASE, BASE + 2 * P, INNER_HEAP };
	struct vma v = world_vma(BASE, BASE + 2 * P, VMA_ANON, "");

	world_vmas(w, &v, 1);
	assert_int_equal(model_set_inner(w->m, PID, &heap, 1, NULL, NULL, 0), 0);
	world_measure(w, 200);
	f->rss_bytes = 2000;
	assert_int_equal(model_set_proc(w->m, PID, f, w->now += SEC), 0);
}

static void a_sample_is_of_the_moment_at_which_the_heap_was_read(void **state)
{
	struct world *w = *state;
	struct proc_fact f = { .pid = PID };
	struct snapshot *s;

	look_at_heap(w, &f);
	f.rss_bytes = 9000; /* the heap grew: it is not read at every tick */
	assert_int_equal(model_set_proc(w->m, PID, &f, w->now += SEC), 0);
	s = world_snapshot(w);
	assert_int_equal(s->proc.rss_bytes, 2000);
	snapshot_free(s);
	world_measure(w, 4000);
	assert_int_equal(model_set_proc(w->m, PID, &f, w->now += SEC), 0);
	s = world_snapshot(w);
	assert_int_equal(s->proc.rss_bytes, 9000);
	assert_int_equal(s->managed_bytes, 4000);
	snapshot_free(s);
}

static void a_heap_that_cannot_be_read_any_more_is_no_growth(void **state)
{
	struct world *w = *state;
	struct proc_fact f = { .pid = PID };
	struct snapshot *s;

	look_at_heap(w, &f);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(model_set_inner(w->m, PID, NULL, 0, NULL, NULL, 0), 0);
		world_measure(w, 200);
		assert_int_equal(model_set_proc(w->m, PID, &f, w->now += SEC), 0);
	}
	s = world_snapshot(w);
	assert_int_equal(s->external_series.count, 1);
	assert_int_equal(s->managed_bytes, 0);
	snapshot_free(s);
	look_at_heap(w, &f);
	s = world_snapshot(w);
	assert_int_equal(s->external_series.count, 2);
	assert_true(s->external_series.value[1] == 1800);
	snapshot_free(s);
}

static void descriptors_carry_their_opener_and_its_time(void **state)
{
	struct world *w = *state;
	struct fd_fact f[2] = { { .fd = 0, .kind = FD_FILE }, { .fd = 3, .kind = FD_SOCKET } };
	struct snapshot *s;

	w->now += 4 * SEC;
	world_sys(w, MT_SYS_SOCKET, 7, 0, 3, 0, 0);
	assert_int_equal(model_set_fds(w->m, PID, f, 2, w->now++), 0);
	s = world_snapshot(w);
	assert_true(s->fds_known);
	assert_int_equal(s->fd_count, 2);
	assert_true(isnan(s->fds[0].opened_s));
	assert_int_equal(s->fds[0].site_id, 0);
	assert_true(fabs(s->fds[1].opened_s - 4) < 1e-3);
	assert_int_equal(s->fds[1].site_id, world_find(s, 7)->id);
	snapshot_free(s);
	s = world_snapshot(w);
	assert_false(s->fds_known); /* no reading since */
	assert_int_equal(s->fd_count, 2);
	snapshot_free(s);
}

static void snapshots_are_numbered_and_the_given_counters_kept(void **state)
{
	struct world *w = *state;
	struct snap_counters c = { .bad_records = 3, .sites_refused = 4 };
	struct snapshot *s = NULL, *untouched = NULL;

	snapshot_free(world_snapshot(w));
	assert_int_equal(model_snapshot(w->m, PID, w->now, &c, &s), 0);
	assert_int_equal(s->seq, 1);
	assert_int_equal(s->counters.bad_records, 3);
	assert_int_equal(s->counters.sites_refused, 4);
	snapshot_free(s);
	assert_int_equal(model_snapshot(w->m, 999, w->now, NULL, &untouched), -ESRCH);
	assert_null(untouched);
}

static void frames_beyond_the_limit_leave_a_shorter_stack(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	world_site(w, 5, MT_SITE_MMAP, CODE, 64);
	world_mmap(w, 5, 0, BASE, P);
	s = world_snapshot(w);
	assert_int_equal(world_find(s, 5)->stack.count, 30);
	assert_int_equal(s->counters.symbols_refused, 1);
	snapshot_free(s);
}

static void refusals_of_processes_that_left_stay_counted(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	assert_int_equal(model_add_process(w->m, 200, 9, 1, w->now, "other"), 0);
	world_site(w, 5, MT_SITE_MMAP, CODE, 64);
	model_remove_process(w->m, PID);
	assert_int_equal(model_snapshot(w->m, 200, w->now, NULL, &s), 0);
	assert_int_equal(s->counters.symbols_refused, 1);
	snapshot_free(s);
}

/* 8192 sites of 16 frames each with full histories, and 20000 mappings. */
static void a_large_process_stays_below_16_megabytes(void **state)
{
	size_t before = heap_bytes();
	struct model_cfg cfg = {};
	struct world w = { .now = 10 * SEC };

	assert_int_equal(model_new(&cfg, &w.m), 0);
	assert_int_equal(model_add_process(w.m, PID, ASID, 1, w.now, "prog"), 0);
	for (uint32_t i = 1; i <= 8192; i++) {
		world_site(&w, i, MT_SITE_MMAP, CODE + i * 4, 16);
		for (uint64_t k = 0; k < 3; k++)
			world_mmap(&w, i, 0, BASE + (i * 3ull + k) * 2 * P, P);
	}
	for (int t = 0; t < 130; t++)
		assert_int_equal(model_account(w.m, NULL, 0, w.now += SEC), 0);
	assert_true(heap_bytes() - before < 16u << 20);
	snapshot_free(world_snapshot(&w));
	model_free(w.m);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(sampled_sites_say_what_they_rest_on),
		WORLD_TEST(counters_some_calls_apart_are_no_estimate),
		WORLD_TEST(before_any_fact_nothing_is_claimed),
		WORLD_TEST(heap_sites_are_read_from_the_kernel_s_table),
		WORLD_TEST(a_site_beyond_the_kernel_s_table_reads_nothing),
		WORLD_TEST(the_kernel_s_counters_do_not_touch_other_kinds),
		WORLD_TEST(what_no_stack_was_found_for_is_a_site_of_its_own),
		WORLD_TEST(a_snapshot_does_not_change_with_the_model),
		WORLD_TEST(inlined_functions_are_frames_of_the_same_place),
		WORLD_TEST(times_count_from_the_beginning_of_tracing),
		WORLD_TEST(ages_of_mappings_are_as_of_the_snapshot),
		WORLD_TEST(external_memory_is_rss_and_swap_without_the_managed_heap),
		WORLD_TEST(a_sample_is_of_the_moment_at_which_the_heap_was_read),
		WORLD_TEST(a_heap_that_cannot_be_read_any_more_is_no_growth),
		WORLD_TEST(descriptors_carry_their_opener_and_its_time),
		WORLD_TEST(snapshots_are_numbered_and_the_given_counters_kept),
		WORLD_TEST(frames_beyond_the_limit_leave_a_shorter_stack),
		WORLD_TEST(refusals_of_processes_that_left_stay_counted),
		cmocka_unit_test(a_large_process_stays_below_16_megabytes),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
