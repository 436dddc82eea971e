/* The kernel's code in this process: copied, described and named like a file's. */
#include "sys/vdso.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "symbol/symbolizer.h"
#include "sys/elf.h"
#include "sys/maps.h"

static struct vma own_vdso(void)
{
	struct vma_table maps = {};
	const struct vma *found;
	struct vma v = {};

	assert_int_equal(maps_read("/proc", (uint32_t)getpid(), &maps), 0);
	found = maps_find(&maps, getauxval(AT_SYSINFO_EHDR));
	assert_non_null(found);
	v = *found;
	maps_done(&maps);
	assert_string_equal(v.path, "[vdso]");
	assert_int_equal(v.kind, VMA_SPECIAL);
	return v;
}

static void its_functions_have_names(void **state)
{
	struct symbolizer_cfg cfg = SYMBOLIZER_CFG_DEFAULT(clock_monotonic_ns);
	struct vma v = own_vdso();
	auto_clean(symbolizer_freep) struct symbolizer *s = NULL;
	struct elf_file *elf = NULL;
	struct module_fact fact;
	auto_close int fd = -1;
	const char *name;
	bool found = false;
	uint32_t file;
	char path[64];

	(void)state;
	assert_int_equal(vdso_copy("/proc", (uint32_t)getpid(), v.start, v.end, &fd), 0);
	assert_int_equal(elf_open_fd(fd, &elf, NULL), 0);
	elf_describe(elf, &fact);
	elf_close(elf);
	assert_true(fact.build_id[0]);
	assert_int_equal(fact.segment_count, 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(symbolizer_new(&cfg, &s), 0);
	symbolizer_start_tick(s, UINT64_MAX);
	assert_int_equal(
		symbolizer_add_file(
			s, &(struct symbol_file){ .build_id = fact.build_id, .path = path }, &file),
		0);
	for (uint64_t at = 0; at < v.end - v.start && !found; at += 16)
		found = symbolizer_resolve(s, file, fact.segment[0].vaddr + at, &name) == 0 &&
			name && strstr(name, "clock_gettime");
	assert_true(found);
}

static void what_cannot_be_copied_is_an_error(void **state)
{
	int fd = -7;

	(void)state;
	assert_int_equal(vdso_copy("/proc", (uint32_t)getpid(), 0x1000, 0x3000, &fd), -EIO);
	assert_int_equal(vdso_copy("/proc", (uint32_t)getpid(), 0x1000, 0x1000, &fd), -EFBIG);
	assert_int_equal(vdso_copy("/proc", (uint32_t)getpid(), 0, UINT64_MAX, &fd), -EFBIG);
	assert_int_equal(vdso_copy("/nowhere", 1, 0x1000, 0x2000, &fd), -ESRCH);
	assert_int_equal(fd, -7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_functions_have_names),
		cmocka_unit_test(what_cannot_be_copied_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
