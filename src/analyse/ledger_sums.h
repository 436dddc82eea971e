/*
 * The sums behind a ledger: bytes, counts and confidence by class and by module, before they
 * become rows. Private to the ledger; its rules are in ledger.h. Sums saturate below
 * FACT_UNKNOWN, and parts always add up to their whole.
 */
#pragma once
#include "analyse/analysis.h"

struct ledger_state;

struct module_sum {
	uint64_t bytes, count;
	double weight, weighted_confidence;
	uint64_t live_bytes, allocs, frees; /* of its sites, like what follows */
	uint64_t by_kind[MODULE_KINDS];	    /* live bytes */
	uint64_t largest_bytes;
	struct module_row evidence; /* of the largest; the rest of it is not used */
};

struct class_sum {
	uint64_t bytes, count;
	double weight, weighted_confidence; /* of the owners that put it here */
	bool from_heap;			    /* bytes of allocator ranges are in it */
	double variance, common;	    /* of samples, as live_variance */
	bool cut;			    /* made smaller to fit */
};

struct ledger_sums {
	struct class_sum class[CLASS_MAX];
	struct module_sum *modules;	 /* borrowed: zeros, one per module of the snapshot */
	uint64_t allocator_bytes;	 /* R: resident in allocator ranges */
	uint64_t live_bytes, live_count; /* L: of traced heap sites */
	bool estimated;			 /* some site's figures are */
	double live_variance;		 /* sum of their squared errors, without what is ... */
	double live_common;		 /* ... common to all: the sum of that */
	uint64_t allocs, frees;		 /* calls since tracing began, of heap sites */
	uint64_t gone_bytes;		 /* the next ledger_state.gone_bytes */
	uint64_t before_bytes;		 /* the next ledger_state.before_bytes */
	uint64_t touched_bytes;		 /* given to owners by who touched the pages first */
	uint64_t filled_bytes;		 /* what mappings from before the trace gained since */
	uint64_t unmapped_bytes;   /* in anonymous ranges that nobody is known to have mapped */
	uint64_t unowned_bytes;	   /* the application's by where it lies: nobody was seen to ask */
	uint64_t slack_then_bytes; /* the next ledger_state.slack_then_bytes */
	bool rest_split;	   /* what is not live was split: preexisting and slack */
	/* Where the allocator was walked through: */
	bool walked, walk_exact;	/* exact: as of this tick, and nothing was estimated */
	uint64_t walked_unmapped_bytes; /* the next of ledger_state */
	uint64_t walked_held_bytes;	/* the next ledger_state.walked_held_bytes */
	uint64_t inner_buffer_bytes;	/* of the runtime's count, in allocators and no site's */
	uint64_t buffers_walked_bytes, buffers_then_bytes; /* the next of ledger_state */
	bool buffers_exact;				   /* resident ones, as of this tick */
	uint64_t unseen_bytes;	     /* live, came since, and nobody saw who asked for it ... */
	uint64_t unseen_given_bytes; /* ... but what was given in proportion to ... */
	uint64_t seen_bytes;	     /* ... what was seen */
};

/* Whether a class is part of the sum. */
bool ledger_sums_resident(enum resource_class class);

/* sum + v; FACT_UNKNOWN adds nothing and is never the result. */
uint64_t ledger_sums_plus(uint64_t sum, uint64_t v);

/* whole x part / total, rounded down, without overflow; needs part <= total and total > 0. */
uint64_t ledger_sums_share(uint64_t whole, uint64_t part, uint64_t total);

/* Weighted mean of owners' confidences; 1 when nobody's was used. */
double ledger_sums_confidence(double weight, double weighted_confidence);

/* Class that an owner may fill: not those that the ledger computes itself. */
enum resource_class ledger_sums_site_class(const struct snapshot *s, const struct owner *o);
/* Gives the owner bytes of the class that it may fill. */
void ledger_sums_add_owned(const struct snapshot *s, struct ledger_sums *t, const struct owner *o,
			   uint64_t bytes);

/* Totals of the sites, whatever is resident. */
void ledger_sums_sites(const struct snapshot *s, const struct owner *owners, struct ledger_sums *t);

/* Adds what the ranges hold, but for allocators'; after ledger_sums_sites(). -ENOMEM. */
int ledger_sums_ranges(const struct snapshot *s, const struct owner *owners,
		       const struct ledger_state *st, struct ledger_sums *t);

/* All classes together, but for what is unexplained. */
uint64_t ledger_sums_parts(const struct ledger_sums *t);

/* Makes the parts fit into external and returns what they leave, which is unexplained. */
uint64_t ledger_sums_close(uint64_t external_bytes, struct ledger_sums *t);

/* Splits native_modules, after ledger_sums_close(); the caller frees *ret. -ENOMEM. */
int ledger_sums_modules(const struct snapshot *s, const struct ledger_sums *t,
			struct module_row **ret, size_t *ret_count);
