/* Go's counters among words: found by their sums, refused when they do not add up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/go_counters.h"

#define MB (1ull << 20)
#define MAPPED (112 * MB)
#define AT 38

/* In use 28 MB, given back 84 MB less stacks of 224 KiB; as a real program had them. */
static void world(uint64_t words[64])
{
	memset(words, 0, 64 * sizeof(*words));
	words[30] = 69303;
	words[33] = 8589934592;
	words[35] = 4582770278511158565;
	words[AT] = 29097984;
	words[AT + 1] = 88080384;
	words[AT + 2] = 32768;
	words[AT + 3] = 114876112;
	words[AT + 4] = 86100304;
	words[AT + 5] = 40683552;
}

static void counters_are_found_by_what_they_add_up_to(void **state)
{
	struct go_counters c;
	uint64_t words[64];
	size_t at;

	(void)state;
	world(words);
	assert_int_equal(go_counters_find(words, 64, MAPPED, &at), 0);
	assert_int_equal(at, AT);
	assert_int_equal(go_counters_check(words + at, MAPPED, &c), 0);
	assert_int_equal(c.released, 88080384);
	assert_int_equal(c.allocated - c.freed, 28775808);
}

static void what_does_not_add_up_is_refused(void **state)
{
	static const struct {
		int at;
		uint64_t word;
	} lie[] = {
		{ 0, 0 },
		{ 0, 29097985 },	  /* not of whole pages */
		{ 0, 200 * MB },	  /* more than there is */
		{ 1, UINT64_MAX - 8191 }, /* a sum that wraps */
		{ 1, 8 * MB },		  /* most of the mapped memory is something else */
		{ 3, 86100303 },	  /* more freed than allocated */
		{ 3, 186100304 },	  /* more held than in use */
		{ 5, 8 * MB },		  /* less ready than is mapped */
		{ 5, 1ull << 40 },
	};
	struct go_counters c;
	uint64_t words[64];
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(lie) / sizeof(lie[0]); i++) {
		world(words);
		words[AT + lie[i].at] = lie[i].word;
		assert_int_equal(go_counters_check(words + AT, MAPPED, &c), -EAGAIN);
		assert_int_equal(go_counters_find(words, 64, MAPPED, &at), -ENOENT);
	}
	world(words);
	assert_int_equal(go_counters_find(words, AT + GO_COUNTERS - 1, MAPPED, &at), -ENOENT);
	assert_int_equal(go_counters_find(words, 64, 0, &at), -ENOENT);
}

static void two_places_are_none(void **state)
{
	uint64_t words[64];
	size_t at;

	(void)state;
	world(words);
	memcpy(words, words + AT, GO_COUNTERS * sizeof(*words));
	assert_int_equal(go_counters_find(words, 64, MAPPED, &at), -EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_are_found_by_what_they_add_up_to),
		cmocka_unit_test(what_does_not_add_up_is_refused),
		cmocka_unit_test(two_places_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
