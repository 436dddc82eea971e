/* sys/cpus: the kernel's list of CPUs. */
#include "fake_proc.h"

#include <errno.h>

#include "sys/cpus.h"

#define FILE_NAME "devices/system/cpu/online"

static void a_list_says_which_are_on(void **state)
{
	static const struct {
		const char *list;
		bool on[8];
	} rows[] = {
		{ "0\n", { 1 } },
		{ "0-1\n", { 1, 1 } },
		{ "0,2-4,7\n", { 1, 0, 1, 1, 1, 0, 0, 1 } },
		{ "6-4000000000", { 0, 0, 0, 0, 0, 0, 1, 1 } },
	};
	const struct fake_proc *p = *state;
	bool on[8];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fake_proc_put(p, FILE_NAME, rows[i].list);
		memset(on, 1, sizeof(on));
		assert_int_equal(cpus_read_online(p->root, on, 8), 0);
		assert_memory_equal(on, rows[i].on, sizeof(on));
	}
}

static void what_is_no_list_changes_nothing(void **state)
{
	static const char *const rows[] = { "", "\n", "all", "0-", "-1", "3-2", "0,,1", "0 1" };
	const struct fake_proc *p = *state;
	bool on[2] = { true, false };

	assert_int_equal(cpus_read_online(p->root, on, 2), -ENOENT);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fake_proc_put(p, FILE_NAME, rows[i]);
		assert_int_equal(cpus_read_online(p->root, on, 2), -EINVAL);
	}
	assert_true(on[0] && !on[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_list_says_which_are_on, fake_proc_setup,
						fake_proc_teardown),
		cmocka_unit_test_setup_teardown(what_is_no_list_changes_nothing, fake_proc_setup,
						fake_proc_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
