/* Records that the sink of JSON lines wrote, read again. */
#pragma once
#include "report_fixture.h"

#include <jansson.h>

#include "base/cleanup.h"

/* How many records of a type there are so far; the n-th of them, which the caller drops. */
static inline size_t read_records(struct fixture *f, const char *type, size_t n, json_t **nth)
{
	auto_free char *copy = strdup(fix_text(f));
	char *line, *rest;
	size_t count = 0;

	for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		json_auto_t *o = json_loads(line, 0, NULL);

		assert_non_null(o);
		if (strcmp(json_string_value(json_object_get(o, "type")), type))
			continue;
		if (nth && count == n)
			*nth = json_incref(o);
		count++;
	}
	return count;
}

/* NULL when there are fewer. */
static inline json_t *record(struct fixture *f, const char *type, size_t n)
{
	json_t *o = NULL;

	read_records(f, type, n, &o);
	return o;
}

static inline size_t record_count(struct fixture *f, const char *type)
{
	return read_records(f, type, 0, NULL);
}

static inline const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "(absent)";
}

static inline double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static inline void tick(struct fixture *f, struct sink *s)
{
	assert_int_equal(s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead), 0);
}
