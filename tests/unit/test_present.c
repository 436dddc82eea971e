/* sys/present and sys/peek: runs of resident pages, and reading them. */
#include "fake_proc.h"

#include <errno.h>
#include <sys/mman.h>

#include "sys/peek.h"
#include "sys/present.h"
#include "sys/residency.h"

#define PAGE 4096

static void runs_that_touch_are_one(void **state)
{
	struct present p = { .in.count = 0 };

	(void)state;
	present_add(&p.in, 0x1000, 0x2000);
	present_add(&p.in, 0x2000, 0x4000);
	present_add(&p.in, 0x8000, 0x9000);
	present_add(&p.in, 0x8000, 0x9000); /* once more: known */
	assert_int_equal(p.in.count, 2);
	assert_int_equal(p.in.bytes, 0x4000);
	assert_int_equal(present_bytes(&p.in, 0, UINT64_MAX), 0x4000);
	assert_int_equal(present_bytes(&p.in, 0x1800, 0x8800), 0x2800 + 0x800);
	assert_int_equal(present_bytes(&p.in, 0x4000, 0x8000), 0);
	assert_true(present_has(&p.in, 0x3fff));
	assert_false(present_has(&p.in, 0x4000));
	assert_int_equal(present_from(&p.in, 0x4000)->start, 0x8000);
	assert_null(present_from(&p.in, 0x9000));
	present_done(&p);
}

static void what_was_not_kept_is_told(void **state)
{
	struct present p = { .in.count = 0 };

	(void)state;
	for (uint64_t i = 0; i < PRESENT_RUNS_MAX + 1; i++)
		present_add(&p.in, i * 2 * PAGE, (i * 2 + 1) * PAGE);
	assert_true(p.in.refused);
	assert_true(p.in.count <= PRESENT_RUNS_MAX);
	assert_int_equal(present_bytes(&p.in, 0, UINT64_MAX), p.in.count * PAGE);
	present_done(&p);
}

/* By the call and by entries: the same runs. */
static void runs_come_with_residency(void **state)
{
	char *at =
		mmap(NULL, 100 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(at != MAP_FAILED);
	madvise(at, 100 * PAGE, MADV_NOHUGEPAGE);
	for (int i = 10; i < 20; i++)
		at[i * PAGE] = 1;
	at[50 * PAGE] = 1;
	for (int by_entries = 0; by_entries < 2; by_entries++) {
		struct present p = { .in.count = 0 };
		struct residency_cfg cfg = { .root = "/proc",
					     .no_scan = by_entries,
					     .present = &p };
		struct residency r[2] = { { (uintptr_t)at, (uintptr_t)at + 15 * PAGE },
					  { (uintptr_t)at + 15 * PAGE,
					    (uintptr_t)at + 100 * PAGE } };
		struct residency_info info;

		assert_int_equal(residency_read(&cfg, getpid(), r, 2, &info), 0);
		assert_int_equal(p.in.count, 2);
		assert_int_equal(p.in.run[0].start, (uintptr_t)at + 10 * PAGE);
		assert_int_equal(p.in.run[0].end, (uintptr_t)at + 20 * PAGE);
		assert_int_equal(p.in.bytes, r[0].resident_bytes + r[1].resident_bytes);
		present_done(&p);
	}
	munmap(at, 100 * PAGE);
}

static void memory_is_read_and_what_is_not_mapped_is_told(void **state)
{
	struct peek p = { .pid = getpid() };
	uint64_t value = 0x1122334455667788u, got = 0;
	uint32_t half = 0;

	(void)state;
	assert_int_equal(peek_u64(&p, (uintptr_t)&value, &got), 0);
	assert_int_equal(got, value);
	assert_int_equal(peek_u32(&p, (uintptr_t)&value, &half), 0);
	assert_int_equal(half, 0x55667788);
	assert_int_equal(peek_u64(&p, 8, &got), -EFAULT);
	assert_int_equal(p.bytes, 12);
	assert_int_equal(p.failed, 1);
}

#define MANY 1300

/* Every third piece lies nowhere: the others are read all the same. */
static void many_pieces_are_read_past_those_that_fail(void **state)
{
	static uint32_t from[MANY], into[MANY];
	static struct peek_at at[MANY];
	struct peek p = { .pid = getpid() };

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		from[i] = i + 1;
		into[i] = 0;
		at[i] = (struct peek_at){ i % 3 ? (uintptr_t)&from[i] : 16, &into[i], 4, false };
	}
	assert_int_equal(peek_read_many(&p, at, MANY), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(at[i].ok, i % 3 != 0);
		assert_int_equal(into[i], i % 3 ? i + 1 : 0);
	}
	for (uint32_t i = 0; i < MANY; i++)
		at[i].address = (uintptr_t)&from[i];
	p = (struct peek){ .pid = getpid() };
	assert_int_equal(peek_read_many(&p, at, MANY), 0);
	assert_true(at[0].ok && at[MANY - 1].ok);
	assert_int_equal(p.calls, 3);
	p.pid = 0x7ffffff;
	assert_int_equal(peek_read_many(&p, at, MANY), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_that_touch_are_one),
		cmocka_unit_test(what_was_not_kept_is_told),
		cmocka_unit_test(runs_come_with_residency),
		cmocka_unit_test(memory_is_read_and_what_is_not_mapped_is_told),
		cmocka_unit_test(many_pieces_are_read_past_those_that_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
