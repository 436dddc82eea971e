/*
 * `memtrace run`: starts a command and holds it at its entry point, where every library it is
 * linked against is mapped and none of its own code has run, until probes are in place.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct launch {
	pid_t pid;     /* child of ours; 0 when there is none */
	bool held;     /* stopped under our control */
	bool at_entry; /* held at its entry point, not earlier */
};

/*
 * Starts argv[0] (looked up in PATH) and holds it. keep_stdout false: its standard output goes to
 * standard error, because ours carries records. -ENOENT, -EACCES, ... with *err filled.
 */
int launch_start(char *const argv[], bool keep_stdout, struct launch *ret, struct err *err);

/* Lets it run, without us. Safe when it is gone. */
void launch_release(struct launch *l);

/* Kills a command that is still held, and reaps it: for when tracing cannot begin. */
void launch_abort(struct launch *l);
