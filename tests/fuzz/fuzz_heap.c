/*
 * The walk of malloc's chunks in a process whose words are the input: it ends, touches nothing that
 * is not in memory, and what it counts is no more than there is.
 * smoke: 3000
 */
#include "fuzz.h"

#include <errno.h>

#include "../unit/heap_world.h"

#define CALLS_MAX 200000

/* A heap as malloc makes it, so that the input breaks what makes sense. */
static void make_honest(struct world *w)
{
	world_make(w);
	for (int n = 0; n < 60; n++)
		world_chunk(w, 0x20 + n % 7 * 0x70, n % 5 == 1, 0);
	world_live(w, 0x290);
	world_top(w, WORLD_MAIN, WORLD_HEAP + WORLD_HEAP_BYTES);
	world_word(WORLD_ANON)[1] = (10 * WORLD_PAGE) | 2;
	world_params(1, 10 * WORLD_PAGE);
	world_make_thread(w);
	for (int n = 0; n < 60; n++)
		world_chunk(w, 0x30 + n % 3 * 0x40, n % 4 == 1, 4);
	world_live(w, 0x40);
	world_top(w, WORLD_ARENA, WORLD_THREAD + WORLD_THREAD_BYTES);
}

/* Writes words of the input: an address, then a value of its own or made of addresses. */
static void spoil(struct world *w, const uint8_t **data, size_t *size)
{
	static const uint64_t base[] = { WORLD_DATA, WORLD_HEAP, WORLD_THREAD, WORLD_ANON };

	while (*size >= 4) {
		uint64_t how = fuzz_take(data, size, 1), at = fuzz_take(data, size, 2) * 8;
		const struct vma *v = &w->vma[how % 4];
		uint64_t value = fuzz_take(data, size, how & 4 ? 8 : 2);

		if (how & 8)
			value += base[how >> 6];
		*world_word(v->start + at % (v->end - v->start)) = value;
	}
}

/* Some pages are not in memory, and cannot be read. */
static void take_pages(struct world *w, uint64_t which)
{
	uint64_t at = WORLD_HEAP + which % 33 * WORLD_PAGE;

	if (which < 128)
		return;
	present_done(&w->present);
	for (int i = 0; i < WORLD_VMAS; i++) {
		if (w->vma[i].start != WORLD_HEAP) {
			present_add(&w->present.in, w->vma[i].start, w->vma[i].end);
			continue;
		}
		present_add(&w->present.in, w->vma[i].start, at);
		present_add(&w->present.in, at + WORLD_PAGE, w->vma[i].end);
	}
	mprotect((void *)(uintptr_t)at, WORLD_PAGE, PROT_NONE);
}

static void check(const struct inner_allocator *a)
{
	uint64_t count = 0, bytes = 0;

	if (!a->known.how) {
		CLAIM(a->known.why && a->live_bytes == FACT_UNKNOWN);
		return;
	}
	for (int i = 0; i < INNER_SIZES; i++) {
		count += a->size_count[i];
		bytes += a->size_bytes[i];
	}
	CLAIM(count == a->live_count && bytes == a->live_bytes);
	CLAIM(a->mapped_count <= a->live_count && a->mapped_bytes <= a->live_bytes);
	CLAIM(!a->known.exact || a->unknown_bytes == 0 || a->known.why);
	CLAIM(a->known.exact || a->known.why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inner_ranges ranges = { .count = 0 };
	struct inner_allocator a = { .name = NULL };
	const char *why = NULL;
	void *state = NULL;
	struct world w;
	uint64_t pages = fuzz_take(&data, &size, 1);
	int r;

	make_honest(&w);
	if (pages & 1)
		spoil(&w, &data, &size);
	take_pages(&w, pages);
	r = walk_glibc.open(&w.view, &state, &why);
	CLAIM(r == 0 || r == -EAGAIN || r == -ENOENT || r == -EPROTO);
	if (!r) {
		if (!(pages & 1) && pages < 128)
			spoil(&w, &data, &size);
		r = walk_glibc.read(state, &w.view, &a, &ranges);
		CLAIM(r == 0);
		check(&a);
		walk_glibc.close(state);
	}
	CLAIM(w.peek.failed == 0 && w.peek.calls < CALLS_MAX);
	inner_ranges_done(&ranges);
	world_done(&w);
	return 0;
}
