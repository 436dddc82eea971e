/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Points inside allocation functions, and frees that end in one another. Only plain allocations are
 * looked at: a reallocation gives a block up at its entry, and posix_memalign() returns a status.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "collect/target_impl.h"

static bool is_allocation(const struct candidate *c)
{
	return c->call.fn != MT_FN_FREE;
}

static void choose_exit(const struct elf_file *f, const struct scan *s, const struct candidate *c,
			struct module_code *code, struct flow_budget *budget,
			struct probe_exit *ret)
{
	struct probe_exit_query q = {
		.len = (size_t)c->size,
		.vaddr = c->vaddr,
		.nops = s->module->nops,
		.size_arg = c->call.size_arg,
		.count_arg = c->call.count_arg,
	};
	auto_free uint8_t *bytes = NULL;

	*ret = (struct probe_exit){ .why = "its size is not known, or is too large" };
	if (!c->size || c->size > MODULE_CODE_BYTES)
		return;
	ret->why = "its code cannot be read";
	bytes = malloc((size_t)c->size);
	if (!bytes || elf_read_at(f, c->vaddr, bytes, q.len) != (int64_t)q.len)
		return;
	q.bytes = bytes;
	probe_exit_choose(&q, &code->code, budget, ret);
	if (ret->count &&
	    module_code_may_reach(code, c->vaddr, q.len, code->allocates, code->allocations))
		*ret = (struct probe_exit){ .why = "what it calls may call a probed function" };
}

int target_choose_exits(const struct elf_file *f, const struct scan *s, struct probe_exit *exits,
			struct module_code **ret_code)
{
	auto_free struct flow_budget *budget = NULL;
	uint64_t *allocates;
	uint32_t left = FLOW_ALL_INSNS;
	size_t n = 0;
	int r;

	if (!s->count || !s->module->inside)
		return 0;
	budget = calloc(1, sizeof(*budget));
	allocates = calloc(s->count, sizeof(*allocates));
	if (!budget || !allocates) {
		free(allocates);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->count; i++)
		if (is_allocation(&s->list[i]))
			allocates[n++] = s->list[i].vaddr;
	r = module_code_new(f, allocates, n, ret_code);
	for (size_t i = 0; r == 0 && i < s->count; i++) {
		const uint32_t insns = left < FLOW_BUDGET_INSNS ? left : FLOW_BUDGET_INSNS;

		budget->insns = insns;
		if (s->list[i].call.fn == MT_FN_ALLOC && !s->list[i].call.ptr_arg)
			choose_exit(f, s, &s->list[i], *ret_code, budget, &exits[i]);
		left -= insns - budget->insns;
	}
	return r;
}

void target_mark_frees(struct module_code *code, const struct scan *s, struct target_points *p)
{
	uint64_t frees[TARGET_POINTS_MAX];
	bool repeats = false;
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		if (!is_allocation(&s->list[i]))
			frees[n++] = s->list[i].vaddr;
	for (size_t i = 0; n > 1 && !repeats && i < s->count; i++)
		if (!is_allocation(&s->list[i]))
			repeats = !s->list[i].size ||
				  module_code_may_reach(code, s->list[i].vaddr,
							(size_t)s->list[i].size, frees, n);
	for (size_t i = 0; repeats && i < p->count; i++)
		if (!is_allocation(&s->list[i]))
			p->point[i].cookie |= MT_COOKIE_REPEATS;
}

void target_mark_outer(struct module_code *code, const struct scan *s, struct target_points *p)
{
	size_t allocations = 0;

	for (size_t i = 0; i < s->count; i++)
		allocations += is_allocation(&s->list[i]);
	for (size_t i = 0; i < p->count; i++) {
		const struct candidate *c = &s->list[i];

		if (!is_allocation(c))
			continue;
		if (code ? !c->size || module_code_allocates(code, c->vaddr, (size_t)c->size)
			 : allocations > 1)
			p->point[i].cookie |= MT_COOKIE_OUTER;
	}
}

/* Whether any other function is probed at its entry and return, which may call number i. */
static bool may_be_inner(const struct scan *s, const struct probe_exit *exits, size_t i)
{
	for (size_t k = 0; k < s->count; k++) {
		if (k == i || !is_allocation(&s->list[k]))
			continue;
		if (!exits[k].count)
			return true;
		for (size_t n = 0; n < exits[k].count; n++)
			if (exits[k].point[n].point == MT_POINT_CALL)
				return true;
	}
	return false;
}

/* entry: the cookie that it would have there. */
static uint64_t cookie_of(const struct candidate *c, const struct probe_exit_point *e, bool inner,
			  uint64_t entry)
{
	const uint32_t words = e->pushed_bytes / 8;
	uint64_t cookie;

	if (e->point == MT_POINT_CALL)
		return MT_COOKIE(c->call.fn, e->size_arg, e->count_arg, 0, words) |
		       (entry & MT_COOKIE_OUTER);
	cookie = MT_COOKIE(c->call.fn, 0, 0, 0, words) |
		 MT_COOKIE_AT(e->point, e->size_place, e->result_place);
	if (e->point != MT_POINT_SIZE)
		cookie |= MT_COOKIE_CALLER(e->bp_place);
	if (e->conditional)
		cookie |= MT_COOKIE_IF(e->cc);
	return inner ? cookie | MT_COOKIE_INNER : cookie;
}

static void describe(const struct elf_file *f, uint64_t vaddr, char ret[PROBE_TEXT_BYTES])
{
	auto_clean(probe_decoder_done) struct probe_decoder d = {};
	uint8_t b[16];
	int64_t n = elf_read_at(f, vaddr, b, sizeof(b));

	if (n > 0 && probe_decoder_init(&d, PROBE_X86_64) && probe_decode(&d, b, (size_t)n, vaddr))
		probe_copy_text(d.insn, ret);
}

/* The points of candidate i in the place of the one that p has for it. */
static void use_exit(const struct elf_file *f, const struct scan *s, const struct probe_exit *exits,
		     size_t i, const struct attach_point *entry, struct attach_point *ret)
{
	const bool inner = may_be_inner(s, exits, i);

	for (size_t k = 0; k < exits[i].count; k++) {
		const struct probe_exit_point *e = &exits[i].point[k];
		struct attach_point p = *entry;

		p.file_offset = entry->file_offset - entry->site.offset + e->offset;
		p.cookie = cookie_of(&s->list[i], e, inner, entry->cookie);
		p.wants_return = e->point == MT_POINT_CALL;
		p.weight = e->weight;
		p.site.offset = e->offset;
		p.site.pushed_bytes = e->pushed_bytes;
		p.site.cost = e->cost;
		describe(f, s->list[i].vaddr + e->offset, p.site.site_text);
		ret[k] = p;
	}
}

int target_use_exits(const struct elf_file *f, const struct scan *s, const struct probe_exit *exits,
		     struct target_points *p)
{
	struct attach_point *point;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < p->count; i++)
		total += exits[i].count ? exits[i].count : 1;
	point = calloc(total ? total : 1, sizeof(*point));
	if (!point)
		return -ENOMEM;
	for (size_t i = 0; i < p->count; i++) {
		if (exits[i].count)
			use_exit(f, s, exits, i, &p->point[i], &point[at]);
		else
			point[at] = p->point[i];
		at += exits[i].count ? exits[i].count : 1;
	}
	free(p->point);
	p->point = point;
	p->count = total;
	return 0;
}
