/* The process without sites: what its curve may say, and memory whose end is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "analyse/whole.h"

/* A process watched for 600 s that grew by 100 kB/s, as growth.h thinks of it. */
struct scene {
	double external[ROBUST_GRID];
	struct growth_opinion growth;
	struct whole_input in;
};

static void make_scene(struct scene *s, enum growth_verdict verdict)
{
	*s = (struct scene){
		.growth = { .verdict = verdict,
			    .leak_probability = 0.97,
			    .since_s = NAN,
			    .known_in_s = verdict == GROWTH_LEAK ? NAN : 120,
			    .shape = { .pattern = PATTERN_LINEAR,
				       .growth_per_s = 100e3,
				       .growth_low_per_s = 90e3,
				       .growth_high_per_s = 110e3,
				       .total_growth = 60e6,
				       .end_s = 600 } },
	};
	for (size_t i = 0; i < ROBUST_GRID; i++)
		s->external[i] =
			50e6 + 60e6 * (double)i / (ROBUST_GRID - 1) + 1e5 * sin(12.9 * (double)i);
	s->in = (struct whole_input){ .growth = &s->growth, .external = s->external, .now_s = 600 };
}

static struct whole judge(const struct scene *s)
{
	struct whole_cfg cfg = whole_defaults();

	return whole_judge(&cfg, &s->in);
}

static void growth_that_lasted_is_a_leak_with_little_confidence(void **state)
{
	struct scene s;
	struct whole w;

	(void)state;
	make_scene(&s, GROWTH_LEAK);
	w = judge(&s);
	assert_int_equal(w.kind, WHOLE_LEAK);
	assert_true(w.s.confidence == 0.8);
	assert_int_equal(w.s.pattern, PATTERN_LINEAR);
	assert_true(w.s.bytes_per_s == 100e3 && w.s.low_per_s == 90e3 && w.s.window_s == 600);
	s.in.heap_traced = true;
	assert_int_equal(judge(&s).kind, WHOLE_LEAK);
	s.growth.leak_probability = 0.94; /* and no allocation seen leaks */
	assert_int_equal(judge(&s).kind, WHOLE_GROWS);
}

static void growth_that_sites_or_mappings_explain_is_not_told_twice(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, GROWTH_LEAK);
	s.in.explained_per_s = 60e3;
	assert_int_equal(judge(&s).kind, WHOLE_QUIET);
	s.in.explained_per_s = 0;
	s.in.bounded_per_s = 100e3;
	assert_int_equal(judge(&s).kind, WHOLE_QUIET);
	s.in.bounded_per_s = 20e3;
	assert_int_equal(judge(&s).kind, WHOLE_LEAK);
}

static void suspicion_keeps_the_verdict_open_until_it_is_known(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, GROWTH_SUSPECT);
	assert_int_equal(judge(&s).kind, WHOLE_GROWS);
	assert_true(judge(&s).known_in_s == 120);
	s.growth.verdict = GROWTH_NONE;
	assert_int_equal(judge(&s).kind, WHOLE_QUIET);
	s.in.growth = NULL;
	s.in.now_s = 20;
	assert_int_equal(judge(&s).kind, WHOLE_GROWS);
	assert_true(judge(&s).known_in_s == 40);
	s.in.external = NULL;
	assert_int_equal(judge(&s).kind, WHOLE_QUIET);
}

static void a_step_keeps_it_open_only_where_sites_are_not_known(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, GROWTH_TOO_SHORT);
	for (size_t i = 0; i < ROBUST_GRID; i++)
		s.external[i] = i < 70 ? 50e6 : 55e6;
	assert_int_equal(judge(&s).kind, WHOLE_GROWS);
	s.in.heap_traced = true;
	assert_int_equal(judge(&s).kind, WHOLE_QUIET);
}

static void a_leak_of_a_few_pages_is_none(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, GROWTH_LEAK);
	s.growth.shape.total_growth = 900e3;
	assert_int_equal(judge(&s).kind, WHOLE_GROWS);
}

static void memory_that_fills_older_mappings_is_bounded(void **state)
{
	struct snap_range ranges[] = {
		{ .start = 0, .end = 1 << 30, .resident_bytes = 1 << 20, .use = RANGE_SHM },
		{ .start = 2u << 30, .end = 3u << 30, .resident_bytes = 5, .use = RANGE_FILE },
		{ .start = 5, .end = 4, .resident_bytes = FACT_UNKNOWN, .use = 77 },
	};
	struct snapshot snap = { .residency_known = true, .ranges = ranges, .range_count = 3 };
	struct whole_reserve r = {};
	bool bounded[CLASS_MAX];

	(void)state;
	whole_find_bounded(&r, &snap, NAN, bounded);
	assert_false(bounded[CLASS_shared_memory]);
	ranges[0].resident_bytes = 200 << 20;
	whole_find_bounded(&r, &snap, NAN, bounded);
	assert_true(bounded[CLASS_shared_memory]);
	assert_false(bounded[CLASS_mapped_files] || bounded[CLASS_application]);
	ranges[1].end += 300 << 20; /* files are mapped as fast as they are read */
	ranges[1].resident_bytes = 300 << 20;
	whole_find_bounded(&r, &snap, NAN, bounded);
	assert_false(bounded[CLASS_mapped_files]);
	snap.residency_known = false;
	whole_find_bounded(&r, &snap, NAN, bounded);
	assert_false(bounded[CLASS_shared_memory]);
}

static void what_heaps_from_before_gain_is_bounded_though_unexplained(void **state)
{
	struct snap_range heap = { 0, 1 << 30, 1 << 20, 0, RANGE_BEFORE };
	struct snapshot snap = { .residency_known = true, .ranges = &heap, .range_count = 1 };
	struct whole_reserve r = { .known = false };
	bool bounded[CLASS_MAX];

	(void)state;
	whole_find_bounded(&r, &snap, 1e6, bounded);
	assert_false(bounded[CLASS_unexplained]);
	heap.resident_bytes += 80 << 20;
	whole_find_bounded(&r, &snap, 90e6, bounded);
	assert_true(bounded[CLASS_unexplained]);
	whole_find_bounded(&r, &snap, 300e6, bounded); /* most of it came with something else */
	assert_false(bounded[CLASS_unexplained]);
	heap.end += 80 << 20; /* it is no reserve any more */
	whole_find_bounded(&r, &snap, 90e6, bounded);
	assert_false(bounded[CLASS_unexplained]);
	whole_find_bounded(&r, &snap, NAN, bounded);
	assert_false(bounded[CLASS_unexplained]);
}

static void memory_that_a_walk_found_free_is_bounded(void **state)
{
	struct inner_allocator walked = { .name = "glibc" };
	struct snapshot snap = { .residency_known = true };
	struct whole_reserve r = { .known = false };
	bool bounded[CLASS_MAX];

	(void)state;
	whole_find_bounded(&r, &snap, NAN, bounded);
	assert_false(bounded[CLASS_allocator_slack]);
	snap.allocator = &walked;
	whole_find_bounded(&r, &snap, NAN, bounded);
	assert_false(bounded[CLASS_allocator_slack]);
	walked.known.how = "chunks";
	whole_find_bounded(&r, &snap, NAN, bounded);
	assert_true(bounded[CLASS_allocator_slack]);
	assert_false(bounded[CLASS_preexisting]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_that_lasted_is_a_leak_with_little_confidence),
		cmocka_unit_test(growth_that_sites_or_mappings_explain_is_not_told_twice),
		cmocka_unit_test(suspicion_keeps_the_verdict_open_until_it_is_known),
		cmocka_unit_test(a_step_keeps_it_open_only_where_sites_are_not_known),
		cmocka_unit_test(a_leak_of_a_few_pages_is_none),
		cmocka_unit_test(memory_that_fills_older_mappings_is_bounded),
		cmocka_unit_test(what_heaps_from_before_gain_is_bounded_though_unexplained),
		cmocka_unit_test(memory_that_a_walk_found_free_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
