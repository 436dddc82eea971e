/* runtime/v8: the heap, from made-up images of three generations of V8; hostile ones too. */
#include "v8_world.h"

#include <errno.h>

static void each_generation_is_learnt(void **state)
{
	struct v8_world *w = *state;
	const struct v8 *s;

	look(w);
	s = w->state;
	assert_true(s->learnt);
	assert_int_equal(s->layout.indirect, w->generation == V8_13);
	assert_true(w->told.heap.known.exact);
	assert_int_equal(w->told.heap.heaps, 2);
	assert_int_equal(w->told.heap.committed_bytes, 2 * ISOLATE_BYTES);
	assert_int_equal(w->told.heap.resident_bytes, 2 * ISOLATE_BYTES);
	assert_int_equal(w->told.heap.pooled_bytes, 0);
	assert_int_equal(bytes_of(w, INNER_HEAP), 2 * ISOLATE_BYTES);
	assert_true(w->told.heap.used_bytes == FACT_UNKNOWN);
}

static void learns(void **state, enum generation g)
{
	struct v8_world *w = *state;

	w->generation = g;
	put_isolate(w, 0);
	put_isolate(w, ISOLATE_PAGES + 3);
	each_generation_is_learnt(state);
}

static void v8_10_is_learnt(void **state)
{
	learns(state, V8_10);
}

static void v8_12_is_learnt(void **state)
{
	learns(state, V8_12);
}

static void v8_13_is_learnt(void **state)
{
	learns(state, V8_13);
}

static void what_is_not_v8_is_not_opened(void **state)
{
	struct v8_world *w = *state;
	const char *why = NULL;
	uint32_t seed = 1;

	assert_int_equal(runtime_v8.open(&w->view, &w->state, &why), -ENOENT);
	for (size_t i = 0; i < WORLD_PAGES; i++)
		for (size_t k = 0; k < 64; k++) {
			seed = seed * 1664525 + 1013904223;
			word_at(page_at(i))[k] =
				seed % 3 ? page_at(i) + (seed >> 20) : OBJECTS + (seed >> 16) * 8;
		}
	assert_int_equal(runtime_v8.open(&w->view, &w->state, &why), -ENOENT);
	assert_null(w->state);
}

/* Records in which everything fits to everything: thousands of arrangements each. */
static void records_that_fit_in_every_way_cost_little(void **state)
{
	struct v8_world *w = *state;
	uint64_t heap[2] = { make_heap(w), make_heap(w) };
	const char *why = NULL;

	for (size_t i = 0; i < WORLD_PAGES; i++) {
		uint64_t at = page_at(i), *word = word_at(at);

		for (size_t k = 0; k < 16; k++)
			word[k] = k < 3	   ? at
				  : k < 6  ? at + 0x100 * (k - 2)
				  : k < 9  ? V8_PAGE
				  : k < 12 ? at + V8_PAGE - 8 * (k - 9)
				  : k < 14 ? make_space(w, heap[k % 2])
					   : heap[k % 2];
	}
	runtime_v8.open(&w->view, &w->state, &why);
	assert_true(w->peek.calls < 500);
}

/* As many spaces as are looked at, each of one chunk. */
static void spaces_without_number_are_told_apart(void **state)
{
	struct v8_world *w = *state;
	uint64_t heap, space[WORLD_PAGES];

	w->generation = V8_12;
	heap = make_heap(w);
	for (unsigned int i = 0; i < WORLD_PAGES; i++)
		space[i] = make_space(w, heap);
	for (unsigned int i = 0; i < WORLD_PAGES; i++)
		put_chunk(w, i, V8_PAGE, space[i * 37 % WORLD_PAGES]);
	look(w);
	assert_true(w->told.heap.known.exact);
	assert_int_equal(((struct v8 *)w->state)->pages.spaces, WORLD_PAGES);
	assert_int_equal(w->told.heap.committed_bytes, WORLD_PAGES * (uint64_t)V8_PAGE);
}

/* A heap that is gone makes room for another that is built in another way. */
static void what_was_learnt_is_given_up_when_it_finds_nothing(void **state)
{
	struct v8_world *w = *state;
	struct v8 *s;

	w->generation = V8_10;
	put_isolate(w, 0);
	look(w);
	assert_int_equal(w->told.heap.heaps, 1);
	s = w->state;
	memset((void *)(uintptr_t)WORLD, 0, WORLD_PAGES * V8_PAGE);
	look(w);
	assert_null(w->told.heap.known.how);
	w->generation = V8_12;
	put_isolate(w, 10);
	for (int i = 0; i < 5; i++)
		look(w);
	assert_int_equal(w->told.heap.heaps, 1);
	assert_int_equal(w->told.heap.committed_bytes, ISOLATE_BYTES);
	/* and where there is nothing to be learnt, it is tried ever less often */
	memset((void *)(uintptr_t)WORLD, 0, WORLD_PAGES * V8_PAGE);
	for (int i = 0; i < 20; i++)
		look(w);
	assert_false(s->learnt);
	w->peek.calls = 0;
	for (int i = 0; i < 10; i++)
		look(w);
	assert_true(w->peek.calls <= 2);
}

/* A freed header that says 133 TB hides nothing, and is not counted. */
static void a_stale_header_with_an_absurd_size_is_refused(void **state)
{
	for (int g = 0; g < GENERATIONS; g++) {
		struct v8_world *w = *state;
		uint64_t heap;

		w->generation = g;
		heap = put_isolate(w, 1);
		put_record(w, page_at(0), 133ull << 40, heap, heap + 0x4000);
		look(w);
		assert_int_equal(w->told.heap.committed_bytes, ISOLATE_BYTES);
		assert_int_equal(bytes_of(w, INNER_HEAP), ISOLATE_BYTES);
		assert_int_equal(v8_world_teardown(state), 0);
		assert_int_equal(v8_world_setup(state), 0);
	}
}

/* They pass for chunks that hold all others, but their space is none, or of another Heap. */
static void a_chunk_of_what_is_no_space_hides_nothing(void **state)
{
	struct v8_world *w = *state;
	uint64_t heap, fake;

	w->generation = V8_12;
	heap = put_isolate(w, 2);
	fake = make_space(w, heap);
	word_at(fake)[0] = OBJECTS; /* no table of a file */
	put_record(w, page_at(0), 40ull * V8_PAGE, heap, fake);
	put_record(w, page_at(1), 40ull * V8_PAGE, heap, make_space(w, make_heap(w)));
	look(w);
	assert_int_equal(w->told.heap.heaps, 1);
	assert_int_equal(w->told.heap.committed_bytes, ISOLATE_BYTES);
	assert_int_equal(bytes_of(w, INNER_HEAP), ISOLATE_BYTES);
}

static void what_lies_in_a_large_object_is_not_looked_at(void **state)
{
	struct v8_world *w = *state;
	uint64_t heap, space;

	w->generation = V8_10;
	heap = put_isolate(w, 0);
	space = make_space(w, heap);
	put_chunk(w, 10, 8ull * V8_PAGE, space);
	put_record(w, page_at(12), V8_PAGE, heap, space);
	look(w);
	assert_true(w->told.heap.known.exact);
	assert_int_equal(w->told.heap.committed_bytes, ISOLATE_BYTES + 8ull * V8_PAGE);
	assert_int_equal(bytes_of(w, INNER_HEAP), ISOLATE_BYTES + 8ull * V8_PAGE);
}

static void a_self_pointer_that_changed_is_no_chunk_any_more(void **state)
{
	struct v8_world *w = *state;

	w->generation = V8_12;
	put_isolate(w, 0);
	look(w);
	assert_true(w->told.heap.known.exact);
	word_at(page_at(2))[1] += V8_PAGE;
	word_at(page_at(2))[11] += V8_PAGE;
	look(w);
	assert_false(w->told.heap.known.exact);
	assert_string_equal(w->told.heap.known.why, "it changed while it was read");
	assert_int_equal(bytes_of(w, INNER_HEAP), ISOLATE_BYTES - V8_PAGE);
}

/* Twelve pages that their spaces count no more, told by a bit of the flags, in words 0 or 1. */
static void pages_that_are_counted_no_more_are_pooled(void **state)
{
	struct v8_world *w = *state;
	uint64_t space;

	w->generation = V8_10;
	put_isolate(w, 0);
	space = make_space(w, put_isolate(w, 10));
	for (unsigned int i = 0; i < 12; i++) {
		put_chunk(w, 20 + i, V8_PAGE, space);
		word_at(page_at(20 + i))[1] = i % 2 ? 0x12004 : 0x12104;
	}
	put_chunk(w, 40, V8_PAGE, space);
	word_at(page_at(40))[1] = 0x104;
	word_at(space)[3] -= 12ull * V8_PAGE;
	look(w);
	assert_true(w->told.heap.known.exact);
	assert_int_equal(w->told.heap.committed_bytes, 2 * ISOLATE_BYTES + V8_PAGE);
	assert_int_equal(w->told.heap.pooled_bytes, 12ull * V8_PAGE);
	assert_int_equal(w->told.heap.resident_bytes, 2 * ISOLATE_BYTES + 13ull * V8_PAGE);
	assert_int_equal(bytes_of(w, INNER_POOLED), 12ull * V8_PAGE);
	/* used again: the bit has another meaning than was learnt */
	word_at(space)[3] += 12ull * V8_PAGE;
	look(w);
	assert_true(w->told.heap.known.exact);
	assert_int_equal(w->told.heap.pooled_bytes, 0);
	assert_int_equal(bytes_of(w, INNER_HEAP), 2 * ISOLATE_BYTES + 13ull * V8_PAGE);
}

static void one_page_that_is_not_counted_teaches_nothing(void **state)
{
	struct v8_world *w = *state;
	uint64_t space;

	w->generation = V8_10;
	space = make_space(w, put_isolate(w, 0));
	put_chunk(w, 20, V8_PAGE, space);
	word_at(page_at(20))[1] = 1;
	word_at(space)[3] = 0;
	look(w);
	assert_true(w->told.heap.known.exact);
	assert_int_equal(w->told.heap.committed_bytes, ISOLATE_BYTES);
	assert_int_equal(w->told.heap.pooled_bytes, 0);
	assert_int_equal(bytes_of(w, INNER_HEAP), ISOLATE_BYTES + V8_PAGE);
}

/* From V8 13 on: the record is freed, its self pointer 0. */
static void a_page_whose_record_is_freed_is_pooled(void **state)
{
	struct v8_world *w = *state;
	uint64_t record;

	w->generation = V8_13;
	put_isolate(w, 0);
	put_record(w, page_at(20), V8_PAGE, OBJECTS, OBJECTS);
	record = word_at(page_at(20))[1];
	memset(word_at(record), 0, 128);
	word_at(page_at(22))[0] = 1ull << 32; /* not flags of V8's */
	word_at(page_at(22))[1] = record;
	look(w);
	assert_int_equal(w->told.heap.committed_bytes, ISOLATE_BYTES);
	assert_int_equal(w->told.heap.pooled_bytes, V8_PAGE);
	assert_int_equal(bytes_of(w, INNER_POOLED), V8_PAGE);
}

static void pages_that_are_not_in_memory_are_not_read(void **state)
{
	struct v8_world *w = *state;
	uint64_t before;

	w->generation = V8_12;
	put_isolate(w, 0);
	look(w);
	present_done(&w->present);
	present_add(&w->present.in, OBJECTS, OBJECTS + OBJECT_BYTES);
	present_add(&w->present.in, TABLES, TABLES + 4096);
	before = w->peek.bytes;
	look(w);
	assert_int_equal(w->peek.bytes, before + 3 * 8 * V8_SPACE_WORDS); /* of the spaces */
	present_done(&w->present);
	look(w);
	assert_int_equal(w->peek.bytes, before + 3 * 8 * V8_SPACE_WORDS);
	assert_null(w->told.heap.known.how);
	assert_non_null(w->told.heap.known.why);
	assert_true(w->told.heap.committed_bytes == FACT_UNKNOWN);
	assert_null(w->told.buffers.known.how);
}

static void a_chunk_that_went_to_swap_is_what_it_was(void **state)
{
	struct v8_world *w = *state;

	w->generation = V8_12;
	put_isolate(w, 0);
	look(w);
	present_done(&w->present);
	present_add(&w->present.in, WORLD, page_at(3));
	present_add(&w->present.in, page_at(4), WORLD + WORLD_PAGES * V8_PAGE);
	present_add(&w->present.in, OBJECTS, OBJECTS + OBJECT_BYTES);
	present_add(&w->present.swapped, page_at(3), page_at(4));
	look(w);
	assert_true(w->told.heap.known.exact);
	assert_int_equal(w->told.heap.committed_bytes, ISOLATE_BYTES);
	assert_int_equal(w->told.heap.resident_bytes, ISOLATE_BYTES - V8_PAGE);
	assert_int_equal(w->told.heap.swapped_bytes, V8_PAGE);
	runtime_v8.close(w->state);
	w->state = NULL;
	look(w);
	assert_false(w->told.heap.known.exact);
	assert_non_null(w->told.heap.known.why);
}

static void a_linear_memory_and_generated_code_are_told_by_their_mappings(void **state)
{
	struct v8_world *w = *state;

	w->generation = V8_12;
	w->vma[0].end = page_at(20);
	w->maps.count = 1;
	w->vma[0].executable = true;
	add_vma(w, page_at(20), page_at(30), VMA_ANON);
	add_vma(w, page_at(30), page_at(30) + (2ull << 30), VMA_ANON);
	w->vma[2].readable = w->vma[2].writable = false;
	add_vma(w, OBJECTS, OBJECTS + OBJECT_BYTES, VMA_HEAP);
	add_vma(w, TABLES, TABLES + 4096, VMA_FILE);
	put_isolate(w, 2);
	look(w);
	assert_int_equal(bytes_of(w, INNER_WASM), 10ull * V8_PAGE);
	assert_int_equal(bytes_of(w, INNER_HEAP), ISOLATE_BYTES);
	assert_int_equal(bytes_of(w, INNER_CODE), 20ull * V8_PAGE - ISOLATE_BYTES);
}

static void a_chunk_that_goes_beyond_its_mapping_is_refused(void **state)
{
	struct v8_world *w = *state;
	uint64_t heap;

	w->generation = V8_12;
	heap = put_isolate(w, 0);
	put_chunk(w, 63, (OBJECTS - WORLD) - 62ull * V8_PAGE, make_space(w, heap));
	look(w);
	assert_int_equal(bytes_of(w, INNER_HEAP), ISOLATE_BYTES);
}

static uint64_t any_word(uint32_t *seed)
{
	static const uint64_t base[] = { WORLD, OBJECTS, TABLES, 0, 1ull << 46, UINT64_MAX << 20 };

	*seed = *seed * 1664525 + 1013904223;
	return base[(*seed >> 8) % 6] + (uint64_t)(*seed >> 12) % 4096 * 64;
}

/* Whatever becomes of the words: what is told lies in what is mapped. */
static void random_words_do_no_harm(void **state)
{
	struct v8_world *w = *state;
	uint32_t seed = 7;

	for (int i = 0; i < 90; i++) {
		w->generation = i % GENERATIONS;
		w->next_object = OBJECTS;
		put_isolate(w, i % 20);
		for (int k = 0; k < 40; k++) {
			uint64_t n = any_word(&seed) / 64;

			word_at(k % 2 ? page_at(n % 26) : OBJECTS + n % 4096 * 128)[k / 2 % 16] =
				any_word(&seed);
		}
		if (w->state || i % 30 == 0)
			look(w);
		for (size_t k = 0; k < w->ranges.count; k++) {
			assert_true(w->ranges.range[k].start >= WORLD);
			assert_true(w->ranges.range[k].end <= WORLD + WORLD_PAGES * V8_PAGE);
		}
		assert_true(w->told.heap.resident_bytes == FACT_UNKNOWN ||
			    w->told.heap.resident_bytes <= WORLD_PAGES * V8_PAGE);
	}
	assert_non_null(w->state);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, v8_world_setup, v8_world_teardown)
	const struct CMUnitTest tests[] = {
		T(v8_10_is_learnt),
		T(v8_12_is_learnt),
		T(v8_13_is_learnt),
		T(what_is_not_v8_is_not_opened),
		T(records_that_fit_in_every_way_cost_little),
		T(spaces_without_number_are_told_apart),
		T(what_was_learnt_is_given_up_when_it_finds_nothing),
		T(a_stale_header_with_an_absurd_size_is_refused),
		T(a_chunk_of_what_is_no_space_hides_nothing),
		T(what_lies_in_a_large_object_is_not_looked_at),
		T(a_self_pointer_that_changed_is_no_chunk_any_more),
		T(pages_that_are_counted_no_more_are_pooled),
		T(one_page_that_is_not_counted_teaches_nothing),
		T(a_page_whose_record_is_freed_is_pooled),
		T(pages_that_are_not_in_memory_are_not_read),
		T(a_chunk_that_went_to_swap_is_what_it_was),
		T(a_chunk_that_goes_beyond_its_mapping_is_refused),
		T(random_words_do_no_harm),
		T(a_linear_memory_and_generated_code_are_told_by_their_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
