/* Files below another root: what is followed, what is opened. */
#include "sys/inside.h"

#include <errno.h>
#include <string.h>

#include "fake_proc.h"

static int open_in(const struct fake_proc *p, const char *path, char first[static 8])
{
	char root[PATH_MAX];
	struct stat st;
	int fd = -1, r;

	snprintf(root, sizeof(root), "%s/root", p->root);
	r = inside_open(root, path, &st, &fd);
	if (r < 0) {
		assert_int_equal(fd, -1);
		return r;
	}
	assert_true(S_ISREG(st.st_mode));
	memset(first, 0, 8);
	assert_true(read(fd, first, 7) >= 0);
	close(fd);
	return 0;
}

static void links_stay_inside(void **state)
{
	const struct fake_proc *p = *state;
	char absolute[PATH_MAX], text[8];

	fake_proc_put(p, "root/lib/file", "inside");
	fake_proc_put(p, "lib/file", "outside");
	snprintf(absolute, sizeof(absolute), "%s/lib", p->root);
	fake_proc_link(p, "root/absolute", "/lib");
	fake_proc_link(p, "root/up", "../lib");
	fake_proc_link(p, "root/host", absolute);
	assert_int_equal(open_in(p, "/absolute/file", text), 0);
	assert_string_equal(text, "inside");
	assert_int_equal(open_in(p, "up/file", text), 0);
	assert_string_equal(text, "inside");
	assert_int_equal(open_in(p, "../../lib/file", text), 0);
	assert_string_equal(text, "inside");
	assert_int_equal(open_in(p, "host/file", text), -ENOENT);
}

static void only_regular_files_are_opened(void **state)
{
	const struct fake_proc *p = *state;
	char path[PATH_MAX], text[8];

	fake_proc_put(p, "root/file", "text");
	fake_proc_link(p, "root/link", "file");
	fake_proc_path(p, "root/pipe", path);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(open_in(p, "file", text), 0);
	assert_int_equal(open_in(p, "link", text), -EPERM);
	assert_int_equal(open_in(p, "pipe", text), -EPERM);
	assert_int_equal(open_in(p, ".", text), -EPERM);
	assert_int_equal(open_in(p, "nothing", text), -ENOENT);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fake_proc_setup, fake_proc_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(links_stay_inside),
		TEST(only_regular_files_are_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
