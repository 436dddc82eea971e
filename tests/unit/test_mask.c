/* base/mask: secrets in command lines. */
#include "base/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/str.h"

/* The literal's own NUL ends the last argument. */
#define assert_masked(args, expected) check(args, sizeof(args), expected)

static void check(const char *args, size_t len, const char *expected)
{
	auto_strbuf struct strbuf b = {};

	assert_int_equal(mask_add_cmdline(&b, args, len), 0);
	assert_string_equal(strbuf_text(&b), expected);
}

static void a_harmless_command_line_is_shown_whole(void **state)
{
	(void)state;
	assert_masked("node\0--max-old-space-size=512\0/srv/app.js\0https://a.org:8080/x",
		      "node --max-old-space-size=512 /srv/app.js https://a.org:8080/x");
	assert_masked("", "");
	assert_masked("postgres://app@db/main", "postgres://app@db/main");
}

static void the_value_of_a_secret_name_is_hidden(void **state)
{
	(void)state;
	assert_masked("x\0password=hunter2\0y", "x password=*** y");
	assert_masked("x\0--passwd=hunter2", "x --passwd=***");
	assert_masked("PWD=a\0token=b\0secret=c\0api_key=d",
		      "PWD=*** token=*** secret=*** api_key=***");
	assert_masked("DB_PASSWORD=a\0-Dhttp.proxyPassword=b\0--auth-token=c",
		      "DB_PASSWORD=*** -Dhttp.proxyPassword=*** --auth-token=***");
	assert_masked("AWS_SECRET_ACCESS_KEY=a\0DB_PASS=b",
		      "AWS_SECRET_ACCESS_KEY=*** DB_PASS=***");
}

static void the_word_after_a_secret_option_is_hidden(void **state)
{
	(void)state;
	assert_masked("x\0--password\0hunter2\0--port\0"
		      "80",
		      "x --password *** --port 80");
	assert_masked("redis\0--requirepass\0-x", "redis --requirepass ***");
	assert_masked("x\0--password", "x --password");
}

static void a_secret_after_a_hidden_option_is_hidden_too(void **state)
{
	(void)state;
	assert_masked("x\0--password\0--token\0abc\0end", "x --password *** *** end");
}

static void a_value_with_blanks_and_signs_is_hidden_to_its_end(void **state)
{
	(void)state;
	assert_masked("sh\0-c\0PASSWORD='a b&c' run", "sh -c PASSWORD='***");
	assert_masked("{\"password\": \"a\\\"b\"}", "{\"password\": \"***");
	assert_masked("-H\0Authorization: Bearer abc", "-H Authorization: ***");
	assert_masked("Bearer abc", "Bearer ***");
	assert_masked("http://h/?a=1&token=abc", "http://h/?a=1&token=***");
	assert_masked("http://h/?password%3Dabc", "http://h/?password%3D***");
}

static void a_rewritten_title_in_one_piece_is_searched(void **state)
{
	(void)state;
	assert_masked("redis-server --requirepass hunter2\0\0\0", "redis-server --requirepass ***");
}

static void the_password_of_a_url_is_hidden(void **state)
{
	(void)state;
	assert_masked("postgres://app:hunter2@db:5432/main", "postgres://app:***@db:5432/main");
	assert_masked("a redis://:hunter2@h b", "a redis://:***@h b");
	assert_masked("http://u:p@ss@h/", "http://u:***@h/");
	assert_masked("http://u:p/s@h/", "http://u:***@h/");
	assert_masked("x://a:b@h y://c:d@i", "x://a:***@h y://c:***@i");
	assert_masked("https://ghp_0123456789abcdef0123@h/r", "https://***@h/r");
}

static void a_url_password_that_looks_like_a_name_does_not_leak(void **state)
{
	(void)state;
	assert_masked("http://u:my-secret=xyz@h/", "http://u:***");
	assert_masked("http://u:abc@h/?token=t", "http://u:***@h/?token=***");
}

static void the_rest_of_the_line_is_cleaned(void **state)
{
	(void)state;
	assert_masked("a\x1b\xff\0b", "a\\x1b\xef\xbf\xbd b");
}

static void a_line_without_a_final_nul_is_read_to_its_end(void **state)
{
	(void)state;
	check("a\0password=bc", 13, "a password=***");
	check("a\0b", 3, "a b");
}

static void random_bytes_are_survived(void **state)
{
	static const char alphabet[] = "pasword=:/@ -\0\"token\xff";
	uint32_t seed = 99;
	char bytes[200];
	int round, i;

	(void)state;
	for (round = 0; round < 2000; round++) {
		auto_strbuf struct strbuf b = {};
		auto_free char *exact = NULL;

		for (i = 0; i < (int)sizeof(bytes); i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		/* A copy of its exact size: the sanitizer sees a read beyond it. */
		exact = malloc((size_t)(round % 200) + 1);
		assert_non_null(exact);
		memcpy(exact, bytes, (size_t)(round % 200) + 1);
		assert_int_equal(mask_add_cmdline(&b, exact, (size_t)(round % 200) + 1), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_harmless_command_line_is_shown_whole),
		cmocka_unit_test(the_value_of_a_secret_name_is_hidden),
		cmocka_unit_test(the_word_after_a_secret_option_is_hidden),
		cmocka_unit_test(a_secret_after_a_hidden_option_is_hidden_too),
		cmocka_unit_test(a_value_with_blanks_and_signs_is_hidden_to_its_end),
		cmocka_unit_test(a_rewritten_title_in_one_piece_is_searched),
		cmocka_unit_test(the_password_of_a_url_is_hidden),
		cmocka_unit_test(a_url_password_that_looks_like_a_name_does_not_leak),
		cmocka_unit_test(the_rest_of_the_line_is_cleaned),
		cmocka_unit_test(a_line_without_a_final_nul_is_read_to_its_end),
		cmocka_unit_test(random_bytes_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
