/* What the judge remembers of its suspects between ticks: a bounded table sorted by key. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyse/analysis.h"
#include "analyse/suspect.h"

struct record {
	uint64_t key;
	unsigned int hits;	  /* ticks in a row */
	unsigned int hits_before; /* the miss at missed_s */
	double missed_s, hit_s;	  /* ticks, as they are told in full */
	double hit_since_s, last_hit_s, window_s;
	double unseen_since_s; /* probes are out since then; NAN: they are in */
	bool reported;
	bool seen;	/* in this tick's snapshot */
	bool unsettled; /* stopped growing, but so did the program, and nothing was freed */
	enum suspect_opinion opinion;
	double cut_s;		 /* SURVIVES: what is older counts */
	bool by_count;		 /* held, peak and pace are counts; bytes otherwise */
	double held, peak, pace; /* at the last hit; highest; growth per second */
	double freed;		 /* things freed at such an age, when it was confirmed */
	double surest;		 /* highest confidence while it is confirmed */
	struct finding f;	 /* owned strings */
};

struct records {
	struct record *list; /* owned, sorted by key; pointers into it last until the next add */
	size_t count, room, limit;
	uint64_t refused; /* by the limit */
};

void records_done(struct records *r);

/* NULL when there is none. */
struct record *records_find(struct records *r, uint64_t key);

/* A zeroed record for a key that has none. -ENOSPC at the limit (counted), -ENOMEM. */
int records_add(struct records *r, uint64_t key, struct record **ret);

/* Forgets suspects that were never reported and were not suspect for two ticks. */
void records_drop_idle(struct records *r);

/*
 * Copies of all that was reported, active ones and then worst first. What was not seen in this
 * snapshot is gone; seen is reset for the next. -ENOMEM leaves *ret untouched.
 */
int records_collect(struct records *r, const struct snapshot *snap, struct findings *ret);

/* Releases a finding's strings and zeroes it. */
void finding_done(struct finding *f);

/* A deep copy; -ENOMEM leaves *ret untouched. */
int finding_copy(const struct finding *f, struct finding *ret);

/* Releases what findings own and empties them; zeroed findings are fine. */
void findings_done(struct findings *f);
