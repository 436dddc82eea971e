/* Lines and inlined functions, of programs made here; and what hostile debug information does. */
#include "debug_fixture.h"

#include <signal.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "symbol/symbolizer.h"

struct world {
	char host[192], root[192], path[192];
	struct symbolizer *s;
	uint32_t file;
};

static uint64_t skipped_ns; /* of time that tests need not wait for */

static uint64_t test_clock(void)
{
	return clock_monotonic_ns() + skipped_ns;
}

static void begin(struct world *w)
{
	struct symbolizer_cfg cfg = SYMBOLIZER_CFG_DEFAULT(test_clock);
	struct symbol_file file = { .name = "/usr/bin/prog", .root = w->root, .path = w->path };

	skipped_ns = 0;
	file.build_id = fixture_build_id();
	snprintf(w->host, sizeof(w->host), "%s", fixture_path("host"));
	snprintf(w->root, sizeof(w->root), "%s", fixture_path("root"));
	snprintf(w->path, sizeof(w->path), "%s", fixture_path("root/usr/bin/prog"));
	cfg.host_root = w->host;
	assert_int_equal(symbolizer_new(&cfg, &w->s), 0);
	assert_int_equal(symbolizer_add_file(w->s, &file, &w->file), 0);
}

static struct symbolizer_stats stats_of(struct world *w)
{
	struct symbolizer_stats stats;

	symbolizer_get_stats(w->s, &stats);
	return stats;
}

/* With the lines, as soon as they are there. */
static size_t explain(struct world *w, uint64_t vaddr, struct symbol_frame *ret)
{
	bool more = true;
	size_t count = 0;
	int r;

	for (int i = 0; more && i < 100; i++) {
		symbolizer_start_tick(w->s, UINT64_MAX);
		r = symbolizer_explain(w->s, w->file, vaddr, ret, &count, &more);
		assert_int_equal(r == -EAGAIN ? 0 : r, 0);
		more |= r == -EAGAIN;
		if (r == 0 && more)
			assert_true(symbolizer_wait(w->s, 30000000000u));
	}
	assert_false(more);
	return count;
}

static void expect_frame(const struct symbol_frame *f, const char *symbol, uint32_t line,
			 bool inlined)
{
	assert_non_null(f->symbol);
	assert_string_equal(f->symbol, symbol);
	assert_non_null(f->file);
	assert_string_equal(strrchr(f->file, '/') ? strrchr(f->file, '/') + 1 : f->file,
			    "source.c");
	assert_int_equal(f->line, line);
	assert_int_equal(f->inlined, inlined);
}

/* Somewhere in outer_function() the innermost of two inlined ones is at work. */
static void expect_all(void)
{
	struct symbol_frame frames[SYMBOL_FRAMES_MAX];
	uint64_t size, vaddr = fixture_vaddr("outer_function", &size);
	size_t deepest = 0;
	struct world w;

	begin(&w);
	for (uint64_t at = 0; at < size; at++) {
		size_t n = explain(&w, vaddr + at, frames);

		assert_string_equal(frames[n - 1].symbol, "outer_function");
		assert_false(frames[n - 1].inlined);
		if (n != 3)
			continue;
		deepest++;
		expect_frame(&frames[0], "deepest", 3, true);
		expect_frame(&frames[1], "middle", 7, true);
		expect_frame(&frames[2], "outer_function", 11, false);
	}
	assert_true(deepest > 0);
	assert_int_equal(stats_of(&w).lines_refused, 0);
	assert_true(stats_of(&w).child_cpu_ns > 0);
	symbolizer_free(w.s);
}

/* The name alone. */
static void expect_name_only(uint64_t refused)
{
	struct symbol_frame frames[SYMBOL_FRAMES_MAX];
	struct world w;

	begin(&w);
	assert_int_equal(explain(&w, fixture_vaddr("outer_function", NULL), frames), 1);
	assert_string_equal(frames[0].symbol, "outer_function");
	assert_null(frames[0].file);
	assert_int_equal(frames[0].line, 0);
	assert_int_equal(stats_of(&w).lines_refused, refused);
	symbolizer_free(w.s);
}

static void a_program_with_its_own_dwarf_tells_lines(void **state)
{
	static const char *const flags[] = { "-gdwarf-5", "-gdwarf-4", "-gz=zlib",
					     "-gdwarf-5 -flto", "-gdwarf-4 -no-pie" };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		fixture_build(flags[i]);
		fixture_run("cp whole root/usr/bin/prog");
		expect_all();
	}
}

static void put_by_id(const char *where)
{
	const char *id = fixture_build_id();

	fixture_run("mkdir -p %s/usr/lib/debug/.build-id/%.2s && "
		    "cp prog.debug %s/usr/lib/debug/.build-id/%.2s/%s.debug",
		    where, id, where, id, id + 2);
}

static void a_separate_debug_file_tells_them_too(void **state)
{
	(void)state;
	fixture_build("-Wl,--build-id");
	fixture_run("objcopy --only-keep-debug whole prog.debug && "
		    "objcopy --strip-all whole root/usr/bin/prog");
	put_by_id("root");
	expect_all();
	fixture_run("objcopy --compress-debug-sections=zlib whole z && "
		    "objcopy --only-keep-debug z prog.debug");
	put_by_id("root");
	expect_all();
}

static void what_dwz_moved_elsewhere_is_found(void **state)
{
	struct symbol_frame frames[SYMBOL_FRAMES_MAX];
	struct world w;
	size_t n;

	(void)state;
	if (system("command -v dwz >/dev/null") != 0)
		skip();
	fixture_build("-Wl,--build-id -include stdio.h -include stdlib.h");
	fixture_run(
		"sed s/outer_function/outer_other/ source.c > other.c && "
		"gcc -O2 -g -Wl,--build-id -include stdio.h -include stdlib.h other.c -o other && "
		"objcopy --only-keep-debug other other.debug && "
		"objcopy --only-keep-debug whole prog.debug && "
		"mkdir -p root/usr/lib/debug/.dwz && "
		"dwz -m shared.debug -M /usr/lib/debug/.dwz/shared.debug prog.debug other.debug && "
		"objcopy --strip-all whole root/usr/bin/prog");
	put_by_id("root");
	fixture_run("cp shared.debug root/usr/lib/debug/.dwz/");
	expect_all();
	fixture_run("rm root/usr/lib/debug/.dwz/shared.debug");
	begin(&w);
	n = explain(&w, fixture_vaddr("outer_function", NULL), frames);
	assert_string_equal(frames[n - 1].symbol, "outer_function");
	assert_non_null(frames[n - 1].file);
	assert_int_equal(stats_of(&w).lines_refused, 0);
	symbolizer_free(w.s);
}

/* Every bit of damage costs lines at most: the name comes from elsewhere. */
static void damaged_dwarf_costs_no_more_than_lines(void **state)
{
	static const char *const sections[] = { ".debug_info", ".debug_abbrev", ".debug_line",
						".debug_str", ".debug_aranges" };
	struct symbol_frame frames[SYMBOL_FRAMES_MAX];
	unsigned int seed = 1;
	uint64_t size, vaddr;
	struct world w;

	(void)state;
	fixture_build("-gdwarf-5");
	vaddr = fixture_vaddr("outer_function", &size);
	for (int round = 0; round < 40; round++) {
		const GElf_Shdr s = fixture_section(sections[round % 5]);
		int fd;

		fixture_run("cp whole root/usr/bin/prog");
		fd = open(fixture_path("root/usr/bin/prog"), O_WRONLY);
		for (int i = 0; i < 1 + round; i++) {
			unsigned char byte = (unsigned char)rand_r(&seed);

			assert_int_equal(
				pwrite(fd, &byte, 1, s.sh_offset + rand_r(&seed) % s.sh_size), 1);
		}
		close(fd);
		begin(&w);
		for (uint64_t at = 0; at < size; at += 8) {
			size_t n = explain(&w, vaddr + at, frames);

			assert_in_range(n, 1, SYMBOL_FRAMES_MAX);
			assert_string_equal(frames[n - 1].symbol, "outer_function");
		}
		symbolizer_free(w.s);
	}
}

static void dwarf_that_would_unpack_to_too_much_is_refused(void **state)
{
	uint64_t huge = 3ull << 30;
	GElf_Shdr s;
	int fd;

	(void)state;
	fixture_build("-gz=zlib");
	fixture_run("cp whole root/usr/bin/prog");
	s = fixture_section(".debug_info");
	assert_true(s.sh_flags & SHF_COMPRESSED);
	fd = open(fixture_path("root/usr/bin/prog"), O_WRONLY);
	assert_int_equal(pwrite(fd, &huge, 8, s.sh_offset + 8), 8); /* Elf64_Chdr.ch_size */
	close(fd);
	expect_name_only(1);
}

static void a_file_that_shrinks_while_it_is_read_costs_its_lines(void **state)
{
	struct symbol_frame frames[SYMBOL_FRAMES_MAX];
	uint64_t vaddr;
	struct world w;

	(void)state;
	fixture_build("-gdwarf-5");
	fixture_run("cp whole root/usr/bin/prog && cp whole root/usr/bin/other");
	vaddr = fixture_vaddr("outer_function", NULL);
	begin(&w);
	assert_true(explain(&w, vaddr, frames) >= 1);
	assert_int_equal(truncate(w.path, 0), 0);
	/* the symbol table is in memory, names are not any more, and the child dies of SIGBUS */
	explain(&w, vaddr + 4, frames);
	assert_int_equal(stats_of(&w).lines_refused, 1);
	snprintf(w.path, sizeof(w.path), "%s", fixture_path("root/usr/bin/other"));
	assert_int_equal(symbolizer_add_file(w.s, &(struct symbol_file){ .path = w.path }, &w.file),
			 0);
	assert_true(explain(&w, vaddr, frames) >= 1);
	assert_non_null(frames[0].file); /* another child serves other files */
	symbolizer_free(w.s);
}

/* The only child of this process. */
static pid_t child_of_this(void)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

static void a_child_that_does_not_answer_is_ended(void **state)
{
	struct symbol_frame frames[SYMBOL_FRAMES_MAX];
	uint64_t vaddr;
	bool more;
	struct world w;
	size_t n;
	pid_t child;

	(void)state;
	fixture_build("-gdwarf-5");
	fixture_run("cp whole root/usr/bin/prog");
	vaddr = fixture_vaddr("outer_function", NULL);
	begin(&w);
	explain(&w, vaddr, frames);
	child = child_of_this();
	assert_int_equal(kill(child, SIGSTOP), 0);
	assert_int_equal(symbolizer_explain(w.s, w.file, vaddr + 4, frames, &n, &more), 0);
	assert_true(more);
	assert_false(symbolizer_wait(w.s, 1));
	skipped_ns += 21000000000u;
	symbolizer_start_tick(w.s, UINT64_MAX);
	assert_int_equal(symbolizer_explain(w.s, w.file, vaddr + 4, frames, &n, &more), 0);
	assert_false(more);
	assert_string_equal(frames[n - 1].symbol, "outer_function");
	assert_int_equal(stats_of(&w).lines_refused, 1);
	assert_int_equal(kill(child, 0), -1);
	symbolizer_free(w.s);
}

static void the_child_can_do_no_harm(void **state)
{
	struct symbol_frame frames[SYMBOL_FRAMES_MAX];
	char path[64], line[128];
	int left = 3;
	struct world w;
	FILE *f;

	(void)state;
	fixture_build("-gdwarf-5");
	fixture_run("cp whole root/usr/bin/prog");
	begin(&w);
	explain(&w, fixture_vaddr("outer_function", NULL), frames);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)child_of_this());
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (geteuid() == 0 && strncmp(line, "Uid:", 4) == 0)
			left -= strcmp(line, "Uid:\t65534\t65534\t65534\t65534\n") == 0;
		else if (strncmp(line, "CapEff:", 7) == 0)
			left -= strcmp(line, "CapEff:\t0000000000000000\n") == 0;
		else if (strcmp(line, "NoNewPrivs:\t1\n") == 0)
			left--;
	}
	fclose(f);
	assert_int_equal(left, geteuid() == 0 ? 0 : 1);
	symbolizer_free(w.s);
}

#define TEST(f) cmocka_unit_test_setup(f, fixture_clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_program_with_its_own_dwarf_tells_lines),
		TEST(a_separate_debug_file_tells_them_too),
		TEST(what_dwz_moved_elsewhere_is_found),
		TEST(damaged_dwarf_costs_no_more_than_lines),
		TEST(dwarf_that_would_unpack_to_too_much_is_refused),
		TEST(a_file_that_shrinks_while_it_is_read_costs_its_lines),
		TEST(a_child_that_does_not_answer_is_ended),
		TEST(the_child_can_do_no_harm),
	};

	return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
