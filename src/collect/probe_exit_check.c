/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The proof of a choice, without what the choice was made from: which stages a call can be at is
 * carried along every way through the function.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "collect/probe_exit_impl.h"

#define NEW (1u << STAGE_NEW)
#define SIZED (1u << STAGE_SIZED)
#define DONE (1u << STAGE_DONE)
#define FAILS (1u << STAGES) /* it returns 0, whatever else it passes */

static const struct probe_exit_point *point_at(const struct flow *f, const struct probe_exit *e,
					       uint32_t i)
{
	for (size_t k = 0; k < e->count; k++)
		if (f->start + e->point[k].offset == f->node[i].insn.vaddr)
			return &e->point[k];
	return NULL;
}

static bool counts_on(const struct probe_exit_point *p, const struct insn *insn, int way)
{
	if (!p->conditional)
		return true;
	return insn->kind == INSN_BRANCH && p->cc == (way ? insn->cc : insn->cc ^ 1);
}

/* Whether the registers of a point hold what it says they do on this way. */
static bool is_true(const struct flow *f, const struct flow_result *results, uint32_t i, int way,
		    const struct probe_exit_point *p, const struct exit_size *size)
{
	const struct flow_result here =
		p->conditional ? flow_result_way(f, results, i, way) : results[i];
	const bool is_result = here.places >> p->result_place & 1;
	const bool is_size = exit_is_size(&f->state[i], p->size_place, size);

	switch (p->point) {
	case MT_POINT_WHOLE: return is_size && is_result;
	case MT_POINT_SIZE: return is_size;
	case MT_POINT_RESULT: return is_result;
	case MT_POINT_CALL: return flow_depth(&f->state[i]) == 0 && !p->conditional;
	}
	return false;
}

/* Stages behind a point; 0 when a call must not come here at these. */
static uint32_t advance(enum mt_point point, uint32_t stages)
{
	const uint32_t fails = stages & FAILS;

	stages &= ~FAILS;
	switch (point) {
	case MT_POINT_WHOLE:
	case MT_POINT_CALL: return stages & ~NEW ? 0 : fails | (stages ? DONE : 0);
	case MT_POINT_SIZE: return stages & ~NEW ? 0 : fails | (stages ? SIZED : 0);
	case MT_POINT_RESULT: return stages & ~SIZED ? 0 : fails | (stages ? DONE : 0);
	}
	return 0;
}

/* One instruction: false when a rule is broken there. */
static bool carry(const struct flow *f, const struct flow_result *results,
		  const struct probe_exit *e, const struct exit_size *size, uint32_t i,
		  uint32_t *stages, bool *changed)
{
	const struct probe_exit_point *p = point_at(f, e, i);
	struct flow_state out;
	uint32_t to;

	if (p && p->cost != PROBE_COST_EMULATED && p->cost != PROBE_COST_NOP5)
		return false;
	if (f->node[i].exit == FLOW_RETURNS)
		return results[i].zero || !(stages[i] & (NEW | SIZED));
	for (int way = 0; way < FLOW_WAYS; way++) {
		uint32_t s = stages[i];
		struct flow_result r;

		if (!flow_way(f, i, way, &out, &to))
			continue;
		if (p && counts_on(p, &f->node[i].insn, way)) {
			s = advance(p->point, s);
			if (!s || !is_true(f, results, i, way, p, size))
				return false;
		}
		r = flow_result_way(f, results, i, way);
		if (r.zero)
			s = FAILS;
		if (to == FLOW_NONE && s & (NEW | SIZED))
			return false;
		if (to == FLOW_NONE || (stages[to] | s) == stages[to])
			continue;
		stages[to] |= s;
		*changed = true;
	}
	return true;
}

bool exit_check(const struct flow *f, const struct flow_result *results,
		const struct exit_size *size, const struct probe_exit *points)
{
	auto_free uint32_t *stages = calloc(f->count, sizeof(*stages));
	bool changed = true;

	if (!stages)
		return false;
	stages[0] = NEW;
	while (changed) {
		changed = false;
		for (uint32_t i = 0; i < f->count; i++)
			if (stages[i] && !carry(f, results, points, size, i, stages, &changed))
				return false;
	}
	return true;
}
