/*
 * Leaks that come together: a thing that is lost is often several blocks, each asked for by a
 * function of its own, and shows as so many leaks; a thread is itself, its stack and its variables.
 * Two leaks of heap or of threads are taken to be parts of the
 * same when as many blocks come of both, at the same pace, and a function near both owners called
 * for both; one that does all of the program's work (main, a thread's first) proves nothing.
 */
#pragma once
#include "analyse/analysis.h"

/* Sets comes_with of active findings, which stand worst first: a part points to the worst one. */
void companions_mark(const struct snapshot *snap, const struct owner *owners, struct findings *f);
