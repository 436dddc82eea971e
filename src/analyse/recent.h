/*
 * What was freed lately, by age: cumulative histograms of some moments ago, for each group of
 * sites. A leak that begins late is hidden in sums over a long past; the deaths of the last half
 * minute show it. Bounded: at most `limit` groups, more are refused and counted.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "analyse/survival.h"
#include "memtrace/wire.h"

#define RECENT_SPANS 3 /* at least 16, 64 and 256 s ago, at most twice that */

struct recent_mark {
	float t_s; /* 0: none */
	float allocated;
	float freed_by_age[MT_AGE_BUCKETS];
};

struct recent_group {
	uint64_t key;
	/* of each span: one that is old enough, and one that will be */
	struct recent_mark mark[RECENT_SPANS], next[RECENT_SPANS];
};

struct recent {
	struct recent_group *list,
		*made; /* owned; sorted by key: the last tick's, and this one's */
	size_t count, room, made_count, made_room, cursor, limit;
	uint64_t refused;
};

void recent_done(struct recent *r);

/*
 * Within one tick groups come in the order of their keys; those that do not come are forgotten at
 * its end. Writes what was freed since each mark, RECENT_SPANS of them at most, oldest last;
 * *ret_count says how many. A group that is refused has none. -ENOMEM.
 */
void recent_begin(struct recent *r);
int recent_add(struct recent *r, uint64_t key, double now_s, double allocated,
	       const double *freed_by_age, struct survival_recent *ret, size_t *ret_count);
void recent_end(struct recent *r);
