/*
 * The parts of an open ELF file; for elf*.c only. Everything here was checked once, at opening:
 * sums do not overflow, tables begin inside the file. The file may still shrink or change later.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"

#define ELF_SEGMENTS_MAX 64
#define ELF_SECTIONS_MAX (1u << 16)
#define ELF_STRINGS_MAX ((uint64_t)64 << 20) /* names beyond are left out */
#define ELF_CODE_MAX ((size_t)1 << 20)	     /* bytes of one elf_code() */
#define ELF_CODE_ALL_MAX ((size_t)16 << 20)  /* bytes that one file lends at a time */

struct elf_segment {
	uint64_t vaddr, offset, file_bytes;
	bool executable;
};

enum elf_table_kind { ELF_TABLE_SYMTAB, ELF_TABLE_DYNSYM, ELF_TABLES };

struct elf_table {
	uint64_t offset, count; /* in the file; symbols */
	uint64_t strings_offset, strings_bytes;
	bool present;
};

struct elf_code_piece {
	uint64_t vaddr;
	size_t len;
	uint8_t *bytes; /* owned */
};

/* What was lent out, kept until elf_close(): the only part that changes after opening. */
struct elf_lent {
	char *strings[ELF_TABLES];   /* owned, each one NUL longer than its table */
	struct elf_code_piece *code; /* owned */
	size_t code_count, code_cap, code_bytes;
};

struct elf_file {
	int fd;	     /* owned */
	bool sparse; /* segments without bytes are no reason to refuse it */
	uint64_t file_bytes;
	uint16_t machine;
	bool is_64, is_go, has_interpreter;
	uint64_t entry;
	uint64_t dynamic_offset, dynamic_bytes; /* PT_DYNAMIC; 0 bytes when there is none */
	uint64_t eh_frame_hdr;			/* address of PT_GNU_EH_FRAME; 0: none */
	char build_id[sizeof(((struct module_fact *)0)->build_id)];
	struct elf_segment segment[ELF_SEGMENTS_MAX];
	size_t segment_count;
	struct elf_table table[ELF_TABLES];
	struct elf_lent *lent; /* owned */
};

/* Fills f from its fd. -ENOEXEC when it is not an ELF program or library for this byte order. */
int elf_read_headers(struct elf_file *f);

/*
 * The section header string table of an open libelf handle (an Elf *), NUL at its end; the number
 * of bytes. 0 and *ret NULL when it is missing or too large. -ENOMEM.
 */
int64_t elf_read_section_names(const struct elf_file *f, void *e, char **ret);

/* Finds .dynsym through PT_DYNAMIC, for files without section headers. -ENOENT, -EBADMSG. */
int elf_find_dynsym(struct elf_file *f);

/*
 * Of the segment that holds vaddr: where that is in the file, and how many bytes of the segment
 * begin there. -ENOENT when no segment holds it.
 */
int elf_find_bytes(const struct elf_file *f, uint64_t vaddr, uint64_t *ret_offset,
		   uint64_t *ret_left);

/* Reads up to size bytes; the number read, which is less only at the end of the file. */
int64_t elf_read_some(const struct elf_file *f, uint64_t offset, void *ret, size_t size);

/* Reads exactly size bytes. -EBADMSG when the file ends before. */
int elf_read_all(const struct elf_file *f, uint64_t offset, void *ret, size_t size);
