/*
 * Do the old ones ever die? A test on two histograms of one source: live things by age, and
 * things freed by their age when they were. Pure; counts may be huge or contradict each other.
 *
 * Ages come in octaves: bucket b >= 1 holds ages from 2^(b-1) to 2^b seconds, bucket 0 below 1 s,
 * the last one has no upper edge.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

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
	double changed_doubt;  /* as doubt, for what happened lately, of which there are more views
				*/
	double changed_factor; /* survivors against what the past lets expect */
	double changed_freed;  /* frees needed to know that past */
	double changed_batch;  /* at least so many of them may be one event */
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
	bool changed;	    /* far fewer grew so old in the time before */
	double freed_share; /* of all things that came, how many were freed */
};

/* What happened since a moment that is span_s ago. */
struct survival_recent {
	double span_s, before_s; /* since that moment; watched before it */
	double born;		 /* since then */
	double freed[MT_AGE_BUCKETS], freed_before[MT_AGE_BUCKETS];
};

/* One source. Its recent past is optional. */
struct survival_input {
	const double *live, *freed; /* by age */
	double watched_s;
	double batch; /* things that come or go together: the fate of so many is one observation */
	const struct survival_recent *recent;
	size_t recent_count;
};

struct survival_cfg survival_defaults(void);

/* True, with *ret written, when old things outlive what is usual and go on gathering. */
bool survival_test(const struct survival_cfg *cfg, const struct survival_input *in,
		   struct survival *ret);

/* Sum over ages at or beyond a bucket, and the bucket's lower edge in seconds. */
double survival_sum(const double *by_age, int bucket);
double survival_edge(int bucket);
/* The bucket whose lower edge is this age, or the next one. */
int survival_bucket(double age_s);
