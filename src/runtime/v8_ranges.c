/* Which addresses are what, from the chunks and from the shape of the mappings. */
#include "runtime/v8_impl.h"

#define WASM_GUARD (1ull << 30)

static bool is_guard(const struct vma *v)
{
	return v->kind == VMA_ANON && !v->readable && !v->writable && !v->executable;
}

/* A linear memory is followed by so much of nothing that no 32-bit index leads beyond it. */
bool v8_is_wasm(const struct vma_table *maps, size_t i)
{
	const struct vma *v = &maps->vma[i], *next = v + 1;

	return i + 1 < maps->count && v->kind == VMA_ANON && v->readable && v->writable &&
	       !v->executable && !v->shared && is_guard(next) && next->start == v->end &&
	       next->end - next->start >= WASM_GUARD;
}

static void sum(const struct process_view *v, struct inner_heap *h, uint64_t start, uint64_t end,
		bool pooled)
{
	uint64_t in = present_bytes(&v->present->in, start, end);

	h->resident_bytes += in;
	h->swapped_bytes += present_bytes(&v->present->swapped, start, end);
	h->pooled_bytes += pooled ? in : 0;
}

/* Generated code that is not in the heap: what of a mapping no chunk has. */
static int add_code(const struct v8_pages *p, const struct vma *vma, struct inner_ranges *ranges)
{
	uint64_t at = vma->start;
	size_t lo = 0, hi = p->chunks;
	int r = 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->chunk[mid].address + p->chunk[mid].size <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; !r && at < vma->end && lo < p->chunks && p->chunk[lo].address < vma->end; lo++) {
		r = inner_ranges_add(ranges, at, p->chunk[lo].address, INNER_CODE);
		at = p->chunk[lo].address + p->chunk[lo].size;
	}
	return r ? r : inner_ranges_add(ranges, at, vma->end, INNER_CODE);
}

static int add_mappings(const struct v8_pages *p, const struct process_view *v,
			struct inner_ranges *ranges)
{
	int r = 0;

	for (size_t i = 0; !r && i < v->maps->count; i++) {
		const struct vma *vma = &v->maps->vma[i];

		if (v8_is_wasm(v->maps, i))
			r = inner_ranges_add(ranges, vma->start, vma->end, INNER_WASM);
		else if (vma->kind == VMA_ANON && vma->executable)
			r = add_code(p, vma, ranges);
	}
	return r;
}

static int add_chunks(const struct v8_pages *p, const struct process_view *v, struct inner_heap *h,
		      struct inner_ranges *ranges)
{
	int r = 0;

	for (size_t i = 0; !r && i < p->chunks; i++) {
		const struct v8_chunk *c = &p->chunk[i];
		enum inner_use use = !c->heap ? INNER_RUNTIME : c->live ? INNER_HEAP : INNER_POOLED;

		if (c->heap)
			sum(v, h, c->address, c->address + c->size, !c->live);
		r = inner_ranges_add(ranges, c->address, c->address + c->size, use);
	}
	for (size_t i = 0; !r && i < p->strays; i++) {
		uint64_t at = p->stray[i];
		const struct vma *vma = maps_find(v->maps, at);

		if (!vma || v8_is_wasm(v->maps, vma - v->maps->vma))
			continue;
		sum(v, h, at, at + V8_PAGE, true);
		r = inner_ranges_add(ranges, at, at + V8_PAGE, INNER_POOLED);
	}
	return r;
}

int v8_add_ranges(const struct v8 *s, const struct process_view *v, struct inner_heap *ret,
		  struct inner_ranges *ranges)
{
	int r = add_chunks(&s->pages, v, ret, ranges);

	return r ? r : add_mappings(&s->pages, v, ranges);
}
