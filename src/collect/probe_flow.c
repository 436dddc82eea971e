/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The graph and its fixed point. States only ever lose knowledge, and a place loses it once, so
 * that the number of rounds is bounded by the places.
 */
#include "collect/probe_flow.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/search.h"
#include "collect/probe_flow_impl.h"
#include "collect/probe_x86.h"

void flow_done(struct flow *f)
{
	free(f->node);
	free(f->state);
	f->node = NULL;
	f->state = NULL;
	f->count = 0;
}

unsigned flow_slot(int64_t offset)
{
	if (offset >= 0 || offset < -8 * FLOW_SLOTS || offset % 8)
		return NO_GPR;
	return (unsigned)(FLOW_FIRST_SLOT - 1 - offset / 8);
}

int64_t flow_depth(const struct flow_state *s)
{
	return s->kind[RSP] == FLOW_STACK && s->n[RSP] <= 0 ? -s->n[RSP] : -1;
}

uint32_t flow_at(const struct flow *f, uint64_t vaddr)
{
	size_t at = search_first(f->count, i, f->node[i].insn.vaddr < vaddr);

	return at < f->count && f->node[at].insn.vaddr == vaddr ? (uint32_t)at : FLOW_NONE;
}

/* Everything is decoded, also what is never reached: jumps from there are jumps, too. */
static bool decode_all(struct flow *f, const uint8_t *bytes, enum probe_nops nops)
{
	auto_clean(probe_decoder_done) struct probe_decoder d = {};
	const size_t len = (size_t)(f->end - f->start);
	size_t at = 0;

	if (!probe_decoder_init(&d, PROBE_X86_64))
		return false;
	f->node = calloc(len, sizeof(*f->node));
	if (!f->node)
		return false;
	for (; at < len; at += d.insn->size) {
		if (!f->budget->insns) {
			f->why = "too much code";
			return false;
		}
		f->budget->insns--;
		if (!probe_decode(&d, bytes + at, len - at, f->start + at)) {
			f->why = "its body cannot be decoded";
			return false;
		}
		f->node[f->count].target = FLOW_NONE;
		probe_insn_read(&d, nops, &f->node[f->count++].insn);
	}
	return true;
}

static bool link_all(struct flow *f)
{
	for (size_t i = 0; i < f->count; i++) {
		struct flow_node *node = &f->node[i];
		const struct insn *insn = &node->insn;

		f->framed |= (insn->effect == EFFECT_MOVE || insn->effect == EFFECT_LEA) &&
			     insn->dst == RBP && (insn->src == RSP || insn->base == RSP);
		if (insn->kind == INSN_RET)
			node->exit = FLOW_RETURNS;
		if (insn->kind == INSN_STOP)
			node->exit = FLOW_ENDS;
		if (insn->kind != INSN_JUMP && insn->kind != INSN_BRANCH)
			continue;
		if (insn->target < f->start || insn->target >= f->end) {
			node->exit = FLOW_TAIL;
			if (f->code->callee(f->code->ctx, insn->target) == FLOW_CALLEE_GIVES_BACK)
				node->exit = FLOW_TAIL_GIVES;
			continue;
		}
		node->target = flow_at(f, insn->target);
		if (node->target == FLOW_NONE) {
			f->why = "a jump into the middle of an instruction";
			return false;
		}
		f->node[node->target].is_target = true;
	}
	return true;
}

/* True when something was new in it. */
static bool join(struct flow_state *to, const struct flow_state *from)
{
	bool changed = false;

	if (!to->reached) {
		*to = *from;
		to->reached = to->dirty = true;
		return true;
	}
	for (unsigned p = 0; p < FLOW_PLACES; p++) {
		if (to->kind[p] == FLOW_UNKNOWN ||
		    (to->kind[p] == from->kind[p] && to->n[p] == from->n[p]))
			continue;
		to->kind[p] = FLOW_UNKNOWN;
		to->n[p] = 0;
		changed = true;
	}
	if (to->tested != NO_GPR &&
	    (to->tested != from->tested || to->tested_low != from->tested_low)) {
		to->tested = NO_GPR;
		changed = true;
	}
	to->dirty |= changed;
	return changed;
}

/* The stack's address in any register but the two that compilers keep it in. */
static bool leaks(const struct flow_state *s)
{
	for (unsigned p = 0; p < FLOW_PLACES; p++)
		if (s->kind[p] == FLOW_STACK && p != RSP && p != RBP)
			return true;
	return false;
}

static bool solve(struct flow *f)
{
	struct flow_state out;
	bool changed = true;
	uint32_t to;

	while (changed) {
		changed = false;
		for (uint32_t i = 0; i < f->count; i++) {
			if (!f->state[i].dirty)
				continue;
			f->state[i].dirty = false;
			for (int way = 0; way < FLOW_WAYS; way++) {
				if (!flow_way(f, i, way, &out, &to) || to == FLOW_NONE)
					continue;
				if (!f->leaks && leaks(&out)) {
					f->leaks = true;
					return false;
				}
				changed |= join(&f->state[to], &out);
			}
		}
	}
	return true;
}

static void enter(struct flow_state *s, const struct flow_state *entry)
{
	if (entry) {
		*s = *entry;
	} else {
		for (unsigned r = 0; r < 16; r++) {
			s->kind[r] = FLOW_ENTRY;
			s->n[r] = r;
		}
	}
	s->kind[RSP] = FLOW_STACK;
	s->n[RSP] = 0;
	s->tested = NO_GPR;
	s->reached = s->dirty = true;
}

bool flow_follow(struct flow *f, const uint8_t *bytes, size_t len, uint64_t vaddr,
		 enum probe_nops nops, const struct flow_state *entry)
{
	f->start = vaddr;
	f->end = vaddr + len;
	if (!len || len > FLOW_BODY_MAX) {
		f->why = "its body is too large, or its size is not known";
		return false;
	}
	if (!decode_all(f, bytes, nops) || !link_all(f))
		return false;
	f->state = calloc(f->count, sizeof(*f->state));
	if (!f->state)
		return false;
	enter(&f->state[0], entry);
	if (solve(f))
		return true;
	/* Again, and no word of the stack is believed this time. */
	memset(f->state, 0, f->count * sizeof(*f->state));
	enter(&f->state[0], entry);
	return solve(f);
}

/* Nothing but padding lies between what is reached: no landing pads, no tables. */
static bool all_is_seen(struct flow *f)
{
	for (size_t i = 0; i < f->count; i++) {
		if (f->state[i].reached || f->node[i].insn.padding ||
		    f->node[i].insn.kind == INSN_STOP)
			continue;
		f->why = "code that is reached in another way";
		return false;
	}
	return true;
}

bool flow_run(struct flow *f, const struct flow_code *code, struct flow_budget *budget,
	      const uint8_t *bytes, size_t len, uint64_t vaddr, enum probe_nops nops)
{
	*f = (struct flow){ .code = code, .budget = budget };
	if (!flow_follow(f, bytes, len, vaddr, nops, NULL) || !all_is_seen(f))
		return false;
	for (uint32_t i = 0; i < f->count && !f->why; i++) {
		struct flow_state out;
		uint32_t to;

		if (!f->state[i].reached)
			continue;
		if (f->node[i].insn.kind == INSN_UNCLEAR)
			f->why = "an indirect jump in the body";
		else if (f->node[i].exit == FLOW_RETURNS && flow_depth(&f->state[i]) != 0)
			f->why = "the stack is not followed to a return";
		else if (i + 1 == f->count && flow_way(f, i, 0, &out, &to))
			f->why = "it runs into what follows it";
	}
	return !f->why;
}
