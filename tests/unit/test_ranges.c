/* Ranges: what each piece of the address space is, and what allocators held at attach. */
#include "model_world.h"

#include <errno.h>

#define MB (1ull << 20)

static void region(struct world *w, uint64_t addr)
{
	struct event ev = { .region = { .addr = addr, .asid = ASID } };

	world_apply(w, &ev, MT_KIND_region);
}

/* Measures every range as wholly resident. */
static void measure(struct world *w)
{
	struct residency *r;
	size_t n;

	assert_int_equal(model_ranges(w->m, PID, &r, &n), 0);
	for (size_t i = 0; i < n; i++) {
		r[i].resident_bytes = r[i].end - r[i].start;
		r[i].swapped_bytes = 0;
	}
	assert_int_equal(model_set_residency(w->m, PID, r, n), 0);
}

/* What holds addr in the last measured ranges, 0 when nothing does. */
static enum range_use use_of(struct world *w, uint64_t addr)
{
	struct snapshot *s = world_snapshot(w);
	enum range_use use = (enum range_use)0;

	for (size_t i = 0; i < s->range_count; i++)
		if (s->ranges[i].start <= addr && addr < s->ranges[i].end)
			use = s->ranges[i].use;
	snapshot_free(s);
	return use;
}

static void one_vma(struct world *w, uint64_t start, uint64_t end, enum vma_kind kind)
{
	struct vma v = world_vma(start, end, kind, "");

	world_vmas(w, &v, 1);
}

static void kinds_of_lines_decide_first(void **state)
{
	struct world *w = *state;
	struct vma v[7] = {
		world_vma(CODE, CODE + P, VMA_FILE, "/bin/prog"),
		world_vma(CODE + P, CODE + 2 * P, VMA_FILE, ""),
		world_vma(BASE, BASE + P, VMA_SHM, ""),
		world_vma(BASE + P, BASE + 2 * P, VMA_STACK, ""),
		world_vma(BASE + 2 * P, BASE + 3 * P, VMA_ANON, ""),
		world_vma(BASE + 3 * P, BASE + 4 * P, VMA_SPECIAL, "[vvar]"),
		world_vma(BASE + 4 * P, BASE + 5 * P, VMA_SPECIAL, "[vdso]"),
	};

	v[4].executable = v[6].executable = true;
	world_vmas(w, v, 7);
	measure(w);
	assert_int_equal(use_of(w, CODE), RANGE_CODE);
	assert_int_equal(use_of(w, CODE + P), RANGE_FILE);
	assert_int_equal(use_of(w, BASE), RANGE_SHM);
	assert_int_equal(use_of(w, BASE + P), RANGE_STACK);
	assert_int_equal(use_of(w, BASE + 2 * P), RANGE_CODE);
	assert_int_equal(use_of(w, BASE + 3 * P), 0);
	assert_int_equal(use_of(w, BASE + 4 * P), RANGE_CODE);
}

static void lines_are_split_at_mappings(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	one_vma(w, BASE, BASE + 10 * P, VMA_ANON);
	world_mmap(w, 4, 0, BASE + 2 * P, 3 * P);
	measure(w);
	s = world_snapshot(w);
	assert_int_equal(s->range_count, 3);
	assert_int_equal(s->ranges[0].use, RANGE_BEFORE);
	assert_int_equal(s->ranges[1].use, RANGE_SITE);
	assert_int_equal(s->ranges[1].site, 4);
	assert_int_equal(s->ranges[1].start, BASE + 2 * P);
	assert_int_equal(s->ranges[1].end, BASE + 5 * P);
	assert_int_equal(s->ranges[2].use, RANGE_BEFORE);
	assert_true(s->residency_known);
	snapshot_free(s);
}

static void what_nobody_was_seen_to_map_is_other(void **state)
{
	struct world *w = *state;

	one_vma(w, BASE, BASE + P, VMA_ANON);
	one_vma(w, BASE, BASE + 2 * P, VMA_ANON);
	measure(w);
	assert_int_equal(use_of(w, BASE), RANGE_BEFORE);
	assert_int_equal(use_of(w, BASE + P), RANGE_OTHER);
}

static void a_mapping_without_a_site_is_other(void **state)
{
	struct world *w = *state;

	one_vma(w, BASE, BASE + P, VMA_ANON);
	world_mmap(w, MT_SITE_NONE, 0, BASE, P);
	measure(w);
	assert_int_equal(use_of(w, BASE), RANGE_OTHER);
}

static void the_heap_is_the_allocators(void **state)
{
	struct world *w = *state;

	one_vma(w, BASE, BASE + P, VMA_HEAP);
	measure(w);
	assert_int_equal(use_of(w, BASE), RANGE_ALLOCATOR);
}

static void the_break_of_a_known_site_is_that_site_s(void **state)
{
	struct world *w = *state;

	one_vma(w, BASE, BASE + P, VMA_HEAP);
	world_sys(w, MT_SYS_BRK, 6, 0, (int64_t)(BASE + 3 * P), BASE + 3 * P, 0);
	one_vma(w, BASE, BASE + 3 * P, VMA_HEAP);
	measure(w);
	assert_int_equal(use_of(w, BASE), RANGE_ALLOCATOR);
	assert_int_equal(use_of(w, BASE + P), RANGE_SITE);
}

static void a_mapping_made_by_an_allocator_is_the_allocators(void **state)
{
	struct world *w = *state;

	world_mmap(w, 0, MT_SYSF_IN_ALLOCATOR, BASE, 2 * P);
	one_vma(w, BASE, BASE + 4 * P, VMA_ANON);
	measure(w);
	assert_int_equal(use_of(w, BASE + P), RANGE_ALLOCATOR);
	assert_int_equal(use_of(w, BASE + 2 * P), RANGE_BEFORE);
}

/* Its names came later: what was counted of it goes, and what it maps from now on is not counted.
 */
static void a_mapping_that_turns_out_an_allocators_is_no_sites(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	world_mmap(w, 4, 0, BASE, 2 * P);
	world_mmap(w, 5, 0, BASE + 2 * P, P);
	one_vma(w, BASE, BASE + 4 * P, VMA_ANON);
	measure(w);
	assert_int_equal(use_of(w, BASE), RANGE_SITE);
	assert_int_equal(model_set_in_allocator(w->m, PID, 99), -ENOENT);
	assert_int_equal(model_set_in_allocator(w->m, PID, 4), 0);
	assert_int_equal(use_of(w, BASE), RANGE_ALLOCATOR); /* at once, before the next reading */
	assert_int_equal(use_of(w, BASE + 2 * P), RANGE_SITE);
	assert_int_equal(model_set_heap_traced(w->m, PID, true), 0);
	world_mmap(w, 4, 0, BASE + 3 * P, P);
	measure(w);
	assert_int_equal(use_of(w, BASE), RANGE_ALLOCATOR);
	assert_int_equal(use_of(w, BASE + 2 * P), RANGE_SITE);
	assert_int_equal(use_of(w, BASE + 3 * P), RANGE_ALLOCATOR);
	s = world_snapshot(w);
	for (size_t i = 0; i < s->site_count; i++)
		assert_int_equal(s->sites[i].allocated_bytes, s->sites[i].site == 4 ? 0 : P);
	snapshot_free(s);
	/* watched only, the code that leads to the mapping is what is told */
	assert_int_equal(model_set_heap_traced(w->m, PID, false), 0);
	world_mmap(w, 4, 0, BASE + 3 * P, P);
	measure(w);
	assert_int_equal(use_of(w, BASE + 3 * P), RANGE_SITE);
}

static void memory_of_before_is_the_allocators_once_it_serves_from_there(void **state)
{
	struct world *w = *state;

	one_vma(w, BASE + MB, BASE + MB + P, VMA_ANON);
	measure(w);
	assert_int_equal(use_of(w, BASE + MB), RANGE_BEFORE);
	region(w, BASE);
	measure(w);
	assert_int_equal(use_of(w, BASE + MB), RANGE_ALLOCATOR);
}

static void a_region_ends_after_two_megabytes(void **state)
{
	struct world *w = *state;

	one_vma(w, BASE + 2 * MB, BASE + 4 * MB, VMA_ANON);
	region(w, BASE);
	region(w, BASE + 4 * MB);
	measure(w);
	assert_int_equal(use_of(w, BASE + 2 * MB), RANGE_BEFORE);
}

static void a_neighbour_in_the_same_piece_does_not_take_a_site_s_mapping(void **state)
{
	struct world *w = *state;

	world_mmap(w, 4, 0, BASE + P, P);
	one_vma(w, BASE, BASE + 2 * P, VMA_ANON);
	region(w, BASE);
	measure(w);
	assert_int_equal(use_of(w, BASE), RANGE_ALLOCATOR);
	assert_int_equal(use_of(w, BASE + P), RANGE_SITE);
}

static void a_site_s_mapping_is_an_allocator_s_when_a_whole_piece_of_it_serves(void **state)
{
	struct world *w = *state;

	region(w, BASE + 8 * MB); /* before it was mapped: somebody else's */
	world_mmap(w, 4, 0, BASE, 4 * MB);
	world_mmap(w, 5, 0, BASE + 8 * MB, 2 * MB);
	one_vma(w, BASE, BASE + 10 * MB, VMA_ANON);
	region(w, BASE + 2 * MB);
	measure(w);
	assert_int_equal(use_of(w, BASE), RANGE_ALLOCATOR);
	assert_int_equal(use_of(w, BASE + 8 * MB), RANGE_SITE);
}

static void a_range_with_a_stack_pointer_is_a_stack(void **state)
{
	struct world *w = *state;
	uint64_t sp[3] = { FACT_UNKNOWN, BASE + 2 * P - 8, BASE + 5 * P };

	world_mmap(w, 4, 0, BASE + P, P);
	world_mmap(w, 0, MT_SYSF_IN_ALLOCATOR, BASE + 5 * P, P);
	one_vma(w, BASE, BASE + 6 * P, VMA_ANON);
	assert_int_equal(model_set_thread_stacks(w->m, PID, sp, 3), 0);
	measure(w);
	assert_int_equal(use_of(w, BASE + P), RANGE_STACK);
	assert_int_equal(use_of(w, BASE), RANGE_BEFORE);
	assert_int_equal(use_of(w, BASE + 5 * P), RANGE_ALLOCATOR); /* a coroutine's */
}

static void at_attach_counts_what_proves_to_be_an_allocator_s_later(void **state)
{
	struct world *w = *state;
	struct vma v[2] = { world_vma(BASE, BASE + 5 * P, VMA_ANON, ""),
			    world_vma(BASE + 8 * MB, BASE + 8 * MB + 3 * P, VMA_ANON, "") };
	struct snapshot *s;

	world_vmas(w, v, 2);
	s = world_snapshot(w);
	assert_true(s->allocator_at_attach_bytes == FACT_UNKNOWN);
	assert_false(s->residency_known);
	snapshot_free(s);
	measure(w);
	s = world_snapshot(w);
	assert_int_equal(s->allocator_at_attach_bytes, 0);
	snapshot_free(s);
	region(w, BASE);
	v[0].end += 7 * P; /* grown since: that part was not there */
	world_vmas(w, v, 2);
	measure(w);
	s = world_snapshot(w);
	assert_int_equal(s->allocator_at_attach_bytes, 5 * P);
	snapshot_free(s);
}

static void at_attach_ignores_allocators_that_came_to_the_same_place(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	one_vma(w, BASE, BASE + 5 * P, VMA_ANON);
	measure(w);
	world_mmap(w, 0, MT_SYSF_IN_ALLOCATOR, BASE, 5 * P);
	measure(w);
	s = world_snapshot(w);
	assert_int_equal(s->ranges[0].use, RANGE_ALLOCATOR);
	assert_int_equal(s->allocator_at_attach_bytes, 0);
	snapshot_free(s);
}

static void residency_of_ranges_nobody_asked_for_is_refused(void **state)
{
	struct world *w = *state;
	struct residency odd = { BASE + P, BASE + 2 * P, 1, 1 };
	struct residency *r;
	struct snapshot *s;
	size_t n;

	one_vma(w, BASE, BASE + 4 * P, VMA_ANON);
	assert_int_equal(model_ranges(w->m, PID, &r, &n), 0);
	assert_int_equal(model_set_residency(w->m, PID, &odd, 1), -ENODATA);
	s = world_snapshot(w);
	assert_false(s->residency_known);
	assert_true(s->ranges[0].resident_bytes == FACT_UNKNOWN);
	snapshot_free(s);
}

static void ranges_may_reach_the_ends_of_the_address_space(void **state)
{
	struct world *w = *state;
	struct vma v[2] = { world_vma(0, P, VMA_ANON, ""),
			    world_vma(UINT64_MAX - P, UINT64_MAX, VMA_ANON, "") };

	world_vmas(w, v, 2);
	region(w, UINT64_MAX);
	region(w, 0);
	measure(w);
	assert_int_equal(use_of(w, 0), RANGE_ALLOCATOR);
	assert_int_equal(use_of(w, UINT64_MAX - P), RANGE_ALLOCATOR);
}

static void what_a_runtime_says_splits_lines_and_leaves_external_memory(void **state)
{
	const struct inner_range in[] = {
		{ BASE + P, BASE + 2 * P, INNER_HEAP },
		{ BASE + 2 * P, BASE + 3 * P, INNER_POOLED },
		{ BASE + 5 * P, BASE + 9 * P, INNER_HEAP },
		{ BASE + 10 * P, BASE + 11 * P, INNER_CODE },
		{ BASE + 11 * P, BASE + 12 * P, INNER_WASM },
		{ BASE + 13 * P, BASE + 14 * P, INNER_RUNTIME },
	};
	struct world *w = *state;
	struct vma v[2] = { world_vma(BASE, BASE + 8 * P, VMA_ANON, ""),
			    world_vma(BASE + 8 * P, BASE + 16 * P, VMA_SHM, "/memfd:heap") };
	struct snapshot *s;

	world_vmas(w, v, 2);
	assert_int_equal(model_set_inner(w->m, PID, in, 6, NULL, NULL, 0), 0);
	measure(w);
	assert_int_equal(use_of(w, BASE), RANGE_BEFORE);
	assert_int_equal(use_of(w, BASE + P), RANGE_MANAGED);
	assert_int_equal(use_of(w, BASE + 2 * P), RANGE_POOLED);
	assert_int_equal(use_of(w, BASE + 3 * P), RANGE_BEFORE);
	assert_int_equal(use_of(w, BASE + 7 * P), RANGE_MANAGED);
	assert_int_equal(use_of(w, BASE + 8 * P), RANGE_MANAGED);
	assert_int_equal(use_of(w, BASE + 9 * P), RANGE_SHM);
	assert_int_equal(use_of(w, BASE + 10 * P), RANGE_CODE);
	assert_int_equal(use_of(w, BASE + 11 * P), RANGE_BUFFERS);
	assert_int_equal(use_of(w, BASE + 13 * P), RANGE_RUNTIME);
	assert_int_equal(use_of(w, BASE + 15 * P), RANGE_SHM);
	s = world_snapshot(w);
	assert_int_equal(s->managed_bytes, 6 * P);
	snapshot_free(s);
	/* it is dropped: all of it is external again */
	assert_int_equal(model_set_inner(w->m, PID, NULL, 0, NULL, NULL, 0), 0);
	measure(w);
	s = world_snapshot(w);
	assert_int_equal(s->managed_bytes, 0);
	snapshot_free(s);
}

/* Of what lies in an allocator's memory the allocator knows better whether it is live. */
static void a_buffer_is_a_mapping_of_its_own_or_the_allocators(void **state)
{
	const struct inner_range in[] = { { BASE, BASE + P, INNER_BUFFER },
					  { BASE + 2 * P, BASE + 3 * P, INNER_BUFFER },
					  { BASE + 3 * P, BASE + 4 * P, INNER_ARENA } };
	struct world *w = *state;
	struct vma v[2] = { world_vma(BASE, BASE + P, VMA_ANON, ""),
			    world_vma(BASE + 2 * P, BASE + 4 * P, VMA_HEAP, "") };

	world_vmas(w, v, 2);
	assert_int_equal(model_set_inner(w->m, PID, in, 3, NULL, NULL, 0), 0);
	measure(w);
	assert_int_equal(use_of(w, BASE), RANGE_BUFFERS);
	assert_int_equal(use_of(w, BASE + 2 * P), RANGE_ALLOCATOR);
	assert_int_equal(use_of(w, BASE + 3 * P), RANGE_ALLOCATOR);
}

/* The break grows after it was walked through: a site that was seen to ask for it has none of it.
 */
static void the_break_is_the_arena_s_to_its_end(void **state)
{
	const struct inner_range in = { BASE, BASE + P, INNER_ARENA };
	struct world *w = *state;

	one_vma(w, BASE, BASE + P, VMA_HEAP);
	world_site(w, 5, MT_SITE_BRK, CODE, 2);
	world_sys(w, MT_SYS_BRK, 5, 0, BASE + P, BASE + P, 0);
	world_sys(w, MT_SYS_BRK, 5, 0, BASE + 3 * P, BASE + 3 * P, 0);
	one_vma(w, BASE, BASE + 3 * P, VMA_HEAP);
	measure(w);
	assert_int_equal(use_of(w, BASE + 2 * P), RANGE_SITE);
	assert_int_equal(model_set_inner(w->m, PID, &in, 1, NULL, NULL, 0), 0);
	measure(w);
	assert_int_equal(use_of(w, BASE + 2 * P), RANGE_ALLOCATOR);
}

/* A snapshot carries both facts, with the resident bytes of the ranges; exec ends both. */
static void facts_from_inside_are_of_one_program(void **state)
{
	const struct inner_range in[] = { { BASE, BASE + P, INNER_HEAP },
					  { BASE + P, BASE + 3 * P, INNER_POOLED } };
	struct inner_runtime runtime = { .name = "v8", .heap = { .committed_bytes = 77 } };
	struct inner_allocator allocator = { .name = "glibc", .live_bytes = 5 };
	struct event ev = { .task = { .asid = ASID, .child_asid = ASID + 1 } };
	struct world *w = *state;
	struct snapshot *s;

	one_vma(w, BASE, BASE + 4 * P, VMA_ANON);
	assert_int_equal(model_set_inner(w->m, PID, in, 2, &runtime, &allocator, w->now + SEC), 0);
	measure(w);
	w->now += 2 * SEC;
	s = world_snapshot(w);
	assert_non_null(s->runtime);
	assert_int_equal(s->runtime->heap.committed_bytes, 77);
	assert_int_equal(s->runtime->heap.resident_bytes, 3 * P);
	assert_int_equal(s->runtime->heap.pooled_bytes, 2 * P);
	assert_int_equal(s->allocator->live_bytes, 5);
	assert_true(s->walked_s > 0.9 && s->walked_s < 1.1);
	snapshot_free(s);
	world_apply(w, &ev, MT_KIND_exec);
	s = world_snapshot(w);
	assert_null(s->runtime);
	assert_null(s->allocator);
	assert_int_equal(s->managed_bytes, 0);
	snapshot_free(s);
}

static void what_was_mapped_for_the_heap_is_told_of_its_site(void **state)
{
	const struct inner_range in[] = { { BASE + P, BASE + 3 * P, INNER_HEAP },
					  { BASE + 4 * P, BASE + 5 * P, INNER_POOLED },
					  { BASE + 6 * P, BASE + 7 * P, INNER_RUNTIME } };
	struct world *w = *state;
	struct snapshot *s;

	one_vma(w, BASE, BASE + 10 * P, VMA_ANON);
	world_mmap(w, 4, 0, BASE + 2 * P, 6 * P);
	assert_int_equal(model_set_inner(w->m, PID, in, 3, NULL, NULL, 0), 0);
	for (int i = 0; i < 2; i++) { /* of the last look, not of all */
		measure(w);
		s = world_snapshot(w);
		assert_int_equal(world_find(s, 4)->managed_bytes, 2 * P);
		assert_int_equal(world_find(s, 4)->live_bytes, 6 * P);
		snapshot_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(kinds_of_lines_decide_first),
		WORLD_TEST(lines_are_split_at_mappings),
		WORLD_TEST(what_nobody_was_seen_to_map_is_other),
		WORLD_TEST(a_mapping_without_a_site_is_other),
		WORLD_TEST(the_heap_is_the_allocators),
		WORLD_TEST(the_break_of_a_known_site_is_that_site_s),
		WORLD_TEST(a_mapping_made_by_an_allocator_is_the_allocators),
		WORLD_TEST(a_mapping_that_turns_out_an_allocators_is_no_sites),
		WORLD_TEST(memory_of_before_is_the_allocators_once_it_serves_from_there),
		WORLD_TEST(a_region_ends_after_two_megabytes),
		WORLD_TEST(a_neighbour_in_the_same_piece_does_not_take_a_site_s_mapping),
		WORLD_TEST(a_site_s_mapping_is_an_allocator_s_when_a_whole_piece_of_it_serves),
		WORLD_TEST(a_range_with_a_stack_pointer_is_a_stack),
		WORLD_TEST(at_attach_counts_what_proves_to_be_an_allocator_s_later),
		WORLD_TEST(at_attach_ignores_allocators_that_came_to_the_same_place),
		WORLD_TEST(residency_of_ranges_nobody_asked_for_is_refused),
		WORLD_TEST(ranges_may_reach_the_ends_of_the_address_space),
		WORLD_TEST(what_a_runtime_says_splits_lines_and_leaves_external_memory),
		WORLD_TEST(a_buffer_is_a_mapping_of_its_own_or_the_allocators),
		WORLD_TEST(the_break_is_the_arena_s_to_its_end),
		WORLD_TEST(facts_from_inside_are_of_one_program),
		WORLD_TEST(what_was_mapped_for_the_heap_is_told_of_its_site),
	};

	return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
