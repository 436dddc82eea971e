/*
 * The text of a perf map (/tmp/perf-PID.map), by which JIT compilers and interpreters tell the
 * names of code that no file holds: one line per piece of code, "START SIZE NAME", numbers in hex;
 * format as in tools/perf/Documentation/jit-interface.txt of the Linux sources. Code is freed and
 * its memory used again, so a later line replaces earlier ones where they overlap. Names stay in
 * the file: what is kept is where the line of each piece begins. Pure; the text is hostile.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERFMAP_SYMBOL_BYTES 512
#define PERFMAP_FILE_BYTES 256

struct perfmap; /* opaque */

struct perfmap_stats {
	uint64_t lines;
	uint64_t invalid; /* lines that say nothing: not of this form, empty or impossible ranges */
	uint64_t refused; /* lines beyond the limit of pieces */
	size_t pieces;	  /* now */
};

/* limit: pieces of code known at a time; 24 bytes each. -ENOMEM. */
int perfmap_new(size_t limit, struct perfmap **ret);
void perfmap_free(struct perfmap *m);

/* Forgets the text, not the counts: the file was written anew. */
void perfmap_clear(struct perfmap *m);

/* The next bytes of the file, cut anywhere; a line counts once its newline came. -ENOMEM. */
int perfmap_feed(struct perfmap *m, const char *bytes, size_t len);

/* Offset in the file of the line that names the code at pc; false when none does. */
bool perfmap_find(const struct perfmap *m, uint64_t pc, uint64_t *ret_offset);

void perfmap_get_stats(const struct perfmap *m, struct perfmap_stats *ret);

/* What a line says, for people: valid UTF-8 without control characters. */
struct perfmap_name {
	char symbol[PERFMAP_SYMBOL_BYTES];
	char file[PERFMAP_FILE_BYTES]; /* "": not told */
	uint32_t line;		       /* 0: not told */
	bool interpreted;	       /* the code is the interpreter's, run for this function */
};

/*
 * Reads the line at text (it ends at a newline or after len bytes). V8 says "JS:*name
 * file:line:col": tag and tier are left out, since a function keeps its name when it is compiled
 * again, and the place is told apart. -EINVAL unless the line is about code that holds pc; -ENOMEM.
 */
int perfmap_read_line(const char *text, size_t len, uint64_t pc, struct perfmap_name *ret);
