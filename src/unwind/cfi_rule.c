/*
 * From the state of a call frame program to a rule, and the few expressions that compilers, glibc
 * and OpenSSL write: PLT, signal frame, *(register + offset) + offset.
 */
#include <elf.h>
#include <dwarf.h>
#include <string.h>

#include "unwind/cfi_impl.h"

#define SIGNAL_SP_AT 160 /* struct rt_sigframe of x86-64: the interrupted sp, from sp */

static const struct cfi_arch archs[] = {
	{ .machine = EM_X86_64, .sp = 7, .bp = 6, .ra = 16, .ra_at = -8 },
};

const struct cfi_arch *cfi_arch_find(uint16_t machine)
{
	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		if (archs[i].machine == machine)
			return &archs[i];
	return NULL;
}

/* register + offset, perhaps read from there, perhaps + plus. */
struct simple {
	int reg;
	int64_t offset;
	bool deref;
	uint64_t plus;
};

static bool parse_simple(const struct cfi_value *v, struct simple *ret)
{
	struct cursor c = { v->expression, v->expression + v->len, false };
	const uint64_t op = cursor_uint(&c, 1);

	if (op < DW_OP_breg0 || op > DW_OP_breg31)
		return false;
	*ret = (struct simple){ .reg = (int)(op - DW_OP_breg0), .offset = cursor_sleb(&c) };
	if (c.at < c.end && *c.at == DW_OP_deref) {
		c.at++;
		ret->deref = true;
	}
	if (c.at < c.end && *c.at == DW_OP_plus_uconst) {
		c.at++;
		ret->plus = cursor_uleb(&c);
	}
	return !c.bad && c.at == c.end;
}

/* sp + 8 + ((pc & 15) >= n) * 8: the PLT of GNU ld. Returns n, or -1. */
static int plt_limit(const struct cfi_value *v)
{
	static const uint8_t before[] = { DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and };
	static const uint8_t after[] = { DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus };
	const uint8_t *e = v->expression;

	if (v->len != sizeof(before) + 1 + sizeof(after) ||
	    memcmp(e, before, sizeof(before)) != 0 ||
	    memcmp(e + sizeof(before) + 1, after, sizeof(after)) != 0 ||
	    e[sizeof(before)] < DW_OP_lit0 || e[sizeof(before)] > DW_OP_lit15)
		return -1;
	return e[sizeof(before)] - DW_OP_lit0;
}

static struct mt_unwind_rule plain_rule(enum mt_unwind_cfa cfa)
{
	return (struct mt_unwind_rule){ .cfa = (uint8_t)cfa };
}

static struct mt_unwind_rule cfa_offset(const struct cfi_arch *arch, uint64_t reg, int64_t offset)
{
	struct mt_unwind_rule rule = { .off = (int32_t)offset };

	if ((reg != arch->sp && reg != arch->bp) || offset != rule.off)
		return plain_rule(MT_CFA_UNSUPPORTED);
	rule.cfa = reg == arch->sp ? MT_CFA_SP : MT_CFA_BP;
	return rule;
}

static struct mt_unwind_rule cfa_expression(const struct cfi_arch *arch, const struct cfi_value *v,
					    bool signal)
{
	struct mt_unwind_rule rule = {};
	const int limit = plt_limit(v);
	struct simple e;

	if (limit >= 0) {
		rule.cfa = MT_CFA_PLT;
		rule.off = limit;
		return rule;
	}
	if (!parse_simple(v, &e) || (e.reg != arch->sp && e.reg != arch->bp))
		return plain_rule(MT_CFA_UNSUPPORTED);
	if (signal && e.deref && e.reg == arch->sp && e.offset == SIGNAL_SP_AT && e.plus == 0)
		return plain_rule(MT_CFA_SIGNAL);
	if (e.plus > UINT8_MAX || e.offset > INT32_MAX >> 8 || e.offset < INT32_MIN >> 8)
		return plain_rule(MT_CFA_UNSUPPORTED);
	if (!e.deref)
		return cfa_offset(arch, (uint64_t)e.reg, e.offset + (int64_t)e.plus);
	rule.cfa = e.reg == arch->sp ? MT_CFA_SP_DEREF : MT_CFA_BP_DEREF;
	rule.off = (int32_t)e.offset * 256 + (int32_t)e.plus;
	return rule;
}

static void set_bp(const struct cfi_arch *arch, const struct cfi_value *bp,
		   struct mt_unwind_rule *rule)
{
	enum mt_unwind_bp how = MT_BP_LOST;
	int64_t offset = 0;
	struct simple e;

	if (bp->how == CFI_SAME) {
		how = MT_BP_SAME;
	} else if (bp->how == CFI_OFFSET) {
		how = MT_BP_CFA;
		offset = bp->offset;
	} else if (bp->how == CFI_EXPRESSION && parse_simple(bp, &e) && !e.deref && e.plus == 0 &&
		   (e.reg == arch->sp || e.reg == arch->bp)) {
		how = e.reg == arch->sp ? MT_BP_SP : MT_BP_BP;
		offset = e.offset;
	}
	if (offset < INT16_MIN || offset > INT16_MAX) {
		how = MT_BP_LOST;
		offset = 0;
	}
	rule->bp = (uint8_t)how;
	rule->bp_off = (int16_t)offset;
}

struct mt_unwind_rule cfi_rule_of(const struct cfi_arch *arch, const struct cfi_state *s,
				  bool signal)
{
	struct mt_unwind_rule rule = plain_rule(MT_CFA_UNSUPPORTED);

	if (s->ra.how == CFI_UNDEFINED)
		return plain_rule(MT_CFA_END);
	if (s->cfa.how == CFI_OFFSET)
		rule = cfa_offset(arch, s->cfa.reg, s->cfa.offset);
	else if (s->cfa.how == CFI_EXPRESSION)
		rule = cfa_expression(arch, &s->cfa, signal);
	if (rule.cfa == MT_CFA_SIGNAL || rule.cfa == MT_CFA_UNSUPPORTED)
		return rule;
	if (s->ra.how != CFI_OFFSET || s->ra.offset != arch->ra_at)
		return plain_rule(MT_CFA_UNSUPPORTED);
	set_bp(arch, &s->bp, &rule);
	return rule;
}
