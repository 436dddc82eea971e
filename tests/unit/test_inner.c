/* app/inner: when readers are opened, asked again and dropped, and whose word counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "app/inner.h"

#define SEC 1000000000ull
#define PAGE 4096ull
#define MB (1ull << 20)

/* What the readers below do next, and what was done with them. */
static struct {
	int open, read, walk_open;
	bool known, many;
	struct inner_range heap[4], arena[4];
	unsigned int opens, reads, closes, walks;
} fake;

static int heap_open(const struct process_view *v, void **state, const char **why)
{
	(void)v;
	fake.opens++;
	*why = fake.open == -EINVAL ? "of another build" : NULL;
	*state = &fake;
	return fake.open;
}

static int add_all(const struct inner_range *list, struct inner_ranges *ranges)
{
	for (size_t i = 0; i < 4 && list[i].end; i++)
		if (inner_ranges_add(ranges, list[i].start, list[i].end, list[i].use))
			return -ENOMEM;
	return 0;
}

static int heap_read(void *state, const struct process_view *v, struct inner_runtime *ret,
		     struct inner_ranges *ranges)
{
	(void)v;
	assert_ptr_equal(state, &fake);
	fake.reads++;
	if (fake.read)
		return fake.read;
	ret->heap.known = (struct inner_known){ true, fake.known ? "by test" : NULL,
						fake.known ? NULL : "not by test" };
	if (fake.many)
		ranges->refused = 1;
	return fake.known ? add_all(fake.heap, ranges) : 0;
}

static void heap_close(void *state)
{
	assert_ptr_equal(state, &fake);
	fake.closes++;
}

static int walk_open(const struct process_view *v, void **state, const char **why)
{
	(void)v;
	(void)why;
	*state = &fake;
	return fake.walk_open;
}

static int walk_read(void *state, const struct process_view *v, struct inner_allocator *ret,
		     struct inner_ranges *ranges)
{
	(void)state;
	(void)v;
	ret->known.how = "by test";
	ret->live_bytes = ++fake.walks;
	return add_all(fake.arena, ranges);
}

static int other_open(const struct process_view *v, void **state, const char **why)
{
	(void)v;
	(void)state;
	(void)why;
	return -ENOENT;
}

static const struct runtime_ops other = { "other", other_open, heap_read, heap_close };
static const struct runtime_ops heap = { "fake", heap_open, heap_read, heap_close };
static const struct walk_ops walk = { "alloc", walk_open, walk_read, heap_close };
static const struct runtime_ops *const heaps[] = { &other, &heap, NULL };
static const struct walk_ops *const walkers[] = { &walk, NULL };

static int setup(void **state)
{
	struct inner_cfg cfg = inner_defaults();

	cfg.runtimes = heaps;
	cfg.walks = walkers;
	memset(&fake, 0, sizeof(fake));
	fake.known = true;
	fake.heap[0] = (struct inner_range){ 8 * PAGE, 16 * PAGE, INNER_HEAP };
	fake.arena[0] = (struct inner_range){ 0, 12 * PAGE, INNER_ARENA };
	return inner_new(&cfg, (struct inner **)state);
}

static int teardown(void **state)
{
	inner_free(*state);
	return 0;
}

static struct inner_found look(struct inner *in, uint64_t code, uint64_t held, bool whole,
			       uint64_t now_ns)
{
	struct present present = { .in.count = 0 };
	struct process_view v = { .present = &present };
	struct inner_found found;

	inner_read(in, &v, code, held, whole, now_ns);
	inner_tell(in, &found);
	return found;
}

static void a_runtime_s_word_counts_before_an_allocator_s(void **state)
{
	struct inner_found f = look(*state, 1, 0, false, SEC);

	assert_int_equal(f.count, 2);
	assert_int_equal(f.range[0].use, INNER_ARENA);
	assert_int_equal(f.range[0].end, 8 * PAGE);
	assert_int_equal(f.range[1].use, INNER_HEAP);
	assert_int_equal(f.range[1].end, 16 * PAGE);
	assert_string_equal(f.runtime_name, "fake");
	assert_string_equal(f.allocator_name, "alloc");
	assert_null(f.runtime_why);
	assert_int_equal(f.walked_ns, SEC);
}

static void a_buffer_in_an_allocator_s_memory_is_the_allocator_s(void **state)
{
	struct inner_found f;

	fake.heap[0] = (struct inner_range){ 4 * PAGE, 20 * PAGE, INNER_BUFFER };
	f = look(*state, 1, 0, false, SEC);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.range[0].use, INNER_ARENA);
	assert_int_equal(f.range[0].end, 12 * PAGE);
	assert_int_equal(f.range[1].use, INNER_BUFFER);
	assert_int_equal(f.range[1].end, 20 * PAGE);
}

static void a_walk_is_made_again_after_a_minute_or_when_much_changed_or_at_the_end(void **state)
{
	look(*state, 1, 100 * MB, false, SEC);
	assert_int_equal(fake.walks, 1);
	look(*state, 1, 104 * MB, false, 2 * SEC);
	assert_int_equal(fake.walks, 1);
	look(*state, 1, 106 * MB, false, 3 * SEC);
	assert_int_equal(fake.walks, 2);
	look(*state, 1, 90 * MB, false, 4 * SEC);
	assert_int_equal(fake.walks, 3);
	look(*state, 1, 90 * MB, true, 5 * SEC);
	assert_int_equal(fake.walks, 4);
	look(*state, 1, 90 * MB, false, 64 * SEC);
	assert_int_equal(fake.walks, 4);
	assert_int_equal(look(*state, 1, 90 * MB, false, 65 * SEC).allocator->live_bytes, 5);
	assert_int_equal(fake.reads, 7); /* the heap each time */
}

static void who_is_not_ready_is_asked_again_and_who_is_not_there_when_code_changes(void **state)
{
	struct inner_found f;

	fake.open = -EAGAIN;
	fake.walk_open = -ENOENT;
	f = look(*state, 1, 0, false, SEC);
	assert_non_null(f.runtime_why);
	assert_null(f.runtime);
	assert_null(f.allocator_name);
	look(*state, 1, 0, false, 2 * SEC);
	assert_int_equal(fake.opens, 2);
	fake.open = -EINVAL;
	f = look(*state, 1, 0, false, 3 * SEC);
	assert_string_equal(f.runtime_why, "of another build");
	look(*state, 1, 0, false, 4 * SEC);
	assert_int_equal(fake.opens, 3);
	fake.open = fake.walk_open = 0;
	f = look(*state, 2, 0, false, 5 * SEC);
	assert_int_equal(fake.opens, 4);
	assert_non_null(f.runtime);
	assert_non_null(f.allocator);
	assert_null(f.runtime_why);
	look(*state, 3, 0, false, 5 * SEC); /* open ones stay open */
	assert_int_equal(fake.opens, 4);
}

/* It may never set itself up, and each look for it costs. */
static void who_does_not_come_is_asked_ever_less_often(void **state)
{
	fake.open = fake.walk_open = -EAGAIN;
	for (uint64_t s = 1; s <= 1000; s++)
		look(*state, 1, 0, false, s * SEC);
	assert_in_range(fake.opens, 10, 30);
	fake.open = 0;
	look(*state, 2, 0, false, 1001 * SEC); /* code changed */
	assert_int_equal(fake.reads, 1);
}

/* Without symbols it shows by its heap alone, and code need not change when it makes that. */
static void a_runtime_may_come_later(void **state)
{
	struct inner_found f = { .count = 0 };

	fake.open = -ENOENT;
	look(*state, 1, 0, false, SEC);
	fake.open = 0;
	for (uint64_t s = 2; s <= 4; s++)
		f = look(*state, 1, 0, false, s * SEC);
	assert_non_null(f.runtime);
	inner_drop(*state);
	fake.open = -ENOENT;
	fake.opens = 0;
	for (uint64_t s = 1; s <= 1000; s++)
		look(*state, 1, 0, false, s * SEC);
	assert_in_range(fake.opens, 5, 10);
	assert_null(f.runtime_why);
}

/* What had no room is external memory then: no figure of it is exact. */
static void more_pieces_than_are_remembered_are_told(void **state)
{
	struct inner_found f;

	fake.many = true;
	f = look(*state, 1, 0, false, SEC);
	assert_non_null(f.runtime);
	assert_false(f.runtime->heap.known.exact);
	assert_non_null(f.runtime->heap.known.why);
	assert_non_null(f.runtime->heap.known.how);
}

/* One reading that fails must not make a heap look like external memory. */
static void what_was_found_stands_for_a_while_when_a_reading_fails(void **state)
{
	struct inner_found f;

	fake.walk_open = -ENOENT;
	look(*state, 1, 0, false, SEC);
	fake.read = -ENOMEM;
	for (int i = 0; i < 3; i++)
		assert_int_equal(look(*state, 1, 0, false, 2 * SEC).count, 1);
	fake.read = 0;
	fake.known = false;
	for (int i = 0; i < 2; i++)
		assert_int_equal(look(*state, 1, 0, false, 3 * SEC).count, 1);
	f = look(*state, 1, 0, false, 4 * SEC);
	assert_int_equal(f.count, 0);
	assert_string_equal(f.runtime_why, "not by test");
	fake.known = true;
	f = look(*state, 1, 0, false, 5 * SEC);
	assert_int_equal(f.count, 1);
	assert_null(f.runtime_why);
}

static void another_program_ends_what_was_known_of_the_old_one(void **state)
{
	struct inner_found f;

	look(*state, 1, 0, false, SEC);
	inner_drop(*state);
	assert_int_equal(fake.closes, 2);
	inner_tell(*state, &f);
	assert_int_equal(f.count, 0);
	assert_null(f.runtime);
	assert_null(f.allocator);
	assert_null(f.runtime_name);
	look(*state, 1, 0, false, 2 * SEC);
	assert_int_equal(fake.opens, 2);
	assert_int_equal(fake.walks, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_runtime_s_word_counts_before_an_allocator_s),
		TEST(a_buffer_in_an_allocator_s_memory_is_the_allocator_s),
		TEST(a_walk_is_made_again_after_a_minute_or_when_much_changed_or_at_the_end),
		TEST(who_is_not_ready_is_asked_again_and_who_is_not_there_when_code_changes),
		TEST(who_does_not_come_is_asked_ever_less_often),
		TEST(a_runtime_may_come_later),
		TEST(more_pieces_than_are_remembered_are_told),
		TEST(what_was_found_stands_for_a_while_when_a_reading_fails),
		TEST(another_program_ends_what_was_known_of_the_old_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
