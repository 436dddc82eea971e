/*
 * What one instruction of x86-64 does, as far as following a few values through a function needs
 * it. Whatever is not known to be harmless is said to write: registers in `kills`, or memory.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/probe_decode.h"

enum insn_kind {
	INSN_PLAIN = 0,
	INSN_JUMP,   /* to `target` */
	INSN_BRANCH, /* to `target` when condition `cc` holds */
	INSN_CALL,   /* of `target` */
	INSN_CALL_INDIRECT,
	INSN_RET,
	INSN_STOP,    /* ends the program */
	INSN_UNCLEAR, /* leads nobody knows where */
};

/* What becomes of values; dst and src are enum gpr. */
enum insn_effect {
	EFFECT_KILLS = 0, /* nothing beside `kills` and `stores` */
	EFFECT_MOVE,	  /* dst = src */
	EFFECT_MOVE_LOW,  /* dst = the lower half of src */
	EFFECT_CONST,	  /* dst = imm */
	EFFECT_ADD,	  /* dst += imm */
	EFFECT_AND,	  /* dst &= imm, zero-extended when `low` */
	EFFECT_LEA,	  /* dst = base + imm */
	EFFECT_LOAD,	  /* dst = word at base + imm */
	EFFECT_STORE,	  /* word at base + imm = src */
	EFFECT_PUSH,	  /* src may be NO_GPR: something else */
	EFFECT_POP,	  /* dst may be NO_GPR */
	EFFECT_LEAVE,
	EFFECT_MUL,  /* rdx:rax = rax * src */
	EFFECT_IMUL, /* dst *= src */
};

enum insn_store {
	STORE_NONE = 0,
	STORE_BASE, /* `width` bytes at base + imm */
	STORE_FROM, /* at base + anything */
};

enum insn_flags {
	FLAGS_WRITTEN = 0,
	FLAGS_KEPT,
	FLAGS_TEST,	/* those of `src` compared with 0 */
	FLAGS_TEST_LOW, /* of its lower half */
};

struct insn {
	uint64_t vaddr;
	uint64_t target;
	int64_t imm;
	uint16_t kills; /* bit = enum gpr */
	uint16_t width;
	uint8_t len;
	uint8_t kind;	/* enum insn_kind */
	uint8_t effect; /* enum insn_effect */
	uint8_t stores; /* enum insn_store */
	uint8_t flags;	/* enum insn_flags */
	uint8_t cost;	/* enum probe_cost */
	uint8_t dst, src, base;
	uint8_t cc;
	bool low;
	bool padding;
};

/* Of the instruction that was decoded last, whose bytes are insn->bytes. */
void probe_insn_read(struct probe_decoder *d, enum probe_nops nops, struct insn *ret);
