/*
 * Allocators whose structures are not read: told by name, and that they are not. An allocator that
 * takes malloc()'s place is a shared library of its own name, or a part of the program, which then
 * has its functions among its symbols beside malloc().
 */
#include "runtime/allocators.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "runtime/symbols.h"
#include "sys/elf.h"
#include "sys/mapfile.h"

static const struct {
	const char *file; /* the beginning of its name */
	enum served_by by;
} files[] = {
	{ "libjemalloc", SERVED_JEMALLOC },  { "libtcmalloc", SERVED_TCMALLOC },
	{ "libmimalloc", SERVED_MIMALLOC },  { "ld-musl-", SERVED_MUSL },
	{ "libc.musl-", SERVED_MUSL },	     { "libasan.", SERVED_ASAN },
	{ "libclang_rt.asan", SERVED_ASAN },
};

/* Of a program that has malloc() itself: who else's functions it has; in the same order. */
enum { MALLOC, NAMES = 6 };
static const char *const names[NAMES] = { [MALLOC] = "malloc",	    "mallctl",	 "tc_malloc",
					  "TCMallocInternalMalloc", "mi_malloc", "__asan_init" };
static const enum served_by by_name[NAMES] = { SERVED_UNKNOWN,	SERVED_JEMALLOC, SERVED_TCMALLOC,
					       SERVED_TCMALLOC, SERVED_MIMALLOC, SERVED_ASAN };

static enum served_by by_file(const struct vma *v)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (strncmp(str_file_name(v->path), files[i].file, strlen(files[i].file)) == 0)
			return files[i].by;
	return SERVED_UNKNOWN;
}

/* The program's own file: mapped lowest, or where it is not, what it exports does not matter. */
static enum served_by by_symbols(const struct process_view *v, const struct vma *exe)
{
	auto_clean(elf_closep) struct elf_file *f = NULL;
	enum served_by by = SERVED_UNKNOWN;
	struct symbol s[NAMES];

	if (mapfile_open_elf(v->proc, v->pid, exe, &f, NULL) ||
	    symbols_find(f, false, SYMBOLS_BYTES_MAX, names, NAMES, s) || !s[MALLOC].vaddr)
		return SERVED_UNKNOWN;
	for (int i = MALLOC + 1; i < NAMES; i++)
		if (s[i].vaddr)
			by = by_name[i];
	return by;
}

enum served_by allocator_served_by(const struct process_view *v)
{
	enum served_by by = SERVED_UNKNOWN;
	const struct vma *exe = NULL;

	for (size_t i = 0; !by && i < v->maps->count; i++) {
		const struct vma *at = &v->maps->vma[i];

		if (at->kind != VMA_FILE || !at->path[0])
			continue;
		if (!exe)
			exe = at;
		by = by_file(at);
	}
	return by || !exe ? by : by_symbols(v, exe);
}

/* A state is only to be told from none. */
static int open_as(const struct process_view *v, void **state, enum served_by by)
{
	if (allocator_served_by(v) != by)
		return -ENOENT;
	*state = malloc(1);
	return *state ? 0 : -ENOMEM;
}

void allocator_unavailable(const char *name, const char *why, struct inner_allocator *ret)
{
	*ret = (struct inner_allocator){
		.name = name,
		.known.why = why,
		.live_bytes = FACT_UNKNOWN,
		.live_count = FACT_UNKNOWN,
		.cached_bytes = FACT_UNKNOWN,
		.cached_count = FACT_UNKNOWN,
		.free_bytes = FACT_UNKNOWN,
		.free_count = FACT_UNKNOWN,
		.free_resident_bytes = FACT_UNKNOWN,
		.mapped_bytes = FACT_UNKNOWN,
		.mapped_count = FACT_UNKNOWN,
		.overhead_bytes = FACT_UNKNOWN,
		.unknown_bytes = FACT_UNKNOWN,
	};
}

#define NOT_READ(id, by, text, why)                                                      \
	static int open_##id(const struct process_view *v, void **state, const char **w) \
	{                                                                                \
		(void)w;                                                                 \
		return open_as(v, state, by);                                            \
	}                                                                                \
	static int read_##id(void *state, const struct process_view *v,                  \
			     struct inner_allocator *ret, struct inner_ranges *ranges)   \
	{                                                                                \
		(void)state, (void)v, (void)ranges;                                      \
		allocator_unavailable(text, why, ret);                                   \
		return 0;                                                                \
	}                                                                                \
	const struct walk_ops walk_##id = { text, open_##id, read_##id, free }

NOT_READ(jemalloc, SERVED_JEMALLOC, "jemalloc", "the structures of jemalloc are not read");
NOT_READ(tcmalloc, SERVED_TCMALLOC, "tcmalloc", "the structures of tcmalloc are not read");
NOT_READ(mimalloc, SERVED_MIMALLOC, "mimalloc", "the structures of mimalloc are not read");
NOT_READ(asan, SERVED_ASAN, "asan", "the structures of AddressSanitizer's malloc are not read");
NOT_READ(musl, SERVED_MUSL, "musl", "the structures of musl's allocator are not read");
