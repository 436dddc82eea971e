/*
 * Dots are counted from the left and from the bottom. In a column of dots everything between the
 * lowest and the highest of its points is drawn; a column without a point lies on the line between
 * its neighbours.
 */
#include "report/plot.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/num.h"

#define LABEL 11 /* columns of the labels at the left, with the indent */
#define DOTS_X (2 * PLOT_COLUMNS_MAX)

struct plot {
	size_t width, height;		  /* in characters */
	double t0, t1, v0, v1;		  /* what the picture spans */
	double low[DOTS_X], high[DOTS_X]; /* by column of dots: 0 to 1; NAN: no point */
	unsigned char data[PLOT_ROWS_MAX][PLOT_COLUMNS_MAX];
	bool line[PLOT_ROWS_MAX][PLOT_COLUMNS_MAX];
};

/* 0 to 1; halves, so that the span of any two numbers is one. */
static double place(double v, double from, double to)
{
	return fmin(fmax((v / 2 - from / 2) / (to / 2 - from / 2), 0), 1);
}

static size_t dot(double share, size_t dots)
{
	return (size_t)lround(share * (double)(dots - 1));
}

static bool span(struct plot *p, const struct snap_series *s)
{
	size_t used = 0;
	double room;

	p->t0 = p->v0 = INFINITY;
	p->t1 = p->v1 = -INFINITY;
	for (size_t i = 0; i < s->count; i++) {
		if (!isfinite(s->t_s[i]) || !isfinite(s->value[i]))
			continue;
		p->t0 = fmin(p->t0, s->t_s[i]);
		p->t1 = fmax(p->t1, s->t_s[i]);
		p->v0 = fmin(p->v0, s->value[i]);
		p->v1 = fmax(p->v1, s->value[i]);
		used++;
	}
	if (used < 2 || !(p->t1 / 2 > p->t0 / 2))
		return false;
	room = fmax(fabs(p->v0) / 100, 1);
	if (!(p->v1 / 2 > p->v0 / 2)) { /* flat: in the middle */
		p->v0 = fmax(p->v0 - room, -DBL_MAX);
		p->v1 = fmin(p->v1 + room, DBL_MAX);
	}
	return p->v1 / 2 > p->v0 / 2;
}

static void take_points(struct plot *p, const struct snap_series *s)
{
	for (size_t x = 0; x < DOTS_X; x++)
		p->low[x] = p->high[x] = NAN;
	for (size_t i = 0; i < s->count; i++) {
		size_t x;
		double y;

		if (!isfinite(s->t_s[i]) || !isfinite(s->value[i]))
			continue;
		x = dot(place(s->t_s[i], p->t0, p->t1), 2 * p->width);
		y = place(s->value[i], p->v0, p->v1);
		p->low[x] = fmin(p->low[x], y); /* fmin(NAN, y) is y */
		p->high[x] = fmax(p->high[x], y);
	}
}

static void join_points(struct plot *p)
{
	size_t last = 0; /* the first column has the first point */

	for (size_t x = 1; x < 2 * p->width; x++) {
		double from, to;

		if (isnan(p->low[x]))
			continue;
		from = (p->low[last] + p->high[last]) / 2;
		to = (p->low[x] + p->high[x]) / 2;
		for (size_t i = last + 1; i < x; i++)
			p->low[i] = p->high[i] =
				from + (to - from) * (double)(i - last) / (double)(x - last);
		last = x;
	}
}

static void draw_points(struct plot *p)
{
	/* bits of a braille character, by column and by dot from the top */
	static const unsigned char bits[2][4] = { { 0x01, 0x02, 0x04, 0x40 },
						  { 0x08, 0x10, 0x20, 0x80 } };
	size_t dots = 4 * p->height;

	for (size_t x = 0; x < 2 * p->width; x++) {
		if (isnan(p->low[x]))
			continue;
		for (size_t y = dot(p->low[x], dots); y <= dot(p->high[x], dots); y++) {
			size_t down = dots - 1 - y;

			p->data[down / 4][x / 2] |= bits[x % 2][down % 4];
		}
	}
}

static void draw_shape(struct plot *p, const struct shape *shape)
{
	for (size_t x = 0; x < p->width; x++) {
		double share = ((double)x + 0.5) / (double)p->width;
		double t = p->t0 + (p->t1 - p->t0) * share, v, y;

		if (!(t >= shape->start_s && t <= shape->end_s))
			continue;
		v = shape_at(shape, t);
		y = isfinite(v) ? (v / 2 - p->v0 / 2) / (p->v1 / 2 - p->v0 / 2) : NAN;
		if (y >= 0 && y <= 1)
			p->line[p->height - 1 - dot(y, 4 * p->height) / 4][x] = true;
	}
}

static void add_label(struct strbuf *b, double v)
{
	char bytes[NUM_TEXT_BYTES], text[NUM_TEXT_BYTES + 1];

	num_format_bytes((uint64_t)fmin(fabs(v), 1e18), bytes);
	snprintf(text, sizeof(text), "%s%s", v < 0 ? "-" : "", bytes);
	text_add_right(b, text, LABEL - 1);
	strbuf_add(b, " ");
}

static void add_row(struct strbuf *b, const struct ink *ink, const struct plot *p, size_t row)
{
	if (row == 0 || row == p->height - 1)
		add_label(b, row ? p->v0 : p->v1);
	else
		text_add_right(b, "", LABEL);
	for (size_t x = 0; x < p->width; x++) {
		unsigned char bits = p->data[row][x];
		const char braille[] = { (char)0xe2, (char)(0xa0 | bits >> 6),
					 (char)(0x80 | (bits & 0x3f)), 0 };

		if (bits)
			strbuf_printf(b, "%s%s%s", p->line[row][x] ? ink->bold : "", braille,
				      p->line[row][x] ? ink->off : "");
		else if (p->line[row][x])
			strbuf_printf(b, "%s─%s", ink->doubt, ink->off);
		else
			strbuf_add(b, " ");
	}
	text_end_line(b);
}

static void add_times(struct strbuf *b, const struct plot *p)
{
	char from[NUM_TEXT_BYTES], to[NUM_TEXT_BYTES];

	num_format_seconds(p->t0, from);
	num_format_seconds(p->t1, to);
	text_add_right(b, "", LABEL);
	if (text_columns(from) + text_columns(to) + 1 <= p->width) {
		text_add_left(b, from, p->width - text_columns(to));
		strbuf_add(b, to);
	}
	text_end_line(b);
}

static size_t within(size_t v, size_t low, size_t high)
{
	return v < low ? low : v > high ? high : v;
}

void plot_add(struct strbuf *b, const struct ink *ink, const struct snap_series *s,
	      const struct shape *shape, size_t columns, size_t rows)
{
	struct plot p = {
		.width = within(columns, PLOT_COLUMNS_MIN, PLOT_COLUMNS_MAX) - LABEL,
		.height = within(rows, 2, PLOT_ROWS_MAX),
	};

	if (!span(&p, s))
		return;
	take_points(&p, s);
	join_points(&p);
	draw_points(&p);
	if (shape && shape->pattern != PATTERN_NONE)
		draw_shape(&p, shape);
	for (size_t row = 0; row < p.height; row++)
		add_row(b, ink, &p, row);
	add_times(b, &p);
}
