/* The pictures and profiles that were asked for: files opened first, written once at the end. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "cli.h"

struct profile;

#define GRAPHS_MAX 3

struct graph {
	const char *name; /* borrowed: as on the command line; NULL: not asked for */
	FILE *file;	  /* owned unless it is standard output */
};

struct graphs {
	struct graph list[GRAPHS_MAX];
	uint32_t value; /* of folded stacks */
	bool any;
};

/* Opens, and empties, the files that opts names. 0 or a negative errno with *err filled. */
int graphs_open(struct graphs *g, const struct opts *opts, struct err *err);
/* Writes all of them; goes on after a failure, whose errno and text are those of the first. */
int graphs_write(struct graphs *g, const struct profile *p, struct err *err);
void graphs_close(struct graphs *g);
