/* base/num: what people type and what people read. */
#include "base/num.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define UNTOUCHED 4711

static void a_whole_number_is_read_to_its_end(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_int_equal(num_parse_u64("0", 0, 10, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(num_parse_u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(num_parse_u64("007", 0, 10, &v), 0);
	assert_int_equal(v, 7);
}

static void what_is_no_whole_number_is_refused_and_result_untouched(void **state)
{
	static const char *const wrong[] = {
		"", " 1", "1 ", "-1", "+1", "0x10", "12x", "1.5", "abc"
	};
	uint64_t v = UNTOUCHED;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(num_parse_u64(wrong[i], 0, UINT64_MAX, &v), -EINVAL);
	assert_int_equal(v, UNTOUCHED);
}

static void a_number_outside_its_bounds_is_out_of_range(void **state)
{
	uint64_t v = UNTOUCHED;

	(void)state;
	assert_int_equal(num_parse_u64("0", 1, 10, &v), -ERANGE);
	assert_int_equal(num_parse_u64("11", 1, 10, &v), -ERANGE);
	assert_int_equal(num_parse_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(num_parse_u64("99999999999999999999999999", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(v, UNTOUCHED);
}

static void a_wrong_form_is_reported_before_a_wrong_size(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(num_parse_u64("99999999999999999999999999x", 0, 1, &v), -EINVAL);
}

static void short_size_units_are_binary_and_long_ones_say_what_they_are(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{ "0", 0 },	     { "17", 17 },	   { "17B", 17 },
		{ "64K", 65536 },    { "64k", 65536 },	   { "512KiB", 524288 },
		{ "10M", 10485760 }, { "1G", 1073741824 }, { "1.5K", 1536 },
		{ "2.3kB", 2300 },   { "10MB", 10000000 }, { "1T", 1099511627776 },
	};
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(num_parse_bytes(cases[i].text, &v), 0);
		assert_int_equal(v, cases[i].bytes);
	}
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const wrong[] = { "",     "K",   "-1K", "1KK", "1 K", "1.",	 "1..5K",
					     "0x1K", "inf", "nan", "1e3", "1Q",	 "1K\n", "." };
	uint64_t v = UNTOUCHED;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(num_parse_bytes(wrong[i], &v), -EINVAL);
	assert_int_equal(num_parse_bytes("99999999999T", &v), -ERANGE);
	assert_int_equal(num_parse_bytes("18446744073709551616", &v), -ERANGE);
	assert_int_equal(v, UNTOUCHED);
}

static void times_are_seconds_unless_they_say_otherwise(void **state)
{
	static const struct {
		const char *text;
		double seconds;
	} cases[] = {
		{ "0", 0 },	  { "5", 5 },	 { "0.1", 0.1 }, { ".5", 0.5 },	   { "500ms", 0.5 },
		{ "10us", 1e-5 }, { "10s", 10 }, { "5m", 300 },	 { "1.5h", 5400 }, { "2d", 172800 },
	};
	double v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(num_parse_seconds(cases[i].text, &v), 0);
		assert_true(fabs(v - cases[i].seconds) < 1e-12);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const wrong[] = { "",      "s",   "-5",  "5 s", "5x",
					     "1m30s", "1e3", "nan", "inf" };
	char huge[512];
	double v = UNTOUCHED;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(num_parse_seconds(wrong[i], &v), -EINVAL);
	memset(huge, '9', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(num_parse_seconds(huge, &v), -ERANGE);
	assert_true(v == UNTOUCHED);
}

static void a_percentage_may_carry_its_sign(void **state)
{
	double v = UNTOUCHED;

	(void)state;
	assert_int_equal(num_parse_percent("5%", &v), 0);
	assert_true(v == 5);
	assert_int_equal(num_parse_percent("2.5", &v), 0);
	assert_true(v == 2.5);
	assert_int_equal(num_parse_percent("5%%", &v), -EINVAL);
	assert_int_equal(num_parse_percent("%", &v), -EINVAL);
	assert_int_equal(num_parse_percent("-5%", &v), -EINVAL);
	assert_true(v == 2.5);
}

static void bytes_are_printed_in_powers_of_1000(void **state)
{
	char buf[NUM_TEXT_BYTES];

	(void)state;
	assert_string_equal(num_format_bytes(0, buf), "0 B");
	assert_string_equal(num_format_bytes(999, buf), "999 B");
	assert_string_equal(num_format_bytes(1000, buf), "1.0 kB");
	assert_string_equal(num_format_bytes(1900000, buf), "1.9 MB");
	assert_string_equal(num_format_bytes(99940, buf), "99.9 kB");
	assert_string_equal(num_format_bytes(153400000, buf), "153 MB");
	assert_string_equal(num_format_bytes(UINT64_MAX - 1, buf), "18.4 EB");
}

static void rounding_never_prints_a_thousand_of_a_unit(void **state)
{
	char buf[NUM_TEXT_BYTES];

	(void)state;
	assert_string_equal(num_format_bytes(999499, buf), "999 kB");
	assert_string_equal(num_format_bytes(999999, buf), "1.0 MB");
	assert_string_equal(num_format_bytes(99960, buf), "100 kB");
}

static void what_was_not_measured_is_never_a_number(void **state)
{
	char buf[NUM_TEXT_BYTES];

	(void)state;
	assert_string_equal(num_format_bytes(UINT64_MAX, buf), "n/a");
	assert_string_equal(num_format_count(UINT64_MAX, buf), "n/a");
	assert_string_equal(num_format_rate(NAN, buf), "n/a");
	assert_string_equal(num_format_rate(-INFINITY, buf), "n/a");
	assert_string_equal(num_format_seconds(NAN, buf), "n/a");
	assert_string_equal(num_format_seconds(1e300, buf), "n/a");
	assert_string_equal(num_format_seconds(-1, buf), "n/a");
}

static void a_rate_shows_its_direction(void **state)
{
	char buf[NUM_TEXT_BYTES];

	(void)state;
	assert_string_equal(num_format_rate(1.9e6, buf), "+1.9 MB/s");
	assert_string_equal(num_format_rate(-12, buf), "-12 B/s");
	assert_string_equal(num_format_rate(0.4, buf), "+0.4 B/s");
	assert_string_equal(num_format_rate(0, buf), "0 B/s");
	assert_string_equal(num_format_rate(-0.01, buf), "0 B/s");
	assert_string_equal(num_format_rate(-1e26, buf), "-100 YB/s");
}

static void counts_are_exact_below_a_million(void **state)
{
	char buf[NUM_TEXT_BYTES];

	(void)state;
	assert_string_equal(num_format_count(999, buf), "999");
	assert_string_equal(num_format_count(1007, buf), "1,007");
	assert_string_equal(num_format_count(999999, buf), "999,999");
	assert_string_equal(num_format_count(1234567, buf), "1.2 M");
}

static void durations_use_the_two_largest_units(void **state)
{
	char buf[NUM_TEXT_BYTES];

	(void)state;
	assert_string_equal(num_format_seconds(0, buf), "0 s");
	assert_string_equal(num_format_seconds(0.25, buf), "0.25 s");
	assert_string_equal(num_format_seconds(1.26, buf), "1.3 s");
	assert_string_equal(num_format_seconds(12.3, buf), "12 s");
	assert_string_equal(num_format_seconds(59.7, buf), "1 min 0 s");
	assert_string_equal(num_format_seconds(200, buf), "3 min 20 s");
	assert_string_equal(num_format_seconds(7500, buf), "2 h 5 min");
	assert_string_equal(num_format_seconds(3 * 86400 + 4 * 3600, buf), "3 d 4 h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_number_is_read_to_its_end),
		cmocka_unit_test(what_is_no_whole_number_is_refused_and_result_untouched),
		cmocka_unit_test(a_number_outside_its_bounds_is_out_of_range),
		cmocka_unit_test(a_wrong_form_is_reported_before_a_wrong_size),
		cmocka_unit_test(short_size_units_are_binary_and_long_ones_say_what_they_are),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(times_are_seconds_unless_they_say_otherwise),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(a_percentage_may_carry_its_sign),
		cmocka_unit_test(bytes_are_printed_in_powers_of_1000),
		cmocka_unit_test(rounding_never_prints_a_thousand_of_a_unit),
		cmocka_unit_test(what_was_not_measured_is_never_a_number),
		cmocka_unit_test(a_rate_shows_its_direction),
		cmocka_unit_test(counts_are_exact_below_a_million),
		cmocka_unit_test(durations_use_the_two_largest_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
