/* `memtrace analyze` of records of memtrace, and of bare points between them. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "cli.h"

#define ANALYZE_PROCESSES_MAX 256 /* at once */

/*
 * Reads every file of opts and tells what is judged; *ret_leak: a leak was found. 0, -ENODATA:
 * there was nothing to judge, or another negative errno, with *err filled.
 */
int analyze_records(const struct opts *opts, int signal_fd, FILE *out, bool *ret_leak,
		    struct err *err);
