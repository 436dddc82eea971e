/*
 * Names for code that no file holds: JIT compilers tell them in a perf map. Addresses of such code
 * are used again, so a name is taken only for call sites in use at about the time of reading.
 */
#pragma once
#include <stdint.h>

struct tracee;

/* At the start: notes what is missing for the names of a known runtime's code. */
void code_names_check(struct tracee *t);
/* Once per tick, before the snapshot. */
void code_names_update(struct tracee *t, uint64_t now_ns);
/* The process ended or executed another program. */
void code_names_drop(struct tracee *t);
/* Lines of the map that did not fit, so far. */
uint64_t code_names_refused(const struct tracee *t);
