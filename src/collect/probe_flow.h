/*
 * A function of x86-64 as a graph of instructions, with what is known for certain of registers and
 * stack words before each of them. Only what can be reached is looked at: branches whose outcome is
 * known go one way, and calls that never return end their path. Pure: bytes come from the caller.
 *
 * A forward data flow analysis over constants and copies (conditional constant propagation, Wegman
 * and Zadeck 1991, without its work list of uses). Whatever is in doubt is not known.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/probe_insn.h"

/* What is known of the function behind an address that is called. */
enum flow_callee {
	FLOW_CALLEE_PLAIN = 0,	/* nothing; its code tells */
	FLOW_CALLEE_ENDS,	/* never returns */
	FLOW_CALLEE_GIVES_BACK, /* returns its first argument, allocates nothing: memset() */
	FLOW_CALLEE_ALLOCATES,	/* is probed itself, or may end in one that is */
};

/* Where code comes from. */
struct flow_code {
	void *ctx;
	/* Bytes of the function that holds vaddr, from vaddr to its end; 0 when not known. */
	size_t (*bytes)(void *ctx, uint64_t vaddr, const uint8_t **ret);
	enum flow_callee (*callee)(void *ctx, uint64_t vaddr);
};

/* Places by number: the registers, none (NO_GPR), then words of the stack from the entry downwards.
 */
#define FLOW_SLOTS 47
#define FLOW_FIRST_SLOT 17
#define FLOW_PLACES (FLOW_FIRST_SLOT + FLOW_SLOTS)
#define FLOW_NONE UINT32_MAX

enum flow_kind {
	FLOW_UNKNOWN = 0,
	FLOW_CONST,   /* n */
	FLOW_ENTRY,   /* what register n held at the entry */
	FLOW_PRODUCT, /* of two such registers, n = first | second << 4, first < second; lower half
		       */
	FLOW_STACK,   /* stack pointer at the entry + n */
};

struct flow_state {
	int64_t n[FLOW_PLACES];
	uint8_t kind[FLOW_PLACES]; /* enum flow_kind */
	uint8_t tested;		   /* flags are of this register compared with 0; NO_GPR */
	bool tested_low;	   /* of its lower half */
	bool reached;
	bool dirty; /* new since it was looked at */
};

enum flow_exit {
	FLOW_STAYS = 0,
	FLOW_RETURNS,
	FLOW_TAIL,	 /* jumps out of the function */
	FLOW_TAIL_GIVES, /* to one that returns its first argument */
	FLOW_ENDS,	 /* never comes back */
};

struct flow_node {
	struct insn insn;
	uint32_t target; /* index of the instruction that it jumps to, or FLOW_NONE */
	uint8_t exit;	 /* enum flow_exit; of a branch: by its taken way */
	bool is_target;	 /* something jumps here */
};

struct flow {
	const struct flow_code *code;
	uint64_t start, end;
	struct flow_node *node;	  /* owned; by address */
	struct flow_state *state; /* owned; before each */
	size_t count;
	unsigned depth;	 /* of calls followed */
	bool leaks;	 /* the stack's address gets about: its words may change behind our back */
	bool framed;	 /* rbp may point to the stack */
	const char *why; /* static text, when it could not be followed */
	struct flow_budget *budget;
};

#define FLOW_MEMOS 256

/* Shared by everything that is followed for one module. */
struct flow_budget {
	uint32_t insns; /* left */
	uint32_t memos;
	struct flow_memo {
		uint64_t vaddr;
		int64_t arg[PROBE_ARGUMENTS];
		uint8_t known; /* bit = argument is a constant */
		uint8_t depth; /* of the caller: deeper down less is followed */
		bool returns;
	} memo[FLOW_MEMOS];
};
#define FLOW_BUDGET_INSNS 200000u
#define FLOW_ALL_INSNS 1000000u /* in all functions of a module; allocators have 10,000 */

/*
 * Follows the function whose bytes are given. True when that was possible to its end; otherwise
 * f->why says what is in the way, or is NULL when memory ran out. To be released either way.
 */
bool flow_run(struct flow *f, const struct flow_code *code, struct flow_budget *budget,
	      const uint8_t *bytes, size_t len, uint64_t vaddr, enum probe_nops nops);
void flow_done(struct flow *f);

/* Ways out of an instruction: 0 to the next one, 1 to its target. */
#define FLOW_WAYS 2
/*
 * What holds behind node i on one way; false when that is not gone. *ret_to: where it leads, or
 * FLOW_NONE out of the function.
 */
bool flow_way(const struct flow *f, uint32_t i, int way, struct flow_state *ret, uint32_t *ret_to);

/* The stack word at an offset from the entry's stack pointer, as a place; NO_GPR when it is none.
 */
unsigned flow_slot(int64_t offset);
/* The place that memory at base + imm is before node i; NO_GPR when it is none or not known. */
unsigned flow_memory(const struct flow *f, uint32_t i);
/* Bytes that the stack pointer is below that of the entry; negative when it is not known. */
int64_t flow_depth(const struct flow_state *s);
/* Places that node i writes in ways that are not copies; bit = place. */
uint64_t flow_kills(const struct flow *f, uint32_t i);
/* Whether node i calls a function that returns its first argument. */
bool flow_gives_back(const struct flow *f, uint32_t i);
