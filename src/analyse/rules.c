/* See rules.h: the table that tools/rules.awk makes of memtrace.rules, and the words of the form.
 */
#include "analyse/rules.h"

#include <stdlib.h>
#include <string.h>

#define KIND_NONE RULE_NO_KIND
#define KIND_database MODULE_DATABASE
#define KIND_crypto MODULE_CRYPTO
#define KIND_network MODULE_NETWORK
#define KIND_compression MODULE_COMPRESSION
#define KIND_image MODULE_IMAGE
#define KIND_other MODULE_OTHER

static const struct rule builtin[] = {
#define RULE(what, module, symbol, kind, confidence, line) \
	{ RULE_##what, KIND_##kind, module, symbol, confidence, line },
#include "rules_table.h"
#undef RULE
};

static const char *const what_names[RULE_WHATS] = {
	[RULE_database] = "database",
	[RULE_crypto] = "crypto",
	[RULE_network] = "network",
	[RULE_compression] = "compression",
	[RULE_image] = "image",
	[RULE_other] = "other",
	[RULE_buffers] = "buffers",
	[RULE_wrapper] = "wrapper",
	[RULE_allocator] = "allocator",
	[RULE_mapper] = "mapper",
	[RULE_c_library] = "c-library",
	[RULE_language] = "language",
	[RULE_collected] = "collected",
	[RULE_collected_late] = "collected-late",
	[RULE_heap] = "heap",
	[RULE_collector] = "collector",
	[RULE_young_collector] = "young-collector",
	[RULE_owner] = "owner",
};

const struct rule *rules_builtin(size_t *ret_count)
{
	*ret_count = sizeof(builtin) / sizeof(builtin[0]);
	return builtin;
}

const char *rules_what_name(enum rule_what what)
{
	return what < RULE_WHATS ? what_names[what] : NULL;
}

enum rule_what rules_find_what(const char *name)
{
	for (enum rule_what what = 1; what < RULE_WHATS; what++)
		if (!strcmp(what_names[what], name))
			return what;
	return RULE_NONE;
}

void rules_free(struct rules *r)
{
	if (!r)
		return;
	free(r->list);
	free(r->text);
	free(r->name);
	free(r);
}

void rules_freep(struct rules **r)
{
	rules_free(*r);
}
