/* Symbols of any kind, of data too, looked up by name in an ELF file. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;

struct symbol {
	uint64_t vaddr, size; /* ELF virtual address, bytes; both 0: not there */
};

/* In .dynsym, or in .symtab (`all`). -ENOENT: there is no such section; others of elf_section(). */
int symbols_find(const struct elf_file *f, bool all, const char *const *names, size_t n,
		 struct symbol *ret);
