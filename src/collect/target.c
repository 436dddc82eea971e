/* SPDX-License-Identifier: GPL-2.0-only
 *
 * From the symbols of one file to the functions that are probed: collect them by address, drop what
 * must not be probed. target_points.c goes on.
 *
 * C++ operators count only where the module brings its own malloc: in jemalloc, tcmalloc and
 * mimalloc they do not pass through it, while libstdc++'s, also linked statically beside glibc or
 * musl, do. Rust's shims (__rust_alloc) always end somewhere: in malloc of libc by default, in the
 * C functions of an allocator crate (_rjem_mallocx, mi_malloc_aligned), which the table knows. So
 * they count only with a #[global_allocator] (__rg_alloc) in a module without such functions: that
 * is an allocator written in Rust. Where one of these does end in a probed function all the same,
 * the outermost call counts and nothing is counted twice.
 */
#include "collect/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/search.h"
#include "collect/target_impl.h"

static void scan_done(struct scan *s)
{
	free(s->list);
}

void target_done(struct target_points *points)
{
	free(points->point);
	*points = (struct target_points){};
}

/* Adds a name unless it is there already or there is no room for it. */
static void add_name(struct candidate *c, const char *name)
{
	size_t used = strlen(c->name), len = strcspn(name, "@"), at, n;

	for (at = 0; at < used; at += n + 1) {
		n = strcspn(c->name + at, "/");
		if (n == len && !memcmp(c->name + at, name, len))
			return;
	}
	if (used + len + 2 > sizeof(c->name))
		return;
	snprintf(c->name + used, sizeof(c->name) - used, "%s%.*s", used ? "/" : "", (int)len, name);
}

static bool same_call(const struct point_call *a, const struct point_call *b)
{
	return a->fn == b->fn && a->size_arg == b->size_arg && a->count_arg == b->count_arg &&
	       a->ptr_arg == b->ptr_arg;
}

/* One more name of a known address. What the user says of a function goes before the table. */
static void merge_candidate(struct candidate *c, const struct candidate *more)
{
	const uint32_t custom = 1u << POINT_CUSTOM;

	if (c->size != more->size)
		c->size = 0;
	if (!same_call(&c->call, &more->call)) {
		if (!(c->families & custom) == !(more->families & custom))
			c->conflict = true;
		else if (more->families & custom)
			c->call = more->call;
	}
	c->families |= more->families;
	add_name(c, more->name);
}

static void put_candidate(struct scan *s, const struct candidate *c)
{
	size_t low = search_first(s->count, i, s->list[i].vaddr < c->vaddr);

	if (low < s->count && s->list[low].vaddr == c->vaddr) {
		merge_candidate(&s->list[low], c);
		return;
	}
	if (s->count == TARGET_POINTS_MAX) {
		s->refused++;
		return;
	}
	memmove(&s->list[low + 1], &s->list[low], (s->count - low) * sizeof(*c));
	s->list[low] = *c;
	s->count++;
}

/* The user's word for a symbol of this module, or NULL. */
static const struct point_call *find_custom(const struct target_module *m, const char *symbol)
{
	size_t i, k, len = strcspn(symbol, "@");
	const struct point_spec *spec;

	for (i = 0; i < m->spec_count; i++) {
		spec = &m->specs[i];
		for (k = 0; k < spec->count; k++)
			if (strlen(spec->function[k].name) == len &&
			    !memcmp(spec->function[k].name, symbol, len) &&
			    points_spec_matches(spec, m->file_name, m->main_exe))
				return &spec->function[k].call;
	}
	return NULL;
}

/* A static function called "free" is somebody's own; with an allocator's prefix it is not. */
static bool is_somebody_elses(const struct elf_symbol *sym, const struct point *row)
{
	return row->family != POINT_RUST && !sym->global && !sym->dynamic &&
	       !points_has_prefix(sym->name);
}

static int on_symbol(void *ctx, const struct elf_symbol *sym)
{
	struct scan *s = ctx;
	const struct point_call *custom = find_custom(s->module, sym->name);
	const struct point *row = points_find(sym->name);
	struct candidate c = { .vaddr = sym->vaddr, .size = sym->size };

	s->markers |= allocator_marker(sym->name);
	if (strstr(sym->name, "__rg_alloc"))
		s->rust_global = true;
	if (custom) {
		c.call = *custom;
		c.families = 1u << POINT_CUSTOM;
		add_name(&c, sym->name);
	} else if (row && !is_somebody_elses(sym, row)) {
		c.call = row->call;
		c.families = 1u << row->family;
		add_name(&c, row->family == POINT_RUST ? row->symbol : sym->name);
	} else {
		return 0;
	}
	if (sym->ifunc)
		s->ifuncs++;
	else
		put_candidate(s, &c);
	return 0;
}

static bool has_family(const struct scan *s, enum point_family family)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (s->list[i].families & 1u << family && s->list[i].call.fn != MT_FN_FREE)
			return true;
	return false;
}

static enum allocator guess(const struct scan *s)
{
	enum allocator a = allocator_guess(s->markers, s->module->file_name);

	if (a != ALLOCATOR_UNKNOWN || has_family(s, POINT_C))
		return a;
	if (has_family(s, POINT_CUSTOM))
		return ALLOCATOR_CUSTOM;
	return s->rust_global ? ALLOCATOR_RUST : ALLOCATOR_UNKNOWN;
}

/* Drops what must not be probed and counts why. */
static void filter_candidates(struct scan *s, struct target_points *p)
{
	bool own_malloc = has_family(s, POINT_C);
	bool libc = p->allocator == ALLOCATOR_GLIBC || p->allocator == ALLOCATOR_MUSL;
	uint32_t counted = 1u << POINT_C | 1u << POINT_CUSTOM;
	size_t i, kept = 0;

	if (own_malloc && !libc)
		counted |= 1u << POINT_CXX;
	if (!own_malloc && s->rust_global)
		counted |= 1u << POINT_RUST;
	for (i = 0; i < s->count; i++) {
		if (!(s->list[i].families & counted))
			p->delegating++;
		else if (s->list[i].conflict)
			p->conflicts++;
		else if (s->module->go)
			p->returnless++; /* frees, too: without allocations they say nothing */
		else
			s->list[kept++] = s->list[i];
	}
	s->count = kept;
	for (i = 0; s->module->returnless && i < s->count; i++)
		if (s->list[i].call.fn == MT_FN_REALLOC) /* what it gives out is not seen */
			s->list[i].call = (struct point_call){ .fn = MT_FN_FREE,
							       .ptr_arg = s->list[i].call.ptr_arg };
}

static const char *why_none(const struct target_points *p)
{
	if (p->count)
		return NULL;
	if (p->returnless)
		return p->go ? "written in Go: return probes would break its stacks"
			     : "return probes would be needed, and its process takes none";
	if (p->conflicts)
		return "names of one address ask for different readings";
	if (p->unreadable)
		return "the code of its allocator functions is not in the file";
	if (p->ifuncs)
		return "its allocator functions are resolved at run time";
	if (p->delegating)
		return "its allocator functions call another module's";
	return "no allocator function among its symbols";
}

int target_examine(const struct elf_file *f, const struct target_module *m,
		   struct target_points *ret)
{
	auto_clean(target_done) struct target_points p = {};
	auto_clean(scan_done) struct scan s = { .module = m };
	int r;

	if (!elf_is_64(f)) {
		p.why_none = "32-bit code passes arguments on the stack";
		*ret = p;
		return 0;
	}
	s.list = calloc(TARGET_POINTS_MAX, sizeof(*s.list));
	if (!s.list)
		return -ENOMEM;
	r = elf_each_function(f, on_symbol, &s);
	if (r == -ENOMEM)
		return r;
	p.incomplete = r < 0;
	p.go = m->go;
	p.refused = s.refused;
	p.ifuncs = s.ifuncs;
	p.allocator = guess(&s);
	filter_candidates(&s, &p);
	r = target_make_points(f, &s, &p);
	if (r < 0)
		return r;
	if (!p.count)
		p.allocator = ALLOCATOR_UNKNOWN;
	p.why_none = why_none(&p);
	*ret = p;
	p.point = NULL;
	return 0;
}
