/* Descriptor records of the kernel iterator as checked facts. */
#pragma once
#include <stddef.h>

#include "collect/collector.h"
#include "decode/fact.h"

/*
 * The descriptor table of a process; *ret is to be freed. -EOPNOTSUPP where the kernel has no
 * task_file iterator: fdtable_read() is the way then.
 */
int fds_read(struct collector *c, uint32_t tgid, struct fd_fact **ret, size_t *ret_count);

/* One record. Pure; what contradicts itself becomes "not known". */
void fds_convert(const struct mt_fd *from, struct fd_fact *ret);
