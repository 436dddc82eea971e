/*
 * The instructions of call frame programs (DWARF 5, 6.4.2, and the GNU ones), run for the CFA, the
 * frame pointer and the return address.
 */
#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

#include "unwind/cfi_impl.h"

#define REMEMBERED_MAX 16 /* compilers use one or two */
#define GNU_ARGS_SIZE 0x2e
#define GNU_NEGATIVE_OFFSET_EXTENDED 0x2f
#define MIPS_ADVANCE_LOC8 0x1d
#define LEB_BYTES_MAX 10 /* of 64 bits */

uint64_t cursor_uleb(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < LEB_BYTES_MAX && c->at < c->end; i++) {
		const uint8_t byte = *c->at++;

		if (i == LEB_BYTES_MAX - 1 && byte > 1)
			break;
		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80))
			return v;
	}
	return cursor_fail(c);
}

int64_t cursor_sleb(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < LEB_BYTES_MAX && c->at < c->end; i++) {
		const uint8_t byte = *c->at++;

		if (i == LEB_BYTES_MAX - 1 && byte != 0 && byte != 0x7f)
			break;
		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte & 0x80)
			continue;
		if ((byte & 0x40) && i < LEB_BYTES_MAX - 1)
			v |= UINT64_MAX << (7 * (i + 1));
		return (int64_t)v;
	}
	return (int64_t)cursor_fail(c);
}

enum outcome { GOES_ON, AT_END, WRONG, FAILED };

struct run {
	struct cfi_builder *out; /* NULL: the initial part, which has no addresses */
	const struct cfi_arch *arch;
	const struct cfi_cie *cie;
	struct cursor in;
	struct cfi_state now;
	struct cfi_state *remembered; /* borrowed, REMEMBERED_MAX */
	unsigned depth;
	uint64_t loc, end;
	int error; /* why it FAILED */
};

static enum outcome add_row(struct run *r)
{
	const struct mt_unwind_rule rule = cfi_rule_of(r->arch, &r->now, r->cie->signal);

	r->error = cfi_add_row(r->out, r->loc, rule);
	return r->error < 0 ? FAILED : GOES_ON;
}

static enum outcome advance_to(struct run *r, uint64_t loc)
{
	enum outcome o;

	if (!r->out || loc < r->loc)
		return WRONG;
	o = add_row(r);
	if (o != GOES_ON)
		return o;
	r->loc = loc;
	return loc >= r->end ? AT_END : GOES_ON;
}

/* A step beyond the end of the function ends it; its length cannot overflow the address. */
static enum outcome advance(struct run *r, uint64_t delta)
{
	uint64_t bytes;

	if (r->in.bad)
		return WRONG;
	if (__builtin_mul_overflow(delta, r->cie->code_factor, &bytes) || bytes > r->end - r->loc)
		bytes = r->end - r->loc;
	return advance_to(r, r->loc + bytes);
}

static enum outcome set_loc(struct run *r)
{
	uint64_t loc;

	if (!cfi_read_pointer(&r->in, r->cie->encoding, r->cie->section, &loc))
		return WRONG;
	return advance_to(r, loc);
}

/* What is known about a register; NULL when it is not one of ours. */
static struct cfi_value *value_of(struct run *r, struct cfi_state *s, uint64_t reg)
{
	if (reg == r->arch->bp)
		return &s->bp;
	if (reg == r->arch->ra)
		return &s->ra;
	return NULL;
}

static void set_value(struct run *r, uint64_t reg, struct cfi_value v)
{
	struct cfi_value *at = value_of(r, &r->now, reg);

	if (at && !r->in.bad)
		*at = v;
}

static void set_how(struct run *r, uint64_t reg, enum cfi_how how)
{
	set_value(r, reg, (struct cfi_value){ .how = how });
}

static void set_offset(struct run *r, uint64_t reg, uint64_t factored)
{
	int64_t offset;

	if (__builtin_mul_overflow((int64_t)factored, r->cie->data_factor, &offset))
		set_how(r, reg, CFI_OTHER);
	else
		set_value(r, reg, (struct cfi_value){ .how = CFI_OFFSET, .offset = offset });
}

static void restore(struct run *r, uint64_t reg)
{
	struct cfi_state initial = r->cie->initial;
	const struct cfi_value *v = value_of(r, &initial, reg);

	if (v)
		set_value(r, reg, *v);
}

static struct cfi_value expression(struct run *r)
{
	const uint64_t len = cursor_uleb(&r->in);
	const uint8_t *bytes = cursor_skip(&r->in, len);

	return (struct cfi_value){ .how = CFI_EXPRESSION,
				   .len = (uint32_t)len,
				   .expression = bytes };
}

/* The CFA must be register + offset for one of the two to change alone. */
static enum outcome set_cfa(struct run *r, bool reg_too, uint64_t reg, bool offset_too,
			    int64_t offset)
{
	struct cfi_value *cfa = &r->now.cfa;

	if (r->in.bad || (cfa->how != CFI_OFFSET && !(reg_too && offset_too)))
		return WRONG;
	*cfa = (struct cfi_value){ .how = CFI_OFFSET,
				   .reg = reg_too ? reg : cfa->reg,
				   .offset = offset_too ? offset : cfa->offset };
	return GOES_ON;
}

static int64_t factored(struct run *r)
{
	int64_t v;

	/* Out of range is out of range of every rule too. */
	if (__builtin_mul_overflow(cursor_sleb(&r->in), r->cie->data_factor, &v))
		return INT64_MAX;
	return v;
}

static enum outcome cfa_step(struct run *r, uint8_t op)
{
	uint64_t reg = 0;

	if (op == DW_CFA_def_cfa || op == DW_CFA_def_cfa_sf || op == DW_CFA_def_cfa_register)
		reg = cursor_uleb(&r->in);
	switch (op) {
	case DW_CFA_def_cfa: return set_cfa(r, true, reg, true, (int64_t)cursor_uleb(&r->in));
	case DW_CFA_def_cfa_sf: return set_cfa(r, true, reg, true, factored(r));
	case DW_CFA_def_cfa_register: return set_cfa(r, true, reg, false, 0);
	case DW_CFA_def_cfa_offset: return set_cfa(r, false, 0, true, (int64_t)cursor_uleb(&r->in));
	case DW_CFA_def_cfa_offset_sf: return set_cfa(r, false, 0, true, factored(r));
	case DW_CFA_def_cfa_expression: r->now.cfa = expression(r); return GOES_ON;
	default: return WRONG;
	}
}

static enum outcome register_step(struct run *r, uint8_t op)
{
	const uint64_t reg = cursor_uleb(&r->in);

	switch (op) {
	case DW_CFA_offset_extended: set_offset(r, reg, cursor_uleb(&r->in)); break;
	case DW_CFA_offset_extended_sf: set_offset(r, reg, (uint64_t)cursor_sleb(&r->in)); break;
	case GNU_NEGATIVE_OFFSET_EXTENDED: set_offset(r, reg, -cursor_uleb(&r->in)); break;
	case DW_CFA_restore_extended: restore(r, reg); break;
	case DW_CFA_undefined: set_how(r, reg, CFI_UNDEFINED); break;
	case DW_CFA_same_value: set_how(r, reg, CFI_SAME); break;
	case DW_CFA_register:
		set_how(r, reg, cursor_uleb(&r->in) == reg ? CFI_SAME : CFI_OTHER);
		break;
	case DW_CFA_expression: set_value(r, reg, expression(r)); break;
	case DW_CFA_val_expression:
		expression(r);
		set_how(r, reg, CFI_OTHER);
		break;
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
		cursor_uleb(&r->in);
		set_how(r, reg, CFI_OTHER);
		break;
	default: return WRONG;
	}
	return GOES_ON;
}

static enum outcome remember(struct run *r)
{
	if (r->depth == REMEMBERED_MAX)
		return WRONG;
	r->remembered[r->depth++] = r->now;
	return GOES_ON;
}

static enum outcome recall(struct run *r)
{
	if (r->depth == 0)
		return WRONG;
	r->now = r->remembered[--r->depth];
	return GOES_ON;
}

static enum outcome step(struct run *r)
{
	const uint8_t op = (uint8_t)cursor_uint(&r->in, 1);

	switch (op & 0xc0) {
	case DW_CFA_advance_loc: return advance(r, op & 0x3f);
	case DW_CFA_offset: set_offset(r, op & 0x3f, cursor_uleb(&r->in)); return GOES_ON;
	case DW_CFA_restore: restore(r, op & 0x3f); return GOES_ON;
	}
	switch (op) {
	case DW_CFA_nop: return GOES_ON;
	case DW_CFA_advance_loc1: return advance(r, cursor_uint(&r->in, 1));
	case DW_CFA_advance_loc2: return advance(r, cursor_uint(&r->in, 2));
	case DW_CFA_advance_loc4: return advance(r, cursor_uint(&r->in, 4));
	case MIPS_ADVANCE_LOC8: return advance(r, cursor_uint(&r->in, 8));
	case DW_CFA_set_loc: return set_loc(r);
	case DW_CFA_remember_state: return remember(r);
	case DW_CFA_restore_state: return recall(r);
	case GNU_ARGS_SIZE: cursor_uleb(&r->in); return GOES_ON;
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_register:
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
	case DW_CFA_def_cfa_expression: return cfa_step(r, op);
	default: return register_step(r, op);
	}
}

static enum outcome run_all(struct run *r)
{
	enum outcome o = GOES_ON;

	while (o == GOES_ON && r->in.at < r->in.end) {
		o = step(r);
		if (r->in.bad)
			o = WRONG;
	}
	return o;
}

void cfi_run_initial(const struct cfi_arch *arch, struct cfi_cie *cie)
{
	struct cfi_state remembered[REMEMBERED_MAX];
	struct run r = {
		.remembered = remembered,
		.arch = arch,
		.cie = cie,
		.in = { cie->program, cie->program + cie->program_len, false },
		.now = { .cfa.how = CFI_UNDEFINED, .ra.how = CFI_OTHER },
	};

	cie->initial = r.now;
	cie->usable = run_all(&r) == GOES_ON;
	cie->initial = r.now;
}

int cfi_run(struct cfi_builder *b, const struct cfi_fde *fde)
{
	const struct cfi_cie *cie = &b->cie[fde->cie];
	struct cfi_state remembered[REMEMBERED_MAX];
	struct run r = {
		.remembered = remembered,
		.out = b,
		.arch = b->arch,
		.cie = cie,
		.in = { fde->program, fde->program + fde->len, false },
		.now = cie->initial,
		.loc = fde->start,
		.end = fde->end,
	};
	enum outcome o = run_all(&r);

	if (o == GOES_ON)
		o = add_row(&r);
	if (o == FAILED)
		return r.error;
	if (o != WRONG)
		return 0;
	b->refused[CFI_REFUSED_programs]++;
	return cfi_add_row(b, r.loc, (struct mt_unwind_rule){ .cfa = MT_CFA_UNSUPPORTED });
}
