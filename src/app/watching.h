/*
 * What is looked at only for a while, where allocators are not probed. The page-fault tier of a
 * process goes in when something of it grows, and stays while it does: its cost is bounded. System
 * calls are followed at first, and on while that costs next to nothing; where it costs more they
 * are followed only while something grows, in windows where targets or machine would feel it. Where
 * allocators are probed under a budget, windows keep what is told of the targets within half of it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run;
struct tracee;

/* Totals of the machine: what followed system calls and page faults were so far. */
struct watching_counts {
	uint64_t syscalls, faults;
};

struct watching {
	uint64_t in_ns;		 /* when the hooks went in */
	uint64_t not_before_ns;	 /* they stay out until then, ... */
	uint64_t pause_until_ns; /* ... and while nothing but growth asks for them until then */
	uint64_t events;   /* of targets that the hooks told of so far; whoever reads them counts */
	uint64_t first_ns; /* a look is due then, without waiting for a tick; 0: none */
	uint64_t looked_ns, looked_events;
	struct watching_counts looked;
	double target_ratio, growing_ratio; /* what they cost, of the targets' CPU time, ... */
	double machine_ratio;		    /* ... and of the machine's */
	double fault_ratio;		    /* what page faults cost, of the targets' CPU time */
	double event_ratio; /* what those that are told cost, of the targets' CPU time, ... */
	double own_ratio;   /* ... and what calls of the targets cost for being looked at */
	uint32_t cpus;
};

void watching_begin(struct watching *w, uint64_t now_ns);

/* Once per tick, after the tracees' own; and when it is due, before the first one. */
void watching_look(struct watching *w, const struct run *run, struct tracee *const *tracee,
		   size_t count, const struct watching_counts *counts, uint64_t now_ns);
/* The first look after they went in should not wait for a tick: what is too dear is out soon. */
bool watching_is_due(const struct watching *w, uint64_t now_ns);

/*
 * How long something that is in for a while stays out after it, so that in the mean it costs what
 * it may: in the window it cost `over` times that. At most 110 s.
 */
uint64_t watching_pause_ns(double over, uint64_t window_ns);

/* The hooks are out because of what they cost, and stay so for now, whoever needs them. */
bool watching_holds_back(const struct watching *w, uint64_t now_ns);

/* What the hooks take of the targets' CPU time for calls that they tell of. */
double watching_told_ratio(const struct run *run);
/* CPU seconds that a target pays for so many calls of its own, told of or not. */
double watching_calls_cost_s(uint64_t calls);

/* What is not seen just now, one sentence; NULL: everything is. Static. */
const char *watching_reason(const struct run *run);
