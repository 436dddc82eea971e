/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Choice of the probed instruction. Three steps, each of which can only say "the entry": walk in a
 * straight line from the entry over instructions that are known not to matter; stop at the first
 * one that the kernel emulates; then decode the whole body and refuse when anything could arrive
 * between entry and site by another way.
 *
 * Every indirect jump in the body refuses, also one through memory: a tail call cannot be told
 * from a jump table for certain, and no allocator looked at so far contains one. Jumps by another
 * function into the middle of this one are the caller's to exclude: probe_refs_mark().
 *
 * Capstone gives lengths, operands and text; opcodes and branch targets come from probe_x86.c.
 */
#include "collect/probe_site.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/probe_decode.h"
#include "collect/probe_x86.h"

#define BODY_MAX (64u << 10) /* bytes; larger functions are not decoded */

/* Bytes of the function that are there to be read. */
static size_t readable(const struct probe_query *q)
{
	return q->size && q->size < q->len ? (size_t)q->size : q->len;
}

/* Decodes the instruction at an offset into d->insn. */
static bool decode_at(struct probe_decoder *d, const struct probe_query *q, size_t offset)
{
	return probe_decode(d, q->code + offset, readable(q) - offset, q->vaddr + offset);
}

/* A register that must reach the site as the caller left it. rbp: stacks are walked from there. */
static bool is_needed(const struct probe_query *q, enum gpr reg)
{
	size_t i;

	if (reg == RSP || reg == RBP || reg == NO_GPR)
		return true;
	for (i = 0; i < PROBE_ARGUMENTS; i++)
		if (q->args & 1u << i && probe_argument[i] == reg)
			return true;
	return false;
}

/* Instructions that write nothing but flags and their first operand. */
static bool writes_first_operand(const cs_insn *insn)
{
	switch (insn->id) {
	case X86_INS_IMUL: /* with one operand it writes rdx and rax */
		return insn->detail->x86.op_count >= 2;
	case X86_INS_MOV:
	case X86_INS_MOVABS:
	case X86_INS_MOVZX:
	case X86_INS_MOVSX:
	case X86_INS_MOVSXD:
	case X86_INS_LEA:
	case X86_INS_XOR:
	case X86_INS_AND:
	case X86_INS_OR:
	case X86_INS_ADD:
	case X86_INS_SUB:
	case X86_INS_INC:
	case X86_INS_DEC:
	case X86_INS_NEG:
	case X86_INS_NOT:
	case X86_INS_SHL:
	case X86_INS_SHR:
	case X86_INS_SAR: return true;
	default: return false;
	}
}

/* NULL when the walk may go on behind the instruction, otherwise why not. Counts pushes. */
static const char *x86_step(const struct probe_query *q, const cs_insn *insn, uint32_t *pushed)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	const cs_x86 *x = &insn->detail->x86;

	if (insn->size == sizeof(endbr64) && !memcmp(insn->bytes, endbr64, sizeof(endbr64)))
		return NULL;
	if (probe_x86_is_padding(insn->bytes, insn->size))
		return NULL;
	if (!probe_x86_is_plain(insn->bytes, insn->size))
		return "entry: unusual prefix before an emulated instruction";
	if (insn->id == X86_INS_TEST || insn->id == X86_INS_CMP)
		return NULL;
	if (insn->id == X86_INS_PUSH) {
		if (q->wants_return)
			return "entry: the stack moves before an emulated instruction";
		if (x->op_count != 1 || x->operands[0].type != X86_OP_REG ||
		    probe_gpr_of(x->operands[0].reg) == NO_GPR)
			return "entry: unusual push before an emulated instruction";
		*pushed += 8;
		return NULL;
	}
	if (!writes_first_operand(insn) || !x->op_count)
		return "entry: no emulated instruction in its first straight line";
	if (x->operands[0].type != X86_OP_REG)
		return "entry: memory is written before an emulated instruction";
	if (is_needed(q, probe_gpr_of(x->operands[0].reg)))
		return "entry: a needed register is written before an emulated instruction";
	return NULL;
}

/* Finds the site by the straight walk alone. True when there is one; *why is set otherwise. */
static bool x86_walk(struct probe_decoder *d, const struct probe_query *q, struct probe_site *site,
		     const char **why)
{
	bool found = false, better = q->nops == PROBE_NOPS_CALLED;
	uint32_t pushed = 0;
	enum probe_cost cost;
	size_t at = 0;

	*why = "entry: no emulated instruction within reach";
	while (at <= PROBE_SITE_REACH && decode_at(d, q, at)) {
		cost = probe_x86_cost(d->insn->bytes, d->insn->size, q->nops);
		if (cost == PROBE_COST_NOP5 || (cost == PROBE_COST_EMULATED && !found)) {
			site->offset = at;
			site->pushed_bytes = pushed;
			site->cost = cost;
			probe_copy_text(d->insn, site->site_text);
			found = true;
		}
		if (found && (cost == PROBE_COST_NOP5 || !better))
			break;
		*why = x86_step(q, d->insn, &pushed);
		if (*why)
			break;
		at += d->insn->size;
		*why = "entry: no emulated instruction within reach";
	}
	return found;
}

/*
 * NULL when nothing in the body leads to an offset in [0, last]; otherwise why it may. A call of
 * the function itself is a call like any other and is allowed.
 */
static const char *x86_check_body(struct probe_decoder *d, const struct probe_query *q,
				  uint64_t last)
{
	enum probe_branch kind;
	size_t at = 0;
	int64_t target;
	int32_t rel;

	if (!q->size)
		return "entry: the size of the function is not known";
	if (q->size > q->len || q->size > BODY_MAX)
		return "entry: the body is too large or not all there";
	cs_option(d->handle, CS_OPT_DETAIL, CS_OPT_OFF);
	for (; at < q->size; at += d->insn->size) {
		if (!decode_at(d, q, at))
			return "entry: the body cannot be decoded";
		kind = probe_x86_branch(d->insn->bytes, d->insn->size, &rel);
		if (kind == BRANCH_NONE)
			continue;
		if (kind == BRANCH_UNCLEAR)
			return "entry: an indirect jump in the body";
		target = (int64_t)at + d->insn->size + rel;
		if (kind == BRANCH_CALL && target > 0 && target < (int64_t)q->size)
			return "entry: a call into the middle of the body";
		if (kind == BRANCH_JUMP && target >= 0 && target <= (int64_t)last)
			return "entry: a jump back to the first instructions";
	}
	return NULL;
}

/* Branches and address computations of arm64 are simulated by the kernel. */
static enum probe_cost arm64_cost(const struct probe_query *q)
{
	uint32_t w;

	if (q->len < 4)
		return PROBE_COST_UNKNOWN;
	w = (uint32_t)probe_x86_rel32(q->code);
	if (w == 0xd503201f) /* nop */
		return q->nops == PROBE_NOPS_STEPPED ? PROBE_COST_STEPPED : PROBE_COST_EMULATED;
	if ((w & 0x7c000000) == 0x14000000 || /* b, bl */
	    (w & 0xff000010) == 0x54000000 || /* b.cond */
	    (w & 0x7c000000) == 0x34000000 || /* cbz, cbnz, tbz, tbnz */
	    (w & 0x1f000000) == 0x10000000 || /* adr, adrp */
	    (w & 0xbf000000) == 0x18000000 || /* ldr literal */
	    (w & 0xff9ffc1f) == 0xd61f0000)   /* br, blr, ret */
		return PROBE_COST_EMULATED;
	return PROBE_COST_STEPPED;
}

/* Fills ret with the entry. The decoder may be unusable; then there is no text and no cost. */
static void use_entry(struct probe_decoder *d, const struct probe_query *q, const char *why,
		      struct probe_site *ret)
{
	*ret = (struct probe_site){ .why = why };
	if (d->insn && decode_at(d, q, 0)) {
		probe_copy_text(d->insn, ret->entry_text);
		if (q->arch == PROBE_X86_64)
			ret->cost = probe_x86_cost(d->insn->bytes, d->insn->size, q->nops);
	}
	if (q->arch == PROBE_ARM64)
		ret->cost = arm64_cost(q);
	snprintf(ret->site_text, sizeof(ret->site_text), "%s", ret->entry_text);
}

void probe_site_use_entry(const struct probe_query *q, const char *why, struct probe_site *ret)
{
	auto_clean(probe_decoder_done) struct probe_decoder d = {};

	probe_decoder_init(&d, q->arch);
	use_entry(&d, q, why, ret);
}

void probe_site_choose(const struct probe_query *q, struct probe_site *ret)
{
	auto_clean(probe_decoder_done) struct probe_decoder d = {};
	struct probe_site site = {};
	const char *why;
	uint64_t last;

	if (!probe_decoder_init(&d, q->arch)) {
		use_entry(&d, q, "entry: no decoder for this architecture", ret);
		return;
	}
	if (q->arch != PROBE_X86_64) {
		use_entry(&d, q, "entry: always, on this architecture", ret);
		return;
	}
	if (!x86_walk(&d, q, &site, &why)) {
		use_entry(&d, q, why, ret);
		return;
	}
	if (!site.offset) {
		use_entry(&d, q, "entry: already as cheap as it gets", ret);
		return;
	}
	/* The kernel rewrites all five bytes of that nop: nobody may arrive inside it either. */
	last = site.offset + (site.cost == PROBE_COST_NOP5 ? 4 : 0);
	why = x86_check_body(&d, q, last);
	if (why) {
		use_entry(&d, q, why, ret);
		return;
	}
	site.why = "first instruction that the kernel emulates; arguments still in place";
	if (decode_at(&d, q, 0))
		probe_copy_text(d.insn, site.entry_text);
	*ret = site;
}

const char *probe_cost_name(enum probe_cost cost)
{
	switch (cost) {
	case PROBE_COST_NOP5: return "called";
	case PROBE_COST_EMULATED: return "emulated";
	case PROBE_COST_STEPPED: return "single-stepped";
	default: return "unknown";
	}
}
