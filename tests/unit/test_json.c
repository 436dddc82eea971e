/* base/json and base/clock: fields that may be unknown, and lines that are written whole. */
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"

static void assert_dump(const json_t *object, const char *expected)
{
	auto_free char *line = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&line, &len);

	assert_int_equal(json_write_line(f, object), 0);
	fclose(f);
	assert_string_equal(line, expected);
}

static void numbers_that_were_not_measured_are_left_out(void **state)
{
	json_auto_t *o = json_object();

	(void)state;
	assert_int_equal(json_put_double_if_known(o, "a", NAN), 0);
	assert_int_equal(json_put_double_if_known(o, "b", INFINITY), 0);
	assert_int_equal(json_put_u64_if_known(o, "c", UINT64_MAX), 0);
	assert_int_equal(json_put_string(o, "d", NULL), 0);
	assert_int_equal(json_put_double_if_known(o, "e", 0.25), 0);
	assert_int_equal(json_put_u64_if_known(o, "f", 0), 0);
	assert_dump(o, "{\"e\":0.25,\"f\":0}\n");
}

static void required_numbers_that_were_not_measured_are_null(void **state)
{
	json_auto_t *o = json_object();

	(void)state;
	assert_int_equal(json_put_double_or_null(o, "a", NAN), 0);
	assert_int_equal(json_put_u64_or_null(o, "b", UINT64_MAX), 0);
	assert_int_equal(json_put_u64_or_null(o, "c", 7), 0);
	assert_dump(o, "{\"a\":null,\"b\":null,\"c\":7}\n");
}

static void a_count_beyond_what_json_holds_does_not_turn_negative(void **state)
{
	json_auto_t *o = json_object();

	(void)state;
	assert_int_equal(json_put_u64_if_known(o, "a", UINT64_MAX - 1), 0);
	assert_dump(o, "{\"a\":9223372036854775807}\n");
}

static void ids_are_strings_of_all_their_digits(void **state)
{
	json_auto_t *o = json_object();

	(void)state;
	assert_int_equal(json_put_hex64(o, "h", 0xabc), 0);
	assert_int_equal(json_put_decimal64(o, "d", UINT64_MAX), 0);
	assert_dump(o, "{\"h\":\"0000000000000abc\",\"d\":\"18446744073709551615\"}\n");
}

static void foreign_strings_are_cleaned_and_bounded(void **state)
{
	json_auto_t *o = json_object(), *s = NULL;
	char big[3 * JSON_STRING_MAX];

	(void)state;
	assert_int_equal(json_put_string(o, "a", "x\xff\n\"\\"), 0);
	assert_dump(o, "{\"a\":\"x\xef\xbf\xbd\\\\x0a\\\"\\\\\"}\n");
	memset(big, 'y', sizeof(big));
	s = json_clean_string(big, sizeof(big));
	assert_non_null(s);
	assert_int_equal(json_string_length(s), JSON_STRING_MAX);
}

static void a_value_that_could_not_be_made_is_out_of_memory(void **state)
{
	json_auto_t *o = json_object();

	(void)state;
	assert_int_equal(json_put(o, "a", NULL), -ENOMEM);
	assert_int_equal(json_object_size(o), 0);
}

static void times_of_days_keep_their_microseconds(void **state)
{
	json_auto_t *o = json_object();

	(void)state;
	assert_int_equal(json_put_double_if_known(o, "t", 864000.123456), 0);
	assert_dump(o, "{\"t\":864000.123456}\n");
}

static void a_full_disk_is_reported(void **state)
{
	json_auto_t *o = json_object();
	auto_fclose FILE *f = fopen("/dev/full", "w");

	(void)state;
	if (!f)
		skip();
	assert_int_equal(json_write_line(f, o), -ENOSPC);
}

static void a_reader_that_left_is_reported(void **state)
{
	json_auto_t *o = json_object();
	auto_fclose FILE *f = NULL;
	int ends[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	f = fdopen(ends[1], "w");
	assert_non_null(f);
	assert_int_equal(json_write_line(f, o), -EPIPE);
}

static void a_line_follows_what_the_stream_still_held(void **state)
{
	json_auto_t *o = json_object();
	auto_fclose FILE *f = NULL;
	auto_close int in = -1;
	char got[32] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	in = ends[0];
	f = fdopen(ends[1], "w");
	assert_non_null(f);
	fputs("head\n", f);
	json_put_u64_if_known(o, "a", 1);
	assert_int_equal(json_write_line(f, o), 0);
	assert_int_equal(read(in, got, sizeof(got) - 1), 13);
	assert_string_equal(got, "head\n{\"a\":1}\n");
}

static int pipe_in;
static size_t drained;

static void drain(void)
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(pipe_in, bytes, sizeof(bytes))) > 0)
		drained += (size_t)n;
}

/* In place of the C library's: whoever waits for room in the pipe gets it. */
int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	assert_int_equal(count, 1);
	assert_int_equal(timeout, -1);
	drain();
	fds->revents = POLLOUT;
	return 1;
}

static void a_full_non_blocking_reader_is_waited_for(void **state)
{
	json_auto_t *o = json_object(), *list = json_array();
	auto_fclose FILE *f = NULL;
	auto_close int in = -1;
	int ends[2], i;

	(void)state;
	for (i = 0; i < 20000; i++)
		json_array_append_new(list, json_string("0123456789"));
	json_put(o, "list", json_incref(list));
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	in = pipe_in = ends[0];
	f = fdopen(ends[1], "w");
	assert_non_null(f);
	assert_int_equal(json_write_line(f, o), 0);
	drain();
	assert_int_equal(drained, 20000 * 13 - 1 + strlen("{\"list\":[]}\n"));
}

static void a_moment_is_printed_in_utc_with_microseconds(void **state)
{
	char buf[CLOCK_UTC_BYTES];

	(void)state;
	assert_string_equal(clock_format_utc(0, buf), "1970-01-01T00:00:00.000000Z");
	assert_string_equal(clock_format_utc(1709210096123456789ull, buf),
			    "2024-02-29T12:34:56.123456Z");
	assert_string_equal(clock_format_utc(UINT64_MAX, buf), "2554-07-21T23:34:33.709551Z");
}

static void the_monotonic_clock_does_not_go_back(void **state)
{
	uint64_t before = clock_monotonic_ns();

	(void)state;
	assert_true(before > 0);
	assert_true(clock_monotonic_ns() >= before);
	assert_true(clock_realtime_ns() > 1600000000ull * 1000000000ull);
}

static void a_document_is_read_or_refused(void **state)
{
	static const char *const bad[] = { "", "x", "{", "[1,]", "{\"a\":NaN}", "\xff", "1 2" };
	json_auto_t *o = NULL;

	(void)state;
	assert_int_equal(json_parse("{\"a\":[1,null]}", 14, &o), 0);
	assert_int_equal(json_array_size(json_object_get(o, "a")), 2);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *none = NULL;

		assert_int_equal(json_parse(bad[i], strlen(bad[i]), &none), -EBADMSG);
		assert_null(none);
	}
}

static void words_for_no_numbers_are_read_outside_of_strings_only(void **state)
{
	static const char text[] = "{\"a\":[NaN,Infinity,-Infinity,1,-NaN],\"NaN\":\"\\\"NaN\"}";
	static const char good[] = "{\"a\":[NaN,Infinity,-Infinity,1],\"NaN\":\"\\\"NaN\"}";
	char why[JSON_WHY_BYTES];
	json_auto_t *o = NULL;
	const json_t *a;

	(void)state;
	assert_int_equal(json_parse_lenient(text, strlen(text), &o, why), -EBADMSG);
	assert_int_equal(json_parse_lenient(good, strlen(good), &o, why), 0);
	a = json_object_get(o, "a");
	assert_int_equal(json_array_size(a), 4);
	assert_true(json_is_object(json_array_get(a, 0)) && json_is_object(json_array_get(a, 2)));
	assert_int_equal(json_integer_value(json_array_get(a, 3)), 1);
	assert_string_equal(json_string_value(json_object_get(o, "NaN")), "\"NaN");
	json_decref(o);
	o = NULL;
	assert_int_equal(json_parse_lenient("Na", 2, &o, why), -EBADMSG);
	assert_int_equal(json_parse_lenient("\"\\", 2, &o, why), -EBADMSG);
	assert_int_equal(json_parse_lenient("NaN", 3, &o, why), 0);
	assert_true(json_is_object(o));
}

static void numbers_that_are_too_large_do_not_spoil_their_document(void **state)
{
	static const char text[] = "{\"a\":[1e999,-99999999999999999999,18446744073709551615,"
				   "9223372036854775807,1e5,\"1e999\"],\"s\":\"a\\u0000b\"}";
	static const char *const bad[] = { "[12345678901234567890-5]", "[0999999999999999999999]",
					   "[--99999999999999999999]",
					   "[\x01"
					   "1e999" };
	char why[JSON_WHY_BYTES];
	json_auto_t *o = NULL;
	const json_t *a;

	(void)state;
	assert_int_equal(json_parse_lenient(text, strlen(text), &o, why), 0);
	a = json_object_get(o, "a");
	assert_true(json_is_object(json_array_get(a, 0)));
	assert_true(fabs(json_number_value(json_array_get(a, 1)) / -1e20 - 1) < 1e-14);
	assert_true(fabs(json_number_value(json_array_get(a, 2)) / 0x1p64 - 1) < 1e-14);
	assert_true(json_integer_value(json_array_get(a, 3)) == INT64_MAX);
	assert_true(json_number_value(json_array_get(a, 4)) == 1e5);
	assert_string_equal(json_string_value(json_array_get(a, 5)), "1e999");
	assert_int_equal(json_string_length(json_object_get(o, "s")), 3);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *none = NULL;

		assert_int_equal(json_parse_lenient(bad[i], strlen(bad[i]), &none, why), -EBADMSG);
		assert_int_equal(strncmp(why, "no JSON: ", 9), 0);
	}
}

static void check_number_text(const char *text, const char *expected)
{
	char number[8];

	assert_int_equal(json_number_text(text, strlen(text), "id", number, sizeof(number)),
			 strlen(expected));
	assert_string_equal(number, expected);
}

static void a_number_is_found_as_it_is_written(void **state)
{
	(void)state;
	check_number_text("{\"id\":1.50}", "1.50");
	check_number_text("{ \"x\" : [{\"id\":3}] , \"id\" :\t-7e0 ,\"y\":\"id\"}", "-7e0");
	check_number_text("{\"id\":1,\"id\":2}", "2");
	check_number_text("{\"id\":1,\"id\":\"2\"}", "");
	check_number_text("{\"a\":\"\\\"id\\\":5\"}", "");
	check_number_text("{\"id\":12345678}", ""); /* no room */
	check_number_text("{\"id\":1234567}", "1234567");
	check_number_text("{\"id\"", "");
	check_number_text("{\"id", "");
	check_number_text("{\"\\", "");
	check_number_text("", "");
}

static void a_number_is_written_as_it_came(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	json_auto_t *o = json_pack("{s:i}", "a", 1), *none = json_object();

	(void)state;
	assert_int_equal(json_write_line_with(f, o, "id", "1700000000.123456"), 0);
	assert_int_equal(json_write_line_with(f, none, "id", "5"), 0);
	fclose(f);
	assert_string_equal(text, "{\"id\":1700000000.123456,\"a\":1}\n{\"id\":5}\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_that_were_not_measured_are_left_out),
		cmocka_unit_test(required_numbers_that_were_not_measured_are_null),
		cmocka_unit_test(a_count_beyond_what_json_holds_does_not_turn_negative),
		cmocka_unit_test(ids_are_strings_of_all_their_digits),
		cmocka_unit_test(foreign_strings_are_cleaned_and_bounded),
		cmocka_unit_test(a_value_that_could_not_be_made_is_out_of_memory),
		cmocka_unit_test(times_of_days_keep_their_microseconds),
		cmocka_unit_test(a_full_disk_is_reported),
		cmocka_unit_test(a_reader_that_left_is_reported),
		cmocka_unit_test(a_line_follows_what_the_stream_still_held),
		cmocka_unit_test(a_full_non_blocking_reader_is_waited_for),
		cmocka_unit_test(a_moment_is_printed_in_utc_with_microseconds),
		cmocka_unit_test(the_monotonic_clock_does_not_go_back),
		cmocka_unit_test(a_document_is_read_or_refused),
		cmocka_unit_test(words_for_no_numbers_are_read_outside_of_strings_only),
		cmocka_unit_test(numbers_that_are_too_large_do_not_spoil_their_document),
		cmocka_unit_test(a_number_is_found_as_it_is_written),
		cmocka_unit_test(a_number_is_written_as_it_came),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
