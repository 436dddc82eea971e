/*
 * The allocator functions that memtrace knows by name, how each is called, and the user's own ones
 * (--alloc). Pure: no files, no process. Arguments are numbered from 1; 0 means there is none.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memtrace/wire.h"

#define POINT_ARG_MAX 6	       /* arguments in registers */
#define POINT_NAME_BYTES 256   /* of a user's function or module, with the terminator */
#define POINT_SPEC_FUNCTIONS 8 /* functions in one --alloc */

enum point_family {
	POINT_C = 1,  /* C functions, wherever they are defined */
	POINT_CXX,    /* operator new and delete: see target.c for the modules they count in */
	POINT_RUST,   /* __rust_alloc and friends: see target.c */
	POINT_CUSTOM, /* named by the user */
};

/* How a function is called. ptr_arg of MT_FN_POSIX_MEMALIGN is where the result is stored. */
struct point_call {
	enum mt_fn fn;
	uint8_t size_arg, count_arg, ptr_arg;
};

struct point {
	const char *symbol; /* without the allocator's prefix */
	struct point_call call;
	enum point_family family;
	uint32_t prefixes; /* private to points.c: which prefixes the symbol exists with */
};

/*
 * The row of a symbol, or NULL; static. Binary search. A symbol version ("malloc@@GLIBC_2.2.5") is
 * ignored, and Rust's mangled allocator shims are recognised.
 */
const struct point *points_find(const char *symbol);

/* Whether the symbol begins with an allocator's own prefix ("je_malloc"), so that a function that
 * is local to its file can hardly be anything else. */
bool points_has_prefix(const char *symbol);

/* Row i of the table, NULL after the last. */
const struct point *points_at(size_t i);

/* True when the call gives out memory, so that its result must be seen: everything but a free. */
bool points_wants_return(const struct point_call *call);

/* Bit n - 1 is set when argument n is read at the probe. */
uint8_t points_args(const struct point_call *call);

/* One --alloc: functions of the modules that a pattern selects. A value: copy it freely. */
struct point_spec {
	char module[POINT_NAME_BYTES]; /* "exe" or a pattern of file names, see fnmatch(3) */
	size_t count;
	struct {
		char name[POINT_NAME_BYTES];
		struct point_call call;
	} function[POINT_SPEC_FUNCTIONS];
};

/*
 * Parses MODULE:FUNCTION(ARGUMENTS)[:FUNCTION(ARGUMENTS)...], for example
 * "libfoo.so:foo_alloc(size=arg1,count=arg2):foo_free(ptr=arg1)". size makes an allocation, size
 * with ptr a reallocation, size with out a posix_memalign, ptr alone a free.
 * -EINVAL and a sentence in err that names what is accepted; *ret is then untouched.
 */
int points_parse_spec(const char *text, struct point_spec *ret, struct err *err);

/* file_name is without folders. */
bool points_spec_matches(const struct point_spec *spec, const char *file_name, bool main_exe);
