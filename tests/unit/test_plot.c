/* plot: dots where the points are, a line where the shape is, and nothing hostile gets through. */
#include "report/plot.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"

#define COLUMNS 40
#define ROWS 6
#define LABEL 11

static struct strbuf drawn(const double *t, const double *v, size_t n, const struct shape *shape)
{
	const struct snap_series s = { t, v, n };
	const struct ink ink = text_ink(false);
	struct strbuf b = {};

	plot_add(&b, &ink, &s, shape, COLUMNS, ROWS);
	assert_int_equal(b.error, 0);
	return b;
}

/* The bits of the character in a row and column of the picture; -1: the line of the shape. */
static int cell(const char *text, size_t row, size_t column)
{
	const unsigned char *p;

	for (; row && strchr(text, '\n'); row--)
		text = strchr(text, '\n') + 1;
	for (column += LABEL; column && *text && *text != '\n'; column--)
		for (text++; ((unsigned char)*text & 0xc0) == 0x80; text++)
			;
	p = (const unsigned char *)text;
	if (p[0] != 0xe2)
		return 0;
	return p[1] >= 0xa0 ? (p[1] & 3) << 6 | (p[2] & 0x3f) : -1;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void a_line_goes_from_the_lower_left_to_the_upper_right(void **state)
{
	auto_strbuf struct strbuf b = {};
	double t[100], v[100];

	(void)state;
	for (int i = 0; i < 100; i++) {
		t[i] = i;
		v[i] = 1e6 + 10000 * i;
	}
	b = drawn(t, v, 100, NULL);
	assert_int_equal(count_lines(strbuf_text(&b)), ROWS + 1);
	assert_true(cell(strbuf_text(&b), ROWS - 1, 0) > 0);
	assert_true(cell(strbuf_text(&b), 0, COLUMNS - LABEL - 1) > 0);
	assert_int_equal(cell(strbuf_text(&b), 0, 0), 0);
	assert_int_equal(cell(strbuf_text(&b), ROWS - 1, COLUMNS - LABEL - 1), 0);
	assert_non_null(strstr(strbuf_text(&b), "2.0 MB"));
	assert_non_null(strstr(strbuf_text(&b), "1.0 MB"));
	assert_non_null(strstr(strbuf_text(&b), "0 s"));
	assert_non_null(strstr(strbuf_text(&b), "1 min 39 s"));
}

static void no_line_is_wider_than_asked_for(void **state)
{
	const double t[] = { 0, 1, 2, 1e9 }, v[] = { 0, -1e300, 1e300, 5 };
	const struct snap_series s = { t, v, 4 };
	const size_t asked[] = { 0, 32, 33, 72, 160, 100000 };
	const struct ink ink = text_ink(false);

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		size_t most = asked[i] < 32 ? 32 : asked[i] > 160 ? 160 : asked[i];
		auto_strbuf struct strbuf b = {};
		char *line, *rest = NULL;

		plot_add(&b, &ink, &s, NULL, asked[i], 1000);
		assert_int_equal(count_lines(strbuf_text(&b)), PLOT_ROWS_MAX + 1);
		assert_int_equal(b.error, 0);
		for (line = strtok_r(b.text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			assert_in_range(text_columns(line), 1, most);
	}
}

static void a_flat_series_lies_in_the_middle(void **state)
{
	const double t[] = { 0, 1, 2, 3 }, v[] = { 5e6, 5e6, 5e6, 5e6 };
	auto_strbuf struct strbuf b = drawn(t, v, 4, NULL);

	(void)state;
	for (size_t x = 0; x < COLUMNS - LABEL; x++) {
		assert_int_equal(cell(strbuf_text(&b), 0, x), 0);
		assert_int_equal(cell(strbuf_text(&b), ROWS - 1, x), 0);
		assert_true(cell(strbuf_text(&b), ROWS / 2 - 1, x) ||
			    cell(strbuf_text(&b), ROWS / 2, x));
	}
}

/* A gap is bridged: no column is empty between two points. */
static void every_column_between_two_points_has_a_dot(void **state)
{
	const double t[] = { 0, 10 }, v[] = { 0, 1e6 };
	auto_strbuf struct strbuf b = drawn(t, v, 2, NULL);

	(void)state;
	for (size_t x = 0; x < COLUMNS - LABEL; x++) {
		int found = 0;

		for (size_t row = 0; row < ROWS; row++)
			found |= cell(strbuf_text(&b), row, x) > 0;
		assert_true(found);
	}
}

static void the_shape_is_drawn_where_it_was_judged_and_no_point_stands(void **state)
{
	struct shape shape = { .pattern = PATTERN_LINEAR, .start_s = 50, .end_s = 99 };
	auto_strbuf struct strbuf b = {}, plain = {};
	double t[100], v[100];
	size_t lines = 0, plain_lines = 0;

	(void)state;
	shape.fit.kind = FIT_LINE;
	shape.fit.a = 2.5e5;
	for (int i = 0; i < 100; i++) {
		t[i] = i;
		v[i] = i % 2 ? 0 : 1e4;
	}
	v[0] = 1e6;
	b = drawn(t, v, 100, &shape);
	shape.pattern = PATTERN_NONE;
	plain = drawn(t, v, 100, &shape);
	for (size_t row = 0; row < ROWS; row++)
		for (size_t x = 0; x < COLUMNS - LABEL; x++) {
			lines += cell(strbuf_text(&b), row, x) == -1;
			assert_true(cell(strbuf_text(&b), row, x) != -1 || row == ROWS - 2);
			plain_lines += cell(strbuf_text(&plain), row, x) == -1;
			assert_true(cell(strbuf_text(&b), row, x) != -1 ||
				    x >= (COLUMNS - LABEL) / 2 - 1);
		}
	assert_in_range(lines, (COLUMNS - LABEL) / 2 - 2, (COLUMNS - LABEL) / 2 + 1);
	assert_int_equal(plain_lines, 0);
}

static void what_cannot_be_drawn_is_not(void **state)
{
	const double same[] = { 1, 1, 1 }, none[] = { NAN, INFINITY, NAN }, some[] = { 1, 2, 3 };
	const double *const cases[][2] = { { same, some }, { none, some }, { some, none } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		auto_strbuf struct strbuf b = drawn(cases[i][0], cases[i][1], 3, NULL);

		assert_string_equal(strbuf_text(&b), "");
	}
	for (size_t n = 0; n < 2; n++) {
		auto_strbuf struct strbuf b = drawn(some, some, n, NULL);

		assert_string_equal(strbuf_text(&b), "");
	}
}

static void numbers_at_the_ends_of_their_range_are_drawn(void **state)
{
	const double t[] = { 0, 1, 2, 3, 4 };
	const double cases[][5] = {
		{ -DBL_MAX, DBL_MAX, 0, NAN, 1 },
		{ DBL_MAX, DBL_MAX, DBL_MAX, DBL_MAX, DBL_MAX },
		{ -DBL_MAX, -DBL_MAX, -DBL_MAX, -DBL_MAX, -DBL_MAX },
		{ 0, DBL_MIN, -DBL_MIN, 0, 0 },
		{ DBL_TRUE_MIN, 0, 0, 0, 0 },
		{ 1e300, 1e300 + 1e284, 1e300, 1e300, 1e300 },
	};
	const double wide[] = { -DBL_MAX, -1, 0, 1, DBL_MAX };

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		auto_strbuf struct strbuf b = drawn(t, cases[i], 5, NULL);

		assert_int_equal(count_lines(strbuf_text(&b)), ROWS + 1);
	}
	auto_strbuf struct strbuf b = drawn(wide, t, 5, NULL);

	assert_int_equal(count_lines(strbuf_text(&b)), ROWS + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_goes_from_the_lower_left_to_the_upper_right),
		cmocka_unit_test(no_line_is_wider_than_asked_for),
		cmocka_unit_test(a_flat_series_lies_in_the_middle),
		cmocka_unit_test(every_column_between_two_points_has_a_dot),
		cmocka_unit_test(the_shape_is_drawn_where_it_was_judged_and_no_point_stands),
		cmocka_unit_test(what_cannot_be_drawn_is_not),
		cmocka_unit_test(numbers_at_the_ends_of_their_range_are_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
