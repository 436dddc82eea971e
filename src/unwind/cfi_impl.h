/*
 * Between the parts of the reader of call frame information: cursor, entries, the state that their
 * programs change, the builder of rows. For cfi*.c only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind/cfi.h"

/* Bytes that are read from front to back; after a read past the end all reads give 0 and bad. */
struct cursor {
	const uint8_t *at, *end;
	bool bad;
};

static inline uint64_t cursor_fail(struct cursor *c)
{
	c->bad = true;
	c->at = c->end;
	return 0;
}

/* size: 1, 2, 4 or 8; little endian. */
static inline uint64_t cursor_uint(struct cursor *c, unsigned size)
{
	uint64_t v = 0;

	if ((size_t)(c->end - c->at) < size)
		return cursor_fail(c);
	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)c->at[i] << (8 * i);
	c->at += size;
	return v;
}

static inline const uint8_t *cursor_skip(struct cursor *c, uint64_t size)
{
	const uint8_t *at = c->at;

	if ((uint64_t)(c->end - c->at) < size) {
		cursor_fail(c);
		return c->end;
	}
	c->at += size;
	return at;
}

uint64_t cursor_uleb(struct cursor *c);
int64_t cursor_sleb(struct cursor *c);

/* Numbers of registers, and where the return address always is. */
struct cfi_arch {
	uint16_t machine;
	uint8_t sp, bp, ra;
	int8_t ra_at; /* bytes from the CFA */
};

enum cfi_how {
	CFI_SAME,	/* still in the register */
	CFI_UNDEFINED,	/* not known any more; of the return address: the outermost frame */
	CFI_OFFSET,	/* the CFA's: register + offset; of others: stored at CFA + offset */
	CFI_EXPRESSION, /* the CFA's: the value; of others: the address where it is stored */
	CFI_OTHER,	/* in a way that no rule expresses */
};

struct cfi_value {
	enum cfi_how how;
	uint32_t len; /* of the expression */
	uint64_t reg; /* of the CFA */
	int64_t offset;
	const uint8_t *expression; /* borrowed from the section */
};

struct cfi_state {
	struct cfi_value cfa, bp, ra;
};

struct cfi_cie {
	const struct cfi_section *section;
	uint64_t at; /* in its section */
	uint64_t code_factor;
	int64_t data_factor;
	const uint8_t *program;
	uint32_t program_len;
	uint8_t encoding; /* of addresses */
	bool sized;	  /* entries have augmentation data with a length */
	bool signal;	  /* frames that the kernel made */
	bool usable;	  /* false: its functions are refused */
	struct cfi_state initial;
};

struct cfi_fde {
	uint64_t start, end;
	const uint8_t *program;
	uint32_t len;
	uint32_t cie; /* index */
};

struct cfi_builder {
	const struct cfi_arch *arch;
	struct cfi_cie *cie; /* owned */
	size_t cies, cies_cap;
	struct cfi_fde *fde; /* owned */
	size_t fdes, fdes_cap;
	struct cfi_row *row; /* owned until taken */
	size_t rows, rows_cap;
	size_t refused[CFI_REFUSED_MAX];
	const struct cfi_input *input; /* borrowed during the call */
};

/* NULL when the machine is not supported. */
const struct cfi_arch *cfi_arch_find(uint16_t machine);

/* An address by its encoding (DW_EH_PE_*); false when it cannot be read or is not a plain one. */
bool cfi_read_pointer(struct cursor *c, uint8_t encoding, const struct cfi_section *s,
		      uint64_t *ret);

/* Adds one, capacity doubling. -ENOMEM, -E2BIG. */
int cfi_add_cie(struct cfi_builder *b, const struct cfi_cie *cie);
int cfi_add_fde(struct cfi_builder *b, const struct cfi_fde *fde);

/* Reads the entries of a section into b. -ENOMEM. */
int cfi_read_entries(struct cfi_builder *b, const struct cfi_section *s);

/*
 * Finds the kernel's return from a signal handler by its instructions, in code that no function
 * covers (musl, Go), and adds it to b, whose functions are sorted; true when some was added.
 * -ENOMEM.
 */
int cfi_find_sigreturn(struct cfi_builder *b);

/* Runs the common part of a program: cie->initial. */
void cfi_run_initial(const struct cfi_arch *arch, struct cfi_cie *cie);

/* Runs the program of a function and adds its rows in [start, end). -ENOMEM, -E2BIG. */
int cfi_run(struct cfi_builder *b, const struct cfi_fde *fde);

/* From vaddr on; rows come in order of address. -ENOMEM, -E2BIG beyond CFI_ROWS_MAX. */
int cfi_add_row(struct cfi_builder *b, uint64_t vaddr, struct mt_unwind_rule rule);

struct mt_unwind_rule cfi_rule_of(const struct cfi_arch *arch, const struct cfi_state *s,
				  bool signal);
