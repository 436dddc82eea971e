/* sys/perflimit: the kernel's limit of samples. */
#include "fake_proc.h"

#include <errno.h>

#include "sys/perflimit.h"

#define FILE_NAME "sys/kernel/perf_event_max_sample_rate"

static void the_limit_is_read(void **state)
{
	struct fake_proc *p = *state;
	uint64_t per_s;

	fake_proc_put(p, FILE_NAME, "100000\n");
	assert_int_equal(perflimit_read(p->root, &per_s), 0);
	assert_int_equal(per_s, 100000);
	fake_proc_put(p, FILE_NAME, "1\n");
	assert_int_equal(perflimit_read(p->root, &per_s), 0);
	assert_int_equal(per_s, 1);
}

static void what_is_no_number_is_no_limit(void **state)
{
	struct fake_proc *p = *state;
	uint64_t per_s = 7;

	assert_int_equal(perflimit_read(p->root, &per_s), -ENOENT);
	fake_proc_put(p, FILE_NAME, "many\n");
	assert_int_equal(perflimit_read(p->root, &per_s), -EINVAL);
	fake_proc_put(p, FILE_NAME, "");
	assert_int_equal(perflimit_read(p->root, &per_s), -EINVAL);
	assert_int_equal(per_s, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_limit_is_read, fake_proc_setup,
						fake_proc_teardown),
		cmocka_unit_test_setup_teardown(what_is_no_number_is_no_limit, fake_proc_setup,
						fake_proc_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
