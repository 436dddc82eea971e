/* Call sites, stacks and findings as lines of text. Names fall back to module and offset. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "report/names.h"
#include "report/text_blocks.h"

#define FRAMES_SHOWN 12	    /* of a site in a list; the rest is in the records */
#define PATH_FRAMES_SHOWN 3 /* of a further path, where it differs */
#define SYMBOL_COLUMNS 60
#define CYCLE_MAX 16 /* frames of a recursion through several functions */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* "symbol", "libfoo.so+0x1234", "JIT code at 0x7f..." */
static void add_frame_name(struct strbuf *b, const struct snapshot *s, const struct snap_frame *f,
			   size_t columns)
{
	const struct snap_module *m = rank_module(s, f->module);
	auto_strbuf struct strbuf t = {};

	if (f->symbol)
		strbuf_add(&t, f->symbol);
	else if (m)
		strbuf_printf(&t, "%s+0x%llx", m->name, (unsigned long long)f->offset);
	else
		strbuf_printf(&t, "%s 0x%llx", f->kind == FRAME_JIT ? "JIT code at" : "code at",
			      (unsigned long long)f->pc);
	text_add_cut(b, strbuf_text(&t), columns);
}

static void add_frame_line(struct strbuf *b, size_t indent, const struct snapshot *s,
			   const struct snap_frame *f)
{
	const struct snap_module *m = rank_module(s, f->module);
	auto_strbuf struct strbuf t = {};

	add_frame_name(&t, s, f, SYMBOL_COLUMNS);
	if (f->file)
		strbuf_printf(&t, " at %s", base_name(f->file));
	if (f->file && f->line)
		strbuf_printf(&t, ":%u", f->line);
	if (f->symbol && m)
		strbuf_printf(&t, "  [%s]", m->name);
	if (f->inlined)
		strbuf_add(&t, "  (inlined)");
	strbuf_printf(b, "%*s", (int)indent, "");
	text_add_cut(b, strbuf_text(&t), TEXT_COLUMNS - indent);
	strbuf_add(b, "\n");
}

static bool same_frame(const struct snap_frame *a, const struct snap_frame *b)
{
	const char *x = a->symbol ? a->symbol : "", *y = b->symbol ? b->symbol : "";

	/* functions inlined at one place differ by name */
	return a->module == b->module && a->offset == b->offset && a->inlined == b->inlined &&
	       strcmp(x, y) == 0;
}

/* How often the frames before `at` come again from there on, in runs of *ret_run frames. */
static size_t count_repeats(const struct snap_stack *stack, size_t first, size_t at,
			    size_t *ret_run)
{
	for (size_t run = 1; run <= CYCLE_MAX && first + run <= at; run++) {
		size_t n = 0;

		while (at + n < stack->count &&
		       same_frame(&stack->frames[at + n], &stack->frames[at + n - run]))
			n++;
		if (n >= run) {
			*ret_run = run;
			return n / run;
		}
	}
	return 0;
}

void text_add_stack(struct strbuf *b, size_t indent, const struct snapshot *s,
		    const struct snap_stack *stack, size_t frames)
{
	size_t i, run, repeats, first = rank_allocator_frames(s, stack);

	for (i = first; i < stack->count && frames > 0; frames--) {
		add_frame_line(b, indent, s, &stack->frames[i++]);
		repeats = count_repeats(stack, first, i, &run);
		if (!repeats)
			continue;
		i += repeats * run;
		first = i; /* one repetition is told once */
		strbuf_printf(b,
			      run == 1 ? "%*s(%zu more of it)\n" : "%*s(%zu more of these %zu)\n",
			      (int)indent, "", repeats, run);
	}
	if (i < stack->count)
		strbuf_printf(b, "%*s... %zu more\n", (int)indent, "", stack->count - i);
	if (stack->count == 0)
		strbuf_printf(b, "%*sno stack was taken\n", (int)indent, "");
	else if (stack->folded)
		strbuf_printf(b, "%*s(folded: what called this is left out)\n", (int)indent, "");
	else if (!names_stack_complete(stack->end))
		strbuf_printf(b, "%*s(incomplete: %s)\n", (int)indent, "",
			      names_stack_end_text(stack->end));
}

void text_add_other_path(struct strbuf *b, size_t indent, const struct snapshot *s,
			 const struct snap_stack *stack, const struct snap_stack *than)
{
	size_t least = stack->count < than->count ? stack->count : than->count;
	size_t first = 0, outer = 0, last;

	while (first < least && same_frame(&stack->frames[first], &than->frames[first]))
		first++;
	while (outer < least - first && same_frame(&stack->frames[stack->count - 1 - outer],
						   &than->frames[than->count - 1 - outer]))
		outer++;
	last = stack->count - outer;
	if (last > first + PATH_FRAMES_SHOWN)
		last = first + PATH_FRAMES_SHOWN;
	if (first == last && first < stack->count) /* only its depth differs */
		last++;
	for (size_t i = first; i < last; i++)
		add_frame_line(b, indent, s, &stack->frames[i]);
	if (last < stack->count)
		strbuf_printf(b, "%*s... %zu more\n", (int)indent, "", stack->count - last);
}

void text_add_who(struct strbuf *b, const struct analysis *a, const struct snap_site *site,
		  size_t columns)
{
	const struct snap_frame *f = rank_asking_frame(a, site);
	const struct owner *owner = rank_owner(a, site);
	const struct snap_module *m = rank_module(a->snap, f ? f->module : SNAP_NO_MODULE);
	auto_strbuf struct strbuf t = {};

	if (!m && owner)
		m = rank_module(a->snap, owner->module);
	if (f)
		add_frame_name(&t, a->snap, f, SYMBOL_COLUMNS);
	else
		strbuf_add(&t, "caller not known");
	if (m && (!f || f->symbol))
		strbuf_printf(&t, " in %s", m->name);
	else if (f && f->symbol && f->file)
		strbuf_printf(&t, " at %s:%u", base_name(f->file), f->line);
	text_add_cut(b, strbuf_text(&t), columns);
}

const char *text_count_noun(const struct snap_site *site)
{
	if (site && site->touched)
		return "pages";
	switch (site ? site->kind : MT_SITE_HEAP) {
	case MT_SITE_MMAP:
	case MT_SITE_BRK: return "mappings";
	case MT_SITE_FD: return "descriptors";
	case MT_SITE_SOCKET: return "sockets";
	case MT_SITE_THREAD: return "threads";
	default: return "blocks";
	}
}

static bool has_bytes(const struct snap_site *site)
{
	return site->kind == MT_SITE_HEAP || site->kind == MT_SITE_MMAP ||
	       site->kind == MT_SITE_BRK || site->live_bytes;
}

void text_add_site_heading(struct strbuf *b, const struct ink *ink)
{
	strbuf_printf(b, "%s  %-32s%11s%10s%13s%12s  %s%s\n", ink->bold, "who asked for it", "held",
		      "count", "growth", "half age", "class", ink->off);
}

/* "~4.1 MB" where it is an estimate. */
static void add_bytes_held(struct strbuf *b, const struct snap_site *site)
{
	char bytes[NUM_TEXT_BYTES], text[NUM_TEXT_BYTES + 1];

	snprintf(text, sizeof(text), "%s%s", site->estimated ? "~" : "",
		 num_format_bytes(site->live_bytes, bytes));
	text_add_right(b, has_bytes(site) ? text : "", 11);
}

static void add_estimate(struct strbuf *b, size_t indent, const struct snap_site *site)
{
	double error = snap_error_ratio(site->live_error_bytes, site->live_bytes);
	char text[NUM_TEXT_BYTES], share[TEXT_SHARE_BYTES];

	if (!site->estimated)
		return;
	strbuf_printf(b, "%*sabout %s", (int)indent, "", num_format_bytes(site->live_bytes, text));
	if (isfinite(error))
		strbuf_printf(b, " (+-%s)", text_format_share(error, share));
	strbuf_printf(b, ": estimated from %s recorded %s\n", num_format_count(site->records, text),
		      site->records == 1 ? "block" : "blocks");
}

void text_add_site(struct strbuf *b, const struct ink *ink, const struct analysis *a,
		   const struct ranked_site *ranked, bool with_stack)
{
	const struct snap_site *site = &a->snap->sites[ranked->site];
	const struct owner *owner = rank_owner(a, site);
	const char *class = owner ? names_class(owner->class) : NULL;
	struct site_age age = rank_age(site, a->snap->elapsed_s);
	bool leak = ranked->finding && ranked->finding->active;
	auto_strbuf struct strbuf who = {};
	char text[NUM_TEXT_BYTES];

	text_add_who(&who, a, site, 32);
	strbuf_printf(b, "%s%s ", leak ? ink->alarm : "", leak ? "!" : " ");
	text_add_left(b, strbuf_text(&who), 32);
	add_bytes_held(b, site);
	text_add_right(b, num_format_count(site->live_count, text), 10);
	text_add_right(b, has_bytes(site) ? num_format_rate(ranked->growth_bytes_per_s, text) : "",
		       13);
	text_add_right(b, isfinite(age.p50_s) ? num_format_seconds(age.p50_s, text) : "", 12);
	strbuf_add(b, "  ");
	text_add_cut(b, class ? class : "unexplained", 18);
	strbuf_add(b, leak ? ink->off : "");
	text_end_line(b);
	if (!with_stack)
		return;
	add_estimate(b, 6, site);
	text_add_stack(b, 6, a->snap, &site->stack, FRAMES_SHOWN);
}

/* What leaks, where that is more than memory. */
static const char *things_text(enum leak_type type)
{
	switch (type) {
	case LEAK_BUFFER: return "buffers";
	case LEAK_CONNECTION_POOL: return "database connections";
	case LEAK_WEBSOCKET: return "websockets";
	case LEAK_SOCKET: return "connections";
	case LEAK_FILE_HANDLE: return "descriptors";
	case LEAK_THREAD: return "threads";
	default: return NULL;
	}
}

void text_add_finding_name(struct strbuf *b, const struct analysis *a, const struct finding *f,
			   size_t columns)
{
	const struct snap_site *site = rank_finding_site(a, f);
	const char *class = names_class(f->class), *things = things_text(f->type);

	if (things && site)
		strbuf_printf(b, "%s by ", things);
	if (site)
		text_add_who(b, a, site, columns);
	else
		text_add_cut(b, class ? class : "unexplained", columns);
}

void text_add_held(struct strbuf *b, const struct analysis *a, const struct finding *f)
{
	const struct snap_site *site = rank_finding_site(a, f);
	bool bytes = f->size_bytes && f->size_bytes != FACT_UNKNOWN;
	char text[NUM_TEXT_BYTES];

	if (site && site->estimated)
		strbuf_add(b, "about ");
	if (bytes)
		strbuf_add(b, num_format_bytes(f->size_bytes, text));
	if (bytes && f->count && f->count != FACT_UNKNOWN)
		strbuf_add(b, " in ");
	if (f->count && f->count != FACT_UNKNOWN)
		strbuf_printf(b, "%s %s", num_format_count(f->count, text), text_count_noun(site));
	else if (!bytes)
		strbuf_add(b, "size not known");
}

void text_add_pace(struct strbuf *b, const struct analysis *a, const struct finding *f)
{
	const char *noun = text_count_noun(rank_finding_site(a, f));
	bool bytes = isfinite(f->growth_bytes_per_s) && f->growth_bytes_per_s != 0;
	bool count = isfinite(f->growth_count_per_s) && f->growth_count_per_s != 0;
	char text[NUM_TEXT_BYTES];

	if (bytes)
		strbuf_add(b, num_format_rate(f->growth_bytes_per_s, text));
	if (count)
		strbuf_printf(b,
			      fabs(f->growth_count_per_s) < 100 ? "%s%+.3g %s/s" : "%s%+.0f %s/s",
			      bytes ? ", " : "", f->growth_count_per_s, noun);
	if (!bytes && !count)
		strbuf_add(b, "pace not known");
}

static size_t count_parts(const struct analysis *a, const struct finding *f)
{
	size_t parts = 0;

	for (size_t i = 0; i < a->findings->count; i++)
		parts += f->leak_id && a->findings->list[i].comes_with == f->leak_id;
	return parts;
}

void text_add_finding_line(struct strbuf *b, const struct ink *ink, const struct analysis *a,
			   const struct finding *f)
{
	size_t parts = count_parts(a, f);
	auto_strbuf struct strbuf t = {};
	char share[TEXT_SHARE_BYTES];

	text_add_finding_name(&t, a, f, 32);
	strbuf_add(&t, ": ");
	if (f->active)
		strbuf_printf(&t, "%s sure, ", text_format_share(f->confidence, share));
	text_add_held(&t, a, f);
	if (f->active) {
		strbuf_add(&t, ", ");
		text_add_pace(&t, a, f);
	}
	if (parts)
		strbuf_printf(&t, "; %zu more come%s with it", parts, parts == 1 ? "s" : "");
	strbuf_add(b, f->active ? ink->alarm : "");
	text_add_labelled(b, f->active ? "LEAK" : "stopped", strbuf_text(&t));
	strbuf_add(b, f->active ? ink->off : "");
}

struct leak_total text_leak_total(const struct findings *f)
{
	struct leak_total total = {};
	size_t i;

	for (i = 0; i < f->count; i++) {
		const struct finding *leak = &f->list[i];

		if (!leak->active)
			continue;
		if (!total.worst && !leak->comes_with)
			total.worst = leak;
		total.leaks += !leak->comes_with;
		total.parts += leak->comes_with != 0;
		if (__builtin_add_overflow(total.bytes, leak->size_bytes, &total.bytes))
			total.bytes = FACT_UNKNOWN - 1;
		if (isfinite(leak->growth_bytes_per_s))
			total.growth_bytes_per_s += leak->growth_bytes_per_s;
	}
	return total;
}
