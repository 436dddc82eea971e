/* From the symbols of a file to attach points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "collect/module_code.h"
#include "collect/target.h"
#include "fake_elf.h"

/* test rdi,rdi; je +1; nop; ret: the site is at +3 */
#define TESTED "\x48\x85\xff\x74\x01\x90\xc3"
#define TESTED_LEN 7
/* push rbx; pop rbx; ret: the site is the entry */
#define PUSHED "\x53\x5b\xc3"
#define PUSHED_LEN 3

struct world {
	struct elf_file elf;
	struct target_module module;
	struct target_points points;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	fake_init(&w->elf);
	w->module = (struct target_module){ .file_name = "libtest.so", .fd = -1 };
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	target_done(&w->points);
	free(w);
	return 0;
}

static struct elf_symbol *add(struct world *w, const char *name)
{
	return fake_add(&w->elf, name, TESTED, TESTED_LEN);
}

static void examine(struct world *w)
{
	auto_close int fd = fake_fd(&w->elf);

	target_done(&w->points);
	w->module.fd = fd;
	assert_int_equal(target_examine(&w->elf, &w->module, &w->points), 0);
	assert_int_equal(!w->points.count, !!w->points.why_none);
}

/* The point of a function, or NULL. */
static const struct attach_point *find(const struct world *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->points.count; i++)
		if (strstr(w->points.point[i].name, name))
			return &w->points.point[i];
	return NULL;
}

static void a_point_has_its_place_in_the_file_and_its_cookie(void **state)
{
	struct world *w = *state;

	add(w, "malloc");
	add(w, "reallocarray");
	add(w, "free");
	examine(w);
	assert_int_equal(w->points.count, 3);
	assert_int_equal(find(w, "malloc")->file_offset, FAKE_OFFSET + 3);
	assert_int_equal(find(w, "malloc")->cookie,
			 MT_COOKIE(MT_FN_ALLOC, 1, 0, 0, 0) | MT_COOKIE_OUTER);
	assert_int_equal(find(w, "reallocarray")->file_offset, FAKE_OFFSET + 16 + 3);
	assert_int_equal(find(w, "reallocarray")->cookie,
			 MT_COOKIE(MT_FN_REALLOC, 3, 2, 1, 0) | MT_COOKIE_OUTER);
	assert_int_equal(find(w, "free")->cookie, MT_COOKIE(MT_FN_FREE, 0, 0, 1, 0));
	assert_true(find(w, "malloc")->wants_return);
	assert_false(find(w, "free")->wants_return);
}

static void bytes_pushed_before_the_site_are_in_the_cookie(void **state)
{
	struct world *w = *state;

	/* push rbx; push rbp; nop5; ret */
	fake_add(&w->elf, "free", "\x53\x55\x0f\x1f\x44\x00\x00\xc3", 8);
	w->module.nops = PROBE_NOPS_CALLED;
	examine(w);
	assert_int_equal(find(w, "free")->file_offset, FAKE_OFFSET + 2);
	assert_int_equal(MT_COOKIE_PUSHED(find(w, "free")->cookie), 2);
	assert_int_equal(find(w, "free")->site.cost, PROBE_COST_NOP5);
}

static void names_of_one_address_make_one_point(void **state)
{
	struct world *w = *state;
	struct elf_symbol *s = add(w, "free");

	fake_alias(&w->elf, "cfree", s);
	fake_alias(&w->elf, "free@@GLIBC_2.2.5", s);
	fake_alias(&w->elf, "__libc_free", s);
	examine(w);
	assert_int_equal(w->points.count, 1);
	assert_string_equal(w->points.point[0].name, "free/cfree/__libc_free");
	assert_int_equal(w->points.point[0].site.offset, 3);
}

static void names_that_want_different_readings_are_skipped_and_counted(void **state)
{
	struct world *w = *state;

	fake_alias(&w->elf, "aligned_alloc", add(w, "malloc"));
	add(w, "free");
	examine(w);
	assert_int_equal(w->points.count, 1);
	assert_int_equal(w->points.conflicts, 1);
	assert_non_null(find(w, "free"));
}

static void names_that_disagree_about_the_size_leave_it_unknown(void **state)
{
	struct world *w = *state;

	fake_alias(&w->elf, "cfree", add(w, "free"))->size = 3;
	examine(w);
	assert_int_equal(w->points.count, 1);
	assert_int_equal(w->points.point[0].site.offset, 0);
}

static void a_resolver_is_counted_and_not_probed(void **state)
{
	struct world *w = *state;

	add(w, "malloc")->ifunc = true;
	examine(w);
	assert_int_equal(w->points.count, 0);
	assert_int_equal(w->points.ifuncs, 1);
}

static void a_static_function_called_free_is_somebody_elses(void **state)
{
	struct world *w = *state;

	add(w, "free")->global = false;
	add(w, "je_free")->global = false;
	examine(w);
	assert_int_equal(w->points.count, 1);
	assert_string_equal(w->points.point[0].name, "je_free");
}

static void cxx_operators_count_only_beside_a_malloc_of_their_own(void **state)
{
	struct world *w = *state;

	add(w, "_Znwm");
	add(w, "_ZdlPv");
	examine(w);
	assert_int_equal(w->points.count, 0);
	assert_int_equal(w->points.delegating, 2);
	add(w, "malloc");
	examine(w);
	assert_int_equal(w->points.count, 3);
	assert_int_equal(w->points.delegating, 0);
}

static void cxx_operators_beside_a_libc_pass_through_malloc(void **state)
{
	struct world *w = *state;

	add(w, "_Znwm");
	add(w, "malloc");
	add(w, "gnu_get_libc_version");
	examine(w);
	assert_int_equal(w->points.count, 1);
	assert_int_equal(w->points.allocator, ALLOCATOR_GLIBC);
	assert_int_equal(w->points.delegating, 1);
	add(w, "mallctl");
	examine(w);
	assert_int_equal(w->points.allocator, ALLOCATOR_JEMALLOC);
	assert_int_equal(w->points.count, 2);
}

static void rust_shims_count_only_with_an_allocator_written_in_rust(void **state)
{
	struct world *w = *state;

	add(w, "_RNvCs1_7___rustc12___rust_alloc")->global = false;
	add(w, "__rust_dealloc");
	examine(w);
	assert_int_equal(w->points.count, 0);
	add(w, "_RNvCs1_7___rustc10___rg_alloc");
	examine(w);
	assert_int_equal(w->points.count, 2);
	assert_int_equal(w->points.allocator, ALLOCATOR_RUST);
	assert_non_null(find(w, "__rust_alloc"));
	add(w, "_rjem_mallocx");
	examine(w);
	assert_int_equal(w->points.count, 1);
	assert_int_equal(w->points.allocator, ALLOCATOR_JEMALLOC);
}

static void what_the_user_names_is_probed_as_he_says(void **state)
{
	struct world *w = *state;
	struct point_spec specs[2];
	struct err err = {};

	assert_int_equal(points_parse_spec("libt*.so:pool_get(size=arg2):malloc(size=arg3)",
					   &specs[0], &err),
			 0);
	assert_int_equal(points_parse_spec("exe:pool_put(ptr=arg2)", &specs[1], &err), 0);
	w->module.specs = specs;
	w->module.spec_count = 2;
	add(w, "pool_get")->global = false;
	add(w, "pool_put");
	fake_alias(&w->elf, "__libc_malloc", add(w, "malloc"));
	examine(w);
	assert_int_equal(w->points.count, 2);
	assert_int_equal(find(w, "pool_get")->cookie,
			 MT_COOKIE(MT_FN_ALLOC, 2, 0, 0, 0) | MT_COOKIE_OUTER);
	assert_int_equal(find(w, "malloc")->cookie,
			 MT_COOKIE(MT_FN_ALLOC, 3, 0, 0, 0) | MT_COOKIE_OUTER);
	assert_int_equal(w->points.conflicts, 0);
}

static void a_module_of_nothing_but_the_users_functions_is_custom(void **state)
{
	struct world *w = *state;
	struct point_spec spec;
	struct err err = {};

	assert_int_equal(points_parse_spec("libtest.so:get(size=arg1)", &spec, &err), 0);
	w->module.specs = &spec;
	w->module.spec_count = 1;
	add(w, "get");
	examine(w);
	assert_int_equal(w->points.allocator, ALLOCATOR_CUSTOM);
}

static void a_go_program_gets_no_points(void **state)
{
	struct world *w = *state;

	add(w, "malloc");
	add(w, "free");
	w->module.go = true;
	examine(w);
	assert_int_equal(w->points.count, 0);
	assert_int_equal(w->points.returnless, 2);
	assert_non_null(strstr(w->points.why_none, "Go"));
}

static void a_process_without_return_probes_gets_no_frees_alone(void **state)
{
	struct world *w = *state;

	add(w, "malloc"); /* its code is not proven: entry and return are needed */
	add(w, "realloc");
	add(w, "free");
	w->module.returnless = true;
	examine(w);
	assert_int_equal(w->points.count, 0);
	assert_int_equal(w->points.returnless, 1);
	assert_non_null(strstr(w->points.why_none, "return probes"));
}

static void thirty_two_bit_code_gets_no_points(void **state)
{
	struct world *w = *state;

	add(w, "malloc");
	w->elf.is_32 = true;
	examine(w);
	assert_int_equal(w->points.count, 0);
}

static void arm64_functions_are_probed_at_their_entry(void **state)
{
	struct world *w = *state;

	add(w, "free");
	w->elf.machine = EM_AARCH64;
	examine(w);
	assert_int_equal(w->points.count, 1);
	assert_int_equal(w->points.point[0].file_offset, FAKE_OFFSET);
}

static bool is_outer(const struct world *w, const char *name)
{
	return find(w, name)->cookie & MT_COOKIE_OUTER;
}

/* Those that it calls must not be sampled once more. */
static void an_entry_that_leads_to_another_allocation_is_marked(void **state)
{
	struct world *w = *state;

	fake_add(&w->elf, "malloc", PUSHED, PUSHED_LEN);
	fake_add(&w->elf, "calloc", "\x53\xe8\xea\xff\xff\xff\x5b\xc3", 8); /* calls malloc */
	fake_add(&w->elf, "valloc", "\x53\x5b\xe9\xd9\xff\xff\xff", 7);	    /* ends in malloc */
	fake_add(&w->elf, "realloc", "\x53\xff\xd0\x5b\xc3", 5);	    /* calls a hook */
	fake_add(&w->elf, "memalign", "\x53\xe8\x04\x00\x00\x00\x5b\xc3", 8)->size = 0;
	fake_add(&w->elf, "free", PUSHED, PUSHED_LEN);
	w->module.inside = true;
	examine(w);
	assert_false(is_outer(w, "malloc"));
	assert_true(is_outer(w, "calloc"));
	assert_true(is_outer(w, "valloc"));
	assert_false(is_outer(w, "realloc"));
	assert_true(is_outer(w, "memalign")); /* not known */
	assert_false(is_outer(w, "free"));
}

static void a_symbol_between_entry_and_site_means_the_entry(void **state)
{
	struct world *w = *state;

	fake_alias(&w->elf, "inner", add(w, "free"))->vaddr += 3;
	examine(w);
	assert_int_equal(w->points.point[0].site.offset, 0);
	assert_int_equal(w->points.point[0].file_offset, FAKE_OFFSET);
	w->elf.symbol[1].vaddr++;
	examine(w);
	assert_int_equal(w->points.point[0].site.offset, 3);
}

static void a_jump_from_another_function_means_the_entry(void **state)
{
	struct world *w = *state;

	add(w, "free");
	fake_add(&w->elf, "cold", "\xe9\xee\xff\xff\xff", 5); /* from +16 to +3 */
	examine(w);
	assert_int_equal(w->points.point[0].site.offset, 0);
	assert_int_equal(w->points.point[0].file_offset, FAKE_OFFSET);
	w->elf.text[17] = 0xeb; /* a call of the entry, as from anywhere */
	examine(w);
	assert_int_equal(w->points.point[0].site.offset, 3);
}

static void text_that_cannot_be_read_means_the_entry(void **state)
{
	struct world *w = *state;

	add(w, "free");
	fake_add(&w->elf, "malloc", PUSHED, PUSHED_LEN);
	assert_int_equal(target_examine(&w->elf, &w->module, &w->points), 0);
	assert_int_equal(w->points.count, 2);
	assert_int_equal(find(w, "free")->site.offset, 0);
	assert_int_equal(find(w, "free")->site.cost, PROBE_COST_STEPPED);
	assert_int_equal(find(w, "malloc")->site.cost, PROBE_COST_EMULATED);
}

static void a_broken_symbol_table_keeps_what_was_read(void **state)
{
	struct world *w = *state;

	add(w, "free");
	w->elf.broken = true;
	examine(w);
	assert_int_equal(w->points.count, 1);
	assert_true(w->points.incomplete);
	assert_int_equal(w->points.point[0].site.offset, 0); /* a symbol may have been missed */
}

static void a_function_without_code_is_counted(void **state)
{
	struct world *w = *state;

	add(w, "free")->vaddr = 1;
	add(w, "cfree")->vaddr = UINT64_MAX;
	add(w, "malloc");
	examine(w);
	assert_int_equal(w->points.count, 1);
	assert_int_equal(w->points.unreadable, 2);
	assert_string_equal(w->points.point[0].name, "malloc");
}

static void more_functions_than_the_limit_are_refused_and_counted(void **state)
{
	struct world *w = *state;
	struct elf_symbol *s = add(w, "free");
	size_t i;

	for (i = 1; i < TARGET_POINTS_MAX + 10; i++)
		fake_alias(&w->elf, "free", s)->vaddr += i;
	examine(w);
	assert_int_equal(w->points.count, TARGET_POINTS_MAX);
	assert_int_equal(w->points.refused, 10);
}

static void points_come_in_the_order_of_their_addresses(void **state)
{
	struct world *w = *state;
	struct elf_symbol *s = add(w, "free");
	size_t i;

	for (i = 1; i < 100; i++)
		fake_alias(&w->elf, "free", s)->vaddr += i * 37 % 101;
	examine(w);
	assert_int_equal(w->points.count, 100);
	for (i = 1; i < w->points.count; i++)
		assert_true(w->points.point[i - 1].file_offset -
				    w->points.point[i - 1].site.offset <
			    w->points.point[i].file_offset - w->points.point[i].site.offset);
}

static void the_allocator_is_told_by_symbols_then_by_file_name(void **state)
{
	static const struct {
		const char *file, *symbol;
		enum allocator allocator;
	} cases[] = {
		{ "libc.so.6", "malloc", ALLOCATOR_GLIBC },
		{ "ld-musl-x86_64.so.1", "malloc", ALLOCATOR_MUSL },
		{ "libjemalloc.so.2", "malloc", ALLOCATOR_JEMALLOC },
		{ "libmimalloc.so.2.0", "malloc", ALLOCATOR_MIMALLOC },
		{ "server", "_rjem_malloc", ALLOCATOR_JEMALLOC },
		{ "server", "tc_malloc", ALLOCATOR_TCMALLOC },
		{ "libc.so.6", "mi_malloc", ALLOCATOR_MIMALLOC },
		{ "server", "malloc", ALLOCATOR_UNKNOWN },
		{ "libc.so.6", "printf", ALLOCATOR_UNKNOWN }, /* no point, no allocator */
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_init(&w->elf);
		w->module.file_name = cases[i].file;
		add(w, cases[i].symbol);
		examine(w);
		if (w->points.allocator != cases[i].allocator)
			fail_msg("%s with %s: %s", cases[i].file, cases[i].symbol,
				 allocator_name(w->points.allocator));
	}
}

static void a_point_can_be_explained_in_one_line(void **state)
{
	struct world *w = *state;
	char line[256], cut[12];

	add(w, "free");
	fake_add(&w->elf, "malloc", PUSHED, PUSHED_LEN);
	examine(w);
	target_format_point(find(w, "free"), "libtest.so", line, sizeof(line));
	assert_string_equal(line, "libtest.so free: entry 'test rdi, rdi', probed at +3 "
				  "'je 0x10006', emulated, 0 bytes pushed (first instruction that "
				  "the kernel emulates; arguments still in place)");
	target_format_point(find(w, "malloc"), "libtest.so", line, sizeof(line));
	assert_string_equal(line, "libtest.so malloc +return: at the entry 'push rbx', emulated "
				  "(entry: already as cheap as it gets)");
	target_format_point(find(w, "malloc"), "libtest.so", cut, sizeof(cut));
	assert_string_equal(cut, "libtest.so ");
}

/* Callees are decoded again for each call: a hostile file has many calls of long functions. */
static void a_module_takes_no_more_work_than_it_is_worth(void **state)
{
	enum { CALLS = 20, NOPS = 100, WORK = CALLS * (1 + NOPS + 1) + 1 + MODULE_CODE_CALLEE };
	struct world *w = *state;
	uint8_t calls[CALLS * 5 + 1], nops[NOPS + 1];
	const struct elf_symbol *caller, *callee;
	struct module_code *m = NULL;
	uint64_t *none = calloc(1, sizeof(*none));

	memset(nops, 0x90, NOPS);
	nops[NOPS] = 0xc3;
	callee = fake_add(&w->elf, "callee", nops, sizeof(nops));
	for (size_t i = 0; i < CALLS; i++) {
		const int32_t to = (int32_t)(callee->vaddr - FAKE_BASE - w->elf.used - i * 5 - 5);

		calls[i * 5] = 0xe8;
		memcpy(&calls[i * 5 + 1], &to, 4);
	}
	calls[CALLS * 5] = 0xc3;
	caller = fake_add(&w->elf, "caller", calls, sizeof(calls));
	assert_int_equal(module_code_new(&w->elf, none, 0, &m), 0);
	m->function = calloc(1, sizeof(*m->function));
	m->function[m->functions++] =
		(struct cfi_range){ callee->vaddr, callee->vaddr + sizeof(nops) };
	assert_false(module_code_allocates(m, caller->vaddr, sizeof(calls)));
	assert_int_equal(m->work_left, MODULE_CODE_WORK - WORK);
	m->work_left = WORK - MODULE_CODE_CALLEE - 1; /* it is known by now */
	assert_true(module_code_allocates(m, caller->vaddr, sizeof(calls)));
	assert_int_equal(m->work_left, 0);
	assert_true(module_code_allocates(m, callee->vaddr, sizeof(nops)));
	module_code_freep(&m);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(a_point_has_its_place_in_the_file_and_its_cookie),
		test(a_module_takes_no_more_work_than_it_is_worth),
		test(bytes_pushed_before_the_site_are_in_the_cookie),
		test(names_of_one_address_make_one_point),
		test(names_that_want_different_readings_are_skipped_and_counted),
		test(names_that_disagree_about_the_size_leave_it_unknown),
		test(a_resolver_is_counted_and_not_probed),
		test(a_static_function_called_free_is_somebody_elses),
		test(cxx_operators_count_only_beside_a_malloc_of_their_own),
		test(cxx_operators_beside_a_libc_pass_through_malloc),
		test(rust_shims_count_only_with_an_allocator_written_in_rust),
		test(what_the_user_names_is_probed_as_he_says),
		test(a_module_of_nothing_but_the_users_functions_is_custom),
		test(a_go_program_gets_no_points),
		test(a_process_without_return_probes_gets_no_frees_alone),
		test(thirty_two_bit_code_gets_no_points),
		test(arm64_functions_are_probed_at_their_entry),
		test(an_entry_that_leads_to_another_allocation_is_marked),
		test(a_symbol_between_entry_and_site_means_the_entry),
		test(a_jump_from_another_function_means_the_entry),
		test(text_that_cannot_be_read_means_the_entry),
		test(a_broken_symbol_table_keeps_what_was_read),
		test(a_function_without_code_is_counted),
		test(more_functions_than_the_limit_are_refused_and_counted),
		test(points_come_in_the_order_of_their_addresses),
		test(the_allocator_is_told_by_symbols_then_by_file_name),
		test(a_point_can_be_explained_in_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
