/* Between the parts of probe_exit: for probe_exit*.c only. */
#pragma once
#include "collect/probe_exit.h"
#include "collect/probe_result.h"

/* How far a call is seen, in this order. */
enum stage { STAGE_NEW, STAGE_SIZED, STAGE_DONE, STAGES };

/* What a probe at one instruction could know, and how often it would be hit. */
struct exit_site {
	uint32_t node;
	bool sized;			   /* the size is in a register */
	bool whole;			   /* the result is, too, on every way on */
	bool way_result[FLOW_WAYS];	   /* it is on this way */
	bool call;			   /* may be the place of entry and return */
	bool branch;			   /* both ways can be gone */
	bool open[FLOW_WAYS];		   /* ways that lead to a return of something */
	uint16_t before, after[FLOW_WAYS]; /* regions */
	uint32_t weight;
	uint8_t size_place, result_place, way_place[FLOW_WAYS];
	uint8_t size_arg, count_arg;
};

/* What is done at a site, from the stages of the regions around it. */
struct exit_use {
	enum mt_point point;
	bool used;
	bool conditional;
	int way;       /* of those where it counts, when conditional */
	uint32_t cost; /* traps in 1/1000 */
};

struct exit_plan {
	const struct flow *flow;
	const struct flow_result *results;
	struct exit_site *site; /* owned */
	size_t sites;
	uint16_t regions;
	uint16_t first, last; /* regions of the entry and of the returns */
	uint8_t *stage;	      /* owned; of each region, when solved */
	uint32_t cost;	      /* of the solution; what it must stay below before */
};

#define EXIT_IMPOSSIBLE UINT32_MAX
#define EXIT_CALL_COST 2200 /* an entry and a return, against 1000 of one trap */

/* The cheapest use of a site between these stages; false when there is none. */
bool exit_use_of(const struct exit_site *s, enum stage before, const enum stage after[FLOW_WAYS],
		 struct exit_use *ret);

/* Finds the cheapest stages for the regions. False when nothing beats p->cost; -ENOMEM too. */
bool exit_solve(struct exit_plan *p);

/* What the size is made of at the entry. */
struct exit_size {
	uint8_t size_reg;
	uint8_t count_reg; /* NO_GPR: there is none */
};
/* Whether a register certainly holds it. */
bool exit_is_size(const struct flow_state *s, unsigned reg, const struct exit_size *size);

/* Proves once more, without regions, that every way passes what it must. */
bool exit_check(const struct flow *f, const struct flow_result *results,
		const struct exit_size *size, const struct probe_exit *points);
