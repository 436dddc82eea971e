/* The entries of .eh_frame and .debug_frame: forms, order, overlaps, signal frames. */
#include "cfi_maker.h"

#include <errno.h>

static const uint8_t push_bp[] = { DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16 };

#define PUSHED push_bp, sizeof(push_bp)

/* After a function of push_bp[] at [start, end). */
#define ROWS_OF(start, end) \
	ROW(start, MT_CFA_SP, 8), ROW((start) + 1, MT_CFA_SP, 16), ROW(end, MT_CFA_FRAME, 0)

static void functions_may_come_in_any_order(void **state)
{
	static struct made_cfi m;
	size_t cie;

	(void)state;
	cie = made_cie(&m, "", NO_BYTES, NO_BYTES);
	made_fde(&m, cie, 0x3000, 0x3100, PUSHED);
	made_fde(&m, cie, 0x1000, 0x1100, PUSHED);
	made_fde(&m, made_cie(&m, "", NO_BYTES, NO_BYTES), 0x2000, 0x2100, PUSHED);
	made_fde(&m, cie, 0x1080, 0x1080, PUSHED); /* removed by the linker */
	ASSERT_ROWS(parse_made(&m), ROWS_OF(0x1000, 0x1100), ROWS_OF(0x2000, 0x2100),
		    ROWS_OF(0x3000, 0x3100));
}

static void a_small_gap_belongs_to_the_function_before(void **state)
{
	static struct made_cfi m;
	size_t cie;

	(void)state;
	cie = made_cie(&m, "", NO_BYTES, NO_BYTES);
	made_fde(&m, cie, 0x1000, 0x1010, PUSHED);
	made_fde(&m, cie, 0x1020, 0x1030, PUSHED); /* 16 bytes after */
	made_fde(&m, cie, 0x1041, 0x1050, PUSHED); /* 17 */
	made_fde(&m, cie, 0x1050, 0x1060, PUSHED); /* none */
	ASSERT_ROWS(parse_made(&m), ROW(0x1000, MT_CFA_SP, 8), ROW(0x1001, MT_CFA_SP, 16),
		    ROW(0x1020, MT_CFA_SP, 8), ROW(0x1021, MT_CFA_SP, 16),
		    ROW(0x1030, MT_CFA_FRAME, 0), ROW(0x1041, MT_CFA_SP, 8),
		    ROW(0x1042, MT_CFA_SP, 16), ROWS_OF(0x1050, 0x1060));
}

static void a_function_ends_where_another_begins(void **state)
{
	static struct made_cfi m;
	size_t cie;

	(void)state;
	cie = made_cie(&m, "", NO_BYTES, NO_BYTES);
	made_fde(&m, cie, 0x1000, 0x1100, PUSHED);
	made_fde(&m, cie, 0x1080, 0x1200, PUSHED);
	made_fde(&m, cie, 0x1080, 0x1300, NO_BYTES); /* the second at one place does not count */
	ASSERT_ROWS(parse_made(&m), ROW(0x1000, MT_CFA_SP, 8), ROW(0x1001, MT_CFA_SP, 16),
		    ROWS_OF(0x1080, 0x1200));
}

static void long_lengths_are_read(void **state)
{
	static struct made_cfi eh = { .is_64 = true };
	static struct made_cfi debug = { .is_64 = true, .debug_frame = true, .version = 3 };

	(void)state;
	made_fde(&eh, made_cie(&eh, "", NO_BYTES, NO_BYTES), 0x1000, 0x1100, PUSHED);
	ASSERT_ROWS(parse_made(&eh), ROWS_OF(0x1000, 0x1100));
	made_fde(&debug, made_cie(&debug, "", NO_BYTES, NO_BYTES), 0x1000, 0x1100, PUSHED);
	ASSERT_ROWS(parse_made(&debug), ROWS_OF(0x1000, 0x1100));
}

static void every_version_of_debug_frame_is_read(void **state)
{
	(void)state;
	for (uint8_t version = 1; version <= 4; version++) {
		static struct made_cfi m;

		if (version == 2)
			continue;
		memset(&m, 0, sizeof(m));
		m.debug_frame = true;
		m.version = version;
		made_fde(&m, made_cie(&m, "", NO_BYTES, NO_BYTES), 0x1000, 0x1100, PUSHED);
		ASSERT_ROWS(parse_made(&m), ROWS_OF(0x1000, 0x1100));
	}
}

static void debug_frame_may_name_a_common_entry_further_on(void **state)
{
	static struct made_cfi m = { .debug_frame = true };
	uint32_t function, cie;

	(void)state;
	made_cie(&m, "", NO_BYTES, BYTES(DW_CFA_def_cfa_offset, 48));
	made_fde(&m, 0, 0x1000, 0x1100, PUSHED);
	function = (uint32_t)m.entry;
	cie = (uint32_t)made_cie(&m, "", NO_BYTES, NO_BYTES);
	memcpy(m.bytes + function + 4, &cie, sizeof(cie));
	ASSERT_ROWS(parse_made(&m), ROWS_OF(0x1000, 0x1100));
}

/* One function whose common entry has these letters and data; its own data: nothing, with length.
 */
static struct cfi_rows parse_letters(const char *letters, const uint8_t *data, size_t len)
{
	static struct made_cfi m;
	static const uint8_t program[] = { 0, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16 };
	const size_t skip = letters[0] == 'z' ? 0 : 1;

	memset(&m, 0, sizeof(m));
	made_fde(&m, made_cie(&m, letters, data, len, NO_BYTES), 0x1000, 0x1100, program + skip,
		 sizeof(program) - skip);
	return parse_made(&m);
}

static void augmentations_are_understood(void **state)
{
	(void)state;
	ASSERT_ROWS(parse_letters("z", NO_BYTES), ROWS_OF(0x1000, 0x1100));
	ASSERT_ROWS(parse_letters("zR", BYTES(DW_EH_PE_absptr)), ROWS_OF(0x1000, 0x1100));
	ASSERT_ROWS(parse_letters("zPLR", BYTES(DW_EH_PE_udata4 | DW_EH_PE_indirect, 1, 2, 3, 4,
						DW_EH_PE_pcrel, DW_EH_PE_udata8)),
		    ROWS_OF(0x1000, 0x1100));
	ASSERT_ROWS(parse_letters("zRS", BYTES(DW_EH_PE_absptr)), ROWS_OF(0x1000, 0x1100));
	ASSERT_ROWS(parse_letters("zRB", BYTES(DW_EH_PE_absptr)), ROWS_OF(0x1000, 0x1100));
	ASSERT_ROWS(parse_letters("S", NO_BYTES), ROWS_OF(0x1000, 0x1100));
	/* What is not known is passed over when its length is. */
	ASSERT_ROWS(parse_letters("zRx", BYTES(DW_EH_PE_absptr, 9, 9, 9)), ROWS_OF(0x1000, 0x1100));
}

static void a_word_of_old_compilers_is_passed_over(void **state)
{
	static struct made_cfi m;

	(void)state;
	begin_cie(&m, "eh");
	put(&m, 0x7878787878787878, 8);
	put_bytes(&m, BYTES(1, 0x78, RIP, DW_CFA_def_cfa, RSP, 8, DW_CFA_offset | RIP, 1));
	end_entry(&m);
	made_fde(&m, 0, 0x1000, 0x1100, PUSHED);
	ASSERT_ROWS(parse_made(&m), ROWS_OF(0x1000, 0x1100));
}

static void an_aligned_personality_is_passed_over(void **state)
{
	/* It begins at byte 17 of the section: padding from 18 to 24, 8 bytes, and R. */
	uint8_t data[16];

	(void)state;
	memset(data, 0xff, sizeof(data));
	data[0] = DW_EH_PE_aligned;
	data[15] = DW_EH_PE_absptr;
	ASSERT_ROWS(parse_letters("zPR", data, sizeof(data)), ROWS_OF(0x1000, 0x1100));
}

static void unknown_augmentations_without_length_are_refused(void **state)
{
	struct cfi_rows rows = parse_letters("x", NO_BYTES);

	(void)state;
	assert_int_equal(rows.count, 0);
	assert_int_equal(rows.refused[CFI_REFUSED_entries], 2); /* it, and its function */
	cfi_rows_done(&rows);
}

/* [0x1000, 0x1100) in this encoding. */
static struct cfi_rows parse_encoded(uint8_t encoding, const uint8_t *addresses, size_t len)
{
	static struct made_cfi m;
	size_t cie;

	memset(&m, 0, sizeof(m));
	cie = made_cie(&m, "zR", &encoding, 1, NO_BYTES);
	begin_entry(&m);
	put_pointer_back(&m, cie);
	put_bytes(&m, addresses, len);
	put(&m, 0, 1);
	put_bytes(&m, PUSHED);
	end_entry(&m);
	return parse_made(&m);
}

static void addresses_come_in_every_encoding(void **state)
{
	/* Where the address is: after the common entry, a length and a pointer. */
	const uint32_t near = 0x1000 - (MADE_VADDR + 24 + 8);
	const uint8_t relative[] = { (uint8_t)near,
				     (uint8_t)(near >> 8),
				     (uint8_t)(near >> 16),
				     (uint8_t)(near >> 24),
				     0,
				     1,
				     0,
				     0 };

	(void)state;
	ASSERT_ROWS(parse_encoded(DW_EH_PE_udata2, BYTES(0, 0x10, 0, 1)), ROWS_OF(0x1000, 0x1100));
	ASSERT_ROWS(parse_encoded(DW_EH_PE_sdata2, BYTES(0, 0x10, 0, 1)), ROWS_OF(0x1000, 0x1100));
	ASSERT_ROWS(parse_encoded(DW_EH_PE_udata4, BYTES(0, 0x10, 0, 0, 0, 1, 0, 0)),
		    ROWS_OF(0x1000, 0x1100));
	ASSERT_ROWS(parse_encoded(DW_EH_PE_sdata8,
				  BYTES(0, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)),
		    ROWS_OF(0x1000, 0x1100));
	ASSERT_ROWS(parse_encoded(DW_EH_PE_uleb128, BYTES(0x80, 0x20, 0x80, 0x02)),
		    ROWS_OF(0x1000, 0x1100));
	ASSERT_ROWS(parse_encoded(DW_EH_PE_sleb128, BYTES(0x80, 0x20, 0x80, 0x02)),
		    ROWS_OF(0x1000, 0x1100));
	ASSERT_ROWS(parse_encoded(DW_EH_PE_pcrel | DW_EH_PE_sdata4, relative, sizeof(relative)),
		    ROWS_OF(0x1000, 0x1100));
}

static void assert_refused(struct cfi_rows rows, enum cfi_refused why)
{
	assert_int_equal(rows.count, 0);
	assert_int_equal(rows.refused[why], 1);
	cfi_rows_done(&rows);
}

static void addresses_that_need_more_than_the_file_are_refused(void **state)
{
	const uint8_t some[] = { 0, 0x10, 0, 0, 0, 1, 0, 0 };

	(void)state;
	assert_refused(parse_encoded(DW_EH_PE_datarel | DW_EH_PE_udata4, some, sizeof(some)),
		       CFI_REFUSED_ranges);
	assert_refused(parse_encoded(DW_EH_PE_indirect | DW_EH_PE_udata4, some, sizeof(some)),
		       CFI_REFUSED_ranges);
	assert_refused(parse_encoded(DW_EH_PE_omit, some, sizeof(some)), CFI_REFUSED_ranges);
	assert_refused(parse_encoded(0x0f, some, sizeof(some)), CFI_REFUSED_ranges);
}

static void debug_frame_serves_code_that_eh_frame_lacks(void **state)
{
	static struct made_cfi eh, debug = { .debug_frame = true };
	static const uint8_t other[] = { DW_CFA_def_cfa_offset, 48 };
	struct cfi_input in = { .sections = 2, .machine = EM_X86_64 };
	struct cfi_rows rows;
	size_t cie;

	(void)state;
	made_fde(&eh, made_cie(&eh, "", NO_BYTES, NO_BYTES), 0x2000, 0x2100, PUSHED);
	cie = made_cie(&debug, "", NO_BYTES, NO_BYTES);
	made_fde(&debug, cie, 0x1000, 0x1100, other, sizeof(other));
	made_fde(&debug, cie, 0x2000, 0x2100, other, sizeof(other));
	made_fde(&debug, cie, 0x20f0, 0x2200, other, sizeof(other));
	made_fde(&debug, cie, 0x1f00, 0x2001, other, sizeof(other));
	made_fde(&debug, cie, 0x3000, 0x3100, other, sizeof(other));
	in.section[0] = section_of(&eh);
	in.section[1] = section_of(&debug);
	assert_int_equal(cfi_parse(&in, &rows), 0);
	assert_int_equal(rows.fdes, 3);
	ASSERT_ROWS(rows, ROW(0x1000, MT_CFA_SP, 48), ROW(0x1100, MT_CFA_FRAME, 0),
		    ROWS_OF(0x2000, 0x2100), ROW(0x3000, MT_CFA_SP, 48),
		    ROW(0x3100, MT_CFA_FRAME, 0));
}

static void what_is_no_code_is_refused(void **state)
{
	static struct made_cfi m;
	const struct cfi_range code[] = { { 0x1000, 0x2000 }, { 0x3000, 0x4000 } };
	struct cfi_input in = { .sections = 1, .machine = EM_X86_64, .code = code, .ranges = 2 };
	struct cfi_rows rows;
	size_t cie;

	(void)state;
	cie = made_cie(&m, "", NO_BYTES, NO_BYTES);
	made_fde(&m, cie, 0x1000, 0x1100, PUSHED);
	made_fde(&m, cie, 0, 0x1000, PUSHED);
	made_fde(&m, cie, 0x2000, 0x2100, PUSHED);
	made_fde(&m, cie, 0x3fff, 0x4010, PUSHED);
	in.section[0] = section_of(&m);
	assert_int_equal(cfi_parse(&in, &rows), 0);
	assert_int_equal(rows.refused[CFI_REFUSED_ranges], 2);
	ASSERT_ROWS(rows, ROWS_OF(0x1000, 0x1100), ROWS_OF(0x3fff, 0x4010));
}

static void a_zero_length_ends_only_what_has_no_end_of_its_own(void **state)
{
	static struct made_cfi m;
	struct cfi_input in = { .sections = 1, .machine = EM_X86_64 };
	struct cfi_rows rows;
	size_t cie;

	(void)state;
	cie = made_cie(&m, "", NO_BYTES, NO_BYTES);
	made_fde(&m, cie, 0x1000, 0x1100, PUSHED);
	put(&m, 0, 4);
	made_fde(&m, cie, 0x2000, 0x2100, PUSHED);
	in.section[0] = section_of(&m);
	assert_int_equal(cfi_parse(&in, &rows), 0);
	ASSERT_ROWS(rows, ROWS_OF(0x1000, 0x1100), ROWS_OF(0x2000, 0x2100));
	in.section[0].open_ended = true;
	assert_int_equal(cfi_parse(&in, &rows), 0);
	ASSERT_ROWS(rows, ROWS_OF(0x1000, 0x1100));
}

static void a_signal_frame_is_known_by_its_letter(void **state)
{
	static struct made_cfi m;
	/* The beginning of what glibc says. */
	static const uint8_t glibc[] = {
		DW_CFA_def_cfa_expression, 4,	DW_OP_breg7, 0xa0,	  1,	DW_OP_deref,
		DW_CFA_expression,	   RIP, 3,	     DW_OP_breg7, 0xa8, 1,
	};

	(void)state;
	made_fde(&m, made_cie(&m, "S", NO_BYTES, NO_BYTES), 0x1000, 0x1100, glibc, sizeof(glibc));
	made_fde(&m, made_cie(&m, "", NO_BYTES, NO_BYTES), 0x2000, 0x2100, glibc, sizeof(glibc));
	ASSERT_ROWS(parse_made(&m), ROW(0x1000, MT_CFA_SIGNAL, 0), ROW(0x1100, MT_CFA_FRAME, 0),
		    ROW(0x2000, MT_CFA_UNSUPPORTED, 0), ROW(0x2100, MT_CFA_FRAME, 0));
}

/* Code at 0x1000, of 1 MiB, with one return from a signal handler. */
struct code {
	uint64_t at;
	size_t reads;
};

static int64_t read_code(void *ctx, uint64_t vaddr, void *ret, size_t size)
{
	static const uint8_t sigreturn[] = { 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05 };
	struct code *c = ctx;

	c->reads++;
	memset(ret, 0x90, size);
	for (size_t i = 0; i < sizeof(sigreturn); i++)
		if (c->at + i >= vaddr && c->at + i < vaddr + size)
			((uint8_t *)ret)[c->at + i - vaddr] = sigreturn[i];
	return (int64_t)size;
}

static struct cfi_rows find_sigreturn_in(const struct cfi_range *range, struct code *c,
					 const struct made_cfi *m)
{
	struct cfi_input in = { .section = { section_of(m) },
				.sections = 1,
				.machine = EM_X86_64,
				.code = range,
				.ranges = 1,
				.read_code = read_code,
				.ctx = c };
	struct cfi_rows rows;

	assert_int_equal(cfi_parse(&in, &rows), 0);
	return rows;
}

static struct cfi_rows find_sigreturn(struct code *c, const struct made_cfi *m)
{
	static const struct cfi_range range = { 0x1000, 0x101000 };

	return find_sigreturn_in(&range, c, m);
}

static void a_signal_frame_at_address_0_begins_there(void **state)
{
	static const struct cfi_range range = { 0, 0x2000 };
	static struct made_cfi m;
	struct code c = { .at = 0 };

	(void)state;
	ASSERT_ROWS(find_sigreturn_in(&range, &c, &m), ROW(0, MT_CFA_SIGNAL, 0),
		    ROW(9, MT_CFA_FRAME, 0));
}

static void a_signal_frame_without_tables_is_known_by_its_code(void **state)
{
	static struct made_cfi m;
	const uint64_t border = 0x1000 + (256 << 10);

	(void)state;
	/* Everywhere around the border of what is read at once. */
	for (uint64_t at = border - 12; at < border + 3; at++) {
		struct code c = { .at = at };

		ASSERT_ROWS(find_sigreturn(&c, &m), ROW(at - 1, MT_CFA_SIGNAL, 0),
			    ROW(at + 9, MT_CFA_FRAME, 0));
		assert_in_range(c.reads, 4, 6);
	}
}

static void only_code_without_tables_is_searched(void **state)
{
	static struct made_cfi m;
	struct code c = { .at = 0x1800 };

	(void)state;
	made_fde(&m, made_cie(&m, "", NO_BYTES, NO_BYTES), 0x1700, 0x1900, PUSHED);
	made_fde(&m, 0, 0x1920, 0x101000, PUSHED);
	ASSERT_ROWS(find_sigreturn(&c, &m), ROWS_OF(0x1700, 0x1900), ROWS_OF(0x1920, 0x101000));
	assert_int_equal(c.reads, 1);
	made_cie(&m, "S", NO_BYTES, NO_BYTES);
	c = (struct code){ .at = 0x1100 };
	ASSERT_ROWS(find_sigreturn(&c, &m), ROWS_OF(0x1700, 0x1900), ROWS_OF(0x1920, 0x101000));
	assert_int_equal(c.reads, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_may_come_in_any_order),
		cmocka_unit_test(a_small_gap_belongs_to_the_function_before),
		cmocka_unit_test(a_function_ends_where_another_begins),
		cmocka_unit_test(long_lengths_are_read),
		cmocka_unit_test(every_version_of_debug_frame_is_read),
		cmocka_unit_test(debug_frame_may_name_a_common_entry_further_on),
		cmocka_unit_test(augmentations_are_understood),
		cmocka_unit_test(a_word_of_old_compilers_is_passed_over),
		cmocka_unit_test(an_aligned_personality_is_passed_over),
		cmocka_unit_test(unknown_augmentations_without_length_are_refused),
		cmocka_unit_test(addresses_come_in_every_encoding),
		cmocka_unit_test(addresses_that_need_more_than_the_file_are_refused),
		cmocka_unit_test(debug_frame_serves_code_that_eh_frame_lacks),
		cmocka_unit_test(what_is_no_code_is_refused),
		cmocka_unit_test(a_zero_length_ends_only_what_has_no_end_of_its_own),
		cmocka_unit_test(a_signal_frame_is_known_by_its_letter),
		cmocka_unit_test(a_signal_frame_without_tables_is_known_by_its_code),
		cmocka_unit_test(a_signal_frame_at_address_0_begins_there),
		cmocka_unit_test(only_code_without_tables_is_searched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
