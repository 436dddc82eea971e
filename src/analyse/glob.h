/*
 * Simple patterns for the tables of attribution: '*' stands for any run of characters, everything
 * else for itself. Linear in text times pattern at worst, so a hostile name costs nothing special.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Whether the whole of text[0..len) matches the pattern; text needs no terminator. */
static inline bool glob_match(const char *pattern, const char *text, size_t len)
{
	const char *star = NULL;
	size_t i = 0, retry = 0;

	while (i < len) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = i;
		} else if (*pattern && *pattern == text[i]) {
			pattern++;
			i++;
		} else if (star) {
			pattern = star;
			i = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
