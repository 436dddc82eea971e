/*
 * Finds the allocator functions of one ELF file and decides where each is probed. The file is
 * hostile: its symbols are bounded, and whatever cannot be used is counted, never an error.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/allocator.h"
#include "collect/points.h"
#include "collect/probe_site.h"
#include "sys/elf.h"

#define TARGET_POINTS_MAX 256
#define TARGET_NAME_BYTES 96

struct target_module {
	const char *file_name; /* without folders; borrowed during the call */
	int fd; /* of the file, borrowed during the call; -1: every site is an entry */
	bool main_exe;
	bool go;	 /* written in Go: its stacks move, so no return probes */
	bool inside;	 /* points inside a function may be used, see probe_exit.h */
	bool returnless; /* its process takes no return probes: allocations are seen inside or not
			  */
	enum probe_nops nops;
	const struct point_spec *specs; /* borrowed during the call; may be NULL when none */
	size_t spec_count;
};

/* A function has one, at or near its entry, or several inside that together see each call once. */
struct attach_point {
	uint64_t file_offset; /* of the probed instruction */
	uint64_t cookie;      /* MT_COOKIE */
	bool wants_return;
	struct probe_site site;
	const char *inside; /* static text: what stands behind points inside, or in their way; NULL:
			       not looked for */
	uint32_t weight;    /* of a point inside: guess at how many of 1000 calls pass it, not 0 */
	uint64_t function_bytes;      /* of the function; 0 when not known */
	char name[TARGET_NAME_BYTES]; /* the function's names, joined by '/'; printable ASCII */
};

struct target_points {
	struct attach_point *point; /* owned, ordered by address */
	size_t count;
	enum allocator allocator; /* a guess; unknown when there is no point */
	bool incomplete;	  /* the symbol tables are broken: there may be more */
	uint32_t refused;	  /* functions beyond TARGET_POINTS_MAX */
	uint32_t ifuncs;	  /* symbols that only resolve to the function */
	uint32_t conflicts;	  /* addresses whose names want to be read differently */
	uint32_t unreadable;	  /* functions without code in the file */
	uint32_t delegating;	  /* operator new and Rust shims that end in a probed function */
	uint32_t returnless;	  /* left out because no return probes are allowed */
	bool go;		  /* ... in the module: it is written in Go */
	const char *why_none;	  /* static text when count is 0, else NULL */
};

/* -ENOMEM is the only failure; *ret is then untouched. To be released with target_done(). */
int target_examine(const struct elf_file *f, const struct target_module *m,
		   struct target_points *ret);
void target_done(struct target_points *points);

/*
 * One line for --explain-probes, without a newline; cut off when len is too small. `module` is
 * copied as it is: a file name is foreign text. `points->point[i]` is what it is about.
 */
void target_format_point(const struct attach_point *point, const char *module, char *ret,
			 size_t len);
