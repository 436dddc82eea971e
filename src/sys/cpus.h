/* Which CPUs of the machine are on: they come and go while memtrace runs. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/*
 * ret[i]: whether CPU i is on, for i < count; those beyond are left out. root: "/sys". -ENOENT,
 * -EINVAL (no list of CPUs), -errno; *ret is then as it was.
 */
int cpus_read_online(const char *root, bool *ret, size_t count);
