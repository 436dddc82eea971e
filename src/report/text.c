/* Cutting, padding and wrapping of cleaned text. Lengths are bounded before anything is built. */
#include "report/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CLEAN_MAX 8192 /* bytes of one foreign text */

struct ink text_ink(bool colour)
{
	if (!colour)
		return (struct ink){ "", "", "", "", "" };
	return (struct ink){ "\x1b[1m", "\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m", "\x1b[0m" };
}

static bool starts_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

size_t text_columns(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += starts_character(*text);
	return n;
}

/* Bytes of the first `columns` characters. */
static size_t bytes_of_columns(const char *text, size_t columns)
{
	size_t i, n = 0;

	for (i = 0; text[i]; i++) {
		n += starts_character(text[i]);
		if (n > columns)
			break;
	}
	return i;
}

static void clean(struct strbuf *b, const char *foreign)
{
	const char *text = foreign ? foreign : "?";

	str_add_clean_max(b, text, strlen(text), CLEAN_MAX);
}

void text_add_cut(struct strbuf *b, const char *foreign, size_t columns)
{
	auto_strbuf struct strbuf t = {};

	clean(&t, foreign);
	if (text_columns(strbuf_text(&t)) <= columns) {
		strbuf_add(b, strbuf_text(&t));
		return;
	}
	strbuf_add_bytes(b, strbuf_text(&t),
			 bytes_of_columns(strbuf_text(&t), columns > 3 ? columns - 3 : 0));
	strbuf_add_bytes(b, "...", columns < 3 ? columns : 3);
}

static void blanks(struct strbuf *b, size_t n)
{
	strbuf_printf(b, "%*s", (int)n, "");
}

void text_add_left(struct strbuf *b, const char *foreign, size_t columns)
{
	auto_strbuf struct strbuf t = {};

	text_add_cut(&t, foreign, columns);
	strbuf_add(b, strbuf_text(&t));
	blanks(b, columns - text_columns(strbuf_text(&t)));
}

void text_add_right(struct strbuf *b, const char *foreign, size_t columns)
{
	auto_strbuf struct strbuf t = {};

	text_add_cut(&t, foreign, columns);
	blanks(b, columns - text_columns(strbuf_text(&t)));
	strbuf_add(b, strbuf_text(&t));
}

void text_end_line(struct strbuf *b)
{
	while (!b->error && b->len && b->text[b->len - 1] == ' ')
		b->text[--b->len] = '\0';
	strbuf_add(b, "\n");
}

/* Adds words from column `at` on; a word longer than a line is broken. */
static void wrap(struct strbuf *b, size_t at, size_t indent, const char *text)
{
	size_t len, columns;
	bool first = true;

	for (; *text; text += len) {
		text += strspn(text, " ");
		len = strcspn(text, " ");
		columns = bytes_of_columns(text, TEXT_COLUMNS - indent);
		len = len < columns ? len : columns;
		if (len == 0)
			break;
		columns = 0;
		for (size_t i = 0; i < len; i++)
			columns += starts_character(text[i]);
		if (!first && at + 1 + columns > TEXT_COLUMNS) {
			strbuf_add(b, "\n");
			blanks(b, indent);
			at = indent;
		} else if (!first) {
			strbuf_add(b, " ");
			at++;
		}
		strbuf_add_bytes(b, text, len);
		at += columns;
		first = false;
	}
	strbuf_add(b, "\n");
}

void text_add_labelled(struct strbuf *b, const char *label, const char *foreign)
{
	auto_strbuf struct strbuf t = {};

	clean(&t, foreign);
	strbuf_printf(b, "  %-*s", TEXT_LABEL - 2, label);
	wrap(b, TEXT_LABEL, TEXT_LABEL, strbuf_text(&t));
}

void text_add_wrapped(struct strbuf *b, size_t indent, const char *foreign)
{
	auto_strbuf struct strbuf t = {};

	clean(&t, foreign);
	wrap(b, 0, indent, strbuf_text(&t));
}

const char *text_format_share(double ratio, char buf[static TEXT_SHARE_BYTES])
{
	double percent = ratio * 100;

	if (!isfinite(percent))
		snprintf(buf, TEXT_SHARE_BYTES, "n/a");
	else if (fabs(percent) < 1e-3)
		snprintf(buf, TEXT_SHARE_BYTES, "0 %%");
	else if (fabs(percent) < 10)
		snprintf(buf, TEXT_SHARE_BYTES, "%.2g %%", percent);
	else
		snprintf(buf, TEXT_SHARE_BYTES, "%.*f %%", 0, fmin(percent, 1e9));
	return buf;
}
