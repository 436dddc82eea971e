/*
 * See demangle.h. libiberty limits recursion but not time: a name of 100 bytes can ask for an
 * output of many gigabytes (nested back references), or for exponential backtracking (template
 * arguments after a conversion operator to a template parameter). The first is left by longjmp()
 * from its output callback, in which libiberty's C++ side holds no memory and its Rust side at most
 * one decoded identifier; the second is refused before the call.
 */
#include "symbol/demangle.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#define WORK_BYTES 8192	       /* longer results are cut off here */
#define READABLE_BYTES 120     /* above, nested arguments are left out */
#define BACKTRACK_LISTS_MAX 14 /* the effort doubles with each list of template arguments */

struct sink {
	char text[WORK_BYTES];
	size_t len;
	jmp_buf full;
};

static void collect(const char *text, size_t len, void *ctx)
{
	struct sink *s = ctx;

	if (len == 0)
		return; /* and text may be NULL */
	if (len >= sizeof(s->text) - s->len)
		longjmp(s->full, 1);
	memcpy(s->text + s->len, text, len);
	s->len += len;
	s->text[s->len] = '\0';
}

/* A function of its own: what longjmp() comes back to must not keep changed local variables. */
static bool run(int (*fn)(const char *, int, demangle_callbackref, void *), const char *name,
		struct sink *s)
{
	s->len = 0;
	s->text[0] = '\0';
	if (setjmp(s->full) != 0)
		return true; /* its beginning is worth reading */
	return fn(name, DMGL_NO_OPTS, collect, s) != 0 && s->len > 0;
}

/* "remove_cv" is left out: it is frequent in real names, and no operator can follow "remove_". */
static bool has_conversion(const char *name)
{
	static const char harmless[] = "remove_";
	const size_t len = sizeof(harmless) - 1;

	for (const char *p = strstr(name, "cv"); p; p = strstr(p + 2, "cv"))
		if ((size_t)(p - name) < len || memcmp(p - len, harmless, len) != 0)
			return true;
	return false;
}

static bool backtracks_too_much(const char *name)
{
	size_t lists = 0;

	if (!has_conversion(name))
		return false;
	for (const char *p = name; *p; p++)
		lists += *p == 'I' || *p == 'J';
	return lists > BACKTRACK_LISTS_MAX;
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void cut_out(char *text, size_t at, size_t len)
{
	memmove(text + at, text + at + len, strlen(text + at + len) + 1);
}

static void replace_all(char *text, const char *old, const char *new)
{
	const size_t old_len = strlen(old), new_len = strlen(new);
	char *p = text;

	/* Only ever shortens, so the text stays within its buffer. */
	while ((p = strstr(p, old))) {
		memcpy(p, new, new_len);
		cut_out(p, new_len, old_len - new_len);
		p += new_len;
	}
}

/* Length of an operator's name or arrow at p, whose < and > are not brackets; 0 when none. */
static size_t symbol_token(const char *text, const char *p)
{
	static const char *const operators[] = {
		"operator<=>", "operator<<=", "operator>>=",	      "operator->*", "operator<<",
		"operator>>",  "operator<=",  "operator>=",	      "operator->",  "operator()",
		"operator<",   "operator>",   "(anonymous namespace)"
	};

	if (starts_with(p, "->"))
		return 2;
	if (*p == 'o' && p > text && (isalnum((unsigned char)p[-1]) || p[-1] == '_'))
		return 0;
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (starts_with(p, operators[i]))
			return strlen(operators[i]);
	return 0;
}

/* Index one past the bracket that closes the one at text[open]; 0 when it is never closed. */
static size_t find_closing(const char *text, size_t open)
{
	size_t depth = 0, token;

	for (size_t i = open; text[i]; i++) {
		token = symbol_token(text, text + i);
		if (token) {
			i += token - 1;
			continue;
		}
		if (text[i] == '<' || text[i] == '(')
			depth++;
		else if ((text[i] == '>' || text[i] == ')') && --depth == 0)
			return i + 1;
	}
	return 0;
}

/* Arguments that the standard library's templates take unless told otherwise. */
static void drop_default_arguments(char *text)
{
	static const char *const defaults[] = { ", std::allocator<", ", std::char_traits<",
						", std::default_delete<" };
	size_t close;
	char *p;

	for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++) {
		p = text;
		while ((p = strstr(p, defaults[i]))) {
			close = find_closing(p, strlen(defaults[i]) - 1);
			if (close == 0)
				return;
			if (p[close] == ' ' && p[close + 1] == '>')
				close++;
			if (p[close] == '>' || p[close] == ',')
				cut_out(p, 0, close);
			else
				p++;
		}
	}
}

static void shorten_std(char *text)
{
	replace_all(text, "std::__cxx11::", "std::");
	replace_all(text, "std::__1::", "std::");
	drop_default_arguments(text);
	replace_all(text, "std::basic_string<char>", "std::string");
	replace_all(text, "> >", ">>");
}

/* Replaces what stands in brackets of the given depth (1 = outermost) by "...". */
static void elide_brackets(char *text, size_t depth_max)
{
	size_t depth = 0, token, out = 0, n, close;

	for (size_t i = 0; text[i];) {
		token = symbol_token(text, text + i);
		n = token ? token : 1;
		close = 0;
		if (!token && (text[i] == '<' || text[i] == '('))
			close = ++depth == depth_max ? find_closing(text, i) : 0;
		else if (!token && (text[i] == '>' || text[i] == ')') && depth > 0)
			depth--;
		if (close > i + 5) {
			text[out++] = text[i];
			memcpy(text + out, "...", 3);
			out += 3;
			i = close - 1;
			continue;
		}
		memmove(text + out, text + i, n);
		out += n;
		i += n;
	}
	text[out] = '\0';
}

static bool copy_cut(const char *text, char *ret, size_t size)
{
	size_t len = strlen(text);

	if (len < size) {
		memcpy(ret, text, len + 1);
		return true;
	}
	memcpy(ret, text, size - 4);
	memcpy(ret + size - 4, "...", 4);
	return false;
}

bool demangle_name(const char *name, char *ret, size_t size)
{
	struct sink s;
	size_t outermost;
	bool known = false;

	if ((starts_with(name, "_Z") || starts_with(name, "_R")) &&
	    strnlen(name, DEMANGLE_INPUT_BYTES) < DEMANGLE_INPUT_BYTES) {
		known = run(rust_demangle_callback, name, &s);
		if (!known && name[1] == 'Z' && !backtracks_too_much(name))
			known = run(cplus_demangle_v3_callback, name, &s);
	}
	if (!known) {
		copy_cut(name, ret, size);
		return false;
	}
	shorten_std(s.text);
	/* "<type as trait>::function" of Rust: its first bracket is the name. */
	outermost = s.text[0] == '<' ? 2 : 1;
	for (size_t depth = 3; depth >= outermost && strlen(s.text) > READABLE_BYTES; depth--)
		elide_brackets(s.text, depth);
	copy_cut(s.text, ret, size);
	return true;
}
