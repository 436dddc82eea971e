/* From a line to its series and from the series to its answer; what is no series is counted. */
#include "app/analyze_series.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/curve.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "growth/growth.h"
#include "report/report_json_series.h"

struct reader {
	const struct series_cfg *cfg;
	FILE *out;
	struct series_told *told;
	double leak_probability;
	double *t_s, *value, *restart_t_s; /* owned: of the line */
	size_t cap;
};

/* One line, understood. */
struct series_line {
	json_t *id; /* borrowed from the document */
	struct shape_input in;
	size_t left_out;
	double limit; /* 0: none */
};

static int refuse(const char **why, const char *text)
{
	*why = text;
	return -EBADMSG;
}

static double number_of(const json_t *v)
{
	double d = json_is_number(v) ? json_number_value(v) : NAN;

	return isfinite(d) ? d : NAN;
}

static int make_room(struct reader *d, size_t n)
{
	double *t, *v;

	if (n <= d->cap)
		return 0;
	t = reallocarray(d->t_s, n, sizeof(*t));
	if (t)
		d->t_s = t;
	v = reallocarray(d->value, n, sizeof(*v));
	if (v)
		d->value = v;
	if (!t || !v)
		return -ENOMEM;
	d->cap = n;
	return 0;
}

static int take_points(struct reader *d, const json_t *o, struct series_line *s, const char **why)
{
	const json_t *t = json_object_get(o, "t"), *value = json_object_get(o, "value");
	size_t n = json_array_size(t), i;
	int r;

	if (!json_is_array(t) || !json_is_array(value))
		return refuse(why, "\"t\" or \"value\" is no array");
	if (n != json_array_size(value))
		return refuse(why, "\"t\" and \"value\" differ in length");
	if (n > SERIES_POINTS_MAX)
		return refuse(why, "more than 262,144 points");
	r = make_room(d, n);
	for (i = 0; i < n && r == 0; i++) {
		double at = number_of(json_array_get(t, i)),
		       v = number_of(json_array_get(value, i));

		if (isnan(at) || isnan(v)) {
			s->left_out++;
			continue;
		}
		d->t_s[s->in.n] = at;
		d->value[s->in.n++] = v;
	}
	s->in.t_s = d->t_s;
	s->in.value = d->value;
	return r;
}

/* Events of other kinds, and what is no event, say nothing about the shape. */
static void take_events(struct reader *d, const json_t *o, struct series_line *s)
{
	const json_t *events = json_object_get(o, "events");
	size_t i;

	for (i = 0; i < json_array_size(events) && s->in.restart_count < SERIES_RESTARTS_MAX; i++) {
		const json_t *e = json_array_get(events, i);
		const char *kind = json_string_value(json_object_get(e, "kind"));
		double at = number_of(json_object_get(e, "t"));

		if (kind && !strcmp(kind, "restart") && !isnan(at))
			d->restart_t_s[s->in.restart_count++] = at;
	}
	s->in.restart_t_s = d->restart_t_s;
}

static int take_line(struct reader *d, json_t *o, struct series_line *ret, const char **why)
{
	struct series_line s = { .id = json_object_get(o, "id") };
	const json_t *limit = json_object_get(o, "limit_bytes");
	int r;

	if (s.id && !json_is_string(s.id) && !json_is_number(s.id) && !json_is_null(s.id))
		return refuse(why, "\"id\" is neither a string nor a number");
	s.limit = (double)d->cfg->limit_bytes;
	if (limit && !json_is_null(limit)) {
		s.limit = number_of(limit);
		if (!(s.limit > 0))
			return refuse(why, "\"limit_bytes\" is no positive number");
	}
	r = take_points(d, o, &s, why);
	if (r < 0)
		return r;
	take_events(d, o, &s);
	*ret = s;
	return 0;
}

static int answer(struct reader *d, const struct series_line *s)
{
	struct forecast forecast = {};
	struct shape shape = {};
	struct series_answer a = { .id = s->id, .shape = &shape, .left_out = s->left_out };
	auto_free char *advice = NULL;
	json_auto_t *o = NULL;
	int r;

	shape_judge(&s->in, &shape);
	if (shape.pattern == PATTERN_NONE)
		shape.points = s->in.n;
	if (shape.pattern != PATTERN_NONE) {
		curve_forecast(&s->in, &shape, s->limit > 0 ? s->limit : NAN, &forecast);
		forecast_set_rate(&forecast, &shape);
		a.forecast = s->limit > 0 ? &forecast : NULL;
	}
	a.severity = curve_severity(&d->cfg->severity, &shape, shape.leak_probability);
	r = curve_advice(&shape, false, &advice);
	a.recommendation = advice			   ? advice
			   : shape.pattern == PATTERN_NONE ? "Give more points."
							   : "Nothing needs to be done.";
	if (r == 0)
		r = report_json_series(&a, &o);
	if (r == 0)
		r = json_write_line(d->out, o);
	if (r < 0)
		return r;
	d->told->answers++;
	d->told->leak |=
		shape.pattern != PATTERN_NONE && shape.leak_probability >= d->leak_probability;
	return 0;
}

static int take_one(struct reader *d, struct analyze_input *in, const struct input_line *line)
{
	struct series_line s = {};
	json_auto_t *o = NULL;
	const char *why = NULL;
	int r;

	r = analyze_parse(in, line, &o);
	if (r == 0) {
		r = take_line(d, o, &s, &why);
		if (r == -EBADMSG)
			analyze_refuse(in, line, why);
	}
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	return answer(d, &s);
}

static void reader_done(struct reader *d)
{
	free(d->t_s);
	free(d->value);
	free(d->restart_t_s);
}

int analyze_series(struct analyze_input *in, FILE *out, const struct series_cfg *cfg,
		   struct series_told *ret, struct err *err)
{
	auto_clean(reader_done) struct reader d = {
		.cfg = cfg,
		.out = out,
		.told = ret,
		.leak_probability = growth_defaults().leak_probability,
	};
	struct input_line line;
	int r = 0, told = 0;

	*ret = (struct series_told){};
	in->what = "a series";
	d.restart_t_s = calloc(SERIES_RESTARTS_MAX, sizeof(*d.restart_t_s));
	if (!d.restart_t_s)
		return -ENOMEM;
	while (told == 0 && (r = analyze_next(in, &line, err)) > 0)
		told = take_one(&d, in, &line);
	if (told < 0 && told != -ENOMEM)
		return err_set(err, told, "cannot write to standard output (%s)", strerror(-told));
	return told ? told : r;
}
