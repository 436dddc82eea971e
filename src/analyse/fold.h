/*
 * Sites folded by owner: a leak whose callers differ is split over many sites, and only their sum
 * shows it. Sites of one kind whose owner frame is the same instruction form one group.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "analyse/analysis.h"
#include "analyse/suspect.h"

struct fold_member {
	uint64_t key; /* same for all of a group; stable over runs */
	size_t site;  /* index into snapshot.sites */
};

/* Members sorted by key, then by site; the caller frees *ret. owners may be NULL: no folding. */
int fold_sites(const struct snapshot *snap, const struct owner *owners, struct fold_member **ret);

/* Sums of a group before its history is looked at. */
struct fold_totals {
	double live_bytes, live_count, allocated_count, freed_count;
	double live_by_age[MT_AGE_BUCKETS], freed_by_age[MT_AGE_BUCKETS];
	double last_alloc_s; /* 0 when none is known */
};

void fold_add_totals(const struct snap_site *site, struct fold_totals *totals);

/* One site, or several of a group, as one unit. count > 0. */
void fold_unit(const struct snapshot *snap, const struct owner *owners,
	       const struct fold_member *members, size_t count, struct suspect_unit *ret);

/*
 * The members that hold most (of what is older than cut_s): bytes, or things; as indices into
 * snapshot.sites, largest first, none that holds less than 1 % of all except the first. count > 0.
 * Returns how many, at least 1 and at most max.
 */
size_t fold_largest(const struct snapshot *snap, const struct fold_member *members, size_t count,
		    double cut_s, size_t *ret, size_t max);

/* Mixes the second number into the first: a stable hash for keys. */
uint64_t fold_mix(uint64_t hash, uint64_t value);
