/* How announced samples are read and what they weigh: usdt.bpf.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "../../bpf/core.bpf.c"
#include "../../bpf/live.bpf.c"
#include "../../bpf/usdt.bpf.c"
#include "../../src/collect/site_fold.c"
#include "fake.h"

#include <cmocka.h>

#define PID 100
#define ADDR 0x7f0000001000
#define SITE 1

static struct pt_regs regs;
static uint32_t asid;

__u32 mt_site_of(__u64 ip, __u64 sp, __u64 bp, __u32 of, __u32 site_kind)
{
	(void)sp;
	(void)bp;
	assert_int_equal(ip, 0x401234);
	assert_int_equal(of, asid);
	assert_int_equal(site_kind, MT_SITE_HEAP); /* not behind a return */
	return SITE;
}

static struct mt_site *site(void)
{
	static struct mt_site folded;
	uint32_t n = SITE;
	const struct mt_site *page = bpf_map_lookup_elem(&sites, &n);

	site_fold(&page, 1, &folded);
	return &folded;
}

static uint64_t counted(uint32_t counter)
{
	uint64_t *v = bpf_map_lookup_elem(&counters, &counter);

	return *v;
}

static void set_spec(uint32_t number, struct mt_usdt_spec spec)
{
	bpf_map_update_elem(&usdt_specs, &number, &spec, BPF_ANY);
}

static struct mt_usdt_arg in_register(uint8_t reg)
{
	return (struct mt_usdt_arg){
		.from = MT_USDT_REGISTER, .bytes = 8, .reg = reg, .index = MT_USDT_NO_INDEX
	};
}

static void begin(void)
{
	fake_reset();
	next_asid = 1;
	asid = mt_new_asid(PID, 0);
	fake_map_of(&sites)->max = 100;
	fake_map_of(&live)->max = 100;
	memset(&regs, 0, sizeof(regs));
	regs.ip = 0x401234;
	fake.now_ns = 10000000000ull;
	fake.pid_tgid = (uint64_t)PID << 32 | PID;
	fake.cookie = MT_COOKIE_ASID(asid) | 3;
	set_spec(3, (struct mt_usdt_spec){ { in_register(7), in_register(6), in_register(2) } });
}

static void announce(uint64_t addr, uint64_t size, uint64_t weighted)
{
	regs.di = addr;
	regs.si = size;
	regs.dx = weighted;
	mt_usdt_alloc(&regs);
}

static void announce_end(uint64_t addr)
{
	regs.di = addr;
	mt_usdt_free(&regs);
}

/* --- arguments -------------------------------------------------------------------------------- */

static uint64_t value_of(struct mt_usdt_arg a)
{
	set_spec(9, (struct mt_usdt_spec){ { {}, a, {} } });
	return usdt_arg(&regs, 9, 1);
}

static void every_register_is_read_by_its_number(void **state)
{
	__u64 *const by_number[] = { &regs.ax,	&regs.cx,  &regs.dx,  &regs.bx,
				     &regs.sp,	&regs.bp,  &regs.si,  &regs.di,
				     &regs.r8,	&regs.r9,  &regs.r10, &regs.r11,
				     &regs.r12, &regs.r13, &regs.r14, &regs.r15 };

	(void)state;
	begin();
	for (int i = 0; i < 16; i++)
		*by_number[i] = 1000 + i;
	for (int i = 0; i < 16; i++)
		assert_int_equal(value_of(in_register(i)), 1000 + i);
}

static void narrow_arguments_are_extended_by_their_type(void **state)
{
	struct mt_usdt_arg a = in_register(0);

	(void)state;
	begin();
	regs.ax = 0x1122334455667788;
	assert_int_equal(value_of(a), 0x1122334455667788);
	a.bytes = 4;
	assert_int_equal(value_of(a), 0x55667788);
	a.bytes = 1;
	assert_int_equal(value_of(a), 0x88);
	a.is_signed = 1;
	assert_int_equal(value_of(a), (uint64_t)(int8_t)0x88);
	a.bytes = 2;
	assert_int_equal(value_of(a), 0x7788);
}

static void constants_are_what_they_are(void **state)
{
	struct mt_usdt_arg a = { .from = MT_USDT_CONSTANT, .bytes = 8, .value = -7 };

	(void)state;
	begin();
	assert_int_equal(value_of(a), (uint64_t)-7);
	a.bytes = 4;
	assert_int_equal(value_of(a), 0xfffffff9);
}

static void memory_is_read_where_the_operand_says(void **state)
{
	struct mt_usdt_arg a = { .from = MT_USDT_MEMORY,
				 .bytes = 8,
				 .value = -16,
				 .reg = 5,
				 .index = MT_USDT_NO_INDEX };

	(void)state;
	begin();
	regs.bp = 0x7ffc00001000;
	regs.cx = 3;
	fake_poke(0x7ffc00001000 - 16, 0xabcdef0123456789);
	fake_poke(0x7ffc00001000 - 16 + 24, 77);
	assert_int_equal(value_of(a), 0xabcdef0123456789);
	a.bytes = 4;
	assert_int_equal(value_of(a), 0x23456789);
	a.bytes = 8;
	a.index = 1;
	a.scale_log2 = 3;
	assert_int_equal(value_of(a), 77);
	assert_int_equal(counted(MT_CNT_read_failed), 0);
	a.value = 4096;
	assert_int_equal(value_of(a), 0);
	assert_int_equal(counted(MT_CNT_read_failed), 1);
}

/* --- samples ---------------------------------------------------------------------------------- */

static void a_sample_weighs_what_it_stands_for(void **state)
{
	(void)state;
	begin();
	announce(ADDR, 100, 100 * 50);
	assert_int_equal(site()->alloc_bytes, 5000);
	assert_int_equal(site()->alloc_count, 50);
	assert_int_equal(site()->born_records, 1);
	announce_end(ADDR);
	assert_int_equal(site()->free_bytes, 5000);
	assert_int_equal(site()->free_count, 50);
	assert_int_equal(counted(MT_CNT_usdt_refused), 0);
	announce_end(ADDR);
	assert_int_equal(counted(MT_CNT_frees_unknown), 1);
}

/* 2.25 blocks are 2 or 3, and 2.25 in the mean. */
static void parts_of_blocks_are_right_in_the_mean(void **state)
{
	const int n = 20000;

	(void)state;
	begin();
	for (int i = 0; i < n; i++) {
		announce(ADDR, 1000, 2250);
		announce_end(ADDR);
	}
	assert_int_equal(site()->alloc_count, site()->free_count);
	/* five standard errors: sqrt(0.25 * 0.75 / n) */
	assert_true(site()->alloc_count > n * (2.25 - 0.0154));
	assert_true(site()->alloc_count < n * (2.25 + 0.0154));
}

static void windows_multiply_what_was_seen(void **state)
{
	(void)state;
	begin();
	space_of(asid)->weight_log2 = 3;
	announce(ADDR, 100, 200);
	assert_int_equal(site()->alloc_bytes, 1600);
}

static void what_is_absurd_is_counted_and_refused(void **state)
{
	static const uint64_t rows[][3] = {
		{ 0, 100, 1000 },		  /* no address */
		{ ADDR, 100, 99 },		  /* it stands for less than itself */
		{ ADDR, 0, 5 },			  /* nothing stands for something */
		{ ADDR, 1ull << 47, UINT64_MAX }, /* larger than address spaces */
		{ ADDR, 1, UINT64_MAX },	  /* more than any weight */
		{ 0xffff888000000000, 100, 1000 },
	};
	const size_t n = sizeof(rows) / sizeof(rows[0]);

	(void)state;
	begin();
	for (size_t i = 0; i < n; i++) {
		announce(rows[i][0], rows[i][1], rows[i][2]);
		assert_int_equal(counted(MT_CNT_usdt_refused), i + 1);
	}
	assert_int_equal(site()->alloc_count, 0);
	fake.cookie |= MT_COOKIE_USDT_REFUSED;
	announce(ADDR, 100, 1000);
	assert_int_equal(counted(MT_CNT_usdt_refused), n + 1);
	assert_int_equal(site()->alloc_count, 0);
}

static void an_empty_block_is_one_block(void **state)
{
	(void)state;
	begin();
	announce(ADDR, 0, 0);
	assert_int_equal(site()->alloc_count, 1);
	assert_int_equal(site()->alloc_bytes, 0);
}

static void probes_of_an_address_space_that_is_gone_do_nothing(void **state)
{
	(void)state;
	begin();
	mt_end_asid(asid);
	announce(ADDR, 100, 1000);
	announce_end(ADDR);
	assert_int_equal(site()->alloc_count, 0);
	assert_int_equal(counted(MT_CNT_frees_unknown), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_register_is_read_by_its_number),
		cmocka_unit_test(narrow_arguments_are_extended_by_their_type),
		cmocka_unit_test(constants_are_what_they_are),
		cmocka_unit_test(memory_is_read_where_the_operand_says),
		cmocka_unit_test(a_sample_weighs_what_it_stands_for),
		cmocka_unit_test(parts_of_blocks_are_right_in_the_mean),
		cmocka_unit_test(windows_multiply_what_was_seen),
		cmocka_unit_test(what_is_absurd_is_counted_and_refused),
		cmocka_unit_test(an_empty_block_is_one_block),
		cmocka_unit_test(probes_of_an_address_space_that_is_gone_do_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
