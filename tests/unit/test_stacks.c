/* Frames: where a program counter is, across mappings that come and go, and stable site ids. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/modules.h"
#include "model/stacks.h"

struct fixture {
	struct modules *m;
	struct stacks *s;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f || modules_new(4, 16, &f->m))
		return -1;
	return stacks_new(100, f->m, &f->s);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stacks_free(f->s);
	modules_free(f->m);
	free(f);
	return 0;
}

static struct vma code(uint64_t start, uint64_t end, uint64_t offset, const char *path)
{
	struct vma v = { start, end, offset };

	v.kind = path[0] ? VMA_FILE : VMA_ANON;
	v.executable = true;
	v.inode = path[0] ? 7 + strlen(path) : 0;
	strncpy(v.path, path, sizeof(v.path) - 1);
	return v;
}

static void set_map(struct fixture *f, struct vma v, uint64_t now)
{
	assert_int_equal(modules_set_vmas(f->m, &v, 1, now), 0);
	stacks_place(f->s);
}

static uint32_t intern(struct fixture *f, uint64_t pc)
{
	uint32_t h = UINT32_MAX;

	assert_int_equal(stacks_intern(f->s, pc, &h), 0);
	return h;
}

static void describe(struct fixture *f, const char *build_id)
{
	struct module_fact fact = { .segment_count = 1 };

	strcpy(fact.build_id, build_id);
	fact.segment[0].file_offset = 0x1000;
	fact.segment[0].vaddr = 0x401000;
	fact.segment[0].size = 0x5000;
	assert_int_equal(modules_describe(f->m, 0, &fact, false), 0);
}

static void a_pc_in_a_file_is_module_and_file_offset(void **state)
{
	struct fixture *f = *state;
	const struct frame *x;

	set_map(f, code(0x10000, 0x20000, 0x1000, "/lib/a.so"), 1);
	x = stacks_at(f->s, intern(f, 0x10123));
	assert_int_equal(x->place, FRAME_IN_MODULE);
	assert_int_equal(x->module, 0);
	assert_int_equal(stacks_offset(f->s, x), 0x1123);
}

static void once_described_the_offset_is_a_virtual_address(void **state)
{
	struct fixture *f = *state;
	uint32_t h;

	set_map(f, code(0x10000, 0x20000, 0x1000, "/lib/a.so"), 1);
	h = intern(f, 0x10123);
	describe(f, "abc");
	assert_int_equal(stacks_offset(f->s, stacks_at(f->s, h)), 0x401123);
	h = intern(f, 0x1f000); /* beyond the described segment */
	assert_int_equal(stacks_offset(f->s, stacks_at(f->s, h)), 0x10000);
}

static void executable_memory_of_no_file_is_generated_code(void **state)
{
	struct fixture *f = *state;

	set_map(f, code(0x10000, 0x20000, 0, ""), 1);
	assert_int_equal(stacks_at(f->s, intern(f, 0x10123))->place, FRAME_IN_JIT);
}

static void the_kernels_own_code_is_a_module(void **state)
{
	struct fixture *f = *state;
	struct vma v = code(0x10000, 0x12000, 0, "[vdso]");
	const struct frame *frame;

	v.kind = VMA_SPECIAL;
	v.inode = 0;
	set_map(f, v, 1);
	frame = stacks_at(f->s, intern(f, 0x10123));
	assert_int_equal(frame->place, FRAME_IN_MODULE);
	assert_int_equal(frame->file_offset, 0x123);
	assert_string_equal(module_name(modules_at(f->m, frame->module)), "[vdso]");
	assert_true(module_is_special(modules_at(f->m, frame->module)));
	assert_false(modules_at(f->m, frame->module)->main_exe);
}

static void a_pc_of_no_mapping_is_placed_by_a_later_reading(void **state)
{
	struct fixture *f = *state;
	uint32_t h = intern(f, 0x10123);

	assert_int_equal(stacks_at(f->s, h)->place, FRAME_UNPLACED);
	set_map(f, code(0x10000, 0x20000, 0x1000, "/lib/a.so"), 1);
	assert_int_equal(stacks_at(f->s, h)->place, FRAME_IN_MODULE);
}

static void the_same_pc_is_one_frame(void **state)
{
	struct fixture *f = *state;
	uint32_t first = intern(f, 5);

	for (uint64_t pc = 6; pc < 60; pc++)
		intern(f, pc);
	assert_int_equal(intern(f, 5), first);
	assert_int_equal(stacks_count(f->s), 55);
}

static void an_address_reused_by_another_file_is_another_frame(void **state)
{
	struct fixture *f = *state;
	uint32_t old, now;

	set_map(f, code(0x10000, 0x20000, 0, "/lib/a.so"), 1);
	old = intern(f, 0x10123);
	assert_true(modules_touch(f->m, 0x10000, 0x20000, 2));
	stacks_forget(f->s, 0x10000, 0x20000);
	now = intern(f, 0x10123);
	assert_int_equal(stacks_at(f->s, now)->place, FRAME_UNPLACED);
	set_map(f, code(0x10000, 0x20000, 0, "/lib/other.so"), 3);
	assert_int_equal(stacks_at(f->s, old)->module, 0);
	assert_int_equal(stacks_at(f->s, now)->module, 1);
}

static void a_change_older_than_the_map_is_in_it_already(void **state)
{
	struct fixture *f = *state;

	set_map(f, code(0x10000, 0x20000, 0, "/lib/a.so"), 5);
	assert_false(modules_touch(f->m, 0x10000, 0x20000, 4));
	assert_int_equal(stacks_at(f->s, intern(f, 0x10123))->place, FRAME_IN_MODULE);
}

static void frames_beyond_the_limit_are_refused_and_counted(void **state)
{
	struct fixture *f = *state;
	uint32_t untouched = 77;

	for (uint64_t pc = 0; pc < 100; pc++)
		intern(f, pc);
	assert_int_equal(stacks_intern(f->s, 1000, &untouched), -ENOSPC);
	assert_int_equal(untouched, 77);
	assert_int_equal(stacks_refused(f->s), 1);
}

static void modules_beyond_the_limit_are_refused_and_counted_once(void **state)
{
	struct fixture *f = *state;
	struct vma v[6];
	char path[16] = "/lib/a";

	for (int i = 0; i < 6; i++) {
		path[5] = (char)('a' + i);
		v[i] = code(0x10000 * (i + 1), 0x10000 * (i + 1) + 0x1000, 0, path);
	}
	assert_int_equal(modules_set_vmas(f->m, v, 6, 1), 0);
	assert_int_equal(modules_set_vmas(f->m, v, 6, 2), 0);
	assert_int_equal(modules_count(f->m), 4);
	assert_int_equal(modules_refused(f->m), 2);
	assert_int_equal(stacks_at(f->s, intern(f, 0x60123))->place, FRAME_UNPLACED);
}

static void lines_out_of_order_are_left_out(void **state)
{
	struct fixture *f = *state;
	struct vma v[3] = { code(0x20000, 0x30000, 0, "/a"), code(0x10000, 0x18000, 0, "/b"),
			    code(0x30000, 0x30000, 0, "/c") };

	assert_int_equal(modules_set_vmas(f->m, v, 3, 1), 0);
	assert_int_equal(modules_line_count(f->m), 1);
}

static void the_executable_is_known_by_its_path(void **state)
{
	struct fixture *f = *state;
	struct vma v[2] = { code(0x10000, 0x20000, 0, "/lib/ld.so"),
			    code(0x30000, 0x40000, 0, "/bin/prog (deleted)") };

	assert_int_equal(modules_set_vmas(f->m, v, 2, 1), 0);
	assert_non_null(modules_at(f->m, 0));
	assert_non_null(modules_at(f->m, 1));
	assert_true(modules_at(f->m, 0)->main_exe);
	modules_set_exe(f->m, "/bin/prog");
	assert_false(modules_at(f->m, 0)->main_exe);
	assert_true(modules_at(f->m, 1)->main_exe);
}

static void a_hostile_description_is_cut_to_size(void **state)
{
	struct fixture *f = *state;
	struct module_fact fact;

	set_map(f, code(0x10000, 0x20000, 0, "/lib/a.so"), 1);
	memset(&fact, 0xff, sizeof(fact));
	assert_int_equal(modules_describe(f->m, 0, &fact, false), 0);
	assert_int_equal(modules_at(f->m, 0)->fact.segment_count, MODULE_SEGMENTS);
	assert_int_equal(strlen(modules_at(f->m, 0)->fact.build_id), 64);
	assert_int_equal(modules_describe(f->m, 1, &fact, false), -ENOENT);
}

static uint64_t site_id(struct fixture *f, enum mt_site_kind kind, const uint32_t *h, size_t n)
{
	bool final;

	return stacks_site_id(f->s, kind, MT_END_start, h, n, &final);
}

/* Id of a stack of one frame in a file mapped at base. */
static uint64_t id_at(uint64_t base, const char *path, const char *build_id, uint64_t into)
{
	struct fixture *f;
	uint32_t h;
	uint64_t id;

	assert_int_equal(setup((void **)&f), 0);
	set_map(f, code(base, base + 0x5000, 0x1000, path), 1);
	h = intern(f, base + into);
	if (build_id)
		describe(f, build_id);
	id = site_id(f, MT_SITE_HEAP, &h, 1);
	teardown((void **)&f);
	return id;
}

static void site_ids_do_not_depend_on_addresses(void **state)
{
	assert_int_equal(id_at(0x10000, "/lib/a.so", "abc", 0x10),
			 id_at(0x7f0000000000, "/lib/a.so", "abc", 0x10));
	assert_int_equal(id_at(0x10000, "/lib/a.so", "abc", 0x10),
			 id_at(0x10000, "/opt/other/name.so", "abc", 0x10));
	assert_int_equal(id_at(0x10000, "/lib/a.so", "", 0x10),
			 id_at(0x20000, "/opt/a.so", "", 0x10));
	(void)state;
}

static void site_ids_tell_places_files_and_kinds_apart(void **state)
{
	struct fixture *f = *state;
	uint32_t h[2];

	set_map(f, code(0x10000, 0x15000, 0x1000, "/a"), 1);
	h[0] = intern(f, 0x10001);
	h[1] = intern(f, 0x10002);
	assert_int_not_equal(id_at(0x10000, "/a", "abc", 0x10), id_at(0x10000, "/a", "abc", 0x11));
	assert_int_not_equal(id_at(0x10000, "/a", "abc", 0x10), id_at(0x10000, "/a", "abd", 0x10));
	assert_int_not_equal(id_at(0x10000, "/a", "", 0x10), id_at(0x10000, "/b", "", 0x10));
	assert_int_not_equal(site_id(f, MT_SITE_HEAP, h, 2), site_id(f, MT_SITE_MMAP, h, 2));
	assert_int_not_equal(site_id(f, MT_SITE_HEAP, h, 2), site_id(f, MT_SITE_HEAP, h, 1));
}

static void generated_code_enters_site_ids_as_a_marker_only(void **state)
{
	assert_int_equal(id_at(0x10000, "", NULL, 0x10), id_at(0x50000, "", NULL, 0x998));
	(void)state;
}

/* Id of a stack given as letters: each is a frame in a file. */
static uint64_t id_of(struct fixture *f, const char *letters, enum mt_stack_end end, bool *final)
{
	uint32_t h[MT_MAX_FRAMES];
	size_t n = 0;

	for (; letters[n]; n++)
		h[n] = intern(f, 0x10000 + (uint64_t)letters[n]);
	return stacks_site_id(f->s, MT_SITE_HEAP, end, h, n, final);
}

static void assert_id(struct fixture *f, const char *letters, const char *as, enum mt_stack_end end,
		      bool same)
{
	bool final;
	uint64_t a = id_of(f, letters, end, &final), b = id_of(f, as, MT_END_start, &final);

	assert_true(final);
	if ((a == b) != same)
		fail_msg("%s %s %s", letters, same ? "is not" : "is", as);
}

static void a_module_with_letters(struct fixture *f)
{
	set_map(f, code(0x10000, 0x15000, 0x1000, "/lib/a.so"), 1);
	describe(f, "abc");
}

static void every_depth_of_a_recursion_has_the_same_id(void **state)
{
	struct fixture *f = *state;

	a_module_with_letters(f);
	assert_id(f, "maaaz", "maz", MT_END_start, true);
	assert_id(f, "mabababz", "mabz", MT_END_start, true);
	assert_id(f, "mabcabcabcz", "mabcz", MT_END_start, true);
	assert_id(f, "maabaabz", "mabz", MT_END_start, true);
	assert_id(f, "mabcdefghijklmnopabcdefghijklmnopz", "mabcdefghijklmnopz", MT_END_start,
		  true);
	assert_id(f, "mabaz", "mabz", MT_END_start, false);
	assert_id(f, "mabacz", "mabcz", MT_END_start, false);
	assert_id(f, "mabz", "mbaz", MT_END_start, false);
}

static void where_a_deep_recursion_was_cut_has_no_part_in_the_id(void **state)
{
	struct fixture *f = *state;

	a_module_with_letters(f);
	assert_id(f, "mabcabca", "mabc", MT_END_depth, true);
	assert_id(f, "mabcabcab", "mabc", MT_END_depth, true);
	assert_id(f, "mabcabcabc", "mabc", MT_END_depth, true);
	assert_id(f, "mabcabca", "mabc", MT_END_start, false);
	assert_id(f, "mabc", "mabc", MT_END_depth, true);
}

static void early_names_of_generated_code_enter_site_ids(void **state)
{
	const struct code_name foo = { "foo", "/srv/app.js", 3, false };
	const struct code_name foo_elsewhere = { "foo", "/home/me/app.js", 3, true };
	const struct code_name bar = { "bar", "/srv/app.js", 3, false };
	struct fixture *f = *state;
	uint32_t h[4];
	uint64_t id[4];
	bool final;

	set_map(f, code(0x10000, 0x20000, 0, ""), 1);
	for (uint32_t i = 0; i < 4; i++)
		h[i] = intern(f, 0x10010 + i);
	id[3] = stacks_site_id(f->s, MT_SITE_HEAP, MT_END_start, &h[3], 1, &final);
	assert_false(final); /* nobody was asked */
	assert_int_equal(stacks_set_code_name(f->s, h[0], &foo), 0);
	assert_int_equal(stacks_set_code_name(f->s, h[1], &foo_elsewhere), 0);
	assert_int_equal(stacks_set_code_name(f->s, h[2], &bar), 0);
	assert_int_equal(stacks_set_code_name(f->s, h[3], NULL), 0);
	assert_int_equal(stacks_set_code_name(f->s, 99, &foo), -ENOENT);
	for (uint32_t i = 0; i < 3; i++)
		id[i] = site_id(f, MT_SITE_HEAP, &h[i], 1);
	assert_int_equal(id[0], id[1]);
	assert_int_not_equal(id[0], id[2]);
	assert_int_not_equal(id[0], id[3]);
	assert_int_equal(stacks_set_code_name(f->s, h[3], &foo), 0); /* late: shown, no more */
	assert_string_equal(stacks_at(f->s, h[3])->symbol, "foo");
	assert_int_equal(stacks_site_id(f->s, MT_SITE_HEAP, MT_END_start, &h[3], 1, &final), id[3]);
	assert_true(final);
	assert_int_equal(stacks_set_code_name(f->s, h[3], &bar), 0); /* never renamed */
	assert_string_equal(stacks_at(f->s, h[3])->symbol, "foo");
}

static void a_site_id_is_the_same_in_every_build(void **state)
{
	assert_int_equal(id_at(0x10000, "/lib/a.so", "abc", 0x10), 0x852583597d8fef34ull);
	(void)state;
}

static void a_frame_without_a_name_is_not_asked_for_again(void **state)
{
	struct fixture *f = *state;
	uint32_t h = intern(f, 1);

	assert_int_equal(stacks_set_name(f->s, h, ""), 0);
	assert_int_equal(stacks_at(f->s, h)->naming, NAMING_DONE);
	assert_null(stacks_at(f->s, h)->symbol);
	assert_int_equal(stacks_set_name(f->s, h, "f"), 0);
	assert_string_equal(stacks_at(f->s, h)->symbol, "f");
	assert_int_equal(stacks_set_name(f->s, 99, "f"), -ENOENT);
}

static void a_name_that_could_not_be_asked_for_is_open_again(void **state)
{
	struct fixture *f = *state;
	uint32_t h = intern(f, 1);

	stacks_mark_asked(f->s, h);
	assert_int_equal(stacks_at(f->s, h)->naming, NAMING_ASKED);
	assert_int_equal(stacks_set_name(f->s, h, NULL), 0);
	assert_int_equal(stacks_at(f->s, h)->naming, NAMING_OPEN);
}

static void a_frame_carries_what_was_inlined_there(void **state)
{
	static const struct frame_name names[] = { { "inner", "a.h", 3 },
						   { NULL, NULL, 0 },
						   { "f", "a.c", 12 } };
	struct fixture *f = *state;
	uint32_t h = intern(f, 1);
	const struct frame *x;

	assert_int_equal(stacks_set_names(f->s, h, &names[2], 1, true), 0);
	x = stacks_at(f->s, h);
	assert_string_equal(x->symbol, "f");
	assert_int_equal(x->inlined_count, 0);
	assert_int_equal(x->naming, NAMING_PARTLY);
	stacks_mark_asked(f->s, h);
	assert_int_equal(stacks_set_name(f->s, h, NULL), 0); /* not now */
	assert_int_equal(stacks_at(f->s, h)->naming, NAMING_PARTLY);
	assert_int_equal(stacks_set_names(f->s, h, names, 3, false), 0);
	x = stacks_at(f->s, h);
	assert_int_equal(x->naming, NAMING_DONE);
	assert_string_equal(x->symbol, "f");
	assert_string_equal(x->file, "a.c");
	assert_int_equal(x->line, 12);
	assert_int_equal(x->inlined_count, 2);
	assert_string_equal(x->inlined[0].symbol, "inner");
	assert_string_equal(x->inlined[0].file, "a.h");
	assert_int_equal(x->inlined[0].line, 3);
	assert_null(x->inlined[1].symbol);
	assert_int_equal(stacks_set_names(f->s, 99, names, 3, false), -ENOENT);
}

static void names_and_lines_have_no_part_in_site_ids(void **state)
{
	static const struct frame_name names[] = { { "inner", "a.h", 3 }, { "f", "a.c", 12 } };
	struct fixture *f = *state;
	uint64_t before;
	uint32_t h;
	bool final;

	set_map(f, code(0x10000, 0x20000, 0x1000, "/lib/a.so"), 1);
	describe(f, "abc");
	h = intern(f, 0x10010);
	before = stacks_site_id(f->s, MT_SITE_HEAP, MT_END_start, &h, 1, &final);
	assert_true(final);
	assert_int_equal(stacks_set_names(f->s, h, names, 2, false), 0);
	assert_int_equal(stacks_site_id(f->s, MT_SITE_HEAP, MT_END_start, &h, 1, &final), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pc_in_a_file_is_module_and_file_offset),
		TEST(once_described_the_offset_is_a_virtual_address),
		TEST(executable_memory_of_no_file_is_generated_code),
		TEST(the_kernels_own_code_is_a_module),
		TEST(a_pc_of_no_mapping_is_placed_by_a_later_reading),
		TEST(the_same_pc_is_one_frame),
		TEST(an_address_reused_by_another_file_is_another_frame),
		TEST(a_change_older_than_the_map_is_in_it_already),
		TEST(frames_beyond_the_limit_are_refused_and_counted),
		TEST(modules_beyond_the_limit_are_refused_and_counted_once),
		TEST(lines_out_of_order_are_left_out),
		TEST(the_executable_is_known_by_its_path),
		TEST(a_hostile_description_is_cut_to_size),
		cmocka_unit_test(site_ids_do_not_depend_on_addresses),
		TEST(site_ids_tell_places_files_and_kinds_apart),
		cmocka_unit_test(generated_code_enters_site_ids_as_a_marker_only),
		TEST(every_depth_of_a_recursion_has_the_same_id),
		TEST(where_a_deep_recursion_was_cut_has_no_part_in_the_id),
		TEST(early_names_of_generated_code_enter_site_ids),
		cmocka_unit_test(a_site_id_is_the_same_in_every_build),
		TEST(a_frame_without_a_name_is_not_asked_for_again),
		TEST(a_name_that_could_not_be_asked_for_is_open_again),
		TEST(a_frame_carries_what_was_inlined_there),
		TEST(names_and_lines_have_no_part_in_site_ids),
	};

	return cmocka_run_group_tests_name("stacks", tests, NULL, NULL);
}
