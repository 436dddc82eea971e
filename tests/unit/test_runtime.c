/* runtime: ranges that readers found, put in order. */
#include "fake_proc.h"

#include "runtime/runtime.h"

static void ranges_are_sorted_joined_and_do_not_overlap(void **state)
{
	struct inner_ranges r = { .count = 0 };

	(void)state;
	assert_int_equal(inner_ranges_add(&r, 0x5000, 0x9000, INNER_POOLED), 0);
	assert_int_equal(inner_ranges_add(&r, 0x1000, 0x2000, INNER_HEAP), 0);
	assert_int_equal(inner_ranges_add(&r, 0x2000, 0x6000, INNER_HEAP), 0);
	assert_int_equal(inner_ranges_add(&r, 0x3000, 0x4000, INNER_CODE), 0);
	assert_int_equal(inner_ranges_add(&r, 0x4000, 0x4000, INNER_CODE), 0);
	inner_ranges_settle(&r);
	assert_int_equal(r.count, 2);
	assert_int_equal(r.range[0].start, 0x1000);
	assert_int_equal(r.range[0].end, 0x6000);
	assert_int_equal(r.range[0].use, INNER_HEAP);
	assert_int_equal(r.range[1].start, 0x6000);
	assert_int_equal(r.range[1].end, 0x9000);
	assert_int_equal(r.range[1].use, INNER_POOLED);
	inner_ranges_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_sorted_joined_and_do_not_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
