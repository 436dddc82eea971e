/*
 * See apply.h. Mappings belong to the address space of the event (a vfork child's are its
 * parent's), descriptors and threads to its process.
 */
#include "model/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "model/procs.h"

static int apply_site(struct model *m, const struct mt_ev_site *e)
{
	struct proc *p = procs_find_asid(m, e->asid);
	auto_free uint32_t *frame = NULL;
	uint32_t n = e->frames < MT_MAX_FRAMES ? e->frames : MT_MAX_FRAMES, used = 0;
	struct site *s;
	int r;

	if (!p || e->site_kind < MT_SITE_HEAP || e->site_kind > MT_SITE_FAULT)
		return 0;
	r = procs_get_site(m, p, e->site, (enum mt_site_kind)e->site_kind, e->hdr.time_ns, &s);
	if (r < 0 || !s || (s->frame && s->alloc_count))
		return r;
	frame = calloc(n ? n : 1, sizeof(*frame));
	if (!frame)
		return -ENOMEM;
	for (r = 0; used < n; used++) {
		r = stacks_intern(p->space.stacks, e->pc[used], &frame[used]);
		if (r < 0)
			break;
	}
	if (r == -ENOMEM)
		return r;
	free(s->frame);
	s->frame = steal(frame);
	s->frame_count = used;
	s->id_final = false;
	s->kind = (enum mt_site_kind)e->site_kind;
	s->end = e->end < MT_END_MAX ? (enum mt_stack_end)e->end : MT_END_unknown;
	return 0;
}

/* Addresses that stop meaning what they meant: frames there are new ones from now on. */
static void code_gone(struct proc *p, uint64_t start, uint64_t len, uint64_t now_ns)
{
	uint64_t end = start + len < start ? UINT64_MAX : start + len;

	if (modules_touch(p->space.modules, start, end, now_ns))
		stacks_forget(p->space.stacks, start, end);
}

static int apply_mremap(struct proc *p, const struct mt_ev_sys *e, struct site *site,
			unsigned int flags)
{
	struct remap r = {
		.old_start = e->arg[0],
		.old_len = e->arg[1],
		.new_start = (uint64_t)e->ret,
		.new_len = e->arg[2],
		.keep_old = e->arg[3] & MREMAP_DONTUNMAP,
		.site = site,
		.flags = flags,
	};

	code_gone(p, r.old_start, r.old_len, e->hdr.time_ns);
	code_gone(p, r.new_start, r.new_len, e->hdr.time_ns);
	return mappings_remap(p->space.mappings, e->tid, &r, e->hdr.time_ns);
}

/* Whether the stack of a site goes through a function that allocates, and is probed inside: then
 * the kernel does not know that the thread is in there. */
static bool is_allocators(const struct proc *p, const struct site *site)
{
	for (uint32_t i = 0; i < site->frame_count; i++) {
		const struct frame *f = stacks_at(p->space.stacks, site->frame[i]);
		const struct module *m = f && f->place == FRAME_IN_MODULE
						 ? modules_at(p->space.modules, f->module)
						 : NULL;

		for (uint32_t k = 0; m && m->described && k < m->fact.alloc_count; k++)
			if (f->file_offset - m->fact.alloc[k].file_offset < m->fact.alloc[k].size)
				return true;
	}
	return false;
}

static int apply_mapping(struct model *m, struct proc *p, const struct mt_ev_sys *e)
{
	struct mappings *maps = p->space.mappings;
	unsigned int flags = e->flags & MT_SYSF_IN_ALLOCATOR ? MAPPED_IN_ALLOCATOR : 0;
	uint64_t now = e->hdr.time_ns;
	struct site *site;
	int r;

	if (e->flags & MT_SYSF_ENTRY) {
		if (e->op == MT_SYS_MREMAP)
			return mappings_remap_begin(maps, e->tid, now);
		if (e->op != MT_SYS_MUNMAP)
			return 0;
		code_gone(p, e->arg[0], e->arg[1], now);
		return mappings_unmap(maps, e->tid, e->arg[0], e->arg[1], now);
	}
	if (apply_failed(e)) {
		mappings_undo(maps, e->tid);
		return 0;
	}
	r = apply_find_site(m, p, e, e->op == MT_SYS_BRK ? MT_SITE_BRK : MT_SITE_MMAP, &site);
	if (r < 0)
		return r;
	if (site && (is_allocators(p, site) || (site->in_allocator && p->heap_traced))) {
		site = NULL;
		flags |= MAPPED_IN_ALLOCATOR;
	}
	switch (e->op) {
	case MT_SYS_MMAP:
		code_gone(p, (uint64_t)e->ret, e->arg[1], now);
		return mappings_map(maps, (uint64_t)e->ret, e->arg[1], e->arg[3] & MAP_ANONYMOUS,
				    site, flags, now);
	case MT_SYS_MREMAP: return apply_mremap(p, e, site, flags);
	case MT_SYS_BRK: return mappings_break(maps, (uint64_t)e->ret, site, flags, now);
	}
	return 0;
}

static int apply_sys(struct model *m, const struct mt_ev_sys *e)
{
	struct proc *p;

	switch (e->op) {
	case MT_SYS_MMAP:
	case MT_SYS_MUNMAP:
	case MT_SYS_MREMAP:
	case MT_SYS_BRK: p = procs_find_asid(m, e->asid); return p ? apply_mapping(m, p, e) : 0;
	}
	p = procs_find(m, e->hdr.tgid);
	return p ? apply_descriptor(m, p, e) : 0;
}

/* A child that shares its parent's memory is no process of its own before it executes. */
static int apply_fork(struct model *m, const struct mt_ev_task *e)
{
	struct proc *p = procs_find(m, e->child_tgid);
	int r;

	if (e->child_asid == 0 || e->shares_mm || procs_find_asid(m, e->child_asid))
		return 0;
	if (p)
		procs_remove(m, p);
	r = procs_add(m, e->child_tgid, e->child_asid, e->hdr.time_ns, &p);
	if (r == -ENOSPC)
		m->gone.tasks_refused++;
	if (r < 0)
		return r == -ENOSPC ? 0 : r;
	procs_set_comm(p, e->comm, sizeof(e->comm));
	return 0;
}

static int apply_exec(struct model *m, const struct mt_ev_task *e)
{
	uint32_t asid = e->child_asid ? e->child_asid : e->asid;
	struct proc *p = procs_find(m, e->hdr.tgid);
	int r;

	if (procs_find_asid(m, asid) && procs_find_asid(m, asid) != p)
		return 0;
	if (p)
		r = procs_exec(m, p, asid);
	else /* it borrowed its parent's memory until now */
		r = e->shares_mm ? procs_add(m, e->hdr.tgid, asid, e->hdr.time_ns, &p) : 0;
	if (r == -ENOSPC)
		m->gone.tasks_refused++;
	if (r < 0)
		return r == -ENOSPC ? 0 : r;
	if (p)
		procs_set_comm(p, e->comm, sizeof(e->comm));
	return 0;
}

static int apply_thread(struct model *m, struct proc *p, const struct mt_ev_task *e)
{
	struct site *site = NULL;
	int r = 0;

	if (e->asid == p->space.asid)
		r = procs_get_site(m, p, e->site, MT_SITE_THREAD, e->hdr.time_ns, &site);
	return r < 0 ? r : threads_add(p->space.threads, e->child_tid, site, e->hdr.time_ns);
}

static int apply_task(struct model *m, enum mt_kind kind, const struct mt_ev_task *e)
{
	struct proc *p;

	if (kind == MT_KIND_fork)
		return apply_fork(m, e);
	if (kind == MT_KIND_exec)
		return apply_exec(m, e);
	p = procs_find(m, e->hdr.tgid);
	if (!p)
		return 0;
	if (kind == MT_KIND_thread)
		return apply_thread(m, p, e);
	if (kind == MT_KIND_thread_exit)
		threads_remove(p->space.threads, e->tid, e->hdr.time_ns);
	else
		p->alive = false;
	return 0;
}

static int apply_fault(struct model *m, const struct mt_ev_fault *e)
{
	struct proc *p = procs_find_asid(m, e->asid);
	struct page_touch touch = {
		.addr = e->addr,
		.write = e->flags & MT_FAULTF_WRITE,
		.weight_log2 = e->weight_log2,
		.time_ns = e->hdr.time_ns,
	};
	int r;

	if (!p)
		return 0;
	r = procs_get_site(m, p, e->site, MT_SITE_FAULT, e->hdr.time_ns, &touch.site);
	if (r < 0 || (touch.site && touch.site->kind != MT_SITE_FAULT))
		return r;
	return pages_add(p->space.pages, &touch);
}

int apply_event(struct model *m, const struct event *ev)
{
	struct proc *p;

	switch (ev->kind) {
	case MT_KIND_site: return apply_site(m, &ev->site);
	case MT_KIND_sys: return apply_sys(m, &ev->sys);
	case MT_KIND_region:
		p = procs_find_asid(m, ev->region.asid);
		if (!p)
			return 0;
		return ranges_add_region(p->space.ranges, ev->region.addr, ev->hdr.time_ns);
	case MT_KIND_fault: return apply_fault(m, &ev->fault);
	case MT_KIND_fork:
	case MT_KIND_thread:
	case MT_KIND_exec:
	case MT_KIND_exit:
	case MT_KIND_thread_exit: return apply_task(m, ev->kind, &ev->task);
	default: return 0; /* single allocations: for the sinks */
	}
}
