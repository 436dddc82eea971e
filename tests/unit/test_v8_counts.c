/* runtime/v8: what spaces count while V8 moves pages between them. */
#include "v8_world.h"

/* An isolate with a space that has two chunks on pages 20 and 21; the space. */
static uint64_t put_more(struct v8_world *w)
{
	uint64_t space = make_space(w, put_isolate(w, 0));

	put_chunk(w, 20, V8_PAGE, space);
	put_chunk(w, 21, V8_PAGE, space);
	return space;
}

static void take_chunks(void)
{
	memset(word_at(page_at(20)), 0, 128);
	memset(word_at(page_at(21)), 0, 128);
}

/* Its first chunk since was made after the look at the chunks. */
static void a_known_space_without_chunks_is_counted(void **state)
{
	struct v8_world *w = *state;
	uint64_t space;

	w->generation = V8_12;
	space = put_more(w);
	look(w);
	look(w);
	take_chunks();
	look(w);
	assert_int_equal(w->told.heap.committed_bytes, ISOLATE_BYTES + 2ull * V8_PAGE);
	assert_false(w->told.heap.known.exact);
	look(w);
	/* but what goes on counting without a chunk is left from one that is gone */
	look(w);
	assert_int_equal(w->told.heap.committed_bytes, ISOLATE_BYTES);
	assert_true(w->told.heap.known.exact);
	assert_int_equal(word_at(space)[3], 2ull * V8_PAGE);
}

static void a_space_that_is_another_now_is_not_counted(void **state)
{
	for (int i = 0; i < 3; i++) {
		struct v8_world *w = *state;
		uint64_t space;

		w->generation = V8_12;
		space = put_more(w);
		look(w);
		if (i > 0)
			look(w);
		take_chunks();
		if (i == 1)
			word_at(space)[0] += 64; /* the table of what it was derived from */
		if (i == 2)
			word_at(space)[2] = 37;
		/* i == 0: it was there for a moment only */
		look(w);
		assert_int_equal(w->told.heap.committed_bytes, ISOLATE_BYTES);
		assert_int_equal(v8_world_teardown(state), 0);
		assert_int_equal(v8_world_setup(state), 0);
	}
}

/* As in a scavenge: pages are lent to a space that was not there when pages were looked at. */
static void a_space_that_is_younger_than_the_view_is_read(void **state)
{
	struct v8_world *w = *state;
	uint64_t heap, other = OBJECTS + OBJECT_BYTES / 2;

	w->generation = V8_12;
	w->view.proc = "/proc";
	heap = put_isolate(w, 0);
	look(w);
	present_done(&w->present);
	present_add(&w->present.in, WORLD, WORLD + WORLD_PAGES * V8_PAGE);
	present_add(&w->present.in, OBJECTS, other);
	present_add(&w->present.in, TABLES, TABLES + 4096);
	w->next_object = other;
	put_chunk(w, 20, V8_PAGE, make_space(w, heap));
	look(w);
	assert_true(w->told.heap.known.exact);
	assert_int_equal(w->told.heap.committed_bytes, ISOLATE_BYTES + V8_PAGE);
}

/* Less than before may lack what is lent; more than before does not. */
static void counts_are_believed_that_did_not_fall(void **state)
{
	struct v8_world *w = *state;
	uint64_t space, sum;
	struct v8 *s;

	w->generation = V8_12;
	space = put_more(w);
	look(w);
	s = w->state;
	assert_int_equal(v8_begin_counts(s, &w->view, false, &sum), 0);
	assert_int_equal(sum, ISOLATE_BYTES + 2ull * V8_PAGE);
	assert_int_equal(v8_end_counts(s, &w->view, sum), 0);
	assert_true(s->counts_agree);
	assert_int_equal(v8_end_counts(s, &w->view, 2 * sum), 0);
	assert_false(s->counts_agree);
	assert_int_equal(v8_end_counts(s, &w->view, sum / 2), 0);
	assert_true(s->counts_agree);
	/* two chunks that it does not count any more: lent, and when it stays so, pooled */
	word_at(space)[3] = 0;
	assert_int_equal(v8_end_counts(s, &w->view, 0), 0);
	assert_false(s->counts_agree);
	assert_int_equal(v8_end_counts(s, &w->view, 0), 0);
	assert_true(s->counts_agree);
	look(w);
	assert_int_equal(w->told.heap.committed_bytes, ISOLATE_BYTES);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, v8_world_setup, v8_world_teardown)
	const struct CMUnitTest tests[] = {
		T(a_known_space_without_chunks_is_counted),
		T(a_space_that_is_another_now_is_not_counted),
		T(a_space_that_is_younger_than_the_view_is_read),
		T(counts_are_believed_that_did_not_fall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
