/* A picture of how the process as a whole grew, and what its curve alone says. */
#include <math.h>

#include "report/names.h"
#include "report/plot.h"
#include "report/text_blocks.h"

#define PLOT_ROWS 8

static void add_pattern(struct strbuf *b, const struct pattern_row *row)
{
	const char *severity = names_severity(row->severity);
	const struct growth_opinion *o = &row->opinion;
	bool known = o->verdict != GROWTH_TOO_SHORT && isfinite(o->leak_probability);
	char share[TEXT_SHARE_BYTES];
	auto_strbuf struct strbuf t = {};

	strbuf_printf(&t, "%s, %s sure", names_pattern(o->shape.pattern),
		      text_format_share(o->shape.confidence, share));
	if (o->shape.why)
		strbuf_printf(&t, " (%s)", o->shape.why);
	if (known)
		strbuf_printf(&t, "; a leak with probability %.2f",
			      fmin(fmax(o->leak_probability, 0), 1));
	strbuf_printf(&t, "%s severity %s", known ? "," : ";", severity ? severity : "not known");
	text_add_labelled(b, "pattern", strbuf_text(&t));
}

void text_add_curve(struct strbuf *b, const struct ink *ink, size_t columns,
		    const struct analysis *a)
{
	const struct pattern_row *row = rank_process_pattern(a);
	const struct snap_series *series = &a->snap->external_series;
	size_t before = b->len;

	if (columns)
		plot_add(b, ink, series, row ? &row->opinion.shape : NULL, columns, PLOT_ROWS);
	if (b->len > before && row)
		text_add_labelled(b, "", "dots: as measured; line: the fitted shape");
	if (!row) {
		text_add_labelled(b, "pattern", "not known: too few points");
		return;
	}
	add_pattern(b, row);
	if (row->recommendation)
		text_add_labelled(b, "what to do", row->recommendation);
}
