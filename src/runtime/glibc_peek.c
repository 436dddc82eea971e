/* Reading for the walk of malloc's chunks: only pages that are in memory. */
#include "runtime/glibc.h"

#include <errno.h>
#include <string.h>

#include "sys/residency.h"

#define REFRESHES_MAX 16
#define REFRESH_BYTES (16ull << 20) /* a PAGEMAP_SCAN of it takes 0.1 ms */

static const struct present_run *run_at(const struct present_runs *r, uint64_t at)
{
	const struct present_run *run = present_from(r, at);

	return run && run->start <= at ? run : NULL;
}

/* What was allocated since the caller looked: the kernel is asked again, a few times. */
static void refresh(struct malloc_walk *w, uint64_t at)
{
	struct residency_cfg cfg = { .root = w->v->proc, .present = &w->fresh };
	struct residency range = { .start = at & ~(MALLOC_PAGE - 1) };
	struct residency_info info;

	if (w->refreshes == REFRESHES_MAX || (at >= w->fresh_start && at < w->fresh_end))
		return;
	w->refreshes++;
	present_done(&w->fresh);
	range.end = range.start + REFRESH_BYTES;
	w->fresh_start = range.start;
	w->fresh_end = range.end;
	if (residency_read(&cfg, w->v->pid, &range, 1, &info))
		present_done(&w->fresh);
}

uint64_t malloc_present(struct malloc_walk *w, uint64_t at, uint64_t max)
{
	const struct present_run *run = run_at(&w->v->present->in, at);

	if (!run && at < 1ull << 56 && !present_has(&w->v->present->swapped, at)) {
		run = run_at(&w->fresh.in, at);
		if (!run) {
			refresh(w, at);
			run = run_at(&w->fresh.in, at);
		}
	}
	if (!run)
		return 0;
	return run->end - at < max ? run->end - at : max;
}

uint64_t malloc_next_present(struct malloc_walk *w, uint64_t at, uint64_t end)
{
	const struct present_run *run = present_from(&w->v->present->in, at);

	if (!run || run->start >= end)
		return end;
	return run->start > at ? run->start : at;
}

int malloc_peek(struct malloc_walk *w, uint64_t at, void *ret, size_t len)
{
	if (malloc_present(w, at, len) < len)
		return -ENODATA;
	return peek_read(w->v->peek, at, ret, len);
}
