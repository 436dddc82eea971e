/* `memtrace analyze`: recordings and bare series, judged without privileges. */
#pragma once
#include "cli.h"

/* Exit status. */
int analyze_run(const struct opts *opts);
