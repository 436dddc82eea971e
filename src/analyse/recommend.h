/*
 * The words and grades of a finding: what kind of leak it is, how bad, and what to do about it.
 * Pure tables and comparisons; every string is static.
 */
#pragma once
#include "analyse/analysis.h"

/* Above either figure of a row a leak has that severity. */
struct recommend_limit {
	double bytes, bytes_per_s;
	double things, things_per_s; /* descriptors, sockets, threads */
};

struct recommend_cfg {
	struct recommend_limit medium, high, critical;
};

struct recommend_cfg recommend_defaults(void);

enum leak_type recommend_leak_type(enum resource_class class, enum mt_site_kind kind,
				   enum module_kind module);

/* Bytes or things that are not known (NAN) do not raise it. */
enum severity recommend_severity(const struct recommend_cfg *cfg, enum mt_site_kind kind,
				 double bytes, double bytes_per_s, double count,
				 double count_per_s);

/* One sentence, never NULL. */
const char *recommend_sentence(enum resource_class class, enum leak_type type,
			       enum module_kind module);
