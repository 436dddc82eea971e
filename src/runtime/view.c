#include "runtime/view.h"

#include <errno.h>

#include "sys/residency.h"

#define PAGE 4096

bool view_has(const struct process_view *v, uint64_t address, size_t len)
{
	return address + len > address &&
	       present_bytes(&v->present->in, address, address + len) == len;
}

bool view_has_now(const struct process_view *v, uint64_t address, size_t len)
{
	struct present now = { .in.count = 0 };
	struct residency_cfg cfg = { .root = v->proc, .present = &now };
	struct residency range = { .start = address & ~(uint64_t)(PAGE - 1) };
	struct residency_info info;
	bool has;

	if (address + len <= address)
		return false;
	range.end = (address + len + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	has = !residency_read(&cfg, v->pid, &range, 1, &info) &&
	      present_bytes(&now.in, address, address + len) == len;
	present_done(&now);
	return has;
}

int view_read(const struct process_view *v, uint64_t address, void *ret, size_t len)
{
	return view_has(v, address, len) ? peek_read(v->peek, address, ret, len) : -EAGAIN;
}

int view_u64(const struct process_view *v, uint64_t address, uint64_t *ret)
{
	return view_has(v, address, sizeof(*ret)) ? peek_u64(v->peek, address, ret) : -EAGAIN;
}

uint64_t view_writable(const struct process_view *v, uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < v->maps->count && v->maps->vma[i].start < end; i++) {
		const struct vma *m = &v->maps->vma[i];
		uint64_t from = m->start > start ? m->start : start;
		uint64_t to = m->end < end ? m->end : end;

		if (m->writable && from < to)
			sum += to - from;
	}
	return sum;
}

void view_sum(const struct process_view *v, const struct inner_ranges *ranges, size_t first,
	      struct inner_heap *heap)
{
	heap->resident_bytes = heap->swapped_bytes = heap->pooled_bytes = 0;
	for (size_t i = first; i < ranges->count; i++) {
		const struct inner_range *r = &ranges->range[i];
		uint64_t in;

		if (r->use != INNER_HEAP && r->use != INNER_POOLED)
			continue;
		in = present_bytes(&v->present->in, r->start, r->end);
		heap->resident_bytes += in;
		heap->swapped_bytes += present_bytes(&v->present->swapped, r->start, r->end);
		heap->pooled_bytes += r->use == INNER_POOLED ? in : 0;
	}
}
