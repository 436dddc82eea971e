/*
 * Matching of frames against rules. Demangled symbols may or may not carry return type, template
 * arguments and parameters; only the qualified name between them is compared.
 */
#include "analyse/plumbing.h"

#include <string.h>

#include "analyse/glob.h"
#include "analyse/rules.h"
#include "model/snapshot.h"

struct view {
	const char *text;
	size_t len;
};

/* Whether the text ends with the word "operator", after which '<', '(' and ' ' are name. */
static bool ends_with_operator(const char *text, size_t len)
{
	static const char word[] = "operator";
	size_t n = sizeof(word) - 1;

	if (len < n || memcmp(text + len - n, word, n))
		return false;
	return len == n || text[len - n - 1] == ':';
}

/* Length without what compilers and linkers append to a name: clone suffixes, versions. */
static size_t plain_length(const char *text, size_t len)
{
	static const char *const suffixes[] = { ".part.", ".cold",     ".constprop.",
						".isra.", ".lto_priv", ".llvm.",
						"@" };
	const char *at;
	size_t i;

	if (!memchr(text, '.', len) && !memchr(text, '@', len))
		return len;
	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		at = memmem(text, len, suffixes[i], strlen(suffixes[i]));
		if (at && at > text)
			len = at - text;
	}
	return len;
}

/* Where a '(' ends the name, as opposed to being a piece of it: "(anonymous namespace)". */
static bool paren_ends_name(const char *at, const char *begin)
{
	if (at == begin || !strncmp(at, "(anonymous", 10))
		return false;
	return !ends_with_operator(begin, at - begin);
}

/*
 * The qualified function name in a demangled symbol: "void std::vector<int>::f<int>(int)" gives
 * "std::vector<int>::f<int>", "operator new(unsigned long)" gives "operator new".
 */
static struct view qualified_name(const char *symbol)
{
	const char *begin = symbol, *p;
	size_t depth = 0;

	for (p = symbol; *p; p++) {
		if (*p == '<' || *p == '{') {
			depth += !ends_with_operator(begin, p - begin);
		} else if (*p == '>' || *p == '}') {
			depth -= depth && p > symbol && p[-1] != '-';
		} else if (depth) {
			continue;
		} else if (*p == '(') {
			if (paren_ends_name(p, begin))
				break;
			while (p[1] && *p != ')')
				p++;
		} else if (*p == ' ' && !ends_with_operator(begin, p - begin)) {
			if (p[1] == '[')
				break;
			begin = p + 1;
		}
	}
	return (struct view){ begin, plain_length(begin, p - begin) };
}

/* A list of rules, and which of them are asked: kinds, or roles. */
struct query {
	const struct rule *list;
	size_t count;
	bool kinds;
};

static struct query ask_user(const struct rules *rules, bool kinds)
{
	return rules ? (struct query){ rules->list, rules->count, kinds } : (struct query){};
}

static struct query ask_builtin(bool kinds)
{
	struct query q = { .kinds = kinds };

	q.list = rules_builtin(&q.count);
	return q;
}

static bool fits_module(const struct rule *r, const char *file, size_t len, size_t stem)
{
	return glob_match(r->module, file, stem) ||
	       (len > stem && glob_match(r->module, file, len));
}

static const struct rule *find_symbol(struct query q, const struct snap_module *module,
				      const struct view *name)
{
	const char *file = module && module->name ? module->name : "";
	size_t len = strlen(file), stem = plumbing_stem(file);

	for (size_t i = 0; i < q.count; i++) {
		const struct rule *r = &q.list[i];

		/* most rules end here: this runs for every frame of every site */
		if (!r->symbol || (r->symbol[0] != name->text[0] && r->symbol[0] != '*'))
			continue;
		if (rule_is_kind(r) == q.kinds && glob_match(r->symbol, name->text, name->len) &&
		    fits_module(r, file, len, stem))
			return r;
	}
	return NULL;
}

static const struct rule *find_library(struct query q, const struct snap_module *module)
{
	const char *file = module && module->name && !module->main_exe ? module->name : NULL;
	size_t len, stem;

	if (!file)
		return NULL;
	len = strlen(file);
	stem = plumbing_stem(file);
	for (size_t i = 0; i < q.count; i++) {
		const struct rule *r = &q.list[i];

		if (!r->symbol && rule_is_kind(r) == q.kinds && fits_module(r, file, len, stem))
			return r;
	}
	return NULL;
}

static const struct rule *find_any(struct query q, const struct snap_module *module,
				   const struct view *name)
{
	const struct rule *r = name->text ? find_symbol(q, module, name) : NULL;

	return r ? r : find_library(q, module);
}

static enum plumbing role_of(const struct rule *r)
{
	switch (r ? r->what : RULE_NONE) {
	case RULE_allocator:
	case RULE_mapper: return PLUMBING_ALLOCATOR;
	case RULE_c_library: return PLUMBING_RUNTIME;
	case RULE_language: return r->symbol ? PLUMBING_RUNTIME : PLUMBING_NONE;
	case RULE_collected:
	case RULE_buffers:
	case RULE_wrapper: return PLUMBING_WRAPPER;
	default: return PLUMBING_NONE;
	}
}

size_t plumbing_stem(const char *file_name)
{
	return strcspn(file_name, ".-");
}

static struct view view_of(const char *symbol)
{
	return symbol ? qualified_name(symbol) : (struct view){};
}

/* Where rules say nothing: PLUMBING_ALLOCATOR with rule NULL. */
static enum plumbing find_builtin(const struct snap_module *module, const struct view *name,
				  bool whole_allocators, const struct rule **rule)
{
	struct query q = ask_builtin(false);

	*rule = find_library(q, module);
	if (role_of(*rule) != PLUMBING_NONE)
		return role_of(*rule);
	*rule = NULL;
	if (module && !module->main_exe && module->allocator && (whole_allocators || !name->text))
		return PLUMBING_ALLOCATOR;
	if (name->text)
		*rule = find_symbol(q, module, name);
	return role_of(*rule);
}

enum plumbing plumbing_find(const struct rules *rules, const struct snap_module *module,
			    const char *symbol, bool whole_allocators, const struct rule **ret_rule)
{
	struct view name = view_of(symbol);
	const struct rule *rule = find_any(ask_user(rules, false), module, &name);
	enum plumbing is = role_of(rule);

	if (!rule)
		is = find_builtin(module, &name, whole_allocators, &rule);
	if (ret_rule)
		*ret_rule = rule;
	return is;
}

bool plumbing_gives_out(const struct rules *rules, const struct snap_module *module,
			const char *symbol)
{
	struct view name = view_of(symbol);
	const struct rule *r = find_any(ask_user(rules, false), module, &name);

	if (!r && name.text)
		r = find_symbol(ask_builtin(false), module, &name);
	if (role_of(r) != PLUMBING_ALLOCATOR)
		r = find_library(ask_builtin(false), module);
	return r && r->what == RULE_allocator;
}

const struct rule *plumbing_find_kind(const struct rules *rules, const struct snap_module *module,
				      const char *symbol)
{
	struct view name = view_of(symbol);
	const struct rule *r = find_any(ask_user(rules, true), module, &name);

	return r ? r : find_any(ask_builtin(true), module, &name);
}

bool plumbing_fits(const struct rule *rule, const struct snap_module *module, const char *symbol)
{
	const char *file = module && module->name ? module->name : "";
	struct view name;

	if (strncmp(symbol, rule->symbol, strcspn(rule->symbol, "*")) != 0)
		return false;
	name = view_of(symbol);
	return glob_match(rule->symbol, name.text, name.len) &&
	       fits_module(rule, file, strlen(file), plumbing_stem(file));
}

bool plumbing_is_language(const struct rules *rules, const struct snap_module *module)
{
	const struct rule *r = find_library(ask_user(rules, false), module);

	if (!r)
		r = find_library(ask_builtin(false), module);
	return r && r->what == RULE_language;
}

bool plumbing_runs_others(const struct rules *rules, const struct snap_module *module)
{
	struct snap_module m = *module;

	m.main_exe = false;
	return plumbing_is_language(rules, &m);
}
