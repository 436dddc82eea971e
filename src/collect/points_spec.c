/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The user's own allocator functions: the text of --alloc. It comes from the command line, so it is
 * trusted but may be mistaken: every error says what is accepted.
 */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "collect/points.h"

/* A piece of a longer text. */
struct word {
	const char *text;
	size_t len;
};

/* What the arguments of one function said, by key; 0 = not given. */
struct spec_args {
	uint8_t size, count, ptr, out;
};

static const char accepted[] =
	"expected MODULE:FUNCTION(ARGUMENTS)[:FUNCTION(ARGUMENTS)...], MODULE = "
	"exe or a file name pattern, ARGUMENTS = size=argN[,count=argN], "
	"ptr=argN,size=argN, out=argN,size=argN or ptr=argN, N = 1 to 6";

static uint8_t *spec_key(struct spec_args *a, const struct word *key)
{
	const struct {
		const char *name;
		uint8_t *value;
	} keys[] = {
		{ "size", &a->size },
		{ "count", &a->count },
		{ "ptr", &a->ptr },
		{ "out", &a->out },
	};
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strlen(keys[i].name) == key->len && !memcmp(keys[i].name, key->text, key->len))
			return keys[i].value;
	return NULL;
}

/* Parses one "key=argN". */
static int parse_arg(const struct word *item, struct spec_args *a, struct err *err)
{
	const char *eq = memchr(item->text, '=', item->len);
	struct word key = { item->text, eq ? (size_t)(eq - item->text) : item->len };
	size_t rest = item->len - key.len;
	uint8_t *value = spec_key(a, &key);

	if (!eq || !value || rest != 5 || strncmp(eq, "=arg", 4) != 0 || eq[4] < '1' ||
	    eq[4] > '0' + POINT_ARG_MAX)
		return err_set(err, -EINVAL, "--alloc: bad argument '%.*s': %s", (int)item->len,
			       item->text, accepted);
	if (*value)
		return err_set(err, -EINVAL, "--alloc: '%.*s' is given twice: %s", (int)key.len,
			       key.text, accepted);
	*value = (uint8_t)(eq[4] - '0');
	return 0;
}

static int parse_args(const char *text, size_t len, struct spec_args *ret, struct err *err)
{
	struct spec_args a = {};
	const char *comma;
	struct word item;
	int r;

	for (;;) {
		comma = memchr(text, ',', len);
		item = (struct word){ text, comma ? (size_t)(comma - text) : len };
		r = parse_arg(&item, &a, err);
		if (r < 0)
			return r;
		if (!comma)
			break;
		text = comma + 1;
		len -= item.len + 1;
	}
	*ret = a;
	return 0;
}

/* -EINVAL when the keys do not describe one of the four kinds of call. */
static int args_to_call(const struct spec_args *a, struct point_call *ret)
{
	uint8_t given[] = { a->size, a->count, a->ptr, a->out };
	struct point_call call = { MT_FN_NONE, a->size, a->count, a->ptr ? a->ptr : a->out };
	uint32_t seen = 0;
	size_t i;

	for (i = 0; i < sizeof(given); i++) {
		if (given[i] && seen & 1u << given[i])
			return -EINVAL; /* one argument cannot be two things */
		seen |= 1u << given[i];
	}
	if ((a->ptr && a->out) || (a->count && (!a->size || a->out)))
		return -EINVAL;
	if (a->size)
		call.fn = a->ptr ? MT_FN_REALLOC : a->out ? MT_FN_POSIX_MEMALIGN : MT_FN_ALLOC;
	else if (a->ptr)
		call.fn = MT_FN_FREE;
	else
		return -EINVAL;
	*ret = call;
	return 0;
}

static int copy_name(char *dst, const char *text, size_t len)
{
	if (!len || len >= POINT_NAME_BYTES || memchr(text, '/', len))
		return -EINVAL;
	memcpy(dst, text, len);
	dst[len] = '\0';
	return 0;
}

/* Parses one "name(args)" into the next free place of the specification. */
static int parse_function(const char *text, size_t len, struct point_spec *s, struct err *err)
{
	const char *open = memchr(text, '(', len);
	struct spec_args args;
	size_t name_len;
	int r;

	if (s->count == POINT_SPEC_FUNCTIONS)
		return err_set(err, -EINVAL, "--alloc: more than %d functions; give --alloc again",
			       POINT_SPEC_FUNCTIONS);
	if (!open || text[len - 1] != ')')
		return err_set(err, -EINVAL, "--alloc: '%.*s' is not FUNCTION(ARGUMENTS): %s",
			       (int)len, text, accepted);
	name_len = (size_t)(open - text);
	if (copy_name(s->function[s->count].name, text, name_len) < 0)
		return err_set(err, -EINVAL, "--alloc: bad function name in '%.*s': %s", (int)len,
			       text, accepted);
	r = parse_args(open + 1, len - name_len - 2, &args, err);
	if (r < 0)
		return r;
	if (args_to_call(&args, &s->function[s->count].call) < 0)
		return err_set(err, -EINVAL, "--alloc: '%.*s' says nothing that makes sense: %s",
			       (int)len, text, accepted);
	s->count++;
	return 0;
}

int points_parse_spec(const char *text, struct point_spec *ret, struct err *err)
{
	const char *colon = strchr(text, ':');
	struct point_spec s = {};
	size_t len;
	int r;

	if (!colon || copy_name(s.module, text, (size_t)(colon - text)) < 0)
		return err_set(err, -EINVAL, "--alloc '%s': bad module: %s", text, accepted);
	for (text = colon; *text == ':'; text += len) {
		text++;
		len = strcspn(text, ":");
		r = parse_function(text, len, &s, err);
		if (r < 0)
			return r;
	}
	*ret = s;
	return 0;
}

bool points_spec_matches(const struct point_spec *spec, const char *file_name, bool main_exe)
{
	if (!strcmp(spec->module, "exe"))
		return main_exe;
	return fnmatch(spec->module, file_name, 0) == 0;
}
