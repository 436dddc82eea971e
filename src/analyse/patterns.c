/* Rows are made anew at each tick from what the subjects' judges think. */
#include "analyse/patterns.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"

void patterns_done(struct patterns *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->list[i].recommendation);
	free(p->list);
	*p = (struct patterns){};
}

static bool grows(const struct shape *s)
{
	return s->pattern == PATTERN_LINEAR || s->pattern == PATTERN_EXPONENTIAL ||
	       s->pattern == PATTERN_SUSTAINED;
}

/* When the headroom is used up, if the process goes on as in the window that was judged. */
static void set_forecast(const struct judge_input *in, struct pattern_row *row)
{
	const struct snap_series *series = &in->snap->external_series;
	double headroom = in->limits.bytes - in->limits.used_bytes;
	struct shape_input points = { series->t_s, series->value, series->count };

	if (!in->limits.kind || !isfinite(headroom) || !series->count)
		return;
	while (points.n > SHAPE_POINTS_MIN && points.t_s[0] < row->opinion.shape.start_s) {
		points.t_s++;
		points.value++;
		points.n--;
	}
	forecast_limit(&points, &row->opinion.shape, points.value[points.n - 1] + headroom,
		       &row->forecast);
	if (!row->forecast.known)
		return;
	row->limit_kind = in->limits.kind;
	row->limit_bytes = in->limits.bytes;
}

static enum severity severity_of(const struct judge_cfg *cfg, const struct pattern_row *row)
{
	const struct shape *s = &row->opinion.shape;

	if (!grows(s))
		return SEVERITY_LOW;
	return recommend_severity(&cfg->recommend, MT_SITE_HEAP, s->total_growth, s->growth_per_s,
				  NAN, NAN);
}

static uint32_t module_of(const struct judge_input *in, uint64_t id)
{
	for (size_t i = 0; i < in->snap->module_count; i++)
		if (subjects_module_id(&in->snap->modules[i]) == id)
			return (uint32_t)i;
	return SNAP_NO_MODULE;
}

static int add_row(const struct judge_cfg *cfg, const struct subject *x,
		   const struct judge_input *in, struct patterns *p)
{
	struct pattern_row *row = &p->list[p->count];

	*row = (struct pattern_row){
		.kind = x->kind,
		.counted = x->counted,
		.class = x->kind == SUBJECT_CLASS ? (enum resource_class)x->id : CLASS_NONE,
		.module = x->kind == SUBJECT_MODULE ? module_of(in, x->id) : SNAP_NO_MODULE,
		.site_id = x->kind == SUBJECT_SITE ? x->id : 0,
		.opinion = *growth_opinion(x->growth),
		.limit_bytes = NAN,
	};
	if (row->opinion.shape.pattern == PATTERN_NONE)
		return 0;
	row->severity = severity_of(cfg, row);
	if (x->kind == SUBJECT_PROCESS)
		set_forecast(in, row);
	p->count++;
	return 0;
}

int patterns_build(const struct judge_cfg *cfg, const struct subjects *s,
		   const struct judge_input *in, const struct findings *findings,
		   struct patterns *ret)
{
	auto_clean(patterns_done) struct patterns p = {};
	int r = 0;

	(void)findings;
	p.list = calloc(s->count ? s->count : 1, sizeof(*p.list));
	if (!p.list)
		return -ENOMEM;
	for (size_t i = 0; i < s->count && r == 0; i++)
		r = add_row(cfg, &s->list[i], in, &p);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct patterns){};
	return 0;
}
