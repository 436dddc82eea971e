/* Documents: folded stacks, the picture and pprof, with hostile names in all of them. */
#include "recording_fixture.h"

#include <errno.h>
#include <zlib.h>

#include "profile/label.h"
#include "proto/pprof.pb-c.h"

/* outermost main, and a name that tries to be something else */
#define HOSTILE "x;y 5\\n</title><script>\\\"'&\\ufffe\\u202e"
#define MAIN FRAME("main", "srv", "0x10")

static const char hostile[] = START("10") SAMPLE("5", "60") SITE(
	"1", "10", FRAME(HOSTILE, "lib]]>.so", "0x20") "," MAIN)
	SITE("2", "50", "{\"module\":\"libx.so\",\"offset\":\"0x4321\",\"kind\":\"native\"}," MAIN)
		END;

static void names_cannot_break_a_folded_stack(void **state)
{
	auto_recording struct recording *rec = read_text(hostile);

	(void)state;
	assert_rendered(rec, folded_live,
			"main;libx.so+0x4321 50\n"
			"main;x:y_5\\x0a</title><script>\"'&\xef\xbf\xbe\\u202e 10\n");
}

static void every_kind_of_blank_is_taken_out(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE("5", "1") SITE(
		"1", "1", FRAME("a b\\u00a0c\\u2003d\\u3000e;f", "s", "0x1")) END);

	(void)state;
	assert_rendered(rec, folded_live, "a_b_c_d_e:f 1\n");
}

static void frames_say_what_kind_they_are(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE("5", "1") SITE(
		"1", "1",
		"{\"symbol\":\"in\",\"inlined\":true},{\"symbol\":\"out\"},"
		"{\"kind\":\"jit\",\"offset\":\"0x99\"},{\"kind\":\"kernel\",\"symbol\":\"do_"
		"mmap\"},"
		"{\"kind\":\"interpreted\"},{}") END);

	(void)state;
	assert_rendered(
		rec, folded_live,
		"[unknown]+0x0;[interpreted]+0x0;do_mmap_[k];[jit]+0x99_[j];out;in_[i] 1\n");
}

static void a_stack_that_is_not_whole_says_why_at_its_root(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE(
		"5", "3") "{\"type\":\"site\"," HEAD
			  ",\"site_id\":\"1\",\"kind\":\"heap\",\"live_bytes\":1,"
			  "\"stack_complete\":false,\"stack_end\":\"depth; 4\",\"stack\":[" MAIN
			  "]}\n"
			  "{\"type\":\"site\"," HEAD
			  ",\"site_id\":\"2\",\"kind\":\"heap\",\"live_bytes\":2,"
			  "\"stack_complete\":false,\"stack\":[]}\n" END);

	(void)state;
	assert_rendered(rec, folded_live,
			"[incomplete:_depth:_4];main 1\n[incomplete:_unknown];[no_stack] 2\n");
}

static void xml_takes_any_text(void **state)
{
	auto_strbuf struct strbuf b = {};

	(void)state;
	label_xml(&b, "a<b>&\"'c\x01\xef\xbf\xbf.");
	assert_string_equal(b.text, "a&#60;b&#62;&#38;&#34;&#39;c\xef\xbf\xbd\xef\xbf\xbd.");
}

/* How often a text occurs. */
static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void hostile_names_stay_text_in_the_picture(void **state)
{
	auto_recording struct recording *rec = read_text(hostile);
	auto_free char *svg = rendered(rec, render_svg, NULL);

	(void)state;
	assert_int_equal(count_of(svg, "<script>"), 1); /* our own */
	assert_int_equal(count_of(svg, "]]>"), 2);	/* style and script */
	assert_int_equal(count_of(svg, "</svg>\n<script><![CDATA["), 0);
	assert_non_null(strstr(svg, "x;y 5\\x0a&#60;/title&#62;&#60;script&#62;&#34;&#39;&#38;"));
	assert_null(strstr(svg, "\xef\xbf\xbe"));
	assert_null(strstr(svg, "http://www.w3.org/1999/xlink"));
	assert_int_equal(count_of(svg, "http"), 2); /* name spaces: of the picture, of the script */
}

static void a_box_has_its_place_and_its_figures(void **state)
{
	auto_recording struct recording *rec = read_text(hostile);
	auto_free char *svg = rendered(rec, render_svg, NULL);

	(void)state;
	assert_non_null(strstr(svg, "<svg class=\"b\" x=\"0.00000%\" y=\"36\" width=\"83.33333%\" "
				    "height=\"18\"><title>libx.so+0x4321\n"
				    "50 B (50 bytes), 83.3 % of all, 3 blocks</title>"
				    "<rect class=\"c1\" width=\"100%\" height=\"100%\"/>"
				    "<text x=\"4\" y=\"13\">libx.so+0x4321</text></svg>\n"));
	assert_non_null(strstr(svg, "<title>main\nsrv\n60 B (60 bytes), 100 % of all"));
	assert_non_null(strstr(svg, ">Held at the end: 60 B in 6 blocks<"));
	assert_non_null(strstr(svg, "Not known: every call path was recorded once only."));
}

static void a_program_that_is_a_link_is_known_by_its_name(void **state)
{
	auto_recording struct recording *rec = read_text(
		"{\"type\":\"start\"," HEAD ",\"exe\":\"/usr/bin/other\"}\n" SAMPLE("5", "1")
			SITE("1", "1", FRAME("f", "libc.so.6", "0x1") "," MAIN) END);
	auto_free char *svg = rendered(rec, render_svg, NULL);

	(void)state;
	assert_non_null(strstr(svg, "</title><rect class=\"c0\" width=\"100%\" height=\"100%\"/>"
				    "<text x=\"4\" y=\"13\">main<"));
	assert_non_null(strstr(svg, "</title><rect class=\"c2\" width=\"100%\" height=\"100%\"/>"
				    "<text x=\"4\" y=\"13\">f<"));
}

static void an_empty_picture_says_so(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE("5", "0") END);
	auto_free char *svg = rendered(rec, render_svg, NULL);

	(void)state;
	assert_non_null(strstr(svg, "No call path that holds memory was recorded."));
	assert_non_null(strstr(svg, "</svg>"));
}

static void many_small_boxes_are_merged_and_counted(void **state)
{
	auto_strbuf struct strbuf b = {};
	int i;

	(void)state;
	strbuf_add(&b, START("100000") SAMPLE("5", "1"));
	for (i = 0; i < 3000; i++)
		strbuf_printf(&b,
			      "{\"type\":\"site\",\"pid\":7,\"site_id\":\"%d\",\"kind\":\"heap\","
			      "\"live_bytes\":%d,\"stack_complete\":true,\"stack\":[{\"symbol\":"
			      "\"f%d\"}," MAIN "]}\n",
			      i, i < 1000 ? 1000 : 1, i);
	strbuf_add(&b, END);
	{
		auto_recording struct recording *rec = read_text(strbuf_text(&b));
		auto_free char *svg = rendered(rec, render_svg, NULL);

		assert_int_equal(count_of(svg, "class=\"b\""),
				 1003); /* all, main, 1000, the rest */
		assert_non_null(strstr(svg, "<title>2000 smaller\n2.0 kB (2000 bytes)"));
		assert_non_null(strstr(svg, "2000 functions below 0.05 % of all are merged"));
	}
}

static void the_number_of_boxes_is_bounded(void **state)
{
	auto_strbuf struct strbuf b = {};
	int i, k;

	(void)state;
	strbuf_add(&b, START("100000") SAMPLE("5", "1"));
	for (i = 0; i < 1500; i++) {
		strbuf_printf(&b,
			      "{\"type\":\"site\",\"pid\":7,\"site_id\":\"%d\",\"kind\":\"heap\","
			      "\"live_bytes\":1,\"stack_complete\":true,\"stack\":[",
			      i);
		for (k = 0; k < 8; k++)
			strbuf_printf(&b, "%s{\"symbol\":\"f%d\"}", k ? "," : "", i * 8 + k);
		strbuf_add(&b, "]}\n");
	}
	strbuf_add(&b, END);
	{
		auto_recording struct recording *rec = read_text(strbuf_text(&b));
		auto_free char *svg = rendered(rec, render_svg, NULL);

		assert_in_range(count_of(svg, "class=\"b\""), 1, 6000);
		assert_non_null(strstr(svg, "are merged"));
	}
}

/* --- pprof ----------------------------------------------------------------------------------- */

static Memtrace__Pprof__Profile *unpacked(const struct recording *rec)
{
	size_t len, cap = 1 << 20;
	auto_free unsigned char *bytes = malloc(cap);
	auto_free char *gz = rendered(rec, render_pprof, &len);
	Memtrace__Pprof__Profile *p;
	z_stream z = { .next_in = (unsigned char *)gz, .avail_in = (uInt)len };

	z.next_out = bytes;
	z.avail_out = (uInt)cap;
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	p = memtrace__pprof__profile__unpack(NULL, z.total_out, bytes);
	inflateEnd(&z);
	assert_non_null(p);
	return p;
}

static const char *name_at(const Memtrace__Pprof__Profile *p, int64_t i)
{
	assert_in_range(i, 0, p->n_string_table - 1);
	return p->string_table[i];
}

static void pprof_holds_every_value_and_name(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE("5", "100") SITE(
		"1", "100", MAIN) SAMPLE("10", "307") SITE("1", "300", MAIN) END);
	Memtrace__Pprof__Profile *p = unpacked(rec);
	const Memtrace__Pprof__Location *at;

	(void)state;
	assert_string_equal(p->string_table[0], "");
	assert_int_equal(p->n_sample_type, 5);
	assert_string_equal(name_at(p, p->sample_type[0]->type), "inuse_space");
	assert_string_equal(name_at(p, p->sample_type[4]->type), "growth_space");
	assert_string_equal(name_at(p, p->default_sample_type), "inuse_space");
	assert_int_equal(p->n_sample, 2); /* and what is not in the top sites */
	assert_int_equal(p->sample[0]->n_value, 5);
	assert_int_equal(p->sample[0]->value[0], 300);
	assert_int_equal(p->sample[0]->value[1], 3);
	assert_int_equal(p->sample[0]->value[2], 1000);
	assert_int_equal(p->sample[0]->value[3], 10);
	assert_int_equal(p->sample[0]->value[4], 200);
	assert_int_equal(p->sample[1]->value[0], 7);
	at = p->location[p->sample[0]->location_id[0] - 1];
	assert_int_equal(at->address, 0x10);
	assert_string_equal(name_at(p, p->function[at->line[0]->function_id - 1]->name), "main");
	assert_string_equal(name_at(p, p->mapping[at->mapping_id - 1]->build_id), "ab");
	assert_int_equal(p->time_nanos, 1795244250ll * 1000000000);
	assert_int_equal(p->duration_nanos, 10ll * 1000000000);
	memtrace__pprof__profile__free_unpacked(p, NULL);
}

static void inlined_frames_share_one_location(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE("5", "1") SITE(
		"1", "1",
		"{\"symbol\":\"i1\",\"module\":\"srv\",\"offset\":\"0x99\",\"inlined\":true,"
		"\"file\":"
		"\"a.c\",\"line\":3},{\"symbol\":\"i2\",\"module\":\"srv\",\"offset\":\"0x30\","
		"\"inlined\":true},{\"symbol\":\"real\",\"module\":\"srv\",\"offset\":\"0x30\"}"
		"," MAIN) END);
	Memtrace__Pprof__Profile *p = unpacked(rec);
	const Memtrace__Pprof__Location *at = p->location[0];

	(void)state;
	assert_int_equal(p->sample[0]->n_location_id, 2);
	assert_int_equal(at->n_line, 3);
	assert_int_equal(at->address, 0x30);
	assert_int_equal(at->line[0]->line, 3);
	assert_string_equal(name_at(p, p->function[at->line[0]->function_id - 1]->name), "i1");
	assert_string_equal(name_at(p, p->function[at->line[2]->function_id - 1]->name), "real");
	assert_true(p->mapping[0]->has_inline_frames);
	memtrace__pprof__profile__free_unpacked(p, NULL);
}

static void pprof_takes_hostile_names_and_numbers(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE("5", "1") SITE(
		"1", "9223372036854775807", FRAME(HOSTILE, "m", "0xffffffffffffffff")) END);
	Memtrace__Pprof__Profile *p = unpacked(rec);

	(void)state;
	assert_true(p->sample[0]->value[0] == INT64_MAX);
	assert_true(p->mapping[0]->memory_limit == UINT64_MAX);
	assert_int_equal(strlen(name_at(p, p->function[0]->name)),
			 strlen("x;y 5\\x0a</title><script>\"'&...\\u202e"));
	memtrace__pprof__profile__free_unpacked(p, NULL);
}

static void the_program_itself_is_the_first_mapping(void **state)
{
	auto_recording struct recording *rec = read_text(START("10") SAMPLE("5", "1") SITE(
		"1", "1", FRAME("a", "liba.so", "0x1") "," MAIN) END);
	Memtrace__Pprof__Profile *p = unpacked(rec);

	(void)state;
	assert_string_equal(name_at(p, p->mapping[0]->filename), "srv");
	memtrace__pprof__profile__free_unpacked(p, NULL);
}

static void a_full_disk_is_told(void **state)
{
	auto_recording struct recording *rec = read_text(hostile);
	static const render_fn all[] = { folded_live, render_svg, render_pprof };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		FILE *f = fopen("/dev/full", "w");

		assert_non_null(f);
		assert_int_equal(all[i](f, rec->profile), -ENOSPC);
		fclose(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_cannot_break_a_folded_stack),
		cmocka_unit_test(every_kind_of_blank_is_taken_out),
		cmocka_unit_test(frames_say_what_kind_they_are),
		cmocka_unit_test(a_stack_that_is_not_whole_says_why_at_its_root),
		cmocka_unit_test(xml_takes_any_text),
		cmocka_unit_test(hostile_names_stay_text_in_the_picture),
		cmocka_unit_test(a_box_has_its_place_and_its_figures),
		cmocka_unit_test(a_program_that_is_a_link_is_known_by_its_name),
		cmocka_unit_test(an_empty_picture_says_so),
		cmocka_unit_test(many_small_boxes_are_merged_and_counted),
		cmocka_unit_test(the_number_of_boxes_is_bounded),
		cmocka_unit_test(pprof_holds_every_value_and_name),
		cmocka_unit_test(inlined_frames_share_one_location),
		cmocka_unit_test(pprof_takes_hostile_names_and_numbers),
		cmocka_unit_test(the_program_itself_is_the_first_mapping),
		cmocka_unit_test(a_full_disk_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
