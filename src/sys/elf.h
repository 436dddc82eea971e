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

/* A file that only describes another (*.debug): its segments may have no bytes of their own. */
int elf_open_debug_fd(int fd, struct elf_file **ret);

/* The same of a file image in memory, such as a copy of the vdso; the bytes are copied. */
int elf_open_memory(const void *bytes, size_t len, struct elf_file **ret, struct err *err);
void elf_close(struct elf_file *f);
void elf_closep(struct elf_file **f);

/* Build id (lower-case hex, "" when none) and executable segments. */
void elf_describe(const struct elf_file *f, struct module_fact *ret);

uint16_t elf_machine(const struct elf_file *f); /* EM_X86_64, ... */
bool elf_is_64(const struct elf_file *f);
bool elf_is_go(const struct elf_file *f); /* Go build id note or .go.buildinfo */
bool elf_has_interpreter(const struct elf_file *f);
uint64_t elf_file_bytes(const struct elf_file *f);
int elf_fd(const struct elf_file *f); /* borrowed */
uint64_t elf_entry(const struct elf_file *f);
bool elf_has_symtab(const struct elf_file *f); /* .symtab, not only .dynsym */

/*
 * Calls fn for every defined function symbol of .symtab and .dynsym, in no order; a function may
 * come twice. Stops when fn returns non-zero and returns that. At most ELF_SYMBOLS_MAX symbols,
 * with at most ELF_NAMES_BYTES_MAX of names, -E2BIG; a name of ELF_NAME_MAX or more is told as "".
 */
#define ELF_SYMBOLS_MAX (4u << 20)
#define ELF_NAME_MAX ((size_t)4096)
#define ELF_NAMES_BYTES_MAX ((uint64_t)128 << 20) /* names may overlap */
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

/*
 * Symbols of any kind that the file exports, by name, through its hash table: some tens of small
 * reads, whatever the size of its tables. What is not there is all zero. -ENOENT when it has no
 * such table (DT_GNU_HASH of a 64-bit file), -EBADMSG when that is damaged, -EINVAL for a long
 * name; *ret is undefined then.
 */
int elf_find_exported(const struct elf_file *f, const char *const *names, size_t n,
		      struct elf_symbol *ret);

/* -ENOENT when no load segment holds it. */
int elf_vaddr_to_offset(const struct elf_file *f, uint64_t vaddr, uint64_t *ret);
int elf_offset_to_vaddr(const struct elf_file *f, uint64_t offset, uint64_t *ret);

/* Bytes of an executable segment at vaddr, borrowed until elf_close(): at most max, maybe fewer. */
int elf_code(const struct elf_file *f, uint64_t vaddr, size_t max, const uint8_t **ret_bytes,
	     size_t *ret_len);

/* Executable load segments, all of them: at most max are written, the number there is returned. */
struct elf_code_segment {
	uint64_t vaddr, offset, bytes;
};
size_t elf_code_segments(const struct elf_file *f, struct elf_code_segment *ret, size_t max);

/* The same of sections that hold code; 0 when there are no section headers. */
size_t elf_code_sections(const struct elf_file *f, struct elf_code_segment *ret, size_t max);

/* Reads bytes of a load segment at vaddr; the number read, fewer at the end of it. -ENOENT. */
int64_t elf_read_at(const struct elf_file *f, uint64_t vaddr, void *ret, size_t size);

/* Bytes of a section, read once; free() of `bytes` is the caller's. */
struct elf_bytes {
	uint8_t *bytes; /* owned */
	size_t len;
	uint64_t vaddr;	     /* of the first byte when loaded; 0 when it is not */
	bool to_segment_end; /* its own end is not known: what follows it is here too */
};

/*
 * A section by name, decompressed (zlib, and zstd where libelf has it). -ENOENT when there is none
 * or it has no bytes in the file, -E2BIG when it is longer than max, -EBADMSG when the file ends
 * before or the compressed bytes are damaged.
 */
int elf_section(const struct elf_file *f, const char *name, size_t max, struct elf_bytes *ret);

/* 1 when there is one, with bytes in the file, else 0. -ENOMEM: it is not known. */
int elf_has_section(const struct elf_file *f, const char *name);

/* .eh_frame, by its section or else through PT_GNU_EH_FRAME. Errors as above. */
int elf_eh_frame(const struct elf_file *f, size_t max, struct elf_bytes *ret);
