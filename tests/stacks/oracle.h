/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Unwinds the copy of a stack that a record carries with elfutils' libdwfl: an unwinder that
 * shares nothing with memtrace's.
 */
#ifndef MEMTRACE_TESTS_ORACLE_H
#define MEMTRACE_TESTS_ORACLE_H

#include <linux/types.h>
#include <stdbool.h>

#include "validate.h"

#define ORACLE_FRAMES 512

struct oracle;

/* How the oracle's chain of frames ended. */
struct oracle_stack {
	__u64 pc[ORACLE_FRAMES];
	int frames;
	bool whole;	  /* at the frame of which the tables say that it has no caller */
	bool beyond_copy; /* it needed memory that was not copied */
};

/* NULL when the process cannot be read. */
struct oracle *oracle_new(int pid);
void oracle_free(struct oracle *o);

/* Reads the process's mappings again. True when code was mapped or unmapped since the last time. */
bool oracle_refresh(struct oracle *o);

void oracle_unwind(struct oracle *o, const struct sv_record *r, struct oracle_stack *ret);

#endif
