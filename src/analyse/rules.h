/*
 * Rules that say what code's memory is and which code passes memory on: the built-in ones, made of
 * memtrace.rules when memtrace is built, and those of a file that the user gives. The form is told
 * at the top of memtrace.rules. The text of a user's file is not trusted.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "analyse/analysis.h"

struct err;

enum rule_what {
	RULE_NONE = 0,
	/* kinds: the memory that this code asks for is of that kind */
	RULE_database,
	RULE_crypto,
	RULE_network,
	RULE_compression,
	RULE_image,
	RULE_other,
	/* roles: what the code is */
	RULE_buffers,
	RULE_wrapper,
	RULE_allocator,
	RULE_mapper,
	RULE_c_library,
	RULE_language,
	RULE_collected,
	RULE_collected_late,
	RULE_heap,
	RULE_young_collector,
	RULE_collector,
	RULE_owner,
	RULE_WHATS
};

#define RULE_NO_KIND (-1)

struct rule {
	enum rule_what what;
	int kind;	    /* enum module_kind, or RULE_NO_KIND */
	const char *module; /* pattern of glob.h, for the file name or its stem */
	const char *symbol; /* the same for a function's name; NULL: the whole file */
	double confidence;  /* 0 to 1; 0: nothing is said */
	uint32_t line;
};

struct rules {
	struct rule *list; /* owned, like text and name */
	size_t count;
	char *text; /* patterns point into it */
	char *name; /* of the file, for messages and evidence */
};

/* The rules that are built in. */
const struct rule *rules_builtin(size_t *ret_count);

/*
 * Reads rules; name is the file's, for messages. -EINVAL with a sentence that has name and line,
 * -E2BIG beyond RULES_MAX_BYTES or RULES_MAX, -ENOMEM.
 */
#define RULES_MAX_BYTES (256u << 10)
#define RULES_MAX 4096
int rules_parse(const char *text, size_t len, const char *name, struct rules **ret, struct err *e);
void rules_free(struct rules *r); /* NULL is fine */
void rules_freep(struct rules **r);

/* Whether it is one of the kinds above, and not one of the roles. */
static inline bool rule_is_kind(const struct rule *r)
{
	return r->what <= RULE_other;
}

/* "database", "c-library"; NULL when there is no such. */
const char *rules_what_name(enum rule_what what);
/* RULE_NONE when there is no such. */
enum rule_what rules_find_what(const char *name);
