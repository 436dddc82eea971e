/*
 * Builds the immutable copy of a process that every reader above sees; see snapshot.h and
 * model_snapshot(). Everything lives in one arena; strings are copied, equal ones of a stack once.
 */
#include "model/snapshot.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/arena.h"
#include "model/model.h"
#include "model/procs.h"
#include "model/sat.h"
#include "model/site_estimate.h"
#include "model/talks.h"

/* A snapshot with the memory that it points to. */
struct kept_snapshot {
	struct snapshot s; /* first: snapshot_free() is given its address */
	struct arena arena;
};

struct build {
	struct snapshot *s;
	struct arena *arena;
	struct proc *p;
	uint64_t now_ns;
	double unit;		  /* see estimate_error() */
	struct snap_stack *known; /* by frame handle: a frame with what was inlined there */
};

void snapshot_free(struct snapshot *s)
{
	struct kept_snapshot *k = (struct kept_snapshot *)s;

	if (!k)
		return;
	arena_done(&k->arena);
	free(k);
}

static void snapshot_freep(struct snapshot **s)
{
	snapshot_free(*s);
}

static int build_modules(struct build *b)
{
	size_t n = modules_count(b->p->space.modules);
	struct snap_module *out = arena_alloc(b->arena, n, sizeof(*out));

	if (!out)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const struct module *x = modules_at(b->p->space.modules, i);
		const char *called = modules_exe_name(b->p->space.modules);
		const char *path = arena_copy_text(b->arena, x->path);
		const char *id = arena_copy_text(b->arena, x->fact.build_id);

		called = x->main_exe && *called ? arena_copy_text(b->arena, called) : NULL;
		if (!path || !id)
			return -ENOMEM;
		out[i] = (struct snap_module){
			.name = called ? called : path + (module_name(x) - x->path),
			.path = path,
			.build_id = id,
			.main_exe = x->main_exe,
			.allocator = x->allocator,
		};
	}
	b->s->modules = out;
	b->s->module_count = n;
	return 0;
}

/* NULL stays NULL. */
static int copy_text(struct build *b, const char *text, const char **ret)
{
	*ret = text ? arena_copy_text(b->arena, text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

static int copy_name(struct build *b, const struct frame_name *name, struct snap_frame *out)
{
	if (copy_text(b, name->symbol, &out->symbol) < 0 ||
	    copy_text(b, name->file, &out->file) < 0)
		return -ENOMEM;
	out->line = name->line;
	return 0;
}

/* One frame as the reader sees it: what was inlined there, innermost first, and the function. */
static int build_frame(struct build *b, const struct frame *f, struct snap_stack *ret)
{
	const struct frame_name own = { f->symbol, f->file, f->line };
	const size_t n = f->inlined_count + 1u;
	struct snap_frame *out = arena_alloc(b->arena, n, sizeof(*out));
	const struct snap_frame place = {
		.pc = f->pc,
		.offset = stacks_offset(b->p->space.stacks, f),
		.module = f->place == FRAME_IN_MODULE ? f->module : SNAP_NO_MODULE,
		.kind = f->place != FRAME_IN_JIT ? FRAME_NATIVE
			: f->interpreted	 ? FRAME_INTERPRETED
						 : FRAME_JIT,
	};

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		out[i] = place;
		out[i].inlined = i < f->inlined_count;
		if (copy_name(b, out[i].inlined ? &f->inlined[i] : &own, &out[i]) < 0)
			return -ENOMEM;
	}
	ret->frames = out;
	ret->count = n;
	return 0;
}

/* Of a handle that is no frame: one about which nothing is known. */
static int know_frame(struct build *b, uint32_t handle, const struct snap_stack **ret)
{
	static const struct snap_frame nothing = { .module = SNAP_NO_MODULE, .kind = FRAME_NATIVE };
	static const struct snap_stack unknown = { &nothing, 1 };
	const struct frame *f = stacks_at(b->p->space.stacks, handle);

	*ret = f ? &b->known[handle] : &unknown;
	return f && !(*ret)->count ? build_frame(b, f, &b->known[handle]) : 0;
}

static int build_stack(struct build *b, const struct site *site, struct snap_stack *ret)
{
	const struct snap_stack *one;
	struct snap_frame *out;
	size_t n = 0;

	for (uint32_t i = 0; i < site->frame_count; i++) {
		if (know_frame(b, site->frame[i], &one) < 0)
			return -ENOMEM;
		n += one->count;
	}
	out = arena_alloc(b->arena, n, sizeof(*out));
	if (!out)
		return -ENOMEM;
	*ret = (struct snap_stack){ out, n, site->end };
	for (uint32_t i = 0; i < site->frame_count; i++) {
		know_frame(b, site->frame[i], &one);
		memcpy(out, one->frames, one->count * sizeof(*out));
		out += one->count;
	}
	return 0;
}

/* count may be NULL. */
static int build_series(struct build *b, const struct series *from, struct snap_series *bytes,
			struct snap_series *count)
{
	size_t n = series_count(from);
	const struct series_point *p = series_points(from);
	double *v = arena_alloc(b->arena, n * 3, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		v[i] = p[i].t_cs / 100.0;
		v[n + i] = (double)p[i].bytes;
		v[2 * n + i] = p[i].count;
	}
	*bytes = (struct snap_series){ v, v + n, n };
	if (count)
		*count = (struct snap_series){ v, v + 2 * n, n };
	return 0;
}

/* Where most of what a site of faults holds lies. */
static enum touched touched_most(const struct site *site)
{
	enum touched most = TOUCHED_ANON;

	for (int i = TOUCHED_NONE + 1; i < TOUCHED_USES; i++)
		if (site->touched.bytes[i] > site->touched.bytes[most])
			most = (enum touched)i;
	return most;
}

static void tell_touched(const struct site *site, struct snap_site *out)
{
	out->touched = touched_most(site);
	out->kind = out->touched == TOUCHED_HEAP ? MT_SITE_HEAP : MT_SITE_MMAP;
	out->unplaced_bytes = site->touched.unplaced_bytes;
}

static int build_site(struct build *b, struct site *site, struct snap_site *ret)
{
	struct snap_site out = {
		.site = site->number,
		.kind = site->kind,
		.live_bytes = site_live_bytes(site),
		.live_count = site_live_count(site),
		.allocated_bytes = site->alloc_bytes,
		.allocated_count = site->alloc_count,
		.freed_bytes = site->free_bytes,
		.freed_count = site->free_count,
		.managed_bytes = site->managed_bytes,
		.ages_known = true,
		.first_seen_s = ns_between_s(b->p->since_ns, site->first_seen_ns),
		.last_alloc_s = ns_between_s(b->p->since_ns, site->last_alloc_ns),
	};
	int r;

	if (!site->id_final)
		site->id = stacks_site_id(b->p->space.stacks, site->kind, site->end, site->frame,
					  site->frame_count, &site->id_final);
	out.id = site->id;
	out.id_final = site->id_final;
	site_estimate(site, b->unit, &b->p->space.windows, &out);
	if (site->kind == MT_SITE_FAULT)
		tell_touched(site, &out);
	memcpy(out.live_by_age, site->live_by_age, sizeof(out.live_by_age));
	memcpy(out.freed_by_age, site->freed_by_age, sizeof(out.freed_by_age));
	r = build_stack(b, site, &out.stack);
	if (r == 0)
		r = build_series(b, site->series, &out.live_bytes_series, &out.live_count_series);
	if (r < 0)
		return r;
	*ret = out;
	return 0;
}

/* Ages of everything that is not heap; the kernel's were folded when they were read. */
static void count_ages(const struct build *b)
{
	const struct space *s = &b->p->space;

	for (size_t i = 0; i < sites_count(s->sites); i++) {
		struct site *site = sites_at(s->sites, i);

		if (site->kind != MT_SITE_HEAP)
			memset(site->live_by_age, 0, sizeof(site->live_by_age));
	}
	mappings_add_ages(s->mappings, b->now_ns);
	threads_add_ages(s->threads, b->now_ns);
	pages_add_ages(s->pages, b->now_ns);
	fds_add_ages(b->p->fds, b->now_ns);
}

/* The largest that is known here. */
static double largest_unit(const struct sites *sites)
{
	double unit = 0;

	for (size_t i = 0; i < sites_count(sites); i++)
		unit = fmax(unit, site_estimate_unit(sites_at(sites, i)));
	return unit;
}

/* lost: the site of no stack, NULL when it cannot be told whose it is. */
static int build_sites(struct build *b, struct site *lost)
{
	const struct sites *sites = b->p->space.sites;
	struct snap_site *out = arena_alloc(b->arena, sites_count(sites) + 1, sizeof(*out));
	size_t n = 0;
	int r = 0;

	if (!out)
		return -ENOMEM;
	count_ages(b);
	b->unit = largest_unit(sites);
	if (lost && lost->alloc_count)
		r = build_site(b, lost, &out[n++]);
	for (size_t i = 0; i < sites_count(sites) && r == 0; i++) {
		struct site *site = sites_at(sites, i);

		/* where allocations are recorded, who touched their pages is nothing more */
		if (site->alloc_count && !(site->kind == MT_SITE_FAULT && b->p->heap_traced))
			r = build_site(b, site, &out[n++]);
	}
	b->s->sites = out;
	b->s->site_count = n;
	return r;
}

static int build_ranges(struct build *b)
{
	const struct ranges *t = b->p->space.ranges;
	size_t n = ranges_count(t);
	struct snap_range *out = arena_alloc(b->arena, n, sizeof(*out));

	if (!out)
		return -ENOMEM;
	if (n)
		memcpy(out, ranges_all(t), n * sizeof(*out));
	b->s->ranges = out;
	b->s->range_count = n;
	b->s->residency_known = ranges_measured(t);
	b->s->allocator_at_attach_bytes = ranges_allocator_at_attach(t);
	return 0;
}

/* Resident bytes of managed memory, as the ranges have it. */
static void tell_resident(struct inner_heap *h, const struct snapshot *s)
{
	h->resident_bytes = h->swapped_bytes = h->pooled_bytes =
		s->residency_known ? 0 : FACT_UNKNOWN;
	for (size_t i = 0; s->residency_known && i < s->range_count; i++) {
		const struct snap_range *r = &s->ranges[i];
		uint64_t in = r->resident_bytes == FACT_UNKNOWN ? 0 : r->resident_bytes;

		if (r->use != RANGE_MANAGED && r->use != RANGE_POOLED)
			continue;
		h->resident_bytes = sat_add(h->resident_bytes, in);
		if (r->swapped_bytes != FACT_UNKNOWN)
			h->swapped_bytes = sat_add(h->swapped_bytes, r->swapped_bytes);
		if (r->use == RANGE_POOLED)
			h->pooled_bytes = sat_add(h->pooled_bytes, in);
	}
}

/* What is said from inside; after the ranges. */
static int build_inner(struct build *b)
{
	const struct space *space = &b->p->space;
	struct inner_allocator *allocator;
	struct inner_runtime *runtime;
	struct snapshot *s = b->s;

	s->managed_bytes = b->p->managed_bytes;
	s->walked_s = NAN;
	if (space->runtime_known) {
		runtime = arena_alloc(b->arena, 1, sizeof(*runtime));
		if (!runtime)
			return -ENOMEM;
		*runtime = space->runtime;
		tell_resident(&runtime->heap, s);
		s->runtime = runtime;
	}
	if (space->allocator_known) {
		allocator = arena_alloc(b->arena, 1, sizeof(*allocator));
		if (!allocator)
			return -ENOMEM;
		*allocator = space->allocator;
		s->allocator = allocator;
		s->walked_s = ns_between_s(b->p->since_ns, space->walked_ns);
	}
	return 0;
}

/* After the sites: their ids are known then. */
static int build_fds(struct build *b)
{
	const struct fds *t = b->p->fds;
	struct snap_fd *out = arena_alloc(b->arena, fds_count(t), sizeof(*out));
	auto_free struct fd_fact **fact = calloc(fds_count(t) + 1, sizeof(fact[0]));
	struct fd_entry e;
	size_t n = 0;

	if (!out || !fact)
		return -ENOMEM;
	for (int number = 0; n < fds_count(t) && fds_next(t, &number, &e);)
		out[n++] = (struct snap_fd){
			.fact = e.fact,
			.site_id = e.site ? e.site->id : 0,
			.opened_s = e.opened_ns ? ns_between_s(b->p->since_ns, e.opened_ns) : NAN,
		};
	for (size_t i = 0; i < n; i++)
		fact[i] = &out[i].fact;
	b->s->fds = out;
	b->s->fd_count = n;
	b->s->native_left = fds_left(t);
	b->s->fds_known = fds_is_complete(t);
	return talks_compare(fact, n);
}

static void build_process(struct build *b)
{
	const struct proc *p = b->p;
	struct snapshot *s = b->s;

	s->pid = p->pid;
	memcpy(s->comm, p->comm, sizeof(s->comm));
	s->elapsed_s = ns_between_s(p->since_ns, b->now_ns);
	s->seq = p->seq;
	s->alive = p->alive;
	s->proc = p->fact;
	/* of the moment at which its pages were looked at: what it grew by since is in no range */
	if (ranges_measured(p->space.ranges) && p->sized_rss_bytes != FACT_UNKNOWN &&
	    p->fact.rss_bytes != FACT_UNKNOWN) {
		s->proc.rss_bytes = p->sized_rss_bytes;
		s->proc.swap_bytes = p->sized_swap_bytes;
	}
	s->heap_traced = p->heap_traced;
	s->windows = (uint64_t)p->space.windows.count;
	s->rss_at_attach_bytes = p->rss_at_attach_bytes;
	s->thread_count =
		p->fact.threads ? p->fact.threads : (uint32_t)threads_count(p->space.threads);
}

static void build_counters(struct snap_counters *c, const struct model *m)
{
	c->sites_refused += m->gone.sites_refused;
	c->ranges_refused += m->gone.ranges_refused;
	c->fds_refused += m->gone.fds_refused;
	c->symbols_refused += m->gone.symbols_refused;
	c->tasks_refused += m->gone.tasks_refused;
	for (size_t i = 0; i < m->procs; i++)
		procs_add_refused(m->proc[i], c);
}

int model_snapshot(struct model *m, uint32_t pid, uint64_t now_ns,
		   const struct snap_counters *counters, struct snapshot **ret)
{
	struct proc *p = procs_find(m, pid);
	auto_clean(snapshot_freep) struct snapshot *s = NULL;
	auto_free struct snap_stack *known = NULL;
	struct kept_snapshot *k;
	struct build b;
	int r;

	if (!p)
		return -ESRCH;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	s = &k->s;
	known = calloc(stacks_count(p->space.stacks) + 1, sizeof(*known));
	if (!known)
		return -ENOMEM;
	b = (struct build){ s, &k->arena, p, now_ns, 0, known };
	build_process(&b);
	if (counters)
		s->counters = *counters;
	build_counters(&s->counters, m);
	r = build_modules(&b);
	if (r == 0)
		r = build_sites(&b, m->procs == 1 ? &m->lost : NULL);
	if (r == 0)
		r = build_ranges(&b);
	if (r == 0)
		r = build_inner(&b);
	if (r == 0)
		r = build_fds(&b);
	if (r == 0)
		r = build_series(&b, p->external, &s->external_series, NULL);
	if (r < 0)
		return r;
	p->seq++;
	fds_mark_incomplete(p->fds);
	*ret = steal(s);
	return 0;
}
