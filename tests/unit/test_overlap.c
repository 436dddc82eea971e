/* What cannot be live any more: only blocks that really are dead, and in the end all that overlap.
 */
#include "model/overlap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memtrace/weight.h"

static struct overlap_block block(uint64_t addr, uint64_t size, uint32_t born)
{
	return (struct overlap_block){ addr, mt_held(size, 16), 1, born, false };
}

static const struct overlap_block *at(const struct overlap_block *b, size_t n, uint64_t addr)
{
	for (size_t i = 0; i < n; i++)
		if (b[i].addr == addr)
			return &b[i];
	return NULL;
}

static void the_older_of_two_is_dead(void **state)
{
	struct overlap_block b[] = { block(200, 50, 1), block(180, 30, 2), block(300, 10, 1),
				     block(100, 90, 1), block(305, 40, 9) };

	assert_int_equal(overlap_find(b, 5, 0), 3);
	assert_true(at(b, 5, 200)->dead);
	assert_false(at(b, 5, 180)->dead);
	assert_true(at(b, 5, 300)->dead);
	assert_false(at(b, 5, 305)->dead);
	assert_true(at(b, 5, 100)->dead);
	(void)state;
}

static void neighbours_do_not_overlap(void **state)
{
	struct overlap_block b[] = { block(100, 50, 1), block(150, 50, 2), block(200, 0, 3),
				     block(200, 16, 4) };

	assert_int_equal(overlap_find(b, 4, 0), 0);
	(void)state;
}

static void of_the_same_age_none_is_older(void **state)
{
	struct overlap_block b[] = { block(100, 50, 7), block(120, 50, 7) };

	assert_int_equal(overlap_find(b, 2, 0), 0);
	(void)state;
}

static void one_new_block_ends_many_and_odd_sizes_do_no_harm(void **state)
{
	struct overlap_block b[] = { block(100, 16, 1), block(120, 16, 1), block(140, 16, 1),
				     block(90, 100, 5),
				     block(UINT64_MAX - 4, MT_HELD_SIZE_MAX, 1) };

	assert_int_equal(overlap_find(b, 5, 0), 3);
	assert_int_equal(overlap_find(NULL, 0, 0), 0);
	(void)state;
}

/* The address of the one of two that dies when the last window began at 8. */
static uint64_t dead_of_two(struct overlap_block x, struct overlap_block y)
{
	struct overlap_block b[] = { x, y };

	assert_int_equal(overlap_find(b, 2, 8), 1);
	return b[b[1].dead].addr;
}

static void what_grew_over_an_older_window_s_block_is_live(void **state)
{
	struct overlap_block grew = block(100, 300, 1);

	assert_int_equal(dead_of_two(block(200, 50, 5), grew), 100);
	grew.held |= MT_HELD_GREW;
	assert_int_equal(mt_held_size(grew.held), 300);
	assert_int_equal(mt_held_weight(grew.held), 16);
	assert_int_equal(dead_of_two(block(200, 50, 5), grew), 200);
	assert_int_equal(dead_of_two(block(200, 50, 9), grew), 100);
	assert_int_equal(dead_of_two(block(50, 150, 5), grew), 50);
	(void)state;
}

static void what_is_not_mapped_is_dead(void **state)
{
	static const struct overlap_range mapped[] = { { 100, 200 }, { 300, 400 } };
	struct overlap_block b[] = { block(50, 10, 1),	block(100, 10, 1), block(199, 10, 1),
				     block(200, 10, 1), block(350, 10, 1), block(400, 10, 1),
				     block(500, 10, 8) };

	overlap_find(b, 7, 0);
	assert_int_equal(overlap_find_unmapped(b, 7, mapped, 2, 8), 3);
	assert_true(at(b, 7, 50)->dead && at(b, 7, 200)->dead && at(b, 7, 400)->dead);
	assert_false(at(b, 7, 500)->dead); /* younger than the map */
	assert_int_equal(overlap_find_unmapped(b, 7, NULL, 0, 8), 3);
	(void)state;
}

#define WORLD 4096
#define SLOTS 64

/* Blocks come and go at random; records of those that went stay. */
static void only_dead_blocks_are_found_and_in_the_end_all(void **state)
{
	srand(5);
	for (int round = 0; round < 300; round++) {
		struct overlap_block b[2000];
		unsigned char live[2000] = {}, owner[WORLD] = {};
		size_t n = 0, left = 0;

		for (uint32_t t = 1; t < 400; t++) {
			uint64_t addr = 1 + (uint64_t)rand() % (WORLD - 200);
			uint64_t size = 1 + (uint64_t)rand() % 150;
			bool free = true;

			for (uint64_t i = addr; i < addr + size; i++)
				free = free && !owner[i];
			if (free && at(b, n, addr)) /* the kernel side ends these itself */
				continue;
			if (free) {
				b[n] = block(addr, size, t);
				b[n].site = (uint32_t)n;
				live[n] = 1;
				n++;
				memset(owner + addr, 1, size);
			}
			for (size_t i = 0; i < n; i++)
				if (live[i] && rand() % 8 == 0) {
					live[i] = 0;
					memset(owner + b[i].addr, 0, mt_held_size(b[i].held));
				}
		}
		while (overlap_find(b, n, 0))
			for (size_t i = 0; i < n; i++)
				assert_false(b[i].dead && live[b[i].site]);
		for (size_t i = 0; i < n; i++)
			for (size_t k = i + 1; k < n && !b[i].dead; k++)
				left += !b[k].dead &&
					b[k].addr < b[i].addr + mt_held_size(b[i].held);
		assert_int_equal(left, 0);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_older_of_two_is_dead),
		cmocka_unit_test(neighbours_do_not_overlap),
		cmocka_unit_test(of_the_same_age_none_is_older),
		cmocka_unit_test(one_new_block_ends_many_and_odd_sizes_do_no_harm),
		cmocka_unit_test(what_grew_over_an_older_window_s_block_is_live),
		cmocka_unit_test(what_is_not_mapped_is_dead),
		cmocka_unit_test(only_dead_blocks_are_found_and_in_the_end_all),
	};

	return cmocka_run_group_tests_name("overlap", tests, NULL, NULL);
}
