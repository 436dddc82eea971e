/* `memtrace run --preload`: where the library is, and the environment that makes a program load it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The path of the library: beside this executable, as it is built, or ../lib/memtrace from there,
 * as it is installed. -ENOENT, or -EINVAL when the dynamic loader could not be told of that path.
 */
int preload_find(char *ret, size_t size, struct err *err);

/*
 * This process's environment with `library` before what is preloaded already, and the mean of the
 * library's gaps; sample_bytes 0: as it is. One allocation, to be freed; it borrows the strings
 * that are as they were.
 */
int preload_environment(const char *library, uint64_t sample_bytes, char ***ret);
