/*
 * Opinion on one source, from strongest to weakest: survival (survival.h), growth of things that
 * are never freed, growth of a curve of which nothing else is known.
 * A source that frees nothing has no contrast of ages. It is believed when its growth is steady
 * and when lives of a usual length (longest_life_s) would have ended more of its things by now
 * than did end: n things watched for s seconds exclude lives shorter than about n * s / 5.
 */
#include "analyse/suspect.h"

#include <errno.h>
#include <math.h>

#include "analyse/collections.h"

#define GRID_LAST (ROBUST_GRID - 1)
#define BIN_COUNT 16 /* growth of fewer things is judged by bytes: they come in large pieces */
#define BATCH_MAX 20
#define ONSET 0.8	 /* growth below this share of the next window: it began there */
#define ONSET_SIGMAS 2.8 /* two standard errors of a difference */
#define EXPLAINED 0.97	 /* a line that explains this share is called linear */
#define EXPONENT_X 1.6	 /* growth of each third over the one before, to be called exponential */
#define RECENT_MAX 4
#define WAIT_MAX_S 600 /* nobody waits longer for a verdict; said as not known */

struct suspect_cfg suspect_defaults(void)
{
	return (struct suspect_cfg){
		.least_bytes = 4 << 10,	   /* what nobody gets up for, however sure the signs are */
		.min_bytes = 64 << 10,	   /* below this, start-up noise of any library */
		.least_growth_share = 0.3, /* half a leak may hide behind a pool that shrinks */
		.min_count = 32,	   /* a Poisson count this large is known to 18 % */
		.min_observations = 8,	   /* known to 35 % */
		.max_ended = 0.02,	   /* a cache that is full gives up its oldest things */
		.min_left =
			0.7, /* sound sites have up to 0.6, see model/exposure.h; a leak has 1 */
		.min_things = 8,    /* a pool of workers or connections is often this large */
		.min_window_s = 14, /* thirds of 5 s: a burst of work does not fill all */
		.collected_window_s =
			40, /* collections come up to 30 s apart, the first at any time */
		.collected_share = 1 / 3.0, /* then a third of the window shows what it freed */
		.swept_s = 3,		    /* sweeping, and threads that wait for its news */
		.shape_window_s = 60,	    /* the task of a minute, seen whole */
		.watch_window_s = 6,
		.min_significance = 4, /* t with 7 degrees of freedom: 0.3 %, for many sites */
		.min_significance_shape = 6,
		.min_weakest_third = 0.25,
		.min_recent = 0.3,
		.max_slowing = 1.0, /* a cache with time constant T reaches this in a window T */
		.max_log_slowing = 0.55,
		.max_slowing_shape = 0.5,
		.longest_life_s = 180,	     /* sessions, caches with expiry, request contexts */
		.longest_life_things_s = 60, /* keep-alive times are seldom longer */
		.sure_before_s = 20,
		.sure_window_s = 240,
		.sure_collected_s = 600,
		.sure_score = 5,
		.sure_growth_share = 0.5,
		.doubt = -2.3,	     /* 0.5 % */
		.watch_doubt = -0.7, /* 20 % */
		.survival = survival_defaults(),
	};
}

bool suspect_counts_things(enum mt_site_kind kind)
{
	return kind == MT_SITE_FD || kind == MT_SITE_SOCKET || kind == MT_SITE_THREAD;
}

static bool above_floor(const struct suspect_cfg *cfg, const struct suspect_unit *u, double bytes,
			double count)
{
	if (suspect_counts_things(u->kind))
		return count >= cfg->min_things;
	return bytes >= cfg->min_bytes || count >= cfg->min_count;
}

/*
 * Steady growth over the last of `part` parts of the time; *ret_trend is filled either way.
 * Every curve looks straight in a short window. A part window is believed as the onset of
 * something when the stretch before it grew less, and else only when its growth is clearly
 * straighter than the tail of a logarithm, which loses 2 / (2 * part - 1) of its pace there.
 */
static bool grows_in(const struct suspect_cfg *cfg, const struct suspect_unit *u, size_t part,
		     double max_slowing, struct robust_trend *ret_trend)
{
	size_t cells = GRID_LAST / part, first = GRID_LAST - cells;
	double count = u->count[GRID_LAST] - u->count[first];
	double bytes = u->bytes[GRID_LAST] - u->bytes[first];
	bool counted = suspect_counts_things(u->kind) || count >= BIN_COUNT;
	const double *grid = counted ? u->count : u->bytes;
	struct robust_trend t = {};
	double highest = 0, onset, slowing;

	if (robust_trend_fit(grid, first, GRID_LAST, counted, &t) < 0)
		return false;
	*ret_trend = t;
	slowing = t.slowing + t.slowing_error;
	for (size_t i = 0; i < first; i++)
		highest = fmax(highest, grid[i]);
	onset = fmin(ONSET, 1 - ONSET_SIGMAS / fmax(t.significance, 1));
	if (part > 1 && grid[first] - grid[first - cells] > onset * t.growth) {
		max_slowing = fmin(max_slowing, cfg->max_log_slowing * 2 / (2.0 * part - 1));
		slowing = t.slowing + 2 * t.slowing_error;
	}
	return above_floor(cfg, u, bytes, count) && t.significance >= cfg->min_significance &&
	       t.weakest_third >= cfg->min_weakest_third && t.recent >= cfg->min_recent &&
	       slowing < max_slowing && grid[GRID_LAST] > highest;
}

/* The longest of the last whole, half, quarter and eighth that grows; its first grid point, or
 * GRID_LAST when none does. */
static size_t growing_window(const struct suspect_cfg *cfg, const struct suspect_unit *u,
			     double min_window_s, double max_slowing, struct robust_trend *ret)
{
	for (size_t part = 1; part <= 8 && u->now_s / part >= min_window_s; part *= 2)
		if (grows_in(cfg, u, part, max_slowing, ret))
			return GRID_LAST - GRID_LAST / part;
	return GRID_LAST;
}

/* log10 of the chance that things with lives of this mean length ended as seldom as these. */
static double kept_by_chance(const struct suspect_unit *u, double life_s)
{
	double step = u->now_s / GRID_LAST, watched = 0;

	for (size_t i = 1; i < ROBUST_GRID; i++)
		watched += (u->count[i - 1] + u->count[i]) / 2 * step;
	return robust_poisson_tail(watched / life_s, u->freed_count);
}

static enum pattern pattern_of(const struct robust_line *line, const struct robust_trend *t)
{
	if (t->third[0] > 0 && t->third[1] >= EXPONENT_X * t->third[0] &&
	    t->third[2] >= EXPONENT_X * t->third[1])
		return PATTERN_EXPONENTIAL;
	return line->fit >= EXPLAINED ? PATTERN_LINEAR : PATTERN_SUSTAINED;
}

static double line_of(const struct suspect_unit *u, const double *grid, size_t first,
		      struct robust_line *ret)
{
	double t[ROBUST_GRID];

	for (size_t i = 0; i < ROBUST_GRID; i++)
		t[i] = u->now_s * i / GRID_LAST;
	if (robust_line_fit(t + first, grid + first, ROBUST_GRID - first, ret) < 0)
		return 0;
	return ret->slope;
}

/* Figures of growth since grid point first, the same for every opinion. */
static void measure_growth(const struct suspect_unit *u, size_t first, const struct robust_trend *t,
			   struct suspicion *s)
{
	bool things = suspect_counts_things(u->kind);
	struct robust_line line = {};

	s->window_s = u->now_s * (GRID_LAST - first) / GRID_LAST;
	s->growth_bytes = u->bytes[GRID_LAST] - u->bytes[first];
	s->growth_count = u->count[GRID_LAST] - u->count[first];
	s->bytes_per_s = s->growth_bytes / s->window_s;
	s->count_per_s = s->growth_count / s->window_s;
	*(things ? &s->count_per_s : &s->bytes_per_s) =
		line_of(u, things ? u->count : u->bytes, first, &line);
	s->low_per_s = line.low;
	s->high_per_s = line.high;
	s->third_ratio = t->third[0] > 0 ? t->third[2] / t->third[0] : NAN;
	s->pattern = pattern_of(&line, t);
	s->size_bytes = u->live_bytes;
	s->count = u->live_count;
}

/* Scatter of the number of things up to a point of the grid; INFINITY where it is not known. */
static double scatter_until(const struct suspect_unit *u, size_t end)
{
	size_t first = end / 2;
	double mean = 0, sum = 0, n = (double)(end - first);

	if (n < 8)
		return INFINITY;
	for (size_t i = first; i < end; i++)
		mean += u->count[i] / n;
	for (size_t i = first; i < end; i++)
		sum += (u->count[i] - mean) * (u->count[i] - mean) / n;
	return sqrt(2 * sum);
}

/*
 * How many things fewer than a share of what gathered the whole grew by: a queue or a ring whose
 * load fell holds its things longer, and none of them is lost. Only a deficit that chance does not
 * explain counts: beside much churn a small leak cannot be seen in the whole.
 */
static double missing_growth(const struct suspect_unit *u, const struct survival *v, double share,
			     double sigmas)
{
	double since_s = v->window_s + v->cut_s, due = v->rate_per_s * v->window_s;
	int oldest = MT_AGE_BUCKETS - 1;
	double at, before, grown, noise;

	while (oldest > 0 && u->live_by_age[oldest] < 0.01 * v->old_count)
		oldest--;
	if (oldest < MT_AGE_BUCKETS - 1) /* since the oldest of them were born */
		since_s = fmin(since_s, survival_edge(oldest + 1));
	at = u->now_s > 0 ? fmax(1 - since_s / u->now_s, 0) * GRID_LAST : 0;
	before = u->count[(size_t)at];
	grown = u->count[GRID_LAST] - before;
	noise = fmin(sqrt(fmax(before, u->live_count)), scatter_until(u, (size_t)at));
	return share * due - sigmas * noise - grown;
}

/*
 * Sessions that live for minutes gather from the first one on, and what a collector keeps for its
 * next great round looks lost until then; a leak may begin after a past without survivors.
 */
static bool is_sure(const struct suspect_cfg *cfg, const struct survival *v, bool proven)
{
	if (!proven)
		return v->most_age_s >= cfg->sure_collected_s;
	return v->most_age_s >= cfg->sure_window_s ||
	       v->before_s >= fmax(cfg->sure_before_s, v->most_age_s);
}

/*
 * How many things come or go together: the scatter of the growth over that of things which come and
 * go one by one. Differences of neighbours leave out what the load does.
 */
static double batch_of(const struct suspect_unit *u)
{
	double events = (u->allocated_count + u->freed_count) / GRID_LAST, scatter = 0, before = 0;
	size_t step = (size_t)fmax(ceil(GRID_LAST / fmax(u->now_s, 1)), 1), n = 0;

	for (size_t i = step; i <= GRID_LAST; i += step) {
		double growth = u->count[i] - u->count[i - step];

		if (i > step) {
			scatter += (growth - before) * (growth - before) / 2;
			n++;
		}
		before = growth;
	}
	if (!(events > 0) || n < 8 || !isfinite(scatter))
		return 1;
	return fmin(fmax(scatter / n / (events * step), 1), BATCH_MAX);
}

/* Since when what is live has seen a run of the collector to its end; NAN: no run is known. */
static double collected_s(const struct suspect_cfg *cfg, const struct suspect_unit *u, bool full)
{
	const struct collections *c = u->collections;

	return c ? collections_last(full ? &c->full : &c->young, u->now_s - cfg->swept_s) : NAN;
}

/* Whether a run came late enough in a window of growth to have something to free. */
static bool ran_within(const struct suspect_cfg *cfg, const struct suspect_unit *u, double window_s,
		       bool full)
{
	return collected_s(cfg, u, full) >= u->now_s - (1 - cfg->collected_share) * window_s;
}

/* Whether enough of those that grew old were there when everything was collected last. */
static bool outlived_run(const struct suspect_cfg *cfg, const struct suspect_unit *u,
			 double old_count)
{
	double since_s = u->now_s - collected_s(cfg, u, true);

	return isfinite(since_s) && survival_sum(u->live_by_age, survival_bucket(since_s)) >=
					    cfg->collected_share * old_count;
}

/*
 * How long growth must go on. Of what a collector frees: until it has run; and where it cannot be
 * told that it did not, for as long as it usually takes. INFINITY: it did not. proven: it ran, and
 * did not free them; late: a run of what is young says nothing.
 */
static double least_window(const struct suspect_cfg *cfg, const struct suspect_unit *u,
			   double window_s, bool proven, bool late)
{
	if (!u->collected || proven || u->told)
		return cfg->min_window_s;
	if (u->collections && u->collections->complete &&
	    (late || !ran_within(cfg, u, window_s, false)))
		return INFINITY;
	return cfg->collected_window_s;
}

static double seconds_or_never(double s)
{
	return isfinite(s) ? s : NAN;
}

static bool judge_survival(const struct suspect_cfg *cfg, const struct suspect_unit *u,
			   struct suspicion *ret)
{
	double mean_bytes = u->live_count > 0 ? u->live_bytes / u->live_count : 0, margin, held;
	struct suspicion s = { .opinion = SUSPECT_SURVIVES, .pattern = PATTERN_SUSTAINED };
	struct survival_input in = {
		.live = u->live_by_age,
		.freed = u->freed_by_age,
		.watched_s = u->now_s - u->born_s,
		.batch = batch_of(u),
		.recent = u->recent,
		.recent_count = u->recent_count,
	};
	double watched_s = in.watched_s, least_s;
	struct survival v;
	bool proven;

	if (!u->ages_known || !survival_test(&cfg->survival, &in, &v) ||
	    missing_growth(u, &v, cfg->least_growth_share, 3) > 0 ||
	    (v.changed && missing_growth(u, &v, cfg->sure_growth_share, 0) > 0))
		return false;
	/* Those leaked too recently to be old come on top, at the pace of the old. */
	held = fmin(v.old_count + v.rate_per_s * v.cut_s, u->live_count);
	/* Beside much that dies, a small table that fills up. */
	if (!suspect_counts_things(u->kind) && held * mean_bytes < cfg->least_bytes)
		return false;
	margin = 1.96 * sqrt(v.rate_per_s * v.window_s) / v.window_s;
	proven = !u->collected || outlived_run(cfg, u, v.old_count);
	least_s = least_window(cfg, u, v.window_s, proven, true);
	if (watched_s < least_s)
		s.opinion = SUSPECT_WATCH;
	s.uncollected = least_s == INFINITY;
	s.known_in_s = seconds_or_never(least_s - watched_s);
	s.third_ratio = NAN;
	s.cut_s = v.cut_s;
	s.old_count = v.old_count;
	s.old_freed = v.old_freed;
	s.window_s = v.window_s;
	s.count = held;
	s.size_bytes = held * mean_bytes;
	s.count_per_s = v.rate_per_s;
	s.bytes_per_s = v.rate_per_s * mean_bytes;
	s.low_per_s = fmax(v.rate_per_s - margin, 0) * mean_bytes;
	s.high_per_s = (v.rate_per_s + margin) * mean_bytes;
	if (suspect_counts_things(u->kind)) {
		s.low_per_s = fmax(v.rate_per_s - margin, 0);
		s.high_per_s = v.rate_per_s + margin;
	}
	s.growth_count = v.rate_per_s * v.window_s;
	s.growth_bytes = s.growth_count * mean_bytes;
	s.confidence = fmin(0.8 + 0.02 * (v.score + cfg->survival.doubt), 0.97);
	if (v.freed_share < 0.1) /* too few die to know what is usual */
		s.confidence = fmin(s.confidence, 0.8);
	s.sure = is_sure(cfg, &v, proven);
	s.at_once = s.sure && v.score >= cfg->sure_score &&
		    missing_growth(u, &v, cfg->sure_growth_share, 0) <= 0;
	s.confidence = s.sure ? fmin(s.confidence + 0.1, 0.97) : fmin(s.confidence, 0.85);
	if (!proven && !s.sure) {
		s.opinion = s.opinion == SUSPECT_SURVIVES ? SUSPECT_KEPT : s.opinion;
		s.confidence = fmin(s.confidence, 0.6);
	}
	*ret = s;
	return true;
}

/* Things watched gather with the square of time, and so does certainty about their lives. */
static double wait_for_certainty(double now_s, double chance, double wanted)
{
	double wait = now_s * sqrt(wanted / chance) - now_s;

	return wait < WAIT_MAX_S ? fmax(wait, 0) : NAN;
}

/*
 * What was freed was old: a cache has come to its bound and gives up what it had first, though far
 * fewer were freed yet than lives of a usual length would say.
 */
static bool lives_end(const struct suspect_cfg *cfg, const struct suspect_unit *u, double window_s)
{
	int old = survival_bucket(window_s / 2);
	double ended = survival_sum(u->freed_by_age, old);

	if (!u->ages_known || ended < cfg->min_observations || ended < u->freed_count / 2)
		return false;
	return ended > cfg->max_ended * (ended + survival_sum(u->live_by_age, old));
}

/* Grows, and nothing of it ever goes. */
static bool judge_kept(const struct suspect_cfg *cfg, const struct suspect_unit *u,
		       struct suspicion *ret)
{
	bool things = suspect_counts_things(u->kind);
	double window_s;
	double least_s = u->now_s < cfg->min_window_s ? cfg->watch_window_s : cfg->min_window_s;
	struct suspicion s = { .opinion = SUSPECT_KEPT };
	struct robust_trend t;
	double chance;
	size_t first = growing_window(cfg, u, least_s, cfg->max_slowing, &t);

	if (first == GRID_LAST)
		return false;
	chance = kept_by_chance(u, things ? cfg->longest_life_things_s : cfg->longest_life_s);
	if (chance > cfg->watch_doubt)
		return false;
	measure_growth(u, first, &t, &s);
	if (!(s.low_per_s > 0))
		return false;
	/* What fills up ends, on average, when it has gone on for as long again. */
	s.confidence = fmin(0.5 + 0.06 * log2(fmax(s.window_s / cfg->min_window_s, 1)), 0.8);
	window_s = least_window(cfg, u, s.window_s, ran_within(cfg, u, s.window_s, true),
				u->collected == COLLECTED_LATE);
	if (chance > cfg->doubt || s.window_s < window_s || lives_end(cfg, u, s.window_s)) {
		s.opinion = SUSPECT_WATCH;
		s.uncollected = window_s == INFINITY;
		s.known_in_s = seconds_or_never(fmax(
			wait_for_certainty(u->now_s, chance, cfg->doubt), window_s - s.window_s));
	}
	*ret = s;
	return true;
}

/*
 * Grows in a straight line, where neither ages nor a number of things can speak: mappings and
 * descriptors without ages, a single buffer that grows in place.
 */
static bool judge_shape(const struct suspect_cfg *cfg, const struct suspect_unit *u,
			struct suspicion *ret)
{
	struct suspicion s = { .opinion = SUSPECT_SHAPE, .confidence = 0.55 };
	struct robust_trend t;
	size_t first;

	if (u->ages_known && u->live_count > BIN_COUNT)
		return false;
	first = growing_window(cfg, u, cfg->min_window_s, cfg->max_slowing_shape, &t);
	if (first == GRID_LAST)
		return false;
	measure_growth(u, first, &t, &s);
	if (!(s.low_per_s > 0) || t.significance < cfg->min_significance_shape)
		return false;
	if (s.window_s < cfg->shape_window_s) {
		s.opinion = SUSPECT_WATCH;
		s.known_in_s = cfg->shape_window_s - s.window_s;
	}
	*ret = s;
	return true;
}

static bool worth_judging(const struct suspect_cfg *cfg, const struct suspect_unit *u)
{
	if (!(u->now_s > 0) || !isfinite(u->now_s) || u->collected == COLLECTED_WITH_HEAP)
		return false;
	if (u->exposed > 0 && u->left < cfg->min_left * u->exposed)
		return false;
	if (suspect_counts_things(u->kind))
		return u->live_count >= cfg->min_things;
	return u->live_bytes >= cfg->least_bytes &&
	       (u->live_bytes >= cfg->min_bytes || u->live_count >= cfg->survival.min_survivors);
}

static void judge_unit(const struct suspect_cfg *cfg, const struct suspect_unit *unit,
		       struct suspicion *ret)
{
	struct suspicion s = {}, weaker = {};

	if (worth_judging(cfg, unit) && !judge_survival(cfg, unit, &s) &&
	    (!judge_kept(cfg, unit, &s) || s.opinion == SUSPECT_WATCH) &&
	    judge_shape(cfg, unit, &weaker) && weaker.opinion > s.opinion)
		s = weaker;
	*ret = s;
}

static void divide(double *v, size_t n, double by)
{
	for (size_t i = 0; i < n; i++)
		v[i] /= by;
}

/* The unit in observations instead of things; recent: RECENT_MAX of them. */
static void count_observations(const struct suspect_unit *unit, struct survival_recent *recent,
			       struct suspect_unit *ret)
{
	struct suspect_unit u = *unit;
	double w = unit->weight;

	divide(u.count, ROBUST_GRID, w);
	divide(u.live_by_age, MT_AGE_BUCKETS, w);
	divide(u.freed_by_age, MT_AGE_BUCKETS, w);
	u.live_count /= w;
	u.allocated_count /= w;
	u.freed_count /= w;
	u.weight = 1;
	u.recent_count = unit->recent_count < RECENT_MAX ? unit->recent_count : RECENT_MAX;
	for (size_t i = 0; i < u.recent_count; i++) {
		recent[i] = unit->recent[i];
		recent[i].born /= w;
		divide(recent[i].freed, MT_AGE_BUCKETS, w);
		divide(recent[i].freed_before, MT_AGE_BUCKETS, w);
	}
	u.recent = recent;
	*ret = u;
}

static void tell_in_things(double weight, bool things, struct suspicion *s)
{
	s->growth_count *= weight;
	s->count_per_s *= weight;
	s->count *= weight;
	s->old_count *= weight;
	s->old_freed *= weight;
	if (things) {
		s->low_per_s *= weight;
		s->high_per_s *= weight;
	}
}

void suspect_judge(const struct suspect_cfg *cfg, const struct suspect_unit *unit,
		   struct suspicion *ret)
{
	struct survival_recent recent[RECENT_MAX];
	struct suspect_unit observed;

	if (!(unit->weight > 1) || !isfinite(unit->weight)) {
		judge_unit(cfg, unit, ret);
		return;
	}
	count_observations(unit, recent, &observed);
	if (observed.live_count < cfg->min_observations) {
		*ret = (struct suspicion){};
		return;
	}
	judge_unit(cfg, &observed, ret);
	tell_in_things(unit->weight, suspect_counts_things(unit->kind), ret);
}
