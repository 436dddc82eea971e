/*
 * Summing for the ledger. Every number comes from the target or from a race with it, so nothing
 * is assumed: ranges may overlap, sites may claim more than there is, owners may be out of range.
 * Shares are differences of running totals in 128 bits: that is why they add up.
 */
#include "analyse/ledger_sums.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analyse/attrib.h"
#include "analyse/ledger_state.h"
#include "base/cleanup.h"

struct site_key {
	uint32_t number;
	uint32_t index; /* into snapshot.sites */
};

static const bool class_resident[CLASS_MAX] = {
#define CLASS(id, name, resident, summary) [id] = resident,
#include "memtrace/classes.def"
#undef CLASS
};

/* Order in which classes give way when the parts are more than the whole; estimates first. */
static const enum resource_class cut_order[] = {
	CLASS_allocator_slack, CLASS_preexisting,   CLASS_native_modules,
	CLASS_application,     CLASS_buffers,	    CLASS_runtime,
	CLASS_mapped_files,    CLASS_shared_memory, CLASS_code,
	CLASS_thread_stacks,
};

static uint64_t min_bytes(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

bool ledger_sums_resident(enum resource_class class)
{
	return class > CLASS_NONE && class < CLASS_MAX && class_resident[class];
}

uint64_t ledger_sums_plus(uint64_t sum, uint64_t v)
{
	if (v == FACT_UNKNOWN)
		return sum;
	return v > FACT_UNKNOWN - 1 - sum ? FACT_UNKNOWN - 1 : sum + v;
}

uint64_t ledger_sums_share(uint64_t whole, uint64_t part, uint64_t total)
{
	return (unsigned __int128)whole * part / total;
}

double ledger_sums_confidence(double weight, double weighted_confidence)
{
	return weight > 0 ? weighted_confidence / weight : 1;
}

/* Bytes of a range that count; no more than it is long. */
static uint64_t range_bytes(const struct snapshot *s, const struct snap_range *r)
{
	uint64_t bytes = ledger_sums_plus(0, r->resident_bytes);

	if (s->proc.swap_bytes != FACT_UNKNOWN)
		bytes = ledger_sums_plus(bytes, r->swapped_bytes);
	return r->end > r->start ? min_bytes(bytes, r->end - r->start) : 0;
}

enum resource_class ledger_sums_site_class(const struct snapshot *s, const struct owner *o)
{
	if (!ledger_sums_resident(o->class))
		return CLASS_unexplained;
	if (o->class == CLASS_preexisting || o->class == CLASS_allocator_slack)
		return CLASS_unexplained;
	if (o->class == CLASS_native_modules && o->module >= s->module_count)
		return CLASS_unexplained;
	return o->class;
}

void ledger_sums_add_owned(const struct snapshot *s, struct ledger_sums *t, const struct owner *o,
			   uint64_t bytes)
{
	struct class_sum *c = &t->class[ledger_sums_site_class(s, o)];
	double weight = (double)bytes + 1;
	struct module_sum *m;

	c->bytes = ledger_sums_plus(c->bytes, bytes);
	c->weight += weight;
	c->weighted_confidence += weight * o->confidence;
	if (c != &t->class[CLASS_native_modules])
		return;
	m = &t->modules[o->module];
	m->bytes = ledger_sums_plus(m->bytes, bytes);
	m->weight += weight;
	m->weighted_confidence += weight * o->confidence;
}

static int compare_keys(const void *a, const void *b)
{
	const struct site_key *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* Site numbers in order, for look-ups by number. */
static int index_sites(const struct snapshot *s, struct site_key **ret)
{
	struct site_key *keys = calloc(s->site_count + 1, sizeof(*keys));
	size_t i;

	if (!keys)
		return -ENOMEM;
	for (i = 0; i < s->site_count; i++)
		keys[i] = (struct site_key){ s->sites[i].site, i };
	qsort(keys, s->site_count, sizeof(*keys), compare_keys);
	*ret = keys;
	return 0;
}

static void add_site_range(const struct snapshot *s, const struct owner *owners,
			   const struct site_key *keys, const struct snap_range *r,
			   struct ledger_sums *t)
{
	struct site_key wanted = { .number = r->site };
	const struct site_key *k;

	k = bsearch(&wanted, keys, s->site_count, sizeof(*keys), compare_keys);
	if (k)
		ledger_sums_add_owned(s, t, &owners[k->index], range_bytes(s, r));
	else
		t->unmapped_bytes = ledger_sums_plus(t->unmapped_bytes, range_bytes(s, r));
}

/* Class of the ranges that need nobody's opinion; CLASS_unexplained for the others. */
static enum resource_class range_class(enum range_use use)
{
	switch (use) {
	case RANGE_STACK: return CLASS_thread_stacks;
	case RANGE_CODE: return CLASS_code;
	case RANGE_FILE: return CLASS_mapped_files;
	case RANGE_SHM: return CLASS_shared_memory;
	case RANGE_BEFORE: return CLASS_preexisting;
	case RANGE_RUNTIME: return CLASS_runtime;
	case RANGE_BUFFERS: return CLASS_buffers;
	default: return CLASS_unexplained;
	}
}

static int add_ranges(const struct snapshot *s, const struct owner *owners, struct ledger_sums *t)
{
	auto_free struct site_key *keys = NULL;
	size_t i;
	int r;

	r = index_sites(s, &keys);
	if (r < 0)
		return r;
	for (i = 0; i < s->range_count; i++) {
		const struct snap_range *range = &s->ranges[i];
		struct class_sum *c = &t->class[range_class(range->use)];
		uint64_t bytes = range_bytes(s, range);

		if (range->use == RANGE_ALLOCATOR)
			t->allocator_bytes = ledger_sums_plus(t->allocator_bytes, bytes);
		else if (range->use == RANGE_SITE)
			add_site_range(s, owners, keys, range, t);
		else if (range->use == RANGE_MANAGED || range->use == RANGE_POOLED)
			continue; /* external memory is without it */
		else if (range->use == RANGE_OTHER)
			t->unmapped_bytes = ledger_sums_plus(t->unmapped_bytes, bytes);
		else
			c->bytes = ledger_sums_plus(c->bytes, bytes);
	}
	return 0;
}

/* Of what is a site's alone. */
static double own_variance(const struct snap_site *site)
{
	double all = site->live_error_bytes, common = site->live_common_bytes;

	return all > common ? (all - common) * (all + common) : all - all; /* NAN stays */
}

static void set_evidence(struct module_row *row, const struct snapshot *s,
			 const struct snap_site *site, const struct owner *o)
{
	const struct snap_frame *frames = site->stack.frames;

	row->rule = o->rule;
	row->why = o->evidence;
	row->function = o->frame < site->stack.count ? frames[o->frame].symbol : NULL;
	row->holder = o->holder < site->stack.count ? frames[o->holder].module : SNAP_NO_MODULE;
	if (row->holder >= s->module_count)
		row->holder = SNAP_NO_MODULE;
}

static void add_to_module(struct module_sum *m, const struct snapshot *s, size_t i,
			  const struct owner *o)
{
	const struct snap_site *site = &s->sites[i];
	uint64_t *kind = &m->by_kind[o->kind < MODULE_KINDS ? o->kind : MODULE_OTHER];
	uint64_t live = ledger_sums_plus(0, site->live_bytes);

	m->count = ledger_sums_plus(m->count, site->live_count);
	m->live_bytes = ledger_sums_plus(m->live_bytes, live);
	*kind = ledger_sums_plus(*kind, live);
	if (live > m->largest_bytes) {
		m->largest_bytes = live;
		set_evidence(&m->evidence, s, site, o);
	}
	if (site->kind != MT_SITE_HEAP)
		return;
	m->allocs = ledger_sums_plus(m->allocs, site->allocated_count);
	m->frees = ledger_sums_plus(m->frees, site->freed_count);
}

void ledger_sums_sites(const struct snapshot *s, const struct owner *owners, struct ledger_sums *t)
{
	size_t i;

	for (i = 0; i < s->site_count; i++) {
		const struct snap_site *site = &s->sites[i];
		enum resource_class class = ledger_sums_site_class(s, &owners[i]);

		if (site->touched)
			continue; /* the ranges hold it; see ledger_sums_touched() */
		if (site->kind == MT_SITE_HEAP) {
			t->live_bytes = ledger_sums_plus(t->live_bytes, site->live_bytes);
			t->live_count = ledger_sums_plus(t->live_count, site->live_count);
			t->estimated = t->estimated || site->estimated;
			t->live_variance += own_variance(site);
			t->live_common += site->live_common_bytes;
			t->class[class].variance += own_variance(site);
			t->class[class].common += site->live_common_bytes;
			t->allocs = ledger_sums_plus(t->allocs, site->allocated_count);
			t->frees = ledger_sums_plus(t->frees, site->freed_count);
		} else if (site->kind != MT_SITE_MMAP && site->kind != MT_SITE_BRK) {
			continue;
		}
		t->class[class].count = ledger_sums_plus(t->class[class].count, site->live_count);
		if (class == CLASS_native_modules)
			add_to_module(&t->modules[owners[i].module], s, i, &owners[i]);
	}
}

/* A mapping from before the trace may fill up since: that part is not from before. */
static void keep_to_before(const struct ledger_state *st, struct ledger_sums *t)
{
	struct class_sum *before = &t->class[CLASS_preexisting];

	t->before_bytes = min_bytes(before->bytes, st->before_bytes);
	t->filled_bytes = before->bytes - t->before_bytes;
	before->bytes = t->before_bytes;
}

int ledger_sums_ranges(const struct snapshot *s, const struct owner *owners,
		       const struct ledger_state *st, struct ledger_sums *t)
{
	int r = add_ranges(s, owners, t);

	if (r < 0)
		return r;
	keep_to_before(st, t);
	return 0;
}

uint64_t ledger_sums_parts(const struct ledger_sums *t)
{
	uint64_t parts = 0;

	for (size_t i = 0; i < sizeof(cut_order) / sizeof(cut_order[0]); i++)
		parts = ledger_sums_plus(parts, t->class[cut_order[i]].bytes);
	return parts;
}

uint64_t ledger_sums_close(uint64_t external_bytes, struct ledger_sums *t)
{
	unsigned __int128 parts = 0, over;
	size_t i;

	for (i = 0; i < sizeof(cut_order) / sizeof(cut_order[0]); i++)
		parts += t->class[cut_order[i]].bytes;
	if (parts <= external_bytes)
		return external_bytes - (uint64_t)parts;
	over = parts - external_bytes;
	for (i = 0; over && i < sizeof(cut_order) / sizeof(cut_order[0]); i++) {
		struct class_sum *c = &t->class[cut_order[i]];
		uint64_t by = over < c->bytes ? (uint64_t)over : c->bytes;

		c->bytes -= by;
		c->cut = by > 0;
		over -= by;
	}
	return 0;
}

static int compare_modules(const void *a, const void *b)
{
	const struct module_row *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return (x->module > y->module) - (x->module < y->module);
}

static enum module_kind kind_of_module(const struct snapshot *s, uint32_t module,
				       const struct module_sum *m)
{
	enum module_kind most = MODULE_OTHER;

	for (int kind = 0; kind < MODULE_KINDS; kind++)
		if (m->by_kind[kind] > m->by_kind[most])
			most = (enum module_kind)kind;
	if (most != MODULE_OTHER || !s->modules[module].name)
		return most;
	return attrib_find_kind(s->rules, s->modules[module].name);
}

int ledger_sums_modules(const struct snapshot *s, const struct ledger_sums *t,
			struct module_row **ret, size_t *ret_count)
{
	uint64_t whole = t->class[CLASS_native_modules].bytes, total = 0, seen = 0, given = 0;
	auto_free struct module_row *list = NULL;
	size_t count = 0, i;

	list = calloc(s->module_count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (i = 0; i < s->module_count; i++)
		total = ledger_sums_plus(total, t->modules[i].bytes);
	for (i = 0; i < s->module_count; i++) {
		const struct module_sum *m = &t->modules[i];
		uint64_t upto;

		if (!m->bytes && !m->count)
			continue;
		seen = ledger_sums_plus(seen, m->bytes);
		upto = total ? ledger_sums_share(whole, seen, total) : 0;
		list[count++] = (struct module_row){
			.module = i,
			.kind = kind_of_module(s, i, m),
			.bytes = upto - given,
			.count = m->count,
			.live_bytes = m->live_bytes,
			.allocated_count = m->allocs,
			.freed_count = m->frees,
			.rule = m->evidence.rule,
			.function = m->evidence.function,
			.why = m->evidence.why,
			.holder = m->evidence.why ? m->evidence.holder : SNAP_NO_MODULE,
			.confidence = ledger_sums_confidence(m->weight, m->weighted_confidence),
		};
		given = upto;
	}
	qsort(list, count, sizeof(*list), compare_modules);
	*ret = steal(list);
	*ret_count = count;
	return 0;
}
