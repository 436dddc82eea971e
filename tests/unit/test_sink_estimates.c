/* Figures made of samples, as records and as text: that they are, and how far off. */
#include "report_fixture.h"

#include <jansson.h>

#include "base/cleanup.h"

static void tick(struct fixture *f, const struct sink_ops *ops)
{
	auto_clean(sink_freep) struct sink *s = fix_sink(f, ops);

	assert_int_equal(s->ops->start(s->priv, &f->head, &f->start), 0);
	assert_int_equal(s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead), 0);
	assert_int_equal(s->ops->end(s->priv, &f->head, &f->end), 0);
}

/* The n-th record of a type. */
static json_t *record(struct fixture *f, const char *type, size_t n)
{
	auto_free char *copy = strdup(fix_text(f));
	char *line, *rest;

	for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		json_t *o = json_loads(line, 0, NULL);

		if (!strcmp(json_string_value(json_object_get(o, "type")), type) && !n--)
			return o;
		json_decref(o);
	}
	return NULL;
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static void a_site_says_its_error_and_what_it_rests_on(void **state)
{
	struct fixture *f = *state;
	json_auto_t *o = NULL, *exact = NULL;

	fix_estimate(f);
	f->sites[0].managed_bytes = 8192;
	tick(f, &sink_jsonl);
	o = record(f, "site", 0);
	exact = record(f, "site", 1);
	assert_int_equal(number_of(o, "managed_bytes"), 8192);
	assert_null(json_object_get(exact, "managed_bytes"));
	assert_true(json_is_true(json_object_get(o, "estimated")));
	assert_true(near(number_of(o, "error_ratio"), 0.12));
	assert_int_equal(number_of(o, "records_count"), 120);
	assert_int_equal(number_of(o, "allocated_records_count"), 121);
	assert_true(near(number_of(o, "blocks_per_record"), 100));
	assert_int_equal(number_of(o, "exposed_count"), 11000);
	assert_int_equal(number_of(o, "exposed_left_count"), 10500);
	assert_true(json_is_false(json_object_get(exact, "estimated")));
	assert_null(json_object_get(exact, "error_ratio"));
	assert_null(json_object_get(exact, "records_count"));
}

static void totals_say_theirs(void **state)
{
	struct fixture *f = *state;
	json_auto_t *sample = NULL;
	json_t *allocator, *row;

	fix_estimate(f);
	tick(f, &sink_jsonl);
	sample = record(f, "sample", 0);
	allocator = json_object_get(sample, "allocator");
	assert_true(json_is_true(json_object_get(allocator, "estimated")));
	assert_true(near(number_of(allocator, "live_error_ratio"), 0.1));
	row = json_object_get(json_object_get(sample, "classes"), "application");
	assert_true(near(number_of(row, "error_ratio"), 0.2));
}

static void exact_totals_say_nothing_of_it(void **state)
{
	struct fixture *f = *state;
	json_auto_t *sample = NULL;
	json_t *allocator;

	tick(f, &sink_jsonl);
	sample = record(f, "sample", 0);
	allocator = json_object_get(sample, "allocator");
	assert_null(json_object_get(allocator, "estimated"));
	assert_null(json_object_get(allocator, "live_error_ratio"));
	assert_null(strstr(fix_text(f), "error_ratio"));
}

static void a_report_says_about_and_how_far_off(void **state)
{
	struct fixture *f = *state;

	fix_estimate(f);
	tick(f, &sink_text);
	assert_non_null(strstr(fix_text(f), "~23.4 MB"));
	assert_non_null(strstr(fix_text(f), "      about 23.4 MB (+-12 %): estimated from 120 "
					    "recorded blocks\n"));
	assert_non_null(strstr(fix_text(f), "95 % sure, about 23.4 MB in"));
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fix_setup, fix_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(a_site_says_its_error_and_what_it_rests_on),
		WITH_FIXTURE(totals_say_theirs),
		WITH_FIXTURE(exact_totals_say_nothing_of_it),
		WITH_FIXTURE(a_report_says_about_and_how_far_off),
	};

	return cmocka_run_group_tests_name("estimates", tests, NULL, NULL);
}
