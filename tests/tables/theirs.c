/* Rules by libdw, in the words of memtrace/unwind.h; what those cannot say is "unsupported". */
#include "theirs.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define SP 7
#define BP 6
#define RA 16

/* register + offset [deref [+ plus]] as libdw spells operations. */
static bool is_simple(const Dwarf_Op *op, size_t n, int *reg, int64_t *off, bool *deref,
		      uint64_t *plus)
{
	size_t at = 1;

	if (n == 0)
		return false;
	if (op[0].atom == DW_OP_bregx) {
		*reg = (int)op[0].number;
		*off = (int64_t)op[0].number2;
	} else if (op[0].atom >= DW_OP_breg0 && op[0].atom <= DW_OP_breg31) {
		*reg = op[0].atom - DW_OP_breg0;
		*off = (int64_t)op[0].number;
	} else
		return false;
	*deref = false;
	*plus = 0;
	if (at < n && op[at].atom == DW_OP_deref) {
		*deref = true;
		at++;
	}
	if (at < n && op[at].atom == DW_OP_plus_uconst)
		*plus = op[at++].number;
	return at == n;
}

static bool fits(int64_t v, int bits)
{
	return v >= -(1ll << (bits - 1)) && v < 1ll << (bits - 1);
}

static struct mt_unwind_rule unsupported(void)
{
	return (struct mt_unwind_rule){ .cfa = MT_CFA_UNSUPPORTED };
}

/* What the canonical frame address is, by libdw. */
static struct mt_unwind_rule their_cfa(Dwarf_Frame *frame, bool signal)
{
	struct mt_unwind_rule rule = unsupported();
	bool deref;
	uint64_t plus;
	Dwarf_Op *op;
	int64_t off;
	size_t n;
	int reg;

	if (dwarf_frame_cfa(frame, &op, &n) < 0)
		return rule;
	if (n == 9 && op[0].atom == DW_OP_breg7 && op[0].number == 8 &&
	    op[1].atom == DW_OP_breg16 && op[5].atom == DW_OP_ge) {
		rule.cfa = MT_CFA_PLT;
		rule.off = op[4].atom - DW_OP_lit0;
		return rule;
	}
	if (!is_simple(op, n, &reg, &off, &deref, &plus) || (reg != SP && reg != BP))
		return rule;
	if (signal && deref && reg == SP && off == 160 && plus == 0) {
		rule.cfa = MT_CFA_SIGNAL;
		return rule;
	}
	if (!deref && fits(off + (int64_t)plus, 32)) {
		rule.cfa = reg == SP ? MT_CFA_SP : MT_CFA_BP;
		rule.off = (int32_t)(off + (int64_t)plus);
	} else if (deref && fits(off, 24) && plus < 256) {
		rule.cfa = reg == SP ? MT_CFA_SP_DEREF : MT_CFA_BP_DEREF;
		rule.off = (int32_t)(off * 256 + (int64_t)plus);
	}
	return rule;
}

static void their_bp(Dwarf_Frame *frame, struct mt_unwind_rule *rule)
{
	Dwarf_Op mem[3], *op;
	bool deref;
	uint64_t plus;
	int64_t off = 0;
	size_t n;
	int reg;

	rule->bp = MT_BP_LOST;
	if (dwarf_frame_register(frame, BP, mem, &op, &n) < 0)
		return;
	if (n == 0 && op == NULL) {
		rule->bp = MT_BP_SAME;
		return;
	}
	if (n == 0 || op[0].atom != DW_OP_call_frame_cfa)
		return;
	/* CFA + offset; or the CFA, unused, and an address of its own. */
	if (n == 1 || (n == 2 && op[1].atom == DW_OP_plus_uconst)) {
		off = n == 2 ? (int64_t)op[1].number : 0;
		rule->bp = MT_BP_CFA;
	} else if (is_simple(op + 1, n - 1, &reg, &off, &deref, &plus) && !deref && plus == 0 &&
		   (reg == SP || reg == BP))
		rule->bp = reg == SP ? MT_BP_SP : MT_BP_BP;
	if (!fits(off, 16))
		rule->bp = MT_BP_LOST;
	rule->bp_off = rule->bp == MT_BP_LOST ? 0 : (int16_t)off;
}

struct mt_unwind_rule theirs_rule(Dwarf_Frame *frame)
{
	struct mt_unwind_rule rule;
	Dwarf_Op mem[3], *op;
	bool signal = false;
	size_t n;
	int r;

	dwarf_frame_info(frame, NULL, NULL, &signal);
	r = dwarf_frame_register(frame, RA, mem, &op, &n);
	if (r == 0 && n == 0 && op == mem)
		return (struct mt_unwind_rule){ .cfa = MT_CFA_END };
	rule = their_cfa(frame, signal);
	if (rule.cfa == MT_CFA_SIGNAL || rule.cfa == MT_CFA_UNSUPPORTED)
		return rule;
	if (r != 0 || n != 2 || op[0].atom != DW_OP_call_frame_cfa ||
	    op[1].atom != DW_OP_plus_uconst || (int64_t)op[1].number != -8)
		return unsupported();
	their_bp(frame, &rule);
	return rule;
}

/* The letter R of an augmentation says how addresses are written. */
static uint8_t address_encoding(const Dwarf_CIE *cie)
{
	const uint8_t *data = cie->augmentation_data;
	const uint8_t *end = data ? data + cie->augmentation_data_size : NULL;

	for (const char *a = cie->augmentation; a && *a && data && data < end; a++) {
		switch (*a) {
		case 'R': return *data;
		case 'L': data++; break;
		case 'P': data += (*data & 7) == 3 ? 5 : 9; break;
		default: break;
		}
	}
	return DW_EH_PE_absptr;
}

static bool read_start(const struct theirs_section *s, uint8_t encoding, const uint8_t *at,
		       uint64_t *ret)
{
	int32_t small;

	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8: memcpy(ret, at, 8); break;
	case DW_EH_PE_udata4:
		memcpy(&small, at, 4);
		*ret = (uint32_t)small;
		break;
	case DW_EH_PE_sdata4:
		memcpy(&small, at, 4);
		*ret = (uint64_t)(int64_t)small;
		break;
	default: return false;
	}
	if ((encoding & 0xf0) == DW_EH_PE_pcrel)
		*ret += s->vaddr + (uint64_t)(at - (const uint8_t *)s->data->d_buf);
	return (encoding & 0xf0) == DW_EH_PE_pcrel || (encoding & 0xf0) == 0;
}

size_t theirs_each_function(const struct theirs_section *s, void (*fn)(void *ctx, uint64_t start),
			    void *ctx)
{
	const unsigned char *ident = (const unsigned char *)s->ident;
	Dwarf_Off at = 0, next = 0, cie_at = (Dwarf_Off)-1, ignored;
	uint8_t encoding = 0;
	Dwarf_CFI_Entry e, cie;
	size_t unread = 0;
	uint64_t start;
	int r;

	for (; (r = dwarf_next_cfi(ident, s->data, s->eh, at, &next, &e)) != 1; at = next) {
		if (next == (Dwarf_Off)-1 || next <= at)
			break;
		if (r < 0) {
			unread++;
			continue;
		}
		if (dwarf_cfi_cie_p(&e))
			continue;
		if (e.fde.CIE_pointer != cie_at) {
			cie_at = e.fde.CIE_pointer;
			if (dwarf_next_cfi(ident, s->data, s->eh, cie_at, &ignored, &cie) != 0)
				cie_at = (Dwarf_Off)-1;
			else
				encoding = address_encoding(&cie.cie);
		}
		if (cie_at != (Dwarf_Off)-1 && read_start(s, encoding, e.fde.start, &start))
			fn(ctx, start);
		else
			unread++;
	}
	return unread;
}
