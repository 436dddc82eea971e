/* SPDX-License-Identifier: GPL-2.0-only
 *
 * x86-64 instructions by their bytes. Opcodes and displacements are read here and not by the
 * disassembler, because the kernel reads them too and both must agree. Callers know the length of
 * an instruction and never pass one of zero bytes.
 */
#include "collect/probe_x86.h"

#include <string.h>

/* Nops as compilers and the kernel write them, by length. */
static bool is_long_nop(const uint8_t *b, size_t n)
{
	static const uint8_t nops[][8] = {
		[2] = { 0x66, 0x90 },
		[3] = { 0x0f, 0x1f, 0x00 },
		[4] = { 0x0f, 0x1f, 0x40, 0x00 },
		[5] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 },
		[6] = { 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
		[7] = { 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },
		[8] = { 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
	};

	return n >= 2 && n <= 8 && !memcmp(b, nops[n], n);
}

/* Any nop with prefixes that compilers pad with; f3 90 and 41 90 are other instructions. */
bool probe_x86_is_padding(const uint8_t *b, size_t n)
{
	size_t i = 0;

	while (i < n && (b[i] == 0x66 || b[i] == 0x2e))
		i++;
	return (i + 1 == n && b[i] == 0x90) || (i + 2 < n && b[i] == 0x0f && b[i + 1] == 0x1f);
}

/* How the kernel treats a probe on the instruction b[0..n) of x86-64. */
enum probe_cost probe_x86_cost(const uint8_t *b, size_t n, enum probe_nops nops)
{
	if (is_long_nop(b, n)) {
		if (nops == PROBE_NOPS_CALLED && n == 5)
			return PROBE_COST_NOP5;
		return nops == PROBE_NOPS_STEPPED ? PROBE_COST_STEPPED : PROBE_COST_EMULATED;
	}
	if (n == 1 && (b[0] == 0x90 || (b[0] & 0xf8) == 0x50))
		return PROBE_COST_EMULATED;
	if (n == 2 && b[0] == 0x41 && (b[1] & 0xf8) == 0x50)
		return PROBE_COST_EMULATED;
	if (n == 2 && (b[0] == 0xeb || (b[0] & 0xf0) == 0x70))
		return PROBE_COST_EMULATED;
	if (n == 5 && (b[0] == 0xe8 || b[0] == 0xe9))
		return PROBE_COST_EMULATED;
	if (n == 6 && b[0] == 0x0f && (b[1] & 0xf0) == 0x80)
		return PROBE_COST_EMULATED;
	return PROBE_COST_STEPPED;
}

static bool is_prefix(uint8_t b)
{
	return b == 0xf0 || b == 0xf2 || b == 0xf3 || b == 0x2e || b == 0x36 || b == 0x3e ||
	       b == 0x26 || b == 0x64 || b == 0x65 || b == 0x66 || b == 0x67;
}

static bool is_rex(uint8_t b)
{
	return (b & 0xf0) == 0x40;
}

/*
 * At most one of fs: and gs:, then at most one REX, then the opcode. Everything else is legal in
 * places, and decoders differ about it.
 */
bool probe_x86_is_plain(const uint8_t *b, size_t n)
{
	size_t i = 0;

	if (b[i] == 0x64 || b[i] == 0x65)
		i++;
	if (i < n && is_rex(b[i]))
		i++;
	return i < n && !is_prefix(b[i]) && !is_rex(b[i]);
}

int32_t probe_x86_rel32(const uint8_t *b)
{
	return (int32_t)((uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
			 (uint32_t)b[3] << 24);
}

/* Branches by their bytes. *ret_rel counts from the end of the instruction. */
enum probe_branch probe_x86_branch(const uint8_t *b, size_t n, int32_t *ret_rel)
{
	bool narrow = false;
	size_t i = 0;

	for (; i < n && (is_prefix(b[i]) || is_rex(b[i])); i++)
		narrow |= b[i] == 0x66 || b[i] == 0x67;
	if (i + 1 >= n)
		return BRANCH_NONE; /* one byte: no branch but a return */
	if (b[i] == 0xff && (b[i + 1] >> 3 & 7) >= 4 && (b[i + 1] >> 3 & 7) <= 5)
		return BRANCH_UNCLEAR;
	if (b[i] == 0xeb || (b[i] & 0xf0) == 0x70 || (b[i] >= 0xe0 && b[i] <= 0xe3)) {
		*ret_rel = (int8_t)b[i + 1];
		return i + 2 == n && !narrow ? BRANCH_JUMP : BRANCH_UNCLEAR;
	}
	if (b[i] == 0xe8 || b[i] == 0xe9) {
		if (i + 5 != n || narrow)
			return BRANCH_UNCLEAR;
		*ret_rel = probe_x86_rel32(b + i + 1);
		return b[i] == 0xe8 ? BRANCH_CALL : BRANCH_JUMP;
	}
	if ((b[i] == 0x0f && (b[i + 1] & 0xf0) == 0x80) || (b[i] == 0xc7 && b[i + 1] == 0xf8)) {
		if (i + 6 != n || narrow)
			return BRANCH_UNCLEAR;
		*ret_rel = probe_x86_rel32(b + i + 2);
		return BRANCH_JUMP;
	}
	return BRANCH_NONE;
}
