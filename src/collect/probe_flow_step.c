/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What one instruction does to a state, which ways out of it are open, and whether a call comes
 * back. A call that is the last instruction of its function does not: what follows is another
 * function, which nobody falls into. Others are followed when something hints at it, with those
 * arguments that are known: glibc's __libc_message() returns or not as its first argument says.
 */
#include <string.h>

#include "collect/probe_flow_impl.h"
#include "memtrace/condition.h"

#define CALLER_SAVED                                                                       \
	(1u << RAX | 1u << RCX | 1u << RDX | 1u << RSI | 1u << RDI | 1u << R8 | 1u << R9 | \
	 1u << R10 | 1u << R11)

static void put(struct flow_state *s, unsigned place, enum flow_kind kind, int64_t n)
{
	s->kind[place] = kind;
	s->n[place] = kind == FLOW_UNKNOWN ? 0 : n;
}

static void copy_from(struct flow_state *s, unsigned to, const struct flow_state *in, unsigned from)
{
	put(s, to, in->kind[from], in->n[from]);
}

static void forget(struct flow_state *s, uint64_t places)
{
	for (unsigned p = 0; p < FLOW_PLACES; p++)
		if (places & 1ull << p)
			put(s, p, FLOW_UNKNOWN, 0);
}

#define ALL_SLOTS (~0ull << FLOW_FIRST_SLOT)

/* From the stack pointer at the entry. */
static int64_t slot_offset(unsigned place)
{
	return -8 * ((int64_t)place - FLOW_FIRST_SLOT + 1);
}

/* Words of the stack that [offset, offset + width) touches. */
static uint64_t touched(int64_t offset, unsigned width)
{
	uint64_t places = 0;

	for (unsigned p = FLOW_FIRST_SLOT; p < FLOW_PLACES; p++) {
		const int64_t at = slot_offset(p);

		if (at < offset + width && offset < at + 8)
			places |= 1ull << p;
	}
	return places;
}

unsigned flow_memory(const struct flow *f, uint32_t i)
{
	const struct flow_state *s = &f->state[i];
	const struct insn *insn = &f->node[i].insn;

	if (f->leaks || insn->base == NO_GPR || s->kind[insn->base] != FLOW_STACK)
		return NO_GPR;
	return flow_slot(s->n[insn->base] + insn->imm);
}

/* Words that a store through its base may hit. */
static uint64_t store_kills(const struct flow *f, uint32_t i, unsigned width, bool exact)
{
	const struct flow_state *s = &f->state[i];
	const struct insn *insn = &f->node[i].insn;

	if (f->leaks)
		return ALL_SLOTS;
	if (insn->base == NO_GPR)
		return 0;
	if (s->kind[insn->base] == FLOW_STACK)
		return exact ? touched(s->n[insn->base] + insn->imm, width) : ALL_SLOTS;
	return insn->base == RSP || (insn->base == RBP && f->framed) ? ALL_SLOTS : 0;
}

/* Words that belong to nobody while a function is called: all below the stack pointer. */
static uint64_t call_kills(const struct flow *f, uint32_t i)
{
	const int64_t depth = flow_depth(&f->state[i]);
	uint64_t kills = CALLER_SAVED;

	if (f->leaks || depth < 0)
		return kills | ALL_SLOTS;
	for (unsigned p = FLOW_FIRST_SLOT; p < FLOW_PLACES; p++)
		if (-slot_offset(p) > depth)
			kills |= 1ull << p;
	return kills;
}

static uint64_t effect_kills(const struct flow *f, uint32_t i)
{
	const struct insn *insn = &f->node[i].insn;
	const int64_t depth = flow_depth(&f->state[i]);

	switch (insn->effect) {
	case EFFECT_STORE: return store_kills(f, i, 8, true);
	case EFFECT_PUSH:
		if (f->leaks || depth < 0)
			return ALL_SLOTS | 1u << RSP;
		return touched(-depth - 8, 8) | 1u << RSP;
	case EFFECT_POP: return 1u << RSP | (insn->dst != NO_GPR ? 1u << insn->dst : 0);
	case EFFECT_LEAVE: return 1u << RSP | 1u << RBP;
	case EFFECT_MUL: return 1u << RAX | 1u << RDX;
	case EFFECT_KILLS: return 0;
	default: return 1u << insn->dst;
	}
}

uint64_t flow_kills(const struct flow *f, uint32_t i)
{
	const struct insn *insn = &f->node[i].insn;
	uint64_t kills = insn->kills;

	if (insn->kind == INSN_CALL || insn->kind == INSN_CALL_INDIRECT)
		return call_kills(f, i);
	kills |= effect_kills(f, i);
	if (insn->stores && insn->effect != EFFECT_STORE)
		kills |= store_kills(f, i, insn->width, insn->stores == STORE_BASE);
	return kills;
}

bool flow_gives_back(const struct flow *f, uint32_t i)
{
	const struct insn *insn = &f->node[i].insn;

	return insn->kind == INSN_CALL &&
	       f->code->callee(f->code->ctx, insn->target) == FLOW_CALLEE_GIVES_BACK;
}

static void multiply(struct flow_state *s, unsigned to, const struct flow_state *in, unsigned a,
		     unsigned b)
{
	const int64_t x = in->n[a], y = in->n[b];

	if (in->kind[a] == FLOW_ENTRY && in->kind[b] == FLOW_ENTRY && x != y)
		put(s, to, FLOW_PRODUCT, x < y ? (x | y << 4) : (y | x << 4));
}

static void step_stack(const struct flow *f, uint32_t i, struct flow_state *s)
{
	const struct flow_state *in = &f->state[i];
	const struct insn *insn = &f->node[i].insn;
	const unsigned from = insn->effect == EFFECT_LEAVE ? RBP : RSP;
	const int64_t sp = in->n[from], top = sp + (insn->effect == EFFECT_PUSH ? -8 : 8);
	const unsigned dst = insn->effect == EFFECT_LEAVE ? RBP : insn->dst;
	unsigned slot;

	if (in->kind[from] != FLOW_STACK)
		return;
	put(s, RSP, FLOW_STACK, top);
	slot = f->leaks ? NO_GPR : flow_slot(insn->effect == EFFECT_PUSH ? top : sp);
	if (slot == NO_GPR)
		return;
	if (insn->effect == EFFECT_PUSH && insn->src != NO_GPR)
		copy_from(s, slot, in, insn->src);
	if (insn->effect != EFFECT_PUSH && dst != NO_GPR)
		copy_from(s, dst, in, slot);
}

static void step_number(const struct insn *insn, const struct flow_state *in, struct flow_state *s)
{
	const enum flow_kind kind = in->kind[insn->dst];
	const int64_t n = in->n[insn->dst];

	if (insn->effect == EFFECT_AND) {
		if (kind == FLOW_CONST)
			put(s, insn->dst, FLOW_CONST,
			    insn->low ? (int64_t)(uint32_t)(n & insn->imm) : n & insn->imm);
	} else if (kind == FLOW_CONST || kind == FLOW_STACK) {
		put(s, insn->dst, kind, (int64_t)((uint64_t)n + (uint64_t)insn->imm));
	}
}

/* *s is a copy of the state before; it becomes the one behind. */
static void step(const struct flow *f, uint32_t i, struct flow_state *s)
{
	const struct flow_state *in = &f->state[i];
	const struct insn *insn = &f->node[i].insn;
	const unsigned slot = flow_memory(f, i);

	forget(s, flow_kills(f, i));
	if (flow_gives_back(f, i))
		copy_from(s, RAX, in, RDI);
	if (insn->kind != INSN_PLAIN)
		return;
	switch (insn->effect) {
	case EFFECT_MOVE: copy_from(s, insn->dst, in, insn->src); break;
	case EFFECT_MOVE_LOW:
		if (in->kind[insn->src] == FLOW_CONST)
			put(s, insn->dst, FLOW_CONST, (int64_t)(uint32_t)in->n[insn->src]);
		break;
	case EFFECT_CONST: put(s, insn->dst, FLOW_CONST, insn->imm); break;
	case EFFECT_ADD:
	case EFFECT_AND: step_number(insn, in, s); break;
	case EFFECT_LEA:
		if (in->kind[insn->base] == FLOW_STACK)
			put(s, insn->dst, FLOW_STACK, in->n[insn->base] + insn->imm);
		break;
	case EFFECT_LOAD:
		if (slot != NO_GPR)
			copy_from(s, insn->dst, in, slot);
		break;
	case EFFECT_STORE:
		if (slot != NO_GPR)
			copy_from(s, slot, in, insn->src);
		break;
	case EFFECT_PUSH:
	case EFFECT_POP:
	case EFFECT_LEAVE: step_stack(f, i, s); break;
	case EFFECT_MUL: multiply(s, RAX, in, RAX, insn->src); break;
	case EFFECT_IMUL: multiply(s, insn->dst, in, insn->dst, insn->src); break;
	default: break;
	}
}

static void step_flags(const struct flow *f, uint32_t i, struct flow_state *s)
{
	const struct insn *insn = &f->node[i].insn;

	if (insn->flags == FLAGS_TEST || insn->flags == FLAGS_TEST_LOW) {
		s->tested = insn->src;
		s->tested_low = insn->flags == FLAGS_TEST_LOW;
	} else if (insn->flags != FLAGS_KEPT ||
		   (s->tested != NO_GPR && flow_kills(f, i) & 1ull << s->tested)) {
		s->tested = NO_GPR;
	}
}

/* Whether a branch can go this way, and what it says when it does. */
static bool branch_way(const struct insn *insn, int way, struct flow_state *s)
{
	const unsigned reg = s->tested;
	uint64_t n, flags;

	if (reg == NO_GPR || insn->cc >> 1 == 5)
		return true;
	if (s->kind[reg] == FLOW_CONST) {
		n = s->tested_low ? (uint64_t)(int64_t)(int32_t)s->n[reg] : (uint64_t)s->n[reg];
		flags = (n ? 0 : 1u << 6) | n >> 63 << 7;
		return (int)mt_condition_holds(flags, insn->cc) == way;
	}
	if (!s->tested_low && insn->cc >> 1 == 2 && (insn->cc & 1) != way)
		put(s, reg, FLOW_CONST, 0);
	return true;
}

bool flow_way(const struct flow *f, uint32_t i, int way, struct flow_state *ret, uint32_t *ret_to)
{
	const struct flow_node *node = &f->node[i];
	const uint32_t next = i + 1 < f->count ? i + 1 : FLOW_NONE;

	switch ((enum insn_kind)node->insn.kind) {
	case INSN_RET:
	case INSN_STOP:
	case INSN_UNCLEAR: return false;
	case INSN_JUMP:
		if (!way)
			return false;
		break;
	case INSN_BRANCH: break;
	case INSN_CALL:
	case INSN_CALL_INDIRECT:
		if (way || !flow_call_returns(f, i))
			return false;
		break;
	case INSN_PLAIN:
		if (way)
			return false;
		break;
	}
	*ret = f->state[i];
	step(f, i, ret);
	step_flags(f, i, ret);
	*ret_to = way ? node->target : next;
	return node->insn.kind != INSN_BRANCH || branch_way(&node->insn, way, ret);
}

static bool function_returns(const struct flow *caller, uint64_t vaddr, const struct flow_state *s);

/* Whether anything leads out of a function that was followed. */
static bool comes_back(const struct flow *f)
{
	struct flow_state out;
	uint32_t to;

	for (uint32_t i = 0; i < f->count; i++) {
		const struct flow_node *node = &f->node[i];

		if (!f->state[i].reached)
			continue;
		if (node->insn.kind == INSN_RET || node->insn.kind == INSN_UNCLEAR)
			return true;
		for (int way = 0; way < FLOW_WAYS; way++) {
			if (!flow_way(f, i, way, &out, &to) || to != FLOW_NONE)
				continue;
			if (!way || function_returns(f, node->insn.target, &out))
				return true;
		}
	}
	return false;
}

static void known_arguments(const struct flow_state *s, struct flow_memo *ret)
{
	for (unsigned a = 0; a < PROBE_ARGUMENTS; a++) {
		if (s->kind[probe_argument[a]] != FLOW_CONST)
			continue;
		ret->known |= 1u << a;
		ret->arg[a] = s->n[probe_argument[a]];
	}
}

static bool follow_callee(const struct flow *caller, const struct flow_memo *m)
{
	struct flow f = { .code = caller->code,
			  .budget = caller->budget,
			  .depth = caller->depth + 1 };
	struct flow_state entry = { 0 };
	const uint8_t *bytes;
	size_t len = f.code->bytes(f.code->ctx, m->vaddr, &bytes);
	bool returns = true;

	for (unsigned a = 0; a < PROBE_ARGUMENTS; a++)
		if (m->known & 1u << a)
			put(&entry, probe_argument[a], FLOW_CONST, m->arg[a]);
	if (len && flow_follow(&f, bytes, len, m->vaddr, PROBE_NOPS_STEPPED, &entry))
		returns = comes_back(&f);
	flow_done(&f);
	return returns;
}

static bool function_returns(const struct flow *caller, uint64_t vaddr, const struct flow_state *s)
{
	struct flow_budget *b = caller->budget;
	struct flow_memo m = { .vaddr = vaddr };

	switch (caller->code->callee(caller->code->ctx, vaddr)) {
	case FLOW_CALLEE_ENDS: return false;
	case FLOW_CALLEE_PLAIN: break;
	default: return true;
	}
	if (caller->depth >= FLOW_CALL_DEPTH)
		return true;
	known_arguments(s, &m);
	for (uint32_t i = 0; i < b->memos; i++)
		if (b->memo[i].vaddr == vaddr && b->memo[i].known == m.known &&
		    memcmp(b->memo[i].arg, m.arg, sizeof(m.arg)) == 0 &&
		    (!b->memo[i].returns || b->memo[i].depth <= caller->depth))
			return b->memo[i].returns;
	m.depth = caller->depth;
	m.returns = follow_callee(caller, &m);
	if (b->memos < FLOW_MEMOS)
		b->memo[b->memos++] = m;
	return m.returns;
}

bool flow_call_returns(const struct flow *f, uint32_t i)
{
	const struct insn *insn = &f->node[i].insn;

	if (i + 1 == f->count)
		return false;
	if (insn->kind != INSN_CALL || (!f->node[i + 1].insn.padding && !f->node[i + 1].is_target))
		return true;
	return function_returns(f, insn->target, &f->state[i]);
}
