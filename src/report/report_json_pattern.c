/* The pattern record: how one subject grows, and when that meets a limit. */
#include "report/report_json.h"

#include <math.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "report/names.h"

/* Who it is about. A module that is gone has no name any more: id is null then. */
static int put_subject(json_t *o, const struct analysis *a, const struct pattern_row *row)
{
	static const char *const kinds[] = { [SUBJECT_PROCESS] = "process",
					     [SUBJECT_CLASS] = "class",
					     [SUBJECT_MODULE] = "module",
					     [SUBJECT_SITE] = "site" };
	const struct snap_module *m;
	json_t *subject = json_object();
	int r = json_put(o, "subject", subject);

	if (r < 0)
		return r;
	r = json_put_string(subject, "kind", kinds[row->kind]);
	switch (row->kind) {
	case SUBJECT_PROCESS:
		return r | (a->snap->pid ? json_put_decimal64(subject, "id", a->snap->pid)
					 : json_put_string(subject, "id", a->snap->comm));
	case SUBJECT_CLASS: return r | json_put_string(subject, "id", names_class(row->class));
	case SUBJECT_SITE: return r | json_put_hex64(subject, "id", row->site_id);
	case SUBJECT_MODULE: break;
	}
	m = rank_module(a->snap, row->module);
	return r | (m && m->name ? json_put_string(subject, "id", m->name)
				 : json_put(subject, "id", json_null()));
}

static json_t *forecast(const struct pattern_row *row)
{
	const struct forecast *f = &row->forecast;
	json_auto_t *o = json_object();
	int r;

	if (!row->limit_kind || !f->known)
		return json_null();
	r = json_put_string(o, "limit_kind", row->limit_kind);
	r |= json_put_u64_if_known(o, "limit_bytes",
				   (uint64_t)fmin(fmax(row->limit_bytes, 0), 9e18));
	r |= json_put_double_or_null(o, "seconds_to_limit", f->seconds);
	r |= json_put_double_or_null(o, "low_s", f->low_s);
	r |= json_put_double_or_null(o, "high_s", f->high_s);
	return r < 0 ? NULL : steal(o);
}

/* Things have a rate of their own, and bytes that nobody knows. */
static int put_growth(json_t *o, const struct pattern_row *row)
{
	const struct shape *s = &row->opinion.shape;
	int r;

	if (row->counted) {
		r = json_put(o, "growth_bytes_per_s", json_null());
		r |= json_put_double_if_known(o, "growth_count_per_s", s->growth_per_s);
		r |= json_put_double_if_known(o, "growth_low_count_per_s", s->growth_low_per_s);
		r |= json_put_double_if_known(o, "growth_high_count_per_s", s->growth_high_per_s);
		return r | json_put_double_if_known(o, "total_growth_count", s->total_growth);
	}
	r = json_put_double_or_null(o, "growth_bytes_per_s", s->growth_per_s);
	r |= json_put_double_or_null(o, "growth_low_bytes_per_s", s->growth_low_per_s);
	r |= json_put_double_or_null(o, "growth_high_bytes_per_s", s->growth_high_per_s);
	return r | json_put_double_or_null(o, "total_growth_bytes", s->total_growth);
}

static double share(double v)
{
	return isfinite(v) ? fmin(fmax(v, 0), 1) : 0;
}

int report_json_pattern(const struct analysis *a, const struct pattern_row *row, json_t **ret)
{
	const struct growth_opinion *op = &row->opinion;
	const char *severity = names_severity(row->severity);
	bool too_short = op->verdict == GROWTH_TOO_SHORT;
	json_auto_t *o = json_object();
	int r;

	r = put_subject(o, a, row);
	r |= json_put_string(o, "pattern", names_pattern(op->shape.pattern));
	r |= json_put(o, "confidence", json_real(share(op->shape.confidence)));
	r |= json_put_string(o, "verdict", names_growth_verdict(op->verdict));
	r |= json_put_double_or_null(o, "leak_probability",
				     too_short ? NAN : share(op->leak_probability));
	r |= json_put_string(o, "severity", severity ? severity : names_severity(SEVERITY_LOW));
	r |= put_growth(o, row);
	r |= json_put(o, "window_s", json_real(fmax(op->shape.end_s - op->shape.start_s, 0)));
	r |= json_put_double_if_known(o, "since_s", op->since_s);
	r |= json_put_double_if_known(o, "known_in_s", op->known_in_s);
	r |= json_put(o, "forecast", forecast(row));
	r |= row->recommendation ? json_put_string(o, "recommendation", row->recommendation)
				 : json_put(o, "recommendation", json_null());
	if (r < 0)
		return r;
	*ret = steal(o);
	return 0;
}
