/*
 * Unwind tables without memory: a whole table or -ENOMEM. Half of one would cut stacks short and
 * nobody would know.
 */
#include <string.h>

#include "elf_maker.h"
#include "base/cleanup.h"
#include "each.h"
#include "sys/elf.h"
#include "unwind/table.h"

static int build(void *ctx)
{
	auto_clean(elf_closep) struct elf_file *f = NULL;
	auto_clean(unwind_dict_freep) struct unwind_dict *d = NULL;
	struct unwind_table t = { .count = 99 };
	int r;

	r = elf_open_fd(*(int *)ctx, &f, NULL);
	if (r == 0)
		r = unwind_dict_new(&d);
	if (r == 0)
		r = unwind_table_build(f, d, &t, NULL);
	if (r < 0) {
		assert_int_equal(t.count, 99);
		return r;
	}
	assert_true(t.count < 99 && t.rows > 5000);
	unwind_table_done(&t);
	return 0;
}

static void a_table_is_whole_or_not_there(void **state)
{
	const uint64_t none = 0;
	off_t size;
	int fd = copy_libc(&size);

	(void)state;
	assert_true(each_failure(build, &fd, false) > 20);
	assert_true(each_failure(build, &fd, true) > 20);
	/* The same through the program header, as when there are no section headers. */
	assert_int_equal(pwrite(fd, &none, 8, offsetof(Elf64_Ehdr, e_shoff)), 8);
	assert_int_equal(pwrite(fd, &none, 4, offsetof(Elf64_Ehdr, e_shnum)), 4);
	assert_true(each_failure(build, &fd, false) > 20);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_is_whole_or_not_there),
	};

	return each_report(cmocka_run_group_tests(tests, NULL, NULL));
}
