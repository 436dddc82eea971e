/* The table of allocator functions, and the parser of --alloc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "collect/points.h"

static void assert_call(const struct point_call *c, enum mt_fn fn, int size, int count, int ptr)
{
	assert_int_equal(c->fn, fn);
	assert_int_equal(c->size_arg, size);
	assert_int_equal(c->count_arg, count);
	assert_int_equal(c->ptr_arg, ptr);
}

static void assert_point(const char *symbol, enum mt_fn fn, int size, int count, int ptr)
{
	const struct point *p = points_find(symbol);

	if (!p)
		fail_msg("%s is not in the table", symbol);
	assert_call(&p->call, fn, size, count, ptr);
}

static void the_table_is_sorted_so_that_every_row_is_found(void **state)
{
	size_t i;

	(void)state;
	for (i = 1; points_at(i); i++)
		assert_true(strcmp(points_at(i - 1)->symbol, points_at(i)->symbol) < 0);
	assert_true(i > 90);
}

static void every_row_fits_a_cookie_and_has_the_arguments_of_its_kind(void **state)
{
	const struct point_call *c;
	uint64_t cookie;
	size_t i;

	(void)state;
	for (i = 0; points_at(i); i++) {
		c = &points_at(i)->call;
		cookie = MT_COOKIE(c->fn, c->size_arg, c->count_arg, c->ptr_arg, 0);
		assert_int_equal(MT_COOKIE_FN(cookie), c->fn);
		assert_int_equal(MT_COOKIE_SIZE(cookie), c->size_arg);
		assert_int_equal(MT_COOKIE_COUNT(cookie), c->count_arg);
		assert_int_equal(MT_COOKIE_PTR(cookie), c->ptr_arg);
		assert_int_equal(!c->size_arg, c->fn == MT_FN_FREE);
		assert_int_equal(!c->ptr_arg, c->fn == MT_FN_ALLOC);
		assert_int_equal(points_wants_return(c), c->fn != MT_FN_FREE);
	}
}

static void the_c_functions_are_read_as_the_manual_says(void **state)
{
	(void)state;
	assert_point("malloc", MT_FN_ALLOC, 1, 0, 0);
	assert_point("calloc", MT_FN_ALLOC, 2, 1, 0);
	assert_point("realloc", MT_FN_REALLOC, 2, 0, 1);
	assert_point("reallocarray", MT_FN_REALLOC, 3, 2, 1);
	assert_point("free", MT_FN_FREE, 0, 0, 1);
	assert_point("cfree", MT_FN_FREE, 0, 0, 1);
	assert_point("posix_memalign", MT_FN_POSIX_MEMALIGN, 3, 0, 1);
	assert_point("aligned_alloc", MT_FN_ALLOC, 2, 0, 0);
	assert_point("memalign", MT_FN_ALLOC, 2, 0, 0);
	assert_point("valloc", MT_FN_ALLOC, 1, 0, 0);
	assert_point("pvalloc", MT_FN_ALLOC, 1, 0, 0);
}

static void prefixes_of_allocators_are_known(void **state)
{
	(void)state;
	assert_point("je_malloc", MT_FN_ALLOC, 1, 0, 0);
	assert_point("tc_calloc", MT_FN_ALLOC, 2, 1, 0);
	assert_point("mi_posix_memalign", MT_FN_POSIX_MEMALIGN, 3, 0, 1);
	assert_point("_rjem_mallocx", MT_FN_ALLOC, 1, 0, 0);
	assert_point("_rjem_je_sdallocx", MT_FN_FREE, 0, 0, 1);
	assert_point("rallocx", MT_FN_REALLOC, 2, 0, 1);
	assert_point("mi_heap_reallocn", MT_FN_REALLOC, 4, 3, 2);
	assert_point("tc_deletearray_sized_aligned", MT_FN_FREE, 0, 0, 1);
	assert_true(points_has_prefix("mi_free"));
	assert_false(points_has_prefix("free"));
}

static void a_symbol_version_does_not_matter(void **state)
{
	(void)state;
	assert_ptr_equal(points_find("malloc@@GLIBC_2.2.5"), points_find("malloc"));
	assert_ptr_equal(points_find("free@GLIBC_2.2.5"), points_find("free"));
}

static void names_that_only_look_alike_are_not_in_the_table(void **state)
{
	static const char *const names[] = {
		"",
		"@",
		"mallo",
		"malloc2",
		"xmalloc",
		"je_",
		"je_new",
		"new",
		"delete",
		"mi_mallocx",
		"tc_zalloc",
		"xallocx",
		"mi_expand",
		"__libc_",
		"mi_je_malloc",
		"je_je_malloc",
		"_Znwm2",
		"_Znw",
		"_ZdlPvj",
		"malloc_usable_size",
		"zalloc",
		"mallocn",
		"_RNvC",
		"7___rustc",
		"_RNvCs1_7___rustc6malloc",
		"_RNvCs1_7___rustc",
		"_RNvCs1_7___rustc12__",
		"_RNvCs1_7___rustc6_malloc",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (points_find(names[i]))
			fail_msg("'%s' is in the table", names[i]);
}

static void every_kind_of_cxx_operator_is_known(void **state)
{
	static const char *const news[] = { "", "RKSt9nothrow_t", "St11align_val_t",
					    "St11align_val_tRKSt9nothrow_t" };
	static const char *const deletes[] = {
		"",
		"m",
		"RKSt9nothrow_t",
		"St11align_val_t",
		"St11align_val_tRKSt9nothrow_t",
		"mSt11align_val_t",
	};
	char name[64];
	size_t i;

	(void)state;
	for (i = 0; i < 2 * 4; i++) {
		snprintf(name, sizeof(name), "_Zn%cm%s", "wa"[i & 1], news[i / 2]);
		assert_point(name, MT_FN_ALLOC, 1, 0, 0);
		assert_int_equal(points_find(name)->family, POINT_CXX);
	}
	for (i = 0; i < 2 * 6; i++) {
		snprintf(name, sizeof(name), "_Zd%cPv%s", "la"[i & 1], deletes[i / 2]);
		assert_point(name, MT_FN_FREE, 0, 0, 1);
		assert_int_equal(points_find(name)->family, POINT_CXX);
	}
}

static void rust_shims_are_known_plain_and_mangled(void **state)
{
	(void)state;
	assert_point("__rust_realloc", MT_FN_REALLOC, 4, 0, 1);
	assert_point("_RNvCsaZ4_7___rustc12___rust_alloc", MT_FN_ALLOC, 1, 0, 0);
	assert_point("_RNvCs8_7___rustc14___rust_dealloc", MT_FN_FREE, 0, 0, 1);
	assert_int_equal(points_find("__rust_alloc")->family, POINT_RUST);
}

static void the_arguments_of_a_call_become_bits(void **state)
{
	(void)state;
	assert_int_equal(points_args(&points_find("reallocarray")->call), 7);
	assert_int_equal(points_args(&points_find("posix_memalign")->call), 5);
	assert_int_equal(points_args(&points_find("free")->call), 1);
}

static void a_specification_names_module_and_functions(void **state)
{
	struct err err = {};
	struct point_spec s;

	(void)state;
	assert_int_equal(points_parse_spec("libfoo.so:foo_alloc(size=arg1,count=arg2):"
					   "foo_free(ptr=arg1)",
					   &s, &err),
			 0);
	assert_string_equal(s.module, "libfoo.so");
	assert_int_equal(s.count, 2);
	assert_string_equal(s.function[0].name, "foo_alloc");
	assert_call(&s.function[0].call, MT_FN_ALLOC, 1, 2, 0);
	assert_string_equal(s.function[1].name, "foo_free");
	assert_call(&s.function[1].call, MT_FN_FREE, 0, 0, 1);
}

static void the_free_part_of_a_specification_is_optional(void **state)
{
	struct err err = {};
	struct point_spec s;

	(void)state;
	assert_int_equal(points_parse_spec("exe:pool_get(size=arg6)", &s, &err), 0);
	assert_int_equal(s.count, 1);
	assert_call(&s.function[0].call, MT_FN_ALLOC, 6, 0, 0);
}

static void reallocations_and_out_parameters_can_be_specified(void **state)
{
	struct err err = {};
	struct point_spec s;

	(void)state;
	assert_int_equal(points_parse_spec("exe:r(ptr=arg2,size=arg3,count=arg1):"
					   "m(out=arg1,size=arg2)",
					   &s, &err),
			 0);
	assert_call(&s.function[0].call, MT_FN_REALLOC, 3, 1, 2);
	assert_call(&s.function[1].call, MT_FN_POSIX_MEMALIGN, 2, 0, 1);
}

static void a_bad_specification_says_what_is_accepted_and_changes_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"libfoo.so",
		"libfoo.so:",
		":f(size=arg1)",
		"a/b.so:f(size=arg1)",
		"m:f",
		"m:f()",
		"m:f(size=arg1",
		"m:(size=arg1)",
		"m:f(size=arg1):",
		"m:f(size=arg0)",
		"m:f(size=arg7)",
		"m:f(size=arg)",
		"m:f(size=arg12)",
		"m:f(size=1)",
		"m:f(bytes=arg1)",
		"m:f(size=arg1,)",
		"m:f(count=arg1)",
		"m:f(size=arg1,size=arg2)",
		"m:f(size=arg1,count=arg1)",
		"m:f(ptr=arg1,out=arg2)",
		"m:f(out=arg1)",
		"m:f(ptr=arg1,count=arg2)",
		"m:f(ptr=arg1,out=arg2,size=arg3)",
		"m:f(out=arg1,size=arg2,count=arg3)",
		"m:f(size=arg1))",
		"m:f(size=arg1) ",
	};
	struct point_spec s, before;
	struct err err;
	size_t i;

	(void)state;
	memset(&s, 0x5a, sizeof(s));
	before = s;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err = (struct err){};
		if (points_parse_spec(bad[i], &s, &err) != -EINVAL)
			fail_msg("'%s' is accepted", bad[i]);
		assert_non_null(strstr(err.text, "expected MODULE:FUNCTION(ARGUMENTS)"));
		assert_memory_equal(&s, &before, sizeof(s));
	}
}

static void too_many_functions_and_too_long_names_are_refused(void **state)
{
	char text[1024] = "m";
	struct err err = {};
	struct point_spec s;
	int i;

	(void)state;
	for (i = 0; i < POINT_SPEC_FUNCTIONS; i++)
		strcat(text, ":f(size=arg1)");
	assert_int_equal(points_parse_spec(text, &s, &err), 0);
	strcat(text, ":f(size=arg1)");
	assert_int_equal(points_parse_spec(text, &s, &err), -EINVAL);
	memset(text, 'x', POINT_NAME_BYTES);
	strcpy(text + POINT_NAME_BYTES, ":f(size=arg1)");
	assert_int_equal(points_parse_spec(text, &s, &err), -EINVAL);
	assert_int_equal(points_parse_spec(text + 1, &s, &err), 0);
}

static void a_specification_selects_by_file_name_or_by_being_the_executable(void **state)
{
	struct err err = {};
	struct point_spec s;

	(void)state;
	assert_int_equal(points_parse_spec("libfoo*.so*:f(size=arg1)", &s, &err), 0);
	assert_true(points_spec_matches(&s, "libfoo-2.so.1", false));
	assert_false(points_spec_matches(&s, "libbar.so", false));
	assert_int_equal(points_parse_spec("exe:f(size=arg1)", &s, &err), 0);
	assert_true(points_spec_matches(&s, "server", true));
	assert_false(points_spec_matches(&s, "exe", false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_sorted_so_that_every_row_is_found),
		cmocka_unit_test(every_row_fits_a_cookie_and_has_the_arguments_of_its_kind),
		cmocka_unit_test(the_c_functions_are_read_as_the_manual_says),
		cmocka_unit_test(prefixes_of_allocators_are_known),
		cmocka_unit_test(a_symbol_version_does_not_matter),
		cmocka_unit_test(names_that_only_look_alike_are_not_in_the_table),
		cmocka_unit_test(every_kind_of_cxx_operator_is_known),
		cmocka_unit_test(rust_shims_are_known_plain_and_mangled),
		cmocka_unit_test(the_arguments_of_a_call_become_bits),
		cmocka_unit_test(a_specification_names_module_and_functions),
		cmocka_unit_test(the_free_part_of_a_specification_is_optional),
		cmocka_unit_test(reallocations_and_out_parameters_can_be_specified),
		cmocka_unit_test(a_bad_specification_says_what_is_accepted_and_changes_nothing),
		cmocka_unit_test(too_many_functions_and_too_long_names_are_refused),
		cmocka_unit_test(a_specification_selects_by_file_name_or_by_being_the_executable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
