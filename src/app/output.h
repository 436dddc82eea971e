/* Where the records go: standard output or a file, and the sink that writes them. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

#include "app/graphs.h"
#include "base/err.h"
#include "cli.h"
#include "report/sink.h"

struct output {
	FILE *file;	   /* owned unless it is standard output */
	struct sink *sink; /* owned: what the run tells */
	struct sink *told; /* owned: the sink behind it when pictures are asked for, else NULL */
	struct profile *profile; /* owned: what the pictures show; NULL when none are asked for */
	struct graphs graphs;
	char host[256];
	char name[256]; /* for messages */
	char text[512]; /* of output_explain() */
};

int output_open(struct output *o, const struct opts *opts, struct err *err);
int output_flush(struct output *o); /* 0 or a negative errno */
/* Writes the pictures that were asked for. 0 or a negative errno with *err filled. */
int output_write_graphs(struct output *o, struct err *err);
bool output_wants_colour(FILE *f); /* escape sequences are wanted there */
size_t output_columns(FILE *f);	   /* of the terminal, 72 where there is none */
/* A sentence about a failed write; valid until the next call. */
const char *output_explain(struct output *o, int error);
void output_close(struct output *o);
