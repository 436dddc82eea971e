/* Points inside functions and sampling, by the rules of alloc.bpf.c. */
#include "alloc_calls.h"

#define RAX 0
#define RBX 3
#define WHOLE (MT_COOKIE(MT_FN_ALLOC, 1, 0, 0, 0) | MT_COOKIE_AT(MT_POINT_WHOLE, RBX, RAX))

static void at_point(uint64_t cookie, uint64_t size, uint64_t result, uint64_t sp)
{
	fake.cookie = cookie | MT_COOKIE_ASID(asid);
	regs.bx = size;
	regs.ax = result;
	regs.sp = sp;
	if (MT_COOKIE_POINT(cookie) == MT_POINT_WHOLE)
		mt_alloc_whole(&regs);
	else if (MT_COOKIE_POINT(cookie) == MT_POINT_SIZE)
		mt_alloc_enter(&regs);
	else
		mt_alloc_result(&regs);
}

static void one_point_near_the_end_tells_a_whole_call(void **state)
{
	(void)state;
	begin();
	at_point(WHOLE, 100, 0x1000, SP);
	assert_int_equal(live_bytes(1), 100);
	assert_int_equal(last_kind, MT_SITE_HEAP);
	assert_int_equal(fake_map_of(&threads)->count, 0);
	do_free(0x1000);
	assert_int_equal(recorded(), 0);
	assert_int_equal(fake_map_of(&threads)->count, 0);
	at_point(WHOLE, 100, 0, SP);
	assert_int_equal(counted(MT_CNT_failed_allocs), 1);
	assert_int_equal(here()->hits, 3);
}

static void every_place_is_read_as_it_is_called(void **state)
{
	uint64_t *const reg[] = { &regs.ax,  &regs.cx,	&regs.dx,  &regs.bx, &regs.sp,	&regs.bp,
				  &regs.si,  &regs.di,	&regs.r8,  &regs.r9, &regs.r10, &regs.r11,
				  &regs.r12, &regs.r13, &regs.r14, &regs.r15 };

	(void)state;
	begin();
	for (uint32_t i = 0; i < 16; i++)
		*reg[i] = 1000 + i;
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(place_read(&regs, i), 1000 + i);
	regs.sp = SP;
	fake_poke(SP, 5);
	fake_poke(SP + 24, 77);
	assert_int_equal(place_read(&regs, MT_PLACE_STACK), 5);
	assert_int_equal(place_read(&regs, MT_PLACE_STACK + 3), 77);
}

static void the_caller_s_frame_pointer_is_given_or_told_where_it_is(void **state)
{
	const uint64_t point =
		MT_COOKIE(MT_FN_ALLOC, 0, 0, 0, 100) | MT_COOKIE_AT(MT_POINT_WHOLE, RBX, RAX);
	const uint64_t at = SP + 8 * 100;

	(void)state;
	begin();
	fake_poke(at, 1); /* a return address */
	regs.bp = 555;
	at_point(point | MT_COOKIE_CALLER(5), 100, 0x1000, SP);
	assert_int_equal(last_at, at);
	assert_int_equal(last_bp, 555);
	assert_int_equal(last_kind, MT_SITE_HEAP | MT_AT_RETURN);
	at_point(point | MT_COOKIE_CALLER(MT_PLACE_STACK + 98), 100, 0x2000, SP);
	assert_int_equal(MT_BP_BELOW_OF(last_kind), 2);
	at_point(point | MT_COOKIE_CALLER(MT_PLACE_STACK + 37), 100, 0x3000, SP);
	assert_int_equal(MT_BP_BELOW_OF(last_kind), 63);
	fake_poke(SP + 8 * 36, 777); /* too far away to be read with the return address */
	at_point(point | MT_COOKIE_CALLER(MT_PLACE_STACK + 36), 100, 0x4000, SP);
	assert_int_equal(last_kind, MT_SITE_HEAP | MT_AT_RETURN);
	assert_int_equal(last_bp, 777);
	fake_poke(SP + 8 * 103, 888); /* above it */
	at_point(point | MT_COOKIE_CALLER(MT_PLACE_STACK + 103), 100, 0x5000, SP);
	assert_int_equal(last_kind, MT_SITE_HEAP | MT_AT_RETURN);
	assert_int_equal(last_bp, 888);
	assert_int_equal(recorded(), 5);
}

static void a_point_that_is_a_jump_counts_when_it_goes_the_right_way(void **state)
{
	(void)state;
	begin();
	regs.flags = 0;
	at_point(WHOLE | MT_COOKIE_IF(4), 100, 0x1000, SP); /* je */
	assert_int_equal(recorded(), 0);
	regs.flags = 0x40;
	at_point(WHOLE | MT_COOKIE_IF(4), 100, 0x1000, SP);
	assert_int_equal(recorded(), 1);
	at_point(WHOLE | MT_COOKIE_IF(5), 100, 0x2000, SP); /* jne */
	assert_int_equal(recorded(), 1);
}

/* As the collector says it where there is an inner point. */
static void has_inner(void)
{
	space_of(asid)->has_inner = 1;
}

static void a_whole_call_inside_a_recorded_one_is_not_counted_twice(void **state)
{
	(void)state;
	begin();
	has_inner();
	enter(REALLOC, 0, 100, SP);
	at_point(WHOLE | MT_COOKIE_INNER, 100, 0x1000, SP - 64);
	leave(0x1000, SP);
	assert_int_equal(live_count(1), 1);
	assert_int_equal(counted(MT_CNT_nested), 1);
	assert_int_equal(counted(MT_CNT_frees_missed), 0);
	at_point(WHOLE | MT_COOKIE_INNER, 50, 0x2000, SP - 64);
	assert_int_equal(live_bytes(1), 150);
}

#define SIZE_HERE (MT_COOKIE(MT_FN_ALLOC, 1, 0, 0, 0) | MT_COOKIE_AT(MT_POINT_SIZE, RBX, 0))
#define RESULT_HERE (MT_COOKIE(MT_FN_ALLOC, 1, 0, 0, 0) | MT_COOKIE_AT(MT_POINT_RESULT, 0, RAX))

static void size_and_result_may_be_known_at_two_points(void **state)
{
	(void)state;
	begin();
	at_point(SIZE_HERE, 100, 0, SP);
	at_point(RESULT_HERE, 0, 0x1000, SP - 16);
	assert_int_equal(live_bytes(1), 100);
	at_point(RESULT_HERE, 0, 0x2000, SP - 16); /* of a call that was not seen to begin */
	assert_int_equal(recorded(), 1);
	at_point(SIZE_HERE, 7, 0, SP); /* fails elsewhere */
	at_point(SIZE_HERE, 30, 0, SP);
	at_point(RESULT_HERE, 0, 0x3000, SP - 16);
	assert_int_equal(live_bytes(1), 130);
	assert_int_equal(here()->returns, 0);
}

/* --- sampling --------------------------------------------------------------------------------- */

/* The next sampling point of this CPU is so many bytes away. */
static void sample_in(uint32_t gap_log2, int64_t left)
{
	space_of(asid)->gap_log2 = gap_log2;
	here()->asid = asid;
	here()->gap_log2 = gap_log2;
	here()->left = left;
}

static void what_is_not_sampled_leaves_no_trace(void **state)
{
	(void)state;
	begin();
	sample_in(20, 1000);
	at_point(WHOLE, 100, 0x1000, SP);
	at_point(SIZE_HERE, 100, 0, SP);
	do_malloc(100, 0x2000);
	do_realloc(0, 100, 0x3000);
	do_realloc(0x3000, 100, 0x3800);
	do_free(0x1000);
	do_free(0x2000);
	assert_int_equal(here()->left, 500);
	assert_int_equal(here()->samples, 0);
	assert_int_equal(recorded(), 0);
	assert_int_equal(site(1)->alloc_count, 0);
	assert_int_equal(counted(MT_CNT_frees_unknown), 0);
	assert_int_equal(counted(MT_CNT_returns_unmatched), 0);
}

static void nothing_is_recorded_while_probes_go_out_but_what_was_begun(void **state)
{
	(void)state;
	begin();
	at_point(SIZE_HERE, 100, 0, SP);
	space_of(asid)->shut = MT_SHUT_CLOSING;
	at_point(RESULT_HERE, 0, 0x1000, SP);
	assert_int_equal(recorded(), 1);
	at_point(WHOLE, 100, 0x2000, SP);
	at_point(SIZE_HERE, 100, 0, SP);
	at_point(RESULT_HERE, 0, 0x3000, SP);
	assert_int_equal(recorded(), 1);
	do_free(0x1000);
	assert_int_equal(recorded(), 0);
}

static void the_block_on_which_a_point_falls_is_recorded_with_its_weight(void **state)
{
	(void)state;
	begin();
	sample_in(20, 250);
	at_point(WHOLE, 100, 0x1000, SP);
	at_point(WHOLE, 100, 0x2000, SP);
	assert_int_equal(recorded(), 0);
	at_point(WHOLE, 100, 0x3000, SP);
	assert_int_equal(recorded(), 1);
	assert_int_equal(here()->samples, 1);
	assert_int_equal(site(1)->born_records, 1);
	assert_in_range(site(1)->alloc_count, 10485, 10487); /* 2^20 / 100 + 1/2 */
	assert_int_equal(site(1)->alloc_bytes, 100 * site(1)->alloc_count);
	assert_true(here()->left > 0);
	do_free(0x3000);
	assert_int_equal(live_bytes(1), 0);
	assert_int_equal(live_count(1), 0);
	assert_int_equal(site(1)->born_var, site(1)->died_var);
}

static void a_sampled_call_is_followed_to_its_return(void **state)
{
	(void)state;
	begin();
	sample_in(20, 10);
	do_malloc(100, 0x1000);
	assert_int_equal(recorded(), 1);
	here()->left = 10;
	at_point(SIZE_HERE, 100, 0, SP);
	at_point(RESULT_HERE, 0, 0x2000, SP);
	assert_int_equal(recorded(), 2);
}

/* Else each would have a chance of its own, and count twice. */
static void inner_calls_of_one_that_is_not_sampled_are_not_sampled_either(void **state)
{
	(void)state;
	begin();
	sample_in(20, 150);
	has_inner();
	enter(REALLOC | MT_COOKIE_OUTER, 0, 100, SP);
	at_point(WHOLE | MT_COOKIE_INNER, 100, 0x1000, SP - 64);
	assert_int_equal(recorded(), 0);
	leave(0x1000, SP);
	assert_int_equal(recorded(), 0);
	here()->left = 10;
	at_point(WHOLE | MT_COOKIE_INNER, 100, 0x2000, SP - 64);
	assert_int_equal(recorded(), 1);
}

/* Calls of a function that calls another one, both probed at entry and return. */
static uint64_t told_of_calls(uint64_t outer, uint32_t n)
{
	begin();
	space_of(asid)->gap_log2 = 12;
	here()->asid = asid;
	for (uint32_t i = 0; i < n; i++) {
		enter(outer, 100, 1, SP);
		enter(MALLOC, 100, 0, SP - 64);
		leave(0x1000, SP - 64);
		leave(0x1000, SP);
		do_free(0x1000);
	}
	return site(1)->alloc_count;
}

static void a_call_inside_another_one_has_no_chance_of_its_own(void **state)
{
	(void)state;
	print_message("without %lu with %lu\n", told_of_calls(CALLOC, 40000),
		      told_of_calls(CALLOC | MT_COOKIE_OUTER, 40000));
}

static void a_sampled_block_keeps_its_weight_when_it_is_resized_in_place(void **state)
{
	uint64_t weight;

	(void)state;
	begin();
	sample_in(20, 10);
	do_malloc(100, 0x1000);
	weight = live_count(1);
	do_realloc(0x1000, 300, 0x1000);
	assert_int_equal(live_count(1), weight);
	assert_int_equal(live_bytes(1), 300 * weight);
	assert_int_equal(site(1)->born_var - site(1)->died_var, mt_held_var(mt_held(300, weight)));
	do_realloc(0x1000, 400, 0x5000); /* moves, and is not taken */
	assert_int_equal(live_bytes(1), 0);
	assert_int_equal(site(1)->born_var, site(1)->died_var);
	assert_int_equal(recorded(), 0);
}

#define FUNCTION 0x555500001000

/* One program for entry and return; its answer to the entry. */
static int enter_session(uint64_t size)
{
	fake.cookie = MALLOC | MT_COOKIE_ASID(asid);
	fake.func_ip = regs.ip = FUNCTION;
	regs.di = size;
	regs.sp = SP;
	return mt_alloc_session(&regs);
}

static void a_session_declines_the_return_of_what_is_not_sampled(void **state)
{
	(void)state;
	begin();
	sample_in(20, 1000);
	assert_int_equal(enter_session(100), 1);
	assert_int_equal(recorded(), 0);
	sample_in(20, 50);
	assert_int_equal(enter_session(100), 0);
	fake_hide(SP);
	regs.ip = FUNCTION + 0x500; /* in the caller */
	regs.ax = 0x1000;
	regs.sp = SP + 8;
	assert_int_equal(mt_alloc_session(&regs), 0);
	assert_int_equal(recorded(), 1);
	assert_int_equal(here()->returns, 1);
}

static void another_gap_draws_a_new_distance(void **state)
{
	(void)state;
	begin();
	sample_in(26, 1 << 30);
	space_of(asid)->gap_log2 = 10;
	for (uint32_t i = 0; i < 1000; i++) {
		at_point(WHOLE, 100, 0x1000, SP);
		do_free(0x1000);
	}
	assert_in_range(here()->samples, 60, 140); /* 1000 * 100 / 1024 = 98 */
}

static void blocks_of_windows_weigh_more(void **state)
{
	(void)state;
	begin();
	space_of(asid)->weight_log2 = 3;
	do_malloc(100, 0x1000);
	assert_int_equal(live_count(1), 8);
	assert_int_equal(live_bytes(1), 800);
	do_free(0x1000);
	assert_int_equal(live_bytes(1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_point_near_the_end_tells_a_whole_call),
		cmocka_unit_test(every_place_is_read_as_it_is_called),
		cmocka_unit_test(the_caller_s_frame_pointer_is_given_or_told_where_it_is),
		cmocka_unit_test(a_point_that_is_a_jump_counts_when_it_goes_the_right_way),
		cmocka_unit_test(a_whole_call_inside_a_recorded_one_is_not_counted_twice),
		cmocka_unit_test(size_and_result_may_be_known_at_two_points),
		cmocka_unit_test(what_is_not_sampled_leaves_no_trace),
		cmocka_unit_test(nothing_is_recorded_while_probes_go_out_but_what_was_begun),
		cmocka_unit_test(the_block_on_which_a_point_falls_is_recorded_with_its_weight),
		cmocka_unit_test(a_sampled_call_is_followed_to_its_return),
		cmocka_unit_test(inner_calls_of_one_that_is_not_sampled_are_not_sampled_either),
		cmocka_unit_test(a_call_inside_another_one_has_no_chance_of_its_own),
		cmocka_unit_test(a_sampled_block_keeps_its_weight_when_it_is_resized_in_place),
		cmocka_unit_test(a_session_declines_the_return_of_what_is_not_sampled),
		cmocka_unit_test(another_gap_draws_a_new_distance),
		cmocka_unit_test(blocks_of_windows_weigh_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
