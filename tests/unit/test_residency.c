/* sys/residency: own mappings by both sources, and made-up pagemap files. */
#include "fake_proc.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "sys/maps.h"
#include "sys/procfs.h"
#include "sys/residency.h"

#define PAGE 4096
#define PRESENT (UINT64_C(1) << 63)
#define SWAPPED (UINT64_C(1) << 62)
#define GUARD (UINT64_C(1) << 58)

static const struct residency_cfg scan = { .root = "/proc" };
static const struct residency_cfg whole = { .root = "/proc", .whole = true };
static const struct residency_cfg entries = { .root = "/proc", .no_scan = true };

static char *map_pages(size_t pages)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	assert_true(at != MAP_FAILED);
	madvise(at, pages * PAGE, MADV_NOHUGEPAGE);
	return at;
}

static struct residency range(const void *at, size_t pages)
{
	return (struct residency){ (uintptr_t)at, (uintptr_t)at + pages * PAGE, 1, 1 };
}

static void counts_exactly_the_touched_pages(const struct residency_cfg *cfg)
{
	char *at = map_pages(1000);
	struct residency r = range(at, 1000);
	struct residency_info info;

	for (int i = 0; i < 1000; i += 3)
		at[(size_t)i * PAGE] = 1;
	assert_int_equal(residency_read(cfg, getpid(), &r, 1, &info), 0);
	assert_int_equal(r.resident_bytes, 334 * PAGE);
	assert_int_equal(r.swapped_bytes, 0);
	assert_int_equal(info.unknown, 0);
	munmap(at, (size_t)1000 * PAGE);
}

static void touched_pages_are_resident_by_scan(void **state)
{
	(void)state;
	counts_exactly_the_touched_pages(&scan);
}

static void touched_pages_are_resident_by_entries(void **state)
{
	(void)state;
	counts_exactly_the_touched_pages(&entries);
}

static void more_regions_than_one_answer_holds_are_all_counted(void **state)
{
	size_t pages = 40000;
	char *at = map_pages(pages);
	struct residency r[2] = { range(at, 100), range(at + 100 * PAGE, pages - 100) };
	struct residency_info info;

	(void)state;
	for (size_t i = 0; i < pages; i += 2)
		at[i * PAGE] = 1;
	assert_int_equal(residency_read(&scan, getpid(), r, 2, &info), 0);
	assert_int_equal(r[0].resident_bytes, 50 * PAGE);
	assert_int_equal(r[1].resident_bytes, (pages / 2 - 50) * PAGE);
	munmap(at, pages * PAGE);
}

static void a_run_of_pages_is_split_over_its_ranges(void **state)
{
	char *at = map_pages(30);
	struct residency r[3] = { range(at + 2 * PAGE, 3), range(at + 5 * PAGE, 5),
				  range(at + 20 * PAGE, 4) };
	struct residency_info info;

	(void)state;
	memset(at, 1, 22 * PAGE);
	assert_int_equal(residency_read(&scan, getpid(), r, 3, &info), 0);
	assert_int_equal(r[0].resident_bytes, 3 * PAGE);
	assert_int_equal(r[1].resident_bytes, 5 * PAGE);
	assert_int_equal(r[2].resident_bytes, 2 * PAGE);
	munmap(at, 30 * PAGE);
}

static void pages_only_read_are_the_zero_page_and_do_not_count(const struct residency_cfg *cfg)
{
	char *at = map_pages(10);
	struct residency r = range(at, 10);
	struct residency_info info;
	volatile char sink;

	for (int i = 0; i < 10; i++)
		sink = at[i * PAGE];
	(void)sink;
	at[0] = 1;
	assert_int_equal(residency_read(cfg, getpid(), &r, 1, &info), 0);
	if (info.zero_pages_told)
		assert_int_equal(r.resident_bytes, PAGE);
	munmap(at, 10 * PAGE);
}

static void the_zero_page_does_not_count_by_scan(void **state)
{
	(void)state;
	pages_only_read_are_the_zero_page_and_do_not_count(&scan);
}

static void the_zero_page_does_not_count_by_entries(void **state)
{
	(void)state;
	pages_only_read_are_the_zero_page_and_do_not_count(&entries);
}

/* A child without sanitizers' shadow would be smaller still; a child at rest does not change. */
static uint64_t sum_of_child(const struct residency_cfg *cfg, pid_t child, uint64_t *rss)
{
	auto_free struct residency *r = NULL;
	struct residency_info info;
	struct procfs_status status;
	struct vma_table t;
	uint64_t sum = 0;

	assert_int_equal(maps_read("/proc", child, &t), 0);
	r = calloc(t.count, sizeof(*r));
	assert_non_null(r);
	for (size_t i = 0; i < t.count; i++)
		r[i] = (struct residency){ .start = t.vma[i].start, .end = t.vma[i].end };
	assert_int_equal(residency_read(cfg, child, r, t.count, &info), 0);
	for (size_t i = 0; i < t.count; i++) {
		if (r[i].resident_bytes != FACT_UNKNOWN)
			sum += r[i].resident_bytes;
	}
	maps_done(&t);
	assert_int_equal(procfs_read_status("/proc", child, &status), 0);
	*rss = status.rss_bytes;
	return sum;
}

/* Some far apart, as V8's are, and one that is more than a call asks about. */
static void touch_here_and_there(void)
{
	for (uint64_t i = 1; i < 40; i++) {
		char *at = mmap((void *)(i << 39), 64 * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at != MAP_FAILED)
			memset(at + 3 * PAGE, 1, i * PAGE);
	}
	memset(map_pages(600000) + (size_t)590000 * PAGE, 1, (size_t)300 * PAGE);
}

static void the_sum_over_all_mappings_is_rss(void **state)
{
	char *at = map_pages(5000);
	uint64_t before, sum, again, rss;
	int ready[2];
	pid_t child;
	char c;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		memset(at, 1, (size_t)5000 * PAGE);
		touch_here_and_there();
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	sum = sum_of_child(&scan, child, &rss);
	do { /* on its way to pause() it touches some more */
		before = sum;
		again = sum_of_child(&whole, child, &rss);
		sum = sum_of_child(&scan, child, &rss);
	} while (sum != before);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(sum, again);
	assert_true(rss >= (uint64_t)(5000 + 300 + 39 * 40 / 2) * PAGE);
	assert_true(sum + (1 << 20) > rss && sum < rss + (1 << 20));
	munmap(at, (size_t)5000 * PAGE);
	close(ready[0]);
	close(ready[1]);
}

static void ranges_out_of_order_are_refused(void **state)
{
	struct residency apart[2] = { { 0x3000, 0x4000, 0, 0 }, { 0x1000, 0x2000, 0, 0 } };
	struct residency overlapping[2] = { { 0x1000, 0x3000, 0, 0 }, { 0x2000, 0x4000, 0, 0 } };
	struct residency empty = { 0x1000, 0x1000, 0, 0 };
	struct residency_info info = { .source = 77 };

	(void)state;
	assert_int_equal(residency_read(&scan, getpid(), apart, 2, &info), -EINVAL);
	assert_int_equal(residency_read(&scan, getpid(), overlapping, 2, &info), -EINVAL);
	assert_int_equal(residency_read(&scan, getpid(), &empty, 1, &info), -EINVAL);
	assert_int_equal(info.source, 77);
}

static void vsyscall_is_nothing_and_beyond_reach_is_unknown(void **state)
{
	struct residency r[2] = { { UINT64_C(1) << 60, (UINT64_C(1) << 60) + PAGE, 0, 0 },
				  { 0xffffffffff600000, 0xffffffffff601000, 0, 0 } };
	struct residency_info info;

	(void)state;
	assert_int_equal(residency_read(&scan, getpid(), r, 2, &info), 0);
	assert_true(r[0].resident_bytes == FACT_UNKNOWN);
	assert_int_equal(r[1].resident_bytes, 0);
	assert_int_equal(info.unknown, 1);
}

static void a_kernel_without_the_scan_is_read_by_entries(void **state)
{
	static const uint64_t map[8] = { 0,	  PRESENT | 5,	   SWAPPED | 9, SWAPPED | GUARD,
					 PRESENT, SWAPPED | GUARD, PRESENT,	0 };
	struct fake_proc *p = *state;
	struct residency_cfg cfg = { .root = p->root };
	struct residency r[2] = { { PAGE, 4 * PAGE, 0, 0 }, { 5 * PAGE, 8 * PAGE, 0, 0 } };
	struct residency_info info;

	fake_proc_put_bytes(p, "7/pagemap", map, sizeof(map));
	assert_int_equal(residency_read(&cfg, 7, r, 2, &info), 0);
	assert_int_equal(info.source, RESIDENCY_PAGEMAP);
	assert_int_equal(r[0].resident_bytes, PAGE);
	assert_int_equal(r[0].swapped_bytes, PAGE);
	assert_int_equal(r[1].resident_bytes, PAGE);
	assert_int_equal(r[1].swapped_bytes, 0);
	assert_false(info.zero_pages_told);
}

static void a_file_that_ends_early_leaves_ranges_unknown(void **state)
{
	static const uint64_t map[4] = { 0, PRESENT, PRESENT, PRESENT };
	struct fake_proc *p = *state;
	struct residency_cfg cfg = { .root = p->root };
	struct residency r[3] = { { PAGE, 2 * PAGE, 0, 0 },
				  { 2 * PAGE, 6 * PAGE, 0, 0 },
				  { 8 * PAGE, 9 * PAGE, 0, 0 } };
	struct residency_info info;

	fake_proc_put_bytes(p, "7/pagemap", map, sizeof(map));
	assert_int_equal(residency_read(&cfg, 7, r, 3, &info), 0);
	assert_int_equal(r[0].resident_bytes, PAGE);
	assert_true(r[1].resident_bytes == FACT_UNKNOWN && r[1].swapped_bytes == FACT_UNKNOWN);
	assert_true(r[2].resident_bytes == FACT_UNKNOWN);
	assert_int_equal(info.unknown, 2);
}

static void a_reservation_beyond_the_budget_is_unknown_and_the_rest_measured(void **state)
{
	static const uint64_t map[100] = { [1] = PRESENT, [90] = PRESENT };
	struct fake_proc *p = *state;
	struct residency_cfg cfg = { .root = p->root, .max_read_bytes = 10 * PAGE };
	struct residency r[3] = { { PAGE, 5 * PAGE, 0, 0 },
				  { 5 * PAGE, 80 * PAGE, 0, 0 },
				  { 88 * PAGE, 92 * PAGE, 0, 0 } };
	struct residency_info info;

	fake_proc_put_bytes(p, "7/pagemap", map, sizeof(map));
	assert_int_equal(residency_read(&cfg, 7, r, 3, &info), 0);
	assert_int_equal(r[0].resident_bytes, PAGE);
	assert_true(r[1].resident_bytes == FACT_UNKNOWN);
	assert_int_equal(r[2].resident_bytes, PAGE);
	assert_int_equal(info.unknown, 1);
}

static void memory_that_has_gone_is_esrch_and_not_zero(void **state)
{
	struct fake_proc *p = *state;
	struct residency_cfg cfg = { .root = p->root };
	struct residency r = { PAGE, 2 * PAGE, 0, 0 };
	struct residency_info info;
	siginfo_t exited;
	pid_t child;

	fake_proc_put(p, "7/pagemap", "");
	assert_int_equal(residency_read(&cfg, 7, &r, 1, &info), -ESRCH);
	assert_int_equal(residency_read(&cfg, 9, &r, 1, &info), -ESRCH);
	child = fork();
	if (child == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, child, &exited, WEXITED | WNOWAIT), 0);
	assert_int_equal(residency_read(&scan, child, &r, 1, &info), -ESRCH);
	waitpid(child, NULL, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_proc_setup, fake_proc_teardown)
	const struct CMUnitTest tests[] = {
		T(touched_pages_are_resident_by_scan),
		T(touched_pages_are_resident_by_entries),
		T(more_regions_than_one_answer_holds_are_all_counted),
		T(a_run_of_pages_is_split_over_its_ranges),
		T(the_zero_page_does_not_count_by_scan),
		T(the_zero_page_does_not_count_by_entries),
		T(the_sum_over_all_mappings_is_rss),
		T(ranges_out_of_order_are_refused),
		T(vsyscall_is_nothing_and_beyond_reach_is_unknown),
		T(a_kernel_without_the_scan_is_read_by_entries),
		T(a_file_that_ends_early_leaves_ranges_unknown),
		T(a_reservation_beyond_the_budget_is_unknown_and_the_rest_measured),
		T(memory_that_has_gone_is_esrch_and_not_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
