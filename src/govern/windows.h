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
	double share;	/* of the time that probes are in, as it was lately; 0: not known yet */
	double planned; /* the same of this cycle, as it was meant to be */
	double kept;	/* what became of plans, on average: share / planned */
	uint32_t count; /* windows since windows_enter() */
	uint32_t weight_log2;
	uint64_t random;
};

void windows_init(struct windows *w, const struct governor_cfg *cfg);
/* From now on; rates: what probes cost per second while they are in, NULL when not known. */
void windows_enter(struct windows *w, const struct spend_sum *rates, uint64_t now_ns);
/* What happened since the last look; in_s: how long all probes were in. */
void windows_note(struct windows *w, double in_s, double trap_s, double record_s);
/*
 * Opens or closes, and says when to look again. allowed: CPU seconds per second. False when not
 * even the shortest window fits into the budget.
 */
bool windows_look(struct windows *w, const struct spend *spend, double allowed, uint64_t now_ns,
		  uint64_t *ret_look_ns);
void windows_leave(struct windows *w);
/* The dearest of the last few windows, per second; INFINITY before there were as many. */
double windows_last_rate(const struct windows *w);
