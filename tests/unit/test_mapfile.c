/* Files behind mappings: regular ones only, and never a wait. */
#include "sys/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "sys/elf.h"
#include "sys/maps.h"

struct folder {
	char root[32], pid[48], maps[64], file[96], target[64];
};

/* A proc mount with one mapping of process 7, at 0x1000, of what `target` will be. */
static void make_folder(struct folder *f)
{
	snprintf(f->root, sizeof(f->root), "/tmp/mt-mapfile-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->pid, sizeof(f->pid), "%s/7", f->root);
	snprintf(f->maps, sizeof(f->maps), "%s/map_files", f->pid);
	snprintf(f->file, sizeof(f->file), "%s/1000-3000", f->maps);
	snprintf(f->target, sizeof(f->target), "%s/target", f->root);
	assert_int_equal(mkdir(f->pid, 0700), 0);
	assert_int_equal(mkdir(f->maps, 0700), 0);
	assert_int_equal(symlink(f->target, f->file), 0);
}

static void remove_folder(const struct folder *f)
{
	unlink(f->target);
	unlink(f->file);
	rmdir(f->maps);
	rmdir(f->pid);
	assert_int_equal(rmdir(f->root), 0);
}

static void a_regular_file_is_opened(void **state)
{
	auto_close int made = -1, fd = -1;
	struct folder f;
	struct stat st;
	char byte;

	(void)state;
	make_folder(&f);
	snprintf(f.target, sizeof(f.target), "%s/target-XXXXXX", f.root);
	made = mkstemp(f.target);
	assert_int_equal(write(made, "x", 1), 1);
	unlink(f.file);
	assert_int_equal(symlink(f.target, f.file), 0);
	fd = mapfile_open(f.root, 7, 0x1000, 0x3000, &st);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(st.st_size, 1);
	assert_int_equal(mapfile_open(f.root, 7, 0x1000, 0x2000, &st), -ENOENT);
	assert_int_equal(mapfile_open(f.root, 8, 0x1000, 0x3000, &st), -ENOENT);
	remove_folder(&f);
}

static void a_pipe_is_refused_without_waiting_for_a_writer(void **state)
{
	struct folder f;
	struct stat st;

	(void)state;
	make_folder(&f);
	assert_int_equal(mkfifo(f.target, 0600), 0);
	assert_int_equal(mapfile_open(f.root, 7, 0x1000, 0x3000, &st), -EACCES);
	remove_folder(&f);
}

static void a_mapping_is_opened_as_elf(void **state)
{
	const struct vma v = { .start = 0x1000, .end = 0x3000, .file_offset = 0x40 };
	auto_clean(elf_closep) struct elf_file *file = NULL;
	uint64_t bias, vaddr;
	struct folder f;

	(void)state;
	make_folder(&f);
	assert_int_equal(symlink("/proc/self/exe", f.target), 0);
	assert_int_equal(mapfile_open_elf(f.root, 7, &v, &file, &bias), 0);
	assert_int_equal(elf_offset_to_vaddr(file, 0x40, &vaddr), 0);
	assert_int_equal(vaddr + bias, 0x1000);
	remove_folder(&f);
}

static void a_mapping_of_no_segment_has_no_bias(void **state)
{
	const struct vma v = { .start = 0x1000, .end = 0x3000, .file_offset = 1ull << 40 };
	auto_clean(elf_closep) struct elf_file *file = NULL;
	struct folder f;
	uint64_t bias;

	(void)state;
	make_folder(&f);
	assert_int_equal(symlink("/proc/self/exe", f.target), 0);
	assert_int_equal(mapfile_open_elf(f.root, 7, &v, &file, &bias), -ENOENT);
	assert_null(file);
	assert_int_equal(mapfile_open_elf(f.root, 7, &v, &file, NULL), 0);
	remove_folder(&f);
}

static void what_is_not_elf_or_not_there_is_told(void **state)
{
	struct vma v = { .start = 0x1000, .end = 0x3000 };
	auto_close int made = -1;
	struct elf_file *file = NULL;
	struct folder f;

	(void)state;
	make_folder(&f);
	assert_int_equal(mapfile_open_elf(f.root, 7, &v, &file, NULL), -ENOENT);
	made = open(f.target, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(made, "x", 1), 1);
	assert_int_equal(mapfile_open_elf(f.root, 7, &v, &file, NULL), -ENOEXEC);
	assert_null(file);
	remove_folder(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_regular_file_is_opened),
		cmocka_unit_test(a_pipe_is_refused_without_waiting_for_a_writer),
		cmocka_unit_test(a_mapping_is_opened_as_elf),
		cmocka_unit_test(a_mapping_of_no_segment_has_no_bias),
		cmocka_unit_test(what_is_not_elf_or_not_there_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
