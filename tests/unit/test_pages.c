/* The page-fault tier in the model: pages by who touched them first, as the page tables find them.
 */
#include "model_world.h"

#include <errno.h>

#include "model/pages.h"

#define HEAP 0x1000000ull
#define FILE_AT (BASE + 0x40000000ull)

static void see_map(struct world *w)
{
	const struct vma v[] = {
		world_vma(CODE, CODE + 16 * P, VMA_FILE, "/bin/prog"),
		world_vma(HEAP, HEAP + 1024 * P, VMA_HEAP, "[heap]"),
		world_vma(BASE, BASE + 4096 * P, VMA_ANON, ""),
		world_vma(FILE_AT, FILE_AT + 1024 * P, VMA_FILE, ""),
	};
	struct residency *r;
	size_t n;

	world_vmas(w, v, sizeof(v) / sizeof(v[0]));
	assert_int_equal(model_ranges(w->m, PID, &r, &n), 0);
	for (size_t i = 0; i < n; i++)
		r[i].resident_bytes = r[i].swapped_bytes = 0;
	assert_int_equal(model_set_residency(w->m, PID, r, n), 0);
}

static void fault(struct world *w, uint32_t site, uint64_t addr, uint16_t flags,
		  uint16_t weight_log2)
{
	struct event ev = { .fault = { .addr = addr,
				       .asid = ASID,
				       .site = site,
				       .flags = flags,
				       .weight_log2 = weight_log2 } };

	world_apply(w, &ev, MT_KIND_fault);
}

#define WRITE MT_FAULTF_WRITE

/* What the page tables say of every page that is asked for: all of it is there. */
struct found {
	uint64_t resident, swapped, huge;
};
static const struct found there = { UINT64_MAX, 0, FACT_UNKNOWN };
static const struct found nothing = { 0, 0, 0 };

static size_t look(struct world *w, const struct found *found)
{
	struct residency *r;
	unsigned int skip;
	size_t n;

	assert_int_equal(model_pages(w->m, PID, &r, &n, &skip), 0);
	for (size_t i = 0; i < n; i++) {
		uint64_t bytes = r[i].end - r[i].start;

		assert_true(i == 0 || r[i].start >= r[i - 1].end);
		r[i].resident_bytes = found->resident < bytes ? found->resident : bytes;
		if (found->resident == FACT_UNKNOWN - 1)
			r[i].resident_bytes = FACT_UNKNOWN;
		r[i].swapped_bytes = found->swapped < bytes ? found->swapped : bytes;
		if (found->resident == FACT_UNKNOWN - 1)
			r[i].swapped_bytes = FACT_UNKNOWN;
		r[i].huge_bytes = found->huge;
	}
	w->now += SEC;
	assert_int_equal(model_set_pages(w->m, PID, r, n, w->now), 0);
	return n;
}

/* Figures of one site, copied: zeros when the snapshot has none. */
static struct snap_site figures(struct world *w, uint32_t site)
{
	struct snapshot *s = world_snapshot(w);
	const struct snap_site *found = world_find(s, site);
	struct snap_site copy = found ? *found : (struct snap_site){};

	snapshot_free(s);
	return copy;
}

static void begin(struct world *w)
{
	see_map(w);
	world_site(w, 1, MT_SITE_FAULT, CODE, 3);
	world_site(w, 2, MT_SITE_FAULT, CODE + 100, 3);
}

static void a_page_counts_when_it_was_found(void **state)
{
	struct world *w = *state;

	begin(w);
	fault(w, 1, BASE + 5 * P + 17, WRITE, 0);
	assert_int_equal(figures(w, 1).live_count, 0);
	look(w, &there);
	assert_int_equal(figures(w, 1).live_count, 1);
	assert_int_equal(figures(w, 1).live_bytes, P);
	assert_int_equal(figures(w, 1).kind, MT_SITE_MMAP);
	assert_int_equal(figures(w, 1).touched, TOUCHED_ANON);
	assert_int_equal(figures(w, 1).unplaced_bytes, P);
}

static void the_heap_is_told_from_mappings(void **state)
{
	struct world *w = *state;

	begin(w);
	fault(w, 1, HEAP + P, WRITE, 0);
	look(w, &there);
	assert_int_equal(figures(w, 1).kind, MT_SITE_HEAP);
	assert_int_equal(figures(w, 1).touched, TOUCHED_HEAP);
}

static void a_page_stands_for_those_that_were_skipped(void **state)
{
	struct world *w = *state;

	begin(w);
	fault(w, 1, BASE, WRITE, 3);
	look(w, &there);
	assert_int_equal(figures(w, 1).live_count, 8);
	assert_int_equal(figures(w, 1).live_bytes, 8 * P);
	look(w, &nothing);
	assert_int_equal(figures(w, 1).live_count, 0);
	assert_int_equal(figures(w, 1).freed_count, 8);
	assert_int_equal(figures(w, 1).unplaced_bytes, 0);
}

static void what_is_given_back_does_not_gather(void **state)
{
	struct world *w = *state;

	begin(w);
	for (int i = 0; i < 10; i++) {
		fault(w, 1, BASE + i * P, WRITE, 0);
		look(w, i % 2 ? &nothing : &there);
	}
	assert_int_equal(figures(w, 1).live_count, 0);
	assert_int_equal(figures(w, 1).allocated_count, 5);
	assert_int_equal(figures(w, 1).freed_count, 5);
}

static void a_page_touched_again_is_whose_code_did_it_last(void **state)
{
	struct world *w = *state;

	begin(w);
	fault(w, 1, BASE, WRITE, 0);
	look(w, &there);
	fault(w, 2, BASE, WRITE, 0);
	assert_int_equal(look(w, &there), 1);
	assert_int_equal(figures(w, 1).live_count, 0);
	assert_int_equal(figures(w, 1).freed_count, 1);
	assert_int_equal(figures(w, 2).live_count, 1);
}

static void swapped_pages_are_still_held(void **state)
{
	static const struct found swapped = { 0, P, 0 };
	struct world *w = *state;

	begin(w);
	fault(w, 1, BASE, WRITE, 0);
	look(w, &swapped);
	look(w, &swapped);
	assert_int_equal(figures(w, 1).live_bytes, P);
}

static void what_could_not_be_read_changes_nothing(void **state)
{
	static const struct found unknown = { FACT_UNKNOWN - 1, 0, FACT_UNKNOWN };
	struct world *w = *state;

	begin(w);
	fault(w, 1, BASE, WRITE, 0);
	look(w, &there);
	look(w, &unknown);
	assert_int_equal(figures(w, 1).live_bytes, P);
}

static void a_huge_page_is_as_large_as_it_is(void **state)
{
	static const struct found huge = { P, 0, P };
	struct world *w = *state;

	begin(w);
	fault(w, 1, BASE, WRITE, 0);
	look(w, &huge);
	assert_int_equal(figures(w, 1).live_bytes, PAGES_HUGE_BYTES);
	assert_int_equal(figures(w, 1).live_count, 1);
}

static void around_a_page_of_a_file_that_was_read_some_are_mapped(void **state)
{
	static const struct found some = { 5 * P, 0, 0 };
	struct world *w = *state;

	begin(w);
	fault(w, 1, FILE_AT + 3 * P, 0, 0);
	look(w, &some);
	assert_int_equal(figures(w, 1).live_bytes, 5 * P);
	assert_int_equal(figures(w, 1).touched, TOUCHED_FILE);
	assert_int_equal(figures(w, 1).unplaced_bytes, 0); /* the class of the file has it */
	fault(w, 2, FILE_AT + P, WRITE, 0);
	look(w, &there);
	assert_int_equal(figures(w, 1).live_bytes, 0);
	assert_int_equal(figures(w, 2).live_bytes, P);
}

static void anonymous_memory_that_is_only_read_holds_nothing(void **state)
{
	struct world *w = *state;

	begin(w);
	fault(w, 1, BASE, 0, 0);
	fault(w, 1, HEAP, 0, 0);
	look(w, &there);
	assert_int_equal(figures(w, 1).allocated_count, 0);
}

static void code_and_what_lies_nowhere_are_of_no_interest(void **state)
{
	struct world *w = *state;

	begin(w);
	fault(w, 1, CODE, WRITE, 0);
	fault(w, 1, 0x123000, WRITE, 0);
	fault(w, 1, UINT64_MAX, WRITE, 20);
	look(w, &there);
	assert_int_equal(figures(w, 1).allocated_count, 0);
	w->now += 20 * SEC;
	look(w, &there);
	assert_int_equal(look(w, &there), 0); /* forgotten */
}

static void a_mapping_just_made_is_its_makers(void **state)
{
	struct world *w = *state;

	begin(w);
	world_site(w, 3, MT_SITE_MMAP, CODE + 200, 3);
	world_mmap(w, 3, 0, BASE + 16 * P, 16 * P);
	see_map(w);
	fault(w, 1, BASE + 16 * P, WRITE, 0);
	look(w, &there);
	assert_int_equal(figures(w, 1).allocated_count, 0);
	w->now += 60 * SEC; /* an arena that fills up later is filled by somebody */
	fault(w, 1, BASE + 17 * P, WRITE, 0);
	look(w, &there);
	assert_int_equal(figures(w, 1).live_bytes, P);
	assert_int_equal(figures(w, 1).unplaced_bytes, 0); /* its maker's class has it */
}

static void where_allocations_are_recorded_it_is_not_told(void **state)
{
	struct world *w = *state;

	begin(w);
	fault(w, 1, BASE, WRITE, 0);
	look(w, &there);
	model_set_heap_traced(w->m, PID, true);
	assert_int_equal(figures(w, 1).live_bytes, 0);
	model_set_heap_traced(w->m, PID, false);
	assert_int_equal(figures(w, 1).live_bytes, P);
}

static void faults_of_other_sites_and_of_none_are_ignored(void **state)
{
	struct world *w = *state;

	begin(w);
	world_site(w, 3, MT_SITE_HEAP, CODE + 200, 3);
	fault(w, 3, BASE, WRITE, 0);
	fault(w, MT_SITE_NONE, BASE + P, WRITE, 0);
	assert_int_equal(look(w, &there), 0);
}

static void another_answer_than_was_asked_for_is_refused(void **state)
{
	struct world *w = *state;
	struct residency *r;
	unsigned int skip;
	size_t n;

	begin(w);
	fault(w, 1, BASE, WRITE, 0);
	fault(w, 1, BASE + P, WRITE, 0);
	assert_int_equal(model_pages(w->m, PID, &r, &n, &skip), 0);
	assert_int_equal(n, 2);
	assert_int_equal(model_set_pages(w->m, PID, r, 1, w->now), -EINVAL);
	r[1].start += P;
	assert_int_equal(model_set_pages(w->m, PID, r, 2, w->now), -EINVAL);
	r[1].start -= P;
	fault(w, 2, BASE + 2 * P, WRITE, 0); /* meanwhile */
	assert_int_equal(model_set_pages(w->m, PID, r, 2, w->now), 0);
	assert_int_equal(look(w, &there), 3);
}

static void the_table_is_bounded_and_asks_for_less(void **state)
{
	struct site site = {};
	struct pages *t;

	(void)state;
	assert_int_equal(pages_new(64, P, &t), 0);
	for (uint64_t i = 0; i < 100; i++) {
		struct page_touch touch = { .addr = i * P, .write = true, .site = &site };

		assert_int_equal(pages_add(t, &touch), 0);
		if (i == 30)
			assert_int_equal(pages_wanted_skip(t), 0);
		if (i == 40)
			assert_int_equal(pages_wanted_skip(t), 1);
		if (i == 55)
			assert_int_equal(pages_wanted_skip(t), 2);
	}
	assert_int_equal(pages_count(t), 64);
	assert_int_equal(pages_refused(t), 36);
	assert_true(pages_wanted_skip(t) <= MT_FAULT_SKIP_MAX);
	pages_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_page_counts_when_it_was_found),
		WORLD_TEST(the_heap_is_told_from_mappings),
		WORLD_TEST(a_page_stands_for_those_that_were_skipped),
		WORLD_TEST(what_is_given_back_does_not_gather),
		WORLD_TEST(a_page_touched_again_is_whose_code_did_it_last),
		WORLD_TEST(swapped_pages_are_still_held),
		WORLD_TEST(what_could_not_be_read_changes_nothing),
		WORLD_TEST(a_huge_page_is_as_large_as_it_is),
		WORLD_TEST(around_a_page_of_a_file_that_was_read_some_are_mapped),
		WORLD_TEST(anonymous_memory_that_is_only_read_holds_nothing),
		WORLD_TEST(code_and_what_lies_nowhere_are_of_no_interest),
		WORLD_TEST(a_mapping_just_made_is_its_makers),
		WORLD_TEST(where_allocations_are_recorded_it_is_not_told),
		WORLD_TEST(faults_of_other_sites_and_of_none_are_ignored),
		WORLD_TEST(another_answer_than_was_asked_for_is_refused),
		WORLD_TEST(the_table_is_bounded_and_asks_for_less),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
