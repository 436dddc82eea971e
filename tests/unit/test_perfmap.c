/* Perf maps: which line names an address, what the name says, and hostile text and files. */
#include "symbol/perfmap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fake_proc.h"
#include "symbol/perfmap_file.h"

static struct perfmap *fed(const char *text)
{
	struct perfmap *m = NULL;

	assert_int_equal(perfmap_new(1000, &m), 0);
	assert_int_equal(perfmap_feed(m, text, strlen(text)), 0);
	return m;
}

/* The line that names pc, from its beginning; "" when none does. */
static const char *line_at(const struct perfmap *m, const char *text, uint64_t pc)
{
	uint64_t offset;

	return perfmap_find(m, pc, &offset) ? text + offset : "";
}

#define assert_names(m, text, pc, line)                       \
	do {                                                  \
		const char *at_ = line_at(m, text, pc);       \
		assert_memory_equal(at_, line, strlen(line)); \
	} while (0)

static void a_line_names_its_range(void **state)
{
	static const char text[] = "1000 20 one\n0x0000000000002000 0x10 two\n";
	struct perfmap *m = fed(text);
	uint64_t offset;

	(void)state;
	assert_names(m, text, 0x1000, "1000 20 one");
	assert_names(m, text, 0x101f, "1000 20 one");
	assert_names(m, text, 0x200f, "0x0000000000002000 0x10 two");
	assert_false(perfmap_find(m, 0xfff, &offset));
	assert_false(perfmap_find(m, 0x1020, &offset));
	assert_false(perfmap_find(m, 0x2010, &offset));
	perfmap_free(m);
}

static void later_lines_replace_what_they_overlap(void **state)
{
	static const char text[] = "1000 100 old\n1040 10 inside\n10f0 20 behind\n"
				   "ff0 20 before\n";
	struct perfmap *m = fed(text);

	(void)state;
	assert_names(m, text, 0x100f, "ff0 20 before");
	assert_names(m, text, 0x1010, "1000 100 old");
	assert_names(m, text, 0x103f, "1000 100 old");
	assert_names(m, text, 0x1040, "1040 10 inside");
	assert_names(m, text, 0x1050, "1000 100 old");
	assert_names(m, text, 0x10f0, "10f0 20 behind");
	perfmap_free(m);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Against an array that holds the last line of every address. */
static void thousands_of_lines_agree_with_a_plain_table(void **state)
{
	enum { LINES = 6000, ADDRESSES = 40000 };
	uint64_t *truth = calloc(ADDRESSES, sizeof(*truth));
	struct perfmap *m = NULL;
	uint64_t offset = 0, found;
	uint32_t seed = 7;
	char line[64];

	(void)state;
	assert_non_null(truth);
	assert_int_equal(perfmap_new(100000, &m), 0);
	for (int i = 0; i < LINES; i++) {
		uint32_t start = next_random(&seed) % (ADDRESSES - 300);
		uint32_t size = 1 + next_random(&seed) % (i % 50 ? 20 : 299);
		int n = snprintf(line, sizeof(line), "%x %x f%d\n", start + 0x10000, size, i);

		assert_int_equal(perfmap_feed(m, line, 3), 0); /* cut anywhere */
		assert_int_equal(perfmap_feed(m, line + 3, (size_t)n - 3), 0);
		for (uint32_t k = 0; k < size; k++)
			truth[start + k] = offset + 1;
		offset += (uint64_t)n;
	}
	for (uint32_t k = 0; k < ADDRESSES; k++) {
		bool there = perfmap_find(m, 0x10000 + k, &found);

		assert_int_equal(there, truth[k] != 0);
		if (there)
			assert_int_equal(found, truth[k] - 1);
	}
	perfmap_free(m);
	free(truth);
}

static void lines_that_say_nothing_are_counted(void **state)
{
	static const char text[] = "\n"
				   "nonsense\n"
				   "1000\n"
				   "1000 10\n"
				   "1000 10 \n"
				   "1000 0 empty\n"
				   "fffffffffffffff0 20 wraps\n"
				   "10000000000000000 10 too wide\n"
				   "1000 100000001 too large\n"
				   "-1000 10 negative\n"
				   "1000  10 two blanks\n"
				   "0x 10 no digits\n"
				   "1000 10 good\n"
				   "2000 10 without its newline";
	struct perfmap *m = fed(text);
	struct perfmap_stats stats;
	uint64_t offset;

	(void)state;
	perfmap_get_stats(m, &stats);
	assert_int_equal(stats.lines, 13);
	assert_int_equal(stats.invalid, 12);
	assert_int_equal(stats.pieces, 1);
	assert_false(perfmap_find(m, 0x2000, &offset));
	assert_int_equal(perfmap_feed(m, "\n", 1), 0);
	assert_true(perfmap_find(m, 0x2000, &offset));
	perfmap_free(m);
}

static void pieces_beyond_the_limit_are_counted(void **state)
{
	struct perfmap_stats stats;
	struct perfmap *m = NULL;
	uint64_t offset;
	char line[64];

	(void)state;
	assert_int_equal(perfmap_new(1500, &m), 0);
	for (int i = 0; i < 5000; i++) {
		int n = snprintf(line, sizeof(line), "%x 8 f\n", 0x1000 + i * 16);

		assert_int_equal(perfmap_feed(m, line, (size_t)n), 0);
	}
	perfmap_get_stats(m, &stats);
	assert_true(stats.pieces <= 1500 + 1024);
	assert_true(stats.refused >= 5000 - stats.pieces);
	assert_true(stats.refused + stats.pieces <= 5000);
	assert_true(perfmap_find(m, 0x1000, &offset));
	perfmap_free(m);
}

static void bytes_of_any_kind_do_no_harm(void **state)
{
	struct perfmap *m = NULL;
	uint32_t seed = 99;
	char bytes[4096];

	(void)state;
	assert_int_equal(perfmap_new(64, &m), 0);
	for (int round = 0; round < 200; round++) {
		struct perfmap_name name;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = "0123456789abcdefx ~*:/\n\0\377JSpy."[next_random(&seed) % 31];
		assert_int_equal(perfmap_feed(m, bytes, sizeof(bytes)), 0);
		for (size_t i = 0; i < sizeof(bytes); i += 7)
			(void)perfmap_read_line(bytes + i, sizeof(bytes) - i, i * 0x111, &name);
	}
	perfmap_free(m);
}

static struct perfmap_name read_name(const char *name)
{
	struct perfmap_name got;
	char line[4096];
	int n = snprintf(line, sizeof(line), "1000 10 %s\n", name);

	assert_int_equal(perfmap_read_line(line, (size_t)n, 0x1008, &got), 0);
	return got;
}

static void names_of_v8_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *symbol, *file;
		uint32_t line;
		bool interpreted;
	} cases[] = {
		{ "JS:*foo /srv/app.js:12:34", "foo", "/srv/app.js", 12, false },
		{ "JS:~foo /srv/app.js:12:34", "foo", "/srv/app.js", 12, true },
		{ "JS:^foo node:internal/timers:569:17", "foo", "node:internal/timers", 569,
		  false },
		{ "JS:+get size /a b/c d.js:1:2", "get size", "/a b/c d.js", 1, false },
		{ "LazyCompile:*emit file:///srv/e.mjs:7:1", "emit", "/srv/e.mjs", 7, false },
		{ "JS:* /srv/app.js:3:5", "(anonymous)", "/srv/app.js", 3, false },
		{ "Script:~ /srv/app.js:1:1", "(top level)", "/srv/app.js", 1, true },
		{ "JS:*foo app.js:3:5", "foo", "app.js", 3, false },
		{ "JS:*native", "native", "", 0, false },
		{ "JS:*odd:1:2", "odd:1:2", "", 0, false },
		{ "JS:*", "(anonymous)", "", 0, false },
		{ "Builtin:ArrayPush", "Builtin:ArrayPush", "", 0, false },
		{ "RegExp:(a|b)* c", "RegExp:(a|b)* c", "", 0, false },
		{ "void java.util.zip.Deflater.<init>(int, boolean)",
		  "void java.util.zip.Deflater.<init>(int, boolean)", "", 0, false },
		{ "Interpreter", "Interpreter", "", 0, true },
		{ "py::load:/srv/app.py", "load", "/srv/app.py", 0, true },
		{ "py::odd", "py::odd", "", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct perfmap_name got = read_name(cases[i].text);

		assert_string_equal(got.symbol, cases[i].symbol);
		assert_string_equal(got.file, cases[i].file);
		assert_int_equal(got.line, cases[i].line);
		assert_int_equal(got.interpreted, cases[i].interpreted);
	}
}

static void names_are_fit_to_print_and_bounded(void **state)
{
	struct perfmap_name got = read_name("JS:*a\x1b[31m\xff\xe2\x80\xae /srv/\x07:1:2");
	char endless[3000];

	(void)state;
	assert_string_equal(got.symbol, "a\\x1b[31m\xef\xbf\xbd\\u202e");
	assert_string_equal(got.file, "/srv/\\x07");
	memset(endless, 'x', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	got = read_name(endless);
	assert_int_equal(strlen(got.symbol), PERFMAP_SYMBOL_BYTES - 1);
	assert_string_equal(got.symbol + PERFMAP_SYMBOL_BYTES - 4, "...");
}

static void a_line_about_something_else_is_refused(void **state)
{
	static const char line[] = "1000 10 foo\n1008 10 bar\n";
	struct perfmap_name got = { .symbol = "untouched" };

	(void)state;
	assert_int_equal(perfmap_read_line(line, strlen(line), 0x1010, &got), -EINVAL);
	assert_int_equal(perfmap_read_line(line + 2, strlen(line) - 2, 0x1008, &got), -EINVAL);
	assert_int_equal(perfmap_read_line(line, 0, 0x1008, &got), -EINVAL);
	assert_string_equal(got.symbol, "untouched");
}

/* --- the file of a process ------------------------------------------------------------------- */

#define OWNER 54321

/* Process 7 of the host, 42 of its own namespace, user OWNER. */
static struct perfmap_file *open_map_of(const struct fake_proc *p, uint64_t read_max)
{
	struct perfmap_file_cfg cfg = PERFMAP_FILE_CFG_DEFAULT(p->root, 7);
	char root[PATH_MAX], status[256];
	struct perfmap_file *f = NULL;

	cfg.read_max = read_max ? read_max : cfg.read_max;
	fake_proc_path(p, "newroot/tmp/x", root);
	root[strlen(root) - strlen("/tmp/x")] = '\0';
	fake_proc_link(p, "7/root", root);
	snprintf(status, sizeof(status),
		 "Name:\tx\nTgid:\t7\nUid:\t%d\t%d\t%d\t%d\nNSpid:\t7\t42\n",
		 geteuid() ? (int)geteuid() : OWNER, 0, 0, 0);
	fake_proc_put(p, "7/status", status);
	assert_int_equal(perfmap_file_new(&cfg, &f), 0);
	return f;
}

static void give(const struct fake_proc *p, const char *name, uid_t owner)
{
	char path[PATH_MAX];

	fake_proc_path(p, name, path);
	if (geteuid() == 0)
		assert_int_equal(lchown(path, owner, owner), 0);
}

#define MAP "newroot/tmp/perf-42.map"

static void put_map(const struct fake_proc *p, const char *text)
{
	fake_proc_put(p, MAP, text);
	give(p, MAP, OWNER);
}

static void append(const struct fake_proc *p, const char *text)
{
	char path[PATH_MAX];
	int fd;

	fake_proc_path(p, MAP, path);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void assert_symbol(const struct perfmap_file *f, uint64_t pc, const char *symbol)
{
	struct perfmap_name name;
	int r = perfmap_file_find(f, pc, &name);

	if (!symbol) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	assert_int_equal(r, 0);
	assert_string_equal(name.symbol, symbol);
}

static void a_growing_map_is_read_on(void **state)
{
	struct perfmap_file *f = open_map_of(*state, 0);
	struct perfmap_stats stats;

	assert_int_equal(perfmap_file_update(f, 1), 0);
	assert_int_equal(perfmap_file_state(f), PERFMAP_NONE);
	put_map(*state, "1000 10 one\n20");
	assert_int_equal(perfmap_file_update(f, 2), 0);
	assert_int_equal(perfmap_file_state(f), PERFMAP_CURRENT);
	assert_int_equal(perfmap_file_changed_ns(f), 2);
	assert_symbol(f, 0x1004, "one");
	append(*state, "00 10 two\n1000 10 again\n");
	assert_int_equal(perfmap_file_update(f, 3), 0);
	assert_symbol(f, 0x1004, "again");
	assert_symbol(f, 0x2004, "two");
	assert_int_equal(perfmap_file_update(f, 4), 0);
	assert_int_equal(perfmap_file_changed_ns(f), 3);
	perfmap_file_get_stats(f, &stats);
	assert_int_equal(stats.lines, 3); /* nothing was read twice */
	perfmap_file_free(f);
}

static void a_map_written_anew_replaces_the_old_one(void **state)
{
	struct perfmap_file *f = open_map_of(*state, 0);

	put_map(*state, "1000 10 one\n2000 10 two\n");
	assert_int_equal(perfmap_file_update(f, 1), 0);
	put_map(*state, "1000 10 short\n"); /* shorter */
	assert_int_equal(perfmap_file_update(f, 2), 0);
	assert_symbol(f, 0x1004, "short");
	assert_symbol(f, 0x2004, NULL);
	put_map(*state, "3000 10 three\n4000 10 and more than before\n"); /* longer */
	assert_int_equal(perfmap_file_update(f, 3), 0);
	assert_symbol(f, 0x1004, NULL);
	assert_symbol(f, 0x3004, "three");
	fake_proc_remove(*state, MAP); /* what it said stands */
	assert_int_equal(perfmap_file_update(f, 4), 0);
	assert_symbol(f, 0x3004, "three");
	put_map(*state, "5000 10 another file\n");
	assert_int_equal(perfmap_file_update(f, 5), 0);
	assert_symbol(f, 0x3004, NULL);
	assert_symbol(f, 0x5004, "another file");
	perfmap_file_free(f);
}

static void a_large_map_is_read_piece_by_piece(void **state)
{
	static char text[300000];
	struct perfmap_file *f = open_map_of(*state, 100000);
	size_t n = 0;
	int updates = 0;

	for (int i = 0; n + 64 < sizeof(text); i++)
		n += (size_t)snprintf(text + n, 64, "%x 10 function_%d\n", 0x100000 + i * 16, i);
	put_map(*state, text);
	do {
		assert_int_equal(perfmap_file_update(f, (uint64_t)++updates), 0);
	} while (perfmap_file_state(f) == PERFMAP_BEHIND && updates < 10);
	assert_in_range(updates, 3, 4);
	assert_symbol(f, 0x100000 + 9000 * 16, "function_9000");
	perfmap_file_free(f);
}

static void maps_of_others_and_what_is_no_file_are_refused(void **state)
{
	struct perfmap_file *f = open_map_of(*state, 0);
	char path[PATH_MAX];

	put_map(*state, "1000 10 one\n");
	if (geteuid() == 0) {
		give(*state, MAP, OWNER + 1);
		assert_int_equal(perfmap_file_update(f, 1), 0);
		assert_int_equal(perfmap_file_state(f), PERFMAP_FOREIGN);
		assert_symbol(f, 0x1004, NULL);
		give(*state, MAP, 0);
		assert_int_equal(perfmap_file_update(f, 1), 0);
		assert_symbol(f, 0x1004, "one");
	}
	fake_proc_path(*state, MAP, path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0644), 0); /* would block */
	give(*state, MAP, OWNER);
	assert_int_equal(perfmap_file_update(f, 2), 0);
	assert_int_equal(perfmap_file_state(f), PERFMAP_FOREIGN);
	assert_symbol(f, 0x1004, NULL);
	fake_proc_put(*state, "newroot/tmp/real", "1000 10 linked\n");
	give(*state, "newroot/tmp/real", OWNER);
	fake_proc_link(*state, MAP, "real");
	give(*state, MAP, OWNER);
	assert_int_equal(perfmap_file_update(f, 3), 0);
	assert_int_equal(perfmap_file_state(f), PERFMAP_FOREIGN);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	give(*state, MAP, OWNER);
	assert_int_equal(perfmap_file_update(f, 4), 0);
	assert_int_equal(perfmap_file_state(f), PERFMAP_FOREIGN);
	perfmap_file_free(f);
}

/* An absolute link inside a container means the container's own folder. */
static void links_are_followed_below_the_root_of_the_process(void **state)
{
	struct perfmap_file *f = open_map_of(*state, 0);
	char path[PATH_MAX];

	fake_proc_put(*state, "outside/perf-42.map", "1000 10 outside\n");
	give(*state, "outside/perf-42.map", OWNER);
	fake_proc_put(*state, "newroot/var/tmp/perf-42.map", "1000 10 inside\n");
	give(*state, "newroot/var/tmp/perf-42.map", OWNER);
	fake_proc_path(*state, "newroot/tmp", path);
	assert_int_equal(rmdir(path), 0);
	fake_proc_link(*state, "newroot/tmp", "/var/tmp");
	assert_int_equal(perfmap_file_update(f, 1), 0);
	assert_symbol(f, 0x1004, "inside");
	fake_proc_link(*state, "newroot/tmp", "../outside");
	assert_int_equal(perfmap_file_update(f, 2), 0);
	assert_symbol(f, 0x1004, "inside"); /* what is not found does not undo what was read */
	perfmap_file_free(f);
}

static void a_process_that_is_not_there_has_no_map(void **state)
{
	const struct fake_proc *p = *state;
	struct perfmap_file_cfg cfg = PERFMAP_FILE_CFG_DEFAULT(p->root, 8);
	struct perfmap_file *f = NULL;

	assert_int_equal(perfmap_file_new(&cfg, &f), 0);
	assert_int_equal(perfmap_file_update(f, 1), 0);
	assert_int_equal(perfmap_file_state(f), PERFMAP_NONE);
	assert_symbol(f, 0x1004, NULL);
	perfmap_file_free(f);
}

#define with_proc(test) cmocka_unit_test_setup_teardown(test, fake_proc_setup, fake_proc_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_names_its_range),
		cmocka_unit_test(later_lines_replace_what_they_overlap),
		cmocka_unit_test(thousands_of_lines_agree_with_a_plain_table),
		cmocka_unit_test(lines_that_say_nothing_are_counted),
		cmocka_unit_test(pieces_beyond_the_limit_are_counted),
		cmocka_unit_test(bytes_of_any_kind_do_no_harm),
		cmocka_unit_test(names_of_v8_are_taken_apart),
		cmocka_unit_test(names_are_fit_to_print_and_bounded),
		cmocka_unit_test(a_line_about_something_else_is_refused),
		with_proc(a_growing_map_is_read_on),
		with_proc(a_map_written_anew_replaces_the_old_one),
		with_proc(a_large_map_is_read_piece_by_piece),
		with_proc(maps_of_others_and_what_is_no_file_are_refused),
		with_proc(links_are_followed_below_the_root_of_the_process),
		with_proc(a_process_that_is_not_there_has_no_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
