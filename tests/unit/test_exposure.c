/* What is believed of blocks whose ends may have gone unseen. */
#include "model/exposure.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "memtrace/weight.h"
#include "model/site_estimate.h"

#define SITES 4
#define ROOM 20000
#define LOG2 4
#define WEIGHT (1u << LOG2)
#define SECOND 10 /* tenths */

struct world {
	struct site site[SITES];
	struct site *list[SITES];
	struct mt_site kernel[SITES];
	struct overlap_block block[ROOM];
	size_t n;
	uint32_t now;
};

static int begin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	for (size_t i = 0; i < SITES; i++) {
		w->site[i].number = (uint32_t)(3 * i + 2);
		w->site[i].kind = MT_SITE_HEAP;
		w->list[i] = &w->site[i];
	}
	*state = w;
	return 0;
}

static int end(void **state)
{
	free(*state);
	return 0;
}

static void births(struct world *w, size_t site, size_t count, uint64_t size)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t held = mt_held(size, WEIGHT);

		assert_true(w->n < ROOM);
		w->block[w->n] = (struct overlap_block){ 0x1000 + w->n * 4096, held,
							 w->site[site].number, w->now, false };
		w->n++;
		w->kernel[site].alloc_bytes += size * WEIGHT;
		w->kernel[site].alloc_count += WEIGHT;
		w->kernel[site].born_records++;
		w->kernel[site].born_var += mt_held_var(held);
	}
}

/* All but `keep` of each ten of the site's blocks from before now are seen to end. */
static void deaths(struct world *w, size_t site, size_t keep)
{
	size_t seen = 0, n = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct overlap_block b = w->block[i];
		bool mine = b.site == w->site[site].number && b.born_ds + SECOND == w->now;

		if (mine && seen++ % 10 >= keep) {
			w->kernel[site].free_bytes += mt_held_size(b.held) * WEIGHT;
			w->kernel[site].free_count += WEIGHT;
			w->kernel[site].died_records++;
			w->kernel[site].died_var += mt_held_var(b.held);
			continue;
		}
		w->block[n++] = b;
	}
	w->n = n;
}

static void close_window(struct world *w, bool again)
{
	struct exposure_window window = { w->now, w->now, LOG2, 1, again };

	assert_int_equal(exposure_settle(w->list, SITES, w->block, w->n, &window), 0);
	for (size_t i = 0; i < SITES; i++)
		site_read_heap(&w->site[i], &w->kernel[i], 0, w->now * 100000000ull);
	w->now += again ? 0 : SECOND;
}

static struct snap_site estimate_of(const struct site *s)
{
	struct snap_site told = { .live_bytes = site_live_bytes(s),
				  .live_count = site_live_count(s) };

	site_estimate(s, site_estimate_unit(s), &(struct spread_windows){ 0 }, &told);
	return told;
}

static void sound_sites_hold_what_they_hold_and_leaks_grow(void **state)
{
	struct world *w = *state;

	for (int t = 0; t < 30; t++) {
		deaths(w, 0, 1);
		deaths(w, 1, 1);
		births(w, 0, 200, 64);
		births(w, 1, 100, 1000);
		births(w, 2, 2, 500);
		close_window(w, false);
	}
	/* those of the last window count once, a tenth of the others' blocks is shared by all */
	assert_in_range(site_live_count(&w->site[0]), 190, 260);
	assert_in_range(site_live_count(&w->site[1]), 90, 160);
	assert_int_equal(site_live_count(&w->site[2]), 60 * WEIGHT);
	assert_int_equal(site_live_bytes(&w->site[2]), 60 * WEIGHT * 500);
	assert_true(w->site[2].left == w->site[2].exposed);
	assert_true(w->site[0].left < 0.15 * w->site[0].exposed);
	/* nobody knows how many of the doubted are live; a leak's error is that of its samples */
	assert_true(isnan(estimate_of(&w->site[0]).live_error_bytes));
	assert_true(estimate_of(&w->site[2]).live_error_bytes < 0.4 * 60 * WEIGHT * 500);
	assert_true(estimate_of(&w->site[2]).live_error_bytes > 0.2 * 60 * WEIGHT * 500);
	assert_true(fabs(estimate_of(&w->site[2]).weight - WEIGHT) < 0.1);
	for (size_t i = 0; i < SITES; i++) {
		uint64_t ages = 0, freed = 0;

		for (size_t b = 0; b < MT_AGE_BUCKETS; b++) {
			ages += w->site[i].live_by_age[b];
			freed += w->site[i].freed_by_age[b];
		}
		assert_int_equal(ages, site_live_count(&w->site[i]));
	}
}

static void what_a_leak_of_that_size_may_lie_on_is_not_held_against_a_site(void **state)
{
	struct world *w = *state;

	for (int t = 0; t < 30; t++) {
		deaths(w, 0, 1);
		deaths(w, 1, 8);
		deaths(w, 3, 8);
		births(w, 0, 200, 64);
		births(w, 1, 10, 500); /* as the leak's */
		births(w, 2, 2, 495);
		births(w, 3, 10, 2000); /* of another size */
		close_window(w, false);
	}
	assert_true(w->site[2].left == w->site[2].exposed);
	assert_true(w->site[1].left == 0);
	assert_true(w->site[3].left > 0.7 * w->site[3].exposed);
}

static void with_probes_in_for_good_the_last_window_is_exposed_once(void **state)
{
	struct world *w = *state;

	births(w, 0, 100, 64);
	close_window(w, false);
	assert_true(w->site[0].exposed == 0 && w->site[0].waiting == 100 * WEIGHT);
	births(w, 0, 100, 64);
	close_window(w, false);
	assert_true(w->site[0].exposed == 100 * WEIGHT && w->site[0].left == 100 * WEIGHT);
	w->now -= SECOND;
	for (int i = 0; i < 3; i++) {
		close_window(w, true);
		assert_true(w->site[0].exposed == 200 * WEIGHT);
		assert_true(w->site[0].left == 200 * WEIGHT && w->site[0].waiting == 0);
	}
}

static void blocks_of_unknown_sites_and_no_blocks_are_fine(void **state)
{
	struct world *w = *state;

	close_window(w, false);
	births(w, 0, 10, 64);
	for (size_t i = 0; i < w->n; i++)
		w->block[i].site = i % 2 ? UINT32_MAX : 0;
	close_window(w, false);
	assert_true(w->site[0].exposed == 0);
	assert_int_equal(exposure_settle(NULL, 0, w->block, w->n,
					 &(struct exposure_window){ 0, 1, 63, -1, false }),
			 0);
}

static void large_blocks_have_classes_too(void **state)
{
	struct world *w = *state;

	births(w, 0, 20, 1);
	births(w, 1, 20, 1ull << 40);
	births(w, 2, 20, MT_HELD_SIZE_MAX);
	close_window(w, false);
	close_window(w, false);
	assert_true(w->site[2].exposed == 20 * WEIGHT);
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(sound_sites_hold_what_they_hold_and_leaks_grow),
		WORLD_TEST(what_a_leak_of_that_size_may_lie_on_is_not_held_against_a_site),
		WORLD_TEST(with_probes_in_for_good_the_last_window_is_exposed_once),
		WORLD_TEST(blocks_of_unknown_sites_and_no_blocks_are_fine),
		WORLD_TEST(large_blocks_have_classes_too),
	};

	return cmocka_run_group_tests_name("exposure", tests, NULL, NULL);
}
