/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The table of allocator functions. One row per function, without the prefix under which an
 * allocator publishes it; the row says with which prefixes it exists. Rows are sorted by symbol.
 *
 * Left out on purpose: functions that resize in place and return a size or a flag (xallocx,
 * mi_expand, mi_reallocarr), because no probe cookie can say what they did, and mi_strdup and
 * its like, whose size is not an argument.
 */
#include "collect/points.h"

#include <stdlib.h>
#include <string.h>

enum prefix_bit {
	NONE = 1u << 0,
	JE = 1u << 1,
	TC = 1u << 2,
	MI = 1u << 3,
	RJEM = 1u << 4,
	RJEM_JE = 1u << 5,
	LIBC = 1u << 6,
	JES = NONE | JE | RJEM | RJEM_JE,
	ALL = NONE | JE | TC | MI | RJEM | RJEM_JE | LIBC,
};

static const struct {
	const char *text;
	size_t len;
	uint32_t bit;
} prefixes[] = {
	{ "", 0, NONE },	{ "je_", 3, JE },      { "tc_", 3, TC },
	{ "mi_", 3, MI },	{ "_rjem_", 6, RJEM }, { "_rjem_je_", 9, RJEM_JE },
	{ "__libc_", 7, LIBC },
};
#define PREFIX_COUNT (sizeof(prefixes) / sizeof(prefixes[0]))

/* clang-format off */
#define ALLOC(name, size, count, family, where) \
	{ name, { MT_FN_ALLOC, size, count, 0 }, family, where }
#define REALLOC(name, ptr, size, count, family, where) \
	{ name, { MT_FN_REALLOC, size, count, ptr }, family, where }
#define MEMALIGN(name, out, size, family, where) \
	{ name, { MT_FN_POSIX_MEMALIGN, size, 0, out }, family, where }
#define FREE(name, ptr, family, where) \
	{ name, { MT_FN_FREE, 0, 0, ptr }, family, where }

static const struct point table[] = {
	FREE("_ZdaPv", 1, POINT_CXX, NONE),
	FREE("_ZdaPvRKSt9nothrow_t", 1, POINT_CXX, NONE),
	FREE("_ZdaPvSt11align_val_t", 1, POINT_CXX, NONE),
	FREE("_ZdaPvSt11align_val_tRKSt9nothrow_t", 1, POINT_CXX, NONE),
	FREE("_ZdaPvm", 1, POINT_CXX, NONE),
	FREE("_ZdaPvmSt11align_val_t", 1, POINT_CXX, NONE),
	FREE("_ZdlPv", 1, POINT_CXX, NONE),
	FREE("_ZdlPvRKSt9nothrow_t", 1, POINT_CXX, NONE),
	FREE("_ZdlPvSt11align_val_t", 1, POINT_CXX, NONE),
	FREE("_ZdlPvSt11align_val_tRKSt9nothrow_t", 1, POINT_CXX, NONE),
	FREE("_ZdlPvm", 1, POINT_CXX, NONE),
	FREE("_ZdlPvmSt11align_val_t", 1, POINT_CXX, NONE),
	ALLOC("_Znam", 1, 0, POINT_CXX, NONE),
	ALLOC("_ZnamRKSt9nothrow_t", 1, 0, POINT_CXX, NONE),
	ALLOC("_ZnamSt11align_val_t", 1, 0, POINT_CXX, NONE),
	ALLOC("_ZnamSt11align_val_tRKSt9nothrow_t", 1, 0, POINT_CXX, NONE),
	ALLOC("_Znwm", 1, 0, POINT_CXX, NONE),
	ALLOC("_ZnwmRKSt9nothrow_t", 1, 0, POINT_CXX, NONE),
	ALLOC("_ZnwmSt11align_val_t", 1, 0, POINT_CXX, NONE),
	ALLOC("_ZnwmSt11align_val_tRKSt9nothrow_t", 1, 0, POINT_CXX, NONE),
	ALLOC("__rust_alloc", 1, 0, POINT_RUST, NONE),
	ALLOC("__rust_alloc_zeroed", 1, 0, POINT_RUST, NONE),
	FREE("__rust_dealloc", 1, POINT_RUST, NONE),
	REALLOC("__rust_realloc", 1, 4, 0, POINT_RUST, NONE),
	ALLOC("aligned_alloc", 2, 0, POINT_C, ALL),
	ALLOC("calloc", 2, 1, POINT_C, ALL),
	ALLOC("calloc_aligned", 2, 1, POINT_C, MI),
	ALLOC("calloc_aligned_at", 2, 1, POINT_C, MI),
	FREE("cfree", 1, POINT_C, ALL),
	FREE("dallocx", 1, POINT_C, JES),
	FREE("delete", 1, POINT_C, TC),
	FREE("delete_aligned", 1, POINT_C, TC),
	FREE("delete_aligned_nothrow", 1, POINT_C, TC),
	FREE("delete_nothrow", 1, POINT_C, TC),
	FREE("delete_sized", 1, POINT_C, TC),
	FREE("delete_sized_aligned", 1, POINT_C, TC),
	FREE("deletearray", 1, POINT_C, TC),
	FREE("deletearray_aligned", 1, POINT_C, TC),
	FREE("deletearray_aligned_nothrow", 1, POINT_C, TC),
	FREE("deletearray_nothrow", 1, POINT_C, TC),
	FREE("deletearray_sized", 1, POINT_C, TC),
	FREE("deletearray_sized_aligned", 1, POINT_C, TC),
	FREE("free", 1, POINT_C, ALL),
	FREE("free_aligned", 1, POINT_C, MI),
	FREE("free_aligned_sized", 1, POINT_C, ALL),
	FREE("free_size", 1, POINT_C, MI),
	FREE("free_size_aligned", 1, POINT_C, MI),
	FREE("free_sized", 1, POINT_C, ALL),
	ALLOC("heap_calloc", 3, 2, POINT_C, MI),
	ALLOC("heap_calloc_aligned", 3, 2, POINT_C, MI),
	ALLOC("heap_malloc", 2, 0, POINT_C, MI),
	ALLOC("heap_malloc_aligned", 2, 0, POINT_C, MI),
	ALLOC("heap_malloc_small", 2, 0, POINT_C, MI),
	ALLOC("heap_mallocn", 3, 2, POINT_C, MI),
	REALLOC("heap_realloc", 2, 3, 0, POINT_C, MI),
	REALLOC("heap_realloc_aligned", 2, 3, 0, POINT_C, MI),
	REALLOC("heap_reallocn", 2, 4, 3, POINT_C, MI),
	REALLOC("heap_recalloc", 2, 4, 3, POINT_C, MI),
	REALLOC("heap_rezalloc", 2, 3, 0, POINT_C, MI),
	ALLOC("heap_zalloc", 2, 0, POINT_C, MI),
	ALLOC("heap_zalloc_aligned", 2, 0, POINT_C, MI),
	ALLOC("malloc", 1, 0, POINT_C, ALL),
	ALLOC("malloc_aligned", 1, 0, POINT_C, MI),
	ALLOC("malloc_aligned_at", 1, 0, POINT_C, MI),
	ALLOC("malloc_skip_new_handler", 1, 0, POINT_C, TC),
	ALLOC("malloc_small", 1, 0, POINT_C, MI),
	ALLOC("mallocn", 2, 1, POINT_C, MI),
	ALLOC("mallocx", 1, 0, POINT_C, JES),
	ALLOC("memalign", 2, 0, POINT_C, ALL),
	ALLOC("new", 1, 0, POINT_C, TC | MI),
	ALLOC("new_aligned", 1, 0, POINT_C, TC | MI),
	ALLOC("new_aligned_nothrow", 1, 0, POINT_C, TC | MI),
	ALLOC("new_n", 2, 1, POINT_C, MI),
	ALLOC("new_nothrow", 1, 0, POINT_C, TC | MI),
	REALLOC("new_realloc", 1, 2, 0, POINT_C, MI),
	REALLOC("new_reallocn", 1, 3, 2, POINT_C, MI),
	ALLOC("newarray", 1, 0, POINT_C, TC),
	ALLOC("newarray_aligned", 1, 0, POINT_C, TC),
	ALLOC("newarray_aligned_nothrow", 1, 0, POINT_C, TC),
	ALLOC("newarray_nothrow", 1, 0, POINT_C, TC),
	MEMALIGN("posix_memalign", 1, 3, POINT_C, ALL),
	ALLOC("pvalloc", 1, 0, POINT_C, ALL),
	REALLOC("rallocx", 1, 2, 0, POINT_C, JES),
	REALLOC("realloc", 1, 2, 0, POINT_C, ALL),
	REALLOC("realloc_aligned", 1, 2, 0, POINT_C, MI),
	REALLOC("realloc_aligned_at", 1, 2, 0, POINT_C, MI),
	REALLOC("reallocarray", 1, 3, 2, POINT_C, ALL),
	REALLOC("reallocf", 1, 2, 0, POINT_C, MI),
	REALLOC("reallocn", 1, 3, 2, POINT_C, MI),
	REALLOC("recalloc", 1, 3, 2, POINT_C, MI),
	REALLOC("rezalloc", 1, 2, 0, POINT_C, MI),
	FREE("sdallocx", 1, POINT_C, JES),
	ALLOC("valloc", 1, 0, POINT_C, ALL),
	ALLOC("zalloc", 1, 0, POINT_C, MI),
	ALLOC("zalloc_aligned", 1, 0, POINT_C, MI),
	ALLOC("zalloc_aligned_at", 1, 0, POINT_C, MI),
	ALLOC("zalloc_small", 1, 0, POINT_C, MI),
};
/* clang-format on */
#define POINT_COUNT (sizeof(table) / sizeof(table[0]))

/* A piece of a longer text. */
struct piece {
	const char *text;
	size_t len;
};

static int compare_row(const void *key, const void *row)
{
	const struct piece *k = key;
	const char *symbol = ((const struct point *)row)->symbol;
	int r = strncmp(k->text, symbol, k->len);

	return r ? r : -(symbol[k->len] != '\0');
}

static const struct point *find_row(const char *text, size_t len)
{
	struct piece key = { text, len };

	return bsearch(&key, table, POINT_COUNT, sizeof(table[0]), compare_row);
}

/*
 * Newer Rust compilers mangle the shims: _RNvCs<crate>_7___rustc12___rust_alloc. After "7___rustc"
 * comes the length of the name in decimal, then "_", then the name itself.
 */
static const struct point *find_rust(const char *text, size_t len)
{
	static const char crate[] = "7___rustc";
	const char *p = memmem(text, len, crate, sizeof(crate) - 1);
	const char *end = text + len;
	const struct point *row;

	if (!p || strncmp(text, "_RNvC", 5) != 0)
		return NULL;
	p += sizeof(crate) - 1;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	if (p == end || *p != '_')
		return NULL;
	p++;
	row = find_row(p, (size_t)(end - p));
	return row && row->family == POINT_RUST ? row : NULL;
}

const struct point *points_find(const char *symbol)
{
	size_t len = strcspn(symbol, "@");
	const struct point *row;
	size_t i;

	for (i = 0; i < PREFIX_COUNT; i++) {
		if (strncmp(symbol, prefixes[i].text, prefixes[i].len) != 0)
			continue;
		row = find_row(symbol + prefixes[i].len, len - prefixes[i].len);
		if (row && row->prefixes & prefixes[i].bit)
			return row;
	}
	return find_rust(symbol, len);
}

bool points_has_prefix(const char *symbol)
{
	size_t i;

	for (i = 0; i < PREFIX_COUNT; i++)
		if (prefixes[i].len && !strncmp(symbol, prefixes[i].text, prefixes[i].len))
			return true;
	return false;
}

const struct point *points_at(size_t i)
{
	return i < POINT_COUNT ? &table[i] : NULL;
}

bool points_wants_return(const struct point_call *call)
{
	return call->fn != MT_FN_FREE;
}

uint8_t points_args(const struct point_call *call)
{
	uint8_t bits = 0;

	if (call->size_arg)
		bits |= 1u << (call->size_arg - 1);
	if (call->count_arg)
		bits |= 1u << (call->count_arg - 1);
	if (call->ptr_arg)
		bits |= 1u << (call->ptr_arg - 1);
	return bits;
}
