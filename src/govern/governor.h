/*
 * How much may be traced: holds a budget of the target's CPU time. Pure: what was seen goes in, a
 * plan comes out; one governor per process. Costs are hits times what one costs on this machine.
 *
 * Steps down, each only when the one before is not enough: wider gaps between samples (cheaper
 * programs, the trap stays), windows (probes in for a share of the time), no allocator probes;
 * steps up again when the load falls. In mode auto it starts where it is told to and escalates from
 * watching when something grows; it steps down after a verdict stands.
 *
 * The budget is compared with what tracing cost during the last second, as a share of the CPU time
 * that the target used in it, its tracing included. A target that hardly runs is taken to use a
 * little (least_cpu): tracing it is cheap whatever the share. What is paid beside probes is taken
 * off before. Windows that would be too short to see anything come less often instead; then the
 * last few seconds are compared.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GOVERNOR_REASON_BYTES 160

enum governor_step {
	GOVERN_FULL = 1, /* every allocation is recorded */
	GOVERN_SAMPLE,	 /* probes are in, some allocations are recorded */
	GOVERN_WINDOWS,	 /* probes are in for a share of the time */
	GOVERN_WATCH,	 /* no allocator probes */
};

/* What one thing costs the target here, in nanoseconds; NAN: not measured. */
struct governor_costs {
	double hit_ns;	  /* a trap and a program that finds nothing to do */
	double return_ns; /* a return probe on top of its entry */
	double record_ns; /* recording a block, with its stack, on top of a hit */
	double arm_ns;	  /* putting probes in and taking them out, once */
};

/* Every threshold; governor_defaults() says why each has its value. Times are seconds. */
struct governor_rules {
	double least_cpu;  /* CPUs that a target is taken to use at least */
	double margin;	   /* share of the budget that is meant to be used */
	double room;	   /* a dearer step must fit into this share of the budget */
	double trap_share; /* traps beyond this share of the budget: gaps do not help */
	double act_s;	   /* gaps may be tried for this long, then windows it is */
	double settle_s;   /* after a change, before its cost is judged */
	double up_wait_s;  /* between a change and a step up; doubled after each that failed */
	double up_wait_max_s;
	double useful_s;    /* a window shorter than this comes less often instead */
	double shortest_s;  /* not worth opening: shorter than this even so */
	double pause_max_s; /* windows come at least this often */
	double window_max_s;
	double retry_s;	  /* after not even windows fitted */
	double decided_s; /* a verdict has to stand for this long */
	double calm_s;	  /* nothing grows for this long: back to watching */
	/* between two looks: in general, in an open window, just after a change */
	double look_s, look_open_s, look_new_s;
};
struct governor_rules governor_defaults(void);

struct governor_cfg {
	double budget;	   /* share of the target's CPU time, 0.05 = 5 %; 0: no bound */
	bool full;	   /* every block is wanted: gaps are not widened */
	bool sample;	   /* a sample is enough, whatever the budget allows */
	bool watch;	   /* allocator probes never go in */
	bool escalates;	   /* mode auto: starts by watching until something grows */
	uint32_t gap_log2; /* the user's, or the narrowest; 0: the governor chooses */
	uint64_t seed;	   /* of the moments at which windows open */
	struct governor_costs costs;
	struct governor_rules rules;
};

/* What happened since the last call. */
struct governor_seen {
	uint64_t now_ns;
	double target_cpu_s; /* CPU time that the target used, tracing included */
	uint64_t hits, returns, records;
	bool grows;	/* some class or the whole grows, or may */
	bool decided;	/* a verdict stands, nothing new is expected */
	double in_s;	/* how long all probes really were in */
	double work_s;	/* CPU time that it was found doing work of its own, by samples */
	double other_s; /* what else it paid for being traced, which the plan cannot lessen */
};

struct governor_plan {
	enum governor_step step;
	bool probes_in;		/* now */
	uint32_t gap_log2;	/* mean bytes between samples; 0: every block */
	uint32_t weight_log2;	/* windows: 1 / 2^this of the work is done in them, on average */
	double cost_scale;	/* what tracing costs over what was calibrated, as it was seen */
	double window_variance; /* see windows_variance() */
	uint64_t look_ns;	/* call again at this time (CLOCK_MONOTONIC) at the latest */
	double cost_ratio;	/* what tracing costs now, as a share of the target's CPU time */
	double cost_per_s;	/* the same in CPUs */
	double cost_s;		/* all that tracing cost so far, in CPU seconds */
	double window_ratio;	/* share of the time that probes are in */
	char reason[GOVERNOR_REASON_BYTES]; /* one sentence, "" when there is nothing to say */
};

struct governor; /* opaque */

/* -EINVAL for a budget or gap out of range. */
int governor_new(const struct governor_cfg *cfg, uint64_t now_ns, struct governor **ret);
void governor_free(struct governor *g); /* NULL is fine */
/* The plan stays valid until the next call. */
const struct governor_plan *governor_look(struct governor *g, const struct governor_seen *seen);
/* The plan as it was made last. */
const struct governor_plan *governor_plan(const struct governor *g);
