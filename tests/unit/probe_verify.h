/*
 * A second, slower reading of the rules for probe sites, for tests: it asks Capstone what each
 * instruction reads, writes and is, where the program itself looks at opcodes and a short list of
 * instructions it knows. Shares no code with it.
 */
#pragma once
#include <capstone/capstone.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collect/probe_site.h"

/* 64-bit register that a register is a part of, by name; "" for those that no rule is about. */
static const char *verify_whole(csh h, uint16_t reg)
{
	static const char *const wholes[][6] = {
		{ "rdi", "rdi", "edi", "di", "dil" },
		{ "rsi", "rsi", "esi", "si", "sil" },
		{ "rdx", "rdx", "edx", "dx", "dl", "dh" },
		{ "rcx", "rcx", "ecx", "cx", "cl", "ch" },
		{ "r8", "r8", "r8d", "r8w", "r8b" },
		{ "r9", "r9", "r9d", "r9w", "r9b" },
		{ "rsp", "rsp", "esp", "sp", "spl" },
		{ "rbp", "rbp", "ebp", "bp", "bpl" },
	};
	const char *name = cs_reg_name(h, reg);
	size_t i, k;

	for (i = 0; name && i < sizeof(wholes) / sizeof(wholes[0]); i++)
		for (k = 1; k < 6 && wholes[i][k]; k++)
			if (!strcmp(name, wholes[i][k]))
				return wholes[i][0];
	return "";
}

static bool verify_is_needed(const struct probe_query *q, const char *whole)
{
	static const char *const args[] = { "rdi", "rsi", "rdx", "rcx", "r8", "r9" };
	size_t i;

	if (!strcmp(whole, "rsp") || !strcmp(whole, "rbp"))
		return true;
	for (i = 0; i < 6; i++)
		if (q->args >> i & 1 && !strcmp(whole, args[i]))
			return true;
	return false;
}

/* An instruction that the walk passed. Returns the bytes it pushed. */
static uint32_t verify_passed(csh h, const struct probe_query *q, const cs_insn *insn)
{
	static const cs_group_type stops[] = {
		CS_GRP_JUMP,	  CS_GRP_CALL,		 CS_GRP_RET, CS_GRP_INT, CS_GRP_IRET,
		CS_GRP_PRIVILEGE, CS_GRP_BRANCH_RELATIVE
	};
	const cs_x86 *x = &insn->detail->x86;
	bool push = insn->id == X86_INS_PUSH;
	uint8_t reads, writes, i;
	cs_regs read, write;

	for (i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		assert_false(cs_insn_group(h, insn, stops[i]));
	assert_int_equal(cs_regs_access(h, insn, read, &reads, write, &writes), 0);
	for (i = 0; i < writes; i++)
		if (verify_is_needed(q, verify_whole(h, write[i])))
			assert_true(push && !strcmp(verify_whole(h, write[i]), "rsp"));
	/* Capstone 4 says of test that it writes its first operand, and knows no access of nops. */
	for (i = 0; i < x->op_count && insn->id != X86_INS_NOP && insn->id != X86_INS_TEST; i++)
		if (x->operands[i].type == X86_OP_MEM)
			assert_false(x->operands[i].access & CS_AC_WRITE);
	for (i = 0; i < 4; i++)
		assert_true(x->prefix[i] != 0xf0); /* lock */
	if (!push)
		return 0;
	assert_false(q->wants_return);
	assert_int_equal(x->operands[0].size, 8);
	return 8;
}

/* Written from the kernel's list, not from ours. */
static bool verify_is_emulated(const uint8_t *b, size_t n, enum probe_nops nops)
{
	static const char *const long_nops[] = {
		"\x66\x90",
		"\x0f\x1f\x00",
		"\x0f\x1f\x40\x00",
		"\x0f\x1f\x44\x00\x00",
		"\x66\x0f\x1f\x44\x00\x00",
		"\x0f\x1f\x80\x00\x00\x00\x00",
		"\x0f\x1f\x84\x00\x00\x00\x00\x00",
	};
	size_t i;

	switch (n) {
	case 1:
		if (b[0] == 0x90 || (b[0] >= 0x50 && b[0] <= 0x57))
			return true;
		break;
	case 2:
		if (b[0] == 0xeb || (b[0] >= 0x70 && b[0] <= 0x7f) ||
		    (b[0] == 0x41 && b[1] >= 0x50 && b[1] <= 0x57))
			return true;
		break;
	case 5:
		if (b[0] == 0xe8 || b[0] == 0xe9)
			return true;
		break;
	case 6:
		if (b[0] == 0x0f && b[1] >= 0x80 && b[1] <= 0x8f)
			return true;
		break;
	}
	for (i = 0; i < 7; i++)
		if (nops != PROBE_NOPS_STEPPED && n == i + 2 && !memcmp(b, long_nops[i], n))
			return true;
	return false;
}

/* The whole body decodes, and nothing in it leads to [0, last] but a call of the function. */
static void verify_body(csh h, cs_insn *insn, const struct probe_query *q, uint64_t last)
{
	const uint8_t *code = q->code;
	size_t left = q->size;
	uint64_t addr = 0;
	int64_t target;

	assert_true(q->size && q->size <= q->len);
	while (left) {
		assert_true(cs_disasm_iter(h, &code, &left, &addr, insn));
		if (!cs_insn_group(h, insn, CS_GRP_JUMP) && !cs_insn_group(h, insn, CS_GRP_CALL) &&
		    !cs_insn_group(h, insn, CS_GRP_BRANCH_RELATIVE))
			continue;
		if (insn->detail->x86.operands[0].type != X86_OP_IMM) {
			assert_false(cs_insn_group(h, insn, CS_GRP_JUMP));
			continue;
		}
		target = insn->detail->x86.operands[0].imm;
		if (insn->id == X86_INS_CALL && target == 0)
			continue;
		assert_false(target >= 0 && target <= (int64_t)last);
	}
}

static void verify_site(const struct probe_query *q, const struct probe_site *s)
{
	const uint8_t *code = q->code;
	size_t left = q->len, at = 0;
	uint32_t pushed = 0;
	uint64_t addr = 0;
	cs_insn *insn;
	csh h;

	assert_non_null(s->why);
	if (!s->offset) {
		assert_int_equal(s->pushed_bytes, 0);
		return;
	}
	assert_true(s->offset <= 64);
	assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &h), CS_ERR_OK);
	cs_option(h, CS_OPT_DETAIL, CS_OPT_ON);
	insn = cs_malloc(h);
	while (at < s->offset) {
		assert_true(cs_disasm_iter(h, &code, &left, &addr, insn));
		pushed += verify_passed(h, q, insn);
		at += insn->size;
	}
	assert_int_equal(at, s->offset);
	assert_int_equal(pushed, s->pushed_bytes);
	assert_true(cs_disasm_iter(h, &code, &left, &addr, insn));
	assert_true(verify_is_emulated(insn->bytes, insn->size, q->nops));
	if (s->cost == PROBE_COST_NOP5)
		assert_true(q->nops == PROBE_NOPS_CALLED && insn->size == 5);
	else
		assert_int_equal(s->cost, PROBE_COST_EMULATED);
	verify_body(h, insn, q, s->offset + (s->cost == PROBE_COST_NOP5 ? 4 : 0));
	cs_free(insn, 1);
	cs_close(&h);
}
