/*
 * Call frame information of an ELF file as rows: from this address on, a frame's caller is found
 * like this. Reads .eh_frame and, for code that it does not cover, .debug_frame (formats: DWARF 5,
 * section 6.4, and Linux Standard Base, chapter 10.6). Only what leads to the caller's program
 * counter, stack pointer and frame pointer is followed; the other registers are skipped.
 * The file is hostile: time and memory are bounded by its sections, which are bounded here.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memtrace/unwind.h"

struct elf_file;

#define CFI_SECTION_BYTES_MAX ((size_t)64 << 20)
#define CFI_CIES_MAX ((size_t)1 << 16) /* entries that functions have in common */
#define CFI_FDES_MAX ((size_t)2 << 20) /* functions */
#define CFI_ROWS_MAX ((size_t)4 << 20)
#define CFI_GAP_MAX 16u /* bytes between functions that count as part of the first */

enum cfi_refused {
#define REFUSED(name, help) CFI_REFUSED_##name,
#include "unwind/refused.def"
#undef REFUSED
	CFI_REFUSED_MAX
};

struct cfi_row {
	uint64_t vaddr; /* the rule holds from here to the next row */
	struct mt_unwind_rule rule;
};

struct cfi_rows {
	struct cfi_row *row; /* owned; by address, two neighbours never have the same rule */
	size_t count;
	size_t fdes; /* functions that were read */
	size_t refused[CFI_REFUSED_MAX];
};

/*
 * The rows of a whole file; none when it has no tables. Code without tables has the zero rule.
 * -EOPNOTSUPP for a machine other than x86-64, -EBADMSG when the file ends while it is read.
 */
int cfi_read(const struct elf_file *f, struct cfi_rows *ret, struct err *err);
void cfi_rows_done(struct cfi_rows *r);

/* How many rows begin at vaddr or before. */
size_t cfi_find_row(const struct cfi_rows *r, uint64_t vaddr);

/* The rule in force at vaddr; the zero rule before the first row. */
struct mt_unwind_rule cfi_rule_at(const struct cfi_rows *r, uint64_t vaddr);

/*
 * The same from bytes: sections as they were read, the first one wins where both cover code; and
 * the ranges of code, of which others are refused (count 0: all addresses).
 */
struct cfi_section {
	const uint8_t *bytes; /* borrowed during the call */
	size_t len;
	uint64_t vaddr;
	bool debug_frame; /* the format of .debug_frame, not of .eh_frame */
	bool open_ended;  /* a zero length ends it; what follows is something else */
};

struct cfi_range {
	uint64_t start, end;
};

/*
 * Functions as .eh_frame has them, by their beginning; they may overlap in a damaged file. *ret is
 * to be freed. -ENOENT without the section, and the errors of elf_eh_frame().
 */
int cfi_functions(const struct elf_file *f, struct cfi_range **ret, size_t *ret_count);

struct cfi_input {
	struct cfi_section section[2];
	size_t sections;
	const struct cfi_range *code; /* borrowed during the call; by address */
	size_t ranges;
	/* Reads code; the number of bytes, or negative. May be NULL. */
	int64_t (*read_code)(void *ctx, uint64_t vaddr, void *ret, size_t size);
	void *ctx;
	uint16_t machine; /* EM_X86_64 */
};

int cfi_parse(const struct cfi_input *in, struct cfi_rows *ret);
