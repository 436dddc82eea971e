/*
 * Reading of files and of /proc without memory: an error or the whole truth. What a file is (its
 * build id, written in Go or not, its allocators) decides how a process is probed: half of it
 * would be worse than nothing.
 */
#include <stdio.h>
#include <sys/epoll.h>
#include <signal.h>
#include <zlib.h>

#include "elf_maker.h"
#include "base/cleanup.h"
#include "base/loop.h"
#include "collect/target.h"
#include "symbol/symbolizer.h"
#include "sys/elf.h"
#include "sys/fdtable.h"
#include "sys/maps.h"
#include "sys/threads.h"
#include "each.h"

#define UNTOUCHED ((void *)&each_runs)
#define NT_GO_BUILD_ID 4

static const struct made_symbol symbols[] = {
	{ "malloc", MADE_CODE_VADDR, 16 },
	{ "calloc", MADE_CODE_VADDR + 0x100, 16 },
	{ "free", MADE_CODE_VADDR + 0x200, 16 },
	{ "realloc", MADE_CODE_VADDR + 0x300, 16 },
};

struct made {
	struct made_elf elf;
	bool go;
	const char *build_id;
	int fd;
};

static int open_elf(void *ctx)
{
	auto_clean(elf_closep) struct elf_file *f = UNTOUCHED;
	struct module_fact fact;
	struct made *m = ctx;
	int r = elf_open_fd(m->fd, &f, NULL);

	if (r < 0) {
		assert_ptr_equal(f, UNTOUCHED);
		f = NULL;
		return r;
	}
	elf_describe(f, &fact);
	assert_int_equal(elf_is_go(f), m->go);
	assert_string_equal(fact.build_id, m->build_id);
	assert_true(elf_has_symtab(f));
	return 0;
}

static void a_file_is_described_whole_or_not_at_all(void **state)
{
	struct made made[] = {
		{ { symbols, 4, .note = "GNU", .note_type = NT_GNU_BUILD_ID }, false, "abcdef01" },
		{ { symbols, 4, .note = "Go", .note_type = NT_GO_BUILD_ID }, true, "" },
		{ { symbols, 4, .section = ".go.buildinfo" }, true, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		made[i].fd = made_elf_fd(&made[i].elf);
		each_way(open_elf, &made[i], 3);
		close(made[i].fd);
	}
}

struct examined {
	struct elf_file *f;
	int fd;
	struct target_points expected; /* its count, and whether they are entries */
};

static int examine(void *ctx)
{
	struct examined *e = ctx;
	struct target_module m = { .file_name = "libc.so.6", .fd = e->fd };
	struct target_points p = { .point = UNTOUCHED };
	auto_clean(elf_closep) struct elf_file *f = NULL;
	int r = elf_open_fd(e->fd, &f, NULL);

	if (r == 0)
		r = target_examine(f, &m, &p);
	if (r < 0) {
		assert_ptr_equal(p.point, UNTOUCHED);
		return r;
	}
	if (oom_failed()) { /* then to the safe side: all functions, maybe at their entries */
		assert_int_equal(p.unreadable, e->expected.unreadable);
		assert_int_equal(p.incomplete, e->expected.incomplete);
	}
	if (e->expected.count)
		assert_int_equal(p.count, e->expected.count);
	for (size_t i = 0; i < e->expected.count; i++)
		assert_true(!p.point[i].site.offset ||
			    p.point[i].site.offset == e->expected.point[i].site.offset);
	target_done(&p);
	return oom_failed() ? -ENOMEM : 0;
}

/* Of a small file, and of the C library. */
static void allocators_are_all_found_or_the_file_is_given_up(void **state)
{
	const struct made_elf made = { symbols, 4 };
	struct target_module m = { .file_name = "libc.so.6" };

	(void)state;
	for (int big = 0; big < 2; big++) {
		struct elf_file *f;
		struct examined e = {};
		off_t size;

		m.fd = e.fd = big ? copy_libc(&size) : made_elf_fd(&made);
		assert_int_equal(elf_open_fd(e.fd, &f, NULL), 0);
		assert_int_equal(target_examine(f, &m, &e.expected), 0);
		elf_close(f);
		assert_true(e.expected.count >= 4);
		each_failure(examine, &e, false);
		if (!big)
			each_failure(examine, &e, true);
		target_done(&e.expected);
		close(e.fd);
	}
}

static uint64_t clock_of_test(void)
{
	return 1;
}

static int name_function(void *ctx)
{
	const struct symbolizer_cfg cfg = SYMBOLIZER_CFG_DEFAULT(clock_of_test);
	auto_clean(symbolizer_freep) struct symbolizer *s = NULL;
	struct symbol_file file = { .path = ctx };
	const char *name = UNTOUCHED;
	uint32_t number;
	int r = symbolizer_new(&cfg, &s);

	if (r == 0)
		r = symbolizer_add_file(s, &file, &number);
	if (r < 0)
		return r;
	symbolizer_start_tick(s, 1000);
	r = symbolizer_resolve(s, number, MADE_CODE_VADDR + 1, &name);
	if (r < 0) { /* it is not held against the file: with memory it has its name */
		assert_ptr_equal(name, UNTOUCHED);
		oom_disarm();
		assert_int_equal(symbolizer_resolve(s, number, MADE_CODE_VADDR + 1, &name), 0);
	}
	assert_string_equal(name, "malloc");
	return r;
}

static void a_name_that_failed_is_found_later(void **state)
{
	const struct made_elf made = { symbols, 4 };
	int fd = made_elf_fd(&made);
	char path[32];

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	each_way(name_function, path, 12);
	close(fd);
}

struct split {
	char program[32], folder[32]; /* paths */
};

static int name_by_debug_file(void *ctx)
{
	struct symbolizer_cfg cfg = SYMBOLIZER_CFG_DEFAULT(clock_of_test);
	auto_clean(symbolizer_freep) struct symbolizer *s = NULL;
	struct split *split = ctx;
	struct symbol_file file = { .path = split->program, .name = "/prog" };
	const char *name = UNTOUCHED;
	uint32_t number;
	int r;

	cfg.host_root = split->folder;
	r = symbolizer_new(&cfg, &s);
	if (r == 0)
		r = symbolizer_add_file(s, &file, &number);
	if (r < 0)
		return r;
	symbolizer_start_tick(s, 1000);
	r = symbolizer_resolve(s, number, MADE_CODE_VADDR + 1, &name);
	if (r < 0) { /* the debug file is not given up for it */
		oom_disarm();
		assert_int_equal(symbolizer_resolve(s, number, MADE_CODE_VADDR + 1, &name), 0);
	}
	assert_string_equal(name, "malloc");
	return r;
}

/* A stripped file whose .gnu_debuglink names prog.debug. */
static int made_stripped(uint32_t crc)
{
	const struct made_elf made = { .dynsym = true, .section = ".gnu_debuglink" };
	const uint64_t place[2] = { MADE_NOTES, 16 }; /* sh_offset, sh_size */
	int fd = made_elf_fd(&made);

	assert_int_equal(pwrite(fd, "prog.debug\0", 12, MADE_NOTES), 12);
	assert_int_equal(pwrite(fd, &crc, 4, MADE_NOTES + 12), 4);
	assert_int_equal(
		pwrite(fd, place, 16,
		       MADE_SECTIONS + 3 * sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, sh_offset)),
		16);
	return fd;
}

static void a_debug_file_is_found_or_looked_for_again(void **state)
{
	const struct made_elf made = { symbols, 4 };
	struct split split = { .folder = "/tmp/memtrace-oom-XXXXXX" };
	char path[64], bytes[65536];
	int in = made_elf_fd(&made), out, fd;
	ssize_t n;

	(void)state;
	assert_non_null(mkdtemp(split.folder));
	snprintf(path, sizeof(path), "%s/prog.debug", split.folder);
	out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	n = pread(in, bytes, sizeof(bytes), 0);
	assert_true(n > 0 && n < (ssize_t)sizeof(bytes));
	assert_int_equal(write(out, bytes, (size_t)n), n);
	close(out);
	close(in);
	fd = made_stripped((uint32_t)crc32(0, (const Bytef *)bytes, (uInt)n));
	snprintf(split.program, sizeof(split.program), "/proc/self/fd/%d", fd);
	each_way(name_by_debug_file, &split, 30);
	close(fd);
	unlink(path);
	rmdir(split.folder);
}

static int read_maps(void *ctx)
{
	struct vma_table t = { .vma = UNTOUCHED };
	int r = maps_read("/proc", (uint32_t)getpid(), &t);

	(void)ctx;
	if (r < 0)
		assert_ptr_equal(t.vma, UNTOUCHED);
	else
		maps_done(&t);
	return r;
}

static int read_fds(void *ctx)
{
	struct fd_table t = { .fd = UNTOUCHED };
	int r = fdtable_read("/proc", (uint32_t)getpid(), &t);

	(void)ctx;
	if (r < 0)
		assert_ptr_equal(t.fd, UNTOUCHED);
	else
		fdtable_done(&t);
	return r;
}

static int read_threads(void *ctx)
{
	struct thread_list t = { .thread = UNTOUCHED };
	int r = threads_list("/proc", (uint32_t)getpid(), THREADS_MAX, &t);

	(void)ctx;
	if (r < 0)
		assert_ptr_equal(t.thread, UNTOUCHED);
	else
		threads_done(&t);
	return r;
}

static void proc_is_read_whole_or_not_at_all(void **state)
{
	(void)state;
	each_way(read_maps, NULL, 1);
	each_way(read_fds, NULL, 2);
	each_way(read_threads, NULL, 2);
}

static int on_fd(void *ctx, uint32_t events)
{
	(void)ctx;
	(void)events;
	return 0;
}

static int on_time(void *ctx, uint64_t expirations)
{
	(void)ctx;
	(void)expirations;
	return 0;
}

static int on_signal(void *ctx, int signal)
{
	(void)ctx;
	(void)signal;
	return 0;
}

static int make_loop(void *ctx)
{
	auto_clean(loop_freep) struct loop *l = NULL;
	const int *fd = ctx;
	int r = loop_new(&l);

	if (r == 0)
		r = loop_add_signal(l, SIGUSR1, on_signal, NULL, NULL);
	if (r == 0)
		r = loop_add_fd(l, *fd, EPOLLIN, on_fd, NULL, NULL);
	if (r == 0)
		r = loop_add_timer(l, 1000, 1000, on_time, NULL, NULL);
	return r;
}

static void a_loop_gives_back_signals_and_descriptors(void **state)
{
	sigset_t before, after;
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	sigprocmask(SIG_BLOCK, NULL, &before);
	each_way(make_loop, &fd[0], 4);
	sigprocmask(SIG_BLOCK, NULL, &after);
	assert_int_equal(sigismember(&before, SIGUSR1), sigismember(&after, SIGUSR1));
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_described_whole_or_not_at_all),
		cmocka_unit_test(allocators_are_all_found_or_the_file_is_given_up),
		cmocka_unit_test(a_name_that_failed_is_found_later),
		cmocka_unit_test(a_debug_file_is_found_or_looked_for_again),
		cmocka_unit_test(proc_is_read_whole_or_not_at_all),
		cmocka_unit_test(a_loop_gives_back_signals_and_descriptors),
	};

	return each_report(cmocka_run_group_tests(tests, NULL, NULL));
}
