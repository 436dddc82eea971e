/*
 * The survival test. Among things that are not leaked, some share dies in every octave of age
 * beyond the usual one (exponential, log-normal and Pareto lifetimes all do); a leak shows as a
 * group older than most things get, in which hardly anything dies. The births of that group are
 * read from the same histogram: an age is a time of birth.
 */
#include "analyse/survival.h"

#include <math.h>

#include "analyse/robust.h"

#define ENOUGH_OCTAVES 6 /* with fewer, one death more or less decides */
#define MOST 0.9
#define FASTER 0.8 /* a past with this share of the pace may be the faster part of a fall */

struct survival_cfg survival_defaults(void)
{
	return (struct survival_cfg){
		.death_per_octave = 0.4, /* Pareto with exponent 1.7 has 0.7 in every octave */
		.doubt = -2.5,
		.usual_share = 0.8,
		.horizon_share = 1 / 3.0, /* two thirds of the time could make old things */
		.min_freed = 8,
		.min_survivors = 9,
		.min_pace = 0.7,
		.max_slowing = 1, /* a filling with time constant T shows this in a window T */
		.slowing_sigmas = 0.7,
		.changed_doubt = -3.3,
		.changed_factor = 2.5, /* loads double, lives hardly ever change at all */
		.changed_freed = 30,
		.changed_batch = 20, /* a session's things, hidden among others */
		.max_log_slowing = 0.55,
	};
}

double survival_edge(int bucket)
{
	return bucket > 0 ? (double)(1u << (bucket - 1)) : 0;
}

int survival_bucket(double age_s)
{
	int b = 0;

	while (b < MT_AGE_BUCKETS - 1 && survival_edge(b) < age_s)
		b++;
	return b;
}

double survival_sum(const double *by_age, int bucket)
{
	double sum = 0;

	for (; bucket < MT_AGE_BUCKETS; bucket++)
		sum += by_age[bucket];
	return sum;
}

/* Few frees say little of the upper end, so the share looked for rises. */
static int usual_bucket(const double *freed_by_age, double share)
{
	double all = survival_sum(freed_by_age, 0), sum = 0;

	share = fmin(share + 0.5 / sqrt(all), 1);
	for (int b = 0; b < MT_AGE_BUCKETS; b++) {
		sum += freed_by_age[b];
		if (sum >= share * all)
			return b;
	}
	return MT_AGE_BUCKETS - 1;
}

/* Octaves lived through at ages from this bucket on, by all things together. */
static double octaves_lived(const double *live, const double *freed, int bucket)
{
	double lived = 0;

	/* The live ones of a bucket are on average half way through its octave. */
	for (int b = bucket; b < MT_AGE_BUCKETS; b++)
		lived += survival_sum(live, b) + survival_sum(freed, b) - live[b] / 2;
	return lived;
}

/*
 * Share of things that died in the deadliest octave before this bucket. Lives that all are long
 * (sessions) die ever more often with each octave; only those of a leak die less than before.
 * One standard error less, since the highest of several is taken.
 */
static double deadliest_before(const double *live, const double *freed, int bucket, double batch)
{
	double most = 0;

	for (int b = 0; b < bucket; b++) {
		double lived = survival_sum(live, b) + survival_sum(freed, b) - live[b] / 2;

		if (lived >= ENOUGH_OCTAVES)
			most = fmax(most, (freed[b] - sqrt(freed[b] * batch)) / lived);
	}
	return fmin(most, 1);
}

/* -log10 of the chance that things with the usual mortality died as seldom beyond this bucket.
 * 0 where the oldest of them do die: then these are only long lives that have not ended yet. */
static double score_of(const struct survival_cfg *cfg, const double *live, const double *freed,
		       int bucket, double batch)
{
	double usual = fmin(cfg->death_per_octave, deadliest_before(live, freed, bucket, batch));

	for (int b = bucket + 1; b < MT_AGE_BUCKETS; b++) {
		double lived = octaves_lived(live, freed, b);

		if (lived >= ENOUGH_OCTAVES * batch && survival_sum(freed, b) >= usual / 2 * lived)
			return 0;
	}
	return -robust_binomial_tail(octaves_lived(live, freed, bucket) / batch, usual,
				     survival_sum(freed, bucket) / batch);
}

/* Width of the bucket as far as anything can be that old. */
static double width_of(int bucket, double watched_s)
{
	double top = bucket == MT_AGE_BUCKETS - 1 ? watched_s : survival_edge(bucket + 1);

	return fmax(fmin(top, watched_s) - survival_edge(bucket), 0);
}

/* Survivors by birth, over ages from one bucket to another. */
struct births {
	double count, span_s;
	double slowing, error; /* see survival.h; error is one standard error */
};

/* A steady pace puts the mean birth into the middle; a pace that falls, before it. */
static struct births births_of(const double *live, int from, int to, double watched_s)
{
	struct births w = {};
	double ages = 0, first = survival_edge(from), edge = first;

	for (int b = from; b <= to; b++) {
		double width = width_of(b, watched_s);

		ages += live[b] * (edge + width / 2);
		w.count += live[b];
		edge += width;
	}
	w.span_s = edge - first;
	if (w.count > 0 && w.span_s > 0) {
		w.slowing = 12 * ((ages / w.count - first) / w.span_s - 0.5);
		w.error = sqrt(12 / w.count);
	}
	return w;
}

/* No window that lives of one bucket, a burst, and none after which too little came. */
static bool goes_on(const struct survival_cfg *cfg, const double *live, int from, int to,
		    double watched_s, const struct births *w)
{
	double largest = 0, largest_span = 0, due, since;

	for (int b = from; b <= to; b++)
		if (live[b] > largest) {
			largest = live[b];
			largest_span = width_of(b, watched_s);
		}
	if (w->count - largest < fmax(0.5 * w->count * (1 - largest_span / w->span_s), 3))
		return false;
	/* Of what came since, at least the survivors to be must still be there. */
	since = survival_sum(live, 0) - survival_sum(live, from);
	due = cfg->min_pace * w->count / w->span_s * survival_edge(from);
	return since + 2 * sqrt(due) >= due;
}

/*
 * The longest window over which survivors gather steadily. Every filling looks steady in a short
 * window: where the pace was higher before, the window must be clearly straighter than the tail
 * of a logarithm, which loses 2 / (2 * p - 1) of its pace over the last p-th part of the time.
 */
static bool find_window(const struct survival_cfg *cfg, const double *live, int from,
			double watched_s, struct survival *s)
{
	int oldest = MT_AGE_BUCKETS - 1;
	struct births all;

	while (oldest > from && survival_edge(oldest) >= watched_s)
		oldest--;
	all = births_of(live, from, oldest, watched_s);
	for (int to = oldest; to > from; to--) {
		struct births w = births_of(live, from, to, watched_s);
		double before = all.count - w.count, before_s = all.span_s - w.span_s;
		double limit = cfg->max_slowing, sigmas = cfg->slowing_sigmas;

		if (!(w.count >= cfg->min_survivors) || !(w.span_s > 0))
			return false;
		if (before * w.span_s > FASTER * w.count * before_s) {
			double parts = all.span_s / w.span_s;

			limit = fmin(limit, cfg->max_log_slowing * 2 / (2 * parts - 1));
			sigmas = 2;
		}
		if (w.slowing + sigmas * w.error >= limit ||
		    !goes_on(cfg, live, from, to, watched_s, &w))
			continue;
		s->window_s = w.span_s;
		s->rate_per_s = w.count / w.span_s;
		return true;
	}
	return false;
}

/* How long ago they began to gather. Within an octave births are taken as even. */
static void find_begin(const double *live, int from, double watched_s, struct survival *s)
{
	double left = MOST * s->old_count;
	int b = from;

	while (b < MT_AGE_BUCKETS - 1 && live[b] < left)
		left -= live[b++];
	s->most_age_s = survival_edge(b);
	if (live[b] > 0)
		s->most_age_s += width_of(b, watched_s) * fmin(left / live[b], 1);
	s->before_s = watched_s - survival_edge(b) - width_of(b, watched_s);
}

/* Octaves lived through, and deaths, at ages from one bucket to another since a moment ago. */
static double recent_score(const struct survival_cfg *cfg, const struct survival_input *in,
			   const struct survival_recent *r, int from, int to)
{
	double usual =
		fmin(cfg->death_per_octave, deadliest_before(in->live, in->freed, from, in->batch));
	double at_risk = 0, lived = 0, died = 0;

	for (int b = to; b >= from; b--) {
		at_risk += in->live[b] + r->freed[b];
		lived += at_risk - in->live[b] / 2;
		died += r->freed[b];
		if (b > from && lived >= ENOUGH_OCTAVES * in->batch && died >= usual / 2 * lived)
			return 0;
	}
	return -robust_binomial_tail(lived / in->batch, usual, died / in->batch);
}

/*
 * Are there far more of these ages than its own past lets expect, from the share that grew that
 * old then and what was born since?
 */
static bool more_than_before(const struct survival_cfg *cfg, const struct survival_input *in,
			     const struct survival_recent *r, int from, int to)
{
	double all = survival_sum(r->freed_before, 0), expected = 0, there = 0;

	if (all < cfg->changed_freed || r->before_s < 2 * survival_edge(to + 1))
		return false;
	for (int b = from; b <= to; b++) {
		double reached = survival_sum(r->freed_before, b) - r->freed_before[b] / 2;

		expected += r->born / r->span_s * width_of(b, in->watched_s) * reached / all;
		there += in->live[b];
	}
	return there >= cfg->changed_factor * expected +
				4 * sqrt(expected * fmax(in->batch, cfg->changed_batch));
}

/* What dies must still die young: in a queue or a ring that moves slower, all live longer. */
static bool die_as_before(const struct survival_input *in, const struct survival_recent *r,
			  int from)
{
	double share = survival_sum(r->freed_before, from) / survival_sum(r->freed_before, 0);
	double expected = share * survival_sum(r->freed, 0);

	return survival_sum(r->freed, from) <=
	       2 * expected + 3 * sqrt(expected * in->batch) + 2 * in->batch;
}

/* The same question as score_of()'s, asked of what happened lately. */
static double changed_score(const struct survival_cfg *cfg, const struct survival_input *in,
			    int from)
{
	double best = 0;

	for (size_t i = 0; i < in->recent_count; i++) {
		const struct survival_recent *r = &in->recent[i];
		int to = from;

		while (to + 2 < MT_AGE_BUCKETS && survival_edge(to + 2) <= r->span_s)
			to++;
		if (survival_edge(to + 1) > r->span_s || !more_than_before(cfg, in, r, from, to) ||
		    !die_as_before(in, r, from))
			continue;
		best = fmax(best, recent_score(cfg, in, r, from, to));
	}
	return best;
}

bool survival_test(const struct survival_cfg *cfg, const struct survival_input *in,
		   struct survival *ret)
{
	double freed_all = survival_sum(in->freed, 0), live_all = survival_sum(in->live, 0);
	struct survival best = {};

	if (!(freed_all >= cfg->min_freed * in->batch) || !isfinite(freed_all) ||
	    !isfinite(live_all))
		return false;
	for (int b = usual_bucket(in->freed, cfg->usual_share) + 1; b < MT_AGE_BUCKETS; b++) {
		struct survival s = {
			.cut_s = survival_edge(b),
			.old_count = survival_sum(in->live, b),
			.old_freed = survival_sum(in->freed, b),
			.freed_share = freed_all / (freed_all + live_all),
		};

		if (s.cut_s > in->watched_s * cfg->horizon_share)
			break;
		s.score = score_of(cfg, in->live, in->freed, b, in->batch);
		if (!(s.score > -cfg->doubt)) {
			s.score = changed_score(cfg, in, b);
			s.changed = true;
		}
		if (s.score > (s.changed ? -cfg->changed_doubt : -cfg->doubt) &&
		    s.score > best.score && find_window(cfg, in->live, b, in->watched_s, &s))
			best = s;
	}
	if (!(best.score > 0))
		return false;
	find_begin(in->live, survival_bucket(best.cut_s), in->watched_s, &best);
	*ret = best;
	return true;
}
