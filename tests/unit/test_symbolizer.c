/* Names for addresses: of this program, of the C library, of made files; limits and budgets. */
#include "symbol/symbolizer.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "elf_maker.h"

#define AT(n) (MADE_CODE_VADDR + (n))

__attribute__((noinline)) int symbolizer_test_marker(int x);

int symbolizer_test_marker(int x)
{
	return x * 5 + 3;
}

/* A clock that moves by itself: each reading takes a millisecond. */
static uint64_t test_now_ns;

static uint64_t ticking_clock(void)
{
	return test_now_ns += 1000000;
}

static uint64_t standing_clock(void)
{
	return 1;
}

static struct symbolizer_cfg standing_cfg(void)
{
	return (struct symbolizer_cfg)SYMBOLIZER_CFG_DEFAULT(standing_clock);
}

static struct symbolizer *new_symbolizer(const struct symbolizer_cfg *cfg)
{
	struct symbolizer *s = NULL;

	assert_int_equal(symbolizer_new(cfg, &s), 0);
	symbolizer_start_tick(s, UINT64_MAX);
	return s;
}

static struct symbolizer *new_default(void)
{
	struct symbolizer_cfg cfg = standing_cfg();

	return new_symbolizer(&cfg);
}

static uint32_t add_path(struct symbolizer *s, const char *path)
{
	struct symbol_file file = { .path = path };
	uint32_t number;

	assert_int_equal(symbolizer_add_file(s, &file, &number), 0);
	return number;
}

/* The file stays as long as its descriptor, which the caller closes. */
static uint32_t add_made(struct symbolizer *s, const struct made_elf *m, int *ret_fd)
{
	char path[32];

	*ret_fd = made_elf_fd(m);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *ret_fd);
	return add_path(s, path);
}

static struct symbolizer_stats stats_of(const struct symbolizer *s)
{
	struct symbolizer_stats stats;

	symbolizer_get_stats(s, &stats);
	return stats;
}

static void expect(struct symbolizer *s, uint32_t file, uint64_t vaddr, const char *name)
{
	const char *found = "untouched";

	assert_int_equal(symbolizer_resolve(s, file, vaddr, &found), 0);
	if (name)
		assert_string_equal(found, name);
	else
		assert_null(found);
}

static uint64_t vaddr_of(const void *function)
{
	Dl_info info;

	assert_int_not_equal(dladdr(function, &info), 0);
	return (uintptr_t)function - (uintptr_t)info.dli_fbase;
}

static void a_function_of_this_program_gets_its_name(void **state)
{
	struct symbolizer *s = new_default();
	uint32_t file = add_path(s, "/proc/self/exe");
	const uint64_t vaddr = vaddr_of((void *)(uintptr_t)symbolizer_test_marker);

	(void)state;
	expect(s, file, vaddr, "symbolizer_test_marker");
	expect(s, file, vaddr + 1, "symbolizer_test_marker");
	expect(s, file, 1, NULL);
	symbolizer_free(s);
}

static void a_function_of_the_c_library_gets_the_name_that_people_know(void **state)
{
	void *function = dlsym(RTLD_DEFAULT, "getpid");
	struct symbolizer *s = new_default();
	Dl_info info;
	uint32_t file;

	(void)state;
	assert_int_not_equal(dladdr(function, &info), 0);
	file = add_path(s, info.dli_fname);
	expect(s, file, vaddr_of(function), "getpid"); /* and not __getpid */
	symbolizer_free(s);
}

static void names_are_demangled_cleaned_and_without_version(void **state)
{
	static const struct made_symbol symbols[] = { { "_ZN3foo3barEv", AT(0), 16 },
						      { "red\033[31m\n", AT(16), 16 },
						      { "memcpy@@GLIBC_2.14", AT(32), 16 },
						      { "@odd", AT(48), 16 } };
	struct made_elf m = { symbols, 4 };
	struct symbolizer *s = new_default();
	uint32_t file;
	int fd;

	(void)state;
	file = add_made(s, &m, &fd);
	expect(s, file, AT(3), "foo::bar");
	expect(s, file, AT(19), "red\\x1b[31m\\x0a");
	expect(s, file, AT(35), "memcpy");
	expect(s, file, AT(51), "@odd");
	symbolizer_free(s);
	close(fd);
}

static void of_aliases_the_plainest_is_chosen(void **state)
{
	static const struct made_symbol symbols[] = { { "__libc_malloc", AT(0), 16 },
						      { "malloc", AT(0), 16 },
						      { "__malloc", AT(0), 16 },
						      { "cfree", AT(16), 16 },
						      { "free", AT(16), 16 } };
	struct made_elf m = { symbols, 5 };
	struct symbolizer *s = new_default();
	uint32_t file;
	int fd;

	(void)state;
	file = add_made(s, &m, &fd);
	expect(s, file, AT(0), "malloc");
	expect(s, file, AT(16), "free");
	symbolizer_free(s);
	close(fd);
}

static void one_identity_has_one_number(void **state)
{
	struct symbolizer *s = new_default();
	struct symbol_file a = { .build_id = "ab12", .path = "/x" };
	struct symbol_file b = { .build_id = "ab12", .path = "/y", .dev = 1, .inode = 2 };
	struct symbol_file c = { .dev = 1, .inode = 2, .name = "/lib/z", .path = "/proc/1/root/z" };
	struct symbol_file d = { .dev = 1, .inode = 2, .name = "/lib/z", .path = "/proc/2/root/z" };
	struct symbol_file e = { .dev = 1, .inode = 3, .name = "/lib/z", .path = "/proc/2/root/z" };
	uint32_t n[5];

	(void)state;
	assert_int_equal(symbolizer_add_file(s, &a, &n[0]), 0);
	assert_int_equal(symbolizer_add_file(s, &b, &n[1]), 0);
	assert_int_equal(symbolizer_add_file(s, &c, &n[2]), 0);
	assert_int_equal(symbolizer_add_file(s, &d, &n[3]), 0);
	assert_int_equal(symbolizer_add_file(s, &e, &n[4]), 0);
	assert_int_equal(n[0], n[1]);
	assert_int_equal(n[2], n[3]);
	assert_int_not_equal(n[0], n[2]);
	assert_int_not_equal(n[3], n[4]);
	symbolizer_free(s);
}

static void a_file_that_cannot_be_opened_fails_at_once_until_it_has_a_new_path(void **state)
{
	static const struct made_symbol symbols[] = { { "found", AT(0), 16 } };
	struct made_elf m = { symbols, 1, .note = "GNU", .note_type = NT_GNU_BUILD_ID };
	struct symbolizer *s = new_default();
	struct symbol_file gone = { .build_id = "abcdef01", .path = "/nonexistent/file" }, there;
	const char *name = "untouched";
	char path[32];
	uint32_t file;
	int fd = made_elf_fd(&m);

	(void)state;
	assert_int_equal(symbolizer_add_file(s, &gone, &file), 0);
	assert_int_equal(symbolizer_resolve(s, file, AT(0), &name), -ENOENT);
	assert_int_equal(symbolizer_resolve(s, file, AT(0), &name), -ENOENT);
	assert_string_equal(name, "untouched");
	assert_int_equal(stats_of(s).files_failed, 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	there = (struct symbol_file){ .build_id = "abcdef01", .path = path };
	assert_int_equal(symbolizer_add_file(s, &there, &file), 0);
	expect(s, file, AT(0), "found");
	symbolizer_free(s);
	close(fd);
}

static void another_file_at_the_path_is_not_believed(void **state)
{
	static const struct made_symbol symbols[] = { { "wrong", AT(0), 16 } };
	struct made_elf m = { symbols, 1, .note = "GNU", .note_type = NT_GNU_BUILD_ID };
	int fd = made_elf_fd(&m);
	struct symbolizer *s = new_default();
	struct symbol_file by_id = { .build_id = "abcdef02" }, by_inode = { .inode = 12345678 };
	const char *name;
	char path[32];
	uint32_t file;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	by_id.path = by_inode.path = path;
	assert_int_equal(symbolizer_add_file(s, &by_id, &file), 0);
	assert_int_equal(symbolizer_resolve(s, file, AT(0), &name), -ENOENT);
	assert_int_equal(symbolizer_add_file(s, &by_inode, &file), 0);
	assert_int_equal(symbolizer_resolve(s, file, AT(0), &name), -ENOENT);
	symbolizer_free(s);
	close(fd);
}

static void what_is_no_program_is_refused_without_blocking(void **state)
{
	struct symbolizer *s = new_default();
	char path[] = "/tmp/memtrace-test-XXXXXX";
	const char *name;

	(void)state;
	assert_non_null(mkdtemp(path));
	assert_int_equal(symbolizer_resolve(s, add_path(s, path), 0, &name), -ENOEXEC);
	assert_int_equal(rmdir(path), 0);
	path[sizeof(path) - 2]++; /* another name: the first one's failure is remembered */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(symbolizer_resolve(s, add_path(s, path), 0, &name), -ENOEXEC);
	assert_int_equal(unlink(path), 0);
	symbolizer_free(s);
}

static void without_budget_only_known_answers_are_given(void **state)
{
	static const struct made_symbol symbols[] = { { "f", AT(0), 16 } };
	struct made_elf m = { symbols, 1 };
	struct symbolizer *s = new_default();
	const char *name = "untouched";
	uint32_t file;
	int fd;

	(void)state;
	file = add_made(s, &m, &fd);
	symbolizer_start_tick(s, 0);
	assert_int_equal(symbolizer_resolve(s, file, AT(0), &name), -EAGAIN);
	assert_string_equal(name, "untouched");
	assert_int_equal(stats_of(s).files_pending, 1);
	assert_int_equal(stats_of(s).tables, 0);
	symbolizer_start_tick(s, 1);
	expect(s, file, AT(0), "f");
	assert_int_equal(stats_of(s).files_pending, 0);
	symbolizer_start_tick(s, 0);
	expect(s, file, AT(0), "f");
	assert_int_equal(symbolizer_resolve(s, file, AT(1), &name), -EAGAIN);
	symbolizer_free(s);
	close(fd);
}

static void a_spent_budget_leaves_the_rest_for_the_next_tick(void **state)
{
	struct symbolizer_cfg cfg = SYMBOLIZER_CFG_DEFAULT(ticking_clock);
	static const struct made_symbol symbols[] = { { "f", AT(0), 16 } };
	struct made_elf m = { symbols, 1 };
	struct symbolizer *s = new_symbolizer(&cfg);
	const char *name;
	uint32_t file[3];
	int fd[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		file[i] = add_made(s, &m, &fd[i]);
	symbolizer_start_tick(s, 1500000); /* two readings */
	assert_int_equal(symbolizer_resolve(s, file[0], AT(0), &name), 0);
	assert_string_equal(name, "f");
	assert_int_equal(symbolizer_resolve(s, file[1], AT(0), &name), 0);
	assert_int_equal(symbolizer_resolve(s, file[2], AT(0), &name), -EAGAIN);
	assert_int_equal(stats_of(s).files_pending, 1);
	symbolizer_start_tick(s, 1500000);
	assert_int_equal(symbolizer_resolve(s, file[2], AT(0), &name), 0);
	assert_string_equal(name, "f");
	symbolizer_free(s);
	for (size_t i = 0; i < 3; i++)
		close(fd[i]);
}

static void the_least_recently_used_table_gives_way(void **state)
{
	struct symbolizer_cfg cfg = standing_cfg();
	static const struct made_symbol symbols[] = { { "f", AT(0), 16 } };
	struct made_elf m = { symbols, 1 };
	struct symbolizer *s;
	uint32_t file[3];
	int fd[3];

	(void)state;
	cfg.open_max = 2;
	s = new_symbolizer(&cfg);
	for (size_t i = 0; i < 3; i++)
		file[i] = add_made(s, &m, &fd[i]);
	expect(s, file[0], AT(0), "f");
	expect(s, file[1], AT(0), "f");
	expect(s, file[0], AT(0), "f"); /* a known answer keeps its file in use, too */
	expect(s, file[2], AT(0), "f");
	assert_int_equal(stats_of(s).tables, 2);
	assert_int_equal(stats_of(s).tables_dropped, 1);
	expect(s, file[0], AT(1), "f");
	assert_int_equal(stats_of(s).tables_built, 3);
	expect(s, file[1], AT(0), "f"); /* remembered, though its table is gone */
	assert_int_equal(stats_of(s).tables_built, 3);
	expect(s, file[1], AT(1), "f");
	assert_int_equal(stats_of(s).tables_built, 4);
	symbolizer_free(s);
	for (size_t i = 0; i < 3; i++)
		close(fd[i]);
}

static void tables_stay_within_their_bytes(void **state)
{
	struct symbolizer_cfg cfg = standing_cfg();
	static const struct made_symbol symbols[] = { { "f", AT(0), 16 } };
	struct made_elf m = { symbols, 1 };
	struct symbolizer *s;
	int fd[4];

	(void)state;
	cfg.table_bytes_max = 1000;
	s = new_symbolizer(&cfg);
	for (size_t i = 0; i < 4; i++) {
		expect(s, add_made(s, &m, &fd[i]), AT(0), "f");
		assert_true(stats_of(s).table_bytes <= 1000);
	}
	assert_true(stats_of(s).tables_dropped > 0);
	symbolizer_free(s);
	for (size_t i = 0; i < 4; i++)
		close(fd[i]);
}

static void the_number_of_a_slot_given_away_is_stale(void **state)
{
	struct symbolizer_cfg cfg = standing_cfg();
	struct symbolizer *s;
	const char *name;
	uint32_t a, b, c;

	(void)state;
	cfg.files_max = 2;
	s = new_symbolizer(&cfg);
	a = add_path(s, "/nonexistent/a");
	b = add_path(s, "/nonexistent/b");
	c = add_path(s, "/nonexistent/c");
	assert_int_equal(symbolizer_resolve(s, a, 0, &name), -ESTALE);
	assert_int_equal(symbolizer_resolve(s, b, 0, &name), -ENOENT);
	assert_int_equal(symbolizer_resolve(s, c, 0, &name), -ENOENT);
	assert_int_equal(symbolizer_resolve(s, 12345, 0, &name), -ESTALE);
	symbolizer_free(s);
}

static void names_beyond_the_limit_are_refused_and_counted(void **state)
{
	struct symbolizer_cfg cfg = standing_cfg();
	static const struct made_symbol symbols[] = { { "short", AT(0), 16 },
						      { "much_too_long", AT(16), 16 } };
	struct made_elf m = { symbols, 2 };
	struct symbolizer *s;
	const char *name;
	uint32_t file;
	int fd;

	(void)state;
	cfg.name_bytes_max = 12;
	s = new_symbolizer(&cfg);
	file = add_made(s, &m, &fd);
	expect(s, file, AT(0), "short");
	assert_int_equal(symbolizer_resolve(s, file, AT(16), &name), -ENOSPC);
	assert_int_equal(stats_of(s).names_refused, 1);
	symbolizer_free(s);
	close(fd);
}

static void a_configuration_with_a_zero_is_refused(void **state)
{
	struct symbolizer_cfg cfg = standing_cfg();
	struct symbolizer *s = (struct symbolizer *)state;

	cfg.files_max = 0;
	assert_int_equal(symbolizer_new(&cfg, &s), -EINVAL);
	cfg = standing_cfg();
	cfg.now_ns = NULL;
	assert_int_equal(symbolizer_new(&cfg, &s), -EINVAL);
	assert_ptr_equal(s, state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_of_this_program_gets_its_name),
		cmocka_unit_test(a_function_of_the_c_library_gets_the_name_that_people_know),
		cmocka_unit_test(names_are_demangled_cleaned_and_without_version),
		cmocka_unit_test(of_aliases_the_plainest_is_chosen),
		cmocka_unit_test(one_identity_has_one_number),
		cmocka_unit_test(
			a_file_that_cannot_be_opened_fails_at_once_until_it_has_a_new_path),
		cmocka_unit_test(another_file_at_the_path_is_not_believed),
		cmocka_unit_test(what_is_no_program_is_refused_without_blocking),
		cmocka_unit_test(without_budget_only_known_answers_are_given),
		cmocka_unit_test(a_spent_budget_leaves_the_rest_for_the_next_tick),
		cmocka_unit_test(the_least_recently_used_table_gives_way),
		cmocka_unit_test(tables_stay_within_their_bytes),
		cmocka_unit_test(the_number_of_a_slot_given_away_is_stale),
		cmocka_unit_test(names_beyond_the_limit_are_refused_and_counted),
		cmocka_unit_test(a_configuration_with_a_zero_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
