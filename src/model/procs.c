/* See procs.h: an array sorted by process id; there are few, and events name them by asid. */
#include "model/procs.h"

#include "base/cleanup.h"
#include "base/search.h"
#include "base/vec.h"

static void space_done(struct space *s)
{
	pages_free(s->pages);
	threads_free(s->threads);
	ranges_free(s->ranges);
	mappings_free(s->mappings);
	stacks_free(s->stacks);
	modules_free(s->modules);
	sites_free(s->sites);
	*s = (struct space){};
}

static int space_init(struct space *s, uint32_t asid, const struct model_cfg *cfg)
{
	const struct model_limits *l = &cfg->limits;
	struct mappings_cfg mappings = { l->mappings, cfg->page_bytes };
	struct ranges_cfg ranges = { l->ranges, l->regions, l->threads };
	struct space made auto_clean(space_done) = { .asid = asid };
	int r;

	r = sites_new(&made.sites);
	if (r == 0)
		r = modules_new(l->modules, l->mappings, &made.modules);
	if (r == 0)
		r = stacks_new(l->frames, made.modules, &made.stacks);
	if (r == 0)
		r = mappings_new(&mappings, &made.mappings);
	if (r == 0)
		r = ranges_new(&ranges, &made.ranges);
	if (r == 0)
		r = threads_new(l->threads, &made.threads);
	if (r == 0)
		r = pages_new(l->pages, cfg->page_bytes, &made.pages);
	if (r < 0)
		return r;
	*s = made;
	made = (struct space){};
	return 0;
}

static void proc_free(struct proc *p)
{
	if (!p)
		return;
	fds_free(p->fds);
	space_done(&p->space);
	series_free(p->external);
	free(p);
}

static void proc_freep(struct proc **p)
{
	proc_free(*p);
}

/* Index of the first process whose id is not below. */
static size_t procs_lower(const struct model *m, uint32_t pid)
{
	return search_first(m->procs, i, m->proc[i]->pid < pid);
}

struct proc *procs_find(const struct model *m, uint32_t pid)
{
	size_t i = procs_lower(m, pid);

	return i < m->procs && m->proc[i]->pid == pid ? m->proc[i] : NULL;
}

struct proc *procs_find_asid(const struct model *m, uint32_t asid)
{
	for (size_t i = 0; i < m->procs; i++)
		if (m->proc[i]->space.asid == asid)
			return m->proc[i];
	return NULL;
}

static void fact_clear(struct proc *p)
{
	p->fact = (struct proc_fact){
		.pid = p->pid,
		.start_ticks = p->start_ticks,
		.rss_bytes = FACT_UNKNOWN,
		.swap_bytes = FACT_UNKNOWN,
		.rss_anon_bytes = FACT_UNKNOWN,
		.rss_file_bytes = FACT_UNKNOWN,
		.rss_shmem_bytes = FACT_UNKNOWN,
		.cpu_ns = FACT_UNKNOWN,
	};
	p->rss_at_attach_bytes = FACT_UNKNOWN;
	p->managed_bytes = 0;
	p->managed_stale = p->managed_lost = false;
	p->sized_rss_bytes = p->sized_swap_bytes = FACT_UNKNOWN;
}

int procs_add(struct model *m, uint32_t pid, uint32_t asid, uint64_t now_ns, struct proc **ret)
{
	auto_clean(proc_freep) struct proc *p = NULL;
	size_t i;
	int r;

	r = vec_reserve(&m->proc, sizeof(*m->proc), m->procs, &m->proc_cap,
			m->cfg.limits.processes);
	if (r < 0)
		return r;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->pid = pid;
	p->since_ns = now_ns;
	p->alive = true;
	fact_clear(p);
	r = series_new(m->cfg.limits.points, &p->external);
	if (r == 0)
		r = fds_new(m->cfg.limits.fds, &p->fds);
	if (r == 0)
		r = space_init(&p->space, asid, &m->cfg);
	if (r < 0)
		return r;
	i = procs_lower(m, pid);
	vec_open(&m->proc, sizeof(*m->proc), m->procs++, i);
	*ret = p;
	m->proc[i] = steal(p);
	return 0;
}

static void space_add_refused(const struct space *s, struct snap_counters *c)
{
	c->ranges_refused += mappings_refused(s->mappings) + ranges_refused(s->ranges) +
			     modules_refused(s->modules) + pages_refused(s->pages);
	c->symbols_refused += stacks_refused(s->stacks);
	c->tasks_refused += threads_refused(s->threads);
}

void procs_add_refused(const struct proc *p, struct snap_counters *c)
{
	c->fds_refused += fds_refused(p->fds);
	space_add_refused(&p->space, c);
}

void procs_remove(struct model *m, struct proc *p)
{
	procs_add_refused(p, &m->gone);
	vec_close(&m->proc, sizeof(*m->proc), m->procs, procs_lower(m, p->pid));
	m->procs--;
	proc_free(p);
}

int procs_exec(struct model *m, struct proc *p, uint32_t asid)
{
	struct space fresh;
	struct series *external;
	int r;

	r = series_new(m->cfg.limits.points, &external);
	if (r < 0)
		return r;
	r = space_init(&fresh, asid, &m->cfg);
	if (r < 0) {
		series_free(external);
		return r;
	}
	fds_forget_sites(p->fds);
	space_add_refused(&p->space, &m->gone);
	space_done(&p->space);
	series_free(p->external);
	p->space = fresh;
	p->external = external;
	p->heap_traced = false;
	p->alive = true;
	fact_clear(p);
	return 0;
}

void procs_set_comm(struct proc *p, const void *comm, size_t size)
{
	size_t len = strnlen(comm, size < sizeof(p->comm) ? size : sizeof(p->comm) - 1);

	memset(p->comm, 0, sizeof(p->comm));
	memcpy(p->comm, comm, len);
}

int procs_get_site(struct model *m, struct proc *p, uint32_t number, enum mt_site_kind kind,
		   uint64_t now_ns, struct site **ret)
{
	size_t elsewhere = 0, mine = sites_count(p->space.sites), limit = m->cfg.limits.sites;
	int r;

	*ret = NULL;
	if (number == MT_SITE_NONE)
		return 0;
	*ret = sites_find(p->space.sites, number);
	if (*ret)
		return 0;
	for (size_t i = 0; i < m->procs; i++)
		elsewhere += sites_count(m->proc[i]->space.sites);
	elsewhere -= mine;
	r = sites_get(p->space.sites, number, kind, now_ns,
		      limit > elsewhere ? limit - elsewhere : 0, ret);
	if (r == -ENOSPC)
		m->gone.sites_refused++;
	return r == -ENOSPC ? 0 : r;
}
