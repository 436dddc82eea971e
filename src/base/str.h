/*
 * A growing string, and making foreign bytes fit to print: valid UTF-8, no control characters
 * (secrets in command lines: mask.h). A strbuf owns its text and remembers its first failure: later
 * additions return the same error and change nothing, so that a writer may check once, at the end.
 */
#pragma once
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"

struct strbuf {
	char *text; /* owned; ends in NUL once anything was added, else NULL */
	size_t len; /* without the NUL */
	size_t cap;
	int error; /* 0, or the first failure as a negative errno */
};

/* What follows the last slash of a path, or all of it. */
static inline const char *str_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* All additions: 0, -ENOMEM, or the earlier failure. */
int strbuf_add(struct strbuf *b, const char *text);
int strbuf_add_bytes(struct strbuf *b, const void *bytes, size_t len);
__attribute__((format(printf, 2, 3))) int strbuf_printf(struct strbuf *b, const char *format, ...);

/* The text so far, never NULL; valid until the next change. */
const char *strbuf_text(const struct strbuf *b);

/* Gives the text out ("" if nothing was added) and leaves b empty; the caller frees it. */
int strbuf_take(struct strbuf *b, char **ret);

/* Empties b, keeps its memory, forgets a failure. */
void strbuf_clear(struct strbuf *b);
void strbuf_done(struct strbuf *b);

#define auto_strbuf auto_clean(strbuf_done)

/*
 * Adds foreign bytes as valid UTF-8: what is not UTF-8 becomes U+FFFD, control characters become
 * \xNN (\uNNNN for those that reorder or break lines of text). A backslash stays as it is, so the
 * escapes are for reading, not for parsing back.
 */
int str_add_clean(struct strbuf *b, const void *bytes, size_t len);

/* The same, at most max bytes of output; what is longer is cut at a character and ends in "...". */
int str_add_clean_max(struct strbuf *b, const void *bytes, size_t len, size_t max);
