/* SPDX-License-Identifier: GPL-2.0-only
 *
 * From functions to attach points: choose the instruction of each, then make sure that no other
 * code of the module arrives between a function's entry and its site, or, where points inside see
 * the call, anywhere in its body.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/probe_refs.h"
#include "collect/target_impl.h"

#define BODY_BYTES_MAX (64u << 10) /* asked for when choosing a site */
#define BODY_BYTES_MIN 64	   /* asked for when the size is not known: for the text */

static enum probe_arch arch_of(const struct elf_file *f)
{
	switch (elf_machine(f)) {
	case EM_X86_64: return PROBE_X86_64;
	case EM_AARCH64: return PROBE_ARM64;
	default: return PROBE_OTHER;
	}
}

/* Fills the query of a candidate; -ENOENT when the file has no code there, -ENOMEM. */
static int make_query(const struct elf_file *f, const struct target_module *m,
		      const struct candidate *c, struct probe_query *ret)
{
	uint64_t want = c->size ? c->size : BODY_BYTES_MIN;
	struct probe_query q = {
		.size = c->size,
		.vaddr = c->vaddr,
		.arch = arch_of(f),
		.nops = m->nops,
		.args = points_args(&c->call),
		.wants_return = points_wants_return(&c->call),
	};

	int r;

	if (want > BODY_BYTES_MAX)
		want = BODY_BYTES_MAX;
	r = elf_code(f, c->vaddr, (size_t)want, &q.code, &q.len);
	if (r < 0 || !q.len)
		return r == -ENOMEM ? r : -ENOENT;
	*ret = q;
	return 0;
}

static int make_point(const struct elf_file *f, const struct target_module *m,
		      const struct candidate *c, struct attach_point *ret)
{
	struct attach_point p = { .wants_return = points_wants_return(&c->call),
				  .function_bytes = c->size };
	struct probe_query q;
	int r = make_query(f, m, c, &q);

	if (r < 0)
		return r;
	probe_site_choose(&q, &p.site);
	if (elf_vaddr_to_offset(f, c->vaddr + p.site.offset, &p.file_offset) < 0)
		return -ENOENT;
	snprintf(p.name, sizeof(p.name), "%s", c->name);
	*ret = p;
	return 0;
}

/* What the second look at the module is about. */
struct intruders {
	struct probe_range range[2 * TARGET_POINTS_MAX];
	struct {
		size_t point; /* index */
		bool body;    /* the range is the whole function, for points inside */
	} about[2 * TARGET_POINTS_MAX];
	size_t count;
};

static int on_symbol_again(void *ctx, const struct elf_symbol *sym)
{
	struct intruders *in = ctx;
	size_t k;

	for (k = 0; k < in->count; k++)
		if (sym->vaddr >= in->range[k].first && sym->vaddr <= in->range[k].last)
			in->range[k].referenced = true;
	return 0;
}

static void suspect(struct intruders *in, size_t point, bool body, struct probe_range range)
{
	in->about[in->count].point = point;
	in->about[in->count].body = body;
	in->range[in->count++] = range;
}

static void suspect_all(const struct scan *s, const struct target_points *p,
			const struct probe_exit *exits, struct intruders *in)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct probe_site *site = &p->point[i].site;
		const uint64_t entry = s->list[i].vaddr, last = entry + s->list[i].size - 1;

		if (site->offset)
			suspect(in, i, false,
				(struct probe_range){
					.first = entry + 1,
					.last = entry + site->offset +
						(site->cost == PROBE_COST_NOP5 ? 4 : 0),
				});
		if (exits[i].count)
			suspect(in, i, true,
				(struct probe_range){
					.first = entry + 1,
					.last = last,
					.own_first = entry,
					.own_last = last,
				});
	}
}

static void back_to_entry(const struct elf_file *f, const struct scan *s, const char *why, size_t i,
			  struct target_points *p)
{
	struct probe_query q;

	if (make_query(f, s->module, &s->list[i], &q) < 0)
		q = (struct probe_query){}; /* the entry all the same, without its text */
	p->point[i].file_offset -= p->point[i].site.offset;
	probe_site_use_entry(&q, why, &p->point[i].site);
}

/* Sends back to the entry what other code or another symbol can reach half-way. */
static int refuse_intruders(const struct elf_file *f, const struct scan *s,
			    struct probe_exit *exits, struct target_points *p)
{
	auto_free struct intruders *in = calloc(1, sizeof(*in));
	struct module_fact fact;
	bool all_seen;

	if (!in)
		return -ENOMEM;
	suspect_all(s, p, exits, in);
	if (!in->count)
		return 0;
	elf_describe(f, &fact);
	all_seen = elf_each_function(f, on_symbol_again, in) == 0 &&
		   probe_refs_mark(s->module->fd, &fact, in->range, in->count) == 0;
	for (size_t k = 0; k < in->count; k++) {
		const size_t i = in->about[k].point;

		if (all_seen && !in->range[k].referenced)
			continue;
		if (in->about[k].body)
			exits[i] = (struct probe_exit){
				.why = all_seen ? "other code may jump into it"
						: "not all of the module's code can be read",
			};
		else
			back_to_entry(f, s,
				      all_seen ? "entry: other code may jump behind it"
					       : "entry: not all of the module's code can be read",
				      i, p);
	}
	return 0;
}

/* Chooses a site for each candidate; candidates without code leave the list. */
static int make_entries(const struct elf_file *f, struct scan *s, struct target_points *p)
{
	size_t i;
	int r;

	p->point = calloc(s->count ? s->count : 1, sizeof(*p->point));
	if (!p->point)
		return -ENOMEM;
	for (i = 0; i < s->count; i++) {
		r = make_point(f, s->module, &s->list[i], &p->point[p->count]);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			p->unreadable++;
		else
			s->list[p->count++] = s->list[i];
	}
	s->count = p->count;
	return 0;
}

static bool needs_return(const struct candidate *c, const struct probe_exit *exit)
{
	if (!points_wants_return(&c->call))
		return false;
	for (size_t i = 0; i < exit->count; i++)
		if (exit->point[i].point == MT_POINT_CALL)
			return true;
	return exit->count == 0;
}

/* Where there may be no return probes. Frees alone say nothing. */
static void drop_returning(struct scan *s, struct probe_exit *exits, struct target_points *p)
{
	size_t kept = 0, allocations = 0;

	for (size_t i = 0; i < p->count; i++) {
		if (needs_return(&s->list[i], &exits[i])) {
			p->returnless++;
			continue;
		}
		allocations += points_wants_return(&s->list[i].call);
		s->list[kept] = s->list[i];
		exits[kept] = exits[i];
		p->point[kept++] = p->point[i];
	}
	s->count = p->count = allocations ? kept : 0;
}

int target_make_points(const struct elf_file *f, struct scan *s, struct target_points *p)
{
	auto_free struct probe_exit *exits = NULL;
	auto_clean(module_code_freep) struct module_code *code = NULL;
	const struct point_call *call;
	size_t i;
	int r = make_entries(f, s, p);

	if (r < 0)
		return r;
	exits = calloc(s->count + 1, sizeof(*exits));
	if (!exits)
		return -ENOMEM;
	if (arch_of(f) == PROBE_X86_64) {
		r = target_choose_exits(f, s, exits, &code);
		if (r < 0)
			return r;
	}
	r = refuse_intruders(f, s, exits, p);
	if (r < 0)
		return r;
	if (s->module->returnless)
		drop_returning(s, exits, p);
	for (i = 0; i < p->count; i++) {
		call = &s->list[i].call;
		p->point[i].cookie = MT_COOKIE(call->fn, call->size_arg, call->count_arg,
					       call->ptr_arg, p->point[i].site.pushed_bytes / 8);
		p->point[i].inside = exits[i].why;
	}
	if (code)
		target_mark_frees(code, s, p);
	target_mark_outer(code, s, p);
	return target_use_exits(f, s, exits, p);
}
