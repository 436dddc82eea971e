/* Call frame sections that lie, end too early or never. */
#include "cfi_maker.h"

#include <errno.h>

#define ADVANCE(n) (DW_CFA_advance_loc | (n))

/* What must hold whatever the bytes are. */
static void assert_sane(const struct cfi_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		assert_true(rows->row[i].rule.cfa <= MT_CFA_UNSUPPORTED);
		assert_true(rows->row[i].rule.bp <= MT_BP_LOST);
		if (i == 0)
			continue;
		assert_true(rows->row[i - 1].vaddr < rows->row[i].vaddr);
		assert_memory_not_equal(&rows->row[i - 1].rule, &rows->row[i].rule,
					sizeof(rows->row[i].rule));
	}
	if (rows->count)
		assert_int_equal(rows->row[rows->count - 1].rule.cfa, MT_CFA_FRAME);
}

/* The bytes in a block of their own, so that reading beyond is seen. */
static void parse_bytes(const uint8_t *bytes, size_t len, bool debug_frame, struct cfi_rows *ret)
{
	uint8_t *copy = malloc(len + !len);
	struct cfi_input in = { .sections = 1, .machine = EM_X86_64 };

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	in.section[0] = (struct cfi_section){ copy, len, MADE_VADDR, debug_frame, false };
	assert_int_equal(cfi_parse(&in, ret), 0);
	free(copy);
	assert_sane(ret);
}

/* Something of everything. */
static void make_rich(struct made_cfi *m)
{
	const uint8_t all[] = {
		ADVANCE(1),
		DW_CFA_def_cfa_offset,
		16,
		DW_CFA_offset | RBP,
		2,
		DW_CFA_advance_loc1,
		2,
		DW_CFA_def_cfa_register,
		RBP,
		DW_CFA_remember_state,
		DW_CFA_advance_loc2,
		3,
		0,
		DW_CFA_def_cfa,
		RSP,
		8,
		DW_CFA_restore | RBP,
		DW_CFA_advance_loc4,
		1,
		0,
		0,
		0,
		DW_CFA_restore_state,
		ADVANCE(4),
		DW_CFA_def_cfa_expression,
		5,
		DW_OP_breg7,
		0x28,
		DW_OP_deref,
		DW_OP_plus_uconst,
		8,
		ADVANCE(1),
		DW_CFA_expression,
		RBP,
		2,
		DW_OP_breg6,
		0x10,
		0x2e,
		0x20,
		ADVANCE(1),
		DW_CFA_def_cfa_expression,
		11,
		DW_OP_breg7,
		8,
		DW_OP_breg16,
		0,
		DW_OP_lit15,
		DW_OP_and,
		DW_OP_lit11,
		DW_OP_ge,
		DW_OP_lit3,
		DW_OP_shl,
		DW_OP_plus,
		DW_CFA_offset_extended_sf,
		RBP,
		0x7c,
		ADVANCE(1),
		DW_CFA_val_expression,
		RBP,
		1,
		DW_OP_lit0,
		DW_CFA_undefined,
		RIP,
	};
	size_t cie;

	memset(m, 0, sizeof(*m));
	cie = made_cie(m, "", NO_BYTES, NO_BYTES);
	made_fde(m, cie, 0x1000, 0x1100, all, sizeof(all));
	made_fde(m, cie, 0x2000, 0x2100, all, sizeof(all));
	made_cie(m, "zPLR", BYTES(3, 0, 0, 0, 0, 0, 0), NO_BYTES);
	made_fde(m, made_cie(m, "S", NO_BYTES, NO_BYTES), 0x1080, 0x1180, all, sizeof(all));
}

static void a_section_may_end_anywhere(void **state)
{
	static struct made_cfi m;
	struct cfi_rows rows;

	(void)state;
	make_rich(&m);
	for (size_t len = 0; len <= m.len; len++) {
		parse_bytes(m.bytes, len, false, &rows);
		cfi_rows_done(&rows);
	}
}

static void any_byte_may_be_wrong(void **state)
{
	static struct made_cfi m;
	struct cfi_rows rows;
	uint8_t was;

	(void)state;
	make_rich(&m);
	for (size_t at = 0; at < m.len; at++) {
		was = m.bytes[at];
		for (unsigned wrong = 0; wrong < 256; wrong += wrong % 16 == 15 ? 16 : 1) {
			m.bytes[at] = (uint8_t)wrong;
			parse_bytes(m.bytes, m.len, false, &rows);
			cfi_rows_done(&rows);
		}
		m.bytes[at] = was;
	}
}

static void random_bytes_are_survived(void **state)
{
	uint64_t x = 88172645463325252u;
	uint8_t bytes[512];
	struct cfi_rows rows;

	(void)state;
	for (unsigned run = 0; run < 4000; run++) {
		for (size_t i = 0; i < sizeof(bytes); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			/* Mostly small numbers, so that lengths lead somewhere. */
			bytes[i] = x & 0x300 ? (uint8_t)(x & 0x1f) : (uint8_t)x;
		}
		parse_bytes(bytes, sizeof(bytes), run & 1, &rows);
		cfi_rows_done(&rows);
	}
}

/* After one row, these instructions are wrong: the row stays, the rest is unsupported. */
static void assert_wrong(const uint8_t *program, size_t len)
{
	static struct made_cfi m;
	uint8_t all[256] = { DW_CFA_offset | RBP, 2, ADVANCE(4) };
	struct cfi_rows rows;

	m = (struct made_cfi){ .exact = true };
	memcpy(all + 3, program, len);
	made_fde(&m, made_cie(&m, "", NO_BYTES, NO_BYTES), MADE_START, MADE_END, all, 3 + len);
	rows = parse_made(&m);
	assert_int_equal(rows.refused[CFI_REFUSED_programs], 1);
	ASSERT_ROWS(rows, ROW_BP(MADE_START, MT_CFA_SP, 8, MT_BP_CFA, -16),
		    ROW(0x1004, MT_CFA_UNSUPPORTED, 0), END_ROW);
}

static void a_wrong_program_is_cut_where_it_goes_wrong(void **state)
{
	uint8_t many[17];

	(void)state;
	memset(many, DW_CFA_remember_state, sizeof(many));
	assert_wrong(BYTES(0x3f));			     /* no such instruction */
	assert_wrong(BYTES(0x17, 1, 1));		     /* nor this */
	assert_wrong(BYTES(DW_CFA_restore_state));	     /* nothing was remembered */
	assert_wrong(many, sizeof(many));		     /* too much is */
	assert_wrong(BYTES(DW_CFA_def_cfa_expression, 200)); /* more than there is */
	assert_wrong(BYTES(DW_CFA_expression, RBP, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			   0xff, 1));
	assert_wrong(BYTES(DW_CFA_def_cfa_expression, 1, DW_OP_nop, DW_CFA_def_cfa_offset, 8));
	assert_wrong(BYTES(DW_CFA_def_cfa_expression, 1, DW_OP_nop, DW_CFA_def_cfa_register, 7));
	assert_wrong(BYTES(DW_CFA_set_loc, 0, 0x10, 0, 0, 0, 0, 0, 0)); /* backwards */
	assert_wrong(BYTES(DW_CFA_set_loc, 0, 0x10));
	assert_wrong(BYTES(DW_CFA_advance_loc4, 1));
	/* Numbers of more than 64 bits, and one that never ends. */
	assert_wrong(BYTES(DW_CFA_def_cfa_offset, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
			   0x80, 0x02));
	assert_wrong(BYTES(DW_CFA_def_cfa_offset_sf, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
			   0x80, 0x02));
	assert_wrong(BYTES(DW_CFA_def_cfa_offset, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
			   0x80, 0x80, 0x00));
	assert_wrong(BYTES(DW_CFA_def_cfa_offset, 0x80, 0x80, 0x80));
}

static void an_advance_beyond_everything_ends_the_function(void **state)
{
	static struct made_cfi m;
	struct cfi_rows rows;

	(void)state;
	begin_cie(&m, "");
	put_bytes(&m, BYTES(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0x78, RIP,
			    DW_CFA_def_cfa, RSP, 8, DW_CFA_offset | RIP, 1));
	end_entry(&m);
	made_fde(&m, 0, MADE_START, MADE_END,
		 BYTES(DW_CFA_advance_loc4, 0xff, 0xff, 0xff, 0xff, DW_CFA_undefined, RIP));
	made_fde(&m, 0, 0x2000, 0x2100, BYTES(ADVANCE(1), DW_CFA_undefined, RIP));
	rows = parse_made(&m);
	assert_int_equal(rows.refused[CFI_REFUSED_programs], 0);
	ASSERT_ROWS(rows, ENTRY_ROW, END_ROW, ROW(0x2000, MT_CFA_SP, 8),
		    ROW(0x2100, MT_CFA_FRAME, 0));
}

static void a_function_may_not_wrap_around(void **state)
{
	static struct made_cfi m;
	struct cfi_rows rows;

	(void)state;
	made_cie(&m, "", NO_BYTES, NO_BYTES);
	made_fde(&m, 0, UINT64_MAX - 4, 4, NO_BYTES);
	rows = parse_made(&m);
	assert_int_equal(rows.count, 0);
	assert_int_equal(rows.refused[CFI_REFUSED_ranges], 1);
	cfi_rows_done(&rows);
}

static void pointers_to_what_is_no_common_entry_are_refused(void **state)
{
	static struct made_cfi m;
	struct cfi_rows rows;
	size_t function;

	(void)state;
	made_cie(&m, "", NO_BYTES, NO_BYTES);
	made_fde(&m, 0, 0x1000, 0x1100, NO_BYTES);
	function = m.entry;
	made_fde(&m, function, 0x2000, 0x2100, NO_BYTES);     /* a function */
	made_fde(&m, m.len, 0x3000, 0x3100, NO_BYTES);	      /* itself */
	made_fde(&m, 4, 0x4000, 0x4100, NO_BYTES);	      /* the middle of one */
	made_fde(&m, m.len + 5000, 0x5000, 0x5100, NO_BYTES); /* nowhere */
	made_fde(&m, (size_t)-8, 0x6000, 0x6100, NO_BYTES);   /* before the section */
	rows = parse_made(&m);
	assert_int_equal(rows.refused[CFI_REFUSED_entries], 5);
	ASSERT_ROWS(rows, ENTRY_ROW, END_ROW);
}

static void a_length_beyond_the_section_ends_it(void **state)
{
	static struct made_cfi m;
	struct cfi_rows rows;

	(void)state;
	made_fde(&m, made_cie(&m, "", NO_BYTES, NO_BYTES), 0x1000, 0x1100, NO_BYTES);
	put(&m, 0xfffffff0, 4);
	made_fde(&m, 0, 0x2000, 0x2100, NO_BYTES);
	rows = parse_made(&m);
	assert_int_equal(rows.refused[CFI_REFUSED_entries], 1);
	ASSERT_ROWS(rows, ENTRY_ROW, END_ROW);
}

static void common_entries_that_are_wrong_take_their_functions_along(void **state)
{
	static struct made_cfi m;
	struct cfi_rows rows;

	(void)state;
	begin_cie(&m, "");
	put_bytes(&m, BYTES(1, 0x78, 5)); /* another return address */
	end_entry(&m);
	made_fde(&m, 0, 0x1000, 0x1100, NO_BYTES);
	made_fde(&m, made_cie(&m, "", NO_BYTES, BYTES(ADVANCE(1))), 0x2000, 0x2100, NO_BYTES);
	m.version = 2;
	made_fde(&m, made_cie(&m, "", NO_BYTES, NO_BYTES), 0x3000, 0x3100, NO_BYTES);
	m.version = 5;
	made_fde(&m, made_cie(&m, "", NO_BYTES, NO_BYTES), 0x4000, 0x4100, NO_BYTES);
	rows = parse_made(&m);
	assert_int_equal(rows.count, 0);
	assert_int_equal(rows.refused[CFI_REFUSED_entries], 8);
	cfi_rows_done(&rows);
}

/* A section of common entries, and one of rows without end, larger than a file may have. */
static void limits_hold_and_are_counted(void **state)
{
	const size_t cie = 20, cies = CFI_CIES_MAX + 10, len = cies * cie;
	const uint8_t one[] = { DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 0 };
	static struct made_cfi m;
	uint8_t *bytes = malloc(len);
	struct cfi_rows rows;

	(void)state;
	assert_non_null(bytes);
	made_cie(&m, "", NO_BYTES, NO_BYTES);
	assert_int_equal(m.len, cie);
	for (size_t i = 0; i < cies; i++)
		memcpy(bytes + i * cie, m.bytes, cie);
	parse_bytes(bytes, len, false, &rows);
	assert_int_equal(rows.refused[CFI_REFUSED_limits], 10);
	cfi_rows_done(&rows);

	made_fde(&m, 0, 0, 1u << 30, one, sizeof(one));
	bytes = realloc(bytes, m.len + (CFI_ROWS_MAX + 100) * sizeof(one));
	memcpy(bytes, m.bytes, m.len);
	for (size_t i = 0; i < CFI_ROWS_MAX + 100; i++) {
		memcpy(bytes + m.len + i * sizeof(one), one, sizeof(one));
		bytes[m.len + i * sizeof(one) + 2] = i & 1 ? 16 : 24;
	}
	*(uint32_t *)(void *)(bytes + cie) =
		(uint32_t)(m.len - cie - 4 + (CFI_ROWS_MAX + 100) * sizeof(one));
	parse_bytes(bytes, m.len + (CFI_ROWS_MAX + 100) * sizeof(one), false, &rows);
	assert_true(rows.count <= CFI_ROWS_MAX && rows.count > CFI_ROWS_MAX - 2);
	assert_int_equal(rows.refused[CFI_REFUSED_limits], 1);
	cfi_rows_done(&rows);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_section_may_end_anywhere),
		cmocka_unit_test(any_byte_may_be_wrong),
		cmocka_unit_test(random_bytes_are_survived),
		cmocka_unit_test(a_wrong_program_is_cut_where_it_goes_wrong),
		cmocka_unit_test(an_advance_beyond_everything_ends_the_function),
		cmocka_unit_test(a_function_may_not_wrap_around),
		cmocka_unit_test(pointers_to_what_is_no_common_entry_are_refused),
		cmocka_unit_test(a_length_beyond_the_section_ends_it),
		cmocka_unit_test(common_entries_that_are_wrong_take_their_functions_along),
		cmocka_unit_test(limits_hold_and_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
