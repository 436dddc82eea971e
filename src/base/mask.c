/*
 * Masking works on the raw bytes of one argument at a time, before they are cleaned, because an
 * escape must not tear a name apart. The input is hostile; every step is linear in its length.
 */
#include "base/mask.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

#define HIDDEN "***"
#define URL_TOKEN_BYTES 20 /* a URL's user name of this length is taken for a token */

/* A name that contains one of these, in either case, has a secret for a value. */
static const char *const secret_words[] = {
	"password",    "passwd",	"passphrase", "pwd",	    "secret",	   "token",
	"api_key",     "api-key",	"apikey",     "access_key", "access-key",  "accesskey",
	"private_key", "private-key",	"auth_key",   "auth-key",   "account_key", "accountkey",
	"credential",  "authorization", "bearer",
};

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

static bool contains_word(const char *name, size_t len, const char *word)
{
	size_t i, word_len = strlen(word);

	for (i = 0; i + word_len <= len; i++)
		if (!strncasecmp(name + i, word, word_len))
			return true;
	return false;
}

static bool is_secret_name(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(secret_words) / sizeof(secret_words[0]); i++)
		if (contains_word(name, len, secret_words[i]))
			return true;
	return len >= 4 && !strncasecmp(name + len - 4, "pass", 4); /* --requirepass, DB_PASS */
}

/* Where the value of the name [start, end) begins; len when nothing follows that is one. */
static size_t value_begin(const char *arg, size_t len, size_t start, size_t end)
{
	bool blanks = end < len && is_blank(arg[end]);
	size_t i = end;

	while (i < len && (is_blank(arg[i]) || strchr("\"'\\", arg[i])))
		i++;
	if (i < len && (arg[i] == '=' || arg[i] == ':'))
		i++;
	else if (len - i >= 3 && !strncasecmp(arg + i, "%3d", 3))
		i += 3;
	else if (!blanks || (arg[start] != '-' && strncasecmp(arg + start, "bearer", 6)))
		return len;
	while (i < len && (is_blank(arg[i]) || strchr("\"'\\", arg[i])))
		i++;
	return i;
}

/* Where the first secret of this argument begins, else len; sets *ret_next for `--password X`. */
static size_t find_secret(const char *arg, size_t len, bool *ret_next)
{
	size_t start, end, value;

	*ret_next = false;
	for (start = 0; start < len; start = end) {
		end = start + 1;
		if (!is_name_char(arg[start]))
			continue;
		while (end < len && is_name_char(arg[end]))
			end++;
		if (!is_secret_name(arg + start, end - start))
			continue;
		*ret_next = start == 0 && end == len && arg[0] == '-';
		value = value_begin(arg, len, start, end);
		if (value < len)
			return value;
	}
	return len;
}

/* Finds the next secret part of a URL's user information: [*ret_begin, *ret_end). */
static bool find_url_secret(const char *arg, size_t from, size_t len, size_t *ret_begin,
			    size_t *ret_end)
{
	const char *url = memmem(arg + from, len - from, "://", 3), *host, *colon;
	size_t begin, end;

	for (; url; url = memmem(arg + end, len - end, "://", 3)) {
		begin = end = (size_t)(url - arg) + 3;
		while (end < len && !is_blank(arg[end]) && arg[end] != '"' && arg[end] != '\'')
			end++;
		/* The last @, since a password may hold one that nobody escaped. */
		host = memrchr(arg + begin, '@', end - begin);
		if (!host)
			continue;
		end = (size_t)(host - arg);
		colon = memchr(arg + begin, ':', end - begin);
		if (!colon && end - begin < URL_TOKEN_BYTES)
			continue;
		*ret_begin = colon ? (size_t)(colon - arg) + 1 : begin;
		*ret_end = end;
		return true;
	}
	return false;
}

static int add_argument(struct strbuf *b, const char *arg, size_t len, bool *ret_next)
{
	size_t secret = find_secret(arg, len, ret_next), done = 0, begin, end;

	while (done < secret && find_url_secret(arg, done, len, &begin, &end) && begin < secret) {
		str_add_clean(b, arg + done, begin - done);
		strbuf_add(b, HIDDEN);
		done = end;
	}
	if (done >= secret)
		return b->error; /* the secret lies in what was hidden just now */
	str_add_clean(b, arg + done, secret - done);
	return secret < len ? strbuf_add(b, HIDDEN) : b->error;
}

int mask_add_cmdline(struct strbuf *b, const char *args, size_t len)
{
	bool hide = false, hide_next;
	size_t i, arg_len;

	while (len && !args[len - 1])
		len--;
	for (i = 0; i < len; i += arg_len + 1) {
		arg_len = strnlen(args + i, len - i);
		if (i)
			strbuf_add(b, " ");
		if (hide) {
			strbuf_add(b, HIDDEN);
			/* `--password --token X`: X is a secret whoever took what for a value. */
			find_secret(args + i, arg_len, &hide_next);
		} else {
			add_argument(b, args + i, arg_len, &hide_next);
		}
		hide = hide_next;
	}
	return b->error;
}
