/* `memtrace report`: a recording as text, pictures and profiles. */
#pragma once
#include "cli.h"

/* Exit status. */
int report_run(const struct opts *opts);
