/*
 * When a process is swept (sweep.h): soon after its probes went out, and now and then while they
 * are in for good again and blocks of former windows are left.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "model/exposure.h"

struct tracee;

struct sweeping {
	uint64_t in_ns, before_ns; /* when probes went in, and the time before */
	uint32_t weight_log2;
	struct exposure_window window; /* the last one */
	double variance;	       /* of it: governor_plan.window_variance */
	bool due, any;		       /* it is to be swept; there was one */
	bool follows;		       /* nothing was recorded since the one before it */
	uint64_t out_ns;	       /* when it ended */
	uint64_t again_ns, pause_ns;   /* when it is swept again, and how long after that */
	uint64_t maps_ns;	       /* when mappings were read last */
};

/* Probes of a process were asked to go in, or out. */
void sweeping_note(struct tracee *t, bool in, uint32_t weight_log2, uint64_t now_ns);
/* The process executes another program: all its blocks are gone. */
void sweeping_drop(struct tracee *t);
/* Sweeps if it is time; to be called when no short window is open. */
void sweeping_look(struct tracee *t, uint64_t now_ns);
