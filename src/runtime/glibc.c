/* The reader of glibc's malloc: which arenas there are, and what a walk of all of them says. */
#include "runtime/glibc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "runtime/allocators.h"

#define HEAP_MAX (64ull << 20) /* a thread arena's heaps begin at multiples of it */
#define HEAP_HEADER_MAX MALLOC_PAGE
#define ARENAS_MAX 4096 /* by default there are 8 per CPU */
#define HEAPS_MAX 8192	/* of all arenas: 512 GB */
#define DATA_BYTES_MAX (16u << 20)

static bool is_libc(const struct vma *v)
{
	const char *name = str_file_name(v->path);

	return v->kind == VMA_FILE &&
	       (strcmp(name, "libc.so.6") == 0 || strncmp(name, "libc-2.", 7) == 0);
}

static bool is_data(const struct vma *v)
{
	return v->readable && v->writable && !v->shared;
}

/* The file whose data holds malloc's state: libc, or of a static program the program. */
static const struct vma *find_libc(const struct vma_table *maps, bool *ret_starting)
{
	const struct vma *exe = NULL;
	bool loader = false;

	for (size_t i = 0; i < maps->count; i++) {
		const struct vma *v = &maps->vma[i];

		if (is_libc(v))
			return v;
		if (v->kind != VMA_FILE || !v->path[0])
			continue;
		exe = exe ? exe : v;
		loader |= strstr(v->path, "/ld-linux") || strstr(v->path, "/ld-2.");
	}
	*ret_starting = loader;
	return loader ? NULL : exe;
}

/* One run of pages in memory. */
static int search_run(struct malloc_walk *w, uint64_t start, uint64_t len, bool params)
{
	struct malloc_data d = { .start = start, .len = len };
	uint8_t *bytes = malloc(len);
	int r;

	if (!bytes)
		return -ENOMEM;
	d.bytes = bytes;
	r = peek_read(w->v->peek, start, bytes, len);
	if (!r && params)
		r = malloc_find_params(&d, w->v->maps, &w->kept->place) ? 0 : -ENOENT;
	else if (!r)
		r = malloc_find_main(w, &d, &w->kept->place);
	free(bytes);
	return r == -EFAULT || r == -EILSEQ ? -ENOENT : r;
}

/* Runs in memory of one mapping. -ENOENT, -EAGAIN as malloc_find_main(). */
static int search_vma(struct malloc_walk *w, const struct vma *v, uint64_t *budget, bool params)
{
	int found = -ENOENT;

	for (uint64_t at = v->start; at < v->end && *budget;) {
		uint64_t len;
		int r;

		at = malloc_next_present(w, at, v->end);
		len = at < v->end ? malloc_present(w, at, v->end - at) : 0;
		if (!len)
			break;
		len = len < *budget ? len : *budget;
		*budget -= len;
		r = search_run(w, at, len, params);
		if (r == 0 || (r != -ENOENT && r != -EAGAIN))
			return r;
		if (r == -EAGAIN)
			found = r;
		at += len;
	}
	return found;
}

/* The file's writable mappings, and the anonymous ones that follow on them (.bss). */
static int search_file(struct malloc_walk *w, const struct vma *file, bool params)
{
	const struct vma_table *maps = w->v->maps;
	uint64_t budget = DATA_BYTES_MAX, end = 0;
	int found = -ENOENT;

	for (size_t i = 0; i < maps->count; i++) {
		const struct vma *v = &maps->vma[i];
		bool own = v->inode == file->inode && v->dev == file->dev;

		if (!own && (v->start != end || v->kind != VMA_ANON))
			continue;
		end = v->end;
		if (!is_data(v))
			continue;
		int r = search_vma(w, v, &budget, params);
		if (r == 0 || (r != -ENOENT && r != -EAGAIN))
			return r;
		if (r == -EAGAIN)
			found = r;
	}
	return found;
}

static void close_glibc(void *state)
{
	struct malloc_kept *k = state;

	if (!k)
		return;
	free(k->window);
	free(k->lists);
	free(k->trail);
	free(k->tcache);
	free(k);
}

static struct malloc_kept *new_kept(void)
{
	struct malloc_kept *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->window = malloc(WINDOW_BYTES);
	k->lists = malloc_lists_new();
	k->trail = malloc_trail_new();
	k->tcache = calloc(TCACHES_MAX, sizeof(*k->tcache));
	if (k->window && k->lists && k->trail && k->tcache)
		return k;
	close_glibc(k);
	return NULL;
}

static int find_place(struct malloc_walk *w, const char **why)
{
	bool starting = false;
	const struct vma *libc = find_libc(w->v->maps, &starting);
	int r;

	if (!libc)
		return starting ? -EAGAIN : -ENOENT;
	r = search_file(w, libc, false);
	if (r == -ENOENT && is_libc(libc)) {
		*why = "malloc's state was not recognised in the data of this glibc";
		return -EPROTO;
	}
	if (!r)
		search_file(w, libc, true); /* also without: there may be no [heap] */
	return r;
}

static int open_glibc(const struct process_view *v, void **state, const char **why)
{
	struct malloc_walk w = { .v = v };
	int r;

	if (allocator_served_by(v) != SERVED_UNKNOWN)
		return -ENOENT;
	w.kept = new_kept();
	if (!w.kept)
		return -ENOMEM;
	r = find_place(&w, why);
	present_done(&w.fresh);
	if (r)
		close_glibc(w.kept);
	else
		*state = w.kept;
	return r;
}

struct heap_info {
	uint64_t arena, before, size;
};

static int read_heap(struct malloc_walk *w, uint64_t base, uint64_t arena, struct heap_info *ret)
{
	int r = malloc_peek(w, base, ret, sizeof(*ret));

	if (!r && (ret->arena != arena || ret->size > HEAP_MAX || ret->size < MALLOC_PAGE ||
		   ret->size % MALLOC_PAGE || ret->before % HEAP_MAX))
		r = -EILSEQ;
	return r;
}

/* Extent of [heap] as mapped; the process may have moved its end since. */
static void heap_extent(const struct malloc_walk *w, uint64_t *start, uint64_t *end)
{
	const struct vma_table *maps = w->v->maps;

	*start = *end = 0;
	for (size_t i = 0; i < maps->count; i++) {
		if (maps->vma[i].kind != VMA_HEAP)
			continue;
		if (!*start)
			*start = maps->vma[i].start;
		*end = maps->vma[i].end;
	}
}

/* Where the arena's top ends; 0 when its header cannot be read. */
static uint64_t top_end(struct malloc_walk *w, uint64_t top)
{
	uint64_t size;

	if (malloc_peek(w, top + 8, &size, sizeof(size)) || size >> 56)
		return 0;
	return top + (size & ~CHUNK_FLAGS);
}

static bool top_is_in(const struct malloc_arena *a, uint64_t start, uint64_t end)
{
	return a->top >= start && (a->top < end || a->contiguous);
}

/* The main arena: sbrk()'s part of it. */
static int refresh_main(struct malloc_walk *w, struct malloc_region *r)
{
	struct malloc_arena a;
	uint64_t start, end;
	int e = malloc_read_arena(w, r->arena, &a);

	if (e)
		return e;
	heap_extent(w, &start, &end);
	r->top = 0;
	r->end = end;
	if (!top_is_in(&a, r->start, end))
		return 0;
	r->end = top_end(w, a.top);
	if (r->end < a.top)
		return -EILSEQ;
	r->top = a.top;
	return 0;
}

int malloc_refresh_region(struct malloc_walk *w, struct malloc_region *r)
{
	uint64_t base = r->start & ~(HEAP_MAX - 1);
	struct malloc_arena a;
	struct heap_info h;
	int e;

	if (r->main)
		return refresh_main(w, r);
	e = malloc_read_arena(w, r->arena, &a);
	if (!e)
		e = read_heap(w, base, r->arena, &h);
	if (e)
		return e;
	r->end = base + h.size;
	r->top = a.top >= r->start && a.top < r->end ? a.top : 0;
	return 0;
}

/* [heap], where the first chunk may have something of others before it. */
static int walk_sbrk(struct malloc_walk *w, const struct malloc_arena *a)
{
	struct malloc_region r = { .arena = a->at, .main = true };
	uint64_t start, end, base = 0;
	int e;

	heap_extent(w, &start, &end);
	if (!start)
		return 0;
	if (w->kept->place.sbrk_base && malloc_peek(w, w->kept->place.sbrk_base, &base, 8))
		base = 0;
	r.start = base >= start && base < end ? (base + 15) & ~15ull : start;
	e = malloc_refresh_region(w, &r);
	if (e == -ENODATA || e == -EILSEQ) {
		w->absent = true;
		w->sum.unknown_bytes += end - start;
		return 0;
	}
	return e ? e : malloc_walk_region(w, &r);
}

/* The heaps of a thread arena, from its top's back to its first. */
static int walk_heaps(struct malloc_walk *w, const struct malloc_arena *a)
{
	uint64_t first = a->at & ~(HEAP_MAX - 1), header = a->at - first, base;
	struct heap_info h;

	if (header > HEAP_HEADER_MAX)
		return -EILSEQ;
	for (base = a->top & ~(HEAP_MAX - 1); base; base = h.before) {
		struct malloc_region r = { .arena = a->at, .start = base + header };
		int e;

		if (w->heaps++ >= HEAPS_MAX)
			w->cut = true;
		if (w->cut)
			return -EILSEQ;
		e = read_heap(w, base, a->at, &h);
		if (!e && base == first)
			r.start = (a->at + w->kept->place.layout.size + 15) & ~15ull;
		if (!e && malloc_find_region(w, r.start))
			e = -EILSEQ; /* it was there before */
		if (!e)
			e = malloc_refresh_region(w, &r);
		if (!e)
			w->sum.overhead_bytes += r.start - base;
		if (!e)
			e = malloc_walk_region(w, &r);
		if (e)
			return e;
	}
	return 0;
}

static int walk_arena(struct malloc_walk *w, const struct malloc_arena *a)
{
	uint64_t known = w->sum.live_bytes + w->sum.free_bytes + w->sum.overhead_bytes +
			 w->sum.unknown_bytes;
	uint64_t now;
	int e;

	w->sum.arenas++;
	w->system_bytes += a->system_bytes;
	if (a->at == w->kept->place.main)
		return walk_sbrk(w, a);
	e = walk_heaps(w, a);
	if (e != -ENODATA && e != -EILSEQ)
		return e;
	now = w->sum.live_bytes + w->sum.free_bytes + w->sum.overhead_bytes + w->sum.unknown_bytes;
	if (now - known < a->system_bytes)
		w->sum.unknown_bytes += a->system_bytes - (now - known);
	w->absent |= e == -ENODATA;
	w->torn |= e == -EILSEQ;
	return 0;
}

static bool has_arena(const struct malloc_arena *arena, size_t n, uint64_t at)
{
	for (size_t i = 0; i < n; i++)
		if (arena[i].at == at)
			return true;
	return false;
}

/* The ring of arenas, the main one first. */
static int read_arenas(struct malloc_walk *w, struct malloc_arena *arena, size_t *ret_count)
{
	uint64_t at = w->kept->place.main;
	size_t n = 0;

	do {
		int e = n == ARENAS_MAX || has_arena(arena, n, at)
				? -EILSEQ
				: malloc_read_arena(w, at, &arena[n]);

		if (e && (!n || (e != -ENODATA && e != -EILSEQ)))
			return e;
		if (e) {
			w->absent |= e == -ENODATA;
			w->torn |= e == -EILSEQ;
			break;
		}
		at = arena[n++].next;
	} while (at != w->kept->place.main);
	*ret_count = n;
	return 0;
}

static void read_params(struct malloc_walk *w)
{
	uint32_t n;

	w->params_count = FACT_UNKNOWN;
	if (w->kept->place.mapped_count &&
	    !malloc_peek(w, w->kept->place.mapped_count, &n, sizeof(n)))
		w->params_count = n;
}

static void conclude(struct malloc_walk *w)
{
	struct inner_known *k = &w->sum.known;

	k->how = "every chunk of malloc's arenas";
	if (w->cut)
		k->why = "the heap is larger than may be walked at once";
	else if (w->torn)
		k->why = "a part of the heap changed faster than it could be walked";
	else if (w->absent)
		k->why = "a part of the heap is not in memory";
	else if (w->pieces_missing)
		k->why = "not every piece of the main arena was found";
	else if (w->params_count == FACT_UNKNOWN)
		k->why = "malloc's own count of blocks with mappings of their own was not found";
	else if (w->params_count != w->sum.mapped_count)
		k->why = "not every block with a mapping of its own was found";
	else if (w->lists_cut || w->lists_torn || w->tcache_count == TCACHES_MAX)
		k->why = "a part of what thread caches and fast bins hold counts as live";
	else if (w->kept->place.layout.fast_unknown)
		k->why = "what fast bins may hold counts as live";
	k->exact = !k->why;
	if (w->foreign && !k->why)
		k->why = "others have memory of sbrk() too";
}

static int walk_all(struct malloc_walk *w)
{
	struct malloc_arena *arena = calloc(ARENAS_MAX, sizeof(*arena));
	size_t n = 0;
	int e = arena ? read_arenas(w, arena, &n) : -ENOMEM;

	read_params(w);
	for (size_t i = 0; !e && i < n; i++)
		e = walk_arena(w, &arena[i]);
	if (!e)
		e = malloc_walk_mapped(w, &arena[0]);
	if (!e)
		malloc_walk_cached(w, arena, n);
	free(arena);
	return e;
}

static int read_glibc(void *state, const struct process_view *v, struct inner_allocator *ret,
		      struct inner_ranges *ranges)
{
	struct malloc_walk w = {
		.v = v, .kept = state, .ranges = ranges, .window_want = WINDOW_FIRST
	};
	int e;

	w.sum.name = "glibc";
	e = walk_all(&w);
	free(w.region);
	present_done(&w.fresh);
	if (e == -ENODATA || e == -EILSEQ) {
		allocator_unavailable("glibc",
				      e == -ENODATA ? "malloc's state is not in memory"
						    : "malloc's state is not what it was",
				      &w.sum);
		e = 0;
	} else if (!e) {
		conclude(&w);
	}
	if (!e)
		*ret = w.sum;
	return e;
}

const struct walk_ops walk_glibc = { "glibc", open_glibc, read_glibc, close_glibc };
