/*
 * The process as a whole, where no call site explains how it grows: without lifetimes only the
 * curve speaks, and only after start-up, caches and load have had their time (growth/growth.h).
 * Memory that fills mappings which were there before has an end, and is no leak. Pure.
 */
#pragma once
#include <stdbool.h>

#include "analyse/analysis.h"
#include "analyse/robust.h"
#include "analyse/suspect.h"

struct whole_cfg {
	double min_bytes;	       /* least growth to speak of */
	double min_untraced_bytes;     /* steady growth that nobody can explain */
	double traced_probability;     /* needed where allocations are seen and none leaks */
	double max_confidence;	       /* without a site */
	double covered_share;	       /* of its growth: what explains that much explains it */
	double min_significance;       /* of growth that keeps the verdict open: fast, */
	double min_significance_shape; /* ... or steady */
	double min_weakest_third, min_recent, max_slowing;
	double watch_s; /* when growth that was seen just now should be known */
};

struct whole_cfg whole_defaults(void);

struct whole_input {
	const struct growth_opinion *growth; /* of external memory; NULL: not known yet */
	const double *external;		     /* on the grid of robust.h, NULL: too few points */
	double now_s;
	bool heap_traced;
	double explained_per_s; /* by sites that leak */
	double bounded_per_s;	/* in classes whose mappings were there before */
};

enum whole_kind {
	WHOLE_QUIET = 0,
	WHOLE_GROWS, /* it is not known yet what comes of it */
	WHOLE_LEAK,
};

struct whole {
	enum whole_kind kind;
	double known_in_s;  /* GROWS: NAN when never */
	struct suspicion s; /* LEAK */
};

struct whole whole_judge(const struct whole_cfg *cfg, const struct whole_input *in);

/* The process grows, and sites or mappings that were there before are why. */
bool whole_is_explained(const struct whole_cfg *cfg, const struct whole_input *in);

#define WHOLE_USES RANGE_USES

/* Address space and resident bytes by use, at the first tick that knew them. */
struct whole_reserve {
	bool known;
	double mapped[WHOLE_USES], resident[WHOLE_USES];
	double unexplained; /* bytes of the ledger; NAN: not known */
};

/* What the heap of a language runtime gained since then, in resident bytes; 0 without one. */
double whole_heap_gain(const struct whole_reserve *first, const struct snapshot *snap);

/*
 * Which classes gained since then only inside mappings that were there already: shared memory and
 * files that are touched for the first time, heaps reserved at start. What those gain is
 * unexplained in the ledger (`unexplained` bytes, NAN: not known): so is that, where they are half
 * of its gain. Notes the first tick in *r.
 */
void whole_find_bounded(struct whole_reserve *r, const struct snapshot *snap, double unexplained,
			bool ret[static CLASS_MAX]);
