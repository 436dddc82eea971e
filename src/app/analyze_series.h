/* `memtrace analyze --series`: one whole series per line in, one pattern record per line out. */
#pragma once
#include <stdint.h>
#include <stdio.h>

#include "analyse/severity.h"
#include "app/analyze_input.h"
#include "base/err.h"

#define SERIES_LINE_MAX ((size_t)16 << 20) /* bytes */
#define SERIES_POINTS_MAX 262144	   /* of one series: three days of seconds */
#define SERIES_RESTARTS_MAX 1024

struct series_cfg {
	struct severity_cfg severity;
	uint64_t limit_bytes; /* for lines that name none; 0: there is none */
};

struct series_told {
	uint64_t answers; /* lines written */
	bool leak;	  /* one at least is a leak, and long enough to say so */
};

/*
 * Reads in to its end; an answer is written as soon as its line is there. 0, or a negative errno
 * with *err filled. What is no series is named on standard error. *ret is always written.
 */
int analyze_series(struct analyze_input *in, FILE *out, const struct series_cfg *cfg,
		   struct series_told *ret, struct err *err);
