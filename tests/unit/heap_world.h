/*
 * A process whose malloc is made up: libc's data, [heap], one thread's heap and a mapping, in this
 * process's own memory at fixed addresses, as glibc 2.36 lays them out.
 */
#pragma once
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/runtime.h"

#define WORLD_PAGE 4096ull
#define WORLD_DATA 0x600000000000ull
#define WORLD_DATA_BYTES (4 * WORLD_PAGE)
#define WORLD_HEAP 0x600100000000ull
#define WORLD_HEAP_BYTES (33 * WORLD_PAGE)
#define WORLD_THREAD 0x600200000000ull /* a multiple of 64 MiB */
#define WORLD_THREAD_BYTES (33 * WORLD_PAGE)
#define WORLD_ANON 0x600300000000ull
#define WORLD_ANON_BYTES (64 * WORLD_PAGE)
#define WORLD_VMAS 4

#define WORLD_MAIN (WORLD_DATA + 0x140)
#define WORLD_PARAMS (WORLD_DATA + 0x2060) /* mp_.sbrk_base */
#define WORLD_ARENA (WORLD_THREAD + 0x30)
#define WORLD_FIRST (WORLD_THREAD + 0x8d0) /* the thread arena's first chunk */

struct world {
	struct vma vma[WORLD_VMAS];
	struct vma_table maps;
	struct present present;
	struct peek peek;
	struct process_view view;
	uint64_t at;	 /* where the next chunk goes */
	uint64_t before; /* size of the one before it when that is free, else 0 */
};

static inline uint64_t *world_word(uint64_t at)
{
	return (uint64_t *)(uintptr_t)at;
}

static inline void world_arena(uint64_t at, uint64_t top, uint64_t next, uint64_t system)
{
	uint64_t bins = at + 112;

	memset((void *)(uintptr_t)at, 0, 2200);
	for (int i = 0; i < 127; i++)
		world_word(bins + i * 16)[0] = world_word(bins + i * 16)[1] = bins + i * 16 - 16;
	*world_word(at + 96) = top;
	*world_word(at + 2160) = next;
	*world_word(at + 2176) = 1;
	*world_word(at + 2184) = *world_word(at + 2192) = system;
}

static inline void world_begin(struct world *w, uint64_t at)
{
	w->at = at;
	w->before = 0;
}

/* A chunk behind the last one; its address. */
static inline uint64_t world_chunk(struct world *w, uint64_t size, bool is_free, uint64_t flags)
{
	uint64_t at = w->at;

	world_word(at)[0] = w->before;
	world_word(at)[1] = size | flags | (w->before ? 0 : 1);
	w->at += size;
	w->before = is_free ? size : 0;
	return at;
}

static inline uint64_t world_live(struct world *w, uint64_t size)
{
	return world_chunk(w, size, false, 0);
}

static inline uint64_t world_free(struct world *w, uint64_t size)
{
	return world_chunk(w, size, true, 0);
}

/* The top up to `end`, of the arena. */
static inline void world_top(struct world *w, uint64_t arena, uint64_t end)
{
	*world_word(arena + 96) = world_chunk(w, end - w->at, false, 0);
}

static inline void world_params(uint32_t mapped_count, uint64_t mapped_bytes)
{
	uint32_t *ints = (uint32_t *)(uintptr_t)(WORLD_PARAMS - 36);

	ints[0] = ints[2] = mapped_count;
	ints[1] = 65536;
	*world_word(WORLD_PARAMS - 16) = *world_word(WORLD_PARAMS - 8) = mapped_bytes;
	*world_word(WORLD_PARAMS) = WORLD_HEAP;
}

static inline void world_map(struct vma *v, uint64_t at, uint64_t bytes, enum vma_kind kind)
{
	void *p = mmap((void *)(uintptr_t)at, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		abort();
	*v = (struct vma){
		.start = at, .end = at + bytes, .readable = true, .writable = true, .kind = kind
	};
}

/* Everything is zero, in memory, and only main_arena is there, with all of [heap] as its top. */
static inline void world_make(struct world *w)
{
	*w = (struct world){ .peek.pid = getpid() };
	world_map(&w->vma[0], WORLD_DATA, WORLD_DATA_BYTES, VMA_FILE);
	w->vma[0].inode = 5;
	strcpy(w->vma[0].path, "/lib/libc.so.6");
	world_map(&w->vma[1], WORLD_HEAP, WORLD_HEAP_BYTES, VMA_HEAP);
	world_map(&w->vma[2], WORLD_THREAD, WORLD_THREAD_BYTES, VMA_ANON);
	world_map(&w->vma[3], WORLD_ANON, WORLD_ANON_BYTES, VMA_ANON);
	w->maps = (struct vma_table){ w->vma, WORLD_VMAS, 0 };
	for (int i = 0; i < WORLD_VMAS; i++)
		present_add(&w->present.in, w->vma[i].start, w->vma[i].end);
	w->view = (struct process_view){ .proc = "/nowhere",
					 .pid = getpid(),
					 .maps = &w->maps,
					 .present = &w->present,
					 .peek = &w->peek };
	world_arena(WORLD_MAIN, WORLD_HEAP, WORLD_MAIN, WORLD_HEAP_BYTES);
	world_begin(w, WORLD_HEAP);
	world_params(0, 0);
}

/* A second arena, whose chunks begin at WORLD_FIRST. */
static inline void world_make_thread(struct world *w)
{
	world_word(WORLD_THREAD)[0] = WORLD_ARENA;
	world_word(WORLD_THREAD)[2] = world_word(WORLD_THREAD)[3] = WORLD_THREAD_BYTES;
	world_arena(WORLD_ARENA, WORLD_FIRST, WORLD_MAIN, WORLD_THREAD_BYTES);
	*world_word(WORLD_MAIN + 2160) = WORLD_ARENA;
	world_begin(w, WORLD_FIRST);
}

static inline void world_done(struct world *w)
{
	for (int i = 0; i < WORLD_VMAS; i++)
		munmap((void *)(uintptr_t)w->vma[i].start, w->vma[i].end - w->vma[i].start);
	present_done(&w->present);
}
