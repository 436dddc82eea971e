/* Call frame instructions, and what of them becomes a rule. */
#include "cfi_maker.h"

#include <errno.h>

#define ADVANCE(n) (DW_CFA_advance_loc | (n))

static void a_usual_function_has_rows_where_its_frame_changes(void **state)
{
	(void)state;
	ASSERT_ROWS(parse_program(BYTES(ADVANCE(1), DW_CFA_def_cfa_offset, 16, DW_CFA_offset | RBP,
					2, ADVANCE(3), DW_CFA_def_cfa_register, RBP, ADVANCE(40),
					DW_CFA_def_cfa, RSP, 8)),
		    ENTRY_ROW, ROW_BP(0x1001, MT_CFA_SP, 16, MT_BP_CFA, -16),
		    ROW_BP(0x1004, MT_CFA_BP, 16, MT_BP_CFA, -16),
		    ROW_BP(0x102c, MT_CFA_SP, 8, MT_BP_CFA, -16), END_ROW);
}

static void every_way_to_advance_counts_its_bytes(void **state)
{
	(void)state;
	ASSERT_ROWS(parse_program(BYTES(ADVANCE(5), DW_CFA_def_cfa_offset, 16, DW_CFA_advance_loc1,
					0x10, DW_CFA_def_cfa_offset, 24, DW_CFA_advance_loc2, 0x20,
					0, DW_CFA_def_cfa_offset, 32, DW_CFA_advance_loc4, 1, 0, 0,
					0, DW_CFA_def_cfa_offset, 40, 0x1d, 2, 0, 0, 0, 0, 0, 0, 0,
					DW_CFA_def_cfa_offset, 48, DW_CFA_set_loc, 0x80, 0x10, 0, 0,
					0, 0, 0, 0, DW_CFA_def_cfa_offset, 56)),
		    ENTRY_ROW, ROW(0x1005, MT_CFA_SP, 16), ROW(0x1015, MT_CFA_SP, 24),
		    ROW(0x1035, MT_CFA_SP, 32), ROW(0x1036, MT_CFA_SP, 40),
		    ROW(0x1038, MT_CFA_SP, 48), ROW(0x1080, MT_CFA_SP, 56), END_ROW);
}

static void two_changes_at_one_address_are_one_row(void **state)
{
	(void)state;
	ASSERT_ROWS(parse_program(BYTES(ADVANCE(1), DW_CFA_def_cfa_offset, 16, ADVANCE(0),
					DW_CFA_def_cfa_offset, 24)),
		    ENTRY_ROW, ROW(0x1001, MT_CFA_SP, 24), END_ROW);
}

static void a_change_that_changes_nothing_is_no_row(void **state)
{
	(void)state;
	ASSERT_ROWS(
		parse_program(BYTES(ADVANCE(1), DW_CFA_offset | RBX, 3, ADVANCE(1), 0x2e, 16,
				    ADVANCE(1), DW_CFA_nop, ADVANCE(1), DW_CFA_def_cfa_offset, 8)),
		ENTRY_ROW, END_ROW);
}

/* One place of the frame pointer after each of these instructions. */
static void assert_bp(const uint8_t *program, size_t len, enum mt_unwind_bp bp, int offset)
{
	ASSERT_ROWS(parse_program(program, len),
		    ROW_BP(MADE_START, MT_CFA_SP, 8, (uint8_t)bp, (int16_t)offset), END_ROW);
}

static void the_frame_pointer_is_found_where_it_is_saved(void **state)
{
	(void)state;
	assert_bp(BYTES(DW_CFA_offset_extended, RBP, 4), MT_BP_CFA, -32);
	assert_bp(BYTES(DW_CFA_offset_extended_sf, RBP, 4), MT_BP_CFA, -32);
	assert_bp(BYTES(DW_CFA_offset_extended_sf, RBP, 0x7f), MT_BP_CFA, 8);
	assert_bp(BYTES(0x2f, RBP, 4), MT_BP_CFA, 32);
	assert_bp(BYTES(DW_CFA_expression, RBP, 2, DW_OP_breg6, 0x10), MT_BP_BP, 16);
	assert_bp(BYTES(DW_CFA_expression, RBP, 2, DW_OP_breg7, 0x70), MT_BP_SP, -16);
	assert_bp(BYTES(DW_CFA_offset | RBP, 2, DW_CFA_same_value, RBP), MT_BP_SAME, 0);
	assert_bp(BYTES(DW_CFA_register, RBP, RBP), MT_BP_SAME, 0);
}

static void a_frame_pointer_in_another_place_is_lost(void **state)
{
	(void)state;
	assert_bp(BYTES(DW_CFA_undefined, RBP), MT_BP_LOST, 0);
	assert_bp(BYTES(DW_CFA_register, RBP, RBX), MT_BP_LOST, 0);
	assert_bp(BYTES(DW_CFA_val_offset, RBP, 2), MT_BP_LOST, 0);
	assert_bp(BYTES(DW_CFA_val_offset_sf, RBP, 2), MT_BP_LOST, 0);
	assert_bp(BYTES(DW_CFA_val_expression, RBP, 2, DW_OP_breg7, 8), MT_BP_LOST, 0);
	assert_bp(BYTES(DW_CFA_expression, RBP, 2, DW_OP_breg3, 8), MT_BP_LOST, 0);
	assert_bp(BYTES(DW_CFA_expression, RBP, 3, DW_OP_breg7, 8, DW_OP_deref), MT_BP_LOST, 0);
	assert_bp(BYTES(DW_CFA_offset_extended, RBP, 0x81, 0x20), MT_BP_LOST, 0); /* 32776 */
	assert_bp(BYTES(DW_CFA_offset_extended, RBP, 0x80, 0x20), MT_BP_CFA, -32768);
}

/* One canonical frame address after each of these instructions. */
static void assert_cfa(const uint8_t *program, size_t len, enum mt_unwind_cfa cfa, int64_t offset)
{
	ASSERT_ROWS(parse_program(program, len), ROW(MADE_START, (uint8_t)cfa, (int32_t)offset),
		    END_ROW);
}

static void a_frame_address_is_a_register_and_an_offset(void **state)
{
	(void)state;
	assert_cfa(BYTES(DW_CFA_def_cfa, RBP, 0x90, 1), MT_CFA_BP, 144);
	assert_cfa(BYTES(DW_CFA_def_cfa_sf, RBP, 0x7e), MT_CFA_BP, 16);
	assert_cfa(BYTES(DW_CFA_def_cfa_register, RBP), MT_CFA_BP, 8);
	assert_cfa(BYTES(DW_CFA_def_cfa_offset, 0x80, 0x80, 0x04), MT_CFA_SP, 65536);
	assert_cfa(BYTES(DW_CFA_def_cfa_offset_sf, 0x7c), MT_CFA_SP, 32);
	assert_cfa(BYTES(DW_CFA_def_cfa_expression, 2, DW_OP_breg7, 24), MT_CFA_SP, 24);
	assert_cfa(BYTES(DW_CFA_def_cfa_register, RBX), MT_CFA_UNSUPPORTED, 0);
	assert_cfa(BYTES(DW_CFA_def_cfa_offset, 0x80, 0x80, 0x80, 0x80, 0x08), MT_CFA_UNSUPPORTED,
		   0); /* 2 GiB */
	assert_cfa(BYTES(DW_CFA_def_cfa_offset, 0xff, 0xff, 0xff, 0xff, 0x07), MT_CFA_SP,
		   INT32_MAX);
}

static void a_frame_address_may_lie_on_the_stack(void **state)
{
	(void)state;
	assert_cfa(BYTES(DW_CFA_def_cfa_expression, 3, DW_OP_breg6, 0x78, DW_OP_deref),
		   MT_CFA_BP_DEREF, -8 * 256);
	assert_cfa(BYTES(DW_CFA_def_cfa_expression, 5, DW_OP_breg7, 0x28, DW_OP_deref,
			 DW_OP_plus_uconst, 8),
		   MT_CFA_SP_DEREF, 0x28 * 256 + 8);
	assert_cfa(BYTES(DW_CFA_def_cfa_expression, 6, DW_OP_breg7, 0x28, DW_OP_deref,
			 DW_OP_plus_uconst, 0x80, 2),
		   MT_CFA_UNSUPPORTED, 0); /* + 256 has no room */
	assert_cfa(
		BYTES(DW_CFA_def_cfa_expression, 6, DW_OP_breg7, 0x80, 0x80, 0x80, 4, DW_OP_deref),
		MT_CFA_UNSUPPORTED, 0); /* nor 8 MiB */
	assert_cfa(BYTES(DW_CFA_def_cfa_expression, 3, DW_OP_breg3, 8, DW_OP_deref),
		   MT_CFA_UNSUPPORTED, 0);
	assert_cfa(BYTES(DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 8, DW_OP_deref, DW_OP_deref),
		   MT_CFA_UNSUPPORTED, 0);
	assert_cfa(BYTES(DW_CFA_def_cfa_expression, 0), MT_CFA_UNSUPPORTED, 0);
}

static void a_plt_is_one_rule(void **state)
{
	(void)state;
	assert_cfa(BYTES(DW_CFA_def_cfa_expression, 11, DW_OP_breg7, 8, DW_OP_breg16, 0,
			 DW_OP_lit15, DW_OP_and, DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl,
			 DW_OP_plus),
		   MT_CFA_PLT, 11);
	assert_cfa(BYTES(DW_CFA_def_cfa_expression, 11, DW_OP_breg7, 8, DW_OP_breg16, 0,
			 DW_OP_lit15, DW_OP_and, DW_OP_lit10, DW_OP_ge, DW_OP_lit3, DW_OP_shl,
			 DW_OP_plus),
		   MT_CFA_PLT, 10);
	assert_cfa(BYTES(DW_CFA_def_cfa_expression, 11, DW_OP_breg7, 8, DW_OP_breg16, 0,
			 DW_OP_lit15, DW_OP_and, DW_OP_lit10, DW_OP_gt, DW_OP_lit3, DW_OP_shl,
			 DW_OP_plus),
		   MT_CFA_UNSUPPORTED, 0);
}

static void an_undefined_return_address_ends_the_stack(void **state)
{
	(void)state;
	assert_cfa(BYTES(DW_CFA_undefined, RIP), MT_CFA_END, 0);
	assert_cfa(BYTES(DW_CFA_def_cfa, RBX, 8, DW_CFA_undefined, RIP), MT_CFA_END, 0);
}

static void a_return_address_elsewhere_is_unsupported(void **state)
{
	(void)state;
	assert_cfa(BYTES(DW_CFA_register, RIP, 5), MT_CFA_UNSUPPORTED, 0); /* vfork: in rdi */
	assert_cfa(BYTES(DW_CFA_offset | RIP, 2), MT_CFA_UNSUPPORTED, 0);
	assert_cfa(BYTES(DW_CFA_same_value, RIP), MT_CFA_UNSUPPORTED, 0);
	assert_cfa(BYTES(DW_CFA_expression, RIP, 2, DW_OP_breg7, 0), MT_CFA_UNSUPPORTED, 0);
}

static void restoring_goes_back_to_what_functions_have_in_common(void **state)
{
	static struct made_cfi m;
	size_t cie;

	(void)state;
	cie = made_cie(&m, "", NO_BYTES, BYTES(DW_CFA_offset | RBP, 3));
	made_fde(&m, cie, MADE_START, MADE_END,
		 BYTES(DW_CFA_same_value, RBP, ADVANCE(1), DW_CFA_restore | RBP, ADVANCE(1),
		       DW_CFA_undefined, RIP, DW_CFA_undefined, RBP, ADVANCE(1),
		       DW_CFA_restore_extended, RIP, ADVANCE(1), DW_CFA_restore_extended, RBP));
	ASSERT_ROWS(parse_made(&m), ENTRY_ROW, ROW_BP(0x1001, MT_CFA_SP, 8, MT_BP_CFA, -24),
		    ROW(0x1002, MT_CFA_END, 0), ROW_BP(0x1003, MT_CFA_SP, 8, MT_BP_LOST, 0),
		    ROW_BP(0x1004, MT_CFA_SP, 8, MT_BP_CFA, -24), END_ROW);
}

static void a_remembered_state_is_all_of_it(void **state)
{
	(void)state;
	ASSERT_ROWS(parse_program(BYTES(DW_CFA_remember_state, ADVANCE(1), DW_CFA_def_cfa, RBP, 16,
					DW_CFA_offset | RBP, 2, DW_CFA_remember_state, ADVANCE(1),
					DW_CFA_undefined, RIP, ADVANCE(1), DW_CFA_restore_state,
					ADVANCE(1), DW_CFA_restore_state)),
		    ENTRY_ROW, ROW_BP(0x1001, MT_CFA_BP, 16, MT_BP_CFA, -16),
		    ROW(0x1002, MT_CFA_END, 0), ROW_BP(0x1003, MT_CFA_BP, 16, MT_BP_CFA, -16),
		    ROW(0x1004, MT_CFA_SP, 8), END_ROW);
}

static void other_registers_are_passed_over(void **state)
{
	(void)state;
	ASSERT_ROWS(parse_program(BYTES(DW_CFA_offset | RBX, 5, DW_CFA_offset_extended, 0x80, 1, 5,
					DW_CFA_restore | RBX, DW_CFA_restore_extended, 40,
					DW_CFA_undefined, RBX, DW_CFA_same_value, RBX,
					DW_CFA_register, RBX, 1, DW_CFA_expression, RBX, 3,
					DW_OP_breg6, 0x70, DW_OP_deref, DW_CFA_val_expression, RBX,
					1, DW_OP_lit0, DW_CFA_val_offset, RBX, 1, 0x2e, 0x90, 1,
					ADVANCE(1), DW_CFA_def_cfa_offset, 16)),
		    ENTRY_ROW, ROW(0x1001, MT_CFA_SP, 16), END_ROW);
}

static void factors_multiply_addresses_and_offsets(void **state)
{
	static struct made_cfi m;

	(void)state;
	begin_cie(&m, "");
	put_bytes(&m, BYTES(4, 0x7c, RIP, DW_CFA_def_cfa, RSP, 8, DW_CFA_offset | RIP, 2));
	end_entry(&m);
	made_fde(&m, 0, MADE_START, MADE_END, BYTES(ADVANCE(2), DW_CFA_offset | RBP, 5));
	ASSERT_ROWS(parse_made(&m), ENTRY_ROW, ROW_BP(0x1008, MT_CFA_SP, 8, MT_BP_CFA, -20),
		    END_ROW);
}

static void rows_end_with_their_function(void **state)
{
	(void)state;
	ASSERT_ROWS(parse_program(BYTES(DW_CFA_advance_loc2, 0xff, 0, DW_CFA_def_cfa_offset, 16,
					ADVANCE(1), DW_CFA_def_cfa_offset, 24)),
		    ENTRY_ROW, ROW(0x10ff, MT_CFA_SP, 16), END_ROW);
}

static void only_machines_with_known_registers_have_rows(void **state)
{
	struct cfi_input in = { .machine = EM_AARCH64 };
	struct cfi_rows rows = { .count = 7 };

	(void)state;
	assert_int_equal(cfi_parse(&in, &rows), -EOPNOTSUPP);
	assert_int_equal(rows.count, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_usual_function_has_rows_where_its_frame_changes),
		cmocka_unit_test(every_way_to_advance_counts_its_bytes),
		cmocka_unit_test(two_changes_at_one_address_are_one_row),
		cmocka_unit_test(a_change_that_changes_nothing_is_no_row),
		cmocka_unit_test(the_frame_pointer_is_found_where_it_is_saved),
		cmocka_unit_test(a_frame_pointer_in_another_place_is_lost),
		cmocka_unit_test(a_frame_address_is_a_register_and_an_offset),
		cmocka_unit_test(a_frame_address_may_lie_on_the_stack),
		cmocka_unit_test(a_plt_is_one_rule),
		cmocka_unit_test(an_undefined_return_address_ends_the_stack),
		cmocka_unit_test(a_return_address_elsewhere_is_unsupported),
		cmocka_unit_test(restoring_goes_back_to_what_functions_have_in_common),
		cmocka_unit_test(a_remembered_state_is_all_of_it),
		cmocka_unit_test(other_registers_are_passed_over),
		cmocka_unit_test(factors_multiply_addresses_and_offsets),
		cmocka_unit_test(rows_end_with_their_function),
		cmocka_unit_test(only_machines_with_known_registers_have_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
