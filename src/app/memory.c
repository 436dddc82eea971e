#include "app/memory.h"

#include <errno.h>
#include <string.h>

#include "app/inner.h"
#include "app/resident.h"
#include "app/tracee.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sys/procfs.h"

/* In two parts where there are too many pieces to remember. */
static void set_residency(struct tracee *t, const struct resident *all)
{
	struct residency_cfg cfg = { .root = t->run->proc };
	struct residency_info info = all->info;
	struct residency *ranges;
	size_t n;

	if (model_ranges(t->run->model, t->pid, &ranges, &n))
		return;
	if (resident_is_whole(all))
		resident_fill(all, ranges, n);
	else if (residency_read(&cfg, t->pid, ranges, n, &info))
		return;
	model_set_residency(t->run->model, t->pid, ranges, n);
	t->run->features->known[FEATURE_pagemap_scan] = true;
	t->run->features->has[FEATURE_pagemap_scan] = info.source == RESIDENCY_SCAN;
}

/* Which pages that were touched first are still there. After the ranges. */
static void read_pages(struct tracee *t, uint64_t now_ns)
{
	struct residency_cfg cfg = { .root = t->run->proc };
	struct residency_info info;
	struct residency *pages;
	unsigned int skip;
	size_t n;

	if (model_pages(t->run->model, t->pid, &pages, &n, &skip) || n == 0)
		return;
	if (residency_read(&cfg, t->pid, pages, n, &info))
		return;
	model_set_pages(t->run->model, t->pid, pages, n, now_ns);
	if (skip != t->fault_skip && collector_set_fault_skip(t->run->collector, t->pid, skip) == 0)
		t->fault_skip = skip;
}

/* Resident memory that allocators and heaps can be in. */
static uint64_t anonymous_bytes(const struct vma_table *maps, const struct resident *all)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < maps->count; i++)
		if ((maps->vma[i].kind == VMA_ANON || maps->vma[i].kind == VMA_HEAP) &&
		    all->range[i].resident_bytes != FACT_UNKNOWN)
			sum += all->range[i].resident_bytes;
	return sum;
}

/* What runtime and allocator say; after a failure what was found before is true for the model. */
static void read_inner(struct tracee *t, const struct vma_table *maps, const struct resident *all,
		       bool whole, uint64_t now_ns)
{
	struct peek peek = { .pid = t->pid };
	struct process_view view = { .proc = t->run->proc,
				     .pid = t->pid,
				     .maps = maps,
				     .present = &all->present,
				     .peek = &peek,
				     .now_ns = now_ns };
	struct inner_cfg cfg = inner_defaults();
	const struct inner_found *f = &t->found;
	int r = t->inner ? 0 : inner_new(&cfg, &t->inner);

	if (!r)
		r = inner_read(t->inner, &view, t->code_hash, anonymous_bytes(maps, all), whole,
			       now_ns);
	if (!t->inner)
		return;
	inner_tell(t->inner, &t->found);
	if (f->runtime)
		t->runtime = f->runtime->name;
	model_set_inner(t->run->model, t->pid, f->range, f->count, f->runtime, f->allocator,
			f->walked_ns);
	log_debug("process %u: runtime %s, allocator %s, %zu ranges, in %.1f ms: %llu calls, %llu "
		  "bytes, %llu pieces failed%s%s",
		  t->pid, f->runtime_name ? f->runtime_name : "none",
		  f->allocator_name ? f->allocator_name : "none", f->count,
		  (clock_monotonic_ns() - now_ns) / 1e6, (unsigned long long)peek.calls,
		  (unsigned long long)peek.bytes, (unsigned long long)peek.failed, r ? ": " : "",
		  r ? strerror(-r) : "");
}

/* Readers look at no page that is not known to be there; what they found before gets old. */
static void give_up_inner(struct tracee *t)
{
	static const char why[] = "its pages lie in too many pieces to be told apart";

	t->found.range = NULL;
	t->found.count = 0;
	t->found.runtime = NULL;
	t->found.allocator = NULL;
	t->found.runtime_why = t->found.runtime_name ? why : NULL;
	t->found.allocator_why = t->found.allocator_name ? why : NULL;
	model_set_inner(t->run->model, t->pid, NULL, 0, NULL, NULL, 0);
}

int memory_look(struct tracee *t, const struct vma_table *maps, struct resident *ret,
		uint64_t *ret_missed)
{
	uint64_t now_ns = clock_monotonic_ns();
	struct proc_fact before, after;
	int r = procfs_read_fact(t->run->proc, t->pid, &before);

	if (!r)
		r = resident_scan(t->run->proc, t->pid, maps, ret);
	if (!r)
		r = procfs_read_fact(t->run->proc, t->pid, &after);
	if (!r && (before.start_ticks != t->start_ticks || after.start_ticks != t->start_ticks))
		r = -ESRCH;
	if (r) {
		log_debug("process %u: resident pages: %s", t->pid, strerror(-r));
		resident_done(ret);
		return r;
	}
	after.cpu_ns = t->fact.cpu_ns;
	t->fact = after;
	t->fact_ns = now_ns;
	*ret_missed = resident_settle(ret, &before, &t->fact);
	return 0;
}

void memory_read(struct tracee *t, const struct vma_table *maps, const struct resident *pages,
		 bool whole)
{
	uint64_t now_ns = clock_monotonic_ns();

	t->found.walk_cpu_ns = 0;
	if (resident_is_whole(pages))
		read_inner(t, maps, pages, whole, now_ns);
	else
		give_up_inner(t);
	set_residency(t, pages);
	read_pages(t, now_ns);
}

void memory_note_missing(struct tracee *t)
{
	const struct inner_found *f = &t->found;
	bool has_runtime = strcmp(t->runtime, "none") != 0;

	if (f->runtime_why)
		tracee_unmeasured(t, "managed_heap", "the heap of %s: %s", f->runtime_name,
				  f->runtime_why);
	else if (has_runtime && !f->runtime)
		tracee_unmeasured(t, "managed_heap",
				  "the heap of %s was not found in this process: it is part of "
				  "external memory",
				  t->runtime);
	if (f->runtime && f->runtime->heap.known.how && f->runtime->heap.used_bytes == FACT_UNKNOWN)
		tracee_unmeasured(t, "managed_used",
				  "what of the heap of %s is in use: no count of its own could be "
				  "verified",
				  f->runtime_name);
	if (f->runtime && f->runtime->buffers.known.why && !f->runtime->buffers.known.how)
		tracee_unmeasured(t, "buffers", "buffers of %s: %s", f->runtime_name,
				  f->runtime->buffers.known.why);
	if (f->allocator_why)
		tracee_unmeasured(t, "allocator", "%s's blocks: %s", f->allocator_name,
				  f->allocator_why);
	else if (!f->allocator)
		tracee_unmeasured(t, "allocator",
				  "no allocator was found that can be walked through: what is free "
				  "inside it is not known");
}
