/*
 * A bare series as if it were a process without a number: one judge of growth, one finding at
 * most. Of its points enough are kept for a picture and a forecast.
 */
#include "app/analyze_points.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/analysis.h"
#include "analyse/evidence.h"
#include "analyse/fold.h"
#include "analyse/records.h"
#include "app/curve.h"
#include "app/replay_impl.h"
#include "app/timeline.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "model/sat.h"

#define KEPT_MAX 512

struct points {
	struct points_cfg cfg;
	struct sink *sink;     /* owned */
	struct growth *growth; /* owned */
	struct timeline clock;
	uint64_t time_ns; /* of the last point; 0: not known */
	uint64_t count;
	double t_s[KEPT_MAX], value[KEPT_MAX]; /* every stride-th point, and the last one */
	size_t kept;
	uint64_t stride;
	double judged_s;	     /* end of the window that was told last; NAN before */
	enum growth_verdict verdict; /* told last */
	struct finding finding;	     /* owned content, once there was one */
	bool found;
};

void points_free(struct points *p)
{
	if (!p)
		return;
	finding_done(&p->finding);
	growth_free(p->growth);
	sink_free(p->sink);
	free(p);
}

static void points_freep(struct points **p)
{
	points_free(*p);
}

int points_new(const struct points_cfg *cfg, struct points **ret)
{
	auto_clean(points_freep) struct points *p = calloc(1, sizeof(*p));
	const struct growth_cfg growth = growth_defaults();
	struct sink_cfg sink = cfg->sink;
	int r;

	if (!p)
		return -ENOMEM;
	p->cfg = *cfg;
	p->stride = 1;
	p->judged_s = NAN;
	sink.host = "";
	r = sink_new(cfg->ops, &sink, &p->sink);
	if (r == 0)
		r = growth_new(&growth, &p->growth);
	if (r < 0)
		return r;
	*ret = steal(p);
	return 0;
}

bool points_told(const struct points *p)
{
	return p->count > 0;
}

/* All kept points but the last are multiples of the stride, so the even ones are of its double. */
static void keep(struct points *p, double t_s, double value)
{
	size_t n = 0;

	if (p->kept && (p->count - 1) % p->stride != 0)
		p->kept--; /* the last one only stood in */
	if (p->kept == KEPT_MAX) {
		for (size_t i = 0; i < KEPT_MAX; i += 2) {
			p->t_s[n] = p->t_s[i];
			p->value[n++] = p->value[i];
		}
		p->kept = n;
		p->stride *= 2;
	}
	p->t_s[p->kept] = t_s;
	p->value[p->kept++] = value;
	p->count++;
}

/* --- what is told --------------------------------------------------------------------------- */

struct telling {
	struct snapshot snap;
	struct ledger ledger;
	struct findings findings;
	struct pattern_row row;
	struct patterns patterns;
	struct analysis analysis;
	struct record_head head;
};

static uint64_t whole(double v)
{
	return v >= 1 && v < 0x1p63 ? (uint64_t)v : 0;
}

static int describe(const struct points *p, const struct growth_opinion *o, struct finding *f)
{
	char rate[NUM_TEXT_BYTES], low[NUM_TEXT_BYTES], high[NUM_TEXT_BYTES],
		window[NUM_TEXT_BYTES];
	const struct shape *s = &o->shape;
	int r;

	r = evidence_add(f, "grew %s over %s, 95 %% interval %s to %s",
			 num_format_rate(s->growth_per_s, rate),
			 num_format_seconds(s->end_s - s->start_s, window),
			 num_format_rate(s->growth_low_per_s, low),
			 num_format_rate(s->growth_high_per_s, high));
	if (r == 0)
		r = evidence_add(f, "probability %.2f after %llu points that this is a leak%s%s",
				 o->leak_probability, (unsigned long long)p->count,
				 s->why ? ": " : "", s->why ? s->why : "");
	if (r == 0)
		r = evidence_add(f, "judged by the curve alone: how long things live is not known");
	return r == 0 ? curve_advice(s, true, &f->recommendation) : r;
}

static int renew_finding(struct points *p, const struct growth_opinion *o)
{
	auto_clean(finding_done) struct finding f = {
		.leak_id = 5,
		.site = SIZE_MAX,
		.class = CLASS_unexplained,
		.type = LEAK_UNKNOWN,
		.severity = curve_severity(&p->cfg.severity, &o->shape, o->leak_probability),
		.pattern = o->shape.pattern,
		.active = true,
		.size_bytes = whole(o->shape.total_growth),
		.count = FACT_UNKNOWN,
		.growth_bytes_per_s = o->shape.growth_per_s,
		.growth_count_per_s = NAN,
		.confidence = curve_confidence(o->leak_probability),
		.first_seen_s = p->found ? p->finding.first_seen_s : p->clock.now_s,
	};
	int r;

	if (o->verdict != GROWTH_LEAK) {
		p->finding.active = false;
		return 0;
	}
	for (const char *c = p->cfg.name; *c; c++)
		f.leak_id = fold_mix(f.leak_id, (unsigned char)*c);
	r = describe(p, o, &f);
	if (r < 0)
		return r;
	finding_done(&p->finding);
	p->finding = f;
	p->found = true;
	f = (struct finding){};
	return 0;
}

static void pronounce(const struct growth_opinion *o, struct findings *f)
{
	f->known_in_s = o->known_in_s;
	switch (o->verdict) {
	case GROWTH_LEAK:
		f->verdict = VERDICT_LEAK;
		f->why = "it has grown for so long and in such a way as only leaks do";
		break;
	case GROWTH_NONE:
		f->verdict = growth_is_open(o) ? VERDICT_INCONCLUSIVE : VERDICT_NO_LEAK;
		f->why = growth_is_open(o) ? "it grows steadily, as caches and loads do for a while"
					   : "it does not grow as leaks do";
		break;
	case GROWTH_SUSPECT:
		f->why = "it grows, but start-up, a cache that fills, or load may explain it";
		break;
	case GROWTH_TOO_SHORT: f->why = "the series is too short to know"; break;
	}
}

static void set_forecast(const struct points *p, struct pattern_row *row)
{
	const struct shape_input in = { p->t_s, p->value, p->kept };

	row->limit_bytes = NAN;
	curve_forecast(&in, &row->opinion.shape,
		       p->cfg.limit_bytes ? (double)p->cfg.limit_bytes : NAN, &row->forecast);
	forecast_set_rate(&row->forecast, &row->opinion.shape);
	if (!row->forecast.known)
		return;
	row->limit_kind = "given";
	row->limit_bytes = (double)p->cfg.limit_bytes;
}

static void set_name(const struct points *p, struct snapshot *snap)
{
	snprintf(snap->comm, sizeof(snap->comm), "%s", str_file_name(p->cfg.name));
}

static void telling_done(struct telling *t)
{
	free(t->row.recommendation);
}

/* *t points into itself and into p, and is to be released. -ENOMEM. */
static int fill(const struct points *p, const struct growth_opinion *o, struct telling *t)
{
	*t = (struct telling){
		.snap = { .elapsed_s = p->clock.now_s,
			  .alive = true,
			  .proc = { .rss_bytes = FACT_UNKNOWN, .swap_bytes = FACT_UNKNOWN },
			  .external_series = { p->t_s, p->value, p->kept } },
		.ledger = { .external_bytes = p->kept ? whole(p->value[p->kept - 1]) : FACT_UNKNOWN,
			    .coverage_ratio = NAN,
			    .live_bytes = FACT_UNKNOWN,
			    .live_count = FACT_UNKNOWN,
			    .slack_bytes = FACT_UNKNOWN },
		.row = { .kind = SUBJECT_PROCESS,
			 .opinion = *o,
			 .severity =
				 curve_severity(&p->cfg.severity, &o->shape, o->leak_probability) },
		.head = { .time_ns = p->time_ns, .elapsed_s = p->clock.now_s },
	};
	set_name(p, &t->snap);
	t->head.comm = t->snap.comm;
	set_forecast(p, &t->row);
	t->findings.list = (struct finding *)&p->finding;
	t->findings.count = p->found;
	pronounce(o, &t->findings);
	if (o->shape.pattern != PATTERN_NONE)
		t->patterns = (struct patterns){ &t->row, 1 };
	t->analysis = (struct analysis){ .snap = &t->snap,
					 .ledger = &t->ledger,
					 .findings = &t->findings,
					 .patterns = &t->patterns };
	return curve_advice(&o->shape, false, &t->row.recommendation);
}

/* Told when the series was judged anew. */
static int tell(struct points *p)
{
	const struct growth_opinion *o = growth_opinion(p->growth);
	auto_clean(telling_done) struct telling t = {};
	int r;

	if (o->shape.pattern == PATTERN_NONE ||
	    (o->shape.end_s == p->judged_s && o->verdict == p->verdict))
		return 0;
	p->judged_s = o->shape.end_s;
	p->verdict = o->verdict;
	r = renew_finding(p, o);
	if (r == 0)
		r = fill(p, o, &t);
	return r < 0 ? r : p->sink->ops->tick(p->sink->priv, &t.head, &t.analysis, NULL);
}

/* --- lines ---------------------------------------------------------------------------------- */

static int refuse(const char **why, const char *text)
{
	*why = text;
	return -EBADMSG;
}

/* "t" in seconds, or "time" as a date or in seconds; the first counts as 0. */
static bool time_of(struct points *p, const json_t *o, double *ret)
{
	double at = replay_decimal(o, "t");
	uint64_t ns = 0;

	if (!isfinite(at))
		at = replay_decimal(o, "time");
	if (!isfinite(at) && clock_parse_utc(replay_text_of(o, "time"), &ns) == 0)
		at = (double)(ns / 1000) / 1e6;
	if (!timeline_add(&p->clock, at, at, ret))
		return false;
	if (ns)
		p->time_ns = ns;
	return true;
}

int points_take(struct points *p, const json_t *o, const char **why)
{
	const char *kind = replay_text_of(o, "kind");
	double value = replay_decimal(o, "value"), t_s;
	int r;

	if (kind && !strcmp(kind, "restart")) {
		growth_restart(p->growth, p->clock.now_s);
		return 0;
	}
	if (!json_object_get(o, "value"))
		return refuse(why, "neither a record nor a point: no type, no value");
	if (!isfinite(value))
		return refuse(why, "a point whose value is no number");
	if (!time_of(p, o, &t_s))
		return refuse(why, "a point without a time, or not later than the one before, or "
				   "far ahead of it");
	r = growth_add(p->growth, t_s, value);
	if (r == -EINVAL)
		return refuse(why, "a point that the judge refuses");
	if (r < 0)
		return r;
	keep(p, t_s, value);
	return tell(p);
}

int points_end(struct points *p, bool stopped, bool *ret_leak)
{
	const struct growth_opinion *o;
	struct end_info info = { .reason = stopped ? END_SIGNAL : END_DURATION,
				 .why = stopped ? NULL : "the input ended" };
	auto_clean(telling_done) struct telling t = {};
	int r;

	if (!p->count)
		return 0;
	o = growth_judge(p->growth);
	r = renew_finding(p, o);
	if (r == 0)
		r = fill(p, o, &t);
	if (r < 0)
		return r;
	info.duration_s = p->clock.now_s;
	info.last = &t.analysis;
	*ret_leak |= t.findings.verdict == VERDICT_LEAK;
	return p->sink->ops->end(p->sink->priv, &t.head, &info);
}
