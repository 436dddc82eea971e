/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The greatest fixed point: places are taken away until nothing contradicts. "It is 0" and "it is
 * in this place" follow from each other wherever the place is known to hold 0.
 */
#include "collect/probe_result.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define BIT(place) (1ull << (place))

static const struct flow_result anything = { ~0ull, true, true };

static void both_of(struct flow_result *a, const struct flow_result *b)
{
	if (b->never)
		return;
	if (a->never) {
		*a = *b;
		return;
	}
	a->places &= b->places;
	a->zero &= b->zero;
}

/* Adds what follows from the places that are known to hold 0. */
static void apply_zeros(struct flow_result *r, const struct flow_state *s)
{
	uint64_t zeros = 0;

	for (unsigned p = 0; p < FLOW_PLACES; p++)
		if (s->kind[p] == FLOW_CONST && s->n[p] == 0)
			zeros |= BIT(p);
	if (r->places & zeros)
		r->zero = true;
	if (r->zero)
		r->places |= zeros;
}

struct flow_result flow_result_way(const struct flow *f, const struct flow_result *results,
				   uint32_t i, int way)
{
	struct flow_result r = { 0 };
	struct flow_state out;
	uint32_t to;

	if (!flow_way(f, i, way, &out, &to))
		return anything;
	if (to != FLOW_NONE && results[to].never)
		return anything;
	if (to != FLOW_NONE)
		r = results[to];
	else if (f->node[i].exit == FLOW_TAIL_GIVES)
		r.places = BIT(RDI);
	apply_zeros(&r, &out);
	return r;
}

/* From behind an instruction that is no branch to before it. */
static struct flow_result back_over(const struct flow *f, uint32_t i, struct flow_result out)
{
	const struct insn *insn = &f->node[i].insn;
	const struct flow_state *s = &f->state[i];
	const int64_t depth = flow_depth(s);
	struct flow_result in = out;
	const unsigned slot = flow_memory(f, i);
	unsigned to = insn->dst, from = insn->src;
	const unsigned pushed = f->leaks || depth < 0 ? NO_GPR : flow_slot(-depth - 8);
	const unsigned popped = f->leaks || depth < 0 ? NO_GPR : flow_slot(-depth);

	in.places &= ~flow_kills(f, i);
	switch (insn->effect) {
	case EFFECT_MOVE: break;
	case EFFECT_CONST: in.zero |= insn->imm == 0 && out.places & BIT(to); return in;
	case EFFECT_LOAD: from = slot; break;
	case EFFECT_STORE: to = slot; break;
	case EFFECT_PUSH: to = pushed; break;
	case EFFECT_POP: from = popped; break;
	default:
		if (!flow_gives_back(f, i))
			return in;
		to = RAX;
		from = RDI;
	}
	if (to != NO_GPR && from != NO_GPR && out.places & BIT(to))
		in.places |= BIT(from);
	return in;
}

static struct flow_result before(const struct flow *f, const struct flow_result *results,
				 uint32_t i)
{
	struct flow_result r = anything, way;

	if (f->node[i].exit == FLOW_RETURNS) {
		r = (struct flow_result){ .places = BIT(RAX) };
	} else {
		for (int w = 0; w < FLOW_WAYS; w++) {
			way = flow_result_way(f, results, i, w);
			both_of(&r, &way);
		}
		if (r.never)
			return r;
		r = back_over(f, i, r);
	}
	apply_zeros(&r, &f->state[i]);
	return r;
}

int flow_results(const struct flow *f, struct flow_result **ret)
{
	auto_free struct flow_result *results = calloc(f->count, sizeof(*results));
	struct flow_result r;
	bool changed = true;

	if (!results)
		return -ENOMEM;
	for (size_t i = 0; i < f->count; i++)
		results[i] = anything;
	while (changed) {
		changed = false;
		for (uint32_t i = (uint32_t)f->count; i-- > 0;) {
			if (!f->state[i].reached)
				continue;
			r = before(f, results, i);
			both_of(&r, &results[i]); /* never back up */
			changed |= r.places != results[i].places || r.zero != results[i].zero ||
				   r.never != results[i].never;
			results[i] = r;
		}
	}
	*ret = steal(results);
	return 0;
}
