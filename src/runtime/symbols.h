/* Symbols of any kind, of data too, looked up by name in an ELF file. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;

struct symbol {
	uint64_t vaddr, size; /* ELF virtual address, bytes; both 0: not there */
};

#define SYMBOLS_NAMES_MAX 8	      /* looked for at a time */
#define SYMBOLS_BYTES_MAX (64u << 20) /* of a section, where nothing smaller will do */

/*
 * In .dynsym, or in .symtab (`all`). Where the file has a hash table for it, little is read, else
 * at most bytes_max of a section. -ENOENT: there is no such section; others of elf_section().
 */
int symbols_find(const struct elf_file *f, bool all, size_t bytes_max, const char *const *names,
		 size_t n, struct symbol *ret);
