/*
 * Packed unwind tables (memtrace/unwind.h says how they look) of one ELF file, and the dictionary
 * of rules that all tables share. Pure: bytes in, words out; who puts them where BPF reads them,
 * and under which key, is the collector's affair.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memtrace/unwind.h"
#include "unwind/cfi.h"

struct elf_file;

/* Pieces are smaller than a shard, so that several files share one without much waste. */
#define UNWIND_PIECE_WORDS (MT_UNWIND_SHARD_WORDS / 4)
/* One file cannot fill the dictionary for all others: 500 is much for a file of 100 MiB. */
#define UNWIND_RULES_OF_FILE (MT_UNWIND_RULES / 4)

struct unwind_dict; /* opaque: rule <-> index, only grows */

int unwind_dict_new(struct unwind_dict **ret);
void unwind_dict_free(struct unwind_dict *d);
void unwind_dict_freep(struct unwind_dict **d);

/* All rules by index, borrowed; those below an earlier count have not changed since. */
const struct mt_unwind_rule *unwind_dict_rules(const struct unwind_dict *d, size_t *ret_count);

struct unwind_piece {
	uint64_t start, end, base; /* bytes of the file, as in struct mt_unwind_piece */
	uint32_t *words;	   /* owned by the table */
	size_t count;		   /* words, at most UNWIND_PIECE_WORDS */
};

struct unwind_table {
	struct unwind_piece piece[MT_UNWIND_PIECES]; /* by start, apart from each other */
	size_t count;
	size_t fdes, rows, words; /* functions and rows of the file, words of all pieces */
	size_t rules;		  /* that the dictionary learned from this file */
	size_t refused[CFI_REFUSED_MAX];
};

/*
 * Builds the table of a file; one without tables gets no pieces and that is no error. Code of the
 * file that is outside all pieces has the zero rule: frame pointers.
 * -EOPNOTSUPP for a machine that is not supported, -EBADMSG when the file ends while it is read,
 * -ENOMEM; then *ret is untouched, but the dictionary may have grown.
 */
int unwind_table_build(const struct elf_file *f, struct unwind_dict *d, struct unwind_table *ret,
		       struct err *err);
void unwind_table_done(struct unwind_table *t);

/* The same from rows that were read before. */
int unwind_table_pack(const struct elf_file *f, const struct cfi_rows *rows, struct unwind_dict *d,
		      struct unwind_table *ret);

/* The index of the rule at a byte of the file: what the BPF unwinder finds. */
uint32_t unwind_table_find(const struct unwind_table *t, uint64_t file_offset);

const char *unwind_refused_name(enum cfi_refused reason);
