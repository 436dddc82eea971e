/*
 * Rows of the ledger from its sums: which are exact, which are estimates and why, and which were
 * not measured. The rules are in ledger.h.
 */
#include "analyse/ledger.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/ledger_split.h"
#include "analyse/ledger_sums.h"
#include "analyse/peers.h"
#include "base/cleanup.h"

static struct class_row unavailable(const char *why)
{
	return (struct class_row){ FACT_UNKNOWN, FACT_UNKNOWN, NAN, 0, HOW_UNAVAILABLE, why, 0 };
}

static struct class_row known(uint64_t bytes, double confidence)
{
	return (struct class_row){ bytes, FACT_UNKNOWN, NAN, confidence, HOW_EXACT, NULL, 0 };
}

static struct class_row estimate(uint64_t bytes, double confidence, const char *why)
{
	return (struct class_row){ bytes, FACT_UNKNOWN, NAN, confidence, HOW_ESTIMATE, why, 0 };
}

/* application, native_modules, and what owners may say of the runtime. */
static struct class_row owned_row(const struct snapshot *s, const struct ledger_sums *t,
				  enum resource_class class)
{
	const struct class_sum *c = &t->class[class];
	bool asked_for = class == CLASS_application || class == CLASS_native_modules;
	double confidence = ledger_sums_confidence(c->weight, c->weighted_confidence);
	struct class_row row;

	if (!c->weight && !c->bytes && !asked_for)
		return unavailable("no language runtime was read");
	if (!c->weight && !s->heap_traced)
		return unavailable("allocations are not traced");
	if (class == CLASS_application && t->unowned_bytes >= c->bytes / 2 && t->unowned_bytes)
		return estimate(c->bytes, confidence,
				"most of it is native memory that came since, and nobody saw who "
				"asked for it");
	if (t->unseen_given_bytes && c->weight)
		return estimate(c->bytes,
				confidence * (double)(t->seen_bytes + 1) /
					((double)t->seen_bytes + 1 + (double)t->unseen_given_bytes),
				"in proportion to what was seen: of some live memory nobody saw "
				"who asked for it");
	if (!s->heap_traced && c->from_heap)
		return estimate(c->bytes, confidence,
				"call sites hold what they did when allocations were traced last");
	if (!s->heap_traced)
		return estimate(c->bytes, confidence,
				t->touched_bytes ? "mappings, and pages touched since: allocations "
						   "are not traced"
						 : "mappings only: allocations are not traced");
	if (class == CLASS_application && t->unowned_bytes)
		return estimate(c->bytes, confidence,
				"with native memory of which nobody saw who asked for it");
	if (!c->from_heap)
		return known(c->bytes, confidence);
	if (t->estimated) {
		row = estimate(c->bytes, confidence, "live bytes are estimated from samples");
		row.error_bytes = hypot(sqrt(c->variance), c->common);
		return row;
	}
	if (t->live_bytes > t->allocator_bytes)
		return estimate(c->bytes, confidence,
				"more is live than resident: scaled down in proportion");
	return estimate(c->bytes, confidence, "live bytes are counted as resident");
}

/* Buffers as the runtime counts them, and what of its allocator's sites is more. */
static struct class_row buffers_row(const struct snapshot *s, const struct ledger_sums *t)
{
	const struct class_sum *c = &t->class[CLASS_buffers];
	const struct inner_buffers *b = s->runtime ? &s->runtime->buffers : NULL;
	struct class_row row;

	if (!b || (!b->known.how && !c->bytes)) {
		row = owned_row(s, t, CLASS_buffers);
		if (row.how == HOW_UNAVAILABLE && b && b->known.why)
			row.why = b->known.why;
		return row;
	}
	if (t->buffers_exact && !c->from_heap)
		row = known(c->bytes, 1);
	else if (b->resident_bytes != FACT_UNKNOWN)
		row = estimate(c->bytes, 0.9,
			       b->known.why ? b->known.why
					    : "how many are resident was looked "
					      "at a while ago");
	else
		row = estimate(c->bytes, 0.7,
			       b->known.how ? "as the runtime counts them, taken as resident"
					    : b->known.why);
	row.count = b->known.how ? b->count : 0;
	if (row.how == HOW_ESTIMATE && !row.why)
		row.why = "mappings only: the runtime's own count could not be read";
	return row;
}

/* Its own tables, where it tells of them, and what its code asked for. */
static struct class_row runtime_row(const struct snapshot *s, const struct ledger_sums *t)
{
	const struct class_sum *c = &t->class[CLASS_runtime];

	if (!c->weight && c->bytes)
		return known(c->bytes, 0.9);
	if (c->weight || !s->runtime)
		return owned_row(s, t, CLASS_runtime);
	return unavailable("the runtime does not tell its own memory from other memory of the "
			   "allocator");
}

static struct class_row preexisting_row(const struct snapshot *s, const struct ledger_sums *t)
{
	const struct class_sum *c = &t->class[CLASS_preexisting];

	if (s->heap_traced && !t->rest_split)
		return estimate(c->bytes, 0.5,
				"mappings only: what allocators held at attach is not known");
	if (t->filled_bytes)
		return estimate(c->bytes, 0.7,
				"with pages that were touched since in mappings from before");
	if (!c->from_heap)
		return known(c->bytes, 1);
	if (t->walked && t->walk_exact && !t->live_bytes &&
	    (!t->inner_buffer_bytes || t->buffers_exact))
		return known(c->bytes, 0.95);
	if (t->walked)
		return estimate(c->bytes, 0.9,
				"live when the allocator was walked through, and no call site's");
	if (!s->heap_traced)
		return estimate(c->bytes, 0.8,
				"allocations are not traced: what allocators held at attach and "
				"is not known to be gone");
	return estimate(c->bytes, 0.7,
			"in allocators: what was resident at attach and is not known to be gone");
}

static struct class_row slack_row(const struct snapshot *s, const struct ledger_sums *t)
{
	struct class_row row;

	if (t->walked && t->walk_exact)
		return known(t->class[CLASS_allocator_slack].bytes, 0.95);
	if (t->walked)
		return estimate(t->class[CLASS_allocator_slack].bytes, 0.9,
				s->allocator->known.why
					? s->allocator->known.why
					: "not live when the allocator was walked through last");
	if (!s->heap_traced && t->slack_then_bytes != FACT_UNKNOWN)
		return estimate(t->class[CLASS_allocator_slack].bytes, 0.5,
				"what was not live when allocations were traced last");
	if (!s->heap_traced)
		return unavailable(s->allocator && s->allocator->known.why
					   ? s->allocator->known.why
					   : "allocations are not traced");
	if (!t->rest_split)
		return unavailable("what allocators held at attach is not known");
	row = estimate(t->class[CLASS_allocator_slack].bytes, 0.7,
		       "resident in allocators, neither live nor from before the trace");
	row.error_bytes = hypot(sqrt(t->live_variance), t->live_common);
	if (t->estimated)
		row.why = "resident in allocators without what samples say is live, and what was "
			  "there before";
	return row;
}

static struct class_row resident_row(const struct snapshot *s, const struct ledger_sums *t,
				     enum resource_class class)
{
	switch (class) {
	case CLASS_application:
	case CLASS_native_modules: return owned_row(s, t, class);
	case CLASS_buffers: return buffers_row(s, t);
	case CLASS_runtime: return runtime_row(s, t);
	case CLASS_preexisting: return preexisting_row(s, t);
	case CLASS_allocator_slack: return slack_row(s, t);
	default: return known(t->class[class].bytes, 1);
	}
}

static void fill_resident(const struct snapshot *s, struct ledger_sums *t, struct ledger *l)
{
	uint64_t unexplained = ledger_sums_close(l->external_bytes, t);
	int c;

	for (c = 1; c < CLASS_MAX; c++) {
		if (!ledger_sums_resident(c))
			continue;
		l->rows[c] = resident_row(s, t, c);
		if (!t->class[c].cut || l->rows[c].how == HOW_UNAVAILABLE)
			continue;
		l->rows[c].how = HOW_ESTIMATE;
		l->rows[c].why = "cut: the ranges hold more than the process counts";
	}
	l->rows[CLASS_unexplained] = known(unexplained, 1);
	l->slack_bytes = l->rows[CLASS_allocator_slack].bytes;
	l->coverage_ratio = 1;
	if (l->external_bytes)
		l->coverage_ratio = (double)(l->external_bytes - unexplained) / l->external_bytes;
}

/* Nothing can be placed: all of external is unexplained, if even that is known. */
static void fill_nothing(struct ledger *l)
{
	static const char why[] = "residency by address range could not be read";
	int c;

	for (c = 1; c < CLASS_MAX; c++) {
		if (ledger_sums_resident(c))
			l->rows[c] = unavailable(why);
	}
	if (l->external_bytes != FACT_UNKNOWN)
		l->rows[CLASS_unexplained] = estimate(l->external_bytes, 1, why);
}

static void fill_counts(const struct snapshot *s, const struct ledger_sums *t, struct ledger *l)
{
	if (t->class[CLASS_application].count || s->heap_traced)
		l->rows[CLASS_application].count = t->class[CLASS_application].count;
	if (t->class[CLASS_native_modules].count || s->heap_traced)
		l->rows[CLASS_native_modules].count = t->class[CLASS_native_modules].count;
	l->rows[CLASS_thread_stacks].count = s->thread_count;
}

static void fill_socket_memory(const struct snapshot *s, uint64_t *sockets, struct class_row *row)
{
	uint64_t bytes = 0, measured = 0;
	size_t i;

	for (i = 0; i < s->fd_count; i++) {
		if (s->fds[i].fact.kind != FD_SOCKET)
			continue;
		measured += s->fds[i].fact.kernel_bytes != FACT_UNKNOWN;
		bytes = ledger_sums_plus(bytes, s->fds[i].fact.kernel_bytes);
		++*sockets;
	}
	if (*sockets && !measured)
		*row = unavailable("the kernel's socket memory could not be read");
	else if (measured < *sockets)
		*row = estimate(bytes, 0.7, "some sockets could not be measured");
	else
		*row = known(bytes, 1);
	row->count = *sockets;
}

/* Classes that are counted, not measured in resident bytes. */
static void fill_descriptors(const struct snapshot *s, struct ledger *l)
{
	static const enum resource_class counted[] = { CLASS_file_handles,
						       CLASS_network_connections,
						       CLASS_websocket_connections,
						       CLASS_database_connections };
	uint64_t counts[CLASS_MAX] = { 0 }, sockets = 0;
	bool seen = s->fds_known || s->fd_count;
	struct class_row *row;
	size_t i;

	for (i = 0; i < s->fd_count; i++)
		counts[peers_find(&s->fds[i].fact).class]++;
	for (i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
		row = &l->rows[counted[i]];
		*row = unavailable("the descriptor table could not be read");
		if (!seen)
			continue;
		*row = known(FACT_UNKNOWN, counted[i] == CLASS_file_handles ? 1 : 0.8);
		row->count = counts[counted[i]];
		if (!s->fds_known) {
			row->how = HOW_ESTIMATE;
			row->why = "only descriptors whose opening or closing was seen";
		}
	}
	l->rows[CLASS_kernel_socket_buffers] =
		unavailable("the descriptor table could not be read");
	if (seen)
		fill_socket_memory(s, &sockets, &l->rows[CLASS_kernel_socket_buffers]);
}

/* Moves the state to this tick and takes the rates from it. */
static void fill_rates(const struct snapshot *s, const struct ledger_sums *t,
		       struct ledger_state *st, struct ledger *l)
{
	struct class_row rows[CLASS_MAX];
	int c;

	memcpy(rows, l->rows, sizeof(rows));
	if (!s->residency_known)
		rows[CLASS_unexplained].bytes = FACT_UNKNOWN; /* it is the whole, not a part */
	ledger_state_add(st, s->elapsed_s, rows, t->allocs, t->frees);
	for (c = 1; c < CLASS_MAX; c++)
		l->rows[c].growth_bytes_per_s = ledger_state_slope(st, c);
	l->alloc_per_s = s->heap_traced ? st->alloc_per_s : NAN;
	l->free_per_s = s->heap_traced ? st->free_per_s : NAN;
}

static uint64_t external_of(const struct snapshot *s)
{
	const struct proc_fact *p = &s->proc;
	uint64_t whole = ledger_sums_plus(p->rss_bytes, p->swap_bytes);

	if (p->rss_bytes == FACT_UNKNOWN)
		return FACT_UNKNOWN;
	return whole > s->managed_bytes ? whole - s->managed_bytes : 0;
}

int ledger_build(const struct snapshot *s, const struct owner *owners, struct ledger_state *st,
		 struct ledger *ret)
{
	struct ledger l = { .external_bytes = external_of(s),
			    .coverage_ratio = NAN,
			    .slack_bytes = FACT_UNKNOWN };
	auto_free struct module_sum *modules = NULL;
	struct ledger_sums t = { .gone_bytes = st->gone_bytes,
				 .before_bytes = st->before_bytes,
				 .slack_then_bytes = st->slack_then_bytes,
				 .buffers_walked_bytes = FACT_UNKNOWN };
	int r;

	modules = calloc(s->module_count + 1, sizeof(*modules));
	if (!modules)
		return -ENOMEM;
	t.modules = modules;
	ledger_sums_sites(s, owners, &t);
	l.rows[CLASS_NONE] = unavailable("no class");
	if (s->residency_known && l.external_bytes != FACT_UNKNOWN) {
		r = ledger_sums_ranges(s, owners, st, &t);
		if (r < 0)
			return r;
		ledger_split_allocator(s, owners, st, &t);
		ledger_split_rest(s, owners, st, l.external_bytes, &t);
		fill_resident(s, &t, &l);
		r = ledger_sums_modules(s, &t, &l.modules, &l.module_count);
		if (r < 0)
			return r;
	} else {
		fill_nothing(&l);
	}
	fill_counts(s, &t, &l);
	fill_descriptors(s, &l);
	l.live_bytes = s->heap_traced ? t.live_bytes : FACT_UNKNOWN;
	l.live_count = s->heap_traced ? t.live_count : FACT_UNKNOWN;
	l.estimated = s->heap_traced && t.estimated;
	l.live_error_bytes = l.estimated ? hypot(sqrt(t.live_variance), t.live_common) : 0;
	st->gone_bytes = t.gone_bytes;
	st->before_bytes = t.before_bytes;
	st->slack_then_bytes = t.slack_then_bytes;
	if (t.walked) {
		st->walked_s = s->walked_s;
		st->walked_held_bytes = t.walked_held_bytes;
		st->walked_unmapped_bytes = t.walked_unmapped_bytes;
	}
	st->buffers_walked_bytes = t.buffers_walked_bytes;
	st->buffers_then_bytes = t.buffers_then_bytes;
	fill_rates(s, &t, st, &l);
	*ret = l;
	return 0;
}

void ledger_done(struct ledger *l)
{
	free(l->modules);
	*l = (struct ledger){ 0 };
}
