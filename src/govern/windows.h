/*
 * When probes go in and out for a share of the time. The spending of the last horizon bounds each
 * window: it closes when the next look could find the budget exceeded. Windows begin at random: a
 * period is a horizon and up to a third, so that no horizon holds more than one of them.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "govern/governor.h"
#include "govern/spend.h"

#define WINDOWS_LAST 3 /* windows that have to agree that the load fell */

/* What happened in a span of time. */
struct windows_seen {
	double seconds, in_s; /* its length; of it with all probes in */
	double trap_s, record_s;
	double cpu_s;	/* that the target used, tracing included */
	double work_s;	/* of it: found at work of its own; NAN or 0 throughout: not measured */
	double records; /* blocks */
	double calibrated_s; /* what tracing costs by calibration alone */
};

/*
 * What tracing really costs: the CPU time used with probes in, without what the work that was done
 * in it takes when they are out. Sums of the last windows, as in windows_work.
 */
struct windows_cost {
	double cpu_in_s, work_in_s, calibrated_s; /* with all probes in */
	double cpu_out_s, work_out_s;		  /* with none */
	double windows;
};

/*
 * What share of the target's work is done while probes are in. It is less than their share of the
 * time, as they slow it down, and a target that sleeps makes up for it afterwards. By the sums of
 * the last windows, of which recent ones count more: one alone says little.
 */
struct windows_work {
	double n, n_squares; /* windows, as they count: sums of their factors, and those squared */
	double seen, seen_squares; /* work in windows */
	double expected; /* the same if it were done evenly, by the share of time planned */
};

struct windows {
	const struct governor_cfg *cfg; /* borrowed */
	double horizon_s, length_s;
	bool open;
	uint64_t opened_ns, due_ns;
	double in_s, trap_s, record_s; /* of this cycle: probes in, and what they cost */
	double fringe_s;	       /* what they cost while they went in and out */
	double fringe_mean_s;	       /* the same of late */
	double trap_rate, record_rate; /* costs per second with probes in, of recent windows */
	double peak_rate;	       /* the dearest of them, fading */
	double last_rate[WINDOWS_LAST];
	struct windows_work work;
	struct windows_cost cost;
	double scale;			/* what things cost over what they were calibrated to */
	double work_in_s, work_all_s;	/* of this cycle */
	double records_in, records_all; /* with all probes in; those while they come and go too */
	double work_guess;		/* of work.seen / work.expected, until it is known */
	double share;	/* of the time that probes are in, as it was lately; 0: not known yet */
	double planned; /* the same of this cycle, as it was meant to be */
	double kept;	/* what became of plans, on average: share / planned */
	uint32_t count; /* windows since windows_enter() */
	uint32_t weight_log2;
	double owed; /* to the blocks of the next window, see choose_weight() */
	uint64_t random;
};

void windows_init(struct windows *w, const struct governor_cfg *cfg);
/* From now on; rates: what probes cost per second while they are in, NULL when not known. */
void windows_enter(struct windows *w, const struct spend_sum *rates, uint64_t now_ns);
/* What happened since the last look. */
void windows_note(struct windows *w, const struct windows_seen *seen);
/*
 * Opens or closes, and says when to look again. allowed: CPU seconds per second. False when not
 * even the shortest window fits into the budget.
 */
bool windows_look(struct windows *w, const struct spend *spend, double allowed, uint64_t now_ns,
		  uint64_t *ret_look_ns);
void windows_leave(struct windows *w);
/*
 * Variance of what one window tells of the whole, relative to its square, as far as that is common
 * to all sites: NAN: not known.
 */
double windows_variance(const struct windows *w);
/* The dearest of the last few windows, per second; INFINITY before there were as many. */
double windows_last_rate(const struct windows *w);
