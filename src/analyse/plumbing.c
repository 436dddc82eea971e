/*
 * Matching of frames against the plumbing tables. Demangled symbols may or may not carry return
 * type, template arguments and parameters; only the qualified name between them is compared.
 */
#include "analyse/plumbing.h"

#include <string.h>

#include "analyse/glob.h"
#include "model/snapshot.h"

struct symbol_rule {
	const char *symbol, *module;
	enum plumbing is;
	bool maps; /* asks the kernel itself */
};

struct library_rule {
	const char *stem;
	enum plumbing is;
};

static const struct symbol_rule symbol_rules[] = {
#define ALLOC(symbol) { symbol, "*", PLUMBING_ALLOCATOR, false },
#define MAP(symbol) { symbol, "*", PLUMBING_ALLOCATOR, true },
#define WRAP(symbol, module) { symbol, module, PLUMBING_WRAPPER, false },
#define LIBRARY(stem, role)
#include "analyse/plumbing.def"
#undef ALLOC
#undef MAP
#undef WRAP
#undef LIBRARY
};

static const struct library_rule library_rules[] = {
#define ALLOC(symbol)
#define MAP(symbol)
#define WRAP(symbol, module)
#define LIBRARY(stem, role) { stem, PLUMBING_##role },
#include "analyse/plumbing.def"
#undef ALLOC
#undef MAP
#undef WRAP
#undef LIBRARY
};

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

static const struct symbol_rule *find_symbol(const struct snap_module *module, const char *symbol)
{
	struct view name = qualified_name(symbol);
	const char *file = module && module->name ? module->name : "";
	size_t i;

	for (i = 0; i < sizeof(symbol_rules) / sizeof(symbol_rules[0]); i++) {
		const struct symbol_rule *r = &symbol_rules[i];

		/* most rules end here: this runs for every frame of every site */
		if (r->symbol[0] != name.text[0] && r->symbol[0] != '*')
			continue;
		if (glob_match(r->symbol, name.text, name.len) &&
		    glob_match(r->module, file, strlen(file)))
			return r;
	}
	return NULL;
}

static enum plumbing find_library(const char *file_name)
{
	size_t stem = plumbing_stem(file_name), i;

	if (glob_match("linux-vdso*", file_name, strlen(file_name)))
		return PLUMBING_RUNTIME;
	for (i = 0; i < sizeof(library_rules) / sizeof(library_rules[0]); i++) {
		if (glob_match(library_rules[i].stem, file_name, stem))
			return library_rules[i].is;
	}
	return PLUMBING_NONE;
}

size_t plumbing_stem(const char *file_name)
{
	return strcspn(file_name, ".-");
}

enum plumbing plumbing_find(const struct snap_module *module, const char *symbol,
			    bool whole_allocators)
{
	enum plumbing is = PLUMBING_NONE;
	const struct symbol_rule *rule;

	if (module && !module->main_exe) {
		if (module->name)
			is = find_library(module->name);
		if (is != PLUMBING_NONE)
			return is;
		if (module->allocator && (whole_allocators || !symbol))
			return PLUMBING_ALLOCATOR;
	}
	rule = symbol ? find_symbol(module, symbol) : NULL;
	return rule ? rule->is : PLUMBING_NONE;
}

bool plumbing_gives_out(const struct snap_module *module, const char *symbol)
{
	const struct symbol_rule *rule = symbol ? find_symbol(module, symbol) : NULL;

	if (rule && rule->is == PLUMBING_ALLOCATOR)
		return !rule->maps;
	return module && module->name && !module->main_exe &&
	       find_library(module->name) == PLUMBING_ALLOCATOR;
}
