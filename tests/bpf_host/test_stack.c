/* Making sites: stack.bpf.c, with frame pointers for a stack; test_unwind.c has the rest. */
#include "walk_world.h"

static struct mt_ev_site *sent(void)
{
	return (void *)fake.last;
}

static uint64_t counted(uint32_t counter)
{
	uint64_t *v = bpf_map_lookup_elem(&counters, &counter);

	return *v;
}

/* A frame record: saved frame pointer and return address. */
static void frame(uint64_t at, uint64_t next, uint64_t ret)
{
	fake_push(at, next);
	fake_push(at + 8, ret);
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

static void sites_of_processes_and_kinds_are_apart_whatever_their_numbers(void **state)
{
	const uint64_t at = CODE & ~0xffffull;

	(void)state;
	begin();
	for (uint32_t i = 0; i < 16; i++) {
		const uint32_t bit = 1u << i;

		assert_int_not_equal(mt_site_of(at, SP, 0, 0x5555, MT_SITE_HEAP),
				     mt_site_of(at ^ bit, SP, 0, 0x5555 ^ bit, MT_SITE_HEAP));
	}
	assert_int_not_equal(mt_site_of(at, SP, 0, 1, MT_SITE_HEAP),
			     mt_site_of(at ^ 0x30000, SP, 0, 1, MT_SITE_MMAP));
}

static void an_incomplete_stack_is_another_site_than_the_whole_one(void **state)
{
	uint32_t whole, cut;

	(void)state;
	begin();
	frame(SP + 0x20, 0, CODE + 2);
	whole = mt_site_of(CODE + 1, SP, SP + 0x20, 1, MT_SITE_HEAP);
	assert_int_equal(sent()->end, MT_END_start);
	frame(SP + 0x20, 3, CODE + 2);
	cut = mt_site_of(CODE + 1, SP, SP + 0x20, 1, MT_SITE_HEAP);
	assert_int_equal(sent()->end, MT_END_no_frame_pointer);
	assert_int_equal(sent()->frames, 2);
	assert_int_not_equal(whole, cut);
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

static uint32_t *busy(uint32_t slot)
{
	return &((struct mt_scratch *)bpf_map_lookup_elem(&scratch, &slot))->busy;
}

static void scratch_in_use_is_not_shared(void **state)
{
	(void)state;
	begin();
	for (uint32_t slot = 0; slot < 4; slot++)
		*busy(slot) = slot != 2; /* three threads were preempted in the middle of a walk */
	assert_int_equal(mt_site_of(CODE + 1, SP, 0, 1, MT_SITE_HEAP), 1);
	assert_int_equal(*busy(2), 0);
	*busy(2) = 1;
	assert_int_equal(mt_site_of(CODE + 1, SP, 0, 1, MT_SITE_HEAP), MT_SITE_NONE);
	assert_int_equal(counted(MT_CNT_scratch_busy), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_pointers_are_followed_to_the_start),
		cmocka_unit_test(the_same_stack_is_the_same_site_and_sent_once),
		cmocka_unit_test(sites_of_processes_and_kinds_are_apart_whatever_their_numbers),
		cmocka_unit_test(an_incomplete_stack_is_another_site_than_the_whole_one),
		cmocka_unit_test(a_full_ring_is_counted_and_the_site_is_made_later),
		cmocka_unit_test(a_full_site_table_refuses_and_counts),
		cmocka_unit_test(scratch_in_use_is_not_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
