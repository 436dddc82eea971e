/*
 * Whether any code of a module refers to an address that must only be reached from the line before
 * it: by a direct jump or call, or by lea. x86-64. The whole text is read, once, and not kept.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"

/* Addresses that nothing may refer to, [first, last], but code in [own_first, own_last]. */
struct probe_range {
	uint64_t first, last;
	uint64_t own_first, own_last; /* 0, 0: there is none */
	bool referenced;	      /* out: left as it was when nothing refers to it */
};

/*
 * Marks the ranges that are referred to. It errs towards referenced. Jumps of one byte's reach are
 * left out: compilers make them only within a function, whose body probe_site.c decodes. fd is of
 * the module's file, borrowed. A negative errno when not all of the text could be looked at.
 */
int probe_refs_mark(int fd, const struct module_fact *module, struct probe_range *range, size_t n);
