/* Which function covers an address, in made files where the answer is known. */
#include "symbol/symtable.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "elf_maker.h"
#include "sys/elf.h"

#define AT(n) (MADE_CODE_VADDR + (n))

/* Names of whoever covers vaddr, joined by commas; "" for nobody. */
static void expect(const struct made_elf *m, uint64_t vaddr, const char *names)
{
	struct symbol_ref ref[SYMTABLE_ALIASES];
	char found[512] = "", name[64];
	int fd = made_elf_fd(m);
	struct symtable *t = NULL;
	struct elf_file *f = NULL;
	size_t n;

	assert_int_equal(elf_open_fd(fd, &f, NULL), 0);
	assert_int_equal(symtable_build(f, NULL, 1 << 20, &t), 0);
	n = symtable_find(t, vaddr, ref);
	assert_true(n <= SYMTABLE_ALIASES);
	for (size_t i = 0; i < n; i++) {
		assert_true(elf_read_name(f, ref[i].dynamic, ref[i].name_ref, name, sizeof(name)) >
			    0);
		if (i > 0)
			strcat(found, ",");
		strcat(found, name);
	}
	assert_string_equal(found, names);
	symtable_free(t);
	elf_close(f);
	close(fd);
}

static size_t count_of(const struct made_elf *m)
{
	int fd = made_elf_fd(m);
	struct symtable *t;
	struct elf_file *f;
	size_t count;

	assert_int_equal(elf_open_fd(fd, &f, NULL), 0);
	assert_int_equal(symtable_build(f, NULL, 1 << 20, &t), 0);
	count = symtable_count(t);
	symtable_free(t);
	elf_close(f);
	close(fd);
	return count;
}

static void a_function_covers_its_bytes_and_no_more(void **state)
{
	static const struct made_symbol s[] = { { "one", AT(16), 16 }, { "two", AT(48), 16 } };
	struct made_elf m = { s, 2 };

	(void)state;
	expect(&m, AT(15), "");
	expect(&m, AT(16), "one");
	expect(&m, AT(31), "one");
	expect(&m, AT(32), "");
	expect(&m, AT(47), "");
	expect(&m, AT(63), "two");
	expect(&m, AT(64), "");
}

static void order_in_the_file_does_not_matter(void **state)
{
	static const struct made_symbol s[] = { { "c", AT(48), 16 },
						{ "a", AT(16), 16 },
						{ "b", AT(32), 16 } };
	struct made_elf m = { s, 3 };

	(void)state;
	expect(&m, AT(20), "a");
	expect(&m, AT(40), "b");
	expect(&m, AT(50), "c");
}

static void a_function_without_size_reaches_to_the_next(void **state)
{
	static const struct made_symbol s[] = { { "start", AT(16), 0 }, { "next", AT(64), 8 } };
	struct made_elf m = { s, 2 };

	(void)state;
	expect(&m, AT(15), "");
	expect(&m, AT(63), "start");
	expect(&m, AT(64), "next");
	expect(&m, AT(72), "");
}

static void a_function_without_size_ends_with_its_segment(void **state)
{
	static const struct made_symbol s[] = { { "last", AT(16), 0 } };
	struct made_elf m = { s, 1 };

	(void)state;
	expect(&m, AT(MADE_CODE_BYTES - 1), "last");
	expect(&m, AT(MADE_CODE_BYTES), "");
	expect(&m, UINT64_MAX, "");
	expect(&m, 0, "");
}

static void a_label_inside_does_not_hide_the_function(void **state)
{
	static const struct made_symbol s[] = { { "outer", AT(0), 100 },
						{ "label", AT(10), 0 },
						{ "inner", AT(40), 10 } };
	struct made_elf m = { s, 3 };

	(void)state;
	expect(&m, AT(20), "outer");
	expect(&m, AT(45), "inner");
	expect(&m, AT(60), "outer");
	expect(&m, AT(100), "");
}

static void of_one_address_sized_beats_global_beats_local(void **state)
{
	static const struct made_symbol sized[] = { { "bare", AT(0), 0 },
						    { "sized", AT(0), 8, STB_LOCAL, STT_FUNC } };
	static const struct made_symbol bind[] = { { "own", AT(0), 8, STB_LOCAL, STT_FUNC },
						   { "shared", AT(0), 8 } };
	struct made_elf m = { sized, 2 }, n = { bind, 2 };

	(void)state;
	expect(&m, AT(4), "sized");
	expect(&n, AT(4), "shared");
}

static void aliases_of_different_size_cover_their_own(void **state)
{
	static const struct made_symbol s[] = { { "a", AT(0), 8 }, { "b", AT(0), 16 } };
	struct made_elf m = { s, 2 };

	(void)state;
	expect(&m, AT(4), "b,a");
	expect(&m, AT(12), "b");
}

static void equal_aliases_are_all_told_within_a_limit(void **state)
{
	static const struct made_symbol s[] = {
		{ "a", AT(0), 8 }, { "b", AT(0), 8 }, { "c", AT(0), 8 }, { "d", AT(0), 8 },
		{ "e", AT(0), 8 }, { "f", AT(0), 8 }, { "g", AT(0), 8 }, { "h", AT(0), 8 },
		{ "i", AT(0), 8 }, { "j", AT(0), 8 },
	};
	struct made_elf two = { s, 2 }, ten = { s, 10 };

	(void)state;
	expect(&two, AT(0), "a,b");
	expect(&ten, AT(7), "a,b,c,d,e,f,g,h");
	assert_int_equal(count_of(&ten), SYMTABLE_ALIASES);
}

static void functions_outside_of_code_are_left_out(void **state)
{
	static const struct made_symbol s[] = { { "far", AT(MADE_CODE_BYTES), 8 },
						{ "near", AT(0), 8 },
						{ "below", 16, 8 } };
	struct made_elf m = { s, 3 };

	(void)state;
	assert_int_equal(count_of(&m), 1);
}

static void a_size_beyond_everything_covers_to_the_end(void **state)
{
	static const struct made_symbol s[] = { { "huge", AT(0), UINT64_MAX / 2 },
						{ "small", AT(64), 8 } };
	struct made_elf m = { s, 2 };

	(void)state;
	expect(&m, AT(MADE_CODE_BYTES - 1), "huge");
	expect(&m, AT(64), "small");
}

static void a_table_above_its_limit_is_refused(void **state)
{
	static const struct made_symbol s[] = { { "a", AT(0), 8 }, { "b", AT(8), 8 } };
	struct made_elf m = { s, 2 };
	int fd = made_elf_fd(&m);
	struct symtable *t = (struct symtable *)state;
	struct elf_file *f;

	assert_int_equal(elf_open_fd(fd, &f, NULL), 0);
	assert_int_equal(symtable_build(f, NULL, 23, &t), -EFBIG);
	assert_ptr_equal(t, state);
	assert_int_equal(symtable_build(f, NULL, 24, &t), 0);
	symtable_free(t);
	elf_close(f);
	close(fd);
}

static void a_file_without_symbols_covers_nothing(void **state)
{
	struct made_elf m = {};

	(void)state;
	expect(&m, AT(0), "");
}

/* The plain definition, over random overlapping functions, against the table. */
static void random_tables_agree_with_the_definition(void **state)
{
	static char names[40][8];
	struct made_symbol s[40];
	struct made_elf m = { s, 40 };
	const struct made_symbol *best;
	uint64_t at;

	(void)state;
	srandom(99);
	for (size_t round = 0; round < 60; round++) {
		for (size_t i = 0; i < 40; i++) {
			snprintf(names[i], sizeof(names[i]), "f%zu", i);
			s[i] = (struct made_symbol){ names[i], AT(i * 64 + random() % 64),
						     1 + random() % 200 };
		}
		for (size_t k = 0; k < 20; k++) {
			best = NULL;
			at = AT(random() % 2700);
			for (size_t i = 0; i < 40; i++)
				if (at - s[i].vaddr < s[i].size)
					best = &s[i];
			expect(&m, at, best ? best->name : "");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_covers_its_bytes_and_no_more),
		cmocka_unit_test(order_in_the_file_does_not_matter),
		cmocka_unit_test(a_function_without_size_reaches_to_the_next),
		cmocka_unit_test(a_function_without_size_ends_with_its_segment),
		cmocka_unit_test(a_label_inside_does_not_hide_the_function),
		cmocka_unit_test(of_one_address_sized_beats_global_beats_local),
		cmocka_unit_test(aliases_of_different_size_cover_their_own),
		cmocka_unit_test(equal_aliases_are_all_told_within_a_limit),
		cmocka_unit_test(functions_outside_of_code_are_left_out),
		cmocka_unit_test(a_size_beyond_everything_covers_to_the_end),
		cmocka_unit_test(a_table_above_its_limit_is_refused),
		cmocka_unit_test(a_file_without_symbols_covers_nothing),
		cmocka_unit_test(random_tables_agree_with_the_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
