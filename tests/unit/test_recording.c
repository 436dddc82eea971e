/* Reading a recording: what counts as held and as grown, and input that is not what it should be.
 */
#include "recording_fixture.h"

#include <errno.h>

#include "report/text_recording.h"

#define A FRAME("a", "srv", "0x10")
#define B FRAME("b", "srv", "0x20")

static void the_last_state_of_a_site_counts(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE("5", "100") SITE(
		"1", "100", A) SAMPLE("10", "300") SITE("1", "300", A) END);

	(void)state;
	assert_rendered(rec, folded_live, "a 300\n");
	assert_rendered(rec, folded_growing, "a 200\n");
	assert_rendered(rec, folded_allocated, "a 1000\n");
	assert_rendered(rec, folded_count, "[not_in_the_top_sites] 6\na 3\n");
	assert_int_equal(rec->bad_lines, 0);
	assert_true(rec->profile->notes.span_s == 5);
}

static void what_shrank_did_not_grow(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE("5", "300") SITE(
		"1", "300", A) SAMPLE("10", "100") SITE("1", "100", A) END);

	(void)state;
	assert_rendered(rec, folded_growing, "");
	assert_int_equal(rec->profile->notes.told_once, 0);
}

static void growth_of_a_site_told_once_is_not_known(void **state)
{
	/* full reports: the site may have been there before, below the others */
	auto_recording struct recording *rec = read_text(START("1") SAMPLE("5", "900") SITE(
		"1", "300", A) SAMPLE("10", "900") SITE("2", "400", B) END);

	(void)state;
	assert_rendered(rec, folded_growing, "");
	assert_int_equal(rec->profile->notes.told_once, 1);
	assert_int_equal(rec->profile->notes.gone, 1);
	/* what site 1 holds at the end is not known, but it is heap that nobody tells */
	assert_rendered(rec, folded_live, "[not_in_the_top_sites] 500\nb 400\n");
	assert_rendered(rec, folded_allocated, "a 1000\nb 1000\n");
}

static void a_site_missing_from_a_report_with_room_held_nothing(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE("5", "300") SITE(
		"1", "300", A) SAMPLE("10", "400") SITE("2", "400", B) END);

	(void)state;
	assert_rendered(rec, folded_growing, "b 400\n");
	assert_rendered(rec, folded_live, "b 400\n");
	assert_int_equal(rec->profile->notes.gone, 0);
	assert_int_equal(rec->profile->notes.told_once, 0);
}

static void a_recording_that_breaks_off_keeps_the_report_before(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE("5", "700") SITE(
		"1", "300", A) SITE("2", "400", B) SAMPLE("10", "700") SITE("1", "350", A));

	(void)state;
	assert_rendered(rec, folded_live, "a 350\nb 400\n");
	assert_int_equal(rec->profile->notes.unended, 1);
}

static void descriptors_hold_no_memory(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE(
		"5", "0") "{\"type\":\"site\"," HEAD ",\"site_id\":\"1\",\"kind\":\"fd\",\"live_"
			  "bytes\":5,\"live_count\":7,\"stack\":[" A "]}\n" END);

	(void)state;
	assert_rendered(rec, folded_live, "");
	assert_int_equal(rec->profile->without_bytes, 1);
}

static void processes_stand_at_the_root_or_are_chosen(void **state)
{
	static const char text[] = START("10") SAMPLE("5", "1") SITE("1", "1", A) END
		"{\"type\":\"start\",\"pid\":8,\"comm\":\"two;words x\"}\n"
		"{\"type\":\"sample\",\"pid\":8}\n"
		"{\"type\":\"site\",\"pid\":8,\"site_id\":\"1\",\"kind\":\"mmap\",\"live_bytes\":2,"
		"\"stack\":[" B "],\"stack_complete\":true}\n{\"type\":\"end\",\"pid\":8}\n";
	static const uint32_t pid = 8;
	const struct recording_cfg cfg = { &pid, 1 };
	auto_recording struct recording *both = read_text(text), *one = NULL;
	struct err e = {};

	(void)state;
	assert_rendered(both, folded_live, "srv_(pid_7);a 1\ntwo:words_x_(pid_8);b 2\n");
	assert_int_equal(try_reading(text, strlen(text), &cfg, &one, &e), 0);
	assert_rendered(one, folded_live, "b 2\n");
	assert_int_equal(one->other_pids, 4);
}

static void a_pid_that_starts_again_is_another_process(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE("5", "5") SITE(
		"1", "5", A) END START("10") SAMPLE("5", "6") SITE("1", "6", B) END);

	(void)state;
	assert_int_equal(rec->profile->process_count, 2);
	assert_rendered(rec, folded_live, "srv_(pid_7);a 5\nsrv_(pid_7);b 6\n");
}

static void lines_that_are_no_records_are_counted_and_skipped(void **state)
{
	static const char text[] = START("10") SAMPLE(
		"5", "1") "\n{\"type\":\"site\",\"pid\":7,\"site_id\n" /* 4: cut off */
			  "[1,2]\n\"x\"\nnull\n"		       /* 5, 6, 7: other JSON */
			  "{\"type\":3,\"pid\":7}\n{\"pid\":7}\n"      /* 8, 9: no type */
			  "{\"type\":\"site\"}\n{\"type\":\"site\",\"pid\":-1}\n" /* 10, 11: no
										     process */
			  "{\"type\":\"site\",\"pid\":7,\"stack\":[]}\n" /* 12: no site_id */
			  "{\"type\":\"site\",\"pid\":7,\"site_id\":\"9\",\"kind\":\"heap\"}\n"
			  "{\"type\":\"site\",\"pid\":7,\"site_id\":\"9\",\"kind\":\"heap\","
			  "\"stack\":[1]}\n"
			  "{\"type\":\"site\",\"pid\":7,\"live_bytes\":1e999}\n" /* 15: no number */
			  "{\"type\":\"future\",\"pid\":7}\n" SITE("1", "1", A) END;
	auto_recording struct recording *rec = read_text(text);

	(void)state;
	assert_int_equal(rec->bad_lines, 12);
	assert_int_equal(rec->first_bad, 4);
	assert_int_equal(rec->lines, 18);
	assert_rendered(rec, folded_live, "a 1\n");
}

static void nul_bytes_and_bad_utf8_do_not_end_the_reading(void **state)
{
	static const char text[] =
		START("10") SAMPLE("5", "1") "{\"type\":\"s\0ite\"}\n"
					     "{\"a\":\"\xff\xfe\"}\n\0\0\0\n"
					     "{\"a\":\"\\u0000\"}\n" SITE("1", "1", A) END;
	auto_recording struct recording *rec = NULL;
	struct err e = {};

	(void)state;
	assert_int_equal(try_reading(text, sizeof(text) - 1, NULL, &rec, &e), 0);
	assert_int_equal(rec->bad_lines, 4);
	assert_rendered(rec, folded_live, "a 1\n");
}

static void nesting_and_length_are_bounded(void **state)
{
	size_t long_len = 10u << 20, deep = 100000, n = 0;
	auto_free char *text = malloc(long_len + deep + 4096);
	auto_recording struct recording *rec = NULL;
	struct err e = {};

	(void)state;
	assert_non_null(text);
	n += (size_t)sprintf(text + n, "%s", START("10") SAMPLE("5", "1"));
	memset(text + n, '[', deep);
	n += deep;
	text[n++] = '\n';
	memset(text + n, 'x', long_len);
	n += long_len;
	text[n++] = '\n';
	n += (size_t)sprintf(text + n, "%s", SITE("1", "1", A) END);
	assert_int_equal(try_reading(text, n, NULL, &rec, &e), 0);
	assert_int_equal(rec->bad_lines, 2);
	assert_int_equal(rec->first_bad, 3);
	assert_rendered(rec, folded_live, "a 1\n");
}

static void numbers_beyond_every_limit_stop_at_the_end(void **state)
{
	auto_recording struct recording *rec = read_text(
		START("10") SAMPLE("5", "1") SITE("1", "9223372036854775807", A)
			SITE("2", "9223372036854775807", A) SITE("3", "9223372036854775807", A)
				SITE("4", "-5", A) END);

	(void)state;
	assert_rendered(rec, folded_live, "a 18446744073709551615\n");
}

static void a_deep_stack_is_cut_and_said_so(void **state)
{
	auto_strbuf struct strbuf b = {};
	int i;

	(void)state;
	strbuf_add(&b,
		   START("10") SAMPLE("5", "1") "{\"type\":\"site\",\"pid\":7,\"site_id\":\"1\","
						"\"kind\":\"heap\",\"live_bytes\":1,\"stack_"
						"complete\":true,\"stack\":[");
	for (i = 0; i < 1000; i++)
		strbuf_printf(&b, "%s{\"symbol\":\"f%d\"}", i ? "," : "", i);
	strbuf_add(&b, "]}\n" END);
	{
		auto_recording struct recording *rec = read_text(strbuf_text(&b));
		auto_free char *text = rendered(rec, folded_live, NULL);

		assert_ptr_equal(strstr(text, "[incomplete:_cut];f639;f638;"), text);
		assert_non_null(strstr(text, ";f1;f0 1\n"));
	}
}

static void an_empty_recording_is_no_process(void **state)
{
	auto_recording struct recording *rec = NULL;
	struct err e = {};

	(void)state;
	assert_int_equal(try_reading("", 0, NULL, &rec, &e), 0);
	assert_int_equal(rec->profile->process_count, 0);
	assert_int_equal(rec->lines, 0);
}

static void a_newer_schema_is_refused(void **state)
{
	static const char text[] = "{\"type\":\"start\",\"pid\":7,\"schema\":2}\n";
	struct recording *rec = NULL;
	struct err e = {};

	(void)state;
	assert_int_equal(try_reading(text, strlen(text), NULL, &rec, &e), -EPROTO);
	assert_non_null(strstr(e.text, "newer"));
	assert_null(rec);
}

static void the_summary_tells_the_leak_and_the_verdict(void **state)
{
	static const char leak[] =
		"{\"type\":\"leak\"," HEAD ",\"leak_id\":\"x\",\"state\":\"active\",\"leak_type\":"
		"\"heap\",\"class\":\"application\",\"severity\":\"high\",\"confidence\":0.9,"
		"\"size_bytes\":300,\"count\":3,\"growth_bytes_per_s\":40,\"evidence\":[\"none "
		"freed\"],"
		"\"recommendation\":\"free it\\u001b[31m\",\"stack\":[" A "]}\n";
	auto_strbuf struct strbuf text = {}, all = {};

	(void)state;
	strbuf_printf(&text, "%s%s%s", START("10") SAMPLE("5", "300") SITE("1", "300", A), leak,
		      "{\"type\":\"end\"," HEAD ",\"verdict\":\"leak\",\"leaks\":[\"x\",7],"
		      "\"lost\":{\"ring_full\":3,\"events\":0}}\n");
	{
		auto_recording struct recording *rec = read_text(strbuf_text(&text));

		assert_int_equal(text_recording(&all, rec), 0);
	}
	assert_non_null(strstr(strbuf_text(&all), "LEAK 1 of 1: a\n"));
	assert_non_null(
		strstr(strbuf_text(&all), "free it\\x1b[31m")); /* no control reaches a terminal */
	assert_non_null(strstr(strbuf_text(&all), "lost          ring_full 3\n"));
	assert_non_null(strstr(strbuf_text(&all), "VERDICT: LEAK in srv (pid 7)."));
	assert_non_null(strstr(strbuf_text(&all), "1 call path was recorded once only"));
}

static void the_summary_names_who_asked(void **state)
{
	static const char wrapped[] =
		"{\"type\":\"site\"," HEAD ",\"site_id\":\"1\",\"kind\":\"heap\",\"live_bytes\":5,"
		"\"stack_complete\":true,\"owner_frame\":1,\"stack\":[" FRAME(
			"zmalloc", "srv",
			"0x1") "," B "]}\n"
			       "{\"type\":\"leak\"," HEAD
			       ",\"leak_id\":\"y\",\"state\":\"active\",\"module\":"
			       "\"srv\",\"owner_frame\":1,\"comes_with\":\"x\",\"stack\":[" A "," B
			       "]}\n"
			       "{\"type\":\"leak\"," HEAD
			       ",\"leak_id\":\"x\",\"state\":\"active\",\"path_count\":"
			       "4,\"owner_frame\":99,\"stack\":[" A "]}\n";
	auto_strbuf struct strbuf text = {}, all = {};

	(void)state;
	strbuf_printf(&text, "%s%s%s", START("10") SAMPLE("5", "5"), wrapped, END);
	{
		auto_recording struct recording *rec = read_text(strbuf_text(&text));

		assert_int_equal(rec->profile->process_count, 1);
		json_array_append_new(json_object_get(rec->processes[0].end, "leaks"),
				      json_string("y"));
		json_array_append_new(json_object_get(rec->processes[0].end, "leaks"),
				      json_string("x"));
		assert_int_equal(text_recording(&all, rec), 0);
	}
	assert_non_null(strstr(strbuf_text(&all), "\n  b in srv  "));
	assert_non_null(strstr(strbuf_text(&all), "LEAK 1 of 2: b in srv\n"));
	assert_non_null(strstr(strbuf_text(&all), "comes with    that of a: as many"));
	assert_non_null(strstr(strbuf_text(&all), "LEAK 2 of 2: a\n"));
	assert_non_null(strstr(strbuf_text(&all), "asked for by 4 call paths, the largest"));
}

static void the_summary_needs_no_field(void **state)
{
	auto_recording struct recording *rec =
		read_text("{\"type\":\"leak\",\"pid\":7,\"leak_id\":\"x\",\"state\":\"active\"}\n"
			  "{\"type\":\"end\",\"pid\":7,\"leaks\":{}}\n"
			  "{\"type\":\"sample\",\"pid\":8,\"lost\":[1]}\n");
	auto_strbuf struct strbuf all = {};

	(void)state;
	assert_int_equal(text_recording(&all, rec), 0);
	assert_non_null(strstr(strbuf_text(&all), "LEAK 1 of 1"));
	assert_non_null(strstr(strbuf_text(&all), "breaks off"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_state_of_a_site_counts),
		cmocka_unit_test(what_shrank_did_not_grow),
		cmocka_unit_test(growth_of_a_site_told_once_is_not_known),
		cmocka_unit_test(a_site_missing_from_a_report_with_room_held_nothing),
		cmocka_unit_test(a_recording_that_breaks_off_keeps_the_report_before),
		cmocka_unit_test(descriptors_hold_no_memory),
		cmocka_unit_test(processes_stand_at_the_root_or_are_chosen),
		cmocka_unit_test(a_pid_that_starts_again_is_another_process),
		cmocka_unit_test(lines_that_are_no_records_are_counted_and_skipped),
		cmocka_unit_test(nul_bytes_and_bad_utf8_do_not_end_the_reading),
		cmocka_unit_test(nesting_and_length_are_bounded),
		cmocka_unit_test(numbers_beyond_every_limit_stop_at_the_end),
		cmocka_unit_test(a_deep_stack_is_cut_and_said_so),
		cmocka_unit_test(an_empty_recording_is_no_process),
		cmocka_unit_test(a_newer_schema_is_refused),
		cmocka_unit_test(the_summary_tells_the_leak_and_the_verdict),
		cmocka_unit_test(the_summary_names_who_asked),
		cmocka_unit_test(the_summary_needs_no_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
