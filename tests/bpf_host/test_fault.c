/* The page-fault tier's rules, each with a test that fails when the rule is broken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "../../bpf/core.bpf.c"
#include "../../bpf/fault.bpf.c"
#include "fake.h"

#include <cmocka.h>

#define PID 100
#define ASID 7
#define BASE 0x7f0000000000ull
#define PAGE 4096ull
#define PERIOD (1ull << MT_FAULT_PERIOD_SHIFT)
#define WRITE FAULT_WRITE
#define READ 0

static uint32_t stacks;

__u32 mt_site_of(__u64 ip, __u64 sp, __u64 bp, __u32 asid, __u32 kind)
{
	assert(ip == 0x401000 && sp == 0x7ffd00001000 && bp == 0x7ffd00002000);
	assert(asid == ASID && kind == MT_SITE_FAULT);
	stacks++;
	return 33;
}

static struct mt_faults *state_of(uint32_t pid)
{
	return bpf_map_lookup_elem(&faults, &pid);
}

static void begin(uint32_t most)
{
	struct mt_faults f = { .asid = ASID, .most = most };
	struct mt_proc p = { .asid = ASID };
	uint32_t pid = PID;

	fake_reset();
	stacks = 0;
	hooks_in = 1;
	fake.now_ns = 100 * PERIOD;
	fake.pid_tgid = (uint64_t)PID << 32 | (PID + 1);
	fake.regs.ip = 0x401000;
	fake.regs.sp = 0x7ffd00001000;
	fake.regs.bp = 0x7ffd00002000;
	bpf_map_update_elem(&procs, &pid, &p, BPF_ANY);
	bpf_map_update_elem(&faults, &pid, &f, BPF_ANY);
}

static void touch(uint64_t addr, uint64_t error)
{
	struct pt_regs kernel = {};

	mt_fault_user(addr, &kernel, error);
}

static struct mt_ev_fault last(void)
{
	struct mt_ev_fault e;

	memcpy(&e, fake.last, sizeof(e));
	return e;
}

static void a_page_is_told_with_the_users_stack(void **state)
{
	struct mt_ev_fault e;

	(void)state;
	begin(100);
	touch(BASE + 5 * PAGE + 123, WRITE);
	assert_int_equal(fake.sent, 1);
	e = last();
	assert_int_equal(e.hdr.kind, MT_KIND_fault);
	assert_int_equal(e.hdr.size, sizeof(e));
	assert_int_equal(e.hdr.tgid, PID);
	assert_int_equal(e.tid, PID + 1);
	assert_int_equal(e.addr, BASE + 5 * PAGE);
	assert_int_equal(e.asid, ASID);
	assert_int_equal(e.site, 33);
	assert_int_equal(e.weight_log2, 0);
	assert_int_equal(e.flags, MT_FAULTF_WRITE);
	assert_int_equal(state_of(PID)->seen, 1);
}

static void the_kernel_touches_on_behalf_of_the_user(void **state)
{
	struct pt_regs kernel = { .ip = 0xffffffff81000000 };

	(void)state;
	begin(100);
	mt_fault_kernel(BASE, &kernel, WRITE);
	assert_int_equal(fake.sent, 1);
	assert_int_equal(stacks, 1);
}

static void reads_are_told_by_what_is_mapped_around(void **state)
{
	(void)state;
	begin(100);
	touch(BASE + 0x12345, READ);
	assert_int_equal(last().addr, BASE + 0x10000);
	assert_int_equal(last().flags, 0);
}

static void what_makes_no_new_page_is_not_told(void **state)
{
	(void)state;
	begin(100);
	touch(BASE, WRITE | FAULT_PROT);     /* it is there: copied on write */
	touch(BASE, FAULT_CODE);	     /* code */
	touch(0xffff888000000000ull, WRITE); /* the kernel's own */
	fake.task.pagefault_disabled = 1;
	touch(BASE, WRITE); /* a look that must not fault */
	assert_int_equal(fake.sent, 0);
	assert_int_equal(state_of(PID)->seen, 0);
}

static void others_are_not_looked_at(void **state)
{
	uint32_t pid = PID;
	struct mt_proc p = { .asid = ASID + 1 };

	(void)state;
	begin(100);
	fake.pid_tgid = (uint64_t)(PID + 1) << 32;
	touch(BASE, WRITE);
	fake.pid_tgid = (uint64_t)PID << 32;
	bpf_map_update_elem(&procs, &pid, &p, BPF_ANY); /* it executed another program */
	touch(BASE, WRITE);
	bpf_map_delete_elem(&procs, &pid);
	touch(BASE, WRITE);
	assert_int_equal(fake.sent, 0);
	assert_int_equal(stacks, 0);
}

static void weights_make_up_for_what_is_skipped(void **state)
{
	uint64_t sum = 0, pages = 200000;

	(void)state;
	begin(256);
	for (uint64_t i = 0; i < pages; i++) {
		size_t before = fake.sent;

		fake.now_ns += PERIOD / 20000; /* ten periods of 20,000 faults */
		touch(BASE + i * PAGE, WRITE);
		if (fake.sent != before)
			sum += 1ull << last().weight_log2;
	}
	assert_int_equal(state_of(PID)->seen, pages);
	/* some hundred samples a period: the sum is right within a few standard errors */
	assert_in_range(sum, pages - pages / 10, pages + pages / 10);
	/* 256 for each halving of the first period, no more than those in each that follows */
	assert_true(stacks < 256 * 8 + 10 * 257);
	assert_true(stacks > 10 * 64);
}

static void the_same_pages_are_told_again(void **state)
{
	uint32_t first;

	(void)state;
	begin(1000000);
	state_of(PID)->skip_log2 = state_of(PID)->least_skip_log2 = 5;
	for (uint64_t i = 0; i < 4096; i++)
		touch(BASE + i * PAGE, WRITE);
	first = stacks;
	assert_in_range(first, 80, 180); /* 128 expected */
	for (int round = 0; round < 3; round++)
		for (uint64_t i = 0; i < 4096; i++)
			touch(BASE + i * PAGE, WRITE);
	assert_int_equal(stacks, 4 * first);
	/* with fewer skipped, those are still among them */
	state_of(PID)->skip_log2 = 4;
	stacks = 0;
	for (uint64_t i = 0; i < 4096; i++)
		touch(BASE + i * PAGE, WRITE);
	assert_true(stacks > first);
}

static void strides_do_not_fall_in_with_what_is_skipped(void **state)
{
	(void)state;
	for (unsigned int shift = 0; shift < 12; shift++) {
		begin(1000000);
		state_of(PID)->skip_log2 = state_of(PID)->least_skip_log2 = 4;
		for (uint64_t i = 0; i < 4096; i++)
			touch(BASE + (i << shift) * PAGE, WRITE);
		assert_in_range(stacks, 190, 330); /* 256 expected, standard error 15 */
	}
}

static void when_it_is_quiet_again_every_page_is_looked_at(void **state)
{
	(void)state;
	begin(100);
	state_of(PID)->skip_log2 = 6;
	for (int i = 0; i < 6; i++) {
		fake.now_ns += PERIOD;
		touch(BASE + i * PAGE, WRITE);
	}
	assert_int_equal(state_of(PID)->skip_log2, 0);
	state_of(PID)->least_skip_log2 = 3; /* user space's table fills up */
	fake.now_ns += PERIOD;
	touch(BASE, WRITE);
	assert_int_equal(state_of(PID)->skip_log2, 3);
	fake.now_ns += PERIOD;
	touch(BASE, WRITE);
	assert_int_equal(state_of(PID)->skip_log2, 3);
}

static void a_broken_state_shifts_nothing_out_of_range(void **state)
{
	(void)state;
	begin(100);
	state_of(PID)->skip_log2 = 0xffffffff;
	state_of(PID)->least_skip_log2 = 0xffffffff;
	for (uint64_t i = 0; i < 1000; i++)
		touch(BASE + i * PAGE, WRITE);
	assert_true(fake.sent == 0 || last().weight_log2 <= MT_FAULT_SKIP_MAX);
}

static void a_full_ring_is_counted(void **state)
{
	uint32_t counter = MT_CNT_ring_full;

	(void)state;
	begin(100);
	fake.ring_full = true;
	touch(BASE, WRITE);
	assert_int_equal(*(uint64_t *)bpf_map_lookup_elem(&counters, &counter), 1);
}

static void without_hooks_a_change_of_code_is_told_by_its_size(void **state)
{
	uint32_t pid = PID, text;
	struct mt_proc *p;

	(void)state;
	begin(100);
	p = bpf_map_lookup_elem(&procs, &pid);
	fake.mm.exec_vm = 50;
	text = p->text;
	touch(BASE, WRITE);
	assert_int_equal(p->text, text); /* the hooks tell */
	hooks_in = 0;
	touch(BASE + PAGE, WRITE);
	assert_int_not_equal(p->text, text);
	text = p->text;
	touch(BASE + 2 * PAGE, WRITE);
	assert_int_equal(p->text, text);
	fake.mm.exec_vm = 60;
	touch(BASE + 3 * PAGE, WRITE);
	assert_int_not_equal(p->text, text);
	assert_int_equal(p->piece[0], p->text);
	assert_int_equal(p->piece[MT_TEXT_PIECES - 1], p->text);
}

static void user_space_asks_for_what_it_needs(void **state)
{
	struct mt_control ask = { .op = MT_CONTROL_TEXT, .tgid = PID };
	uint32_t pid = PID, text;
	struct mt_proc *p;

	(void)state;
	begin(100);
	p = bpf_map_lookup_elem(&procs, &pid);
	text = p->text;
	mt_control(&ask);
	assert_int_not_equal(p->text, text);
	ask = (struct mt_control){ .op = MT_CONTROL_SKIP, .tgid = PID, .value = 4 };
	mt_control(&ask);
	assert_int_equal(state_of(PID)->least_skip_log2, 4);
	ask.value = 60;
	mt_control(&ask);
	assert_int_equal(state_of(PID)->least_skip_log2, 4);
	ask.tgid = 1;
	mt_control(&ask); /* nobody's */
	ask.op = MT_CONTROL_TEXT;
	mt_control(&ask);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_is_told_with_the_users_stack),
		cmocka_unit_test(the_kernel_touches_on_behalf_of_the_user),
		cmocka_unit_test(reads_are_told_by_what_is_mapped_around),
		cmocka_unit_test(what_makes_no_new_page_is_not_told),
		cmocka_unit_test(others_are_not_looked_at),
		cmocka_unit_test(weights_make_up_for_what_is_skipped),
		cmocka_unit_test(the_same_pages_are_told_again),
		cmocka_unit_test(strides_do_not_fall_in_with_what_is_skipped),
		cmocka_unit_test(when_it_is_quiet_again_every_page_is_looked_at),
		cmocka_unit_test(a_broken_state_shifts_nothing_out_of_range),
		cmocka_unit_test(a_full_ring_is_counted),
		cmocka_unit_test(without_hooks_a_change_of_code_is_told_by_its_size),
		cmocka_unit_test(user_space_asks_for_what_it_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
