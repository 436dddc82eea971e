/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Instructions that move whole words are named one by one; for all others every general register
 * that they mention or write by themselves is said to be written, and every memory operand, too.
 * Capstone's lists of implicit registers have gaps: those that matter are repeated here.
 */
#include "collect/probe_insn.h"

#include <string.h>

#include "collect/probe_x86.h"

static bool is_reg(const cs_x86_op *op, unsigned size)
{
	return op->type == X86_OP_REG && op->size == size && probe_gpr_of(op->reg) != NO_GPR;
}

/* [base + displacement] and nothing else. */
static bool is_plain_mem(const cs_x86_op *op)
{
	return op->type == X86_OP_MEM && op->mem.segment == X86_REG_INVALID &&
	       op->mem.index == X86_REG_INVALID && probe_gpr_of(op->mem.base) != NO_GPR;
}

static void take_mem(const cs_x86_op *op, struct insn *ret)
{
	ret->base = probe_gpr_of(op->mem.base);
	ret->imm = op->mem.disp;
}

/* Registers that are written without being operands. */
static uint16_t hidden_writes(const cs_insn *insn)
{
	const uint16_t pair = 1 << RAX | 1 << RDX, strings = 1 << RSI | 1 << RDI | 1 << RCX;
	const cs_detail *detail = insn->detail;
	uint16_t kills = 0;
	enum gpr reg;

	for (int i = 0; i < detail->regs_write_count; i++) {
		reg = probe_gpr_of(detail->regs_write[i]);
		if (reg != NO_GPR)
			kills |= 1 << reg;
	}
	switch (insn->id) {
	case X86_INS_MUL:
	case X86_INS_IMUL:
	case X86_INS_DIV:
	case X86_INS_IDIV:
	case X86_INS_CDQ:
	case X86_INS_CQO:
	case X86_INS_CWD:
	case X86_INS_CMPXCHG:
	case X86_INS_CMPXCHG8B:
	case X86_INS_CMPXCHG16B:
	case X86_INS_RDTSC:
	case X86_INS_CBW:
	case X86_INS_CWDE:
	case X86_INS_CDQE: return kills | pair;
	case X86_INS_MULX: return kills;
	case X86_INS_CPUID: return kills | pair | 1 << RBX | 1 << RCX;
	case X86_INS_RDTSCP:
	case X86_INS_XGETBV: return kills | pair | 1 << RCX;
	case X86_INS_SYSCALL: return kills | 1 << RAX | 1 << RCX | 1 << R11;
	case X86_INS_MOVSB:
	case X86_INS_MOVSW:
	case X86_INS_MOVSD: /* also the SSE one */
	case X86_INS_MOVSQ:
	case X86_INS_STOSB:
	case X86_INS_STOSW:
	case X86_INS_STOSD:
	case X86_INS_STOSQ:
	case X86_INS_CMPSB:
	case X86_INS_CMPSW:
	case X86_INS_CMPSD:
	case X86_INS_CMPSQ:
	case X86_INS_SCASB:
	case X86_INS_SCASW:
	case X86_INS_SCASD:
	case X86_INS_SCASQ: return kills | strings;
	case X86_INS_LODSB:
	case X86_INS_LODSW:
	case X86_INS_LODSD:
	case X86_INS_LODSQ: return kills | strings | 1 << RAX;
	default: return kills;
	}
}

/* Instructions that do not write memory that they mention. */
static bool only_reads(const cs_insn *insn)
{
	switch (insn->id) {
	case X86_INS_CMP:
	case X86_INS_TEST:
	case X86_INS_NOP:
	case X86_INS_LEA:
	case X86_INS_PUSH:
	case X86_INS_CALL:
	case X86_INS_PREFETCHT0:
	case X86_INS_PREFETCHNTA: return true;
	default: return false;
	}
}

static bool only_reads_registers(const cs_insn *insn)
{
	return insn->id == X86_INS_CMP || insn->id == X86_INS_TEST || insn->id == X86_INS_NOP ||
	       insn->id == X86_INS_PUSH || insn->id == X86_INS_CALL;
}

/* What any instruction may do. */
static void read_any(const cs_insn *insn, struct insn *ret)
{
	const cs_x86 *x = &insn->detail->x86;
	enum gpr reg;

	ret->kills = hidden_writes(insn);
	for (int i = 0; i < x->op_count; i++) {
		const cs_x86_op *op = &x->operands[i];

		reg = op->type == X86_OP_REG ? probe_gpr_of(op->reg) : NO_GPR;
		if (reg != NO_GPR && !only_reads_registers(insn))
			ret->kills |= 1 << reg;
		/* A source is second; what is loaded from there is of no interest. */
		if (op->type != X86_OP_MEM || only_reads(insn) ||
		    op->mem.segment != X86_REG_INVALID)
			continue;
		if (i > 0 && x->operands[0].type == X86_OP_REG && insn->id != X86_INS_XCHG &&
		    insn->id != X86_INS_XADD)
			continue;
		take_mem(op, ret);
		if (probe_gpr_of(op->mem.index) == RBP)
			ret->base = RBP; /* the one that may point to the stack */
		ret->width = op->size ? op->size : 64;
		ret->stores = is_plain_mem(op) ? STORE_BASE : STORE_FROM;
	}
}

static bool keeps_flags(const cs_insn *insn)
{
	switch (insn->id) {
	case X86_INS_MOV:
	case X86_INS_MOVABS:
	case X86_INS_MOVZX:
	case X86_INS_MOVSX:
	case X86_INS_MOVSXD:
	case X86_INS_LEA:
	case X86_INS_PUSH:
	case X86_INS_POP:
	case X86_INS_NOP:
	case X86_INS_MOVUPS:
	case X86_INS_MOVAPS: return true;
	default: return false;
	}
}

static void read_mov(const cs_x86 *x, struct insn *ret)
{
	const cs_x86_op *to = &x->operands[0], *from = &x->operands[1];

	if (to->type == X86_OP_REG && to->size >= 4 && from->type == X86_OP_IMM &&
	    probe_gpr_of(to->reg) != NO_GPR) {
		ret->effect = EFFECT_CONST;
		ret->dst = probe_gpr_of(to->reg);
		ret->imm = to->size == 4 ? (int64_t)(uint32_t)from->imm : from->imm;
	} else if (is_reg(to, 8) && is_reg(from, 8)) {
		ret->effect = EFFECT_MOVE;
	} else if (is_reg(to, 4) && is_reg(from, 4)) {
		ret->effect = EFFECT_MOVE_LOW;
	} else if (is_reg(to, 8) && is_plain_mem(from)) {
		ret->effect = EFFECT_LOAD;
		ret->dst = probe_gpr_of(to->reg);
		take_mem(from, ret);
	} else if (is_plain_mem(to) && to->size == 8 && is_reg(from, 8)) {
		ret->effect = EFFECT_STORE;
		ret->src = probe_gpr_of(from->reg);
		ret->kills = 0;
	}
	if (ret->effect == EFFECT_MOVE || ret->effect == EFFECT_MOVE_LOW) {
		ret->dst = probe_gpr_of(to->reg);
		ret->src = probe_gpr_of(from->reg);
		ret->kills = 0;
	}
	if (ret->effect == EFFECT_CONST || ret->effect == EFFECT_LOAD)
		ret->kills = 0;
}

/* add, sub, and with a number; xor and sub of a register with itself. */
static void read_arithmetic(const cs_insn *insn, const cs_x86 *x, struct insn *ret)
{
	const cs_x86_op *to = &x->operands[0], *from = &x->operands[1];
	const bool half = is_reg(to, 4);

	if (!half && !is_reg(to, 8))
		return;
	if (from->type == X86_OP_REG) {
		if (to->reg != from->reg || (insn->id != X86_INS_XOR && insn->id != X86_INS_SUB))
			return;
		ret->effect = EFFECT_CONST;
		ret->imm = 0;
	} else if (from->type == X86_OP_IMM && insn->id == X86_INS_AND) {
		ret->effect = EFFECT_AND;
		ret->imm = half ? (int64_t)(uint32_t)from->imm : from->imm;
		ret->low = half;
	} else if (from->type == X86_OP_IMM && !half && insn->id != X86_INS_XOR) {
		if (from->imm == INT64_MIN)
			return;
		ret->effect = EFFECT_ADD;
		ret->imm = insn->id == X86_INS_SUB ? -from->imm : from->imm;
	} else {
		return;
	}
	ret->dst = probe_gpr_of(to->reg);
	ret->kills = 0;
}

static void read_test(const cs_insn *insn, const cs_x86 *x, struct insn *ret)
{
	const cs_x86_op *a = &x->operands[0], *b = &x->operands[1];
	const bool same = insn->id == X86_INS_TEST && b->type == X86_OP_REG && a->reg == b->reg;
	const bool zero = insn->id == X86_INS_CMP && b->type == X86_OP_IMM && b->imm == 0;

	if (!same && !zero)
		return;
	if (is_reg(a, 8))
		ret->flags = FLAGS_TEST;
	else if (is_reg(a, 4))
		ret->flags = FLAGS_TEST_LOW;
	else
		return;
	ret->src = probe_gpr_of(a->reg);
}

static void read_mul(const cs_insn *insn, const cs_x86 *x, struct insn *ret)
{
	if (x->op_count == 1 && is_reg(&x->operands[0], 8) && insn->id == X86_INS_MUL) {
		ret->effect = EFFECT_MUL;
		ret->src = probe_gpr_of(x->operands[0].reg);
	} else if (x->op_count == 2 && is_reg(&x->operands[0], 8) && is_reg(&x->operands[1], 8)) {
		ret->effect = EFFECT_IMUL;
		ret->dst = probe_gpr_of(x->operands[0].reg);
		ret->src = probe_gpr_of(x->operands[1].reg);
		ret->kills = 0;
	}
}

static void read_stack(const cs_insn *insn, const cs_x86 *x, struct insn *ret)
{
	const cs_x86_op *op = &x->operands[0];

	if (insn->id == X86_INS_LEAVE) {
		ret->effect = EFFECT_LEAVE;
		ret->kills = 0;
	} else if (x->op_count == 1 && op->size == 8 && insn->id == X86_INS_PUSH) {
		ret->effect = EFFECT_PUSH;
		ret->src = op->type == X86_OP_REG ? probe_gpr_of(op->reg) : NO_GPR;
		ret->kills = 0;
	} else if (is_reg(op, 8) && insn->id == X86_INS_POP && probe_gpr_of(op->reg) != RSP) {
		ret->effect = EFFECT_POP;
		ret->dst = probe_gpr_of(op->reg);
		ret->kills = 0;
	} else {
		ret->kills |= 1 << RSP;
	}
}

static void read_effect(const cs_insn *insn, struct insn *ret)
{
	const cs_x86 *x = &insn->detail->x86;

	read_any(insn, ret);
	if (keeps_flags(insn) || ret->padding)
		ret->flags = FLAGS_KEPT;
	if (ret->padding)
		ret->kills = 0;
	if (!probe_x86_is_plain(insn->bytes, insn->size))
		return;
	switch (insn->id) {
	case X86_INS_MOV:
	case X86_INS_MOVABS: read_mov(x, ret); break;
	case X86_INS_ADD:
	case X86_INS_SUB:
	case X86_INS_XOR:
	case X86_INS_AND: read_arithmetic(insn, x, ret); break;
	case X86_INS_LEA:
		if (is_reg(&x->operands[0], 8) && is_plain_mem(&x->operands[1])) {
			ret->effect = EFFECT_LEA;
			ret->dst = probe_gpr_of(x->operands[0].reg);
			take_mem(&x->operands[1], ret);
			ret->kills = 0;
		}
		break;
	case X86_INS_CMP:
	case X86_INS_TEST: read_test(insn, x, ret); break;
	case X86_INS_MUL:
	case X86_INS_IMUL: read_mul(insn, x, ret); break;
	case X86_INS_PUSH:
	case X86_INS_POP:
	case X86_INS_PUSHFQ:
	case X86_INS_POPFQ:
	case X86_INS_ENTER:
	case X86_INS_LEAVE: read_stack(insn, x, ret); break;
	default: break;
	}
}

/* By the bytes, as probe_x86.c reads branches. */
static void read_kind(const uint8_t *b, size_t n, struct insn *ret)
{
	size_t i = 0;
	int32_t rel = 0;

	while (i + 1 < n && (b[i] == 0xf2 || b[i] == 0xf3 || b[i] == 0x3e))
		i++;
	switch (probe_x86_branch(b, n, &rel)) {
	case BRANCH_UNCLEAR: ret->kind = INSN_UNCLEAR; return;
	case BRANCH_CALL: ret->kind = INSN_CALL; break;
	case BRANCH_JUMP:
		if (b[i] == 0xeb || b[i] == 0xe9)
			ret->kind = INSN_JUMP;
		else if ((b[i] & 0xf0) == 0x70 || (b[i] == 0x0f && (b[i + 1] & 0xf0) == 0x80))
			ret->kind = INSN_BRANCH;
		else
			ret->kind = INSN_UNCLEAR; /* loop, jrcxz, xbegin */
		ret->cc = (b[i] == 0x0f ? b[i + 1] : b[i]) & 15;
		break;
	case BRANCH_NONE:
		while (i + 1 < n && (b[i] & 0xf0) == 0x40)
			i++;
		if (b[i] == 0xc3 || (b[i] == 0xc2 && n == i + 3))
			ret->kind = b[i] == 0xc3 ? INSN_RET : INSN_UNCLEAR;
		else if (b[i] == 0xcb || b[i] == 0xca || b[i] == 0xcf)
			ret->kind = INSN_UNCLEAR;
		else if (b[i] == 0xff && i + 1 < n && (b[i + 1] >> 3 & 7) >= 2 &&
			 (b[i + 1] >> 3 & 7) <= 3)
			ret->kind = INSN_CALL_INDIRECT;
		else if (b[i] == 0xf4 || b[i] == 0xcc ||
			 (b[i] == 0x0f && i + 1 < n && b[i + 1] == 0x0b))
			ret->kind = INSN_STOP;
		return;
	}
	ret->target = ret->vaddr + n + (uint64_t)(int64_t)rel;
}

void probe_insn_read(struct probe_decoder *d, enum probe_nops nops, struct insn *ret)
{
	const cs_insn *insn = d->insn;

	*ret = (struct insn){
		.vaddr = insn->address,
		.len = (uint8_t)insn->size,
		.dst = NO_GPR,
		.src = NO_GPR,
		.base = NO_GPR,
		.cost = probe_x86_cost(insn->bytes, insn->size, nops),
		.padding = probe_x86_is_padding(insn->bytes, insn->size),
	};
	read_kind(insn->bytes, insn->size, ret);
	if (ret->kind == INSN_PLAIN)
		read_effect(insn, ret);
	else if (ret->kind == INSN_BRANCH || ret->kind == INSN_JUMP)
		ret->flags = FLAGS_KEPT;
}
