/*
 * Reads a file of rules. Its text is copied once and cut into words in place: patterns are pieces
 * of the copy. What is wrong is told with the line it stands in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/rules.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/num.h"
#include "base/vec.h"

#define WORDS_MAX 5	  /* what, module, symbol, kind, confidence */
#define PATTERN_BYTES 256 /* bytes */

struct parser {
	struct rules *rules;
	size_t cap;
	uint32_t line;
	struct err *e;
};

static int complain(const struct parser *p, const char *what, const char *word)
{
	return err_set(p->e, -EINVAL, "%.200s:%u: %s%s%.100s%s", p->rules->name, p->line, what,
		       word ? " '" : "", word ? word : "", word ? "'" : "");
}

/*
 * The next word of a line, ended in place; *at moves behind it. NULL when there is none left, or
 * with *bad set when a quotation does not end.
 */
static char *next_word(char **at, bool *bad)
{
	char *word = *at + strspn(*at, " \t\r"), *end;

	if (!*word || *word == '#')
		return NULL;
	if (*word == '"') {
		end = strchr(++word, '"');
		*bad = !end || (end[1] && !strchr(" \t\r", end[1]));
		if (*bad)
			return NULL;
	} else {
		end = word + strcspn(word, " \t\r");
	}
	*at = end + (*end != '\0');
	*end = '\0';
	return word;
}

static int split(const struct parser *p, char *line, char *words[static WORDS_MAX], size_t *ret)
{
	bool bad = false;
	size_t n = 0;
	char *word;

	for (; (word = next_word(&line, &bad)); words[n++] = word)
		if (n == WORDS_MAX)
			return complain(p, "too many words, from", word);
	if (bad)
		return complain(p, "a \" without its end, or with something behind it", NULL);
	*ret = n;
	return 0;
}

static int check_pattern(const struct parser *p, const char *pattern)
{
	if (!*pattern)
		return complain(p, "an empty pattern", NULL);
	if (strlen(pattern) > PATTERN_BYTES)
		return complain(p, "a pattern of more than 256 characters", NULL);
	for (; *pattern; pattern++)
		if ((unsigned char)*pattern < ' ' || *pattern == 0x7f)
			return complain(p, "a control character in a pattern", NULL);
	return 0;
}

/* kind=..., confidence=...: 1 when it was one of them. */
static int take_option(const struct parser *p, const char *word, struct rule *rule)
{
	if (!strncmp(word, "kind=", 5)) {
		enum rule_what kind = rules_find_what(word + 5);

		if (!kind || kind > RULE_other)
			return complain(p,
					"not database, crypto, network, compression, image or "
					"other:",
					word + 5);
		rule->kind = kind == RULE_other ? MODULE_OTHER : (int)kind;
		return 1;
	}
	if (!strncmp(word, "confidence=", 11)) {
		double value;

		if (num_parse_percent(word + 11, &value) < 0 || !(value > 0 && value <= 1))
			return complain(p, "not a number above 0 and up to 1:", word + 11);
		rule->confidence = value;
		return 1;
	}
	return 0;
}

static bool needs_function(enum rule_what what)
{
	return what == RULE_wrapper || what == RULE_mapper || what == RULE_buffers ||
	       what == RULE_collected || what == RULE_collected_late || what == RULE_collector ||
	       what == RULE_young_collector || what == RULE_heap;
}

/* Whether a rule of that sort makes sense. */
static int check_rule(const struct parser *p, const struct rule *r)
{
	bool whole = !r->symbol;

	if (r->kind != RULE_NO_KIND && r->what != RULE_wrapper)
		return complain(p, "kind= is for wrappers, not for", rules_what_name(r->what));
	if (whole && !strcmp(r->module, "*"))
		return complain(p, "a rule for all files needs the name of a function", NULL);
	if (whole && needs_function(r->what))
		return complain(p, "no name of a function behind", r->module);
	if (!whole && r->what == RULE_c_library)
		return complain(p, "a whole library, without the name of a function:", r->symbol);
	return 0;
}

static int add_rule(struct parser *p, const struct rule *rule)
{
	struct rules *r = p->rules;
	int e = vec_reserve(&r->list, sizeof(*r->list), r->count, &p->cap, RULES_MAX);

	if (e == -ENOSPC)
		return err_set(p->e, -E2BIG, "%.200s:%u: more than %d rules", r->name, p->line,
			       RULES_MAX);
	if (!e)
		r->list[r->count++] = *rule;
	return e;
}

static int parse_line(struct parser *p, char *line)
{
	struct rule rule = { .kind = RULE_NO_KIND, .line = p->line };
	char *words[WORDS_MAX];
	size_t n = 0, i;
	int r = split(p, line, words, &n);

	if (r < 0 || n == 0)
		return r;
	rule.what = rules_find_what(words[0]);
	if (!rule.what)
		return complain(p, "not a word that a rule begins with:", words[0]);
	if (n < 2)
		return complain(p, "no pattern of a file name behind", words[0]);
	rule.module = words[1];
	for (i = 2; i < n; i++) {
		r = take_option(p, words[i], &rule);
		if (r < 0)
			return r;
		if (r == 0 && i > 2)
			return complain(p, "not understood:", words[i]);
		if (r == 0)
			rule.symbol = words[i];
	}
	r = check_pattern(p, rule.module);
	if (r == 0 && rule.symbol)
		r = check_pattern(p, rule.symbol);
	if (r == 0)
		r = check_rule(p, &rule);
	return r < 0 ? r : add_rule(p, &rule);
}

static int parse_lines(struct parser *p, size_t len)
{
	char *line = p->rules->text, *end = line + len, *next;
	int r = 0;

	for (; r == 0 && line < end; line = next) {
		next = memchr(line, '\n', end - line);
		next = next ? next : end;
		*next++ = '\0';
		p->line++;
		if (line + strlen(line) + 1 != next)
			r = complain(p, "a zero byte", NULL);
		else
			r = parse_line(p, line);
	}
	return r;
}

int rules_parse(const char *text, size_t len, const char *name, struct rules **ret, struct err *e)
{
	auto_clean(rules_freep) struct rules *rules = calloc(1, sizeof(*rules));
	struct parser p = { .rules = rules, .e = e };
	int r;

	if (!rules)
		return -ENOMEM;
	if (len > RULES_MAX_BYTES)
		return err_set(e, -E2BIG, "%.200s: larger than %u KiB", name,
			       RULES_MAX_BYTES >> 10);
	rules->name = strdup(name);
	rules->text = malloc(len + 1);
	if (!rules->name || !rules->text)
		return -ENOMEM;
	memcpy(rules->text, text, len);
	rules->text[len] = '\0';
	r = parse_lines(&p, len);
	if (r < 0)
		return r;
	*ret = steal(rules);
	return 0;
}
