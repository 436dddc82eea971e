/*
 * Call frame sections for tests, made entry by entry: common entries for x86-64, functions with
 * chosen instructions, and lengths or pointers that lie.
 */
#pragma once
#include <dwarf.h>
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unwind/cfi.h"

#define MADE_BYTES 65536u
#define MADE_VADDR 0x500000u /* where the section is loaded */
#define MADE_START 0x1000u   /* of the function that most tests make */
#define MADE_END 0x1100u

#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })
#define NO_BYTES NULL, 0

/* Registers of x86-64 and what is often said of them. */
#define RSP 7
#define RBP 6
#define RIP 16
#define RBX 3
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct made_cfi {
	uint8_t bytes[MADE_BYTES];
	size_t len;
	size_t entry;	  /* where the last one begins */
	bool debug_frame; /* format */
	bool is_64;	  /* long lengths */
	bool exact;	  /* entries are not filled up */
	uint8_t version;  /* 0: 1 */
	uint8_t encoding; /* of addresses, to go with 'R' */
};

static inline void put(struct made_cfi *m, uint64_t v, unsigned size)
{
	assert_true(m->len + size <= MADE_BYTES);
	memcpy(m->bytes + m->len, &v, size);
	m->len += size;
}

static inline void put_bytes(struct made_cfi *m, const uint8_t *bytes, size_t len)
{
	assert_true(m->len + len <= MADE_BYTES);
	if (len)
		memcpy(m->bytes + m->len, bytes, len);
	m->len += len;
}

static inline size_t length_bytes(const struct made_cfi *m)
{
	return m->is_64 ? 12 : 4;
}

static inline unsigned id_bytes(const struct made_cfi *m)
{
	return m->is_64 && m->debug_frame ? 8 : 4;
}

static inline void begin_entry(struct made_cfi *m)
{
	m->entry = m->len;
	put(m, UINT32_MAX, 4);
	if (m->is_64)
		put(m, 0, 8);
}

/* Fills up with DW_CFA_nop and writes the length. */
static inline void end_entry(struct made_cfi *m)
{
	const size_t from = m->entry + length_bytes(m);
	uint64_t len;

	while (!m->exact && (m->len - from) % 4)
		put(m, DW_CFA_nop, 1);
	len = m->len - from;
	memcpy(m->bytes + m->entry + (m->is_64 ? 4 : 0), &len, m->is_64 ? 8 : 4);
}

static inline void begin_cie(struct made_cfi *m, const char *letters)
{
	const uint8_t version = m->version ? m->version : 1;

	begin_entry(m);
	put(m, m->debug_frame ? UINT64_MAX : 0, id_bytes(m));
	put(m, version, 1);
	put_bytes(m, (const uint8_t *)letters, strlen(letters) + 1);
	if (version >= 4) {
		put(m, 8, 1); /* address */
		put(m, 0, 1); /* segment */
	}
}

/* Where the entry is, for made_fde(). The program begins with CFA = rsp + 8, rip at CFA - 8. */
static inline size_t made_cie(struct made_cfi *m, const char *letters, const uint8_t *data,
			      size_t data_len, const uint8_t *program, size_t len)
{
	const uint8_t usual[] = { DW_CFA_def_cfa, RSP, 8, DW_CFA_offset | RIP, 1 };

	begin_cie(m, letters);
	put(m, 1, 1);	 /* code factor */
	put(m, 0x78, 1); /* data factor -8 */
	put(m, RIP, 1);
	if (letters[0] == 'z')
		put(m, data_len, 1);
	put_bytes(m, data, data_len);
	put_bytes(m, usual, sizeof(usual));
	put_bytes(m, program, len);
	end_entry(m);
	return m->entry;
}

static inline void put_pointer_back(struct made_cfi *m, size_t cie)
{
	put(m, m->debug_frame ? cie : m->len - cie, id_bytes(m));
}

/* With absolute addresses of 8 bytes and no augmentation data. */
static inline void made_fde(struct made_cfi *m, size_t cie, uint64_t start, uint64_t end,
			    const uint8_t *program, size_t len)
{
	begin_entry(m);
	put_pointer_back(m, cie);
	put(m, start, 8);
	put(m, end - start, 8);
	put_bytes(m, program, len);
	end_entry(m);
}

static inline struct cfi_section section_of(const struct made_cfi *m)
{
	return (struct cfi_section){
		.bytes = m->bytes,
		.len = m->len,
		.vaddr = MADE_VADDR,
		.debug_frame = m->debug_frame,
	};
}

static inline struct cfi_rows parse_made(const struct made_cfi *m)
{
	struct cfi_input in = { .section = { section_of(m) }, .sections = 1, .machine = EM_X86_64 };
	struct cfi_rows rows = {};

	assert_int_equal(cfi_parse(&in, &rows), 0);
	return rows;
}

/* The rows of one function with these instructions. */
static inline struct cfi_rows parse_program(const uint8_t *program, size_t len)
{
	static struct made_cfi m;

	memset(&m, 0, sizeof(m));
	made_fde(&m, made_cie(&m, "", NO_BYTES, NO_BYTES), MADE_START, MADE_END, program, len);
	return parse_made(&m);
}

static inline void assert_row(const struct cfi_rows *rows, size_t i, const struct cfi_row *want)
{
	const struct cfi_row *row;

	assert_true(i < rows->count);
	row = &rows->row[i];
	assert_int_equal(row->vaddr, want->vaddr);
	assert_int_equal(row->rule.cfa, want->rule.cfa);
	assert_int_equal(row->rule.off, want->rule.off);
	assert_int_equal(row->rule.bp, want->rule.bp);
	assert_int_equal(row->rule.bp_off, want->rule.bp_off);
}

/* Exactly these rows; frees them. */
static inline void assert_rows(struct cfi_rows rows, const struct cfi_row *want, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_row(&rows, i, &want[i]);
	assert_int_equal(rows.count, count);
	cfi_rows_done(&rows);
}

#define ROW(at, c, o)                          \
	{                                      \
		(at),                          \
		{                              \
			.cfa = (c), .off = (o) \
		}                              \
	}
#define ROW_BP(at, c, o, b, bo)                                           \
	{                                                                 \
		(at),                                                     \
		{                                                         \
			.cfa = (c), .off = (o), .bp = (b), .bp_off = (bo) \
		}                                                         \
	}
#define ENTRY_ROW ROW(MADE_START, MT_CFA_SP, 8)
#define END_ROW ROW(MADE_END, MT_CFA_FRAME, 0)
#define ASSERT_ROWS(rows, ...)                                       \
	assert_rows((rows), (const struct cfi_row[]){ __VA_ARGS__ }, \
		    COUNT(((const struct cfi_row[]){ __VA_ARGS__ })))
