/*
 * The code of one module for probe_flow: bytes of whole functions, and what is known of those that
 * are called through the procedure linkage table, by the names of its relocations. The file is
 * hostile; whatever cannot be read is not known.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "collect/probe_flow.h"
#include "sys/elf.h"
#include "unwind/cfi.h"

#define MODULE_CODE_BYTES (16u << 10) /* of one function */
#define MODULE_CODE_MEMOS 128
#define MODULE_CODE_WORK (2u << 20) /* instructions decoded, or as much of other work: 0.5 s */
#define MODULE_CODE_CALLEE 4	    /* of it for one whose name is not known yet */

struct module_code {
	const struct elf_file *f;   /* borrowed */
	struct cfi_range *function; /* owned */
	size_t functions;
	struct elf_bytes relocation[2], symbols, names; /* owned */
	uint64_t *allocates; /* owned: entries of functions that are probed as allocations */
	size_t allocations;
	struct {
		uint64_t vaddr;
		enum flow_callee callee;
	} memo[MODULE_CODE_MEMOS];
	size_t memos;
	uint64_t work_left;    /* none: nothing more is known */
	struct flow_code code; /* to be given to probe_flow; valid while this is where it is */
	uint8_t bytes[MODULE_CODE_BYTES];
};

/* *allocates is taken over, also on failure. -ENOMEM is the only one. */
int module_code_new(const struct elf_file *f, uint64_t *allocates, size_t allocations,
		    struct module_code **ret);
void module_code_freep(struct module_code **m);

/*
 * Whether the function at vaddr, which has len bytes, may call or end in one of `target`: by a
 * direct call or jump, or those of the functions that it calls. True also when it has indirect ones
 * of its own, or cannot be read, or when all the work was done that the module is worth.
 */
bool module_code_may_reach(struct module_code *m, uint64_t vaddr, size_t len,
			   const uint64_t *target, size_t targets);

/*
 * Whether the function there calls or ends in an allocation that is probed, of this module or,
 * through the procedure linkage table, of another one. Pointers to functions, mostly hooks that
 * nobody has set, are taken for nothing. True also when its code cannot be read.
 */
bool module_code_allocates(struct module_code *m, uint64_t vaddr, size_t len);
