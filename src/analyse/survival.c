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

struct survival_cfg survival_defaults(void)
{
	return (struct survival_cfg){
		.death_per_octave = 0.4, /* Pareto with exponent 1.7 has 0.7 in every octave */
		.doubt = -2.5,
		.usual_share = 0.8,
		.horizon_share = 1 / 3.0, /* two thirds of the time could make old things */
		.min_freed = 8,
		.min_survivors = 12,
		.min_pace = 0.5, /* a leak follows the load; a cache that fills falls below */
		.steady_pace = 0.7,
		.pace_sigmas = 1,
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

/* -log10 of the chance that things with the usual mortality died as seldom beyond this bucket.
 * 0 where the oldest of them do die: then these are only long lives that have not ended yet. */
static double score_of(const struct survival_cfg *cfg, const double *live, const double *freed,
		       int bucket)
{
	for (int b = bucket + 1; b < MT_AGE_BUCKETS; b++) {
		double lived = octaves_lived(live, freed, b);

		if (lived >= ENOUGH_OCTAVES &&
		    survival_sum(freed, b) >= cfg->death_per_octave / 2 * lived)
			return 0;
	}
	return -robust_binomial_tail(octaves_lived(live, freed, bucket), cfg->death_per_octave,
				     survival_sum(freed, bucket));
}

/* Width of the bucket as far as anything can be that old. */
static double width_of(int bucket, double watched_s)
{
	double top = bucket == MT_AGE_BUCKETS - 1 ? watched_s : survival_edge(bucket + 1);

	return fmax(fmin(top, watched_s) - survival_edge(bucket), 0);
}

/*
 * Are survivors born at a steady pace over ages from bucket `from` to `to`? Compares the younger
 * part of the window with all of it, and refuses a window that lives of one bucket: a burst.
 */
static bool gathers(const struct survival_cfg *cfg, const double *live, int from, int to,
		    double watched_s, bool faster_before)
{
	double all = 0, span = 0, largest = 0, largest_span = 0, young, young_span, share, pace;
	double since, due;

	for (int b = from; b <= to; b++) {
		double width = width_of(b, watched_s);

		all += live[b];
		span += width;
		if (live[b] > largest) {
			largest = live[b];
			largest_span = width;
		}
	}
	young = all - live[to];
	young_span = span - width_of(to, watched_s);
	if (all < cfg->min_survivors || !(young_span > 0) || !(span > young_span))
		return false;
	share = young_span / span * (faster_before ? cfg->steady_pace : cfg->min_pace);
	/* Of what came since, at least the survivors to be must still be there. */
	since = survival_sum(live, 0) - survival_sum(live, from);
	due = cfg->min_pace * all / span * survival_edge(from);
	if (since + 2 * sqrt(due) < due)
		return false;
	pace = (young - all * share) / sqrt(all * share * (1 - share));
	if (pace < cfg->pace_sigmas)
		return false;
	return all - largest >= fmax(0.5 * all * (1 - largest_span / span), 3);
}

/* The longest steady window; a short one needs a slower past, or it is the tail of a filling. */
static bool find_window(const struct survival_cfg *cfg, const double *live, int from,
			double watched_s, struct survival *s)
{
	int oldest = MT_AGE_BUCKETS - 1;

	while (oldest > from && survival_edge(oldest) >= watched_s)
		oldest--;
	for (int to = oldest; to > from; to--) {
		double born = survival_sum(live, from) - survival_sum(live, to + 1);
		double span = 0, before = survival_sum(live, to + 1), before_span = 0;
		bool faster;

		for (int b = from; b <= oldest; b++)
			*(b <= to ? &span : &before_span) += width_of(b, watched_s);
		faster = before_span > 0 && before * span > 1.5 * born * before_span;
		if (faster && to < from + 2)
			return false;
		if (!gathers(cfg, live, from, to, watched_s, faster))
			continue;
		s->window_s = span;
		s->rate_per_s = born / span;
		return true;
	}
	return false;
}

bool survival_test(const struct survival_cfg *cfg, const double *live, const double *freed,
		   double watched_s, struct survival *ret)
{
	double freed_all = survival_sum(freed, 0), live_all = survival_sum(live, 0);
	struct survival best = {};

	if (!(freed_all >= cfg->min_freed) || !isfinite(freed_all) || !isfinite(live_all))
		return false;
	for (int b = usual_bucket(freed, cfg->usual_share) + 1; b < MT_AGE_BUCKETS; b++) {
		struct survival s = {
			.cut_s = survival_edge(b),
			.old_count = survival_sum(live, b),
			.old_freed = survival_sum(freed, b),
			.freed_share = freed_all / (freed_all + live_all),
		};

		if (s.cut_s > watched_s * cfg->horizon_share)
			break;
		s.score = score_of(cfg, live, freed, b);
		if (s.score > -cfg->doubt && s.score > best.score &&
		    find_window(cfg, live, b, watched_s, &s))
			best = s;
	}
	if (!(best.score > 0))
		return false;
	*ret = best;
	return true;
}
