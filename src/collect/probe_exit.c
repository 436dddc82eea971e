/* SPDX-License-Identifier: GPL-2.0-only
 *
 * From a function to its points: follow it, find the sites and what each could know, divide the
 * function into regions, choose, and prove the choice again.
 */
#include "collect/probe_exit.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/probe_exit_impl.h"

#define SITES_MAX 400
#define SWEEPS 64

/* One way out of a node. */
struct exit_way {
	bool gone;
	uint32_t to;
	struct flow_result result; /* behind it */
};

struct exit_work {
	const struct probe_exit_query *query;
	struct exit_size size;
	struct flow flow;
	struct flow_result *results; /* owned */
	struct exit_plan plan;
	uint32_t *port;	  /* owned: union-find; 3 of each node, then the entry's and the returns' */
	uint16_t *region; /* owned: of a port that stands for others */
	double *often;	  /* owned: per call, of each node */
	struct exit_way *way; /* owned: FLOW_WAYS of each node */
};

static void work_done(struct exit_work *w)
{
	flow_done(&w->flow);
	free(w->results);
	free(w->plan.site);
	free(w->plan.stage);
	free(w->port);
	free(w->region);
	free(w->often);
	free(w->way);
}

bool exit_is_size(const struct flow_state *s, unsigned reg, const struct exit_size *size)
{
	const int64_t a = size->size_reg, b = size->count_reg;

	if (reg == RSP)
		return false;
	if (b == NO_GPR)
		return s->kind[reg] == FLOW_ENTRY && s->n[reg] == a;
	return s->kind[reg] == FLOW_PRODUCT && s->n[reg] == (a < b ? (a | b << 4) : (b | a << 4));
}

static bool find_size(const struct flow_state *s, const struct exit_size *size, uint8_t *ret)
{
	for (unsigned reg = 0; reg < 16; reg++) {
		if (exit_is_size(s, reg, size)) {
			*ret = (uint8_t)reg;
			return true;
		}
	}
	return false;
}

static bool find_result(struct flow_result r, uint8_t *ret)
{
	for (unsigned reg = 0; reg < 16; reg++) {
		if (reg != RSP && r.places >> reg & 1) {
			*ret = (uint8_t)reg;
			return true;
		}
	}
	return false;
}

/* The argument that still holds what a register held at the entry; 0. */
static uint8_t find_argument(const struct flow_state *s, enum flow_kind kind, int64_t n)
{
	for (unsigned a = 0; a < PROBE_ARGUMENTS - 1; a++)
		if (s->kind[probe_argument[a]] == kind && s->n[probe_argument[a]] == n)
			return (uint8_t)(a + 1);
	return 0;
}

/* Whether the call could begin here as well: nothing on the stack, the arguments at hand. */
static bool find_call(const struct flow_state *s, const struct exit_size *size,
		      struct exit_site *ret)
{
	if (flow_depth(s) != 0)
		return false;
	for (unsigned a = 0; a < PROBE_ARGUMENTS - 1; a++) {
		if (exit_is_size(s, probe_argument[a], size)) {
			ret->size_arg = (uint8_t)(a + 1);
			ret->count_arg = 0;
			return true;
		}
	}
	if (size->count_reg == NO_GPR)
		return false;
	ret->size_arg = find_argument(s, FLOW_ENTRY, size->size_reg);
	ret->count_arg = find_argument(s, FLOW_ENTRY, size->count_reg);
	return ret->size_arg && ret->count_arg;
}

static bool is_cheap(const struct insn *insn)
{
	return insn->cost == PROBE_COST_EMULATED || insn->cost == PROBE_COST_NOP5;
}

/* False when a probe here would say nothing. */
static bool read_site(const struct exit_work *w, uint32_t i, struct exit_site *ret)
{
	const struct flow_state *s = &w->flow.state[i];
	const struct exit_way *ways = &w->way[FLOW_WAYS * i];
	struct exit_site site = { .node = i, .branch = ways[0].gone && ways[1].gone };
	bool result;

	if (flow_depth(s) < 0 || flow_depth(s) > 255 * 8)
		return false;
	site.sized = find_size(s, &w->size, &site.size_place);
	site.whole = find_result(w->results[i], &site.result_place);
	result = site.whole;
	for (int way = 0; way < FLOW_WAYS; way++) {
		site.open[way] = ways[way].gone && !ways[way].result.zero;
		site.way_result[way] =
			site.open[way] && find_result(ways[way].result, &site.way_place[way]);
		result |= site.way_result[way];
	}
	site.call = find_call(s, &w->size, &site);
	site.weight = (uint32_t)(w->often[i] < 1000 ? w->often[i] * 1000 : 1000000) + 1;
	*ret = site;
	return site.sized || site.call || result;
}

static bool read_ways(struct exit_work *w)
{
	const struct flow *f = &w->flow;
	struct flow_state out;

	w->way = calloc(f->count * FLOW_WAYS, sizeof(*w->way));
	if (!w->way)
		return false;
	for (uint32_t i = 0; i < f->count; i++) {
		for (int k = 0; f->state[i].reached && k < FLOW_WAYS; k++) {
			struct exit_way *way = &w->way[FLOW_WAYS * i + k];

			way->gone = flow_way(f, i, k, &out, &way->to);
			way->result = flow_result_way(f, w->results, i, k);
		}
	}
	return true;
}

static double way_chance(const struct exit_way *way)
{
	if (!way->gone)
		return 0;
	return way->result.never ? 1e-6 : way->result.zero ? 0.02 : 1;
}

/* How often a call comes by, when branches go either way and calls seldom fail. */
static bool guess_often(struct exit_work *w)
{
	const size_t count = w->flow.count;
	auto_free double *more = calloc(count, sizeof(*more));
	double chance[FLOW_WAYS], sum, now;

	w->often = calloc(count, sizeof(*w->often));
	if (!more || !w->often)
		return false;
	more[0] = 1;
	for (size_t n = 0; n < SWEEPS * count; n++) {
		const size_t i = n % count;
		const struct exit_way *ways = &w->way[FLOW_WAYS * i];

		now = more[i];
		more[i] = sum = 0;
		w->often[i] += now;
		for (int k = 0; k < FLOW_WAYS; k++) {
			chance[k] = way_chance(&ways[k]);
			sum += chance[k];
		}
		for (int k = 0; k < FLOW_WAYS; k++)
			if (chance[k] > 0 && ways[k].to != FLOW_NONE)
				more[ways[k].to] += now * chance[k] / sum;
	}
	return true;
}

static uint32_t port_of(struct exit_work *w, uint32_t port)
{
	while (w->port[port] != port) {
		w->port[port] = w->port[w->port[port]];
		port = w->port[port];
	}
	return port;
}

static void unite(struct exit_work *w, uint32_t a, uint32_t b)
{
	w->port[port_of(w, a)] = port_of(w, b);
}

#define PORTS 3 /* of a node: before it, behind it on either way */

/* Regions grow along all ways that return something; sites stay between them. */
static bool make_regions(struct exit_work *w, const bool *is_site)
{
	const struct flow *f = &w->flow;
	const uint32_t first = PORTS * (uint32_t)f->count, last = first + 1;

	w->port = calloc(last + 1, sizeof(*w->port));
	if (!w->port)
		return false;
	for (uint32_t i = 0; i <= last; i++)
		w->port[i] = i;
	unite(w, 0, first);
	for (uint32_t i = 0; i < f->count; i++) {
		if (!f->state[i].reached || w->results[i].zero)
			continue;
		if (f->node[i].exit == FLOW_RETURNS)
			unite(w, PORTS * i, last);
		for (int k = 0; k < FLOW_WAYS; k++) {
			const struct exit_way *way = &w->way[FLOW_WAYS * i + k];
			const uint32_t behind = PORTS * i + 1 + k;

			if (!way->gone || way->result.zero)
				continue;
			if (!is_site[i])
				unite(w, PORTS * i, behind);
			if (way->to == FLOW_NONE)
				unite(w, behind, last);
			else if (!w->results[way->to].zero)
				unite(w, behind, PORTS * way->to);
		}
	}
	return true;
}

static uint16_t region_of(struct exit_work *w, uint32_t port)
{
	port = port_of(w, port);
	if (!w->region[port])
		w->region[port] = ++w->plan.regions;
	return w->region[port] - 1;
}

static bool make_plan(struct exit_work *w)
{
	const struct flow *f = &w->flow;
	struct exit_plan *p = &w->plan;
	auto_free bool *is_site = calloc(f->count, sizeof(*is_site));

	*p = (struct exit_plan){ .site = calloc(f->count, sizeof(*p->site)) };
	if (!is_site || !p->site)
		return false;
	for (uint32_t i = 0; i < f->count; i++) {
		if (!f->state[i].reached || w->results[i].zero || !is_cheap(&f->node[i].insn) ||
		    !read_site(w, i, &p->site[p->sites]))
			continue;
		is_site[i] = true;
		p->sites++;
	}
	if (p->sites > SITES_MAX || !make_regions(w, is_site))
		return false;
	w->region = calloc(PORTS * f->count + 2, sizeof(*w->region));
	if (!w->region)
		return false;
	p->first = region_of(w, PORTS * (uint32_t)f->count);
	p->last = region_of(w, PORTS * (uint32_t)f->count + 1);
	for (size_t i = 0; i < p->sites; i++) {
		struct exit_site *s = &p->site[i];

		s->before = region_of(w, PORTS * s->node);
		for (int k = 0; k < FLOW_WAYS; k++)
			s->after[k] =
				s->open[k] ? region_of(w, PORTS * s->node + 1 + k) : s->before;
	}
	p->stage = calloc(p->regions, 1);
	p->cost = EXIT_CALL_COST;
	return p->stage != NULL;
}

/* Where the caller's frame pointer is, as mt_place counts. */
static uint8_t find_bp(const struct flow_state *s)
{
	const int64_t depth = flow_depth(s);

	for (unsigned p = 0; p < FLOW_PLACES; p++) {
		if (s->kind[p] != FLOW_ENTRY || s->n[p] != RBP)
			continue;
		if (p < NO_GPR)
			return (uint8_t)p;
		if (p >= FLOW_FIRST_SLOT && depth - 8 * (int64_t)(p - FLOW_FIRST_SLOT + 1) >= 0)
			return (uint8_t)(MT_PLACE_STACK + depth / 8 - (p - FLOW_FIRST_SLOT + 1));
	}
	return MT_PLACE_NONE;
}

static void take_point(const struct exit_work *w, const struct exit_site *s,
		       const struct exit_use *use, struct probe_exit_point *ret)
{
	const struct insn *insn = &w->flow.node[s->node].insn;
	const bool conditional = use->conditional;

	*ret = (struct probe_exit_point){
		.offset = (uint32_t)(insn->vaddr - w->flow.start),
		.pushed_bytes = (uint32_t)flow_depth(&w->flow.state[s->node]),
		.point = use->point,
		.cost = insn->cost,
		.conditional = conditional,
		.bp_place = find_bp(&w->flow.state[s->node]),
		.weight = s->weight,
	};
	if (conditional)
		ret->cc = use->way ? insn->cc : insn->cc ^ 1;
	if (use->point == MT_POINT_WHOLE || use->point == MT_POINT_SIZE)
		ret->size_place = s->size_place;
	if (use->point == MT_POINT_WHOLE || use->point == MT_POINT_RESULT)
		ret->result_place = conditional ? s->way_place[use->way] : s->result_place;
	if (use->point == MT_POINT_CALL) {
		ret->size_arg = s->size_arg;
		ret->count_arg = s->count_arg;
	}
}

/* NULL, or why the solution cannot be used. */
static const char *take_points(const struct exit_work *w, struct probe_exit *ret)
{
	const struct exit_plan *p = &w->plan;
	enum stage after[FLOW_WAYS];
	struct exit_use use;
	bool inside = false;

	for (size_t i = 0; i < p->sites; i++) {
		for (int k = 0; k < FLOW_WAYS; k++)
			after[k] = p->stage[p->site[i].after[k]];
		if (!exit_use_of(&p->site[i], p->stage[p->site[i].before], after, &use))
			return "the choice contradicts itself";
		if (!use.used)
			continue;
		if (ret->count == PROBE_EXIT_POINTS)
			return "too many points";
		take_point(w, &p->site[i], &use, &ret->point[ret->count++]);
		inside |= use.point != MT_POINT_CALL;
	}
	if (!inside)
		return "no point inside sees a call";
	return exit_check(&w->flow, w->results, &w->size, ret) ? NULL : "the proof failed";
}

/* NULL unless the function may get its result from one that is probed, too. */
static const char *find_inner_calls(const struct flow *f)
{
	struct flow_state out;
	uint32_t to;

	for (uint32_t i = 0; i < f->count; i++) {
		const struct insn *insn = &f->node[i].insn;

		if (!f->state[i].reached || !flow_way(f, i, 0, &out, &to))
			continue;
		if (insn->kind == INSN_CALL_INDIRECT)
			return "an indirect call, which may end in another allocator";
		if (insn->kind == INSN_CALL &&
		    f->code->callee(f->code->ctx, insn->target) == FLOW_CALLEE_ALLOCATES)
			return "it calls another probed function";
	}
	return NULL;
}

/* NULL, or what is in the way. */
static const char *choose(struct exit_work *w, const struct flow_code *code,
			  struct flow_budget *budget, struct probe_exit *ret)
{
	const struct probe_exit_query *q = w->query;
	const char *why;

	if (!flow_run(&w->flow, code, budget, q->bytes, q->len, q->vaddr, q->nops))
		return w->flow.why ? w->flow.why : "out of memory";
	why = find_inner_calls(&w->flow);
	if (why)
		return why;
	if (flow_results(&w->flow, &w->results) < 0 || !read_ways(w) || !guess_often(w) ||
	    !make_plan(w))
		return "out of memory, or too many places to look at";
	if (!exit_solve(&w->plan))
		return "no cheaper points are proven to see every call once";
	return take_points(w, ret);
}

void probe_exit_choose(const struct probe_exit_query *q, const struct flow_code *code,
		       struct flow_budget *budget, struct probe_exit *ret)
{
	auto_clean(work_done) struct exit_work w = { .query = q };
	const char *why;

	*ret = (struct probe_exit){ 0 };
	if (!q->size_arg || q->size_arg > PROBE_ARGUMENTS || q->count_arg > PROBE_ARGUMENTS) {
		ret->why = "its size is not an argument";
		return;
	}
	w.size.size_reg = probe_argument[q->size_arg - 1];
	w.size.count_reg = q->count_arg ? probe_argument[q->count_arg - 1] : NO_GPR;
	why = choose(&w, code, budget, ret);
	if (why)
		*ret = (struct probe_exit){ .why = why };
	else
		ret->why = "every way is proven to pass size and result once";
}
