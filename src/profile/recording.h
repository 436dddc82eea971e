/*
 * Reading what `memtrace --json` wrote: one object per line, from a file or a pipe, in one pass and
 * bounded memory. The input is foreign: a line that is too long, no JSON, or no record is counted
 * and skipped; what is missing in a record is not known. Records of unknown types are skipped too.
 */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "profile/profile.h"

#define RECORDING_LINE_MAX ((size_t)4 << 20)  /* bytes */
#define RECORDING_KEPT_MAX ((size_t)64 << 20) /* bytes of lines that are kept as documents */

struct err;

struct recording_cfg {
	const uint32_t *pids; /* borrowed; only these processes; NULL: all */
	size_t pid_count;
};

/* The last word on a process: owned documents, NULL when there was none. */
struct recording_process {
	json_t *start, *sample, *end;
	json_t *leaks; /* object: leak_id -> the last record of it; never NULL */
};

struct recording {
	struct profile *profile;	     /* owned, settled */
	struct recording_process *processes; /* owned: one for each of profile->processes */
	size_t process_cap;
	uint64_t lines, records; /* read; understood, of any type */
	uint64_t bad_lines;
	uint64_t first_bad;  /* its number, from 1; 0: none */
	const char *why_bad; /* static text */
	uint64_t not_kept;   /* documents beyond RECORDING_KEPT_MAX */
	uint64_t other_pids; /* records of processes that were not asked for */
	size_t kept_bytes;
};

/* Reads f to its end. 0, or -EIO, -ENOMEM, -EPROTO (written by a newer memtrace) with *e filled. */
int recording_read(FILE *f, const struct recording_cfg *cfg, struct recording **ret, struct err *e);
void recording_free(struct recording *r);
void recording_freep(struct recording **r);
