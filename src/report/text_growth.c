/* How the process grows, in one line, and the classes that do. */
#include <math.h>

#include "base/num.h"
#include "report/names.h"
#include "report/text_blocks.h"

#define CLASSES_SHOWN 3
#define NEVER_S 3.2e8 /* ten years: nobody plans for that */
#define SOON_S 3600.0 /* a limit so near is told before it is known what grows */

/* "linear, 62.0 kB/s (60.1 to 63.9)" */
static void add_shape(struct strbuf *b, const struct pattern_row *row)
{
	const struct shape *s = &row->opinion.shape;
	char text[NUM_TEXT_BYTES];
	double unit = 1;

	strbuf_add(b, names_pattern(s->pattern));
	if (!shape_grows(&row->opinion.shape))
		return;
	strbuf_printf(b, ", %s/s", num_format_bytes((uint64_t)fmin(s->growth_per_s, 9e18), text));
	while (s->growth_per_s / unit >= 999.5) /* as it was printed */
		unit *= 1000;
	if (isfinite(s->growth_low_per_s) && isfinite(s->growth_high_per_s))
		strbuf_printf(b, " (%.3g to %.3g)", s->growth_low_per_s / unit,
			      s->growth_high_per_s / unit);
}

static void add_forecast(struct strbuf *b, const struct pattern_row *row)
{
	const struct forecast *f = &row->forecast;
	auto_strbuf struct strbuf t = {};
	char text[NUM_TEXT_BYTES];

	if (!row->limit_kind || !f->known || !(f->seconds < NEVER_S) ||
	    (row->opinion.verdict == GROWTH_TOO_SHORT && f->seconds > SOON_S))
		return;
	strbuf_printf(&t, "%s (%s), ",
		      num_format_bytes((uint64_t)fmin(fmax(row->limit_bytes, 0), 9e18), text),
		      row->limit_kind);
	if (f->seconds > 0) {
		strbuf_printf(&t, "reached in %s", num_format_seconds(f->seconds, text));
		strbuf_printf(&t, " (%s", num_format_seconds(f->low_s, text));
		if (f->high_s < NEVER_S)
			strbuf_printf(&t, " to %s)", num_format_seconds(f->high_s, text));
		else
			strbuf_add(&t, " at the earliest)");
	} else {
		strbuf_add(&t, "reached");
	}
	text_add_labelled(b, "limit", strbuf_text(&t));
}

/* What may be concluded from the curve, where that is not said by the verdict. */
static void add_verdict(struct strbuf *b, const struct growth_opinion *o)
{
	char text[NUM_TEXT_BYTES];

	if (o->verdict == GROWTH_SUSPECT)
		strbuf_add(b, "; start-up, a cache, load or a leak");
	else if (o->verdict == GROWTH_TOO_SHORT)
		strbuf_add(b, "; too early to say why");
	else
		return;
	if (isfinite(o->known_in_s) && o->known_in_s > 0)
		strbuf_printf(b, ": known in %s", num_format_seconds(o->known_in_s, text));
}

/* Classes whose growth is worth a thought, fastest first. */
static void add_classes(struct strbuf *b, const struct analysis *a)
{
	size_t told = 0;

	for (size_t i = 0; i < a->patterns->count && told < CLASSES_SHOWN; i++) {
		const struct pattern_row *row = &a->patterns->list[i];
		auto_strbuf struct strbuf t = {};

		if (row->kind != SUBJECT_CLASS || row->counted ||
		    !shape_grows(&row->opinion.shape) ||
		    (row->opinion.verdict != GROWTH_SUSPECT && row->opinion.verdict != GROWTH_LEAK))
			continue;
		strbuf_printf(&t, "%s: ", names_class(row->class));
		add_shape(&t, row);
		text_add_labelled(b, told++ ? "" : "by class", strbuf_text(&t));
	}
}

/* What an allocator keeps is no leak, and yet somebody may want it back. */
static void add_slack(struct strbuf *b, const struct analysis *a)
{
	for (size_t i = 0; i < a->patterns->count; i++) {
		const struct pattern_row *row = &a->patterns->list[i];

		if (row->kind == SUBJECT_CLASS && row->class == CLASS_allocator_slack &&
		    row->opinion.shape.pattern == PATTERN_STABLE && row->recommendation)
			text_add_labelled(b, "unused", row->recommendation);
	}
}

void text_add_growth(struct strbuf *b, const struct analysis *a, bool classes)
{
	const struct pattern_row *process = rank_process_pattern(a);
	auto_strbuf struct strbuf t = {};

	if (!process)
		return;
	add_shape(&t, process);
	if (shape_grows(&process->opinion.shape))
		add_verdict(&t, &process->opinion);
	text_add_labelled(b, "growth", strbuf_text(&t));
	add_forecast(b, process);
	if (!classes)
		return;
	add_classes(b, a);
	add_slack(b, a);
}
