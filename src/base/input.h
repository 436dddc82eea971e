/*
 * Foreign input line by line, in one pass and bounded memory, as it comes: a line is given out as
 * soon as its end was read, so pipes work. A line longer than the limit is given out without its
 * bytes and marked; the next one is read as usual.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Up to size bytes into buf; how many, 0 at the end, or a negative errno. */
typedef ssize_t (*input_read_fn)(void *ctx, void *buf, size_t size);

struct input_line {
	const char *bytes; /* borrowed until the next call; not ended by NUL */
	size_t len;	   /* without the end of the line */
	uint64_t number;   /* from 1 */
	bool too_long;	   /* its bytes are gone */
};

struct input; /* opaque */

/* max: bytes of the longest line that is given out. read and ctx are borrowed. -ENOMEM. */
int input_new(size_t max, input_read_fn read, void *ctx, struct input **ret);
void input_free(struct input *in); /* NULL is fine */
void input_freep(struct input **in);

/* 1 with *ret filled; 0 at the end; -ENOMEM, or what the reading function said. */
int input_next(struct input *in, struct input_line *ret);

uint64_t input_count(const struct input *in); /* given out so far */

/* Two reading functions: ctx is a FILE, or a pointer to a descriptor, which may be non-blocking. */
ssize_t input_read_file(void *ctx, void *buf, size_t size);
ssize_t input_read_fd(void *ctx, void *buf, size_t size);
