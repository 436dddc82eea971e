/*
 * Holding the budget: each traced process has a governor, which is told what tracing cost it and
 * says how much of it may be traced; here that is done. In open windows it looks every few
 * milliseconds, by a timer of its own.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "app/tracee.h"
#include "base/loop.h"
#include "collect/calibrate.h"

/* What happened to the probes of a process; the user is told. NULL: without a reason. */
typedef void (*holding_told_fn)(void *ctx, struct tracee *t, enum process_event event,
				const char *reason);

struct holding {
	const struct run *run; /* borrowed */
	struct calibration cost;
	bool hurries;
	int usual_nice;
	holding_told_fn told;
	void *ctx;
};

/* Calibrates; what could not be measured is said once. */
void holding_start(struct holding *h, const struct run *run, holding_told_fn told, void *ctx);

/* A process that was attached; or NULL in t->governor when nothing is to be held. -ENOMEM. */
int holding_add(const struct holding *h, struct tracee *t);

/* Looks at one process when it is time, and does what its governor says. */
void holding_look(const struct holding *h, struct tracee *t);

/* Once per tick, before it is told: rates since the one before. */
void holding_tick(struct tracee *t, uint64_t now_ns);
/* Once per tick, after it: what was judged decides whether probes are worth while. */
void holding_judged(struct tracee *t, uint64_t now_ns);

/* When to look again: CLOCK_MONOTONIC; UINT64_MAX: never. */
uint64_t holding_due_ns(const struct tracee *t);

/* A window is open that will not be for long: what takes time should wait for its end. */
bool holding_is_busy(const struct tracee *t, uint64_t now_ns);

/* Whether a window is open somewhere: looks must then come on time. */
void holding_hurry(struct holding *h, bool open);

/* Once all were looked at: how closely it is watched how much they work. */
void holding_pace(const struct holding *h, bool windows, bool open);
/* Whether its probes are in for a share of the time, of which its work has to be known. */
bool holding_has_windows(const struct tracee *t);

/* No window opens any more: nobody hurries, and no work is sampled. */
void holding_rest(struct holding *h);

/* Takes probes out that are in for a window: nobody will look for a while. */
void holding_pause(struct tracee *t);

/* The files of a process were looked at, or it executes another one: the plan stays as it is. */
void holding_settle(struct tracee *t);

/* The probes are out for good, for a reason that the reports repeat. */
void holding_give_up(const struct holding *h, struct tracee *t, const char *reason);
