/*
 * Bodies of the JSON records: everything but the common header. Each function returns 0 with a new
 * reference in *ret, or -ENOMEM. Foreign text is cleaned and cut; what was not measured is left
 * out, or null where every record must have the field.
 */
#pragma once
#include <jansson.h>

#include "analyse/analysis.h"
#include "report/rank.h"
#include "report/sink.h"

int report_json_head(const char *type, const char *host, const struct record_head *head,
		     json_t **ret);
int report_json_start(const struct start_info *info, json_t **ret);
int report_json_sample(const struct analysis *a, const struct overhead_info *overhead,
		       json_t **ret);
int report_json_site(const struct analysis *a, const struct ranked_site *ranked, json_t **ret);
/* Only of rows whose pattern is known. */
int report_json_pattern(const struct analysis *a, const struct pattern_row *row, json_t **ret);
int report_json_leak(const struct analysis *a, const struct finding *f, json_t **ret);
int report_json_event(const struct event_info *info, json_t **ret);
int report_json_process(const struct process_info *info, json_t **ret);
int report_json_end(const struct end_info *info, json_t **ret);

/* Parts that several records have. NULL overhead gives an object without figures. */
json_t *report_json_overhead(const struct overhead_info *overhead);
json_t *report_json_lost(const struct snap_counters *counters);
json_t *report_json_counts(const uint64_t *v, size_t n); /* beyond INT64_MAX: that */
json_t *report_json_stack(const struct snapshot *s, const struct snap_stack *stack);
