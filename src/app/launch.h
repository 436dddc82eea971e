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

struct launch_cfg {
	char *const *argv; /* argv[0] is looked up in PATH */
	char *const *envp; /* NULL: as ours is */
	bool keep_stdout;  /* false: to standard error, because ours carries records */
};

/* Starts a command and holds it. -ENOENT, -EACCES, ... with *err filled. */
int launch_start(const struct launch_cfg *cfg, struct launch *ret, struct err *err);

/* Lets it run, without us. Safe when it is gone. */
void launch_release(struct launch *l);

/* Kills a command that is still held, and reaps it: for when tracing cannot begin. */
void launch_abort(struct launch *l);
