/*
 * What the language runtime and the allocator inside a process say of its memory, read from
 * outside by src/runtime. Facts like those of fact.h: values, FACT_UNKNOWN where not measured.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"

enum inner_use {
	INNER_HEAP = 1, /* the runtime's heap: objects of the language */
	INNER_POOLED,	/* kept by the runtime for its heap, holds nothing now */
	INNER_CODE,	/* generated code */
	INNER_WASM,	/* linear memories of WebAssembly */
	INNER_RUNTIME,	/* the runtime's own tables: card tables, mark bits, ... */
	INNER_ARENA,	/* an allocator serves from here */
	INNER_BUFFER,	/* a buffer that is a mapping of its own */
};

/* Sorted by address, not overlapping, page aligned or not. HEAP and POOLED are managed memory. */
struct inner_range {
	uint64_t start, end;
	enum inner_use use;
};

/* How a figure came to be known. Texts are static. */
struct inner_known {
	bool exact;
	const char *how; /* "spaces of 3 isolates"; NULL: not known at all ... */
	const char *why; /* ... because of this; with `how`: what makes it an estimate, or NULL */
};

/* Memory that the runtime gives out beyond its heap: ArrayBuffers, direct buffers. */
struct inner_buffers {
	struct inner_known known;
	uint64_t bytes, count;	 /* as the runtime counts them */
	uint64_t resident_bytes; /* of those that were walked; FACT_UNKNOWN */
};

struct inner_heap {
	struct inner_known known;
	uint64_t committed_bytes; /* what the runtime itself calls its heap */
	uint64_t used_bytes;	  /* of it, with objects; as of `used_as_of`, NULL: now */
	const char *used_as_of;	  /* static: "the last collection" */
	uint64_t resident_bytes, swapped_bytes; /* of HEAP and POOLED ranges */
	uint64_t pooled_bytes;			/* resident in POOLED ones */
	uint32_t heaps;				/* isolates, interpreters; 0: not told */
};

/* Collections of garbage since the runtime began. */
struct inner_collections {
	bool known;
	uint64_t young, full; /* of young objects only; of everything */
};

/* Read at one tick. */
struct inner_runtime {
	const char *name; /* static: "v8", "jvm", "cpython", "go" */
	char version[32]; /* "" when not known */
	struct inner_heap heap;
	struct inner_buffers buffers;
	struct inner_collections collections;
};

#define INNER_SIZES 48 /* bucket i: blocks of [2^i, 2^(i+1)) bytes */

/* A walk through the chunks of an allocator. Bytes of live blocks are what was usable of them. */
struct inner_allocator {
	const char *name; /* static: "glibc", "jemalloc", ... */
	struct inner_known known;
	uint64_t live_bytes, live_count; /* not told from those in thread caches where it says so */
	uint64_t cached_bytes, cached_count; /* free, in thread caches and fast bins */
	uint64_t free_bytes, free_count;     /* free, coalesced; with the top of each arena */
	uint64_t free_resident_bytes;
	uint64_t mapped_bytes, mapped_count; /* of the live ones, in mappings of their own */
	uint64_t overhead_bytes;	     /* headers, padding, arena structures */
	uint64_t unknown_bytes;		     /* of its heaps: could not be walked this time */
	uint32_t arenas;
	uint64_t size_count[INNER_SIZES], size_bytes[INNER_SIZES]; /* of live blocks */
};
