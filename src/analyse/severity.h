/*
 * How bad a leak or a growth is: by what it holds and how fast it grows, and never worse than how
 * sure the verdict is. Pure comparisons.
 */
#pragma once
#include <stdbool.h>

#include "analyse/analysis.h"

struct err;

/* Above any figure of a row something has that severity, if the verdict is as sure as that. */
struct severity_limit {
	double bytes, bytes_per_s;
	double things, things_per_s; /* descriptors, sockets, threads */
	double sure;		     /* least confidence in the verdict */
};

struct severity_cfg {
	struct severity_limit medium, high, critical;
};

struct severity_cfg severity_defaults(void);

/*
 * Changes cfg by what a user wrote: "critical=100M:1M,high=50M:500k,medium=20M:100k", bytes and
 * bytes per second, any of the three. -EINVAL with a sentence in *err; *cfg is then as it was.
 */
int severity_parse(const char *text, struct severity_cfg *cfg, struct err *err);

/* What is measured; NAN where it is not known, which raises nothing. */
struct severity_figures {
	double bytes, bytes_per_s;
	double count, count_per_s; /* of things; 0 or NAN otherwise */
	double confidence;	   /* in the verdict */
};

enum severity severity_judge(const struct severity_cfg *cfg, const struct severity_figures *f);
