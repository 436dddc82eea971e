/*
 * The table of --ledger: what the memory of a process is, for somebody who is in a hurry. Rows add
 * up to RSS and swap; what they rest on is told below, once for those of one reason.
 */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "report/names.h"
#include "report/text_blocks.h"

#define NAME_COLUMNS 27
#define OWNER_COLUMNS (TEXT_COLUMNS - 75)
#define SIZE_STEP 2 /* powers of two in one group of the histogram */

static void head_line(struct strbuf *b, const struct ink *ink, const struct sink_cfg *cfg,
		      const struct record_head *head, const struct end_info *info)
{
	char text[NUM_TEXT_BYTES];

	strbuf_printf(b, "%smemory of ", ink->bold);
	text_add_cut(b, head->comm, 32);
	strbuf_printf(b, " (pid %u)%s on ", head->pid, ink->off);
	text_add_cut(b, cfg->host, 30);
	strbuf_printf(b, ", looked at for %s\n\n", num_format_seconds(info->duration_s, text));
	strbuf_printf(b, "%s  %-*s%10s%9s%13s  %-11s %s%s\n", ink->bold, NAME_COLUMNS, "what it is",
		      "bytes", "share", "trend", "how known", "largest owner", ink->off);
}

static void row_line(struct strbuf *b, const char *label, uint64_t bytes, uint64_t whole,
		     double growth, const char *how, const char *owner)
{
	char text[NUM_TEXT_BYTES], share[TEXT_SHARE_BYTES];
	bool shared = bytes != FACT_UNKNOWN && whole && whole != FACT_UNKNOWN;

	strbuf_add(b, "  ");
	text_add_left(b, label, NAME_COLUMNS);
	text_add_right(b, num_format_bytes(bytes, text), 10);
	text_add_right(b, shared ? text_format_share((double)bytes / (double)whole, share) : "", 9);
	text_add_right(b, isfinite(growth) ? num_format_rate(growth, text) : "", 13);
	strbuf_add(b, "  ");
	text_add_left(b, how, 11);
	strbuf_add(b, " ");
	text_add_cut(b, owner, OWNER_COLUMNS);
	text_end_line(b);
}

/* The call site of a class that holds most; NULL: none is known. */
static const struct snap_site *largest_site(const struct analysis *a, int class)
{
	const struct snap_site *most = NULL;

	for (size_t i = 0; i < a->snap->site_count; i++) {
		const struct snap_site *site = &a->snap->sites[i];

		if (a->owners[i].class == (enum resource_class) class && site->live_bytes &&
		    (!most || site->live_bytes > most->live_bytes))
			most = site;
	}
	return most;
}

static void add_owner(struct strbuf *b, const struct analysis *a, int class)
{
	const struct snap_site *site = largest_site(a, class);
	const struct ledger *l = a->ledger;
	const struct snap_module *m;

	if (site) {
		text_add_who(b, a, site, OWNER_COLUMNS);
	} else if (class == CLASS_native_modules && l->module_count) {
		m = rank_module(a->snap, l->modules[0].module);
		strbuf_add(b, m ? m->name : "");
	} else if (class == CLASS_allocator_slack && a->snap->allocator) {
		strbuf_add(b, a->snap->allocator->name);
	} else if ((class == CLASS_buffers || class == CLASS_runtime) && a->snap->runtime &&
		   l->rows[class].bytes != FACT_UNKNOWN) {
		strbuf_add(b, a->snap->runtime->name);
	}
}

static void class_row(struct strbuf *b, const struct analysis *a, int class, uint64_t whole)
{
	const struct class_row *row = &a->ledger->rows[class];
	auto_strbuf struct strbuf owner = {};
	char label[NUM_TEXT_BYTES];

	add_owner(&owner, a, class);
	row_line(b, text_class_label(class, label), row->bytes, whole, row->growth_bytes_per_s,
		 names_how(row->how), strbuf_text(&owner));
}

/* Those that are known, largest first, then the others; what nothing explains comes last. */
static size_t sort_classes(const struct ledger *l, int order[static CLASS_MAX])
{
	size_t n = 0, i;

	for (int class = 1; class < CLASS_MAX; class ++) {
		uint64_t bytes = l->rows[class].bytes;

		if (!names_class_resident(class) || class == CLASS_unexplained ||
		    !l->rows[class].how)
			continue;
		for (i = n++; i > 0; i--) {
			uint64_t before = l->rows[order[i - 1]].bytes;

			if (before != FACT_UNKNOWN && (bytes == FACT_UNKNOWN || bytes <= before))
				break;
			if (before == FACT_UNKNOWN && bytes == FACT_UNKNOWN)
				break;
			order[i] = order[i - 1];
		}
		order[i] = class;
	}
	return n;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
	return b == FACT_UNKNOWN ? a : a + b;
}

/* What the runtime manages: whatever of RSS and swap is not external. */
static void heap_rows(struct strbuf *b, const struct analysis *a, uint64_t whole)
{
	const struct inner_runtime *t = a->snap->runtime;
	uint64_t managed = whole - a->ledger->external_bytes, pooled;
	const char *how = t ? names_known(&t->heap.known) : "";

	if (!t || (!managed && !t->heap.known.how)) {
		if (t)
			row_line(b, "managed heap", FACT_UNKNOWN, whole, NAN, how, t->name);
		return;
	}
	pooled = t->heap.pooled_bytes == FACT_UNKNOWN ? 0 : t->heap.pooled_bytes;
	pooled = pooled < managed ? pooled : managed;
	row_line(b, "managed heap", managed - pooled, whole, NAN, how, t->name);
	if (pooled)
		row_line(b, "managed heap, kept unused", pooled, whole, NAN, how, t->name);
}

static void total_line(struct strbuf *b, const struct ink *ink, const struct analysis *a,
		       uint64_t whole)
{
	const struct proc_fact *p = &a->snap->proc;
	auto_strbuf struct strbuf parts = {};
	char text[NUM_TEXT_BYTES];

	strbuf_printf(&parts, "RSS %s", num_format_bytes(p->rss_bytes, text));
	if (p->swap_bytes != FACT_UNKNOWN)
		strbuf_printf(&parts, ", swap %s", num_format_bytes(p->swap_bytes, text));
	strbuf_add(b, ink->bold);
	row_line(b, "= RSS + swap", whole, whole, rank_slope(&a->snap->external_series, NULL), "",
		 strbuf_text(&parts));
	strbuf_add(b, ink->off);
}

static void table(struct strbuf *b, const struct ink *ink, const struct analysis *a)
{
	uint64_t whole = plus(a->snap->proc.rss_bytes, a->snap->proc.swap_bytes);
	int order[CLASS_MAX];
	size_t n = sort_classes(a->ledger, order);

	heap_rows(b, a, whole);
	for (size_t i = 0; i < n; i++)
		class_row(b, a, order[i], whole);
	class_row(b, a, CLASS_unexplained, whole);
	total_line(b, ink, a, whole);
}

static void allocator_lines(struct strbuf *b, const struct analysis *a)
{
	const struct inner_allocator *w = a->snap->allocator;
	auto_strbuf struct strbuf t = {};
	char text[NUM_TEXT_BYTES];

	if (!w || !w->known.how)
		return;
	strbuf_printf(&t, "%s, walked through %s ago", w->name,
		      num_format_seconds(fmax(a->snap->elapsed_s - a->snap->walked_s, 0), text));
	strbuf_printf(&t, ": %s live", num_format_bytes(w->live_bytes, text));
	strbuf_printf(&t, " in %s blocks", num_format_count(w->live_count, text));
	strbuf_printf(&t, ", %s free", num_format_bytes(w->free_bytes, text));
	if (w->free_resident_bytes != FACT_UNKNOWN)
		strbuf_printf(&t, " (%s of it in memory)",
			      num_format_bytes(w->free_resident_bytes, text));
	if (w->cached_bytes != FACT_UNKNOWN)
		strbuf_printf(&t, ", %s in caches", num_format_bytes(w->cached_bytes, text));
	strbuf_printf(&t, ", %u arenas (%s%s%s)", w->arenas, names_known(&w->known),
		      w->known.why ? ": " : "", w->known.why ? w->known.why : "");
	text_add_labelled(b, "allocator", strbuf_text(&t));
}

/* "64 B", "1 KiB", "4 MiB": exact powers of two. */
static const char *power_text(size_t log2, char text[static NUM_TEXT_BYTES])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = log2 / 10;

	if (unit >= sizeof(units) / sizeof(units[0]))
		unit = sizeof(units) / sizeof(units[0]) - 1;
	snprintf(text, NUM_TEXT_BYTES, "%llu %s", 1ull << (log2 - 10 * unit), units[unit]);
	return text;
}

/* Live blocks by size, whoever asked for them: mostly from before the trace. */
static void size_line(struct strbuf *b, const struct analysis *a)
{
	const struct inner_allocator *w = a->snap->allocator;
	auto_strbuf struct strbuf t = {};
	char text[NUM_TEXT_BYTES];

	for (size_t i = 0; w && w->known.how && i < INNER_SIZES; i += SIZE_STEP) {
		uint64_t count = 0, bytes = 0;

		for (size_t k = i; k < i + SIZE_STEP; k++) {
			count += w->size_count[k];
			bytes += w->size_bytes[k];
		}
		if (!count)
			continue;
		strbuf_printf(&t, "%sbelow %s", t.len ? "; " : "", power_text(i + SIZE_STEP, text));
		strbuf_printf(&t, " %s", num_format_count(count, text));
		strbuf_printf(&t, " (%s)", num_format_bytes(bytes, text));
	}
	if (t.len)
		text_add_labelled(b, "live blocks", strbuf_text(&t));
}

/* Why rows are estimates or missing, those of one reason together. */
static void reasons(struct strbuf *b, const struct analysis *a, enum how_known how,
		    const char *heading)
{
	const struct class_row *rows = a->ledger->rows;
	char label[NUM_TEXT_BYTES];
	bool told[CLASS_MAX] = {};

	for (int class = 1; class < CLASS_MAX; class ++) {
		auto_strbuf struct strbuf t = {};

		if (rows[class].how != how || told[class] || !rows[class].why)
			continue;
		for (int other = class; other < CLASS_MAX; other++) {
			if (rows[other].how != how || !rows[other].why ||
			    strcmp(rows[other].why, rows[class].why))
				continue;
			told[other] = true;
			strbuf_printf(&t, "%s%s", t.len ? ", " : "",
				      text_class_label(other, label));
		}
		strbuf_printf(&t, ": %s", rows[class].why);
		text_add_labelled(b, heading, strbuf_text(&t));
		heading = "";
	}
}

static void heap_reason(struct strbuf *b, const struct analysis *a)
{
	const struct inner_runtime *r = a->snap->runtime;
	auto_strbuf struct strbuf t = {};

	if (!r || r->heap.known.how || !r->heap.known.why)
		return;
	strbuf_printf(&t, "managed heap of %s: %s", r->name, r->heap.known.why);
	text_add_labelled(b, "unavailable", strbuf_text(&t));
}

void text_add_ledger(struct strbuf *b, const struct ink *ink, const struct sink_cfg *cfg,
		     const struct record_head *head, const struct end_info *info)
{
	const struct analysis *a = info->last;

	head_line(b, ink, cfg, head, info);
	if (!a || a->snap->proc.rss_bytes == FACT_UNKNOWN ||
	    a->ledger->external_bytes == FACT_UNKNOWN) {
		text_add_labelled(b, "unavailable",
				  info->why ? info->why : "the process's memory could not be read");
		return;
	}
	table(b, ink, a);
	strbuf_add(b, "\n");
	text_add_outside(b, a);
	text_add_connections(b, a);
	text_add_heap(b, a);
	allocator_lines(b, a);
	size_line(b, a);
	reasons(b, a, HOW_ESTIMATE, "estimate");
	heap_reason(b, a);
	reasons(b, a, HOW_UNAVAILABLE, "unavailable");
	text_add_losses(b, &a->snap->counters);
}
