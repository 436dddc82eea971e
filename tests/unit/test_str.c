/* base/str: growing strings, and foreign bytes made fit to print. */
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static void assert_clean(const char *bytes, size_t len, const char *expected)
{
	auto_strbuf struct strbuf b = {};

	assert_int_equal(str_add_clean(&b, bytes, len), 0);
	assert_string_equal(strbuf_text(&b), expected);
	assert_int_equal(b.len, strlen(expected));
}

static void assert_cut(const char *text, size_t max, const char *expected)
{
	auto_strbuf struct strbuf b = {};

	strbuf_add(&b, "keep ");
	assert_int_equal(str_add_clean_max(&b, text, strlen(text), max), 0);
	assert_string_equal(strbuf_text(&b) + 5, expected);
}

static void a_text_grows_by_any_way_of_adding(void **state)
{
	auto_strbuf struct strbuf b = {};
	int i;

	(void)state;
	assert_string_equal(strbuf_text(&b), "");
	assert_int_equal(strbuf_add(&b, "ab"), 0);
	assert_int_equal(strbuf_add_bytes(&b, "cde", 2), 0);
	assert_int_equal(strbuf_printf(&b, "-%d", 42), 0);
	assert_string_equal(strbuf_text(&b), "abcd-42");
	for (i = 0; i < 1000; i++)
		strbuf_add(&b, "0123456789");
	assert_int_equal(b.len, 10007);
	assert_int_equal(strlen(strbuf_text(&b)), 10007);
}

static void a_text_that_is_taken_leaves_nothing_behind(void **state)
{
	auto_strbuf struct strbuf b = {};
	auto_free char *text = NULL, *empty = NULL;

	(void)state;
	strbuf_add(&b, "mine");
	assert_int_equal(strbuf_take(&b, &text), 0);
	assert_string_equal(text, "mine");
	assert_int_equal(b.len, 0);
	assert_int_equal(strbuf_take(&b, &empty), 0);
	assert_string_equal(empty, "");
}

static void the_first_failure_stays(void **state)
{
	auto_strbuf struct strbuf b = {};
	char *text = NULL;

	(void)state;
	strbuf_add(&b, "x");
	assert_int_equal(strbuf_add_bytes(&b, "", SIZE_MAX), -ENOMEM);
	assert_int_equal(strbuf_add(&b, "y"), -ENOMEM);
	assert_int_equal(str_add_clean(&b, "y", 1), -ENOMEM);
	assert_int_equal(strbuf_take(&b, &text), -ENOMEM);
	assert_null(text);
	assert_string_equal(strbuf_text(&b), "x");
	strbuf_clear(&b);
	assert_int_equal(strbuf_add(&b, "y"), 0);
	assert_string_equal(strbuf_text(&b), "y");
}

static void valid_text_passes_unchanged(void **state)
{
	static const char text[] = "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9b a\\b \"'";

	(void)state;
	assert_clean(text, strlen(text), text);
	assert_clean("", 0, "");
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
	(void)state;
	assert_clean("a\xff"
		     "b",
		     3, "a" BAD "b");
	assert_clean("\x80", 1, BAD);
	assert_clean("\xc0\xaf", 2, BAD BAD);		      /* an overlong slash */
	assert_clean("\xe0\x80\x80", 3, BAD BAD BAD);	      /* overlong */
	assert_clean("\xed\xa0\x80", 3, BAD BAD BAD);	      /* a surrogate */
	assert_clean("\xf4\x90\x80\x80", 4, BAD BAD BAD BAD); /* beyond U+10FFFF */
	assert_clean("\xf5", 1, BAD);
}

static void a_character_that_is_cut_short_is_replaced_once(void **state)
{
	(void)state;
	assert_clean("a\xe2\x82", 3, "a" BAD);
	assert_clean("\xe2\x82z", 3, BAD "z");
	assert_clean("\xf0\x9f\x90", 3, BAD);
	assert_clean("\xc3", 1, BAD);
}

static void control_characters_become_visible(void **state)
{
	(void)state;
	assert_clean("a\nb\tc\x1b[0m\x7f", 10, "a\\x0ab\\x09c\\x1b[0m\\x7f");
	assert_clean("a\0b", 3, "a\\x00b");
	assert_clean("\xc2\x9b", 2, "\\x9b");	    /* a one-character CSI */
	assert_clean("\xe2\x80\xae", 3, "\\u202e"); /* right-to-left override */
	assert_clean("\xe2\x80\xa8", 3, "\\u2028"); /* line separator */
}

static void a_long_text_is_cut_at_a_character(void **state)
{
	(void)state;
	assert_cut("abcdef", 6, "abcdef");
	assert_cut("abcdefg", 6, "abc...");
	assert_cut("ab\xe2\x82\xac"
		   "defg",
		   7, "ab...");
	assert_cut("ab\xe2\x82\xac"
		   "defg",
		   8, "ab\xe2\x82\xac...");
	assert_cut("\n\n\n", 9, "\\x0a...");
	assert_cut("abcdef", 3, "...");
}

static void every_byte_string_becomes_valid_and_printable(void **state)
{
	uint32_t seed = 12345;
	char bytes[64];
	int round, i;

	(void)state;
	for (round = 0; round < 2000; round++) {
		auto_strbuf struct strbuf once = {}, twice = {};

		for (i = 0; i < (int)sizeof(bytes); i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = (char)(seed >> 24);
		}
		str_add_clean(&once, bytes, sizeof(bytes));
		str_add_clean(&twice, strbuf_text(&once), once.len);
		assert_string_equal(strbuf_text(&once), strbuf_text(&twice));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_grows_by_any_way_of_adding),
		cmocka_unit_test(a_text_that_is_taken_leaves_nothing_behind),
		cmocka_unit_test(the_first_failure_stays),
		cmocka_unit_test(valid_text_passes_unchanged),
		cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
		cmocka_unit_test(a_character_that_is_cut_short_is_replaced_once),
		cmocka_unit_test(control_characters_become_visible),
		cmocka_unit_test(a_long_text_is_cut_at_a_character),
		cmocka_unit_test(every_byte_string_becomes_valid_and_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
