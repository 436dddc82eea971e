/*
 * The schema against the records: every line that the JSON sink writes has the fields and types
 * that `memtrace schema` promises, and no field that it does not mention. The checker below knows
 * the words of JSON Schema that our schema uses; tests/e2e/validate_jsonl.py uses a real one.
 */
#include "report_fixture.h"

#include <jansson.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "decode/event.h"
#include "report/names.h"
#include "report/report_json_series.h"

struct checker {
	const json_t *schema; /* the whole document */
	char complaint[400];  /* the first one; "" when there is none */
};

static bool complain(struct checker *c, const char *path, const char *what)
{
	if (!c->complaint[0])
		snprintf(c->complaint, sizeof(c->complaint), "%s: %s", path, what);
	return false;
}

static const json_t *resolve(struct checker *c, const json_t *node)
{
	const char *ref = json_string_value(json_object_get(node, "$ref"));
	static const char prefix[] = "#/definitions/";

	if (!ref)
		return node;
	assert_true(!strncmp(ref, prefix, strlen(prefix)));
	node = json_object_get(json_object_get(c->schema, "definitions"), ref + strlen(prefix));
	assert_non_null(node);
	return node;
}

static bool is_a(const json_t *value, const char *type)
{
	if (!strcmp(type, "number"))
		return json_is_number(value);
	if (!strcmp(type, "integer"))
		return json_is_integer(value);
	if (!strcmp(type, "string"))
		return json_is_string(value);
	if (!strcmp(type, "boolean"))
		return json_is_boolean(value);
	if (!strcmp(type, "array"))
		return json_is_array(value);
	if (!strcmp(type, "object"))
		return json_is_object(value);
	assert_string_equal(type, "null");
	return json_is_null(value);
}

static bool type_fits(const json_t *type, const json_t *value)
{
	size_t i;

	if (!type || json_is_string(type))
		return !type || is_a(value, json_string_value(type));
	for (i = 0; i < json_array_size(type); i++)
		if (is_a(value, json_string_value(json_array_get(type, i))))
			return true;
	return false;
}

static bool enum_fits(const json_t *list, const json_t *value)
{
	size_t i;

	for (i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), value))
			return true;
	return !list;
}

static bool range_fits(const json_t *node, const json_t *value)
{
	const json_t *min = json_object_get(node, "minimum"),
		     *max = json_object_get(node, "maximum");

	if (!json_is_number(value))
		return true;
	return (!min || json_number_value(value) >= json_number_value(min)) &&
	       (!max || json_number_value(value) <= json_number_value(max));
}

static bool check(struct checker *c, const json_t *node, const json_t *value, const char *path);

static bool check_object(struct checker *c, const json_t *node, const json_t *value,
			 const char *path)
{
	const json_t *required = json_object_get(node, "required"), *sub;
	json_t *field;
	const char *key;
	char at[256];
	size_t i;

	for (i = 0; i < json_array_size(required); i++) {
		key = json_string_value(json_array_get(required, i));
		snprintf(at, sizeof(at), "%s.%s", path, key);
		if (!json_object_get(value, key))
			return complain(c, at, "required");
	}
	json_object_foreach((json_t *)value, key, field)
	{
		snprintf(at, sizeof(at), "%s.%s", path, key);
		sub = json_object_get(json_object_get(node, "properties"), key);
		if (!sub)
			sub = json_object_get(node, "additionalProperties");
		if (!json_is_object(sub))
			return complain(c, at, "not in the schema");
		if (!check(c, sub, field, at))
			return false;
	}
	return true;
}

static bool check(struct checker *c, const json_t *node, const json_t *value, const char *path)
{
	const json_t *items;
	size_t i;

	node = resolve(c, node);
	if (!type_fits(json_object_get(node, "type"), value))
		return complain(c, path, "wrong type");
	if (!enum_fits(json_object_get(node, "enum"), value))
		return complain(c, path, "not one of the listed values");
	if (!range_fits(node, value))
		return complain(c, path, "out of range");
	items = json_object_get(node, "items");
	for (i = 0; items && i < json_array_size(value); i++)
		if (!check(c, items, json_array_get(value, i), path))
			return false;
	return !json_is_object(value) || check_object(c, node, value, path);
}

/* One schema node with the common fields and those of one record type. */
static json_t *record_schema(const json_t *schema, const char *type)
{
	json_t *node =
		json_deep_copy(json_object_get(json_object_get(schema, "definitions"), type));

	assert_non_null(node);
	json_object_update(json_object_get(node, "properties"),
			   json_object_get(schema, "properties"));
	json_array_extend(json_object_get(node, "required"), json_object_get(schema, "required"));
	return node;
}

/* The choice between records of a process and answers to a series: what either must have. */
static void add_choice(const json_t *schema, const json_t *record, json_t *node)
{
	const json_t *any = json_object_get(schema, "anyOf");
	size_t choice = json_object_get(record, "id") ? 1 : 0;

	assert_int_equal(json_array_size(any), 2);
	json_array_extend(json_object_get(node, "required"),
			  json_object_get(json_array_get(any, choice), "required"));
}

static bool check_record(struct checker *c, const json_t *record)
{
	const char *type = json_string_value(json_object_get(record, "type"));
	json_auto_t *node = record_schema(c->schema, type);

	add_choice(c->schema, record, node);

	return check(c, node, record, type);
}

static json_t *load_schema(void)
{
	json_error_t error;
	json_t *schema = json_loads(report_schema(), 0, &error);

	if (!schema)
		print_message("line %d: %s\n", error.line, error.text);
	assert_non_null(schema);
	return schema;
}

static void emit_events(struct fixture *f, struct sink *s)
{
	struct event_info info = { .site_id = 1 };
	struct event ev;
	int kind, op;

	info.event = &ev;
	for (kind = 1; kind < MT_KIND_MAX; kind++) {
		memset(&ev, 0, sizeof(ev));
		ev.kind = kind;
		ev.hdr.kind = kind;
		if (kind == MT_KIND_site)
			ev.site.site_kind = MT_SITE_HEAP;
		assert_int_equal(s->ops->event(s->priv, &f->head, &info), 0);
	}
	for (op = 1; op < 2 * MT_SYS_MAX; op++) {
		memset(&ev, op >= MT_SYS_MAX ? 0xff : 0, sizeof(ev));
		ev.kind = MT_KIND_sys;
		ev.sys.op = op % MT_SYS_MAX;
		assert_int_equal(s->ops->event(s->priv, &f->head, &info), 0);
	}
}

static void emit_everything(struct fixture *f)
{
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	struct process_info info = { .parent_pid = 1, .reason = "because" };

	assert_int_equal(s->ops->start(s->priv, &f->head, &f->start), 0);
	for (info.event = PROCESS_FORK; info.event <= PROCESS_SKIP; info.event++)
		assert_int_equal(s->ops->process(s->priv, &f->head, &info), 0);
	emit_events(f, s);
	assert_int_equal(s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead), 0);
	f->findings.count = 0;
	assert_int_equal(s->ops->tick(s->priv, &f->head, &f->analysis, NULL), 0);
	assert_int_equal(s->ops->end(s->priv, &f->head, &f->end), 0);
}

static void check_lines(struct fixture *f)
{
	json_auto_t *schema = load_schema();
	struct checker c = { .schema = schema };
	auto_free char *copy = strdup(fix_text(f));
	char *line, *rest;

	for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		json_auto_t *record = json_loads(line, 0, NULL);

		assert_non_null(record);
		if (!check_record(&c, record))
			print_message("%s\n%s\n", c.complaint, line);
		assert_string_equal(c.complaint, "");
	}
}

static void every_record_is_as_the_schema_says(void **state)
{
	struct fixture *f = *state;

	emit_everything(f);
	check_lines(f);
}

static void patterns_are_as_the_schema_says(void **state)
{
	struct fixture *f = *state;

	fix_patterns(f);
	emit_everything(f);
	f->pattern_rows[0].opinion.shape.growth_per_s = NAN;
	f->pattern_rows[0].opinion.shape.confidence = NAN;
	f->pattern_rows[0].forecast = (struct forecast){ true, 1e300, 0, 0, INFINITY };
	f->pattern_rows[0].limit_bytes = 1e300;
	f->pattern_rows[2].opinion.shape.growth_per_s = NAN;
	f->findings.count = 1;
	emit_everything(f);
	check_lines(f);
}

static void a_record_without_measurements_is_as_the_schema_says(void **state)
{
	struct fixture *f = *state;
	int class;

	fix_patterns(f);
	f->snap.proc.rss_bytes = f->snap.proc.swap_bytes = FACT_UNKNOWN;
	f->snap.external_series.count = 0;
	f->snap.heap_traced = false;
	f->ledger.external_bytes = FACT_UNKNOWN;
	f->ledger.coverage_ratio = NAN;
	f->ledger.slack_bytes = FACT_UNKNOWN;
	for (class = 1; class < CLASS_MAX; class ++)
		f->ledger.rows[class] =
			(struct class_row){ FACT_UNKNOWN, FACT_UNKNOWN,	   NAN,
					    NAN,	  HOW_UNAVAILABLE, "no residency" };
	f->overhead = (struct overhead_info){ NAN, FACT_UNKNOWN, NAN, NAN, "watch", NULL };
	f->sites[0].stack.count = 0;
	f->sites[0].ages_known = false;
	f->finding.site_id = 0;
	f->finding.growth_bytes_per_s = NAN;
	f->finding.growth_count_per_s = NAN;
	f->finding.first_seen_s = NAN;
	f->finding.recommendation = NULL;
	f->start = (struct start_info){ .version = "", .kernel = "", .mode = "watch" };
	f->start.limit_bytes = FACT_UNKNOWN;
	f->findings.verdict = VERDICT_INCONCLUSIVE;
	f->findings.known_in_s = 12;
	f->analysis.owners = NULL;
	emit_everything(f);
	check_lines(f);
}

static void an_estimate_is_as_the_schema_says(void **state)
{
	struct fixture *f = *state;

	fix_estimate(f);
	f->sites[1].estimated = true; /* nothing of it is known */
	emit_everything(f);
	check_lines(f);
}

static void a_leak_of_several_paths_is_as_the_schema_says(void **state)
{
	struct fixture *f = *state;

	fix_paths(f);
	f->finding.comes_with = 5;
	f->sites[0].stack.folded = true;
	emit_everything(f);
	check_lines(f);
}

/* pattern NONE: nothing is known. */
static void check_answer(const json_t *schema, json_t *id, struct shape *shape,
			 const struct forecast *forecast)
{
	struct series_answer a = { .id = id,
				   .shape = shape,
				   .forecast = forecast,
				   .severity = SEVERITY_HIGH,
				   .recommendation = "Find it.",
				   .left_out = shape->points % 2 };
	struct checker c = { .schema = schema };
	json_auto_t *record = NULL;

	assert_int_equal(report_json_series(&a, &record), 0);
	if (!check_record(&c, record))
		fail_msg("%s", c.complaint);
	assert_true(json_equal(json_object_get(record, "id"), id));
	assert_int_equal(json_is_null(json_object_get(record, "pattern")),
			 shape->pattern == PATTERN_NONE);
	assert_int_equal(json_is_array(json_object_get(record, "unmeasured")),
			 shape->pattern == PATTERN_NONE);
}

static void answers_to_series_are_as_the_schema_says(void **state)
{
	const struct forecast some = { true, 1e9, 5, 1, INFINITY }, none = { .limit = NAN };
	struct shape shape = { .confidence = 0.9, .points = 50, .why = "because", .end_s = 9 };
	json_auto_t *schema = load_schema();
	json_t *const ids[] = { json_string("x"), json_integer(-7), json_real(0.5), json_null() };

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		shape.points++;
		for (shape.pattern = PATTERN_NONE; shape.pattern < PATTERN_MAX; shape.pattern++) {
			check_answer(schema, ids[i], &shape, NULL);
			check_answer(schema, ids[i], &shape, &some);
			check_answer(schema, ids[i], &shape, &none);
		}
		json_decref(ids[i]);
	}
}

static void a_series_that_is_no_process_is_as_the_schema_says(void **state)
{
	struct fixture *f = *state;

	fix_patterns(f);
	f->head.pid = f->snap.pid = 0;
	f->head.time_ns = 0;
	f->cfg.judgement = true;
	emit_everything(f);
	check_lines(f);
	assert_non_null(strstr(fix_text(f), "\"pid\":null"));
	assert_non_null(strstr(fix_text(f), "\"time\":null"));
}

static void the_checker_sees_missing_wrong_and_unknown_fields(void **state)
{
	json_auto_t *schema = load_schema(), *good = NULL, *bad = NULL;
	struct checker c = { .schema = schema };

	(void)state;
	good = json_pack("{s:s,s:s,s:f,s:s,s:i,s:s,s:s}", "type", "process", "time",
			 "2023-11-14T22:13:20.123456Z", "elapsed_s", 1.0, "host", "h", "pid", 1,
			 "comm", "c", "event", "fork");
	assert_true(check_record(&c, good));
	bad = json_deep_copy(good);
	json_object_del(bad, "event");
	assert_false(check_record(&c, bad));
	json_object_set_new(bad, "event", json_string("birth"));
	assert_false(check_record(&c, bad));
	json_object_set_new(bad, "event", json_string("fork"));
	json_object_set_new(bad, "pid", json_string("1"));
	assert_false(check_record(&c, bad));
	json_object_set_new(bad, "pid", json_integer(1));
	assert_true(check_record(&c, bad));
	json_object_set_new(bad, "colour", json_string("red"));
	assert_false(check_record(&c, bad));
	json_object_del(bad, "colour");
	json_object_del(bad, "host");
	assert_false(check_record(&c, bad));
}

static bool listed(const json_t *list, const char *name)
{
	json_auto_t *value = json_string(name);

	return enum_fits(list, value);
}

static const json_t *enum_of(const json_t *schema, const char *record, const char *field)
{
	const json_t *node = json_object_get(json_object_get(schema, "definitions"), record);
	const json_t *list = json_object_get(
		json_object_get(json_object_get(node, "properties"), field), "enum");

	assert_non_null(list);
	return list;
}

static void the_lists_of_the_schema_are_those_of_the_program(void **state)
{
	json_auto_t *schema = load_schema();
	const json_t *classes = json_object_get(
		json_object_get(json_object_get(schema, "definitions"), "class_name"), "enum");
	int i;

	(void)state;
	assert_int_equal(json_array_size(classes), CLASS_MAX - 1);
	for (i = 1; i < CLASS_MAX; i++)
		assert_true(listed(classes, names_class(i)));
	assert_int_equal(json_array_size(enum_of(schema, "pattern", "verdict")), GROWTH_LEAK + 1);
	for (i = 0; i <= GROWTH_LEAK; i++)
		assert_true(listed(enum_of(schema, "pattern", "verdict"), names_growth_verdict(i)));
	/* and one that the kernel side does not know: cut by --fold */
	assert_int_equal(json_array_size(enum_of(schema, "site", "stack_end")), MT_END_MAX + 1);
	assert_true(listed(enum_of(schema, "site", "stack_end"), "folded"));
	for (i = 0; i < MT_END_MAX; i++)
		assert_true(listed(enum_of(schema, "site", "stack_end"), names_stack_end(i)));
	for (i = LEAK_UNKNOWN; i <= LEAK_HEAP; i++)
		assert_true(listed(enum_of(schema, "leak", "leak_type"), names_leak_type(i)));
	for (i = PATTERN_STABLE; i <= PATTERN_OSCILLATING; i++)
		assert_true(listed(enum_of(schema, "leak", "pattern"), names_pattern(i)));
	for (i = SEVERITY_LOW; i <= SEVERITY_CRITICAL; i++)
		assert_true(listed(enum_of(schema, "leak", "severity"), names_severity(i)));
	for (i = END_DURATION; i <= END_ERROR; i++)
		assert_true(listed(enum_of(schema, "end", "reason"), names_end_reason(i)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_estimate_is_as_the_schema_says, fix_setup,
						fix_teardown),
		cmocka_unit_test_setup_teardown(every_record_is_as_the_schema_says, fix_setup,
						fix_teardown),
		cmocka_unit_test_setup_teardown(patterns_are_as_the_schema_says, fix_setup,
						fix_teardown),
		cmocka_unit_test(answers_to_series_are_as_the_schema_says),
		cmocka_unit_test_setup_teardown(a_series_that_is_no_process_is_as_the_schema_says,
						fix_setup, fix_teardown),
		cmocka_unit_test_setup_teardown(a_record_without_measurements_is_as_the_schema_says,
						fix_setup, fix_teardown),
		cmocka_unit_test_setup_teardown(a_leak_of_several_paths_is_as_the_schema_says,
						fix_setup, fix_teardown),
		cmocka_unit_test(the_checker_sees_missing_wrong_and_unknown_fields),
		cmocka_unit_test(the_lists_of_the_schema_are_those_of_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
