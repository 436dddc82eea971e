/* The counters of a Java machine: what they sum up to, and what is made of bytes that lie. */
#include "hsperf_maker.h"

#include <errno.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "decode/fact.h"
#include "runtime/hsperf.h"

static struct hsperf_file machine(void)
{
	struct hsperf_file f = hsperf_begin();

	hsperf_number(&f, "sun.gc.generation.0.space.0.used", 300);
	hsperf_number(&f, "sun.gc.generation.0.capacity", 1000);
	hsperf_number(&f, "sun.gc.generation.1.capacity", 20000);
	hsperf_number(&f, "sun.gc.generation.0.maxCapacity", 7);
	hsperf_number(&f, "sun.gc.generation.0.space.1.used", 0);
	hsperf_number(&f, "sun.gc.generation.1.space.0.used", 4000);
	hsperf_number(&f, "sun.gc.generation.1.space.0.capacity", 9);
	hsperf_number(&f, "sun.gc.metaspace.capacity", 555);
	hsperf_number(&f, "sun.gc.collector.0.invocations", 12);
	hsperf_number(&f, "sun.gc.collector.1.invocations", 3);
	hsperf_number(&f, "sun.gc.collector.2.invocations", 4);
	hsperf_number(&f, "sun.gc.collector.2.time", 999);
	hsperf_text(&f, "sun.gc.policy.name", "GarbageFirst");
	hsperf_text(&f, "java.property.java.version", "17.0.15");
	return f;
}

static void spaces_of_all_generations_are_summed(void **state)
{
	struct hsperf_file f = machine();
	struct hsperf h;

	(void)state;
	assert_int_equal(hsperf_parse(f.bytes, f.len, &h), 0);
	assert_int_equal(h.used_bytes, 4300);
	assert_string_equal(h.version, "17.0.15");
	assert_int_equal(h.young_collections, 12);
	assert_int_equal(h.other_collections, 7);
	assert_int_equal(h.entries, 14);
	assert_int_equal(h.refused, 0);
}

static void what_is_not_there_is_unknown(void **state)
{
	struct hsperf_file f = hsperf_begin();
	struct hsperf h;

	(void)state;
	hsperf_number(&f, "sun.gc.generation.0.space.0.used", -1);
	assert_int_equal(hsperf_parse(f.bytes, f.len, &h), 0);
	assert_true(h.used_bytes == FACT_UNKNOWN && h.young_collections == FACT_UNKNOWN &&
		    h.other_collections == FACT_UNKNOWN);
	assert_string_equal(h.version, "");
}

/* Cut anywhere: never more is read than is there, and what came before counts. */
static void a_picture_that_ends_early_is_read_as_far_as_it_goes(void **state)
{
	struct hsperf_file f = machine();
	uint32_t before = 0;
	struct hsperf h;

	(void)state;
	for (size_t len = 0; len <= f.len; len++) {
		uint8_t *copy = malloc(len ? len : 1); /* bounds are checked by the sanitizer */
		int r;

		assert_non_null(copy);
		memcpy(copy, f.bytes, len);
		r = hsperf_parse(copy, len, &h);
		assert_int_equal(r, len < 32 ? -EBADMSG : 0);
		if (!r) {
			assert_true(h.entries >= before);
			assert_int_equal(h.entries + h.refused, 14);
			before = h.entries;
		}
		free(copy);
	}
	assert_int_equal(before, 14);
}

static void a_header_of_another_kind_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
	} lie[] = { { 0, 0 }, { 4, 0 }, { 5, 1 }, { 27, 0x80 }, { 31, 0x80 }, { 24, 3 } };
	struct hsperf h;

	(void)state;
	for (size_t i = 0; i < sizeof(lie) / sizeof(lie[0]); i++) {
		struct hsperf_file f = machine();

		f.bytes[lie[i].at] = lie[i].byte;
		assert_int_equal(hsperf_parse(f.bytes, f.len, &h), -EBADMSG);
	}
}

/* Each number of the second entry in turn is large, or negative. */
static void an_entry_that_makes_no_sense_ends_it(void **state)
{
	static const size_t field[] = { 0, 4, 8, 16 };
	static const uint32_t lie[] = { 0x7fffffff, 0xffffffff, 0x80000000, 1u << 20 };
	struct hsperf h;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (size_t k = 0; k < 4; k++) {
			struct hsperf_file f = machine();

			memcpy(f.bytes + hsperf_entry_at(&f, 1) + field[i], &lie[k], 4);
			assert_int_equal(hsperf_parse(f.bytes, f.len, &h), 0);
			assert_int_equal(h.entries, 1);
			assert_int_equal(h.refused, 13);
			assert_int_equal(h.used_bytes, 300);
		}
	}
}

static void texts_are_clean_and_short(void **state)
{
	struct hsperf_file f = hsperf_begin();
	struct hsperf h;

	(void)state;
	hsperf_text(&f, "java.property.java.version", "17\x1b[31m.0");
	assert_int_equal(hsperf_parse(f.bytes, f.len, &h), 0);
	assert_string_equal(h.version, "17");
	hsperf_text(&f, "java.property.java.version",
		    "17.0.15-and-so-on-and-so-on-and-so-on-and-so-on");
	assert_int_equal(hsperf_parse(f.bytes, f.len, &h), 0);
	assert_int_equal(strlen(h.version), sizeof(h.version) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spaces_of_all_generations_are_summed),
		cmocka_unit_test(what_is_not_there_is_unknown),
		cmocka_unit_test(a_picture_that_ends_early_is_read_as_far_as_it_goes),
		cmocka_unit_test(a_header_of_another_kind_is_refused),
		cmocka_unit_test(an_entry_that_makes_no_sense_ends_it),
		cmocka_unit_test(texts_are_clean_and_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
