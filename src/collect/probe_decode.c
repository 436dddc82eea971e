/* SPDX-License-Identifier: GPL-2.0-only */
#include "collect/probe_decode.h"

#include <stdio.h>

const uint8_t probe_argument[PROBE_ARGUMENTS] = { RDI, RSI, RDX, RCX, R8, R9 };

void probe_decoder_done(struct probe_decoder *d)
{
	if (d->insn)
		cs_free(d->insn, 1);
	if (d->open)
		cs_close(&d->handle);
	*d = (struct probe_decoder){};
}

bool probe_decoder_init(struct probe_decoder *d, enum probe_arch arch)
{
	cs_err r;

	*d = (struct probe_decoder){};
	if (arch == PROBE_X86_64)
		r = cs_open(CS_ARCH_X86, CS_MODE_64, &d->handle);
	else if (arch == PROBE_ARM64)
		r = cs_open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, &d->handle);
	else
		return false;
	if (r != CS_ERR_OK)
		return false;
	d->open = true;
	/* In this order: cs_malloc() makes room for details only when they are asked for. */
	if (cs_option(d->handle, CS_OPT_DETAIL, CS_OPT_ON) != CS_ERR_OK)
		return false;
	d->insn = cs_malloc(d->handle);
	return d->insn != NULL;
}

bool probe_decode(struct probe_decoder *d, const uint8_t *code, size_t len, uint64_t vaddr)
{
	return len && cs_disasm_iter(d->handle, &code, &len, &vaddr, d->insn);
}

void probe_copy_text(const cs_insn *insn, char ret[PROBE_TEXT_BYTES])
{
	snprintf(ret, PROBE_TEXT_BYTES, "%.31s%s%.46s", insn->mnemonic, insn->op_str[0] ? " " : "",
		 insn->op_str);
}

enum gpr probe_gpr_of(unsigned int reg)
{
	static const uint16_t names[][5] = {
		[RAX] = { X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH },
		[RCX] = { X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH },
		[RDX] = { X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH },
		[RBX] = { X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH },
		[RSP] = { X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL },
		[RBP] = { X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL },
		[RSI] = { X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL },
		[RDI] = { X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL },
		[R8] = { X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B },
		[R9] = { X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B },
		[R10] = { X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B },
		[R11] = { X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B },
		[R12] = { X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B },
		[R13] = { X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B },
		[R14] = { X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B },
		[R15] = { X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B },
	};
	size_t i, k;

	for (i = 0; i < NO_GPR; i++)
		for (k = 0; k < 5; k++)
			if (reg != X86_REG_INVALID && names[i][k] == reg)
				return (enum gpr)i;
	return NO_GPR;
}
