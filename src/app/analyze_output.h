/* The output of `memtrace analyze`: a signal ends a run also when nobody reads what it writes. */
#pragma once
#include <stdio.h>

#define ANALYZE_GRACE_MS 2000 /* for a reader, once a signal came */

struct analyze_output {
	int fd;	       /* borrowed */
	int signal_fd; /* borrowed; -1: none; never read from */
	int error;     /* of the first writing that failed: none follows it */
};

/*
 * A stream into o->fd, which outlives it. Writing fails with EINTR when a signal came and there was
 * no room for ANALYZE_GRACE_MS. -ENOMEM.
 */
int analyze_output_open(struct analyze_output *o, FILE **ret);
