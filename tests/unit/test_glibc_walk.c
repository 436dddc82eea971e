/* The walk of malloc's chunks over heaps that are made up: honest ones and hostile ones. */
#include "fake_proc.h"

#include <errno.h>

#include "heap_world.h"

#define HEAP_END (WORLD_HEAP + WORLD_HEAP_BYTES)
#define THREAD_END (WORLD_THREAD + WORLD_THREAD_BYTES)

/* One look; the ranges are dropped. */
static struct inner_allocator look(struct world *w)
{
	struct inner_allocator a = { .name = NULL };
	struct inner_ranges ranges = { .count = 0 };
	const char *why = NULL;
	void *state = NULL;

	assert_int_equal(walk_glibc.open(&w->view, &state, &why), 0);
	assert_int_equal(walk_glibc.read(state, &w->view, &a, &ranges), 0);
	walk_glibc.close(state);
	inner_ranges_done(&ranges);
	assert_int_equal(w->peek.failed, 0); /* nothing that is not there was touched */
	return a;
}

static int open_only(struct world *w, const struct walk_ops *ops, const char **why)
{
	void *state = NULL;
	int r = ops->open(&w->view, &state, why);

	if (!r)
		ops->close(state);
	return r;
}

/* All that the arenas have is accounted. */
static uint64_t sum_of(const struct inner_allocator *a)
{
	return a->live_bytes + a->cached_bytes + a->free_bytes + a->overhead_bytes +
	       a->unknown_bytes;
}

static void chunks_are_told_apart(void **state)
{
	struct inner_allocator a;
	struct world w;

	(void)state;
	world_make(&w);
	world_live(&w, 0x20);
	world_free(&w, 0x440);
	world_live(&w, 0x30);
	world_live(&w, 0x5000);
	world_top(&w, WORLD_MAIN, HEAP_END);
	a = look(&w);
	assert_true(a.known.exact);
	assert_null(a.known.why);
	assert_int_equal(a.live_count, 3);
	assert_int_equal(a.live_bytes, 0x18 + 0x28 + 0x4ff8);
	assert_int_equal(a.free_count, 2);
	assert_int_equal(a.free_bytes, WORLD_HEAP_BYTES - 0x20 - 0x30 - 0x5000);
	assert_int_equal(a.free_resident_bytes, a.free_bytes);
	assert_int_equal(a.size_count[4], 1);
	assert_int_equal(a.size_count[5], 1);
	assert_int_equal(a.size_bytes[14], 0x4ff8);
	assert_int_equal(sum_of(&a), WORLD_HEAP_BYTES);
	assert_int_equal(a.arenas, 1);
	world_done(&w);
}

static void threads_have_arenas(void **state)
{
	struct inner_allocator a;
	struct world w;

	(void)state;
	world_make(&w);
	world_top(&w, WORLD_MAIN, HEAP_END);
	world_make_thread(&w);
	for (int i = 0; i < 100; i++)
		world_chunk(&w, 0x110, i % 3 == 0, 4);
	world_live(&w, 0x20);
	world_top(&w, WORLD_ARENA, THREAD_END);
	a = look(&w);
	assert_true(a.known.exact);
	assert_int_equal(a.arenas, 2);
	assert_int_equal(a.live_count, 67);
	assert_int_equal(a.free_count, 34 + 2);
	assert_int_equal(sum_of(&a), WORLD_HEAP_BYTES + WORLD_THREAD_BYTES);
	world_done(&w);
}

/* A top behind its heap's end and a size that is no multiple of a page lead nowhere. */
static void tops_outside_their_heap_are_not_gone_to(void **state)
{
	static const uint64_t size[] = { 20 * WORLD_PAGE + 8, 20 * WORLD_PAGE };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct inner_allocator a;
		struct world w;

		world_make(&w);
		world_live(&w, 0x20);
		world_top(&w, WORLD_MAIN, HEAP_END);
		world_make_thread(&w);
		world_word(WORLD_THREAD)[2] = size[i];
		*world_word(WORLD_ARENA + 96) = WORLD_THREAD + 30 * WORLD_PAGE;
		*world_word(WORLD_THREAD + 20 * WORLD_PAGE + 24) = 0xfffffffffffffff5ull;
		a = look(&w);
		assert_false(a.known.exact);
		assert_int_equal(a.live_count, 1);
		world_done(&w);
	}
}

/* A thread's cache with two chunks of 0x40 and one fast bin of two: 2.36, links are mangled. */
static void caches_and_fast_bins_are_free(void **state)
{
	uint64_t cache, chunk[4];
	struct inner_allocator a;
	struct world w;

	(void)state;
	world_make(&w);
	cache = world_live(&w, 0x290);
	for (int i = 0; i < 4; i++)
		chunk[i] = world_live(&w, 0x40);
	world_top(&w, WORLD_MAIN, HEAP_END);
	*world_word(cache + 16) = 2ull << 32; /* counts[2] */
	*world_word(cache + 16 + 128 + 2 * 8) = chunk[0] + 16;
	*world_word(chunk[0] + 16) = (chunk[1] + 16) ^ (chunk[0] + 16) >> 12;
	*world_word(chunk[1] + 16) = (chunk[1] + 16) >> 12;
	*world_word(WORLD_MAIN + 16 + 2 * 8) = chunk[2];
	*world_word(chunk[2] + 16) = chunk[3] ^ (chunk[2] + 16) >> 12;
	*world_word(chunk[3] + 16) = (chunk[3] + 16) >> 12;
	a = look(&w);
	assert_true(a.known.exact);
	assert_int_equal(a.cached_count, 4);
	assert_int_equal(a.cached_bytes, 4 * 0x38);
	assert_int_equal(a.live_count, 0);
	assert_int_equal(a.size_count[5], 0);
	assert_int_equal(sum_of(&a), WORLD_HEAP_BYTES);
	/* a list that comes back to itself, and one that leads away */
	*world_word(chunk[1] + 16) = (chunk[0] + 16) ^ (chunk[1] + 16) >> 12;
	*world_word(chunk[3] + 16) = 0x123450;
	w.peek.calls = 0;
	a = look(&w);
	assert_false(a.known.exact);
	assert_true(w.peek.calls < 100);
	assert_int_equal(sum_of(&a), WORLD_HEAP_BYTES);
	world_done(&w);
}

/* What looks like a cache and whose lists hold something else is a block like others. */
static void a_cache_is_verified(void **state)
{
	struct inner_allocator a;
	uint64_t cache, other;
	struct world w;

	(void)state;
	world_make(&w);
	cache = world_live(&w, 0x290);
	other = world_live(&w, 0x50);
	world_top(&w, WORLD_MAIN, HEAP_END);
	*world_word(cache + 16 + 128 + 2 * 8) = other + 16; /* a list of 0x40 */
	a = look(&w);
	assert_true(a.known.exact);
	assert_int_equal(a.live_count, 2);
	assert_int_equal(a.cached_count, 0);
	world_done(&w);
}

static void mapped_blocks_that_touch(void **state)
{
	struct inner_allocator a;
	struct world w;

	(void)state;
	world_make(&w);
	world_top(&w, WORLD_MAIN, HEAP_END);
	world_word(WORLD_ANON)[1] = (10 * WORLD_PAGE) | 2;
	world_word(WORLD_ANON + 10 * WORLD_PAGE)[1] = (4 * WORLD_PAGE) | 2;
	/* something of others, then one as since 2.43 */
	world_word(WORLD_ANON + 14 * WORLD_PAGE)[0] = 77;
	world_word(WORLD_ANON + 20 * WORLD_PAGE)[1] = (8 * WORLD_PAGE - 16) | 2;
	world_params(3, 22 * WORLD_PAGE);
	a = look(&w);
	assert_true(a.known.exact);
	assert_int_equal(a.mapped_count, 3);
	assert_int_equal(a.mapped_bytes, 22 * WORLD_PAGE - 3 * 16);
	assert_int_equal(a.live_bytes, a.mapped_bytes);
	/* malloc knows of one more */
	world_params(4, 26 * WORLD_PAGE);
	a = look(&w);
	assert_false(a.known.exact);
	assert_int_equal(a.mapped_count, 3);
	world_done(&w);
}

/* sbrk() failed: [heap] ends in fence posts, the arena goes on in a mapping. */
static void a_main_arena_in_two_places(void **state)
{
	struct inner_allocator a;
	struct world w;

	(void)state;
	for (int posts = 2; posts <= 3; posts++) {
		world_make(&w);
		world_live(&w, WORLD_HEAP_BYTES - posts * 16);
		for (int i = 0; i < posts; i++)
			world_live(&w, 16);
		world_begin(&w, WORLD_ANON);
		world_live(&w, 0x70);
		world_top(&w, WORLD_MAIN, WORLD_ANON + 33 * WORLD_PAGE);
		*(uint32_t *)(uintptr_t)(WORLD_MAIN + 4) = 2; /* NONCONTIGUOUS_BIT */
		a = look(&w);
		assert_true(a.known.exact);
		assert_int_equal(a.live_count, 2);
		assert_int_equal(sum_of(&a), WORLD_HEAP_BYTES + 33 * WORLD_PAGE);
		world_done(&w);
	}
}

/* Sizes that lie: not followed, told, and the walk goes on behind them. */
static void sizes_that_lie(void **state)
{
	static const uint64_t lies[] = { 0,	    8,		0x18,	    0x20, 0x48,
					 0x1000000, UINT64_MAX, 1ull << 63, 0x43, 0x35 };
	struct inner_allocator a;
	uint64_t lie = 0;
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		world_make(&w);
		for (int n = 0; n < 500; n++) {
			uint64_t at = world_chunk(&w, 0x40, n % 5 == 1, 0);

			lie = n == 100 ? at : lie;
		}
		world_live(&w, 0x40);
		world_top(&w, WORLD_MAIN, HEAP_END);
		world_word(lie)[1] = lies[i];
		a = look(&w);
		assert_false(a.known.exact);
		assert_string_equal(a.known.why,
				    "a part of the heap changed faster than it could be walked");
		assert_true(a.unknown_bytes > 0 && a.unknown_bytes < 0x1000);
		assert_int_equal(sum_of(&a), WORLD_HEAP_BYTES);
		assert_true(a.live_count > 350);
		world_done(&w);
	}
}

/* The size of a free chunk is told twice. */
static void sizes_that_differ(void **state)
{
	struct inner_allocator a;
	uint64_t live = 0;
	struct world w;

	(void)state;
	world_make(&w);
	for (int n = 0; n < 500; n++) {
		uint64_t at = world_chunk(&w, 0x40, n % 5 == 1, 0);

		live = n == 102 ? at : live; /* behind a free one */
	}
	world_live(&w, 0x40);
	world_top(&w, WORLD_MAIN, HEAP_END);
	assert_int_equal(world_word(live)[0], 0x40);
	world_word(live)[0] = 0x50;
	a = look(&w);
	assert_false(a.known.exact);
	assert_in_range(a.unknown_bytes, 0x40, 0x400);
	assert_int_equal(sum_of(&a), WORLD_HEAP_BYTES);
	world_done(&w);
}

/* A header on a page that is not in memory is not read: the page cannot be. */
static void pages_not_in_memory(void **state)
{
	struct inner_allocator a;
	struct world w;

	(void)state;
	world_make(&w);
	for (int n = 0; n < 1000; n++)
		world_chunk(&w, 0x40, n % 5 == 1, 0);
	world_live(&w, 0x40);
	world_top(&w, WORLD_MAIN, HEAP_END);
	present_done(&w.present);
	present_add(&w.present.in, WORLD_DATA, WORLD_DATA + WORLD_DATA_BYTES);
	present_add(&w.present.in, WORLD_HEAP, WORLD_HEAP + 4 * WORLD_PAGE);
	present_add(&w.present.in, WORLD_HEAP + 6 * WORLD_PAGE, HEAP_END);
	mprotect((void *)(WORLD_HEAP + 4 * WORLD_PAGE), 2 * WORLD_PAGE, PROT_NONE);
	a = look(&w);
	assert_false(a.known.exact);
	assert_string_equal(a.known.why, "a part of the heap is not in memory");
	assert_in_range(a.unknown_bytes, 2 * WORLD_PAGE, 3 * WORLD_PAGE);
	assert_int_equal(sum_of(&a), WORLD_HEAP_BYTES);
	world_done(&w);
	/* in the middle of a free chunk: nothing is there to be read */
	world_make(&w);
	world_free(&w, 8 * WORLD_PAGE);
	world_live(&w, 0x40);
	world_top(&w, WORLD_MAIN, HEAP_END);
	present_done(&w.present);
	present_add(&w.present.in, WORLD_DATA, WORLD_DATA + WORLD_DATA_BYTES);
	present_add(&w.present.in, WORLD_HEAP, WORLD_HEAP + WORLD_PAGE);
	present_add(&w.present.in, WORLD_HEAP + 8 * WORLD_PAGE, WORLD_HEAP + 9 * WORLD_PAGE);
	mprotect((void *)(WORLD_HEAP + WORLD_PAGE), 7 * WORLD_PAGE, PROT_NONE);
	a = look(&w);
	assert_true(a.known.exact);
	assert_int_equal(a.free_resident_bytes, 2 * WORLD_PAGE - 0x40);
	world_done(&w);
}

/* Arenas and heaps that lead in circles or nowhere. */
static void lists_that_lie(void **state)
{
	struct inner_allocator a;
	struct world w;

	(void)state;
	for (int which = 0; which < 5; which++) {
		world_make(&w);
		world_top(&w, WORLD_MAIN, HEAP_END);
		world_make_thread(&w);
		world_live(&w, 0x40);
		world_top(&w, WORLD_ARENA, THREAD_END);
		if (which == 0)
			*world_word(WORLD_ARENA + 2160) =
				WORLD_ARENA; /* never back to the main one */
		if (which == 1)
			*world_word(WORLD_ARENA + 2160) = 0x1234;
		if (which == 2)
			world_word(WORLD_THREAD)[1] = WORLD_THREAD; /* a heap before itself */
		if (which == 3)
			world_word(WORLD_THREAD)[2] = 1ull << 40;
		if (which == 4)
			*world_word(WORLD_ARENA + 96) = 0x7000000010;
		a = look(&w);
		assert_false(a.known.exact);
		assert_non_null(a.known.why);
		assert_true(w.peek.calls < 1000);
		world_done(&w);
	}
}

static void who_it_is_not(void **state)
{
	const char *why = NULL;
	struct world w;

	(void)state;
	world_make(&w);
	/* nothing allocated: the top is what would be the chunk around the first bin */
	*world_word(WORLD_MAIN + 96) = WORLD_MAIN + 96;
	assert_int_equal(open_only(&w, &walk_glibc, &why), -EAGAIN);
	/* a glibc whose state is of another shape */
	memset((void *)WORLD_MAIN, 0, 2200);
	assert_int_equal(open_only(&w, &walk_glibc, &why), -EPROTO);
	assert_non_null(why);
	/* no libc */
	strcpy(w.vma[0].path, "/usr/bin/program");
	assert_int_equal(open_only(&w, &walk_glibc, &why), -ENOENT);
	/* its malloc is not the one that serves */
	world_top(&w, WORLD_MAIN, HEAP_END);
	strcpy(w.vma[0].path, "/usr/lib/libjemalloc.so.2");
	assert_int_equal(open_only(&w, &walk_glibc, &why), -ENOENT);
	assert_int_equal(open_only(&w, &walk_jemalloc, &why), 0);
	assert_int_equal(open_only(&w, &walk_tcmalloc, &why), -ENOENT);
	strcpy(w.vma[0].path, "/lib/ld-musl-x86_64.so.1");
	assert_int_equal(open_only(&w, &walk_musl, &why), 0);
	world_done(&w);
}

static void those_not_read_say_so(void **state)
{
	struct inner_ranges ranges = { .count = 0 };
	struct inner_allocator a = { .name = NULL };
	const char *why = NULL;
	struct world w;
	void *s = NULL;

	(void)state;
	world_make(&w);
	strcpy(w.vma[0].path, "/usr/lib/libmimalloc.so.2");
	assert_int_equal(walk_mimalloc.open(&w.view, &s, &why), 0);
	assert_int_equal(walk_mimalloc.read(s, &w.view, &a, &ranges), 0);
	walk_mimalloc.close(s);
	assert_string_equal(a.name, "mimalloc");
	assert_null(a.known.how);
	assert_non_null(a.known.why);
	assert_true(a.live_bytes == FACT_UNKNOWN && a.free_bytes == FACT_UNKNOWN);
	strcpy(w.vma[0].path, "/usr/lib/x86_64-linux-gnu/libasan.so.8.0.0");
	assert_int_equal(open_only(&w, &walk_glibc, &why), -ENOENT);
	assert_int_equal(open_only(&w, &walk_asan, &why), 0);
	world_done(&w);
}

/* The state that was found has gone: nothing is guessed. */
static void a_state_that_goes_away(void **state)
{
	struct inner_ranges ranges = { .count = 0 };
	struct inner_allocator a = { .name = NULL };
	const char *why = NULL;
	struct world w;
	void *s = NULL;

	(void)state;
	world_make(&w);
	world_top(&w, WORLD_MAIN, HEAP_END);
	assert_int_equal(walk_glibc.open(&w.view, &s, &why), 0);
	memset((void *)WORLD_MAIN, 0, 2200);
	assert_int_equal(walk_glibc.read(s, &w.view, &a, &ranges), 0);
	assert_null(a.known.how);
	assert_true(a.live_bytes == FACT_UNKNOWN);
	walk_glibc.close(s);
	inner_ranges_done(&ranges);
	world_done(&w);
}

/* Each heap of an arena names the one before it: here itself, and its chunks begin late. */
static void heaps_that_go_in_circles_end(void **state)
{
	const uint64_t at = WORLD_THREAD + WORLD_PAGE;
	struct inner_allocator a;
	struct world w;

	(void)state;
	world_make(&w);
	world_top(&w, WORLD_MAIN, HEAP_END);
	world_word(WORLD_THREAD)[0] = at;
	world_word(WORLD_THREAD)[1] = WORLD_THREAD;
	world_word(WORLD_THREAD)[2] = world_word(WORLD_THREAD)[3] = WORLD_THREAD_BYTES;
	world_begin(&w, at + 0x8a0);
	world_arena(at, at + 0x8a0, WORLD_MAIN, WORLD_THREAD_BYTES);
	*world_word(WORLD_MAIN + 2160) = at;
	world_top(&w, at, THREAD_END);
	/* `before` is only followed where it is a multiple of a heap's size: this one is */
	a = look(&w);
	assert_false(a.known.exact);
	assert_true(w.peek.calls < 1000);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_are_told_apart),
		cmocka_unit_test(threads_have_arenas),
		cmocka_unit_test(tops_outside_their_heap_are_not_gone_to),
		cmocka_unit_test(caches_and_fast_bins_are_free),
		cmocka_unit_test(a_cache_is_verified),
		cmocka_unit_test(mapped_blocks_that_touch),
		cmocka_unit_test(a_main_arena_in_two_places),
		cmocka_unit_test(sizes_that_lie),
		cmocka_unit_test(sizes_that_differ),
		cmocka_unit_test(pages_not_in_memory),
		cmocka_unit_test(lists_that_lie),
		cmocka_unit_test(heaps_that_go_in_circles_end),
		cmocka_unit_test(who_it_is_not),
		cmocka_unit_test(those_not_read_say_so),
		cmocka_unit_test(a_state_that_goes_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
