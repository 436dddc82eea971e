/*
 * A small picture of a series in braille dots, two by four of them in a character, with the shape
 * that was fitted to it as a line where no point stands. Pure; input may be anything.
 */
#pragma once
#include <stddef.h>

#include "growth/shape.h"
#include "model/snapshot.h"
#include "report/text.h"

#define PLOT_COLUMNS_MIN 32
#define PLOT_COLUMNS_MAX 160
#define PLOT_ROWS_MAX 24

/*
 * Adds `rows` lines of at most `columns` columns (both are brought within their limits) and one
 * with times, each indented by two. shape may be NULL, or without a pattern: no line is drawn.
 * Points that are no numbers are left out; nothing is added with fewer than two.
 */
void plot_add(struct strbuf *b, const struct ink *ink, const struct snap_series *s,
	      const struct shape *shape, size_t columns, size_t rows);
