/*
 * Call sites of one address space and what each holds. Heap sites are accounted by the kernel
 * (sites_read_heap); everything else is counted here, birth by birth. A site stays until the
 * table goes, so pointers to it stay valid that long. Sums stop at 2^64 - 1.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memtrace/wire.h"
#include "model/series.h"
#include "model/snapshot.h"
#include "model/spread.h"

struct site {
	uint64_t id;	 /* as of the last snapshot; 0 before the first */
	bool id_final;	 /* it will not change any more */
	uint32_t number; /* in this run */
	enum mt_site_kind kind;
	enum mt_stack_end end;
	uint32_t *frame; /* owned: handles of stacks.h, innermost first; NULL before they came */
	uint32_t frame_count;
	uint64_t alloc_bytes, alloc_count;
	uint64_t free_bytes, free_count;
	/* Counts above are weighted; these say what they rest on. 0 where nothing is sampled. */
	uint64_t born_records, died_records;
	double born_var, died_var; /* of bytes, see mt_held_var() */
	struct {
		uint64_t born, died; /* as last read: in long runs they begin at 0 again */
		double born_sum, died_sum;
	} kernel_var;
	uint64_t freed_by_age[MT_AGE_BUCKETS]; /* cumulative */
	uint64_t live_by_age[MT_AGE_BUCKETS];
	/* Probes in windows, see exposure.h: things that were exposed, those not seen to end, and
	 * those of the last window, which wait to be exposed; weighted. */
	double exposed, left, waiting;
	struct spread in_windows; /* of alloc_bytes */
	/* Recorded as live and taken for dead: of the last window, of those before. */
	uint64_t doubted_fresh, doubted_old, doubted_bytes, doubted_old_bytes;
	unsigned int doubted_age; /* bucket of the age at which they are taken to have died */
	uint64_t first_seen_ns, last_alloc_ns;
	uint64_t managed_bytes; /* of what it mapped and is live, as of the last look: see snap_site
				 */
	bool in_allocator;	/* what it maps is an allocator's, whose blocks are traced */
	struct { /* of pages.h: what is live, by what it is; what nobody else accounts for */
		uint64_t bytes[TOUCHED_USES], unplaced_bytes;
	} touched;
	struct series *series; /* owned; NULL when the site matters too little */
};

struct sites; /* opaque */

int sites_new(struct sites **ret);
void sites_free(struct sites *t);

size_t sites_count(const struct sites *t);
/* In the order of their numbers, i < sites_count(). */
struct site *sites_at(const struct sites *t, size_t i);
/* All of them, in that order; valid until the next one is made. */
struct site *const *sites_all(const struct sites *t);
struct site *sites_find(const struct sites *t, uint32_t number); /* NULL: not there */

/* Finds or makes a site. -ENOSPC when it would be one more than limit, -ENOMEM. */
int sites_get(struct sites *t, uint32_t number, enum mt_site_kind kind, uint64_t now_ns,
	      size_t limit, struct site **ret);

uint64_t site_live_bytes(const struct site *s);
uint64_t site_live_count(const struct site *s);
/* Its figures are estimates: some block stands for more than itself. */
bool site_is_estimated(const struct site *s);
/* Variance of live bytes; never negative. */
double site_live_var(const struct site *s);
/* How much a site matters: bytes, and a notional amount for things that have none. */
uint64_t site_weight(const struct site *s);

/* Bucket of an age: [0,1) [1,2) [2,4) ... [512,inf) seconds. */
unsigned int age_bucket(uint64_t age_ns);

/* Counting of what is not heap; a NULL site is nobody's and is skipped. */
void site_born(struct site *s, uint64_t bytes, uint64_t blocks, uint64_t now_ns);
void site_died(struct site *s, uint64_t bytes, uint64_t blocks, uint64_t born_ns, uint64_t now_ns);
/* Takes back a site_died() with the same arguments: it did not happen. */
void site_revived(struct site *s, uint64_t bytes, uint64_t blocks, uint64_t born_ns,
		  uint64_t died_ns);

/* Copies the kernel's accounting of a heap site. boot_ns is epoch 0 of births. */
void site_read_heap(struct site *s, const struct mt_site *from, uint64_t boot_ns, uint64_t now_ns);
