/*
 * See model.h: events go to apply.c, questions come from ask.c and snapshots from snapshot.c; here
 * are the facts of each tick and the kernel's accounting.
 */
#include "model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/apply.h"
#include "model/procs.h"
#include "model/sat.h"
#include "model/exposure.h"

#define PAGE_BYTES_DEFAULT 4096

static void limits_complete(struct model_limits *l)
{
	const struct {
		size_t *limit, standard;
	} table[] = {
		{ &l->processes, 1024 }, { &l->sites, 65536 },	 { &l->mappings, 65536 },
		{ &l->ranges, 65536 },	 { &l->regions, 16384 }, { &l->fds, 65536 },
		{ &l->threads, 65536 },	 { &l->frames, 65536 },	 { &l->modules, 4096 },
		{ &l->series, 2048 },	 { &l->points, 128 },	 { &l->pages, 65536 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (*table[i].limit == 0)
			*table[i].limit = table[i].standard;
}

int model_new(const struct model_cfg *cfg, struct model **ret)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->cfg = *cfg;
	limits_complete(&m->cfg.limits);
	if (m->cfg.page_bytes == 0)
		m->cfg.page_bytes = PAGE_BYTES_DEFAULT;
	m->lost.number = MT_SITE_NONE;
	m->lost.kind = MT_SITE_HEAP;
	m->lost.first_seen_ns = cfg->boot_ns;
	*ret = m;
	return 0;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	while (m->procs)
		procs_remove(m, m->proc[m->procs - 1]);
	free(m->proc);
	free(m);
}

int model_add_process(struct model *m, uint32_t pid, uint32_t asid, uint64_t start_ticks,
		      uint64_t now_ns, const char *comm)
{
	struct proc *p = procs_find(m, pid), *other = procs_find_asid(m, asid);
	int r;

	if (other && other != p)
		return -EEXIST;
	if (p && (p->space.asid != asid || (p->start_ticks && p->start_ticks != start_ticks))) {
		procs_remove(m, p);
		p = NULL;
	}
	r = p ? 0 : procs_add(m, pid, asid, now_ns, &p);
	if (r < 0)
		return r;
	p->start_ticks = p->fact.start_ticks = start_ticks;
	if (comm[0])
		procs_set_comm(p, comm, strlen(comm));
	return 0;
}

void model_remove_process(struct model *m, uint32_t pid)
{
	struct proc *p = procs_find(m, pid);

	if (p)
		procs_remove(m, p);
}

bool model_has_process(const struct model *m, uint32_t pid)
{
	return procs_find(m, pid) != NULL;
}

int model_set_exited(struct model *m, uint32_t pid)
{
	struct proc *p = procs_find(m, pid);

	if (!p)
		return -ESRCH;
	p->alive = false;
	return 0;
}

int model_apply(struct model *m, const struct event *ev)
{
	return apply_event(m, ev);
}

/* --- accounting --- */

/* A site in the contest for a history. */
struct ranked {
	struct site *site;
	uint64_t weight;
	uint64_t since_ns;
};

static int ranked_compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	return (x->site->number > y->site->number) - (x->site->number < y->site->number);
}

/* All sites that hold something or have a history; one that has it holds on to it. */
static size_t sites_rank(const struct model *m, struct ranked *out)
{
	size_t n = 0;

	for (size_t i = 0; i < m->procs; i++) {
		const struct proc *p = m->proc[i];

		for (size_t k = 0; k < sites_count(p->space.sites); k++) {
			struct site *s = sites_at(p->space.sites, k);
			uint64_t weight = site_weight(s);

			if (s->series)
				weight = sat_mul(weight, 2);
			if (weight || s->series)
				out[n++] = (struct ranked){ s, weight, p->since_ns };
		}
	}
	return n;
}

static int histories_update(struct model *m, uint64_t now_ns)
{
	auto_free struct ranked *rank = NULL;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < m->procs; i++)
		n += sites_count(m->proc[i]->space.sites);
	rank = calloc(n ? n : 1, sizeof(*rank));
	if (!rank)
		return -ENOMEM;
	n = sites_rank(m, rank);
	if (n > m->cfg.limits.series)
		qsort(rank, n, sizeof(*rank), ranked_compare);
	for (size_t i = 0; i < n && r >= 0; i++) {
		struct site *s = rank[i].site;

		if (i >= m->cfg.limits.series) {
			series_free(s->series);
			s->series = NULL;
			continue;
		}
		if (!s->series)
			r = series_new(m->cfg.limits.points, &s->series);
		if (r == 0)
			r = series_add(s->series, sat_sub(now_ns, rank[i].since_ns),
				       site_live_bytes(s), site_live_count(s));
	}
	return r;
}

int model_account(struct model *m, const struct mt_site *table, size_t n, uint64_t now_ns)
{
	if (n > MT_SITE_NONE)
		site_read_heap(&m->lost, &table[MT_SITE_NONE], m->cfg.boot_ns, now_ns);
	for (size_t i = 0; i < m->procs; i++) {
		struct proc *p = m->proc[i];

		for (size_t k = 0; k < sites_count(p->space.sites); k++) {
			struct site *s = sites_at(p->space.sites, k);

			if (s->kind == MT_SITE_HEAP && s->number < n)
				site_read_heap(s, &table[s->number], m->cfg.boot_ns, now_ns);
		}
		mappings_settle(p->space.mappings, now_ns);
		fds_settle(p->fds, now_ns);
	}
	return histories_update(m, now_ns);
}

int model_close_window(struct model *m, uint32_t pid, const struct overlap_block *block, size_t n,
		       const struct exposure_window *w)
{
	struct proc *p = procs_find(m, pid);

	if (!p)
		return -ESRCH;
	return exposure_settle(sites_all(p->space.sites), sites_count(p->space.sites), block, n, w);
}

int model_add_window(struct model *m, uint32_t pid, const struct mt_site *table, size_t n,
		     bool is_first, double variance)
{
	struct proc *p = procs_find(m, pid);

	if (!p)
		return -ESRCH;
	for (size_t i = 0; i < sites_count(p->space.sites); i++) {
		struct site *s = sites_at(p->space.sites, i);

		if (s->kind == MT_SITE_HEAP && s->number < n)
			spread_add(&s->in_windows, table[s->number].alloc_bytes, is_first);
	}
	if (!is_first) {
		p->space.windows.count++;
		p->space.windows.variance = variance;
	}
	return 0;
}

/* --- facts --- */

/* External memory can be told: where there is a heap, it was read at the moment of this fact. */
static bool is_external_known(const struct proc *p, const struct proc_fact *fact, bool fresh)
{
	return fact->swap_bytes != FACT_UNKNOWN && !p->managed_lost && (fresh || !p->managed_bytes);
}

int model_set_proc(struct model *m, uint32_t pid, const struct proc_fact *fact, uint64_t now_ns)
{
	struct proc *p = procs_find(m, pid);
	bool fresh;

	if (!p)
		return -ESRCH;
	p->fact = *fact;
	p->fact.comm[sizeof(p->fact.comm) - 1] = '\0';
	if (p->fact.comm[0])
		procs_set_comm(p, p->fact.comm, sizeof(p->fact.comm));
	if (fact->rss_bytes == FACT_UNKNOWN)
		return 0;
	if (p->rss_at_attach_bytes == FACT_UNKNOWN)
		p->rss_at_attach_bytes = fact->rss_bytes;
	fresh = !p->managed_stale;
	p->managed_stale = true;
	if (fresh) {
		p->sized_rss_bytes = fact->rss_bytes;
		p->sized_swap_bytes = fact->swap_bytes;
	}
	if (!is_external_known(p, fact, fresh))
		return 0;
	return series_add(p->external, sat_sub(now_ns, p->since_ns),
			  sat_sub(sat_add(fact->rss_bytes, fact->swap_bytes), p->managed_bytes), 0);
}

int model_set_inner(struct model *m, uint32_t pid, const struct inner_range *range, size_t n,
		    const struct inner_runtime *runtime, const struct inner_allocator *allocator,
		    uint64_t walked_ns)
{
	struct proc *p = procs_find(m, pid);
	struct space *s;
	int r;

	if (!p)
		return -ESRCH;
	s = &p->space;
	r = ranges_set_inner(s->ranges, range, n);
	if (r < 0)
		return r;
	s->runtime_known = runtime != NULL;
	if (runtime)
		s->runtime = *runtime;
	s->allocator_known = allocator != NULL;
	if (allocator)
		s->allocator = *allocator;
	s->walked_ns = walked_ns;
	return 0;
}

int model_set_heap_traced(struct model *m, uint32_t pid, bool traced)
{
	struct proc *p = procs_find(m, pid);

	if (!p)
		return -ESRCH;
	p->heap_traced = traced;
	return 0;
}

int model_set_in_allocator(struct model *m, uint32_t pid, uint32_t site)
{
	struct proc *p = procs_find(m, pid);
	struct site *s = p ? sites_find(p->space.sites, site) : NULL;

	if (!s || (s->kind != MT_SITE_MMAP && s->kind != MT_SITE_BRK))
		return -ENOENT;
	s->in_allocator = true;
	mappings_give_up(p->space.mappings, s);
	ranges_give_up(p->space.ranges, site);
	s->alloc_bytes = s->alloc_count = s->free_bytes = s->free_count = 0;
	memset(s->live_by_age, 0, sizeof(s->live_by_age));
	memset(s->freed_by_age, 0, sizeof(s->freed_by_age));
	series_free(s->series);
	s->series = NULL;
	return 0;
}

int model_set_exe(struct model *m, uint32_t pid, const char *path)
{
	struct proc *p = procs_find(m, pid);

	if (!p)
		return -ESRCH;
	modules_set_exe(p->space.modules, path);
	return 0;
}

int model_set_exe_name(struct model *m, uint32_t pid, const char *name)
{
	struct proc *p = procs_find(m, pid);

	if (!p)
		return -ESRCH;
	modules_set_exe_name(p->space.modules, name);
	return 0;
}

static bool line_is_anonymous(const struct map_line *l)
{
	return l->kind == VMA_ANON || l->kind == VMA_HEAP || l->kind == VMA_STACK ||
	       l->kind == VMA_SHM;
}

/* Corrects the mappings by the lines of the map: what is not there any more, where the break is. */
static void space_check(struct space *s, bool whole, uint64_t now_ns)
{
	const struct map_line *l = modules_lines(s->modules);
	size_t n = modules_line_count(s->modules);
	uint64_t at = 0;

	for (size_t i = 0; i < n; i++) {
		if (!line_is_anonymous(&l[i]))
			continue;
		mappings_drop(s->mappings, at, l[i].start, now_ns);
		at = l[i].end;
		if (l[i].kind == VMA_HEAP)
			mappings_set_break(s->mappings, l[i].end, now_ns);
	}
	if (whole)
		mappings_drop(s->mappings, at, UINT64_MAX, now_ns);
}

static int space_enter_before(struct space *s, uint64_t now_ns)
{
	const struct map_line *l = modules_lines(s->modules);
	int r = 0;

	for (size_t i = 0; i < modules_line_count(s->modules) && r == 0; i++)
		if (l[i].kind == VMA_ANON || l[i].kind == VMA_HEAP)
			r = mappings_add_before(s->mappings, l[i].start, l[i].end, now_ns);
	return r;
}

int model_set_vmas(struct model *m, uint32_t pid, const struct vma *vma, size_t n, uint64_t now_ns)
{
	struct proc *p = procs_find(m, pid);
	struct space *s;
	int r;

	if (!p)
		return -ESRCH;
	if (n == 0)
		return 0; /* the process is about to go: nothing would be left of it */
	s = &p->space;
	r = modules_set_vmas(s->modules, vma, n, now_ns);
	if (r < 0)
		return r;
	space_check(s, n <= m->cfg.limits.mappings, now_ns);
	if (!s->vmas_known)
		r = space_enter_before(s, now_ns);
	if (r < 0)
		return r;
	s->vmas_known = true;
	stacks_place(s->stacks);
	return 0;
}

int model_set_thread_stacks(struct model *m, uint32_t pid, const uint64_t *sp, size_t n)
{
	struct proc *p = procs_find(m, pid);

	return p ? ranges_set_pointers(p->space.ranges, sp, n) : -ESRCH;
}

int model_set_threads(struct model *m, uint32_t pid, const uint32_t *tid, size_t n, uint64_t now_ns)
{
	struct proc *p = procs_find(m, pid);

	return p ? threads_keep(p->space.threads, tid, n, now_ns) : -ESRCH;
}

int model_set_fds(struct model *m, uint32_t pid, const struct fd_fact *fact, size_t n,
		  uint64_t now_ns)
{
	struct proc *p = procs_find(m, pid);

	return p ? fds_set_facts(p->fds, fact, n, now_ns) : -ESRCH;
}

int model_add_talk(struct model *m, uint32_t pid, uint64_t inode, const struct protocol_verdict *v,
		   uint64_t now_ns, bool *ret_done)
{
	struct proc *p = procs_find(m, pid);

	return p ? fds_add_talk(p->fds, inode, v, now_ns, ret_done) : -ESRCH;
}

int model_set_native(struct model *m, uint32_t pid, const struct native_fact *native, size_t n,
		     const struct native_left *left)
{
	struct proc *p = procs_find(m, pid);

	return p ? fds_set_native(p->fds, native, n, left) : -ESRCH;
}

bool model_has_streams(const struct model *m, uint32_t pid)
{
	const struct proc *p = procs_find(m, pid);

	return p && fds_has_streams(p->fds);
}

size_t model_unknown_sockets(const struct model *m, uint32_t pid, bool inside)
{
	const struct proc *p = procs_find(m, pid);

	return p ? fds_count_unknown(p->fds, inside) : 0;
}

int model_ranges(struct model *m, uint32_t pid, struct residency **ret, size_t *ret_n)
{
	struct proc *p = procs_find(m, pid);
	int r;

	if (!p)
		return -ESRCH;
	for (size_t i = 0; i < sites_count(p->space.sites); i++)
		sites_at(p->space.sites, i)->managed_bytes = 0;
	r = ranges_build(p->space.ranges, p->space.modules, p->space.mappings);
	if (r < 0)
		return r;
	*ret = ranges_asked(p->space.ranges, ret_n);
	return 0;
}

int model_set_residency(struct model *m, uint32_t pid, const struct residency *r, size_t n)
{
	struct proc *p = procs_find(m, pid);
	uint64_t managed;
	int e = p ? ranges_set_residency(p->space.ranges, r, n) : -ESRCH;

	if (e < 0)
		return e;
	managed = ranges_managed(p->space.ranges);
	/* a heap that cannot be read any more is no growth of what is beside it */
	p->managed_lost = !managed && (p->managed_bytes || p->managed_lost);
	p->managed_bytes = managed;
	p->managed_stale = false;
	return 0;
}

int model_pages(struct model *m, uint32_t pid, struct residency **ret, size_t *ret_n,
		unsigned int *ret_skip)
{
	struct proc *p = procs_find(m, pid);
	int r;

	if (!p)
		return -ESRCH;
	r = pages_asked(p->space.pages, ret, ret_n);
	if (r == 0)
		*ret_skip = pages_wanted_skip(p->space.pages);
	return r;
}

int model_set_pages(struct model *m, uint32_t pid, const struct residency *r, size_t n,
		    uint64_t now_ns)
{
	struct proc *p = procs_find(m, pid);

	return p ? pages_settle(p->space.pages, r, n, p->space.ranges, p->space.mappings, now_ns)
		 : -ESRCH;
}
