/*
 * The sample record: totals, the ledger by class, the allocator, cost and losses. Resident classes
 * are written as the ledger has them, so that they add up to external_bytes.
 */
#include "report/report_json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "analyse/judge.h"
#include "analyse/rules.h"
#include "analyse/descriptors.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "analyse/module_name.h"
#include "report/names.h"

#define MODULES_MAX 64 /* largest first; the rest are counted */

json_t *report_json_overhead(const struct overhead_info *overhead)
{
	json_auto_t *o = json_object();
	int r;

	if (!overhead)
		return steal(o);
	r = json_put_double_if_known(o, "tracer_cpu_ratio", overhead->tracer_cpu_ratio);
	r |= json_put_u64_if_known(o, "tracer_rss_bytes", overhead->tracer_rss_bytes);
	r |= json_put_double_if_known(o, "probe_hits_per_s", overhead->probe_hits_per_s);
	r |= json_put_double_if_known(o, "target_cpu_ratio_est", overhead->target_cpu_ratio_est);
	r |= json_put_double_if_known(o, "budget_ratio", overhead->budget_ratio);
	r |= json_put_double_if_known(o, "window_ratio", overhead->window_ratio);
	if (overhead->sample_bytes)
		r |= json_put_u64_if_known(o, "sample_bytes", overhead->sample_bytes);
	r |= json_put_string(o, "mode", overhead->mode);
	r |= json_put_string(o, "reason", overhead->reason);
	return r < 0 ? NULL : steal(o);
}

/* The three sums come first; the ways that make them up follow under their own names. */
json_t *report_json_lost(const struct snap_counters *c)
{
	uint64_t events = c->v[MT_CNT_ring_full] + c->v[MT_CNT_ring_full_alloc] + c->bad_records;
	uint64_t allocations =
		c->v[MT_CNT_live_full] + c->v[MT_CNT_live_error] + c->v[MT_CNT_threads_full];
	uint64_t stacks =
		c->v[MT_CNT_sites_full] + c->v[MT_CNT_site_error] + c->v[MT_CNT_scratch_busy];
	struct loss losses[NAMES_LOSS_MAX];
	json_auto_t *o = json_object();
	size_t n, i;
	int r;

	r = json_put_u64_if_known(o, "events", events);
	r |= json_put_u64_if_known(o, "allocations", allocations);
	r |= json_put_u64_if_known(o, "stacks", stacks);
	n = names_losses(c, losses);
	for (i = 0; i < n; i++)
		r |= json_put_u64_if_known(o, losses[i].name, losses[i].count);
	return r < 0 ? NULL : steal(o);
}

/* As it stands in the file; with its place for one of the user's. */
static int put_rule(json_t *o, const struct snapshot *s, const struct rule *rule)
{
	auto_strbuf struct strbuf b = {};
	const struct rules *user = s->rules;

	if (!rule)
		return 0;
	strbuf_printf(&b, "%s %s", rules_what_name(rule->what), rule->module);
	if (rule->symbol)
		strbuf_printf(&b, " %s", rule->symbol);
	if (user && rule >= user->list && rule < user->list + user->count)
		strbuf_printf(&b, " (%s:%u)", user->name, rule->line);
	return json_put_string(o, "rule", strbuf_text(&b));
}

/* The function that its largest call site went through, and the library that holds the blocks. */
static json_t *module_evidence(const struct analysis *a, const struct module_row *row)
{
	const struct snap_module *holder = rank_module(a->snap, row->holder);
	json_auto_t *o = json_object();
	int r = put_rule(o, a->snap, row->rule);

	r |= json_put_string(o, "function", row->function);
	if (holder && row->holder != row->module)
		r |= json_put_string(o, "held_by", holder->name);
	r |= json_put_string(o, "why", row->why);
	return r < 0 ? NULL : steal(o);
}

static int put_module(json_t *o, const struct analysis *a, const struct module_row *row)
{
	const struct snap_module *m = rank_module(a->snap, row->module);
	struct module_name name;
	int r;

	module_name_of(m, &name);
	r = json_put_string(o, "name", name.name);
	if (m && m->name && strcmp(m->name, name.name) != 0)
		r |= json_put_string(o, "file", m->name);
	r |= json_put_string(o, "package", *name.package ? name.package : NULL);
	r |= json_put_u64_if_known(o, "bytes", row->bytes);
	r |= json_put_u64_if_known(o, "live_bytes", row->live_bytes);
	r |= json_put_u64_if_known(o, "count", row->count);
	r |= json_put_u64_if_known(o, "allocated_count", row->allocated_count);
	r |= json_put_u64_if_known(o, "freed_count", row->freed_count);
	r |= json_put_string(o, "kind", names_module_kind(row->kind));
	r |= json_put_double_if_known(o, "confidence", row->confidence);
	if (row->why)
		r |= json_put(o, "evidence", module_evidence(a, row));
	return r;
}

static json_t *module_list(const struct analysis *a)
{
	const struct ledger *l = a->ledger;
	json_auto_t *list = json_array();
	size_t i;
	int r;

	for (i = 0; i < l->module_count && i < MODULES_MAX; i++) {
		json_t *o = json_object();

		if (json_array_append_new(list, o))
			return NULL;
		r = put_module(o, a, &l->modules[i]);
		if (r < 0)
			return NULL;
	}
	return steal(list);
}

static json_t *class_row(const struct analysis *a, enum resource_class class)
{
	const struct class_row *row = &a->ledger->rows[class];
	json_auto_t *o = json_object();
	int r;

	r = json_put_u64_if_known(o, "bytes", row->bytes);
	r |= json_put_u64_if_known(o, "count", row->count);
	r |= json_put_double_if_known(o, "growth_bytes_per_s", row->growth_bytes_per_s);
	r |= json_put_double_if_known(o, "confidence", row->confidence);
	r |= json_put(o, "resident", json_boolean(names_class_resident(class)));
	r |= json_put_string(o, "how", names_how(row->how));
	r |= json_put_string(o, "why", row->why);
	r |= json_put_double_if_known(o, "error_ratio",
				      snap_error_ratio(row->error_bytes, row->bytes));
	if (class == CLASS_native_modules) {
		r |= json_put(o, "modules", module_list(a));
		if (a->ledger->module_count > MODULES_MAX)
			r |= json_put_u64_if_known(o, "modules_left_out",
						   a->ledger->module_count - MODULES_MAX);
	}
	return r < 0 ? NULL : steal(o);
}

/* A row that the ledger did not fill says nothing and is left out. */
static json_t *classes(const struct analysis *a)
{
	json_auto_t *o = json_object();
	int class;

	for (class = 1; class < CLASS_MAX; class ++) {
		if (!a->ledger->rows[class].how || !names_class(class))
			continue;
		if (json_put(o, names_class(class), class_row(a, class)) < 0)
			return NULL;
	}
	return steal(o);
}

json_t *report_json_counts(const uint64_t *v, size_t n)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_int_t count = v[i] > INT64_MAX ? INT64_MAX : (json_int_t)v[i];

		if (json_array_append_new(list, json_integer(count)))
			return NULL;
	}
	return steal(list);
}

/* Buckets by powers of two, up to the last that holds something. */
static json_t *sizes(const uint64_t *v)
{
	size_t n = INNER_SIZES;

	while (n && !v[n - 1])
		n--;
	return report_json_counts(v, n);
}

/* What a walk through the allocator found. */
static json_t *walk(const struct snapshot *s)
{
	const struct inner_allocator *w = s->allocator;
	json_auto_t *o = json_object();
	int r;

	r = json_put_string(o, "name", w->name);
	r |= json_put_double_if_known(o, "age_s", fmax(s->elapsed_s - s->walked_s, 0));
	r |= json_put_string(o, "how", names_known(&w->known));
	r |= json_put_string(o, "why", w->known.why);
	if (!w->known.how)
		return r < 0 ? NULL : steal(o);
	r |= json_put_u64_if_known(o, "live_bytes", w->live_bytes);
	r |= json_put_u64_if_known(o, "live_count", w->live_count);
	r |= json_put_u64_if_known(o, "mapped_bytes", w->mapped_bytes);
	r |= json_put_u64_if_known(o, "mapped_count", w->mapped_count);
	r |= json_put_u64_if_known(o, "cached_bytes", w->cached_bytes);
	r |= json_put_u64_if_known(o, "free_bytes", w->free_bytes);
	r |= json_put_u64_if_known(o, "free_count", w->free_count);
	r |= json_put_u64_if_known(o, "free_resident_bytes", w->free_resident_bytes);
	r |= json_put_u64_if_known(o, "overhead_bytes", w->overhead_bytes);
	if (w->unknown_bytes)
		r |= json_put_u64_if_known(o, "unknown_bytes", w->unknown_bytes);
	r |= json_put_u64_if_known(o, "arenas", w->arenas);
	r |= json_put(o, "size_count", sizes(w->size_count));
	r |= json_put(o, "size_bytes", sizes(w->size_bytes));
	return r < 0 ? NULL : steal(o);
}

/* Native memory of connections; nothing where none of them was seen. */
static int put_native(json_t *o, const struct native_sum *n)
{
	int r;

	if (!n->measured)
		return 0;
	r = json_put_u64_if_known(o, "native_bytes", n->bytes);
	r |= json_put_u64_if_known(o, "native_measured_count", n->measured);
	r |= json_put_u64_if_known(o, "native_whole_count", n->whole);
	return r | json_put_double_if_known(o, "native_error_ratio",
					    snap_error_ratio(n->error_bytes, n->bytes));
}

static json_t *connection(const struct analysis *a, const struct snap_fd *fd)
{
	const struct fd_fact *f = &fd->fact;
	struct peer p = peers_find(f);
	char address[PEERS_ADDRESS_BYTES];
	json_auto_t *o = json_object();
	int r;

	r = json_put_u64_if_known(o, "fd", (uint64_t)f->fd);
	r |= json_put_string(o, "kind", p.kind);
	r |= json_put_string(o, "class", names_class(p.class));
	if (peers_format_address(f, address, sizeof(address)) > 0)
		r |= json_put_string(o, "peer", address);
	if (f->local_port)
		r |= json_put_u64_if_known(o, "local_port", f->local_port);
	r |= json_put_u64_if_known(o, "native_bytes", f->native.bytes);
	r |= json_put_u64_if_known(o, "native_count", f->native.count);
	r |= json_put_string(o, "native_how", names_native_how(f->native.how));
	r |= json_put_double_if_known(o, "native_error_ratio",
				      snap_error_ratio(f->native.error_bytes, f->native.bytes));
	r |= json_put_u64_if_known(o, "kernel_bytes", f->kernel_bytes);
	r |= json_put_double_if_known(o, "age_s", a->snap->elapsed_s - fd->opened_s);
	return r < 0 ? NULL : steal(o);
}

/* What connections hold in the process itself; nothing where it was seen of none. */
static int put_connections(json_t *sample, const struct analysis *a)
{
	const struct native_left *left = &a->snap->native_left;
	size_t largest[DESCRIPTORS_LARGEST_MAX], n = descriptors_largest(a->snap, largest);
	uint64_t count;
	struct native_sum sum = descriptors_native_sum(a->snap, &count);
	json_auto_t *o = NULL, *list = NULL;
	int r;

	if (!sum.measured && !left->closed)
		return 0;
	o = json_object();
	list = json_array();
	r = json_put_u64_if_known(o, "count", count);
	r |= put_native(o, &sum);
	r |= json_put_double_if_known(o, "native_confidence",
				      descriptors_native_confidence(a->snap));
	r |= json_put_string(o, "how",
			     "allocated by threads that had read from it last, not freed");
	r |= json_put_u64_if_known(o, "closed_count", left->closed);
	r |= json_put_u64_if_known(o, "outlived_bytes", left->bytes);
	r |= json_put_u64_if_known(o, "outlived_count", left->count);
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, connection(a, &a->snap->fds[largest[i]])))
			return -ENOMEM;
	r |= json_put(o, "largest", steal(list));
	return r < 0 ? r : json_put(sample, "connections", steal(o));
}

/* By kind and class: the connections of a database itself are other ones than those to it. */
static json_t *descriptors(const struct analysis *a)
{
	struct descriptors_row row[DESCRIPTORS_KINDS_MAX];
	size_t count = descriptors_count(a->snap, row);
	json_auto_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_object();
		int r;

		if (json_array_append_new(list, o))
			return NULL;
		r = json_put_string(o, "kind", row[i].kind);
		r |= json_put_string(o, "class", names_class(row[i].class));
		r |= json_put_u64_if_known(o, "count", row[i].count);
		r |= json_put_u64_if_known(o, "kernel_bytes", row[i].kernel_bytes);
		r |= put_native(o, &row[i].native);
		r |= json_put_double_if_known(o, "confidence", row[i].confidence);
		r |= json_put_string(o, "how", row[i].evidence);
		if (r < 0)
			return NULL;
	}
	return steal(list);
}

static json_t *allocator(const struct analysis *a)
{
	bool traced = a->snap->heap_traced;
	const struct ledger *l = a->ledger;
	json_auto_t *o = json_object();
	int r = 0;

	if (a->snap->allocator)
		r = json_put(o, "walk", walk(a->snap));
	r |= json_put_u64_if_known(o, "live_bytes", traced ? l->live_bytes : FACT_UNKNOWN);
	r |= json_put_u64_if_known(o, "live_count", traced ? l->live_count : FACT_UNKNOWN);
	r |= json_put_u64_if_known(o, "slack_bytes", l->slack_bytes);
	r |= json_put_double_if_known(o, "alloc_per_s", traced ? l->alloc_per_s : NAN);
	r |= json_put_double_if_known(o, "free_per_s", traced ? l->free_per_s : NAN);
	if (a->snap->turnover.known) {
		r |= json_put_u64_if_known(o, "allocated_count", a->snap->turnover.born);
		r |= json_put_u64_if_known(o, "freed_count", a->snap->turnover.freed);
	}
	if (traced && a->snap->windows)
		r |= json_put_u64_if_known(o, "window_count", a->snap->windows);
	if (!traced || !l->estimated)
		return r < 0 ? NULL : steal(o);
	r |= json_put(o, "estimated", json_true());
	r |= json_put_double_if_known(o, "live_error_ratio",
				      snap_error_ratio(l->live_error_bytes, l->live_bytes));
	return r < 0 ? NULL : steal(o);
}

/* What the language runtime manages itself; null without one, or where it could not be read. */
static int put_managed(json_t *o, const struct analysis *a)
{
	const struct inner_runtime *t = a->snap->runtime;
	bool known = t && t->heap.known.how;
	uint64_t committed = known ? t->heap.committed_bytes : FACT_UNKNOWN;
	double ratio = NAN;
	int r;

	if (committed && committed != FACT_UNKNOWN && a->ledger->external_bytes != FACT_UNKNOWN)
		ratio = (double)a->ledger->external_bytes / (double)committed;
	r = json_put_u64_or_null(o, "managed_heap_bytes", committed);
	r |= json_put_u64_or_null(o, "managed_used_bytes",
				  known ? t->heap.used_bytes : FACT_UNKNOWN);
	r |= json_put_double_or_null(o, "external_ratio", ratio);
	if (!t)
		return r;
	r |= json_put_u64_if_known(o, "managed_resident_bytes", t->heap.resident_bytes);
	if (t->heap.swapped_bytes)
		r |= json_put_u64_if_known(o, "managed_swapped_bytes", t->heap.swapped_bytes);
	r |= json_put_u64_if_known(o, "managed_pooled_bytes", t->heap.pooled_bytes);
	r |= json_put_string(o, "managed_how", names_known(&t->heap.known));
	r |= json_put_string(o, "managed_why", t->heap.known.why);
	r |= json_put_string(o, "managed_used_as_of", t->heap.used_as_of);
	return r;
}

int report_json_sample(const struct analysis *a, const struct overhead_info *overhead, json_t **ret)
{
	double window_s, growth = rank_slope(&a->snap->external_series, &window_s);
	json_auto_t *o = json_object();
	int r;

	r = json_put_u64_if_known(o, "seq", a->snap->seq);
	r |= json_put_u64_or_null(o, "rss_bytes", a->snap->proc.rss_bytes);
	r |= json_put_u64_or_null(o, "swap_bytes", a->snap->proc.swap_bytes);
	r |= put_managed(o, a);
	r |= json_put_u64_or_null(o, "external_bytes", a->ledger->external_bytes);
	r |= json_put_double_or_null(o, "growth_bytes_per_s", growth);
	r |= json_put_double_if_known(o, "window_s", window_s);
	r |= json_put(o, "classes", classes(a));
	if (a->snap->fd_count)
		r |= json_put(o, "descriptors", descriptors(a));
	r |= put_connections(o, a);
	r |= json_put_double_or_null(o, "coverage_ratio", a->ledger->coverage_ratio);
	if (a->limits && a->limits->used_bytes >= 0 && a->limits->used_bytes < 0x1p63)
		r |= json_put_u64_if_known(o, "limit_used_bytes", (uint64_t)a->limits->used_bytes);
	r |= json_put(o, "allocator", allocator(a));
	r |= json_put(o, "overhead", report_json_overhead(overhead));
	r |= json_put(o, "lost", report_json_lost(&a->snap->counters));
	if (r < 0)
		return r;
	*ret = steal(o);
	return 0;
}
