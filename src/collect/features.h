/*
 * What the running kernel can do, found by trying it on memtrace itself; never by version.
 * The cost of one probe hit on this machine is measured on the way.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct keeper;

enum feature_id {
#define FEATURE(name, needed_for, without) FEATURE_##name,
#include "memtrace/features.def"
#undef FEATURE
	FEATURE_MAX
};

struct feature_info {
	const char *name, *needed_for, *without; /* static text */
};

struct features {
	bool has[FEATURE_MAX];
	bool known[FEATURE_MAX]; /* tried already; the dear ones are only tried when asked for */
	double entry_ns; /* added time of one probe hit on an emulated instruction; 0 = not measured
			  */
	double entry_return_ns; /* of entry and return together */
};

const struct feature_info *feature_describe(enum feature_id id);

/*
 * Tries everything but the dear ones. 0, or -EPERM / -EOPNOTSUPP with *err saying what is missing
 * when memtrace cannot run here at all. *ret is filled in either case.
 */
int features_probe(struct keeper *k, struct features *ret, struct err *err);

/* Whether a return probe would kill a process that has a seccomp filter; tried on a child of ours.
 */
bool features_probe_seccomp(struct keeper *k, struct features *f);
