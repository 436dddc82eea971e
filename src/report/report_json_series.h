/* The pattern record of one whole series, which belongs to no process: it has an id instead. */
#pragma once
#include <jansson.h>
#include <stddef.h>

#include "analyse/analysis.h"

struct series_answer {
	json_t *id;	     /* borrowed: a string, a number or null, given back as it came */
	const char *id_text; /* borrowed: the number as it was written; NULL: from id */
	const struct shape *shape;
	const struct forecast *forecast; /* NULL: no limit was given */
	enum severity severity;
	const char *recommendation;
	size_t left_out; /* points that are no numbers, or whose times do not rise */
	const char *why; /* borrowed: why there is no pattern; NULL: too few points */
};

/* 0 with a new reference, or -ENOMEM. */
int report_json_series(const struct series_answer *a, json_t **ret);

/* null when it is not known. For every record that has one. */
json_t *report_json_forecast(const struct forecast *f, const char *limit_kind);
