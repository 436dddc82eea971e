/* The file behind a mapping, opened as it is mapped, whatever its name means now. */
#pragma once
#include <stdint.h>
#include <sys/stat.h>

/*
 * Opens root/PID/map_files/START-END for reading, close-on-exec, without blocking on what is no
 * regular file: -EACCES for that. *st is of the file. Returns the descriptor, the caller's, or a
 * negative errno.
 */
int mapfile_open(const char *root, uint32_t pid, uint64_t start, uint64_t end, struct stat *st);
