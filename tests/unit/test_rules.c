/* Rules: the built-in ones as file and as table, what is refused and where, what overrides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "analyse/attrib.h"
#include "analyse/plumbing.h"
#include "analyse/rules.h"
#include "base/err.h"

/* Relative to the top of the project, where tests run. */
static size_t read_shipped(char *buf, size_t size)
{
	FILE *f = fopen("src/analyse/memtrace.rules", "r");
	size_t n = f ? fread(buf, 1, size, f) : 0;

	if (f)
		fclose(f);
	return n;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static void the_file_that_is_installed_says_what_is_built_in(void **state)
{
	static char text[RULES_MAX_BYTES];
	size_t len = read_shipped(text, sizeof(text)), count, i;
	const struct rule *builtin = rules_builtin(&count);
	struct rules *rules = NULL;
	struct err e = {};
	int r = rules_parse(text, len, "shipped", &rules, &e);

	(void)state;
	if (r == -ENOMEM)
		return; /* allocations fail in turn */
	assert_string_equal(e.text, "");
	assert_int_equal(r, 0);
	assert_true(count > 400);
	assert_int_equal(rules->count, count);
	for (i = 0; i < count; i++) {
		const struct rule *a = &rules->list[i], *b = &builtin[i];

		assert_int_equal(a->what, b->what);
		assert_int_equal(a->kind, b->kind);
		assert_int_equal(a->line, b->line);
		assert_string_equal(a->module, b->module);
		assert_true(same_text(a->symbol, b->symbol));
		assert_true(a->confidence == b->confidence);
	}
	rules_free(rules);
}

static int parse(const char *text, struct rules **ret, struct err *e)
{
	*e = (struct err){};
	return rules_parse(text, strlen(text), "my.rules", ret, e);
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
	static const char *const wrong[][2] = {
		{ "\n\ndatabse libpq\n",
		  "my.rules:3: not a word that a rule begins with: 'databse'" },
		{ "database", "my.rules:1: no pattern of a file name behind 'database'" },
		{ "database libpq PQ* more", "my.rules:1: not understood: 'more'" },
		{ "database libpq a b c d e", "my.rules:1: too many words, from 'd'" },
		{ "image * \"open",
		  "my.rules:1: a \" without its end, or with something behind it" },
		{ "image * \"a\"b",
		  "my.rules:1: a \" without its end, or with something behind it" },
		{ "image *", "my.rules:1: a rule for all files needs the name of a function" },
		{ "wrapper libx", "my.rules:1: no name of a function behind 'libx'" },
		{ "c-library libx f",
		  "my.rules:1: a whole library, without the name of a function: 'f'" },
		{ "wrapper * f kind=memory",
		  "my.rules:1: not database, crypto, network, compression, "
		  "image or other: 'memory'" },
		{ "crypto libx kind=image", "my.rules:1: kind= is for wrappers, not for 'crypto'" },
		{ "crypto libx confidence=2", "my.rules:1: not a number above 0 and up to 1: '2'" },
		{ "crypto libx confidence=nan",
		  "my.rules:1: not a number above 0 and up to 1: 'nan'" },
		{ "crypto \"\"", "my.rules:1: an empty pattern" },
		{ "crypto lib\x01", "my.rules:1: a control character in a pattern" },
	};
	struct rules *rules = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int r = parse(wrong[i][0], &rules, &e);

		if (r == -ENOMEM)
			continue;
		assert_string_equal(e.text, wrong[i][1]);
		assert_int_equal(r, -EINVAL);
		assert_null(rules);
	}
}

static void too_much_is_refused(void **state)
{
	size_t len = RULES_MAX_BYTES + 1, n = 0;
	char *text = test_malloc(len);
	struct rules *rules = NULL;
	struct err e = {};
	int r;

	(void)state;
	memset(text, '#', len);
	r = rules_parse(text, len, "x", &rules, &e);
	assert_true(r == -E2BIG || r == -ENOMEM);
	memset(text, '\n', len);
	while (n < RULES_MAX + 1)
		memcpy(text + 12 * n++, "\nimage libx\n", 12);
	r = rules_parse(text, len - 1, "x", &rules, &e);
	assert_true(r == -E2BIG || r == -ENOMEM);
	memset(text, 'x', 400);
	memcpy(text, "image ", 6);
	r = rules_parse(text, 400, "x", &rules, &e);
	assert_true(r == -EINVAL || r == -ENOMEM);
	r = rules_parse("image a\0b c", 11, "x", &rules, &e);
	assert_true(r == -EINVAL || r == -ENOMEM);
	assert_null(rules);
	test_free(text);
}

static const struct snap_module program = { .name = "server", .main_exe = true };
static const struct snap_module libpq = { .name = "libpq.so.5.15" };
static const struct snap_module acme = { .name = "libacme-2.so" };

static void a_users_rules_are_tried_first(void **state)
{
	static const char text[] = "# mine\r\n"
				   "other    libpq\n"
				   "  image  libacme  confidence=0.5  # said on good grounds\n"
				   "owner    *        g_malloc*\n"
				   "wrapper  server*  \"my alloc*\" kind=database\n"
				   "c-library libacme-2.so";
	struct rules *rules = NULL;
	const struct rule *rule;
	struct err e;
	int r = parse(text, &rules, &e);

	(void)state;
	if (r == -ENOMEM)
		return;
	assert_int_equal(r, 0);
	assert_int_equal(attrib_find_kind(NULL, "libpq.so.5"), MODULE_DATABASE);
	assert_int_equal(attrib_find_kind(rules, "libpq.so.5"), MODULE_OTHER);
	assert_int_equal(attrib_find_kind(rules, "libacme-2.so"), MODULE_IMAGE);
	assert_int_equal(attrib_find_kind(rules, "libz.so.1"), MODULE_COMPRESSION);
	assert_int_equal(plumbing_find(NULL, &libpq, "g_malloc0", false, NULL), PLUMBING_WRAPPER);
	assert_int_equal(plumbing_find(rules, &libpq, "g_malloc0", false, NULL), PLUMBING_NONE);
	assert_int_equal(plumbing_find(rules, &acme, "f", false, NULL), PLUMBING_RUNTIME);
	assert_int_equal(plumbing_find(rules, &program, "malloc", false, NULL), PLUMBING_ALLOCATOR);
	assert_int_equal(plumbing_find(rules, &program, "my alloc2(int)", false, &rule),
			 PLUMBING_NONE); /* a return type, and then alloc2 */
	rule = plumbing_find_kind(rules, &acme, NULL);
	assert_int_equal(rule->line, 3);
	assert_true(rule->confidence == 0.5);
	rules_free(rules);
}

static void every_word_has_a_name(void **state)
{
	(void)state;
	for (enum rule_what what = 1; what < RULE_WHATS; what++)
		assert_int_equal(rules_find_what(rules_what_name(what)), what);
	assert_int_equal(rules_find_what("none"), RULE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_that_is_installed_says_what_is_built_in),
		cmocka_unit_test(what_is_wrong_is_told_with_its_line),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(a_users_rules_are_tried_first),
		cmocka_unit_test(every_word_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
