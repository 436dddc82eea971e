/*
 * What the files of the glibc reader share. malloc's structures are those of glibc's
 * malloc/malloc.c and malloc/arena.c, which have had the same shape since 2.10 but for fields that
 * came and went; what differs is learnt from the bytes and verified by what it must point to.
 *
 * A chunk's header is two words: the size of the chunk before it, told only when that one is free,
 * and its own size with three flags. A chunk is free when the header behind it says so.
 */
#pragma once
#include "runtime/runtime.h"

#define CHUNK_PREV_IN_USE 1ull
#define CHUNK_MAPPED 2ull
#define CHUNK_NOT_MAIN 4ull
#define CHUNK_FLAGS 7ull
#define CHUNK_MIN 32
#define CHUNK_ALIGN 16
#define CHUNK_HEADER 16 /* bytes; a live chunk uses the first word of the one behind it */

#define FAST_BINS 10
#define MALLOC_PAGE 4096ull
#define MALLOC_ARENA_MAX 2304 /* bytes of a malloc_state at most */

/* Which of inner_allocator's sizes; > 0 bytes. */
static inline int malloc_bucket(uint64_t bytes)
{
	int bucket = 63 - __builtin_clzll(bytes);

	return bucket < INNER_SIZES ? bucket : INNER_SIZES - 1;
}

/* Offsets in an arena (malloc_state), in bytes, learnt. */
struct malloc_layout {
	uint32_t fast; /* the first of FAST_BINS; 0: none, as since 2.43 */
	uint32_t top, next, system, size;
	bool fast_unknown; /* there may be some */
};

/* Where malloc keeps its state in the process. */
struct malloc_place {
	struct malloc_layout layout;
	uint64_t main; /* main_arena */
	/* Addresses of fields of mp_; 0: not found. */
	uint64_t sbrk_base, mapped_count, mapped_bytes;
};

/* A piece of writable data of the libc that was read. */
struct malloc_data {
	uint64_t start;
	const uint8_t *bytes;
	size_t len;
};

struct malloc_arena {
	uint64_t at, top, next, system_bytes;
	uint64_t fast[FAST_BINS];
	bool contiguous;
};
/* bytes: layout.size of them, from address `at`. */
void malloc_decode_arena(const struct malloc_layout *l, uint64_t at, const uint8_t *bytes,
			 struct malloc_arena *ret);

/* Where chunks follow one another: [heap], one heap of a thread arena, a piece of the main one. */
struct malloc_region {
	uint64_t start, end;
	uint64_t arena;
	uint64_t top;	/* ends with this chunk; 0: with fence posts */
	bool main;	/* of main_arena */
	bool tentative; /* it may be something else: the first thing that is wrong ends it */
};

/* Read at once, by how chunks go on. */
#define WINDOW_BYTES (128u << 10)
#define WINDOW_FIRST (8u << 10)
#define WINDOW_MIN 2048u
#define TCACHES_MAX 8192

/* What outlives a look. */
struct malloc_kept {
	struct malloc_place place;
	uint8_t *window;     /* WINDOW_BYTES */
	struct lists *lists; /* of glibc_cached.c */
	struct trail *trail; /* of glibc_chunks.c */
	uint64_t *tcache;    /* TCACHES_MAX addresses of chunks that may be thread caches */
};

/* One look. */
struct malloc_walk {
	const struct process_view *v;
	struct malloc_kept *kept;
	struct inner_ranges *ranges;
	struct inner_allocator sum;
	struct malloc_region *region; /* owned, those that were walked, in order of address */
	size_t region_count, region_cap;
	uint64_t main_bytes; /* of these, of the main arena */
	size_t tcache_count;
	uint64_t window_start;
	size_t window_len, window_want;
	struct present fresh; /* of a piece that v->present has no page of */
	uint64_t fresh_start, fresh_end;
	uint32_t refreshes; /* times that residency was asked again */
	uint64_t walked;    /* bytes of windows that were read */
	uint32_t windows;
	uint32_t tried;	   /* places that look like an arena, while one is looked for */
	uint32_t heaps;	   /* of threads' arenas */
	uint64_t searched; /* bytes of windows in which no chain was found */
	uint32_t resyncs;
	uint64_t system_bytes; /* what the arenas themselves say they have */
	uint64_t params_count; /* mapped chunks by mp_; FACT_UNKNOWN */
	uint32_t hops;	       /* over lists */
	bool lists_cut;	       /* lists were longer than may be followed */
	bool lists_torn;       /* a list led to where no chunk of its is */
	uint32_t caches;       /* of threads, that were recognised */
	bool foreign;	       /* others use sbrk() too */
	bool pieces_missing;   /* the main arena says that it has more */
	bool absent;	       /* a header was on a page that is not in memory */
	bool torn;	       /* a heap changed faster than it could be walked */
	bool cut;	       /* more than may be walked at one look */
};

/* -ENODATA when a page of it is not in memory, errors of peek_read(). */
int malloc_peek(struct malloc_walk *w, uint64_t at, void *ret, size_t len);
/* Bytes in memory from `at` on, at most max. */
uint64_t malloc_present(struct malloc_walk *w, uint64_t at, uint64_t max);
/* The address of the next page in memory at or above `at`, below end; end: none. */
uint64_t malloc_next_present(struct malloc_walk *w, uint64_t at, uint64_t end);

/*
 * Finds main_arena by its bins, which are 127 pairs of pointers that point to themselves or to
 * chunks, the last one always to itself. -ENOENT; -EAGAIN: it is there and has served nothing.
 */
int malloc_find_main(struct malloc_walk *w, const struct malloc_data *d, struct malloc_place *ret);
/* Finds mp_ by the address of malloc's first memory in it. */
bool malloc_find_params(const struct malloc_data *d, const struct vma_table *maps,
			struct malloc_place *ret);
/* -ENODATA: not in memory; -EILSEQ: none is there. */
int malloc_read_arena(struct malloc_walk *w, uint64_t at, struct malloc_arena *ret);
/* Reads again where the region ends now. */
int malloc_refresh_region(struct malloc_walk *w, struct malloc_region *r);

/*
 * Walks the chunks of a region into w->sum and adds it to w->region. 0, also when parts of it were
 * not recognised (sum.unknown_bytes); -EILSEQ: tentative and no region; -ESRCH, -EPERM, -ENOMEM.
 */
int malloc_walk_region(struct malloc_walk *w, struct malloc_region *r);
/* The header behind the region that was walked last. Errors of malloc_peek(). */
int malloc_head(struct malloc_walk *w, uint64_t at, uint64_t ret[2]);
struct trail *malloc_trail_new(void);
/* The walked region that holds the address; NULL. Borrowed until the next is walked. */
const struct malloc_region *malloc_find_region(const struct malloc_walk *w, uint64_t at);

/* Chunks with mappings of their own, and pieces of the main arena that sbrk() did not give. */
int malloc_walk_mapped(struct malloc_walk *w, const struct malloc_arena *main);

/*
 * True when a live chunk may be a thread's cache: its header, and all that is usable of it, which
 * ends 8 bytes into the next one.
 */
bool malloc_may_be_cache(const uint8_t *chunk, uint64_t size);
#define MALLOC_IS_CACHE_SIZE(size) ((size) == 0x250 || (size) == 0x290 || (size) == 0x300)
/* Moves what thread caches and fast bins hold from live to cached. */
void malloc_walk_cached(struct malloc_walk *w, const struct malloc_arena *arena, size_t n);
struct lists *malloc_lists_new(void);
