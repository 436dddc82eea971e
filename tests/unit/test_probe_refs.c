/* Finding references into the first bytes of a function, anywhere in a module's text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "collect/probe_refs.h"

#define BASE 0x400000u /* address of the text */
#define OFFSET 0x1000u /* of the text in the file */
#define SIZE 200000u   /* several windows */
#define TARGET (BASE + 100)

static uint8_t *new_text(void)
{
	uint8_t *text = malloc(SIZE);

	assert_non_null(text);
	memset(text, 0x90, SIZE);
	return text;
}

static void put_rel32(uint8_t *text, size_t at, uint64_t target)
{
	int32_t rel = (int32_t)(target - (BASE + at + 4));

	memcpy(text + at, &rel, sizeof(rel));
}

static int mark(const uint8_t *text, size_t in_file, struct probe_range *range, size_t n)
{
	struct module_fact m = { .segment_count = 1, .segment = { { OFFSET, BASE, SIZE } } };
	auto_close int fd = memfd_create("text", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, in_file, OFFSET), in_file);
	return probe_refs_mark(fd, &m, range, n);
}

/* Whether [TARGET, TARGET] is marked in this text. */
static bool is_marked(const uint8_t *text)
{
	struct probe_range range = { TARGET, TARGET, false };

	assert_int_equal(mark(text, SIZE, &range, 1), 0);
	return range.referenced;
}

static void jumps_calls_and_lea_are_seen(void **state)
{
	static const struct {
		uint8_t len;
		uint8_t bytes[3];
	} forms[] = {
		{ 1, { 0xe9 } },
		{ 1, { 0xe8 } },
		{ 2, { 0x0f, 0x84 } },
		{ 2, { 0xc7, 0xf8 } },
		{ 3, { 0x48, 0x8d, 0x05 } },
		{ 3, { 0x4c, 0x8d, 0x3d } },
		{ 2, { 0x8d, 0x35 } },
	};
	auto_free uint8_t *text = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		free(text);
		text = new_text();
		memcpy(text + 5000, forms[i].bytes, forms[i].len);
		put_rel32(text, 5000 + forms[i].len, TARGET);
		assert_true(is_marked(text));
		put_rel32(text, 5000 + forms[i].len, TARGET - 1);
		assert_false(is_marked(text));
		put_rel32(text, 5000 + forms[i].len, TARGET + 1);
		assert_false(is_marked(text));
	}
}

static void a_jump_at_any_place_is_seen(void **state)
{
	auto_free uint8_t *text = new_text();
	size_t edges[] = { 0, 60000, 65536, 130800, SIZE - 5 }, i, at;

	(void)state;
	for (i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		for (at = edges[i]; at < edges[i] + 200 && at + 5 <= SIZE; at += 7) {
			text[at] = 0xe9;
			put_rel32(text, at + 1, TARGET);
			assert_true(is_marked(text));
			memset(text + at, 0x90, 5);
		}
	}
	assert_false(is_marked(text));
}

static void the_edge_between_two_windows_hides_nothing(void **state)
{
	auto_free uint8_t *text = new_text();
	size_t at;

	(void)state;
	for (at = 65536 - 120; at < 65536 + 10; at++) {
		text[at] = 0x0f;
		text[at + 1] = 0x8c;
		put_rel32(text, at + 2, TARGET);
		assert_true(is_marked(text));
		memset(text + at, 0x90, 6);
	}
}

static void bytes_that_only_look_like_a_jump_are_told_apart(void **state)
{
	/* mov ecx,ebp; mov esi,0: from the second byte on it would be jmp +0xbe */
	static const uint8_t code[] = { 0x89, 0xe9, 0xbe, 0, 0, 0, 0 };
	struct probe_range range = { BASE + 5006 + 0xbe, BASE + 5006 + 0xbe, false };
	auto_free uint8_t *text = new_text();

	(void)state;
	memcpy(text + 5000, code, sizeof(code));
	assert_int_equal(mark(text, SIZE, &range, 1), 0);
	assert_false(range.referenced);
	text[5000] = 0x90; /* now it is a jump */
	assert_int_equal(mark(text, SIZE, &range, 1), 0);
	assert_true(range.referenced);
}

static void a_short_instruction_that_ends_where_the_jump_would_is_told_apart(void **state)
{
	/* mov ecx,ebp; nop; nop; add [rax],al: from the second byte on it would be jmp +0x9090 */
	static const uint8_t code[] = { 0x89, 0xe9, 0x90, 0x90, 0, 0 };
	struct probe_range range = { BASE + 5006 + 0x9090, BASE + 5006 + 0x9090, false };
	auto_free uint8_t *text = new_text();

	(void)state;
	memcpy(text + 5000, code, sizeof(code));
	assert_int_equal(mark(text, SIZE, &range, 1), 0);
	assert_false(range.referenced);
}

static void only_so_many_bytes_are_decoded_for_what_they_look_like(void **state)
{
	auto_free uint8_t *text = new_text();
	struct probe_range range = { TARGET, TARGET, false };
	size_t n = 0;

	(void)state;
	/* mov rax,imm64: in the immediate value, call TARGET */
	for (size_t at = 5000; n < 10000; at += 10, n++) {
		memcpy(text + at, "\x48\xb8\xe8", 3);
		put_rel32(text, at + 3, TARGET);
	}
	assert_int_equal(mark(text, SIZE, &range, 1), 0);
	assert_false(range.referenced);
	memcpy(text + 5000 + n * 10, "\x48\xb8\xe8", 3);
	put_rel32(text, 5000 + n * 10 + 3, TARGET);
	assert_int_equal(mark(text, SIZE, &range, 1), -E2BIG);
	text[1000] = 0xe8; /* of what is known to be referred to nothing more is looked at */
	put_rel32(text, 1001, TARGET);
	assert_int_equal(mark(text, SIZE, &range, 1), 0);
	assert_true(range.referenced);
}

static void text_that_cannot_be_decoded_counts_as_a_reference(void **state)
{
	auto_free uint8_t *text = new_text();

	(void)state;
	memset(text + 4900, 0x06, 100); /* no instruction in 64-bit code */
	text[5000] = 0xe9;
	put_rel32(text, 5001, TARGET);
	assert_true(is_marked(text));
}

static void each_range_is_marked_for_itself(void **state)
{
	auto_free uint8_t *text = new_text();
	struct probe_range range[] = {
		{ BASE + 1, BASE + 9, false },
		{ BASE + 90, BASE + 110, false },
		{ BASE + 150000, BASE + 150003, false },
	};

	(void)state;
	text[5000] = 0xe9;
	put_rel32(text, 5001, TARGET);
	text[90000] = 0xe8;
	put_rel32(text, 90001, BASE + 150003);
	assert_int_equal(mark(text, SIZE, range, 3), 0);
	assert_false(range[0].referenced);
	assert_true(range[1].referenced);
	assert_true(range[2].referenced);
}

static void text_that_is_not_all_there_is_an_error(void **state)
{
	auto_free uint8_t *text = new_text();
	struct module_fact m = { .segment_count = 1, .segment = { { OFFSET, BASE, SIZE } } };
	struct probe_range range = { TARGET, TARGET, false };

	(void)state;
	assert_true(mark(text, SIZE - 1, &range, 1) < 0);
	assert_true(probe_refs_mark(-1, &m, &range, 1) < 0);
	m.segment[0].size = UINT64_MAX;
	assert_true(probe_refs_mark(-1, &m, &range, 1) < 0);
	m.segment_count = MODULE_SEGMENTS;
	assert_true(probe_refs_mark(-1, &m, &range, 1) < 0);
	m.segment_count = 0;
	assert_int_equal(probe_refs_mark(-1, &m, &range, 1), 0);
	assert_false(range.referenced);
}

static void text_of_a_few_bytes_is_survived(void **state)
{
	struct module_fact m = { .segment_count = 1, .segment = { { 0, BASE, 0 } } };
	auto_close int fd = memfd_create("text", MFD_CLOEXEC);
	struct probe_range range = { BASE, BASE + 8, false };

	(void)state;
	assert_int_equal(pwrite(fd, "\xe9\xfb\xff\xff\xff", 5, 0), 5);
	for (; m.segment[0].size < 5; m.segment[0].size++) {
		assert_int_equal(probe_refs_mark(fd, &m, &range, 1), 0);
		assert_false(range.referenced);
	}
	assert_int_equal(probe_refs_mark(fd, &m, &range, 1), 0);
	assert_true(range.referenced);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jumps_calls_and_lea_are_seen),
		cmocka_unit_test(a_jump_at_any_place_is_seen),
		cmocka_unit_test(the_edge_between_two_windows_hides_nothing),
		cmocka_unit_test(bytes_that_only_look_like_a_jump_are_told_apart),
		cmocka_unit_test(a_short_instruction_that_ends_where_the_jump_would_is_told_apart),
		cmocka_unit_test(only_so_many_bytes_are_decoded_for_what_they_look_like),
		cmocka_unit_test(text_that_cannot_be_decoded_counts_as_a_reference),
		cmocka_unit_test(each_range_is_marked_for_itself),
		cmocka_unit_test(text_that_is_not_all_there_is_an_error),
		cmocka_unit_test(text_of_a_few_bytes_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
