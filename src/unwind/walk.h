/*
 * The unwinder in user space, over the same tables and by the same rules as the one in BPF: the
 * reference that it is tested against. Memory and mappings come from callbacks. Left out is what
 * only the kernel side has: scanning for the caller of a runtime library, tables still to come.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memtrace/unwind.h"
#include "unwind/table.h"

#define WALK_SWITCHES_MAX 2 /* jumps to another stack that frame pointers may make */
#define WALK_STACK_BYTES ((uint64_t)8 << 20) /* farther is another stack */

/* As in stack_ends.def. */
enum walk_end {
	WALK_END_COMPLETE = 1,	   /* the thread's start */
	WALK_END_NO_FRAME_POINTER, /* code without table, and the register is no frame pointer */
	WALK_END_JIT,		   /* the same in generated code */
	WALK_END_NOT_CODE,	   /* the return address lies in no executable mapping */
	WALK_END_UNSUPPORTED,	   /* a rule that the tables cannot express */
	WALK_END_UNREADABLE, /* no memory there, or a frame that is not above the one before */
	WALK_END_DEPTH,	     /* more frames than asked for */
};

enum walk_code {
	WALK_CODE_TABLE,    /* of a file with a table */
	WALK_CODE_NO_TABLE, /* of a file without: frame pointers, which may change stacks */
	WALK_CODE_NONE,	    /* not executable */
	WALK_CODE_JIT,	    /* of no file: frame pointers, on this stack */
};

struct walk_place {
	enum walk_code code;
	const struct unwind_table *table; /* borrowed during the walk; for WALK_CODE_TABLE */
	uint64_t file_offset;		  /* of the address, in that file */
};

struct walk_ops {
	/* 0 when all size bytes at address were read; else negative */
	int (*read)(void *ctx, uint64_t address, void *ret, size_t size);
	void (*find)(void *ctx, uint64_t address, struct walk_place *ret);
	/* The real return address below a return probe's trampoline; 0: it is none. May be NULL. */
	uint64_t (*real_return)(void *ctx, uint64_t address, uint64_t sp);
	void *ctx;
};

struct walk_regs {
	uint64_t pc, sp, bp;
};

/*
 * Writes the program counters, innermost first, and returns how many: 1 at least when max is. At
 * a function's first instruction (at_entry) the caller is the word at sp, whatever tables say.
 */
size_t walk_stack(const struct walk_ops *ops, const struct unwind_dict *d,
		  const struct walk_regs *regs, bool at_entry, uint64_t *ret_pcs, size_t max,
		  enum walk_end *ret_end);
