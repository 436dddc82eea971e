/*
 * What is watched for growth in one process: external memory as a whole, each class, each library
 * that holds native memory, and the call sites that hold most or are suspect. Each has a judge of
 * its own series (growth/growth.h). The table is bounded; what it refuses is counted.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyse/analysis.h"

#define SUBJECTS_MODULES_MAX 32
#define SUBJECTS_SITES_MAX 64
#define SUBJECTS_TOP_SITES 16 /* the largest, watched whatever they do */
#define SUBJECTS_MAX (1 + CLASS_MAX + SUBJECTS_MODULES_MAX + SUBJECTS_SITES_MAX)

#define SUBJECTS_PAST 128 /* ticks of a class that are remembered as they were */

/* The last ticks of a class, for its growth over a stretch that somebody else chose. */
struct subject_past {
	double t_s[SUBJECTS_PAST], value[SUBJECTS_PAST];
	uint64_t count; /* ever; the newest stand at their number modulo SUBJECTS_PAST */
};

struct subject {
	enum subject_kind kind;
	uint64_t id;		   /* the class; a hash of the module's name; the site_id; 0 */
	bool counted;		   /* things, not bytes: descriptors, sockets, threads */
	uint64_t wanted;	   /* tick at which it was asked for last */
	double fed_s;		   /* time of the last point; -1 before */
	double peak, last;	   /* values */
	struct growth *growth;	   /* owned */
	struct subject_past *past; /* owned; of classes */
};

struct subjects {
	struct subject *list; /* owned, sorted by kind and id */
	size_t count, kinds[SUBJECT_SITE + 1];
	uint64_t ticks;
	uint64_t refused; /* for want of room */
};

void subjects_done(struct subjects *s);

/*
 * Adds what one tick tells to every series: external memory, the ledger's rows (may be NULL), the
 * sites already watched and the largest ones. Ticks not later than the one before change nothing.
 * -ENOMEM: part of it may have been added; the same tick can be given again.
 */
int subjects_feed(struct subjects *s, const struct snapshot *snap, const struct ledger *ledger);

/*
 * How one site grows; watched from now on, with the history that the snapshot has of it. *ret is
 * NULL when there is no room for it or no shape yet. -ENOMEM.
 */
int subjects_site(struct subjects *s, const struct snapshot *snap, size_t site,
		  const struct growth_opinion **ret);

/* Growth per second of a class over the last seconds, or over what is remembered of them if that
 * is at least half; NAN when it is not known. */
double subjects_class_rate(const struct subjects *s, enum resource_class class, double window_s);

/* The opinion on one; NULL when it is not watched or has no shape yet. */
const struct growth_opinion *subjects_opinion(const struct subjects *s, enum subject_kind kind,
					      uint64_t id);

/* Judges all of them with the points of this tick: before the last report. */
void subjects_judge(struct subjects *s);

/* NULL when it is not watched. */
const struct subject *subjects_find(const struct subjects *s, enum subject_kind kind, uint64_t id);

/* The id of a module: the same when it is loaded again elsewhere. */
uint64_t subjects_module_id(const struct snap_module *module);
