/*
 * Open descriptors of a process from /proc/PID/fd, for hosts without the task_file iterator. The
 * kind comes from the text of the link alone: asking a file for more could hang on its file system.
 * Sockets: family, state, addresses and kernel memory are not known from here.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"

#define FDTABLE_MAX 65536

struct fd_table {
	struct fd_fact *fd; /* owned; fdtable_done() */
	size_t count;
	uint64_t refused; /* beyond FDTABLE_MAX, or with a link that could not be read */
};

/*
 * In the order of /proc, which is ascending; inode is 0 where it is not known.
 * -ESRCH when there is no such process (any more), -EACCES when it may not be looked at.
 */
int fdtable_read(const char *root, uint32_t pid, struct fd_table *ret);
void fdtable_done(struct fd_table *table);

/* Kind and, for "socket:[4711]" and the like, inode from the text of a descriptor's link. */
enum fd_kind fdtable_kind(const char *link, size_t len, uint64_t *ret_inode);
