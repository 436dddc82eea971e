/* Pools of CPython's allocator: what is one, and which arenas they make up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/cpython_pools.h"

#define AT 0x7f0000010000ull

static const struct pool_kind large = { 16384, 16 }, small = { 4096, 16 }, oldest = { 4096, 8 };

/* A pool of 64-byte blocks, ten of them in use. */
static struct pool_header pool(const struct pool_kind *k, uint32_t arena)
{
	return (struct pool_header){
		.count = 10,
		.free_block = AT + 48 + 5 * 64,
		.arena = arena,
		.size_class = 64 / k->align_bytes - 1,
		.next_offset = 48 + 12 * 64,
		.max_offset = k->pool_bytes - 64,
	};
}

static void a_pool_is_known_by_its_header(void **state)
{
	static const struct pool_kind *const kinds[] = { &large, &small, &oldest };
	uint64_t used;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct pool_header h = pool(kinds[i], 0);

		for (int k = 0; k < 3; k++)
			assert_int_equal(pool_check(kinds[k], &h, AT, &used), i == k);
		assert_true(pool_check(kinds[i], &h, AT, &used));
		assert_int_equal(used, 640);
		h.free_block = 0; /* every block was given out */
		h.count = (kinds[i]->pool_bytes - 48) / 64;
		h.next_offset = 48 + h.count * 64;
		assert_true(pool_check(kinds[i], &h, AT, &used));
	}
}

static void a_header_that_is_off_by_anything_is_none(void **state)
{
	struct pool_header good = pool(&large, 0), h;
	uint64_t used;

	(void)state;
#define OFF(field, value)                                        \
	do {                                                     \
		h = good;                                        \
		h.field = value;                                 \
		assert_false(pool_check(&large, &h, AT, &used)); \
	} while (0)
	OFF(count, 16384 / 64);
	OFF(count, UINT32_MAX);
	OFF(free_block, AT + 47);
	OFF(free_block, AT - 16);
	OFF(free_block, AT + 49);
	OFF(free_block, AT + 48 + 16384);
	OFF(size_class, 32);
	OFF(size_class, UINT32_MAX);
	OFF(size_class, 4);
	OFF(next_offset, 0);
	OFF(next_offset, 49);
	OFF(next_offset, 48 + 64 * 256);
	OFF(max_offset, 16384);
#undef OFF
	memset(&h, 0, sizeof(h));
	assert_false(pool_check(&large, &h, AT, &used)); /* what was never written */
	memset(&h, 0xff, sizeof(h));
	assert_false(pool_check(&large, &h, AT, &used));
}

struct found {
	uint64_t start[8], end[8];
	int n;
};

static void note(struct found *f, uint64_t start, uint64_t end)
{
	if (start == end)
		return;
	f->start[f->n] = start;
	f->end[f->n++] = end;
}

/* Pools first, first + 1, ... of an arena at base. */
static void take(struct pool_scan *s, struct found *f, uint64_t base, uint32_t arena, int first,
		 int count)
{
	struct pool_header h = pool(&s->kind, arena);
	uint64_t start, end;

	for (int i = first; i < first + count; i++)
		if (pool_scan_take(s, base + (uint64_t)i * s->kind.pool_bytes, &h, 640, &start,
				   &end))
			note(f, start, end);
}

static void finish(const struct pool_scan *s, struct found *f)
{
	uint64_t start, end;

	pool_scan_end(s, &start, &end);
	note(f, start, end);
}

static void arenas_are_told_by_number_and_size(void **state)
{
	struct pool_scan s = { .kind = large };
	struct found f = { .n = 0 };

	(void)state;
	take(&s, &f, AT, 7, 0, 64);		/* whole */
	take(&s, &f, AT + (1 << 20), 7, 0, 63); /* of another interpreter: the same number */
	take(&s, &f, AT + (2 << 20), 8, 0, 3);	/* the one in use, a little of it */
	take(&s, &f, AT + (8 << 20), 2, 5, 1);	/* its first pools are not in memory */
	finish(&s, &f);
	assert_int_equal(s.arenas, 4);
	assert_int_equal(s.pools, 64 + 63 + 3 + 1);
	assert_int_equal(s.used_bytes, (64 + 63 + 3 + 1) * 640);
	assert_int_equal(f.n, 4);
	assert_int_equal(f.start[0], AT);
	assert_int_equal(f.end[0], AT + (1 << 20));
	assert_int_equal(f.start[1], AT + (1 << 20));
	assert_int_equal(f.end[1], AT + (2 << 20) - 16384);
	assert_int_equal(f.start[2], AT + (2 << 20));
	assert_int_equal(f.end[2], AT + (3 << 20) - 16384);
	assert_int_equal(f.start[3], AT + (8 << 20) + 5 * 16384);
}

static void arenas_that_follow_each_other_do_not_overlap(void **state)
{
	struct pool_scan s = { .kind = small };
	struct found f = { .n = 0 };

	(void)state;
	take(&s, &f, AT, 1, 10, 54); /* begins late, so it would reach too far */
	take(&s, &f, AT + (256 << 10), 2, 0, 64);
	finish(&s, &f);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.start[0], AT + 10 * 4096);
	assert_int_equal(f.end[0], AT + (256 << 10));
	assert_int_equal(f.end[1], AT + (512 << 10));
}

static void without_pools_there_is_no_arena(void **state)
{
	struct pool_scan s = { .kind = large };
	struct found f = { .n = 0 };

	(void)state;
	finish(&s, &f);
	assert_int_equal(f.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_is_known_by_its_header),
		cmocka_unit_test(a_header_that_is_off_by_anything_is_none),
		cmocka_unit_test(arenas_are_told_by_number_and_size),
		cmocka_unit_test(arenas_that_follow_each_other_do_not_overlap),
		cmocka_unit_test(without_pools_there_is_no_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
