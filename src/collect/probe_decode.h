/* Decoding of single instructions with Capstone, and the numbers of x86-64's registers. */
#pragma once
#include <capstone/capstone.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/probe_site.h"

/* As x86-64 encodes them. */
enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NO_GPR };

/* Registers of the first arguments, in their order. */
#define PROBE_ARGUMENTS 6
extern const uint8_t probe_argument[PROBE_ARGUMENTS];

/* A decoder and room for one instruction. */
struct probe_decoder {
	csh handle;
	cs_insn *insn; /* owned */
	bool open;
};

/* False without support for the architecture, or memory; to be released all the same. */
bool probe_decoder_init(struct probe_decoder *d, enum probe_arch arch);
void probe_decoder_done(struct probe_decoder *d);

/* Decodes the instruction at code, which has len bytes, into d->insn. */
bool probe_decode(struct probe_decoder *d, const uint8_t *code, size_t len, uint64_t vaddr);

/* The register that a register of Capstone's is (a part of); NO_GPR for others. */
enum gpr probe_gpr_of(unsigned int reg);

/* Disassembly, cut off. */
void probe_copy_text(const cs_insn *insn, char ret[PROBE_TEXT_BYTES]);
