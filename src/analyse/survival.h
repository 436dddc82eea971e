/*
 * Do the old ones ever die? A test on two histograms of one source: live things by age, and
 * things freed by their age when they were. Pure; counts may be huge or contradict each other.
 *
 * Ages come in octaves: bucket b >= 1 holds ages from 2^(b-1) to 2^b seconds, bucket 0 below 1 s,
 * the last one has no upper edge.
 */
#pragma once
#include <stdbool.h>

#include "memtrace/wire.h"

struct survival_cfg {
	double death_per_octave; /* share of things that die per octave of age, at least */
	double doubt;		 /* log10 of the chance that such things survived this well */
	double usual_share;	 /* of all frees: ages up to here are usual */
	double horizon_share;	 /* old is at most this share of the time watched */
	double min_freed;	 /* frees needed to know usual ages */
	double min_survivors;
	double min_pace;       /* things younger than old, against what the pace of old makes due */
	double max_slowing;    /* share of its pace that gathering may lose over the window ... */
	double slowing_sigmas; /* ... with this many standard errors on top */
	double max_log_slowing; /* after a faster past: share of what growth like log t shows */
};

struct survival {
	double cut_s;	    /* old: beyond this age */
	double old_count;   /* live and old */
	double old_freed;   /* freed when old */
	double score;	    /* -log10 of the chance that this is no leak */
	double window_s;    /* births of survivors were looked at over this long */
	double rate_per_s;  /* survivors born in it, per second */
	double most_age_s;  /* nine tenths of the old ones are not older than this ... */
	double before_s;    /* ... and this long was watched before their octave of age */
	double freed_share; /* of all things that came, how many were freed */
};

struct survival_cfg survival_defaults(void);

/*
 * True, with *ret written, when old things outlive what is usual and go on gathering. batch: how
 * many things come or go together; the fate of so many is one observation.
 */
bool survival_test(const struct survival_cfg *cfg, const double *live_by_age,
		   const double *freed_by_age, double watched_s, double batch,
		   struct survival *ret);

/* Sum over ages at or beyond a bucket, and the bucket's lower edge in seconds. */
double survival_sum(const double *by_age, int bucket);
double survival_edge(int bucket);
/* The bucket whose lower edge is this age, or the next one. */
int survival_bucket(double age_s);
