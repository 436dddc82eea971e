/* runtime/v8: ArrayBuffers, by the allocator's count and by V8's lists; hostile lists too. */
#include "v8_world.h"

#define SLOT 0x2060   /* of the allocator in a Heap */
#define SWEEPER 0x938 /* of the sweeper */
#define YOUNG 13      /* words of the sweeper */
#define OLD 16
#define TABLE (TABLES + 1024)

struct buffers_world {
	struct v8_world *world;
	uint64_t heap, sweeper, allocator;
	struct v8 *s;
};

/* One isolate with an allocator and empty lists, opened as a binary with symbols is. */
static void begin(struct v8_world *w, struct buffers_world *ret)
{
	struct buffers_world b = { .world = w };
	const char *why;

	w->generation = V8_12;
	b.heap = put_isolate(w, 0);
	b.allocator = make_object(w, 64);
	b.sweeper = make_object(w, 1024);
	word_at(b.allocator)[0] = TABLE;
	word_at(b.heap + SLOT)[0] = b.allocator;
	word_at(b.heap + SWEEPER)[0] = b.sweeper;
	word_at(b.sweeper)[0] = b.heap;
	assert_int_equal(runtime_v8.open(&w->view, &w->state, &why), 0);
	b.s = w->state;
	b.s->symbols = (struct v8_symbols){ .found = true,
					    .allocator_table = TABLE,
					    .allocator_bytes = 16 };
	*ret = b;
}

/* Appends a buffer that nothing counts; the element's address. */
static uint64_t chain_buffer(struct buffers_world *b, unsigned int list, uint64_t start,
			     uint64_t bytes)
{
	uint64_t element = make_object(b->world, 48), store = make_object(b->world, 48);
	uint64_t *l = word_at(b->sweeper) + list;

	word_at(store)[0] = start;
	word_at(store)[1] = word_at(store)[2] = bytes;
	word_at(element)[1] = store;
	word_at(element)[4] = bytes;
	if (l[1])
		word_at(l[1])[3] = element;
	else
		l[0] = element;
	l[1] = element;
	return element;
}

static uint64_t put_buffer(struct buffers_world *b, unsigned int list, uint64_t start,
			   uint64_t bytes)
{
	word_at(b->sweeper)[list + 2] += bytes;
	word_at(b->allocator)[2] += bytes;
	return chain_buffer(b, list, start, bytes);
}

static void buffers_are_counted_and_walked(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;

	begin(w, &b);
	for (int i = 0; i < 100; i++)
		put_buffer(&b, i % 3 ? OLD : YOUNG, page_at(10) + i * 100, 100);
	word_at(b.allocator)[2] += 65536; /* read into just now */
	look(w);
	assert_true(w->told.buffers.known.exact);
	assert_null(w->told.buffers.known.why);
	assert_int_equal(w->told.buffers.bytes, 10000 + 65536);
	assert_int_equal(w->told.buffers.count, 100);
	assert_int_equal(w->told.buffers.resident_bytes, 10000);
}

/* From a collection on, V8's lists are in a job. */
static void lists_in_a_job_are_walked(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;
	uint64_t job;

	begin(w, &b);
	put_buffer(&b, OLD, page_at(10), 4096);
	put_buffer(&b, OLD, page_at(12), 4096);
	look(w);
	assert_int_equal(w->told.buffers.count, 2);
	job = make_object(w, 256);
	memcpy(word_at(job) + 5, word_at(b.sweeper) + OLD, 24);
	memset(word_at(b.sweeper) + OLD, 0, 24);
	word_at(b.sweeper)[1] = job;
	look(w);
	assert_int_equal(w->told.buffers.count, 2);
	assert_int_equal(w->told.buffers.resident_bytes, 8192);
}

/* Known as a list, it is one without a sum as well. */
static void a_list_of_empty_buffers_adds_up(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;
	uint64_t first;

	begin(w, &b);
	first = put_buffer(&b, YOUNG, page_at(12), 100);
	put_buffer(&b, OLD, page_at(10), 100);
	look(w);
	assert_int_equal(w->told.buffers.count, 2);
	word_at(first)[4] = word_at(word_at(first)[1])[1] = 0;
	word_at(b.sweeper)[YOUNG + 2] = 0;
	word_at(b.allocator)[2] -= 100;
	look(w);
	assert_null(w->told.buffers.known.why);
	assert_int_equal(w->told.buffers.count, 1);
}

/* Of what lies behind the sweeper in malloc's memory nothing is expected at the next look. */
static void a_list_of_a_neighbour_may_go(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;

	begin(w, &b);
	word_at(b.sweeper)[-1] = 0xa0 | 1;
	put_buffer(&b, OLD, page_at(10), 4096);
	put_buffer(&b, 24, page_at(12), 4096);
	look(w);
	assert_int_equal(w->told.buffers.count, 2);
	memset(word_at(b.sweeper) + 24, 7, 24);
	word_at(b.allocator)[2] -= 4096;
	look(w);
	assert_null(w->told.buffers.known.why);
	assert_int_equal(w->told.buffers.count, 1);
}

/* A chunk of malloc's that is a mapping: its header says so, here and whenever it is told. */
static void a_buffer_that_is_a_mapping_is_a_range(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;

	begin(w, &b);
	w->view.now_ns = 1;
	word_at(page_at(20))[1] = (1u << 20 | 4096) | 2;
	put_buffer(&b, OLD, page_at(20) + 16, 1u << 20);
	word_at(page_at(30))[1] = (1u << 20 | 4096) | 1; /* of an arena */
	put_buffer(&b, OLD, page_at(30) + 16, 1u << 20);
	look(w);
	assert_int_equal(w->told.buffers.count, 2);
	assert_int_equal(bytes_of(w, INNER_BUFFER), (1u << 20) + 4096);
	word_at(page_at(20))[1] = 0;
	look(w);
	assert_int_equal(bytes_of(w, INNER_BUFFER), 0);
}

static void a_walk_is_done_every_30_s(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;

	begin(w, &b);
	w->view.now_ns = 1000;
	put_buffer(&b, OLD, page_at(10), 4096);
	look(w);
	put_buffer(&b, OLD, page_at(11), 4096);
	w->view.now_ns += 29ull * 1000 * 1000 * 1000;
	look(w);
	assert_int_equal(w->told.buffers.count, 1);
	assert_int_equal(w->told.buffers.bytes, 8192);
	w->view.now_ns += 1ull * 1000 * 1000 * 1000;
	look(w);
	assert_int_equal(w->told.buffers.count, 2);
}

static void unlisted(struct v8_world *w, const char *why)
{
	look(w);
	assert_true(w->told.buffers.known.exact);
	assert_string_equal(w->told.buffers.known.why, why);
	assert_true(w->told.buffers.count == FACT_UNKNOWN);
	assert_true(w->told.buffers.resident_bytes == FACT_UNKNOWN);
}

/* Known as a list first, so that it is tried to the end. */
static void a_list_that_is_a_ring_ends(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;
	uint64_t first, second, before;

	begin(w, &b);
	first = put_buffer(&b, OLD, page_at(10), 100);
	second = put_buffer(&b, OLD, page_at(10), 100);
	put_buffer(&b, OLD, page_at(11), 100);
	look(w);
	assert_int_equal(w->told.buffers.count, 3);
	word_at(first)[3] = second;
	word_at(second)[3] = first;
	/* of nothing: the sum that the list says never comes */
	word_at(first)[4] = word_at(second)[4] = 0;
	before = w->peek.calls;
	look(w);
	assert_non_null(w->told.buffers.known.why);
	assert_true(w->told.buffers.count == FACT_UNKNOWN);
	assert_true(w->peek.calls - before < 1000);
}

/* What only looks like a list takes nothing from the one behind it. */
static void a_ring_that_is_no_list_leaves_the_lists_their_turn(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;
	uint64_t *ring, first, second;

	begin(w, &b);
	ring = word_at(b.sweeper) + YOUNG - 5;
	first = chain_buffer(&b, YOUNG - 5, page_at(12), 0);
	second = chain_buffer(&b, YOUNG - 5, page_at(12), 0);
	word_at(second)[3] = first;
	ring[1] = 0;
	ring[0] = 0;
	chain_buffer(&b, YOUNG - 5, page_at(12), 0); /* an end that is never come to */
	ring[0] = first;
	ring[2] = 1;
	put_buffer(&b, OLD, page_at(10), 100);
	put_buffer(&b, OLD, page_at(11), 100);
	look(w);
	assert_null(w->told.buffers.known.why);
	assert_int_equal(w->told.buffers.count, 2);
}

static void a_list_that_does_not_add_up_is_not_counted(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;

	begin(w, &b);
	put_buffer(&b, OLD, page_at(10), 100);
	put_buffer(&b, OLD, page_at(11), 100);
	look(w);
	word_at(b.sweeper)[OLD + 2] += 1;
	unlisted(w, "V8's lists of them changed while they were read");
	word_at(b.sweeper)[OLD + 2] = 100;
	unlisted(w, "V8's lists of them changed while they were read");
	word_at(b.sweeper)[OLD + 2] = 200;
	look(w);
	assert_int_equal(w->told.buffers.count, 2);
}

static void pointers_into_nothing_are_not_followed(void **state)
{
	static const uint64_t bad[] = {
		8,	    12345, 0xffffffffffffffff, OBJECTS + OBJECT_BYTES - 16, 0x7fffffffff000,
		OBJECTS + 4
	};
	struct v8_world *w = *state;
	struct buffers_world b;
	uint64_t first, store;

	begin(w, &b);
	first = put_buffer(&b, OLD, page_at(10), 100);
	put_buffer(&b, OLD, page_at(11), 100);
	look(w);
	assert_int_equal(w->told.buffers.count, 2);
	store = word_at(first)[1];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		word_at(first)[1] = bad[i];
		unlisted(w, "V8's lists of them changed while they were read");
		word_at(first)[1] = store;
		word_at(b.heap + SLOT)[0] = bad[i];
		b.s->buffers.isolate[0].allocator = bad[i];
		look(w);
		assert_false(w->told.buffers.known.exact);
		word_at(b.heap + SLOT)[0] = b.allocator;
		b.s->buffers.isolate[0].allocator = 0;
	}
	look(w);
	assert_int_equal(w->told.buffers.bytes, 200);
	assert_int_equal(w->told.buffers.count, 2);
}

/* What it holds would add up, but it is not to be read. */
static void elements_that_are_not_in_memory_are_not_read(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;

	begin(w, &b);
	put_buffer(&b, OLD, page_at(10), 100);
	w->next_object = OBJECTS + OBJECT_BYTES / 2;
	put_buffer(&b, OLD, page_at(11), 100);
	look(w);
	assert_int_equal(w->told.buffers.count, 2);
	present_done(&w->present);
	present_add(&w->present.in, WORLD, WORLD + WORLD_PAGES * V8_PAGE);
	present_add(&w->present.in, OBJECTS, OBJECTS + OBJECT_BYTES / 2);
	present_add(&w->present.in, TABLES, TABLES + 4096);
	unlisted(w, "V8's lists of them changed while they were read");
}

static void what_is_being_swept_is_not_called_all(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;

	begin(w, &b);
	put_buffer(&b, OLD, page_at(10), 100);
	word_at(b.allocator)[2] += 1u << 20;
	unlisted(w, "V8 was sweeping them");
	assert_int_equal(w->told.buffers.bytes, (1u << 20) + 100);
}

static void without_the_allocators_name_the_lists_are_an_estimate(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;

	begin(w, &b);
	put_buffer(&b, OLD, page_at(10), 100);
	b.s->symbols.allocator_table = 0;
	look(w);
	assert_false(w->told.buffers.known.exact);
	assert_string_equal(w->told.buffers.known.how, "V8's lists of them");
	assert_non_null(w->told.buffers.known.why);
	assert_int_equal(w->told.buffers.bytes, 100);
}

static void an_allocator_that_isolates_share_counts_once(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;
	uint64_t other;

	begin(w, &b);
	put_buffer(&b, OLD, page_at(10), 100);
	other = put_isolate(w, 30);
	word_at(other + SLOT)[0] = b.allocator;
	look(w);
	assert_int_equal(w->told.heap.heaps, 2);
	assert_true(w->told.buffers.known.exact);
	assert_int_equal(w->told.buffers.bytes, 100);
	b.s->buffers.isolate[1].allocator = 0;
	word_at(other + SLOT)[0] = 0;
	look(w);
	assert_false(w->told.buffers.known.exact);
	assert_int_equal(w->told.buffers.bytes, 100);
	assert_string_equal(w->told.buffers.known.why,
			    "an isolate has an allocator that is not node's");
}

/* Every word of a Heap leads to what may be a sweeper, and none is: that is not tried each time. */
static void lists_that_cannot_be_verified_are_looked_for_ever_less_often(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;
	uint64_t at;
	int tries = 0;

	begin(w, &b);
	for (uint64_t i = 8; i < 4096; i += 8) {
		at = make_object(w, 320);
		word_at(at)[0] = b.heap;
		word_at(b.heap + i)[0] = at;
	}
	w->view.now_ns = 1;
	for (int i = 0; i < 100; i++) {
		bool tried = b.s->buffers.due_ns <= w->view.now_ns;
		uint32_t failed = b.s->buffers.failed;

		look(w);
		tries += tried;
		if (tried)
			assert_int_equal(b.s->buffers.failed, failed + 1);
		w->view.now_ns += 1000000000;
	}
	assert_true(w->told.buffers.count == FACT_UNKNOWN);
	assert_true(tries > 5 && tries < 15);
}

/* Its allocator is still there, but another isolate's: a Heap where one was before. */
static void a_heap_in_the_place_of_another_has_an_allocator_of_its_own(void **state)
{
	struct v8_world *w = *state;
	struct buffers_world b;
	uint64_t other;

	begin(w, &b);
	put_buffer(&b, OLD, page_at(10), 100);
	look(w);
	assert_int_equal(w->told.buffers.bytes, 100);
	other = make_object(w, 64);
	word_at(other)[0] = TABLE;
	word_at(other)[2] = 5000;
	word_at(b.heap + SLOT)[0] = other;
	look(w);
	assert_int_equal(w->told.buffers.bytes, 5000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, v8_world_setup, v8_world_teardown)
	const struct CMUnitTest tests[] = {
		T(buffers_are_counted_and_walked),
		T(lists_in_a_job_are_walked),
		T(a_list_of_empty_buffers_adds_up),
		T(a_list_of_a_neighbour_may_go),
		T(a_buffer_that_is_a_mapping_is_a_range),
		T(a_walk_is_done_every_30_s),
		T(a_list_that_is_a_ring_ends),
		T(a_ring_that_is_no_list_leaves_the_lists_their_turn),
		T(a_list_that_does_not_add_up_is_not_counted),
		T(pointers_into_nothing_are_not_followed),
		T(elements_that_are_not_in_memory_are_not_read),
		T(what_is_being_swept_is_not_called_all),
		T(without_the_allocators_name_the_lists_are_an_estimate),
		T(an_allocator_that_isolates_share_counts_once),
		T(lists_that_cannot_be_verified_are_looked_for_ever_less_often),
		T(a_heap_in_the_place_of_another_has_an_allocator_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
