#include "runtime/v8_impl.h"

#define ADDRESS_MAX (1ull << 47)
#define HINT_MAX (1ull << 46) /* V8 asks for random addresses below it */

/* V8 takes its chunks as private memory of no file. */
static bool may_hold_chunks(const struct vma *vma)
{
	return vma->kind == VMA_ANON && vma->readable && !vma->shared && vma->end <= ADDRESS_MAX;
}

static uint64_t align_up(uint64_t at)
{
	return (at + V8_PAGE - 1) & ~(uint64_t)(V8_PAGE - 1);
}

/* The first place from `at` on whose page is in `runs`; `end` when none is. */
static uint64_t first_in(const struct present_runs *runs, uint64_t at, uint64_t end)
{
	while (at < end) {
		const struct present_run *run = present_from(runs, at);

		if (!run || run->start >= end)
			return end;
		if (run->start <= at)
			return at;
		at = align_up(run->start);
	}
	return end;
}

static uint64_t count_in(const struct present_runs *runs, uint64_t at, uint64_t end)
{
	uint64_t n = 0;

	for (at = first_in(runs, at, end); at < end; at = first_in(runs, at + V8_PAGE, end))
		n++;
	return n;
}

bool v8_next_place(struct v8_places *p, uint64_t *ret)
{
	for (; p->vma < p->v->maps->count; p->vma++) {
		const struct vma *vma = &p->v->maps->vma[p->vma];
		uint64_t at;

		if (!may_hold_chunks(vma))
			continue;
		if (p->next <= vma->start) {
			p->next = align_up(vma->start);
			if (vma->end <= HINT_MAX)
				p->swapped += count_in(&p->v->present->swapped, p->next, vma->end);
		}
		at = first_in(&p->v->present->in, p->next, vma->end);
		if (at < vma->end) {
			p->next = at + V8_PAGE;
			*ret = at;
			return true;
		}
	}
	return false;
}
