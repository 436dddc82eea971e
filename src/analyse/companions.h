/*
 * Leaks that come together: a thing that is lost is often several blocks, each asked for by a
 * function of its own, and shows as so many leaks; a thread is itself, its stack and its variables,
 * a connection is its descriptor and what a library keeps for it. Two leaks are taken to be parts
 * of the same when as many things come of both, at the same pace, and a function near both owners
 * called for both; one that does all of the program's work (main, a thread's first) proves nothing.
 * Where one is of descriptors, or one function or one library of a kind asked for both, there may
 * also be a fixed number of one for each of the other.
 */
#pragma once
#include "analyse/analysis.h"

/* Sets comes_with of active findings, which stand worst first: a part points to the descriptors
 * that it comes with, else to the worst one. */
void companions_mark(const struct snapshot *snap, const struct owner *owners, struct findings *f);
