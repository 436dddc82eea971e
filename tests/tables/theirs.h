/* What libdw says about a file's call frames: the reference for the tables of src/unwind. */
#pragma once
#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memtrace/unwind.h"

struct theirs_section {
	const char *ident; /* of the ELF file */
	Elf_Data *data;	   /* borrowed from libelf */
	uint64_t vaddr;
	bool eh; /* .eh_frame, not .debug_frame */
};

struct mt_unwind_rule theirs_rule(Dwarf_Frame *frame);

/* Calls fn with the first address of every function; the number of entries it could not read. */
size_t theirs_each_function(const struct theirs_section *s, void (*fn)(void *ctx, uint64_t start),
			    void *ctx);
