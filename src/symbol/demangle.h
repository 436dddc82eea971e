/*
 * Names of functions as people write them: C++ (Itanium ABI), Rust (legacy and v0) through
 * libiberty. Made for stacks: no parameter lists, no default template arguments, no hashes, and
 * what is long inside is left out. Input is hostile: size and time are bounded.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define DEMANGLE_INPUT_BYTES 4096 /* longer names stay as they are */
#define DEMANGLE_NAME_BYTES 512	  /* enough for ret; longer results end in "..." */

/*
 * Writes the readable form of name, or name itself when it is not mangled or not understood, cut
 * to size - 1 bytes (size of at least 4). True when it was demangled.
 */
bool demangle_name(const char *name, char *ret, size_t size);
