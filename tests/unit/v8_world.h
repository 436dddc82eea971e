/*
 * A process image with V8's heap, made up in the test's own memory at addresses as V8 takes them:
 * chunks from WORLD on, objects (heaps, spaces, records, lists) in an area of their own, and a
 * "file" that holds the tables which objects begin with. What readers see of it is what mappings
 * and runs say; the test changes words as it likes.
 */
#pragma once
#include <sys/mman.h>

#include "fake_proc.h"
#include "runtime/runtime.h"
#include "runtime/v8_impl.h"

#define WORLD 0x200000000000ull
#define WORLD_PAGES 64 /* of V8_PAGE */
#define OBJECTS 0x210000000000ull
#define OBJECT_BYTES (1u << 20)
#define TABLES 0x220000000000ull

enum generation { V8_10, V8_12, V8_13, GENERATIONS };

struct v8_world {
	enum generation generation;
	struct vma vma[16];
	struct vma_table maps;
	struct present present;
	struct peek peek;
	struct process_view view;
	struct inner_ranges ranges;
	struct inner_runtime told;
	void *state;
	uint64_t next_object;
};

static inline uint64_t *word_at(uint64_t at)
{
	return (uint64_t *)(uintptr_t)at;
}

static inline void map_at(uint64_t at, size_t len)
{
	void *got = mmap((void *)(uintptr_t)at, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	assert_true(got == (void *)(uintptr_t)at);
}

static inline void add_vma(struct v8_world *w, uint64_t start, uint64_t end, enum vma_kind kind)
{
	assert_true(w->maps.count < sizeof(w->vma) / sizeof(w->vma[0]));
	w->vma[w->maps.count++] = (struct vma){ .start = start,
						.end = end,
						.readable = true,
						.writable = kind == VMA_ANON,
						.kind = kind };
}

/* By the address of the last page: all chunks, objects and tables are in memory. */
static inline void all_present(struct v8_world *w)
{
	present_done(&w->present);
	present_add(&w->present.in, WORLD, WORLD + WORLD_PAGES * V8_PAGE);
	present_add(&w->present.in, OBJECTS, OBJECTS + OBJECT_BYTES);
	present_add(&w->present.in, TABLES, TABLES + 4096);
}

static inline int v8_world_setup(void **state)
{
	struct v8_world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	map_at(WORLD, WORLD_PAGES * V8_PAGE);
	map_at(OBJECTS, OBJECT_BYTES);
	map_at(TABLES, 4096);
	add_vma(w, WORLD, WORLD + WORLD_PAGES * V8_PAGE, VMA_ANON);
	add_vma(w, OBJECTS, OBJECTS + OBJECT_BYTES, VMA_HEAP);
	add_vma(w, TABLES, TABLES + 4096, VMA_FILE);
	w->maps.vma = w->vma;
	w->peek.pid = getpid();
	w->next_object = OBJECTS;
	w->view = (struct process_view){ "/nowhere", getpid(), &w->maps, &w->present, &w->peek, 0 };
	all_present(w);
	*state = w;
	return 0;
}

static inline int v8_world_teardown(void **state)
{
	struct v8_world *w = *state;

	if (w->state)
		runtime_v8.close(w->state);
	inner_ranges_done(&w->ranges);
	present_done(&w->present);
	munmap((void *)(uintptr_t)WORLD, WORLD_PAGES * V8_PAGE);
	munmap((void *)(uintptr_t)OBJECTS, OBJECT_BYTES);
	munmap((void *)(uintptr_t)TABLES, 4096);
	free(w);
	return 0;
}

/* Room for an object, all zero. */
static inline uint64_t make_object(struct v8_world *w, size_t bytes)
{
	uint64_t at = w->next_object;

	w->next_object += (bytes + 63) & ~63ull;
	assert_true(w->next_object <= OBJECTS + OBJECT_BYTES);
	return at;
}

static inline uint64_t make_heap(struct v8_world *w)
{
	return make_object(w, 0x4000);
}

static inline uint64_t make_space(struct v8_world *w, uint64_t heap)
{
	uint64_t at = make_object(w, 256);

	word_at(at)[0] = TABLES + 16;
	word_at(at)[1] = heap;
	word_at(at)[2] = 2;
	return at;
}

static inline uint64_t page_at(unsigned int i)
{
	return WORLD + (uint64_t)i * V8_PAGE;
}

/* A chunk's record as the generation has it; nobody counts it. */
static inline void put_record(struct v8_world *w, uint64_t at, uint64_t size, uint64_t heap,
			      uint64_t space)
{
	uint64_t *a = word_at(at), *r;

	if (w->generation == V8_10) {
		a[0] = size, a[2] = heap, a[3] = at + 0x1130, a[4] = at + size, a[8] = space;
		a[10] = at, a[11] = size;
	} else if (w->generation == V8_12) {
		a[1] = at, a[2] = size, a[3] = heap, a[4] = at + 0x1140, a[5] = at + size;
		a[9] = space, a[11] = at, a[12] = size;
	} else {
		a[0] = 0x12;
		a[1] = make_object(w, 256);
		r = word_at(a[1]);
		r[0] = TABLES + 512, r[1] = at, r[2] = size, r[6] = size, r[7] = at + size;
		r[8] = heap, r[9] = at + 16, r[10] = space;
	}
}

/* The same, and its space counts it. */
static inline void put_chunk(struct v8_world *w, unsigned int page, uint64_t size, uint64_t space)
{
	put_record(w, page_at(page), size, word_at(space)[1], space);
	word_at(space)[3] += size;
	word_at(space)[4] += size + 4096;
}

/* One isolate with three spaces and six chunks from `page` on, 1.5 MiB and 64 KiB; its Heap. */
static inline uint64_t put_isolate(struct v8_world *w, unsigned int page)
{
	uint64_t heap = make_heap(w), space[3];

	for (int i = 0; i < 3; i++)
		space[i] = make_space(w, heap);
	for (unsigned int i = 0; i < 5; i++)
		put_chunk(w, page + i, V8_PAGE, space[i % 3]);
	put_chunk(w, page + 5, V8_PAGE + 0x10000, space[2]);
	return heap;
}
#define ISOLATE_PAGES 7
#define ISOLATE_BYTES (6ull * V8_PAGE + 0x10000)

static inline void look(struct v8_world *w)
{
	const char *why = NULL;

	if (!w->state)
		assert_int_equal(runtime_v8.open(&w->view, &w->state, &why), 0);
	inner_ranges_done(&w->ranges);
	assert_int_equal(runtime_v8.read(w->state, &w->view, &w->told, &w->ranges), 0);
	inner_ranges_settle(&w->ranges);
}

static inline uint64_t bytes_of(const struct v8_world *w, enum inner_use use)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < w->ranges.count; i++)
		if (w->ranges.range[i].use == use)
			sum += w->ranges.range[i].end - w->ranges.range[i].start;
	return sum;
}
