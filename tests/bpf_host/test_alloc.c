/* The accounting rules of alloc.bpf.c, each with a test that fails when the rule is broken. */
#include "alloc_calls.h"

static void a_block_lives_from_malloc_to_free(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	assert_int_equal(live_bytes(1), 100);
	assert_int_equal(live_count(1), 1);
	assert_int_equal(last_kind, MT_SITE_HEAP | MT_AT_RETURN);
	do_free(0x1000);
	assert_int_equal(live_bytes(1), 0);
	assert_int_equal(site(1)->free_count, 1);
	assert_int_equal(recorded(), 0);
}

static void a_failed_call_changes_nothing(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0);
	assert_int_equal(site(1)->alloc_count, 0);
	assert_int_equal(counted(MT_CNT_failed_allocs), 1);
	assert_int_equal(recorded(), 0);
}

static void calloc_counts_the_product(void **state)
{
	(void)state;
	begin();
	enter(CALLOC, 8, 32, SP);
	leave(0x1000, SP);
	assert_int_equal(live_bytes(1), 256);
}

static void a_moving_realloc_is_a_death_and_a_birth(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	next_stack = 2;
	do_realloc(0x1000, 300, 0x2000);
	assert_int_equal(live_count(1), 0);
	assert_int_equal(live_bytes(2), 300);
	assert_int_equal(recorded(), 1);
}

static void a_realloc_in_place_keeps_birth_and_site(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	fake.now_ns += 5 * SECOND;
	next_stack = 2;
	do_realloc(0x1000, 300, 0x1000);
	assert_int_equal(live_bytes(1), 300);
	assert_int_equal(live_count(1), 1);
	assert_int_equal(site(2)->alloc_count, 0);
	assert_int_equal(block_of(0x1000)->born_ds, 100);
	assert_true(block_of(0x1000)->held & MT_HELD_GREW);
	do_realloc(0x1000, 50, 0x1000);
	assert_int_equal(live_bytes(1), 50);
	assert_true(block_of(0x1000)->held & MT_HELD_GREW);
	do_malloc(100, 0x2000);
	do_realloc(0x2000, 50, 0x2000);
	assert_false(block_of(0x2000)->held & MT_HELD_GREW);
}

static void a_failed_realloc_keeps_the_old_block(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	do_realloc(0x1000, 1ull << 60, 0);
	assert_int_equal(live_bytes(1), 100);
	assert_int_equal(live_count(1), 1);
	do_free(0x1000);
	assert_int_equal(live_count(1), 0);
	assert_int_equal(counted(MT_CNT_frees_unknown), 0);
}

static void a_product_that_overflows_is_not_taken_for_nothing(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	regs.dx = 2;
	enter(MT_COOKIE(MT_FN_REALLOC, 2, 3, 1, 0), 0x1000, 1ull << 63, SP);
	leave(0, SP);
	assert_int_equal(live_bytes(1), 100);
	assert_int_equal(counted(MT_CNT_failed_allocs), 1);
}

static void a_realloc_left_by_longjmp_keeps_its_block(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	enter(REALLOC, 0x1000, 300, SP);
	fake_poke(SP, 0x1234);
	do_malloc(7, 0x2000);
	assert_int_equal(live_count(1), 2);
	assert_int_equal(live_bytes(1), 107);
}

static void realloc_to_nothing_is_a_free(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	do_realloc(0x1000, 0, 0);
	assert_int_equal(live_count(1), 0);
	assert_int_equal(counted(MT_CNT_failed_allocs), 0);
}

static void realloc_of_nothing_is_a_malloc(void **state)
{
	(void)state;
	begin();
	do_realloc(0, 64, 0x1000);
	assert_int_equal(live_bytes(1), 64);
	assert_int_equal(counted(MT_CNT_frees_unknown), 0);
}

/* While realloc() runs, its old address may already be another thread's new block. */
static void an_address_given_up_inside_realloc_may_be_reused_at_once(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	enter(REALLOC, 0x1000, 300, SP);
	thread(PID + 1);
	next_stack = 3;
	enter(MALLOC, 77, 0, SP + 0x100000);
	leave(0x1000, SP + 0x100000);
	thread(PID);
	next_stack = 2;
	leave(0x2000, SP);
	assert_int_equal(live_count(1), 0);
	assert_int_equal(live_bytes(2), 300);
	assert_int_equal(live_bytes(3), 77);
	assert_int_equal(counted(MT_CNT_frees_missed), 0);
}

static void of_nested_calls_only_the_outermost_counts(void **state)
{
	(void)state;
	begin();
	enter(CALLOC, 4, 25, SP);
	enter(MALLOC, 100, 0, SP - 64);
	leave(0x1000, SP - 64);
	leave(0x1000, SP);
	assert_int_equal(site(1)->alloc_count, 1);
	assert_int_equal(live_bytes(1), 100);
	assert_int_equal(counted(MT_CNT_nested), 1);
	assert_int_equal(counted(MT_CNT_frees_missed), 0);
}

static void a_call_left_by_longjmp_does_not_swallow_later_ones(void **state)
{
	(void)state;
	begin();
	enter(MALLOC, 100, 0, SP);
	fake_poke(SP, 0x1234); /* the frame is gone, its memory is somebody else's */
	enter(MALLOC, 7, 0, SP - 512);
	leave(0x1000, SP - 512);
	assert_int_equal(live_bytes(1), 7);
	assert_int_equal(counted(MT_CNT_abandoned), 1);
}

/* It returned while probes were out: the kernel's word is still where its return address was. */
static void a_call_whose_return_nobody_saw_does_not_swallow_later_ones(void **state)
{
	(void)state;
	begin();
	enter(MALLOC, 100, 0, SP);
	fake.utask.return_instances = NULL;
	enter(MALLOC, 7, 0, SP - 512);
	leave(0x1000, SP - 512);
	assert_int_equal(live_bytes(1), 7);
	assert_int_equal(counted(MT_CNT_nested), 0);
}

static void a_block_may_be_freed_by_another_thread(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	thread(PID + 1);
	do_free(0x1000);
	assert_int_equal(live_count(1), 0);
	assert_int_equal(site(1)->free_count, 1);
}

static void what_was_allocated_before_is_not_counted_when_freed(void **state)
{
	(void)state;
	begin();
	do_free(0x9000);
	assert_int_equal(counted(MT_CNT_frees_unknown), 1);
	assert_int_equal(site(1)->free_count, 0);
	do_realloc(0x9100, 64, 0x9200);
	assert_int_equal(counted(MT_CNT_frees_unknown), 2);
	assert_int_equal(live_bytes(1), 64);
}

static void free_of_null_is_nothing(void **state)
{
	(void)state;
	begin();
	do_free(0);
	assert_int_equal(counted(MT_CNT_frees_unknown), 0);
}

static void operator_delete_and_its_free_are_one_free(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	free_repeats = MT_COOKIE_REPEATS;
	do_free_at(0x1000, SP);
	do_free_at(0x1000, SP - 32);
	assert_int_equal(site(1)->free_count, 1);
	assert_int_equal(counted(MT_CNT_frees_unknown), 0);
}

/* Whatever is known of the block, and each once; in windows weighted as births are. */
static void every_free_is_counted_while_every_block_is_recorded(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	do_free(0x1000);
	do_free(0x9000); /* from before */
	do_free(0);
	assert_int_equal(here()->frees, 2);
	fill_bucket();
	do_malloc(100, 0x1000);
	do_free(0x1000);
	do_malloc(100, 0x1000);
	do_realloc(0x1000, 200, 0x2000); /* moved */
	do_realloc(0x2000, 300, 0x2000);
	assert_int_equal(here()->frees, 4);
	free_repeats = MT_COOKIE_REPEATS;
	for (int i = 0; i < 2; i++) { /* known, then not */
		do_free_at(0x2000 + 0x7000 * i, SP);
		do_free_at(0x2000 + 0x7000 * i, SP - 32);
		assert_int_equal(here()->frees, 5 + i);
	}
	space_of(asid)->weight_log2 = 4;
	do_free_at(0x9100, SP);
	assert_int_equal(here()->frees, 6 + 16);
	space_of(asid)->gap_log2 = 19; /* what a sample missed cannot be told from what is old */
	do_free_at(0x9200, SP);
	assert_int_equal(here()->frees, 6 + 16);
}

static void what_is_live_when_probes_begin_to_go_out_is_seen_to_end(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	space_of(asid)->shut = MT_SHUT_CLOSING;
	do_malloc(100, 0x2000);
	do_realloc(0, 100, 0x3000);
	assert_int_equal(recorded(), 1);
	do_free(0x1000);
	do_free(0x2000);
	assert_int_equal(recorded(), 0);
	assert_int_equal(site(1)->alloc_count, 1);
	assert_int_equal(here()->frees, 0); /* nor are births counted */
	assert_int_equal(space_of(asid)->shut, MT_SHUT_CLOSING);
}

static void blocks_are_recorded_from_the_first_free_that_is_seen(void **state)
{
	(void)state;
	begin();
	space_of(asid)->shut = MT_SHUT_OPENING;
	do_malloc(100, 0x1000);
	do_free(0);
	do_malloc(100, 0x2000);
	assert_int_equal(recorded(), 0);
	do_free(0x1000);
	assert_int_equal(here()->frees, 1);
	do_malloc(100, 0x1000);
	assert_int_equal(recorded(), 1);
}

static void a_missed_free_is_noticed_when_the_address_returns(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	next_stack = 2;
	do_malloc(30, 0x1000);
	assert_int_equal(live_count(1), 0);
	assert_int_equal(live_bytes(2), 30);
	assert_int_equal(counted(MT_CNT_frees_missed), 1);
}

static void a_full_live_set_refuses_and_counts(void **state)
{
	(void)state;
	begin();
	fill_bucket();
	fake_map_of(&live)->max = 1;
	do_malloc(100, 0x1000);
	do_malloc(500, 0x2000);
	assert_int_equal(counted(MT_CNT_live_full), 1);
	assert_int_equal(counted(MT_CNT_live_full_bytes), 500);
	assert_int_equal(live_bytes(1), 100);
	do_free(0x2000);
	assert_int_equal(live_bytes(1), 100);
	do_free(0x1000);
	do_malloc(5, 0x3000);
	assert_int_equal(live_bytes(1), 5);
}

static void an_update_the_kernel_refuses_is_counted(void **state)
{
	(void)state;
	begin();
	fill_bucket();
	fake_map_of(&live)->refuse = -ENOMEM;
	do_malloc(100, 0x1000);
	assert_int_equal(counted(MT_CNT_live_error), 1);
	assert_int_equal(live_bytes(1), 0);
}

static void a_full_thread_table_is_counted(void **state)
{
	(void)state;
	begin();
	fake_map_of(&threads)->max = 1;
	do_malloc(1, 0x1000);
	thread(PID + 1);
	do_malloc(1, 0x2000);
	assert_int_equal(counted(MT_CNT_threads_full), 1);
	assert_int_equal(counted(MT_CNT_returns_unmatched), 1);
	assert_int_equal(live_count(1), 1);
}

static void posix_memalign_is_read_from_where_it_stores(void **state)
{
	(void)state;
	begin();
	fake.cookie = POSIX_MEMALIGN;
	regs.dx = 4096;
	enter(POSIX_MEMALIGN, SP + 64, 64, SP);
	fake_poke(SP + 64, 0x5000);
	leave(0, SP);
	assert_int_equal(live_bytes(1), 4096);
	enter(POSIX_MEMALIGN, SP + 64, 64, SP);
	leave(12, SP); /* ENOMEM */
	assert_int_equal(site(1)->alloc_count, 1);
	assert_int_equal(counted(MT_CNT_failed_allocs), 1);
}

static void hits_and_returns_are_counted(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	do_free(0x1000);
	assert_int_equal(here()->hits, 2);
	assert_int_equal(here()->returns, 1);
}

static void a_probe_of_an_address_space_that_is_gone_does_nothing(void **state)
{
	(void)state;
	begin();
	mt_end_asid(asid);
	do_malloc(100, 0x1000);
	do_free(0x1000);
	asid = 7;
	do_malloc(100, 0x1000);
	assert_int_equal(here()->hits, 0);
	assert_int_equal(recorded(), 0);
}

static void a_slot_in_use_is_not_given_out_again(void **state)
{
	(void)state;
	begin();
	next_asid = 1 + MT_SPACES;
	assert_int_equal(mt_new_asid(PID, 0), 2 + MT_SPACES);
	mt_end_asid(1);
	next_asid = 1 + MT_SPACES;
	assert_int_equal(mt_new_asid(PID, 0), 1 + MT_SPACES);
	next_asid = 0x10000;
	assert_int_equal(mt_new_asid(PID, 0), 0);
}

/* What the one before it counted is not lost, and is not the newcomer's. */
static void a_slot_that_changes_hands_begins_at_nothing(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	mt_end_asid(asid);
	next_asid = 1 + MT_SPACES;
	asid = mt_new_asid(PID, 0);
	assert_int_equal(here()->hits, 1);
	do_free(0x1000);
	assert_int_equal(here()->hits, 1);
	assert_int_equal(here()->returns, 0);
	assert_int_equal(counted(MT_CNT_hits), 2);
	assert_int_equal(recorded(), 1);
}

static void a_child_is_sampled_like_its_parent(void **state)
{
	uint32_t slot;
	struct mt_space *s;

	(void)state;
	begin();
	space_of(asid)->gap_log2 = 19;
	space_of(asid)->weight_log2 = 3;
	slot = mt_new_asid(PID + 1, asid);
	s = bpf_map_lookup_elem(&spaces, &slot);
	assert_int_equal(s->gap_log2, 19);
	assert_int_equal(s->weight_log2, 3);
	assert_int_equal(s->tgid, PID + 1);
}

/* Probes without an address space: of the processes that they are meant for, and of no others. */
static void common_probes_are_for_those_who_share_them(void **state)
{
	struct mt_proc p = { 0 };
	uint32_t tgid = PID, own, child;

	(void)state;
	begin();
	own = p.asid = asid;
	bpf_map_update_elem(&procs, &tgid, &p, BPF_ANY);
	asid = 0;
	do_malloc(100, 0x1000);
	assert_int_equal(recorded(), 0);
	assert_int_equal(strangers, 2); /* entry and return */
	space_of(own)->common = 1;
	do_malloc(100, 0x1000);
	assert_int_equal(live_bytes(1), 100);
	fake.pid_tgid = 200ull << 32 | 200;
	do_free(0x1000); /* not traced at all */
	assert_int_equal(strangers, 3);
	p.asid = child = mt_new_asid(200, own);
	tgid = 200;
	bpf_map_update_elem(&procs, &tgid, &p, BPF_ANY);
	do_malloc(50, 0x1000); /* a child has inherited them */
	assert_int_equal(strangers, 3);
	assert_int_equal(recorded(), 2);
	assert_int_equal(space_of(child)->common, 1);
}

static void address_spaces_do_not_mix(void **state)
{
	(void)state;
	begin();
	do_malloc(100, 0x1000);
	fake.pid_tgid = 200ull << 32 | 200;
	asid = mt_new_asid(200, 0);
	do_free(0x1000);
	assert_int_equal(live_bytes(1), 100);
	assert_int_equal(counted(MT_CNT_frees_unknown), 1);
}

static void births_and_deaths_meet_in_their_epoch(void **state)
{
	struct mt_site *s;

	(void)state;
	begin();
	do_malloc(1, 0x1000);
	do_malloc(1, 0x2000);
	fake.now_ns += 3 * SECOND;
	do_malloc(1, 0x3000);
	do_free(0x1000);
	s = site(1);
	assert_int_equal(s->fine[10], 10ull << 32 | 1);
	assert_int_equal(s->fine[13], 13ull << 32 | 1);
	assert_int_equal(s->coarse[0], 0ull << 32 | 2);
	assert_int_equal(s->freed_by_age[2], 1); /* 3 s: [2,4) */
}

static void a_ring_slot_that_comes_round_again_starts_anew(void **state)
{
	struct mt_site *s;

	(void)state;
	begin();
	do_malloc(1, 0x1000);
	fake.now_ns += MT_FINE_SLOTS * SECOND;
	do_malloc(1, 0x2000);
	s = site(1);
	assert_int_equal(s->fine[10], (10ull + MT_FINE_SLOTS) << 32 | 1);
	do_free(0x1000); /* born an age ago: must not be taken out of the newcomers */
	assert_int_equal(s->fine[10], (10ull + MT_FINE_SLOTS) << 32 | 1);
}

/* Of the widest gap and the shortest windows: more than 32 bits. */
static void what_a_block_stands_for_has_an_end(void **state)
{
	uint64_t weight, epoch;

	(void)state;
	begin();
	space_of(asid)->gap_log2 = MT_GAP_LOG2_MAX;
	space_of(asid)->weight_log2 = 16;
	here()->asid = asid;
	here()->gap_log2 = MT_GAP_LOG2_MAX;
	for (uint64_t i = 1; i < 10; i++) {
		here()->left = 0;
		do_malloc(1, 0x1000 * i);
		weight = live_count(1) / i;
		assert_in_range(weight, 1u << 28, 1u << 28);
		assert_int_equal(counted(MT_CNT_weights_cut), i);
	}
	epoch = site(1)->fine[10] >> 32;
	assert_int_equal(epoch, 10);
	for (uint64_t i = 1; i < 10; i++)
		do_free(0x1000 * i);
	assert_int_equal(live_count(1), 0);
	epoch = site(1)->fine[10] >> 32;
	assert_int_equal(epoch, 10);
}

static void ages_at_free_fall_into_their_buckets(void **state)
{
	static const struct {
		uint32_t secs, bucket;
	} cases[] = { { 0, 0 }, { 1, 1 }, { 2, 2 }, { 3, 2 }, { 4, 3 }, { 511, 9 }, { 512, 10 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		do_malloc(1, 0x1000);
		fake.now_ns += cases[i].secs * SECOND;
		do_free(0x1000);
		assert_int_equal(site(1)->freed_by_age[cases[i].bucket], 1);
	}
}

static void a_region_is_told_once_and_again_when_the_ring_was_full(void **state)
{
	struct mt_ev_region *e = (void *)fake.last;

	(void)state;
	begin();
	fake.ring_full = true;
	do_malloc(1, 0x40000010);
	assert_int_equal(counted(MT_CNT_ring_full), 1);
	fake.ring_full = false;
	do_malloc(1, 0x40000020);
	do_malloc(1, 0x40000030);
	assert_int_equal(fake.sent, 1);
	assert_int_equal(e->addr, 0x40000000);
	assert_int_equal(e->reserved, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_lives_from_malloc_to_free),
		cmocka_unit_test(a_failed_call_changes_nothing),
		cmocka_unit_test(calloc_counts_the_product),
		cmocka_unit_test(a_moving_realloc_is_a_death_and_a_birth),
		cmocka_unit_test(a_realloc_in_place_keeps_birth_and_site),
		cmocka_unit_test(a_failed_realloc_keeps_the_old_block),
		cmocka_unit_test(a_product_that_overflows_is_not_taken_for_nothing),
		cmocka_unit_test(a_realloc_left_by_longjmp_keeps_its_block),
		cmocka_unit_test(realloc_to_nothing_is_a_free),
		cmocka_unit_test(realloc_of_nothing_is_a_malloc),
		cmocka_unit_test(an_address_given_up_inside_realloc_may_be_reused_at_once),
		cmocka_unit_test(of_nested_calls_only_the_outermost_counts),
		cmocka_unit_test(a_call_left_by_longjmp_does_not_swallow_later_ones),
		cmocka_unit_test(a_call_whose_return_nobody_saw_does_not_swallow_later_ones),
		cmocka_unit_test(a_block_may_be_freed_by_another_thread),
		cmocka_unit_test(what_was_allocated_before_is_not_counted_when_freed),
		cmocka_unit_test(free_of_null_is_nothing),
		cmocka_unit_test(operator_delete_and_its_free_are_one_free),
		cmocka_unit_test(every_free_is_counted_while_every_block_is_recorded),
		cmocka_unit_test(what_is_live_when_probes_begin_to_go_out_is_seen_to_end),
		cmocka_unit_test(blocks_are_recorded_from_the_first_free_that_is_seen),
		cmocka_unit_test(a_missed_free_is_noticed_when_the_address_returns),
		cmocka_unit_test(a_full_live_set_refuses_and_counts),
		cmocka_unit_test(an_update_the_kernel_refuses_is_counted),
		cmocka_unit_test(a_full_thread_table_is_counted),
		cmocka_unit_test(posix_memalign_is_read_from_where_it_stores),
		cmocka_unit_test(hits_and_returns_are_counted),
		cmocka_unit_test(a_probe_of_an_address_space_that_is_gone_does_nothing),
		cmocka_unit_test(a_slot_in_use_is_not_given_out_again),
		cmocka_unit_test(a_slot_that_changes_hands_begins_at_nothing),
		cmocka_unit_test(a_child_is_sampled_like_its_parent),
		cmocka_unit_test(common_probes_are_for_those_who_share_them),
		cmocka_unit_test(address_spaces_do_not_mix),
		cmocka_unit_test(births_and_deaths_meet_in_their_epoch),
		cmocka_unit_test(a_ring_slot_that_comes_round_again_starts_anew),
		cmocka_unit_test(what_a_block_stands_for_has_an_end),
		cmocka_unit_test(ages_at_free_fall_into_their_buckets),
		cmocka_unit_test(a_region_is_told_once_and_again_when_the_ring_was_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
