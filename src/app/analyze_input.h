/* The inputs of `memtrace analyze`: files or pipes, read as they come, what is refused named. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/input.h"
#include "base/json.h"

#define ANALYZE_NAMED_MAX 20 /* refused lines of an input that are named one by one */

struct analyze_input {
	const char *name; /* borrowed: for messages */
	const char *what; /* borrowed: what its lines should be, "a series" */
	int fd;		  /* owned; -1: none */
	int signal_fd;	  /* borrowed; -1: none; when it has something to read the input is over */
	int idle_ms;	  /* told that nothing came for so long; -1: waits for ever */
	bool stopped;	  /* by a signal */
	struct input *lines; /* owned */
	uint64_t refused;
	char why[JSON_WHY_BYTES]; /* of the last line that is no JSON */
};

/* "-" is standard input, refused when it is a terminal (-EINVAL). *ret is usable by close always.
 */
int analyze_open(const char *file, size_t line_max, int signal_fd, struct analyze_input *ret,
		 struct err *err);
void analyze_close(struct analyze_input *in);

/* 1 with a line that is not empty, without a byte order mark and a carriage return at its end; 0 at
 * the end; -EAGAIN: nothing came for a while, or an error. */
int analyze_next(struct analyze_input *in, struct input_line *ret, struct err *err);

/* The line as JSON. -EBADMSG: it was refused and named; -ENOMEM. */
int analyze_parse(struct analyze_input *in, const struct input_line *line, json_t **ret);

/* Counts a line, and names it unless many were before. */
void analyze_refuse(struct analyze_input *in, const struct input_line *line, const char *why);
