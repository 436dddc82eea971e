/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Marks by which allocators are told apart. They only name the allocator in reports and decide
 * whether C++ operators pass through malloc (target.c), so a wrong guess costs little.
 */
#include "collect/allocator.h"

#include <fnmatch.h>
#include <stddef.h>
#include <string.h>

static const struct {
	const char *symbol;
	bool prefix; /* what follows does not matter */
	enum allocator allocator;
} markers[] = {
	{ "gnu_get_libc_version", true, ALLOCATOR_GLIBC },
	{ "_int_malloc", false, ALLOCATOR_GLIBC },
	{ "__malloc_alloc_meta", false, ALLOCATOR_MUSL },
	{ "__libc_malloc_impl", false, ALLOCATOR_MUSL },
	{ "mallctl", false, ALLOCATOR_JEMALLOC },
	{ "je_malloc", true, ALLOCATOR_JEMALLOC },
	{ "_rjem_", true, ALLOCATOR_JEMALLOC },
	{ "TCMallocInternalMalloc", false, ALLOCATOR_TCMALLOC },
	{ "tc_malloc", false, ALLOCATOR_TCMALLOC },
	{ "mi_malloc", false, ALLOCATOR_MIMALLOC },
};

static const struct {
	const char *file;
	enum allocator allocator;
} files[] = {
	{ "libmimalloc*", ALLOCATOR_MIMALLOC }, { "libtcmalloc*", ALLOCATOR_TCMALLOC },
	{ "libjemalloc*", ALLOCATOR_JEMALLOC }, { "libc.so.6", ALLOCATOR_GLIBC },
	{ "libc-2.*", ALLOCATOR_GLIBC },	{ "ld-musl-*", ALLOCATOR_MUSL },
	{ "libc.musl-*", ALLOCATOR_MUSL },	{ "libc.so", ALLOCATOR_MUSL },
};

uint32_t allocator_marker(const char *symbol)
{
	size_t i, len;

	for (i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
		len = strlen(markers[i].symbol);
		if (!strncmp(symbol, markers[i].symbol, len) && (markers[i].prefix || !symbol[len]))
			return 1u << markers[i].allocator;
	}
	return 0;
}

enum allocator allocator_guess(uint32_t seen, const char *file_name)
{
	/* An allocator linked statically beside a libc is the one that serves. */
	static const enum allocator order[] = { ALLOCATOR_MIMALLOC, ALLOCATOR_TCMALLOC,
						ALLOCATOR_JEMALLOC, ALLOCATOR_GLIBC,
						ALLOCATOR_MUSL };
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (seen & 1u << order[i])
			return order[i];
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!fnmatch(files[i].file, file_name, 0))
			return files[i].allocator;
	return ALLOCATOR_UNKNOWN;
}

const char *allocator_name(enum allocator a)
{
	static const char *const names[] = {
		[ALLOCATOR_UNKNOWN] = "unknown",   [ALLOCATOR_GLIBC] = "glibc",
		[ALLOCATOR_MUSL] = "musl",	   [ALLOCATOR_JEMALLOC] = "jemalloc",
		[ALLOCATOR_TCMALLOC] = "tcmalloc", [ALLOCATOR_MIMALLOC] = "mimalloc",
		[ALLOCATOR_RUST] = "rust",	   [ALLOCATOR_CUSTOM] = "custom",
	};

	return (size_t)a < sizeof(names) / sizeof(names[0]) ? names[a] : "unknown";
}
