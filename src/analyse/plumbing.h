/*
 * Plumbing: frames that hand memory on for somebody else, by rules (rules.h): those of the user's
 * file first (NULL: none), then the built-in ones. Names are the target's own words: any bytes, any
 * length.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct rule;
struct rules;
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
 * a name go by their name, as they do in the main executable. *ret_rule (NULL is fine) is the rule
 * that says so, or NULL.
 */
enum plumbing plumbing_find(const struct rules *rules, const struct snap_module *module,
			    const char *symbol, bool whole_allocators,
			    const struct rule **ret_rule);

/* Whether it is a function of an allocator that gives out blocks, in whatever library: malloc(). */
bool plumbing_gives_out(const struct rules *rules, const struct snap_module *module,
			const char *symbol);

/*
 * The rule that says of what kind the memory is that a frame asks for, as opposed to what the frame
 * does; NULL when there is none. Rules for whole files are not for the main executable.
 */
const struct rule *plumbing_find_kind(const struct rules *rules, const struct snap_module *module,
				      const char *symbol);

/* Whether one rule with the name of a function is about it; cheap where it is not. */
bool plumbing_fits(const struct rule *rule, const struct snap_module *module, const char *symbol);

/* The runtime of a language as a library: its frames run other people's code. */
bool plumbing_is_language(const struct rules *rules, const struct snap_module *module);
/* The same, or as the program itself. */
bool plumbing_runs_others(const struct rules *rules, const struct snap_module *module);

/* Length of the stem of a file name: up to the first '.' or '-', so libpq of libpq.so.5. */
size_t plumbing_stem(const char *file_name);
