/*
 * Files of another process's root: links on the way are followed, but only inside that root (an
 * absolute one would else lead into this process's own), one at the end is not, and nothing but a
 * regular file is opened: opening a pipe waits and opening a device can have effects.
 */
#pragma once
#include <sys/stat.h>

/* Looks path up below the folder root_fd; *ret (owned) can be examined, not read. -errno. */
int inside_find(int root_fd, const char *path, struct stat *ret_st, int *ret);

/* A descriptor for reading what inside_find() found, or -errno. The caller knows that it is a file.
 */
int inside_reopen(int found);

/* Opens a regular file for reading; *ret_st tells about it. -EPERM when it is anything else. */
int inside_open(const char *root, const char *path, struct stat *ret_st, int *ret);
/* The same, and a link at the end is followed, too: debug files are often reached by one. */
int inside_open_linked(const char *root, const char *path, struct stat *ret_st, int *ret);
