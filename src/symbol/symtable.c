/*
 * See symtable.h. Addresses are kept relative to the lowest executable segment, in 32 bits: what
 * lies 4 GiB further is left out. Symbols may overlap (labels inside of hand-written functions), so
 * a look-up walks back from the nearest start, a limited number of steps.
 */
#include "symbol/symtable.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/search.h"
#include "sys/elf.h"

#define NAME_DYNAMIC (1u << 31)
#define NAME_LOCAL (1u << 30)
#define NAME_EXTRA (1u << 29)
#define NAME_MASK (NAME_EXTRA - 1) /* names further into a string table are left out */
#define WALK_BACK_MAX 64
#define NOT_IN_SEGMENT UINT32_MAX
#define SECTIONS_MAX 64

struct entry {
	uint32_t start; /* above base */
	uint32_t size;
	uint32_t name; /* name_ref and NAME_ flags */
};

struct symtable {
	struct module_fact module;	  /* its executable segments */
	struct elf_code_segment *section; /* owned */
	size_t section_count;		  /* 0: not known, or too many */
	uint64_t base;
	struct entry *entries; /* owned */
	size_t count, cap;
	bool adding_extra; /* while it is built */
};

/* Start of the executable segment that holds vaddr, above base; NOT_IN_SEGMENT for none. */
static uint32_t segment_start(const struct symtable *t, uint64_t vaddr)
{
	for (uint32_t i = 0; i < t->module.segment_count; i++) {
		const uint64_t start = t->module.segment[i].vaddr;

		if (vaddr >= start && vaddr - start < t->module.segment[i].size &&
		    vaddr - t->base < UINT32_MAX)
			return (uint32_t)(start - t->base);
	}
	return NOT_IN_SEGMENT;
}

static bool usable(const struct symtable *t, const struct elf_symbol *s)
{
	if (t->adding_extra && s->dynamic)
		return false;
	return s->name_ref <= NAME_MASK && segment_start(t, s->vaddr) != NOT_IN_SEGMENT;
}

static int count_one(void *ctx, const struct elf_symbol *s)
{
	struct symtable *t = ctx;

	t->cap += usable(t, s);
	return 0;
}

static int add_one(void *ctx, const struct elf_symbol *s)
{
	struct symtable *t = ctx;

	if (!usable(t, s))
		return 0;
	if (t->count == t->cap)
		return -EBADMSG; /* the file has grown since it was counted */
	t->entries[t->count++] = (struct entry){
		.start = (uint32_t)(s->vaddr - t->base),
		.size = s->size < UINT32_MAX ? (uint32_t)s->size : UINT32_MAX,
		.name = s->name_ref | (s->dynamic ? NAME_DYNAMIC : 0) |
			(s->global ? 0 : NAME_LOCAL) | (t->adding_extra ? NAME_EXTRA : 0),
	};
	return 0;
}

/* 0 is best. */
static unsigned int rank(const struct entry *e)
{
	return (e->size == 0 ? 4u : 0) | (e->name & NAME_LOCAL ? 2u : 0) |
	       (e->name & NAME_DYNAMIC ? 1u : 0);
}

static int compare(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (rank(a) != rank(b))
		return rank(a) < rank(b) ? -1 : 1;
	/* Of overlapping sizes the largest, so that all aliases of an address cover the same. */
	if (a->size != b->size)
		return a->size > b->size ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

/* Keeps the best-ranked names of each address, at most SYMTABLE_ALIASES, each once. */
static void drop_worse(struct symtable *t)
{
	size_t out = 0, first = 0;

	for (size_t i = 0; i < t->count; i++) {
		const struct entry *e = &t->entries[i];

		if (i == 0 || e->start != t->entries[first].start)
			first = out;
		else if (rank(e) != rank(&t->entries[first]) || out - first == SYMTABLE_ALIASES ||
			 e->name == t->entries[out - 1].name)
			continue;
		t->entries[out++] = *e;
	}
	t->count = out;
}

static void shrink(struct symtable *t)
{
	struct entry *less;

	if (t->count == t->cap || t->count == 0)
		return;
	less = reallocarray(t->entries, t->count, sizeof(*less));
	if (!less)
		return;
	t->entries = less;
	t->cap = t->count;
}

/* An error ends a walk early; the functions before it are as good as any. */
static void walk(struct symtable *t, const struct elf_file *f, const struct elf_file *extra,
		 int (*fn)(void *ctx, const struct elf_symbol *s))
{
	elf_each_address(f, fn, t);
	if (!extra || elf_has_symtab(f))
		return;
	t->adding_extra = true;
	elf_each_address(extra, fn, t);
	t->adding_extra = false;
}

static int find_sections(struct symtable *t, const struct elf_file *f)
{
	size_t n = elf_code_sections(f, NULL, 0);

	if (n == 0 || n > SECTIONS_MAX)
		return 0;
	t->section = calloc(n, sizeof(*t->section));
	if (!t->section)
		return -ENOMEM;
	t->section_count = elf_code_sections(f, t->section, n);
	if (t->section_count > n) /* the file has changed meanwhile */
		t->section_count = n;
	return 0;
}

int symtable_build(const struct elf_file *f, const struct elf_file *extra, size_t max_bytes,
		   struct symtable **ret)
{
	auto_clean(symtable_freep) struct symtable *t = NULL;

	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	elf_describe(f, &t->module);
	if (find_sections(t, f) < 0)
		return -ENOMEM;
	t->base = UINT64_MAX;
	for (uint32_t i = 0; i < t->module.segment_count; i++)
		if (t->module.segment[i].vaddr < t->base)
			t->base = t->module.segment[i].vaddr;
	walk(t, f, extra, count_one);
	if (t->cap > max_bytes / sizeof(*t->entries))
		return -EFBIG;
	t->entries = calloc(t->cap ? t->cap : 1, sizeof(*t->entries));
	if (!t->entries)
		return -ENOMEM;
	walk(t, f, extra, add_one);
	qsort(t->entries, t->count, sizeof(*t->entries), compare);
	drop_worse(t);
	shrink(t);
	*ret = steal(t);
	return 0;
}

void symtable_free(struct symtable *t)
{
	if (!t)
		return;
	free(t->entries);
	free(t->section);
	free(t);
}

void symtable_freep(struct symtable **t)
{
	symtable_free(*t);
	*t = NULL;
}

size_t symtable_bytes(const struct symtable *t)
{
	return sizeof(*t) + t->cap * sizeof(*t->entries) + t->section_count * sizeof(*t->section);
}

size_t symtable_count(const struct symtable *t)
{
	return t->count;
}

/* Number of entries that start at or below `at`. */
static size_t count_up_to(const struct symtable *t, uint32_t at)
{
	return search_first(t->count, i, t->entries[i].start <= at);
}

static bool covers(const struct entry *e, uint32_t at)
{
	return at - e->start < e->size;
}

/* Whether no end of a section lies between: _init has no size, and functions without name follow.
 */
static bool same_section(const struct symtable *t, uint32_t start, uint32_t at)
{
	for (size_t i = 0; i < t->section_count; i++) {
		const struct elf_code_segment *s = &t->section[i];

		if (t->base + at >= s->vaddr && t->base + at - s->vaddr < s->bytes)
			return t->base + start >= s->vaddr;
	}
	return t->section_count == 0;
}

/* The entry that covers `at`, or NULL: of several, the one that starts last. */
static const struct entry *find_covering(const struct symtable *t, uint32_t at, uint32_t segment)
{
	const size_t above = count_up_to(t, at);
	const struct entry *nearest, *e;

	if (above == 0)
		return NULL;
	nearest = &t->entries[above - 1];
	for (size_t i = above; i > 0 && above - i < WALK_BACK_MAX; i--) {
		e = &t->entries[i - 1];
		if (covers(e, at))
			return e;
	}
	if (nearest->size != 0 || nearest->start < segment || !same_section(t, nearest->start, at))
		return NULL;
	return nearest;
}

size_t symtable_find(const struct symtable *t, uint64_t vaddr,
		     struct symbol_ref ret[static SYMTABLE_ALIASES])
{
	const uint32_t segment = segment_start(t, vaddr);
	const struct entry *e, *end = t->entries + t->count;
	uint32_t at, start;
	size_t n = 0;

	if (segment == NOT_IN_SEGMENT)
		return 0;
	at = (uint32_t)(vaddr - t->base);
	e = find_covering(t, at, segment);
	if (!e)
		return 0;
	start = e->start;
	while (e > t->entries && e[-1].start == start)
		e--;
	for (; e < end && e->start == start && n < SYMTABLE_ALIASES; e++) {
		if (e->size != 0 && !covers(e, at))
			continue;
		ret[n].extra = e->name & NAME_EXTRA;
		ret[n].dynamic = e->name & NAME_DYNAMIC;
		ret[n].name_ref = e->name & NAME_MASK;
		n++;
	}
	return n;
}
