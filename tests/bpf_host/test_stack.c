/* Walking stacks and making sites: stack.bpf.c on a stack made of words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "../../bpf/core.bpf.c"
#include "../../bpf/stack.bpf.c"
#include "fake.h"

#include <cmocka.h>

#define PID 100
#define CODE 0x400000ull
#define SP 0x7ffc00001000ull

static struct mt_ev_site *sent(void)
{
	return (void *)fake.last;
}

static uint64_t counted(uint32_t counter)
{
	uint64_t *v = bpf_map_lookup_elem(&counters, &counter);

	return *v;
}

static void begin(void)
{
	struct mt_proc p = { .asid = 1, .plumbing = { { CODE + 0x10000, CODE + 0x20000 } } };
	uint32_t pid = PID;
	struct mt_config *c = (struct mt_config *)&cfg;

	fake_reset();
	fake_map_of(&scratch)->max = 4;
	fake_map_of(&busy)->max = 4;
	fake_map_of(&site_index)->max = 100;
	fake.code_start = CODE;
	fake.code_end = CODE + 0x100000;
	fake.pid_tgid = (uint64_t)PID << 32 | PID;
	c->site_capacity = 100;
	c->max_frames = MT_MAX_FRAMES;
	next_site = 1;
	bpf_map_update_elem(&procs, &pid, &p, BPF_ANY);
}

/* A frame record: saved frame pointer and return address. */
static void frame(uint64_t at, uint64_t next, uint64_t ret)
{
	fake_poke(at, next);
	fake_poke(at + 8, ret);
}

static void frame_pointers_are_followed_to_the_start(void **state)
{
	(void)state;
	begin();
	frame(SP + 0x20, SP + 0x60, CODE + 2);
	frame(SP + 0x60, 0, CODE + 3);
	assert_int_equal(mt_site_of(CODE + 1, SP, SP + 0x20, 1, MT_SITE_HEAP), 1);
	assert_int_equal(sent()->frames, 3);
	assert_int_equal(sent()->pc[0], CODE + 1);
	assert_int_equal(sent()->pc[2], CODE + 3);
	assert_int_equal(sent()->end, MT_END_start);
	assert_int_equal(sent()->asid, 1);
	assert_int_equal(sent()->site_kind, MT_SITE_HEAP);
	assert_int_equal(sent()->hdr.size, offsetof(struct mt_ev_site, pc) + 24);
}

static void the_same_stack_is_the_same_site_and_sent_once(void **state)
{
	uint32_t a, b, c;

	(void)state;
	begin();
	a = mt_site_of(CODE + 1, SP, 0, 1, MT_SITE_HEAP);
	b = mt_site_of(CODE + 1, SP - 64, 0, 1, MT_SITE_HEAP);
	c = mt_site_of(CODE + 1, SP, 0, 1, MT_SITE_MMAP);
	assert_int_equal(a, b);
	assert_int_not_equal(a, c);
	assert_int_equal(fake.sent, 2);
}

static void a_data_register_is_not_taken_for_a_frame_pointer(void **state)
{
	(void)state;
	begin();
	frame(SP + 0x20, SP + 0x60, 0x123456789); /* points to data, as rbp in optimised code */
	mt_site_of(CODE + 1, SP, SP + 0x20, 1, MT_SITE_HEAP);
	assert_int_equal(sent()->frames, 1);
	assert_int_equal(sent()->end, MT_END_not_code);
	begin();
	mt_site_of(CODE + 1, SP, SP + 3, 1, MT_SITE_HEAP);
	assert_int_equal(sent()->end, MT_END_no_frame_pointer);
	begin();
	mt_site_of(CODE + 1, SP, SP - 64, 1, MT_SITE_HEAP);
	assert_int_equal(sent()->end, MT_END_no_frame_pointer);
}

static void a_zero_register_alone_is_not_the_end_of_the_thread(void **state)
{
	(void)state;
	begin();
	mt_site_of(CODE + 1, SP, 0, 1, MT_SITE_HEAP);
	assert_int_equal(sent()->end, MT_END_no_frame_pointer);
}

static void unreadable_stacks_end_and_say_so(void **state)
{
	(void)state;
	begin();
	mt_site_of(CODE + 1, SP, SP + 0x500, 1, MT_SITE_HEAP);
	assert_int_equal(sent()->end, MT_END_unreadable);
}

static void endless_chains_stop_at_the_limit(void **state)
{
	struct mt_config *c = (struct mt_config *)&cfg;

	(void)state;
	begin();
	c->max_frames = 5;
	for (int i = 0; i < 20; i++)
		frame(SP + 16 * i, SP + 16 * (i + 1), CODE + i);
	mt_site_of(CODE + 1, SP, SP, 1, MT_SITE_HEAP);
	assert_int_equal(sent()->frames, 5);
	assert_int_equal(sent()->end, MT_END_depth);
}

/* strdup() in libc calls malloc(): its caller is found by its return address behind a call. */
static void the_caller_of_a_runtime_library_is_scanned_for(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 64; i++)
		fake_poke(SP + 8 * i, 0x1111);
	fake_poke(SP + 16, CODE + 0x508); /* code, but nothing calls there */
	fake_poke(CODE + 0x500, 0);
	fake_poke(SP + 40, CODE + 0x808);
	fake_poke(CODE + 0x800, 0xe8ull << 24); /* e8 at -5 */
	mt_site_of(CODE + 0x10005, SP, 0, 1, MT_SITE_HEAP);
	assert_int_equal(sent()->frames, 2);
	assert_int_equal(sent()->pc[1], CODE + 0x808);
}

static void a_full_ring_is_counted_and_the_site_is_made_later(void **state)
{
	(void)state;
	begin();
	fake.ring_full = true;
	assert_int_equal(mt_site_of(CODE + 1, SP, 0, 1, MT_SITE_HEAP), MT_SITE_NONE);
	assert_int_equal(counted(MT_CNT_ring_full), 1);
	fake.ring_full = false;
	assert_int_equal(mt_site_of(CODE + 1, SP, 0, 1, MT_SITE_HEAP), 1);
}

static void a_full_site_table_refuses_and_counts(void **state)
{
	struct mt_config *c = (struct mt_config *)&cfg;

	(void)state;
	begin();
	c->site_capacity = 2;
	assert_int_equal(mt_site_of(CODE + 1, SP, 0, 1, MT_SITE_HEAP), 1);
	assert_int_equal(mt_site_of(CODE + 2, SP, 0, 1, MT_SITE_HEAP), MT_SITE_NONE);
	assert_int_equal(counted(MT_CNT_sites_full), 1);
	assert_int_equal(mt_site_of(CODE + 1, SP, 0, 1, MT_SITE_HEAP), 1);
}

static void scratch_in_use_is_not_shared(void **state)
{
	(void)state;
	begin();
	for (uint32_t slot = 0; slot < 4; slot++) {
		uint32_t *b = bpf_map_lookup_elem(&busy, &slot);

		*b = slot != 2; /* three threads were preempted in the middle of a walk */
	}
	assert_int_equal(mt_site_of(CODE + 1, SP, 0, 1, MT_SITE_HEAP), 1);
	for (uint32_t slot = 2; slot < 3; slot++)
		assert_int_equal(*(uint32_t *)bpf_map_lookup_elem(&busy, &slot), 0);
	*(uint32_t *)bpf_map_lookup_elem(&busy, &(uint32_t){ 2 }) = 1;
	assert_int_equal(mt_site_of(CODE + 1, SP, 0, 1, MT_SITE_HEAP), MT_SITE_NONE);
	assert_int_equal(counted(MT_CNT_scratch_busy), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_pointers_are_followed_to_the_start),
		cmocka_unit_test(the_same_stack_is_the_same_site_and_sent_once),
		cmocka_unit_test(a_data_register_is_not_taken_for_a_frame_pointer),
		cmocka_unit_test(a_zero_register_alone_is_not_the_end_of_the_thread),
		cmocka_unit_test(unreadable_stacks_end_and_say_so),
		cmocka_unit_test(endless_chains_stop_at_the_limit),
		cmocka_unit_test(the_caller_of_a_runtime_library_is_scanned_for),
		cmocka_unit_test(a_full_ring_is_counted_and_the_site_is_made_later),
		cmocka_unit_test(a_full_site_table_refuses_and_counts),
		cmocka_unit_test(scratch_in_use_is_not_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
