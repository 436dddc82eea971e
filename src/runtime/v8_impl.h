/*
 * V8's heap from outside. V8 hands out its heap in chunks ("memory chunks", pages of 256 KiB and
 * single large ones) at multiples of 256 KiB; each has a record (its own first words, or from V8 13
 * on a block that word 1 of the chunk points to) with its address, size, bounds, Heap and space
 * ("owner"). Where in the record is learnt from the process, and a chunk counts only when all of
 * it fits together: its own address, its bounds, and an owner that names the same Heap and begins
 * with the address of a table in a mapped file. One Heap is one isolate.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/runtime.h"

#define V8_PAGE (256u << 10)
#define V8_RECORD_WORDS 16
#define V8_SPACE_WORDS 8
#define V8_CHUNK_BYTES_MAX (1ull << 36)
#define V8_CHUNKS_MAX (1u << 20)
#define V8_SPACES_MAX 4096
#define V8_ISOLATES_MAX 512
#define V8_BATCH 512 /* pieces of one system call */

/* Which word of a record is what. */
struct v8_layout {
	bool indirect; /* the record is where word 1 of the chunk points to */
	uint8_t self, size, start, end, heap, owner;
};

struct v8_chunk {
	uint64_t address, size; /* bytes */
	uint64_t heap, owner;	/* both 0: of the read-only space */
	uint64_t head[2];	/* the first words of the chunk */
	uint32_t space;		/* index of its owner */
	bool live;		/* its owner counts it; else it is pooled, or only looks like one */
};

struct v8_space {
	uint64_t owner, heap;
	uint64_t word[V8_SPACE_WORDS]; /* of the space itself */
	uint64_t chunk_bytes;	       /* sum of what names it as owner */
	uint64_t live_bytes;	       /* of these, not pooled */
	bool verified;
	bool counts;	/* it is one, of an isolate that is there */
	uint8_t seen;	/* looks that found chunks of it, up to 2 */
	uint8_t absent; /* looks in a row that found no chunk of what it counts */
};

/* What a look at the process found; v8_pages_done(). */
struct v8_pages {
	struct v8_chunk *chunk; /* owned; verified, by address, not overlapping */
	size_t chunks, chunks_cap;
	uint64_t *stray; /* owned; addresses that hold no chunk but could be pooled pages */
	size_t strays, strays_cap;
	struct v8_space *space; /* owned */
	size_t spaces, spaces_cap;
	uint64_t heap[V8_ISOLATES_MAX]; /* one for each isolate */
	size_t heaps;
	uint64_t swapped; /* places of chunks that are in swap and were not known before */
	uint64_t refused; /* beyond the limits above */
};

/* Addresses in the process of what the binary exports; 0: not exported. */
struct v8_symbols {
	bool found;		  /* a mapped file exports V8's interface */
	uint64_t allocator_table; /* what node::NodeArrayBufferAllocator begins with */
	uint8_t allocator_bytes;  /* where in it the count of its bytes is; 0: not known */
	uint64_t version[4];	  /* int32 each: major, minor, build, patch */
	uint64_t node_version;	  /* a std::string */
};

/* How buffers are chained in V8's sweeper of them. */
struct v8_chain {
	uint16_t sweeper;    /* bytes into Heap: the pointer to it; 0: not known */
	uint8_t next, store; /* words of an element; its length follows `next` */
	uint8_t shift;	     /* of that length */
	uint64_t lists;	     /* words of the sweeper where a list was found: bit i */
};

struct v8_isolate {
	uint64_t heap, allocator; /* allocator 0: not found */
};

/* A buffer that glibc made a mapping of: its chunk, with the header. */
struct v8_large {
	uint64_t start, bytes;
};

/* As of the last walk over every buffer. */
struct v8_walk {
	bool done;	 /* some list was found */
	bool too_many;	 /* not all were looked at: there is more than may be */
	bool complete;	 /* all of them, as far as can be told */
	const char *why; /* what is missing in it; NULL: nothing */
	uint64_t count, bytes, resident;
	struct v8_large *large; /* owned */
	size_t larges, larges_cap;
};

struct v8_buffers {
	struct v8_isolate isolate[V8_ISOLATES_MAX]; /* one for each Heap, in that order */
	uint16_t slot;	   /* bytes into Heap: the pointer to the allocator; 0: not known */
	uint32_t searches; /* that may still be made at this look */
	struct v8_chain chain;
	struct v8_walk walk;
	bool tried;
	uint64_t due_ns; /* not before: of the next walk */
	uint32_t failed; /* walks in a row that did not find all */
};

struct v8 {
	struct v8_symbols symbols;
	bool learnt;
	uint32_t wait;	    /* looks until it is tried again to learn */
	uint32_t fruitless; /* tries in a row that learnt nothing */
	uint32_t empty;	    /* looks in a row that found no heap */
	struct v8_layout layout;
	uint8_t committed; /* word of a space: its committed bytes; 0: not known yet */
	bool counts_agree; /* these were read at a moment at which nothing moved */
	uint64_t excess;   /* bytes of chunks that no space counted at the last look */
	uint8_t pooled_word;
	uint64_t pooled_bit;   /* of that word of a chunk: it is pooled; 0: not known */
	struct v8_pages pages; /* of the last look */
	struct v8_buffers buffers;
};

/* Whether an object of len bytes can be at `at`: aligned, and its pages are in memory. */
bool v8_can_read(const struct process_view *v, uint64_t at, size_t len);

/* v8_symbols.c. -ENOMEM; no such file: 0 with nothing found. */
int v8_find_symbols(const struct process_view *v, struct v8_symbols *ret);
/* "" where it cannot be read. */
void v8_read_version(const struct process_view *v, const struct v8_symbols *s, char ret[32]);

/* v8_candidates.c: places of chunks that are in memory, in order. */
struct v8_places {
	const struct process_view *v;
	size_t vma;	  /* the one that `next` is in, or the next */
	uint64_t next;	  /* where to go on */
	uint64_t swapped; /* places seen that are in swap */
};
bool v8_next_place(struct v8_places *p, uint64_t *ret);

/* v8_layout.c. 0, -ENOENT: nothing that could be verified, or what peek says. */
int v8_learn(const struct process_view *v, struct v8_layout *ret);

/*
 * v8_pages.c. The last look's chunks, `known`, stand for those whose page is in swap now, and its
 * spaces are looked at again whether or not they have a chunk now.
 */
int v8_read_pages(const struct process_view *v, const struct v8_layout *l,
		  const struct v8_pages *known, struct v8_pages *ret);
void v8_pages_done(struct v8_pages *p);

/* v8_spaces.c: sums; what of the chunks is pooled. */
void v8_judge_spaces(struct v8 *s);

/*
 * v8_counts.c: what spaces count, before and after the chunks are looked at; the sum before, 0: not
 * known, is to be given to the second one, which says in counts_agree whether they are the same.
 * With `wait` until they have come to rest, at most 10 ms. -ENOMEM, -ESRCH.
 */
int v8_begin_counts(struct v8 *s, const struct process_view *v, bool wait, uint64_t *ret);
int v8_end_counts(struct v8 *s, const struct process_view *v, uint64_t begun);

/* v8_ranges.c. Adds all ranges and fills what follows from them. -ENOMEM. */
int v8_add_ranges(const struct v8 *s, const struct process_view *v, struct inner_heap *ret,
		  struct inner_ranges *ranges);
bool v8_is_wasm(const struct vma_table *maps, size_t i);

/* v8_buffers.c */
int v8_read_buffers(struct v8 *s, const struct process_view *v, struct inner_buffers *ret,
		    struct inner_ranges *ranges);

/* v8_sweeper.c: every buffer of the isolates. -ENOMEM, -ESRCH. */
int v8_walk_buffers(const struct v8_pages *p, const struct process_view *v, struct v8_chain *chain,
		    struct v8_walk *ret);
