/* Severities: the table, what is not known, what is not sure, and the table as a user writes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "analyse/severity.h"
#include "base/err.h"
#include "cli.h"

static enum severity judge(double bytes, double bytes_per_s, double confidence)
{
	struct severity_cfg cfg = severity_defaults();
	struct severity_figures f = { bytes, bytes_per_s, 0, 0, confidence };

	return severity_judge(&cfg, &f);
}

static void severity_follows_size_or_rate(void **state)
{
	(void)state;
	assert_int_equal(judge(20e6, 100e3, 1), SEVERITY_LOW);
	assert_int_equal(judge(20.1e6, 0, 1), SEVERITY_MEDIUM);
	assert_int_equal(judge(0, 100.1e3, 1), SEVERITY_MEDIUM);
	assert_int_equal(judge(50.1e6, 0, 1), SEVERITY_HIGH);
	assert_int_equal(judge(0, 500.1e3, 1), SEVERITY_HIGH);
	assert_int_equal(judge(100.1e6, 0, 1), SEVERITY_CRITICAL);
	assert_int_equal(judge(0, 1.1e6, 1), SEVERITY_CRITICAL);
}

static void severity_is_never_above_confidence(void **state)
{
	(void)state;
	assert_int_equal(judge(1e9, 1e9, 0.9), SEVERITY_CRITICAL);
	assert_int_equal(judge(1e9, 1e9, 0.89), SEVERITY_HIGH);
	assert_int_equal(judge(1e9, 1e9, 0.7), SEVERITY_HIGH);
	assert_int_equal(judge(1e9, 1e9, 0.69), SEVERITY_MEDIUM);
	assert_int_equal(judge(1e9, 1e9, 0.5), SEVERITY_MEDIUM);
	assert_int_equal(judge(1e9, 1e9, 0.49), SEVERITY_LOW);
	assert_int_equal(judge(1e9, 1e9, NAN), SEVERITY_LOW);
}

static void what_is_not_known_raises_nothing(void **state)
{
	(void)state;
	assert_int_equal(judge(NAN, NAN, 1), SEVERITY_LOW);
	assert_int_equal(judge(-1e9, -1e9, 1), SEVERITY_LOW);
}

static void things_are_graded_by_count(void **state)
{
	struct severity_cfg cfg = severity_defaults();
	struct severity_figures few = { 0, 0, 20, 0.1, 1 }, many = { 0, 0, 600, 0.1, 1 },
				fast = { NAN, NAN, 20, 101, 1 };

	(void)state;
	assert_int_equal(severity_judge(&cfg, &few), SEVERITY_LOW);
	assert_int_equal(severity_judge(&cfg, &many), SEVERITY_HIGH);
	assert_int_equal(severity_judge(&cfg, &fast), SEVERITY_CRITICAL);
}

static void a_user_can_set_any_row(void **state)
{
	struct severity_cfg cfg = severity_defaults();
	struct err err = { 0 };

	(void)state;
	assert_int_equal(severity_parse("high=80MB:900kB", &cfg, &err), 0);
	assert_true(cfg.high.bytes == 80e6 && cfg.high.bytes_per_s == 900e3);
	assert_true(cfg.critical.bytes == 100e6 && cfg.medium.bytes == 20e6);
	assert_true(cfg.high.sure == 0.7);
	assert_int_equal(severity_parse("medium=1K:1,critical=2G:1G,high=1K:1", &cfg, &err), 0);
	assert_true(cfg.medium.bytes == 1024 && cfg.critical.bytes == 0x1p31);
	assert_string_equal(err.text, "");
}

static void the_table_of_the_help_is_the_default(void **state)
{
	const struct severity_cfg wanted = severity_defaults();
	struct severity_cfg cfg = {};
	size_t count;
	const struct opt *rows = cli_options(&count);

	(void)state;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(rows[i].name, "severity"))
			assert_int_equal(severity_parse(rows[i].preset, &cfg, NULL), 0);
	assert_true(cfg.critical.bytes == wanted.critical.bytes);
	assert_true(cfg.critical.bytes_per_s == wanted.critical.bytes_per_s);
	assert_true(cfg.high.bytes == wanted.high.bytes);
	assert_true(cfg.high.bytes_per_s == wanted.high.bytes_per_s);
	assert_true(cfg.medium.bytes == wanted.medium.bytes);
	assert_true(cfg.medium.bytes_per_s == wanted.medium.bytes_per_s);
}

static void what_is_no_table_is_refused_whole(void **state)
{
	static const char *const wrong[] = { "",
					     ",",
					     "high",
					     "high=",
					     "high=1M",
					     "high=:",
					     "high=1M:",
					     "high=1M:-1",
					     "low=1M:1M",
					     "high=1M:1M,",
					     "high=1M:1M;medium=1:1",
					     "high=99999999999999999999999999999999999999:1",
					     "medium=1M:1M,high=xM:1M",
					     "medium=200M:100k",
					     "high=50M:5M" };
	const struct severity_cfg before = severity_defaults();

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct severity_cfg cfg = before;
		struct err err = { 0 };

		assert_int_equal(severity_parse(wrong[i], &cfg, &err), -EINVAL);
		assert_memory_equal(&cfg, &before, sizeof(cfg));
		assert_true(strlen(err.text) > 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(severity_follows_size_or_rate),
		cmocka_unit_test(severity_is_never_above_confidence),
		cmocka_unit_test(what_is_not_known_raises_nothing),
		cmocka_unit_test(things_are_graded_by_count),
		cmocka_unit_test(a_user_can_set_any_row),
		cmocka_unit_test(the_table_of_the_help_is_the_default),
		cmocka_unit_test(what_is_no_table_is_refused_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
