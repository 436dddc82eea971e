/*
 * From a line to its series and from the series to its answer. A line with an id has an answer also
 * when it cannot be judged; what has none is counted.
 */
#include "app/analyze_series.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/curve.h"
#include "app/timeline.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "growth/growth.h"
#include "report/report_json_series.h"

#define ID_DIGITS 64 /* of a number that is given back digit by digit */

struct reader {
	const struct series_cfg *cfg;
	FILE *out;
	struct series_told *told;
	double *t_s, *value, *restart_t_s; /* owned: of the line */
	size_t cap;
};

/* One line, understood. */
struct series_line {
	json_t *id; /* borrowed from the document */
	struct shape_input in;
	char id_text[ID_DIGITS]; /* a number as it was written; "": none */
	size_t left_out;
	double limit;	 /* 0: none */
	const char *why; /* static: it cannot be judged */
};

/* The clock of a line: its first time, and that of the clock that was read last. */
struct line_clock {
	struct timeline time;
	double origin;
};

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

static const char *unusable(const json_t *t, const json_t *value)
{
	if (!json_is_array(t) || !json_is_array(value))
		return "\"t\" or \"value\" is no array";
	if (json_array_size(t) != json_array_size(value))
		return "\"t\" and \"value\" differ in length";
	return json_array_size(t) > SERIES_POINTS_MAX ? "more than 262,144 points" : NULL;
}

static int take_points(struct reader *d, const json_t *o, struct series_line *s,
		       struct line_clock *clock)
{
	const json_t *t = json_object_get(o, "t"), *value = json_object_get(o, "value");
	size_t n = json_array_size(t), i;
	int r;

	s->why = unusable(t, value);
	if (s->why)
		return 0;
	r = make_room(d, n);
	for (i = 0; i < n && r == 0; i++) {
		double at = number_of(json_array_get(t, i)),
		       v = number_of(json_array_get(value, i));

		if (!(fabs(v) <= SHAPE_VALUE_MAX) ||
		    !timeline_add(&clock->time, at, at, &d->t_s[s->in.n])) {
			s->left_out++;
			continue;
		}
		if (!s->in.n)
			clock->origin = at;
		d->value[s->in.n++] = v;
	}
	s->in.t_s = d->t_s;
	s->in.value = d->value;
	return r;
}

/* Events of other kinds, and what is no event, say nothing about the shape. */
static void take_events(struct reader *d, const json_t *o, const struct line_clock *clock,
			struct series_line *s)
{
	const json_t *events = json_object_get(o, "events");
	size_t i;

	for (i = 0; i < json_array_size(events) && s->in.restart_count < SERIES_RESTARTS_MAX; i++) {
		const json_t *e = json_array_get(events, i);
		const char *kind = json_string_value(json_object_get(e, "kind"));
		double at = number_of(json_object_get(e, "t"));

		/* where the clock was set, the time after that is meant */
		if (kind && !strcmp(kind, "restart") && !isnan(at))
			d->restart_t_s[s->in.restart_count++] =
				at -
				(at >= clock->time.origin ? clock->time.origin : clock->origin);
	}
	s->in.restart_t_s = d->restart_t_s;
}

/* A number beyond a double was read as no number: it is given back as text. */
static int take_id(json_t *o, const struct input_line *line, struct series_line *s)
{
	json_t *id = json_object_get(o, "id");
	size_t digits = 0;

	if (json_is_number(id) || json_is_object(id))
		digits = json_number_text(line->bytes, line->len, "id", s->id_text,
					  sizeof(s->id_text));
	if (json_is_object(id) && digits > 1) {
		if (json_object_set_new(o, "id", json_string(s->id_text)))
			return -ENOMEM;
		id = json_object_get(o, "id");
	}
	if (!json_is_number(id))
		s->id_text[0] = 0;
	s->id = id;
	return 0;
}

/* -EBADMSG with *why: there is nothing that an answer could be told by. */
static int take_line(struct reader *d, const struct input_line *line, json_t *o,
		     struct series_line *ret, const char **why)
{
	struct series_line s = { .limit = (double)d->cfg->limit_bytes };
	const json_t *limit = json_object_get(o, "limit_bytes");
	struct line_clock clock = {};
	int r = take_id(o, line, &s);

	if (r < 0)
		return r;
	if (s.id && !json_is_string(s.id) && !json_is_number(s.id) && !json_is_null(s.id)) {
		*why = "\"id\" is neither a string nor a number";
		return -EBADMSG;
	}
	r = take_points(d, o, &s, &clock);
	if (r < 0)
		return r;
	take_events(d, o, &clock, &s);
	if (limit && !json_is_null(limit)) {
		s.limit = number_of(limit);
		if (!(s.limit > 0))
			s.why = "\"limit_bytes\" is no positive number";
	}
	if (s.why && (!s.id || json_is_null(s.id))) {
		*why = s.why;
		return -EBADMSG;
	}
	*ret = s;
	return 0;
}

static int write_answer(FILE *out, const struct series_answer *a)
{
	json_auto_t *o = NULL;
	int r = report_json_series(a, &o);

	if (r < 0 || !a->id_text)
		return r < 0 ? r : json_write_line(out, o);
	json_object_del(o, "id");
	return json_write_line_with(out, o, "id", a->id_text);
}

/* As for a process: what grew for a short while only is no leak yet. */
static bool is_leak(const struct shape *s)
{
	const struct growth_cfg cfg = growth_defaults();

	return s->pattern != PATTERN_NONE && (double)s->points >= cfg.leak_points &&
	       s->leak_probability >= cfg.leak_probability;
}

static int answer(struct reader *d, const struct series_line *s)
{
	struct forecast forecast = {};
	struct shape shape = {};
	struct series_answer a = { .id = s->id,
				   .id_text = s->id_text[0] ? s->id_text : NULL,
				   .shape = &shape,
				   .left_out = s->left_out,
				   .why = s->why };
	auto_free char *advice = NULL;
	int r;

	shape_judge(s->why ? &(struct shape_input){} : &s->in, &shape);
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
			   : s->why			   ? "Mend the line."
			   : shape.pattern == PATTERN_NONE ? "Give more points."
							   : "Nothing needs to be done.";
	if (r == 0)
		r = write_answer(d->out, &a);
	if (r < 0)
		return r;
	d->told->answers++;
	d->told->leak |= is_leak(&shape);
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
		r = take_line(d, line, o, &s, &why);
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
		return err_set(err, -EIO, "cannot write to standard output (%s)", strerror(-told));
	return told ? told : r;
}
