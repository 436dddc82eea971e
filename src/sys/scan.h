/* Reading numbers out of text that is not trusted: bounded by `end`, overflow refused. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * Reads digits of base 8, 10 or 16 at *at and moves *at behind them.
 * False, with *at and *ret untouched, when there is no digit or the number exceeds 64 bits.
 */
static inline bool scan_u64(const char **at, const char *end, unsigned int base, uint64_t *ret)
{
	const char *p = *at;
	uint64_t value = 0;

	for (; p < end; p++) {
		unsigned int digit = (unsigned char)*p - '0';

		if (digit > 9) {
			unsigned int letter = ((unsigned char)*p | 0x20) - 'a';

			digit = letter < 6 ? letter + 10 : base;
		}
		if (digit >= base)
			break;
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value))
			return false;
	}
	if (p == *at)
		return false;
	*at = p;
	*ret = value;
	return true;
}

static inline void scan_blanks(const char **at, const char *end)
{
	while (*at < end && (**at == ' ' || **at == '\t'))
		(*at)++;
}

/* True, and *at moved behind it, when the text at *at begins with c. */
static inline bool scan_char(const char **at, const char *end, char c)
{
	if (*at == end || **at != c)
		return false;
	(*at)++;
	return true;
}

/* True when the len bytes at text begin with prefix. */
static inline bool scan_begins(const char *text, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len >= n && memcmp(text, prefix, n) == 0;
}

static inline bool scan_ends(const char *text, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len >= n && memcmp(text + len - n, suffix, n) == 0;
}
