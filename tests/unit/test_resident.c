/* app/resident: pages of a process and its size as of one moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/resident.h"
#include "base/cleanup.h"
#include "sys/procfs.h"

#define KB (1ull << 10)
#define MB (1ull << 20)

/* Two mappings with that much in memory, and in swap. */
static struct resident pages(struct residency range[2], uint64_t in, uint64_t swapped)
{
	range[0] = (struct residency){ 4096, 8192, in / 2, swapped, 0 };
	range[1] = (struct residency){ 8192, 9 << 20, in - in / 2, 0, 0 };
	return (struct resident){ .range = range, .count = 2 };
}

static void between_both_readings_the_pages_are_the_size(void **state)
{
	struct proc_fact before = { .rss_bytes = 90 * MB, .swap_bytes = 4 * MB };
	struct proc_fact size = { .rss_bytes = 110 * MB, .swap_bytes = 2 * MB };
	struct residency range[2];
	struct resident r = pages(range, 104 * MB, 3 * MB);

	(void)state;
	assert_int_equal(resident_settle(&r, &before, &size), 0);
	assert_int_equal(size.rss_bytes, 104 * MB);
	assert_int_equal(size.swap_bytes, 3 * MB);
}

static void what_no_page_accounts_for_is_missed(void **state)
{
	struct proc_fact before = { .rss_bytes = 110 * MB }, size = { .rss_bytes = 108 * MB };
	struct residency range[2];
	struct resident r = pages(range, 100 * MB, 0);

	(void)state;
	assert_int_equal(resident_settle(&r, &before, &size), 8 * MB);
	assert_int_equal(size.rss_bytes, 108 * MB);
	r = pages(range, 108 * MB - 60 * KB, 0); /* not worth a second look */
	assert_int_equal(resident_settle(&r, &before, &size), 0);
	assert_int_equal(size.rss_bytes, 108 * MB);
	r = pages(range, 120 * MB, 0);
	assert_int_equal(resident_settle(&r, &before, &size), 0);
	assert_int_equal(size.rss_bytes, 110 * MB);
}

static void what_is_not_known_settles_nothing(void **state)
{
	struct proc_fact before = { .rss_bytes = 90 * MB }, size = { .rss_bytes = 110 * MB };
	struct residency range[2];
	struct resident r = pages(range, 100 * MB, 0);

	(void)state;
	range[1].resident_bytes = FACT_UNKNOWN;
	assert_int_equal(resident_settle(&r, &before, &size), 0);
	assert_int_equal(size.rss_bytes, 110 * MB);
	r = pages(range, 100 * MB, 0);
	before.rss_bytes = FACT_UNKNOWN;
	assert_int_equal(resident_settle(&r, &before, &size), 10 * MB);
	assert_int_equal(size.rss_bytes, 110 * MB);
	size.rss_bytes = FACT_UNKNOWN;
	assert_int_equal(resident_settle(&r, &before, &size), 0);
	assert_int_equal(size.rss_bytes, FACT_UNKNOWN);
}

/* This very process, and a mapping that comes between the map and the look at its pages. */
static void a_mapping_made_meanwhile_is_missed(void **state)
{
	auto_clean(resident_done) struct resident r = { .count = 0 };
	auto_clean(maps_done) struct vma_table maps = { 0 };
	struct proc_fact before, size;
	char *at;

	(void)state;
	assert_int_equal(maps_read("/proc", getpid(), &maps), 0);
	at = mmap(NULL, 64 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(at != MAP_FAILED);
	memset(at, 1, 64 * MB);
	assert_int_equal(procfs_read_fact("/proc", getpid(), &before), 0);
	assert_int_equal(resident_scan("/proc", getpid(), &maps, &r), 0);
	assert_int_equal(procfs_read_fact("/proc", getpid(), &size), 0);
	assert_true(resident_settle(&r, &before, &size) > 50 * MB);
	munmap(at, 64 * MB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(between_both_readings_the_pages_are_the_size),
		cmocka_unit_test(what_no_page_accounts_for_is_missed),
		cmocka_unit_test(what_is_not_known_settles_nothing),
		cmocka_unit_test(a_mapping_made_meanwhile_is_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
