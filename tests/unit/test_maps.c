/* sys/maps: lines of /proc/PID/maps, well formed and not, and look-up by address. */
#include "fake_proc.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "sys/maps.h"

static struct vma parse(const char *line)
{
	struct vma v;

	assert_true(maps_parse_line(line, line + strlen(line), &v));
	return v;
}

static enum vma_kind kind(const char *flags, const char *file, const char *name)
{
	char line[512];

	snprintf(line, sizeof(line), "1000-2000 %s 00000000 %s %s", flags, file, name);
	return parse(line).kind;
}

#define NO_FILE "00:00 0       "
#define FILE_5 "00:05 77      "

static void every_field_of_a_line_is_read(void **state)
{
	struct vma v = parse("7f33ba89e000-7f33ba9f4000 r-xp 00026000 fe:01 332835        "
			     "             /usr/lib/a b.so");

	(void)state;
	assert_int_equal(v.start, 0x7f33ba89e000);
	assert_int_equal(v.end, 0x7f33ba9f4000);
	assert_true(v.readable && v.executable && !v.writable && !v.shared && !v.deleted);
	assert_int_equal(v.file_offset, 0x26000);
	assert_int_equal(v.dev, makedev(0xfe, 1));
	assert_int_equal(v.inode, 332835);
	assert_string_equal(v.path, "/usr/lib/a b.so");
	assert_int_equal(v.kind, VMA_FILE);
}

static void kinds_follow_from_the_line(void **state)
{
	(void)state;
	assert_int_equal(kind("rw-p", NO_FILE, ""), VMA_ANON);
	assert_int_equal(kind("rw-p", NO_FILE, "[heap]"), VMA_HEAP);
	assert_int_equal(kind("rw-p", NO_FILE, "[stack]"), VMA_STACK);
	assert_int_equal(kind("rw-p", NO_FILE, "[stack:123]"), VMA_STACK);
	assert_int_equal(kind("r-xp", NO_FILE, "[vdso]"), VMA_SPECIAL);
	assert_int_equal(kind("--xp", NO_FILE, "[vsyscall]"), VMA_SPECIAL);
	assert_int_equal(kind("rw-p", NO_FILE, "[anon: Go: heap]"), VMA_ANON);
	assert_int_equal(kind("rw-p", NO_FILE, "[anon:x]"), VMA_ANON);
	assert_int_equal(kind("rw-s", FILE_5, "[anon_shmem:x]"), VMA_SHM);
	assert_int_equal(kind("rw-s", FILE_5, "/memfd:java_heap (deleted)"), VMA_SHM);
	assert_int_equal(kind("rw-s", FILE_5, "/dev/shm/x"), VMA_SHM);
	assert_int_equal(kind("rw-s", FILE_5, "/SYSV0000002a (deleted)"), VMA_SHM);
	assert_int_equal(kind("rw-s", FILE_5, "/dev/zero (deleted)"), VMA_SHM);
	assert_int_equal(kind("rw-p", FILE_5, "/dev/zero"), VMA_ANON);
	assert_int_equal(kind("rw-p", FILE_5, "/anon_hugepage (deleted)"), VMA_ANON);
	assert_int_equal(kind("r--s", FILE_5, "/dev/nvidia0"), VMA_FILE);
	assert_int_equal(kind("rw-s", FILE_5, "/SYSV"), VMA_FILE);
}

static void a_file_named_like_the_heap_is_a_file(void **state)
{
	(void)state;
	assert_int_equal(kind("rw-p", FILE_5, "[heap]"), VMA_FILE);
	assert_int_equal(kind("rw-p", FILE_5, "/tmp/[stack]"), VMA_FILE);
}

static void deleted_is_told_and_taken_off_the_path(void **state)
{
	struct vma v = parse("1000-2000 r-xp 00000000 00:05 77 /lib/x.so (deleted)");

	(void)state;
	assert_true(v.deleted);
	assert_string_equal(v.path, "/lib/x.so");
	v = parse("1000-2000 r-xp 00000000 00:05 77 /lib/x.so (deleted) ");
	assert_false(v.deleted);
}

static void a_long_path_keeps_its_tail(void **state)
{
	char line[6000];
	struct vma v;

	(void)state;
	snprintf(line, sizeof(line), "1000-2000 r-xp 00000000 00:05 77 /%05000d/tail.so (deleted)",
		 0);
	v = parse(line);
	assert_int_equal(strlen(v.path), FACT_PATH_BYTES - 1);
	assert_string_equal(v.path + FACT_PATH_BYTES - 1 - 8, "/tail.so");
	assert_int_equal(v.kind, VMA_FILE);
}

static void malformed_lines_are_refused_and_the_result_untouched(void **state)
{
	static const char *const bad[] = {
		"",
		"1000",
		"1000-",
		"-2000 rw-p 0 00:00 0",
		"2000-1000 rw-p 0 00:00 0",
		"1000-1000 rw-p 0 00:00 0",
		"1000-2000",
		"1000-2000 rw",
		"1000-2000 rw-x 0 00:00 0",
		"1000-2000 rw-p",
		"1000-2000 rw-p  00:00 0",
		"1000-2000 rw-p 0 0000 0",
		"1000-2000 rw-p 0 00:00",
		"1000-2000 rw-p 0 00:00 0x",
		"1000-20000000000000000 rw-p 0 00:00 0",
		"1000-2000 rw-p 0 00:00 99999999999999999999",
	};
	struct vma v;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&v, 0x5a, sizeof(v));
		assert_false(maps_parse_line(bad[i], bad[i] + strlen(bad[i]), &v));
		assert_int_equal(v.inode, 0x5a5a5a5a5a5a5a5a);
	}
}

static void bad_lines_are_counted_and_good_ones_kept(void **state)
{
	struct fake_proc *p = *state;
	struct vma_table t;

	fake_proc_put(p, "7/maps",
		      "1000-2000 rw-p 0 00:00 0\njunk\n\n3000-4000 rw-p 0 00:00 0\n"
		      "500-600 rw-p 0 00:00 0\n5000-6000 rw-p 0 00:00 7");
	assert_int_equal(maps_read(p->root, 7, &t), 0);
	assert_int_equal(t.count, 2);
	assert_int_equal(t.refused, 4);
	assert_int_equal(t.vma[1].start, 0x3000);
	maps_done(&t);
}

static void a_line_longer_than_any_path_is_refused_whole(void **state)
{
	size_t len = 100000;
	char *text = malloc(len + 200);
	struct fake_proc *p = *state;
	struct vma_table t;

	assert_non_null(text);
	memset(text, 'x', len);
	memcpy(text, "1000-2000 rw-p 0 00:05 7 /", 26);
	strcpy(text + len, "\n3000-4000 rw-p 0 00:00 0\n");
	fake_proc_put(p, "7/maps", text);
	free(text);
	assert_int_equal(maps_read(p->root, 7, &t), 0);
	assert_int_equal(t.count, 1);
	assert_int_equal(t.refused, 1);
	assert_int_equal(t.vma[0].start, 0x3000);
	maps_done(&t);
}

static void a_mapping_that_grew_meanwhile_is_clipped_to_what_is_new(void **state)
{
	struct fake_proc *p = *state;
	struct vma_table t;

	fake_proc_put(p, "7/maps", "1000-3000 rw-p 0 00:05 7 /a\n2000-5000 rw-p 1000 00:05 7 /a\n");
	assert_int_equal(maps_read(p->root, 7, &t), 0);
	assert_int_equal(t.count, 2);
	assert_int_equal(t.vma[1].start, 0x3000);
	assert_int_equal(t.vma[1].file_offset, 0x2000);
	maps_done(&t);
}

static void lines_beyond_the_limit_are_counted(void **state)
{
	struct fake_proc *p = *state;
	size_t lines = MAPS_LINES_MAX + 3;
	char *text = malloc(lines * 48), *at = text;
	struct vma_table t;

	assert_non_null(text);
	for (size_t i = 1; i <= lines; i++)
		at += sprintf(at, "%zx000-%zx800 rw-p 0 00:00 0\n", i, i);
	fake_proc_put(p, "7/maps", text);
	free(text);
	assert_int_equal(maps_read(p->root, 7, &t), 0);
	assert_int_equal(t.count, MAPS_LINES_MAX);
	assert_int_equal(t.refused, 3);
	maps_done(&t);
}

static void look_up_finds_the_holder_and_nothing_in_gaps(void **state)
{
	struct fake_proc *p = *state;
	struct vma_table t;

	fake_proc_put(p, "7/maps",
		      "1000-2000 rw-p 0 00:00 0\n2000-3000 r--p 0 00:00 0\n"
		      "5000-6000 rw-p 0 00:00 0\n");
	assert_int_equal(maps_read(p->root, 7, &t), 0);
	assert_null(maps_find(&t, 0xfff));
	assert_ptr_equal(maps_find(&t, 0x1000), &t.vma[0]);
	assert_ptr_equal(maps_find(&t, 0x1fff), &t.vma[0]);
	assert_ptr_equal(maps_find(&t, 0x2000), &t.vma[1]);
	assert_null(maps_find(&t, 0x3000));
	assert_ptr_equal(maps_find(&t, 0x5fff), &t.vma[2]);
	assert_null(maps_find(&t, 0x6000));
	assert_null(maps_find(&t, UINT64_MAX));
	maps_done(&t);
}

static void an_empty_table_finds_nothing(void **state)
{
	struct fake_proc *p = *state;
	struct vma_table t;

	fake_proc_put(p, "7/maps", "");
	assert_int_equal(maps_read(p->root, 7, &t), 0);
	assert_int_equal(t.count, 0);
	assert_null(maps_find(&t, 0x1000));
	maps_done(&t);
}

static void a_process_that_has_gone_is_esrch(void **state)
{
	struct fake_proc *p = *state;
	struct vma_table t = {};

	assert_int_equal(maps_read(p->root, 9, &t), -ESRCH);
	assert_null(t.vma);
}

static void own_mappings_are_found_with_their_kinds(void **state)
{
	int fd = memfd_create("mine", MFD_CLOEXEC);
	const struct vma *v;
	struct vma_table t;
	void *shared, *named;
	int on_stack = 0;

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), 0);
	shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	named = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(maps_read("/proc", getpid(), &t), 0);
	assert_int_equal(t.refused, 0);
	v = maps_find(&t, (uintptr_t)shared);
	assert_int_equal(v->kind, VMA_SHM);
	v = maps_find(&t, (uintptr_t)named);
	assert_int_equal(v->kind, VMA_SHM);
	assert_string_equal(v->path, "/memfd:mine");
	assert_true(v->deleted && v->shared);
	v = maps_find(&t, (uintptr_t)&on_stack);
	assert_true(v && v->writable);
	v = maps_find(&t, (uintptr_t)own_mappings_are_found_with_their_kinds);
	assert_int_equal(v->kind, VMA_FILE);
	assert_true(v->executable);
	maps_done(&t);
	munmap(shared, 4096);
	munmap(named, 4096);
	close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_proc_setup, fake_proc_teardown)
	const struct CMUnitTest tests[] = {
		T(every_field_of_a_line_is_read),
		T(kinds_follow_from_the_line),
		T(a_file_named_like_the_heap_is_a_file),
		T(deleted_is_told_and_taken_off_the_path),
		T(a_long_path_keeps_its_tail),
		T(malformed_lines_are_refused_and_the_result_untouched),
		T(bad_lines_are_counted_and_good_ones_kept),
		T(a_line_longer_than_any_path_is_refused_whole),
		T(a_mapping_that_grew_meanwhile_is_clipped_to_what_is_new),
		T(lines_beyond_the_limit_are_counted),
		T(look_up_finds_the_holder_and_nothing_in_gaps),
		T(an_empty_table_finds_nothing),
		T(a_process_that_has_gone_is_esrch),
		T(own_mappings_are_found_with_their_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
