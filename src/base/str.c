/*
 * Growing strings and the cleaning of foreign bytes. The input is hostile: it is never assumed to
 * be text, to end in NUL or to be short; every loop is linear in its length.
 */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int reserve(struct strbuf *b, size_t more)
{
	size_t need, cap;
	char *text;

	if (b->error)
		return b->error;
	if (__builtin_add_overflow(b->len, more, &need) || need > SIZE_MAX / 2 - 1)
		return b->error = -ENOMEM;
	if (need < b->cap)
		return 0;
	cap = b->cap ? b->cap : 64;
	while (cap <= need)
		cap *= 2;
	text = realloc(b->text, cap);
	if (!text)
		return b->error = -ENOMEM;
	b->text = text;
	b->cap = cap;
	return 0;
}

int strbuf_add_bytes(struct strbuf *b, const void *bytes, size_t len)
{
	int r;

	r = reserve(b, len);
	if (r < 0)
		return r;
	if (len)
		memcpy(b->text + b->len, bytes, len);
	b->len += len;
	b->text[b->len] = '\0';
	return 0;
}

int strbuf_add(struct strbuf *b, const char *text)
{
	return strbuf_add_bytes(b, text, strlen(text));
}

int strbuf_printf(struct strbuf *b, const char *format, ...)
{
	auto_free char *text = NULL;
	va_list ap;
	int n;

	if (b->error)
		return b->error;
	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL; /* glibc leaves it undefined */
		return b->error = -ENOMEM;
	}
	return strbuf_add_bytes(b, text, (size_t)n);
}

const char *strbuf_text(const struct strbuf *b)
{
	return b->text ? b->text : "";
}

int strbuf_take(struct strbuf *b, char **ret)
{
	int r;

	r = strbuf_add_bytes(b, "", 0); /* so that there is a text even when nothing was added */
	if (r < 0)
		return r;
	*ret = steal(b->text);
	*b = (struct strbuf){};
	return 0;
}

void strbuf_clear(struct strbuf *b)
{
	b->len = 0;
	b->error = 0;
	if (b->text)
		b->text[0] = '\0';
}

void strbuf_done(struct strbuf *b)
{
	free(b->text);
	*b = (struct strbuf){};
}

/* What a lead byte asks for: Unicode 15, table 3-7 (well-formed UTF-8 byte sequences). */
struct lead {
	unsigned char first, last; /* lead bytes */
	unsigned char low, high;   /* range of the second byte */
	unsigned char len;
};

static const struct lead leads[] = {
	{ 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
	{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

/* Bytes of the character at p, or of what one U+FFFD stands for; *ret_char is 0xfffd then. */
static size_t next_char(const unsigned char *p, size_t len, uint32_t *ret_char)
{
	const struct lead *lead = NULL;
	uint32_t c;
	size_t i;

	*ret_char = 0xfffd;
	for (i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
		if (p[0] >= leads[i].first && p[0] <= leads[i].last)
			lead = &leads[i];
	if (!lead)
		return 1;
	c = lead->len == 1 ? p[0] : p[0] & (0x7fu >> lead->len);
	for (i = 1; i < lead->len; i++) {
		unsigned char low = i == 1 ? lead->low : 0x80, high = i == 1 ? lead->high : 0xbf;

		if (i >= len || p[i] < low || p[i] > high)
			return i;
		c = c << 6 | (p[i] & 0x3f);
	}
	*ret_char = c;
	return lead->len;
}

/* Controls, and the characters by which text can pretend to be other text on a terminal. */
static bool unprintable(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* Writes one cleaned character, at most 6 bytes and a NUL, into out; returns its length. */
static size_t clean_char(const unsigned char *p, size_t len, uint32_t c, char out[static 8])
{
	if (unprintable(c))
		return (size_t)snprintf(out, 8, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
	if (c == 0xfffd) {
		memcpy(out, "\xef\xbf\xbd", 3);
		return 3;
	}
	memcpy(out, p, len);
	return len;
}

int str_add_clean_max(struct strbuf *b, const void *bytes, size_t len, size_t max)
{
	const unsigned char *p = bytes;
	size_t used, n, start = b->len, fits = b->len;
	char out[8];
	uint32_t c;

	for (; len; p += used, len -= used) {
		used = next_char(p, len, &c);
		n = clean_char(p, used, c, out);
		if (b->len - start + n > max) {
			if (max < 3 || b->error)
				return b->error;
			b->len = fits;
			return strbuf_add(b, "...");
		}
		if (strbuf_add_bytes(b, out, n) < 0)
			return b->error;
		if (b->len - start + 3 <= max)
			fits = b->len;
	}
	return b->error;
}

int str_add_clean(struct strbuf *b, const void *bytes, size_t len)
{
	return str_add_clean_max(b, bytes, len, SIZE_MAX);
}
