/* input: foreign lines as they come, whole, bounded; times of foreign points. */
#include "base/input.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "app/timeline.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define auto_input auto_clean(input_freep)

/* A source that gives out what it has in pieces, then an error or the end. */
struct source {
	const char *text;
	size_t len, piece;
	int end;
};

static ssize_t read_source(void *ctx, void *buf, size_t size)
{
	struct source *s = ctx;
	size_t n = s->len < s->piece ? s->len : s->piece;

	n = n < size ? n : size;
	if (n == 0)
		return s->end;
	memcpy(buf, s->text, n);
	s->text += n;
	s->len -= n;
	return (ssize_t)n;
}

static void assert_line(struct input *in, const char *text, uint64_t number)
{
	struct input_line line;

	assert_int_equal(input_next(in, &line), 1);
	assert_int_equal(line.len, strlen(text));
	assert_memory_equal(line.bytes, text, line.len);
	assert_int_equal(line.number, number);
	assert_false(line.too_long);
}

static void lines_come_whole_however_they_are_cut(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 20; piece++) {
		struct source s = { "first\n\nthird line\nlast", 22, piece, 0 };
		auto_input struct input *in = NULL;
		struct input_line line;

		assert_int_equal(input_new(100, read_source, &s, &in), 0);
		assert_line(in, "first", 1);
		assert_line(in, "", 2);
		assert_line(in, "third line", 3);
		assert_line(in, "last", 4);
		assert_int_equal(input_next(in, &line), 0);
		assert_int_equal(input_next(in, &line), 0);
		assert_int_equal(input_count(in), 4);
	}
}

static void a_line_that_is_too_long_is_marked_and_the_next_one_is_read(void **state)
{
	const size_t sizes[] = { 11, 65536, 65537, 300000 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		auto_free char *text = malloc(sizes[i] + 20);
		struct source s = { text, sizes[i] + 9, 70000, 0 };
		auto_input struct input *in = NULL;
		struct input_line line;

		memset(text, 'x', sizes[i]);
		memcpy(text + sizes[i], "\nab\n12345678901", 15);
		s.len = sizes[i] + 15;
		assert_int_equal(input_new(10, read_source, &s, &in), 0);
		assert_int_equal(input_next(in, &line), 1);
		assert_true(line.too_long && line.len == 0 && line.number == 1);
		assert_line(in, "ab", 2);
		assert_int_equal(input_next(in, &line), 1); /* without an end */
		assert_true(line.too_long && line.number == 3);
		assert_int_equal(input_next(in, &line), 0);
	}
}

static void the_longest_line_is_one_of_the_limit(void **state)
{
	struct source s = { "1234567890\nx\n", 13, 4, 0 };
	auto_input struct input *in = NULL;

	(void)state;
	assert_int_equal(input_new(10, read_source, &s, &in), 0);
	assert_line(in, "1234567890", 1);
	assert_line(in, "x", 2);
}

static void an_error_is_told_and_reading_can_go_on(void **state)
{
	struct source s = { "a\nhal", 5, 5, -EAGAIN };
	auto_input struct input *in = NULL;
	struct input_line line;

	(void)state;
	assert_int_equal(input_new(10, read_source, &s, &in), 0);
	assert_line(in, "a", 1);
	assert_int_equal(input_next(in, &line), -EAGAIN);
	s = (struct source){ "f\nb\n", 4, 4, 0 };
	assert_line(in, "half", 2);
	assert_line(in, "b", 3);
	s.end = -EIO;
	assert_int_equal(input_next(in, &line), -EIO);
}

static void a_pipe_gives_a_line_before_the_next_is_written(void **state)
{
	auto_input struct input *in = NULL;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(input_new(1000, input_read_fd, &ends[0], &in), 0);
	assert_int_equal(write(ends[1], "one\n", 4), 4);
	assert_line(in, "one", 1);
	assert_int_equal(write(ends[1], "two\nthr", 7), 7);
	assert_line(in, "two", 2);
	assert_int_equal(write(ends[1], "ee", 2), 2);
	close(ends[1]);
	assert_line(in, "three", 3);
	close(ends[0]);
}

/* --- times ---------------------------------------------------------------------------------- */

static void times_begin_at_zero_and_rise(void **state)
{
	struct timeline t = {};
	double s;

	(void)state;
	assert_true(timeline_add(&t, 1e9, 1e9, &s) && s == 0);
	assert_true(timeline_add(&t, 1e9 + 2, 0, &s) && s == 2);
	assert_false(timeline_add(&t, 1e9 + 2, 0, &s)); /* again */
	assert_false(timeline_add(&t, NAN, 0, &s));
	assert_false(timeline_add(&t, INFINITY, 0, &s));
	assert_false(timeline_add(&t, 3e9, 0, &s)); /* more than thirty years on */
	assert_true(timeline_add(&t, 1e9 + 3, 0, &s) && s == 3);
}

static void
one_time_that_steps_back_is_refused_and_a_clock_that_was_set_back_is_followed(void **state)
{
	struct timeline t = {};
	double s = 0;

	(void)state;
	for (int i = 0; i <= 10; i++)
		assert_true(timeline_add(&t, 100 + i, 100, &s));
	assert_false(timeline_add(&t, 50, 0, &s));
	assert_true(timeline_add(&t, 111, 0, &s) && s == 11);
	for (int i = 0; i < TIMELINE_STEPS - 1; i++)
		assert_false(timeline_add(&t, 20 + i, 0, &s));
	assert_true(timeline_add(&t, 20 + TIMELINE_STEPS - 1, 0, &s));
	assert_true(s == 12);
	assert_true(timeline_add(&t, 20 + TIMELINE_STEPS, 0, &s) && s == 13);
}

static void the_same_time_again_and_again_is_no_clock_set_back(void **state)
{
	struct timeline t = {};
	double s;

	(void)state;
	assert_true(timeline_add(&t, 5, 5, &s));
	for (int i = 0; i < 20; i++)
		assert_false(timeline_add(&t, 5, 5, &s));
	assert_true(timeline_add(&t, 6, 5, &s) && s == 1);
}

/* Times 0, 1, ... with one of them moved; what was given out last. */
static double after_one_moved(int n, int which, double moved, int *ret_refused)
{
	struct timeline t = {};
	double s = 0;

	*ret_refused = 0;
	for (int i = 0; i < n; i++)
		*ret_refused += !timeline_add(&t, i == which ? moved : i, 0, &s);
	return s;
}

static void one_time_far_ahead_is_refused_and_the_rest_goes_on(void **state)
{
	int refused;

	(void)state;
	assert_true(after_one_moved(400, 50, 3650, &refused) == 399 && refused == 1);
	assert_true(after_one_moved(400, 5, 1e9, &refused) == 399 && refused == 1);
	assert_true(after_one_moved(400, 5, 1e300, &refused) == 399 && refused == 1);
	assert_true(after_one_moved(400, 1, 1e9, &refused) == 399 && refused == 1);
	assert_true(after_one_moved(400, 399, 1e9, &refused) == 398 && refused == 1);
	/* the first one is the only one to go by: it is left when four say otherwise */
	assert_true(after_one_moved(400, 0, 1e8, &refused) == 1e8 + 396 && refused == 3);
}

static void a_gap_is_believed_when_the_next_time_says_so(void **state)
{
	struct timeline t = {};
	double s = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(timeline_add(&t, i, 0, &s));
	assert_false(timeline_add(&t, 5000, 0, &s));
	assert_true(timeline_add(&t, 5001, 0, &s) && s == 5001);
	assert_true(timeline_add(&t, 10000, 0, &s) && s == 10000); /* gaps are known now */
}

static void dates_after_a_zero_are_followed(void **state)
{
	struct timeline t = {};
	double s = 0;

	(void)state;
	assert_true(timeline_add(&t, 0, 0, &s) && s == 0);
	assert_false(timeline_add(&t, 1.7e9, 0, &s));
	assert_true(timeline_add(&t, 1.7e9 + 5, 0, &s) && s == 5);
	assert_true(timeline_add(&t, 1.7e9 + 10, 0, &s) && s == 10);
}

static void dates_are_read_and_what_is_none_is_refused(void **state)
{
	static const char *const none[] = { "",
					    "2026-11-21",
					    "2026-11-21T06:32:09",
					    "now",
					    "2026-13-21T06:32:09Z",
					    "2026-11-21T06:32:09+2:00",
					    "2026-11-21T06:32:09Zz",
					    "1969-12-31T23:59:59Z",
					    "2026-11-21T06:32:09+24:00" };
	uint64_t ns = 7;

	(void)state;
	assert_int_equal(clock_parse_utc("2026-11-21T06:32:09.575887Z", &ns), 0);
	assert_int_equal(ns, 1795242729575887000ull);
	assert_int_equal(clock_parse_utc("2026-11-21T08:32:09+02:00", &ns), 0);
	assert_int_equal(ns, 1795242729000000000ull);
	assert_int_equal(clock_parse_utc("2026-11-20T22:02:09.1-08:30", &ns), 0);
	assert_int_equal(ns, 1795242729100000000ull);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		ns = 7;
		assert_int_equal(clock_parse_utc(none[i], &ns), -EINVAL);
		assert_int_equal(ns, 7);
	}
	assert_int_equal(clock_parse_utc(NULL, &ns), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_whole_however_they_are_cut),
		cmocka_unit_test(a_line_that_is_too_long_is_marked_and_the_next_one_is_read),
		cmocka_unit_test(the_longest_line_is_one_of_the_limit),
		cmocka_unit_test(an_error_is_told_and_reading_can_go_on),
		cmocka_unit_test(a_pipe_gives_a_line_before_the_next_is_written),
		cmocka_unit_test(times_begin_at_zero_and_rise),
		cmocka_unit_test(
			one_time_that_steps_back_is_refused_and_a_clock_that_was_set_back_is_followed),
		cmocka_unit_test(the_same_time_again_and_again_is_no_clock_set_back),
		cmocka_unit_test(one_time_far_ahead_is_refused_and_the_rest_goes_on),
		cmocka_unit_test(a_gap_is_believed_when_the_next_time_says_so),
		cmocka_unit_test(dates_after_a_zero_are_followed),
		cmocka_unit_test(dates_are_read_and_what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
