/* The composition root: builds every part, runs the loop, stops in reverse order. */
#pragma once
#include "base/err.h"
#include "cli.h"

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_LEAK 3
#define EXIT_CANNOT 77

/* Traces as the options say. Returns the exit status; what went wrong has been said. */
int app_run(const struct opts *opts);
