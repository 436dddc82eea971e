/* A user's file of rules, and names that are matched against what came of it. */
#include "fuzz.h"

#include <errno.h>

#include "analyse/plumbing.h"
#include "analyse/rules.h"
#include "base/err.h"
#include "model/snapshot.h"

static void ask(const struct rules *rules, const char *file, const char *symbol)
{
	const struct snap_module m = { .name = file };
	const struct rule *rule = NULL;

	CLAIM(plumbing_find(rules, &m, symbol, false, &rule) <= PLUMBING_WRAPPER);
	CLAIM(!rule || !rule_is_kind(rule));
	rule = plumbing_find_kind(rules, &m, symbol);
	CLAIM(!rule || rule_is_kind(rule));
	plumbing_gives_out(rules, &m, symbol);
	plumbing_is_language(rules, &m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rules *rules = NULL;
	struct err e = {};
	int r = rules_parse((const char *)data, size, "f", &rules, &e);

	if (r < 0) {
		CLAIM(!rules && (e.text[0] || r == -ENOMEM));
		return 0;
	}
	CLAIM(rules->count <= RULES_MAX);
	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->list[i];

		CLAIM(rule->what > RULE_NONE && rule->what < RULE_WHATS && rule->line > 0);
		CLAIM(rule->kind >= RULE_NO_KIND && rule->kind < MODULE_KINDS);
		CLAIM(rule->module[0] && (!rule->symbol || rule->symbol[0]));
		if (i < 16) /* a pattern is a name as good as any */
			ask(rules, rule->module, rule->symbol);
	}
	ask(rules, "libpq.so.5", "PQexec(int)");
	rules_free(rules);
	return 0;
}
