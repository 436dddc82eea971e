/*
 * The judge of one series that is still being written: history, a quick test for the onset of a
 * ramp (SUSPECT), and a verdict that waits until start-up, caches and load have had their time.
 * No lifetimes are known here: what they say comes on top (analyse/survival.h).
 */
#pragma once
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
	double min_points, hold_points; /* of the verdict; growth_defaults() says why */
	double leak_probability;	/* from which it is a leak, when held */
	double alarm_points; /* mean points between false suspicions: ln of it bounds the CUSUM */
};

struct growth_cfg growth_defaults(void);

struct growth_opinion {
	enum growth_verdict verdict;
	double leak_probability; /* that this is a leak, with all that was seen so far; calibrated
				  */
	double since_s;		 /* SUSPECT, LEAK: onset of the growth as far as seen; else NAN */
	double known_in_s;  /* TOO_SHORT, SUSPECT: seconds until it should be known; NAN: never */
	struct shape shape; /* of the window that says most */
};

struct growth; /* opaque */

int growth_new(const struct growth_cfg *cfg, struct growth **ret); /* cfg is copied; -ENOMEM */
void growth_free(struct growth *g);
void growth_freep(struct growth **g);

/* O(1) amortised, O(HISTORY_RING log HISTORY_RING) at worst. Errors of history_add(). */
int growth_add(struct growth *g, double t_s, double value);

/* The process began anew at t_s: what was seen before is forgotten. */
void growth_restart(struct growth *g, double t_s);

/* Never NULL; valid until the next call for g. Judged anew once enough points came. */
const struct growth_opinion *growth_opinion(const struct growth *g);

/* Judges what is there now, however few points came since the last time. */
const struct growth_opinion *growth_judge(struct growth *g);

size_t growth_bytes(const struct growth *g); /* memory it takes */
