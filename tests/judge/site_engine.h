/*
 * Things that are born and die at call sites of one simulated process, counted as the tracer
 * counts them: each birth and death goes through the accounting record of the kernel side
 * (struct mt_site, with its rings of births by epoch), which the model's own code reads back.
 * A death costs O(1): things wait in a list for the second in which they die.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyse/analysis.h"
#include "model/sites.h"
#include "rng.h"

#define ENGINE_SITES 24
#define ENGINE_SECONDS 10800 /* longest run */
#define ENGINE_POINTS 128    /* of one history, as in the model */
#define ENGINE_FOREVER 1e9

struct engine_site {
	enum mt_site_kind kind;
	enum resource_class class;
	uint32_t owner; /* sites of one owner have the same number */
	double bytes;	/* of a usual thing; 0 for descriptors */
	struct mt_site counts;
	struct site model;
	double first_s, last_s; /* births; first_s < 0: none yet */
	double t[ENGINE_POINTS], live[ENGINE_POINTS], live_bytes[ENGINE_POINTS];
	/* the truth */
	bool leaks;
	double onset_s;	 /* of the leak */
	double usual_s;	 /* mean life of what does not leak; 0: not known */
	uint64_t leaked; /* born so far, never to be freed though others of their kind are */
	double leaked_bytes;
};

struct engine_thing {
	uint64_t held; /* weight.h */
	uint32_t born_ds, dies_ds, site, next;
};

struct engine {
	double end_s;
	double resident; /* bytes of the heap where it is simulated, too; 0: as blocks tell */
	double gap;	 /* mean bytes between samples; 0: every block is recorded */
	struct rng rng;	 /* of sampling alone */
	double unit;	 /* see estimate_error() */
	size_t second;	 /* the next one to be played */
	struct engine_site site[ENGINE_SITES];
	size_t sites;
	struct engine_thing *thing; /* owned; [0] ends lists */
	uint32_t things, room, spare;
	uint32_t due[ENGINE_SECONDS + 1]; /* lists of things by the second of their death */
	struct series *external;	  /* owned */
	double external_t[ENGINE_POINTS], external_v[ENGINE_POINTS], high_water;
	struct snap_site snap_site[ENGINE_SITES];
	struct snap_frame frame[ENGINE_SITES];
	struct owner owners[ENGINE_SITES];
	struct snap_module module;
	struct snapshot snap;
};

/* end_s at most ENGINE_SECONDS. -ENOMEM. */
int engine_init(struct engine *e, double end_s);
void engine_done(struct engine *e);

/* The index of a new site; there is room for ENGINE_SITES. -ENOMEM. */
int engine_add_site(struct engine *e, enum mt_site_kind kind, double bytes);

/* As the kernel counts them: blocks with weights (weight.h), times in tenths of a second. */
void engine_count_birth(struct engine *e, size_t site, uint64_t held, uint32_t born_ds);
void engine_count_death(struct engine *e, size_t site, uint64_t held, uint32_t born_ds,
			uint32_t dies_ds);

/* A birth in the second that is played, which dies by itself after life_s. -ENOMEM. */
int engine_add(struct engine *e, size_t site, double born_s, double life_s, double bytes);
/* A birth of which the caller keeps count, and the death of it. 0: the block was not sampled. */
uint64_t engine_born(struct engine *e, size_t site, double born_s, double bytes);
void engine_died(struct engine *e, size_t site, double born_s, double dies_s, uint64_t held);

/* Ends the second: deaths that are due, one point of every history. -ENOMEM. */
int engine_close_second(struct engine *e);

/* The process as of the last closed second; valid until the next. */
const struct snapshot *engine_snapshot(struct engine *e);
