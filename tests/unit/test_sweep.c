/* The sweep after a window, on a list of blocks instead of the kernel's table. */
#include "app/sweep.h"
#include "model_world.h"

#include <errno.h>

#include "memtrace/weight.h"

#define BLOCKS 64

struct table {
	struct collector_block block[BLOCKS];
	size_t n;
	int each_error, end_error;
	size_t ended;
};

static int each(void *ctx, uint32_t asid, collector_block_fn fn, void *fn_ctx)
{
	struct table *t = ctx;
	int r = t->each_error;

	assert_int_equal(asid, 7);
	for (size_t i = 0; i < t->n && r == 0; i++)
		r = fn(fn_ctx, &t->block[i]);
	return r;
}

static int end_block(void *ctx, uint32_t asid, uint64_t addr, uint32_t born_ds)
{
	struct table *t = ctx;

	assert_int_equal(asid, 7);
	for (size_t i = 0; i < t->n && !t->end_error; i++)
		if (t->block[i].addr == addr) {
			if (t->block[i].born_ds != born_ds)
				return -ENOENT;
			t->block[i] = t->block[--t->n];
			t->ended++;
			return 0;
		}
	return t->end_error ? t->end_error : -ENOENT;
}

static void add(struct table *t, uint64_t addr, uint64_t size, uint32_t site, uint32_t born)
{
	assert_true(t->n < BLOCKS);
	t->block[t->n++] = (struct collector_block){ addr, mt_held(size, 4), site, born };
}

static int sweep(struct world *w, struct table *t, struct sweep_result *ret)
{
	static const struct overlap_range mapped[] = { { 0x1000, 0x9000 } };
	struct sweep_target target = { w->m, PID, 7, mapped, 1, 50 };
	struct sweep_source source = { t, each, end_block };
	struct sweep_cfg cfg = { .blocks_max = 32 };

	return sweep_window(&cfg, &source, &target,
			    &(struct exposure_window){ 40, 41, 2, 1, false }, ret);
}

static void dead_blocks_end_and_the_rest_is_exposed(void **state)
{
	struct table t = {};
	struct sweep_result res;
	struct world *w = *state;
	struct snapshot *s;

	world_site(w, 5, MT_SITE_HEAP, CODE, 3);
	add(&t, 0x2000, 64, 5, 10);
	add(&t, 0x2020, 64, 5, 20);
	add(&t, 0x3000, 64, 5, 20);
	add(&t, 0xa000, 64, 5, 20); /* not mapped */
	add(&t, 0xb000, 64, 5, 50); /* younger than the map */
	assert_int_equal(sweep(w, &t, &res), 0);
	assert_int_equal(res.blocks, 5);
	assert_int_equal(res.overlapped, 1);
	assert_int_equal(res.unmapped, 1);
	assert_int_equal(res.failed, 0);
	assert_int_equal(t.n, 3);
	w->table[5].alloc_count = 20;
	w->table[5].free_count = 8;
	assert_int_equal(model_account(w->m, w->table, WORLD_SITES, w->now), 0);
	s = world_snapshot(w);
	assert_int_equal(world_find(s, 5)->exposed_count, 8); /* two records that stand for 4 */
	assert_int_equal(world_find(s, 5)->left_count, 8);
	assert_true(world_find(s, 5)->estimated);
	snapshot_free(s);
}

static void too_many_blocks_conclude_nothing(void **state)
{
	struct sweep_result res = { .blocks = 99 };
	struct world *w = *state;
	struct table t = {};

	for (uint64_t i = 0; i < 33; i++)
		add(&t, 0x2000 + i, 64, 5, (uint32_t)i);
	assert_int_equal(sweep(w, &t, &res), -E2BIG);
	assert_int_equal(res.blocks, 99);
	assert_int_equal(t.ended, 0);
}

static void errors_are_handed_on_or_counted(void **state)
{
	struct sweep_result res;
	struct world *w = *state;
	struct table t = { .end_error = -EIO };

	add(&t, 0x2000, 64, 5, 10);
	add(&t, 0x2020, 64, 5, 20);
	assert_int_equal(sweep(w, &t, &res), 0);
	assert_int_equal(res.failed, 1);
	assert_int_equal(res.overlapped, 0);
	t.end_error = -ENOENT;
	assert_int_equal(sweep(w, &t, &res), 0);
	assert_int_equal(res.failed, 0);
	t.each_error = -EIO;
	assert_int_equal(sweep(w, &t, &res), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(dead_blocks_end_and_the_rest_is_exposed),
		WORLD_TEST(too_many_blocks_conclude_nothing),
		WORLD_TEST(errors_are_handed_on_or_counted),
	};

	return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
