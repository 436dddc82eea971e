/* Which allocator a module contains, guessed from its symbols and its file name. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum allocator {
	ALLOCATOR_UNKNOWN = 0,
	ALLOCATOR_GLIBC,
	ALLOCATOR_MUSL,
	ALLOCATOR_JEMALLOC,
	ALLOCATOR_TCMALLOC,
	ALLOCATOR_MIMALLOC,
	ALLOCATOR_RUST,	  /* a global allocator written in Rust */
	ALLOCATOR_CUSTOM, /* only what the user named */
};

/* Bit 1 << enum allocator when only that allocator has such a symbol, else 0. */
uint32_t allocator_marker(const char *symbol);

/* markers: what allocator_marker() said of the module's symbols, or-ed. Symbols go first: a file
 * can be called anything. ALLOCATOR_UNKNOWN when neither says anything. */
enum allocator allocator_guess(uint32_t markers, const char *file_name);

/* As in the `start` record; static text. */
const char *allocator_name(enum allocator a);
