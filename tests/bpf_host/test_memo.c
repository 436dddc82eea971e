/*
 * Remembered walks: memo.bpf.c. A process that is forgotten in between makes the difference seen:
 * what is remembered is still found, what would have to be walked again is not.
 */
#include "walk_world.h"

#define BP (SP + 0x20)

/* Two frame records; the walk ends at the start of the thread. */
static void stack(uint64_t first_return, uint64_t last_bp)
{
	fake_push(BP, BP + 0x40);
	fake_push(BP + 8, first_return);
	fake_push(BP + 0x40, last_bp);
	fake_push(BP + 0x48, CODE + 3);
}

static uint32_t site(void)
{
	return mt_site_of(CODE + 1, SP, BP, 1, MT_SITE_HEAP);
}

/* The process is gone: no walk begins any more. */
static void forget_process(void)
{
	uint32_t pid = PID;

	bpf_map_delete_elem(&procs, &pid);
}

static void begin_remembered(void)
{
	begin();
	stack(CODE + 2, 0);
	assert_int_equal(site(), 1);
	forget_process();
}

static void a_walk_is_remembered(void **state)
{
	(void)state;
	begin_remembered();
	assert_int_equal(site(), 1);
	assert_int_equal(fake.sent, 1);
}

static void another_return_address_is_another_walk(void **state)
{
	(void)state;
	begin_remembered();
	stack(CODE + 9, 0);
	assert_int_equal(site(), MT_SITE_NONE);
	stack(CODE + 2, 0);
	assert_int_equal(site(), 1);
}

static void the_word_that_ended_it_counts_too(void **state)
{
	(void)state;
	begin_remembered();
	stack(CODE + 2, BP + 0x80);
	assert_int_equal(site(), MT_SITE_NONE);
}

static void another_place_is_another_walk(void **state)
{
	(void)state;
	begin_remembered();
	fake_push(SP + 0x28, CODE + 2);
	assert_int_equal(mt_site_of(CODE + 4, SP, BP, 1, MT_SITE_HEAP), MT_SITE_NONE);
	assert_int_equal(mt_site_of(CODE + 1, SP - 8, BP, 1, MT_SITE_HEAP), MT_SITE_NONE);
	assert_int_equal(mt_site_of(CODE + 1, SP, BP + 0x40, 1, MT_SITE_HEAP), MT_SITE_NONE);
	assert_int_equal(mt_site_of(CODE + 1, SP, BP, 2, MT_SITE_HEAP), MT_SITE_NONE);
	assert_int_equal(mt_site_of(CODE + 1, SP, BP, 1, MT_SITE_MMAP), MT_SITE_NONE);
	assert_int_equal(mt_site_of(CODE + 1, SP, BP, 1, MT_SITE_HEAP | MT_AT_RETURN),
			 MT_SITE_NONE);
	assert_int_equal(site(), 1);
}

static void changed_code_is_walked_again(void **state)
{
	(void)state;
	begin();
	stack(CODE + 2, 0);
	assert_int_equal(site(), 1);
	mt_text_changed(CODE + 0x50000000, CODE + 0x50001000);
	forget_process();
	assert_int_equal(site(), MT_SITE_NONE);
}

static void changed_tables_are_walked_again(void **state)
{
	(void)state;
	begin_remembered();
	memo_epoch++;
	assert_int_equal(site(), MT_SITE_NONE);
}

static void a_walk_that_ended_early_is_not_remembered(void **state)
{
	(void)state;
	begin();
	stack(CODE + 2, 3);
	assert_int_not_equal(site(), MT_SITE_NONE);
	forget_process();
	assert_int_equal(site(), MT_SITE_NONE);
}

static struct mt_memo *written(void)
{
	for (uint32_t i = 0; i < MEMO_SLOTS; i++) {
		struct mt_memo *m = bpf_map_lookup_elem(&memos, &i);

		if (m->site)
			return m;
	}
	return NULL;
}

static void what_is_just_being_written_is_not_believed_nor_written(void **state)
{
	struct mt_memo *m;

	(void)state;
	begin();
	stack(CODE + 2, 0);
	assert_int_equal(site(), 1);
	m = written();
	m->turn++;
	m->site = 77;
	assert_int_equal(site(), 1); /* walked */
	assert_int_equal(m->site, 77);
	m->turn++;
	assert_int_equal(site(), 77);
}

static void stack_that_cannot_be_read_is_no_match(void **state)
{
	(void)state;
	begin_remembered();
	fake.stack_start = 0;
	assert_int_equal(site(), MT_SITE_NONE);
}

/* The return address lies at SP - 8: the walk from there is the same as with it given. */
static uint32_t site_of_caller(void)
{
	return mt_site_of_caller(SP - 8, BP, 1, MT_SITE_HEAP);
}

static void a_walk_may_begin_at_the_caller(void **state)
{
	uint32_t pid = PID;
	struct mt_proc p = { .asid = 1 };

	(void)state;
	begin();
	stack(CODE + 2, 0);
	fake_push(SP - 8, CODE + 1);
	assert_int_equal(site_of_caller(), 1);
	assert_int_equal(mt_site_of(CODE + 1, SP, BP, 1, MT_SITE_HEAP | MT_AT_RETURN), 1);
	forget_process();
	assert_int_equal(site_of_caller(), 1);
	fake_push(SP - 8, CODE + 7);
	assert_int_equal(site_of_caller(), MT_SITE_NONE);
	bpf_map_update_elem(&procs, &pid, &p, BPF_ANY);
	assert_int_equal(site_of_caller(), 2);
}

/* Its frame pointer may lie below its return address: one read for both. */
static void a_caller_s_frame_pointer_is_read_with_it(void **state)
{
	uint32_t kind = MT_SITE_HEAP | MT_BP_BELOW(3);

	(void)state;
	begin();
	stack(CODE + 2, 0);
	fake_push(SP - 8, CODE + 1);
	fake_push(SP - 32, BP);
	assert_int_equal(site_of_caller(), 1);
	fake.reads = 0;
	assert_int_equal(mt_site_of_caller(SP - 8, 0, 1, kind), 1);
	assert_int_equal(fake.reads, 1);
	forget_process();
	fake_push(SP - 32, BP + 0x40);
	assert_int_equal(mt_site_of_caller(SP - 8, 0, 1, kind), MT_SITE_NONE);
	fake_push(SP - 32, BP);
	fake_push(SP - 8, CODE + 5);
	assert_int_equal(mt_site_of_caller(SP - 8, 0, 1, kind), MT_SITE_NONE);
	fake_push(SP - 8, fake.xol.vaddr);
	assert_true(mt_site_of_caller(SP - 8, 0, 1, kind) == MT_SITE_HIDDEN);
}

/* What can be read ends between the two, with a page. */
static void a_frame_pointer_alone_is_no_caller(void **state)
{
	(void)state;
	begin();
	fake.stack_start = 0;
	fake_poke(SP - 16, BP);
	fake_poke(SP - 8, 1);
	assert_true(mt_site_of_caller(SP, 0, 1, MT_SITE_HEAP | MT_BP_BELOW(2)) == MT_SITE_HIDDEN);
	assert_int_equal(fake.reads, 3); /* of all, of a whole window, to the end of the page */
}

/* The stack from one frame record to the next is `words` long. */
static void long_stack(unsigned int words)
{
	begin();
	fake_push(SP - 8, CODE + 1);
	for (uint64_t at = SP; at < BP + 8 * (words + 130); at += 8)
		fake_push(at, 0);
	fake_push(BP, BP + 8 * words);
	fake_push(BP + 8, CODE + 2);
	fake_push(BP + 8 * words + 8, CODE + 3);
}

/* Of a stack that one window can hold, as much is read as its walk needs. */
static void a_remembered_walk_takes_one_read(void **state)
{
	const unsigned int words[] = { 8, 63, 64, 80, 110 };

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		long_stack(words[i]);
		assert_int_equal(site_of_caller(), 1);
		fake.reads = 0;
		assert_int_equal(site_of_caller(), 1);
		assert_int_equal(fake.reads, 1);
	}
}

/* Two walks from one stack pointer, of which the one that was seen last needs less. */
static void what_was_read_too_short_is_read_longer_next_time(void **state)
{
	(void)state;
	long_stack(80);
	assert_int_equal(site_of_caller(), 1);
	fake_push(SP - 8, CODE + 4);
	fake_push(BP, 0);
	assert_int_equal(site_of_caller(), 2);
	fake_push(SP - 8, CODE + 1);
	fake_push(BP, BP + 8 * 80);
	fake.reads = 0;
	assert_int_equal(site_of_caller(), 1);
	assert_int_equal(fake.reads, 2);
	assert_int_equal(site_of_caller(), 1);
	assert_int_equal(fake.reads, 3);
}

/* What was read before is read again with more, and that lies on a page that is away just now. */
static void a_longer_read_that_fails_leaves_no_zeros_behind(void **state)
{
	const uint64_t low = SP - 0x200, bp = low + 0x20;
	const struct mt_ev_site *told = (const void *)fake.last;

	(void)state;
	begin();
	fake_push(low - 8, CODE + 1);
	fake_push(bp, low + 0x300);
	fake_push(bp + 8, CODE + 2);
	fake_push(low + 0x308, CODE + 3);
	assert_int_equal(mt_site_of_caller(low - 8, bp, 1, MT_SITE_HEAP), 1);
	fake_push(low - 8, CODE + 4);
	fake_push(bp, 0);
	assert_int_equal(mt_site_of_caller(low - 8, bp, 1, MT_SITE_HEAP), 2);
	fake_push(low - 8, CODE + 1);
	fake_push(bp, low + 0x300);
	fake.stack_end = SP;
	assert_int_equal(mt_site_of_caller(low - 8, bp, 1, MT_SITE_HEAP), 3);
	assert_int_equal(told->frames, 2);
	assert_int_equal(told->end, MT_END_unreadable);
}

static void a_caller_that_a_return_probe_hides_is_told(void **state)
{
	(void)state;
	begin();
	stack(CODE + 2, 0);
	fake_push(SP - 8, fake.xol.vaddr);
	assert_true(site_of_caller() == MT_SITE_HIDDEN);
	for (uint32_t slot = 0; slot < 4; slot++)
		assert_int_equal(((struct mt_scratch *)bpf_map_lookup_elem(&scratch, &slot))->busy,
				 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_is_remembered),
		cmocka_unit_test(another_return_address_is_another_walk),
		cmocka_unit_test(the_word_that_ended_it_counts_too),
		cmocka_unit_test(another_place_is_another_walk),
		cmocka_unit_test(changed_code_is_walked_again),
		cmocka_unit_test(changed_tables_are_walked_again),
		cmocka_unit_test(a_walk_that_ended_early_is_not_remembered),
		cmocka_unit_test(what_is_just_being_written_is_not_believed_nor_written),
		cmocka_unit_test(stack_that_cannot_be_read_is_no_match),
		cmocka_unit_test(a_walk_may_begin_at_the_caller),
		cmocka_unit_test(a_caller_s_frame_pointer_is_read_with_it),
		cmocka_unit_test(a_frame_pointer_alone_is_no_caller),
		cmocka_unit_test(a_remembered_walk_takes_one_read),
		cmocka_unit_test(what_was_read_too_short_is_read_longer_next_time),
		cmocka_unit_test(a_longer_read_that_fails_leaves_no_zeros_behind),
		cmocka_unit_test(a_caller_that_a_return_probe_hides_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
