/*
 * Lines of at most 100 columns for people, built in a strbuf that remembers its first failure.
 * Foreign text is cleaned here: no control character of a target reaches a terminal. A column is
 * one character; characters of double width count as one.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define TEXT_COLUMNS 100
#define TEXT_LABEL 16 /* column at which labelled text begins */

/* Escape sequences, or empty strings when colour is off. */
struct ink {
	const char *bold, *alarm, *good, *doubt, *off;
};

struct ink text_ink(bool colour);

size_t text_columns(const char *text);

/* Foreign text, cut to `columns` (ending in "..."). NULL counts as "?". */
void text_add_cut(struct strbuf *b, const char *foreign, size_t columns);

/* The same, filled up with blanks to the right or to the left. */
void text_add_left(struct strbuf *b, const char *foreign, size_t columns);
void text_add_right(struct strbuf *b, const char *foreign, size_t columns);

/* Ends a line made of columns: blanks at its end are taken away. */
void text_end_line(struct strbuf *b);

/*
 * "  label         text" with the text wrapped at words and indented; label may be "".
 * Ends the line.
 */
void text_add_labelled(struct strbuf *b, const char *label, const char *foreign);

/* Wraps from the beginning of a line; lines after the first are indented. Ends the line. */
void text_add_wrapped(struct strbuf *b, size_t indent, const char *foreign);

#define TEXT_SHARE_BYTES 32

/* "12 %", "0.12 %"; "n/a" for NAN. Returns buf. */
const char *text_format_share(double ratio, char buf[static TEXT_SHARE_BYTES]);
