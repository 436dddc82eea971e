/* CPython: the arenas of its allocator of small objects. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/search.h"
#include "runtime/cpython_pools.h"
#include "runtime/runtime.h"
#include "runtime/symbols.h"
#include "runtime/view.h"
#include "sys/elf.h"
#include "sys/mapfile.h"
#include "sys/procfs.h"

#define BATCH 512
#define HEADERS_MAX (1u << 20)	   /* one look: 16 GB of memory in pools of 16 KiB; 0.2 s */
#define VMA_BYTES_MIN (256u << 10) /* an arena of the smaller kind */
#define POOLS_MIN 8		   /* an interpreter that has started has hundreds */
#define PAGE_BYTES 4096
#define BLOCKS_MAX 65536 /* in one gap */
#define GAPS_MAX 4096
#define WAIT_LOG2_MAX 6 /* looks between two tries to learn */
#define GAP_BYTES_MIN (1ull << 20)

static const struct pool_kind kinds[] = { { 16384, 16 }, { 4096, 16 }, { 4096, 8 } };
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct cpython {
	char version[32];
	bool no_gil;
	const struct pool_kind *kind; /* NULL: not learnt yet */
	uint32_t fruitless;	      /* looks in a row that learnt nothing, and ... */
	uint32_t wait;		      /* ... looks until the next one that tries */
	/* memory that was looked through at the last look and holds no arena */
	struct gap {
		uint64_t start, end;
	} gap[GAPS_MAX];
	size_t gaps;
};

/* One look through the process. */
struct look {
	struct cpython *c;
	const struct process_view *v;
	struct inner_ranges *ranges;
	struct pool_scan scan;
	struct pool_header header[BATCH];
	struct peek_at at[BATCH];
	size_t n;
	uint64_t headers;
	bool cut;	/* HEADERS_MAX */
	uint64_t clean; /* what lies below is an arena, a gap or no memory of its kind */
	struct gap old[GAPS_MAX];
	size_t old_gaps;
};

/* --- which process */

static bool is_named_python(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && (fnmatch("libpython[0-9]*.so*", slash + 1, 0) == 0 ||
			 fnmatch("python*", slash + 1, 0) == 0);
}

/* "3.11.2" of the file's own number, "3.9" of its name, or "". */
static void read_version(const struct elf_file *f, const struct symbol *number, const char *path,
			 char *ret, size_t size)
{
	const char *name = strrchr(path, '/');
	uint32_t hex = 0;
	int major, minor;

	if (number->vaddr && elf_read_at(f, number->vaddr, &hex, sizeof(hex)) == sizeof(hex) &&
	    hex >> 24 == 3)
		snprintf(ret, size, "%u.%u.%u", hex >> 24, hex >> 16 & 0xff, hex >> 8 & 0xff);
	else if (name && (sscanf(name, "/libpython%2d.%3d", &major, &minor) == 2 ||
			  sscanf(name, "/python%2d.%3d", &major, &minor) == 2))
		snprintf(ret, size, "%d.%d", major, minor);
}

/* -ENOENT: no interpreter, or CPython 2. */
static int look_into(const struct process_view *v, const struct vma *m, struct cpython *c)
{
	static const char *const names[] = { "PyObject_Malloc", "PyModule_Create2", "Py_Version",
					     "_Py_DecRefShared" };
	auto_clean(elf_closep) struct elf_file *f = NULL;
	struct symbol s[4];
	int r = mapfile_open_elf(v->proc, v->pid, m, &f, NULL);

	if (r)
		return r == -ENOEXEC ? -ENOENT : r;
	r = symbols_find(f, false, SYMBOLS_BYTES_MAX, names, 4, s);
	if (r == -ENOMEM)
		return r;
	if (r || !s[0].vaddr || !s[1].vaddr)
		return -ENOENT;
	c->no_gil = s[3].vaddr != 0;
	read_version(f, &s[2], m->path, c->version, sizeof(c->version));
	return 0;
}

static int cpython_open(const struct process_view *v, void **state, const char **why)
{
	struct cpython *c = calloc(1, sizeof(*c));
	char exe[FACT_PATH_BYTES] = "";
	bool deleted;
	int r = -ENOENT;

	if (!c)
		return -ENOMEM;
	*why = "the interpreter's file cannot be read";
	procfs_read_exe(v->proc, v->pid, exe, sizeof(exe), &deleted);
	for (size_t i = 0; r == -ENOENT && i < v->maps->count; i++) {
		const struct vma *m = &v->maps->vma[i];

		if (m->executable && m->inode &&
		    (is_named_python(m->path) || strcmp(m->path, exe) == 0))
			r = look_into(v, m, c);
		if (r && r != -ENOMEM && !is_named_python(m->path))
			r = -ENOENT; /* nothing says that it is Python */
	}
	if (r)
		free(c);
	else
		*state = c;
	return r;
}

/* --- one look */

/* Between arenas lies what need not be looked through again. */
static void end_gap(struct look *l, uint64_t end)
{
	struct cpython *c = l->c;

	if (end > l->clean && end - l->clean >= GAP_BYTES_MIN && !l->cut && c->gaps < GAPS_MAX)
		c->gap[c->gaps++] = (struct gap){ l->clean, end };
	if (end > l->clean)
		l->clean = end;
}

/* The first old gap that ends above the address; old_gaps: none does. */
static size_t gap_above(const struct look *l, uint64_t address)
{
	return search_first(l->old_gaps, i, l->old[i].end <= address);
}

/* Reads the headers that were asked for. */
static int settle(struct look *l)
{
	uint64_t used, start, end;
	int r = peek_read_many(l->v->peek, l->at, l->n);

	for (size_t i = 0; !r && i < l->n; i++) {
		uint64_t at = l->at[i].address;

		if (!l->at[i].ok || !pool_check(&l->scan.kind, &l->header[i], at, &used) ||
		    !pool_scan_take(&l->scan, at, &l->header[i], used, &start, &end))
			continue;
		r = inner_ranges_add(l->ranges, start, end, INNER_HEAP);
		end_gap(l, at);
		l->clean = at + pool_arena_bytes(&l->scan.kind);
	}
	l->n = 0;
	return r;
}

/* Asks for each header that is in memory in [start, end). */
static int look_through(struct look *l, uint64_t start, uint64_t end)
{
	const struct present_runs *in = &l->v->present->in;
	const struct present_run *run = present_from(in, start), *last = in->run + in->count;
	uint64_t step = l->scan.kind.pool_bytes;
	int r = 0;

	for (; !r && run && run < last && run->start < end; run++) {
		uint64_t at = run->start > start ? run->start : start;
		uint64_t to = run->end < end ? run->end : end;

		for (at = (at + step - 1) / step * step; !r && at < to; at += step) {
			if (l->headers == HEADERS_MAX) {
				l->cut = true;
				return 0;
			}
			l->headers++;
			l->at[l->n] = (struct peek_at){ at, &l->header[l->n], sizeof(l->header[0]),
							false };
			if (++l->n == BATCH)
				r = settle(l);
		}
	}
	return r;
}

/* Bytes of a block that glibc's malloc mapped for itself at this address; 0: there is none. */
static uint64_t mapped_block(const struct look *l, uint64_t at)
{
	uint64_t head[2]; /* padding, then size and flags */

	if (view_read(l->v, at, head, sizeof(head)) < 0 || head[0] || (head[1] & 7) != 2 ||
	    (head[1] & ~7ull) % PAGE_BYTES)
		return 0;
	return head[1] & ~7ull;
}

/*
 * A gap need not be looked through again while it is made up of such blocks, one after the other:
 * then no arena has come into it. It may begin and end some pages late, behind an arena's last pool
 * and at another's first one.
 */
static bool is_all_blocks(struct look *l, uint64_t start, uint64_t end)
{
	uint64_t slack = l->scan.kind.pool_bytes, at = start - slack, bytes;

	while (at < start && !mapped_block(l, at))
		at += PAGE_BYTES;
	for (int i = 0; i < BLOCKS_MAX && at + slack < end; i++) {
		if (l->headers == HEADERS_MAX)
			return false;
		l->headers++;
		bytes = mapped_block(l, at);
		if (!bytes || bytes > 1ull << 46)
			return false;
		at += bytes;
	}
	return at + slack >= end;
}

/* The same without old gaps. */
static int look_around_gaps(struct look *l, uint64_t start, uint64_t end)
{
	size_t g = gap_above(l, start);
	int r = 0;

	for (; !r && g < l->old_gaps && l->old[g].start < end; g++) {
		uint64_t from = l->old[g].start > start ? l->old[g].start : start;
		uint64_t to = l->old[g].end < end ? l->old[g].end : end;

		if (!is_all_blocks(l, from, to))
			continue;
		if (from > start)
			r = look_through(l, start, from);
		start = to;
	}
	if (!r && start < end)
		r = look_through(l, start, end);
	return r ? r : settle(l);
}

static bool may_hold_arenas(const struct vma *m)
{
	return m->readable && m->writable && !m->executable && !m->shared && !m->inode &&
	       (!m->path[0] || strncmp(m->path, "[anon:", 6) == 0) &&
	       m->end - m->start >= VMA_BYTES_MIN;
}

static int look_into_all(struct look *l, const struct pool_kind *kind)
{
	struct cpython *c = l->c;
	uint64_t start, end;
	int r = 0;

	l->scan = (struct pool_scan){ .kind = *kind };
	l->headers = l->n = c->gaps = l->clean = 0;
	l->cut = false;
	for (size_t i = 0; !r && i < l->v->maps->count; i++) {
		const struct vma *m = &l->v->maps->vma[i];

		if (!may_hold_arenas(m))
			continue;
		if (m->start > l->clean)
			l->clean = m->start;
		r = look_around_gaps(l, m->start, m->end);
		end_gap(l, m->end);
	}
	pool_scan_end(&l->scan, &start, &end);
	return r ? r : inner_ranges_add(l->ranges, start, end, INNER_HEAP);
}

/* Which kind of pools the process has; a pool of one kind is none of the others. */
static int learn(struct look *l)
{
	for (size_t i = 0; i < KINDS; i++) {
		size_t first = l->ranges->count;
		int r = look_into_all(l, &kinds[i]);

		if (r)
			return r;
		if (l->scan.pools >= POOLS_MIN) {
			l->c->kind = &kinds[i];
			l->c->fruitless = 0;
			return 0;
		}
		l->ranges->count = first;
	}
	/* malloc serves it, or it still starts: each try goes through all of the process */
	l->c->wait = (1u << l->c->fruitless) - 1;
	l->c->fruitless += l->c->fruitless < WAIT_LOG2_MAX;
	return 0;
}

static int look_once(struct look *l)
{
	struct cpython *c = l->c;

	if (!c->kind && c->wait) {
		c->wait--;
		return 0;
	}
	if (!c->kind)
		return learn(l);
	memcpy(l->old, c->gap, c->gaps * sizeof(c->gap[0]));
	l->old_gaps = c->gaps;
	return look_into_all(l, c->kind);
}

/* --- figures */

static uint64_t swapped(const struct process_view *v)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < v->maps->count; i++) {
		const struct vma *m = &v->maps->vma[i];

		if (may_hold_arenas(m))
			sum += present_bytes(&v->present->swapped, m->start, m->end);
	}
	return sum;
}

static void fill_unknown(const struct cpython *c, struct inner_runtime *ret)
{
	*ret = (struct inner_runtime){
		.name = "cpython",
		.heap = { .committed_bytes = FACT_UNKNOWN,
			  .used_bytes = FACT_UNKNOWN,
			  .resident_bytes = FACT_UNKNOWN,
			  .swapped_bytes = FACT_UNKNOWN,
			  .pooled_bytes = FACT_UNKNOWN },
		.buffers = { .known.why = "Python's objects beyond 512 bytes come from malloc, "
					  "and nothing counts them",
			     .bytes = FACT_UNKNOWN,
			     .count = FACT_UNKNOWN,
			     .resident_bytes = FACT_UNKNOWN },
	};
	memcpy(ret->version, c->version, sizeof(ret->version));
}

static void fill(struct look *l, size_t first, struct inner_runtime *ret)
{
	struct inner_heap *h = &ret->heap;

	if (!l->c->kind || !l->scan.arenas) {
		h->known.why = l->c->no_gil
				       ? "a build of Python without the GIL, whose allocator is "
					 "not walked"
				       : "no arenas: Python takes its objects from malloc "
					 "(PYTHONMALLOC), or is still starting";
		return;
	}
	h->known.exact = !l->cut;
	h->known.how = "arenas of pymalloc, pool by pool";
	if (l->cut)
		h->known.why = "the process is too large to be looked through as a whole";
	if (swapped(l->v)) {
		h->known.exact = false;
		h->known.why = "pools whose header is in swap are not counted";
	}
	h->committed_bytes = l->scan.arenas * pool_arena_bytes(&l->scan.kind);
	h->used_bytes = l->scan.used_bytes;
	view_sum(l->v, l->ranges, first, h);
}

static int cpython_read(void *state, const struct process_view *v, struct inner_runtime *ret,
			struct inner_ranges *ranges)
{
	struct cpython *c = state;
	struct look *l = calloc(1, sizeof(*l));
	size_t first = ranges->count;
	int r = 0;

	if (!l)
		return -ENOMEM;
	l->c = c;
	l->v = v;
	l->ranges = ranges;
	if (!c->no_gil)
		r = look_once(l);
	if (!r) {
		fill_unknown(c, ret);
		fill(l, first, ret);
	}
	if (!l->scan.arenas)
		c->kind = NULL; /* it is learnt anew */
	free(l);
	return r;
}

const struct runtime_ops runtime_cpython = { "cpython", cpython_open, cpython_read, free };
