/*
 * What the model wants to know from outside: files to describe and frames to name, the ones that
 * matter most first. See model.h.
 */
#include "model/model.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "model/procs.h"
#include "model/sat.h"

static struct module_request module_ask(const struct module *x, uint32_t index)
{
	return (struct module_request){
		.index = index,
		.path = x->path,
		.start = x->start,
		.end = x->end,
		.dev = x->dev,
		.inode = x->inode,
		.deleted = x->deleted,
		.main_exe = x->main_exe,
		.build_id = x->fact.build_id,
	};
}

int model_modules_pending(const struct model *m, uint32_t pid, struct module_request *out,
			  size_t max)
{
	const struct proc *p = procs_find(m, pid);
	int n = 0;

	if (!p)
		return -ESRCH;
	for (uint32_t i = 0; i < modules_count(p->space.modules) && (size_t)n < max; i++) {
		const struct module *x = modules_at(p->space.modules, i);

		if (!x->described && x->end)
			out[n++] = module_ask(x, i);
	}
	return n;
}

int model_module(const struct model *m, uint32_t pid, uint32_t index, struct module_request *ret)
{
	const struct proc *p = procs_find(m, pid);
	const struct module *x;

	if (!p)
		return -ESRCH;
	x = modules_at(p->space.modules, index);
	if (!x)
		return -ENOENT;
	*ret = module_ask(x, index);
	return 0;
}

int model_set_module(struct model *m, uint32_t pid, uint32_t index, const struct module_fact *fact,
		     bool allocator)
{
	struct proc *p = procs_find(m, pid);

	return p ? modules_describe(p->space.modules, index, fact, allocator) : -ESRCH;
}

/* Whether a frame may be asked for: its place is known and final. */
static bool frame_is_askable(const struct proc *p, const struct frame *f, enum frame_naming naming)
{
	const struct module *x;

	if (f->naming != naming || f->place != FRAME_IN_MODULE)
		return false;
	x = modules_at(p->space.modules, f->module);
	return x && x->described;
}

static size_t site_ask(struct proc *p, const struct site *s, enum frame_naming naming,
		       struct frame_request *out, size_t max)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->frame_count && n < max; i++) {
		const struct frame *f = stacks_at(p->space.stacks, s->frame[i]);

		if (!f || !frame_is_askable(p, f, naming))
			continue;
		out[n++] = (struct frame_request){
			.handle = (uint64_t)p->space.asid << 32 | s->frame[i],
			.pc = f->pc,
			.vaddr = stacks_offset(p->space.stacks, f),
			.file_offset = f->file_offset,
			.module = f->module,
			.kind = FRAME_NATIVE,
		};
		stacks_mark_asked(p->space.stacks, s->frame[i]);
	}
	return n;
}

/* What a site holds, and twice what it gained since its history begins. */
static uint64_t site_urgency(const struct site *s)
{
	uint64_t live = site_live_bytes(s), first = live;

	if (series_count(s->series))
		first = series_points(s->series)[0].bytes;
	return sat_add(site_weight(s), sat_mul(sat_sub(live, first), 2));
}

struct urgent {
	const struct site *site;
	uint64_t urgency;
};

static int urgent_compare(const void *a, const void *b)
{
	const struct urgent *x = a, *y = b;

	if (x->urgency != y->urgency)
		return x->urgency < y->urgency ? 1 : -1;
	return (x->site->number > y->site->number) - (x->site->number < y->site->number);
}

int model_unnamed(struct model *m, uint32_t pid, struct frame_request *out, size_t max)
{
	struct proc *p = procs_find(m, pid);
	auto_free struct urgent *rank = NULL;
	size_t n, used = 0;

	if (!p)
		return -ESRCH;
	n = sites_count(p->space.sites);
	rank = calloc(n ? n : 1, sizeof(*rank));
	if (!rank)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct site *s = sites_at(p->space.sites, i);

		rank[i] = (struct urgent){ s, site_urgency(s) };
	}
	qsort(rank, n, sizeof(*rank), urgent_compare);
	for (size_t i = 0; i < n && used < max; i++)
		used += site_ask(p, rank[i].site, NAMING_OPEN, out + used, max - used);
	for (size_t i = 0; i < n && used < max; i++)
		used += site_ask(p, rank[i].site, NAMING_PARTLY, out + used, max - used);
	return (int)used;
}

int model_set_name(struct model *m, uint64_t handle, const char *symbol)
{
	struct proc *p = procs_find_asid(m, (uint32_t)(handle >> 32));

	return p ? stacks_set_name(p->space.stacks, (uint32_t)handle, symbol) : -ENOENT;
}

int model_set_names(struct model *m, uint64_t handle, const struct frame_name *name, size_t count,
		    bool more)
{
	struct proc *p = procs_find_asid(m, (uint32_t)(handle >> 32));

	return p ? stacks_set_names(p->space.stacks, (uint32_t)handle, name, count, more) : -ENOENT;
}

static size_t site_ask_code(struct proc *p, const struct site *s, bool again,
			    struct frame_request *out, size_t max)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->frame_count && n < max; i++) {
		const struct frame *f = stacks_at(p->space.stacks, s->frame[i]);

		if (!f || f->place != FRAME_IN_JIT || f->symbol || f->naming == NAMING_ASKED ||
		    (f->naming == NAMING_DONE && !again))
			continue;
		out[n++] = (struct frame_request){
			.handle = (uint64_t)p->space.asid << 32 | s->frame[i],
			.pc = f->pc,
			.vaddr = f->pc,
			.file_offset = f->pc,
			.module = SNAP_NO_MODULE,
			.kind = FRAME_JIT,
		};
		stacks_mark_asked(p->space.stacks, s->frame[i]);
	}
	return n;
}

int model_unnamed_code(struct model *m, uint32_t pid, uint64_t since_ns, bool again,
		       struct frame_request *out, size_t max)
{
	struct proc *p = procs_find(m, pid);
	size_t used = 0;

	if (!p)
		return -ESRCH;
	for (size_t i = 0; i < sites_count(p->space.sites) && used < max; i++) {
		const struct site *s = sites_at(p->space.sites, i);

		if (s->last_alloc_ns >= since_ns)
			used += site_ask_code(p, s, again, out + used, max - used);
	}
	return (int)used;
}

int model_set_code_name(struct model *m, uint64_t handle, const struct code_name *name)
{
	struct proc *p = procs_find_asid(m, (uint32_t)(handle >> 32));

	return p ? stacks_set_code_name(p->space.stacks, (uint32_t)handle, name) : -ENOENT;
}

bool model_wants_map(const struct model *m, uint32_t pid)
{
	const struct proc *p = procs_find(m, pid);

	return p && stacks_wants_map(p->space.stacks);
}
