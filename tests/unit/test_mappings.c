/* Mappings: who holds which addresses after mmap, munmap, mremap and brk, whole and in part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/mappings.h"

#define SEC 1000000000ull
#define P 4096ull
#define AT(n) (0x7f0000000000ull + (n)*P)
#define LIMIT 1000

struct fixture {
	struct mappings *m;
	struct site a, b;
};

static int setup(void **state)
{
	struct mappings_cfg cfg = { LIMIT, P };
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f ? mappings_new(&cfg, &f->m) : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	mappings_free(f->m);
	free(f);
	return 0;
}

static void map(struct fixture *f, struct site *s, uint64_t page, uint64_t pages, uint64_t now)
{
	assert_int_equal(mappings_map(f->m, AT(page), pages * P, true, s, 0, now), 0);
}

static void unmap(struct fixture *f, uint64_t page, uint64_t pages, uint64_t now)
{
	assert_int_equal(mappings_unmap(f->m, 1, AT(page), pages * P, now), 0);
}

static void remap(struct fixture *f, uint64_t old, uint64_t old_n, uint64_t new, uint64_t new_n)
{
	struct remap r = { AT(old), old_n * P, AT(new), new_n * P, false, &f->b, 0 };

	assert_int_equal(mappings_remap(f->m, 1, &r, 9 * SEC), 0);
}

static void expect_live(const struct site *s, uint64_t pages, uint64_t count)
{
	assert_int_equal(site_live_bytes(s), pages * P);
	assert_int_equal(site_live_count(s), count);
}

static struct site *owner(struct fixture *f, uint64_t page)
{
	struct mapping m;

	if (!mappings_next(f->m, AT(page), &m) || m.start > AT(page))
		return NULL;
	return m.site;
}

static void a_mapping_counts_for_its_site_until_it_is_unmapped(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 4, 1 * SEC);
	expect_live(&f->a, 4, 1);
	unmap(f, 0, 4, 6 * SEC);
	expect_live(&f->a, 0, 0);
	assert_int_equal(f->a.freed_by_age[3], 1);
	assert_int_equal(mappings_count(f->m), 0);
}

static void lengths_are_rounded_up_to_pages(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mappings_map(f->m, AT(0), 1, true, &f->a, 0, 1), 0);
	expect_live(&f->a, 1, 1);
}

static void unmapping_the_middle_leaves_one_mapping_in_two_pieces(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 10, 1);
	unmap(f, 3, 4, 2);
	expect_live(&f->a, 6, 1);
	assert_int_equal(mappings_count(f->m), 2);
	assert_null(owner(f, 3));
	assert_ptr_equal(owner(f, 7), &f->a);
	unmap(f, 0, 3, 3);
	expect_live(&f->a, 3, 1);
	unmap(f, 7, 3, 4);
	expect_live(&f->a, 0, 0);
}

static void unmapping_may_span_mappings_of_several_sites(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 4, 1);
	map(f, &f->b, 4, 4, 1);
	unmap(f, 2, 4, 2);
	expect_live(&f->a, 2, 1);
	expect_live(&f->b, 2, 1);
	unmap(f, 0, 100, 3);
	expect_live(&f->a, 0, 0);
	expect_live(&f->b, 0, 0);
}

static void mapping_over_another_replaces_that_part(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 10, 1);
	map(f, &f->b, 2, 3, 2);
	expect_live(&f->a, 7, 1);
	expect_live(&f->b, 3, 1);
	assert_ptr_equal(owner(f, 2), &f->b);
	assert_ptr_equal(owner(f, 5), &f->a);
}

static void a_file_mapped_over_it_only_replaces(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 4, 1);
	assert_int_equal(mappings_map(f->m, AT(1), P, false, &f->b, 0, 2), 0);
	expect_live(&f->a, 3, 1);
	expect_live(&f->b, 0, 0);
	assert_null(owner(f, 1));
}

static void a_mapping_of_an_allocator_is_no_site_s(void **state)
{
	struct fixture *f = *state;
	struct mapping m;

	assert_int_equal(mappings_map(f->m, AT(0), P, true, NULL, MAPPED_IN_ALLOCATOR, 1), 0);
	assert_true(mappings_next(f->m, 0, &m));
	assert_int_equal(m.flags, MAPPED_IN_ALLOCATOR);
	assert_null(m.site);
	unmap(f, 0, 1, 2);
}

static void a_failed_unmapping_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct site a, b;

	map(f, &f->a, 0, 10, 1 * SEC);
	map(f, &f->b, 20, 2, 1 * SEC);
	a = f->a;
	b = f->b;
	unmap(f, 5, 20, 4 * SEC);
	expect_live(&f->a, 5, 1);
	expect_live(&f->b, 0, 0);
	mappings_undo(f->m, 1);
	assert_memory_equal(&f->a, &a, sizeof(a));
	assert_memory_equal(&f->b, &b, sizeof(b));
	assert_ptr_equal(owner(f, 7), &f->a);
	assert_ptr_equal(owner(f, 20), &f->b);
}

static void what_was_mapped_meanwhile_outlives_a_failed_unmapping(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 4, 1);
	unmap(f, 0, 4, 2);
	map(f, &f->b, 1, 1, 3);
	mappings_undo(f->m, 1);
	assert_ptr_equal(owner(f, 0), &f->a);
	assert_ptr_equal(owner(f, 1), &f->b);
	expect_live(&f->a, 3, 1);
	expect_live(&f->b, 1, 1);
}

static void a_failure_takes_back_only_its_own_thread_s_call(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 4, 1);
	mappings_unmap(f->m, 7, AT(0), P, 2);
	mappings_unmap(f->m, 8, AT(1), P, 2);
	mappings_undo(f->m, 8);
	assert_null(owner(f, 0));
	assert_ptr_equal(owner(f, 1), &f->a);
	mappings_settle(f->m, 60 * SEC);
	mappings_undo(f->m, 7);
	assert_null(owner(f, 0));
}

static void an_unaligned_unmapping_is_refused_like_in_the_kernel(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 4, 1);
	mappings_unmap(f->m, 1, AT(0) + 1, P, 2);
	expect_live(&f->a, 4, 1);
}

static void growing_in_place_adds_bytes_to_the_same_block(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 4, 1);
	remap(f, 0, 4, 0, 9);
	expect_live(&f->a, 9, 1);
	assert_int_equal(f->a.alloc_count, 1);
	assert_int_equal(mappings_count(f->m), 1);
	assert_int_equal(f->b.alloc_count, 0);
}

static void shrinking_in_place_gives_back_the_tail(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 9, 1);
	remap(f, 0, 9, 0, 4);
	expect_live(&f->a, 4, 1);
	assert_null(owner(f, 4));
}

static void moving_keeps_the_site_and_the_age(void **state)
{
	struct fixture *f = *state;
	struct mapping m;

	map(f, &f->a, 0, 4, 3 * SEC);
	remap(f, 0, 4, 100, 8);
	expect_live(&f->a, 8, 1);
	assert_null(owner(f, 0));
	assert_true(mappings_next(f->m, AT(100), &m));
	assert_int_equal(m.start, AT(100));
	assert_int_equal(m.end, AT(108));
	assert_int_equal(m.born_ns, 3 * SEC);
	assert_int_equal(f->a.free_count, 0);
}

static void moving_and_shrinking_drops_the_tail_only(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 8, 1);
	remap(f, 0, 8, 100, 3);
	expect_live(&f->a, 3, 1);
	assert_ptr_equal(owner(f, 102), &f->a);
	assert_null(owner(f, 103));
}

static void moving_part_of_a_mapping_leaves_the_rest(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 8, 1);
	remap(f, 2, 4, 100, 4);
	expect_live(&f->a, 8, 1);
	assert_ptr_equal(owner(f, 1), &f->a);
	assert_null(owner(f, 2));
	assert_ptr_equal(owner(f, 6), &f->a);
	assert_ptr_equal(owner(f, 100), &f->a);
}

static void moving_onto_a_mapping_replaces_it(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 4, 1);
	map(f, &f->b, 100, 8, 1);
	remap(f, 0, 4, 102, 4);
	expect_live(&f->a, 4, 1);
	expect_live(&f->b, 4, 1);
}

static void what_another_thread_was_given_meanwhile_does_not_move(void **state)
{
	struct fixture *f = *state;
	struct remap r = { AT(0), 4 * P, AT(100), 4 * P, false, &f->b, 0 };

	map(f, &f->a, 0, 4, 1);
	mappings_remap_begin(f->m, 1, 2);
	map(f, &f->b, 0, 2, 3); /* the old place was free again before the end was reported */
	assert_int_equal(mappings_remap(f->m, 1, &r, 4), 0);
	assert_ptr_equal(owner(f, 0), &f->b);
	assert_ptr_equal(owner(f, 102), &f->a);
	expect_live(&f->b, 2, 1);
}

static void a_failed_remapping_changes_nothing(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 4, 1);
	mappings_remap_begin(f->m, 1, 2);
	mappings_undo(f->m, 1);
	expect_live(&f->a, 4, 1);
}

static void a_move_that_keeps_the_old_place_makes_a_second_mapping(void **state)
{
	struct fixture *f = *state;
	struct remap r = { AT(0), 4 * P, AT(100), 4 * P, true, &f->b, 0 };

	map(f, &f->a, 0, 4, 1);
	assert_int_equal(mappings_remap(f->m, 1, &r, 4), 0);
	expect_live(&f->a, 4, 1);
	expect_live(&f->b, 4, 1);
}

static void moving_what_is_not_known_makes_nothing_up(void **state)
{
	struct fixture *f = *state;

	remap(f, 0, 4, 100, 8);
	assert_int_equal(mappings_count(f->m), 0);
}

static void the_break_grows_and_shrinks_as_one_interval(void **state)
{
	struct fixture *f = *state;

	mappings_break(f->m, AT(0), &f->a, 0, 1);
	expect_live(&f->a, 0, 0);
	mappings_break(f->m, AT(4), &f->a, 0, 2);
	mappings_break(f->m, AT(9), &f->a, 0, 3);
	expect_live(&f->a, 9, 1);
	assert_int_equal(mappings_count(f->m), 1);
	mappings_break(f->m, AT(2), &f->a, 0, 4);
	expect_live(&f->a, 2, 1);
	mappings_break(f->m, AT(0), &f->a, 0, 5);
	expect_live(&f->a, 0, 0);
}

static void a_failing_break_changes_nothing(void **state)
{
	struct fixture *f = *state;

	mappings_break(f->m, AT(0), &f->a, 0, 1);
	mappings_break(f->m, AT(4), &f->a, 0, 2);
	mappings_break(f->m, AT(4), &f->b, 0, 3); /* the old break is the answer */
	expect_live(&f->a, 4, 1);
	expect_live(&f->b, 0, 0);
}

static void each_site_holds_what_it_raised_the_break_by(void **state)
{
	struct fixture *f = *state;

	mappings_break(f->m, AT(0), &f->a, 0, 1);
	mappings_break(f->m, AT(4), &f->a, 0, 2);
	mappings_break(f->m, AT(6), &f->b, 0, 3);
	expect_live(&f->a, 4, 1);
	expect_live(&f->b, 2, 1);
	mappings_break(f->m, AT(3), &f->b, 0, 4);
	expect_live(&f->a, 3, 1);
	expect_live(&f->b, 0, 0);
}

static void an_older_reading_of_the_break_does_not_beat_an_event(void **state)
{
	struct fixture *f = *state;

	mappings_set_break(f->m, AT(2), 1);
	mappings_break(f->m, AT(8), &f->a, 0, 5);
	mappings_set_break(f->m, AT(2), 4);
	mappings_break(f->m, AT(9), &f->b, 0, 6);
	expect_live(&f->a, 6, 1);
	expect_live(&f->b, 1, 1);
}

static void what_was_there_before_fills_only_the_gaps(void **state)
{
	struct fixture *f = *state;
	struct mapping m;

	map(f, &f->a, 2, 2, 1);
	assert_int_equal(mappings_add_before(f->m, AT(0), AT(10), 5), 0);
	expect_live(&f->a, 2, 1);
	assert_int_equal(mappings_count(f->m), 3);
	assert_true(mappings_next(f->m, AT(4), &m));
	assert_int_equal(m.flags, MAPPED_BEFORE);
	assert_int_equal(m.end, AT(10));
}

static void only_what_is_older_than_the_reading_is_dropped(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 2, 10);
	map(f, &f->b, 4, 2, 30);
	mappings_drop(f->m, 0, UINT64_MAX, 20);
	expect_live(&f->a, 0, 0);
	expect_live(&f->b, 2, 1);
}

static void a_full_table_refuses_and_counts(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 0; i < LIMIT + 5; i++)
		map(f, i % 2 ? &f->a : &f->b, i, 1, 1);
	assert_int_equal(mappings_count(f->m), LIMIT);
	assert_int_equal(mappings_refused(f->m), 5);
	assert_int_equal(site_live_count(&f->a) + site_live_count(&f->b), LIMIT);
}

static void cutting_a_full_table_loses_the_rest_and_counts(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 5000, 10, 1);
	for (uint64_t i = 1; i < LIMIT; i++)
		map(f, &f->b, 2 * i, 1, 1);
	unmap(f, 5003, 1, 2);
	expect_live(&f->a, 3, 1);
	assert_int_equal(mappings_refused(f->m), 1);
}

static void lengths_beyond_the_address_space_do_no_harm(void **state)
{
	struct fixture *f = *state;
	struct remap r = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, false, &f->a, 0 };

	map(f, &f->a, 0, 2, 1);
	mappings_map(f->m, UINT64_MAX - P, UINT64_MAX, true, &f->b, 0, 1);
	mappings_map(f->m, AT(9), 0, true, &f->b, 0, 1);
	mappings_remap(f->m, 1, &r, 2);
	r = (struct remap){ AT(0), UINT64_MAX, AT(50), UINT64_MAX, false, &f->a, 0 };
	mappings_remap(f->m, 1, &r, 3);
	r = (struct remap){ 0, 0, 0, 0, false, &f->a, 0 };
	mappings_remap(f->m, 1, &r, 3);
	mappings_break(f->m, UINT64_MAX, &f->a, 0, 4);
	mappings_break(f->m, 0, &f->a, 0, 5);
	mappings_break(f->m, UINT64_MAX, &f->a, 0, 6);
	mappings_unmap(f->m, 1, 0, UINT64_MAX, 7);
	expect_live(&f->a, 0, 0);
	expect_live(&f->b, 0, 0);
	assert_int_equal(mappings_count(f->m), 0);
}

static void ages_are_those_of_the_blocks(void **state)
{
	struct fixture *f = *state;

	map(f, &f->a, 0, 1, 1 * SEC);
	map(f, &f->a, 1, 1, 8 * SEC);
	mappings_add_ages(f->m, 9 * SEC);
	assert_int_equal(f->a.live_by_age[4], 1);
	assert_int_equal(f->a.live_by_age[1], 1);
}

/* Random calls against one owner per page. */
static void intervals_agree_with_a_table_of_pages(void **state)
{
	enum { PAGES = 300 };
	struct fixture *f = *state;
	struct site *page[PAGES] = {}, *site[2] = { &f->a, &f->b };

	srand(7);
	for (int step = 0; step < 20000; step++) {
		uint64_t at = rand() % PAGES, n = 1 + rand() % 20, to = rand() % PAGES,
			 pages[2] = {};
		struct site *s = site[rand() % 2];

		n = at + n > PAGES ? PAGES - at : n;
		to = to + n > PAGES ? PAGES - n : to;
		switch (rand() % 4) {
		case 0:
			map(f, s, at, n, 1 + step);
			for (uint64_t i = 0; i < n; i++)
				page[at + i] = s;
			break;
		case 1:
			unmap(f, at, n, 1 + step);
			memset(page + at, 0, n * sizeof(*page));
			break;
		case 2:
			unmap(f, at, n, 1 + step);
			mappings_undo(f->m, 1);
			break;
		case 3:
			if (at + n > to && to + n > at)
				break; /* the kernel refuses overlap */
			remap(f, at, n, to, n);
			memcpy(page + to, page + at, n * sizeof(*page));
			memset(page + at, 0, n * sizeof(*page));
			break;
		}
		for (uint64_t i = 0; i < PAGES; i++) {
			assert_ptr_equal(owner(f, i), page[i]);
			pages[0] += page[i] == &f->a;
			pages[1] += page[i] == &f->b;
		}
		assert_int_equal(site_live_bytes(&f->a), pages[0] * P);
		assert_int_equal(site_live_bytes(&f->b), pages[1] * P);
		assert_true((site_live_count(&f->a) == 0) == (pages[0] == 0));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_mapping_counts_for_its_site_until_it_is_unmapped),
		TEST(lengths_are_rounded_up_to_pages),
		TEST(unmapping_the_middle_leaves_one_mapping_in_two_pieces),
		TEST(unmapping_may_span_mappings_of_several_sites),
		TEST(mapping_over_another_replaces_that_part),
		TEST(a_file_mapped_over_it_only_replaces),
		TEST(a_mapping_of_an_allocator_is_no_site_s),
		TEST(a_failed_unmapping_changes_nothing),
		TEST(what_was_mapped_meanwhile_outlives_a_failed_unmapping),
		TEST(a_failure_takes_back_only_its_own_thread_s_call),
		TEST(an_unaligned_unmapping_is_refused_like_in_the_kernel),
		TEST(growing_in_place_adds_bytes_to_the_same_block),
		TEST(shrinking_in_place_gives_back_the_tail),
		TEST(moving_keeps_the_site_and_the_age),
		TEST(moving_and_shrinking_drops_the_tail_only),
		TEST(moving_part_of_a_mapping_leaves_the_rest),
		TEST(moving_onto_a_mapping_replaces_it),
		TEST(what_another_thread_was_given_meanwhile_does_not_move),
		TEST(a_failed_remapping_changes_nothing),
		TEST(a_move_that_keeps_the_old_place_makes_a_second_mapping),
		TEST(moving_what_is_not_known_makes_nothing_up),
		TEST(the_break_grows_and_shrinks_as_one_interval),
		TEST(a_failing_break_changes_nothing),
		TEST(each_site_holds_what_it_raised_the_break_by),
		TEST(an_older_reading_of_the_break_does_not_beat_an_event),
		TEST(what_was_there_before_fills_only_the_gaps),
		TEST(only_what_is_older_than_the_reading_is_dropped),
		TEST(a_full_table_refuses_and_counts),
		TEST(cutting_a_full_table_loses_the_rest_and_counts),
		TEST(lengths_beyond_the_address_space_do_no_harm),
		TEST(ages_are_those_of_the_blocks),
		TEST(intervals_agree_with_a_table_of_pages),
	};

	return cmocka_run_group_tests_name("mappings", tests, NULL, NULL);
}
