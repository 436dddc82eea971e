/* How often the kernel lets a perf event take a sample. */
#pragma once
#include <stdint.h>

/*
 * Samples a second, on one CPU (kernel.perf_event_max_sample_rate): what is above is left out.
 * Administrators set it, to 1 at times, and the kernel lowers it where samples took long.
 * root: "/proc". -ENOENT, -EINVAL (no number), -errno.
 */
int perflimit_read(const char *root, uint64_t *ret_per_s);
