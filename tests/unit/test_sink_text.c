/* The text report: one complete report as it is printed, and the rules it keeps on ugly input. */
#include "report_fixture.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "report/text.h"
#include "report_golden.h"

static void whole_report(struct fixture *f)
{
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_text);

	assert_int_equal(s->ops->start(s->priv, &f->head, &f->start), 0);
	assert_int_equal(s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead), 0);
	f->head.elapsed_s = 25;
	assert_int_equal(s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead), 0);
	f->end.duration_s = 25;
	assert_int_equal(s->ops->end(s->priv, &f->head, &f->end), 0);
}

static size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

static void a_whole_report_reads_like_this(void **state)
{
	struct fixture *f = *state;

	whole_report(f);
	if (strcmp(fix_text(f), golden))
		fputs(fix_text(f), stdout);
	assert_string_equal(fix_text(f), golden);
}

static void make_everything_long(struct fixture *f, char *text, size_t size)
{
	memset(text, 'x', size - 1);
	text[size - 1] = '\0';
	f->head.comm = text;
	f->cfg.host = text;
	f->start.exe = text;
	f->start.cmdline = text;
	f->modules[0].name = text;
	f->leak_frames[1].symbol = text;
	f->leak_frames[1].file = text;
	f->finding.evidence[0] = text;
	f->finding.recommendation = text;
	f->findings.why = text;
	f->owners[0].evidence = text;
	f->overhead.reason = text;
	f->end.why = text;
	f->unmeasured[0].why = text;
	f->snap.proc.swap_bytes = 999900000;
}

static void no_line_is_wider_than_100_columns(void **state)
{
	struct fixture *f = *state;
	static char text[5000];
	char *line, *rest;

	make_everything_long(f, text, sizeof(text));
	whole_report(f);
	(void)fix_text(f);
	for (line = strtok_r(f->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		assert_true(text_columns(line) <= TEXT_COLUMNS);
}

static void control_characters_never_reach_the_terminal(void **state)
{
	static char evil[] = "\x1b]0;owned\x07\r\n\xff\xc2\x9b";
	struct fixture *f = *state;
	const char *p;

	f->head.comm = evil;
	f->cfg.host = evil;
	f->start.exe = evil;
	f->start.cmdline = evil;
	f->modules[0].name = evil;
	f->modules[2].name = evil;
	f->leak_frames[1].symbol = evil;
	f->leak_frames[1].file = evil;
	f->finding.evidence[0] = evil;
	f->finding.recommendation = evil;
	whole_report(f);
	for (p = fix_text(f); *p; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= 0x20);
	assert_null(strstr(fix_text(f), "\xc2\x9b"));
	assert_null(strstr(fix_text(f), "\xff"));
	assert_non_null(strstr(fix_text(f), "\\x1b]0;owned"));
}

static const char *last_paragraph(const char *text)
{
	const char *p, *last = text;

	for (p = text; (p = strstr(p, "\n\n")) != NULL; p++)
		last = p + 2;
	return last;
}

static void a_clean_process_ends_with_no_leak(void **state)
{
	struct fixture *f = *state;

	f->findings = (struct findings){ NULL, 0, VERDICT_NO_LEAK, NAN, "Nothing grows." };
	whole_report(f);
	assert_string_equal(last_paragraph(fix_text(f)),
			    "VERDICT: NO LEAK in server (pid 4242) in 25 s. Nothing grows.\n");
}

static void an_open_question_says_how_long_it_stays_open(void **state)
{
	struct fixture *f = *state;

	f->findings =
		(struct findings){ NULL, 0, VERDICT_INCONCLUSIVE, 12, "The window is too short." };
	whole_report(f);
	assert_string_equal(last_paragraph(fix_text(f)),
			    "VERDICT: INCONCLUSIVE in server (pid 4242) in 25 s. The window is too "
			    "short. Trace about 12 s longer\n         to know.\n");
}

static void inlined_functions_are_told_with_their_lines(void **state)
{
	static const struct snap_frame frames[] = {
		{ .offset = 1,
		  .kind = FRAME_NATIVE,
		  .symbol = "push<Order>",
		  .file = "/src/a.h",
		  .line = 7,
		  .inlined = true },
		{ .offset = 1, .kind = FRAME_NATIVE, .symbol = "keep", .file = "a.c", .line = 42 },
	};
	struct fixture *f = *state;

	f->sites[0].stack = (struct snap_stack){ frames, 2, MT_END_start };
	whole_report(f);
	assert_non_null(strstr(fix_text(f), "      push<Order> at a.h:7  [server]  (inlined)\n"
					    "      keep at a.c:42  [server]\n"));
}

static void further_paths_of_a_leak_show_where_they_differ(void **state)
{
	static const struct snap_frame other[] = {
		{ .module = 0, .offset = 0x1, .kind = FRAME_NATIVE, .symbol = "keep_request" },
		{ .module = 0, .offset = 0x2, .kind = FRAME_NATIVE, .symbol = "retry_request" },
		{ .module = 0, .offset = 0x3, .kind = FRAME_NATIVE, .symbol = "main" },
	};
	static struct snap_frame shown[3];
	struct fixture *f = *state;

	memcpy(shown, other, sizeof(shown));
	shown[1].offset = 0x9;
	shown[1].symbol = "serve_request";
	f->sites[0].stack = (struct snap_stack){ shown, 3, MT_END_start };
	f->sites[1].stack = (struct snap_stack){ other, 3, MT_END_start };
	fix_paths(f);
	whole_report(f);
	assert_non_null(strstr(fix_text(f), "  also through ("));
	assert_non_null(strstr(fix_text(f), ", site feedfacecafe0002:\n"
					    "                retry_request  [server]\n"
					    "                ... 1 more\n"
					    "  and through 5 more call paths\n"));
}

static void a_recursion_is_told_once(void **state)
{
	static struct snap_frame frames[41];
	struct fixture *f = *state;

	for (size_t i = 0; i < 40; i++)
		frames[i] = (struct snap_frame){ .module = 0,
						 .offset = i < 10 ? 1 : 2 + i % 2,
						 .kind = FRAME_NATIVE,
						 .symbol = i < 10  ? "descend"
							   : i % 2 ? "odd"
								   : "even" };
	frames[40] = (struct snap_frame){
		.module = 0, .offset = 9, .kind = FRAME_NATIVE, .symbol = "main"
	};
	f->sites[0].stack = (struct snap_stack){ frames, 41, MT_END_start };
	whole_report(f);
	assert_non_null(strstr(fix_text(f), "                descend  [server]\n"
					    "                (9 more of it)\n"
					    "                even  [server]\n"
					    "                odd  [server]\n"
					    "                (14 more of these 2)\n"
					    "                main  [server]\n"));
}

static void parts_of_a_leak_are_told_with_it(void **state)
{
	struct fixture *f = *state;
	struct finding list[2] = { f->finding, f->finding };

	list[1].leak_id = 2;
	list[1].comes_with = list[0].leak_id;
	list[1].site = 1;
	list[1].site_id = f->sites[1].id;
	list[1].size_bytes = 600000;
	f->findings.list = list;
	f->findings.count = 2;
	whole_report(f);
	assert_non_null(strstr(fix_text(f), "LEAK 1 of 1: keep_request in server"));
	assert_non_null(strstr(fix_text(f), "  comes with    600 kB in 12,000 blocks by "));
	assert_non_null(strstr(fix_text(f), "1 more comes with it"));
	assert_non_null(strstr(fix_text(f), " 1 leak of 2 parts, together 24.0 MB,"));
	assert_null(strstr(fix_text(f), "LEAK 2"));
}

static void a_leak_that_stopped_is_not_in_the_verdict(void **state)
{
	struct fixture *f = *state;

	f->finding.active = false;
	f->findings.verdict = VERDICT_NO_LEAK;
	whole_report(f);
	assert_non_null(strstr(fix_text(f), "  stopped       keep_request in server"));
	assert_null(strstr(fix_text(f), "LEAK 1 of"));
	assert_non_null(strstr(last_paragraph(fix_text(f)), "VERDICT: NO LEAK"));
}

static void a_descriptor_leak_is_told_in_descriptors(void **state)
{
	struct fixture *f = *state;

	f->finding.site = 2;
	f->finding.site_id = f->sites[2].id;
	f->finding.size_bytes = 0;
	f->finding.count = 7;
	f->finding.growth_bytes_per_s = NAN;
	f->finding.growth_count_per_s = 0.5;
	whole_report(f);
	assert_non_null(strstr(fix_text(f),
			       "  LEAK          open_log in server: 95 % sure, 7 descriptors, "
			       "+0.5 descriptors/s\n"));
	assert_non_null(strstr(last_paragraph(fix_text(f)), " 1 leak: open_log in server."));
}

static void a_trace_without_a_tick_is_inconclusive(void **state)
{
	struct end_info end = { END_ERROR, "no ring buffer", 0.2, NULL, NULL };
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_text);

	assert_int_equal(s->ops->end(s->priv, &f->head, &end), 0);
	assert_non_null(strstr(last_paragraph(fix_text(f)), "VERDICT: INCONCLUSIVE"));
	assert_non_null(strstr(last_paragraph(fix_text(f)), "no ring buffer"));
}

static void a_new_leak_prints_a_whole_block_again(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_text);

	f->findings.count = 0;
	s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
	s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
	assert_int_equal(occurrences(fix_text(f), "memory by class"), 1);
	f->findings.count = 1;
	s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
	assert_int_equal(occurrences(fix_text(f), "memory by class"), 2);
}

static void a_jump_of_memory_prints_a_whole_block_again(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_text);

	s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
	f->ledger.external_bytes += 50000000;
	s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
	assert_int_equal(occurrences(fix_text(f), "memory by class"), 2);
}

static void a_stack_is_printed_once_and_again_when_it_gets_names(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_text);

	f->leak_frames[1].symbol = NULL;
	f->leak_frames[1].file = NULL;
	s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
	assert_int_equal(occurrences(fix_text(f), "\n      server+0x1200\n"), 1);
	f->ledger.external_bytes += 50000000;
	f->leak_frames[1].symbol = "keep_request";
	s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
	f->ledger.external_bytes += 50000000;
	s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
	assert_int_equal(occurrences(fix_text(f), "memory by class"), 3);
	assert_int_equal(occurrences(fix_text(f), "\n      keep_request  [server]\n"), 1);
	assert_int_equal(occurrences(fix_text(f), "\n      open_log"), 1);
}

static void what_was_not_measured_is_not_printed_as_zero(void **state)
{
	struct fixture *f = *state;

	f->snap.proc.rss_bytes = FACT_UNKNOWN;
	f->ledger.external_bytes = FACT_UNKNOWN;
	f->ledger.coverage_ratio = NAN;
	f->overhead = (struct overhead_info){ NAN, FACT_UNKNOWN, NAN, NAN, "watch", NULL };
	f->ledger.rows[CLASS_application] =
		(struct class_row){ FACT_UNKNOWN, FACT_UNKNOWN,	   NAN,
				    NAN,	  HOW_UNAVAILABLE, "residency is not readable" };
	whole_report(f);
	assert_non_null(strstr(fix_text(f), "RSS n/a  external n/a"));
	assert_non_null(
		strstr(fix_text(f), "not measured  application: residency is not readable"));
	assert_non_null(strstr(fix_text(f), "cost          mode watch"));
	assert_null(strstr(fix_text(f), "nan"));
	assert_null(strstr(fix_text(f), "18446744073709551615"));
}

static void losses_are_named(void **state)
{
	struct fixture *f = *state;

	whole_report(f);
	assert_null(strstr(fix_text(f), "  lost "));
	f->snap.counters.v[MT_CNT_ring_full] = 12;
	f->snap.counters.bad_records = 3;
	whole_report(f);
	assert_non_null(strstr(fix_text(f), "  lost          12 records lost because the ring "
					    "buffer was full (ring_full)\n"));
	assert_non_null(strstr(fix_text(f), "(bad_records)\n"));
}

static void colour_appears_only_when_asked_for(void **state)
{
	struct fixture *f = *state;

	whole_report(f);
	assert_null(strchr(fix_text(f), '\x1b'));
	f->cfg.colour = true;
	whole_report(f);
	assert_non_null(strstr(fix_text(f), "\x1b[1;31m"));
}

static void growth_is_told_with_its_limit(void **state)
{
	static char advice[] = "The allocator keeps 50 MB after a peak: malloc_trim(3).";
	struct fixture *f = *state;

	fix_patterns(f);
	f->pattern_rows[2].class = CLASS_allocator_slack;
	f->pattern_rows[2].counted = false;
	f->pattern_rows[2].recommendation = advice;
	whole_report(f);
	assert_int_equal(
		occurrences(fix_text(f),
			    "  growth        linear, 1.2 MB/s (1.14 to 1.26)\n"
			    "  limit         512 MB (cgroup), reached in 5 min 23 s (4 min "
			    "50 s to 6 min 0 s)\n"),
		2);
	assert_int_equal(occurrences(fix_text(f), "  by class      application: linear, 1.2 MB/s "
						  "(1.14 to 1.26)\n"),
			 1);
	assert_int_equal(occurrences(fix_text(f), "  unused        The allocator keeps 50 MB"), 1);
}

static void growth_that_is_not_understood_says_so(void **state)
{
	struct fixture *f = *state;
	struct pattern_row *process = &f->pattern_rows[0];

	fix_patterns(f);
	process->forecast.high_s = INFINITY;
	process->opinion.verdict = GROWTH_SUSPECT;
	process->opinion.known_in_s = 40;
	whole_report(f);
	assert_non_null(strstr(
		fix_text(f), "(1.14 to 1.26); start-up, a cache, load or a leak: known in 40 s\n"));
	assert_non_null(strstr(fix_text(f), "5 min 23 s (4 min 50 s at the earliest)\n"));
	process->forecast.known = false;
	process->opinion.verdict = GROWTH_TOO_SHORT;
	process->opinion.known_in_s = NAN;
	whole_report(f);
	assert_non_null(strstr(fix_text(f), "to 1.26); too early to say why\n"));
	process->forecast = (struct forecast){ true, 512e6, 3700, 3000, 4000 };
	whole_report(f);
	assert_null(strstr(fix_text(f), "1 h 1 min")); /* too early to frighten anybody */
	process->opinion.shape.pattern = PATTERN_STABLE;
	whole_report(f);
	assert_non_null(strstr(fix_text(f), "  growth        stable\n"));
	process->opinion.shape.pattern = PATTERN_LINEAR;
	process->opinion.shape.growth_low_per_s = NAN;
	process->forecast = (struct forecast){ true, 512e6, 0, 0, 0 };
	whole_report(f);
	assert_non_null(strstr(fix_text(f), "linear, 1.2 MB/s; too early to say why\n"
					    "  limit         512 MB (cgroup), reached\n"));
}

static void only_the_top_sites_are_told(void **state)
{
	struct fixture *f = *state;

	f->cfg.top = 1;
	whole_report(f);
	assert_non_null(strstr(fix_text(f), "keep_request in server"));
	assert_null(strstr(fix_text(f), "open_log"));
}

static void a_full_disk_is_an_error_and_stays_one(void **state)
{
	struct fixture *f = *state;
	auto_fclose FILE *full = fopen("/dev/full", "w");
	struct sink_cfg cfg = { .out = full, .host = "db1", .top = 10 };
	auto_clean(sink_freep) struct sink *s = NULL;

	assert_non_null(full);
	assert_int_equal(sink_new(&sink_text, &cfg, &s), 0);
	assert_int_equal(s->ops->start(s->priv, &f->head, &f->start), -ENOSPC);
	assert_int_equal(s->ops->end(s->priv, &f->head, &f->end), -ENOSPC);
}

static void an_analysis_has_a_plot_and_figures_and_the_verdict_last(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = NULL;
	const char *text;

	f->cfg.judgement = true;
	f->cfg.columns = 60;
	s = fix_sink(f, &sink_text);
	fix_patterns(f);
	assert_int_equal(s->ops->tick(s->priv, &f->head, &f->analysis, NULL), 0);
	assert_string_equal(fix_text(f), "");
	assert_int_equal(s->ops->end(s->priv, &f->head, &f->end), 0);
	text = fix_text(f);
	assert_non_null(strstr(text, "analysis of server (pid 4242)"));
	assert_non_null(strstr(text, "124 MB ")); /* upper end of the plot */
	assert_true(occurrences(text, "\xe2\xa0") + occurrences(text, "\xe2\xa1") +
			    occurrences(text, "\xe2\xa2") + occurrences(text, "\xe2\xa3") >=
		    45);
	assert_non_null(strstr(text, "linear"));
	assert_non_null(strstr(text, "  growth        linear, 1.2 MB/s (1.14 to 1.26)\n"));
	assert_non_null(strstr(text, "  limit         512 MB (cgroup), reached in 5 min 23 s (4 "));
	assert_non_null(strstr(text, "a leak with probability"));
	assert_non_null(strstr(text, "Find who keeps it."));
	assert_non_null(strstr(strstr(text, "LEAK 1 of 1"), "VERDICT: LEAK"));
}

static void a_series_that_is_no_process_has_no_pid_and_no_rss(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = NULL;

	f->cfg.judgement = true;
	s = fix_sink(f, &sink_text);
	f->head.pid = f->snap.pid = 0;
	f->findings.count = 0;
	f->findings.verdict = VERDICT_NO_LEAK;
	f->end.why = "the input ended";
	assert_int_equal(s->ops->end(s->priv, &f->head, &f->end), 0);
	assert_null(strstr(fix_text(f), "pid"));
	assert_null(strstr(fix_text(f), "RSS"));
	assert_non_null(strstr(fix_text(f), "since the series began"));
	assert_non_null(strstr(fix_text(f), "the input ended, after"));
	assert_non_null(strstr(fix_text(f), "not known: too few points"));
	assert_non_null(strstr(fix_text(f), "VERDICT: NO LEAK in server in"));
}

static void a_process_event_is_one_line(void **state)
{
	struct process_info info = { PROCESS_FORK, 4242, "child is followed" };
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_text);

	assert_int_equal(s->ops->process(s->priv, &f->head, &info), 0);
	assert_string_equal(fix_text(f), "[20 s] server (4242): fork of 4242, child is followed\n");
}

static void wrapped_text_breaks_at_words(void **state)
{
	auto_strbuf struct strbuf b = {};
	char text[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		" cccccccccc";

	(void)state;
	text_add_labelled(&b, "label", text);
	assert_string_equal(strbuf_text(&b),
			    "  label         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
			    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"
			    "                cccccccccc\n");
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fix_setup, fix_teardown)

static void a_share_of_next_to_nothing_says_so(void **state)
{
	struct fixture *f = *state;

	f->overhead.probe_cpu_ratio = 0.003;
	f->overhead.target_cpu_ratio_est = 0.2;
	whole_report(f);
	assert_non_null(
		strstr(fix_text(f), "about 0.3 % of one CPU, where the target uses 1.5 %,"));
	assert_null(strstr(fix_text(f), "20 % of"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(a_whole_report_reads_like_this),
		WITH_FIXTURE(no_line_is_wider_than_100_columns),
		WITH_FIXTURE(a_share_of_next_to_nothing_says_so),
		WITH_FIXTURE(control_characters_never_reach_the_terminal),
		WITH_FIXTURE(a_clean_process_ends_with_no_leak),
		WITH_FIXTURE(an_open_question_says_how_long_it_stays_open),
		WITH_FIXTURE(a_leak_that_stopped_is_not_in_the_verdict),
		WITH_FIXTURE(inlined_functions_are_told_with_their_lines),
		WITH_FIXTURE(further_paths_of_a_leak_show_where_they_differ),
		WITH_FIXTURE(parts_of_a_leak_are_told_with_it),
		WITH_FIXTURE(a_recursion_is_told_once),
		WITH_FIXTURE(a_descriptor_leak_is_told_in_descriptors),
		WITH_FIXTURE(a_trace_without_a_tick_is_inconclusive),
		WITH_FIXTURE(a_new_leak_prints_a_whole_block_again),
		WITH_FIXTURE(a_jump_of_memory_prints_a_whole_block_again),
		WITH_FIXTURE(a_stack_is_printed_once_and_again_when_it_gets_names),
		WITH_FIXTURE(what_was_not_measured_is_not_printed_as_zero),
		WITH_FIXTURE(losses_are_named),
		WITH_FIXTURE(colour_appears_only_when_asked_for),
		WITH_FIXTURE(growth_is_told_with_its_limit),
		WITH_FIXTURE(growth_that_is_not_understood_says_so),
		WITH_FIXTURE(only_the_top_sites_are_told),
		WITH_FIXTURE(a_full_disk_is_an_error_and_stays_one),
		WITH_FIXTURE(an_analysis_has_a_plot_and_figures_and_the_verdict_last),
		WITH_FIXTURE(a_series_that_is_no_process_has_no_pid_and_no_rss),
		WITH_FIXTURE(a_process_event_is_one_line),
		cmocka_unit_test(wrapped_text_breaks_at_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
