/*
 * The judge of one series that is still being written: history, a quick test for the onset of a
 * ramp (onset.h, SUSPECT), and a verdict that waits until start-up, caches and load have had their
 * time: a network over the whole life so far (life.h), learned from prefixes of generated series
 * (tests/judge, `make train`), whose probability must hold.
 * No lifetimes are known here: what they say comes on top (analyse/survival.h).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth/shape.h"

enum growth_verdict {
	GROWTH_TOO_SHORT = 0, /* known_in_s says when it will be known */
	GROWTH_NONE,	      /* does not grow as leaks do */
	GROWTH_SUSPECT,	      /* grows now; may be start-up, a cache, load */
	GROWTH_LEAK,	      /* has grown for so long and in such a way that this is a leak */
};

struct growth_cfg {
	double min_points;	    /* of a verdict other than TOO_SHORT, and of a SUSPECT */
	double leak_points;	    /* of LEAK */
	double hold_share;	    /* of the life: for so long the probability must hold */
	double leak_probability;    /* from which it is a leak, when held */
	double suspect_probability; /* from which it is suspect at once */
	double leave_share;	    /* of these probabilities: below, the verdict is taken back */
	double alarm_points; /* mean points between false suspicions: ln of it bounds the CUSUM */
};

struct growth_cfg growth_defaults(void); /* growth.c says why */

struct growth_opinion {
	enum growth_verdict verdict;
	double leak_probability; /* that this is a leak, with all that was seen so far; calibrated;
				    0 while too short */
	double since_s;		 /* SUSPECT, LEAK: onset of the growth as far as seen; else NAN */
	double known_in_s; /* TOO_SHORT, SUSPECT, open: seconds until it should be known; NAN: never
			    */
	struct shape shape; /* of the window that says most; up to an eighth of the life old */
};

struct growth; /* opaque */

int growth_new(const struct growth_cfg *cfg, struct growth **ret); /* cfg is copied; -ENOMEM */
void growth_free(struct growth *g);
void growth_freep(struct growth **g);

/* O(HISTORY_RING) each; judges now and then: after max(4, count/32) points, or when the growth sets
 * in. Errors of history_add(), which also says what happens when the clock is set back. */
int growth_add(struct growth *g, double t_s, double value);

/* The process began anew at t_s: what was seen before is forgotten. */
void growth_restart(struct growth *g, double t_s);

/* Never NULL; valid until the next call for g. Judged anew once enough points came. */
const struct growth_opinion *growth_opinion(const struct growth *g);

/*
 * No leak and none suspected, but nobody would say that all is well either: the last window surely
 * grows. For a verdict that is given once; over a process's life chance makes such windows, too.
 */
bool growth_is_open(const struct growth_opinion *o);

/* Judges what is there now, however few points came since the last time. */
const struct growth_opinion *growth_judge(struct growth *g);

uint64_t growth_count(const struct growth *g);	 /* points since the start */
uint64_t growth_refused(const struct growth *g); /* points refused, ever */
size_t growth_bytes(const struct growth *g);	 /* memory it takes */
