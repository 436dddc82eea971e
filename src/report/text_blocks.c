/* Header, class table, cost and losses of the text report. */
#include "report/text_blocks.h"

#include <math.h>
#include <string.h>

#include "analyse/descriptors.h"
#include "base/num.h"
#include "analyse/module_name.h"
#include "report/names.h"

#define HARDLY_USED 0.1 /* of a CPU: what governor_cfg.least_cpu is by default */
#define MODULES_SHOWN 5

static void start_lists(struct strbuf *b, const struct start_info *info)
{
	auto_strbuf struct strbuf t = {};
	size_t i;

	for (i = 0; i < info->allocator_count; i++) {
		strbuf_clear(&t);
		strbuf_printf(&t, "%u in %s", info->allocators[i].probes,
			      info->allocators[i].module ? info->allocators[i].module : "?");
		if (info->allocators[i].name)
			strbuf_printf(&t, " (%s)", info->allocators[i].name);
		text_add_labelled(b, i ? "" : "probes", strbuf_text(&t));
	}
	if (info->allocator_count == 0)
		text_add_labelled(b, "probes", "none: who asks for heap memory will not be named");
	for (i = 0; i < info->unmeasured_count; i++) {
		strbuf_clear(&t);
		strbuf_printf(&t, "%s: %s", info->unmeasured[i].what, info->unmeasured[i].why);
		text_add_labelled(b, i ? "" : "not measured", strbuf_text(&t));
	}
	strbuf_clear(&t);
	for (i = 0; i < info->features_missing_count; i++)
		strbuf_printf(&t, "%s%s", i ? ", " : "", info->features_missing[i]);
	if (i)
		text_add_labelled(b, "kernel lacks", strbuf_text(&t));
	strbuf_clear(&t);
	for (i = 0; i < info->option_count; i++)
		strbuf_printf(&t, "%s%s %s", i ? ", " : "", info->options[i].name,
			      info->options[i].value);
	if (i)
		text_add_labelled(b, "options", strbuf_text(&t));
}

void text_add_start(struct strbuf *b, const struct ink *ink, const struct sink_cfg *cfg,
		    const struct record_head *head, const struct start_info *info)
{
	auto_strbuf struct strbuf t = {};
	char bytes[NUM_TEXT_BYTES];

	strbuf_printf(b, "%smemtrace traces ", ink->bold);
	text_add_cut(b, head->comm, 32);
	strbuf_printf(b, " (pid %u)%s on ", head->pid, ink->off);
	text_add_cut(b, cfg->host, 30);
	strbuf_add(b, "\n");
	strbuf_printf(&t, "%s, mode %s, kernel %s", info->version, info->mode, info->kernel);
	text_add_labelled(b, "memtrace", strbuf_text(&t));
	text_add_labelled(b, "program", info->exe ? info->exe : "not readable");
	if (info->cmdline)
		text_add_labelled(b, "command line", info->cmdline);
	if (head->container_id)
		text_add_labelled(b, "container", head->container_id);
	if (info->runtime_name && strcmp(info->runtime_name, "none")) {
		strbuf_clear(&t);
		strbuf_printf(&t, "%s %s", info->runtime_name,
			      info->runtime_version ? info->runtime_version : "");
		text_add_labelled(b, "runtime", strbuf_text(&t));
	}
	if (info->limit_bytes != UINT64_MAX && info->limit_kind) {
		strbuf_clear(&t);
		strbuf_printf(&t, "%s (%s)", num_format_bytes(info->limit_bytes, bytes),
			      info->limit_kind);
		text_add_labelled(b, "memory limit", strbuf_text(&t));
	}
	start_lists(b, info);
	strbuf_add(b, "\n");
}

static double share_of(uint64_t bytes, uint64_t total)
{
	return bytes != FACT_UNKNOWN && total && total != FACT_UNKNOWN
		       ? (double)bytes / (double)total
		       : NAN;
}

const char *text_class_label(enum resource_class class, char buf[static NUM_TEXT_BYTES])
{
	char *p;

	switch (class) {
	case CLASS_preexisting: return "from before tracing";
	case CLASS_allocator_slack: return "kept by allocator, unused";
	case CLASS_code: return "program code";
	default: break;
	}
	snprintf(buf, NUM_TEXT_BYTES, "%s", names_class(class));
	for (p = buf; *p; p++)
		if (*p == '_')
			*p = ' ';
	return buf;
}

static void class_line(struct strbuf *b, const char *label, uint64_t bytes, double share,
		       const char *growth, uint64_t count, const char *known)
{
	char text[NUM_TEXT_BYTES], shares[TEXT_SHARE_BYTES];

	strbuf_add(b, "  ");
	text_add_left(b, label, 28);
	text_add_right(b, num_format_bytes(bytes, text), 11);
	text_add_right(b, isnan(share) ? "" : text_format_share(share, shares), 9);
	text_add_right(b, growth, 14);
	text_add_right(b, count != FACT_UNKNOWN ? num_format_count(count, text) : "", 11);
	strbuf_add(b, "  ");
	text_add_cut(b, known, TEXT_COLUMNS - 77);
	text_end_line(b);
}

static void module_lines(struct strbuf *b, const struct analysis *a)
{
	const struct ledger *l = a->ledger;
	auto_strbuf struct strbuf t = {};
	size_t i;

	for (i = 0; i < l->module_count && i < MODULES_SHOWN; i++) {
		const struct module_row *row = &l->modules[i];
		struct module_name name;

		module_name_of(rank_module(a->snap, row->module), &name);
		strbuf_clear(&t);
		strbuf_add(&t, "  ");
		text_add_cut(&t, name.name, 26);
		class_line(b, strbuf_text(&t), row->bytes, share_of(row->bytes, l->external_bytes),
			   "", row->count,
			   row->kind == MODULE_OTHER ? "" : names_module_kind(row->kind));
	}
	if (l->module_count > MODULES_SHOWN)
		strbuf_printf(b, "    ... %zu more modules\n", l->module_count - MODULES_SHOWN);
}

static bool row_is_shown(const struct ledger *l, int class)
{
	const struct class_row *row = &l->rows[class];

	return names_class_resident(class) && (row->how == HOW_EXACT || row->how == HOW_ESTIMATE) &&
	       (row->bytes || class == CLASS_unexplained);
}

/* Resident classes, largest first; CLASS_NONE ends the list. */
static void sort_rows(const struct ledger *l, int order[static CLASS_MAX])
{
	size_t i, n = 0;
	int class;

	for (class = 1; class < CLASS_MAX; class ++) {
		if (!row_is_shown(l, class))
			continue;
		for (i = n++; i > 0 && l->rows[order[i - 1]].bytes < l->rows[class].bytes; i--)
			order[i] = order[i - 1];
		order[i] = class;
	}
	order[n] = CLASS_NONE;
}

static void resident_rows(struct strbuf *b, const struct analysis *a)
{
	char label[NUM_TEXT_BYTES], growth[NUM_TEXT_BYTES];
	const struct ledger *l = a->ledger;
	int order[CLASS_MAX], i;

	sort_rows(l, order);
	for (i = 0; order[i] != CLASS_NONE; i++) {
		const struct class_row *row = &l->rows[order[i]];

		class_line(b, text_class_label(order[i], label), row->bytes,
			   share_of(row->bytes, l->external_bytes),
			   isfinite(row->growth_bytes_per_s)
				   ? num_format_rate(row->growth_bytes_per_s, growth)
				   : "",
			   row->count, names_how(row->how));
		if (order[i] == CLASS_native_modules)
			module_lines(b, a);
	}
	class_line(b, "= external memory", l->external_bytes, NAN, "", FACT_UNKNOWN,
		   "RSS+swap-managed heap");
}

void text_add_heap(struct strbuf *b, const struct analysis *a)
{
	const struct inner_runtime *t = a->snap->runtime;
	auto_strbuf struct strbuf line = {};
	char text[NUM_TEXT_BYTES];

	if (!t || !t->heap.known.how)
		return;
	strbuf_printf(&line, "%s%s%s: %s committed", t->name, t->version[0] ? " " : "", t->version,
		      num_format_bytes(t->heap.committed_bytes, text));
	if (t->heap.used_bytes != FACT_UNKNOWN)
		strbuf_printf(&line, ", %s with objects%s%s",
			      num_format_bytes(t->heap.used_bytes, text),
			      t->heap.used_as_of ? " as of " : "",
			      t->heap.used_as_of ? t->heap.used_as_of : "");
	if (t->heap.resident_bytes != FACT_UNKNOWN)
		strbuf_printf(&line, ", %s resident",
			      num_format_bytes(t->heap.resident_bytes, text));
	if (t->heap.pooled_bytes && t->heap.pooled_bytes != FACT_UNKNOWN)
		strbuf_printf(&line, ", of that %s kept unused",
			      num_format_bytes(t->heap.pooled_bytes, text));
	strbuf_printf(&line, " (%s%s%s)", names_known(&t->heap.known),
		      t->heap.known.why ? ": " : "", t->heap.known.why ? t->heap.known.why : "");
	text_add_labelled(b, "managed heap", strbuf_text(&line));
}

void text_add_outside(struct strbuf *b, const struct analysis *a)
{
	auto_strbuf struct strbuf t = {};
	char label[NUM_TEXT_BYTES], text[NUM_TEXT_BYTES];
	int class;

	for (class = 1; class < CLASS_MAX; class ++) {
		const struct class_row *row = &a->ledger->rows[class];

		if (names_class_resident(class) || !row->how || row->how == HOW_UNAVAILABLE)
			continue;
		if ((row->count == 0 || row->count == FACT_UNKNOWN) &&
		    (row->bytes == 0 || row->bytes == FACT_UNKNOWN))
			continue;
		strbuf_printf(&t, "%s%s", t.len ? ", " : "", text_class_label(class, label));
		if (row->count != FACT_UNKNOWN)
			strbuf_printf(&t, " %s", num_format_count(row->count, text));
		if (row->bytes != FACT_UNKNOWN && row->bytes)
			strbuf_printf(&t, " (%s)", num_format_bytes(row->bytes, text));
	}
	if (t.len)
		text_add_labelled(b, "outside RSS", strbuf_text(&t));
}

/* Sockets and files by what they are, in one line. */
static void descriptor_row(struct strbuf *b, const struct analysis *a)
{
	struct descriptors_row row[DESCRIPTORS_KINDS_MAX];
	size_t count = descriptors_count(a->snap, row);
	auto_strbuf struct strbuf t = {};
	char text[NUM_TEXT_BYTES];

	for (size_t i = 0; i < count; i++)
		strbuf_printf(&t, "%s%s %s", i ? ", " : "", num_format_count(row[i].count, text),
			      row[i].kind);
	if (count)
		text_add_labelled(b, "descriptors", strbuf_text(&t));
}

void text_add_connections(struct strbuf *b, const struct analysis *a)
{
	struct descriptors_row row[DESCRIPTORS_KINDS_MAX];
	size_t count = descriptors_count(a->snap, row), told = 0;
	const struct native_left *left = &a->snap->native_left;
	auto_strbuf struct strbuf t = {};
	char text[NUM_TEXT_BYTES];

	for (size_t i = 0; i < count; i++) {
		const struct native_sum *n = &row[i].native;

		if (!n->bytes)
			continue;
		strbuf_printf(&t, "%s%s %s", told++ ? ", " : "",
			      num_format_count(n->measured, text), row[i].kind);
		strbuf_printf(&t, " %s", num_format_bytes(n->bytes, text));
		strbuf_printf(&t, " (%s each%s)", num_format_bytes(n->bytes / n->measured, text),
			      n->whole < n->measured ? " or more" : "");
	}
	if (left->bytes)
		strbuf_printf(&t, "%s%s", told ? "; " : "", num_format_bytes(left->bytes, text));
	if (left->bytes)
		strbuf_printf(&t, " stayed after %s were closed",
			      num_format_count(left->count, text));
	if (t.len)
		text_add_labelled(b, "connections", strbuf_text(&t));
}

/* Rows that could not be measured, those of one reason together. */
static void unmeasured_rows(struct strbuf *b, const struct analysis *a)
{
	const struct class_row *rows = a->ledger->rows;
	char label[NUM_TEXT_BYTES];
	bool told[CLASS_MAX] = {};
	int class, other;

	for (class = 1; class < CLASS_MAX; class ++) {
		const char *why = rows[class].why ? rows[class].why : "no reason given";
		auto_strbuf struct strbuf t = {};

		if (rows[class].how != HOW_UNAVAILABLE || told[class])
			continue;
		for (other = class; other < CLASS_MAX; other++) {
			if (rows[other].how != HOW_UNAVAILABLE ||
			    strcmp(rows[other].why ? rows[other].why : "no reason given", why))
				continue;
			told[other] = true;
			strbuf_printf(&t, "%s%s", t.len ? ", " : "",
				      text_class_label(other, label));
		}
		strbuf_printf(&t, ": %s", why);
		text_add_labelled(b, "not measured", strbuf_text(&t));
	}
}

void text_add_classes(struct strbuf *b, const struct ink *ink, const struct analysis *a, bool whole)
{
	strbuf_printf(b, "%s  %-28s%11s%9s%14s%11s  %s%s\n", ink->bold, "memory by class", "bytes",
		      "share", "growth", "count", "how known", ink->off);
	resident_rows(b, a);
	text_add_heap(b, a);
	text_add_outside(b, a);
	descriptor_row(b, a);
	text_add_connections(b, a);
	if (whole)
		unmeasured_rows(b, a);
}

/* What the target spends on tracing: of its own time, or of a CPU where it hardly uses one. */
static void add_probe_cost(struct strbuf *t, const struct overhead_info *o)
{
	char share[TEXT_SHARE_BYTES], used[TEXT_SHARE_BYTES];
	bool known = o->probe_cpu_ratio > 0, told = isfinite(o->target_cpu_ratio_est);
	double target = known && o->target_cpu_ratio_est > 0
				? o->probe_cpu_ratio / o->target_cpu_ratio_est
				: NAN;

	if (known)
		strbuf_printf(t, "about %s of one CPU, ",
			      text_format_share(o->probe_cpu_ratio, share));
	if (target < HARDLY_USED)
		strbuf_printf(t, "where the target uses %s, ", text_format_share(target, used));
	else if (told)
		strbuf_printf(t, "about %s of the target's CPU time, ",
			      text_format_share(o->target_cpu_ratio_est, share));
}

void text_add_cost(struct strbuf *b, const struct overhead_info *o)
{
	char share[TEXT_SHARE_BYTES], text[NUM_TEXT_BYTES];
	auto_strbuf struct strbuf t = {};

	if (!o)
		return;
	if (isfinite(o->probe_hits_per_s))
		strbuf_printf(
			&t, "%s probe hits/s, ",
			num_format_count((uint64_t)fmin(fmax(o->probe_hits_per_s, 0), 1e18), text));
	add_probe_cost(&t, o);
	if (isfinite(o->tracer_cpu_ratio))
		strbuf_printf(&t, "memtrace itself %s of one CPU, ",
			      text_format_share(o->tracer_cpu_ratio, share));
	if (o->tracer_rss_bytes != FACT_UNKNOWN)
		strbuf_printf(&t, "%s of memory, ", num_format_bytes(o->tracer_rss_bytes, text));
	strbuf_printf(&t, "mode %s", o->mode ? o->mode : "not known");
	if (o->sample_bytes)
		strbuf_printf(&t, " of one in %s", num_format_bytes(o->sample_bytes, text));
	if (o->reason)
		strbuf_printf(&t, " (%s)", o->reason);
	text_add_labelled(b, "cost", strbuf_text(&t));
}

void text_add_losses(struct strbuf *b, const struct snap_counters *counters)
{
	struct loss losses[NAMES_LOSS_MAX];
	auto_strbuf struct strbuf t = {};
	char text[NUM_TEXT_BYTES];
	bool first = true;
	size_t n, i;

	n = names_losses(counters, losses);
	for (i = 0; i < n; i++) {
		if (losses[i].count == 0)
			continue;
		strbuf_clear(&t);
		strbuf_printf(&t, "%s %s (%s)", num_format_count(losses[i].count, text),
			      losses[i].help, losses[i].name);
		text_add_labelled(b, first ? "lost" : "", strbuf_text(&t));
		first = false;
	}
}
