/*
 * The functions of one ELF file, sorted by address: 12 bytes each, names stay in the file.
 * Immutable once built.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;
struct symtable; /* opaque */

/* How elf_read_name() finds the name of a function. */
struct symbol_ref {
	bool extra; /* in the second file, not in the first */
	bool dynamic;
	uint32_t name_ref;
};

#define SYMTABLE_ALIASES 8

/*
 * Reads the addresses of all functions in the executable segments of f. Where f was stripped of its
 * .symtab, that of `extra` (NULL: none), which describes the same code, stands for it. What a
 * broken symbol table still yields is kept. -EFBIG when the table would need more than max_bytes;
 * -ENOMEM.
 */
int symtable_build(const struct elf_file *f, const struct elf_file *extra, size_t max_bytes,
		   struct symtable **ret);
void symtable_free(struct symtable *t);
void symtable_freep(struct symtable **t);

size_t symtable_bytes(const struct symtable *t); /* memory that it holds */
size_t symtable_count(const struct symtable *t);

/*
 * The names of the function that covers vaddr: equally good aliases of one address (sized before
 * zero-sized, global before local, .symtab before .dynsym). A function without a size reaches to
 * the next one, or the end of its section. Returns how many were written to ret, 0 when nobody
 * covers vaddr.
 */
size_t symtable_find(const struct symtable *t, uint64_t vaddr,
		     struct symbol_ref ret[static SYMTABLE_ALIASES]);
