/*
 * Does one source of memory or descriptors (a site, or the sites of one owner added up) leak?
 * Pure: history in, opinion out; judge.h keeps what must be remembered between ticks.
 *
 * Two questions make the answer. Does it go on growing, at a rate that does not fall? And do
 * the things that outlived the others ever end? The second is what a curve alone cannot say.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "analyse/analysis.h"
#include "analyse/robust.h"
#include "analyse/survival.h"
#include "memtrace/wire.h"

struct collections;

/* Every threshold of the opinion; suspect_defaults() says why each has its value. */
struct suspect_cfg {
	double least_bytes;	     /* held: below, heap and mappings are not judged at all */
	double min_bytes, min_count; /* growth below both is not worth a word */
	double least_growth_share;   /* of the old ones' gathering: growth of the whole */
	double min_observations;     /* where one stands for several */
	double max_ended;    /* share of things that grew old and were freed then: lives end */
	double min_left;     /* of what probes in windows lost sight of: not seen to end */
	double min_things;   /* growth of descriptors, sockets, threads */
	double min_window_s; /* shortest growth believed */
	double collected_window_s;     /* same, for memory that a garbage collector frees ... */
	double collected_share;	       /* ... of which this share came before it ran ... */
	double swept_s;		       /* ... and this long ago */
	double shape_window_s;	       /* same, where only the curve speaks */
	double watch_window_s;	       /* growth this long is suspect, early in a trace */
	double min_significance;       /* growth over its standard error */
	double min_significance_shape; /* same, where only the curve speaks */
	double min_weakest_third;      /* 1 = fair share */
	double min_recent;	       /* 1 = fair share */
	double max_slowing;	       /* of one standard error above the estimate */
	double max_log_slowing;	       /* in a part window: share of what growth like log t shows */
	double max_slowing_shape;      /* same, where only the curve speaks */
	double longest_life_s;	       /* lifetimes to exclude: heap and mappings */
	double longest_life_things_s;  /* lifetimes to exclude: descriptors, sockets, threads */
	double sure_before_s;	  /* watched before a leak began, to know what is usual there */
	double sure_window_s;	  /* else survivors must gather for this long ... */
	double sure_collected_s;  /* ... and these where a collector frees */
	double sure_score;	  /* -log10 of chance: one look is enough ... */
	double sure_growth_share; /* ... when the whole grew by this share of the old ones */
	double doubt;		  /* log10 of the chance allowed to such a lifetime */
	double watch_doubt;	  /* log10 from which growth is suspect, not yet a finding */
	struct survival_cfg survival;
};

struct suspect_cfg suspect_defaults(void);

/* What is judged. Counts and bytes are over time, on the grid of robust.h from 0 to now_s. */
struct suspect_unit {
	enum mt_site_kind kind;
	enum collected collected;	       /* a garbage collector frees it, in batches ... */
	const struct collections *collections; /* ... when: borrowed; NULL when it is not known */
	bool told;			       /* it was believed before, and still stands */
	double born_s, now_s;		       /* first and last moment of its history */
	double count[ROBUST_GRID], bytes[ROBUST_GRID];
	double live_bytes, live_count, allocated_count, freed_count;
	/* Things that one independent observation stands for; 1 or less: each is known. Where it is
	 * more, opinions are formed of observations and told in things. */
	double weight;
	double exposed, left; /* probes in windows: see snap_site; exposed 0: none were */
	bool ages_known;
	double live_by_age[MT_AGE_BUCKETS], freed_by_age[MT_AGE_BUCKETS];
	const struct survival_recent *recent; /* borrowed; NULL when not known */
	size_t recent_count;
};

enum suspect_opinion {
	SUSPECT_NONE = 0,
	SUSPECT_WATCH,	  /* grows, but not yet for long enough to say more */
	SUSPECT_SHAPE,	  /* grows in a straight line; nothing is known of lifetimes */
	SUSPECT_KEPT,	  /* grows and nothing is freed: a leak or an unbounded cache */
	SUSPECT_SURVIVES, /* most die young, and the rest does not die */
};

struct suspicion {
	enum suspect_opinion opinion;
	enum pattern pattern;
	double confidence;   /* 0 to 1 */
	bool sure;	     /* SURVIVES: lives of minutes would not look like this */
	bool at_once;	     /* SURVIVES: so many that one look is enough */
	double window_s;     /* growth was looked at over this long */
	double growth_bytes; /* in that window */
	double growth_count;
	double bytes_per_s, count_per_s;
	double low_per_s, high_per_s; /* 95 % interval of bytes_per_s; of count_per_s for things */
	double size_bytes, count;     /* what is held by the leak */
	double cut_s;		      /* SURVIVES: things older than this */
	double old_count;	      /* SURVIVES: how many are live */
	double old_freed;	      /* SURVIVES: how many were freed at such an age */
	double third_ratio;	      /* growth of the last third over that of the first */
	double known_in_s;	      /* WATCH: when it should be known; NAN when never */
	bool uncollected;	      /* WATCH: the collector that frees it has not run yet */
};

void suspect_judge(const struct suspect_cfg *cfg, const struct suspect_unit *unit,
		   struct suspicion *ret);

/* Descriptors, sockets and threads are counted; everything else is weighed too. */
bool suspect_counts_things(enum mt_site_kind kind);
