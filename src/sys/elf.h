/*
 * Reading of ELF files that the traced process maps: symbols, segments, build id, code bytes.
 * The file is hostile: every offset and count is checked, tables are bounded, and a broken table
 * ends the walk with an error without losing what was read before. Built on libelf.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "decode/fact.h"

struct elf_file; /* opaque */

struct elf_symbol {
	const char *name; /* borrowed from the file until elf_close(); NULL in elf_each_address() */
	uint32_t name_ref; /* for elf_read_name(), together with `dynamic` */
	uint64_t vaddr;	   /* ELF virtual address */
	uint64_t size;	   /* bytes; 0 when the file does not say */
	bool ifunc;	   /* the address is a resolver, not the function */
	bool global;	   /* not local to a compilation unit */
	bool dynamic;	   /* from .dynsym */
};

/* Takes a duplicate of fd; the caller keeps its own. -ENOEXEC when it is not an ELF file of ours.
 */
int elf_open_fd(int fd, struct elf_file **ret, struct err *err);
void elf_close(struct elf_file *f);
void elf_closep(struct elf_file **f);

/* Build id (lower-case hex, "" when none) and executable segments. */
void elf_describe(const struct elf_file *f, struct module_fact *ret);

uint16_t elf_machine(const struct elf_file *f); /* EM_X86_64, ... */
bool elf_is_64(const struct elf_file *f);
bool elf_is_go(const struct elf_file *f); /* Go build id note or .go.buildinfo */
bool elf_has_interpreter(const struct elf_file *f);
uint64_t elf_entry(const struct elf_file *f);
bool elf_has_symtab(const struct elf_file *f); /* .symtab, not only .dynsym */

/*
 * Calls fn for every defined function symbol of .symtab and .dynsym, in no order; a function may
 * come twice. Stops when fn returns non-zero and returns that. At most ELF_SYMBOLS_MAX symbols.
 */
#define ELF_SYMBOLS_MAX (4u << 20)
int elf_each_function(const struct elf_file *f, int (*fn)(void *ctx, const struct elf_symbol *s),
		      void *ctx);

/*
 * The same without names: reads no string table and so needs little memory, whatever the file
 * holds. elf_read_name() gets a single name and returns its length, at most size - 1 and 4096 bytes
 * (the rest is cut); -ENOENT when there is none, -EBADMSG when the file has become shorter.
 */
int elf_each_address(const struct elf_file *f, int (*fn)(void *ctx, const struct elf_symbol *s),
		     void *ctx);
int elf_read_name(const struct elf_file *f, bool dynamic, uint32_t name_ref, char *ret,
		  size_t size);

/* -ENOENT when no load segment holds it. */
int elf_vaddr_to_offset(const struct elf_file *f, uint64_t vaddr, uint64_t *ret);
int elf_offset_to_vaddr(const struct elf_file *f, uint64_t offset, uint64_t *ret);

/* Bytes of an executable segment at vaddr, borrowed until elf_close(): at most max, maybe fewer. */
int elf_code(const struct elf_file *f, uint64_t vaddr, size_t max, const uint8_t **ret_bytes,
	     size_t *ret_len);
