/* A series that is too short or unusable has its fields too: null, and `unmeasured` says why. */
#include "report/report_json_series.h"

#include <errno.h>
#include <math.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "report/names.h"

static json_t *subject(const struct series_answer *a)
{
	json_auto_t *o = json_object();
	char text[40];
	int r;

	r = json_put_string(o, "kind", "process");
	if (a->id_text)
		r |= json_put_string(o, "id", a->id_text);
	else if (json_is_string(a->id))
		r |= json_put(o, "id", json_incref(a->id));
	else if (json_is_integer(a->id)) {
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(a->id));
		r |= json_put_string(o, "id", text);
	} else if (json_is_real(a->id)) {
		snprintf(text, sizeof(text), "%.17g", json_real_value(a->id));
		r |= json_put_string(o, "id", text);
	} else
		r |= json_put(o, "id", json_null());
	return r < 0 ? NULL : steal(o);
}

json_t *report_json_forecast(const struct forecast *f, const char *limit_kind)
{
	json_auto_t *o = NULL;
	int r;

	if (!f || !f->known || !(f->limit >= 0))
		return json_null();
	o = json_object();
	r = json_put_string(o, "limit_kind", limit_kind);
	r |= json_put_u64_if_known(o, "limit_bytes",
				   f->limit < 0x1p63 ? (uint64_t)f->limit : INT64_MAX);
	r |= json_put_double_or_null(o, "seconds_to_limit", f->seconds);
	r |= json_put_double_or_null(o, "low_s", f->low_s);
	r |= json_put_double_or_null(o, "high_s", f->high_s);
	return r < 0 ? NULL : steal(o);
}

static json_t *unmeasured(const struct series_answer *a)
{
	json_auto_t *list = json_array(), *row = json_object();
	char why[96];
	int r;

	snprintf(why, sizeof(why),
		 "%zu usable points, a shape needs %d without a restart between them",
		 a->shape->points, SHAPE_POINTS_MIN);
	r = json_put_string(row, "what", "pattern");
	r |= json_put_string(row, "why", a->why ? a->why : why);
	if (r < 0 || json_array_append_new(list, steal(row)))
		return NULL;
	return steal(list);
}

static int put_figures(json_t *o, const struct series_answer *a)
{
	const struct shape *s = a->shape;
	bool known = s->pattern != PATTERN_NONE;
	int r;

	r = json_put_double_or_null(o, "confidence", known ? s->confidence : NAN);
	r |= json_put(o, "severity",
		      known ? json_string(names_severity(a->severity)) : json_null());
	r |= json_put_double_or_null(o, "growth_bytes_per_s", known ? s->growth_per_s : NAN);
	r |= json_put_double_or_null(o, "growth_low_bytes_per_s",
				     known ? s->growth_low_per_s : NAN);
	r |= json_put_double_or_null(o, "growth_high_bytes_per_s",
				     known ? s->growth_high_per_s : NAN);
	r |= json_put_double_or_null(o, "total_growth_bytes", known ? s->total_growth : NAN);
	r |= json_put_double_or_null(o, "window_s", known ? s->end_s - s->start_s : NAN);
	r |= json_put_u64_if_known(o, "points_count", s->points);
	if (a->left_out)
		r |= json_put_u64_if_known(o, "points_left_out_count", a->left_out);
	return r |
	       json_put_double_or_null(o, "leak_probability", known ? s->leak_probability : NAN);
}

int report_json_series(const struct series_answer *a, json_t **ret)
{
	const char *pattern = names_pattern(a->shape->pattern);
	json_auto_t *o = json_object();
	int r;

	r = json_put_string(o, "type", "pattern");
	r |= json_put(o, "id", a->id ? json_incref(a->id) : json_null());
	r |= json_put(o, "subject", subject(a));
	r |= json_put(o, "pattern", pattern ? json_string(pattern) : json_null());
	r |= put_figures(o, a);
	r |= json_put(o, "forecast", report_json_forecast(a->forecast, "given"));
	r |= json_put_string(o, "recommendation", a->recommendation);
	if (pattern)
		r |= json_put_string(o, "why", a->shape->why);
	else
		r |= json_put(o, "unmeasured", unmeasured(a));
	if (r < 0)
		return r;
	*ret = steal(o);
	return 0;
}
