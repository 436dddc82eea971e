/*
 * Plumbing: frames that hand memory on for somebody else, by the tables of plumbing.def.
 * Names are the target's own words: any bytes, any length.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct snap_module;

enum plumbing {
	PLUMBING_NONE = 0,  /* a frame that asks on its own behalf */
	PLUMBING_ALLOCATOR, /* malloc and its like */
	PLUMBING_RUNTIME,   /* the C or C++ library, the loader, the vdso */
	PLUMBING_WRAPPER,   /* a known wrapper around an allocator */
};

/*
 * What a frame is. module and symbol may be NULL (not known). whole_allocators: every function of
 * a module in which an allocator was found belongs to that allocator; without it, functions with
 * a name go by their name, as they do in the main executable.
 */
enum plumbing plumbing_find(const struct snap_module *module, const char *symbol,
			    bool whole_allocators);

/* Whether it is a function of an allocator that gives out blocks, in whatever library: malloc(). */
bool plumbing_gives_out(const struct snap_module *module, const char *symbol);

/* Length of the stem of a file name: up to the first '.' or '-', so libpq of libpq.so.5. */
size_t plumbing_stem(const char *file_name);
