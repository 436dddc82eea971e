/* cli: the option table, parsing, checks across options, help and man page. */
#include "cli.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cli_help.h"
#include "profile/profile.h"

#define WORDS_MAX (2 * OPTS_PIDS_MAX + 4)

/* The words after "memtrace", ended by NULL. */
#define parse(o, e, ...) parse_words(o, e, (const char *const[]){ __VA_ARGS__, NULL })

static int parse_words(struct opts *o, struct err *e, const char *const *words)
{
	static char *argv[WORDS_MAX + 2]; /* outlives the call: struct opts borrows from it */
	int argc = 1;

	argv[0] = (char *)"memtrace";
	while (words[argc - 1] && argc <= WORDS_MAX) {
		argv[argc] = (char *)words[argc - 1];
		argc++;
	}
	argv[argc] = NULL;
	*e = (struct err){};
	return cli_parse(argc, argv, o, e);
}

/* The words are refused, and the sentence contains each of the given parts. */
#define assert_refused(parts, ...) \
	refused((const char *const[]){ __VA_ARGS__, NULL }, parts, sizeof(parts) / sizeof(parts[0]))
#define PARTS(...) ((const char *const[]){ __VA_ARGS__ })

static void refused(const char *const *words, const char *const *parts, size_t count)
{
	struct opts o, untouched;
	struct err e;
	size_t i;

	memset(&o, 0x5a, sizeof(o));
	untouched = o;
	assert_int_equal(parse_words(&o, &e, words), -EINVAL);
	assert_memory_equal(&o, &untouched, sizeof(o));
	for (i = 0; i < count; i++)
		if (!strstr(e.text, parts[i]))
			fail_msg("\"%s\" lacks \"%s\"", e.text, parts[i]);
}

static void names_and_letters_are_unique_and_every_row_is_explained(void **state)
{
	const struct opt *rows;
	size_t i, j, count;

	(void)state;
	rows = cli_options(&count);
	assert_in_range(count, 1, 64); /* bits of struct opts.given */
	for (i = 0; i < count; i++) {
		assert_true(rows[i].name[0] && rows[i].help[0] && rows[i].group[0]);
		assert_true(rows[i].commands);
		assert_true(rows[i].min <= rows[i].max);
		for (j = 0; j < i; j++) {
			assert_string_not_equal(rows[i].name, rows[j].name);
			assert_true(!rows[i].letter || rows[i].letter != rows[j].letter);
		}
	}
}

static void rows_of_a_group_are_neighbours(void **state)
{
	const struct opt *rows;
	size_t i, j, count;

	(void)state;
	rows = cli_options(&count);
	for (i = 2; i < count; i++)
		for (j = 0; j + 1 < i; j++)
			if (!strcmp(rows[i].group, rows[j].group))
				assert_string_equal(rows[i].group, rows[i - 1].group);
}

static void every_default_parses_and_is_what_is_promised(void **state)
{
	struct opts o;

	(void)state;
	assert_int_equal(cli_defaults(&o), 0);
	assert_true(o.duration_s == 0);
	assert_true(o.interval_s == 5);
	assert_int_equal(o.top, 10);
	assert_int_equal(o.mode, MODE_AUTO);
	assert_int_equal(o.fold, FOLD_BY_NONE);
	assert_true(o.budget_pct == 5);
	assert_int_equal(o.live_max, 4 * 1024 * 1024);
	assert_int_equal(o.sites_max, 8192);
	assert_int_equal(o.ring_bytes, 4 * 1024 * 1024);
	assert_true(!o.json && !o.output && !o.follow && !o.given);
}

static void a_pid_is_traced(void **state)
{
	struct opts o;
	struct err e;

	(void)state;
	assert_int_equal(parse(&o, &e, "-p", "1234"), 0);
	assert_int_equal(o.command, CLI_TRACE);
	assert_int_equal(o.pid_count, 1);
	assert_int_equal(o.pids[0], 1234);
	assert_int_equal(parse(&o, &e, "trace", "--pid=999999999"), 0);
	assert_int_equal(o.command, CLI_TRACE);
	assert_int_equal(o.pids[0], 999999999);
}

static void every_form_of_giving_a_value_works(void **state)
{
	struct opts o;
	struct err e;

	(void)state;
	assert_int_equal(parse(&o, &e, "-p1", "-p", "2", "--pid", "3", "--pid=4", "-qo", "-"), 0);
	assert_int_equal(o.pid_count, 4);
	assert_int_equal(o.pids[0] * 1000 + o.pids[1] * 100 + o.pids[2] * 10 + o.pids[3], 1234);
	assert_true(o.quiet);
	assert_null(o.output); /* "-" is standard output */
}

static void every_option_arrives(void **state)
{
	struct opts o;
	struct err e;

	(void)state;
	assert_int_equal(parse(&o, &e, "-p", "1", "--json", "-o", "f", "--duration", "2m",
			       "--interval", "500ms", "--top", "3", "--mode", "full", "--budget",
			       "2.5%", "--follow", "--events", "--alloc", "a", "--alloc=-b",
			       "--explain-probes", "--fail-on-leak", "--live-max", "2000",
			       "--sites-max", "100", "--ring-bytes", "64K", "--force", "--no-sniff",
			       "--fold", "owner", "-vv"),
			 0);
	assert_true(o.json && o.follow && o.events && o.explain_probes && o.fail_on_leak);
	assert_true(o.force && o.no_sniff && !o.quiet && !o.man);
	assert_string_equal(o.output, "f");
	assert_true(o.duration_s == 120 && o.interval_s == 0.5 && o.budget_pct == 2.5);
	assert_int_equal(o.top, 3);
	assert_int_equal(o.mode, MODE_FULL);
	assert_int_equal(o.fold, FOLD_BY_OWNER);
	assert_int_equal(o.alloc_count, 2);
	assert_string_equal(o.allocs[0], "a");
	assert_string_equal(o.allocs[1], "-b");
	assert_int_equal(o.live_max, 2000);
	assert_int_equal(o.sites_max, 100);
	assert_int_equal(o.ring_bytes, 65536);
	assert_int_equal(o.verbose, 2);
}

static void a_ledger_watches_unless_another_mode_is_given(void **state)
{
	struct err e = { 0 };
	struct opts o;

	(void)state;
	assert_int_equal(parse(&o, &e, "-p", "1", "--ledger"), 0);
	assert_true(o.ledger);
	assert_int_equal(o.mode, MODE_WATCH);
	assert_int_equal(parse(&o, &e, "-p", "1", "--ledger", "--mode", "auto"), 0);
	assert_int_equal(o.mode, MODE_AUTO);
	assert_int_equal(parse(&o, &e, "-p", "1"), 0);
	assert_false(o.ledger);
	assert_int_equal(o.mode, MODE_AUTO);
	assert_int_equal(parse(&o, &e, "run", "--ledger", "--", "ls"), -EINVAL);
}

static void a_gap_between_samples_is_a_power_of_two(void **state)
{
	struct opts o;
	struct err e;

	(void)state;
	assert_int_equal(parse(&o, &e, "-p", "1"), 0);
	assert_true(o.sample_bytes == 0);
	assert_int_equal(parse(&o, &e, "-p", "1", "--mode", "sample", "--sample-bytes", "64K"), 0);
	assert_true(o.mode == MODE_SAMPLE && o.sample_bytes == 65536);
	assert_int_equal(parse(&o, &e, "-p", "1", "--sample-bytes=1024"), 0);
	assert_int_equal(parse(&o, &e, "-p", "1", "--sample-bytes=64M"), 0);
}

static void a_report_takes_a_file_and_formats(void **state)
{
	struct opts o;
	struct err e;

	(void)state;
	assert_int_equal(parse(&o, &e, "report"), 0);
	assert_int_equal(o.command, CLI_REPORT);
	assert_null(o.file);
	assert_int_equal(parse(&o, &e, "report", "-"), 0);
	assert_null(o.file);
	assert_int_equal(parse(&o, &e, "report", "--svg", "a", "rec.jsonl", "--pprof", "-",
			       "--folded", "b", "--value", "growing", "-p", "7"),
			 0);
	assert_string_equal(o.file, "rec.jsonl");
	assert_string_equal(o.svg, "a");
	assert_string_equal(o.pprof, "-");
	assert_string_equal(o.folded, "b");
	assert_int_equal(o.value, PROFILE_GROWING);
	assert_int_equal(o.pids[0], 7);
	assert_int_equal(parse(&o, &e, "-p", "7", "--svg", "a", "--folded", "b"), 0);
	assert_int_equal(o.value, PROFILE_LIVE);
	assert_refused(PARTS("unexpected", "'b'"), "report", "a", "b");
	assert_refused(PARTS("--interval", "memtrace report"), "report", "--interval", "5");
	assert_refused(PARTS("--value", "live, growing, allocated or count"), "report", "--folded",
		       "a", "--value", "bytes");
	assert_refused(PARTS("--value", "give --folded"), "report", "--value", "count");
	assert_refused(PARTS("only one"), "report", "--svg", "-", "--folded", "-");
	assert_refused(PARTS("standard output", "--svg"), "-p", "1", "--svg", "-");
}

static void an_analysis_takes_files_and_its_own_options(void **state)
{
	static const char *many[OPTS_FILES_MAX + 3] = { "analyze" };
	struct opts o;
	struct err e;

	(void)state;
	assert_int_equal(parse(&o, &e, "analyze"), 0);
	assert_int_equal(o.command, CLI_ANALYZE);
	assert_true(!o.file_count && !o.series && !o.limit_bytes && !o.json);
	assert_int_equal(parse(&o, &e, "analyze", "a", "--json", "-", "--limit", "2G",
			       "--fail-on-leak", "-p", "7", "--", "-b", "--json"),
			 0);
	assert_int_equal(o.file_count, 4);
	assert_string_equal(o.files[1], "-");
	assert_string_equal(o.files[2], "-b");
	assert_string_equal(o.files[3], "--json");
	assert_true(o.json && o.fail_on_leak && o.limit_bytes == 2ull << 30);
	assert_int_equal(parse(&o, &e, "analyze", "--series", "a", "--limit=5kB"), 0);
	assert_true(o.series && o.limit_bytes == 5000);
	assert_refused(PARTS("--series", "one file"), "analyze", "--series", "a", "b");
	assert_refused(PARTS("--limit", "'0'", "512M"), "analyze", "--limit", "0");
	assert_refused(PARTS("--limit", "'-5'"), "analyze", "--limit=-5");
	assert_refused(PARTS("--interval", "memtrace analyze"), "analyze", "--interval", "5");
	assert_refused(PARTS("--series", "memtrace trace"), "-p", "1", "--series");
	for (int i = 1; i <= OPTS_FILES_MAX + 1; i++)
		many[i] = "file";
	assert_int_equal(parse_words(&o, &e, many), -EINVAL);
	assert_non_null(strstr(e.text, "256 files"));
}

static void every_mode_has_its_name(void **state)
{
	static const char *const names[] = { "auto", "watch", "sample", "full" };
	struct opts o;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		assert_int_equal(parse(&o, &e, "-p", "1", "--mode", names[i]), 0);
		assert_string_equal(cli_mode_name(o.mode), names[i]);
	}
}

static void a_wrong_pid_is_named_with_what_is_accepted(void **state)
{
	static const char *const wrong[] = { "0", "abc", "999999999999", "-1",	      "12x",
					     "",  " 1",	 "1.5",		 "2147483648" };
	char quoted[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(quoted, sizeof(quoted), "'%s'", wrong[i]);
		assert_refused(PARTS("--pid", quoted, "process id from 1"), "-p", wrong[i]);
	}
}

static void a_wrong_value_of_any_option_is_named_with_what_is_accepted(void **state)
{
	const struct opt *rows;
	char accepted[128], word[64];
	size_t i, count;

	(void)state;
	rows = cli_options(&count);
	for (i = 0; i < count; i++) {
		if (!rows[i].arg)
			continue;
		snprintf(word, sizeof(word), "--%s=", rows[i].name);
		cli_accepted(&rows[i], accepted, sizeof(accepted));
		assert_refused(PARTS(rows[i].name, "''", accepted), "-p", "1", word);
		snprintf(word, sizeof(word), "--%s", rows[i].name);
		assert_refused(PARTS(rows[i].name, "missing", accepted), "-p", "1", word);
	}
}

static void values_outside_their_bounds_are_refused(void **state)
{
	(void)state;
	assert_refused(PARTS("--interval", "0.09", "0.1"), "-p", "1", "--interval", "0.09");
	assert_refused(PARTS("--interval", "-5"), "-p", "1", "--interval", "-5");
	assert_refused(PARTS("--duration", "-1"), "-p", "1", "--duration=-1");
	assert_refused(PARTS("--duration", "1e9"), "-p", "1", "--duration=1e9");
	assert_refused(PARTS("--duration", "9999d"), "-p", "1", "--duration=9999d");
	assert_refused(PARTS("--budget", "101"), "-p", "1", "--budget", "101");
	assert_refused(PARTS("--top", "10001"), "-p", "1", "--top", "10001");
	assert_refused(PARTS("--ring-bytes", "5M"), "-p", "1", "--ring-bytes", "5M");
	assert_refused(PARTS("--ring-bytes", "32K"), "-p", "1", "--ring-bytes", "32K");
	assert_refused(PARTS("--sample-bytes", "1000"), "-p", "1", "--sample-bytes", "1000");
	assert_refused(PARTS("--sample-bytes", "512"), "-p", "1", "--sample-bytes", "512");
	assert_refused(PARTS("--sample-bytes", "128M"), "-p", "1", "--sample-bytes", "128M");
	assert_refused(PARTS("--live-max", "'0'"), "-p", "1", "--live-max", "0");
	assert_refused(PARTS("--mode", "'fast'", "watch"), "-p", "1", "--mode", "fast");
}

static void an_unknown_word_is_named(void **state)
{
	(void)state;
	assert_refused(PARTS("'--frob'"), "--frob");
	assert_refused(PARTS("'--jso'"), "-p", "1", "--jso");
	assert_refused(PARTS("'-x'"), "-x");
	assert_refused(PARTS("'1234'", "-p"), "1234");
	assert_refused(PARTS("'again'"), "doctor", "again");
	assert_refused(PARTS("--json", "'yes'"), "-p", "1", "--json=yes");
	assert_refused(PARTS("\\x1b"), "--a\x1b[0m");
}

static void a_forgotten_file_name_does_not_swallow_an_option(void **state)
{
	(void)state;
	assert_refused(PARTS("--output", "missing"), "-p", "1", "-o", "--json");
}

static void a_repeated_pid_counts_once_and_their_number_is_bounded(void **state)
{
	const char *words[2 * OPTS_PIDS_MAX + 3] = {};
	static char numbers[OPTS_PIDS_MAX + 1][16];
	struct opts o;
	struct err e;
	int i;

	(void)state;
	assert_int_equal(parse(&o, &e, "-p", "7", "-p", "8", "-p", "7"), 0);
	assert_int_equal(o.pid_count, 2);
	for (i = 0; i < OPTS_PIDS_MAX + 1; i++) {
		snprintf(numbers[i], sizeof(numbers[i]), "%d", i + 1);
		words[2 * i] = "-p";
		words[2 * i + 1] = numbers[i];
	}
	assert_int_equal(parse_words(&o, &e, words), -EINVAL);
	assert_non_null(strstr(e.text, "1024"));
	words[2 * OPTS_PIDS_MAX] = NULL;
	assert_int_equal(parse_words(&o, &e, words), 0);
	assert_int_equal(o.pid_count, OPTS_PIDS_MAX);
}

static void the_number_of_allocators_is_bounded(void **state)
{
	const char *words[40] = { "-p1" };
	struct opts o;
	struct err e;
	int i;

	(void)state;
	for (i = 1; i <= 33; i++)
		words[i] = "--alloc=x";
	assert_int_equal(parse_words(&o, &e, words), -EINVAL);
	assert_non_null(strstr(e.text, "32"));
	words[33] = NULL;
	assert_int_equal(parse_words(&o, &e, words), 0);
	assert_int_equal(o.alloc_count, 32);
}

static void what_follows_two_dashes_belongs_to_the_command(void **state)
{
	struct opts o;
	struct err e;

	(void)state;
	assert_int_equal(parse(&o, &e, "run", "--json", "--", "ls", "--help", "-p", "x"), 0);
	assert_int_equal(o.command, CLI_RUN);
	assert_true(o.json);
	assert_int_equal(o.run_argc, 4);
	assert_string_equal(o.run_argv[0], "ls");
	assert_string_equal(o.run_argv[3], "x");
	assert_null(o.run_argv[4]);
}

static void the_command_may_begin_without_two_dashes(void **state)
{
	struct opts o;
	struct err e;

	(void)state;
	assert_int_equal(parse(&o, &e, "--follow", "run", "sleep", "--json"), 0);
	assert_true(o.follow && !o.json);
	assert_int_equal(o.run_argc, 2);
	assert_string_equal(o.run_argv[0], "sleep");
}

static void options_of_one_command_do_not_go_with_another(void **state)
{
	(void)state;
	assert_refused(PARTS("--pid", "run"), "run", "-p", "1", "--", "ls");
	assert_refused(PARTS("--follow", "doctor"), "doctor", "--follow");
	assert_refused(PARTS("--man", "trace"), "-p", "1", "--man");
	assert_refused(PARTS("'ls'", "run"), "-p", "1", "--", "ls");
}

static void nothing_to_do_is_refused(void **state)
{
	struct opts o;
	struct err e;

	(void)state;
	assert_int_equal(parse_words(&o, &e, (const char *const[]){ NULL }), -EINVAL);
	assert_non_null(strstr(e.text, "-p PID"));
	assert_refused(PARTS("-p PID"), "--json");
	assert_refused(PARTS("run", "no command"), "run");
	assert_refused(PARTS("run", "no command"), "run", "--");
}

static void options_that_contradict_each_other_are_refused(void **state)
{
	(void)state;
	assert_refused(PARTS("--alloc", "watch"), "-p1", "--alloc", "x", "--mode", "watch");
	assert_refused(PARTS("--explain-probes"), "-p1", "--explain-probes", "--mode=watch");
	assert_refused(PARTS("--preload", "watch"), "run", "--preload", "--mode=watch", "--", "x");
	assert_refused(PARTS("--preload", "full"), "run", "--preload", "--mode=full", "--", "x");
	assert_refused(PARTS("--preload"), "-p1", "--preload");
	assert_refused(PARTS("--quiet", "--verbose"), "-p1", "-qv");
}

static void checks_work_on_a_plain_struct(void **state)
{
	struct opts o = { .command = CLI_TRACE, .mode = MODE_WATCH };
	struct err e = {};

	(void)state;
	assert_int_equal(cli_check(&o, NULL), -EINVAL);
	o.pid_count = 1;
	assert_int_equal(cli_check(&o, &e), 0);
	assert_string_equal(e.text, "");
	o.explain_probes = true;
	assert_int_equal(cli_check(&o, &e), -EINVAL);
	o.mode = MODE_SAMPLE;
	assert_int_equal(cli_check(&o, NULL), 0);
	o.command = CLI_RUN;
	assert_int_equal(cli_check(&o, NULL), -EINVAL);
}

static void the_other_commands_are_recognised(void **state)
{
	struct opts o;
	struct err e;

	(void)state;
	assert_int_equal(parse(&o, &e, "doctor", "--json"), 0);
	assert_int_equal(o.command, CLI_DOCTOR);
	assert_int_equal(parse(&o, &e, "schema"), 0);
	assert_int_equal(o.command, CLI_SCHEMA);
	assert_int_equal(parse(&o, &e, "help", "--man"), 0);
	assert_int_equal(o.command, CLI_HELP);
	assert_true(o.man);
	assert_int_equal(parse(&o, &e, "version"), 0);
	assert_int_equal(o.command, CLI_VERSION);
}

static void help_and_version_win_over_what_is_missing(void **state)
{
	struct opts o;
	struct err e;

	(void)state;
	assert_int_equal(parse(&o, &e, "run", "-h"), 0);
	assert_int_equal(o.command, CLI_HELP);
	assert_int_equal(parse(&o, &e, "-p", "1", "--follow", "-h"), 0);
	assert_int_equal(o.command, CLI_HELP);
	assert_int_equal(parse(&o, &e, "--version", "--frob"), 0);
	assert_int_equal(o.command, CLI_VERSION);
}

static char *printed(bool man)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(man ? cli_print_man(f, "1.2-3") : cli_print_help(f), 0);
	fclose(f);
	return text;
}

static void the_help_shows_every_row_within_80_columns(void **state)
{
	auto_free char *text = printed(false);
	const struct opt *rows;
	char word[64], *line, *rest = text;
	size_t i, count;

	(void)state;
	rows = cli_options(&count);
	for (i = 0; i < count; i++) {
		snprintf(word, sizeof(word), "--%s", rows[i].name);
		assert_non_null(strstr(text, word));
		assert_non_null(strstr(text, rows[i].group));
	}
	assert_non_null(strstr(text, "\n  77  "));
	assert_non_null(strstr(text, "Examples:"));
	while ((line = strsep(&rest, "\n"))) {
		assert_in_range(strlen(line), 0, 80);
		assert_true(!*line || line[strlen(line) - 1] != ' ');
	}
}

static void the_man_page_shows_every_row_and_only_known_requests(void **state)
{
	static const char *const requests[] = { ".TH ", ".SH ", ".SS ", ".TP", ".br" };
	auto_free char *text = printed(true);
	char *line, *rest = text;
	size_t i, count, known, shown = 0;

	(void)state;
	cli_options(&count);
	assert_non_null(strstr(text, "memtrace 1.2\\-3"));
	while ((line = strsep(&rest, "\n"))) {
		shown += strstr(line, "\\fB\\-\\-") && strncmp(line, "A value", 7);
		if (line[0] != '.' && line[0] != '\'')
			continue;
		for (known = i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
			known += !strncmp(line, requests[i], strlen(requests[i]));
		assert_int_equal(known, 1);
	}
	assert_int_equal(shown, count);
}

static void a_full_disk_does_not_pass_for_help(void **state)
{
	auto_fclose FILE *f = fopen("/dev/full", "w");

	(void)state;
	if (!f)
		skip();
	assert_int_equal(cli_print_help(f), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_letters_are_unique_and_every_row_is_explained),
		cmocka_unit_test(rows_of_a_group_are_neighbours),
		cmocka_unit_test(every_default_parses_and_is_what_is_promised),
		cmocka_unit_test(a_pid_is_traced),
		cmocka_unit_test(every_form_of_giving_a_value_works),
		cmocka_unit_test(every_option_arrives),
		cmocka_unit_test(a_ledger_watches_unless_another_mode_is_given),
		cmocka_unit_test(a_gap_between_samples_is_a_power_of_two),
		cmocka_unit_test(a_report_takes_a_file_and_formats),
		cmocka_unit_test(an_analysis_takes_files_and_its_own_options),
		cmocka_unit_test(every_mode_has_its_name),
		cmocka_unit_test(a_wrong_pid_is_named_with_what_is_accepted),
		cmocka_unit_test(a_wrong_value_of_any_option_is_named_with_what_is_accepted),
		cmocka_unit_test(values_outside_their_bounds_are_refused),
		cmocka_unit_test(an_unknown_word_is_named),
		cmocka_unit_test(a_forgotten_file_name_does_not_swallow_an_option),
		cmocka_unit_test(a_repeated_pid_counts_once_and_their_number_is_bounded),
		cmocka_unit_test(the_number_of_allocators_is_bounded),
		cmocka_unit_test(what_follows_two_dashes_belongs_to_the_command),
		cmocka_unit_test(the_command_may_begin_without_two_dashes),
		cmocka_unit_test(options_of_one_command_do_not_go_with_another),
		cmocka_unit_test(nothing_to_do_is_refused),
		cmocka_unit_test(options_that_contradict_each_other_are_refused),
		cmocka_unit_test(checks_work_on_a_plain_struct),
		cmocka_unit_test(the_other_commands_are_recognised),
		cmocka_unit_test(help_and_version_win_over_what_is_missing),
		cmocka_unit_test(the_help_shows_every_row_within_80_columns),
		cmocka_unit_test(the_man_page_shows_every_row_and_only_known_requests),
		cmocka_unit_test(a_full_disk_does_not_pass_for_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
