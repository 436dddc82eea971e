/* The CPU time of a process to the nanosecond, where the kernel lets its clock be read. */
#pragma once
#include <stdint.h>

/*
 * Of all its threads, those that ended too. pid: in memtrace's own PID namespace, which is the
 * initial one. -ESRCH: no such process. -errno otherwise.
 */
int cpuclock_read(uint32_t pid, uint64_t *ret_ns);
