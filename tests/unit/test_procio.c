/* sys/procio: files, links, folders of numbers and lines below a process's folder. */
#include "fake_proc.h"

#include <errno.h>

#include "sys/procio.h"

static void a_missing_file_is_told_from_a_missing_process(void **state)
{
	struct fake_proc *p = *state;
	char buf[16];
	size_t len;
	int fd;

	fake_proc_put(p, "7/a", "x");
	assert_int_equal(procio_open(p->root, 7, "b", &fd), -ENOENT);
	assert_int_equal(procio_open(p->root, 8, "a", &fd), -ESRCH);
	assert_int_equal(procio_read(p->root, 7, "b", buf, sizeof(buf), &len), -ENOENT);
	assert_int_equal(procio_read_link(p->root, 8, "a", buf, sizeof(buf), &len), -ESRCH);
	assert_int_equal(procio_open_global(p->root, "b", &fd), -ENOENT);
}

static void a_read_is_bounded_and_ended(void **state)
{
	struct fake_proc *p = *state;
	char buf[4];
	size_t len;

	fake_proc_put(p, "7/a", "abcdef");
	assert_int_equal(procio_read(p->root, 7, "a", buf, sizeof(buf), &len), 0);
	assert_int_equal(len, 3);
	assert_string_equal(buf, "abc");
}

static void a_link_that_does_not_fit_is_refused(void **state)
{
	struct fake_proc *p = *state;
	char buf[4];
	size_t len = 77;

	fake_proc_link(p, "7/a", "abc");
	assert_int_equal(procio_read_link(p->root, 7, "a", buf, sizeof(buf), &len), 0);
	assert_string_equal(buf, "abc");
	fake_proc_link(p, "7/a", "abcd");
	len = 77;
	assert_int_equal(procio_read_link(p->root, 7, "a", buf, sizeof(buf), &len), -ENAMETOOLONG);
	assert_int_equal(len, 77);
}

static void a_root_that_is_too_long_is_refused(void **state)
{
	char root[PATH_MAX];
	int fd;

	(void)state;
	memset(root, 'x', sizeof(root));
	root[sizeof(root) - 1] = '\0';
	assert_int_equal(procio_open(root, 7, "a", &fd), -ENAMETOOLONG);
	assert_int_equal(procio_open_global(root, "a", &fd), -ENAMETOOLONG);
}

/* All lines of the text, each in angle brackets. */
static uint64_t join_lines(const struct fake_proc *p, const char *text, char *joined)
{
	struct procio_lines lines;
	const char *line, *end;
	int fd, r;

	fake_proc_put(p, "7/lines", text);
	assert_int_equal(procio_open(p->root, 7, "lines", &fd), 0);
	procio_lines_init(&lines, fd);
	joined[0] = '\0';
	while ((r = procio_next_line(&lines, &line, &end)) > 0)
		sprintf(joined + strlen(joined), "<%.*s>", (int)(end - line), line);
	assert_int_equal(r, 0);
	close(fd);
	return lines.refused;
}

static void lines_come_one_by_one_and_empty_ones_too(void **state)
{
	char joined[64];

	assert_int_equal(join_lines(*state, "a\n\nb c\n", joined), 0);
	assert_string_equal(joined, "<a><><b c>");
	assert_int_equal(join_lines(*state, "", joined), 0);
	assert_string_equal(joined, "");
}

static void a_last_line_without_its_end_is_refused(void **state)
{
	char joined[64];

	assert_int_equal(join_lines(*state, "a\nb", joined), 1);
	assert_string_equal(joined, "<a>");
}

static void a_line_that_is_too_long_is_refused_with_its_tail(void **state)
{
	size_t len = 3 * PROCIO_LINE_BYTES + 7;
	char *text = malloc(len + 64), joined[64];

	assert_non_null(text);
	memcpy(text, "a\n", 2);
	memset(text + 2, 'x', len);
	strcpy(text + 2 + len, "\nb\n");
	assert_int_equal(join_lines(*state, text, joined), 1);
	assert_string_equal(joined, "<a><b>");
	strcpy(text + 2 + len, "");
	assert_int_equal(join_lines(*state, text, joined), 1);
	assert_string_equal(joined, "<a>");
	free(text);
}

static void the_longest_line_that_fits_is_kept(void **state)
{
	char *text = malloc(PROCIO_LINE_BYTES + 64);
	char *joined = malloc(PROCIO_LINE_BYTES + 64);

	assert_non_null(text);
	assert_non_null(joined);
	memset(text, 'x', PROCIO_LINE_BYTES - 1);
	strcpy(text + PROCIO_LINE_BYTES - 1, "\nb\n");
	assert_int_equal(join_lines(*state, text, joined), 0);
	assert_int_equal(strlen(joined), PROCIO_LINE_BYTES + 1 + strlen("<b>"));
	free(text);
	free(joined);
}

static int add_up(void *ctx, uint32_t number)
{
	*(uint64_t *)ctx += number;
	return 0;
}

static int stop_at_once(void *ctx, uint32_t number)
{
	(void)number;
	++*(uint64_t *)ctx;
	return 5;
}

static void only_entries_that_are_numbers_are_given(void **state)
{
	struct fake_proc *p = *state;
	uint64_t sum = 0, calls = 0;

	fake_proc_put(p, "7/fd/1", "");
	fake_proc_put(p, "7/fd/20", "");
	fake_proc_put(p, "7/fd/30x", "");
	fake_proc_put(p, "7/fd/99999999999", "");
	assert_int_equal(procio_each_number(p->root, 7, "fd", add_up, &sum), 0);
	assert_int_equal(sum, 21);
	assert_int_equal(procio_each_number(p->root, 7, "fd", stop_at_once, &calls), 5);
	assert_int_equal(calls, 1);
	assert_int_equal(procio_each_number(p->root, 8, "fd", add_up, &sum), -ESRCH);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_proc_setup, fake_proc_teardown)
	const struct CMUnitTest tests[] = {
		T(a_missing_file_is_told_from_a_missing_process),
		T(a_read_is_bounded_and_ended),
		T(a_link_that_does_not_fit_is_refused),
		T(a_root_that_is_too_long_is_refused),
		T(lines_come_one_by_one_and_empty_ones_too),
		T(a_last_line_without_its_end_is_refused),
		T(a_line_that_is_too_long_is_refused_with_its_tail),
		T(the_longest_line_that_fits_is_kept),
		T(only_entries_that_are_numbers_are_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
