/* Names are kept once and for good; answers are remembered within a limit. */
#include "symbol/symcache.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct symcache *new_cache(size_t name_bytes, size_t answers)
{
	struct symcache *c = NULL;

	assert_int_equal(symcache_new(name_bytes, answers, &c), 0);
	return c;
}

static void a_name_is_kept_once(void **state)
{
	struct symcache *c = new_cache(1000, 10);
	char text[] = "name";
	const char *first, *second;

	(void)state;
	assert_int_equal(symcache_keep(c, text, &first), 0);
	text[0] = 'x';
	assert_string_equal(first, "name");
	assert_int_equal(symcache_keep(c, "name", &second), 0);
	assert_ptr_equal(first, second);
	assert_int_equal(symcache_name_bytes(c), 5);
	symcache_free(c);
}

static void names_stay_where_they_are_while_the_table_grows(void **state)
{
	struct symcache *c = new_cache(1 << 20, 10);
	const char *kept[5000], *again;
	char text[16];

	(void)state;
	for (size_t i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "name%zu", i);
		assert_int_equal(symcache_keep(c, text, &kept[i]), 0);
	}
	for (size_t i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "name%zu", i);
		assert_string_equal(kept[i], text);
		assert_int_equal(symcache_keep(c, text, &again), 0);
		assert_ptr_equal(again, kept[i]);
	}
	symcache_free(c);
}

static void names_beyond_the_limit_are_refused(void **state)
{
	struct symcache *c = new_cache(10, 10);
	const char *name = "untouched";

	(void)state;
	assert_int_equal(symcache_keep(c, "12345678901234567890", &name), -ENOSPC);
	assert_string_equal(name, "untouched");
	assert_int_equal(symcache_keep(c, "123456789", &name), 0);
	assert_int_equal(symcache_keep(c, "", &name), -ENOSPC);
	assert_int_equal(symcache_keep(c, "123456789", &name), 0);
	symcache_free(c);
}

static void an_answer_is_found_for_its_file_and_address_only(void **state)
{
	struct symcache *c = new_cache(100, 10);
	const char *name, *found = "untouched";

	(void)state;
	assert_int_equal(symcache_keep(c, "f", &name), 0);
	assert_int_equal(symcache_add(c, 1, 0x10, name), 0);
	assert_false(symcache_find(c, 2, 0x10, &found));
	assert_false(symcache_find(c, 1, 0x11, &found));
	assert_string_equal(found, "untouched");
	assert_true(symcache_find(c, 1, 0x10, &found));
	assert_ptr_equal(found, name);
	symcache_free(c);
}

static void nobody_is_an_answer_too(void **state)
{
	struct symcache *c = new_cache(100, 10);
	const char *found = "x";

	(void)state;
	assert_int_equal(symcache_add(c, 0, 0, NULL), 0);
	assert_true(symcache_find(c, 0, 0, &found));
	assert_null(found);
	symcache_free(c);
}

static void answers_survive_growth(void **state)
{
	struct symcache *c = new_cache(100, 100000);
	const char *name, *found;
	size_t hits = 0;

	(void)state;
	assert_int_equal(symcache_keep(c, "f", &name), 0);
	for (uint64_t i = 0; i < 20000; i++)
		assert_int_equal(symcache_add(c, (uint32_t)(i % 7), i * 16, name), 0);
	for (uint64_t i = 0; i < 20000; i++)
		hits += symcache_find(c, (uint32_t)(i % 7), i * 16, &found);
	/* A crowded place may have cost a few. */
	assert_true(hits > 19900);
	symcache_free(c);
}

static void more_answers_than_the_limit_start_anew(void **state)
{
	struct symcache *c = new_cache(100, 4);
	const char *found;

	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(symcache_add(c, 0, i, NULL), 0);
	assert_false(symcache_find(c, 0, 0, &found));
	assert_true(symcache_find(c, 0, 4, &found));
	symcache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_kept_once),
		cmocka_unit_test(names_stay_where_they_are_while_the_table_grows),
		cmocka_unit_test(names_beyond_the_limit_are_refused),
		cmocka_unit_test(an_answer_is_found_for_its_file_and_address_only),
		cmocka_unit_test(nobody_is_an_answer_too),
		cmocka_unit_test(answers_survive_growth),
		cmocka_unit_test(more_answers_than_the_limit_start_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
