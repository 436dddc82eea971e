/*
 * Does something of a process grow, or may it? Asked of every tick, before anybody would call it
 * growth: what is dear to watch is looked at only when the answer is yes. A wrong yes costs a
 * little, a wrong no some ticks. Pure; a process that executes another program needs a new state.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyse/analysis.h"

#define GROWING_POINTS 16 /* ticks that are looked back on */

struct growing_cfg {
	size_t least_points; /* of a series; fewer rise by chance */
	double least_rising; /* (pairs that rise - pairs that fall) / pairs: Kendall's tau */
	double least_share;  /* of external memory, gained in the points looked at ... */
	double least_bytes;  /* ... and at least these */
	double least_things; /* descriptors, threads */
};

struct growing_cfg growing_defaults(void); /* growing.c says why */

/* A series: the whole, or a class in bytes or, where it has none, counted; threads. */
struct growing_past {
	double value[GROWING_POINTS]; /* newest at (count - 1) modulo GROWING_POINTS */
	size_t count;		      /* 0 again after a value that was not known */
};

struct growing {
	struct growing_past whole, threads, class[CLASS_MAX];
};

struct growing_answer {
	bool grows;	  /* anything */
	bool things_grow; /* descriptors, sockets or threads: only system calls tell whose */
	bool findings;	  /* a finding is active */
	enum resource_class class; /* that gained most bytes, or where none did, things; or NONE */
};

/* Adds a tick and answers. */
struct growing_answer growing_add(struct growing *g, const struct growing_cfg *cfg,
				  const struct analysis *a);
