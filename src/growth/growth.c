/* The verdict over a running series. */
#include "growth/growth.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "growth/history.h"
#include "growth/life.h"
#include "growth/mlp.h"
#include "growth/onset.h"

#include "growth/net_growth.inc"

#define SHAPE_EVERY 8	/* points, and an eighth of the life */
#define RISE_CHECK 16	/* points between looks whether a suspicious rise goes on */
#define RISE_LEAST 32	/* points since its onset that are needed for this */
#define RISE_T 2.0	/* t of the slope of the later half below which it has ended */
#define SLOPE_WHOLE 7.0 /* t of a slope, 30 and 14 degrees of freedom: one in 10^7 by chance */
#define SLOPE_HALF 10.0
#define SHAPE_SURELY 0.9 /* of windows without growth one in 500 is above */
#define HINGE_CLEAR -0.3 /* ln of residuals against a line: from here on the onset is seen */

struct growth {
	struct growth_cfg cfg;
	struct history *history; /* owned */
	struct onset onset;
	struct growth_opinion opinion;
	double shifted;	    /* of the history's clock, as last seen */
	uint64_t judged;    /* points at the last judgement */
	uint64_t shaped;    /* points when the shape was judged */
	uint64_t held_from; /* points when the probability rose to that of a leak; 0: is below */
	uint64_t rise_at;   /* points when a rise set in; 0: none */
	double rise_t;	    /* its time */
};

/*
 * Operating point: chosen on series of seeds from 1000 on (tests/judge/train_growth.c prints the
 * table). Below 32 points the network has nothing to see. alarm_points: 30 days of seconds.
 */
struct growth_cfg growth_defaults(void)
{
	return (struct growth_cfg){
		.min_points = LIFE_POINTS_MIN,
		.leak_points = 256,
		.hold_share = 0.05,
		.leak_probability = 0.7,
		.suspect_probability = 0.6,
		.leave_share = 0.6,
		.alarm_points = 30 * 86400.0,
	};
}

static void forget(struct growth *g)
{
	history_clear(g->history);
	onset_start(&g->onset);
	g->judged = g->shaped = g->held_from = g->rise_at = 0;
	g->opinion = (struct growth_opinion){ .since_s = NAN, .known_in_s = NAN };
	shape_judge(&(struct shape_input){}, &g->opinion.shape);
}

int growth_new(const struct growth_cfg *cfg, struct growth **ret)
{
	struct growth *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->cfg = *cfg;
	if (history_new(&g->history)) {
		free(g);
		return -ENOMEM;
	}
	forget(g);
	*ret = g;
	return 0;
}

void growth_free(struct growth *g)
{
	if (g)
		history_free(g->history);
	free(g);
}

void growth_freep(struct growth **g)
{
	growth_free(*g);
}

/* --- rises --------------------------------------------------------------------------------- */

/* Are the newest points above all that was before the last `since` ones? A cycle is not. */
static bool is_new_height(const struct growth *g, const double *last, size_t n, size_t since)
{
	double t[HISTORY_RING], v[HISTORY_RING], now = 0, before = -INFINITY, from;
	unsigned int level = history_whole_level(g->history);
	size_t count = history_last(g->history, since + 1, t, v);

	for (size_t i = 0; i < 4; i++)
		now += last[n - 1 - i] / 4;
	from = t[0];
	if (count <= since)
		return false;
	count = history_level(g->history, level, t, v);
	if (level > 0) {
		for (size_t i = 0; i < count && t[i] < from; i++)
			before = fmax(before, v[i]);
		return now > before;
	}
	for (size_t i = 3; i < count && t[i] < from; i++)
		before = fmax(before, (v[i] + v[i - 1] + v[i - 2] + v[i - 3]) / 4);
	return now > before;
}

/* The finest level that reaches back to a time. */
static size_t points_since(const struct growth *g, double since, double *t, double *v)
{
	unsigned int whole = history_whole_level(g->history);
	size_t n = 0, skip = 0;

	for (unsigned int level = 0; level <= whole; level++) {
		n = history_level(g->history, level, t, v);
		if (n && t[0] <= since)
			break;
	}
	while (skip + 1 < n && t[skip] < since)
		skip++;
	for (size_t i = skip; i < n; i++) {
		t[i - skip] = t[i];
		v[i - skip] = v[i];
	}
	return n - skip;
}

/* Does the later half of a rise still rise? */
static bool still_rises(const struct growth *g)
{
	double t[HISTORY_RING], v[HISTORY_RING];
	size_t n = points_since(g, g->rise_t, t, v), half = n / 2;

	return n < RISE_LEAST / 4 || life_rises(t + half, v + half, n - half) > RISE_T;
}

/* True: a rise set in with this point. */
static bool watch_rise(struct growth *g)
{
	double t[ONSET_PAST], v[ONSET_PAST];
	uint64_t count = history_count(g->history);
	size_t n, since;

	if (g->rise_at) {
		if (count >= g->rise_at + RISE_LEAST && count % RISE_CHECK == 0 &&
		    !still_rises(g)) {
			g->rise_at = 0;
			onset_start(&g->onset);
		}
		return false;
	}
	n = g->onset.count + 1 < ONSET_PAST ? (size_t)g->onset.count + 1 : ONSET_PAST;
	n = history_last(g->history, n, t, v);
	since = onset_add(&g->onset, v, n, g->cfg.alarm_points);
	if (!since || since >= n || !is_new_height(g, v, n, since))
		return false;
	g->rise_at = count;
	g->rise_t = t[n - since];
	return true;
}

/* --- verdict -------------------------------------------------------------------------------- */

/* Points of a curve's kink are as good as a line: then the life as a whole. */
static double hinge_time(const struct growth *g, const double *input)
{
	double t[HISTORY_RING], v[HISTORY_RING];
	size_t n = history_level(g->history, history_whole_level(g->history), t, v);

	if (input[LIFE_FIT_HINGE] > HINGE_CLEAR)
		return t[0];
	return t[0] + input[LIFE_HINGE_AT] * (t[n - 1] - t[0]);
}

static double spacing(const struct growth *g)
{
	double t[HISTORY_RING], v[HISTORY_RING];
	size_t n = history_last(g->history, HISTORY_RING, t, v);

	return n > 1 ? (t[n - 1] - t[0]) / (double)(n - 1) : NAN;
}

/* What does not grow is acquitted long before a growth can be accused. */
static double points_wanted(const struct growth *g)
{
	return shape_grows(&g->opinion.shape) ? g->cfg.leak_points : g->cfg.min_points;
}

/* A growth that cannot be told from a start-up or a cache is, when it has lasted twice as long. */
static double known_in(const struct growth *g, enum growth_verdict verdict, double since_s)
{
	double t, v, count = (double)history_count(g->history), each, wait;

	if (!history_last(g->history, 1, &t, &v))
		return NAN;
	if (verdict != GROWTH_TOO_SHORT && verdict != GROWTH_SUSPECT)
		return NAN;
	each = spacing(g);
	if (verdict == GROWTH_TOO_SHORT)
		return fmax(points_wanted(g) - count, 1) * each;
	wait = fmax(g->cfg.leak_points - count, 1) * each;
	if (!g->held_from)
		return fmax(wait, t - since_s);
	return fmax(wait, ((double)g->held_from / (1 - g->cfg.hold_share) - count) * each);
}

static enum growth_verdict verdict_of(struct growth *g, double p)
{
	const struct growth_cfg *c = &g->cfg;
	enum growth_verdict was = g->opinion.verdict;
	double count = (double)history_count(g->history);

	if (p < c->leak_probability)
		g->held_from = 0;
	else if (!g->held_from)
		g->held_from = history_count(g->history);
	if (was == GROWTH_LEAK && p >= c->leave_share * c->leak_probability)
		return GROWTH_LEAK;
	if (g->held_from && count >= c->leak_points &&
	    count - (double)g->held_from >= c->hold_share * count)
		return GROWTH_LEAK;
	if (g->rise_at || p >= c->suspect_probability ||
	    (was >= GROWTH_SUSPECT && p >= c->leave_share * c->suspect_probability))
		return GROWTH_SUSPECT;
	return count < c->min_points ? GROWTH_TOO_SHORT : GROWTH_NONE;
}

/* From a little before the growth began, or all. */
static void judge_shape(struct growth *g)
{
	double t[HISTORY_RING], v[HISTORY_RING];
	struct shape_input in = { .t_s = t, .value = v };
	double since_s = g->opinion.since_s;

	g->shaped = history_count(g->history);
	in.n = history_whole(g->history, t, v);
	if (in.n && since_s > t[0]) {
		double from = since_s - (t[in.n - 1] - since_s) / 2;

		if (from > t[0])
			in.n = points_since(g, from, t, v);
	}
	shape_judge(&in, &g->opinion.shape);
}

/*
 * The network weighs what is likely; over the millions of looks at a process that lives for weeks,
 * noise makes everything happen. So there must be a growth that chance does not explain.
 */
static double probability_of(const struct growth *g, const double *input)
{
	double p[2];
	float logit[2];

	mlp_run(&growth_net, input, logit);
	mlp_softmax(logit, 2, 1, p);
	if (g->rise_at || input[LIFE_EVIDENCE_WHOLE] > SLOPE_WHOLE ||
	    input[LIFE_EVIDENCE_HALF] > SLOPE_HALF)
		return p[1];
	return fmin(p[1], 0.9 * g->cfg.suspect_probability);
}

static void judge_verdict(struct growth *g)
{
	struct growth_opinion *o = &g->opinion;
	double input[LIFE_INPUTS] = {}, p = 0;

	if (life_stats(g->history, input) == 0)
		p = probability_of(g, input);
	g->judged = history_count(g->history);
	o->leak_probability = p;
	o->verdict = verdict_of(g, p);
	o->since_s = NAN;
	if (o->verdict >= GROWTH_SUSPECT)
		o->since_s = g->rise_at ? g->rise_t : hinge_time(g, input);
}

/* After the shape, which says how much is wanted. */
static void judge_wait(struct growth *g)
{
	struct growth_opinion *o = &g->opinion;

	if (growth_is_open(o))
		o->known_in_s = known_in(g, GROWTH_SUSPECT, o->shape.start_s);
	else
		o->known_in_s = known_in(g, o->verdict, o->since_s);
}

const struct growth_opinion *growth_judge(struct growth *g)
{
	judge_verdict(g);
	judge_shape(g);
	judge_wait(g);
	return &g->opinion;
}

/* The shape costs several times as much as the verdict, and changes less. */
static void judge_due(struct growth *g)
{
	enum growth_verdict was = g->opinion.verdict;
	uint64_t count = history_count(g->history);

	judge_verdict(g);
	if (g->opinion.verdict != was ||
	    count >= g->shaped + (count / 8 > SHAPE_EVERY ? count / 8 : SHAPE_EVERY))
		judge_shape(g);
	judge_wait(g);
}

int growth_add(struct growth *g, double t_s, double value)
{
	uint64_t before = history_count(g->history);
	int r = history_add(g->history, t_s, value);
	double shift = history_shifted(g->history) - g->shifted;

	if (history_count(g->history) == before)
		return r;
	g->shifted += shift;
	g->rise_t += shift;
	g->opinion.since_s += shift;
	if (watch_rise(g) || life_due(g->judged, history_count(g->history)))
		judge_due(g);
	return r;
}

void growth_restart(struct growth *g, double t_s)
{
	(void)t_s;
	forget(g);
}

const struct growth_opinion *growth_opinion(const struct growth *g)
{
	return &g->opinion;
}

bool growth_is_open(const struct growth_opinion *o)
{
	const struct shape *s = &o->shape;

	return o->verdict == GROWTH_NONE && s->leak_probability > SHAPE_SURELY &&
	       s->growth_low_per_s > 0;
}

uint64_t growth_count(const struct growth *g)
{
	return history_count(g->history);
}

uint64_t growth_refused(const struct growth *g)
{
	return history_refused(g->history);
}

size_t growth_bytes(const struct growth *g)
{
	return sizeof(*g) + history_bytes(g->history);
}
